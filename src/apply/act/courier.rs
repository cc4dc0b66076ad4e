//! Stops and starts Courier's services, and compares what runs then.

use std::time::Duration;

use super::super::ApplyFailure;
use super::failed_restart;
use crate::facts::{COURIERTCPD, Facts, Judge};
use crate::failure::Diagnostic;
use crate::host::batch::{Answers, Batch};
use crate::host::{
    Act, Came, Condition, Done, End, HostError, Process, ProcessId, Reply, WriteHost,
};
use crate::limits::courier::{self, Listener, SETTINGS, common};
use crate::plan::{Control, Expectation};
use crate::report::text;

/// The values that Courier's running listeners have.
pub(in crate::apply) fn values(facts: &Facts) -> Vec<Expectation> {
    let mut values = Vec::new();
    for listener in Listener::ALL {
        let running = courier::Running::of(listener, &facts.processes);
        if !running.is_empty() {
            values.extend(SETTINGS.map(|setting| Expectation {
                service: listener.service().name().to_owned(),
                setting,
                value: common(&running, setting),
            }));
        }
    }
    values
}

/// Stops and starts a service and compares what runs then.
pub(in crate::apply) fn restart(
    host: &mut dyn WriteHost,
    judge: &Judge,
    control: &Control,
    processes: &[ProcessId],
    arguments: &[Vec<String>],
    expects: &[Expectation],
    deadline: Duration,
) -> Result<(), ApplyFailure> {
    let command = control.restart(processes);
    let serving = Condition::Serving {
        program: COURIERTCPD,
        arguments: arguments.to_vec(),
    };
    let soon = deadline.min(Duration::from_secs(20));
    let mut acts = Vec::new();
    if !processes.is_empty() {
        acts.push(Act::Await(Condition::Gone(processes.to_vec()), soon));
    }
    acts.push(Act::Await(serving.clone(), soon));
    let mut batch = Batch::default();
    let ticket = batch.processes(vec![COURIERTCPD]);
    let look = |replies: Vec<Reply>| {
        let processes = Answers::new(replies).take(ticket)?;
        Ok::<_, HostError>(judge.judge(processes).all())
    };
    let written = super::restart(host, &command, &acts, batch.requests())?;
    let mut after = look(written.replies)?;
    let mut done = written.done;
    // A job may start the service before what it stopped has let go of its ports; then another one does.
    if let Control::Job { .. } = control
        && is_missing(expects, &after)
    {
        let acts = [Act::Await(serving.clone(), soon)];
        let again = super::restart(host, &command, &acts, batch.requests())?;
        after = look(again.replies)?;
        done.extend(again.done);
    }
    // Listeners come up one after the other, and one with the same limits may have been taken for another: one that is not
    // there yet is looked at again for a while.
    let mut looks = LOOKS;
    while looks > 0
        && !courier::unmet(expects, &after).is_empty()
        && done.last() == Some(&Done::Awaited(Came::InTime))
    {
        looks = if is_missing(expects, &after) {
            looks - 1
        } else {
            0
        };
        let again = host.write(
            &[Act::Await(serving.clone(), Duration::from_secs(2))],
            batch.requests(),
        )?;
        after = look(again.replies)?;
        done.extend(again.done);
    }
    let mut messages = Vec::new();
    let still: Vec<u32> = processes
        .iter()
        .filter(|old| after.iter().any(|process| process.id == **old))
        .map(|old| old.pid)
        .collect();
    if !still.is_empty() {
        let pids = still
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        messages.push(
            Diagnostic::new(format!("couriertcpd did not stop (pid {pids})"))
                .because(format!("{} left it running", super::restart_line(control))),
        );
    }
    for expectation in courier::unmet(expects, &after) {
        let message = missed(expectation, &after);
        // A listener that does not run misses every value, which is one thing to tell.
        if !messages.contains(&message) {
            messages.push(message);
        }
    }
    if messages.is_empty() && done.last() == Some(&Done::Awaited(Came::TooLate)) {
        messages.push(Diagnostic::new(
            "couriertcpd runs, but does not listen on its port",
        ));
    }
    if messages.is_empty() {
        return Ok(());
    }
    let outputs = done.iter().filter_map(|done| match done {
        Done::Ran(output) => Some(output),
        Done::Quietly | Done::Awaited(_) => None,
    });
    for output in outputs {
        if output.end != End::Code(0) || !output.stderr.is_empty() {
            messages.push(failed_restart(control, &command, output));
        }
    }
    Err(messages.into())
}

fn running<'p>(service: &str, processes: &'p [Process]) -> Vec<courier::Running<'p>> {
    let listener = Listener::ALL
        .into_iter()
        .find(|listener| listener.service().name() == service);
    listener
        .map(|listener| courier::Running::of(listener, processes))
        .unwrap_or_default()
}

/// How often a listener that is not there after a start is looked for again, which takes a fifth of a second each time.
const LOOKS: u32 = 15;

/// Whether a listener that is expected does not run at all.
fn is_missing(expects: &[Expectation], processes: &[Process]) -> bool {
    let expected = |listener: &Listener| {
        let name = listener.service().name();
        expects.iter().any(|one| one.service == name)
    };
    let mut listeners = Listener::ALL.into_iter().filter(expected);
    listeners.any(|listener| courier::Running::of(listener, processes).is_empty())
}

fn missed(expectation: &Expectation, processes: &[Process]) -> Diagnostic {
    let Expectation {
        service,
        setting,
        value,
    } = expectation;
    let wanted = text::value(*value);
    let running = running(service, processes);
    if running.is_empty() {
        return Diagnostic::new(format!("{service} does not run"));
    }
    let has = text::value(common(&running, *setting));
    Diagnostic::new(format!(
        "{service} runs with {} = {has}, not {wanted}",
        setting.name()
    ))
}
