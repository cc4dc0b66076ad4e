//! Changes of who may reach mail services: the rules that enforce it, what brings them back at boot, and
//! rules that go.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

pub use super::backend::FilterBackend;
use super::boot::way_of;
use crate::firewall::methods::{BootMethod, LoadMethod, RetireMethod};
use crate::model::{AllowedSources, HostPath, MailService, ManifestOrigin, Networks};

/// Who may reach services changes. It goes live provisionally, and back by itself unless it is confirmed in
/// time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirewallStep {
    /// What enforces it.
    pub way: FilterBackend,
    /// Each service whose rules change.
    #[serde(rename = "gates")]
    pub allowlists: Vec<AllowlistChange>,
    /// Who gains or loses which service by it, all other rules of the host considered; differs from host to
    /// host.
    pub effects: Vec<ReachChange>,
    /// How long it stays without a confirmation, in seconds.
    pub confirm_within: u32,
    /// Why.
    pub causes: Vec<FirewallCause>,
    /// How it is done on this host; never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub how: Option<Box<LoadMethod>>,
    /// How a boot is made to take back what nobody confirms, before it goes live; none where it does already.
    /// Never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub guard: Option<Box<BootMethod>>,
}

/// Who may reach one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowlistChange {
    /// The service.
    #[schemars(with = "String")]
    pub service: MailService,
    /// Its TCP ports.
    pub ports: Vec<u16>,
    /// By the same rules before: `"anyone"`, `"nobody"`, or `{ "only": [networks] }`; none where they do not
    /// tell.
    #[schemars(with = "serde_json::Value")]
    pub from: Option<AllowedSources>,
    /// Afterwards.
    #[schemars(with = "serde_json::Value")]
    pub to: AllowedSources,
}

/// What changes for new connections to ports that change alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReachChange {
    /// The service.
    #[schemars(with = "String")]
    pub service: MailService,
    /// The ports.
    pub ports: Vec<u16>,
    /// Who may connect afterwards and could not before.
    pub gains: AddressExtent,
    /// Who could connect before and may not afterwards.
    pub loses: AddressExtent,
    /// Whose case changes, but of whom it cannot be told before or afterwards.
    pub unclear: AddressExtent,
}

/// Addresses, by the shorter of two lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressExtent {
    /// These.
    Only(#[schemars(with = "Vec<String>")] Networks),
    /// All but these.
    AllBut(#[schemars(with = "Vec<String>")] Networks),
}

impl AddressExtent {
    /// Chooses the shorter list.
    #[must_use]
    pub fn of(networks: Networks) -> Self {
        let others = Networks::everything().difference(&networks);
        if others.iter().count() < networks.iter().count() {
            Self::AllBut(others)
        } else {
            Self::Only(networks)
        }
    }

    /// The addresses.
    #[must_use]
    pub fn networks(&self) -> Networks {
        match self {
            Self::Only(networks) => networks.clone(),
            Self::AllBut(others) => Networks::everything().difference(others),
        }
    }
}

/// Why rules change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum FirewallCause {
    /// The manifest declares who may reach a service.
    Declared {
        /// The service.
        #[schemars(with = "String")]
        service: MailService,
        /// The place in the manifest.
        #[schemars(with = "serde_json::Value")]
        origin: ManifestOrigin,
    },
    /// The rules are not those that mailward makes: somebody has changed them.
    RulesDiffer,
    /// The rules are not in the kernel, though they shall come back at boot: somebody has removed them.
    RulesGone,
    /// The rules in force are not those that were confirmed last, whatever brought them.
    NeverConfirmed,
}

/// What a boot does about the own rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootStep {
    /// Whether they come back.
    pub boot: BootHook,
    /// Which rules.
    pub way: FilterBackend,
    /// The files that are written or removed.
    #[schemars(with = "Vec<String>")]
    pub paths: Vec<HostPath>,
    /// How it is done on this host; never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub how: Option<Box<BootMethod>>,
}

/// Whether the own rules come back at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BootHook {
    /// They do.
    Restores,
    /// They cannot, on this host; they are written down as what was confirmed.
    Records,
    /// They do not.
    Forgets,
}

/// Own rules go, since something else enforces what they did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireStep {
    /// Which rules.
    pub way: FilterBackend,
    /// What enforces it instead.
    pub instead: FilterBackend,
    /// How it is done on this host; never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub how: Option<Box<RetireMethod>>,
}

impl FirewallStep {
    /// What it does, as the fingerprint has it.
    pub(crate) fn fingerprinted(&self) -> Json {
        let Self { way, allowlists, effects: _, confirm_within, causes: _, how: _, guard: _ } = self;
        // How long rules stay without a confirmation, as far as the manifest decides it.
        let within = match way {
            FilterBackend::Nftables | FilterBackend::Iptables => Some(confirm_within),
            // Each panel has a window of its own.
            FilterBackend::PleskFirewall => None,
        };
        json!({ "sources": allowlists, "way": way, "within": within })
    }

    /// What of it must have been agreed.
    pub(crate) fn agreed(&self) -> Json {
        // Who else is banned or let in may change at any time.
        let Self { way, allowlists, effects: _, confirm_within, causes: _, how: _, guard: _ } = self;
        json!({ "way": way, "gates": allowlists, "confirm_within": confirm_within })
    }
}

impl BootStep {
    /// What it does, as the fingerprint has it.
    pub(crate) fn fingerprinted(&self) -> Json {
        let Self { boot, way, paths: _, how: _ } = self;
        json!({ "boot": boot, "way": way })
    }

    /// What of it must have been agreed.
    pub(crate) fn agreed(&self) -> Json {
        let Self { boot, way, paths, how: _ } = self;
        // The hook itself may be there already, from a change that was taken back.
        let rules: Vec<_> = paths.iter().filter(|path| way_of(path).is_some()).collect();
        json!({ "boot": boot, "way": way, "rules": rules })
    }
}

impl RetireStep {
    /// What it does, as the fingerprint has it.
    pub(crate) fn fingerprinted(&self) -> Json {
        let Self { way, instead, how: _ } = self;
        json!({ "retire": way, "instead": instead })
    }

    /// What of it must have been agreed.
    pub(crate) fn agreed(&self) -> Json {
        self.fingerprinted()
    }
}
