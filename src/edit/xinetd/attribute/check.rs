//! Which values an attribute accepts: xinetd's own parser of each, in the order of its table.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::host::{Answer, Change, Has, Host, Standing, Version, host_path};
use super::super::problem::Doubt;
use super::super::reader::Operator;
use super::{address, is, number, time};

/// Which values an attribute accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Check {
    Count,
    Rate,
    YesOrNo,
    Port,
    Integer,
    DenyTime,
    Umask,
    OneOf(&'static [&'static str]),
    Words(&'static [&'static str], Words),
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
pub(in super::super) enum Words {
    OneOrMore,
    AnyNumber,
}

/// What xinetd's parser for an attribute makes of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    Fine,
    Bad,
    /// It takes them or not; what cannot be told.
    Unclear(Doubt),
}

impl From<bool> for Verdict {
    fn from(fine: bool) -> Self {
        if fine { Self::Fine } else { Self::Bad }
    }
}

/// Whether xinetd's parser for the attribute accepts these values on a host.
pub(in super::super) fn verdict(
    check: Check,
    operator: Operator,
    values: &[&[u8]],
    host: &Host,
) -> Verdict {
    let first = values.first().copied().unwrap_or_default();
    match check {
        Check::Count => number::count(first).is_some().into(),
        Check::Rate => number::rate(values).is_some().into(),
        Check::YesOrNo => (is(first, "yes") || is(first, "no")).into(),
        Check::Port => number::signed(first, 10)
            .is_some_and(|n| (0..65536).contains(&n))
            .into(),
        Check::Integer => number::signed(first, 10).is_some().into(),
        Check::DenyTime => {
            (is(first, "FOREVER") || is(first, "NEVER") || number::signed(first, 10).is_some())
                .into()
        }
        Check::Umask => number::signed(first, 8)
            .is_some_and(|n| (0..=0o777).contains(&n))
            .into(),
        Check::OneOf(words) => words.iter().any(|word| is(first, word)).into(),
        Check::Words(known, number) => words(known, number, values, host),
        Check::AtLeastOne => (!values.is_empty()).into(),
        Check::LogType => log_type(values).into(),
        Check::Environment => (operator != Operator::Remove
            && values.iter().all(|value| value.contains(&b'=')))
        .into(),
        Check::Addresses => values.iter().all(|value| address::listed(value)).into(),
        Check::Size => size(first).into(),
        Check::Cpu => (is(first, "UNLIMITED") || number::wide(first).is_some()).into(),
        Check::FileLimit => match (size(first), Version::has(host.version, Change::FileLimit)) {
            (true, _) | (false, Has::No) => Verdict::Fine,
            (false, Has::Yes) => Verdict::Bad,
            (false, Has::Unclear) => Verdict::Unclear(Doubt::Version(Change::FileLimit)),
        },
        Check::Times => {
            (!values.is_empty() && values.iter().all(|value| time::interval(value))).into()
        }
        Check::Versions => versions(first).into(),
        Check::Load => number::load(first).map_or(Verdict::Unclear(Doubt::Number), Verdict::from),
        Check::Protocol => known(host.protocol(first)),
        Check::User => named(first, host.user(first)),
        Check::Group => named(first, host.group(first)),
        Check::Server => server(first, host),
        Check::Redirect => redirect(values, host),
        Check::Bind => bind(first),
        Check::Accepted => Verdict::Fine,
    }
}

fn words(known: &[&str], number: Words, values: &[&[u8]], host: &Host) -> Verdict {
    if number == Words::OneOrMore && values.is_empty() {
        return Verdict::Bad;
    }
    if !values
        .iter()
        .all(|value| known.iter().any(|word| is(value, word)))
    {
        return Verdict::Bad;
    }
    if values.iter().any(|value| is(value, "LABELED")) {
        return match Version::has(host.version, Change::Labeled) {
            Has::Yes => Verdict::Fine,
            Has::No => Verdict::Bad,
            Has::Unclear => Verdict::Unclear(Doubt::Version(Change::Labeled)),
        };
    }
    Verdict::Fine
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
                && level
                    .iter()
                    .all(|text| super::LEVELS.iter().any(|word| is(text, word)))
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

fn known<T>(answer: Answer<T>) -> Verdict {
    match answer {
        Answer::Yes(_) => Verdict::Fine,
        Answer::No => Verdict::Bad,
        Answer::Unknown => Verdict::Unclear(Doubt::Name),
    }
}

/// A user or group: xinetd takes every number.
fn named(name: &[u8], answer: Answer<()>) -> Verdict {
    if name.iter().all(u8::is_ascii_digit) {
        return number::wide(name).is_some().into();
    }
    known(answer)
}

/// xinetd asks whether it may execute the path, which root may where any execute bit is set, and in a folder.
fn server(path: &[u8], host: &Host) -> Verdict {
    let Some(path) = host_path(path) else {
        return Verdict::Unclear(Doubt::Path);
    };
    match host.standing(&path) {
        Standing::Program | Standing::Folder => Verdict::Fine,
        Standing::Missing | Standing::File => Verdict::Bad,
        Standing::Other | Standing::Unknown => Verdict::Unclear(Doubt::Program),
    }
}

fn redirect(values: &[&[u8]], host: &Host) -> Verdict {
    let [target, port] = values else {
        return Verdict::Bad;
    };
    let port = match number::signed(port, 10).filter(|port| *port > 0) {
        Some(port) => Verdict::from(port < 65536),
        None => known(host.port(port, b"tcp")),
    };
    let text = std::str::from_utf8(target).unwrap_or_default();
    let numeric = if text.contains(':') {
        text.parse::<Ipv6Addr>().is_ok()
    } else {
        text.parse::<Ipv4Addr>().is_ok()
    };
    match port {
        Verdict::Fine if !numeric => Verdict::Unclear(Doubt::Address),
        other @ (Verdict::Fine | Verdict::Bad | Verdict::Unclear(_)) => other,
    }
}

fn bind(text: &[u8]) -> Verdict {
    match address::Bind::of(text) {
        address::Bind::Address(_) => Verdict::Fine,
        address::Bind::None => Verdict::Bad,
        address::Bind::Name => Verdict::Unclear(Doubt::Address),
    }
}
