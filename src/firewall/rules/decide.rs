//! What becomes of one packet, and which rule decides it.

use serde::{Deserialize, Serialize};

use super::{
    ChainPolicy, FilterRule, IncomingInterface, RuleInterfaces, RuleMatch, RuleProtocol, RuleSet, RuleTarget,
    TcpPacket,
};
use crate::model::AddressFamily;

/// The deepest that chains may jump; the kernel's own limit is 16 to 1024, depending on its age.
pub(super) const DEEPEST: usize = 64;

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketDecision {
    /// The verdict.
    pub verdict: ChainPolicy,
    /// What decides; where that is not certain, the first thing that may.
    pub by: PacketDecidedBy,
    /// What goes on, where anything does.
    pub further: FurtherPacket,
}

/// The packet that goes on to other rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FurtherPacket {
    /// The same, in the same state.
    #[default]
    Same,
    /// Perhaps another: what other rules say about the packet that is asked about decides nothing any more.
    Changed,
}

/// What decides about a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PacketDecidedBy {
    /// A rule.
    Rule {
        /// Its chain.
        chain: String,
        /// Its position there, counted from 1.
        number: usize,
    },
    /// The policy at the end of the first chain.
    Policy,
    /// Chains that are not there, or that never end.
    Chain(String),
    /// Nothing: the rules are not about its family.
    Nothing,
}

/// Whether a rule's conditions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MatchHolds {
    Yes,
    Maybe,
    No,
}

impl RuleMatch {
    /// Whether the conditions hold that are not about the source and its family.
    pub(super) fn holds(
        &self,
        port: u16,
        interface: IncomingInterface,
        stage: super::ConnectionStage,
    ) -> MatchHolds {
        let Self { family: _, protocol, ports, sources: _, on, stage: wanted, unknown } = self;
        let protocol = match protocol {
            RuleProtocol::Any | RuleProtocol::Tcp => true,
            RuleProtocol::NotTcp => false,
        };
        let ports = ports.as_ref().is_none_or(|ports| ports.contains(port));
        if !protocol || !ports || wanted.is_some_and(|wanted| wanted != stage) {
            return MatchHolds::No;
        }
        let certain = unknown.is_empty();
        match (on, interface) {
            (RuleInterfaces::Loopback, IncomingInterface::Other)
            | (RuleInterfaces::NotLoopback | RuleInterfaces::Named(_), IncomingInterface::Loopback) => {
                MatchHolds::No
            }
            (RuleInterfaces::Named(_) | RuleInterfaces::LoopbackAnd(_), IncomingInterface::Other) => {
                MatchHolds::Maybe
            }
            (RuleInterfaces::Any, _)
            | (RuleInterfaces::Loopback | RuleInterfaces::LoopbackAnd(_), IncomingInterface::Loopback)
            | (RuleInterfaces::NotLoopback, IncomingInterface::Other) => {
                if certain {
                    MatchHolds::Yes
                } else {
                    MatchHolds::Maybe
                }
            }
        }
    }

    fn holds_for(&self, packet: &TcpPacket) -> MatchHolds {
        let source = packet.source.to_canonical();
        let family = self.family.is_none_or(|family| family == AddressFamily::of(source));
        let sources = self.sources.as_ref().is_none_or(|set| set.contains(source));
        if family && sources {
            self.holds(packet.port, packet.interface, packet.stage)
        } else {
            MatchHolds::No
        }
    }
}

/// What may become of a packet so far.
#[derive(Debug, Default)]
struct PossibleOutcomes {
    accept: Option<PacketDecidedBy>,
    drop: Option<PacketDecidedBy>,
    /// The first thing that may decide.
    first: Option<PacketDecidedBy>,
    further: FurtherPacket,
}

/// Whether a packet may come out at the end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChainExit {
    Never,
    Maybe,
}

impl RuleSet {
    /// What becomes of a packet.
    #[must_use]
    pub fn decide(&self, packet: &TcpPacket) -> PacketDecision {
        let family = AddressFamily::of(packet.source.to_canonical());
        if self.family.is_some_and(|own| own != family) {
            return PacketDecision {
                verdict: ChainPolicy::Accept,
                by: PacketDecidedBy::Nothing,
                further: FurtherPacket::Same,
            };
        }
        let mut outcomes = PossibleOutcomes::default();
        match self.walk(&self.start, packet, 0, &mut outcomes) {
            ChainExit::Never => {}
            ChainExit::Maybe => outcomes.add(self.policy, &PacketDecidedBy::Policy),
        }
        outcomes.decision()
    }

    fn walk(
        &self,
        chain: &str,
        packet: &TcpPacket,
        depth: usize,
        outcomes: &mut PossibleOutcomes,
    ) -> ChainExit {
        let Some(rules) = self.chains.get(chain).filter(|_| depth < DEEPEST) else {
            outcomes.add(ChainPolicy::Unknown, &PacketDecidedBy::Chain(chain.to_owned()));
            return ChainExit::Never;
        };
        let mut returned = ChainExit::Never;
        for (index, rule) in rules.iter().enumerate() {
            let holds = rule.when.holds_for(packet);
            if holds == MatchHolds::No {
                continue;
            }
            let by = PacketDecidedBy::Rule { chain: chain.to_owned(), number: index + 1 };
            let ends = match &rule.then {
                RuleTarget::Accept => {
                    outcomes.add(ChainPolicy::Accept, &by);
                    true
                }
                RuleTarget::Drop => {
                    outcomes.add(ChainPolicy::Drop, &by);
                    true
                }
                RuleTarget::Unknown(_) => {
                    outcomes.add(ChainPolicy::Unknown, &by);
                    true
                }
                RuleTarget::Return => {
                    returned = ChainExit::Maybe;
                    true
                }
                RuleTarget::Jump(to) => self.walk(to, packet, depth + 1, outcomes) == ChainExit::Never,
                RuleTarget::Continue => false,
            };
            if ends && holds == MatchHolds::Yes {
                return returned;
            }
        }
        ChainExit::Maybe
    }

    /// The rule that a decision names, if it is one.
    #[must_use]
    pub fn rule(&self, by: &PacketDecidedBy) -> Option<&FilterRule> {
        match by {
            PacketDecidedBy::Rule { chain, number } => self.chains.get(chain)?.get(number.checked_sub(1)?),
            PacketDecidedBy::Policy | PacketDecidedBy::Chain(_) | PacketDecidedBy::Nothing => None,
        }
    }
}

impl PossibleOutcomes {
    fn add(&mut self, verdict: ChainPolicy, by: &PacketDecidedBy) {
        self.first.get_or_insert_with(|| by.clone());
        if verdict == ChainPolicy::Unknown {
            self.further = FurtherPacket::Changed;
        }
        if matches!(verdict, ChainPolicy::Accept | ChainPolicy::Unknown) {
            self.accept.get_or_insert_with(|| by.clone());
        }
        if matches!(verdict, ChainPolicy::Drop | ChainPolicy::Unknown) {
            self.drop.get_or_insert_with(|| by.clone());
        }
    }

    fn decision(self) -> PacketDecision {
        let Self { accept, drop, first, further } = self;
        let (verdict, by) = match (accept, drop) {
            (Some(by), None) => (ChainPolicy::Accept, Some(by)),
            (None, Some(by)) => (ChainPolicy::Drop, Some(by)),
            (Some(_), Some(_)) | (None, None) => (ChainPolicy::Unknown, first),
        };
        PacketDecision { verdict, by: by.unwrap_or(PacketDecidedBy::Nothing), further }
    }
}
