//! The socket that a service listens on, and which two cannot be there at once.

use std::net::{IpAddr, SocketAddr};

use super::super::attribute::{self, BindAddress};
use super::super::config::ServiceEntry;
use super::super::host::{HasChange, HostAnswer, PathStanding, VersionChange, XinetdHost, XinetdVersion};
use super::super::problem::XinetdDoubt;
use crate::model::{ConnectionLimit, HostPath, known};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum SocketFamily {
    V4,
    /// With the addresses of IPv4 too, where it is for all addresses.
    V6,
    /// Without them.
    OnlyV6,
}

/// Where a service listens, as far as the files and the host tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSocket {
    /// The protocol's number, or its name where that is not known.
    protocol: Result<i32, Vec<u8>>,
    stream: StreamSocket,
    /// None for a port that nobody chooses: RPC and TCPMUX services have it.
    port: Option<ServicePort>,
    family: SocketFamily,
    chosen: FamilyChoice,
    bind: Option<BindAddress>,
}

/// What the family comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FamilyChoice {
    /// The file, or a version of which all builds have the same.
    Surely,
    /// The build, and the kernel has IPv6: what runs is what the build has.
    ByBuild,
    /// A name's address.
    ByName,
}

/// A port, or the name that `/etc/services` may know.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ServicePort {
    Number(u16),
    Of(String),
}

/// Whether a socket listens for connections, which two cannot do on one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamSocket {
    Yes,
    No,
}

/// Whether a family is IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Ipv6Family {
    Yes,
    No,
}

/// Whether two sockets are in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SocketClash {
    No,
    Perhaps,
    Yes,
}

/// Whether a socket is a service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SocketFit {
    /// It is not.
    No,
    /// It may be: the address is a name, or the kernel or the version may have no IPv6.
    Perhaps,
    /// It is.
    Yes,
}

impl ServiceSocket {
    /// The port, where it is known.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self.port {
            Some(ServicePort::Number(port)) => Some(port),
            Some(ServicePort::Of(_)) | None => None,
        }
    }

    /// Whether a running service of this family, as the daemon's flags have it, would be moved to another.
    pub(in super::super) fn moves_from(&self, is_ipv6: Ipv6Family) -> bool {
        let own = match self.family {
            SocketFamily::V4 => Ipv6Family::No,
            SocketFamily::V6 | SocketFamily::OnlyV6 => Ipv6Family::Yes,
        };
        match self.chosen {
            FamilyChoice::Surely => own != is_ipv6,
            FamilyChoice::ByBuild | FamilyChoice::ByName => false,
        }
    }

    /// Whether a listening TCP socket is this one.
    #[must_use]
    pub fn is_at(&self, socket: SocketAddr) -> SocketFit {
        if self.stream != StreamSocket::Yes || self.port() != Some(socket.port()) {
            return SocketFit::No;
        }
        match self.bind {
            Some(BindAddress::Name | BindAddress::None) => SocketFit::Perhaps,
            Some(BindAddress::Address(address)) if address == socket.ip() => SocketFit::Yes,
            // With flags of another family the daemon takes what it finds in the address's place.
            Some(BindAddress::Address(address)) if address.is_ipv4() != (self.family == SocketFamily::V4) => {
                SocketFit::Perhaps
            }
            Some(BindAddress::Address(_)) => SocketFit::No,
            None if !socket.ip().is_unspecified() => SocketFit::No,
            None => match (self.family, socket) {
                (SocketFamily::V4, SocketAddr::V4(_))
                | (SocketFamily::V6 | SocketFamily::OnlyV6, SocketAddr::V6(_)) => SocketFit::Yes,
                (SocketFamily::V6 | SocketFamily::OnlyV6, SocketAddr::V4(_)) => SocketFit::Perhaps,
                (SocketFamily::V4, SocketAddr::V6(_)) => SocketFit::No,
            },
        }
    }

    /// The socket of a service whose identity is complete; and what is not certain about it.
    pub(in super::super) fn of(service: &ServiceEntry, host: &XinetdHost) -> (Self, Option<XinetdDoubt>) {
        let first =
            |name: &str| service.identity.get(name).and_then(|values| values.first()).map(Vec::as_slice);
        let protocol = first("protocol").unwrap_or_default();
        let no_port = ["RPC", "TCPMUX", "TCPMUXPLUS"].iter().any(|word| service.has_word("type", word));
        let port = match first("port").and_then(attribute::count) {
            _ if no_port => None,
            Some(ConnectionLimit::Number(port)) => u16::try_from(port).ok().map(ServicePort::Number),
            Some(ConnectionLimit::Unlimited) | None => {
                Some(match host.port(service.name.as_bytes(), protocol) {
                    HostAnswer::Yes(port) => ServicePort::Number(port),
                    HostAnswer::No | HostAnswer::Unknown => ServicePort::Of(service.name.clone()),
                })
            }
        };
        let bind = first("bind").map(BindAddress::of);
        let (family, chosen, doubt) = family(service, bind, host);
        let everywhere = |address: &IpAddr| address.is_loopback() || address.is_unspecified();
        let doubt = doubt.or(match bind {
            Some(BindAddress::Address(address)) if !everywhere(&address) => Some(XinetdDoubt::Local),
            Some(BindAddress::Address(_) | BindAddress::None) | None => None,
            Some(BindAddress::Name) => Some(XinetdDoubt::Address),
        });
        let socket = Self {
            protocol: match host.protocol(protocol) {
                HostAnswer::Yes(number) => Ok(number),
                HostAnswer::No | HostAnswer::Unknown => Err(protocol.to_ascii_lowercase()),
            },
            stream: if first("socket_type").is_some_and(|word| attribute::is(word, "stream")) {
                StreamSocket::Yes
            } else {
                StreamSocket::No
            },
            port,
            family,
            chosen,
            bind,
        };
        (socket, doubt)
    }

    /// Whether xinetd takes this one for a duplicate of an earlier one, by its own comparison
    /// (`check_entry`).
    pub(super) fn duplicates(&self, earlier: &Self) -> SocketClash {
        // An earlier service for all addresses is not compared: the kernel refuses the second socket, or does
        // not.
        let Some(theirs) = earlier.bind else {
            return SocketClash::No;
        };
        if self.protocol != earlier.protocol || self.port != earlier.port {
            return SocketClash::No;
        }
        match (self.bind, theirs) {
            (None, _) => SocketClash::Yes,
            (Some(BindAddress::Name), _) | (_, BindAddress::Name) => SocketClash::Perhaps,
            (Some(ours), theirs) if ours == theirs => SocketClash::Yes,
            (Some(_), _) => SocketClash::No,
        }
    }

    /// Whether the kernel refuses this one while an earlier one is there.
    pub(super) fn collides(&self, earlier: &Self) -> SocketClash {
        let both_listen = self.stream == StreamSocket::Yes && earlier.stream == StreamSocket::Yes;
        let any = self.port == Some(ServicePort::Number(0));
        if !both_listen || any || self.port.is_none() {
            return SocketClash::No;
        }
        if self.protocol != earlier.protocol || self.port != earlier.port {
            return SocketClash::No;
        }
        let Some(theirs) = earlier.places() else {
            return SocketClash::Perhaps;
        };
        let Some(ours) = self.places() else {
            return SocketClash::Perhaps;
        };
        let mut meetings = ours.iter().flat_map(|ours| theirs.iter().map(|theirs| ours.meets(theirs)));
        let first = meetings.next().unwrap_or_default();
        match (first, meetings.all(|other| other == first)) {
            (true, true) => SocketClash::Yes,
            (false, true) => SocketClash::No,
            (_, false) => SocketClash::Perhaps,
        }
    }

    /// Where it may be: in two families where it hangs on the build.
    fn places(&self) -> Option<Vec<SocketAddresses>> {
        let address = match self.bind {
            None => None,
            Some(BindAddress::Address(address)) => Some(address),
            Some(BindAddress::Name | BindAddress::None) => return None,
        };
        let address = address.filter(|address| !address.is_unspecified());
        let mapped = address.map(|address| match address {
            IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        });
        let families = match self.chosen {
            FamilyChoice::ByBuild => vec![self.family, SocketFamily::V4],
            FamilyChoice::Surely | FamilyChoice::ByName => vec![self.family],
        };
        let place = |family| SocketAddresses { family, address: mapped };
        Some(families.into_iter().map(place).collect())
    }
}

/// The addresses that a socket is for.
struct SocketAddresses {
    family: SocketFamily,
    /// None for all.
    address: Option<IpAddr>,
}

impl SocketAddresses {
    fn meets(&self, other: &Self) -> bool {
        self.reaches(other) || other.reaches(self)
    }

    /// Whether some address of `other` is one of this one's.
    fn reaches(&self, other: &Self) -> bool {
        match (self.address, other.address, self.family, other.family) {
            (Some(ours), Some(theirs), _, _) => ours == theirs,
            // All addresses of IPv6 are those of IPv4 too, unless it is said otherwise.
            (None, None, SocketFamily::V6, _) | (None, None, SocketFamily::V4, SocketFamily::V4) => true,
            (None, None, SocketFamily::OnlyV6, theirs) => theirs != SocketFamily::V4,
            (None, None, SocketFamily::V4, theirs) => theirs == SocketFamily::V6,
            (None, Some(_), SocketFamily::V6, _) => true,
            (None, Some(theirs), SocketFamily::V4, _) => theirs.is_ipv4(),
            (None, Some(theirs), SocketFamily::OnlyV6, _) => theirs.is_ipv6(),
            (Some(_), None, _, _) => false,
        }
    }
}

/// The family: what `flags` say, else the address's, else the version's own.
fn family(
    service: &ServiceEntry,
    bind: Option<BindAddress>,
    host: &XinetdHost,
) -> (SocketFamily, FamilyChoice, Option<XinetdDoubt>) {
    let v4 = service.has_word("flags", "IPv4");
    let v6 = service.has_word("flags", "IPv6");
    // Any line will do, also `v6only = no`: xinetd looks whether the attribute is there.
    let six = if service.attribute("v6only").is_some() { SocketFamily::OnlyV6 } else { SocketFamily::V6 };
    let by_address = match bind {
        Some(BindAddress::Address(IpAddr::V4(_))) => Some(SocketFamily::V4),
        Some(BindAddress::Address(IpAddr::V6(_))) => Some(six),
        Some(BindAddress::Name | BindAddress::None) | None => None,
    };
    if !v4 && !v6 {
        let has_ipv6 = host.standing(&ipv6_table()) == PathStanding::File;
        let chosen = match (bind, XinetdVersion::has(host.version, VersionChange::PrefersIpv6)) {
            (Some(BindAddress::Name), _) => FamilyChoice::ByName,
            (None, HasChange::No | HasChange::Unclear) if has_ipv6 => FamilyChoice::ByBuild,
            (Some(BindAddress::Address(_) | BindAddress::None) | None, _) => FamilyChoice::Surely,
        };
        return (by_address.unwrap_or(six), chosen, None);
    }
    let named = if v6 { six } else { SocketFamily::V4 };
    let doubt = by_address.filter(|by_address| *by_address != named).map(|_| XinetdDoubt::Family);
    (named, FamilyChoice::Surely, doubt)
}

/// The kernel's table of its IPv6 addresses, which is there where it has IPv6 at all.
pub(super) fn ipv6_table() -> HostPath {
    known("/proc/net/if_inet6")
}
