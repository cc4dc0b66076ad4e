//! What only the whole configuration shows: inherited limits, disabled and enabled lists, missing attributes, duplicates.

mod refused;
mod socket;

use std::collections::{BTreeMap, BTreeSet};

use crate::edit::Spot;
use crate::model::{Count, HostPath, Rate};

use super::attribute;
use super::config::{
    Assignment, BUILT_IN_RATE, Config, Defaults, Effective, ServiceEntry, ServiceState, Source,
    UNLIMITED,
};
use super::host::{Change, Has, Host, Version, host_path};
use super::problem::{Doubt, Problem, ProblemKind};
use super::reader::Operator;
use super::reading::{DisabledBy, Pending};
use refused::Circumstances;
pub use refused::built_in;
use socket::Clash;
pub(super) use socket::Six;
pub use socket::{Fit, Socket};

/// Gives each service its state, its inherited limits and its identity, in xinetd's order of things.
pub(super) fn settle(config: &mut Config, pending: Vec<Pending>, host: &Host) {
    let enabled = listed(config, "enabled");
    let disabled = listed(config, "disabled").unwrap_or_default();
    let inherited = Inherited::of(&config.defaults);
    let mut services = std::mem::take(&mut config.services);
    let mut sockets = Sockets::default();
    let mut paths = BTreeSet::new();
    for (service, pending) in services.iter_mut().zip(pending) {
        let is_enabled = enabled.as_ref().map(|ids| ids.contains(&fold(&service.id)));
        let traffic = match pending {
            Pending::Listed { traffic, .. } => inherited.logs_traffic(service, traffic),
            Pending::Off | Pending::Lost(_) => false,
        };
        service.state = match pending {
            Pending::Lost(kind) => ServiceState::Dropped(kind),
            Pending::Off => {
                if is_enabled == Some(true)
                    && Version::has(host.version, Change::StopsAtDisable) == Has::Unclear
                {
                    config
                        .problems
                        .push(heading_problem(service, ProblemKind::BuildsDiffer));
                    doubt(service, Doubt::Version(Change::StopsAtDisable));
                }
                ServiceState::Disabled
            }
            Pending::Listed {
                disabled: verdict, ..
            } => match (is_enabled, verdict) {
                (Some(false), _) => ServiceState::Disabled,
                (None, Some(DisabledBy::BadValue)) => ServiceState::Dropped(ProblemKind::BadValue),
                (None, Some(DisabledBy::Itself)) => ServiceState::Disabled,
                // An entry in `enabled` takes even a bad value's verdict back.
                (Some(true), _) | (None, None) if disabled.contains(&fold(&service.id)) => {
                    ServiceState::Disabled
                }
                (Some(true), Some(DisabledBy::BadValue)) => {
                    doubt(service, Doubt::Enabled);
                    ServiceState::Offered
                }
                (Some(true), Some(DisabledBy::Itself) | None) | (None, None) => {
                    ServiceState::Offered
                }
            },
        };
        inherited.fill(service);
        identify(&inherited, service);
        paths.extend(looked_at(&inherited, service));
        let (socket, unsure) = Socket::of(service, host);
        service.socket = Some(socket.clone());
        if service.state == ServiceState::Offered {
            let circumstances = Circumstances {
                traffic,
                log_type: inherited.log_type(service),
                host,
            };
            let judged = refused::judge(service, &circumstances);
            for why in judged.doubts {
                doubt(service, why);
            }
            if let Some(why) = unsure {
                doubt(service, why);
            }
            let refused = match judged.refused {
                // These fail only when xinetd opens the socket, and until then others are compared with them.
                Some(kind @ (ProblemKind::LogFile | ProblemKind::NoSuchSocket)) => {
                    sockets.take(service, socket, Some(kind))
                }
                Some(kind) => {
                    sockets.pass(service, socket);
                    Some(kind)
                }
                None => sockets.take(service, socket, None),
            };
            if let Some(kind) = refused {
                config.problems.push(heading_problem(service, kind.clone()));
                service.state = ServiceState::Dropped(kind);
            }
        }
    }
    config.services = services;
    config.paths = paths
        .into_iter()
        .filter(|path| !host.paths.contains_key(path))
        .collect();
}

/// The sockets of the services so far.
#[derive(Default)]
struct Sockets {
    /// Of those that xinetd has in its list.
    listed: Vec<Socket>,
    /// Of those whose sockets the kernel has.
    open: Vec<Socket>,
    /// Of those that may be there or not, whichever they are taken for.
    unsure: Vec<Socket>,
}

impl Sockets {
    /// Leaves out the socket of a service that is not offered, or perhaps is.
    fn pass(&mut self, service: &ServiceEntry, socket: Socket) {
        if !service.doubts.is_empty() {
            self.unsure.push(socket);
        }
    }

    /// Adds a service's socket, unless an earlier one is in its way.
    /// It cannot be opened where that `fails`.
    fn take(
        &mut self,
        service: &mut ServiceEntry,
        socket: Socket,
        fails: Option<ProblemKind>,
    ) -> Option<ProblemKind> {
        let clash = |other| socket.duplicates(other).max(socket.collides(other));
        if self.unsure.iter().any(|other| clash(other) != Clash::No) {
            doubt(service, Doubt::Earlier);
        }
        let refused = self.judge(service, socket.clone(), fails);
        self.pass(service, socket);
        refused
    }

    fn judge(
        &mut self,
        service: &mut ServiceEntry,
        socket: Socket,
        fails: Option<ProblemKind>,
    ) -> Option<ProblemKind> {
        let rpc = service.has_word("type", "RPC");
        let worst = |clashes: &mut dyn Iterator<Item = Clash>| clashes.max().unwrap_or(Clash::No);
        let duplicate = match worst(&mut self.listed.iter().map(|other| socket.duplicates(other))) {
            // Programs of the same address have numbers and versions of their own.
            Clash::Yes | Clash::Perhaps if rpc => Clash::Perhaps,
            clash @ (Clash::Yes | Clash::Perhaps | Clash::No) => clash,
        };
        let taken = worst(&mut self.open.iter().map(|other| socket.collides(other)));
        if duplicate != Clash::Yes {
            self.listed.push(socket.clone());
        }
        if duplicate != Clash::Yes && fails.is_some() {
            return fails;
        }
        match duplicate.max(taken) {
            Clash::Yes => Some(ProblemKind::Duplicate),
            Clash::Perhaps => {
                doubt(service, Doubt::Address);
                self.open.push(socket);
                None
            }
            Clash::No => {
                self.open.push(socket);
                None
            }
        }
    }
}

fn doubt(service: &mut ServiceEntry, why: Doubt) {
    let problem = heading_problem(service, ProblemKind::Unclear(why));
    service.doubts.push(problem);
}

/// The paths of which it matters what stands there: the server, and the log file with its folder.
fn looked_at(inherited: &Inherited, service: &ServiceEntry) -> Vec<HostPath> {
    let server = service
        .assignments
        .iter()
        .filter(|line| line.name == "server")
        .filter_map(|line| line.values.first());
    let log = match inherited.log_type(service) {
        Some([kind, path, ..]) if attribute::is(kind, "FILE") => Some(path),
        Some(_) | None => None,
    };
    let log = log.and_then(|path| host_path(path));
    let folder = log.as_ref().and_then(HostPath::parent);
    server
        .filter_map(|path| host_path(path))
        .chain(log)
        .chain(folder)
        .chain([socket::ipv6_table()])
        .collect()
}

/// The ids in all `enabled` or `disabled` lines; none where there is no such line.
///
/// Every operator adds, even `-=`.
fn listed(config: &Config, name: &str) -> Option<BTreeSet<Vec<u8>>> {
    let mut ids = None;
    for line in config
        .defaults
        .assignments
        .iter()
        .filter(|a| a.name == name)
    {
        let ids = ids.get_or_insert_with(BTreeSet::new);
        ids.extend(line.values.iter().map(|id| id.to_ascii_lowercase()));
    }
    ids
}

fn fold(id: &str) -> Vec<u8> {
    id.to_ascii_lowercase().into_bytes()
}

/// What `defaults` gives to a service that does not say otherwise.
struct Inherited {
    per_source: Effective<Count>,
    instances: Effective<Count>,
    cps: Effective<Rate>,
    bind: Option<Vec<Vec<u8>>>,
    log_type: Option<Vec<Vec<u8>>>,
    /// Whether `log_on_success` has TRAFFIC in it.
    traffic: bool,
}

impl Inherited {
    fn of(defaults: &Defaults) -> Self {
        Self {
            per_source: defaults.per_source().unwrap_or(UNLIMITED),
            instances: defaults.instances().unwrap_or(UNLIMITED),
            cps: defaults.cps().unwrap_or(BUILT_IN_RATE),
            bind: defaults.attribute("bind").map(|line| line.values.clone()),
            // Where a second line is allowed at all, the last one counts.
            log_type: (defaults.assignments.iter())
                .rfind(|line| line.name == "log_type")
                .map(|line| line.values.clone()),
            traffic: logs_traffic(&defaults.assignments, false, Meaning::Adds),
        }
    }

    fn fill(&self, service: &mut ServiceEntry) {
        if service.per_source.from == Source::BuiltIn {
            service.per_source = self.per_source.clone();
        }
        if service.instances.from == Source::BuiltIn {
            service.instances = self.instances.clone();
        }
        if service.cps.from == Source::BuiltIn {
            service.cps = self.cps.clone();
        }
    }

    /// Where a service logs.
    fn log_type<'a>(&'a self, service: &'a ServiceEntry) -> Option<&'a [Vec<u8>]> {
        match service.attribute("log_type") {
            Some(line) => Some(&line.values),
            None => self.log_type.as_deref(),
        }
    }

    /// Whether a service logs TRAFFIC, when the `defaults` read before it do or do not.
    fn logs_traffic(&self, service: &ServiceEntry, before: bool) -> bool {
        if service.attribute("log_on_success").is_some() {
            logs_traffic(&service.assignments, before, Meaning::Replaces)
        } else {
            self.traffic
        }
    }
}

/// What `=` means for an attribute that `+=` and `-=` modify.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// In `defaults`.
    Adds,
    /// In a service.
    Replaces,
}

/// Whether `log_on_success` has TRAFFIC in it after these lines.
pub(super) fn logs_traffic(lines: &[Assignment], before: bool, set: Meaning) -> bool {
    let mut traffic = before;
    for line in lines.iter().filter(|line| line.name == "log_on_success") {
        let named = line.values.iter().any(|v| attribute::is(v, "TRAFFIC"));
        traffic = match line.operator {
            Operator::Set if set == Meaning::Replaces => named,
            Operator::Set | Operator::Add => traffic || named,
            Operator::Remove => traffic && !named,
        };
    }
    traffic
}

/// Notes what a SIGHUP compares: type, wait, protocol, socket type, port, address and address family.
fn identify(inherited: &Inherited, service: &mut ServiceEntry) {
    let mut identity = BTreeMap::new();
    for name in ["socket_type", "protocol", "port", "wait", "rpc_number"] {
        if let Some(line) = service.attribute(name) {
            identity.insert(name.to_owned(), line.values.clone());
        }
    }
    identity.insert("id".to_owned(), vec![service.id.clone().into_bytes()]);
    let own_bind = service.attribute("bind").map(|line| line.values.clone());
    if let Some(bind) = own_bind.or_else(|| inherited.bind.clone()) {
        identity.insert("bind".to_owned(), bind);
    }
    let words = |attribute: &str, words: &[&str]| -> Vec<Vec<u8>> {
        words
            .iter()
            .filter(|word| service.has_word(attribute, word))
            .map(|word| word.as_bytes().to_vec())
            .collect()
    };
    let mut types = words(
        "type",
        &["RPC", "INTERNAL", "UNLISTED", "TCPMUX", "TCPMUXPLUS"],
    );
    if service.has_word("flags", "SENSOR") && !service.has_word("type", "INTERNAL") {
        types.insert(0, b"INTERNAL".to_vec());
    }
    // An interceptor is a service of xinetd's own; it intercepts only those that wait.
    let waits = service
        .attribute("wait")
        .is_some_and(|line| line.values.iter().any(|value| attribute::is(value, "yes")));
    if waits && service.has_word("flags", "INTERCEPT") && !types.iter().any(|t| t == b"INTERNAL") {
        types.insert(0, b"INTERNAL".to_vec());
    }
    identity.insert("type".to_owned(), types);
    identity.insert("flags".to_owned(), words("flags", &["IPv4", "IPv6"]));
    // xinetd derives one from the other.
    let value = |identity: &BTreeMap<String, Vec<Vec<u8>>>, name: &str| {
        identity
            .get(name)
            .and_then(|values| values.first())
            .map(|value: &Vec<u8>| value.to_ascii_lowercase())
    };
    match (
        value(&identity, "socket_type").as_deref(),
        value(&identity, "protocol").as_deref(),
    ) {
        (Some(b"stream"), None) => {
            identity.insert("protocol".to_owned(), vec![b"tcp".to_vec()]);
        }
        (Some(b"dgram"), None) => {
            identity.insert("protocol".to_owned(), vec![b"udp".to_vec()]);
        }
        (None, Some(b"tcp")) => {
            identity.insert("socket_type".to_owned(), vec![b"stream".to_vec()]);
        }
        (None, Some(b"udp")) => {
            identity.insert("socket_type".to_owned(), vec![b"dgram".to_vec()]);
        }
        _ => {}
    }
    service.identity = identity;
}

fn heading_problem(service: &ServiceEntry, kind: ProblemKind) -> Problem {
    Problem {
        path: service.path.clone(),
        spot: Spot {
            line: service.line,
            column: 1,
            width: 1,
        },
        text: format!("service {}", service.name).into_bytes(),
        kind,
    }
}
