//! Which values an attribute accepts: xinetd's own parser of each, in the order of its table.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::host::{
    HasChange, HostAnswer, PathStanding, VersionChange, XinetdHost, XinetdVersion, host_path,
};
use super::super::problem::XinetdDoubt;
use super::super::reader::AssignOperator;
use super::{address, is, number, time};

/// Which values an attribute accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ValueCheck {
    Count,
    Rate,
    YesOrNo,
    Port,
    Integer,
    DenyTime,
    Umask,
    OneOf(&'static [&'static str]),
    Words(&'static [&'static str], EmptyWords),
    AtLeastOne,
    LogType,
    Environment,
    Addresses,
    /// `<number>[kKmM]` or `UNLIMITED`.
    Size,
    Cpu,
    /// A limit of open files, which not every version has.
    FileLimit,
    Times,
    /// One version, or a range of them.
    Versions,
    Load,
    Protocol,
    User,
    Group,
    Server,
    Redirect,
    Bind,
    /// Everything.
    Accepted,
}

/// Whether a list of words may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum EmptyWords {
    OneOrMore,
    AnyNumber,
}

/// What xinetd's parser for an attribute makes of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum ValueVerdict {
    Fine,
    Bad,
    /// It takes them or not; what cannot be told.
    Unclear(XinetdDoubt),
}

impl From<bool> for ValueVerdict {
    fn from(fine: bool) -> Self {
        if fine { Self::Fine } else { Self::Bad }
    }
}

/// Whether xinetd's parser for the attribute accepts these values on a host.
pub(in super::super) fn verdict(
    check: ValueCheck,
    operator: AssignOperator,
    values: &[&[u8]],
    host: &XinetdHost,
) -> ValueVerdict {
    let first = values.first().copied().unwrap_or_default();
    match check {
        ValueCheck::Count => number::count(first).is_some().into(),
        ValueCheck::Rate => number::rate(values).is_some().into(),
        ValueCheck::YesOrNo => (is(first, "yes") || is(first, "no")).into(),
        ValueCheck::Port => number::signed(first, 10).is_some_and(|n| (0..65536).contains(&n)).into(),
        ValueCheck::Integer => number::signed(first, 10).is_some().into(),
        ValueCheck::DenyTime => {
            (is(first, "FOREVER") || is(first, "NEVER") || number::signed(first, 10).is_some()).into()
        }
        ValueCheck::Umask => number::signed(first, 8).is_some_and(|n| (0..=0o777).contains(&n)).into(),
        ValueCheck::OneOf(words) => words.iter().any(|word| is(first, word)).into(),
        ValueCheck::Words(known, number) => words(known, number, values, host),
        ValueCheck::AtLeastOne => (!values.is_empty()).into(),
        ValueCheck::LogType => log_type(values).into(),
        ValueCheck::Environment => {
            (operator != AssignOperator::Remove && values.iter().all(|value| value.contains(&b'='))).into()
        }
        ValueCheck::Addresses => values.iter().all(|value| address::listed(value)).into(),
        ValueCheck::Size => size(first).into(),
        ValueCheck::Cpu => (is(first, "UNLIMITED") || number::wide(first).is_some()).into(),
        ValueCheck::FileLimit => {
            match (size(first), XinetdVersion::has(host.version, VersionChange::FileLimit)) {
                (true, _) | (false, HasChange::No) => ValueVerdict::Fine,
                (false, HasChange::Yes) => ValueVerdict::Bad,
                (false, HasChange::Unclear) => {
                    ValueVerdict::Unclear(XinetdDoubt::Version(VersionChange::FileLimit))
                }
            }
        }
        ValueCheck::Times => (!values.is_empty() && values.iter().all(|value| time::interval(value))).into(),
        ValueCheck::Versions => versions(first).into(),
        ValueCheck::Load => {
            number::load(first).map_or(ValueVerdict::Unclear(XinetdDoubt::Number), ValueVerdict::from)
        }
        ValueCheck::Protocol => known(host.protocol(first)),
        ValueCheck::User => named(first, host.user(first)),
        ValueCheck::Group => named(first, host.group(first)),
        ValueCheck::Server => server(first, host),
        ValueCheck::Redirect => redirect(values, host),
        ValueCheck::Bind => bind(first),
        ValueCheck::Accepted => ValueVerdict::Fine,
    }
}

fn words(known: &[&str], number: EmptyWords, values: &[&[u8]], host: &XinetdHost) -> ValueVerdict {
    if number == EmptyWords::OneOrMore && values.is_empty() {
        return ValueVerdict::Bad;
    }
    if !values.iter().all(|value| known.iter().any(|word| is(value, word))) {
        return ValueVerdict::Bad;
    }
    if values.iter().any(|value| is(value, "LABELED")) {
        return match XinetdVersion::has(host.version, VersionChange::Labeled) {
            HasChange::Yes => ValueVerdict::Fine,
            HasChange::No => ValueVerdict::Bad,
            HasChange::Unclear => ValueVerdict::Unclear(XinetdDoubt::Version(VersionChange::Labeled)),
        };
    }
    ValueVerdict::Fine
}

fn size(text: &[u8]) -> bool {
    is(text, "UNLIMITED") || number::size(text).is_some()
}

fn log_type(values: &[&[u8]]) -> bool {
    match values {
        [kind, _, sizes @ ..] if is(kind, "FILE") => {
            let sizes: Option<Vec<u64>> = sizes.iter().map(|text| number::size(text)).collect();
            match sizes.as_deref() {
                Some([] | [_]) => true,
                Some([soft, hard]) => soft <= hard,
                Some(_) | None => false,
            }
        }
        [kind, facility, level @ ..] if is(kind, "SYSLOG") => {
            super::FACILITIES.iter().any(|word| is(facility, word))
                && level.len() <= 1
                && level.iter().all(|text| super::LEVELS.iter().any(|word| is(text, word)))
        }
        _ => false,
    }
}

/// `2` or `2-4`.
fn versions(text: &[u8]) -> bool {
    let one = |text: &[u8]| number::signed(text, 10);
    match text.iter().position(|&b| b == b'-') {
        None => one(text).is_some(),
        Some(dash) => match (one(&text[..dash]), one(&text[dash + 1..])) {
            (Some(least), Some(most)) => least <= most,
            _ => false,
        },
    }
}

fn known<T>(answer: HostAnswer<T>) -> ValueVerdict {
    match answer {
        HostAnswer::Yes(_) => ValueVerdict::Fine,
        HostAnswer::No => ValueVerdict::Bad,
        HostAnswer::Unknown => ValueVerdict::Unclear(XinetdDoubt::Name),
    }
}

/// A user or group: xinetd takes every number.
fn named(name: &[u8], answer: HostAnswer<()>) -> ValueVerdict {
    if name.iter().all(u8::is_ascii_digit) {
        return number::wide(name).is_some().into();
    }
    known(answer)
}

/// xinetd asks whether it may execute the path, which root may where any execute bit is set, and in a folder.
fn server(path: &[u8], host: &XinetdHost) -> ValueVerdict {
    let Some(path) = host_path(path) else {
        return ValueVerdict::Unclear(XinetdDoubt::Path);
    };
    match host.standing(&path) {
        PathStanding::Program | PathStanding::Folder => ValueVerdict::Fine,
        PathStanding::Missing | PathStanding::File => ValueVerdict::Bad,
        PathStanding::Other | PathStanding::Unknown => ValueVerdict::Unclear(XinetdDoubt::Program),
    }
}

fn redirect(values: &[&[u8]], host: &XinetdHost) -> ValueVerdict {
    let [target, port] = values else {
        return ValueVerdict::Bad;
    };
    let port = match number::signed(port, 10).filter(|port| *port > 0) {
        Some(port) => ValueVerdict::from(port < 65536),
        None => known(host.port(port, b"tcp")),
    };
    let text = std::str::from_utf8(target).unwrap_or_default();
    let numeric =
        if text.contains(':') { text.parse::<Ipv6Addr>().is_ok() } else { text.parse::<Ipv4Addr>().is_ok() };
    match port {
        ValueVerdict::Fine if !numeric => ValueVerdict::Unclear(XinetdDoubt::Address),
        other @ (ValueVerdict::Fine | ValueVerdict::Bad | ValueVerdict::Unclear(_)) => other,
    }
}

fn bind(text: &[u8]) -> ValueVerdict {
    match address::BindAddress::of(text) {
        address::BindAddress::Address(_) => ValueVerdict::Fine,
        address::BindAddress::None => ValueVerdict::Bad,
        address::BindAddress::Name => ValueVerdict::Unclear(XinetdDoubt::Address),
    }
}
