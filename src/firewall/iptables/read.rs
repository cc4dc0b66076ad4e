//! What `iptables-save` and `ip6tables-save` print, from 1.3.5 to 1.8 → tables of chains, as rules.

use std::collections::{BTreeMap, BTreeSet};

use super::arguments::{self, words};
use super::{CHAIN, ChainOwnership, JumpPlace, NatEnd, PresentAtEnd, mark_of};
use crate::firewall::rules::{
    ChainPolicy, FilterRule, HookPoint, PacketTraffic, RuleMatch, RuleNumbers, RuleSet, RuleTarget,
};
use crate::model::AddressFamily;

/// Why what was printed cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IptablesError {
    /// A line that `iptables-save` does not print.
    #[error("line {line} is not what iptables-save prints")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// A table without its end: the output was cut.
    #[error("the table {table} has no end")]
    Cut {
        /// The table.
        table: String,
    },
}

/// All tables of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedTables {
    family: AddressFamily,
    tables: BTreeMap<String, ChainsByName>,
    /// Tables whose rules iptables says it cannot show.
    incompatible: BTreeSet<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ChainsByName {
    /// The rules as packets that come in go through them.
    rules: BTreeMap<String, Vec<FilterRule>>,
    policies: BTreeMap<String, ChainPolicy>,
    numbers: RuleNumbers,
    /// All rules as they are written.
    lines: Vec<Vec<String>>,
}

impl ChainsByName {
    /// All rules, as they are gone through at a point. `None` if one is no rule.
    fn read(
        &self,
        family: AddressFamily,
        point: HookPoint,
    ) -> Option<(BTreeMap<String, Vec<FilterRule>>, RuleNumbers)> {
        let mut rules: BTreeMap<String, Vec<FilterRule>> =
            self.rules.keys().map(|chain| (chain.clone(), Vec::new())).collect();
        let mut parts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for words in &self.lines {
            let (chain, new) = arguments::rules(words, family, point, |name| self.rules.contains_key(name))?;
            parts.entry(chain.clone()).or_default().push(new.len());
            rules.entry(chain).or_default().extend(new);
        }
        let mut numbers = RuleNumbers::default();
        for (chain, parts) in parts {
            numbers.note(&chain, &parts);
        }
        Some((rules, numbers))
    }
}

/// Where a chain of the kernel's stands: the priorities are those of the tables.
fn point(table: &str, chain: &str) -> HookPoint {
    let priority = match table {
        "raw" => -300,
        "mangle" => -150,
        "nat" => -100,
        _ => 0,
    };
    match chain {
        "OUTPUT" => HookPoint::early(PacketTraffic::Answers, priority),
        "POSTROUTING" => HookPoint { traffic: PacketTraffic::Answers, ..HookPoint::INPUT },
        // The rules of `INPUT` are not told from those of `PREROUTING`, which may be reached by the same
        // chains.
        _ if matches!(table, "raw" | "mangle" | "nat") => HookPoint::early(PacketTraffic::Arriving, priority),
        _ => HookPoint::INPUT,
    }
}

/// mailward's own chains of one family at one end of address translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFamilyChains {
    /// What of them is there.
    pub present: PresentAtEnd,
    /// Whether they are mailward's.
    pub mark: ChainOwnership,
    /// Their rules, condensed.
    pub rules: RuleSet,
    /// How many rules each of them has as it stands, those included that decide nothing.
    pub lengths: BTreeMap<String, usize>,
    /// What the hook does before it jumps to them; empty where the jump is its first rule.
    pub before: Vec<FilterRule>,
    /// Jumps to them that mailward did not make; such chains cannot be removed.
    pub foreign: usize,
}

/// Reads what `iptables-save` or `ip6tables-save` printed.
///
/// # Errors
/// [`IptablesError`] if it is something else; a rule that is not understood is no error.
pub fn parse(family: AddressFamily, text: &str) -> Result<SavedTables, IptablesError> {
    let mut saved = SavedTables { family, tables: BTreeMap::new(), incompatible: BTreeSet::new() };
    let mut open: Option<(String, ChainsByName)> = None;
    for (index, line) in text.lines().enumerate() {
        let wrong = || IptablesError::Line { line: index + 1 };
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            let table = comment
                .split_once("Table `")
                .and_then(|(_, rest)| rest.split_once('\''))
                .filter(|(_, rest)| rest.contains("incompatible"));
            saved.incompatible.extend(table.map(|(table, _)| table.to_owned()));
        } else if line.is_empty() {
        } else if let Some(table) = line.strip_prefix('*') {
            if open.is_some() {
                return Err(wrong());
            }
            open = Some((table.to_owned(), ChainsByName::default()));
        } else if line == "COMMIT" {
            let (table, mut chains) = open.take().ok_or_else(wrong)?;
            let arriving = point(&table, "");
            (chains.rules, chains.numbers) = chains.read(family, arriving).ok_or_else(wrong)?;
            saved.tables.insert(table, chains);
        } else if let Some(chain) = line.strip_prefix(':') {
            let (_, chains) = open.as_mut().ok_or_else(wrong)?;
            let mut words = chain.split_whitespace();
            let (Some(name), Some(policy)) = (words.next(), words.next()) else {
                return Err(wrong());
            };
            let policy = match policy {
                "ACCEPT" => Some(ChainPolicy::Accept),
                "DROP" => Some(ChainPolicy::Drop),
                "-" => None,
                _ => Some(ChainPolicy::Unknown),
            };
            chains.policies.extend(policy.map(|policy| (name.to_owned(), policy)));
            chains.rules.entry(name.to_owned()).or_default();
        } else {
            let (_, chains) = open.as_mut().ok_or_else(wrong)?;
            chains.lines.push(words(line).ok_or_else(wrong)?);
        }
    }
    match open {
        None => Ok(saved),
        Some((table, ..)) => Err(IptablesError::Cut { table }),
    }
}

impl SavedTables {
    /// The rules that a hook of the kernel goes through in a table. A table that is not loaded lets
    /// everything pass; one that iptables cannot show decides in ways that are unknown.
    #[must_use]
    pub fn hook(&self, table: &str, chain: &str) -> RuleSet {
        self.rules(table, chain, point(table, chain))
    }

    /// The same for packets that this host sends to itself, as they go out.
    #[must_use]
    pub fn leaving(&self, table: &str, chain: &str) -> RuleSet {
        let point = HookPoint { traffic: PacketTraffic::Leaving, ..point(table, chain) };
        self.rules(table, chain, point)
    }

    fn rules(&self, table: &str, chain: &str, point: HookPoint) -> RuleSet {
        let known = self.tables.get(table);
        let policy = if self.incompatible.contains(table) {
            ChainPolicy::Unknown
        } else {
            known.map_or(ChainPolicy::Accept, |chains| {
                let policy = chains.policies.get(chain);
                policy.copied().unwrap_or(ChainPolicy::Accept)
            })
        };
        let chains = match (known, point.traffic) {
            (None, _) => BTreeMap::new(),
            (Some(known), PacketTraffic::Arriving) => known.rules.clone(),
            // Most have nothing there.
            (Some(known), _) if (known.rules.get(chain)).is_none_or(Vec::is_empty) => BTreeMap::new(),
            (Some(known), _) => (known.read(self.family, point)).map(|(rules, _)| rules).unwrap_or_default(),
        };
        let mut set = RuleSet {
            family: Some(self.family),
            traffic: point.traffic,
            start: chain.to_owned(),
            policy,
            chains,
        };
        set.chains.entry(chain.to_owned()).or_default();
        set
    }

    /// What iptables counts of a table's rules.
    #[must_use]
    pub fn numbers(&self, table: &str) -> RuleNumbers {
        (self.tables.get(table)).map_or_else(RuleNumbers::default, |chains| chains.numbers.clone())
    }

    /// Whether the rules of a table are all in what was printed.
    #[must_use]
    pub fn shows(&self, table: &str) -> bool {
        self.tables.contains_key(table) && !self.incompatible.contains(table)
    }

    /// mailward's own chains at one end, if there is any of them or a jump to them.
    #[must_use]
    pub fn own(&self, end: NatEnd) -> Option<OwnFamilyChains> {
        let chains = self.tables.get(end.table())?;
        let mut rules = RuleSet {
            family: Some(self.family),
            traffic: PacketTraffic::Arriving,
            start: CHAIN.to_owned(),
            policy: ChainPolicy::Accept,
            chains: chains.rules.clone(),
        };
        let mark = mark_of(&rules, end);
        rules.chains.clear();
        let (mut jumps, mut foreign, mut before) = (0, 0, None);
        for (name, content) in &chains.rules {
            if is_own(name) {
                rules.chains.insert(name.clone(), content.clone());
                continue;
            }
            for (index, rule) in content.iter().enumerate() {
                match &rule.then {
                    RuleTarget::Jump(to)
                        if to == CHAIN && name == end.hook() && rule.when == RuleMatch::default() =>
                    {
                        jumps += 1;
                        before.get_or_insert_with(|| content[..index].to_vec());
                    }
                    RuleTarget::Jump(to) if is_own(to) => foreign += 1,
                    RuleTarget::Jump(_)
                    | RuleTarget::Accept
                    | RuleTarget::Drop
                    | RuleTarget::Return
                    | RuleTarget::Continue
                    | RuleTarget::Unknown(_) => {}
                }
            }
        }
        if rules.chains.is_empty() {
            return None;
        }
        let mut lengths = BTreeMap::new();
        for words in &chains.lines {
            if let [verb, chain, ..] = words.as_slice()
                && verb == "-A"
                && is_own(chain)
            {
                *lengths.entry(chain.clone()).or_default() += 1;
            }
        }
        Some(OwnFamilyChains {
            mark,
            lengths,
            present: PresentAtEnd {
                jumps,
                place: match &before {
                    Some(before) if !before.is_empty() => JumpPlace::Behind,
                    Some(_) | None => JumpPlace::First,
                },
                chains: rules.chains.keys().cloned().collect(),
            },
            rules: rules.condensed(),
            before: before.unwrap_or_default(),
            foreign,
        })
    }
}

/// Whether a chain has a name of mailward's.
#[must_use]
pub fn is_own(chain: &str) -> bool {
    chain.strip_prefix(CHAIN).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
