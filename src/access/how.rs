//! How a planned change of rules is carried out on one host: programs and complete texts, nothing left to decide.

use super::Gate;
use super::iptables::Presents;
use super::plesk::{PleskRule, SetRule};
use crate::host::{Command, Executable};
use crate::model::{Family, HostPath};

/// How rules are made live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceHow {
    /// One script for `nft -f`.
    Nftables {
        /// The program.
        nft: HostPath,
        /// The script.
        script: String,
        /// What the kernel must have afterwards.
        gates: Vec<Gate>,
        /// The script of what was confirmed last, which the change goes back to where the rules in force were never
        /// confirmed; none where it goes back to those.
        back: Option<String>,
    },
    /// One script a family for `iptables-restore --noflush`.
    Iptables {
        /// The families that the kernel has.
        families: Vec<FamilyHow>,
        /// What the kernel must have afterwards.
        gates: Vec<Gate>,
    },
    /// Changes of the vendor's rules, which its own command makes live.
    PleskFirewall {
        /// The vendor's command.
        command: Command,
        /// The changes.
        changes: Vec<SetRule>,
        /// The whole list before.
        before: Vec<PleskRule>,
        /// The whole list afterwards, which the kernel must do then.
        list: Vec<PleskRule>,
        /// What the kernel must do beyond that, since a list leaves open what becomes of a family without sources.
        gates: Vec<Gate>,
    },
}

/// How the rules of one family are made live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyHow {
    /// Which.
    pub family: Family,
    /// `iptables-restore` or `ip6tables-restore`.
    pub restore: HostPath,
    /// `iptables-save` or `ip6tables-save`.
    pub save: HostPath,
    /// What of the own chains is there before.
    pub present: Presents,
    /// The script; none where nothing changes.
    pub script: Option<String>,
    /// The script of what was confirmed last, empty where nothing was, which the change goes back to where the rules in
    /// force were never confirmed; none where it goes back to those.
    pub back: Option<String>,
}

/// How a boot is made to bring rules back, or to forget them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootHow {
    /// Files of mailward's state that are written: path and content.
    pub save: Vec<(HostPath, String)>,
    /// The hook's own file: path, content, and whether it is to be executed.
    pub put: Option<(HostPath, String, Executable)>,
    /// Commands that follow.
    pub run: Vec<Command>,
    /// Files that are removed, after the commands.
    pub remove: Vec<HostPath>,
}

/// How own rules are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetireHow {
    /// One script for `nft -f`.
    Nftables {
        /// The program.
        nft: HostPath,
    },
    /// One script a family for `iptables-restore --noflush`.
    Iptables {
        /// Each family: the program, and the script.
        families: Vec<(Family, HostPath, String)>,
    },
}
