//! Stops and starts Courier's services, and compares what runs then.

use std::time::Duration;

use super::super::ApplyFailure;
use super::failed_restart;
use crate::facts::{COURIERTCPD, DaemonJudge, Facts};
use crate::failure::Diagnostic;
use crate::host::batch::{Answers, Batch};
use crate::host::{
    CommandEnding, HostCommand, HostError, HostOperation, OperationResult, OperationResults, Process,
    ProcessId, ReadReply, ReadRequest, WaitCondition, WaitResult, WriteHost,
};
use crate::limits::courier::{self, CourierListener, SETTINGS, common};
use crate::limits::text;
use crate::plan::{RunningExpectation, ServiceControl};

/// The values that Courier's running listeners have.
pub(in crate::engine) fn values(facts: &Facts) -> Vec<RunningExpectation> {
    let mut values = Vec::new();
    for listener in CourierListener::ALL {
        let running = courier::CourierProcess::of(listener, &facts.processes);
        if !running.is_empty() {
            values.extend(SETTINGS.map(|setting| RunningExpectation {
                service: listener.service().name().to_owned(),
                setting,
                value: common(&running, setting),
            }));
        }
    }
    values
}

/// A stop and start of a service, and what must run then.
#[derive(Debug)]
pub(in crate::engine) struct CourierRestart<'a> {
    /// Tells daemons from others.
    pub judge: &'a DaemonJudge,
    /// How the service is stopped and started.
    pub control: &'a ServiceControl,
    /// The processes that must be gone.
    pub processes: &'a [ProcessId],
    /// What each process must have among its arguments that serves then.
    pub arguments: &'a [Vec<String>],
    /// The values that must run then.
    pub expects: &'a [RunningExpectation],
    /// How long it may take.
    pub deadline: Duration,
}

/// What was seen after a restart.
struct AfterRestart {
    processes: Vec<Process>,
    done: Vec<OperationResult>,
}

impl AfterRestart {
    /// Whether the last wait for a listener came to its end in time.
    fn served(&self, came: WaitResult) -> bool {
        self.done.last() == Some(&OperationResult::Awaited(came))
    }
}

impl CourierRestart<'_> {
    /// Stops and starts the service and compares what runs then.
    pub(in crate::engine) fn carry_out(&self, host: &mut dyn WriteHost) -> Result<(), ApplyFailure> {
        let command = self.control.restart(self.processes);
        let seen = self.run(host, &command)?;
        let mut messages = self.complaints(&seen);
        if messages.is_empty() {
            return Ok(());
        }
        let outputs = seen.done.iter().filter_map(|done| match done {
            OperationResult::Ran(output) => Some(output),
            OperationResult::Quietly | OperationResult::Awaited(_) => None,
        });
        for output in outputs {
            if output.end != CommandEnding::Code(0) || !output.stderr.is_empty() {
                messages.push(failed_restart(self.control, &command, output));
            }
        }
        Err(messages.into())
    }

    /// Stops and starts it, and looks until what is expected runs or is not to be expected any more.
    fn run(&self, host: &mut dyn WriteHost, command: &HostCommand) -> Result<AfterRestart, ApplyFailure> {
        let Self { control, processes, expects, .. } = self;
        let serving = WaitCondition::Serving { program: COURIERTCPD, arguments: self.arguments.to_vec() };
        let soon = self.deadline.min(Duration::from_secs(20));
        let mut acts = Vec::new();
        if !processes.is_empty() {
            acts.push(HostOperation::Await(WaitCondition::Gone(processes.to_vec()), soon));
        }
        acts.push(HostOperation::Await(serving.clone(), soon));
        let mut batch = Batch::default();
        let ticket = batch.processes(vec![COURIERTCPD]);
        let look = |replies: Vec<ReadReply>| {
            let processes = Answers::new(replies).take(ticket)?;
            Ok::<_, HostError>(self.judge.judge(processes).all())
        };
        let written = run(host, control, command, &acts, batch.requests())?;
        let mut seen = AfterRestart { processes: look(written.replies)?, done: written.done };
        // A job may start the service before what it stopped has let go of its ports; then another one does.
        if let ServiceControl::Job { .. } = control
            && is_missing(expects, &seen.processes)
        {
            let acts = [HostOperation::Await(serving.clone(), soon)];
            let again = run(host, control, command, &acts, batch.requests())?;
            seen.processes = look(again.replies)?;
            seen.done.extend(again.done);
        }
        // Listeners come up one after the other, and one with the same limits may have been taken for
        // another: one that is not there yet is looked at again for a while.
        let mut looks = LOOKS;
        while looks > 0
            && !courier::unmet(expects, &seen.processes).is_empty()
            && seen.served(WaitResult::InTime)
        {
            looks = if is_missing(expects, &seen.processes) { looks - 1 } else { 0 };
            let wait = HostOperation::Await(serving.clone(), Duration::from_secs(2));
            let again = host.write(&[wait], batch.requests())?;
            seen.processes = look(again.replies)?;
            seen.done.extend(again.done);
        }
        Ok(seen)
    }

    /// What is not as it should be after it.
    fn complaints(&self, seen: &AfterRestart) -> Vec<Diagnostic> {
        let mut messages = Vec::new();
        let is_still_there = |old: &&ProcessId| seen.processes.iter().any(|one| one.id == **old);
        let still: Vec<String> =
            (self.processes.iter()).filter(is_still_there).map(|old| old.pid.to_string()).collect();
        if !still.is_empty() {
            let what = format!("couriertcpd did not stop (pid {})", still.join(", "));
            let how = super::restart_line(self.control);
            messages.push(Diagnostic::new(what).because(format!("{how} left it running")));
        }
        for expectation in courier::unmet(self.expects, &seen.processes) {
            let message = missed(expectation, &seen.processes);
            // A listener that does not run misses every value, which is one thing to tell.
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
        if messages.is_empty() && seen.served(WaitResult::TooLate) {
            messages.push(Diagnostic::new("couriertcpd runs, but does not listen on its port"));
        }
        messages
    }
}

/// Stops and starts a service, waits for what runs then, and reads `then`.
fn run(
    host: &mut dyn WriteHost,
    control: &ServiceControl,
    command: &HostCommand,
    waits: &[HostOperation],
    then: &[ReadRequest],
) -> Result<OperationResults, ApplyFailure> {
    match control {
        ServiceControl::Pair { .. } => super::restart(host, command, waits, then),
        ServiceControl::Job { .. } => {
            let mut job = super::restart(host, command, &[], &[])?;
            let done = match job.done.first() {
                Some(OperationResult::Ran(output)) => output.end == CommandEnding::Code(0),
                Some(OperationResult::Quietly | OperationResult::Awaited(_)) | None => true,
            };
            // Where it failed nothing may come up any more, and as long as that is waited for nothing is
            // served.
            let hurried = |wait: &HostOperation| match wait {
                HostOperation::Await(condition, longest) if !done => {
                    HostOperation::Await(condition.clone(), (*longest).min(AFTER_FAILURE))
                }
                other => other.clone(),
            };
            let waits: Vec<HostOperation> = waits.iter().map(hurried).collect();
            let waited = host.write(&waits, then)?;
            job.done.extend(waited.done);
            job.replies = waited.replies;
            Ok(job)
        }
    }
}

fn running<'p>(service: &str, processes: &'p [Process]) -> Vec<courier::CourierProcess<'p>> {
    let listener = CourierListener::ALL.into_iter().find(|listener| listener.service().name() == service);
    listener.map(|listener| courier::CourierProcess::of(listener, processes)).unwrap_or_default()
}

/// How long a daemon is waited for whose service manager says that it did not start.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// How often a listener that is not there after a start is looked for again, which takes a fifth of a second
/// each time.
const LOOKS: u32 = 15;

/// Whether a listener that is expected does not run at all.
fn is_missing(expects: &[RunningExpectation], processes: &[Process]) -> bool {
    let expected = |listener: &CourierListener| {
        let name = listener.service().name();
        expects.iter().any(|one| one.service == name)
    };
    let mut listeners = CourierListener::ALL.into_iter().filter(expected);
    listeners.any(|listener| courier::CourierProcess::of(listener, processes).is_empty())
}

fn missed(expectation: &RunningExpectation, processes: &[Process]) -> Diagnostic {
    let RunningExpectation { service, setting, value } = expectation;
    let wanted = text::value(*value);
    let running = running(service, processes);
    if running.is_empty() {
        return Diagnostic::new(format!("{service} does not run"));
    }
    let has = text::value(common(&running, *setting));
    Diagnostic::new(format!("{service} runs with {} = {has}, not {wanted}", setting.name()))
}
