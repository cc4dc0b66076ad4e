//! The own table of nftables and the own chains of iptables: what they have, what they shall have, and how
//! that is done.

use std::collections::BTreeMap;

use super::kept::{KeptAllowlists, kept_anywhere};
use super::{BackendNeeds, FirewallScene, allowlist_changes, blocked};
use crate::facts::tools::IptablesVariant;
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker, declared_at};
use crate::firewall::confirmed::{self, ConfirmedRules};
use crate::firewall::effect::FilterStack;
use crate::firewall::iptables::{self, NatEnd, PresentChains};
use crate::firewall::methods::{FamilyLoadMethod, LoadMethod, RetireMethod};
use crate::firewall::nft::{self, TableOwnership};
use crate::firewall::observed::{OwnChains, RulesUnread};
use crate::firewall::step::{AllowlistChange, FilterBackend, FirewallCause};
use crate::firewall::{NatEnds, PortAllowlist};
use crate::model::AddressFamily;

fn unread(what: &str, unread: &RulesUnread) -> Vec<PlanBlocker> {
    let diagnostic = Diagnostic::new(what)
        .because(unread.to_string())
        .hint("run as root; `mailward show` tells what can be read");
    blocked(PlanBlocked::Unknown, diagnostic)
}

/// All filters but mailward's own.
pub(super) fn others(scene: &FirewallScene<'_>) -> Result<(FilterStack, FilterStack), Vec<PlanBlocker>> {
    let layers = (scene.observed.layers.as_ref())
        .map_err(|why| unread("the packet filter of this host cannot be read", why))?;
    Ok((layers.filters(), layers.others()))
}

/// What nftables needs.
pub(super) fn nftables(
    scene: &FirewallScene<'_>,
    declared: &[PortAllowlist],
) -> Result<BackendNeeds, Vec<PlanBlocker>> {
    let table = (scene.observed.own_nft.as_ref())
        .map_err(|why| unread("mailward's own table of nftables cannot be read", why))?
        .as_ref();
    if table.is_some_and(|table| !is_ours(scene, table)) {
        return Err(not_ours());
    }
    let now = FilterStack(table.map(nft::NftTable::own_rules).unwrap_or_default());
    let ends = scene.observed.ends_of_nftables();
    let KeptAllowlists { allowlists: kept, adopted } = kept_anywhere(scene, declared)?;
    let allowlists = all(declared, &kept);
    let wanted = nft::rules(&allowlists, ends);
    let as_made = match table {
        None => wanted.is_empty(),
        Some(table) => {
            let is_whole = table.mark == TableOwnership::Own;
            is_whole && !wanted.is_empty() && table.is_made_of(&allowlists, ends)
        }
    };
    let Some(nft) = &scene.observed.tools.nft else {
        let diagnostic = Diagnostic::new("nft is not installed");
        return Err(blocked(PlanBlocked::Manifest, diagnostic));
    };
    let confirmed = scene.unconfirmed(FilterBackend::Nftables);
    let (mut before, mut after) = others(scene)?;
    let confirmed_rules = (confirmed.as_deref()).map(|allowlists| nft::rules(allowlists, ends));
    if let Some(rules) = &confirmed_rules {
        before = after.clone();
        before.0.extend(rules.clone());
    }
    after.0.extend(wanted);
    let change = (!as_made || confirmed.is_some()).then(|| {
        let how = LoadMethod::Nftables {
            nft: nft.clone(),
            script: nft::script(&allowlists, ends),
            allowlists: allowlists.clone(),
            back: (confirmed.as_deref()).map(|allowlists| nft::script(allowlists, ends)),
        };
        let confirmed = confirmed_rules.map(FilterStack);
        let there = table.is_some_and(|table| !table.is_empty());
        let (changes, causes) = change(scene, FilterBackend::Nftables, &now, confirmed, &allowlists, there);
        (changes, how, causes)
    });
    Ok(BackendNeeds { change, allowlists, kept, adopted, before, after })
}

/// A table of mailward's name that it may not touch.
fn not_ours() -> Vec<PlanBlocker> {
    let diagnostic = Diagnostic::new("the table `inet mailward` of nftables is not one that mailward made")
        .because("the comment by which mailward knows its own is missing")
        .hint("see `nft list table inet mailward`; delete it if nobody needs it");
    blocked(PlanBlocked::Refused, diagnostic)
}

/// Whether a table of mailward's name is mailward's: it bears the mark, or is what others have left of what
/// was confirmed last.
fn is_ours(scene: &FirewallScene<'_>, table: &nft::NftTable) -> bool {
    match table.mark {
        TableOwnership::Own => true,
        TableOwnership::Rest => {
            match confirmed::record(scene.observed, scene.boot, FilterBackend::Nftables) {
                ConfirmedRules::Of(rules) => table.is_left_of(&rules.0),
                ConfirmedRules::Nothing | ConfirmedRules::Lost | ConfirmedRules::Unread => false,
            }
        }
        TableOwnership::NameAlone | TableOwnership::Other => false,
    }
}

/// What iptables needs.
pub(super) fn iptables(
    scene: &FirewallScene<'_>,
    declared: &[PortAllowlist],
) -> Result<BackendNeeds, Vec<PlanBlocker>> {
    let mut now = FilterStack::default();
    let mut there = Vec::new();
    for family in families(scene) {
        let chains = own_chains(scene, family)?;
        now.0.extend(chains.iter().map(|chains| chains.own.rules.clone()));
        there.push((family, chains));
    }
    let KeptAllowlists { allowlists: kept, adopted } = kept_anywhere(scene, declared)?;
    let allowlists = all(declared, &kept);
    let confirmed = scene.unconfirmed(FilterBackend::Iptables);
    let mut confirmed_rules = Vec::new();
    let mut families = Vec::new();
    let mut as_made = true;
    let mut wanted_rules = Vec::new();
    for (family, chains) in there {
        let ends = scene.observed.ends_of_iptables(family);
        let mut good = true;
        for end in NatEnd::ALL {
            let made = |allowlists: &[PortAllowlist]| {
                iptables::rules(allowlists, family).filter(|_| end.is_among(ends))
            };
            let wanted = made(&allowlists);
            let there: Vec<_> = chains.iter().filter(|chains| chains.end == end).collect();
            good &= match (there.as_slice(), &wanted) {
                ([], None) => true,
                ([one], Some(wanted)) => {
                    one.own.rules == wanted.condensed()
                        && one.own.lengths == lengths(&allowlists, family, end)
                        && one.own.present.jumps == 1
                        && one.own.before.is_empty()
                }
                ([], Some(_)) | ([_, ..], _) => false,
            };
            wanted_rules.extend(wanted);
            confirmed_rules.extend(confirmed.as_deref().and_then(made));
        }
        if good && confirmed.is_none() {
            continue;
        }
        as_made &= good;
        let one = chains.first().map(|chains| chains.variant);
        if chains.iter().any(|chains| Some(chains.variant) != one) {
            let diagnostic = Diagnostic::new(format!("mailward's own chains of {family} are there twice"))
                .because("in the kernel's old tables and in nftables")
                .hint("remove those of one kind with iptables-legacy or iptables-nft");
            return Err(blocked(PlanBlocked::Refused, diagnostic));
        }
        let present = presents(&chains);
        not_foreign(scene, family, one)?;
        let (save, restore) = programs(scene, family, one)?;
        let script = |allowlists: &[PortAllowlist], present: &PresentChains| {
            iptables::replacement(allowlists, family, ends, present)
        };
        let in_force = present.values().any(|present| present.jumps > 0);
        families.push(FamilyLoadMethod {
            family,
            restore,
            save,
            script: script(&allowlists, &present),
            back: (confirmed.as_deref())
                .filter(|_| in_force)
                .map(|confirmed| script(confirmed, &PresentChains::default()).unwrap_or_default()),
            present,
        });
    }
    let (mut before, mut after) = others(scene)?;
    if confirmed.is_some() {
        before = after.clone();
        before.0.extend(confirmed_rules.iter().cloned());
    }
    after.0.extend(wanted_rules);
    let change = (!as_made || confirmed.is_some()).then(|| {
        let how = LoadMethod::Iptables { families, allowlists: allowlists.clone() };
        let confirmed = confirmed.map(|_| FilterStack(confirmed_rules));
        let there = !now.0.is_empty();
        let (changes, causes) = change(scene, FilterBackend::Iptables, &now, confirmed, &allowlists, there);
        (changes, how, causes)
    });
    Ok(BackendNeeds { change, allowlists, kept, adopted, before, after })
}

/// How many rules each own chain of a family has at one end as mailward makes it.
fn lengths(allowlists: &[PortAllowlist], family: AddressFamily, end: NatEnd) -> BTreeMap<String, usize> {
    iptables::replacement(allowlists, family, NatEnds::Both, &PresentChains::default())
        .map(|script| iptables::lengths(&script, end))
        .unwrap_or_default()
}

/// Chains that have mailward's names where its own would be made, and are somebody else's, are not touched.
fn not_foreign(
    scene: &FirewallScene<'_>,
    family: AddressFamily,
    variant: Option<IptablesVariant>,
) -> Result<(), Vec<PlanBlocker>> {
    let half = variant.or_else(|| scene.observed.plain.get(&family).copied());
    let is_here =
        |of: AddressFamily, kind: IptablesVariant| of == family && half.is_none_or(|half| half == kind);
    let taken = (scene.observed.foreign_iptables.iter()).find(|(of, kind, _)| is_here(*of, *kind));
    let Some((_, _, end)) = taken else {
        return Ok(());
    };
    let program = match family {
        AddressFamily::Ipv4 => "iptables",
        AddressFamily::Ipv6 => "ip6tables",
    };
    let diagnostic =
        Diagnostic::new(format!("the chain {} of {program} is not one that mailward made", iptables::CHAIN))
            .because(format!("the chain {} by which mailward knows its own is missing", iptables::MARK))
            .hint(format!("see `{program} -t {} -S`; remove it if nobody needs it", end.table()));
    Err(blocked(PlanBlocked::Refused, diagnostic))
}

/// The families that the host speaks, or may speak before the next apply.
fn families(scene: &FirewallScene<'_>) -> Vec<AddressFamily> {
    let may = |family: &AddressFamily| match family {
        AddressFamily::Ipv4 => true,
        AddressFamily::Ipv6 => {
            let tools = scene.observed.tools.of(AddressFamily::Ipv6);
            let there = tools.save.is_some() && tools.restore.is_some();
            scene.observed.speaks_ipv6 || (scene.observed.has_ipv6 && there)
        }
    };
    AddressFamily::ALL.into_iter().filter(may).collect()
}

fn own_chains(scene: &FirewallScene<'_>, family: AddressFamily) -> Result<Vec<OwnChains>, Vec<PlanBlocker>> {
    (scene.observed.own_chains(family))
        .map(<[OwnChains]>::to_vec)
        .map_err(|why| unread("mailward's own chains of iptables cannot be read", why))
}

/// The programs of a family that work where the chains are, or where plain iptables works.
fn programs(
    scene: &FirewallScene<'_>,
    family: AddressFamily,
    variant: Option<IptablesVariant>,
) -> Result<(crate::model::HostPath, crate::model::HostPath), Vec<PlanBlocker>> {
    let tools = scene.observed.tools.of(family);
    let plain = scene.observed.plain.get(&family).copied();
    let pair = match variant {
        Some(variant) if plain.is_some() && plain != Some(variant) => match variant {
            IptablesVariant::Legacy => (&tools.legacy_save, &tools.legacy_restore),
            IptablesVariant::Nft => (&tools.nft_save, &tools.nft_restore),
        },
        Some(_) | None => (&tools.save, &tools.restore),
    };
    match pair {
        (Some(save), Some(restore)) => Ok((save.clone(), restore.clone())),
        (None, _) | (_, None) => {
            let diagnostic = Diagnostic::new(format!("iptables for {family} is not wholly installed"));
            Err(blocked(PlanBlocked::Manifest, diagnostic))
        }
    }
}

/// The declared allowlists and the others, in the order of the services.
fn all(declared: &[PortAllowlist], kept: &[PortAllowlist]) -> Vec<PortAllowlist> {
    let mut all = [declared, kept].concat();
    all.sort_by_key(|allowlist| allowlist.service);
    all
}

/// What of own chains is there, by the end at which it is.
fn presents<'c>(chains: impl IntoIterator<Item = &'c OwnChains>) -> PresentChains {
    (chains.into_iter()).map(|chains| (chains.end, chains.own.present.clone())).collect()
}

/// What changes, and why. Where the rules in force were never confirmed, that is what changes from those that
/// were.
pub(super) fn change(
    scene: &FirewallScene<'_>,
    way: FilterBackend,
    now: &FilterStack,
    confirmed: Option<FilterStack>,
    allowlists: &[PortAllowlist],
    there: bool,
) -> (Vec<AllowlistChange>, Vec<FirewallCause>) {
    let mut changes = allowlist_changes(confirmed.as_ref().unwrap_or(now), allowlists);
    if changes.is_empty() && confirmed.is_some() {
        changes = allowlist_changes(now, allowlists);
    }
    let mut causes = declared(scene, &changes);
    causes.extend(confirmed.map(|_| FirewallCause::NeverConfirmed));
    if changes.is_empty() {
        // The same for everybody, and yet not as mailward makes it.
        causes.push(FirewallCause::RulesDiffer);
        changes = allowlists
            .iter()
            .map(|allowlist| AllowlistChange {
                service: allowlist.service,
                ports: allowlist.ports.to_vec(),
                from: Some(allowlist.allowed.clone()),
                to: allowlist.allowed.clone(),
            })
            .collect();
    } else if !there && scene.boot.restores(way, &scene.facts.manager) {
        causes.push(FirewallCause::RulesGone);
    }
    (changes, causes)
}

/// The places of the manifest that ask for changes.
pub(super) fn declared(scene: &FirewallScene<'_>, changes: &[AllowlistChange]) -> Vec<FirewallCause> {
    changes
        .iter()
        .filter_map(|change| {
            let allow = scene.desired.access.allow.get(&change.service)?;
            Some(FirewallCause::Declared { service: change.service, origin: allow.origin.clone() })
        })
        .collect()
}

/// How the own rules of a way are removed; none where there are none.
pub(super) fn retire(
    scene: &FirewallScene<'_>,
    way: FilterBackend,
) -> Result<Option<RetireMethod>, Vec<PlanBlocker>> {
    match way {
        FilterBackend::PleskFirewall => Ok(None),
        FilterBackend::Nftables => match (&scene.observed.own_nft, &scene.observed.tools.nft) {
            (Ok(Some(table)), Some(nft)) if is_ours(scene, table) => {
                Ok(Some(RetireMethod::Nftables { nft: nft.clone() }))
            }
            // What may be a rest of mailward's own counts for nothing in what will be in force, so it may not stay.
            (Ok(Some(table)), _) if table.mark == TableOwnership::Rest => Err(not_ours()),
            // Others' are not touched, and what cannot be read is told by `show`.
            (Ok(_) | Err(_), _) => Ok(None),
        },
        FilterBackend::Iptables => {
            let mut scripts = Vec::new();
            for family in AddressFamily::ALL {
                let Ok(chains) = scene.observed.own_chains(family) else {
                    continue;
                };
                for one in chains {
                    let (_, restore) = programs(scene, family, Some(one.variant))?;
                    if one.own.foreign > 0 {
                        let diagnostic = Diagnostic::new(format!(
                            "mailward's own chains of {family} cannot be removed: others jump to them"
                        ))
                        .hint("take the jumps to MAILWARD out of the other chains first");
                        let diagnostic = match scene.desired.access.enforce.as_ref() {
                            Some(declared) => diagnostic.at(declared_at(&declared.origin)),
                            None => diagnostic,
                        };
                        return Err(blocked(PlanBlocked::Refused, diagnostic));
                    }
                    scripts
                        .extend(iptables::removal(&presents([one])).map(|script| (family, restore, script)));
                }
            }
            Ok((!scripts.is_empty()).then_some(RetireMethod::Iptables { families: scripts }))
        }
    }
}

/// The own rules of each own way, as far as they can be read.
pub(super) fn both(scene: &FirewallScene<'_>) -> Vec<(FilterBackend, FilterStack)> {
    let nft = match &scene.observed.own_nft {
        Ok(Some(table)) if table.mark == TableOwnership::Own => table.own_rules(),
        Ok(_) | Err(_) => Vec::new(),
    };
    let iptables = AddressFamily::ALL
        .into_iter()
        .filter_map(|family| scene.observed.own_chains(family).ok())
        .flatten()
        .map(|chains| chains.own.rules.clone())
        .collect();
    vec![(FilterBackend::Nftables, FilterStack(nft)), (FilterBackend::Iptables, FilterStack(iptables))]
}
