//! Plesk's own firewall: its list as it is and as it shall be, and when it is not touched.

use super::own::{declared, others};
use super::{Needs, Scene, blocked, gate_changes};
use crate::access::Gate;
use crate::access::effect::{Filters, PANEL};
use crate::access::how::SourceHow;
use crate::access::observed::{Hook, Layers, Neighbour, Place, PleskFirewall};
use crate::access::plesk::{self, PleskRule, Refusal, SetRule};
use crate::access::rules::{Interface, RuleSet, Stage, Then, few};
use crate::apply::window::Waiting;
use crate::failure::{Blocked, Blocker, Diagnostic};
use crate::host::Command;
use crate::limits::declared_at;
use crate::model::{Declared, Family, MailService, Networks};
use crate::plan::{Permission, Way};

/// The longest list that one argument of a command can hold, in bytes: Linux has 131,072 for each (execve(2)).
const LONGEST_LIST: usize = 130_000;

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
    let (before, mut after) = others(scene)?;
    let planned = plesk::plan(list, gates).map_err(|refusals| {
        refusals
            .into_iter()
            .map(|refusal| refused(scene, refusal))
            .collect::<Vec<_>>()
    })?;
    // What it loads takes the place of the kernel's own INPUT chains.
    if let Ok(layers) = &scene.observed.layers {
        after = Filters(
            (layers.0.iter())
                .filter(|layer| !is_plesks(&layer.place, layer.turn.0))
                .filter_map(|layer| layer.without_own())
                .collect(),
        );
    }
    after.0.push(plesk::rules(&planned.list));
    let rules = Filters(vec![plesk::rules(list)]);
    let changes = gate_changes(&rules, gates);
    let change = if planned.changes.is_empty() {
        None
    } else {
        may_apply(scene, firewall, list)?;
        for change in &planned.changes {
            fits(scene, change)?;
        }
        let causes = declared(scene, &changes);
        let how = SourceHow::PleskFirewall {
            command: command(firewall, scene.deadline),
            changes: planned.changes,
            gates: gates.to_vec(),
        };
        Some((changes, how, causes))
    };
    Ok(Needs {
        change,
        gates: gates.to_vec(),
        kept: Vec::new(),
        before,
        after,
    })
}

/// The vendor's command, to which words are added.
pub(crate) fn command(firewall: &PleskFirewall, deadline: std::time::Duration) -> Command {
    Command::new(firewall.command.clone(), Vec::new(), deadline)
}

/// Whether rules are those that Plesk's script loads.
fn is_plesks(place: &Place, hook: Hook) -> bool {
    match place {
        Place::Iptables { table, .. } => table == "filter" && hook == Hook::Input,
        Place::Nft { .. } => false,
    }
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

/// Whether an apply of the vendor's firewall does what is planned and no more.
fn may_apply(
    scene: &Scene<'_>,
    firewall: &PleskFirewall,
    list: &[PleskRule],
) -> Result<(), Vec<Blocker>> {
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
    explained(scene, list)
}

/// Whether the kernel has what the list says: otherwise somebody's pending edits, or rules from elsewhere, would come and go
/// with an apply.
fn explained(scene: &Scene<'_>, list: &[PleskRule]) -> Result<(), Vec<Blocker>> {
    // A change of our own that was taken back may still stand in the list; the next apply settles that first.
    if scene.facts.waiting != Waiting::Nothing {
        return Ok(());
    }
    let Ok(layers) = &scene.observed.layers else {
        return Ok(());
    };
    let kernel = in_kernel(layers);
    let says = Filters(vec![plesk::rules(list)]);
    let mail = MailService::ALL
        .into_iter()
        .flat_map(|service| service.ports().iter().copied());
    let ports = mail
        .chain(PANEL)
        .chain(scene.observed.ssh_ports.iter().copied())
        // Web and FTP, which have rules of their own in every list.
        .chain([21, 80, 443]);
    for port in ports {
        let has = kernel.reach(port, Interface::Other, Stage::Opening);
        let should = says.reach(port, Interface::Other, Stage::Opening);
        let other = [
            has.accepted.intersection(&should.dropped),
            has.dropped.intersection(&should.accepted),
        ];
        let differs = other
            .iter()
            .fold(Networks::default(), |all, one| all.union(one));
        if !differs.is_empty() {
            let diagnostic = Diagnostic::new("the kernel's rules are not those of Plesk's firewall")
                .because(format!(
                    "port {port} differs for {}: somebody's edits are not applied yet, or something else has changed the rules",
                    few(&differs)
                ))
                .hint("apply or take back those edits in Plesk, Tools & Settings > Firewall, then plan again");
            return Err(blocked(Blocked::Refused, diagnostic));
        }
    }
    Ok(())
}

/// What Plesk's script has loaded, without the jumps of Fail2ban that it leaves alone: who is banned comes and goes.
fn in_kernel(layers: &Layers) -> Filters {
    let mut filters = Filters::default();
    for family in Family::ALL {
        let of_family = layers.0.iter().filter(|layer| {
            matches!(&layer.place, Place::Iptables { family: of, .. } if *of == family)
                && is_plesks(&layer.place, layer.turn.0)
        });
        for layer in of_family {
            let mut rules: RuleSet = layer.rules.clone();
            for list in rules.chains.values_mut() {
                list.retain(|rule| match &rule.then {
                    Then::Jump(to) => !(to.starts_with("f2b-") || to.starts_with("fail2ban-")),
                    Then::Accept
                    | Then::Drop
                    | Then::Return
                    | Then::Continue
                    | Then::Unknown(_) => true,
                });
            }
            filters.0.push(rules);
        }
    }
    filters
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
