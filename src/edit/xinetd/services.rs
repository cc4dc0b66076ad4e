//! What only the whole configuration shows: inherited limits, disabled and enabled lists, missing attributes,
//! duplicates.

mod refused;
mod socket;

use std::collections::{BTreeMap, BTreeSet};

use crate::edit::FileLine;
use crate::model::{ConnectionLimit, ConnectionRate, HostPath};

use super::attribute;
use super::config::{
    AttributeAssignment, BUILT_IN_RATE, EffectiveValue, ServiceEntry, ServiceState, UNLIMITED, ValueSource,
    XinetdConfig, XinetdDefaults,
};
use super::host::{HasChange, VersionChange, XinetdHost, XinetdVersion, host_path};
use super::problem::{XinetdDoubt, XinetdProblem, XinetdProblemKind};
use super::reader::AssignOperator;
use super::reading::{DisabledBy, PendingService};
use refused::ServiceCircumstances;
pub use refused::built_in;
pub(super) use socket::Ipv6Family;
use socket::SocketClash;
pub use socket::{ServiceSocket, SocketFit};

/// Gives each service its state, its inherited limits and its identity, in xinetd's order of things.
pub(super) fn settle(config: &mut XinetdConfig, pending: Vec<PendingService>, host: &XinetdHost) {
    let enabled = listed(config, "enabled");
    let disabled = listed(config, "disabled").unwrap_or_default();
    let inherited = InheritedValues::of(&config.defaults);
    let mut services = std::mem::take(&mut config.services);
    let mut sockets = ServiceSockets::default();
    let mut paths = BTreeSet::new();
    for (service, pending) in services.iter_mut().zip(pending) {
        let is_enabled = enabled.as_ref().map(|ids| ids.contains(&fold(&service.id)));
        let traffic = match pending {
            PendingService::Listed { traffic, .. } => inherited.logs_traffic(service, traffic),
            PendingService::Off | PendingService::Lost(_) => false,
        };
        service.state = match pending {
            PendingService::Lost(kind) => ServiceState::Dropped(kind),
            PendingService::Off => {
                if is_enabled == Some(true)
                    && XinetdVersion::has(host.version, VersionChange::StopsAtDisable) == HasChange::Unclear
                {
                    config.problems.push(heading_problem(service, XinetdProblemKind::BuildsDiffer));
                    doubt(service, XinetdDoubt::Version(VersionChange::StopsAtDisable));
                }
                ServiceState::Disabled
            }
            PendingService::Listed { disabled: verdict, .. } => match (is_enabled, verdict) {
                (Some(false), _) => ServiceState::Disabled,
                (None, Some(DisabledBy::BadValue)) => ServiceState::Dropped(XinetdProblemKind::BadValue),
                (None, Some(DisabledBy::Itself)) => ServiceState::Disabled,
                // An entry in `enabled` takes even a bad value's verdict back.
                (Some(true), _) | (None, None) if disabled.contains(&fold(&service.id)) => {
                    ServiceState::Disabled
                }
                (Some(true), Some(DisabledBy::BadValue)) => {
                    doubt(service, XinetdDoubt::Enabled);
                    ServiceState::Offered
                }
                (Some(true), Some(DisabledBy::Itself) | None) | (None, None) => ServiceState::Offered,
            },
        };
        inherited.fill(service);
        identify(&inherited, service);
        paths.extend(looked_at(&inherited, service));
        let (socket, unsure) = ServiceSocket::of(service, host);
        service.socket = Some(socket.clone());
        if service.state == ServiceState::Offered {
            let circumstances = ServiceCircumstances { traffic, log_type: inherited.log_type(service), host };
            let judged = refused::judge(service, &circumstances);
            for why in judged.doubts {
                doubt(service, why);
            }
            if let Some(why) = unsure {
                doubt(service, why);
            }
            let refused = match judged.refused {
                // These fail only when xinetd opens the socket, and until then others are compared with them.
                Some(kind @ (XinetdProblemKind::LogFile | XinetdProblemKind::NoSuchSocket)) => {
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
    config.paths = paths.into_iter().filter(|path| !host.paths.contains_key(path)).collect();
}

/// The sockets of the services so far.
#[derive(Default)]
struct ServiceSockets {
    /// Of those that xinetd has in its list.
    listed: Vec<ServiceSocket>,
    /// Of those whose sockets the kernel has.
    open: Vec<ServiceSocket>,
    /// Of those that may be there or not, whichever they are taken for.
    unsure: Vec<ServiceSocket>,
}

impl ServiceSockets {
    /// Leaves out the socket of a service that is not offered, or perhaps is.
    fn pass(&mut self, service: &ServiceEntry, socket: ServiceSocket) {
        if !service.doubts.is_empty() {
            self.unsure.push(socket);
        }
    }

    /// Adds a service's socket, unless an earlier one is in its way.
    /// It cannot be opened where that `fails`.
    fn take(
        &mut self,
        service: &mut ServiceEntry,
        socket: ServiceSocket,
        fails: Option<XinetdProblemKind>,
    ) -> Option<XinetdProblemKind> {
        let clash = |other| socket.duplicates(other).max(socket.collides(other));
        if self.unsure.iter().any(|other| clash(other) != SocketClash::No) {
            doubt(service, XinetdDoubt::Earlier);
        }
        let refused = self.judge(service, socket.clone(), fails);
        self.pass(service, socket);
        refused
    }

    fn judge(
        &mut self,
        service: &mut ServiceEntry,
        socket: ServiceSocket,
        fails: Option<XinetdProblemKind>,
    ) -> Option<XinetdProblemKind> {
        let rpc = service.has_word("type", "RPC");
        let worst = |clashes: &mut dyn Iterator<Item = SocketClash>| clashes.max().unwrap_or(SocketClash::No);
        let duplicate = match worst(&mut self.listed.iter().map(|other| socket.duplicates(other))) {
            // Programs of the same address have numbers and versions of their own.
            SocketClash::Yes | SocketClash::Perhaps if rpc => SocketClash::Perhaps,
            clash @ (SocketClash::Yes | SocketClash::Perhaps | SocketClash::No) => clash,
        };
        let taken = worst(&mut self.open.iter().map(|other| socket.collides(other)));
        if duplicate != SocketClash::Yes {
            self.listed.push(socket.clone());
        }
        if duplicate != SocketClash::Yes && fails.is_some() {
            return fails;
        }
        match duplicate.max(taken) {
            SocketClash::Yes => Some(XinetdProblemKind::Duplicate),
            SocketClash::Perhaps => {
                doubt(service, XinetdDoubt::Address);
                self.open.push(socket);
                None
            }
            SocketClash::No => {
                self.open.push(socket);
                None
            }
        }
    }
}

fn doubt(service: &mut ServiceEntry, why: XinetdDoubt) {
    let problem = heading_problem(service, XinetdProblemKind::Unclear(why));
    service.doubts.push(problem);
}

/// The paths of which it matters what stands there: the server, and the log file with its folder.
fn looked_at(inherited: &InheritedValues, service: &ServiceEntry) -> Vec<HostPath> {
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
    server.filter_map(|path| host_path(path)).chain(log).chain(folder).chain([socket::ipv6_table()]).collect()
}

/// The ids in all `enabled` or `disabled` lines; none where there is no such line.
///
/// Every operator adds, even `-=`.
fn listed(config: &XinetdConfig, name: &str) -> Option<BTreeSet<Vec<u8>>> {
    let mut ids = None;
    for line in config.defaults.assignments.iter().filter(|a| a.name == name) {
        let ids = ids.get_or_insert_with(BTreeSet::new);
        ids.extend(line.values.iter().map(|id| id.to_ascii_lowercase()));
    }
    ids
}

fn fold(id: &str) -> Vec<u8> {
    id.to_ascii_lowercase().into_bytes()
}

/// What `defaults` gives to a service that does not say otherwise.
struct InheritedValues {
    per_source: EffectiveValue<ConnectionLimit>,
    instances: EffectiveValue<ConnectionLimit>,
    cps: EffectiveValue<ConnectionRate>,
    bind: Option<Vec<Vec<u8>>>,
    log_type: Option<Vec<Vec<u8>>>,
    /// Whether `log_on_success` has TRAFFIC in it.
    traffic: bool,
}

impl InheritedValues {
    fn of(defaults: &XinetdDefaults) -> Self {
        Self {
            per_source: defaults.per_source().unwrap_or(UNLIMITED),
            instances: defaults.instances().unwrap_or(UNLIMITED),
            cps: defaults.cps().unwrap_or(BUILT_IN_RATE),
            bind: defaults.attribute("bind").map(|line| line.values.clone()),
            // Where a second line is allowed at all, the last one counts.
            log_type: (defaults.assignments.iter())
                .rfind(|line| line.name == "log_type")
                .map(|line| line.values.clone()),
            traffic: logs_traffic(&defaults.assignments, false, AssignMeaning::Adds),
        }
    }

    fn fill(&self, service: &mut ServiceEntry) {
        if service.per_source.from == ValueSource::BuiltIn {
            service.per_source = self.per_source.clone();
        }
        if service.instances.from == ValueSource::BuiltIn {
            service.instances = self.instances.clone();
        }
        if service.cps.from == ValueSource::BuiltIn {
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
            logs_traffic(&service.assignments, before, AssignMeaning::Replaces)
        } else {
            self.traffic
        }
    }
}

/// What `=` means for an attribute that `+=` and `-=` modify.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AssignMeaning {
    /// In `defaults`.
    Adds,
    /// In a service.
    Replaces,
}

/// Whether `log_on_success` has TRAFFIC in it after these lines.
pub(super) fn logs_traffic(lines: &[AttributeAssignment], before: bool, set: AssignMeaning) -> bool {
    let mut traffic = before;
    for line in lines.iter().filter(|line| line.name == "log_on_success") {
        let named = line.values.iter().any(|v| attribute::is(v, "TRAFFIC"));
        traffic = match line.operator {
            AssignOperator::Set if set == AssignMeaning::Replaces => named,
            AssignOperator::Set | AssignOperator::Add => traffic || named,
            AssignOperator::Remove => traffic && !named,
        };
    }
    traffic
}

/// Notes what a SIGHUP compares: type, wait, protocol, socket type, port, address and address family.
fn identify(inherited: &InheritedValues, service: &mut ServiceEntry) {
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
    let mut types = words("type", &["RPC", "INTERNAL", "UNLISTED", "TCPMUX", "TCPMUXPLUS"]);
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
        identity.get(name).and_then(|values| values.first()).map(|value: &Vec<u8>| value.to_ascii_lowercase())
    };
    match (value(&identity, "socket_type").as_deref(), value(&identity, "protocol").as_deref()) {
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

fn heading_problem(service: &ServiceEntry, kind: XinetdProblemKind) -> XinetdProblem {
    XinetdProblem {
        path: service.path.clone(),
        spot: FileLine { line: service.line, column: 1, width: 1 },
        text: format!("service {}", service.name).into_bytes(),
        kind,
    }
}
