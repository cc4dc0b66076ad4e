//! What the running `couriertcpd`s were started with.

use super::CourierListener;
use crate::edit::shellvars;
use crate::facts::COURIERTCPD;
use crate::host::Process;
use crate::limits::action::RunningExpectation;
use crate::limits::step::{LimitSetting, LimitValue};
use crate::model::ConnectionLimit;

/// A running listener.
#[derive(Debug, Clone)]
pub struct CourierProcess<'a> {
    /// Its process.
    pub process: &'a Process,
}

/// couriertcpd's own defaults (couriertcpd(1), tcpd.c).
const DEFAULT_TOTAL: u32 = 40;
const DEFAULT_PER_IP: u32 = 4;

impl<'a> CourierProcess<'a> {
    /// The processes that serve a listener. A forked child that has not yet become a login program looks like
    /// its parent and is left out.
    #[must_use]
    pub fn of(listener: CourierListener, processes: &'a [Process]) -> Vec<Self> {
        let all: Vec<&Process> =
            processes.iter().filter(|process| serves(process) == Some(listener)).collect();
        all.iter()
            .filter(|process| !all.iter().any(|other| other.id.pid == process.parent))
            .map(|process| Self { process })
            .collect()
    }

    /// The value of a setting; the last of several options counts (tcpd's argument parser).
    #[must_use]
    pub fn value(&self, setting: LimitSetting) -> LimitValue {
        let (option, default) = match setting {
            LimitSetting::PerIp => ("-maxperip=", DEFAULT_PER_IP),
            LimitSetting::Total => ("-maxprocs=", DEFAULT_TOTAL),
            LimitSetting::Cps => return LimitValue::Nothing,
        };
        let arguments = self.process.argv.iter().rev();
        match arguments.into_iter().find_map(|argument| argument.strip_prefix(option.as_bytes())) {
            None => super::value(default),
            Some(bytes) => shellvars::daemon_number(bytes)
                .map_or(LimitValue::Nothing, |number| LimitValue::Count(ConnectionLimit::Number(number))),
        }
    }
}

/// The listener that a process serves: TLS goes through `couriertls -server`, the protocol shows in the login
/// program.
fn serves(process: &Process) -> Option<CourierListener> {
    if process.name != COURIERTCPD {
        return None;
    }
    let mut tls = false;
    let mut imap = false;
    let mut pop3 = false;
    for argument in process.argv.iter().skip(1).filter(|argument| !argument.starts_with(b"-")) {
        let name = argument.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        tls |= name == b"couriertls";
        imap |= name == b"imaplogin";
        pop3 |= name == b"pop3login" || name == b"courierpop3login";
    }
    match (imap, pop3, tls) {
        (true, false, false) => Some(CourierListener::Imap),
        (true, false, true) => Some(CourierListener::Imaps),
        (false, true, false) => Some(CourierListener::Pop3),
        (false, true, true) => Some(CourierListener::Pop3s),
        // Courier's own SMTP server, or something unknown.
        (false, false, false | true) | (true, true, false | true) => None,
    }
}

/// The expectations that the running processes do not meet.
#[must_use]
pub fn unmet<'e>(expects: &'e [RunningExpectation], processes: &[Process]) -> Vec<&'e RunningExpectation> {
    let met = |expectation: &&RunningExpectation| {
        let listener = CourierListener::ALL
            .into_iter()
            .find(|listener| listener.service().name() == expectation.service);
        let running = listener.map(|listener| CourierProcess::of(listener, processes)).unwrap_or_default();
        !running.is_empty()
            && running.iter().all(|running| running.value(expectation.setting) == expectation.value)
    };
    expects.iter().filter(|expectation| !met(expectation)).collect()
}

/// The value that every process of a listener has; nothing where they differ among them.
#[must_use]
pub fn common(running: &[CourierProcess<'_>], setting: LimitSetting) -> LimitValue {
    let mut values = running.iter().map(|running| running.value(setting));
    let first = values.next().unwrap_or(LimitValue::Nothing);
    if values.all(|value| value == first) { first } else { LimitValue::Nothing }
}
