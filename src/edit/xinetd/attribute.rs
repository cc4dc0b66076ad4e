//! What xinetd knows of each attribute: how many values it takes, whether it can be set again, which it accepts.
//!
//! Host-dependent checks (does the user, the server, the protocol, the address exist) are not made here: such a value
//! counts as accepted.

use crate::model::{Count, Rate};

use super::reader::{Operator, is_space};

/// The attributes that mailward manages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// Connections at once from one address.
    PerSource,
    /// Connections at once in all.
    Instances,
    /// Connections a second, and the pause above it.
    Cps,
}

impl Attribute {
    /// All three, in the order of this type.
    pub const ALL: [Self; 3] = [Self::PerSource, Self::Instances, Self::Cps];

    /// The name as xinetd.conf(5) writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerSource => "per_source",
            Self::Instances => "instances",
            Self::Cps => "cps",
        }
    }

    /// How many values a line must have.
    pub(super) const fn value_count(self) -> usize {
        match self {
            Self::PerSource | Self::Instances => 1,
            Self::Cps => 2,
        }
    }
}

/// How many values an attribute takes, and whether later lines add to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arity {
    /// Exactly so many, once.
    Exactly(usize),
    /// Any number, once.
    Any,
    /// Any number, and `+=`, `-=`, `=` again.
    Modifiable,
}

/// Which values an attribute accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Count,
    Rate,
    YesOrNo,
    Port,
    Integer,
    DenyTime,
    Umask,
    OneOf(&'static [&'static str]),
    Words(&'static [&'static str]),
    AtLeastOne,
    LogType,
    Environment,
    Addresses,
    /// `<number>[kKmM]` or `UNLIMITED`.
    Size,
    Cpu,
    /// Everything, or only the host can tell.
    Accepted,
}

/// One row of xinetd's own table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The name that the row is kept under: `interface` is `bind`.
    pub(super) name: &'static str,
    pub(super) arity: Arity,
    pub(super) check: Check,
}

const SOCKET_TYPES: &[&str] = &["stream", "dgram", "raw", "seqpacket"];
const TYPES: &[&str] = &[
    "RPC",
    "INTERNAL",
    "UNLISTED",
    "SPECIAL",
    "TCPMUX",
    "TCPMUXPLUS",
];
const FLAGS: &[&str] = &[
    "REUSE",
    "INTERCEPT",
    "NORETRY",
    "IDONLY",
    "NAMEINARGS",
    "NODELAY",
    "KEEPALIVE",
    "NOLIBWRAP",
    "SENSOR",
    "IPv4",
    "IPv6",
    "LABELED",
];
const ON_SUCCESS: &[&str] = &["HOST", "DURATION", "EXIT", "PID", "USERID", "TRAFFIC"];
const ON_FAILURE: &[&str] = &["HOST", "USERID", "ATTEMPT"];
const FACILITIES: &[&str] = &[
    "daemon", "auth", "authpriv", "user", "mail", "lpr", "news", "uucp", "ftp", "local0", "local1",
    "local2", "local3", "local4", "local5", "local6", "local7",
];
const LEVELS: &[&str] = &[
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

/// The row of an attribute in a `service` block.
pub(super) fn in_service(name: &[u8]) -> Option<Known> {
    use Arity::{Any, Exactly, Modifiable};
    let lower = name.to_ascii_lowercase();
    let row = |name, arity, check| Some(Known { name, arity, check });
    match lower.as_slice() {
        b"socket_type" => row("socket_type", Exactly(1), Check::OneOf(SOCKET_TYPES)),
        b"protocol" => row("protocol", Exactly(1), Check::Accepted),
        b"wait" => row("wait", Exactly(1), Check::YesOrNo),
        b"user" => row("user", Exactly(1), Check::Accepted),
        b"group" => row("group", Exactly(1), Check::Accepted),
        b"server" => row("server", Exactly(1), Check::Accepted),
        b"server_args" => row("server_args", Any, Check::AtLeastOne),
        b"instances" => row("instances", Exactly(1), Check::Count),
        b"log_on_success" => row("log_on_success", Modifiable, Check::Words(ON_SUCCESS)),
        b"log_on_failure" => row("log_on_failure", Modifiable, Check::Words(ON_FAILURE)),
        b"log_type" => row("log_type", Any, Check::LogType),
        b"only_from" => row("only_from", Modifiable, Check::Addresses),
        b"no_access" => row("no_access", Modifiable, Check::Addresses),
        b"access_times" => row("access_times", Any, Check::AtLeastOne),
        b"type" => row("type", Any, Check::Words(TYPES)),
        b"rpc_version" => row("rpc_version", Exactly(1), Check::Accepted),
        b"rpc_number" => row("rpc_number", Exactly(1), Check::Integer),
        b"id" => row("id", Exactly(1), Check::Accepted),
        b"env" => row("env", Modifiable, Check::Environment),
        b"port" => row("port", Exactly(1), Check::Port),
        b"passenv" => row("passenv", Modifiable, Check::Accepted),
        b"flags" => row("flags", Any, Check::Words(FLAGS)),
        b"nice" => row("nice", Exactly(1), Check::Integer),
        b"redirect" => row("redirect", Exactly(2), Check::Accepted),
        b"banner" => row("banner", Exactly(1), Check::Accepted),
        b"bind" | b"interface" => row("bind", Exactly(1), Check::Accepted),
        b"per_source" => row("per_source", Exactly(1), Check::Count),
        b"groups" => row("groups", Exactly(1), Check::YesOrNo),
        b"banner_success" => row("banner_success", Exactly(1), Check::Accepted),
        b"banner_fail" => row("banner_fail", Exactly(1), Check::Accepted),
        b"cps" => row("cps", Exactly(2), Check::Rate),
        b"disable" => row("disable", Exactly(1), Check::YesOrNo),
        b"max_load" => row("max_load", Exactly(1), Check::Accepted),
        b"rlimit_as" => row("rlimit_as", Exactly(1), Check::Size),
        b"rlimit_cpu" => row("rlimit_cpu", Exactly(1), Check::Cpu),
        b"rlimit_data" => row("rlimit_data", Exactly(1), Check::Size),
        b"rlimit_files" => row("rlimit_files", Exactly(1), Check::Accepted),
        b"rlimit_rss" => row("rlimit_rss", Exactly(1), Check::Size),
        b"rlimit_stack" => row("rlimit_stack", Exactly(1), Check::Size),
        b"v6only" => row("v6only", Exactly(1), Check::YesOrNo),
        b"deny_time" => row("deny_time", Exactly(1), Check::DenyTime),
        b"umask" => row("umask", Exactly(1), Check::Umask),
        b"libwrap" => row("libwrap", Exactly(1), Check::Accepted),
        _ => None,
    }
}

/// The row of an attribute in the `defaults` block.
pub(super) fn in_defaults(name: &[u8]) -> Option<Known> {
    use Arity::{Exactly, Modifiable};
    let lower = name.to_ascii_lowercase();
    let row = |name, arity, check| Some(Known { name, arity, check });
    match lower.as_slice() {
        b"log_type" => row("log_type", Modifiable, Check::LogType),
        b"log_on_success" => row("log_on_success", Modifiable, Check::Words(ON_SUCCESS)),
        b"log_on_failure" => row("log_on_failure", Modifiable, Check::Words(ON_FAILURE)),
        b"disabled" => row("disabled", Modifiable, Check::Accepted),
        b"enabled" => row("enabled", Modifiable, Check::Accepted),
        b"no_access" => row("no_access", Modifiable, Check::Addresses),
        b"only_from" => row("only_from", Modifiable, Check::Addresses),
        b"instances" => row("instances", Exactly(1), Check::Count),
        b"passenv" => row("passenv", Modifiable, Check::Accepted),
        b"banner" => row("banner", Exactly(1), Check::Accepted),
        b"bind" | b"interface" => row("bind", Exactly(1), Check::Accepted),
        b"per_source" => row("per_source", Exactly(1), Check::Count),
        b"groups" => row("groups", Exactly(1), Check::YesOrNo),
        b"banner_success" => row("banner_success", Exactly(1), Check::Accepted),
        b"banner_fail" => row("banner_fail", Exactly(1), Check::Accepted),
        b"cps" => row("cps", Exactly(2), Check::Rate),
        b"max_load" => row("max_load", Exactly(1), Check::Accepted),
        b"v6only" => row("v6only", Exactly(1), Check::YesOrNo),
        b"umask" => row("umask", Exactly(1), Check::Umask),
        _ => None,
    }
}

/// Whether xinetd's parser for the attribute accepts these values.
pub(super) fn accepts(check: Check, operator: Operator, values: &[&[u8]]) -> bool {
    let first = values.first().copied().unwrap_or_default();
    match check {
        Check::Count => count(first).is_some(),
        Check::Rate => rate(values).is_some(),
        Check::YesOrNo => is(first, "yes") || is(first, "no"),
        Check::Port => signed(first, 10).is_some_and(|n| (0..65536).contains(&n)),
        Check::Integer => signed(first, 10).is_some(),
        Check::DenyTime => {
            is(first, "FOREVER") || is(first, "NEVER") || signed(first, 10).is_some()
        }
        Check::Umask => signed(first, 8).is_some_and(|n| (0..=0o777).contains(&n)),
        Check::OneOf(words) => words.iter().any(|word| is(first, word)),
        Check::Words(words) => {
            // `type` and `flags` need a word; the log flags do not, and have no other word in common.
            let needs_one = words == TYPES || words == FLAGS;
            (!needs_one || !values.is_empty())
                && values
                    .iter()
                    .all(|value| words.iter().any(|word| is(value, word)))
        }
        Check::AtLeastOne => !values.is_empty(),
        Check::LogType => log_type(values),
        Check::Environment => {
            operator != Operator::Remove && values.iter().all(|value| value.contains(&b'='))
        }
        Check::Addresses => values
            .iter()
            .all(|value| !value.contains(&b',') || value.contains(&b'{')),
        Check::Size => is(first, "UNLIMITED") || size(first),
        Check::Cpu => is(first, "UNLIMITED") || unsigned(first).is_some(),
        Check::Accepted => true,
    }
}

/// A limit's value as xinetd has it; none where it would not take the text.
///
/// It reads a `long` and keeps the low 32 bits.
pub(super) fn count(text: &[u8]) -> Option<Count> {
    if is(text, "UNLIMITED") {
        return Some(Count::Unlimited);
    }
    u32::try_from(signed(text, 10)?).ok().map(Count::Number)
}

/// A rate as xinetd has it: unsigned numbers, of which it keeps the low 32 bits.
pub(super) fn rate(values: &[&[u8]]) -> Option<Rate> {
    let [rate, pause] = values else { return None };
    Some(Rate {
        rate: unsigned(rate)?,
        pause: unsigned(pause)?,
    })
}

/// Whether two texts are equal to xinetd, which compares without case.
pub(super) fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}

/// Whether the number in the text is larger than xinetd keeps.
pub(super) fn wraps(text: &[u8]) -> bool {
    number(text, 10).is_some_and(|(_, magnitude)| magnitude > 0x7fff_ffff)
}

/// `strtol` cut to 32 bits; none where it fails or leaves text over.
fn signed(text: &[u8], base: u32) -> Option<i32> {
    let (negative, magnitude) = number(text, base)?;
    let value = if negative {
        0i128 - i128::from(magnitude)
    } else {
        i128::from(magnitude)
    };
    let value = i64::try_from(value).ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "xinetd stores a long in an int"
    )]
    let kept = value as i32;
    Some(kept)
}

/// `strtoull` cut to 32 bits; it takes a minus sign and wraps.
fn unsigned(text: &[u8]) -> Option<u32> {
    let (negative, magnitude) = number(text, 10)?;
    let value = if negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "xinetd stores a long long in an int"
    )]
    let kept = value as u32;
    Some(kept)
}

/// The number that C's `strto*` reads, when only white space follows it.
///
/// White space alone is 0: nothing was converted, and nothing is left over.
fn number(text: &[u8], base: u32) -> Option<(bool, u64)> {
    if text.is_empty() {
        return None;
    }
    let text = text.trim_ascii_start_c();
    let (negative, digits) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let length = digits
        .iter()
        .take_while(|b| char::from(**b).is_digit(base))
        .count();
    if length == 0 {
        return text.is_empty().then_some((false, 0));
    }
    if !digits[length..].iter().all(|&b| is_space(b)) {
        return None;
    }
    let mut magnitude = 0u64;
    for digit in &digits[..length] {
        magnitude = magnitude
            .checked_mul(u64::from(base))?
            .checked_add(u64::from(digit - b'0'))?;
    }
    Some((negative, magnitude))
}

/// White space as C has it.
trait TrimC {
    fn trim_ascii_start_c(&self) -> &[u8];
}

impl TrimC for [u8] {
    fn trim_ascii_start_c(&self) -> &[u8] {
        let start = self
            .iter()
            .position(|&b| !is_space(b))
            .unwrap_or(self.len());
        &self[start..]
    }
}

fn size(text: &[u8]) -> bool {
    let digits = match text.last() {
        Some(b'k' | b'K' | b'm' | b'M') => &text[..text.len() - 1],
        _ => text,
    };
    number(digits, 10).is_some()
}

fn log_type(values: &[&[u8]]) -> bool {
    match values {
        [kind, _, sizes @ ..] if is(kind, "FILE") => {
            sizes.len() <= 2 && sizes.iter().all(|text| size(text))
        }
        [kind, facility, level @ ..] if is(kind, "SYSLOG") => {
            FACILITIES.iter().any(|word| is(facility, word))
                && level.len() <= 1
                && level
                    .iter()
                    .all(|text| LEVELS.iter().any(|word| is(text, word)))
        }
        _ => false,
    }
}
