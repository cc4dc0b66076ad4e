//! Nobody is shut out: the rules as they will be, evaluated against the connections that must stay possible.

use std::collections::BTreeSet;

use super::{FirewallPart, FirewallScene};
use crate::capability::PartNote;
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker, declared_at};
use crate::firewall::effect::{FilterStack, PANEL, ProtectedClient, ShutOut, probes, shut_out};
use crate::firewall::rules::ChainPolicy;
use crate::firewall::sshd;
use crate::firewall::step::AllowlistChange;
use crate::host::ClientSide;
use crate::model::{AllowedSources, MailService};

/// Refuses a change that shuts out the operator, an address of `must_reach`, or the host itself.
pub(super) fn nobody_is_shut_out(
    scene: &FirewallScene<'_>,
    change: &[AllowlistChange],
    before: &FilterStack,
    after: &FilterStack,
    part: &mut FirewallPart,
) -> Result<(), Vec<PlanBlocker>> {
    let remark = |text: &str| PartNote::remark(text.to_owned());
    // Who comes from the host itself shows no address that could be shut out.
    let outside = (scene.connection).filter(|connection| connection.side != ClientSide::Inside);
    let operator = outside.and_then(|connection| connection.client.as_ref()).map(|client| client.address);
    if operator.is_none() && scene.desired.safety.must_reach.is_empty() {
        part.notes.push(remark(
            "no ssh connection of yours shows here, so that it cannot be held against the rules; addresses of `safety.must_reach` can",
        ));
    }
    let mut ssh_ports = scene.observed.ssh_ports.clone();
    // The operator's own way in counts, whatever process it leads to.
    ssh_ports.extend(
        (scene.connection)
            .and_then(|connection| connection.client.as_ref())
            .and_then(|client| client.server_port),
    );
    if ssh_ports.is_empty() {
        may_not_be_ssh(scene, change)?;
        part.notes.push(remark(
            "where sshd listens is not known, but it is on none of the ports that this restricts; the rules are checked for port 22",
        ));
        ssh_ports.insert(sshd::USUAL);
    }
    let must: Vec<_> = (scene.desired.safety.must_reach.iter()).map(|declared| declared.value).collect();
    let services: Vec<(MailService, &'static [u16])> =
        MailService::ALL.into_iter().map(|service| (service, service.ports())).collect();
    let probes = probes(operator, &must, &ssh_ports, &services);
    let mut blockers = Vec::new();
    let mut unclear = BTreeSet::new();
    for out in shut_out(before, after, &probes) {
        match (out.before, out.verdict) {
            // It is so already, by rules that are not ours.
            (ChainPolicy::Drop, _) => {}
            (ChainPolicy::Accept, ChainPolicy::Drop | ChainPolicy::Unknown)
            | (ChainPolicy::Unknown, ChainPolicy::Drop) => blockers.push(blocker(scene, &out, &ssh_ports)),
            (ChainPolicy::Unknown, ChainPolicy::Unknown) => {
                unclear.insert(words(&out, &ssh_ports));
            }
            (ChainPolicy::Accept | ChainPolicy::Unknown, ChainPolicy::Accept) => {}
        }
    }
    if let Some(first) = unclear.first() {
        let more = match unclear.len() {
            1 => String::new(),
            several => format!(" (and {} more)", several - 1),
        };
        part.notes.push(PartNote::remark(format!(
                "whether {first} is let in{more} is decided by rules that are not understood, before and afterwards"
            )));
    }
    if blockers.is_empty() { Ok(()) } else { Err(blockers) }
}

/// Refuses to restrict a port that may be sshd's, where it is not known where sshd listens.
fn may_not_be_ssh(scene: &FirewallScene<'_>, change: &[AllowlistChange]) -> Result<(), Vec<PlanBlocker>> {
    let suspects = scene.observed.may_be_ssh.iter().flatten();
    let blockers: Vec<PlanBlocker> = suspects
        .filter_map(|port| {
            let restricts =
                |change: &&AllowlistChange| change.to != AllowedSources::Anyone && change.ports.contains(port);
            let change = change.iter().find(restricts)?;
            let what = format!(
                "where sshd listens is not known: it may be port {port}, which {} would restrict",
                change.service
            );
            let diagnostic = Diagnostic::new(what)
                .because("something listens there that is not known to serve mail, and no sshd is seen to listen anywhere")
                .hint(format!(
                    "run this over ssh, which shows sshd's port, or start sshd; `ss -ltnp` on the host tells what listens on port {port}"
                ));
            Some(PlanBlocker {
                kind: PlanBlocked::Refused,
                diagnostic: scene.at(change.service, diagnostic),
            })
        })
        .collect();
    if blockers.is_empty() { Ok(()) } else { Err(blockers) }
}

/// `203.0.113.9 to port 22 (ssh)`.
fn words(out: &ShutOut, ssh_ports: &BTreeSet<u16>) -> String {
    let packet = &out.probe.packet;
    let what = if PANEL.contains(&packet.port) {
        " (the panel)"
    } else if ssh_ports.contains(&packet.port) {
        " (ssh)"
    } else {
        ""
    };
    let who = match out.probe.who {
        ProtectedClient::Operator => format!("your own address {}", packet.source),
        ProtectedClient::MustReach => packet.source.to_string(),
        ProtectedClient::Loopback => format!("this host itself ({})", packet.source),
    };
    format!("{who} to port {}{what}", packet.port)
}

fn blocker(scene: &FirewallScene<'_>, out: &ShutOut, ssh_ports: &BTreeSet<u16>) -> PlanBlocker {
    let certain = match out.verdict {
        ChainPolicy::Drop | ChainPolicy::Accept => "would be shut out",
        ChainPolicy::Unknown => "might be shut out",
    };
    let mut diagnostic = Diagnostic::new(format!("{} {certain}", words(out, ssh_ports)))
        .because("the plan's whole set of rules was evaluated for it")
        .hint("let it in, in the rules or in `access.allow`; nothing was changed");
    if out.probe.who == ProtectedClient::MustReach
        && let Some(declared) = (scene.desired.safety.must_reach.iter())
            .find(|declared| declared.value == out.probe.packet.source)
    {
        diagnostic = diagnostic.at(declared_at(&declared.origin));
    }
    PlanBlocker { kind: PlanBlocked::Refused, diagnostic }
}
