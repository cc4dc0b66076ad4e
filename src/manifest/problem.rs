//! Everything that can be wrong with a manifest, and the words for it. Nothing here looks for problems.

use crate::failure::Diagnostic;
use crate::model::{Count, Family};

use super::keys::Table;
use super::source::Mark;

/// Largest number that xinetd and Courier take as it stands.
pub(super) const MAX: u32 = 0x7fff_ffff;

/// Which values a connection limit may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// couriertcpd's: a number, at least 1.
    Courier,
    /// xinetd's: a number, at least 1, or none at all.
    Xinetd,
}

/// What is wrong with a connection limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// 0.
    Zero,
    /// Below 0.
    Negative,
    /// Above [`MAX`].
    TooLarge,
    /// The word "unlimited" where there is none.
    Unlimited,
}

/// One thing that is wrong with a manifest as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("no manifest was given")]
    NoLayer,
    #[error("the manifest is larger than 16 MiB")]
    TooLarge,
    #[error("not UTF-8: {}", hex(.bytes))]
    NotUtf8 { bytes: Vec<u8> },
    #[error("not TOML: {message}")]
    Syntax {
        message: String,
        hint: Option<String>,
    },
    #[error("{count} more problems in this file are not shown")]
    More { count: usize },
    #[error("`version` is missing")]
    VersionMissing,
    #[error("manifest version {found} is not known")]
    VersionUnknown { found: String },
    #[error("`{key}` is not known")]
    UnknownKey { key: String, hint: String },
    #[error("{key} must be {expected}, not {found}")]
    WrongType {
        key: String,
        expected: &'static str,
        found: &'static str,
        hint: String,
    },
    #[error("`{key}` cannot be {found}")]
    Limit {
        key: String,
        found: String,
        misfit: Misfit,
        range: Range,
    },
    #[error("`{key}` cannot be \"{found}\"")]
    Word {
        key: String,
        found: String,
        hint: String,
    },
    #[error("`{key}` cannot be {found}")]
    Number {
        key: String,
        found: String,
        why: Option<&'static str>,
        hint: String,
    },
    #[error("`{key}` is not a duration: \"{found}\"")]
    Duration { key: String, found: String },
    #[error("`{key}` must be between {least} and {most}")]
    DurationRange {
        key: String,
        least: &'static str,
        most: &'static str,
    },
    #[error("`{key}` is an empty list")]
    EmptyList { key: String, why: &'static str },
    #[error("\"{found}\" cannot be the name of a host")]
    HostName {
        found: String,
        why: &'static str,
        hint: &'static str,
    },
    #[error("\"{found}\" is not an IP address")]
    Address { found: String, hint: String },
    #[error("\"{found}\" {wrong}")]
    Network {
        found: String,
        wrong: WrongNetwork,
        hint: String,
    },
    #[error("\"{found}\" cannot be the name of a set of networks")]
    SetName { found: String, why: &'static str },
    #[error("there is no set \"{found}\"")]
    UnknownSet { found: String, hint: String },
    #[error("`{key}` has \"{word}\" beside others")]
    NotAlone { key: String, word: &'static str },
    #[error("`{key}` is every {family} address")]
    Everybody {
        key: String,
        family: Family,
        hint: String,
    },
    #[error("Plesk's firewall cannot set `smtps` apart from `smtp`")]
    SmtpsOfPlesk { place: String },
    #[error("{}", covered(.key, *.count))]
    Covered {
        key: String,
        count: usize,
        one: String,
        other: String,
    },
    #[error("`access.allow.smtp` decides who may deliver mail to this host")]
    InboundMail,
    #[error("\"{found}\" cannot be the name of an xinetd service")]
    ServiceName {
        found: String,
        why: &'static str,
        hint: String,
    },
    #[error("`{key}` needs `{missing}` too")]
    Incomplete {
        key: String,
        missing: &'static str,
        hint: &'static str,
    },
    #[error("`{total}` is {total_value}, which is less than `{each}`")]
    TotalBelow {
        total: String,
        total_value: u32,
        each: String,
        each_value: u32,
        each_place: String,
    },
    #[error("`{one}` and `{other}` are the same setting")]
    SameSetting {
        one: String,
        other: String,
        other_place: String,
        fix: SameFix,
    },
    #[error("\"{found}\" cannot be {what}")]
    Name {
        found: String,
        what: &'static str,
        why: String,
        hint: String,
    },
    #[error("`{one}` and `{other}` are the same {what}")]
    SameName {
        one: String,
        other: String,
        other_place: String,
        what: &'static str,
    },
    #[error("`{total}` is {total_value}, which is less than twice `{each}`")]
    TotalBelowTwice {
        total: String,
        total_value: u32,
        each: String,
        each_value: u32,
        each_place: String,
    },
    #[error("`{total}` limits all clients, `{each}` none of them")]
    TotalOfUnlimited {
        total: String,
        each: String,
        total_value: Count,
    },
    #[error("there is nothing to drop: no earlier layer sets `{key}`")]
    NothingToDrop { key: String },
    #[error("the manifest manages nothing")]
    ManagesNothing,
}

/// Why a text is not taken for a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongNetwork {
    #[error("is not an IPv4 or IPv6 address or network")]
    Syntax,
    #[error("is neither an address or a network nor the name of a set")]
    Neither,
    #[error("has a zone")]
    Zone,
    #[error("has bits set behind its prefix")]
    HostBits,
    #[error("has a mask for a prefix")]
    Mask,
    #[error("is an IPv4 address in IPv6 form")]
    Mapped,
    #[error("is every {0} address")]
    Everything(Family),
    #[error("is no address that anybody has")]
    Unspecified,
}

impl WrongNetwork {
    const fn why(self) -> Option<&'static str> {
        match self {
            Self::Zone => Some("an address with a zone is known on its own link only"),
            Self::HostBits => Some("which of the two is meant is not certain"),
            Self::Mapped => Some("packets from there arrive as IPv4"),
            Self::Everything(_) => Some("a restriction to everybody restricts nothing"),
            Self::Syntax | Self::Neither | Self::Mask | Self::Unspecified => None,
        }
    }
}

/// How a setting that is declared twice becomes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SameFix {
    /// Both stand in one layer.
    KeepOne,
    /// The other one is inherited.
    DropInherited,
    /// The plain service's limit covers the TLS listener, which has a key of its own.
    SetApart { key: String },
}

impl Problem {
    /// The problem as a person is told it.
    pub(super) fn diagnostic(&self, mark: Option<&Mark>) -> Diagnostic {
        Diagnostic {
            what: self.to_string(),
            place: mark.map(|mark| mark.place().clone()),
            why: self.why(),
            hint: self.hint(),
        }
    }

    fn why(&self) -> Option<String> {
        let why = match self {
            Self::Limit { misfit, range, .. } => misfit.why(*range).to_owned(),
            Self::Number { why, .. } => return why.map(str::to_owned),
            Self::EmptyList { why, .. }
            | Self::HostName { why, .. }
            | Self::ServiceName { why, .. } => (*why).to_owned(),
            Self::Network { wrong, .. } => return wrong.why().map(str::to_owned),
            Self::SetName { why, .. } => (*why).to_owned(),
            Self::Everybody { .. } => "a restriction to everybody restricts nothing".to_owned(),
            Self::SmtpsOfPlesk { place } => format!(
                "its one rule for SMTP opens 25 and 465 together, and {place} says to enforce by it"
            ),
            Self::Covered { one, other, .. } => format!("`{one}` is in `{other}` already"),
            Self::InboundMail => {
                "servers of everybody else deliver on port 25, which this closes to them".to_owned()
            }
            Self::Name { why, .. } => why.clone(),
            Self::SameName { other_place, .. } => format!("the other one stands at {other_place}"),
            Self::TotalBelow { each_value, .. } => {
                format!("so no address could ever have its {each_value} connections")
            }
            Self::SameSetting {
                other_place,
                other,
                fix,
                ..
            } => match fix {
                SameFix::KeepOne | SameFix::DropInherited => {
                    format!("`{other}` is set at {other_place}")
                }
                SameFix::SetApart { .. } => {
                    format!("`limits.smtp` covers smtps too; see {other_place}")
                }
            },
            Self::TotalBelowTwice {
                total_value,
                each_value,
                ..
            } if total_value == each_value => {
                "one busy address can take every connection".to_owned()
            }
            Self::TotalBelowTwice { .. } => {
                "two busy addresses can take every connection".to_owned()
            }
            Self::TotalOfUnlimited { total_value, .. } => {
                format!("one busy address can take all {total_value} connections")
            }
            Self::NoLayer
            | Self::TooLarge
            | Self::NotUtf8 { .. }
            | Self::Syntax { .. }
            | Self::More { .. }
            | Self::VersionMissing
            | Self::VersionUnknown { .. }
            | Self::UnknownKey { .. }
            | Self::WrongType { .. }
            | Self::Word { .. }
            | Self::Duration { .. }
            | Self::DurationRange { .. }
            | Self::Address { .. }
            | Self::UnknownSet { .. }
            | Self::NotAlone { .. }
            | Self::Incomplete { .. }
            | Self::NothingToDrop { .. }
            | Self::ManagesNothing => return None,
        };
        Some(why)
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoLayer => "name at least one file, or `-` for standard input".to_owned(),
            Self::TooLarge => "is this the right file?".to_owned(),
            Self::NotUtf8 { .. } => "save the file as UTF-8".to_owned(),
            Self::Syntax { hint, .. } => return hint.clone(),
            Self::More { .. } => "correct those above first".to_owned(),
            Self::VersionMissing => "every layer starts with `version = 1`".to_owned(),
            Self::VersionUnknown { .. } => {
                "this version of mailward reads `version = 1`".to_owned()
            }
            Self::UnknownKey { hint, .. }
            | Self::WrongType { hint, .. }
            | Self::Word { hint, .. }
            | Self::Number { hint, .. }
            | Self::Address { hint, .. }
            | Self::Network { hint, .. }
            | Self::UnknownSet { hint, .. }
            | Self::Everybody { hint, .. }
            | Self::Name { hint, .. }
            | Self::ServiceName { hint, .. } => hint.clone(),
            Self::Limit { range, .. } => range.hint(),
            Self::Duration { .. } => {
                "write a whole number and `s`, `m` or `h`, as \"10s\", \"2m\", \"1h\"".to_owned()
            }
            Self::DurationRange { least, .. } => format!("write for example \"{least}\""),
            Self::EmptyList { .. } => {
                "leave the key out, or write \"unmanaged\" to drop an inherited one".to_owned()
            }
            Self::SetName { .. } => {
                "a name begins with a small letter; small letters, digits, `_` and `-` follow, \
                 64 characters in all"
                    .to_owned()
            }
            Self::NotAlone { word, .. } => {
                format!("write \"{word}\" alone, or only sets and networks")
            }
            Self::SmtpsOfPlesk { .. } => {
                "leave `smtps` out, or write `enforce = \"nftables\"` or \"iptables\"".to_owned()
            }
            Self::Covered { .. } => "nothing is wrong with it; it can be taken out".to_owned(),
            Self::InboundMail => "clients that send mail use `submission`; \
                for these on port 465 alone there is `smtps`"
                .to_owned(),
            Self::HostName { hint, .. } | Self::Incomplete { hint, .. } => (*hint).to_owned(),
            Self::TotalBelow {
                each,
                each_value,
                each_place,
                ..
            }
            | Self::TotalBelowTwice {
                each,
                each_value,
                each_place,
                ..
            } => {
                let twice = each_value.saturating_mul(2).min(MAX);
                format!(
                    "`{each}` is {each_value} at {each_place}; {twice} or more leaves room for others"
                )
            }
            Self::SameSetting { fix, other, .. } => match fix {
                SameFix::KeepOne => "keep one of the two".to_owned(),
                SameFix::DropInherited => {
                    format!(
                        "keep one of the two; `{other} = \"unmanaged\"` drops the inherited one"
                    )
                }
                SameFix::SetApart { key } => format!("set it as `{key}` instead"),
            },
            Self::TotalOfUnlimited { each, .. } => {
                format!("give `{each}` a number, half of the total or less")
            }
            Self::SameName { .. } => "keep one of the two".to_owned(),
            Self::NothingToDrop { .. } => {
                "take the line out, or look whether the layers are in the right order".to_owned()
            }
            Self::ManagesNothing => "what it does not name is not touched; \
                a first limit is `[limits.pop3]` with `per_ip = 20`"
                .to_owned(),
        };
        Some(hint)
    }
}

impl Misfit {
    const fn why(self, range: Range) -> &'static str {
        match (self, range) {
            (Self::Zero, Range::Courier) => "Courier's couriertcpd does not start with 0",
            (Self::Negative, Range::Courier) => {
                "Courier's couriertcpd does not start with a negative number"
            }
            (Self::TooLarge, Range::Courier) => "Courier cannot read a number as large as that",
            (Self::Unlimited, Range::Courier | Range::Xinetd) => {
                "Courier, which serves POP3 and IMAP, always has a limit"
            }
            (Self::Zero, Range::Xinetd) => "with 0 the service would refuse everybody",
            (Self::Negative, Range::Xinetd) => "xinetd cannot read a negative limit",
            (Self::TooLarge, Range::Xinetd) => "xinetd would silently make another number of it",
        }
    }
}

impl Range {
    /// What may stand there.
    pub(super) fn hint(self) -> String {
        match self {
            Self::Courier => format!("write a whole number from 1 to {MAX}"),
            Self::Xinetd => format!("write a whole number from 1 to {MAX}, or \"unlimited\""),
        }
    }
}

/// An unknown key of a table.
pub(super) fn unknown(table: &Table, key: &str) -> Problem {
    Problem::UnknownKey {
        key: table.key(key),
        hint: table.instead_of(key),
    }
}

fn covered(key: &str, count: usize) -> String {
    match count {
        1 => format!("`{key}` has a network that another one covers"),
        _ => format!("`{key}` has {count} networks that others cover"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let list: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    match list.len() {
        1 => format!("byte {}", list.join(" ")),
        _ => format!("bytes {}", list.join(" ")),
    }
}
