//! What a running xinetd says of itself: the state that it appends to `/var/run/xinetd.dump` at SIGUSR1.
//!
//! Also what reading a [`Config`] at SIGHUP would do to that daemon. Nothing here sends a signal or reads the file.

use std::collections::BTreeMap;

use crate::model::{Count, Rate};

use super::config::{BUILT_IN_RATE, Config, ServiceEntry, ServiceState};

const BEGIN: &[u8] = b"INTERNAL STATE DUMP";
const END: &[u8] = b"END OF DUMP";

/// One complete state dump.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dump {
    /// `instances` of `defaults`, where set.
    pub instances: Option<Count>,
    /// `cps` of `defaults`, where set.
    pub cps: Option<Rate>,
    /// `per_source` of `defaults`, where set.
    pub per_source: Option<Count>,
    /// The services that run, in the daemon's order.
    pub services: Vec<Running>,
    /// The file that the daemon was started with.
    pub config_file: Option<Vec<u8>>,
}

/// A service in a dump.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// The name behind `service`.
    pub name: String,
    /// Its `id`.
    pub id: String,
    /// `Active`, or why it is not.
    pub state: String,
    /// `stream`, `dgram`, `raw` or `seqpacket`.
    pub socket_type: String,
    /// The protocol's name; `(null)` where it has none.
    pub protocol: String,
    /// The port, where it has one of its own.
    pub port: Option<u16>,
    /// `yes` or `no`.
    pub wait: String,
    /// The address, or the name that the daemon's resolver gave it; none for all addresses.
    pub bind: Option<String>,
    /// The words of `flags`.
    pub flags: Vec<String>,
    /// The words of `type`.
    pub types: Vec<String>,
    /// The limit in force, inherited or not; none where it is not shown.
    pub per_source: Option<Count>,
    /// Its own `instances`; an inherited one is not shown.
    pub instances: Option<Count>,
    /// Its own `cps`; an inherited one is not shown.
    pub cps: Option<Rate>,
    /// An RPC service's program number.
    pub program: Option<String>,
}

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
    /// The last complete dump in the file; the daemon appends one at each signal.
    #[must_use]
    pub fn last(bytes: &[u8]) -> Option<Self> {
        let mut last = None;
        let mut begin = None;
        let mut at = 0;
        for line in bytes.split(|&b| b == b'\n') {
            if line.starts_with(BEGIN) {
                begin = Some(at);
            } else if line == END {
                // A dump without an end is one that is being written, or was cut off.
                last = begin.take().map(|begin| begin..at).or(last);
            }
            at += line.len() + 1;
        }
        Some(Self::parse(&bytes[last?]))
    }

    fn parse(bytes: &[u8]) -> Self {
        let mut dump = Self::default();
        for line in bytes.split(|&b| b == b'\n') {
            let depth = line.iter().take_while(|&&b| b == b'\t').count();
            let text = String::from_utf8_lossy(&line[depth..]);
            match (depth, dump.services.last_mut()) {
                (0, _) => {
                    if let Some(name) = text.strip_prefix("Service = ") {
                        dump.services.push(Running {
                            name: name.to_owned(),
                            ..Running::default()
                        });
                    } else if text.starts_with("config_file = ") {
                        dump.config_file = Some(line["config_file = ".len()..].to_vec());
                    }
                }
                (1, None) => dump.of_defaults(&text),
                (1, Some(service)) => {
                    if let Some(state) = text.strip_prefix("State = ") {
                        state.clone_into(&mut service.state);
                    }
                }
                (_, Some(service)) => service.attribute(&text),
                (_, None) => {}
            }
        }
        dump
    }

    fn of_defaults(&mut self, text: &str) {
        if let Some(value) = text.strip_prefix("Instances = ") {
            self.instances = count(value);
        } else if let Some(value) = text.strip_prefix("CPS = ") {
            self.cps = rate(value);
        } else if let Some(value) = text.strip_prefix("PER_SOURCE = ") {
            self.per_source = count(value);
        }
    }

    /// The `per_source` in force for a service of this dump.
    #[must_use]
    pub fn per_source(&self, service: &Running) -> Count {
        service
            .per_source
            .or(self.per_source)
            .unwrap_or(Count::Unlimited)
    }

    /// The `instances` in force for a service of this dump.
    #[must_use]
    pub fn instances(&self, service: &Running) -> Count {
        service
            .instances
            .or(self.instances)
            .unwrap_or(Count::Unlimited)
    }

    /// The `cps` in force for a service of this dump.
    #[must_use]
    pub fn cps(&self, service: &Running) -> Rate {
        service.cps.or(self.cps).unwrap_or(BUILT_IN_RATE.value)
    }

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
    fn attribute(&mut self, text: &str) {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        if let Some(value) = text.strip_prefix("id = ") {
            value.clone_into(&mut self.id);
        } else if let Some(value) = text.strip_prefix("flags =") {
            self.flags = words(value);
        } else if let Some(value) = text.strip_prefix("type =") {
            self.types = words(value);
        } else if let Some(value) = text.strip_prefix("socket_type = ") {
            value.clone_into(&mut self.socket_type);
        } else if let Some(value) = text.strip_prefix("Protocol (name,number) = (") {
            let name = value.rsplit_once(',').map_or(value, |(name, _)| name);
            name.clone_into(&mut self.protocol);
        } else if let Some(value) = text.strip_prefix("port = ") {
            self.port = value.parse().ok();
        } else if let Some(value) = text.strip_prefix("wait = ") {
            value.clone_into(&mut self.wait);
        } else if let Some(value) = text.strip_prefix("Bind = ") {
            self.bind = (value != "All addresses.").then(|| value.to_owned());
        } else if let Some(value) = text.strip_prefix("Instances = ") {
            self.instances = count(value);
        } else if let Some(value) = text.strip_prefix("CPS = ") {
            self.cps = rate(value);
        } else if let Some(value) = text.strip_prefix("PER_SOURCE = ") {
            self.per_source = count(value);
        } else if let Some(value) = text.strip_prefix("program number = ") {
            self.program = Some(value.to_owned());
        }
    }

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
    match super::attribute::count(text.as_bytes())? {
        Count::Number(port) => Some(port.to_string()),
        Count::Unlimited => None,
    }
}

/// A limit as a dump shows it: -1 stands for none.
fn count(text: &str) -> Option<Count> {
    match text.trim() {
        "UNLIMITED" | "-1" => Some(Count::Unlimited),
        number => number.parse().ok().map(Count::Number),
    }
}

/// `max conn:50 wait:10`.
fn rate(text: &str) -> Option<Rate> {
    let (rate, pause) = text.strip_prefix("max conn:")?.split_once(" wait:")?;
    Some(Rate {
        rate: rate.parse().ok()?,
        pause: pause.trim().parse().ok()?,
    })
}
