//! What the kernel has of the rules that Plesk's script loads, held against the list and against what shall
//! be in force.
//!
//! The list tells what somebody wants, perhaps unapplied; the kernel alone tells what is in force.

use std::collections::BTreeSet;

use super::{PleskRule, rules};
use crate::firewall::PortAllowlist;
use crate::firewall::effect::{FilterStack, PANEL};
use crate::firewall::observed::{FilterLayers, NetfilterHook, RulePlace};
use crate::firewall::rules::{ConnectionStage, IncomingInterface, RuleTarget};
use crate::model::{AddressFamily, MailService, Networks};

/// Ports of other services that have a rule of their own in every list: FTP and web.
const OTHERS: [u16; 3] = [21, 80, 443];

/// A port of which the kernel does something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortDifference {
    /// The port.
    pub port: u16,
    /// The sources that come to something else.
    pub sources: Networks,
}

/// Whether rules are those that Plesk's script loads.
#[must_use]
pub fn is_loaded_by_it(place: &RulePlace, hook: NetfilterHook) -> bool {
    match place {
        RulePlace::Iptables { table, .. } => table == "filter" && hook == NetfilterHook::Input,
        RulePlace::Nft { .. } | RulePlace::Ipvs => false,
    }
}

/// What Plesk's script has loaded, without the jumps of Fail2ban that it leaves alone: who is banned comes
/// and goes.
#[must_use]
pub fn loaded(layers: &FilterLayers) -> FilterStack {
    let mut filters = FilterStack::default();
    for layer in &layers.0 {
        if !is_loaded_by_it(&layer.place, layer.turn.0) {
            continue;
        }
        let mut rules = layer.rules.clone();
        for list in rules.chains.values_mut() {
            list.retain(|rule| match &rule.then {
                RuleTarget::Jump(to) => !(to.starts_with("f2b-") || to.starts_with("fail2ban-")),
                RuleTarget::Accept
                | RuleTarget::Drop
                | RuleTarget::Return
                | RuleTarget::Continue
                | RuleTarget::Unknown(_) => true,
            });
        }
        filters.0.push(rules);
    }
    filters
}

/// The first port on which the kernel certainly does something else than the list says, of all ports that
/// either names.
#[must_use]
pub fn unexplained(
    kernel: &FilterStack,
    list: &[PleskRule],
    ssh_ports: &BTreeSet<u16>,
    spoken: &Networks,
) -> Option<PortDifference> {
    let says = FilterStack(vec![rules(list)]);
    let named = [kernel, &says]
        .into_iter()
        .flat_map(|filters| &filters.0)
        .flat_map(|rules| rules.chains.values().flatten())
        .filter_map(|rule| rule.when.ports.as_ref())
        .flat_map(|ports| ports.edges());
    let ports: BTreeSet<u16> = MailService::ALL
        .into_iter()
        .flat_map(|service| service.ports().iter().copied())
        .chain(PANEL)
        .chain(OTHERS)
        .chain(ssh_ports.iter().copied())
        .chain(named)
        .collect();
    ports.into_iter().find_map(|port| {
        let has = kernel.reach(port, IncomingInterface::Other, ConnectionStage::Opening);
        let should = says.reach(port, IncomingInterface::Other, ConnectionStage::Opening);
        let sources = (has.accepted.intersection(&should.dropped))
            .union(&has.dropped.intersection(&should.accepted))
            .intersection(spoken);
        (!sources.is_empty()).then_some(PortDifference { port, sources })
    })
}

/// The first port that the kernel does not keep as its allowlist says: it shuts out somebody who is allowed,
/// or may let in somebody who is not.
#[must_use]
pub fn unmet(
    kernel: &FilterStack,
    allowlists: &[PortAllowlist],
    spoken: &Networks,
) -> Option<PortDifference> {
    allowlists.iter().find_map(|allowlist| {
        let allowed = allowlist.allowed.networks();
        allowlist.ports.iter().find_map(|&port| {
            let has = kernel.reach(port, IncomingInterface::Other, ConnectionStage::Opening);
            let sources = (has.dropped.intersection(&allowed))
                .union(&has.accepted.difference(&allowed))
                .union(&has.unknown.difference(&allowed))
                .intersection(spoken);
            (!sources.is_empty()).then_some(PortDifference { port, sources })
        })
    })
}

/// All addresses of the families that a host speaks.
#[must_use]
pub fn spoken(speaks_ipv6: bool) -> Networks {
    if speaks_ipv6 { Networks::everything() } else { Networks::all_of(AddressFamily::Ipv4) }
}

/// Whether two lists say the same in the same order; ids are given anew now and then.
#[must_use]
pub fn same(one: &[PleskRule], other: &[PleskRule]) -> bool {
    let plain = |rule: &PleskRule| {
        let mut rule = PleskRule { name: None, id: super::PleskRuleId(String::new()), ..rule.clone() };
        // An empty list and one of everybody mean the same, and either may be shown for the other.
        if super::sources(&rule) == Some(Networks::everything()) {
            rule.from.clear();
        }
        rule
    };
    one.len() == other.len() && (one.iter().zip(other)).all(|(one, other)| plain(one) == plain(other))
}
