//! The conditions of nftables rules, as JSON.
//!
//! A condition changes nothing, so that one that is not understood may hold or not, and no more.

use super::elements::{SetElements, SetLookup, bare, list, words};
use super::value::Value;
use crate::firewall::rules::{
    FlagMatch, HookPoint, MatchSense, PacketEnd, PacketTraffic, PortSet, RuleMatch, RuleProtocol, is_flag,
};
use crate::model::{AddressFamily, Networks};

/// Adds a condition; `None` if it is not understood.
pub(super) fn matched(
    when: &mut RuleMatch,
    content: &Value,
    point: HookPoint,
    sets: &SetLookup<'_, '_>,
) -> Option<()> {
    let op = content["op"].as_str()?;
    let (left, right) = (&content["left"], &content["right"]);
    if is_flags(left) {
        return flags(when, op, left, right, point);
    }
    let is = match op {
        "==" | "in" => MatchSense::So,
        "!=" => MatchSense::Not,
        _ => return compared(when, op, left, right, point),
    };
    match (op, right) {
        // Not this sum of flags, whose meaning depends on the version.
        ("!=", Value::Array(_)) => None,
        (_, Value::String(name)) if name.starts_with('@') => {
            let Some(set) = name.strip_prefix('@').and_then(sets) else {
                // Whatever is in it, the packet has such a field.
                is_one_of(when, left, MatchSense::Not, &[], point)?;
                return None;
            };
            match (&set.elements, field(left)) {
                (SetElements::Networks(networks), Some(PacketField::Address(of, end))) => {
                    when.narrow_family(of);
                    when.narrow_address(point, end, of, is, networks)
                }
                _ => {
                    let items: Option<Vec<&Value>> = set.items.iter().map(bare).collect();
                    is_one_of(when, left, is, &items?, point)
                }
            }
        }
        _ => {
            let items: Option<Vec<&Value>> = list(right).iter().map(bare).collect();
            is_one_of(when, left, is, &items?, point)
        }
    }
}

/// What of a packet is looked at.
#[derive(Debug, Clone, Copy)]
enum PacketField {
    Address(AddressFamily, PacketEnd),
    Port(RuleProtocol, PacketEnd),
    Transport(Option<AddressFamily>),
    /// A field of another protocol than TCP.
    OfOthers,
    Interface(PacketEnd),
    Family,
    PacketType,
    State,
    AddressType,
}

/// `None` for what is not modelled.
fn field(left: &Value) -> Option<PacketField> {
    if let Some(payload) = left.get("payload") {
        let (protocol, field) = (payload["protocol"].as_str()?, payload["field"].as_str()?);
        let end = match field {
            "saddr" | "sport" => Some(PacketEnd::Source),
            "daddr" | "dport" => Some(PacketEnd::Destination),
            _ => None,
        };
        return Some(match (protocol, field) {
            ("ip", "saddr" | "daddr") => PacketField::Address(AddressFamily::Ipv4, end?),
            ("ip6", "saddr" | "daddr") => PacketField::Address(AddressFamily::Ipv6, end?),
            ("ip", "protocol") => PacketField::Transport(Some(AddressFamily::Ipv4)),
            ("ip6", "nexthdr") => PacketField::Transport(Some(AddressFamily::Ipv6)),
            ("tcp", "sport" | "dport") => PacketField::Port(RuleProtocol::Tcp, end?),
            ("th", "sport" | "dport") => PacketField::Port(RuleProtocol::Any, end?),
            ("udp" | "udplite" | "icmp" | "icmpv6" | "igmp" | "sctp" | "dccp" | "esp" | "ah" | "comp", _) => {
                PacketField::OfOthers
            }
            _ => return None,
        });
    }
    if let Some(meta) = left.get("meta") {
        return Some(match meta["key"].as_str()? {
            "iif" | "iifname" => PacketField::Interface(PacketEnd::Source),
            "oif" | "oifname" => PacketField::Interface(PacketEnd::Destination),
            "l4proto" => PacketField::Transport(None),
            "nfproto" | "protocol" => PacketField::Family,
            "pkttype" => PacketField::PacketType,
            _ => return None,
        });
    }
    if left["ct"]["key"] == "state" && left["ct"].get("dir").is_none() {
        return Some(PacketField::State);
    }
    let fib = left.get("fib")?;
    let mut of = Vec::new();
    words(&fib["flags"], &mut of);
    (fib["result"] == "type" && of == ["daddr"]).then_some(PacketField::AddressType)
}

/// Adds that something is one of these values; `None` if that is not understood.
pub(super) fn is_one_of(
    when: &mut RuleMatch,
    left: &Value,
    is: MatchSense,
    values: &[&Value],
    point: HookPoint,
) -> Option<()> {
    if let (Some(parts), MatchSense::So, [value]) = (left["concat"].as_array(), is, values) {
        let values = value["concat"].as_array()?;
        if parts.len() != values.len() {
            return None;
        }
        // What is not understood of it may hold or not; the rest is needed anyhow.
        return (parts.iter().zip(values))
            .map(|(left, value)| is_one_of(when, left, is, &[bare(value)?], point))
            .fold(Some(()), Option::and);
    }
    let field = field(left)?;
    match field {
        PacketField::Address(of, end) => {
            // What looks into a packet of one family looks at no other.
            when.narrow_family(of);
            let networks = match SetElements::read(values.iter().copied()) {
                SetElements::Networks(networks) => networks,
                SetElements::Empty => Networks::default(),
                SetElements::Ports(_) | SetElements::Unknown => return None,
            };
            when.narrow_address(point, end, of, is, &networks)
        }
        PacketField::Port(protocol, end) => {
            when.narrow_protocol(protocol);
            let listed = match SetElements::read(values.iter().copied()) {
                SetElements::Ports(ports) => ports,
                SetElements::Empty => PortSet::default(),
                SetElements::Networks(_) | SetElements::Unknown => return None,
            };
            let wanted = match is {
                MatchSense::So => listed,
                MatchSense::Not => listed.others(),
            };
            when.narrow_port(point, end, &wanted)
        }
        PacketField::OfOthers => {
            when.narrow_protocol(RuleProtocol::NotTcp);
            Some(())
        }
        PacketField::Transport(of) => {
            if let Some(of) = of {
                when.narrow_family(of);
            }
            let listed: Option<Vec<bool>> = values.iter().map(|value| is_tcp(value)).collect();
            let tcp = listed?.contains(&true);
            when.narrow_protocol(match (is, tcp, values.len()) {
                (MatchSense::So, true, 1) => RuleProtocol::Tcp,
                // One of several that TCP is among says nothing more about TCP.
                (MatchSense::So, true, _) | (MatchSense::Not, false, _) => RuleProtocol::Any,
                (MatchSense::So, false, _) | (MatchSense::Not, true, _) => RuleProtocol::NotTcp,
            });
            Some(())
        }
        PacketField::Interface(end) => {
            let seen = match point.traffic {
                PacketTraffic::Arriving => PacketEnd::Source,
                PacketTraffic::Answers | PacketTraffic::Leaving => PacketEnd::Destination,
            };
            let names: Option<Vec<&str>> = values.iter().map(|value| value.as_str()).collect();
            (end == seen).then_some(())?;
            when.narrow_interfaces(is, &names?, '*')
        }
        PacketField::Family => {
            let listed: Option<Vec<Option<AddressFamily>>> =
                values.iter().map(|value| family(value)).collect();
            let listed = listed?;
            let has = |of| listed.contains(&Some(of)) == (is == MatchSense::So);
            match (has(AddressFamily::Ipv4), has(AddressFamily::Ipv6)) {
                (true, true) => {}
                (true, false) => when.narrow_family(AddressFamily::Ipv4),
                (false, true) => when.narrow_family(AddressFamily::Ipv6),
                (false, false) => when.never(),
            }
            Some(())
        }
        PacketField::PacketType => match point.traffic {
            PacketTraffic::Arriving => is_kind(when, is, values, "host"),
            PacketTraffic::Answers | PacketTraffic::Leaving => None,
        },
        // Packets that are asked about are for this host.
        PacketField::AddressType => match point.traffic {
            PacketTraffic::Arriving => is_kind(when, is, values, "local"),
            PacketTraffic::Answers | PacketTraffic::Leaving => None,
        },
        PacketField::State => {
            let mut states = Vec::new();
            for value in values {
                states.push(value.as_str()?);
            }
            when.narrow_states(point, is, &states)
        }
    }
}

/// Adds that a kind which is known to be this one is among those listed.
fn is_kind(when: &mut RuleMatch, is: MatchSense, values: &[&Value], known: &str) -> Option<()> {
    let names: Option<Vec<&str>> = values.iter().map(|value| value.as_str()).collect();
    if names?.contains(&known) != (is == MatchSense::So) {
        when.never();
    }
    Some(())
}

fn is_tcp(value: &Value) -> Option<bool> {
    match value {
        Value::String(name) => Some(name == "tcp"),
        Value::Number(number) => Some(number.as_u64() == Some(6)),
        Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Null => None,
    }
}

/// The family of a protocol of the network layer; none in it for others. `None` where it is not known.
fn family(value: &Value) -> Option<Option<AddressFamily>> {
    Some(match value.as_str()? {
        "ip" | "ipv4" => Some(AddressFamily::Ipv4),
        "ip6" | "ipv6" => Some(AddressFamily::Ipv6),
        "arp" | "vlan" | "bridge" | "netdev" => None,
        _ => return None,
    })
}

/// Adds that a port is above or below a number.
fn compared(when: &mut RuleMatch, op: &str, left: &Value, right: &Value, point: HookPoint) -> Option<()> {
    let Some(PacketField::Port(protocol, end)) = field(left) else {
        return None;
    };
    let limit = u16::try_from(right.as_u64()?).ok()?;
    let ports = match op {
        "<" => PortSet::of(limit.checked_sub(1).map(|last| (0, last))),
        "<=" => PortSet::of([(0, limit)]),
        ">" => PortSet::of(limit.checked_add(1).map(|first| (first, u16::MAX))),
        ">=" => PortSet::of([(limit, u16::MAX)]),
        _ => return None,
    };
    when.narrow_protocol(protocol);
    when.narrow_port(point, end, &ports)
}

fn is_flags(left: &Value) -> bool {
    let of = |value: &Value| value["payload"]["protocol"] == "tcp" && value["payload"]["field"] == "flags";
    of(left) || left["&"].as_array().is_some_and(|both| both.first().is_some_and(of))
}

/// Flags of TCP.
fn flags(when: &mut RuleMatch, op: &str, left: &Value, right: &Value, point: HookPoint) -> Option<()> {
    let set = flag_names(right)?;
    let Some(both) = left.get("&") else {
        let (is, flags) = match op {
            "in" => (MatchSense::So, FlagMatch::Any(&set)),
            "!" => (MatchSense::Not, FlagMatch::Any(&set)),
            "==" if right.get("set").is_none() => (MatchSense::So, exactly_all(&set)),
            "!=" if right.get("set").is_none() => (MatchSense::Not, exactly_all(&set)),
            _ => return None,
        };
        return when.narrow_flags(point, is, flags);
    };
    let of = match both.as_array()? {
        [_, mask] => flag_names(mask)?,
        _ => return None,
    };
    let is = match op {
        "==" => MatchSense::So,
        "!=" => MatchSense::Not,
        _ => return None,
    };
    if right.get("set").is_some() {
        return None;
    }
    when.narrow_flags(point, is, FlagMatch::Exactly { of: &of, set: &set })
}

/// All flags are looked at.
const fn exactly_all<'f>(set: &'f [&'f str]) -> FlagMatch<'f> {
    FlagMatch::Exactly { of: &["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"], set }
}

/// The names of flags; `None` where something else is there.
fn flag_names<'v>(value: &'v Value<'v>) -> Option<Vec<&'v str>> {
    if value.as_u64() == Some(0) || value == "0x0" {
        return Some(Vec::new());
    }
    let mut found = Vec::new();
    words(value, &mut found);
    let numbers = |value: &Value| matches!(value, Value::Number(_) | Value::Bool(_) | Value::Null);
    let other = numbers(value) || list(value).iter().any(numbers);
    (!other && !found.is_empty() && found.iter().all(|word| is_flag(word))).then_some(found)
}
