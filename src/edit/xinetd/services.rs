//! What only the whole configuration shows: inherited limits, disabled and enabled lists, missing attributes, duplicates.

use std::collections::{BTreeMap, BTreeSet};

use crate::edit::Spot;
use crate::model::{Count, Rate};

use super::attribute;
use super::config::{
    Assignment, BUILT_IN_RATE, Config, Defaults, Effective, ServiceEntry, ServiceState, Source,
    UNLIMITED,
};
use super::problem::{Problem, ProblemKind};
use super::reader::Operator;
use super::reading::Pending;

/// The servers that xinetd has built in, by socket type.
const STREAM_BUILT_IN: &[&str] = &[
    "echo", "discard", "time", "daytime", "chargen", "sensor", "tcpmux",
];
const DATAGRAM_BUILT_IN: &[&str] = &["echo", "discard", "time", "daytime", "chargen", "sensor"];

/// Gives each service its state, its inherited limits and its identity, in xinetd's order of things.
pub(super) fn settle(config: &mut Config, pending: Vec<Pending>) {
    let enabled = listed(config, "enabled");
    let disabled = listed(config, "disabled").unwrap_or_default();
    let inherited = Inherited::of(&config.defaults);
    let mut services = std::mem::take(&mut config.services);
    let mut taken: BTreeSet<Claim> = BTreeSet::new();
    for (service, pending) in services.iter_mut().zip(pending) {
        let is_enabled = enabled.as_ref().map(|ids| ids.contains(&fold(&service.id)));
        let traffic = match pending {
            Pending::Listed { traffic, .. } => inherited.logs_traffic(service, traffic),
            Pending::Off | Pending::Lost(_) => false,
        };
        service.state = match pending {
            Pending::Lost(kind) => ServiceState::Dropped(kind),
            Pending::Off => {
                if is_enabled == Some(true) {
                    config
                        .problems
                        .push(heading_problem(service, ProblemKind::BuildsDiffer));
                }
                ServiceState::Disabled
            }
            Pending::Listed { bad, .. } => match is_enabled {
                Some(false) => ServiceState::Disabled,
                None if bad => ServiceState::Dropped(ProblemKind::BadValue),
                // An entry in `enabled` takes even a bad value's verdict back.
                Some(true) | None if disabled.contains(&fold(&service.id)) => {
                    ServiceState::Disabled
                }
                Some(true) | None => ServiceState::Offered,
            },
        };
        inherited.fill(service);
        identify(&inherited, service);
        if service.state == ServiceState::Offered {
            let claim = Claim::of(service);
            if let Some(kind) = missing(service, traffic).or_else(|| claim.conflict(&taken)) {
                config.problems.push(heading_problem(service, kind.clone()));
                service.state = ServiceState::Dropped(kind);
            } else {
                taken.extend(claim.is_known().then_some(claim));
            }
        }
    }
    config.services = services;
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

/// What keeps a complete, enabled block from being a service, in the order of xinetd's own checks.
fn missing(service: &ServiceEntry, traffic: bool) -> Option<ProblemKind> {
    let set = |name: &str| service.attribute(name).is_some();
    let derived = |name: &str| service.identity.contains_key(name);
    let word = |name: &str, word: &str| {
        service
            .identity
            .get(name)
            .and_then(|values| values.first())
            .is_some_and(|value| attribute::is(value, word))
    };
    let lacks = |name: &'static str| Some(ProblemKind::MissingAttribute { name });
    let is_type = |word: &str| service.has_word("type", word);
    let sensor = service.has_word("flags", "SENSOR");
    // Without the word INTERNAL a sensor still has to name a server.
    let internal_by_type = is_type("INTERNAL");
    let internal = internal_by_type || sensor;
    let redirect = set("redirect");
    let names_arguments = service.has_word("flags", "NAMEINARGS");
    let tcpmux = is_type("TCPMUX") || is_type("TCPMUXPLUS");
    let unlisted = is_type("UNLISTED");
    let rpc = is_type("RPC");
    if !internal_by_type && !set("server") && !redirect {
        return lacks("server");
    }
    if names_arguments && !set("server_args") {
        return lacks("server_args");
    }
    if !set("port") && !tcpmux && !rpc {
        if unlisted {
            return lacks("port");
        }
        if !derived("protocol") {
            return lacks("protocol");
        }
    }
    if internal && !sensor {
        let names = if word("socket_type", "dgram") {
            DATAGRAM_BUILT_IN
        } else {
            STREAM_BUILT_IN
        };
        if !names.iter().any(|n| n.eq_ignore_ascii_case(&service.name)) {
            return Some(ProblemKind::NotBuiltIn);
        }
    }
    if tcpmux && (!unlisted || !word("protocol", "tcp")) {
        return Some(ProblemKind::NotForTcpmux);
    }
    if !rpc && !unlisted && !derived("protocol") {
        return lacks("protocol");
    }
    let waits = word("wait", "yes");
    if redirect && (!word("socket_type", "stream") || waits || names_arguments) {
        return Some(ProblemKind::CannotRedirect);
    }
    if traffic && !redirect {
        return Some(ProblemKind::TrafficWithoutRedirect);
    }
    if names_arguments && internal {
        return Some(ProblemKind::NotBuiltIn);
    }
    if word("socket_type", "dgram") && !waits {
        return Some(ProblemKind::DatagramWithoutWait);
    }
    if !derived("socket_type") {
        return lacks("socket_type");
    }
    if !set("wait") {
        return lacks("wait");
    }
    if !internal && !set("user") {
        return lacks("user");
    }
    if rpc || (!internal && unlisted) {
        if !derived("protocol") {
            return lacks("protocol");
        }
        if rpc && !set("rpc_version") {
            return lacks("rpc_version");
        }
        if rpc && unlisted && !set("rpc_number") {
            return lacks("rpc_number");
        }
    }
    None
}

/// The address that a service would listen on, as far as the files tell.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    protocol: Option<Vec<u8>>,
    /// The number, or the name that `/etc/services` has to know.
    port: Option<Result<u16, String>>,
    bind: Option<Vec<u8>>,
}

impl Claim {
    fn of(service: &ServiceEntry) -> Self {
        let first = |name: &str| {
            service
                .identity
                .get(name)
                .and_then(|values| values.first())
                .map(|value| value.to_ascii_lowercase())
        };
        let known_only_to_the_portmapper = service.has_word("type", "RPC")
            || service.has_word("type", "TCPMUX")
            || service.has_word("type", "TCPMUXPLUS");
        let port = match first("port").and_then(|text| attribute::count(&text)) {
            _ if known_only_to_the_portmapper => None,
            Some(Count::Number(port)) => u16::try_from(port).ok().map(Ok),
            Some(Count::Unlimited) | None => Some(Err(service.name.clone())),
        };
        Self {
            protocol: first("protocol"),
            port,
            bind: first("bind"),
        }
    }

    fn is_known(&self) -> bool {
        self.port.is_some()
    }

    fn conflict(&self, taken: &BTreeSet<Self>) -> Option<ProblemKind> {
        (self.is_known() && taken.contains(self)).then_some(ProblemKind::Duplicate)
    }
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
