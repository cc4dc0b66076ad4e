//! `[networks]` and `[access]`: which source addresses may reach which mail service.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Declared, Networks};

/// A mail service as `[access.allow]` names it: a set of TCP ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailService {
    /// IMAP, with and without TLS.
    Imap,
    /// POP3, with and without TLS.
    Pop3,
    /// SMTP as other servers deliver mail, and over TLS unless that is set apart.
    Smtp,
    /// SMTP over TLS (port 465) alone.
    Smtps,
    /// Message submission.
    Submission,
}

impl MailService {
    /// All services, in the order of their names.
    pub const ALL: [Self; 5] = [Self::Imap, Self::Pop3, Self::Smtp, Self::Smtps, Self::Submission];

    /// The name in the manifest and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Submission => "submission",
        }
    }

    /// Its TCP ports, sorted; of `smtp` as long as `smtps` is not set apart.
    #[must_use]
    pub const fn ports(self) -> &'static [u16] {
        match self {
            Self::Imap => &[143, 993],
            Self::Pop3 => &[110, 995],
            Self::Smtp => &[25, 465],
            Self::Smtps => &[465],
            Self::Submission => &[587],
        }
    }
}

impl fmt::Display for MailService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who may reach a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AllowedSources {
    /// Every address.
    Anyone,
    /// No address, loopback apart.
    Nobody,
    /// These alone; never empty when it comes from a manifest.
    Only(Networks),
}

impl AllowedSources {
    /// The addresses that may.
    #[must_use]
    pub fn networks(&self) -> Networks {
        match self {
            Self::Anyone => Networks::everything(),
            Self::Nobody => Networks::default(),
            Self::Only(networks) => networks.clone(),
        }
    }
}

/// The name of a set of networks: `[a-z][a-z0-9_-]*`, up to 64 characters, and none of the words that stand
/// for sets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SetName(String);

/// A text that cannot be a [`SetName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotASetName {
    /// What is wrong with it.
    pub why: &'static str,
}

impl SetName {
    /// The most characters of a name.
    pub const LONGEST: usize = 64;

    /// Checks a text.
    ///
    /// # Errors
    /// [`NotASetName`] says what is wrong.
    pub fn new(text: impl Into<String>) -> Result<Self, NotASetName> {
        let text = text.into();
        let why = if text.is_empty() {
            "it is empty"
        } else if text.len() > Self::LONGEST {
            "it is too long"
        } else if matches!(text.as_str(), "anyone" | "nobody" | "unmanaged") {
            "the word has a meaning of its own"
        } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            "it has capital letters"
        } else if !text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
        {
            "it has a character that names of sets do not have"
        } else if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            "it does not begin with a letter"
        } else {
            return Ok(Self(text));
        };
        Err(NotASetName { why })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SetName {
    type Error = NotASetName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<SetName> for String {
    fn from(name: SetName) -> Self {
        name.0
    }
}

/// What enforces `[access]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnforcedBy {
    /// Whatever fits the host.
    Auto,
    /// The rules of Plesk's own firewall.
    PleskFirewall,
    /// An own table of nftables.
    Nftables,
    /// An own chain of iptables and ip6tables.
    Iptables,
}

impl EnforcedBy {
    /// All of them, as they are listed for people.
    pub const ALL: [Self; 4] = [Self::Auto, Self::PleskFirewall, Self::Nftables, Self::Iptables];

    /// The name in the manifest and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::PleskFirewall => "plesk-firewall",
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        }
    }
}

/// Who may reach a service, with the sets that are named for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAllow {
    /// All addresses together.
    pub allowed: AllowedSources,
    /// The sets that are part of it, sorted; addresses that are written out have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<SetName>,
}

/// `[access]`: which addresses may reach which mail service. A service that is not in it is left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessTable {
    /// `enforce`; [`EnforcedBy::Auto`] where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce: Option<Declared<EnforcedBy>>,
    /// `[access.allow]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub allow: BTreeMap<MailService, Declared<ServiceAllow>>,
}

impl AccessTable {
    /// Whether there is nothing in it at all.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The ports that a service's entry speaks of: `smtp` leaves 465 to `smtps` where that has an entry of
    /// its own.
    #[must_use]
    pub fn ports(&self, service: MailService) -> &'static [u16] {
        match service {
            MailService::Smtp if self.allow.contains_key(&MailService::Smtps) => &[25],
            MailService::Imap
            | MailService::Pop3
            | MailService::Smtp
            | MailService::Smtps
            | MailService::Submission => service.ports(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sets_are_words_that_nothing_reads_otherwise() {
        for good in ["office", "a", "vpn-2", "x_y"] {
            assert!(SetName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Office",
            "2vpn",
            "-a",
            "_a",
            "a b",
            "a;b",
            "$(id)",
            "`id`",
            "a\n",
            "größe",
            "a.b",
            "anyone",
            "nobody",
            "unmanaged",
            &"x".repeat(65),
        ] {
            assert!(SetName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn smtps_set_apart_takes_its_port_from_smtp() {
        let entry = |allowed| Declared {
            value: ServiceAllow { allowed, sets: Vec::new() },
            origin: crate::model::ManifestOrigin {
                layer: "m".into(),
                line: 1,
                column: 1,
                text: String::new(),
            },
        };
        let mut access = AccessTable::default();
        access.allow.insert(MailService::Smtp, entry(AllowedSources::Anyone));
        assert_eq!(access.ports(MailService::Smtp), [25, 465]);
        access.allow.insert(MailService::Smtps, entry(AllowedSources::Nobody));
        assert_eq!(access.ports(MailService::Smtp), [25]);
        assert_eq!(access.ports(MailService::Smtps), [465]);
    }
}
