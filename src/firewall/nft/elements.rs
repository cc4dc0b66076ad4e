//! Sets and maps of nftables, named and written in place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::value::{Fields, Value};
use crate::firewall::rules::PortSet;
use crate::model::{Network, Networks};

/// What a set of one kind of values holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SetElements {
    /// Addresses.
    Networks(Networks),
    /// Ports.
    Ports(PortSet),
    /// None, of whatever kind.
    Empty,
    /// Something else.
    Unknown,
}

/// A named set or map.
#[derive(Debug)]
pub(super) struct NamedSet<'v> {
    /// Its elements as they are listed.
    pub items: &'v [Value<'v>],
    /// What they are.
    pub elements: SetElements,
}

/// Looks a named set up; none where it is not there, or packets change it.
pub(super) type SetLookup<'s, 'v> = dyn Fn(&str) -> Option<&'s NamedSet<'v>> + 's;

impl<'v> NamedSet<'v> {
    /// Reads a set; none where its elements count or limit, so that a packet that is in it may yet not fit.
    pub(super) fn read(set: &'v Value<'v>) -> Option<Self> {
        let items = set.get("elem").map_or(&[][..], list);
        if !harmless_statements(set.get("stmt")) {
            return None;
        }
        Some(Self {
            items,
            elements: if set.get("map").is_some() { SetElements::Unknown } else { SetElements::read(items) },
        })
    }
}

impl SetElements {
    /// Reads values.
    pub(super) fn read<'v>(items: impl IntoIterator<Item = &'v Value<'v>> + Clone) -> Self {
        let Some(first) = items.clone().into_iter().next() else {
            return Self::Empty;
        };
        if ports(first).is_some() {
            let ports: Option<Vec<_>> = items.into_iter().map(ports).collect();
            return ports.map_or(Self::Unknown, |ports| Self::Ports(PortSet::of(ports)));
        }
        let ranges: Option<Vec<(IpAddr, IpAddr)>> = items.into_iter().map(addresses).collect();
        ranges.map_or(Self::Unknown, |ranges| Self::Networks(Networks::of_ranges(ranges)))
    }
}

/// The values that are written in place: one, a list, or a set.
pub(super) fn list<'v>(value: &'v Value<'v>) -> &'v [Value<'v>] {
    match value {
        Value::Array(items) => items,
        Value::Object(fields) => match fields.get("set") {
            Some(Value::Array(items)) => items,
            Some(one) => std::slice::from_ref(one),
            None => std::slice::from_ref(value),
        },
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => std::slice::from_ref(value),
    }
}

/// An element without what is kept beside it and decides nothing: a counter, a timeout, a comment. `None`
/// where something else is.
pub(super) fn bare<'v>(value: &'v Value<'v>) -> Option<&'v Value<'v>> {
    let Some(element) = value.get("elem").and_then(Value::as_object) else {
        return Some(value);
    };
    let harmless = element
        .iter()
        .all(|(key, _)| matches!(key, "val" | "timeout" | "expires" | "comment" | "counter" | "last"));
    harmless.then(|| element.get("val"))?
}

fn harmless_statements(statements: Option<&Value>) -> bool {
    statements.map_or(&[][..], list).iter().all(|statement| {
        let kind = statement.as_object().and_then(Fields::first);
        kind.is_some_and(|(name, _)| matches!(name, "counter" | "last"))
    })
}

fn range<'v>(value: &'v Value<'v>) -> Option<(&'v Value<'v>, &'v Value<'v>)> {
    match value.get("range")?.as_array()? {
        [first, last] => Some((first, last)),
        _ => None,
    }
}

fn ports(value: &Value) -> Option<(u16, u16)> {
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    let value = bare(value)?;
    match range(value) {
        Some((first, last)) => Some((port(first)?, port(last)?)),
        None => port(value).map(|port| (port, port)),
    }
}

/// The first and the last address of an element.
fn addresses(value: &Value) -> Option<(IpAddr, IpAddr)> {
    let value = bare(value)?;
    let address = |value: &Value| value.as_str()?.parse::<IpAddr>().ok();
    if let Some(prefix) = value.get("prefix") {
        let length = u32::try_from(prefix["len"].as_u64()?).ok()?;
        return spread(address(&prefix["addr"])?, length);
    }
    if let Some((first, last)) = range(value) {
        return Some((address(first)?, address(last)?));
    }
    let network = Network::from(address(value)?);
    Some((network.first(), network.last()))
}

/// The first and the last address of a network; no packet has one of IPv4 in IPv6 form.
fn spread(address: IpAddr, length: u32) -> Option<(IpAddr, IpAddr)> {
    match address {
        IpAddr::V4(address) => {
            let rest = u32::MAX.checked_shr(length).unwrap_or(0);
            let (first, last) = (address.to_bits() & !rest, address.to_bits() | rest);
            let range = (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last));
            (length <= u32::BITS).then(|| (range.0.into(), range.1.into()))
        }
        IpAddr::V6(address) => {
            let rest = u128::MAX.checked_shr(length).unwrap_or(0);
            let (first, last) = (address.to_bits() & !rest, address.to_bits() | rest);
            let range = (Ipv6Addr::from_bits(first), Ipv6Addr::from_bits(last));
            let mapped = length >= 96 && address.to_ipv4_mapped().is_some();
            (length <= u128::BITS && !mapped).then(|| (range.0.into(), range.1.into()))
        }
    }
}

/// The words of a list, a set or a sum of flags.
pub(super) fn words<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(word) => found.extend(word.split(',')),
        Value::Array(items) => items.iter().for_each(|item| words(item, found)),
        Value::Object(fields) => fields.iter().for_each(|(_, inner)| words(inner, found)),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}
