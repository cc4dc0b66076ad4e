//! Address translation of others, and where own rules stand beside it: what is worth a note, and what is
//! refused.

use std::collections::{BTreeMap, BTreeSet};

use super::{FirewallScene, blocked};
use crate::capability::PartNote;
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker};
use crate::firewall::note::FirewallNote;
use crate::firewall::step::FilterBackend;
use crate::firewall::{NatEnds, PortAllowlist, iptables, nft};
use crate::model::{AddressFamily, AllowedSources, MailService};

/// That the rules stand behind address translation alone, where that is so.
pub(super) fn form(scene: &FirewallScene<'_>, way: FilterBackend) -> Option<PartNote<FirewallNote>> {
    let behind = |family: &AddressFamily| match way {
        FilterBackend::PleskFirewall => false,
        FilterBackend::Nftables => scene.observed.ends_of_nftables() == NatEnds::InputAlone,
        FilterBackend::Iptables => scene.observed.ends_of_iptables(*family) == NatEnds::InputAlone,
    };
    let families: Vec<String> =
        (AddressFamily::ALL.into_iter().filter(behind)).map(|family| family.to_string()).collect();
    let what = match way {
        FilterBackend::PleskFirewall | FilterBackend::Nftables => "`fib` of nftables",
        FilterBackend::Iptables => "the match `addrtype` of iptables",
    };
    (!families.is_empty()).then(|| PartNote::remark(format!(
            "for {} the rules stand behind address translation alone, since this kernel lacks {what}; a plan is refused where \
             others translate a port that is restricted",
            families.join(" and ")
        )))
}

/// What others' rules do to packets before own ones see them: where that is in front of address translation
/// it is worth a note, where own rules can stand behind it alone it takes the packets past them.
pub(super) fn changed_before(
    scene: &FirewallScene<'_>,
    way: FilterBackend,
    allowlists: &[PortAllowlist],
) -> Result<Vec<PartNote<FirewallNote>>, Vec<PlanBlocker>> {
    let Ok(layers) = &scene.observed.layers else {
        return Ok(Vec::new());
    };
    let mut found: BTreeMap<(NatEnds, String), BTreeSet<(MailService, u16)>> = BTreeMap::new();
    for allowlist in allowlists.iter().filter(|allowlist| allowlist.allowed != AllowedSources::Anyone) {
        for family in AddressFamily::ALL {
            let (ends, turn) = match way {
                FilterBackend::PleskFirewall => continue,
                FilterBackend::Nftables => {
                    let ends = scene.observed.ends_of_nftables();
                    (ends, ends.turn(nft::EARLY_PRIORITY, nft::PRIORITY))
                }
                FilterBackend::Iptables => {
                    let ends = scene.observed.ends_of_iptables(family);
                    let [early, input] = iptables::NatEnd::ALL.map(iptables::NatEnd::priority);
                    (ends, ends.turn(early, input))
                }
            };
            for port in allowlist.ports {
                if let Some(by) = layers.changed_before(turn, family, *port) {
                    let ports = found.entry((ends, by.words)).or_default();
                    ports.insert((allowlist.service, *port));
                }
            }
        }
    }
    let mut notes = Vec::new();
    let mut blockers = Vec::new();
    for ((ends, rule), ports) in found {
        let ports: Vec<String> =
            (ports.iter()).map(|(service, port)| format!("{port} ({service})")).collect();
        let ports = ports.join(", ");
        match ends {
            NatEnds::Both => notes.push(PartNote::remark(format!(
                    "{rule}, may give packets to {ports} another port, address or way before mailward's rules see them: who \
                     gets in by it is unclear"
                ))),
            NatEnds::InputAlone => {
                let diagnostic = Diagnostic::new(format!(
                    "{rule}, may take packets to {ports} past mailward's rules"
                ))
                .because(
                    "this kernel cannot tell its own addresses from others' in front of address translation (`fib` of \
                     nftables, `addrtype` of iptables), so that the rules would stand behind it alone",
                )
                .hint("take that rule out, or restrict these ports where it leads to");
                blockers.extend(blocked(PlanBlocked::Refused, diagnostic));
            }
        }
    }
    if blockers.is_empty() { Ok(notes) } else { Err(blockers) }
}
