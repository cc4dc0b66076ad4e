//! Plesk's own firewall: its list as it is and as it shall be, and when it is not touched.

use super::own::{change, declared, others};
use super::{Needs, Scene, blocked, gate_changes};
use crate::access::effect::Filters;
use crate::access::gates::kept;
use crate::access::how::SourceHow;
use crate::access::observed::{Enabled, Neighbour, PleskFirewall};
use crate::access::plesk::kernel::{self, Differs};
use crate::access::plesk::{self, PleskRule, Refusal, SetRule};
use crate::access::rules::few;
use crate::access::{Ends, Gate, nft};
use crate::apply::window::{Left, Waiting};
use crate::failure::{Blocked, Blocker, Diagnostic};
use crate::host::Command;
use crate::limits::declared_at;
use crate::model::{Declared, MailService};
use crate::plan::{GateChange, Permission, SourceCause, Way};

/// The longest list that one argument of a command can hold, in bytes: Linux has 131,072 for each (execve(2)).
const LONGEST_LIST: usize = 130_000;

/// How far the list can be taken for what is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// It can: no change of mailward's waits.
    Settled,
    /// A change is live, and its list may be shown or the one before.
    Live,
    /// A change was taken back, and its list may still be shown.
    Unsettled,
}

/// What Plesk's firewall needs.
pub(super) fn needs(scene: &Scene<'_>, gates: &[Gate]) -> Result<Needs, Vec<Blocker>> {
    let Some(firewall) = &scene.observed.plesk else {
        let diagnostic = Diagnostic::new("there is no Plesk firewall with a command");
        return Err(blocked(Blocked::Manifest, diagnostic));
    };
    let list = firewall.list.as_ref().map_err(|unread| {
        let diagnostic = Diagnostic::new("the rules of Plesk's firewall cannot be read")
            .because(unread.to_string());
        blocked(Blocked::Unknown, diagnostic)
    })?;
    let (before, others) = others(scene)?;
    let planned = plesk::plan(list, gates).map_err(|refusals| {
        refusals
            .into_iter()
            .map(|refusal| refused(scene, refusal))
            .collect::<Vec<_>>()
    })?;
    let has = in_kernel(scene);
    let spoken = kernel::spoken(scene.observed.speaks_ipv6);
    let unmet = kernel::unmet(&has, gates, &spoken);
    let differs = |list| kernel::unexplained(&has, list, &scene.observed.ssh_ports, &spoken);
    let said = Filters(vec![plesk::rules(list)]);
    let change = match stands(scene) {
        Stands::Settled if planned.changes.is_empty() => match unmet {
            None => None,
            Some(differs) => return Err(foreign(&differs)),
        },
        Stands::Settled => {
            may_apply(scene, firewall)?;
            // Somebody's pending edits, or rules from elsewhere, would come and go with an apply.
            if let Some(differs) = differs(list) {
                return Err(foreign(&differs));
            }
            let changes = gate_changes(&said, gates);
            let causes = declared(scene, &changes);
            Some((changes, causes))
        }
        Stands::Live if unmet.is_none() && differs(&planned.list).is_none() => None,
        Stands::Unsettled if unmet.is_none() => None,
        Stands::Live | Stands::Unsettled => Some(by_kernel(scene, &has, gates)),
    };
    let change = match change {
        None => None,
        Some((changes, causes)) => {
            for change in &planned.changes {
                fits(scene, change)?;
            }
            let how = SourceHow::PleskFirewall {
                command: command(firewall, scene.deadline),
                changes: planned.changes,
                before: list.clone(),
                list: planned.list.clone(),
                gates: gates.to_vec(),
            };
            Some((changes, how, causes))
        }
    };
    Ok(Needs {
        change,
        gates: gates.to_vec(),
        kept: match stands(scene) {
            Stands::Settled => kept(&said, gates),
            Stands::Live | Stands::Unsettled => kept(&has, gates),
        },
        adopted: Vec::new(),
        before,
        after: afterwards(scene, others, &planned.list, gates),
    })
}

fn stands(scene: &Scene<'_>) -> Stands {
    let waiting = &scene.facts.waiting;
    if (waiting.window()).is_none_or(|window| window.way != Way::PleskFirewall) {
        return Stands::Settled;
    }
    match waiting {
        Waiting::Nothing | Waiting::Confirmed(_) => Stands::Settled,
        Waiting::Open(window) => match window.left(scene.facts.boot.as_deref(), scene.facts.uptime)
        {
            Left::Seconds(_) => Stands::Live,
            Left::Nothing | Left::Booted => Stands::Unsettled,
        },
        Waiting::Reverting(_) | Waiting::Reverted(_) => Stands::Unsettled,
    }
}

fn in_kernel(scene: &Scene<'_>) -> Filters {
    (scene.observed.layers.as_ref()).map_or_else(|_| Filters::default(), kernel::loaded)
}

/// What changes where only the kernel tells what is in force.
fn by_kernel(
    scene: &Scene<'_>,
    has: &Filters,
    gates: &[Gate],
) -> (Vec<GateChange>, Vec<SourceCause>) {
    change(scene, Way::PleskFirewall, has, None, gates, true)
}

/// The host's filters afterwards: what the script loads takes the place of the kernel's own INPUT chains.
fn afterwards(scene: &Scene<'_>, others: Filters, list: &[PleskRule], gates: &[Gate]) -> Filters {
    let mut after = match &scene.observed.layers {
        Ok(layers) => Filters(
            (layers.0.iter())
                .filter(|layer| !kernel::is_loaded_by_it(&layer.place, layer.turn.0))
                .filter_map(|layer| layer.without_own())
                .collect(),
        ),
        Err(_) => others,
    };
    after.0.push(plesk::rules(list));
    // What the list leaves open, as IPv6 beside IPv4 sources alone, is seen to in the kernel: otherwise it goes back.
    after.0.extend(nft::rules(gates, Ends::InputAlone));
    after
}

/// Services that the list restricts, as far as it is in force.
pub(super) fn restricted(scene: &Scene<'_>) -> Vec<Gate> {
    match &scene.observed.plesk {
        Some(PleskFirewall {
            enabled: Enabled::Yes,
            list: Ok(list),
            ..
        }) => kept(&Filters(vec![plesk::rules(list)]), &[]),
        Some(_) | None => Vec::new(),
    }
}

/// The vendor's command, to which words are added.
pub(crate) fn command(firewall: &PleskFirewall, deadline: std::time::Duration) -> Command {
    Command::new(firewall.command.clone(), Vec::new(), deadline)
}

fn refused(scene: &Scene<'_>, refusal: Refusal) -> Blocker {
    let kind = match refusal {
        Refusal::SmtpsApart => Blocked::Manifest,
        Refusal::Ambiguous { .. } | Refusal::Overridden { .. } => Blocked::Refused,
    };
    let service = match &refusal {
        Refusal::SmtpsApart => MailService::Smtps,
        Refusal::Ambiguous { service, .. } | Refusal::Overridden { service, .. } => *service,
    };
    let diagnostic = Diagnostic::of(&refusal);
    let diagnostic = match refusal {
        Refusal::SmtpsApart => diagnostic.hint(
            "take `smtps` out of `access.allow`, or enforce the networks by an own table: access.enforce = \"nftables\"",
        ),
        Refusal::Ambiguous { .. } => {
            diagnostic.hint("see the rules in Plesk, Tools & Settings > Firewall")
        }
        Refusal::Overridden { ref reach, .. } => diagnostic
            .because(format!(
                "it would be open to {}, closed to {}, and unclear for {}",
                few(&reach.accepted),
                few(&reach.dropped),
                few(&reach.unknown)
            ))
            .hint("change or remove that rule in Plesk, Tools & Settings > Firewall"),
    };
    Blocker {
        kind,
        diagnostic: scene.at(service, diagnostic),
    }
}

/// Whether the vendor's firewall may be applied now.
fn may_apply(scene: &Scene<'_>, firewall: &PleskFirewall) -> Result<(), Vec<Blocker>> {
    if !firewall.applies.is_empty() {
        let diagnostic = Diagnostic::new(
            "an apply of Plesk's firewall is under way and waits for its confirmation",
        )
        .because("a second one could not be confirmed (Plesk's knowledge base)")
        .hint("wait until it is confirmed or has gone back, then plan again");
        return Err(blocked(Blocked::Refused, diagnostic));
    }
    if scene.observed.neighbours.contains(&Neighbour::Docker)
        && scene.allowed.docker == Permission::Withheld
    {
        let diagnostic = Diagnostic::new("applying Plesk's firewall would cut Docker's containers off")
            .because("it flushes the tables `nat` and `FORWARD`, where Docker has its rules, until Docker is restarted")
            .hint("take an own table: access.enforce = \"nftables\"; or restart Docker afterwards: --allow docker");
        return Err(blocked(Blocked::Refused, diagnostic));
    }
    Ok(())
}

/// The kernel has something else than the list.
fn foreign(differs: &Differs) -> Vec<Blocker> {
    let diagnostic = Diagnostic::new("the kernel's rules are not those of Plesk's firewall")
        .because(format!(
            "port {} differs for {}: somebody's edits are not applied yet, or something else has changed the rules",
            differs.port,
            few(&differs.sources)
        ))
        .hint("apply or take back those edits in Plesk, Tools & Settings > Firewall, then plan again");
    blocked(Blocked::Refused, diagnostic)
}

/// Whether a list of sources fits into one argument.
fn fits(scene: &Scene<'_>, change: &SetRule) -> Result<(), Vec<Blocker>> {
    let length = change.from.as_ref().map_or(0, |from| {
        from.iter()
            .map(|network| network.to_string().len() + 1)
            .sum()
    });
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
    Err(blocked(
        Blocked::Manifest,
        scene.at(change.service, diagnostic),
    ))
}

/// The vendor's own window, in seconds; what the manifest asks for must fit in it.
pub(super) fn window(
    scene: &Scene<'_>,
    declared: Option<&Declared<u32>>,
) -> Result<u32, Vec<Blocker>> {
    let window = scene
        .observed
        .plesk
        .as_ref()
        .map(|firewall| &firewall.window);
    let seconds = match window {
        Some(Ok(window)) => u32::try_from(window.as_secs()).unwrap_or(u32::MAX),
        Some(Err(unread)) => {
            let diagnostic =
                Diagnostic::new("how long Plesk's firewall waits for a confirmation is not known")
                    .because(unread.to_string());
            return Err(blocked(Blocked::Unknown, diagnostic));
        }
        None => return Ok(super::CONFIRM_WITHIN),
    };
    match declared {
        Some(declared) if declared.value > seconds => {
            let diagnostic = Diagnostic::new(format!(
                "{} takes a change back after {seconds} s whatever `confirm_within` says",
                Way::PleskFirewall.words()
            ))
            .at(declared_at(&declared.origin))
            .hint(format!(
                "declare at most \"{seconds}s\", or set confirmTimeoutCli of [ext-firewall] in panel.ini"
            ));
            Err(blocked(Blocked::Manifest, diagnostic))
        }
        Some(_) | None => Ok(seconds),
    }
}
