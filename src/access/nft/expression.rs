//! The statements of one nftables rule, as JSON → conditions and what the rule does.

use std::net::IpAddr;

use serde_json::Value;

use crate::access::rules::{On, Ports, Protocol, Rule, Stage, Then, When};
use crate::model::{Family, Network, Networks};

/// The elements of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Elements {
    /// Addresses.
    Networks(Networks),
    /// Ports.
    Ports(Ports),
    /// None, of whatever kind.
    Empty,
    /// Something else.
    Unknown,
}

impl Elements {
    /// Reads one value or a list of them.
    pub(super) fn read(value: &Value) -> Self {
        let one = std::slice::from_ref(value);
        let items = match value {
            Value::Array(items) => items.as_slice(),
            Value::Object(fields) => match fields.get("set") {
                Some(Value::Array(items)) => items.as_slice(),
                Some(one) => std::slice::from_ref(one),
                None => one,
            },
            Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => one,
        };
        if items.is_empty() {
            return Self::Empty;
        }
        if let Some(ports) = items.iter().map(ports).collect::<Option<Vec<_>>>() {
            return Self::Ports(Ports::of(ports));
        }
        let ranges: Option<Vec<(IpAddr, IpAddr)>> = items.iter().map(addresses).collect();
        ranges.map_or(Self::Unknown, |ranges| {
            Self::Networks(Networks::of_ranges(ranges))
        })
    }
}

/// An element without what may be kept beside it: a counter, a timeout, a comment.
fn bare(value: &Value) -> &Value {
    match value.get("elem").and_then(|elem| elem.get("val")) {
        Some(inner) => inner,
        None => value,
    }
}

fn range(value: &Value) -> Option<(&Value, &Value)> {
    match value.get("range")?.as_array()?.as_slice() {
        [first, last] => Some((first, last)),
        _ => None,
    }
}

fn ports(value: &Value) -> Option<(u16, u16)> {
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    let value = bare(value);
    match range(value) {
        Some((first, last)) => Some((port(first)?, port(last)?)),
        None => port(value).map(|port| (port, port)),
    }
}

/// The first and the last address of an element.
fn addresses(value: &Value) -> Option<(IpAddr, IpAddr)> {
    let value = bare(value);
    let address = |value: &Value| value.as_str()?.parse::<IpAddr>().ok();
    if let Some(prefix) = value.get("prefix") {
        let text = format!("{}/{}", prefix["addr"].as_str()?, prefix["len"].as_u64()?);
        let network = Network::parse(&text).ok()?;
        return Some((network.first(), network.last()));
    }
    if let Some((first, last)) = range(value) {
        return Some((address(first)?, address(last)?));
    }
    let network = Network::from(address(value)?);
    Some((network.first(), network.last()))
}

/// The words of a list, a set or a sum of flags.
pub(super) fn words<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(word) => found.extend(word.split(',')),
        Value::Array(items) => items.iter().for_each(|item| words(item, found)),
        Value::Object(fields) => fields.values().for_each(|inner| words(inner, found)),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn sorted(value: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    words(value, &mut found);
    found.sort_unstable();
    found
}

/// Whether a rule has a match or a target of iptables, which nft lists by its name at most.
#[must_use]
pub fn is_of_iptables(rule: &Rule) -> bool {
    rule.when
        .unknown
        .iter()
        .any(|text| text.starts_with("{\"xt\":"))
}

/// Whether a rule may be about one family although nft does not list that: of `meta nfproto ipv6 tcp dport 25 reject with
/// tcp reset` in a table of both, nft 1.0.6 lists neither the family nor that it left it out.
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

/// The rule that these statements are: two where it goes to a chain and does not come back.
pub(super) fn rules<'s>(
    statements: &[Value],
    sets: &dyn Fn(&str) -> Option<&'s Elements>,
) -> Vec<Rule> {
    let mut when = When::default();
    let mut then = Then::Continue;
    let mut goes = None;
    for statement in statements {
        let Some((name, content)) = statement
            .as_object()
            .and_then(|fields| fields.iter().next())
        else {
            when.unknown.push(statement.to_string());
            continue;
        };
        match name.as_str() {
            "match" => {
                if matched(&mut when, content, sets).is_none() {
                    when.unknown.push(content.to_string());
                }
            }
            "accept" => then = Then::Accept,
            "drop" => then = Then::Drop,
            "reject" => {
                match content["type"].as_str() {
                    Some("icmp") => when.narrow_family(Family::Ipv4),
                    Some("icmpv6") => when.narrow_family(Family::Ipv6),
                    Some(_) | None => {}
                }
                then = Then::Drop;
            }
            "return" => then = Then::Return,
            "jump" => then = target(content),
            "goto" => {
                then = target(content);
                goes = Some(Then::Return);
            }
            "counter" | "log" | "mangle" | "notrack" | "comment" => {}
            "limit" | "quota" | "ct count" => when.unknown.push(statement.to_string()),
            // A match or a target of iptables.
            "xt" => {
                when.unknown.push(statement.to_string());
                if then == Then::Continue {
                    then = Then::Unknown(statement.to_string());
                }
            }
            _ => then = Then::Unknown(statement.to_string()),
        }
    }
    let mut rules = vec![Rule {
        when: when.clone(),
        then,
    }];
    rules.extend(goes.map(|then| Rule { when, then }));
    rules
}

fn target(content: &Value) -> Then {
    match content["target"].as_str() {
        Some(chain) => Then::Jump(chain.to_owned()),
        None => Then::Unknown(content.to_string()),
    }
}

/// Whether a condition asks for equality or for its opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Is,
    IsNot,
}

/// Adds a condition; `None` if it is not understood.
fn matched<'s>(
    when: &mut When,
    content: &Value,
    sets: &dyn Fn(&str) -> Option<&'s Elements>,
) -> Option<()> {
    let op = match content["op"].as_str()? {
        "==" | "in" => Op::Is,
        "!=" => Op::IsNot,
        _ => return None,
    };
    let (left, right) = (&content["left"], &content["right"]);
    if let Some(payload) = left.get("payload") {
        let (protocol, field) = (payload["protocol"].as_str()?, payload["field"].as_str()?);
        return match (protocol, field) {
            ("ip", "saddr") => source(when, Family::Ipv4, op, right, sets),
            ("ip6", "saddr") => source(when, Family::Ipv6, op, right, sets),
            ("ip", "protocol") => {
                family(when, Family::Ipv4, Op::Is);
                transport(when, op, right)
            }
            ("ip6", "nexthdr") => {
                family(when, Family::Ipv6, Op::Is);
                transport(when, op, right)
            }
            ("tcp", "dport") => {
                when.narrow_protocol(Protocol::Tcp);
                destination(when, op, right, sets)
            }
            ("th", "dport") => destination(when, op, right, sets),
            ("udp" | "udplite" | "icmp" | "icmpv6" | "sctp" | "dccp" | "esp" | "ah", _) => {
                when.narrow_protocol(Protocol::NotTcp);
                Some(())
            }
            _ => None,
        };
    }
    if let Some(meta) = left.get("meta") {
        return match meta["key"].as_str()? {
            "iif" | "iifname" => interface(when, op, right.as_str()?),
            "l4proto" => transport(when, op, right),
            "nfproto" => {
                let wanted = match right.as_str()? {
                    "ipv4" => Family::Ipv4,
                    "ipv6" => Family::Ipv6,
                    _ => return None,
                };
                family(when, wanted, op);
                Some(())
            }
            _ => None,
        };
    }
    if left["ct"]["key"] == "state" && op == Op::Is {
        return when.narrow_states(&sorted(right));
    }
    if left["fib"]["result"] == "type" && op == Op::Is && right == "local" {
        // Packets that are asked about are for this host.
        return (sorted(&left["fib"]["flags"]) == ["daddr"]).then_some(());
    }
    let [flags, mask] = left.get("&")?.as_array()?.as_slice() else {
        return None;
    };
    let tcp_flags = flags["payload"]["protocol"] == "tcp" && flags["payload"]["field"] == "flags";
    let opening = sorted(mask) == ["ack", "fin", "rst", "syn"] && sorted(right) == ["syn"];
    if tcp_flags && opening && op == Op::Is {
        when.narrow_protocol(Protocol::Tcp);
        when.narrow_stage(Stage::Opening);
        return Some(());
    }
    None
}

fn family(when: &mut When, wanted: Family, op: Op) {
    let wanted = match (op, wanted) {
        (Op::Is, family) => family,
        (Op::IsNot, Family::Ipv4) => Family::Ipv6,
        (Op::IsNot, Family::Ipv6) => Family::Ipv4,
    };
    when.narrow_family(wanted);
}

fn transport(when: &mut When, op: Op, right: &Value) -> Option<()> {
    let tcp = match right {
        Value::String(name) => name == "tcp",
        Value::Number(number) => number.as_u64() == Some(6),
        Value::Object(_) | Value::Array(_) => match sorted(right).as_slice() {
            [] => return None,
            names => names.contains(&"tcp"),
        },
        Value::Bool(_) | Value::Null => return None,
    };
    match (op, tcp) {
        // One of several that TCP is among says nothing more about TCP.
        (Op::Is, true) => {
            let alone = right.is_string() || right.is_number();
            let protocol = if alone { Protocol::Tcp } else { Protocol::Any };
            when.narrow_protocol(protocol);
        }
        (Op::Is, false) | (Op::IsNot, true) => when.narrow_protocol(Protocol::NotTcp),
        (Op::IsNot, false) => {}
    }
    Some(())
}

fn interface(when: &mut When, op: Op, name: &str) -> Option<()> {
    let on = match (op, name) {
        (Op::Is, "lo") => On::Loopback,
        (Op::IsNot, "lo") => On::NotLoopback,
        (Op::Is, name) => On::Named(name.to_owned()),
        (Op::IsNot, _) => return None,
    };
    when.narrow_interface(on)
}

fn elements<'s>(right: &Value, sets: &dyn Fn(&str) -> Option<&'s Elements>) -> Option<Elements> {
    match right.as_str().and_then(|text| text.strip_prefix('@')) {
        Some(name) => sets(name).cloned(),
        None => Some(Elements::read(right)),
    }
}

fn source<'s>(
    when: &mut When,
    of: Family,
    op: Op,
    right: &Value,
    sets: &dyn Fn(&str) -> Option<&'s Elements>,
) -> Option<()> {
    let listed = match elements(right, sets)? {
        Elements::Networks(networks) => networks,
        Elements::Empty => Networks::default(),
        Elements::Ports(_) | Elements::Unknown => return None,
    };
    let wanted = match op {
        Op::Is => listed,
        Op::IsNot => Networks::all_of(of).difference(&listed),
    };
    family(when, of, Op::Is);
    when.narrow_sources(wanted);
    Some(())
}

fn destination<'s>(
    when: &mut When,
    op: Op,
    right: &Value,
    sets: &dyn Fn(&str) -> Option<&'s Elements>,
) -> Option<()> {
    let listed = match elements(right, sets)? {
        Elements::Ports(ports) => ports,
        Elements::Empty => Ports::default(),
        Elements::Networks(_) | Elements::Unknown => return None,
    };
    let wanted = match op {
        Op::Is => listed,
        Op::IsNot => listed.others(),
    };
    when.narrow_ports(wanted);
    Some(())
}
