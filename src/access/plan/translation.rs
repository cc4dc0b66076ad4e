//! Address translation of others, and where own rules stand beside it: what is worth a note, and what is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::{Scene, blocked};
use crate::access::{Ends, Gate, iptables, nft};
use crate::failure::{Blocked, Blocker, Diagnostic};
use crate::model::{Allowed, Family, MailService};
use crate::plan::{Note, Way};

/// That the rules stand behind address translation alone, where that is so.
pub(super) fn form(scene: &Scene<'_>, way: Way) -> Option<Note> {
    let behind = |family: &Family| match way {
        Way::PleskFirewall => false,
        Way::Nftables => scene.observed.ends_of_nftables() == Ends::InputAlone,
        Way::Iptables => scene.observed.ends_of_iptables(*family) == Ends::InputAlone,
    };
    let families: Vec<String> = (Family::ALL.into_iter().filter(behind))
        .map(|family| family.to_string())
        .collect();
    let what = match way {
        Way::PleskFirewall | Way::Nftables => "`fib` of nftables",
        Way::Iptables => "the match `addrtype` of iptables",
    };
    (!families.is_empty()).then(|| Note::Remark {
        text: format!(
            "for {} the rules stand behind address translation alone, since this kernel lacks {what}; a plan is refused where \
             others translate a port that is restricted",
            families.join(" and ")
        ),
    })
}

/// What others' rules do to packets before own ones see them: where that is in front of address translation it is worth a
/// note, where own rules can stand behind it alone it takes the packets past them.
pub(super) fn changed_before(
    scene: &Scene<'_>,
    way: Way,
    gates: &[Gate],
) -> Result<Vec<Note>, Vec<Blocker>> {
    let Ok(layers) = &scene.observed.layers else {
        return Ok(Vec::new());
    };
    let mut found: BTreeMap<(Ends, String), BTreeSet<(MailService, u16)>> = BTreeMap::new();
    for gate in gates.iter().filter(|gate| gate.allowed != Allowed::Anyone) {
        for family in Family::ALL {
            let (ends, turn) = match way {
                Way::PleskFirewall => continue,
                Way::Nftables => {
                    let ends = scene.observed.ends_of_nftables();
                    (ends, ends.turn(nft::EARLY_PRIORITY, nft::PRIORITY))
                }
                Way::Iptables => {
                    let ends = scene.observed.ends_of_iptables(family);
                    let [early, input] = iptables::End::ALL.map(iptables::End::priority);
                    (ends, ends.turn(early, input))
                }
            };
            for port in gate.ports {
                if let Some(by) = layers.changed_before(turn, family, *port) {
                    let ports = found.entry((ends, by.words)).or_default();
                    ports.insert((gate.service, *port));
                }
            }
        }
    }
    let mut notes = Vec::new();
    let mut blockers = Vec::new();
    for ((ends, rule), ports) in found {
        let ports: Vec<String> = (ports.iter())
            .map(|(service, port)| format!("{port} ({service})"))
            .collect();
        let ports = ports.join(", ");
        match ends {
            Ends::Both => notes.push(Note::Remark {
                text: format!(
                    "{rule}, may give packets to {ports} another port, address or way before mailward's rules see them: who \
                     gets in by it is unclear"
                ),
            }),
            Ends::InputAlone => {
                let diagnostic = Diagnostic::new(format!(
                    "{rule}, may take packets to {ports} past mailward's rules"
                ))
                .because(
                    "this kernel cannot tell its own addresses from others' in front of address translation (`fib` of \
                     nftables, `addrtype` of iptables), so that the rules would stand behind it alone",
                )
                .hint("take that rule out, or restrict these ports where it leads to");
                blockers.extend(blocked(Blocked::Refused, diagnostic));
            }
        }
    }
    if blockers.is_empty() {
        Ok(notes)
    } else {
        Err(blockers)
    }
}
