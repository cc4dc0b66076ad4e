//! What becomes of all sources at once: exact sets of addresses for one port, interface and stage.

use std::borrow::Cow;

use super::decide::{DEEPEST, MatchHolds};
use super::{ChainPolicy, ConnectionStage, FilterRule, IncomingInterface, RuleMatch, RuleSet, RuleTarget};
use crate::model::Networks;

/// Which sources pass, which do not, and of which it cannot be told; together they are everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceReach {
    /// Those that pass.
    pub accepted: Networks,
    /// Those that do not.
    pub dropped: Networks,
    /// Those of which it cannot be told.
    pub unknown: Networks,
    /// Those of them whose packets may go on as others, so that later rules say nothing about them.
    pub changed: Networks,
}

impl SourceReach {
    /// What everybody is where there are no rules.
    #[must_use]
    pub fn open() -> Self {
        Self { accepted: Networks::everything(), ..Self::default() }
    }

    /// What is left of it behind further rules: all must let a packet pass.
    #[must_use]
    pub fn and(&self, then: &Self) -> Self {
        let dropped = (self.dropped).union(&then.dropped.difference(&self.changed));
        let accepted = self.accepted.intersection(&then.accepted);
        let unknown = self.unknown.union(&then.unknown).difference(&dropped);
        let changed = self.changed.union(&then.changed).intersection(&unknown);
        Self { accepted, dropped, unknown, changed }
    }
}

/// The packets that are asked about, but for their sources.
#[derive(Debug, Clone, Copy)]
struct AskedPackets {
    port: u16,
    interface: IncomingInterface,
    stage: ConnectionStage,
}

/// Sources that may be accepted, and those that may be dropped.
#[derive(Debug, Default)]
struct PossibleSources {
    accept: Networks,
    drop: Networks,
    change: Networks,
}

impl RuleSet {
    /// What becomes of all sources; linear in the number of networks as long as rules that do the same stand
    /// together.
    #[must_use]
    pub fn reach(&self, port: u16, interface: IncomingInterface, stage: ConnectionStage) -> SourceReach {
        let about = AskedPackets { port, interface, stage };
        let all = self.family.map_or_else(Networks::everything, Networks::all_of);
        let mut may = PossibleSources {
            // The other family does not come here.
            accept: Networks::everything().difference(&all),
            drop: Networks::default(),
            change: Networks::default(),
        };
        let left = self.flow(&self.start, all, about, 0, &mut may);
        may.add(self.policy, &left);
        SourceReach {
            accepted: may.accept.difference(&may.drop),
            dropped: may.drop.difference(&may.accept),
            unknown: may.accept.intersection(&may.drop),
            changed: may.change,
        }
    }

    /// Sends sources through a chain and gives those that may come out at its end.
    fn flow(
        &self,
        chain: &str,
        mut alive: Networks,
        about: AskedPackets,
        depth: usize,
        may: &mut PossibleSources,
    ) -> Networks {
        let Some(rules) = self.chains.get(chain).filter(|_| depth < DEEPEST) else {
            may.add(ChainPolicy::Unknown, &alive);
            return Networks::default();
        };
        let mut returned = Networks::default();
        let mut rest = rules.as_slice();
        while let Some((first, _)) = rest.split_first() {
            if alive.is_empty() {
                break;
            }
            let holds = first.when.holds(about.port, about.interface, about.stage);
            let run = run(rest);
            let sources = sources(&rest[..run]);
            rest = &rest[run..];
            if holds == MatchHolds::No {
                continue;
            }
            let taken = match &sources {
                None => alive.clone(),
                Some(sources) => alive.intersection(sources),
            };
            if taken.is_empty() {
                continue;
            }
            let back = match &first.then {
                RuleTarget::Accept => {
                    may.add(ChainPolicy::Accept, &taken);
                    None
                }
                RuleTarget::Drop => {
                    may.add(ChainPolicy::Drop, &taken);
                    None
                }
                RuleTarget::Unknown(_) => {
                    may.add(ChainPolicy::Unknown, &taken);
                    None
                }
                RuleTarget::Return => {
                    returned = returned.union(&taken);
                    None
                }
                RuleTarget::Jump(to) => Some(self.flow(to, taken.clone(), about, depth + 1, may)),
                RuleTarget::Continue => continue,
            };
            if holds == MatchHolds::Yes {
                alive = alive.difference(&taken);
                if let Some(back) = back {
                    alive = alive.union(&back);
                }
            }
        }
        returned.union(&alive)
    }
}

impl RuleSet {
    /// The same rules, with neighbours put together that differ in their sources alone: the form in which
    /// rules of one network each are compared with rules of many.
    #[must_use]
    pub fn condensed(&self) -> Self {
        let chains = self.chains.iter().map(|(name, rules)| {
            let mut condensed = Vec::new();
            let mut rest = rules.as_slice();
            while let Some((first, _)) = rest.split_first() {
                let run = run(rest);
                let mut rule = first.clone();
                if run > 1 {
                    rule.when.sources = sources(&rest[..run]).map(Cow::into_owned);
                }
                condensed.push(rule);
                rest = &rest[run..];
            }
            (name.clone(), condensed)
        });
        Self {
            family: self.family,
            traffic: self.traffic,
            start: self.start.clone(),
            policy: self.policy,
            chains: chains.collect(),
        }
    }
}

/// How many rules from the first one on differ in their sources alone: they are one rule with all of these.
fn run(rules: &[FilterRule]) -> usize {
    let Some((first, others)) = rules.split_first() else {
        return 0;
    };
    // A jump runs its chain each time, so jumps are not put together.
    if matches!(first.then, RuleTarget::Jump(_)) || first.when.sources.is_none() {
        return 1;
    }
    1 + others.iter().take_while(|other| other.when.sources.is_some() && alike(first, other)).count()
}

fn alike(one: &FilterRule, other: &FilterRule) -> bool {
    let bare = |when: &RuleMatch| (when.family, when.protocol, when.stage);
    bare(&one.when) == bare(&other.when)
        && one.when.ports == other.when.ports
        && one.when.on == other.when.on
        && one.when.unknown == other.when.unknown
        && one.then == other.then
}

/// The sources of rules that are alike otherwise; none for everybody.
fn sources(rules: &[FilterRule]) -> Option<Cow<'_, Networks>> {
    let (first, others) = rules.split_first()?;
    let of_family = |networks: Cow<'_, Networks>| match first.when.family {
        None => networks.into_owned(),
        Some(family) => networks.of_family(family),
    };
    match (&first.when.sources, others.is_empty()) {
        (None, _) => first.when.family.map(|family| Cow::Owned(Networks::all_of(family))),
        (Some(sources), true) if first.when.family.is_none() => Some(Cow::Borrowed(sources)),
        (Some(sources), true) => Some(Cow::Owned(of_family(Cow::Borrowed(sources)))),
        (Some(_), false) => {
            let all: Networks =
                rules.iter().filter_map(|rule| rule.when.sources.as_ref()).flat_map(Networks::iter).collect();
            Some(Cow::Owned(of_family(Cow::Owned(all))))
        }
    }
}

impl PossibleSources {
    fn add(&mut self, verdict: ChainPolicy, sources: &Networks) {
        if verdict == ChainPolicy::Unknown {
            self.change = self.change.union(sources);
        }
        if matches!(verdict, ChainPolicy::Accept | ChainPolicy::Unknown) {
            self.accept = self.accept.union(sources);
        }
        if matches!(verdict, ChainPolicy::Drop | ChainPolicy::Unknown) {
            self.drop = self.drop.union(sources);
        }
    }
}
