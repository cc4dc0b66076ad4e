//! What xinetd does not take as it is written, one variant a behaviour, in words for the administrator.

use std::fmt;

use crate::edit::FileLine;
use crate::model::HostPath;

use super::host::VersionChange;

/// A line, block, service or file that xinetd does not take as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XinetdProblem {
    /// The file that the line is in.
    pub path: HostPath,
    /// The line, and the part of it that is meant.
    pub spot: FileLine,
    /// The line without its line end; empty where the file as a whole is meant.
    pub text: Vec<u8>,
    /// What is wrong with it.
    pub kind: XinetdProblemKind,
}

/// What a problem costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemEffect {
    /// The daemon runs on as written; worth a look.
    Warning,
    /// The daemon goes on as if the line were not there.
    LineIgnored,
    /// The file is not read.
    FileSkipped,
    /// The daemon reads a file that is not looked at here.
    NotFollowed,
    /// The service is not offered.
    ServiceDropped,
    /// The daemon reads on only behind the next line that is a lone `}`.
    BlockLost,
    /// Whether the service is offered cannot be told.
    Unclear,
    /// The daemon exits, with exit code 0, at start and at SIGHUP.
    DaemonExits,
    /// The daemon reads, and overwrites, memory behind its buffer: it has crashed, and changed other
    /// services' limits.
    Unforeseeable,
}

/// What is wrong.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum XinetdProblemKind {
    /// An attribute that xinetd does not know in a service.
    #[error("xinetd does not know this attribute and ignores the line")]
    UnknownAttribute,
    /// An attribute that xinetd does not take in `defaults`.
    #[error("xinetd does not take this attribute in defaults and ignores the line")]
    NotInDefaults,
    /// An earlier line set the attribute, and the first wins.
    #[error("xinetd ignores this line: an earlier one sets the attribute, and the first wins")]
    AlreadySet,
    /// `+=` or `-=` where only `=` is allowed.
    #[error("xinetd ignores this line: this attribute takes only `=`")]
    OperatorNotAllowed,
    /// More or fewer values than the attribute takes.
    #[error(
        "xinetd ignores this line: it takes {expected} value{plural}, not {found}{tail}",
        plural = if *expected == 1 { "" } else { "s" },
        tail = if *comment { "; it has no comments behind values" } else { "" },
    )]
    WrongValueCount {
        /// How many it takes.
        expected: usize,
        /// How many words are there.
        found: usize,
        /// A `#` behind the values: xinetd has no comments there.
        comment: bool,
    },
    /// A value that xinetd rejects, in a service.
    #[error("xinetd rejects this value and does not offer the service")]
    BadValue,
    /// A value that xinetd rejects, in `defaults`.
    #[error("xinetd rejects this value in defaults and exits")]
    BadDefault,
    /// A number above 2^31-1, of which xinetd keeps the low 32 bits.
    #[error("xinetd keeps only the low 32 bits of this number: {kept}")]
    Wraps {
        /// What xinetd has instead.
        kept: String,
    },
    /// A limit of 0.
    #[error("with 0 xinetd refuses every connection")]
    RefusesEverybody,
    /// `name=value` without white space before the operator.
    #[error("xinetd needs white space before the operator and drops the whole block")]
    NoSpaceBeforeOperator,
    /// A name with neither operator nor value; xinetd reads on into the next line.
    #[error("xinetd finds nothing behind this name and drops the whole block")]
    NothingAfterName,
    /// Something other than `=`, `+=` or `-=` behind the first word.
    #[error(
        "xinetd finds no operator behind the first word and drops the block up to the next line with only `}}`"
    )]
    BadOperator,
    /// A scan that runs beyond xinetd's buffer: what it finds there is chance.
    #[error(
        "xinetd reads on behind the end of the file into memory that holds anything, and overwrites some of it"
    )]
    Unpredictable,
    /// A block whose `}` is missing.
    #[error("xinetd finds no line with only `}}` and drops the block")]
    NotClosed,
    /// A heading that no line with a lone `{` follows.
    #[error("xinetd wants a line with only `{{` after this one and skips to the next line with only `}}`")]
    MissingBrace,
    /// A line outside of a block that begins with no keyword.
    #[error("xinetd knows no such keyword and skips to the next line with only `}}`")]
    UnknownKeyword,
    /// The same, where the file begins with a byte order mark.
    #[error(
        "xinetd takes the byte order mark as part of the first word and skips to the next line with only `}}`"
    )]
    ByteOrderMark,
    /// `service`, `include` or `includedir` without a name.
    #[error("xinetd wants a name behind this keyword and skips to the next line with only `}}`")]
    NameMissing,
    /// A second `defaults` in the same file.
    #[error("xinetd takes one defaults block a file and skips this one")]
    SecondDefaults,
    /// A service's heading inside of what xinetd skips.
    #[error(
        "xinetd skips this service: something before it is broken, and only a line with a lone `}}` ends the skipping"
    )]
    Swallowed,
    /// A line longer than xinetd's buffer.
    #[error("xinetd cuts this line: it is longer than its buffer")]
    LineCut,
    /// A file or folder to include that is not there.
    #[error("xinetd cannot open what this line includes, and goes on")]
    IncludeMissing,
    /// A file or folder to include that cannot be read.
    #[error("{path}, which this line includes, cannot be read: {why}")]
    IncludeUnreadable {
        /// What cannot be read.
        path: HostPath,
        /// Why.
        why: String,
    },
    /// Something in an included folder that is no regular file, or an included path that is none.
    #[error("xinetd skips this: it is no regular file")]
    NotRegular,
    /// A name with a dot in it, or with `~` at its end, in an included folder.
    #[error("xinetd skips names with a dot, or with `~` at the end, in an included folder")]
    NameSkipped,
    /// A file that includes itself, or files nested or repeated beyond all use.
    #[error("this includes itself, or too many files; xinetd follows it until it crashes")]
    IncludeLoop,
    /// A path that is relative, has `..` in it, or is not UTF-8.
    #[error(
        "xinetd reads this file and mailward does not: only an absolute path without `..`, in UTF-8, means the same at every start"
    )]
    IncludePath,
    /// An included folder holds a file whose name is not UTF-8.
    #[error("xinetd reads the file {name} in this folder and mailward does not: its name is not UTF-8")]
    NameNotText {
        /// The name, as text.
        name: String,
    },
    /// A service with the port and protocol of an earlier one.
    #[error("xinetd does not offer this service: an earlier one has the same port, protocol and address")]
    Duplicate,
    /// A service without an attribute that it needs.
    #[error("xinetd does not offer this service: it needs `{name}`")]
    MissingAttribute {
        /// The attribute.
        name: &'static str,
    },
    /// A `dgram` service with `wait = no`.
    #[error("xinetd does not offer this service: with socket_type dgram it needs `wait = yes`")]
    DatagramWithoutWait,
    /// An INTERNAL service that xinetd has not built in.
    #[error("xinetd does not offer this service: it has no built-in server of that name")]
    NotBuiltIn,
    /// A service of type TCPMUX that is listed, or not for tcp.
    #[error("xinetd does not offer this service: type TCPMUX needs UNLISTED and protocol tcp")]
    NotForTcpmux,
    /// A `redirect` of something other than a `stream` service without `wait`.
    #[error("xinetd does not offer this service: it redirects only stream services without wait")]
    CannotRedirect,
    /// `log_on_success` with TRAFFIC, its own or from `defaults`, on a service without `redirect`.
    #[error("xinetd does not offer this service: log_on_success = TRAFFIC is for redirects only")]
    TrafficWithoutRedirect,
    /// `enabled` names a service with `disable = yes`.
    #[error("builds of xinetd differ here: `enabled` names this service, and `disable = yes` disables it")]
    BuildsDiffer,
    /// A service whose name and protocol `/etc/services` does not have.
    #[error("xinetd does not offer this service: /etc/services does not have its name for {protocol}")]
    UnknownPort {
        /// The protocol.
        protocol: String,
    },
    /// A port other than the one that `/etc/services` has for the name.
    #[error(
        "xinetd does not offer this service: /etc/services has port {expected} for its name, and it is not UNLISTED"
    )]
    OtherPort {
        /// The port there.
        expected: u16,
    },
    /// An RPC service that `/etc/rpc` does not have.
    #[error("xinetd does not offer this service: /etc/rpc does not have its name")]
    UnknownProgram,
    /// A socket type that the protocol does not have.
    #[error("xinetd does not offer this service: its protocol has no sockets of this socket_type")]
    NoSuchSocket,
    /// A log file whose folder is missing, or that is a folder.
    #[error("xinetd does not offer this service: it cannot open the log file of log_type")]
    LogFile,
    /// LABELED on a service that xinetd does not label.
    #[error(
        "xinetd does not offer this service: LABELED is for stream services with a server and `wait = no`"
    )]
    CannotLabel,
    /// INTERCEPT on a socket that xinetd cannot intercept.
    #[error("xinetd does not offer this service: INTERCEPT is for stream and dgram services")]
    CannotIntercept,
    /// Whether xinetd takes it cannot be told.
    #[error("whether xinetd takes this cannot be told: {0}")]
    Unclear(XinetdDoubt),
}

/// What keeps it from being told whether xinetd takes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum XinetdDoubt {
    /// The versions of xinetd differ, and the one that runs is not known or has builds that differ.
    Version(VersionChange),
    /// Builds of one version differ.
    Build,
    /// A number in a form that C's libraries read each in its own way.
    Number,
    /// Not in the host's files of names, and the host asks others too; or the files could not be read.
    Name,
    /// A path that is relative, has `..` in it, or is not UTF-8.
    Path,
    /// What stands at the path is not known.
    Program,
    /// A name where an address is wanted.
    Address,
    /// An address of another family than the one in `flags`.
    Family,
    /// An address that this host has or has not.
    Local,
    /// A socket that the kernel has or has not.
    Socket,
    /// A socket that an earlier service has, if that one is offered.
    Earlier,
    /// Whether a portmapper runs, which an RPC service needs when it begins.
    Portmapper,
    /// A bad value, and a later line that enables the service all the same: some of the value may be in
    /// force.
    Enabled,
}

impl fmt::Display for XinetdDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version(change) => return write!(f, "the versions of xinetd differ ({change})"),
            Self::Build => "builds of xinetd differ",
            Self::Number => "C libraries read a number of this form in different ways",
            Self::Name => {
                "this host's own files do not have the name, or could not be read, and it may ask elsewhere"
            }
            Self::Path => "only an absolute path without `..` means the same at every start",
            Self::Program => "it is not known what stands at the path",
            Self::Address => "it is a name, and what the resolver will say is not known",
            Self::Family => "the address is of another family than the one in flags",
            Self::Local => "it is not known whether this host has the address",
            Self::Portmapper => "it needs a portmapper when it begins",
            Self::Socket => "it is not known whether the kernel has such a socket",
            Self::Earlier => "it is not known whether an earlier service has its port",
            Self::Enabled => "the value is bad, and another line enables the service all the same",
        })
    }
}

impl XinetdProblemKind {
    /// What it costs.
    #[must_use]
    pub const fn effect(&self) -> ProblemEffect {
        match self {
            Self::Wraps { .. } | Self::RefusesEverybody | Self::LineCut | Self::BuildsDiffer => {
                ProblemEffect::Warning
            }
            Self::UnknownAttribute
            | Self::NotInDefaults
            | Self::AlreadySet
            | Self::OperatorNotAllowed
            | Self::WrongValueCount { .. } => ProblemEffect::LineIgnored,
            Self::IncludeMissing | Self::IncludeUnreadable { .. } | Self::NotRegular | Self::NameSkipped => {
                ProblemEffect::FileSkipped
            }
            Self::IncludePath | Self::NameNotText { .. } => ProblemEffect::NotFollowed,
            Self::BadValue
            | Self::Swallowed
            | Self::Duplicate
            | Self::MissingAttribute { .. }
            | Self::DatagramWithoutWait
            | Self::NotBuiltIn
            | Self::NotForTcpmux
            | Self::CannotRedirect
            | Self::TrafficWithoutRedirect
            | Self::UnknownPort { .. }
            | Self::OtherPort { .. }
            | Self::UnknownProgram
            | Self::NoSuchSocket
            | Self::LogFile
            | Self::CannotLabel
            | Self::CannotIntercept => ProblemEffect::ServiceDropped,
            Self::NoSpaceBeforeOperator
            | Self::NothingAfterName
            | Self::BadOperator
            | Self::NotClosed
            | Self::MissingBrace
            | Self::UnknownKeyword
            | Self::ByteOrderMark
            | Self::NameMissing
            | Self::SecondDefaults => ProblemEffect::BlockLost,
            Self::BadDefault => ProblemEffect::DaemonExits,
            Self::Unclear(_) => ProblemEffect::Unclear,
            Self::Unpredictable | Self::IncludeLoop => ProblemEffect::Unforeseeable,
        }
    }
}
