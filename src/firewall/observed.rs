//! What was read of a host's packet filters: all rules that decide about its mail ports, mailward's own among
//! them, the rules of Plesk's firewall, and who else is at work there.
//!
//! What cannot be read is told as such and never taken for nothing.

pub mod ipvs;
pub(super) mod layers;
mod plesk;
mod read;
mod reply;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::layers::{FilterLayer, FilterLayers, NetfilterHook, PacketDecider, RuleOwner, RulePlace};
pub(crate) use self::plesk::PleskAnswers;
pub use self::plesk::{PleskFirewall, PleskFirewallState};
pub use self::read::{LegacyTableNames, RawFilters};
use super::ends::{LocalAddressEvidence, NatEnds};
use super::{iptables, nft};
use crate::facts::tools::{FilterTools, IptablesVariant};
use crate::model::AddressFamily;

/// The packet filters of a host.
#[derive(Debug, Clone)]
pub struct ObservedFirewall {
    /// The commands, and the kernel.
    pub tools: FilterTools,
    /// All that a TCP packet to the host goes through.
    pub layers: Result<FilterLayers, RulesUnread>,
    /// The table of nftables that has mailward's name.
    pub own_nft: Result<Option<nft::NftTable>, RulesUnread>,
    /// mailward's own chains of iptables, of each family, at most one entry for each half of the kernel and
    /// each end.
    pub own_iptables: BTreeMap<AddressFamily, Result<Vec<OwnChains>, RulesUnread>>,
    /// Where chains of iptables have mailward's names and are somebody else's.
    pub foreign_iptables: BTreeSet<(AddressFamily, IptablesVariant, iptables::NatEnd)>,
    /// What plain `iptables` and `ip6tables` work on, where that is known.
    pub plain: BTreeMap<AddressFamily, IptablesVariant>,
    /// Plesk's firewall, where its command exists.
    pub plesk: Option<PleskFirewall>,
    /// Others that make rules.
    pub neighbours: BTreeSet<NeighbourProgram>,
    /// The ports on which sshd listens, or something else for it; empty where that is not known.
    pub ssh_ports: BTreeSet<u16>,
    /// Where that is not known: the mail ports on which something listens that may be sshd.
    pub may_be_ssh: Option<BTreeSet<u16>>,
    /// Where somebody could get in anew.
    pub entrances: BTreeSet<PacketEntrance>,
    /// What there is to see of whether the kernel can tell its own addresses from others'.
    pub shows: LocalAddressEvidence,
    /// Whether any interface has an IPv6 address (`/proc/net/if_inet6`).
    pub speaks_ipv6: bool,
    /// Whether the kernel could: `/proc/net/if_inet6` is there.
    pub has_ipv6: bool,
}

/// Where somebody gets into a host whom no rule for mail ports keeps out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PacketEntrance {
    /// sshd listens.
    Ssh,
    /// A login waits, or somebody is logged in, at a console.
    Console,
}

/// mailward's own chains of one family in one half of the kernel, at one end of address translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnChains {
    /// In which half.
    pub variant: IptablesVariant,
    /// At which end.
    pub end: iptables::NatEnd,
    /// The chains.
    pub own: iptables::OwnFamilyChains,
}

/// Why rules are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesUnread {
    /// A command did not print them.
    #[error("`{command}` does not tell: {reason}")]
    Command {
        /// With its arguments.
        command: String,
        /// What it said, or what is wrong with what it printed.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The kernel has tables that no command here shows.
    #[error("the kernel has tables of {family} ({tables}), and no {command} is there to show them")]
    NoCommand {
        /// `iptables` or `ip6tables`.
        family: &'static str,
        /// Their names.
        tables: String,
        /// The command that would.
        command: String,
    },
}

impl RulesUnread {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Command { reason, .. } | Self::File { reason, .. }
                if ["ermission", "ermitted", "root"].iter().any(|word| reason.contains(word)) =>
            {
                "packet filters are shown to root alone".to_owned()
            }
            Self::Command { command, .. } => format!("see what `{command}` prints on the host"),
            Self::File { path, .. } => format!("see what stands at {path}"),
            Self::NoCommand { command, .. } => format!("install {command}"),
        }
    }
}

/// A program that makes packet filter rules beside mailward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeighbourProgram {
    /// ConfigServer Security & Firewall.
    Csf,
    /// Advanced Policy Firewall.
    Apf,
    /// firewalld.
    Firewalld,
    /// Imunify360.
    Imunify,
    /// Docker.
    Docker,
}

impl NeighbourProgram {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csf => "csf",
            Self::Apf => "apf",
            Self::Firewalld => "firewalld",
            Self::Imunify => "imunify",
            Self::Docker => "docker",
        }
    }

    /// What its presence means, in one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Csf => {
                "CSF loads iptables rules of its own and flushes others' when it restarts; what it closes stays closed \
                 whatever mailward opens"
            }
            Self::Apf => {
                "APF loads iptables rules of its own and flushes others' when it restarts; what it closes stays closed \
                 whatever mailward opens"
            }
            Self::Firewalld => {
                "firewalld makes rules of its own; what it closes stays closed whatever mailward opens, and Plesk advises \
                 against it beside its own firewall"
            }
            Self::Imunify => {
                "Imunify360 makes rules of its own, and Plesk's firewall removes its jumps from INPUT whenever it applies"
            }
            Self::Docker => {
                "Docker forwards ports by rules of its own, which Plesk's firewall flushes whenever it applies: then its \
                 containers are cut off until Docker restarts"
            }
        }
    }
}

impl ObservedFirewall {
    /// Why the rules of the kernel are not known, if so, each reason once.
    #[must_use]
    pub fn unread(&self) -> Vec<&RulesUnread> {
        let mut unread = Vec::new();
        let own = self.own_iptables.values().map(|own| own.as_ref().err());
        for reason in
            [self.layers.as_ref().err(), self.own_nft.as_ref().err()].into_iter().chain(own).flatten()
        {
            if !unread.contains(&reason) {
                unread.push(reason);
            }
        }
        unread
    }

    /// The ends of address translation at which the own table of nftables can stand here.
    #[must_use]
    pub fn ends_of_nftables(&self) -> NatEnds {
        self.shows.of_nftables(&self.tools.kernel)
    }

    /// Those at which the own chains of iptables of a family can.
    #[must_use]
    pub fn ends_of_iptables(&self, family: AddressFamily) -> NatEnds {
        self.shows.of_iptables(&self.tools.kernel, family)
    }

    /// mailward's own chains of a family.
    ///
    /// # Errors
    /// [`RulesUnread`] where that is not known.
    pub fn own_chains(&self, family: AddressFamily) -> Result<&[OwnChains], &RulesUnread> {
        match self.own_iptables.get(&family) {
            None => Ok(&[]),
            Some(chains) => chains.as_deref(),
        }
    }
}
