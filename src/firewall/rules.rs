//! Packet filter rules, whatever program they come from: conditions, verdicts, chains, and what becomes of a
//! connection.
//!
//! Two sets of rules are equal when they decide alike in the same order; how a list of networks is written
//! means nothing. Whatever is not understood stays in the rules as a condition or a verdict that may go
//! either way: an answer is [`ChainPolicy::Unknown`] rather than a guess.

mod decide;
mod narrow;
mod numbers;
mod point;
mod ports;
mod reach;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use self::decide::{FurtherPacket, PacketDecidedBy, PacketDecision};
pub(in crate::firewall) use self::narrow::{FlagMatch, PacketEnd, is_flag};
pub use self::numbers::RuleNumbers;
pub(in crate::firewall) use self::point::MatchSense;
pub use self::point::{HookPoint, PacketPath, PacketTracking, PacketTraffic};
pub use self::ports::PortSet;
pub use self::reach::SourceReach;
use crate::model::{AddressFamily, Networks};

/// The interface by which a packet comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncomingInterface {
    /// `lo`.
    Loopback,
    /// Any other.
    Other,
}

/// How far the connection is to which a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionStage {
    /// The packet opens it: a SYN alone, new to connection tracking, and expected by none of its helpers.
    Opening,
    /// It is open.
    Established,
}

/// A TCP packet from a client to this host, or where rules are about [`PacketTraffic::Answers`], an answer to
/// that client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpPacket {
    /// Where it comes from.
    pub source: IpAddr,
    /// The port of this host.
    pub port: u16,
    /// By which interface.
    pub interface: IncomingInterface,
    /// How far its connection is.
    pub stage: ConnectionStage,
}

impl TcpPacket {
    /// The first packet of a connection that does not come from this host itself.
    #[must_use]
    pub const fn opening(source: IpAddr, port: u16) -> Self {
        Self {
            source: source.to_canonical(),
            port,
            interface: IncomingInterface::Other,
            stage: ConnectionStage::Opening,
        }
    }
}

/// Which transport protocols a rule is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleProtocol {
    /// All of them.
    #[default]
    Any,
    /// TCP.
    Tcp,
    /// Others only, so no packet that is asked about here.
    NotTcp,
}

/// Which interfaces a rule is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleInterfaces {
    /// All.
    #[default]
    Any,
    /// `lo` alone.
    Loopback,
    /// All but `lo`.
    NotLoopback,
    /// One that is not `lo`, by its name or a pattern.
    Named(String),
    /// `lo`, and of the others those that this says.
    LoopbackAnd(String),
}

/// The conditions of a rule; all must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleMatch {
    /// The family; none for both.
    pub family: Option<AddressFamily>,
    /// The protocol.
    pub protocol: RuleProtocol,
    /// The destination ports; none for all.
    pub ports: Option<PortSet>,
    /// The source addresses; none for all.
    pub sources: Option<Networks>,
    /// The interface.
    pub on: RuleInterfaces,
    /// The stage of the connection; none for all.
    pub stage: Option<ConnectionStage>,
    /// Conditions that are not understood, as they are written: each may hold or not.
    pub unknown: Vec<String>,
}

/// What a rule does with a packet for which its conditions hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleTarget {
    /// Lets it pass this set of rules.
    Accept,
    /// Drops it, with or without an answer.
    Drop,
    /// Goes back to the rule behind the jump; at the top, to the policy.
    Return,
    /// Goes on in another chain and comes back at its end.
    Jump(String),
    /// Goes on with the next rule: what it does, as counting or logging, decides nothing.
    Continue,
    /// Something that is not understood, or not modelled, as it is written: it may drop the packet, and what
    /// goes on may have another state, port, address or way.
    Unknown(String),
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterRule {
    /// Its conditions.
    pub when: RuleMatch,
    /// What it does.
    pub then: RuleTarget,
}

/// What becomes of a packet that no rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChainPolicy {
    /// It passes.
    Accept,
    /// It does not.
    Drop,
    /// It cannot be told; as a policy also that what goes on may be another packet.
    Unknown,
}

/// Rules that one hook of the kernel goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    /// The family of all its rules; none for both.
    pub family: Option<AddressFamily>,
    /// Which packets of a connection go through them.
    pub traffic: PacketTraffic,
    /// The chain that the hook begins with.
    pub start: String,
    /// What becomes of a packet at the end of that chain.
    pub policy: ChainPolicy,
    /// All chains, by name.
    pub chains: BTreeMap<String, Vec<FilterRule>>,
}

impl RuleSet {
    /// Rules in a single chain.
    #[must_use]
    pub fn of_chain(start: &str, policy: ChainPolicy, rules: Vec<FilterRule>) -> Self {
        Self {
            family: None,
            traffic: PacketTraffic::Arriving,
            start: start.to_owned(),
            policy,
            chains: BTreeMap::from([(start.to_owned(), rules)]),
        }
    }

    /// The same without chains that its first one does not lead to.
    #[must_use]
    pub fn reached(&self) -> Self {
        let mut chains = BTreeMap::new();
        let mut left = vec![&self.start];
        while let Some(name) = left.pop() {
            let Some(rules) = self.chains.get(name).filter(|_| !chains.contains_key(name)) else {
                continue;
            };
            chains.insert(name.clone(), rules.clone());
            left.extend(rules.iter().filter_map(|rule| match &rule.then {
                RuleTarget::Jump(to) => Some(to),
                RuleTarget::Accept
                | RuleTarget::Drop
                | RuleTarget::Return
                | RuleTarget::Continue
                | RuleTarget::Unknown(_) => None,
            }));
        }
        Self {
            family: self.family,
            traffic: self.traffic,
            start: self.start.clone(),
            policy: self.policy,
            chains,
        }
    }

    /// Makes all of it depend on something that is not known.
    pub(in crate::firewall) fn doubt(&mut self, why: &str) {
        if self.policy == ChainPolicy::Drop {
            self.policy = ChainPolicy::Unknown;
        }
        for rule in self.chains.values_mut().flatten() {
            rule.when.unknown.push(why.to_owned());
        }
    }
}

impl FilterRule {
    /// A rule for packets on loopback.
    #[must_use]
    pub fn loopback(then: RuleTarget) -> Self {
        Self { when: RuleMatch { on: RuleInterfaces::Loopback, ..RuleMatch::default() }, then }
    }
}

impl fmt::Display for ChainPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "accepted",
            Self::Drop => "dropped",
            Self::Unknown => "unknown",
        })
    }
}

impl fmt::Display for FilterRule {
    /// The rule in words, with at most three of its networks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RuleMatch { family, protocol, ports, sources, on, stage, unknown } = &self.when;
        let mut words = Vec::new();
        words.extend(family.map(|family| family.to_string()));
        match protocol {
            RuleProtocol::Any => {}
            RuleProtocol::Tcp => words.push("tcp".to_owned()),
            RuleProtocol::NotTcp => words.push("not tcp".to_owned()),
        }
        words.extend(ports.as_ref().map(|ports| format!("to {ports}")));
        words.extend(sources.as_ref().map(|sources| format!("from {}", few(sources))));
        match on {
            RuleInterfaces::Any => {}
            RuleInterfaces::Loopback => words.push("on lo".to_owned()),
            RuleInterfaces::NotLoopback => words.push("not on lo".to_owned()),
            RuleInterfaces::Named(name) => words.push(format!("on {name}")),
            RuleInterfaces::LoopbackAnd(others) => words.push(format!("on lo or {others}")),
        }
        words.extend(stage.map(|stage| {
            match stage {
                ConnectionStage::Opening => "opening a connection",
                ConnectionStage::Established => "of an open connection",
            }
            .to_owned()
        }));
        words.extend(unknown.iter().map(|text| format!("if `{text}`")));
        if words.is_empty() {
            words.push("everything".to_owned());
        }
        let then = match &self.then {
            RuleTarget::Accept => "accept".to_owned(),
            RuleTarget::Drop => "drop".to_owned(),
            RuleTarget::Return => "return".to_owned(),
            RuleTarget::Jump(chain) => format!("go to {chain}"),
            RuleTarget::Continue => "go on".to_owned(),
            RuleTarget::Unknown(text) => format!("`{text}`"),
        };
        write!(f, "{}: {then}", words.join(" "))
    }
}

/// The first networks of a set, and how many more there are.
#[must_use]
pub fn few(networks: &Networks) -> String {
    const SHOWN: usize = 3;
    if networks.is_empty() {
        return "nobody".to_owned();
    }
    let shown: Vec<String> = networks.iter().take(SHOWN).map(|network| network.to_string()).collect();
    match networks.iter().count().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
