//! The socket that a service listens on, and which two cannot be there at once.

use std::net::{IpAddr, SocketAddr};

use super::super::attribute::{self, Bind};
use super::super::config::ServiceEntry;
use super::super::host::{Answer, Change, Has, Host, Standing, Version};
use super::super::problem::Doubt;
use crate::model::{Count, HostPath, known};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Family {
    V4,
    /// With the addresses of IPv4 too, where it is for all addresses.
    V6,
    /// Without them.
    OnlyV6,
}

/// Where a service listens, as far as the files and the host tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// The protocol's number, or its name where that is not known.
    protocol: Result<i32, Vec<u8>>,
    stream: Stream,
    /// None for a port that nobody chooses: RPC and TCPMUX services have it.
    port: Option<Port>,
    family: Family,
    chosen: Chosen,
    bind: Option<Bind>,
}

/// What the family comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    /// The file, or a version of which all builds have the same.
    Surely,
    /// The build, and the kernel has IPv6: what runs is what the build has.
    ByBuild,
    /// A name's address.
    ByName,
}

/// A port, or the name that `/etc/services` may know.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Port {
    Number(u16),
    Of(String),
}

/// Whether a socket listens for connections, which two cannot do on one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Yes,
    No,
}

/// Whether a family is IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Six {
    Yes,
    No,
}

/// Whether two sockets are in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Clash {
    No,
    Perhaps,
    Yes,
}

/// Whether a socket is a service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is not.
    No,
    /// It may be: the address is a name, or the kernel or the version may have no IPv6.
    Perhaps,
    /// It is.
    Yes,
}

impl Socket {
    /// The port, where it is known.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self.port {
            Some(Port::Number(port)) => Some(port),
            Some(Port::Of(_)) | None => None,
        }
    }

    /// Whether a running service of this family, as the daemon's flags have it, would be moved to another.
    pub(in super::super) fn moves_from(&self, is_ipv6: Six) -> bool {
        let own = match self.family {
            Family::V4 => Six::No,
            Family::V6 | Family::OnlyV6 => Six::Yes,
        };
        match self.chosen {
            Chosen::Surely => own != is_ipv6,
            Chosen::ByBuild | Chosen::ByName => false,
        }
    }

    /// Whether a listening TCP socket is this one.
    #[must_use]
    pub fn is_at(&self, socket: SocketAddr) -> Fit {
        if self.stream != Stream::Yes || self.port() != Some(socket.port()) {
            return Fit::No;
        }
        match self.bind {
            Some(Bind::Name | Bind::None) => Fit::Perhaps,
            Some(Bind::Address(address)) if address == socket.ip() => Fit::Yes,
            // With flags of another family the daemon takes what it finds in the address's place.
            Some(Bind::Address(address)) if address.is_ipv4() != (self.family == Family::V4) => {
                Fit::Perhaps
            }
            Some(Bind::Address(_)) => Fit::No,
            None if !socket.ip().is_unspecified() => Fit::No,
            None => match (self.family, socket) {
                (Family::V4, SocketAddr::V4(_))
                | (Family::V6 | Family::OnlyV6, SocketAddr::V6(_)) => Fit::Yes,
                (Family::V6 | Family::OnlyV6, SocketAddr::V4(_)) => Fit::Perhaps,
                (Family::V4, SocketAddr::V6(_)) => Fit::No,
            },
        }
    }

    /// The socket of a service whose identity is complete; and what is not certain about it.
    pub(in super::super) fn of(service: &ServiceEntry, host: &Host) -> (Self, Option<Doubt>) {
        let first = |name: &str| {
            service
                .identity
                .get(name)
                .and_then(|values| values.first())
                .map(Vec::as_slice)
        };
        let protocol = first("protocol").unwrap_or_default();
        let no_port = ["RPC", "TCPMUX", "TCPMUXPLUS"]
            .iter()
            .any(|word| service.has_word("type", word));
        let port = match first("port").and_then(attribute::count) {
            _ if no_port => None,
            Some(Count::Number(port)) => u16::try_from(port).ok().map(Port::Number),
            Some(Count::Unlimited) | None => {
                Some(match host.port(service.name.as_bytes(), protocol) {
                    Answer::Yes(port) => Port::Number(port),
                    Answer::No | Answer::Unknown => Port::Of(service.name.clone()),
                })
            }
        };
        let bind = first("bind").map(Bind::of);
        let (family, chosen, doubt) = family(service, bind, host);
        let everywhere = |address: &IpAddr| address.is_loopback() || address.is_unspecified();
        let doubt = doubt.or(match bind {
            Some(Bind::Address(address)) if !everywhere(&address) => Some(Doubt::Local),
            Some(Bind::Address(_) | Bind::None) | None => None,
            Some(Bind::Name) => Some(Doubt::Address),
        });
        let socket = Self {
            protocol: match host.protocol(protocol) {
                Answer::Yes(number) => Ok(number),
                Answer::No | Answer::Unknown => Err(protocol.to_ascii_lowercase()),
            },
            stream: if first("socket_type").is_some_and(|word| attribute::is(word, "stream")) {
                Stream::Yes
            } else {
                Stream::No
            },
            port,
            family,
            chosen,
            bind,
        };
        (socket, doubt)
    }

    /// Whether xinetd takes this one for a duplicate of an earlier one, by its own comparison (`check_entry`).
    pub(super) fn duplicates(&self, earlier: &Self) -> Clash {
        // An earlier service for all addresses is not compared: the kernel refuses the second socket, or does not.
        let Some(theirs) = earlier.bind else {
            return Clash::No;
        };
        if self.protocol != earlier.protocol || self.port != earlier.port {
            return Clash::No;
        }
        match (self.bind, theirs) {
            (None, _) => Clash::Yes,
            (Some(Bind::Name), _) | (_, Bind::Name) => Clash::Perhaps,
            (Some(ours), theirs) if ours == theirs => Clash::Yes,
            (Some(_), _) => Clash::No,
        }
    }

    /// Whether the kernel refuses this one while an earlier one is there.
    pub(super) fn collides(&self, earlier: &Self) -> Clash {
        let both_listen = self.stream == Stream::Yes && earlier.stream == Stream::Yes;
        let any = self.port == Some(Port::Number(0));
        if !both_listen || any || self.port.is_none() {
            return Clash::No;
        }
        if self.protocol != earlier.protocol || self.port != earlier.port {
            return Clash::No;
        }
        let Some(theirs) = earlier.places() else {
            return Clash::Perhaps;
        };
        let Some(ours) = self.places() else {
            return Clash::Perhaps;
        };
        let mut meetings = ours
            .iter()
            .flat_map(|ours| theirs.iter().map(|theirs| ours.meets(theirs)));
        let first = meetings.next().unwrap_or_default();
        match (first, meetings.all(|other| other == first)) {
            (true, true) => Clash::Yes,
            (false, true) => Clash::No,
            (_, false) => Clash::Perhaps,
        }
    }

    /// Where it may be: in two families where it hangs on the build.
    fn places(&self) -> Option<Vec<Places>> {
        let address = match self.bind {
            None => None,
            Some(Bind::Address(address)) => Some(address),
            Some(Bind::Name | Bind::None) => return None,
        };
        let address = address.filter(|address| !address.is_unspecified());
        let mapped = address.map(|address| match address {
            IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        });
        let families = match self.chosen {
            Chosen::ByBuild => vec![self.family, Family::V4],
            Chosen::Surely | Chosen::ByName => vec![self.family],
        };
        let place = |family| Places {
            family,
            address: mapped,
        };
        Some(families.into_iter().map(place).collect())
    }
}

/// The addresses that a socket is for.
struct Places {
    family: Family,
    /// None for all.
    address: Option<IpAddr>,
}

impl Places {
    fn meets(&self, other: &Self) -> bool {
        self.reaches(other) || other.reaches(self)
    }

    /// Whether some address of `other` is one of this one's.
    fn reaches(&self, other: &Self) -> bool {
        match (self.address, other.address, self.family, other.family) {
            (Some(ours), Some(theirs), _, _) => ours == theirs,
            // All addresses of IPv6 are those of IPv4 too, unless it is said otherwise.
            (None, None, Family::V6, _) | (None, None, Family::V4, Family::V4) => true,
            (None, None, Family::OnlyV6, theirs) => theirs != Family::V4,
            (None, None, Family::V4, theirs) => theirs == Family::V6,
            (None, Some(_), Family::V6, _) => true,
            (None, Some(theirs), Family::V4, _) => theirs.is_ipv4(),
            (None, Some(theirs), Family::OnlyV6, _) => theirs.is_ipv6(),
            (Some(_), None, _, _) => false,
        }
    }
}

/// The family: what `flags` say, else the address's, else the version's own.
fn family(
    service: &ServiceEntry,
    bind: Option<Bind>,
    host: &Host,
) -> (Family, Chosen, Option<Doubt>) {
    let v4 = service.has_word("flags", "IPv4");
    let v6 = service.has_word("flags", "IPv6");
    // Any line will do, also `v6only = no`: xinetd looks whether the attribute is there.
    let six = if service.attribute("v6only").is_some() {
        Family::OnlyV6
    } else {
        Family::V6
    };
    let by_address = match bind {
        Some(Bind::Address(IpAddr::V4(_))) => Some(Family::V4),
        Some(Bind::Address(IpAddr::V6(_))) => Some(six),
        Some(Bind::Name | Bind::None) | None => None,
    };
    if !v4 && !v6 {
        let has_ipv6 = host.standing(&ipv6_table()) == Standing::File;
        let chosen = match (bind, Version::has(host.version, Change::PrefersIpv6)) {
            (Some(Bind::Name), _) => Chosen::ByName,
            (None, Has::No | Has::Unclear) if has_ipv6 => Chosen::ByBuild,
            (Some(Bind::Address(_) | Bind::None) | None, _) => Chosen::Surely,
        };
        return (by_address.unwrap_or(six), chosen, None);
    }
    let named = if v6 { six } else { Family::V4 };
    let doubt = by_address
        .filter(|by_address| *by_address != named)
        .map(|_| Doubt::Family);
    (named, Chosen::Surely, doubt)
}

/// The kernel's table of its IPv6 addresses, which is there where it has IPv6 at all.
pub(super) fn ipv6_table() -> HostPath {
    known("/proc/net/if_inet6")
}
