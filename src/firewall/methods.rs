//! How a planned change of rules is carried out on one host: programs and complete texts, nothing left to
//! decide.

use super::PortAllowlist;
use super::iptables::PresentChains;
use super::plesk::{PleskRule, PleskRuleChange};
use crate::host::{ExecutePermission, HostCommand};
use crate::model::{AddressFamily, HostPath};

/// How rules are made live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadMethod {
    /// One script for `nft -f`.
    Nftables {
        /// The program.
        nft: HostPath,
        /// The script.
        script: String,
        /// What the kernel must have afterwards.
        allowlists: Vec<PortAllowlist>,
        /// The script of what was confirmed last, which the change goes back to where the rules in force were
        /// never confirmed; none where it goes back to those.
        back: Option<String>,
    },
    /// One script a family for `iptables-restore --noflush`.
    Iptables {
        /// The families that the kernel has.
        families: Vec<FamilyLoadMethod>,
        /// What the kernel must have afterwards.
        allowlists: Vec<PortAllowlist>,
    },
    /// Changes of the vendor's rules, which its own command makes live.
    PleskFirewall {
        /// The vendor's command.
        command: HostCommand,
        /// The changes.
        changes: Vec<PleskRuleChange>,
        /// The whole list before.
        before: Vec<PleskRule>,
        /// The whole list afterwards, which the kernel must do then.
        list: Vec<PleskRule>,
        /// What the kernel must do beyond that, since a list leaves open what becomes of a family without
        /// sources.
        allowlists: Vec<PortAllowlist>,
    },
}

/// How the rules of one family are made live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyLoadMethod {
    /// Which.
    pub family: AddressFamily,
    /// `iptables-restore` or `ip6tables-restore`.
    pub restore: HostPath,
    /// `iptables-save` or `ip6tables-save`.
    pub save: HostPath,
    /// What of the own chains is there before.
    pub present: PresentChains,
    /// The script; none where nothing changes.
    pub script: Option<String>,
    /// The script of what was confirmed last, empty where nothing was, which the change goes back to where
    /// the rules in force were never confirmed; none where it goes back to those.
    pub back: Option<String>,
}

/// How a boot is made to bring rules back, or to forget them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootMethod {
    /// Files of mailward's state that are written: path and content.
    pub save: Vec<(HostPath, String)>,
    /// The hook's own file: path, content, and whether it is to be executed.
    pub put: Option<(HostPath, String, ExecutePermission)>,
    /// Commands that follow.
    pub run: Vec<HostCommand>,
    /// Files that are removed, after the commands.
    pub remove: Vec<HostPath>,
}

/// How own rules are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetireMethod {
    /// One script for `nft -f`.
    Nftables {
        /// The program.
        nft: HostPath,
    },
    /// One script a family for `iptables-restore --noflush`.
    Iptables {
        /// Each family: the program, and the script.
        families: Vec<(AddressFamily, HostPath, String)>,
    },
}
