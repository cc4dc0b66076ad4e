//! Runs service actions and the panel's commands, and judges them by the running daemon, never by an exit code.

use std::time::Duration;

use super::outcome::{Outcome, Verdict};
use super::{Failed, Running, actions, edits, ended, unknown};
use crate::edit::xinetd::dump::{Difference, Dump};
use crate::edit::xinetd::{Config, Entry};
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::batch::{Answers, Batch};
use crate::host::{
    Act, Came, Command, Condition, Done, End, Found, Output, ProcessId, Request, Signal, WriteHost,
};
use crate::limits::courier::{self, Listener, SETTINGS, common};
use crate::limits::xinetd::{self, DUMP};
use crate::model::{HostPath, known};
use crate::observe::Observed;
use crate::plan::{Action, Daemon, Expectation, How, Plan, Setting, Value};

/// What the daemons had before the run, to come back to.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    /// Courier's running values.
    pub courier: Vec<Expectation>,
    /// xinetd's own dump.
    pub dump: Option<Dump>,
}

/// How long xinetd may take to write its dump.
const DUMP_DEADLINE: Duration = Duration::from_secs(10);

/// Looks at the running daemons before anything is changed, and refuses where xinetd would lose a service.
pub(super) fn baseline<H: WriteHost + ?Sized>(
    host: &mut H,
    facts: &Facts,
    observed: &Observed,
    plan: &Plan,
    deadline: Duration,
) -> Result<Baseline, Box<Outcome>> {
    let mut baseline = Baseline {
        courier: courier_values(facts),
        dump: None,
    };
    let reload = actions(plan).find(|action| action.daemon == Daemon::Xinetd);
    let (
        Some(Action {
            how: How::Signal { process },
            ..
        }),
        Some(state),
    ) = (reload, &observed.xinetd)
    else {
        return Ok(baseline);
    };
    let mut tree = state.tree.clone();
    for edit in edits(plan) {
        if let Some(Entry::File(bytes)) = tree.files.get_mut(&edit.path) {
            bytes.clone_from(&edit.bytes);
        }
    }
    let after = Config::read(&state.main, &tree);
    let dump =
        dump(host, *process, &[], deadline.min(DUMP_DEADLINE)).map_err(|Failed(messages)| {
            ended(
                Verdict::Unknown,
                messages
                    .into_iter()
                    .map(|message| {
                        message.hint("nothing was changed; without its dump xinetd is not reloaded")
                    })
                    .collect(),
            )
        })?;
    let losses = losses(&dump, &after);
    if !losses.is_empty() {
        return Err(ended(Verdict::Refused, losses));
    }
    missing_servers(host, &dump, &after)?;
    baseline.dump = Some(dump);
    Ok(baseline)
}

/// What xinetd serves now and would end or restart on reading the files as they will be.
fn losses(dump: &Dump, after: &Config) -> Vec<Diagnostic> {
    let hint = "nothing was changed; mend it, or reload xinetd by hand if that is meant";
    let differences = dump.differs(after).into_iter();
    differences
        .filter_map(|difference| match difference {
            Difference::Vanishes { id } => Some(format!("a reload of xinetd would end the service {id}")),
            Difference::Restarts { id, attribute, running, configured } => Some(format!(
                "a reload of xinetd would restart the service {id}, since its {attribute} differs ({running} runs, \
                 {configured} is in the files)"
            )),
            Difference::DaemonExits => Some("xinetd would exit when it reads its files".to_owned()),
            Difference::Appears { .. } | Difference::Limit { .. } => None,
        })
        .map(|what| Diagnostic::new(what).because("it is offered now, as xinetd's own dump says").hint(hint))
        .collect()
}

/// xinetd also drops a service whose server is missing (it checks at every SIGHUP); such a service must not be served now.
fn missing_servers<H: WriteHost + ?Sized>(
    host: &mut H,
    dump: &Dump,
    after: &Config,
) -> Result<(), Box<Outcome>> {
    let mut batch = Batch::default();
    let mut asked = Vec::new();
    for entry in &after.services {
        let served = dump
            .services
            .iter()
            .any(|service| service.id.eq_ignore_ascii_case(&entry.id));
        let server = entry
            .attribute("server")
            .and_then(|assignment| assignment.values.first());
        let path =
            server.and_then(|path| HostPath::new(String::from_utf8(path.clone()).ok()?).ok());
        if let (true, Some(path)) = (served, path) {
            asked.push((entry, path.clone(), batch.exists(path)));
        }
    }
    let mut answers = batch.read(host).map_err(|error| unknown(&error))?;
    let mut lost = Vec::new();
    for (entry, path, ticket) in asked {
        let there = answers.exists(ticket).map_err(|error| unknown(&error))?;
        if there != crate::host::Existence::File(crate::host::Executable::Yes) {
            lost.push(
                Diagnostic::new(format!(
                    "a reload of xinetd would end the service {}",
                    entry.id
                ))
                .because(format!(
                    "its server {path} is missing or not executable ({}:{})",
                    entry.path, entry.line
                ))
                .hint("nothing was changed; bring the server back, then apply again"),
            );
        }
    }
    if lost.is_empty() {
        Ok(())
    } else {
        Err(ended(Verdict::Refused, lost))
    }
}

/// The values that Courier's running listeners have.
pub(super) fn courier_values(facts: &Facts) -> Vec<Expectation> {
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

/// Sends signals to xinetd, the last of which makes it write its dump, and reads the new part of it.
pub(super) fn dump<H: WriteHost + ?Sized>(
    host: &mut H,
    process: ProcessId,
    first: &[Signal],
    deadline: Duration,
) -> Result<Dump, Failed> {
    let failed = |error: &dyn std::error::Error| Failed(vec![Diagnostic::of(error)]);
    let path = known(DUMP);
    let mut batch = Batch::default();
    let before = batch.file(path.clone());
    let size = match batch
        .read(host)
        .and_then(|mut answers| answers.file(before))
        .map_err(|e| failed(&e))?
    {
        Found::File(state) => state.bytes.len(),
        Found::Missing | Found::NotRegular | Found::Unreadable(_) => 0,
    };
    let mut acts: Vec<Act> = first
        .iter()
        .map(|signal| Act::Signal(process, *signal))
        .collect();
    acts.push(Act::Signal(process, Signal::User1));
    let beyond = size as u64;
    acts.push(Act::Await(
        Condition::Grown {
            path: path.clone(),
            beyond,
            end: "END OF DUMP",
        },
        deadline,
    ));
    let mut batch = Batch::default();
    let after = batch.file(path);
    let written = host
        .write(&acts, batch.requests())
        .map_err(|error| failed(&error))?;
    let found = Answers::new(written.replies)
        .file(after)
        .map_err(|error| failed(&error))?;
    let silent = || {
        Failed(vec![
            Diagnostic::new(format!(
                "xinetd (pid {}) did not write its state to {DUMP}",
                process.pid
            ))
            .because(format!(
                "it was asked with SIGUSR1 and had {} s",
                deadline.as_secs()
            )),
        ])
    };
    let Found::File(state) = found else {
        return Err(silent());
    };
    if written.done.last() != Some(&Done::Awaited(Came::InTime)) {
        return Err(silent());
    }
    state
        .bytes
        .get(size..)
        .and_then(Dump::last)
        .ok_or_else(silent)
}

impl Running<'_> {
    /// Runs one action and looks at the daemon.
    pub(super) fn act<H: WriteHost + ?Sized>(
        &mut self,
        host: &mut H,
        action: &Action,
    ) -> Result<(), Failed> {
        match &action.how {
            How::Commands {
                stop,
                start,
                processes,
                arguments,
            } => {
                let facts_now = self.satisfied(host, action)?;
                if !facts_now {
                    restart(
                        host,
                        stop,
                        start,
                        processes,
                        arguments,
                        &action.expects,
                        self.request.deadline,
                    )
                    .map_err(|Failed(messages)| Failed(explain(messages, action)))?;
                }
            }
            How::Signal { process } => {
                reload(host, *process, &action.expects, self.request.deadline)?;
            }
            How::Unknown => {
                return Err(Failed(vec![Diagnostic::new(format!(
                    "it is not known how to act on {}",
                    action.unit
                ))]));
            }
        }
        self.journal
            .owed
            .retain(|owed| owed.unit != action.unit || owed.daemon != action.daemon);
        if let Some(run) = &mut self.journal.run {
            run.completed.push(action.unit.clone());
        }
        Ok(())
    }

    /// Whether the daemon has the values already, as after a panel's command that restarted it.
    fn satisfied<H: WriteHost + ?Sized>(
        &self,
        host: &mut H,
        action: &Action,
    ) -> Result<bool, Failed> {
        let panel = self
            .plan
            .steps
            .iter()
            .any(|step| matches!(step, crate::plan::Step::Panel(_)));
        if !panel {
            return Ok(false);
        }
        let mut batch = Batch::default();
        let ticket = batch.ask(Request::Processes(vec!["couriertcpd"]));
        let processes = batch
            .read(host)
            .and_then(|mut answers| answers.processes(ticket))
            .map_err(|error| Failed(vec![Diagnostic::of(&error)]))?;
        Ok(courier::unmet(&action.expects, &processes).is_empty())
    }

    /// Runs a command of the panel.
    pub(super) fn panel<H: WriteHost + ?Sized>(
        &self,
        host: &mut H,
        argv: &[String],
    ) -> Result<(), Failed> {
        let (Some(program), arguments) = (argv.first(), argv.get(1..).unwrap_or_default()) else {
            return Err(Failed(vec![Diagnostic::new(
                "the panel's command is empty",
            )]));
        };
        let program = HostPath::new(program.as_str())
            .map_err(|error| Failed(vec![Diagnostic::of(&error)]))?;
        let command = Command {
            program,
            arguments: arguments.to_vec(),
            deadline: self.request.deadline,
        };
        let written = host
            .write(&[Act::Run(command.clone())], &[])
            .map_err(|error| Failed(vec![Diagnostic::of(&error)]))?;
        match written.done.first() {
            Some(Done::Ran(Output {
                end: End::Code(0), ..
            })) => Ok(()),
            Some(Done::Ran(output)) => Err(Failed(vec![failed_command(&command, output)])),
            Some(Done::Quietly | Done::Awaited(_)) | None => Err(Failed(vec![Diagnostic::new(
                format!("it is not known what became of {}", argv.join(" ")),
            )])),
        }
    }
}

/// Stops and starts a service and compares what runs then.
pub(super) fn restart<H: WriteHost + ?Sized>(
    host: &mut H,
    stop: &Command,
    start: &Command,
    processes: &[ProcessId],
    arguments: &[Vec<String>],
    expects: &[Expectation],
    deadline: Duration,
) -> Result<(), Failed> {
    let failed = |error: &dyn std::error::Error| Failed(vec![Diagnostic::of(error)]);
    // Also where nothing runs: a service manager that holds the service for active would not start it.
    let mut acts = vec![Act::Run(stop.clone())];
    if !processes.is_empty() {
        acts.push(Act::Await(
            Condition::Gone(processes.to_vec()),
            deadline.min(Duration::from_secs(20)),
        ));
    }
    acts.push(Act::Run(start.clone()));
    let serving = Condition::Serving {
        program: "couriertcpd",
        arguments: arguments.to_vec(),
    };
    acts.push(Act::Await(
        serving.clone(),
        deadline.min(Duration::from_secs(20)),
    ));
    let mut batch = Batch::default();
    let ticket = batch.ask(Request::Processes(vec!["couriertcpd"]));
    let written = host
        .write(&acts, batch.requests())
        .map_err(|error| failed(&error))?;
    let mut after = Answers::new(written.replies)
        .processes(ticket)
        .map_err(|error| failed(&error))?;
    let mut done = written.done;
    // Listeners of one service come up one after the other; one that has not yet is given a second look.
    if !courier::unmet(expects, &after).is_empty()
        && done.last() == Some(&Done::Awaited(Came::InTime))
    {
        let again = host
            .write(
                &[Act::Await(serving, Duration::from_secs(2))],
                batch.requests(),
            )
            .map_err(|error| failed(&error))?;
        after = Answers::new(again.replies)
            .processes(ticket)
            .map_err(|error| failed(&error))?;
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
                .because(format!("`{}` left it running", line(stop))),
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
    for (command, output) in [stop, start].into_iter().zip(outputs) {
        if output.end != End::Code(0) || !output.stderr.is_empty() {
            messages.push(failed_command(command, output));
        }
    }
    Err(Failed(messages))
}

fn missed(expectation: &Expectation, processes: &[crate::host::Process]) -> Diagnostic {
    let Expectation {
        service,
        setting,
        value,
    } = expectation;
    let wanted = crate::report::text::value(*value);
    let listener = Listener::ALL
        .into_iter()
        .find(|listener| listener.service().name() == service);
    let running = listener
        .map(|listener| courier::Running::of(listener, processes))
        .unwrap_or_default();
    if running.is_empty() {
        return Diagnostic::new(format!("{service} does not run"));
    }
    let has = crate::report::text::value(common(&running, *setting));
    Diagnostic::new(format!(
        "{service} runs with {} = {has}, not {wanted}",
        setting.name()
    ))
}

fn explain(messages: Vec<Diagnostic>, action: &Action) -> Vec<Diagnostic> {
    let what = format!("the {} of {} did not take", action.verb.name(), action.unit);
    std::iter::once(Diagnostic::new(what))
        .chain(messages)
        .collect()
}

fn failed_command(command: &Command, output: &Output) -> Diagnostic {
    let how = match output.end {
        End::Code(code) => format!("`{}` ended with exit code {code}", line(command)),
        End::Signal(signal) => format!("`{}` was ended by signal {signal}", line(command)),
        End::TimedOut => format!(
            "`{}` did not end within {} s and was killed",
            line(command),
            command.deadline.as_secs()
        ),
        End::NotStarted => format!("`{}` could not be started", line(command)),
    };
    let diagnostic = Diagnostic::new(how);
    let said = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    let said: Vec<String> = said
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .take(3)
        .map(crate::report::printable::line)
        .collect();
    if said.is_empty() {
        diagnostic
    } else {
        diagnostic.because(format!("it printed: {}", said.join(" / ")))
    }
}

fn line(command: &Command) -> String {
    std::iter::once(command.program.to_string())
        .chain(command.arguments.iter().cloned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Makes xinetd read its files, and compares its own dump with what is expected.
pub(super) fn reload<H: WriteHost + ?Sized>(
    host: &mut H,
    process: ProcessId,
    expects: &[Expectation],
    deadline: Duration,
) -> Result<Dump, Failed> {
    let mut dumped = dump(
        host,
        process,
        &[Signal::Hangup],
        deadline.min(DUMP_DEADLINE),
    )?;
    // A signal that came while xinetd was busy may have been answered in the other order; a second dump tells.
    if !xinetd::unmet(expects, &dumped).is_empty() {
        dumped = dump(host, process, &[], deadline.min(DUMP_DEADLINE))?;
    }
    let unmet = xinetd::unmet(expects, &dumped);
    if unmet.is_empty() {
        return Ok(dumped);
    }
    let messages = unmet.into_iter().map(
        |Expectation {
             service,
             setting,
             value,
         }| {
            let wanted = crate::report::text::value(*value);
            let what = format!(
                "xinetd did not take up {} = {wanted} for {service}",
                setting.name()
            );
            Diagnostic::new(what).because("its own dump after SIGHUP says otherwise")
        },
    );
    Err(Failed(messages.collect()))
}

/// The values of a dump for the services that some expectations are about.
pub(super) fn dumped_values(expects: &[Expectation], dump: &Dump) -> Vec<Expectation> {
    let mut values = Vec::new();
    for Expectation {
        service,
        setting,
        value: _,
    } in expects
    {
        let value = if service == "defaults" {
            None
        } else {
            dump.services
                .iter()
                .find(|running| running.name == *service)
                .map(|running| match setting {
                    Setting::PerIp => Value::Count(dump.per_source(running)),
                    Setting::Total => Value::Count(dump.instances(running)),
                    Setting::Cps => Value::Rate(dump.cps(running)),
                })
        };
        values.extend(value.map(|value| Expectation {
            service: service.clone(),
            setting: *setting,
            value,
        }));
    }
    values
}
