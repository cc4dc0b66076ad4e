//! What `nft -j list …` prints → tables with their base chains as rules.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expression::{self, Elements};
use super::{CHAIN, MARK, TABLE};
use crate::access::rules::{Rule, RuleSet, Verdict};
use crate::model::Family;

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
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its family as nft writes it: `inet`, `ip`, `ip6`, ….
    pub family: String,
    /// Its name.
    pub name: String,
    /// Whether it is marked as mailward's own.
    pub mark: Mark,
    /// Its base chains, sorted by hook and priority; none while it is known to be dormant.
    pub base: Vec<BaseChain>,
}

/// Whether a table is mailward's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It has the name and the comment of mailward's table.
    Own,
    /// It has the name, but not the comment: somebody else's, or somebody has changed it.
    NameAlone,
    /// It has another name.
    Other,
}

#[derive(Default)]
struct Chain<'v> {
    hook: Option<(&'v str, i64, &'v str, Verdict)>,
    rules: Vec<Rule>,
    first_comment: Option<&'v str>,
    begun: bool,
}

/// Reads what `nft -j list table inet mailward` or `nft -j list ruleset` printed: the own table, if it is there.
///
/// # Errors
/// [`NftError`] if it is not what nft prints.
pub fn own(json: &[u8]) -> Result<Option<Table>, NftError> {
    Ok(tables(json)?.into_iter().find(|table| match table.mark {
        Mark::Own | Mark::NameAlone => true,
        Mark::Other => false,
    }))
}

/// Reads all tables.
///
/// # Errors
/// [`NftError`] if it is not what nft prints.
pub fn tables(json: &[u8]) -> Result<Vec<Table>, NftError> {
    let json: Value = serde_json::from_slice(json).map_err(NftError::Json)?;
    let objects = json["nftables"].as_array().ok_or(NftError::Shape)?;
    let mut sets: BTreeMap<(&str, &str), BTreeMap<String, Elements>> = BTreeMap::new();
    let mut all_flags: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    let mut found: BTreeMap<(&str, &str), BTreeMap<&str, Chain<'_>>> = BTreeMap::new();
    for object in objects {
        let set = [&object["set"], &object["map"]]
            .into_iter()
            .find(|set| set.is_object());
        if let Some(set) = set {
            let none = Value::Array(Vec::new());
            let elements = set.get("elem").unwrap_or(&none);
            sets.entry((text(set, "family"), text(set, "table")))
                .or_default()
                .insert(text(set, "name").to_owned(), Elements::read(elements));
        }
        let table = &object["table"];
        if let Some(flags) = table.get("flags") {
            all_flags.insert((text(table, "family"), text(table, "name")), flags);
        }
        if table.is_object() {
            found
                .entry((text(table, "family"), text(table, "name")))
                .or_default();
        }
        let chain = &object["chain"];
        if chain.is_object() {
            let hook = chain["hook"].as_str().map(|hook| {
                let policy = match text(chain, "policy") {
                    "accept" | "" => Verdict::Accept,
                    "drop" => Verdict::Drop,
                    _ => Verdict::Unknown,
                };
                let priority = chain["prio"].as_i64().unwrap_or_default();
                (hook, priority, text(chain, "type"), policy)
            });
            found
                .entry((text(chain, "family"), text(chain, "table")))
                .or_default()
                .entry(text(chain, "name"))
                .or_default()
                .hook = hook;
        }
    }
    for object in objects {
        let rule = &object["rule"];
        if !rule.is_object() {
            continue;
        }
        let (family, table) = (text(rule, "family"), text(rule, "table"));
        let chain = found
            .entry((family, table))
            .or_default()
            .entry(text(rule, "chain"))
            .or_default();
        if !chain.begun {
            chain.begun = true;
            chain.first_comment = rule["comment"].as_str();
        }
        let none = Vec::new();
        let statements = rule["expr"].as_array().unwrap_or(&none);
        let of_table = sets.get(&(family, table));
        let lookup = |name: &str| of_table?.get(name);
        let mut rules = expression::rules(statements, &lookup);
        if matches!(family, "inet" | "bridge") && expression::hides_family(statements) {
            for rule in rules.iter_mut().filter(|rule| rule.when.family.is_none()) {
                let hidden = "of its family, which nft does not list before a reset";
                rule.when.unknown.push(hidden.to_owned());
            }
        }
        chain.rules.extend(rules);
    }
    Ok(found
        .into_iter()
        .map(|((family, name), chains)| {
            let mut table = whole(family, name, chains);
            if let Some(flags) = all_flags.get(&(family, name)) {
                heed(flags, &mut table.base);
            }
            table
        })
        .collect())
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Heeds a table's flags. nft 1.0.6 prints any text in their place, so only known words mean something.
fn heed(flags: &Value, base: &mut Vec<BaseChain>) {
    let mut words = Vec::new();
    expression::words(flags, &mut words);
    if words
        .iter()
        .all(|word| matches!(*word, "owner" | "persist"))
    {
        return;
    }
    if words == ["dormant"] {
        base.clear();
        return;
    }
    for chain in base {
        if chain.rules.policy == Verdict::Drop {
            chain.rules.policy = Verdict::Unknown;
        }
        for rule in chain.rules.chains.values_mut().flatten() {
            rule.when.unknown.push(format!("table flags {flags}"));
        }
    }
}

fn whole(family: &str, name: &str, chains: BTreeMap<&str, Chain<'_>>) -> Table {
    let own = family == "inet" && name == TABLE;
    let marked = chains
        .get(CHAIN)
        .is_some_and(|chain| chain.first_comment == Some(MARK));
    let mark = match (own, marked) {
        (true, true) => Mark::Own,
        (true, false) => Mark::NameAlone,
        (false, _) => Mark::Other,
    };
    let hooks: Vec<_> = chains
        .iter()
        .filter_map(|(chain, content)| Some(((*chain).to_owned(), content.hook?)))
        .collect();
    let rules: BTreeMap<String, Vec<Rule>> = chains
        .into_iter()
        .map(|(chain, content)| (chain.to_owned(), content.rules))
        .collect();
    let rules_family = match family {
        "ip" => Some(Family::Ipv4),
        "ip6" => Some(Family::Ipv6),
        _ => None,
    };
    let mut base: Vec<BaseChain> = hooks
        .into_iter()
        .map(|(start, (hook, priority, kind, policy))| BaseChain {
            hook: hook.to_owned(),
            priority,
            kind: kind.to_owned(),
            rules: RuleSet {
                family: rules_family,
                start,
                policy,
                chains: rules.clone(),
            },
        })
        .collect();
    base.sort_by(|one, other| {
        (&one.hook, one.priority, &one.rules.start).cmp(&(
            &other.hook,
            other.priority,
            &other.rules.start,
        ))
    });
    Table {
        family: family.to_owned(),
        name: name.to_owned(),
        mark,
        base,
    }
}
