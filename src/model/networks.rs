//! Networks of addresses, and sets of them that are equal when they hold the same addresses.
//!
//! Nothing here looks a name up or reads anything.

mod intervals;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Subnets};
use serde::{Deserialize, Serialize};

use self::intervals::NumberIntervals;

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl AddressFamily {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }
}

impl fmt::Display for AddressFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An address or a network in CIDR form, without host bits; an address is the network that holds it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// Why a text is no [`Network`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotANetwork {
    /// It is neither an address nor a network in CIDR form.
    #[error("not an IPv4 or IPv6 address or network")]
    Syntax,
    /// It has a zone, which only this host could know.
    #[error("an address with a zone is reached from its own link only")]
    Zone,
    /// Bits behind the prefix are set.
    #[error("bits behind the prefix are set")]
    HostBits {
        /// The network that holds it.
        corrected: Network,
    },
    /// The network mask is written as an address.
    #[error("the prefix is written as a mask")]
    Mask {
        /// The same with a prefix.
        corrected: Network,
    },
    /// An IPv4 address in IPv6 form: no packet has that for its source.
    #[error("an IPv4 address in IPv6 form never arrives as IPv6")]
    Mapped {
        /// The same as IPv4.
        corrected: Network,
    },
}

impl Network {
    /// Checks a text: `203.0.113.9`, `203.0.113.0/24`, `2001:db8::/32`.
    ///
    /// # Errors
    /// [`NotANetwork`] says what is wrong, with the corrected form where there is one.
    pub fn parse(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        if let Some((before, _)) = address.split_once('%')
            && before.parse::<Ipv6Addr>().is_ok()
        {
            return Err(NotANetwork::Zone);
        }
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(NotANetwork::Syntax);
        };
        let Some(prefix) = prefix else {
            return Self::unmapped(IpNet::from(address));
        };
        let digits = prefix.len() <= 3 && prefix.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(match (address, prefix.parse::<Ipv4Addr>()) {
                (IpAddr::V4(address), Ok(mask)) => match Ipv4Net::with_netmask(address, mask) {
                    Ok(net) => NotANetwork::Mask { corrected: Self(IpNet::V4(net.trunc())) },
                    Err(_) => NotANetwork::Syntax,
                },
                (IpAddr::V4(_) | IpAddr::V6(_), _) => NotANetwork::Syntax,
            });
        }
        let net = prefix
            .parse::<u8>()
            .ok()
            .and_then(|prefix| IpNet::new(address, prefix).ok())
            .ok_or(NotANetwork::Syntax)?;
        Self::unmapped(net)
    }

    fn unmapped(net: IpNet) -> Result<Self, NotANetwork> {
        if let IpNet::V6(v6) = net
            && v6.prefix_len() >= 96
            && let Some(address) = v6.addr().to_ipv4_mapped()
            && let Ok(v4) = Ipv4Net::new(address, v6.prefix_len() - 96)
        {
            return Err(NotANetwork::Mapped { corrected: Self(IpNet::V4(v4.trunc())) });
        }
        if net.trunc() == net {
            Ok(Self(net))
        } else {
            Err(NotANetwork::HostBits { corrected: Self(net.trunc()) })
        }
    }

    /// Its family.
    #[must_use]
    pub const fn family(self) -> AddressFamily {
        match self.0 {
            IpNet::V4(_) => AddressFamily::Ipv4,
            IpNet::V6(_) => AddressFamily::Ipv6,
        }
    }

    /// Its first address.
    #[must_use]
    pub fn first(self) -> IpAddr {
        self.0.network()
    }

    /// Its last address.
    #[must_use]
    pub fn last(self) -> IpAddr {
        self.0.broadcast()
    }

    /// The length of its prefix in bits.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether it holds all addresses of its family.
    #[must_use]
    pub fn is_everything(self) -> bool {
        self.prefix() == 0
    }

    /// Whether it holds an address.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl fmt::Display for Network {
    /// An address alone is shown without its prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl From<IpAddr> for Network {
    /// An IPv4 address in IPv6 form becomes IPv4.
    fn from(address: IpAddr) -> Self {
        Self(IpNet::from(address.to_canonical()))
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

/// A set of addresses, IPv4 and IPv6 apart; two are equal when they hold the same addresses, however they
/// were written.
///
/// All operations on two sets are linear in the number of their networks; making one sorts them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<Network>", into = "Vec<Network>")]
pub struct Networks {
    v4: NumberIntervals<u32>,
    v6: NumberIntervals<u128>,
}

impl Networks {
    /// All addresses of a family.
    #[must_use]
    pub fn all_of(family: AddressFamily) -> Self {
        match family {
            AddressFamily::Ipv4 => {
                Self { v4: NumberIntervals::of(vec![(0, u32::MAX)]), v6: NumberIntervals::default() }
            }
            AddressFamily::Ipv6 => {
                Self { v4: NumberIntervals::default(), v6: NumberIntervals::of(vec![(0, u128::MAX)]) }
            }
        }
    }

    /// All addresses.
    #[must_use]
    pub fn everything() -> Self {
        Self::all_of(AddressFamily::Ipv4).union(&Self::all_of(AddressFamily::Ipv6))
    }

    /// The addresses of ranges, each from its first to its last, both in it; one whose families differ or
    /// whose order is wrong holds none.
    pub fn of_ranges(ranges: impl IntoIterator<Item = (IpAddr, IpAddr)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for range in ranges {
            match range {
                (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                    v4.push((first.to_bits(), last.to_bits()));
                }
                (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                    v6.push((first.to_bits(), last.to_bits()));
                }
                (IpAddr::V4(_) | IpAddr::V6(_), _) => {}
            }
        }
        Self { v4: NumberIntervals::of(v4), v6: NumberIntervals::of(v6) }
    }

    /// Whether it holds no address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether it holds an address; one in IPv6 form that is IPv4 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.contains(address.to_bits()),
            IpAddr::V6(address) => self.v6.contains(address.to_bits()),
        }
    }

    /// The part of one family.
    #[must_use]
    pub fn of_family(&self, family: AddressFamily) -> Self {
        match family {
            AddressFamily::Ipv4 => Self { v4: self.v4.clone(), v6: NumberIntervals::default() },
            AddressFamily::Ipv6 => Self { v4: NumberIntervals::default(), v6: self.v6.clone() },
        }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { v4: self.v4.union(&other.v4), v6: self.v6.union(&other.v6) }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self { v4: self.v4.intersection(&other.v4), v6: self.v6.intersection(&other.v6) }
    }

    /// What is in this one alone.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self { v4: self.v4.difference(&other.v4), v6: self.v6.difference(&other.v6) }
    }

    /// Whether all of a network is in it; found by bisection.
    #[must_use]
    pub fn holds(&self, network: Network) -> bool {
        match network.0 {
            IpNet::V4(net) => self.v4.holds(net.network().to_bits(), net.broadcast().to_bits()),
            IpNet::V6(net) => self.v6.holds(net.network().to_bits(), net.broadcast().to_bits()),
        }
    }

    /// Whether all of the other one is in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.difference(self).is_empty()
    }

    /// The fewest networks that make it up, sorted, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = Network> + '_ {
        let v4 = self.v4.iter().flat_map(|(first, last)| {
            Ipv4Subnets::new(Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last), 0)
                .map(|net| Network(IpNet::V4(net)))
        });
        let v6 = self.v6.iter().flat_map(|(first, last)| {
            Ipv6Subnets::new(Ipv6Addr::from_bits(first), Ipv6Addr::from_bits(last), 0)
                .map(|net| Network(IpNet::V6(net)))
        });
        v4.chain(v6)
    }

    /// The fewest ranges that make it up, each with its first and its last address, sorted, IPv4 first.
    pub fn ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> + '_ {
        let v4 = self.v4.iter().map(|(first, last)| {
            (IpAddr::V4(Ipv4Addr::from_bits(first)), IpAddr::V4(Ipv4Addr::from_bits(last)))
        });
        let v6 = self.v6.iter().map(|(first, last)| {
            (IpAddr::V6(Ipv6Addr::from_bits(first)), IpAddr::V6(Ipv6Addr::from_bits(last)))
        });
        v4.chain(v6)
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let ranges = networks.into_iter();
        Self::of_ranges(ranges.map(|network| (network.first(), network.last())))
    }
}

impl From<Vec<Network>> for Networks {
    fn from(networks: Vec<Network>) -> Self {
        networks.into_iter().collect()
    }
}

impl From<Network> for Networks {
    fn from(network: Network) -> Self {
        std::iter::once(network).collect()
    }
}

impl From<Networks> for Vec<Network> {
    fn from(networks: Networks) -> Self {
        networks.iter().collect()
    }
}

impl fmt::Display for Networks {
    /// Its networks with commas between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{network}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> Networks {
        texts.iter().map(|text| Network::parse(text).unwrap()).collect()
    }

    #[test]
    fn sets_are_equal_when_they_hold_the_same_addresses() {
        assert_eq!(set(&["10.0.0.0/25", "10.0.0.128/25", "10.0.0.7"]), set(&["10.0.0.0/24"]));
        assert_eq!(set(&["2001:db8::/33", "2001:db8:8000::/33"]), set(&["2001:db8::/32"]));
        assert_ne!(set(&["0.0.0.0/0"]), set(&["::/0"]));
        assert_eq!(
            set(&["10.0.0.128/25", "2001:db8::1", "10.0.0.0/25"]).to_string(),
            "10.0.0.0/24, 2001:db8::1"
        );
    }

    #[test]
    fn whole_families_have_no_room_beyond_their_ends() {
        let all = set(&["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]);
        assert_eq!(all, Networks::everything());
        assert_eq!(all.to_string(), "0.0.0.0/0, ::/0");
        assert!(all.difference(&Networks::everything()).is_empty());
        assert_eq!(all.difference(&set(&["255.255.255.255", "::/0"])).iter().count(), 32);
    }

    #[test]
    fn what_is_nearly_a_network_is_told_with_its_corrected_form() {
        let corrected = |text| match Network::parse(text) {
            Err(
                NotANetwork::HostBits { corrected }
                | NotANetwork::Mask { corrected }
                | NotANetwork::Mapped { corrected },
            ) => corrected.to_string(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(corrected("203.0.113.9/24"), "203.0.113.0/24");
        assert_eq!(corrected("2001:db8::9/32"), "2001:db8::/32");
        assert_eq!(corrected("203.0.113.9/255.255.255.0"), "203.0.113.0/24");
        assert_eq!(corrected("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(corrected("::ffff:203.0.113.0/120"), "203.0.113.0/24");
        assert_eq!(Network::parse("fe80::1%eth0"), Err(NotANetwork::Zone));
        for bad in [
            "",
            "/",
            "/8",
            "office",
            "10.0.0",
            "010.0.0.1",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "::/129",
            "10.0.0.0/8/8",
            " 10.0.0.1",
            "10.0.0.1-10.0.0.5",
            "10.0.0.0/255.0.255.0",
            "1.2.3.4%eth0",
            "$(id)",
            "10.0.0.0/0000000000",
        ] {
            assert_eq!(Network::parse(bad), Err(NotANetwork::Syntax), "{bad}");
        }
    }

    #[test]
    fn a_set_survives_json() {
        let one = set(&["10.0.0.0/23", "10.0.2.0/24", "2001:db8::/48", "192.0.2.1"]);
        let json = serde_json::to_string(&one).unwrap();
        assert_eq!(json, "[\"10.0.0.0/23\",\"10.0.2.0/24\",\"192.0.2.1\",\"2001:db8::/48\"]");
        assert_eq!(serde_json::from_str::<Networks>(&json).unwrap(), one);
    }
}
