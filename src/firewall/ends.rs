//! Where own rules stand beside address translation: at both of its ends, or behind it alone.
//!
//! What a host forwards to others is never looked at: in front of the translation a packet counts that is for
//! an address of the host itself, behind it one that has come to the hook `input`.

use std::collections::{BTreeMap, BTreeSet};

use super::observed::layers::NetfilterHook;
use crate::facts::tools::{KernelFilters, ModuleLoading};
use crate::model::AddressFamily;

/// The ends of address translation at which own rules are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatEnds {
    /// In front of it, where the kernel can tell whether an address is the host's own, and behind it.
    Both,
    /// Behind it alone, for kernels that cannot: what others translate away from a port comes to no own rule.
    InputAlone,
}

impl NatEnds {
    /// Both, the better first.
    pub const ALL: [Self; 2] = [Self::Both, Self::InputAlone];

    /// When the first own rules come, with their priorities at `prerouting` and at `input`.
    #[must_use]
    pub const fn turn(self, prerouting: i64, input: i64) -> (NetfilterHook, i64) {
        match self {
            Self::Both => (NetfilterHook::Prerouting, prerouting),
            Self::InputAlone => (NetfilterHook::Input, input),
        }
    }
}

/// What there is to see of whether a kernel can tell its own addresses from others'. Nothing is loaded to
/// find out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalAddressEvidence {
    /// The matches of iptables that the kernel lists, of each family (`/proc/net/ip_tables_matches`).
    pub matches: BTreeMap<AddressFamily, String>,
    /// Which of these modules the kernel has, built in or to load; none where there is no list of its
    /// modules.
    pub modules: Option<BTreeSet<LocalAddressModule>>,
}

/// A module that tells whether an address is the host's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LocalAddressModule {
    /// `fib` in tables of both families.
    FibInet,
    /// The match `addrtype` of both families.
    Addrtype,
    /// That of IPv4 alone, before 2.6.39.
    Ipv4Addrtype,
}

impl LocalAddressModule {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::FibInet, Self::Addrtype, Self::Ipv4Addrtype];

    /// Its place below the folder of a kernel's modules, without what it is packed by.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::FibInet => "kernel/net/netfilter/nft_fib_inet.ko",
            Self::Addrtype => "kernel/net/netfilter/xt_addrtype.ko",
            Self::Ipv4Addrtype => "kernel/net/ipv4/netfilter/ipt_addrtype.ko",
        }
    }
}

impl LocalAddressEvidence {
    /// The ends at which the table of nftables can stand.
    #[must_use]
    pub fn of_nftables(&self, kernel: &KernelFilters) -> NatEnds {
        self.of_modules(&[LocalAddressModule::FibInet], kernel, [4, 10, 0])
    }

    /// The ends at which the chains of iptables can stand.
    #[must_use]
    pub fn of_iptables(&self, kernel: &KernelFilters, family: AddressFamily) -> NatEnds {
        let listed = self.matches.get(&family);
        let lists = |name| listed.is_some_and(|all| all.lines().any(|line| line == name));
        if lists("addrtype") {
            return NatEnds::Both;
        }
        // A kernel that loads nothing has what it lists, if it lists anything.
        if kernel.modules == ModuleLoading::None && lists("tcp") {
            return NatEnds::InputAlone;
        }
        match family {
            AddressFamily::Ipv4 => {
                let either = [LocalAddressModule::Addrtype, LocalAddressModule::Ipv4Addrtype];
                self.of_modules(&either, kernel, [2, 6, 10])
            }
            AddressFamily::Ipv6 => self.of_modules(&[LocalAddressModule::Addrtype], kernel, [2, 6, 39]),
        }
    }

    /// By its modules, or else by the release that had it first: a kernel built without it then refuses the
    /// rules whole.
    fn of_modules(&self, any: &[LocalAddressModule], kernel: &KernelFilters, since: [u32; 3]) -> NatEnds {
        let has = match &self.modules {
            Some(modules) => any.iter().any(|module| modules.contains(module)),
            None => numbers(kernel.release.as_deref()) >= since,
        };
        if has { NatEnds::Both } else { NatEnds::InputAlone }
    }
}

/// The first three numbers of a release.
fn numbers(release: Option<&str>) -> [u32; 3] {
    let mut numbers = release
        .unwrap_or_default()
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(release: &str, modules: ModuleLoading) -> KernelFilters {
        KernelFilters { release: Some(release.to_owned()), modules, ..KernelFilters::default() }
    }

    #[test]
    fn a_kernel_is_asked_by_what_it_lists_then_by_its_modules_then_by_its_age() {
        let six = kernel("6.1.0-13-amd64", ModuleLoading::Loadable);
        let old = kernel("2.6.32-754.el6.x86_64", ModuleLoading::Loadable);
        let nothing = LocalAddressEvidence::default();
        assert_eq!(nothing.of_nftables(&six), NatEnds::Both);
        assert_eq!(nothing.of_nftables(&old), NatEnds::InputAlone);
        assert_eq!(nothing.of_iptables(&old, AddressFamily::Ipv4), NatEnds::Both);
        assert_eq!(nothing.of_iptables(&old, AddressFamily::Ipv6), NatEnds::InputAlone);
        let with = |modules: &[LocalAddressModule]| LocalAddressEvidence {
            modules: Some(modules.iter().copied().collect()),
            ..LocalAddressEvidence::default()
        };
        assert_eq!(with(&[]).of_nftables(&six), NatEnds::InputAlone);
        assert_eq!(with(&[LocalAddressModule::FibInet]).of_nftables(&six), NatEnds::Both);
        let four = with(&[LocalAddressModule::Ipv4Addrtype]);
        assert_eq!(four.of_iptables(&old, AddressFamily::Ipv4), NatEnds::Both);
        assert_eq!(four.of_iptables(&six, AddressFamily::Ipv6), NatEnds::InputAlone);
        let listed = |text: &str| LocalAddressEvidence {
            matches: BTreeMap::from([(AddressFamily::Ipv6, text.to_owned())]),
            ..with(&[])
        };
        let whole = listed("tcp\naddrtype\n");
        assert_eq!(whole.of_iptables(&old, AddressFamily::Ipv6), NatEnds::Both);
        let lacks = LocalAddressEvidence { modules: None, ..listed("tcp\nudp\n") };
        assert_eq!(lacks.of_iptables(&six, AddressFamily::Ipv6), NatEnds::Both);
        let fixed = kernel("6.1.0", ModuleLoading::None);
        assert_eq!(lacks.of_iptables(&fixed, AddressFamily::Ipv6), NatEnds::InputAlone);
    }
}
