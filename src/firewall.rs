//! Allowed source networks: packet filter rules as they are and as they shall be, and what a change of them
//! does.
//!
//! Pure: texts in, rules and texts out. `rules` is the model in which all filters are compared and evaluated;
//! `nft`, `iptables` and `plesk` each know one filter; `effect` says who gains or loses what. Nothing here
//! runs a command.

pub mod allowlists;
pub mod backend;
pub mod boot;
pub mod checkpoint;
pub mod confirmed;
pub mod effect;
pub mod ends;
pub mod former;
pub mod iptables;
pub mod methods;
pub mod nft;
pub mod note;
pub mod observed;
pub mod plan;
pub mod plesk;
pub mod recall;
pub mod rules;
pub mod show;
pub mod sshd;
pub mod step;
pub mod text;

pub use self::ends::NatEnds;
use crate::model::{AccessTable, AddressFamily, AllowedSources, MailService, Networks};

/// Who shall reach the ports of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortAllowlist {
    /// The service.
    pub service: MailService,
    /// Its TCP ports, sorted; `smtp` without 465 where `smtps` is set apart.
    pub ports: &'static [u16],
    /// Who may reach it, loopback apart.
    pub allowed: AllowedSources,
}

impl PortAllowlist {
    /// The addresses of a family that may reach it; none means that everybody may.
    #[must_use]
    pub fn only(&self, family: AddressFamily) -> Option<Networks> {
        match &self.allowed {
            AllowedSources::Anyone => None,
            AllowedSources::Nobody => Some(Networks::default()),
            AllowedSources::Only(networks) => Some(networks.of_family(family)),
        }
    }
}

/// The allowlists that a manifest declares, in the order of the services' names.
#[must_use]
pub fn allowlists(access: &AccessTable) -> Vec<PortAllowlist> {
    access
        .allow
        .iter()
        .map(|(service, allow)| PortAllowlist {
            service: *service,
            ports: access.ports(*service),
            allowed: allow.value.allowed.clone(),
        })
        .collect()
}
