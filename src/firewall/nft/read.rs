//! What `nft -j list …` prints → tables with their base chains as rules.

use std::collections::{BTreeMap, BTreeSet};

use super::elements::{self, NamedSet, SetLookup};
use super::value::{Fields, Value};
use super::{CHAIN, EARLY, EARLY_PRIORITY, MARK, PRIORITY, TABLE, foreign, statement};
use crate::firewall::rules::{ChainPolicy, FilterRule, HookPoint, PacketTraffic, RuleNumbers, RuleSet};
use crate::firewall::{NatEnds, PortAllowlist};
use crate::model::AddressFamily;

/// Why what `nft -j` printed cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// It is no JSON.
    #[error("what nft printed is no JSON")]
    Json(#[source] serde_json::Error),
    /// It is other JSON than nft prints.
    #[error("what nft printed has no list \"nftables\"")]
    Shape,
}

/// A chain that a hook of the kernel begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// The hook: `input`, `prerouting`, ….
    pub hook: String,
    /// The lower, the earlier.
    pub priority: i64,
    /// The kind: `filter`, `nat`, `route`.
    pub kind: String,
    /// Its rules, with the other chains of its table.
    pub rules: RuleSet,
    /// The same for packets that this host sends to itself, at hooks where they go out.
    pub leaving: Option<RuleSet>,
    /// What nft counts of them.
    pub numbers: RuleNumbers,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NftTable {
    /// Its family as nft writes it: `inet`, `ip`, `ip6`, ….
    pub family: String,
    /// Its name.
    pub name: String,
    /// Whether it is marked as mailward's own.
    pub mark: TableOwnership,
    /// Its base chains, sorted by hook and priority; none while it is known to be dormant.
    pub base: Vec<BaseChain>,
    /// What stands in mailward's own table that mailward never makes, in a few words each; empty for others'
    /// tables.
    pub foreign: Vec<String>,
}

/// Whether a table is mailward's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableOwnership {
    /// It has the name and the comment of mailward's table.
    Own,
    /// It has the name, and nothing that mailward does not make, but not the comment: mailward's where what
    /// is left of it is what was written down.
    Rest,
    /// It has the name, but not the comment: somebody else's, or somebody has changed it.
    NameAlone,
    /// It has another name.
    Other,
}

/// A base chain's hook, priority, kind and policy.
type ChainBase<'v> = (&'v str, i64, &'v str, ChainPolicy);

impl NftTable {
    /// The rules of each hook, without chains that no packet comes to from there.
    #[must_use]
    pub fn own_rules(&self) -> Vec<RuleSet> {
        self.base.iter().map(|chain| chain.rules.reached()).collect()
    }

    /// Whether it is what the script for these allowlists makes, and nothing beside it.
    #[must_use]
    pub fn is_made_of(&self, allowlists: &[PortAllowlist], ends: NatEnds) -> bool {
        let hooks: &[(&str, i64, &str)] = match ends {
            NatEnds::Both => &[("input", PRIORITY, CHAIN), ("prerouting", EARLY_PRIORITY, EARLY)],
            NatEnds::InputAlone => &[("input", PRIORITY, CHAIN)],
        };
        let at_hooks = self.base.iter().map(|chain| {
            let BaseChain { hook, priority, rules, .. } = chain;
            (hook.as_str(), *priority, rules.start.as_str())
        });
        let no_others = (self.base.iter().flat_map(|chain| chain.rules.chains.keys()))
            .all(|name| hooks.iter().any(|(_, _, own)| own == name));
        self.foreign.is_empty()
            && at_hooks.eq(hooks.iter().copied())
            && no_others
            && self.own_rules() == super::rules(allowlists, ends)
    }

    /// Whether each rule that is left in it is among these.
    #[must_use]
    pub fn is_left_of(&self, rules: &[RuleSet]) -> bool {
        let among = |start: &str, rule: &FilterRule| {
            let mut same = rules.iter().filter(|rules| rules.start == start);
            same.any(|rules| rules.chains.values().flatten().any(|made| made == rule))
        };
        (self.own_rules().iter()).all(|left| {
            let mut all = left.chains.values().flatten();
            all.all(|rule| among(&left.start, rule))
        })
    }

    /// Whether no rule is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        (self.own_rules().iter()).all(|rules| rules.chains.values().all(Vec::is_empty))
    }
}

#[derive(Default)]
struct NftChain<'v> {
    base: Option<ChainBase<'v>>,
    /// The statements of its rules.
    rules: Vec<&'v [Value<'v>]>,
    /// Whether one of them bears mailward's mark, wherever others have put theirs.
    marked: bool,
}

/// A table as it is listed.
#[derive(Default)]
struct ListedTable<'v> {
    chains: BTreeMap<&'v str, NftChain<'v>>,
    sets: BTreeMap<&'v str, &'v Value<'v>>,
    flags: Option<&'v Value<'v>>,
    /// All that stands in mailward's own table, with its kind.
    whole: Vec<(&'v str, &'v Value<'v>)>,
}

/// Reads what `nft -j list table inet mailward` or `nft -j list ruleset` printed: the own table, if it is
/// there.
///
/// # Errors
/// [`NftError`] if it is not what nft prints.
pub fn own(json: &[u8]) -> Result<Option<NftTable>, NftError> {
    Ok(tables(json)?.into_iter().find(|table| match table.mark {
        TableOwnership::Own | TableOwnership::Rest | TableOwnership::NameAlone => true,
        TableOwnership::Other => false,
    }))
}

/// Reads all tables.
///
/// # Errors
/// [`NftError`] if it is not what nft prints.
pub fn tables(json: &[u8]) -> Result<Vec<NftTable>, NftError> {
    let json: Value<'_> = serde_json::from_slice(json).map_err(NftError::Json)?;
    let objects = json["nftables"].as_array().ok_or(NftError::Shape)?;
    let mut found: BTreeMap<(&str, &str), ListedTable<'_>> = BTreeMap::new();
    for object in objects {
        let Some((kind, object)) = object.as_object().and_then(Fields::first) else {
            continue;
        };
        if kind == "table" {
            let table = found.entry((text(object, "family"), text(object, "name"))).or_default();
            table.flags = object.get("flags");
            if is_own(text(object, "family"), text(object, "name")) {
                table.whole.push((kind, object));
            }
            continue;
        }
        let of = (text(object, "family"), text(object, "table"));
        if is_own(of.0, of.1) {
            found.entry(of).or_default().whole.push((kind, object));
        }
        match kind {
            "set" | "map" => {
                let table = found.entry(of).or_default();
                table.sets.insert(text(object, "name"), object);
            }
            "chain" => {
                let table = found.entry(of).or_default();
                table.chains.entry(text(object, "name")).or_default().base = base(object);
            }
            "rule" => {
                let table = found.entry(of).or_default();
                let chain = table.chains.entry(text(object, "chain")).or_default();
                chain.marked |= object["comment"].as_str() == Some(MARK);
                chain.rules.push(object["expr"].as_array().unwrap_or_default());
            }
            // What decides nothing by itself: counters, limits, helpers, flow tables.
            _ => {}
        }
    }
    Ok(found.into_iter().map(|((family, name), listed)| whole(family, name, &listed)).collect())
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn base<'v>(chain: &'v Value<'v>) -> Option<ChainBase<'v>> {
    let policy = match text(chain, "policy") {
        "accept" | "" => ChainPolicy::Accept,
        "drop" => ChainPolicy::Drop,
        _ => ChainPolicy::Unknown,
    };
    let priority = chain["prio"].as_i64().unwrap_or_default();
    let hook = chain["hook"].as_str()?;
    Some((hook, priority, text(chain, "type"), policy))
}

/// Heeds a table's flags. nft 1.0.6 prints any text in their place, so only known words mean something.
fn heed(flags: &Value, base: &mut Vec<BaseChain>) {
    let mut words = Vec::new();
    elements::words(flags, &mut words);
    if words.iter().all(|word| matches!(*word, "owner" | "persist")) {
        return;
    }
    if words == ["dormant"] {
        base.clear();
        return;
    }
    for chain in base {
        for rules in std::iter::once(&mut chain.rules).chain(&mut chain.leaving) {
            rules.doubt(&format!("table flags {flags}"));
        }
    }
}

fn is_own(family: &str, name: &str) -> bool {
    family == "inet" && name == TABLE
}

/// What of the own table mailward never makes.
fn not_made(listed: &ListedTable<'_>) -> Vec<String> {
    let rules: Vec<&Value> =
        (listed.whole.iter()).filter(|(kind, _)| *kind == "rule").map(|(_, rule)| *rule).collect();
    (listed.whole.iter())
        .filter_map(|(kind, object)| foreign::of_object(kind, object))
        .chain(foreign::unused(listed.sets.keys().copied(), &rules))
        .collect()
}

fn whole(family: &str, name: &str, listed: &ListedTable<'_>) -> NftTable {
    let own = is_own(family, name);
    let marked = (listed.chains.get(CHAIN)).is_some_and(|chain| chain.marked);
    let mark = match (own, marked) {
        (true, true) => TableOwnership::Own,
        (true, false) if foreign::is_rest(&listed.whole) => TableOwnership::Rest,
        (true, false) => TableOwnership::NameAlone,
        (false, _) => TableOwnership::Other,
    };
    let statements = || listed.chains.values().flat_map(|chain| chain.rules.iter().copied());
    let changed: BTreeSet<&str> = statements().flat_map(statement::changed_sets).collect();
    let sets: BTreeMap<&str, NamedSet<'_>> = (listed.sets.iter())
        .filter(|(name, _)| !changed.contains(*name))
        .filter_map(|(name, set)| Some((*name, NamedSet::read(set)?)))
        .collect();
    let mut read: BTreeMap<HookPoint, (BTreeMap<String, Vec<FilterRule>>, RuleNumbers)> = BTreeMap::new();
    let mut rules = |point: HookPoint, start: &str, policy: ChainPolicy| {
        let (chains, numbers) =
            read.entry(point).or_insert_with(|| chains(family, listed, point, &|name| sets.get(name)));
        let rules = RuleSet {
            family: match family {
                // Addresses of IPv6 are asked for in other ways.
                "ip" | "arp" => Some(AddressFamily::Ipv4),
                "ip6" => Some(AddressFamily::Ipv6),
                _ => None,
            },
            traffic: point.traffic,
            start: start.to_owned(),
            policy,
            chains: chains.clone(),
        };
        (rules, numbers.clone())
    };
    let mut base = Vec::new();
    for (start, chain) in &listed.chains {
        let Some((hook, priority, kind, policy)) = chain.base else {
            continue;
        };
        let (point, leaving) = points(hook, priority);
        let (own, numbers) = rules(point, start, policy);
        base.push(BaseChain {
            hook: hook.to_owned(),
            priority,
            kind: kind.to_owned(),
            rules: own,
            leaving: leaving.map(|point| rules(point, start, policy).0),
            numbers,
        });
    }
    base.sort_by(|one, other| {
        (&one.hook, one.priority, &one.rules.start).cmp(&(&other.hook, other.priority, &other.rules.start))
    });
    if let Some(flags) = listed.flags {
        heed(flags, &mut base);
    }
    NftTable {
        family: family.to_owned(),
        name: name.to_owned(),
        mark,
        base,
        foreign: match mark {
            // Sets that no rule looks at are what is left of it.
            TableOwnership::Rest => Vec::new(),
            TableOwnership::Own | TableOwnership::NameAlone | TableOwnership::Other => not_made(listed),
        },
    }
}

/// Where the rules of a hook are gone through, and where those are that packets of this host to itself come
/// to, too.
fn points(hook: &str, priority: i64) -> (HookPoint, Option<HookPoint>) {
    let settled = |traffic| HookPoint { traffic, ..HookPoint::INPUT };
    let early = |traffic| HookPoint::early(traffic, priority);
    match hook {
        "output" => (early(PacketTraffic::Answers), Some(early(PacketTraffic::Leaving))),
        "postrouting" => (settled(PacketTraffic::Answers), Some(settled(PacketTraffic::Leaving))),
        "egress" => (settled(PacketTraffic::Answers), None),
        "input" => (HookPoint::INPUT, None),
        "prerouting" => (early(PacketTraffic::Arriving), None),
        // Behind a device comes before everything; at other hooks nothing that is asked about comes by.
        _ => (HookPoint::early(PacketTraffic::Arriving, i64::MIN), None),
    }
}

/// All chains of a table as they are gone through at a point.
fn chains<'v>(
    family: &str,
    listed: &ListedTable<'v>,
    point: HookPoint,
    sets: &SetLookup<'_, 'v>,
) -> (BTreeMap<String, Vec<FilterRule>>, RuleNumbers) {
    let mut numbers = RuleNumbers::default();
    let mut all = BTreeMap::new();
    for (name, chain) in &listed.chains {
        let mut list = Vec::new();
        let mut parts = Vec::new();
        for statements in &chain.rules {
            let mut rules = statement::rules(statements, point, sets);
            if matches!(family, "inet" | "bridge") && statement::hides_family(statements) {
                for rule in rules.iter_mut().filter(|rule| rule.when.family.is_none()) {
                    let hidden = "of its family, which nft does not list before a reset";
                    rule.when.unknown.push(hidden.to_owned());
                }
            }
            parts.push(rules.len());
            list.extend(rules);
        }
        numbers.note(name, &parts);
        all.insert((*name).to_owned(), list);
    }
    (all, numbers)
}
