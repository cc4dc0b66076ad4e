//! The ssh connection under which a run stands on its host, as the run and its ancestors among the processes show it. Pure.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Variables;

/// The ssh connection under which this run stands on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Who is at its other end; `None` where no ssh connection shows, as on a console, under cron and in a stand-in.
    pub client: Option<SshClient>,
    /// When sshd accepted it, by the host's clock, in milliseconds since 1970; `None` where no process of sshd is above
    /// this run, as in a terminal multiplexer that outlives its login.
    pub since: Option<i64>,
    /// The host's clock, in the unit of [`Self::since`].
    pub now: i64,
    /// Whether the run has a controlling terminal on the host; over ssh it has none there.
    pub terminal: Terminal,
}

/// Whether a run has a controlling terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Terminal {
    /// It has one, be it a console or a pseudo-terminal.
    Controlling,
    /// It has none, as under cron.
    #[default]
    None,
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
    pub(super) fn of(variables: &Variables) -> Option<Self> {
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
    text.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

/// When the connection was accepted, in clock ticks since boot: from each ancestor's first argument and start.
///
/// sshd forks a process for a connection when it accepts it, and that one forks others; each names itself so, and only the
/// one that listens is called `[listener]`, or by its path. It is the oldest.
pub(super) fn accepted<'a>(ancestors: impl IntoIterator<Item = (&'a [u8], u64)>) -> Option<u64> {
    let is_session = |title: &[u8]| {
        let is_named = title.starts_with(b"sshd: ") || title.starts_with(b"sshd-session: ");
        is_named && memchr::memmem::find(title, b"[listener]").is_none()
    };
    let sessions = ancestors.into_iter().filter(|(title, _)| is_session(title));
    sessions.map(|(_, start)| start).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<SshClient> {
        let pairs = variables.iter();
        let pairs =
            pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
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
        let both = [
            ("SSH_CLIENT", "192.0.2.9 1 22"),
            ("SSH_CONNECTION", "192.0.2.7 50111 192.0.2.1 2222"),
        ];
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
        for text in [
            "",
            " ",
            "UNKNOWN 65535 UNKNOWN 65535",
            "192.0.2.7",
            "192.0.2.7 x",
            "mx1 1 mx2 22",
        ] {
            assert_eq!(of(&[("SSH_CONNECTION", text)]), None, "{text}");
            assert_eq!(of(&[("SSH_CLIENT", text)]), None, "{text}");
        }
        assert_eq!(of(&[("SSH_TTY", "/dev/pts/0")]), None);
        let other = [("SSH_CONNECTION", ""), ("SSH_CLIENT", "192.0.2.7 7 22")];
        assert_eq!(of(&other), Some(client("192.0.2.7", 7, None, 22)));
    }

    #[test]
    fn the_oldest_process_of_a_session_is_the_connections() {
        let at = |titles: &[(&str, u64)]| {
            let titles = titles.iter();
            accepted(titles.map(|&(title, start)| (title.as_bytes(), start)))
        };
        let listener = ("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 5);
        for titles in [
            [
                ("-bash", 60),
                ("sshd: operator@pts/0", 55),
                ("sshd: operator [priv]", 50),
                listener,
            ],
            [
                ("sudo", 70),
                ("sh", 60),
                ("sshd-session: root@notty", 50),
                listener,
            ],
            [
                ("sh", 60),
                ("sshd: root@notty", 50),
                ("/usr/sbin/sshd", 5),
                ("/sbin/init", 1),
            ],
        ] {
            assert_eq!(at(&titles), Some(50));
        }
        assert_eq!(at(&[("tmux: server", 60), ("/sbin/init", 1)]), None);
        assert_eq!(at(&[listener]), None);
    }
}
