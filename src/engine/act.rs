//! Runs service actions and the panel's commands, and judges them by the running daemon, never by an exit
//! code.

pub(super) mod courier;
pub(super) mod panel_access;
pub(super) mod xinetd;

use std::time::Duration;

use self::courier::CourierRestart;
use super::{ApplyFailure, ApplyRun, FailureContext, actions, edits};
use crate::edit::xinetd::dump::XinetdDump;
use crate::engine::observe::Observed;
use crate::engine::recall::HostSurvey;
use crate::facts::COURIERTCPD;
use crate::failure::Diagnostic;
use crate::host::batch;
use crate::host::{
    CommandEnding, CommandOutput, HostCommand, HostOperation, OperationResult, OperationResults, ReadHost,
    ReadRequest, WaitCondition, WriteHost, restart,
};
use crate::limits;
use crate::model::HostPath;
use crate::model::printable;
use crate::plan::outcome::OutcomeVerdict;
use crate::plan::{ActionMethod, Daemon, Plan, RunningExpectation, ServiceAction, ServiceControl, StepCause};

/// What the daemons had before the run, to come back to.
#[derive(Debug, Default)]
pub(super) struct DaemonBaseline {
    /// Courier's running values.
    pub courier: Vec<RunningExpectation>,
    /// xinetd's own dump.
    pub dump: Option<XinetdDump>,
}

/// Looks at the running daemons before anything is changed, and refuses where xinetd would lose a service.
pub(super) fn baseline(
    host: &mut dyn WriteHost,
    HostSurvey { facts, recalled }: &HostSurvey,
    observed: &Observed,
    plan: &Plan,
    deadline: Duration,
) -> Result<DaemonBaseline, ApplyFailure> {
    let mut baseline = DaemonBaseline { courier: courier::values(facts), dump: None };
    let reload = actions(plan).find(|action| action.daemon == Daemon::Xinetd);
    let (Some(ServiceAction { how: ActionMethod::Signal { process, .. }, .. }), Some(state)) =
        (reload, &observed.limits.xinetd)
    else {
        return Ok(baseline);
    };
    let dump = xinetd::dump(host, *process, &[], deadline.min(xinetd::DUMP_DEADLINE))
        .failing_with_hint("nothing was changed; without its dump xinetd is not reloaded")?;
    let running = limits::xinetd::running(&facts.processes);
    if let Some(running) = running.iter().find(|running| running.id == *process) {
        let reload = limits::xinetd::XinetdReload {
            xinetd: state,
            after: &state.after_on(edits(plan), dump.version),
            process: running,
            changed: &limits::xinetd::changed(running, recalled.limits.loaded.as_ref(), state),
        };
        let losses = reload.by_dump(&dump);
        if !losses.is_empty() {
            return Err(ApplyFailure::new(OutcomeVerdict::Refused, losses));
        }
    }
    baseline.dump = Some(dump);
    Ok(baseline)
}

impl ApplyRun<'_> {
    /// Runs one action and looks at the daemon.
    pub(super) fn act(
        &mut self,
        host: &mut dyn WriteHost,
        action: &ServiceAction,
    ) -> Result<(), ApplyFailure> {
        match &action.how {
            ActionMethod::Commands { control, processes, arguments } => {
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
            ActionMethod::Signal { process, control: _ } => {
                xinetd::reload(host, *process, &action.expects, self.request.deadline)?;
                self.xinetd = Some(*process);
            }
            ActionMethod::Start { control } => {
                let started =
                    xinetd::start(host, &self.judge, control, &action.expects, self.request.deadline)
                        .failing_after(|| untaken(action))?;
                self.xinetd = Some(started);
            }
            ActionMethod::Unknown => {
                return Err(Diagnostic::new(format!("it is not known how to act on {}", action.unit)).into());
            }
        }
        self.journal.owed.retain(|owed| owed.unit != action.unit || owed.daemon != action.daemon);
        Ok(())
    }

    /// Whether the daemon has the values already, as after a panel's command that restarted it.
    fn satisfied(&self, host: &dyn ReadHost, action: &ServiceAction) -> Result<bool, ApplyFailure> {
        let is_replaced = |cause: &StepCause| matches!(cause, StepCause::ProgramReplaced { .. });
        if action.causes.iter().any(is_replaced) {
            return Ok(false);
        }
        let panel = self.plan.steps.iter().any(|step| matches!(step, crate::plan::Step::Panel(_)));
        if !panel {
            return Ok(false);
        }
        let daemons = self.judge.daemons(host, &[COURIERTCPD])?;
        Ok(limits::courier::unmet(&action.expects, &daemons).is_empty())
    }

    /// Runs a command of the panel.
    pub(super) fn panel(&self, host: &mut dyn WriteHost, argv: &[String]) -> Result<(), ApplyFailure> {
        let (Some(program), arguments) = (argv.first(), argv.get(1..).unwrap_or_default()) else {
            return Err(Diagnostic::new("the panel's command is empty").into());
        };
        let program = HostPath::new(program.as_str())?;
        let command = HostCommand::new(program, arguments.to_vec(), self.request.deadline);
        let written = host.write(&[HostOperation::Run(command.clone())], &[])?;
        match written.done.first() {
            Some(OperationResult::Ran(CommandOutput { end: CommandEnding::Code(0), .. })) => Ok(()),
            Some(OperationResult::Ran(output)) => Err(failed_command(&command, output).into()),
            Some(OperationResult::Quietly | OperationResult::Awaited(_)) | None => {
                Err(Diagnostic::new(format!(
                    "it is not known what became of {}",
                    printable::command(argv.iter().map(String::as_str))
                ))
                .into())
            }
        }
    }
}

fn untaken(action: &ServiceAction) -> Diagnostic {
    let (verb, unit) = (action.verb.name(), &action.unit);
    Diagnostic::new(format!("the {verb} of {unit} did not take"))
}

/// Stops and starts a service as one act, then does the rest, and reads `then`.
///
/// Where that act was not seen to its end it is waited for, since it goes on without whoever asked: nothing
/// may be claimed, and no file be restored, as long as it may read them.
fn restart(
    host: &mut dyn WriteHost,
    command: &HostCommand,
    rest: &[HostOperation],
    then: &[ReadRequest],
) -> Result<OperationResults, ApplyFailure> {
    let acts: Vec<HostOperation> =
        std::iter::once(HostOperation::Run(command.clone())).chain(rest.iter().cloned()).collect();
    let mut written = host.write(&acts, then);
    let seen = match &written {
        Err(_) => false,
        Ok(written) => !matches!(
            written.done.first(),
            Some(OperationResult::Ran(CommandOutput {
                end: CommandEnding::TimedOut | CommandEnding::Signal(_),
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
        let wait = HostOperation::Await(WaitCondition::Gone(left), command.deadline);
        let later = host.write(&[wait], then)?;
        if let Ok(written) = &mut written {
            written.replies = later.replies;
        }
    }
    Ok(written?)
}

/// How a command ended, without what it printed.
fn how_it_ended(command: &HostCommand, end: CommandEnding) -> Diagnostic {
    ended_how(&format!("`{}`", line(command)), command.deadline, end)
}

fn ended_how(name: &str, deadline: Duration, end: CommandEnding) -> Diagnostic {
    Diagnostic::new(match end {
        CommandEnding::Code(code) => format!("{name} ended with exit code {code}"),
        CommandEnding::Signal(signal) => format!("{name} was ended by signal {signal}"),
        CommandEnding::TimedOut => {
            format!("{name} did not end within {} s and was killed", deadline.as_secs())
        }
        CommandEnding::NotStarted => format!("{name} could not be started"),
    })
}

pub(super) fn failed_command(command: &HostCommand, output: &CommandOutput) -> Diagnostic {
    with_output(how_it_ended(command, output.end), output)
}

/// How the stop and start of a service failed.
fn failed_restart(control: &ServiceControl, command: &HostCommand, output: &CommandOutput) -> Diagnostic {
    let name = restart_line(control);
    with_output(ended_how(&name, command.deadline, output.end), output)
}

fn with_output(diagnostic: Diagnostic, output: &CommandOutput) -> Diagnostic {
    let said = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    let said: Vec<String> = said
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .take(3)
        .map(printable::text)
        .collect();
    if said.is_empty() { diagnostic } else { diagnostic.because(format!("it printed: {}", said.join(" / "))) }
}

/// What stops and starts a service, in an administrator's words.
fn restart_line(control: &ServiceControl) -> String {
    match control {
        ServiceControl::Job { systemctl, unit, .. } => {
            let words = [systemctl.as_str(), "restart", unit];
            format!("`{}`", printable::command(words))
        }
        ServiceControl::Pair { script, .. } => {
            let line = |verb| printable::command([script.as_str(), verb]);
            format!("`{}`, then `{}`", line("stop"), line("start"))
        }
    }
}

fn line(command: &HostCommand) -> String {
    let arguments = command.arguments.iter().map(String::as_str);
    printable::command(std::iter::once(command.program.as_str()).chain(arguments))
}
