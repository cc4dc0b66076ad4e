//! Where own rules stand beside address translation: at both of its ends, or behind it alone.
//!
//! What a host forwards to others is never looked at: in front of the translation a packet counts that is for an address of
//! the host itself, behind it one that has come to the hook `input`.

use std::collections::{BTreeMap, BTreeSet};

use super::observed::Hook;
use super::tools::{Kernel, Modules};
use crate::model::Family;

/// The ends of address translation at which own rules are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ends {
    /// In front of it, where the kernel can tell whether an address is the host's own, and behind it.
    Both,
    /// Behind it alone, for kernels that cannot: what others translate away from a port comes to no own rule.
    InputAlone,
}

impl Ends {
    /// Both, the better first.
    pub const ALL: [Self; 2] = [Self::Both, Self::InputAlone];

    /// When the first own rules come, with their priorities at `prerouting` and at `input`.
    #[must_use]
    pub const fn turn(self, prerouting: i64, input: i64) -> (Hook, i64) {
        match self {
            Self::Both => (Hook::Prerouting, prerouting),
            Self::InputAlone => (Hook::Input, input),
        }
    }
}

/// What there is to see of whether a kernel can tell its own addresses from others'. Nothing is loaded to find out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shows {
    /// The matches of iptables that the kernel lists, of each family (`/proc/net/ip_tables_matches`).
    pub matches: BTreeMap<Family, String>,
    /// Which of these modules the kernel has, built in or to load; none where there is no list of its modules.
    pub modules: Option<BTreeSet<Module>>,
}

/// A module that tells whether an address is the host's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Module {
    /// `fib` in tables of both families.
    FibInet,
    /// The match `addrtype` of both families.
    Addrtype,
    /// That of IPv4 alone, before 2.6.39.
    Ipv4Addrtype,
}

impl Module {
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

impl Shows {
    /// The ends at which the table of nftables can stand.
    #[must_use]
    pub fn of_nftables(&self, kernel: &Kernel) -> Ends {
        self.of_modules(&[Module::FibInet], kernel, [4, 10, 0])
    }

    /// The ends at which the chains of iptables can stand.
    #[must_use]
    pub fn of_iptables(&self, kernel: &Kernel, family: Family) -> Ends {
        let listed = self.matches.get(&family);
        let lists = |name| listed.is_some_and(|all| all.lines().any(|line| line == name));
        if lists("addrtype") {
            return Ends::Both;
        }
        // A kernel that loads nothing has what it lists, if it lists anything.
        if kernel.modules == Modules::None && lists("tcp") {
            return Ends::InputAlone;
        }
        match family {
            Family::Ipv4 => {
                let either = [Module::Addrtype, Module::Ipv4Addrtype];
                self.of_modules(&either, kernel, [2, 6, 10])
            }
            Family::Ipv6 => self.of_modules(&[Module::Addrtype], kernel, [2, 6, 39]),
        }
    }

    /// By its modules, or else by the release that had it first: a kernel built without it then refuses the rules whole.
    fn of_modules(&self, any: &[Module], kernel: &Kernel, since: [u32; 3]) -> Ends {
        let has = match &self.modules {
            Some(modules) => any.iter().any(|module| modules.contains(module)),
            None => numbers(kernel.release.as_deref()) >= since,
        };
        if has { Ends::Both } else { Ends::InputAlone }
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

    fn kernel(release: &str, modules: Modules) -> Kernel {
        Kernel {
            release: Some(release.to_owned()),
            modules,
            ..Kernel::default()
        }
    }

    #[test]
    fn a_kernel_is_asked_by_what_it_lists_then_by_its_modules_then_by_its_age() {
        let six = kernel("6.1.0-13-amd64", Modules::Loadable);
        let old = kernel("2.6.32-754.el6.x86_64", Modules::Loadable);
        let nothing = Shows::default();
        assert_eq!(nothing.of_nftables(&six), Ends::Both);
        assert_eq!(nothing.of_nftables(&old), Ends::InputAlone);
        assert_eq!(nothing.of_iptables(&old, Family::Ipv4), Ends::Both);
        assert_eq!(nothing.of_iptables(&old, Family::Ipv6), Ends::InputAlone);
        let with = |modules: &[Module]| Shows {
            modules: Some(modules.iter().copied().collect()),
            ..Shows::default()
        };
        assert_eq!(with(&[]).of_nftables(&six), Ends::InputAlone);
        assert_eq!(with(&[Module::FibInet]).of_nftables(&six), Ends::Both);
        let four = with(&[Module::Ipv4Addrtype]);
        assert_eq!(four.of_iptables(&old, Family::Ipv4), Ends::Both);
        assert_eq!(four.of_iptables(&six, Family::Ipv6), Ends::InputAlone);
        let listed = |text: &str| Shows {
            matches: BTreeMap::from([(Family::Ipv6, text.to_owned())]),
            ..with(&[])
        };
        let whole = listed("tcp\naddrtype\n");
        assert_eq!(whole.of_iptables(&old, Family::Ipv6), Ends::Both);
        let lacks = Shows {
            modules: None,
            ..listed("tcp\nudp\n")
        };
        assert_eq!(lacks.of_iptables(&six, Family::Ipv6), Ends::Both);
        let fixed = kernel("6.1.0", Modules::None);
        assert_eq!(lacks.of_iptables(&fixed, Family::Ipv6), Ends::InputAlone);
    }
}
