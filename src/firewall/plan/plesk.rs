//! Plesk's own firewall: its list as it is and as it shall be, and when it is not touched.

use super::own::{change, declared, others};
use super::{BackendNeeds, FirewallScene, allowlist_changes, blocked};
use crate::capability::OverridePermission;
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker, declared_at};
use crate::firewall::allowlists::kept;
use crate::firewall::checkpoint::{TimeLeft, WaitingCheckpoint};
use crate::firewall::effect::FilterStack;
use crate::firewall::methods::LoadMethod;
use crate::firewall::observed::{NeighbourProgram, PleskFirewall, PleskFirewallState};
use crate::firewall::plesk::kernel::{self, PortDifference};
use crate::firewall::plesk::{self, PleskListRefusal, PleskRule, PleskRuleChange};
use crate::firewall::rules::few;
use crate::firewall::step::{AllowlistChange, FilterBackend, FirewallCause};
use crate::firewall::{NatEnds, PortAllowlist, nft};
use crate::host::HostCommand;
use crate::model::{Declared, MailService};

/// The longest list that one argument of a command can hold, in bytes: Linux has 131,072 for each
/// (execve(2)).
const LONGEST_LIST: usize = 130_000;

/// How far the list can be taken for what is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListStanding {
    /// It can: no change of mailward's waits.
    Settled,
    /// A change is live, and its list may be shown or the one before.
    Live,
    /// A change was taken back, and its list may still be shown.
    Unsettled,
}

/// What Plesk's firewall needs.
pub(super) fn needs(
    scene: &FirewallScene<'_>,
    allowlists: &[PortAllowlist],
) -> Result<BackendNeeds, Vec<PlanBlocker>> {
    let Some(firewall) = &scene.observed.plesk else {
        let diagnostic = Diagnostic::new("there is no Plesk firewall with a command");
        return Err(blocked(PlanBlocked::Manifest, diagnostic));
    };
    let list = firewall.list.as_ref().map_err(|unread| {
        let diagnostic =
            Diagnostic::new("the rules of Plesk's firewall cannot be read").because(unread.to_string());
        blocked(PlanBlocked::Unknown, diagnostic)
    })?;
    let (before, others) = others(scene)?;
    let planned = plesk::plan(list, allowlists).map_err(|refusals| {
        refusals.into_iter().map(|refusal| refused(scene, refusal)).collect::<Vec<_>>()
    })?;
    let has = in_kernel(scene);
    let spoken = kernel::spoken(scene.observed.speaks_ipv6);
    let unmet = kernel::unmet(&has, allowlists, &spoken);
    let differs = |list| kernel::unexplained(&has, list, &scene.observed.ssh_ports, &spoken);
    let said = FilterStack(vec![plesk::rules(list)]);
    let change = match stands(scene) {
        ListStanding::Settled if planned.changes.is_empty() => match unmet {
            None => None,
            Some(differs) => return Err(foreign(&differs)),
        },
        ListStanding::Settled => {
            may_apply(scene, firewall)?;
            // Somebody's pending edits, or rules from elsewhere, would come and go with an apply.
            if let Some(differs) = differs(list) {
                return Err(foreign(&differs));
            }
            let changes = allowlist_changes(&said, allowlists);
            let causes = declared(scene, &changes);
            Some((changes, causes))
        }
        ListStanding::Live if unmet.is_none() && differs(&planned.list).is_none() => None,
        ListStanding::Unsettled if unmet.is_none() => None,
        ListStanding::Live | ListStanding::Unsettled => Some(by_kernel(scene, &has, allowlists)),
    };
    let change = match change {
        None => None,
        Some((changes, causes)) => {
            for change in &planned.changes {
                fits(scene, change)?;
            }
            let how = LoadMethod::PleskFirewall {
                command: command(firewall, scene.deadline),
                changes: planned.changes,
                before: list.clone(),
                list: planned.list.clone(),
                allowlists: allowlists.to_vec(),
            };
            Some((changes, how, causes))
        }
    };
    Ok(BackendNeeds {
        change,
        allowlists: allowlists.to_vec(),
        kept: match stands(scene) {
            ListStanding::Settled => kept(&said, allowlists),
            ListStanding::Live | ListStanding::Unsettled => kept(&has, allowlists),
        },
        adopted: Vec::new(),
        before,
        after: afterwards(scene, others, &planned.list, allowlists),
    })
}

fn stands(scene: &FirewallScene<'_>) -> ListStanding {
    let waiting = &scene.recalled.waiting;
    if (waiting.checkpoint()).is_none_or(|checkpoint| checkpoint.way != FilterBackend::PleskFirewall) {
        return ListStanding::Settled;
    }
    match waiting {
        WaitingCheckpoint::Nothing | WaitingCheckpoint::Confirmed(_) => ListStanding::Settled,
        WaitingCheckpoint::Open(checkpoint) => {
            match checkpoint.left(scene.facts.boot.as_deref(), scene.facts.uptime) {
                TimeLeft::Seconds(_) => ListStanding::Live,
                TimeLeft::Nothing | TimeLeft::Booted => ListStanding::Unsettled,
            }
        }
        WaitingCheckpoint::Reverting(_) | WaitingCheckpoint::Reverted(_) => ListStanding::Unsettled,
    }
}

fn in_kernel(scene: &FirewallScene<'_>) -> FilterStack {
    (scene.observed.layers.as_ref()).map_or_else(|_| FilterStack::default(), kernel::loaded)
}

/// What changes where only the kernel tells what is in force.
fn by_kernel(
    scene: &FirewallScene<'_>,
    has: &FilterStack,
    allowlists: &[PortAllowlist],
) -> (Vec<AllowlistChange>, Vec<FirewallCause>) {
    change(scene, FilterBackend::PleskFirewall, has, None, allowlists, true)
}

/// The host's filters afterwards: what the script loads takes the place of the kernel's own INPUT chains.
fn afterwards(
    scene: &FirewallScene<'_>,
    others: FilterStack,
    list: &[PleskRule],
    allowlists: &[PortAllowlist],
) -> FilterStack {
    let mut after = match &scene.observed.layers {
        Ok(layers) => FilterStack(
            (layers.0.iter())
                .filter(|layer| !kernel::is_loaded_by_it(&layer.place, layer.turn.0))
                .filter_map(|layer| layer.without_own())
                .collect(),
        ),
        Err(_) => others,
    };
    after.0.push(plesk::rules(list));
    // What the list leaves open, as IPv6 beside IPv4 sources alone, is seen to in the kernel: otherwise it
    // goes back.
    after.0.extend(nft::rules(allowlists, NatEnds::InputAlone));
    after
}

/// Services that the list restricts, as far as it is in force.
pub(super) fn restricted(scene: &FirewallScene<'_>) -> Vec<PortAllowlist> {
    match &scene.observed.plesk {
        Some(PleskFirewall { enabled: PleskFirewallState::Yes, list: Ok(list), .. }) => {
            kept(&FilterStack(vec![plesk::rules(list)]), &[])
        }
        Some(_) | None => Vec::new(),
    }
}

/// The vendor's command, to which words are added.
pub(crate) fn command(firewall: &PleskFirewall, deadline: std::time::Duration) -> HostCommand {
    HostCommand::new(firewall.command.clone(), Vec::new(), deadline)
}

fn refused(scene: &FirewallScene<'_>, refusal: PleskListRefusal) -> PlanBlocker {
    let kind = match refusal {
        PleskListRefusal::SmtpsApart => PlanBlocked::Manifest,
        PleskListRefusal::Ambiguous { .. } | PleskListRefusal::Overridden { .. } => PlanBlocked::Refused,
    };
    let service = match &refusal {
        PleskListRefusal::SmtpsApart => MailService::Smtps,
        PleskListRefusal::Ambiguous { service, .. } | PleskListRefusal::Overridden { service, .. } => {
            *service
        }
    };
    let diagnostic = Diagnostic::of(&refusal);
    let diagnostic = match refusal {
        PleskListRefusal::SmtpsApart => diagnostic.hint(
            "take `smtps` out of `access.allow`, or enforce the networks by an own table: access.enforce = \"nftables\"",
        ),
        PleskListRefusal::Ambiguous { .. } => {
            diagnostic.hint("see the rules in Plesk, Tools & Settings > Firewall")
        }
        PleskListRefusal::Overridden { ref reach, .. } => diagnostic
            .because(format!(
                "it would be open to {}, closed to {}, and unclear for {}",
                few(&reach.accepted),
                few(&reach.dropped),
                few(&reach.unknown)
            ))
            .hint("change or remove that rule in Plesk, Tools & Settings > Firewall"),
    };
    PlanBlocker { kind, diagnostic: scene.at(service, diagnostic) }
}

/// Whether the vendor's firewall may be applied now.
fn may_apply(scene: &FirewallScene<'_>, firewall: &PleskFirewall) -> Result<(), Vec<PlanBlocker>> {
    if !firewall.applies.is_empty() {
        let diagnostic =
            Diagnostic::new("an apply of Plesk's firewall is under way and waits for its confirmation")
                .because("a second one could not be confirmed (Plesk's knowledge base)")
                .hint("wait until it is confirmed or has gone back, then plan again");
        return Err(blocked(PlanBlocked::Refused, diagnostic));
    }
    if scene.observed.neighbours.contains(&NeighbourProgram::Docker)
        && scene.allowed.docker == OverridePermission::Withheld
    {
        let diagnostic = Diagnostic::new("applying Plesk's firewall would cut Docker's containers off")
            .because("it flushes the tables `nat` and `FORWARD`, where Docker has its rules, until Docker is restarted")
            .hint("take an own table: access.enforce = \"nftables\"; or restart Docker afterwards: --allow docker");
        return Err(blocked(PlanBlocked::Refused, diagnostic));
    }
    Ok(())
}

/// The kernel has something else than the list.
fn foreign(differs: &PortDifference) -> Vec<PlanBlocker> {
    let diagnostic = Diagnostic::new("the kernel's rules are not those of Plesk's firewall")
        .because(format!(
            "port {} differs for {}: somebody's edits are not applied yet, or something else has changed the rules",
            differs.port,
            few(&differs.sources)
        ))
        .hint("apply or take back those edits in Plesk, Tools & Settings > Firewall, then plan again");
    blocked(PlanBlocked::Refused, diagnostic)
}

/// Whether a list of sources fits into one argument.
fn fits(scene: &FirewallScene<'_>, change: &PleskRuleChange) -> Result<(), Vec<PlanBlocker>> {
    let length =
        change.from.as_ref().map_or(0, |from| from.iter().map(|network| network.to_string().len() + 1).sum());
    if length <= LONGEST_LIST {
        return Ok(());
    }
    let diagnostic = Diagnostic::new(format!(
        "the networks of {} are too many for Plesk's firewall",
        change.service
    ))
    .because(format!(
        "its command takes them as one argument, of which Linux allows 131,072 bytes; they are {length}"
    ))
    .hint("name fewer or larger networks, or enforce them by an own table: access.enforce = \"nftables\"");
    Err(blocked(PlanBlocked::Manifest, scene.at(change.service, diagnostic)))
}

/// The vendor's own window, in seconds; what the manifest asks for must fit in it.
pub(super) fn checkpoint(
    scene: &FirewallScene<'_>,
    declared: Option<&Declared<u32>>,
) -> Result<u32, Vec<PlanBlocker>> {
    let checkpoint = scene.observed.plesk.as_ref().map(|firewall| &firewall.checkpoint);
    let seconds = match checkpoint {
        Some(Ok(checkpoint)) => u32::try_from(checkpoint.as_secs()).unwrap_or(u32::MAX),
        Some(Err(unread)) => {
            let diagnostic =
                Diagnostic::new("how long Plesk's firewall waits for a confirmation is not known")
                    .because(unread.to_string());
            return Err(blocked(PlanBlocked::Unknown, diagnostic));
        }
        None => return Ok(super::CONFIRM_WITHIN),
    };
    match declared {
        Some(declared) if declared.value > seconds => {
            let diagnostic = Diagnostic::new(format!(
                "{} takes a change back after {seconds} s whatever `confirm_within` says",
                FilterBackend::PleskFirewall.words()
            ))
            .at(declared_at(&declared.origin))
            .hint(format!(
                "declare at most \"{seconds}s\", or set confirmTimeoutCli of [ext-firewall] in panel.ini"
            ));
            Err(blocked(PlanBlocked::Manifest, diagnostic))
        }
        Some(_) | None => Ok(seconds),
    }
}
