//! The statements of one nftables rule, as JSON → rules.
//!
//! The list is that of libnftables-json(5) and of `json.c` in nftables. What is not in it, or is not
//! modelled, makes what becomes of the packet unclear; nothing unknown ever counts as going on.

use super::elements::{SetLookup, bare, list};
use super::expression::{is_one_of, matched};
use super::value::{Fields, Value};
use crate::firewall::rules::{FilterRule, HookPoint, MatchSense, PacketPath, RuleMatch, RuleTarget};
use crate::model::AddressFamily;

/// More elements of a map of several keys than this are not looked at one by one.
const LOOKED_AT: usize = 1000;

/// What a statement does, as far as it decides what becomes of a packet.
enum StatementKind<'v> {
    /// It goes on where a condition holds.
    Condition(&'v Value<'v>),
    /// It goes on for some packets, by how many there were or by what was noted of them.
    Sometimes,
    /// It decides.
    Verdict(VerdictGoal),
    /// It decides by a map of verdicts.
    Map(&'v Value<'v>),
    /// It decides nothing.
    Nothing,
    /// It gives the packet another state, port, address or way, hands it to somebody else, or is not known.
    Changes,
    /// A match or a target of iptables: which, nft does not tell.
    OfIptables,
}

/// Where a verdict leads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct VerdictGoal {
    then: RuleTarget,
    /// Whether what comes back at the end of a chain goes on behind the rule.
    back: ReturnPath,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReturnPath {
    Here,
    /// After `goto`.
    ToCaller,
}

/// Whether a rule has a match or a target of iptables, which nft lists by its name at most.
#[must_use]
pub fn is_of_iptables(rule: &FilterRule) -> bool {
    rule.when.unknown.iter().any(|text| text.starts_with("{\"xt\":"))
}

/// Whether a rule may be about one family although nft does not list that: of
/// `meta nfproto ipv6 tcp dport 25 reject with tcp reset` in a table of both, nft 1.0.6 lists neither the
/// family nor that it left it out.
pub(super) fn hides_family(statements: &[Value]) -> bool {
    let reset = |statement: &Value| statement["reject"]["type"] == "tcp reset";
    let place = statements.iter().position(reset);
    // What stands between, as a counter, keeps nft from leaving it out.
    place.is_some_and(|place| {
        place
            .checked_sub(1)
            .and_then(|before| statements.get(before))
            .is_none_or(|before| before.get("match").is_some())
    })
}

/// The names of sets that a rule changes when packets come to it.
pub(super) fn changed_sets<'v>(statements: &'v [Value<'v>]) -> impl Iterator<Item = &'v str> {
    statements.iter().filter_map(|statement| {
        let change =
            [&statement["set"], &statement["map"]].into_iter().find(|change| change.as_object().is_some())?;
        // Of a map the key is called as the statement is.
        ["set", "map"].into_iter().find_map(|key| change[key].as_str()?.strip_prefix('@'))
    })
}

/// What a statement is.
fn kind<'v>(name: &str, content: &'v Value, point: HookPoint) -> StatementKind<'v> {
    match name {
        "match" => StatementKind::Condition(content),
        "vmap" => StatementKind::Map(content),
        "accept" | "drop" | "reject" | "continue" | "return" | "jump" | "goto" => {
            goal(name, content).map_or(StatementKind::Changes, StatementKind::Verdict)
        }
        // By name, or of its own; one that a map chooses may find none there.
        "counter" | "last" | "log" | "comment" => match content.get("map") {
            None => StatementKind::Nothing,
            Some(_) => StatementKind::Sometimes,
        },
        // A set that is full takes no more, and its own statements may limit.
        "limit" | "quota" | "ct count" | "connlimit" | "set" | "map" | "meter" => StatementKind::Sometimes,
        "mangle" => mangled(content, point),
        "xt" => StatementKind::OfIptables,
        "notrack" | "queue" | "snat" | "dnat" | "masquerade" | "redirect" | "tproxy" | "synproxy" | "fwd"
        | "dup" | "flow" | "reset" | "secmark" | "ct helper" | "ct timeout" | "ct expectation" | "tunnel" => {
            StatementKind::Changes
        }
        // One that came into being later.
        _ => StatementKind::Changes,
    }
}

/// What setting a value does.
fn mangled(content: &Value, point: HookPoint) -> StatementKind<'static> {
    let key = &content["key"];
    let harmless = if let Some(meta) = key.get("meta") {
        match meta["key"].as_str() {
            Some("priority" | "nftrace") => true,
            // A rule of routing may heed it.
            Some("mark") => point.path == PacketPath::Found,
            Some(_) | None => false,
        }
    } else if let Some(ct) = key.get("ct") {
        matches!(ct["key"].as_str(), Some("mark" | "label" | "event"))
    } else if key["tcp option"]["name"] == "maxseg" {
        // A packet may lack it.
        return StatementKind::Sometimes;
    } else {
        false
    };
    let value = &content["value"];
    let always = matches!(value, Value::Number(_) | Value::String(_)) || value.get("meta").is_some();
    match (harmless, always) {
        (true, true) => StatementKind::Nothing,
        // Where there is no such value, the rule ends.
        (true, false) => StatementKind::Sometimes,
        (false, _) => StatementKind::Changes,
    }
}

/// The family of the packets that a reject can answer; nft does not always list it as a condition.
fn answered(statement: &Value) -> Option<AddressFamily> {
    match statement["reject"]["type"].as_str()? {
        "icmp" => Some(AddressFamily::Ipv4),
        "icmpv6" => Some(AddressFamily::Ipv6),
        _ => None,
    }
}

fn goal(name: &str, content: &Value) -> Option<VerdictGoal> {
    let target = || content["target"].as_str().map(str::to_owned);
    let then = match name {
        "accept" => RuleTarget::Accept,
        "drop" | "reject" => RuleTarget::Drop,
        "continue" => RuleTarget::Continue,
        "return" => RuleTarget::Return,
        "jump" | "goto" => RuleTarget::Jump(target()?),
        _ => return None,
    };
    let back = if name == "goto" { ReturnPath::ToCaller } else { ReturnPath::Here };
    Some(VerdictGoal { then, back })
}

/// The rules that these statements are: several where the rule goes to a chain and does not come back, or
/// looks its verdict up.
pub(super) fn rules(statements: &[Value], point: HookPoint, sets: &SetLookup<'_, '_>) -> Vec<FilterRule> {
    let mut when = RuleMatch::default();
    let mut changed = None;
    let mut of_iptables = None;
    for statement in statements {
        let kind = match statement.as_object().and_then(Fields::first) {
            Some((name, content)) => kind(name, content, point),
            None => StatementKind::Changes,
        };
        match kind {
            StatementKind::Nothing => {}
            StatementKind::Changes => {
                changed.get_or_insert_with(|| statement.to_string());
            }
            StatementKind::OfIptables => {
                when.unknown.push(statement.to_string());
                of_iptables = Some(statement.to_string());
            }
            // Behind a change it holds for the changed packet, which is unclear anyhow.
            StatementKind::Condition(_) | StatementKind::Sometimes | StatementKind::Map(_)
                if changed.is_some() =>
            {
                break;
            }
            StatementKind::Sometimes => when.unknown.push(statement.to_string()),
            StatementKind::Condition(content) => {
                if matched(&mut when, content, point, sets).is_none() {
                    when.unknown.push(content.to_string());
                }
            }
            StatementKind::Map(content) => return looked_up(&when, content, point, sets),
            StatementKind::Verdict(goal) => {
                if let Some(family) = answered(statement) {
                    when.narrow_family(family);
                }
                let goal = match (changed, &goal.then) {
                    // It is dropped whatever was changed before; but what changes a packet may pass it over,
                    // and the rule.
                    (Some(text), RuleTarget::Drop) => {
                        when.unknown.push(text);
                        goal
                    }
                    (Some(text), _) => {
                        VerdictGoal { then: RuleTarget::Unknown(text), back: ReturnPath::Here }
                    }
                    (None, _) => goal,
                };
                return goal.of(when);
            }
        }
    }
    // The last one may be a target.
    let unclear = changed.or(of_iptables);
    let then = unclear.map_or(RuleTarget::Continue, RuleTarget::Unknown);
    vec![FilterRule { when, then }]
}

impl VerdictGoal {
    fn of(self, when: RuleMatch) -> Vec<FilterRule> {
        let caller = match self.back {
            ReturnPath::Here => None,
            ReturnPath::ToCaller => Some(FilterRule { when: when.clone(), then: RuleTarget::Return }),
        };
        let then = self.then;
        std::iter::once(FilterRule { when, then }).chain(caller).collect()
    }
}

/// The rules of a map of verdicts: one for each verdict, with all keys that lead to it, and the one for all
/// others last.
fn looked_up(
    when: &RuleMatch,
    content: &Value,
    point: HookPoint,
    sets: &SetLookup<'_, '_>,
) -> Vec<FilterRule> {
    let unclear = || vec![FilterRule { when: when.clone(), then: RuleTarget::Unknown(content.to_string()) }];
    let (key, data) = (&content["key"], &content["data"]);
    let items = match data.as_str() {
        Some(name) => name.strip_prefix('@').and_then(sets).map(|set| set.items),
        None => data.get("set").map(list),
    };
    let Some(items) = items else {
        return unclear();
    };
    let several = key.get("concat").is_some();
    if several && items.len() > LOOKED_AT {
        return unclear();
    }
    let mut groups: Vec<(VerdictGoal, Vec<&Value>)> = Vec::new();
    let mut others = None;
    for item in items {
        let pair = item.as_array();
        let Some(([name], goal)) = pair.and_then(|pair| match pair {
            [name, verdict] => {
                let (verb, content) = verdict.as_object()?.iter().next()?;
                Some(([bare(name)?], goal(verb, content)?))
            }
            _ => None,
        }) else {
            return unclear();
        };
        if name == "*" {
            others = Some(goal);
            continue;
        }
        match groups.iter_mut().find(|(known, _)| *known == goal) {
            Some((_, names)) if !several => names.push(name),
            Some(_) | None => groups.push((goal, vec![name])),
        }
    }
    let mut rules = Vec::new();
    for (goal, names) in groups {
        let mut when = when.clone();
        if is_one_of(&mut when, key, MatchSense::So, &names, point).is_none() {
            when.unknown.push(key.to_string());
        }
        rules.extend(goal.of(when));
    }
    if let Some(goal) = others {
        let mut when = when.clone();
        // All others that have such a key at all.
        if is_one_of(&mut when, key, MatchSense::Not, &[], point).is_none() {
            when.unknown.push(key.to_string());
        }
        rules.extend(goal.of(when));
    }
    rules
}
