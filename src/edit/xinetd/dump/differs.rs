//! What a SIGHUP would do to a running xinetd: which services vanish, restart, appear, or change a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::model::HostPath;

use super::super::attribute::BindAddress;
use super::super::config::{ServiceEntry, ServiceState, XinetdConfig};
use super::super::services::{Ipv6Family, ServiceSocket};
use super::{DumpedService, XinetdDump};

/// What would be otherwise after a SIGHUP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpDifference {
    /// The service ends, and its sessions with it.
    Vanishes {
        /// Its id.
        id: String,
    },
    /// The service is stopped and started, and its sessions end.
    Restarts {
        /// Its id.
        id: String,
        /// The attribute that differs.
        attribute: &'static str,
        /// What runs.
        running: String,
        /// What the files say.
        configured: String,
    },
    /// The service is not running yet.
    Appears {
        /// Its id.
        id: String,
    },
    /// A limit changes; open sessions live on.
    Limit {
        /// The service's id.
        id: String,
        /// `per_source`, `instances` or `cps`.
        attribute: &'static str,
        /// What runs.
        running: String,
        /// What the files say.
        configured: String,
    },
    /// The daemon exits over a value in `defaults`.
    DaemonExits,
}

/// What is known of the running daemon beside its dump.
#[derive(Debug, Clone, Default)]
pub struct DaemonSeen {
    /// The TCP sockets that it listens on.
    pub listens: Vec<SocketAddr>,
    /// The files whose services it has as they stand there.
    pub loaded: BTreeSet<HostPath>,
}

impl DaemonSeen {
    fn has(&self, service: &ServiceEntry) -> bool {
        self.loaded.contains(&service.path)
    }
}

impl XinetdDump {
    /// What a SIGHUP would do: services that vanish or restart first, then new ones, then limits.
    ///
    /// A running service and a configured one are the same to xinetd when the id is equal and neither type,
    /// wait, protocol, socket type nor port differ; a new address or address family restarts it. The dump
    /// shows an address by the name that the resolver gives it, so that what it is comes from the daemon's
    /// sockets.
    #[must_use]
    pub fn differs(&self, config: &XinetdConfig, seen: &DaemonSeen) -> Vec<DumpDifference> {
        if config.daemon_exits() {
            return vec![DumpDifference::DaemonExits];
        }
        let mut offered: BTreeMap<String, Vec<&ServiceEntry>> = BTreeMap::new();
        for service in &config.services {
            if service.state == ServiceState::Offered {
                let id = service.id.to_ascii_lowercase();
                offered.entry(id).or_default().push(service);
            }
        }
        let mut lost = Vec::new();
        let mut limits = Vec::new();
        for running in &self.services {
            let candidates = offered.entry(running.id.to_ascii_lowercase()).or_default();
            let same = candidates.iter().position(|service| running.replaced_by(service).is_none());
            let Some(index) = same.or(if candidates.is_empty() { None } else { Some(0) }) else {
                lost.push(DumpDifference::Vanishes { id: running.id.clone() });
                continue;
            };
            let service = candidates.remove(index);
            if let Some((attribute, was, will)) =
                running.replaced_by(service).or_else(|| running.moved_by(service, seen))
            {
                lost.push(DumpDifference::Restarts {
                    id: running.id.clone(),
                    attribute,
                    running: was,
                    configured: will,
                });
            }
            self.limits(running, service, &mut limits);
        }
        let new = offered.into_values().flatten().map(|service| {
            let id = service.id.clone();
            DumpDifference::Appears { id }
        });
        lost.into_iter().chain(new).chain(limits).collect()
    }

    fn limits(&self, running: &DumpedService, service: &ServiceEntry, limits: &mut Vec<DumpDifference>) {
        let mut compare = |attribute, running_value: String, configured: String| {
            if running_value != configured {
                limits.push(DumpDifference::Limit {
                    id: running.id.clone(),
                    attribute,
                    running: running_value,
                    configured,
                });
            }
        };
        compare("per_source", self.per_source(running).to_string(), service.per_source.value.to_string());
        compare("instances", self.instances(running).to_string(), service.instances.value.to_string());
        compare("cps", self.cps(running).to_string(), service.cps.value.to_string());
    }
}

impl DumpedService {
    /// The first difference that makes the daemon take the two for different services.
    fn replaced_by(&self, service: &ServiceEntry) -> Option<(&'static str, String, String)> {
        let word = |name: &str| {
            service
                .identity
                .get(name)
                .and_then(|values| values.first())
                .map(|value| crate::model::printable::text(value).to_ascii_lowercase())
        };
        let has = |words: &[String], word: &str| words.iter().any(|w| w.eq_ignore_ascii_case(word));
        let configured_types: Vec<String> = service
            .identity
            .get("type")
            .into_iter()
            .flatten()
            .map(|value| crate::model::printable::text(value))
            .collect();
        for kind in ["UNLISTED", "INTERNAL", "RPC"] {
            if has(&self.types, kind) != has(&configured_types, kind) {
                return Some(("type", self.types.join(" "), configured_types.join(" ")));
            }
        }
        let rpc = has(&self.types, "RPC");
        let pairs = [
            ("wait", Some(self.wait.clone()), word("wait")),
            ("protocol", Some(self.protocol.clone()), word("protocol")),
            ("socket_type", Some(self.socket_type.clone()).filter(|_| !rpc), word("socket_type")),
            (
                "port",
                self.port.map(|port| port.to_string()).filter(|_| !rpc),
                service.socket.as_ref().and_then(ServiceSocket::port).map(|port| port.to_string()),
            ),
            ("rpc_number", self.program.clone().filter(|_| rpc), word("rpc_number")),
        ];
        pairs.into_iter().find_map(|(name, running, configured)| {
            let (running, configured) = (running?, configured?);
            (!running.eq_ignore_ascii_case(&configured)).then_some((name, running, configured))
        })
    }

    /// The first difference that makes the daemon open the service's socket anew.
    fn moved_by(&self, service: &ServiceEntry, seen: &DaemonSeen) -> Option<(&'static str, String, String)> {
        let socket = service.socket.as_ref()?;
        let configured = service.identity.get("bind").and_then(|values| values.first());
        if let Some(will) = configured
            && !seen.has(service)
            && !self.is_bound_to(will, seen)
        {
            let was = self.bind.as_deref().unwrap_or("all addresses").to_owned();
            return Some(("bind", was, crate::model::printable::text(will)));
        }
        // The daemon notes the family in the flags, also one that the file does not name.
        let has = |word: &str| self.flags.iter().any(|flag| flag.eq_ignore_ascii_case(word));
        let six = match (has("IPv4"), has("IPv6")) {
            (_, true) => Ipv6Family::Yes,
            (true, false) => Ipv6Family::No,
            (false, false) => return None,
        };
        let name = |six| match six {
            Ipv6Family::Yes => "IPv6",
            Ipv6Family::No => "IPv4",
        };
        let other = match six {
            Ipv6Family::Yes => Ipv6Family::No,
            Ipv6Family::No => Ipv6Family::Yes,
        };
        let difference = || ("flags", name(six).to_owned(), name(other).to_owned());
        socket.moves_from(six).then(difference)
    }

    /// Whether the address that it runs on is the configured one.
    fn is_bound_to(&self, configured: &[u8], seen: &DaemonSeen) -> bool {
        let Some(shown) = &self.bind else {
            return false;
        };
        match BindAddress::of(configured) {
            BindAddress::Address(address) => match (shown.parse::<IpAddr>(), self.port) {
                (Ok(shown), _) => shown == address,
                (Err(_), Some(port)) => seen.listens.contains(&SocketAddr::new(address, port)),
                (Err(_), None) => false,
            },
            BindAddress::Name | BindAddress::None => configured.eq_ignore_ascii_case(shown.as_bytes()),
        }
    }
}
