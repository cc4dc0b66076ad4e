//! The host's own addresses: who comes from one of them comes from the host itself.

use std::net::IpAddr;

use super::{ClientSide, SshClient};
use crate::model::{Network, NotANetwork};

/// The host's own addresses, as far as they are known.
#[derive(Debug, Default)]
pub(in crate::host) struct OwnAddresses {
    v4: Vec<Network>,
    v6: Vec<Network>,
}

impl OwnAddresses {
    /// From `/proc/net/fib_trie`, which has whole networks where those are the host's own, and from
    /// `/proc/net/if_inet6`. Where the first is missing, as on kernels before 2.6.39, what `ip -o addr` or
    /// `ifconfig -a` prints takes its place.
    pub(in crate::host) fn read(v4: &[u8], v6: &[u8]) -> Self {
        let (v4, v6) = (String::from_utf8_lossy(v4), String::from_utf8_lossy(v6));
        let mut own = Self::default();
        let mut leaf = None;
        for line in v4.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["|--", address] => leaf = Some(address),
                [prefix, .., "LOCAL"] if prefix.starts_with('/') => {
                    own.v4.extend(leaf.and_then(|leaf| network(&format!("{leaf}{prefix}"))));
                }
                _ => own.v4.extend(shown(&words).filter(|one| one.first().is_ipv4())),
            }
        }
        own.v6 = v6.lines().filter_map(in_hex).collect();
        own
    }

    /// From which side a client comes.
    pub(in crate::host) fn side(&self, client: &SshClient) -> ClientSide {
        let address = client.address.to_canonical();
        let own = match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        let is_own = address.is_loopback()
            || address.is_unspecified()
            || client.server_address.map(|own| own.to_canonical()) == Some(address)
            || own.iter().any(|own| own.contains(address));
        match (is_own, own.is_empty()) {
            (true, _) => ClientSide::Inside,
            (false, false) => ClientSide::Outside,
            (false, true) => ClientSide::Unknown,
        }
    }
}

fn network(text: &str) -> Option<Network> {
    match Network::parse(text) {
        Ok(network)
        | Err(
            NotANetwork::HostBits { corrected: network }
            | NotANetwork::Mask { corrected: network }
            | NotANetwork::Mapped { corrected: network },
        ) => Some(network),
        Err(NotANetwork::Syntax | NotANetwork::Zone) => None,
    }
}

/// The address behind `inet` in a line of `ip` or `ifconfig`, alone.
fn shown<'l>(words: &'l [&'l str]) -> impl Iterator<Item = Network> + 'l {
    let pairs = words.windows(2).filter(|pair| pair[0] == "inet");
    pairs.filter_map(|pair| {
        let text = pair[1].strip_prefix("addr:").unwrap_or(pair[1]);
        network(text.split('/').next()?)
    })
}

/// The address at the start of a line of `if_inet6`.
fn in_hex(line: &str) -> Option<Network> {
    let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
    let bits = u128::from_str_radix(digits, 16).ok()?;
    Some(Network::from(IpAddr::V6(bits.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 192.0.2.0\n        /24 link UNICAST\nLocal:\n  +-- 127.0.0.0/8 2 0 2\n        |-- 127.0.0.0\n           /8 host LOCAL\n        |-- 127.0.0.1\n           /32 host LOCAL\n     |-- 192.0.2.1\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n     |-- 198.51.100.0\n        /25 host LOCAL\n";
    const SIX: &str = "20010db8002500000000000000000001 02 40 00 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\n";

    fn side(own: &OwnAddresses, address: &str, server: Option<&str>) -> ClientSide {
        own.side(&SshClient {
            address: address.parse().unwrap(),
            port: 7,
            server_address: server.map(|text| text.parse().unwrap()),
            server_port: None,
        })
    }

    #[test]
    fn what_comes_from_an_own_address_comes_from_inside() {
        let own = OwnAddresses::read(TRIE.as_bytes(), SIX.as_bytes());
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "192.0.2.1",
            "198.51.100.77",
            "0.0.0.0",
            "::1",
            "::",
            "2001:db8:25::1",
            "::ffff:127.0.0.1",
            "::ffff:192.0.2.1",
        ] {
            assert_eq!(side(&own, address, None), ClientSide::Inside, "{address}");
        }
        for address in ["192.0.2.2", "192.0.2.255", "198.51.100.128", "2001:db8:25::2", "::ffff:192.0.2.2"] {
            assert_eq!(side(&own, address, None), ClientSide::Outside, "{address}");
        }
        assert_eq!(side(&own, "192.0.2.2", Some("::ffff:192.0.2.2")), ClientSide::Inside);
    }

    #[test]
    fn what_older_tools_print_does_as_well() {
        let ip = "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 192.0.2.1/24 brd 192.0.2.255 scope global eth0\n2: eth0    inet6 fe80::1/64 scope link\n3: ppp0    inet 10.0.0.1 peer 10.0.0.2/32 scope global ppp0\n";
        let ifconfig = "eth0  Link encap:Ethernet\n      inet addr:192.0.2.1  Bcast:192.0.2.255\n      inet addr:10.0.0.1  Mask:255.0.0.0\n";
        for text in [ip, ifconfig] {
            let own = OwnAddresses::read(text.as_bytes(), b"");
            for (address, expected) in [
                ("192.0.2.1", ClientSide::Inside),
                ("10.0.0.1", ClientSide::Inside),
                ("192.0.2.7", ClientSide::Outside),
                ("10.0.0.2", ClientSide::Outside),
                ("2001:db8::9", ClientSide::Unknown),
            ] {
                assert_eq!(side(&own, address, None), expected, "{address}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_not_outside() {
        let none = OwnAddresses::read(b"", b"");
        assert_eq!(side(&none, "192.0.2.7", Some("192.0.2.1")), ClientSide::Unknown);
        assert_eq!(side(&none, "192.0.2.1", Some("192.0.2.1")), ClientSide::Inside);
        assert_eq!(side(&none, "127.0.0.1", None), ClientSide::Inside);
    }
}
