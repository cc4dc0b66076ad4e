//! Makes xinetd read its files, and asks it for its dump.

use std::time::Duration;

use super::super::ApplyFailure;
use crate::edit::xinetd::dump::XinetdDump;
use crate::facts::{DaemonJudge, XINETD};
use crate::failure::Diagnostic;
use crate::host::batch::{self, Answers, Batch};
use crate::host::{
    FileFound, HostOperation, OperationResult, ProcessId, ProcessSignal, WaitCondition, WaitResult, WriteHost,
};
use crate::limits::text;
use crate::limits::xinetd::{self, DUMP};
use crate::model::known;
use crate::plan::{RunningExpectation, ServiceControl};

/// How long xinetd may take to write its dump: it asks the resolver for the name of each address that a
/// service binds, and a resolver with three silent servers takes half a minute for one (`resolv.conf(5)`: 5
/// s, twice).
pub(super) const DUMP_DEADLINE: Duration = Duration::from_secs(60);

/// Sends signals to xinetd, the last of which makes it write its dump, and reads the new part of it.
pub(in crate::engine) fn dump(
    host: &mut dyn WriteHost,
    process: ProcessId,
    first: &[ProcessSignal],
    deadline: Duration,
) -> Result<XinetdDump, ApplyFailure> {
    let path = known(DUMP);
    let size = match batch::ask(host, |batch| batch.file(path.clone()))? {
        FileFound::File(state) => state.bytes.len(),
        FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => 0,
    };
    let mut acts: Vec<HostOperation> =
        first.iter().map(|signal| HostOperation::Signal(process, *signal)).collect();
    acts.push(HostOperation::Signal(process, ProcessSignal::User1));
    let beyond = size as u64;
    acts.push(HostOperation::Await(
        WaitCondition::Grown { path: path.clone(), beyond, end: "END OF DUMP" },
        deadline,
    ));
    let mut batch = Batch::default();
    let after = batch.file(path);
    let written = host.write(&acts, batch.requests())?;
    let found = Answers::new(written.replies).take(after)?;
    let silent = || {
        ApplyFailure::from(Diagnostic::new(format!(
                "xinetd (pid {}) did not write its state to {DUMP}",
                process.pid
            ))
            .because(format!(
                "it was asked with SIGUSR1 and had {} s; it waits for the resolver where a service binds an address",
                deadline.as_secs()
            )))
    };
    let FileFound::File(state) = found else {
        return Err(silent());
    };
    if written.done.last() != Some(&OperationResult::Awaited(WaitResult::InTime)) {
        return Err(silent());
    }
    state.bytes.get(size..).and_then(XinetdDump::last).ok_or_else(silent)
}

/// Makes xinetd read its files, and compares its own dump with what is expected.
pub(in crate::engine) fn reload(
    host: &mut dyn WriteHost,
    process: ProcessId,
    expects: &[RunningExpectation],
    deadline: Duration,
) -> Result<XinetdDump, ApplyFailure> {
    let mut dumped = dump(host, process, &[ProcessSignal::Hangup], deadline.min(DUMP_DEADLINE))?;
    // A signal that came while xinetd was busy may have been answered in the other order; a second dump
    // tells.
    if !xinetd::unmet(expects, &dumped).is_empty() {
        dumped = dump(host, process, &[], deadline.min(DUMP_DEADLINE))?;
    }
    took(expects, &dumped)?;
    Ok(dumped)
}

/// Starts an xinetd that a reload ended, compares its own dump with what is expected, and gives the new
/// process.
pub(in crate::engine) fn start(
    host: &mut dyn WriteHost,
    judge: &DaemonJudge,
    control: &ServiceControl,
    expects: &[RunningExpectation],
    deadline: Duration,
) -> Result<ProcessId, ApplyFailure> {
    let acts = [HostOperation::Await(
        WaitCondition::Serving { program: XINETD, arguments: vec![Vec::new()] },
        deadline.min(DUMP_DEADLINE),
    )];
    let mut batch = Batch::default();
    let ticket = batch.processes(vec![XINETD]);
    // Not only a start: a service manager that holds a dead service for active would not start it.
    let command = control.restart(&[]);
    let written = super::restart(host, &command, &acts, batch.requests())?;
    let processes = Answers::new(written.replies).take(ticket)?;
    let daemons = judge.judge(processes).daemons;
    let Some(process) = xinetd::running(&daemons).first().map(|process| process.id) else {
        return Err(Diagnostic::new("xinetd does not run")
            .because(format!("{} did not start it", super::restart_line(control)))
            .into());
    };
    let dumped = dump(host, process, &[], deadline.min(DUMP_DEADLINE))?;
    took(expects, &dumped)?;
    Ok(process)
}

/// Whether xinetd has what is expected of it.
fn took(expects: &[RunningExpectation], dumped: &XinetdDump) -> Result<(), ApplyFailure> {
    let messages: Vec<Diagnostic> = xinetd::unmet(expects, dumped)
        .into_iter()
        .map(|RunningExpectation { service, setting, value }| {
            let wanted = text::value(*value);
            let name = setting.name();
            let what = format!("xinetd did not take up {name} = {wanted} for {service}");
            Diagnostic::new(what).because("its own dump says otherwise")
        })
        .collect();
    if messages.is_empty() { Ok(()) } else { Err(messages.into()) }
}

/// The values of a dump for the services that some expectations are about.
pub(in crate::engine) fn dumped_values(
    expects: &[RunningExpectation],
    dump: &XinetdDump,
) -> Vec<RunningExpectation> {
    let value = |service: &str, setting| xinetd::dumped(dump, service, setting).first().copied();
    let known = expects.iter().filter_map(|RunningExpectation { service, setting, value: _ }| {
        Some(RunningExpectation {
            service: service.clone(),
            setting: *setting,
            value: value(service, *setting)?,
        })
    });
    known.collect()
}
