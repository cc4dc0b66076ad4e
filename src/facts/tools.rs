//! The packet filter commands of a host, and what its kernel shows of packet filters.
//!
//! Which of them may be asked is decided here: asking loads no module into the kernel.

use crate::host::PathExistence;
use crate::model::{AddressFamily, HostPath};

/// What there is to ask, and to load rules with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterTools {
    /// `nft`.
    pub nft: Option<HostPath>,
    /// `iptables` and its like.
    pub v4: IptablesTools,
    /// `ip6tables` and its like.
    pub v6: IptablesTools,
    /// The kernel.
    pub kernel: KernelFilters,
}

/// The commands of iptables of one family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IptablesTools {
    /// `iptables`.
    pub plain: Option<HostPath>,
    /// `iptables-save`.
    pub save: Option<HostPath>,
    /// `iptables-restore`.
    pub restore: Option<HostPath>,
    /// `iptables-legacy-save`.
    pub legacy_save: Option<HostPath>,
    /// `iptables-legacy-restore`.
    pub legacy_restore: Option<HostPath>,
    /// `iptables-nft-save`.
    pub nft_save: Option<HostPath>,
    /// `iptables-nft-restore`.
    pub nft_restore: Option<HostPath>,
}

/// Which half of the kernel a command of iptables works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IptablesVariant {
    /// Tables of its own, as all had before 1.8.
    Legacy,
    /// nftables.
    Nft,
}

/// What the kernel shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelFilters {
    /// `uname -r`.
    pub release: Option<String>,
    /// Whether it can filter packets at all.
    pub netfilter: NetfilterSupport,
    /// Whether it has nftables.
    pub nf_tables: NftablesSupport,
    /// Whether it can get more than it has.
    pub modules: ModuleLoading,
}

/// Whether a kernel loads modules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ModuleLoading {
    /// It does.
    #[default]
    Loadable,
    /// It has what it was built with.
    None,
}

/// Whether the kernel can filter packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NetfilterSupport {
    /// It shows so under `/proc/net`.
    Shown,
    /// It shows nothing of it: no packet filter is asked.
    #[default]
    Absent,
}

/// Whether the kernel has nftables now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NftablesSupport {
    /// It is loaded, or this kernel loads nothing later on.
    Present,
    /// It is no loaded module: not there yet, or built in.
    #[default]
    NotLoaded,
}

impl FilterTools {
    /// The commands of a family.
    #[must_use]
    pub fn of(&self, family: AddressFamily) -> &IptablesTools {
        match family {
            AddressFamily::Ipv4 => &self.v4,
            AddressFamily::Ipv6 => &self.v6,
        }
    }

    /// Whether any command there is would ask nftables.
    #[must_use]
    pub fn ask_nf_tables(&self) -> bool {
        self.nft.is_some() || self.v4.nft_save.is_some() || self.v6.nft_save.is_some()
    }
}

impl IptablesTools {
    /// The command that shows tables of the old kind. One of the plain name is it where there is no
    /// `iptables-nft-save` beside it.
    #[must_use]
    pub fn legacy_saver(&self) -> Option<&HostPath> {
        let plain = || self.save.as_ref().filter(|_| self.nft_save.is_none());
        self.legacy_save.as_ref().or_else(plain)
    }

    /// The command that loads rules into this half of the kernel.
    #[must_use]
    pub fn restorer(&self, variant: IptablesVariant) -> Option<&HostPath> {
        let plain = || self.restore.as_ref().filter(|_| self.nft_restore.is_none());
        match variant {
            IptablesVariant::Legacy => self.legacy_restore.as_ref().or_else(plain),
            IptablesVariant::Nft => self.nft_restore.as_ref(),
        }
    }
}

impl KernelFilters {
    /// Judges what is there in `/sys` and `/proc`.
    #[must_use]
    pub fn seen(release: Option<String>, shown: &KernelEvidence) -> Self {
        let there = |what: &PathExistence| *what != PathExistence::Missing;
        Self {
            release,
            netfilter: if shown.netfilter.iter().any(there) {
                NetfilterSupport::Shown
            } else {
                NetfilterSupport::Absent
            },
            nf_tables: if there(&shown.nf_tables) || !there(&shown.modules) {
                NftablesSupport::Present
            } else {
                NftablesSupport::NotLoaded
            },
            modules: if there(&shown.modules) { ModuleLoading::Loadable } else { ModuleLoading::None },
        }
    }
}

/// What is there in `/sys` and `/proc`.
#[derive(Debug)]
pub struct KernelEvidence {
    /// `/proc/net/netfilter` and the lists of tables of the old kind, of which kernels before 2.6.14 have
    /// those alone.
    pub netfilter: Vec<PathExistence>,
    /// `/sys/module/nf_tables`.
    pub nf_tables: PathExistence,
    /// `/proc/modules`, which a kernel without loadable modules lacks.
    pub modules: PathExistence,
}
