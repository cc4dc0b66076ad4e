//! The nouns that every part shares: names, numbers and places that have been checked once.
//!
//! Nothing here reads or writes anything.

mod access;
pub mod address;
mod networks;
pub mod printable;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use self::access::{
    AccessTable, AllowedSources, EnforcedBy, MailService, NotASetName, ServiceAllow, SetName,
};
pub use self::networks::{AddressFamily, Network, Networks, NotANetwork};

/// An absolute path on the host, without `.` or `..` components and without NUL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPath(String);

/// A text that cannot be a [`HostPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an absolute path without `.`, `..`, empty components or NUL")]
pub struct NotAHostPath(pub String);

impl HostPath {
    /// Checks a text.
    ///
    /// # Errors
    /// [`NotAHostPath`] unless it is absolute, normal and free of NUL.
    pub fn new(text: impl Into<String>) -> Result<Self, NotAHostPath> {
        let text = text.into();
        let normal = text.len() > 1
            && text.starts_with('/')
            && !text.contains('\0')
            && text[1..].split('/').all(|part| !matches!(part, "" | "." | ".."));
        if normal { Ok(Self(text)) } else { Err(NotAHostPath(text)) }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of `name` inside this folder.
    ///
    /// # Errors
    /// [`NotAHostPath`] unless `name` is a single normal component or several.
    pub fn join(&self, name: &str) -> Result<Self, NotAHostPath> {
        Self::new(format!("{}/{name}", self.0))
    }

    /// The last component.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder that holds this path; `None` directly below the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let cut = self.0.rfind('/')?;
        (cut > 0).then(|| Self(self.0[..cut].to_owned()))
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HostPath {
    type Error = NotAHostPath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<HostPath> for String {
    fn from(path: HostPath) -> Self {
        path.0
    }
}

/// A mail service as the manifest names it under `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// POP3, and POP3 over TLS unless that is set apart.
    Pop3,
    /// POP3 over TLS (port 995) alone.
    Pop3s,
    /// IMAP, and IMAP over TLS unless that is set apart.
    Imap,
    /// IMAP over TLS (port 993) alone.
    Imaps,
    /// SMTP (port 25), and SMTP over TLS unless that is set apart.
    Smtp,
    /// SMTP over TLS (port 465) alone.
    Smtps,
    /// Message submission (port 587).
    Submission,
    /// FTP, which xinetd serves beside mail on a Plesk host.
    Ftp,
}

impl Service {
    /// All services, in the order of their names.
    pub const ALL: [Self; 8] = [
        Self::Ftp,
        Self::Imap,
        Self::Imaps,
        Self::Pop3,
        Self::Pop3s,
        Self::Smtp,
        Self::Smtps,
        Self::Submission,
    ];

    /// The name that the manifest, `/etc/services` and xinetd use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Submission => "submission",
            Self::Ftp => "ftp",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A connection limit: a number, or none at all; the order is for sorting only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionLimit {
    /// No limit.
    Unlimited,
    /// At most so many connections; xinetd refuses everybody at 0.
    #[serde(untagged)]
    Number(u32),
}

impl fmt::Display for ConnectionLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// A connection rate in xinetd's terms (`cps`): above `rate` connections a second the service pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionRate {
    /// Connections a second.
    pub rate: u32,
    /// How long the service then refuses, in seconds.
    pub pause: u32,
}

impl fmt::Display for ConnectionRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rate, self.pause)
    }
}

/// Where a manifest declares something.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestOrigin {
    /// The layer: the file as given on the command line, or `<stdin>`.
    pub layer: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted in characters from 1.
    pub column: u32,
    /// The line as it stands there, for messages.
    pub text: String,
}

/// A value with the place that declares it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared<T> {
    /// The checked value.
    pub value: T,
    /// The place in the manifest.
    pub origin: ManifestOrigin,
}

impl<T> Declared<T> {
    /// The same value, declared nowhere.
    fn anywhere(self) -> Self {
        Self { value: self.value, origin: ManifestOrigin::default() }
    }
}

/// The limits of a service in its own terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceLimits {
    /// Connections at once from one address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_ip: Option<Declared<ConnectionLimit>>,
    /// Connections at once in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Declared<ConnectionLimit>>,
}

/// The limits of an xinetd service, or of its `defaults`, in xinetd's own terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XinetdLimits {
    /// `per_source`: connections at once from one address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_source: Option<Declared<ConnectionLimit>>,
    /// `instances`: connections at once in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Declared<ConnectionLimit>>,
    /// `cps`: connections a second, and the pause above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cps: Option<Declared<ConnectionRate>>,
}

impl XinetdLimits {
    /// What it says, wherever that is declared.
    fn without_places(self) -> Self {
        let Self { per_source, instances, cps } = self;
        Self {
            per_source: per_source.map(Declared::anywhere),
            instances: instances.map(Declared::anywhere),
            cps: cps.map(Declared::anywhere),
        }
    }
}

/// How many accounts one run may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountCap {
    /// A share of all accounts, 1 to 100.
    Percent(u8),
    /// A number of accounts, at least 1.
    Accounts(u32),
}

/// `[safety]`: what a plan may not do, and how long a change of access waits for its confirmation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafetyRules {
    /// `max_account_changes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_account_changes: Option<Declared<AccountCap>>,
    /// `confirm_within`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within: Option<Declared<u32>>,
    /// `must_reach`: addresses that no planned rule may shut out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_reach: Vec<Declared<IpAddr>>,
}

/// Whether a mail user may log in to the panel; `true` and `false` in manifests and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum PanelLogin {
    /// The user may not.
    Denied,
    /// The user may.
    Granted,
}

impl PanelLogin {
    /// The word that manifests, JSON and the panel's command use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Denied => "false",
            Self::Granted => "true",
        }
    }

    /// The opposite.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Denied => Self::Granted,
            Self::Granted => Self::Denied,
        }
    }
}

impl From<bool> for PanelLogin {
    fn from(may: bool) -> Self {
        if may { Self::Granted } else { Self::Denied }
    }
}

impl From<PanelLogin> for bool {
    fn from(access: PanelLogin) -> Self {
        match access {
            PanelLogin::Denied => false,
            PanelLogin::Granted => true,
        }
    }
}

/// What an account or a domain of the manifest is that the host lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingAccounts {
    /// An error: no plan is made.
    Error,
    /// A note.
    Note,
}

impl MissingAccounts {
    /// The word that manifests and JSON use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Note => "note",
        }
    }
}

/// `[panel_access]`: which mail users may log in to the panel. An account beats its domain, which beats the
/// default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelAccess {
    /// `default`; without it, accounts that nothing else names are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Declared<PanelLogin>>,
    /// `missing`; an error where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Declared<MissingAccounts>>,
    /// `[panel_access.domains]`, by the domain's ASCII form in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub domains: BTreeMap<String, Declared<PanelLogin>>,
    /// `[panel_access.accounts]`, by the address in lower case with the domain's ASCII form.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accounts: BTreeMap<String, Declared<PanelLogin>>,
}

impl PanelAccess {
    /// Whether it decides about no account.
    #[must_use]
    pub fn decides_nothing(&self) -> bool {
        let Self { default, missing: _, domains, accounts } = self;
        default.is_none() && domains.is_empty() && accounts.is_empty()
    }
}

impl PanelAccess {
    /// Whether there is nothing in it at all.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The checked manifest; knows no host.
///
/// It is read back from a file only by way of the manifest's reader, whose checks hold wherever it comes
/// from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Desired {
    /// The names a host must have one of; empty without a guard. Lower case.
    pub host: Vec<Declared<String>>,
    /// `[limits.*]`.
    pub limits: BTreeMap<Service, ServiceLimits>,
    /// `[xinetd.defaults]`.
    pub xinetd_defaults: XinetdLimits,
    /// `[xinetd.services.*]`, by the service's name.
    pub xinetd_services: BTreeMap<String, XinetdLimits>,
    /// `[access]`, with the sets of `[networks]` put in.
    #[serde(skip_serializing_if = "AccessTable::says_nothing")]
    pub access: AccessTable,
    /// `[panel_access]`.
    #[serde(skip_serializing_if = "PanelAccess::says_nothing")]
    pub panel_access: PanelAccess,
    /// `[safety]`.
    pub safety: SafetyRules,
}

impl Desired {
    /// What of it is about who may reach mail services, with the guards that concern that.
    #[must_use]
    pub fn only_access(&self) -> Self {
        Self {
            host: self.host.clone(),
            access: self.access.clone(),
            safety: self.safety.clone(),
            ..Self::default()
        }
    }

    /// What it says, wherever that is declared: for comparing.
    #[must_use]
    pub(crate) fn without_places(self) -> Self {
        let Self {
            host,
            limits,
            xinetd_defaults,
            xinetd_services,
            access: AccessTable { enforce, allow },
            panel_access,
            safety,
        } = self;
        let PanelAccess { default, missing, domains, accounts } = panel_access;
        let SafetyRules { max_account_changes, confirm_within, must_reach } = safety;
        Self {
            host: host.into_iter().map(Declared::anywhere).collect(),
            limits: map(limits, |ServiceLimits { per_ip, total }| ServiceLimits {
                per_ip: per_ip.map(Declared::anywhere),
                total: total.map(Declared::anywhere),
            }),
            xinetd_defaults: xinetd_defaults.without_places(),
            xinetd_services: map(xinetd_services, XinetdLimits::without_places),
            access: AccessTable {
                enforce: enforce.map(Declared::anywhere),
                allow: map(allow, Declared::anywhere),
            },
            panel_access: PanelAccess {
                default: default.map(Declared::anywhere),
                missing: missing.map(Declared::anywhere),
                domains: map(domains, Declared::anywhere),
                accounts: map(accounts, Declared::anywhere),
            },
            safety: SafetyRules {
                max_account_changes: max_account_changes.map(Declared::anywhere),
                confirm_within: confirm_within.map(Declared::anywhere),
                must_reach: must_reach.into_iter().map(Declared::anywhere).collect(),
            },
        }
    }
}

fn map<K: Ord, V>(entries: BTreeMap<K, V>, change: fn(V) -> V) -> BTreeMap<K, V> {
    let entries = entries.into_iter();
    entries.map(|(key, value)| (key, change(value))).collect()
}

/// A path known when mailward was built, checked by a test.
///
/// The `const` texts of this crate are all absolute and normal.
#[must_use]
pub(crate) fn known(text: &str) -> HostPath {
    debug_assert!(HostPath::new(text).is_ok(), "{text}");
    HostPath(text.to_owned())
}

/// The host that a plan is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostId {
    /// The node name.
    pub name: Option<String>,
    /// The machine's id.
    pub machine_id: Option<String>,
}
