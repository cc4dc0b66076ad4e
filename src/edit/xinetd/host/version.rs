//! Where the versions of xinetd read one file differently, from their sources.
//!
//! | what | until | from | source of the later one |
//! |---|---|---|---|
//! | `flags = LABELED` | 2.3.14: no such flag, the service is dropped | 2.3.15 | `nvlists.c:50` |
//! | `rlimit_files` | 2.3.15: no such attribute, the line is ignored | 2.3.15.1 | `parse.c:96` |
//! | a block behind `disable = yes` | 2.3.15: is read on | 2.3.15.1 | `parse.c:707` |
//! | neither IPv4 nor IPv6 in `flags`, no address | 2.3.15: IPv4, in some builds IPv6 | 2.3.15.1: IPv6 | `confparse.c:233` |
//! | both in `flags` | 2.3.15: the service is dropped, in some builds not | 2.3.15.1: IPv6 | `confparse.c:519` |
//! | a second `log_type` in `defaults` | 2.3.15.1: the later one wins | 2.3.15.2: the daemon ends | `parsers.c:939` |
//! | `socket_type = dgram` with `wait = no` | 2.3.15.3: is offered | 2.3.15.4, and Debian's 2.3.15.3 | `confparse.c:849` |
//!
//! All else that decides whether a service is offered is the same from 2.3.14 to 2.3.15.4. `mdns` is an
//! attribute of builds of 2.3.14 and 2.3.15 with a library that no distribution links; `max_load` and
//! `libwrap` are attributes where the build has them, as all distributions' builds do.

use std::fmt;

/// A version of xinetd, as its dump names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum XinetdVersion {
    /// 2.3.14, in CentOS 4 to 7.
    V2_3_14,
    /// 2.3.15
    V2_3_15,
    /// 2.3.15.1
    V2_3_15_1,
    /// 2.3.15.2
    V2_3_15_2,
    /// 2.3.15.3, in Debian 10 to 12.
    V2_3_15_3,
    /// 2.3.15.4, in Debian 13 and openSUSE.
    V2_3_15_4,
}

/// Something that the versions read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionChange {
    /// The flag LABELED.
    Labeled,
    /// The attribute `rlimit_files`.
    FileLimit,
    /// A block is given up at `disable = yes`.
    StopsAtDisable,
    /// A service that names no address family is IPv6, and one that names both is too.
    PrefersIpv6,
    /// A second `log_type` in `defaults` ends the daemon.
    OneLogType,
    /// A datagram service has to wait.
    DatagramsWait,
}

/// Whether a version has a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) enum HasChange {
    Yes,
    No,
    /// The version is not known, or builds of it differ.
    Unclear,
}

impl XinetdVersion {
    /// Reads a version's number; none where it is none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "2.3.14" => Self::V2_3_14,
            "2.3.15" => Self::V2_3_15,
            "2.3.15.1" => Self::V2_3_15_1,
            "2.3.15.2" => Self::V2_3_15_2,
            "2.3.15.3" => Self::V2_3_15_3,
            "2.3.15.4" => Self::V2_3_15_4,
            _ => return None,
        })
    }

    /// Whether a version, if it is known, has a change.
    pub(in super::super) fn has(version: Option<Self>, change: VersionChange) -> HasChange {
        let Some(version) = version else {
            return HasChange::Unclear;
        };
        let first = match change {
            VersionChange::Labeled => Self::V2_3_15,
            // Distributions had this in their builds before.
            VersionChange::PrefersIpv6 if version < Self::V2_3_15_1 => return HasChange::Unclear,
            VersionChange::FileLimit | VersionChange::StopsAtDisable | VersionChange::PrefersIpv6 => {
                Self::V2_3_15_1
            }
            VersionChange::OneLogType => Self::V2_3_15_2,
            VersionChange::DatagramsWait if version == Self::V2_3_15_3 => {
                return HasChange::Unclear;
            }
            VersionChange::DatagramsWait => Self::V2_3_15_4,
        };
        if version >= first { HasChange::Yes } else { HasChange::No }
    }
}

impl fmt::Display for VersionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Labeled => "the flag LABELED is known from 2.3.15 on; before, it drops the service",
            Self::FileLimit => "rlimit_files is known from 2.3.15.1 on; before, the line is ignored",
            Self::StopsAtDisable => "a block is read on behind `disable = yes` until 2.3.15, and no further from 2.3.15.1 on",
            Self::PrefersIpv6 => "both IPv4 and IPv6 in flags drop the service in builds of 2.3.14 and 2.3.15, and mean IPv6 from 2.3.15.1 on",
            Self::OneLogType => "a second log_type in defaults ends the daemon from 2.3.15.2 on; before, the later one wins",
            Self::DatagramsWait => "socket_type dgram with `wait = no` drops the service in 2.3.15.4 and in Debian's 2.3.15.3, and in no other",
        })
    }
}
