//! Everything that can be wrong with a manifest, and the words for it. Nothing here looks for problems.

mod hint;
mod why;

use crate::failure::Diagnostic;
use crate::model::{AddressFamily, ConnectionLimit};

use super::keys::ManifestTable;
use super::source::LayerMark;

/// Largest number that xinetd and Courier take as it stands.
pub(super) const MAX: u32 = 0x7fff_ffff;

/// Which values a connection limit may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitRange {
    /// couriertcpd's: a number, at least 1.
    Courier,
    /// xinetd's: a number, at least 1, or none at all.
    Xinetd,
}

/// What is wrong with a connection limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitMisfit {
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
pub(super) enum ManifestProblem {
    #[error("no manifest was given")]
    NoLayer,
    #[error("the manifest is larger than 16 MiB")]
    TooLarge,
    #[error("not UTF-8: {}", hex(.bytes))]
    NotUtf8 { bytes: Vec<u8> },
    #[error("this is no manifest, so nothing of it is shown")]
    NoManifest,
    #[error("not TOML: {message}")]
    Syntax { message: String, hint: Option<String> },
    #[error("{count} more problems in this file are not shown")]
    More { count: usize },
    #[error("`version` is missing")]
    VersionMissing,
    #[error("manifest version {found} is not known")]
    VersionUnknown { found: String },
    #[error("`{key}` is not known")]
    UnknownKey { key: String, hint: String },
    #[error("{key} must be {expected}, not {found}")]
    WrongType { key: String, expected: &'static str, found: &'static str, hint: String },
    #[error("`{key}` cannot be {found}")]
    Limit { key: String, found: String, misfit: LimitMisfit, range: LimitRange },
    #[error("`{key}` cannot be \"{found}\"")]
    Word { key: String, found: String, hint: String },
    #[error("`{key}` cannot be {found}")]
    Number { key: String, found: String, why: Option<&'static str>, hint: String },
    #[error("`{key}` is not a duration: \"{found}\"")]
    Duration { key: String, found: String },
    #[error("`{key}` must be between {least} and {most}")]
    DurationRange { key: String, least: &'static str, most: &'static str },
    #[error("`{key}` is an empty list")]
    EmptyList { key: String, why: &'static str },
    #[error("\"{found}\" cannot be the name of a host")]
    HostName { found: String, why: &'static str, hint: &'static str },
    #[error("\"{found}\" is not an IP address")]
    Address { found: String, hint: String },
    #[error("\"{found}\" {wrong}")]
    Network { found: String, wrong: WrongNetwork, hint: String },
    #[error("\"{found}\" cannot be the name of a set of networks")]
    SetName { found: String, why: &'static str },
    #[error("there is no set \"{found}\"")]
    UnknownSet { found: String, hint: String },
    #[error("`{key}` has \"{word}\" beside others")]
    NotAlone { key: String, word: &'static str },
    #[error("`{key}` is every {family} address")]
    Everybody { key: String, family: AddressFamily, hint: String },
    #[error("Plesk's firewall cannot set `smtps` apart from `smtp`")]
    SmtpsOfPlesk { place: String },
    #[error("{}", covered(.key, *.count))]
    Covered { key: String, count: usize, one: String, other: String },
    #[error("`access.allow.smtp` decides who may deliver mail to this host")]
    InboundMail,
    #[error("\"{found}\" cannot be the name of an xinetd service")]
    ServiceName { found: String, why: &'static str, hint: String },
    #[error("`{key}` needs `{missing}` too")]
    Incomplete { key: String, missing: &'static str, hint: &'static str },
    #[error("`{total}` is {total_value}, which is less than `{each}`")]
    TotalBelow { total: String, total_value: u32, each: String, each_value: u32, each_place: String },
    #[error("`{one}` and `{other}` are the same setting")]
    SameSetting { one: String, other: String, other_place: String, fix: SameFix },
    #[error("\"{found}\" cannot be {what}")]
    Name { found: String, what: &'static str, why: String, hint: String },
    #[error("`{one}` and `{other}` are the same {what}")]
    SameName { one: String, other: String, other_place: String, what: &'static str },
    #[error("`{total}` is {total_value}, which is less than twice `{each}`")]
    TotalBelowTwice { total: String, total_value: u32, each: String, each_value: u32, each_place: String },
    #[error("`{total}` limits all clients, `{each}` none of them")]
    TotalOfUnlimited { total: String, each: String, total_value: ConnectionLimit },
    #[error("there is nothing to drop: no earlier layer sets `{key}`")]
    NothingToDrop { key: String },
    #[error("{}: one run is for one host", many_hosts(.layers))]
    ManyHosts { layers: Vec<(String, Vec<String>)> },
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
    Everything(AddressFamily),
    #[error("is no address that anybody has")]
    Unspecified,
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

impl ManifestProblem {
    /// The problem as a person is told it.
    pub(super) fn diagnostic(&self, mark: Option<&LayerMark>) -> Diagnostic {
        Diagnostic {
            what: self.to_string(),
            place: mark.map(|mark| mark.place().clone()),
            why: self.why(),
            hint: self.hint(),
        }
    }
}

/// An unknown key of a table.
pub(super) fn unknown(table: &ManifestTable, key: &str) -> ManifestProblem {
    ManifestProblem::UnknownKey { key: table.key(key), hint: table.instead_of(key) }
}

fn covered(key: &str, count: usize) -> String {
    match count {
        1 => format!("`{key}` has a network that another one covers"),
        _ => format!("`{key}` has {count} networks that others cover"),
    }
}

/// Most layers, and most names of one, that a message lists.
const LISTED: usize = 4;

/// Which layer is for which hosts.
fn many_hosts(layers: &[(String, Vec<String>)]) -> String {
    let mut words = String::new();
    for (index, (layer, names)) in layers.iter().take(LISTED).enumerate() {
        let begin = if index == 0 { "" } else { ", " };
        let is = if index == 0 { " is" } else { "" };
        let shown: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
        let shown = shown.join(" or ");
        let rest = match names.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" or {more} more"),
        };
        words.push_str(&format!("{begin}{layer}{is} for {shown}{rest}"));
    }
    match layers.len().saturating_sub(LISTED) {
        0 => words,
        more => format!("{words}, {more} more for others"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let list: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    match list.len() {
        1 => format!("byte {}", list.join(" ")),
        _ => format!("bytes {}", list.join(" ")),
    }
}
