//! What a running xinetd says of itself: the state that it appends to `/var/run/xinetd.dump` at SIGUSR1.
//!
//! Also what reading a [`XinetdConfig`](super::XinetdConfig) at SIGHUP would do to that daemon. Nothing here sends a
//! signal or reads the file.

use crate::model::{ConnectionLimit, ConnectionRate};

use super::config::BUILT_IN_RATE;
use super::host::XinetdVersion;

mod differs;

pub use differs::{DaemonSeen, DumpDifference};

const BEGIN: &[u8] = b"INTERNAL STATE DUMP";
const END: &[u8] = b"END OF DUMP";

/// One complete state dump.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XinetdDump {
    /// The version that runs, where it is one that is known.
    pub version: Option<XinetdVersion>,
    /// `instances` of `defaults`, where set.
    pub instances: Option<ConnectionLimit>,
    /// `cps` of `defaults`, where set.
    pub cps: Option<ConnectionRate>,
    /// `per_source` of `defaults`, where set.
    pub per_source: Option<ConnectionLimit>,
    /// The services that run, in the daemon's order.
    pub services: Vec<DumpedService>,
    /// The file that the daemon was started with.
    pub config_file: Option<Vec<u8>>,
}

/// A service in a dump.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpedService {
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
    pub per_source: Option<ConnectionLimit>,
    /// Its own `instances`; an inherited one is not shown.
    pub instances: Option<ConnectionLimit>,
    /// Its own `cps`; an inherited one is not shown.
    pub cps: Option<ConnectionRate>,
    /// An RPC service's program number.
    pub program: Option<String>,
}

impl XinetdDump {
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
            let text = crate::model::printable::text(&line[depth..]);
            match (depth, dump.services.last_mut()) {
                (0, _) => {
                    if let Some(version) = text.strip_prefix("INTERNAL STATE DUMP: ") {
                        let number = version.split_whitespace().last();
                        dump.version = number.and_then(XinetdVersion::parse);
                    } else if let Some(name) = text.strip_prefix("Service = ") {
                        dump.services
                            .push(DumpedService { name: name.to_owned(), ..DumpedService::default() });
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
    pub fn per_source(&self, service: &DumpedService) -> ConnectionLimit {
        service.per_source.or(self.per_source).unwrap_or(ConnectionLimit::Unlimited)
    }

    /// The `instances` in force for a service of this dump.
    #[must_use]
    pub fn instances(&self, service: &DumpedService) -> ConnectionLimit {
        service.instances.or(self.instances).unwrap_or(ConnectionLimit::Unlimited)
    }

    /// The `cps` in force for a service of this dump.
    #[must_use]
    pub fn cps(&self, service: &DumpedService) -> ConnectionRate {
        service.cps.or(self.cps).unwrap_or(BUILT_IN_RATE.value)
    }
}

impl DumpedService {
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
}

/// A limit as a dump shows it: -1 stands for none.
fn count(text: &str) -> Option<ConnectionLimit> {
    match text.trim() {
        "UNLIMITED" | "-1" => Some(ConnectionLimit::Unlimited),
        number => number.parse().ok().map(ConnectionLimit::Number),
    }
}

/// `max conn:50 wait:10`.
fn rate(text: &str) -> Option<ConnectionRate> {
    let (rate, pause) = text.strip_prefix("max conn:")?.split_once(" wait:")?;
    Some(ConnectionRate { rate: rate.parse().ok()?, pause: pause.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "INTERNAL STATE DUMP: 2.3.15.3\nCurrent time: now\n\nServices + defaults:\nService defaults\n\tInstances = 7\n\tCPS = max conn:5 wait:6\n\tBind = All addresses.\nService = a\n\tState = Active\n\tService configuration: a\n\t\tid = smtp-1\n\t\tflags = IPv6\n\t\ttype = UNLISTED\n\t\tsocket_type = stream\n\t\tProtocol (name,number) = (tcp,6)\n\t\tport = 40001\n\t\twait = no\n\t\tPER_SOURCE = -1\n\t\tBind = localhost\n\trunning servers = 0\n\nconfig_file = /etc/xinetd.conf\n\nEND OF DUMP\n";

    #[test]
    fn a_dump_is_read_in_full() {
        let dump = XinetdDump::last(ONE.as_bytes()).unwrap();
        assert_eq!(dump.config_file.as_deref(), Some(b"/etc/xinetd.conf".as_slice()));
        let [service] = dump.services.as_slice() else { panic!("{dump:?}") };
        assert_eq!((service.name.as_str(), service.id.as_str()), ("a", "smtp-1"));
        assert_eq!((service.state.as_str(), service.port), ("Active", Some(40001)));
        assert_eq!(service.bind.as_deref(), Some("localhost"));
        assert_eq!(dump.per_source(service), ConnectionLimit::Unlimited);
        assert_eq!(dump.instances(service), ConnectionLimit::Number(7));
        assert_eq!(dump.cps(service), ConnectionRate { rate: 5, pause: 6 });
    }

    #[test]
    fn the_last_complete_dump_counts() {
        let later = ONE.replace("= 7", "= 8");
        let half = ONE.split("config_file").next().unwrap();
        let text = format!("{ONE}{later}{half}");
        let dump = XinetdDump::last(text.as_bytes()).unwrap();
        assert_eq!(dump.instances, Some(ConnectionLimit::Number(8)));
        assert_eq!(XinetdDump::last(half.as_bytes()), None);
        assert_eq!(XinetdDump::last(b""), None);
    }
}
