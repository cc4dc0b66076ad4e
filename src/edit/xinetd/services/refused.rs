//! What keeps a complete, enabled block from being a service: `service_fill` and `check_entry` of
//! `confparse.c`.

use super::super::attribute;
use super::super::config::ServiceEntry;
use super::super::host::{
    HasChange, HostAnswer, PathStanding, VersionChange, XinetdHost, XinetdVersion, host_path,
};
use super::super::problem::{XinetdDoubt, XinetdProblemKind};

/// The servers that xinetd has built in (`builtins.c`), by socket type.
const STREAM_BUILT_IN: &[&str] = &["echo", "discard", "time", "daytime", "chargen", "sensor", "tcpmux"];
const DATAGRAM_BUILT_IN: &[&str] = &["echo", "discard", "time", "daytime", "chargen", "sensor"];

/// The servers that xinetd has built in for a socket type.
#[must_use]
pub fn built_in(socket_type: &str) -> &'static [&'static str] {
    match socket_type {
        "stream" => STREAM_BUILT_IN,
        "dgram" => DATAGRAM_BUILT_IN,
        _ => &[],
    }
}

/// What is asked of a service beside its own lines.
pub(super) struct ServiceCircumstances<'a> {
    /// Whether it logs TRAFFIC.
    pub(super) traffic: bool,
    /// Where it logs, by its own line or by that of `defaults`.
    pub(super) log_type: Option<&'a [Vec<u8>]>,
    pub(super) host: &'a XinetdHost,
}

/// What xinetd makes of a block.
#[derive(Debug, Default)]
pub(super) struct JudgedBlock {
    /// Why it is not offered.
    pub(super) refused: Option<XinetdProblemKind>,
    /// What could make that otherwise.
    pub(super) doubts: Vec<XinetdDoubt>,
}

impl JudgedBlock {
    /// Notes the answer to a question; the first refusal counts.
    fn note(&mut self, answer: RefusedService) {
        match answer {
            RefusedService::No => {}
            RefusedService::Yes(kind) => self.refused = self.refused.take().or(Some(kind)),
            RefusedService::Perhaps(doubt) => self.doubts.push(doubt),
        }
    }
}

enum RefusedService {
    No,
    Yes(XinetdProblemKind),
    Perhaps(XinetdDoubt),
}

/// Judges a block, in the order of xinetd's own checks.
pub(super) fn judge(service: &ServiceEntry, circumstances: &ServiceCircumstances<'_>) -> JudgedBlock {
    let mut judged = JudgedBlock::default();
    let host = circumstances.host;
    if let Some(kind) = incomplete(service, circumstances.traffic) {
        judged.note(RefusedService::Yes(kind));
    }
    datagrams(service, host.version, &mut judged);
    judged.note(families(service, host.version));
    judged.note(name(service, host));
    judged.note(socket(service, host));
    labels(service, &mut judged);
    judged.note(log(circumstances.log_type, host));
    judged
}

fn word<'a>(service: &'a ServiceEntry, name: &str) -> Option<&'a [u8]> {
    let values = service.identity.get(name)?;
    values.first().map(Vec::as_slice)
}

fn is(service: &ServiceEntry, name: &str, value: &str) -> bool {
    word(service, name).is_some_and(|word| attribute::is(word, value))
}

fn is_type(service: &ServiceEntry, word: &str) -> bool {
    service.has_word("type", word)
}

fn is_tcpmux(service: &ServiceEntry) -> bool {
    is_type(service, "TCPMUX") || is_type(service, "TCPMUXPLUS")
}

/// What the block itself lacks.
fn incomplete(service: &ServiceEntry, traffic: bool) -> Option<XinetdProblemKind> {
    let set = |name: &str| service.attribute(name).is_some();
    let derived = |name: &str| service.identity.contains_key(name);
    let lacks = |name: &'static str| Some(XinetdProblemKind::MissingAttribute { name });
    let sensor = service.has_word("flags", "SENSOR");
    // Without the word INTERNAL a sensor still has to name a server.
    let internal_by_type = is_type(service, "INTERNAL");
    let internal = internal_by_type || sensor;
    let redirect = set("redirect");
    let names_arguments = service.has_word("flags", "NAMEINARGS");
    let tcpmux = is_tcpmux(service);
    let unlisted = is_type(service, "UNLISTED");
    let rpc = is_type(service, "RPC");
    if !internal_by_type && !set("server") && !redirect {
        return lacks("server");
    }
    if !internal_by_type && names_arguments && !set("server_args") {
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
    if internal {
        let socket_type = word(service, "socket_type").unwrap_or_default();
        let socket_type = String::from_utf8_lossy(socket_type).to_ascii_lowercase();
        let name = if sensor { "sensor" } else { &service.name };
        let names = built_in(&socket_type);
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Some(XinetdProblemKind::NotBuiltIn);
        }
    }
    if tcpmux && (!unlisted || !is(service, "protocol", "tcp")) {
        return Some(XinetdProblemKind::NotForTcpmux);
    }
    if !rpc && !unlisted && !derived("protocol") {
        return lacks("protocol");
    }
    let waits = is(service, "wait", "yes");
    if redirect && (!is(service, "socket_type", "stream") || waits || names_arguments) {
        return Some(XinetdProblemKind::CannotRedirect);
    }
    if traffic && !redirect {
        return Some(XinetdProblemKind::TrafficWithoutRedirect);
    }
    if names_arguments && internal {
        return Some(XinetdProblemKind::NotBuiltIn);
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
    let intercepts = service.has_word("flags", "INTERCEPT") && !internal && waits;
    let can = is(service, "socket_type", "stream") || is(service, "socket_type", "dgram");
    (intercepts && !can).then_some(XinetdProblemKind::CannotIntercept)
}

/// Without a known version such a service counts as refused, as in Debian's builds, which all else is like.
fn datagrams(service: &ServiceEntry, version: Option<XinetdVersion>, judged: &mut JudgedBlock) {
    if !is(service, "socket_type", "dgram") || is(service, "wait", "yes") {
        return;
    }
    match XinetdVersion::has(version, VersionChange::DatagramsWait) {
        HasChange::Yes => judged.note(RefusedService::Yes(XinetdProblemKind::DatagramWithoutWait)),
        HasChange::No => {}
        HasChange::Unclear => {
            judged.note(RefusedService::Yes(XinetdProblemKind::DatagramWithoutWait));
            judged.note(RefusedService::Perhaps(XinetdDoubt::Version(VersionChange::DatagramsWait)));
        }
    }
}

fn families(service: &ServiceEntry, version: Option<XinetdVersion>) -> RefusedService {
    if !service.has_word("flags", "IPv4") || !service.has_word("flags", "IPv6") {
        return RefusedService::No;
    }
    match XinetdVersion::has(version, VersionChange::PrefersIpv6) {
        HasChange::Yes => RefusedService::No,
        HasChange::No | HasChange::Unclear => {
            RefusedService::Perhaps(XinetdDoubt::Version(VersionChange::PrefersIpv6))
        }
    }
}

/// Whether the host knows the service by its name, where it has to.
fn name(service: &ServiceEntry, host: &XinetdHost) -> RefusedService {
    if is_type(service, "UNLISTED") {
        return if is_type(service, "RPC") {
            RefusedService::Perhaps(XinetdDoubt::Portmapper)
        } else {
            RefusedService::No
        };
    }
    if is_type(service, "RPC") {
        return match host.rpc(service.name.as_bytes()) {
            HostAnswer::Yes(_) => RefusedService::Perhaps(XinetdDoubt::Portmapper),
            HostAnswer::No => RefusedService::Yes(XinetdProblemKind::UnknownProgram),
            HostAnswer::Unknown => RefusedService::Perhaps(XinetdDoubt::Name),
        };
    }
    let Some(protocol) = word(service, "protocol") else {
        return RefusedService::No;
    };
    let given = word(service, "port").and_then(attribute::port);
    match (host.port(service.name.as_bytes(), protocol), given) {
        (HostAnswer::Yes(expected), Some(given)) if expected != given => {
            RefusedService::Yes(XinetdProblemKind::OtherPort { expected })
        }
        (HostAnswer::Yes(_), _) => RefusedService::No,
        (HostAnswer::No, _) => RefusedService::Yes(XinetdProblemKind::UnknownPort {
            protocol: String::from_utf8_lossy(protocol).into_owned(),
        }),
        (HostAnswer::Unknown, _) => RefusedService::Perhaps(XinetdDoubt::Name),
    }
}

/// Whether the kernel has such a socket.
fn socket(service: &ServiceEntry, host: &XinetdHost) -> RefusedService {
    if is_tcpmux(service) {
        return RefusedService::No;
    }
    let (Some(protocol), Some(socket_type)) = (word(service, "protocol"), word(service, "socket_type"))
    else {
        return RefusedService::No;
    };
    let number = match host.protocol(protocol) {
        HostAnswer::Yes(number) => Some(number),
        HostAnswer::No | HostAnswer::Unknown => match protocol.to_ascii_lowercase().as_slice() {
            b"tcp" => Some(6),
            b"udp" => Some(17),
            _ => None,
        },
    };
    let stream = attribute::is(socket_type, "stream");
    let datagram = attribute::is(socket_type, "dgram");
    match number {
        Some(6) if stream => RefusedService::No,
        Some(17) if datagram => RefusedService::No,
        Some(6 | 17) if stream || datagram => RefusedService::Yes(XinetdProblemKind::NoSuchSocket),
        Some(_) | None => RefusedService::Perhaps(XinetdDoubt::Socket),
    }
}

/// Builds without labelled networking take the flag and do nothing with it.
fn labels(service: &ServiceEntry, judged: &mut JudgedBlock) {
    let internal = is_type(service, "INTERNAL") || service.has_word("flags", "SENSOR");
    let fits = !internal
        && is(service, "socket_type", "stream")
        && !is(service, "wait", "yes")
        && service.attribute("redirect").is_none();
    if !fits && service.has_word("flags", "LABELED") {
        judged.note(RefusedService::Yes(XinetdProblemKind::CannotLabel));
        judged.note(RefusedService::Perhaps(XinetdDoubt::Build));
    }
}

/// Whether xinetd can open the log file, which it does when it begins to offer the service, and at every
/// SIGHUP.
fn log(log_type: Option<&[Vec<u8>]>, host: &XinetdHost) -> RefusedService {
    let Some([kind, path, ..]) = log_type else {
        return RefusedService::No;
    };
    if !attribute::is(kind, "FILE") {
        return RefusedService::No;
    }
    let Some(path) = host_path(path) else {
        return RefusedService::Perhaps(XinetdDoubt::Path);
    };
    let folder = path.parent().map_or(PathStanding::Folder, |folder| host.standing(&folder));
    match (host.standing(&path), folder) {
        (PathStanding::File | PathStanding::Program, _) | (PathStanding::Missing, PathStanding::Folder) => {
            RefusedService::No
        }
        (PathStanding::Folder, _)
        | (PathStanding::Missing, PathStanding::Missing | PathStanding::File | PathStanding::Program) => {
            RefusedService::Yes(XinetdProblemKind::LogFile)
        }
        (PathStanding::Other | PathStanding::Unknown, _)
        | (PathStanding::Missing, PathStanding::Other | PathStanding::Unknown) => {
            RefusedService::Perhaps(XinetdDoubt::Program)
        }
    }
}
