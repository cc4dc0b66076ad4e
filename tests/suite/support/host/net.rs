//! A network worth keeping out: clients of a host, each in a network namespace of its own with addresses of
//! its own, and what becomes of their attempts to connect. Must load no rules.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::session::{self, Session};
use super::{Host, Kind, keeper};

/// The panel's ports, which answer HTTP on a host with a network.
pub(super) const PANEL_PORTS: [u16; 2] = [8443, 8880];

/// Time after which a client that got no answer takes it that none comes; on this network an answer takes
/// microseconds.
const PATIENCE: Duration = Duration::from_millis(300);

/// Time in which a connection that must come about does, however busy the machine is.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Serves the panel's ports. `httpd` is in every BusyBox, and it is no daemon that mail is served with.
const PANEL: &str = "\
#!/bin/sh
case $1 in
start)
    for port in 8443 8880; do
        /bin/busybox httpd -p \"[::]:$port\" -h /usr/local/lib/test-services
    done
    ;;
esac
exit 0
";

const PANEL_UNIT: &str = "\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/etc/init.d/panel-ports start
";

/// A version of IP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, for tests that hold on each.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The host's address on its network card.
    pub fn host(self) -> IpAddr {
        self.pick("192.0.2.1", "2001:db8:25::1")
    }

    fn loopback(self) -> IpAddr {
        self.pick("127.0.0.1", "::1")
    }

    fn pick(self, four: &str, six: &str) -> IpAddr {
        let text = match self {
            Self::V4 => four,
            Self::V6 => six,
        };
        text.parse().expect("an address")
    }
}

/// What becomes of an attempt to connect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// The handshake is done.
    Connects,
    /// The host answered that it will not: nobody listens, or a rule rejects with a reset.
    Refused,
    /// No answer within 300 ms: a rule drops.
    ///
    /// Or one rejects by ICMP: on a link without delay that comes back while the client's kernel is still
    /// sending, which then forgets it.
    Silent,
}

/// The clients of one host: `office`, `vpn`, `stranger` and, without IPv4, `six`.
///
/// They outlive the host's boots, not the [`Host`].
#[derive(Clone, Debug)]
pub struct Net {
    keeper: u32,
}

/// Name, IPv4 network and IPv6 network of each client; its own address is the one that ends in 1.
const CLIENTS: [(&str, Option<&str>, &str); 4] = [
    ("office", Some("198.18.1.0/24"), "2001:db8:1::/64"),
    ("vpn", Some("198.18.2.0/24"), "2001:db8:2::/64"),
    ("stranger", Some("198.18.3.0/24"), "2001:db8:3::/64"),
    ("six", None, "2001:db8:4::/64"),
];

impl Net {
    /// Returns a client by its name.
    pub fn client(&self, name: &str) -> Client {
        let (name, four, six) = CLIENTS
            .into_iter()
            .find(|client| client.0 == name)
            .unwrap_or_else(|| panic!("no client {name:?} in {CLIENTS:?}"));
        let first = |network: &str| {
            let (base, _) = network.split_once('/').expect("a network");
            let base = base.strip_suffix(".0").map_or(base.to_owned(), |base| format!("{base}."));
            format!("{base}1").parse().expect("an address")
        };
        Client { keeper: self.keeper, name, networks: (four, six), four: four.map(first), six: first(six) }
    }

    /// Returns all clients, in the order of their names above.
    pub fn clients(&self) -> Vec<Client> {
        CLIENTS.iter().map(|client| self.client(client.0)).collect()
    }
}

/// A client of a host.
#[derive(Clone, Debug)]
pub struct Client {
    keeper: u32,
    name: &'static str,
    networks: (Option<&'static str>, &'static str),
    four: Option<IpAddr>,
    six: IpAddr,
}

impl Client {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The versions of IP that it has.
    pub fn families(&self) -> Vec<Family> {
        match self.four {
            Some(_) => Family::ALL.to_vec(),
            None => vec![Family::V6],
        }
    }

    /// The address that it connects from; fails where it has none.
    pub fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.four.unwrap_or_else(|| panic!("{} has no IPv4", self.name)),
            Family::V6 => self.six,
        }
    }

    /// The network all of whose addresses it has; fails where it has none.
    pub fn network(&self, family: Family) -> &'static str {
        match family {
            Family::V4 => (self.networks.0).unwrap_or_else(|| panic!("{} has no IPv4", self.name)),
            Family::V6 => self.networks.1,
        }
    }

    /// The same client, connecting from another address of its networks.
    pub fn at(mut self, address: &str) -> Self {
        match address.parse().expect("an address") {
            address @ IpAddr::V4(_) => self.four = Some(address),
            address @ IpAddr::V6(_) => self.six = address,
        }
        self
    }

    /// Tries to connect to a port of the host and closes the connection again.
    pub fn reaches(&self, port: u16, family: Family) -> Reach {
        reach(self.dial(port, family, PATIENCE))
    }

    /// Tries to connect to a port of another address, to which the host is the way.
    pub fn reaches_beyond(&self, address: IpAddr, port: u16) -> Reach {
        let family = match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        };
        let (namespace, target) = (self.namespace(), SocketAddr::new(address, port));
        let attempt = session::dial_in(&namespace, self.address(family), target, PATIENCE);
        reach(attempt.map(Session::over))
    }

    /// Opens a connection to a port of the host, which stays open with the value; fails where it does not
    /// come about.
    pub fn open(&self, port: u16, family: Family) -> Session {
        let name = self.name;
        self.dial(port, family, HANDSHAKE)
            .unwrap_or_else(|error| panic!("port {port} from {name} over {family:?}: {error}"))
    }

    /// Its network namespace, as a path on the machine.
    pub fn namespace(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}/clients/{}", self.keeper, keeper::place(), self.name))
    }

    fn dial(&self, port: u16, family: Family, limit: Duration) -> io::Result<Session> {
        let target = SocketAddr::new(family.host(), port);
        session::dial_in(&self.namespace(), self.address(family), target, limit).map(Session::over)
    }
}

fn reach(attempt: io::Result<Session>) -> Reach {
    match attempt {
        Ok(_) => Reach::Connects,
        Err(error) => match error.kind() {
            ErrorKind::TimedOut => Reach::Silent,
            // The last two are what ICMP's "administratively prohibited" comes to, in IPv4 and in IPv6.
            ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::PermissionDenied => {
                Reach::Refused
            }
            _ => panic!("neither connected, refused nor silent: {error}"),
        },
    }
}

/// Which half of the kernel the plain names `iptables`, `ip6tables` and theirs for saving and restoring lead
/// to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PacketFilter {
    /// nftables, as since CentOS 8 and Debian 10.
    Nft,
    /// The tables of their own that kernels had before.
    Legacy,
}

impl PacketFilter {
    /// Both, for tests that hold on each.
    pub const ALL: [Self; 2] = [Self::Nft, Self::Legacy];
}

impl Host {
    /// Gives the host clients, the panel's ports 8443 and 8880, and an sshd if it has none; all of it
    /// survives reboots.
    pub fn network(&mut self) -> Net {
        let net = Net { keeper: self.keeper_pid() };
        if self.network {
            return net;
        }
        self.network = true;
        assert_eq!(self.keeper.ask("network"), "connected");
        self.sshd();
        self.write_as("/etc/init.d/panel-ports", 0o755, PANEL);
        if self.kind == Kind::Systemd {
            self.write("/lib/systemd/system/panel-ports.service", PANEL_UNIT);
        }
        self.enable("panel-ports");
        if self.init.is_some() {
            self.run(&["/etc/init.d/panel-ports", "start"]).success();
            self.wait_for_ports(&PANEL_PORTS);
        }
        net
    }

    /// Tries to connect inside the host, to `127.0.0.1` or `::1`.
    pub fn reaches_itself(&self, port: u16, family: Family) -> Reach {
        self.reaches_inside(port, family.loopback())
    }

    /// Tries to connect inside the host to the address of its network card, as a webmail does that knows it
    /// by name.
    pub fn reaches_its_card(&self, port: u16, family: Family) -> Reach {
        self.reaches_inside(port, family.host())
    }

    fn reaches_inside(&self, port: u16, address: IpAddr) -> Reach {
        let namespace = PathBuf::from(format!("/proc/{}/ns/net", self.init_pid()));
        let target = SocketAddr::new(address, port);
        let attempt = session::dial_in(&namespace, address, target, PATIENCE);
        reach(attempt.map(Session::over))
    }

    /// Makes `iptables` and its like another one's; a host with BusyBox has only the legacy one.
    pub fn packet_filter_is(&self, which: PacketFilter) {
        assert_ne!(self.kind, Kind::BusyBox, "it has only one");
        let backend = match which {
            PacketFilter::Nft => "nft",
            PacketFilter::Legacy => "legacy",
        };
        for family in ["iptables", "ip6tables"] {
            for what in ["", "-save", "-restore"] {
                let link = self.path_on_machine(&format!("/etc/alternatives/{family}{what}"));
                std::fs::remove_file(&link).expect("Debian has alternatives");
                let target = format!("/usr/sbin/{family}-{backend}{what}");
                std::os::unix::fs::symlink(target, &link).expect("the folder exists");
            }
        }
    }
}
