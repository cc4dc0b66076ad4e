//! What stands in the own table that mailward never makes, whatever allowlists it has: what decides nothing,
//! too.
//!
//! Rules that could be mailward's are compared by what they let in; this finds all the others.

use super::value::Value;
use super::{CHAIN, EARLY, EARLY_PRIORITY, MARK, PRIORITY, elements, suffix};
use crate::model::{AddressFamily, MailService};

/// What a rule, a set or another object of the own table has that mailward never writes, in a few words; none
/// where it could be mailward's.
pub(super) fn of_object(kind: &str, object: &Value) -> Option<String> {
    let name = object["name"].as_str().unwrap_or_default();
    match kind {
        "table" => object.get("flags").map(|_| "flags of the table".to_owned()),
        "chain" => of_chain(object, name),
        "rule" => of_rule(object),
        "set" => of_set(object, name),
        other => Some(format!("the {other} {name}")),
    }
}

/// Whether all that stands in a table of mailward's name could be what is left of one that mailward made.
pub(super) fn is_rest(whole: &[(&str, &Value)]) -> bool {
    whole.iter().all(|(kind, object)| {
        let name = object["name"].as_str().unwrap_or_default();
        let own = match *kind {
            "chain" => is_own_chain(object, name),
            "set" => is_own_set(name),
            _ => true,
        };
        own && of_object(kind, object).is_none()
    })
}

/// Whether a chain has the place and the policy of one that mailward makes.
fn is_own_chain(chain: &Value, name: &str) -> bool {
    let hook = chain["hook"].as_str().unwrap_or_default();
    let own = match chain["prio"].as_i64() {
        Some(PRIORITY) => (name, hook) == (CHAIN, "input"),
        Some(EARLY_PRIORITY) => (name, hook) == (EARLY, "prerouting"),
        Some(_) | None => false,
    };
    own && chain["policy"].as_str() == Some("accept")
}

/// Whether mailward calls a set so.
fn is_own_set(name: &str) -> bool {
    let of = |service: MailService| {
        let mut families = AddressFamily::ALL.into_iter();
        families.any(|family| name == format!("{service}_{}", suffix(family)))
    };
    MailService::ALL.into_iter().any(of)
}

/// Own chains are of this one kind.
fn of_chain(chain: &Value, name: &str) -> Option<String> {
    match chain["type"].as_str() {
        Some("filter") | None => None,
        Some(kind) => Some(format!("the chain {name} of type {kind}")),
    }
}

/// Own rules are conditions and a verdict; the first alone has a comment.
fn of_rule(rule: &Value) -> Option<String> {
    let chain = rule["chain"].as_str().unwrap_or_default();
    let statements = rule["expr"].as_array().unwrap_or_default();
    let other = statements.iter().find_map(|statement| {
        let (name, _) = statement.as_object()?.first()?;
        match name {
            "match" | "accept" | "drop" | "jump" | "return" => None,
            other => Some(format!("a rule of chain {chain} with `{other}`")),
        }
    });
    let comment = (rule["comment"].as_str())
        .filter(|comment| *comment != MARK)
        .map(|_| format!("a rule of chain {chain} with a comment of another"));
    other.or(comment)
}

/// Own sets are intervals that last, and say nothing else.
fn of_set(set: &Value, name: &str) -> Option<String> {
    // Newer versions print one flag as a word.
    let mut flags = Vec::new();
    elements::words(&set["flags"], &mut flags);
    let plain = flags == ["interval"];
    let more = ["timeout", "gc-interval", "stmt", "comment", "auto-merge"]
        .into_iter()
        .find(|key| set.get(key).is_some());
    let elements = set["elem"].as_array().unwrap_or_default();
    let kept = elements.iter().any(|element| element.get("elem").is_some());
    (!plain || more.is_some() || kept).then(|| format!("the set {name} as it is"))
}

/// The sets that no rule looks at, among these names.
pub(super) fn unused<'n>(names: impl IntoIterator<Item = &'n str>, rules: &[&Value]) -> Vec<String> {
    let mut words = Vec::new();
    for rule in rules {
        strings(&rule["expr"], &mut words);
    }
    let used = |name: &str| words.iter().any(|word| word.strip_prefix('@') == Some(name));
    (names.into_iter())
        .filter(|name| !used(name))
        .map(|name| format!("the set {name}, which no rule looks at"))
        .collect()
}

/// All texts within a value.
fn strings<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(fields) => fields.iter().for_each(|(_, inner)| strings(inner, found)),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}
