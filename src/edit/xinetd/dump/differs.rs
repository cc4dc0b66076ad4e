//! What a SIGHUP would do to a running xinetd: which services vanish, restart, appear, or change a limit.

use std::collections::BTreeMap;

use crate::model::Count;

use super::super::attribute;
use super::super::config::{Config, ServiceEntry, ServiceState};
use super::{Dump, Running};

/// What would be otherwise after a SIGHUP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
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

impl Dump {
    /// What a SIGHUP would do: services that vanish or restart first, then new ones, then limits.
    ///
    /// A running service and a configured one are the same to xinetd when the id is equal and neither type, wait,
    /// protocol, socket type nor port differ; a new address or address family restarts it. A port that is only in
    /// `/etc/services`, and an address that the dump shows as a name, count as unchanged and as changed.
    #[must_use]
    pub fn differs(&self, config: &Config) -> Vec<Difference> {
        if config.daemon_exits() {
            return vec![Difference::DaemonExits];
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
            let same = candidates
                .iter()
                .position(|service| running.replaced_by(service).is_none());
            let Some(index) = same.or(if candidates.is_empty() { None } else { Some(0) }) else {
                lost.push(Difference::Vanishes {
                    id: running.id.clone(),
                });
                continue;
            };
            let service = candidates.remove(index);
            if let Some((attribute, was, will)) = running
                .replaced_by(service)
                .or_else(|| running.moved_by(service))
            {
                lost.push(Difference::Restarts {
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
            Difference::Appears { id }
        });
        lost.into_iter().chain(new).chain(limits).collect()
    }

    fn limits(&self, running: &Running, service: &ServiceEntry, limits: &mut Vec<Difference>) {
        let mut compare = |attribute, running_value: String, configured: String| {
            if running_value != configured {
                limits.push(Difference::Limit {
                    id: running.id.clone(),
                    attribute,
                    running: running_value,
                    configured,
                });
            }
        };
        compare(
            "per_source",
            self.per_source(running).to_string(),
            service.per_source.value.to_string(),
        );
        compare(
            "instances",
            self.instances(running).to_string(),
            service.instances.value.to_string(),
        );
        compare(
            "cps",
            self.cps(running).to_string(),
            service.cps.value.to_string(),
        );
    }
}

impl Running {
    /// The first difference that makes the daemon take the two for different services.
    fn replaced_by(&self, service: &ServiceEntry) -> Option<(&'static str, String, String)> {
        let word = |name: &str| {
            service
                .identity
                .get(name)
                .and_then(|values| values.first())
                .map(|value| String::from_utf8_lossy(value).to_ascii_lowercase())
        };
        let has = |words: &[String], word: &str| words.iter().any(|w| w.eq_ignore_ascii_case(word));
        let configured_types: Vec<String> = service
            .identity
            .get("type")
            .into_iter()
            .flatten()
            .map(|value| String::from_utf8_lossy(value).into_owned())
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
            (
                "socket_type",
                Some(self.socket_type.clone()).filter(|_| !rpc),
                word("socket_type"),
            ),
            (
                "port",
                self.port.map(|port| port.to_string()).filter(|_| !rpc),
                word("port").and_then(|text| port(&text)),
            ),
            (
                "rpc_number",
                self.program.clone().filter(|_| rpc),
                word("rpc_number"),
            ),
        ];
        pairs.into_iter().find_map(|(name, running, configured)| {
            let (running, configured) = (running?, configured?);
            (!running.eq_ignore_ascii_case(&configured)).then_some((name, running, configured))
        })
    }

    /// The first difference that makes the daemon open the service's socket anew.
    fn moved_by(&self, service: &ServiceEntry) -> Option<(&'static str, String, String)> {
        let values = |name: &str| -> Vec<String> {
            service
                .identity
                .get(name)
                .into_iter()
                .flatten()
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect()
        };
        let was = self.bind.as_deref();
        if let Some(will) = values("bind").into_iter().next()
            && was != Some(will.as_str())
        {
            let was = was.unwrap_or("all addresses").to_owned();
            return Some(("bind", was, will));
        }
        let flags = values("flags");
        let family = |flags: &[String]| {
            // With neither, or with both, it is IPv6.
            let v4 = flags.iter().any(|flag| flag.eq_ignore_ascii_case("IPv4"));
            let v6 = flags.iter().any(|flag| flag.eq_ignore_ascii_case("IPv6"));
            if v4 && !v6 { "IPv4" } else { "IPv6" }
        };
        let (was, will) = (family(&self.flags), family(&flags));
        // An address brings its own family.
        (was != will && self.bind.is_none()).then(|| ("flags", was.to_owned(), will.to_owned()))
    }
}

/// A port as the daemon has it: `010` is 10.
fn port(text: &str) -> Option<String> {
    match attribute::count(text.as_bytes())? {
        Count::Number(port) => Some(port.to_string()),
        Count::Unlimited => None,
    }
}
