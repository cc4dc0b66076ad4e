//! What can enforce who may reach the services.

use serde::{Deserialize, Serialize};

/// What enforces allowed source networks on a host.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FilterBackend {
    /// The rules of Plesk's own firewall.
    PleskFirewall,
    /// An own table of nftables.
    Nftables,
    /// An own chain of iptables and ip6tables.
    Iptables,
}

impl FilterBackend {
    /// The name in the manifest and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PleskFirewall => "plesk-firewall",
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        }
    }

    /// What it is, to follow "by".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PleskFirewall => "Plesk's firewall",
            Self::Nftables => "mailward's own nftables table",
            Self::Iptables => "mailward's own iptables chain",
        }
    }
}
