//! What stays of services that a manifest does not name any more: what was confirmed last, never what stands
//! in the kernel, which may be anybody's. What others have put there is listed.

use super::own::both;
use super::{FirewallScene, UnnamedServices, blocked};
use crate::capability::OverridePermission;
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker};
use crate::firewall::PortAllowlist;
use crate::firewall::allowlists::kept;
use crate::firewall::boot::FOLDER;
use crate::firewall::confirmed::{self, ConfirmedRules};
use crate::firewall::effect::FilterStack;
use crate::firewall::nft::TableOwnership;
use crate::firewall::step::FilterBackend;
use crate::firewall::text::allowed_sources;
use crate::model::{AddressFamily, AllowedSources as Who, Networks};

/// What stays of allowlists that nobody names any more.
pub(super) struct KeptAllowlists {
    /// The allowlists.
    pub(super) allowlists: Vec<PortAllowlist>,
    /// What is taken over as confirmed since it is in force, though nothing of it is written down, by way.
    pub(super) adopted: Vec<(FilterBackend, Vec<PortAllowlist>)>,
}

/// The allowlists that nobody names any more, also those that the other own way has: it is removed, and they
/// move. Where both ways have one, it is what both let in. They are those that were confirmed last; what
/// stands in the kernel may be anybody's.
pub(super) fn kept_anywhere(
    scene: &FirewallScene<'_>,
    declared: &[PortAllowlist],
) -> Result<KeptAllowlists, Vec<PlanBlocker>> {
    let mut written = Vec::new();
    let mut unknown = Vec::new();
    match scene.unnamed {
        UnnamedServices::Stays => {}
        UnnamedServices::Goes => {
            return Ok(KeptAllowlists { allowlists: Vec::new(), adopted: Vec::new() });
        }
    }
    for (way, live) in both(scene) {
        match confirmed::record(scene.observed, scene.boot, way) {
            ConfirmedRules::Of(rules) => written.push((way, rules)),
            // What a change that waits has made of nothing is what it declares.
            ConfirmedRules::Nothing | ConfirmedRules::Lost if scene.covered() => {}
            record @ (ConfirmedRules::Nothing | ConfirmedRules::Lost) => unknown.push((way, live, record)),
            ConfirmedRules::Unread => {
                let diagnostic = Diagnostic::new("what mailward has loaded last cannot be read on this host")
                    .because(format!("see {}", FOLDER))
                    .hint("run as root");
                return Err(blocked(PlanBlocked::Unknown, diagnostic));
            }
        }
    }
    let mut all = of_record(&written, declared);
    let named = [declared, all.as_slice()].concat();
    let mut lost = Vec::new();
    for (way, live, record) in &unknown {
        let allowlists = kept(live, &named).into_iter();
        lost.extend(allowlists.map(|allowlist| (*way, record.clone(), allowlist)));
    }
    match scene.allowed.own_rules {
        _ if lost.is_empty() => {}
        OverridePermission::Given => {}
        OverridePermission::Withheld => return Err(not_known(&lost)),
    }
    let mut adopted = Vec::new();
    if !lost.is_empty() {
        let live = unknown.into_iter().map(|(way, live, _)| (way, live));
        let live: Vec<(FilterBackend, FilterStack)> = live.collect();
        all.extend(kept(&together(&live), &named));
        let allowlists = live.iter().map(|(way, live)| (*way, kept(live, &[])));
        adopted.extend(allowlists.filter(|(_, allowlists)| !allowlists.is_empty()));
    }
    all.sort_by_key(|allowlist| allowlist.service);
    Ok(KeptAllowlists { allowlists: all, adopted })
}

/// The rules of all ways, each of which a connection must pass.
fn together(ways: &[(FilterBackend, FilterStack)]) -> FilterStack {
    let all = ways.iter().flat_map(|(_, rules)| rules.0.iter().cloned());
    FilterStack(all.collect())
}

/// The allowlists of what is written down that nobody names any more.
fn of_record(written: &[(FilterBackend, FilterStack)], declared: &[PortAllowlist]) -> Vec<PortAllowlist> {
    let allowlists = kept(&together(written), declared).into_iter();
    allowlists
        .map(|allowlist| {
            let mut others = (written.iter()).filter(|(way, _)| *way != FilterBackend::Iptables);
            let by_others = others.any(|(_, rules)| {
                let mut allowlists = kept(rules, declared).into_iter();
                allowlists.any(|other| other.service == allowlist.service)
            });
            let chains = written.iter().find(|(way, _)| *way == FilterBackend::Iptables);
            let lacking = chains.filter(|(_, rules)| {
                let has =
                    |family: &AddressFamily| (rules.0.iter()).any(|rules| rules.family == Some(*family));
                !AddressFamily::ALL.iter().all(has)
            });
            match lacking {
                Some((_, rules)) if !by_others => of_written(allowlist, rules),
                Some(_) | None => allowlist,
            }
        })
        .collect()
}

/// A allowlist without the family of which nothing is written down, since the host had no address of it: that
/// it was not closed says nothing.
fn of_written(mut allowlist: PortAllowlist, rules: &FilterStack) -> PortAllowlist {
    if let Who::Only(networks) = &allowlist.allowed {
        let written = rules.0.iter().filter_map(|rules| rules.family);
        let networks =
            written.fold(Networks::default(), |all, family| all.union(&networks.of_family(family)));
        allowlist.allowed = match networks.is_empty() {
            true => Who::Nobody,
            false => Who::Only(networks),
        };
    }
    allowlist
}

/// Refuses, and lists what own rules do of which nothing is written down.
fn not_known(lost: &[(FilterBackend, ConfirmedRules, PortAllowlist)]) -> Vec<PlanBlocker> {
    let allowlists: Vec<String> = (lost.iter())
        .map(|(way, _, allowlist)| {
            format!(
                "{} restricted to {} by {}",
                allowlist.service,
                allowed_sources(&allowlist.allowed),
                way.words()
            )
        })
        .collect();
    let never = (lost.iter()).all(|(_, record, _)| *record == ConfirmedRules::Nothing);
    let diagnostic = Diagnostic::new(
        "mailward's own rules restrict services that the manifest does not name, and what it loaded last is not written down",
    )
    .because(format!("in the kernel: {}", allowlists.join("; ")))
    .hint(if never {
        "name these services in the manifest, or `--allow own-rules` takes the rules over as they are; `mailward revert` \
         takes away what nobody has confirmed"
    } else {
        "name these services in the manifest, or `--allow own-rules` takes the rules over as they are"
    });
    blocked(PlanBlocked::Refused, diagnostic)
}

/// What stands among own rules that mailward does not make, in a few words each, by way.
pub(super) fn foreign(scene: &FirewallScene<'_>) -> Vec<(FilterBackend, Vec<String>)> {
    let nft = match &scene.observed.own_nft {
        Ok(Some(table)) if table.mark == TableOwnership::Own => table.foreign.clone(),
        Ok(_) | Err(_) => Vec::new(),
    };
    if nft.is_empty() {
        return Vec::new();
    }
    vec![(FilterBackend::Nftables, nft)]
}
