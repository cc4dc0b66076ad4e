//! The way by which a run came to its host, as the run, its ancestors among the processes and the host's own
//! addresses show it. Pure; what that proves is not judged here.

mod ancestry;
mod own;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use self::ancestry::is_session;
pub(super) use self::ancestry::{Ancestor, Ancestry};
pub(super) use self::own::OwnAddresses;
use super::EnvironmentVariables;

/// The way by which this run came to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunConnection {
    /// Who is at the other end of the ssh connection; `None` where none shows, as on a console, under cron
    /// and in a stand-in.
    pub client: Option<SshClient>,
    /// When sshd accepted it, by the host's clock, in milliseconds since 1970; `None` where no process of
    /// sshd is above this run, as in a terminal multiplexer that outlives its login.
    pub since: Option<i64>,
    /// The host's clock, in the unit of [`Self::since`].
    pub now: i64,
    /// The run's controlling terminal on the host; over ssh it has none there.
    pub terminal: ControllingTerminal,
    /// What is above this run among the processes.
    pub above: ProcessesAbove,
    /// From which side of the host's packet filter the client comes.
    pub side: ClientSide,
    /// Who logged in over ssh, as sshd calls its process.
    pub login: Option<String>,
}

/// What is above a run among the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProcessesAbove {
    /// A session of sshd.
    Sshd,
    /// All its ancestors are seen, and none is of sshd.
    Others,
    /// Not all its ancestors are seen: they are of another pid namespace, or hidden.
    #[default]
    Unseen,
}

/// From which side of a host's packet filter a client of its sshd comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientSide {
    /// From another machine.
    Outside,
    /// From the host itself, whose own packets no rule keeps out.
    Inside,
    /// No client is known, or not the host's own addresses.
    #[default]
    Unknown,
}

/// The controlling terminal of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ControllingTerminal {
    /// A virtual console or a serial line, which no packet filter decides about.
    Console,
    /// Any other, such as a pseudo-terminal.
    Other,
    /// It has none, as under cron.
    #[default]
    None,
}

impl ControllingTerminal {
    /// From `tty_nr` of `/proc/PID/stat`: the minor number is in bits 31 to 20 and 7 to 0, the major one in
    /// bits 19 to 8.
    ///
    /// Consoles are, by the kernel's `Documentation/admin-guide/devices.txt`: 4, the virtual consoles (1 to
    /// 63) and the serial ports `ttyS` (from 64 on); 204, the low-density serial ports, among them `ttyAMA`
    /// and Xen's `xvc`; 229, the hypervisors' consoles `hvc`. Pseudo-terminals are 136 to 143, and 3 of old.
    pub(super) const fn of(number: i64) -> Self {
        let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00));
        match (major, minor) {
            (0, 0) => Self::None,
            (4, 1..) | (204 | 229, _) => Self::Console,
            (_, _) => Self::Other,
        }
    }
}

/// Who is at the other end of an ssh connection, as sshd tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshClient {
    /// The address that the host sees.
    pub address: IpAddr,
    /// The port that the host sees.
    pub port: u16,
    /// The host's own address in this connection.
    pub server_address: Option<IpAddr>,
    /// The host's own port in this connection.
    pub server_port: Option<u16>,
}

impl SshClient {
    /// From the variables that sshd gives its sessions (ssh(1)); one that tells no address counts as missing.
    pub(super) fn of(variables: &EnvironmentVariables) -> Option<Self> {
        let value = |name: &[u8]| {
            let mut named = variables.iter().filter(|(its, _)| its == name);
            std::str::from_utf8(&named.next()?.1).ok()
        };
        let connection = value(b"SSH_CONNECTION").and_then(|text| {
            let mut words = text.split(' ');
            Some(Self {
                address: address(words.next()?)?,
                port: words.next()?.parse().ok()?,
                server_address: words.next().and_then(address),
                server_port: words.next().and_then(|port| port.parse().ok()),
            })
        });
        let client = || {
            let mut words = value(b"SSH_CLIENT")?.split(' ');
            Some(Self {
                address: address(words.next()?)?,
                port: words.next()?.parse().ok()?,
                server_address: None,
                server_port: words.next().and_then(|port| port.parse().ok()),
            })
        };
        connection.or_else(client)
    }
}

/// An address, whose zone means something to its own host only.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<SshClient> {
        let pairs = variables.iter();
        let pairs = pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        SshClient::of(&pairs.collect())
    }

    fn client(address: &str, port: u16, server: Option<&str>, server_port: u16) -> SshClient {
        SshClient {
            address: address.parse().unwrap(),
            port,
            server_address: server.map(|text| text.parse().unwrap()),
            server_port: Some(server_port),
        }
    }

    #[test]
    fn sshd_says_who_is_there() {
        let both = [("SSH_CLIENT", "192.0.2.9 1 22"), ("SSH_CONNECTION", "192.0.2.7 50111 192.0.2.1 2222")];
        let expected = client("192.0.2.7", 50111, Some("192.0.2.1"), 2222);
        assert_eq!(of(&both), Some(expected));
        let expected = client("192.0.2.9", 1, None, 22);
        assert_eq!(of(&both[..1]), Some(expected));
        let six = [("SSH_CONNECTION", "fe80::1%eth0 7 fe80::2%eth0 22")];
        assert_eq!(of(&six), Some(client("fe80::1", 7, Some("fe80::2"), 22)));
        let mapped = [("SSH_CONNECTION", "::ffff:192.0.2.7 7 ::ffff:192.0.2.1 22")];
        let expected = client("192.0.2.7", 7, Some("192.0.2.1"), 22);
        assert_eq!(of(&mapped), Some(expected));
    }

    #[test]
    fn what_is_no_address_is_nobody() {
        for text in ["", " ", "UNKNOWN 65535 UNKNOWN 65535", "192.0.2.7", "192.0.2.7 x", "mx1 1 mx2 22"] {
            assert_eq!(of(&[("SSH_CONNECTION", text)]), None, "{text}");
            assert_eq!(of(&[("SSH_CLIENT", text)]), None, "{text}");
        }
        assert_eq!(of(&[("SSH_TTY", "/dev/pts/0")]), None);
        let other = [("SSH_CONNECTION", ""), ("SSH_CLIENT", "192.0.2.7 7 22")];
        assert_eq!(of(&other), Some(client("192.0.2.7", 7, None, 22)));
    }

    #[test]
    fn a_console_is_one_by_its_device() {
        let number = |major: i64, minor: i64| ((minor & !0xff) << 12) | (major << 8) | (minor & 0xff);
        for (major, minor) in [(4, 1), (4, 63), (4, 64), (4, 255), (204, 64), (204, 191), (229, 0)] {
            assert_eq!(
                ControllingTerminal::of(number(major, minor)),
                ControllingTerminal::Console,
                "{major}, {minor}"
            );
        }
        for (major, minor) in
            [(136, 0), (136, 255), (136, 260), (143, 5), (3, 0), (2, 1), (4, 0), (5, 1), (188, 0)]
        {
            assert_eq!(
                ControllingTerminal::of(number(major, minor)),
                ControllingTerminal::Other,
                "{major}, {minor}"
            );
        }
        assert_eq!(ControllingTerminal::of(0), ControllingTerminal::None);
        // As a 32-bit kernel prints a large one.
        assert_eq!(ControllingTerminal::of(-2_013_231_104), ControllingTerminal::Other);
    }
}
