//! Runs service actions and the panel's commands, and judges them by the running daemon, never by an exit code.

pub(super) mod access;
pub(super) mod courier;
pub(super) mod xinetd;

use std::time::Duration;

use self::courier::CourierRestart;
use super::outcome::Verdict;
use super::{ApplyFailure, FailureContext, Running, actions, edits};
use crate::edit::xinetd::dump::Dump;
use crate::facts::{COURIERTCPD, Facts};
use crate::failure::Diagnostic;
use crate::host::batch;
use crate::host::{
    Act, Command, Condition, Done, End, Output, ReadHost, Request, WriteHost, Written, restart,
};
use crate::limits;
use crate::model::HostPath;
use crate::observe::Observed;
use crate::plan::{Action, Cause, Control, Daemon, Expectation, How, Plan};
use crate::report::printable;

/// What the daemons had before the run, to come back to.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    /// Courier's running values.
    pub courier: Vec<Expectation>,
    /// xinetd's own dump.
    pub dump: Option<Dump>,
}

/// Looks at the running daemons before anything is changed, and refuses where xinetd would lose a service.
pub(super) fn baseline(
    host: &mut dyn WriteHost,
    facts: &Facts,
    observed: &Observed,
    plan: &Plan,
    deadline: Duration,
) -> Result<Baseline, ApplyFailure> {
    let mut baseline = Baseline {
        courier: courier::values(facts),
        dump: None,
    };
    let reload = actions(plan).find(|action| action.daemon == Daemon::Xinetd);
    let (
        Some(Action {
            how: How::Signal { process, .. },
            ..
        }),
        Some(state),
    ) = (reload, &observed.xinetd)
    else {
        return Ok(baseline);
    };
    let dump = xinetd::dump(host, *process, &[], deadline.min(xinetd::DUMP_DEADLINE))
        .failing_with_hint("nothing was changed; without its dump xinetd is not reloaded")?;
    let running = limits::xinetd::running(&facts.processes);
    if let Some(running) = running.iter().find(|running| running.id == *process) {
        let reload = limits::xinetd::Reload {
            xinetd: state,
            after: &state.after_on(edits(plan), dump.version),
            process: running,
            changed: &limits::xinetd::changed(running, facts.loaded.as_ref(), state),
        };
        let losses = reload.by_dump(&dump);
        if !losses.is_empty() {
            return Err(ApplyFailure::new(Verdict::Refused, losses));
        }
    }
    baseline.dump = Some(dump);
    Ok(baseline)
}

impl Running<'_> {
    /// Runs one action and looks at the daemon.
    pub(super) fn act(
        &mut self,
        host: &mut dyn WriteHost,
        action: &Action,
    ) -> Result<(), ApplyFailure> {
        match &action.how {
            How::Commands {
                control,
                processes,
                arguments,
            } => {
                if !self.satisfied(host, action)? {
                    let deadline = self.request.deadline;
                    let restart = CourierRestart {
                        judge: &self.judge,
                        control,
                        processes,
                        arguments,
                        expects: &action.expects,
                        deadline,
                    };
                    restart.carry_out(host).failing_after(|| untaken(action))?;
                }
            }
            How::Signal {
                process,
                control: _,
            } => {
                xinetd::reload(host, *process, &action.expects, self.request.deadline)?;
                self.xinetd = Some(*process);
            }
            How::Start { control } => {
                let started = xinetd::start(
                    host,
                    &self.judge,
                    control,
                    &action.expects,
                    self.request.deadline,
                )
                .failing_after(|| untaken(action))?;
                self.xinetd = Some(started);
            }
            How::Unknown => {
                return Err(Diagnostic::new(format!(
                    "it is not known how to act on {}",
                    action.unit
                ))
                .into());
            }
        }
        self.journal
            .owed
            .retain(|owed| owed.unit != action.unit || owed.daemon != action.daemon);
        Ok(())
    }

    /// Whether the daemon has the values already, as after a panel's command that restarted it.
    fn satisfied(&self, host: &dyn ReadHost, action: &Action) -> Result<bool, ApplyFailure> {
        let is_replaced = |cause: &Cause| matches!(cause, Cause::ProgramReplaced { .. });
        if action.causes.iter().any(is_replaced) {
            return Ok(false);
        }
        let panel = self
            .plan
            .steps
            .iter()
            .any(|step| matches!(step, crate::plan::Step::Panel(_)));
        if !panel {
            return Ok(false);
        }
        let daemons = self.judge.daemons(host, &[COURIERTCPD])?;
        Ok(limits::courier::unmet(&action.expects, &daemons).is_empty())
    }

    /// Runs a command of the panel.
    pub(super) fn panel(
        &self,
        host: &mut dyn WriteHost,
        argv: &[String],
    ) -> Result<(), ApplyFailure> {
        let (Some(program), arguments) = (argv.first(), argv.get(1..).unwrap_or_default()) else {
            return Err(Diagnostic::new("the panel's command is empty").into());
        };
        let program = HostPath::new(program.as_str())?;
        let command = Command::new(program, arguments.to_vec(), self.request.deadline);
        let written = host.write(&[Act::Run(command.clone())], &[])?;
        match written.done.first() {
            Some(Done::Ran(Output {
                end: End::Code(0), ..
            })) => Ok(()),
            Some(Done::Ran(output)) => Err(failed_command(&command, output).into()),
            Some(Done::Quietly | Done::Awaited(_)) | None => Err(Diagnostic::new(format!(
                "it is not known what became of {}",
                printable::command(argv.iter().map(String::as_str))
            ))
            .into()),
        }
    }
}

fn untaken(action: &Action) -> Diagnostic {
    let (verb, unit) = (action.verb.name(), &action.unit);
    Diagnostic::new(format!("the {verb} of {unit} did not take"))
}

/// Stops and starts a service as one act, then does the rest, and reads `then`.
///
/// Where that act was not seen to its end it is waited for, since it goes on without whoever asked: nothing may be claimed,
/// and no file be restored, as long as it may read them.
fn restart(
    host: &mut dyn WriteHost,
    command: &Command,
    rest: &[Act],
    then: &[Request],
) -> Result<Written, ApplyFailure> {
    let acts: Vec<Act> = std::iter::once(Act::Run(command.clone()))
        .chain(rest.iter().cloned())
        .collect();
    let mut written = host.write(&acts, then);
    let seen = match &written {
        Err(_) => false,
        Ok(written) => !matches!(
            written.done.first(),
            Some(Done::Ran(Output {
                end: End::TimedOut | End::Signal(_),
                ..
            }))
        ),
    };
    if seen || host.lost().is_some() {
        return Ok(written?);
    }
    let processes = batch::ask(host, |batch| batch.processes(restart::PROGRAMS.to_vec()))?;
    let left = restart::under_way(&processes, &[]);
    if !left.is_empty() {
        let wait = Act::Await(Condition::Gone(left), command.deadline);
        let later = host.write(&[wait], then)?;
        if let Ok(written) = &mut written {
            written.replies = later.replies;
        }
    }
    Ok(written?)
}

/// How a command ended, without what it printed.
fn how_it_ended(command: &Command, end: End) -> Diagnostic {
    ended_how(&format!("`{}`", line(command)), command.deadline, end)
}

fn ended_how(name: &str, deadline: Duration, end: End) -> Diagnostic {
    Diagnostic::new(match end {
        End::Code(code) => format!("{name} ended with exit code {code}"),
        End::Signal(signal) => format!("{name} was ended by signal {signal}"),
        End::TimedOut => format!(
            "{name} did not end within {} s and was killed",
            deadline.as_secs()
        ),
        End::NotStarted => format!("{name} could not be started"),
    })
}

pub(super) fn failed_command(command: &Command, output: &Output) -> Diagnostic {
    with_output(how_it_ended(command, output.end), output)
}

/// How the stop and start of a service failed.
fn failed_restart(control: &Control, command: &Command, output: &Output) -> Diagnostic {
    let name = restart_line(control);
    with_output(ended_how(&name, command.deadline, output.end), output)
}

fn with_output(diagnostic: Diagnostic, output: &Output) -> Diagnostic {
    let said = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    let said: Vec<String> = said
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .take(3)
        .map(printable::text)
        .collect();
    if said.is_empty() {
        diagnostic
    } else {
        diagnostic.because(format!("it printed: {}", said.join(" / ")))
    }
}

/// What stops and starts a service, in an administrator's words.
fn restart_line(control: &Control) -> String {
    match control {
        Control::Job {
            systemctl, unit, ..
        } => {
            let words = [systemctl.as_str(), "restart", unit];
            format!("`{}`", printable::command(words))
        }
        Control::Pair { script, .. } => {
            let line = |verb| printable::command([script.as_str(), verb]);
            format!("`{}`, then `{}`", line("stop"), line("start"))
        }
    }
}

fn line(command: &Command) -> String {
    let arguments = command.arguments.iter().map(String::as_str);
    printable::command(std::iter::once(command.program.as_str()).chain(arguments))
}
