//! What becomes of one packet, and which rule decides it.

use serde::{Deserialize, Serialize};

use super::{Interface, On, Packet, Protocol, Rule, RuleSet, Then, Verdict, When};
use crate::model::Family;

/// The deepest that chains may jump; the kernel's own limit is 16 to 1024, depending on its age.
pub(super) const DEEPEST: usize = 64;

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// What decides; where that is not certain, the first thing that may.
    pub by: By,
    /// What goes on, where anything does.
    pub further: Further,
}

/// The packet that goes on to other rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Further {
    /// The same, in the same state.
    #[default]
    Same,
    /// Perhaps another: what other rules say about the packet that is asked about decides nothing any more.
    Changed,
}

/// What decides about a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
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
pub(super) enum Holds {
    Yes,
    Maybe,
    No,
}

impl When {
    /// Whether the conditions hold that are not about the source and its family.
    pub(super) fn holds(&self, port: u16, interface: Interface, stage: super::Stage) -> Holds {
        let Self {
            family: _,
            protocol,
            ports,
            sources: _,
            on,
            stage: wanted,
            unknown,
        } = self;
        let protocol = match protocol {
            Protocol::Any | Protocol::Tcp => true,
            Protocol::NotTcp => false,
        };
        let ports = ports.as_ref().is_none_or(|ports| ports.contains(port));
        if !protocol || !ports || wanted.is_some_and(|wanted| wanted != stage) {
            return Holds::No;
        }
        let certain = unknown.is_empty();
        match (on, interface) {
            (On::Loopback, Interface::Other)
            | (On::NotLoopback | On::Named(_), Interface::Loopback) => Holds::No,
            (On::Named(_) | On::LoopbackAnd(_), Interface::Other) => Holds::Maybe,
            (On::Any, _)
            | (On::Loopback | On::LoopbackAnd(_), Interface::Loopback)
            | (On::NotLoopback, Interface::Other) => {
                if certain {
                    Holds::Yes
                } else {
                    Holds::Maybe
                }
            }
        }
    }

    fn holds_for(&self, packet: &Packet) -> Holds {
        let source = packet.source.to_canonical();
        let family = self
            .family
            .is_none_or(|family| family == Family::of(source));
        let sources = self.sources.as_ref().is_none_or(|set| set.contains(source));
        if family && sources {
            self.holds(packet.port, packet.interface, packet.stage)
        } else {
            Holds::No
        }
    }
}

/// What may become of a packet so far.
#[derive(Debug, Default)]
struct Outcomes {
    accept: Option<By>,
    drop: Option<By>,
    /// The first thing that may decide.
    first: Option<By>,
    further: Further,
}

/// Whether a packet may come out at the end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    Never,
    Maybe,
}

impl RuleSet {
    /// What becomes of a packet.
    #[must_use]
    pub fn decide(&self, packet: &Packet) -> Decision {
        let family = Family::of(packet.source.to_canonical());
        if self.family.is_some_and(|own| own != family) {
            return Decision {
                verdict: Verdict::Accept,
                by: By::Nothing,
                further: Further::Same,
            };
        }
        let mut outcomes = Outcomes::default();
        match self.walk(&self.start, packet, 0, &mut outcomes) {
            Out::Never => {}
            Out::Maybe => outcomes.add(self.policy, &By::Policy),
        }
        outcomes.decision()
    }

    fn walk(&self, chain: &str, packet: &Packet, depth: usize, outcomes: &mut Outcomes) -> Out {
        let Some(rules) = self.chains.get(chain).filter(|_| depth < DEEPEST) else {
            outcomes.add(Verdict::Unknown, &By::Chain(chain.to_owned()));
            return Out::Never;
        };
        let mut returned = Out::Never;
        for (index, rule) in rules.iter().enumerate() {
            let holds = rule.when.holds_for(packet);
            if holds == Holds::No {
                continue;
            }
            let by = By::Rule {
                chain: chain.to_owned(),
                number: index + 1,
            };
            let ends = match &rule.then {
                Then::Accept => {
                    outcomes.add(Verdict::Accept, &by);
                    true
                }
                Then::Drop => {
                    outcomes.add(Verdict::Drop, &by);
                    true
                }
                Then::Unknown(_) => {
                    outcomes.add(Verdict::Unknown, &by);
                    true
                }
                Then::Return => {
                    returned = Out::Maybe;
                    true
                }
                Then::Jump(to) => self.walk(to, packet, depth + 1, outcomes) == Out::Never,
                Then::Continue => false,
            };
            if ends && holds == Holds::Yes {
                return returned;
            }
        }
        Out::Maybe
    }

    /// The rule that a decision names, if it is one.
    #[must_use]
    pub fn rule(&self, by: &By) -> Option<&Rule> {
        match by {
            By::Rule { chain, number } => self.chains.get(chain)?.get(number.checked_sub(1)?),
            By::Policy | By::Chain(_) | By::Nothing => None,
        }
    }
}

impl Outcomes {
    fn add(&mut self, verdict: Verdict, by: &By) {
        self.first.get_or_insert_with(|| by.clone());
        if verdict == Verdict::Unknown {
            self.further = Further::Changed;
        }
        if matches!(verdict, Verdict::Accept | Verdict::Unknown) {
            self.accept.get_or_insert_with(|| by.clone());
        }
        if matches!(verdict, Verdict::Drop | Verdict::Unknown) {
            self.drop.get_or_insert_with(|| by.clone());
        }
    }

    fn decision(self) -> Decision {
        let Self {
            accept,
            drop,
            first,
            further,
        } = self;
        let (verdict, by) = match (accept, drop) {
            (Some(by), None) => (Verdict::Accept, Some(by)),
            (None, Some(by)) => (Verdict::Drop, Some(by)),
            (Some(_), Some(_)) | (None, None) => (Verdict::Unknown, first),
        };
        Decision {
            verdict,
            by: by.unwrap_or(By::Nothing),
            further,
        }
    }
}
