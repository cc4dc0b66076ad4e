//! What xinetd knows of each attribute: how many values it takes, whether it can be set again, which it
//! accepts.
//!
//! The table is that of `parse.c` (2.3.14 to 2.3.15.4, line 40 on in each), and the checks are those of
//! `parsers.c`: for each row the lines of its parser in 2.3.14 and 2.3.15, and in 2.3.15.3 and 2.3.15.4.

mod address;
mod check;
mod number;
mod time;

pub(super) use address::BindAddress;
use check::EmptyWords;
pub(super) use check::{ValueCheck, ValueVerdict, verdict};
pub(super) use number::{count, port, rate, wraps};

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
pub(super) enum AttributeArity {
    /// Exactly so many, once.
    Exactly(usize),
    /// Any number, once.
    Any,
    /// Any number, and `+=`, `-=`, `=` again.
    Modifiable,
}

/// One row of xinetd's own table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownAttribute {
    /// The name that the row is kept under: `interface` is `bind`.
    pub(super) name: &'static str,
    /// The lines of its parser in `parsers.c`, of 2.3.14 and 2.3.15, and of 2.3.15.3 and 2.3.15.4; 0 where it
    /// is not there.
    pub(super) lines: [u16; 2],
    pub(super) arity: AttributeArity,
    pub(super) check: ValueCheck,
}

const SOCKET_TYPES: &[&str] = &["stream", "dgram", "raw", "seqpacket"];
const TYPES: &[&str] = &["RPC", "INTERNAL", "UNLISTED", "SPECIAL", "TCPMUX", "TCPMUXPLUS"];
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
    "daemon", "auth", "authpriv", "user", "mail", "lpr", "news", "uucp", "ftp", "local0", "local1", "local2",
    "local3", "local4", "local5", "local6", "local7",
];
const LEVELS: &[&str] = &["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const IN_SERVICES: &[KnownAttribute] = &[
    row("socket_type", [130, 130], AttributeArity::Exactly(1), ValueCheck::OneOf(SOCKET_TYPES)),
    row("protocol", [203, 203], AttributeArity::Exactly(1), ValueCheck::Protocol),
    row("wait", [234, 234], AttributeArity::Exactly(1), ValueCheck::YesOrNo),
    row("user", [274, 253], AttributeArity::Exactly(1), ValueCheck::User),
    row("group", [309, 288], AttributeArity::Exactly(1), ValueCheck::Group),
    row("server", [402, 381], AttributeArity::Exactly(1), ValueCheck::Server),
    row("server_args", [435, 414], AttributeArity::Any, ValueCheck::AtLeastOne),
    row("instances", [501, 480], AttributeArity::Exactly(1), ValueCheck::Count),
    row(
        "log_on_success",
        [998, 982],
        AttributeArity::Modifiable,
        ValueCheck::Words(ON_SUCCESS, EmptyWords::AnyNumber),
    ),
    row(
        "log_on_failure",
        [1007, 991],
        AttributeArity::Modifiable,
        ValueCheck::Words(ON_FAILURE, EmptyWords::AnyNumber),
    ),
    row("log_type", [944, 923], AttributeArity::Any, ValueCheck::LogType),
    row("only_from", [1064, 1048], AttributeArity::Modifiable, ValueCheck::Addresses),
    row("no_access", [1072, 1056], AttributeArity::Modifiable, ValueCheck::Addresses),
    row("access_times", [1304, 1288], AttributeArity::Any, ValueCheck::Times),
    row("type", [96, 96], AttributeArity::Any, ValueCheck::Words(TYPES, EmptyWords::OneOrMore)),
    row("rpc_version", [152, 152], AttributeArity::Exactly(1), ValueCheck::Versions),
    row("rpc_number", [187, 187], AttributeArity::Exactly(1), ValueCheck::Integer),
    row("id", [583, 562], AttributeArity::Exactly(1), ValueCheck::Accepted),
    row("env", [639, 618], AttributeArity::Modifiable, ValueCheck::Environment),
    row("port", [601, 580], AttributeArity::Exactly(1), ValueCheck::Port),
    row("passenv", [681, 660], AttributeArity::Modifiable, ValueCheck::Accepted),
    row("flags", [113, 113], AttributeArity::Any, ValueCheck::Words(FLAGS, EmptyWords::OneOrMore)),
    row("nice", [1331, 1315], AttributeArity::Exactly(1), ValueCheck::Integer),
    row("redirect", [1163, 1147], AttributeArity::Exactly(2), ValueCheck::Redirect),
    row("banner", [1080, 1064], AttributeArity::Exactly(1), ValueCheck::Accepted),
    row("bind", [1231, 1215], AttributeArity::Exactly(1), ValueCheck::Bind),
    row("per_source", [524, 503], AttributeArity::Exactly(1), ValueCheck::Count),
    row("groups", [361, 340], AttributeArity::Exactly(1), ValueCheck::YesOrNo),
    row("banner_success", [1101, 1085], AttributeArity::Exactly(1), ValueCheck::Accepted),
    row("banner_fail", [1121, 1105], AttributeArity::Exactly(1), ValueCheck::Accepted),
    row("cps", [546, 525], AttributeArity::Exactly(2), ValueCheck::Rate),
    row("disable", [340, 319], AttributeArity::Exactly(1), ValueCheck::YesOrNo),
    row("max_load", [1142, 1126], AttributeArity::Exactly(1), ValueCheck::Load),
    row("rlimit_as", [1343, 1327], AttributeArity::Exactly(1), ValueCheck::Size),
    row("rlimit_cpu", [1366, 1350], AttributeArity::Exactly(1), ValueCheck::Cpu),
    row("rlimit_data", [1396, 1380], AttributeArity::Exactly(1), ValueCheck::Size),
    row("rlimit_files", [0, 1403], AttributeArity::Exactly(1), ValueCheck::FileLimit),
    row("rlimit_rss", [1419, 1426], AttributeArity::Exactly(1), ValueCheck::Size),
    row("rlimit_stack", [1442, 1449], AttributeArity::Exactly(1), ValueCheck::Size),
    row("v6only", [382, 361], AttributeArity::Exactly(1), ValueCheck::YesOrNo),
    row("deny_time", [1464, 1471], AttributeArity::Exactly(1), ValueCheck::DenyTime),
    row("umask", [1481, 1488], AttributeArity::Exactly(1), ValueCheck::Umask),
    row("libwrap", [1499, 1506], AttributeArity::Exactly(1), ValueCheck::Accepted),
];

/// The row of an attribute in a `service` block.
pub(super) fn in_service(name: &[u8]) -> Option<KnownAttribute> {
    find(IN_SERVICES, name)
}

const IN_DEFAULTS: &[KnownAttribute] = &[
    row("log_type", [944, 923], AttributeArity::Modifiable, ValueCheck::LogType),
    row(
        "log_on_success",
        [998, 982],
        AttributeArity::Modifiable,
        ValueCheck::Words(ON_SUCCESS, EmptyWords::AnyNumber),
    ),
    row(
        "log_on_failure",
        [1007, 991],
        AttributeArity::Modifiable,
        ValueCheck::Words(ON_FAILURE, EmptyWords::AnyNumber),
    ),
    row("disabled", [741, 720], AttributeArity::Modifiable, ValueCheck::Accepted),
    row("enabled", [761, 740], AttributeArity::Modifiable, ValueCheck::Accepted),
    row("no_access", [1072, 1056], AttributeArity::Modifiable, ValueCheck::Addresses),
    row("only_from", [1064, 1048], AttributeArity::Modifiable, ValueCheck::Addresses),
    row("instances", [501, 480], AttributeArity::Exactly(1), ValueCheck::Count),
    row("passenv", [681, 660], AttributeArity::Modifiable, ValueCheck::Accepted),
    row("banner", [1080, 1064], AttributeArity::Exactly(1), ValueCheck::Accepted),
    row("bind", [1231, 1215], AttributeArity::Exactly(1), ValueCheck::Bind),
    row("per_source", [524, 503], AttributeArity::Exactly(1), ValueCheck::Count),
    row("groups", [361, 340], AttributeArity::Exactly(1), ValueCheck::YesOrNo),
    row("banner_success", [1101, 1085], AttributeArity::Exactly(1), ValueCheck::Accepted),
    row("banner_fail", [1121, 1105], AttributeArity::Exactly(1), ValueCheck::Accepted),
    row("cps", [546, 525], AttributeArity::Exactly(2), ValueCheck::Rate),
    row("max_load", [1142, 1126], AttributeArity::Exactly(1), ValueCheck::Load),
    row("v6only", [382, 361], AttributeArity::Exactly(1), ValueCheck::YesOrNo),
    row("umask", [1481, 1488], AttributeArity::Exactly(1), ValueCheck::Umask),
];

/// The row of an attribute in the `defaults` block.
pub(super) fn in_defaults(name: &[u8]) -> Option<KnownAttribute> {
    find(IN_DEFAULTS, name)
}

const fn row(
    name: &'static str,
    lines: [u16; 2],
    arity: AttributeArity,
    check: ValueCheck,
) -> KnownAttribute {
    KnownAttribute { name, lines, arity, check }
}

fn find(table: &[KnownAttribute], name: &[u8]) -> Option<KnownAttribute> {
    // Another name of the same attribute (`parse.c`).
    let name = if is(name, "interface") { b"bind" } else { name };
    table.iter().find(|known| is(name, known.name)).copied()
}

/// An attribute that xinetd knows, for whoever has to know them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentedAttribute {
    /// Its name; `interface` is another one of `bind`.
    pub name: &'static str,
    /// The line of its parser in `parsers.c` of 2.3.14 and 2.3.15; none where these do not have it.
    pub before: Option<u16>,
    /// The same of 2.3.15.3 and 2.3.15.4.
    pub since: u16,
    /// Whether `defaults` takes it too, or alone.
    pub place: AttributePlace,
}

/// Where an attribute may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributePlace {
    /// In a service.
    Service,
    /// In `defaults`.
    Defaults,
    /// In both.
    Both,
}

/// Every attribute that xinetd knows, in the order of its own tables.
pub fn attributes() -> impl Iterator<Item = DocumentedAttribute> {
    let documented = |known: &KnownAttribute, place| DocumentedAttribute {
        name: known.name,
        before: Some(known.lines[0]).filter(|line| *line > 0),
        since: known.lines[1],
        place,
    };
    let both = |known: &KnownAttribute| in_defaults(known.name.as_bytes()).is_some();
    let services = IN_SERVICES.iter().map(move |known| {
        let place = if both(known) { AttributePlace::Both } else { AttributePlace::Service };
        documented(known, place)
    });
    let defaults = IN_DEFAULTS
        .iter()
        .filter(|known| in_service(known.name.as_bytes()).is_none())
        .map(move |known| documented(known, AttributePlace::Defaults));
    services.chain(defaults)
}

/// The words that `type` and `flags` take, and the socket types.
#[must_use]
pub fn words(attribute: &str) -> &'static [&'static str] {
    match attribute {
        "type" => TYPES,
        "flags" => FLAGS,
        "socket_type" => SOCKET_TYPES,
        "log_on_success" => ON_SUCCESS,
        "log_on_failure" => ON_FAILURE,
        _ => &[],
    }
}

/// Whether two texts are equal to xinetd, which compares without case.
pub(super) fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}
