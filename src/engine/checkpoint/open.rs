//! The last phase of an apply: rules go live provisionally, behind a timer that takes them back.

use std::time::Duration;

use super::close::LEFT;
use super::former::Made;
use super::proof::LiveSince;
use super::remembered::RememberedChange;
use super::{back, finish, load};
use crate::engine::make;
use crate::engine::observe::{ObserveScope, Observed};
use crate::engine::recall::HostSurvey;
use crate::engine::{ApplyFailure, ApplyRun, RunWatcher, interrupted};
use crate::facts::{BootClock, Facts};
use crate::failure::Diagnostic;
use crate::firewall::boot;
use crate::firewall::checkpoint::{Checkpoint, WaitingCheckpoint, files};
use crate::firewall::methods::LoadMethod;
use crate::firewall::{iptables, nft};
use crate::host::batch::{self, Answers, Batch, Ticket};
use crate::host::timer::{self, CheckpointFolder, TimerLoad};
use crate::host::{
    CommandEnding, CommandOutput, FileFound, HostCommand, HostOperation, OperationResult, ProcessId,
    ReadHost, RunConnection, WINDOWS, WaitCondition, WaitResult, WriteHost,
};
use crate::model::{AddressFamily, Desired, HostPath, known};
use crate::plan::outcome::StepState;
use crate::plan::{FirewallStep, SafetyOverrides, Step};
use crate::report::text;

/// How long a watcher of an earlier window may take to notice that it is over.
const EARLIER_GRACE: Duration = Duration::from_secs(5);

/// How a run leaves access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum FirewallPhase {
    /// Nothing of it waits.
    Final,
    /// A change is live and waits for its confirmation.
    Waits,
}

impl ApplyRun<'_> {
    /// Changes who may reach services, where the plan says so; without such a change, what comes after one is
    /// done at once.
    pub(in crate::engine) fn change_firewall(
        &mut self,
        host: &mut dyn WriteHost,
        watch: &mut dyn RunWatcher,
    ) -> Result<FirewallPhase, ApplyFailure> {
        let steps = self.plan.steps.clone();
        let change = (steps.iter().enumerate()).find_map(|(index, step)| Some((index, step.as_firewall()?)));
        let phase = match change {
            Some((index, step)) => {
                interrupted(watch)?;
                watch.begins(&steps[index]);
                self.outcome.steps[index].state = StepState::Failed;
                self.open(host, step)?;
                self.outcome.steps[index].state = StepState::Provisional;
                FirewallPhase::Waits
            }
            None => FirewallPhase::Final,
        };
        let mut did = false;
        for (index, step) in steps.iter().enumerate() {
            if !step.is_after_confirmation() {
                continue;
            }
            match phase {
                FirewallPhase::Waits => self.outcome.steps[index].state = StepState::Waits,
                FirewallPhase::Final => {
                    interrupted(watch)?;
                    watch.begins(step);
                    self.outcome.steps[index].state = StepState::Failed;
                    finish::carry_out(host, step, self.request.deadline)?;
                    self.outcome.steps[index].state = StepState::Done;
                    did = true;
                }
            }
        }
        if did {
            let desired = self.request.desired.only_access();
            let deadline = self.request.deadline;
            nothing_left(host, &desired, deadline, self.request.allowed, Made::Now)?;
        }
        Ok(phase)
    }

    /// Writes down and arms what takes the change back, then makes it live and looks at the kernel.
    fn open(&mut self, host: &mut dyn WriteHost, step: &FirewallStep) -> Result<(), ApplyFailure> {
        let Some(how) = step.how.as_deref() else {
            return Err(
                Diagnostic::new("the plan does not say how this is done: plan again on this host").into()
            );
        };
        let deadline = self.request.deadline;
        if let Some(guard) = &step.guard {
            finish::hook(host, guard)?;
        }
        let back = self.backwards(host, how)?;
        let place = place(host, &self.request.checkpoint)?;
        let seconds = step.confirm_within;
        let mut checkpoint = Checkpoint {
            format: Checkpoint::FORMAT,
            run: self.outcome.run.clone().unwrap_or_default(),
            way: step.way,
            desired: self.request.desired.only_access(),
            boot: place.clock.boot,
            opened: place.clock.uptime,
            until: (place.clock.uptime).saturating_add(u64::from(seconds) * 1000),
            by: place.connection.client.clone(),
            load: back.as_ref().map(|(load, _)| load.clone()),
            folder: back.is_some().then_some(place.folder),
        };
        let record = serde_json::to_vec_pretty(&checkpoint)?;
        // What an earlier window left is not this one's.
        let mut acts: Vec<HostOperation> =
            (LEFT.iter()).map(|name| HostOperation::Remove(boot::state(name))).collect();
        let save = |name: &str, text: &str| HostOperation::Save {
            path: boot::state(name),
            bytes: text.as_bytes().to_vec(),
        };
        if let Some((_, texts)) = &back {
            acts.extend(texts.iter().map(|(name, text)| save(name, text)));
        }
        acts.push(HostOperation::Save { path: files::open(), bytes: record });
        if let (Some((load, texts)), Some(folder)) = (&back, &checkpoint.folder) {
            acts.extend(timer::arm(folder, &self.starter, seconds, checkpoint.until, load, texts));
        }
        let written = host.write(&acts, &[])?;
        if back.is_some() {
            // Without it nothing goes live.
            if let Err(said) = timer::armed(&written.done) {
                let what = "the timer that would take the change back does not start";
                return Err(Diagnostic::new(what).because(said).into());
            }
        }
        self.waits_in.clone_from(&checkpoint.folder);
        // A program that hangs must not load anything once the timer is through.
        let in_time = match checkpoint.load {
            Some(_) => deadline.min(Duration::from_secs(u64::from(seconds)) * 4 / 5),
            None => deadline,
        };
        load::load(host, how, &mut checkpoint, in_time)?;
        if checkpoint.load.is_none() {
            // The vendor's command took its time. No timer looks for the record.
            let bytes = serde_json::to_vec_pretty(&checkpoint)?;
            let act = HostOperation::Save { path: files::open(), bytes };
            let _written = host.write(&[act], &[])?;
        }
        if checkpoint.load.is_some() {
            // Who comes in from now on has passed the new rules. The record itself is the timer's to rename.
            let BootClock { uptime, .. } = BootClock::read(host)?;
            let act = HostOperation::Save { path: checkpoint.live(), bytes: uptime.to_string().into_bytes() };
            let _written = host.write(&[act], &[])?;
        }
        let allowed = self.request.allowed;
        nothing_left(host, &checkpoint.desired, deadline, allowed, Made::Now).map(|_| ())
    }

    /// Looks whether the change that this run made still waits, last of all: its timer may have come before
    /// everything was seen to be right and written down.
    pub(in crate::engine) fn still_waits(&self, host: &dyn ReadHost) -> Result<(), ApplyFailure> {
        let remembered = RememberedChange::read(host, self.waits_in.as_ref())?;
        if remembered.is_open(self.outcome.run.as_deref().unwrap_or_default()) {
            return Ok(());
        }
        let what = "the time for a confirmation was over before the change was live";
        let message = Diagnostic::new(what).hint("declare a longer `safety.confirm_within`");
        Err(message.into())
    }

    /// What the timer loads, and the files that hold it; none where the vendor's own window takes it back.
    #[expect(clippy::type_complexity, reason = "a pair that lives for one line")]
    fn backwards(
        &self,
        host: &dyn ReadHost,
        how: &LoadMethod,
    ) -> Result<Option<(TimerLoad, Vec<(&'static str, String)>)>, ApplyFailure> {
        let deadline = self.request.deadline;
        Ok(match how {
            LoadMethod::Nftables { nft, back, .. } => {
                let load = TimerLoad::Nftables { nft: nft.clone() };
                if let Some(confirmed) = back {
                    return Ok(Some((load, vec![("revert.nft", confirmed.clone())])));
                }
                let listed = if (self.observed.firewall.as_ref())
                    .is_some_and(|access| matches!(access.own_nft, Ok(Some(_))))
                {
                    let words = ["list", "table", "inet", nft::TABLE];
                    Some(printed(host, nft, &words, deadline)?)
                } else {
                    None
                };
                let text = nft::revert(listed.as_deref());
                Some((load, vec![("revert.nft", text)]))
            }
            LoadMethod::Iptables { families, .. } => {
                let (mut v4, mut v6, mut texts) = (None, None, Vec::new());
                for family in families {
                    let was = match &family.back {
                        None => saved(host, &family.save, deadline)?,
                        Some(confirmed) => confirmed.clone(),
                    };
                    let text = iptables::revert(&was, &family.present, family.script.as_deref());
                    let (restore, name) = match family.family {
                        AddressFamily::Ipv4 => (&mut v4, "revert.v4"),
                        AddressFamily::Ipv6 => (&mut v6, "revert.v6"),
                    };
                    *restore = Some(family.restore.clone());
                    texts.push((name, text));
                }
                Some((TimerLoad::Iptables { v4, v6 }, texts))
            }
            LoadMethod::PleskFirewall { .. } => None,
        })
    }
}

/// What there is to know before a window opens.
struct CheckpointPlace {
    /// Before anything else was looked at.
    clock: BootClock,
    connection: RunConnection,
    folder: CheckpointFolder,
}

/// Where a window's files will lie, and who opens it. A watcher of an earlier window must have ended: it
/// would load what is not from before this change.
fn place(host: &mut dyn WriteHost, id: &str) -> Result<CheckpointPlace, ApplyFailure> {
    let mut batch = Batch::default();
    let clock = BootClock::ask(&mut batch);
    let connection = batch.connection();
    let mounts = batch.file(known(timer::MOUNTS));
    let processes = batch.processes(vec![timer::PROGRAM]);
    let left = [WINDOWS, timer::UNITS].map(|folder| batch.folder(known(folder)));
    let mut answers = batch.read(host)?;
    let clock = clock.clock(&mut answers)?;
    let mut names = Vec::new();
    for ticket in left {
        let listing = answers.take(ticket)?;
        names.extend((listing.ok().flatten().into_iter().flatten()).map(|(name, _)| name));
    }
    let connection = answers.take(connection)?;
    let mounts = match answers.take(mounts)? {
        FileFound::File(state) => String::from_utf8_lossy(&state.bytes).into_owned(),
        FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => String::new(),
    };
    let processes = answers.take(processes)?;
    let earlier: Vec<ProcessId> = timer::watching(&processes).map(|(_, id)| id).collect();
    if let Some(first) = earlier.first().copied() {
        let act = HostOperation::Await(WaitCondition::Gone(earlier), EARLIER_GRACE);
        let written = host.write(&[act], &[])?;
        if written.done != [OperationResult::Awaited(WaitResult::InTime)] {
            return Err(Diagnostic::new("the timer of an earlier change of access is still running")
                .because(format!("process {} has not noticed that its change is decided", first.pid))
                .hint("see what keeps it, end it with `kill -9`, then apply again")
                .into());
        }
    }
    // Nobody watches and no record speaks of what a window left that could not be tidied; that it stays does
    // no harm.
    for folder in CheckpointFolder::left(&names) {
        let _ = host.write(&[folder.starters(), folder.remains()].concat(), &[]);
    }
    Ok(CheckpointPlace { clock, connection, folder: CheckpointFolder::new(&mounts, id) })
}

/// What a program prints that only reads.
pub(super) fn printed(
    host: &dyn ReadHost,
    program: &HostPath,
    words: &[&str],
    deadline: Duration,
) -> Result<String, ApplyFailure> {
    let command = lister(program, words, deadline);
    let output = batch::ask(host, |batch| batch.output(command.clone()))?;
    text_of(&command, output)
}

/// A program that prints a list.
pub(super) fn lister(program: &HostPath, words: &[&str], deadline: Duration) -> HostCommand {
    let words = words.iter().map(|&word| word.to_owned()).collect();
    let mut command = HostCommand::new(program.clone(), words, deadline);
    command.cap = load::LIST_CAP;
    command
}

fn text_of(command: &HostCommand, output: CommandOutput) -> Result<String, ApplyFailure> {
    match output.end {
        CommandEnding::Code(0) => Ok(String::from_utf8(output.stdout)?),
        CommandEnding::Code(_)
        | CommandEnding::Signal(_)
        | CommandEnding::TimedOut
        | CommandEnding::NotStarted => Err(crate::engine::act::failed_command(command, &output).into()),
    }
}

/// What a `-save` command prints of the tables that have own chains.
pub(super) fn saved(
    host: &dyn ReadHost,
    save: &HostPath,
    deadline: Duration,
) -> Result<String, ApplyFailure> {
    let mut batch = Batch::default();
    let tables = SavedTables::ask(&mut batch, save, deadline);
    tables.text(&mut batch.read(host)?)
}

/// The requests for what a `-save` command prints of the tables that have own chains.
pub(super) struct SavedTables(Vec<(HostCommand, Ticket<CommandOutput>)>);

impl SavedTables {
    pub(super) fn ask(batch: &mut Batch, save: &HostPath, deadline: Duration) -> Self {
        let table = |end: iptables::NatEnd| {
            let command = lister(save, &["-t", end.table()], deadline);
            (command.clone(), batch.output(command))
        };
        Self(iptables::NatEnd::ALL.into_iter().map(table).collect())
    }

    pub(super) fn text(self, answers: &mut Answers) -> Result<String, ApplyFailure> {
        let mut all = String::new();
        for (command, ticket) in self.0 {
            all.push_str(&text_of(&command, answers.take(ticket)?)?);
        }
        Ok(all)
    }
}

/// Since when a change is live, and the ssh connection by which this run stands on the host. How long the
/// host is up is asked in the same message, a moment before the connection: facts may be seconds old by then,
/// and a connection that is new would seem to be from before the change.
pub(super) fn since_and_connection(
    host: &dyn ReadHost,
    checkpoint: &Checkpoint,
) -> Result<(LiveSince, RunConnection), ApplyFailure> {
    let mut batch = Batch::default();
    // Where its run did not get so far as to say, it is not known.
    let live = (checkpoint.load.as_ref()).map(|_| (checkpoint.live(), batch.file(checkpoint.live())));
    let clock = BootClock::ask(&mut batch);
    let connection = batch.connection();
    let mut answers = batch.read(host)?;
    let live = match live {
        Some((path, ticket)) => {
            let text = back::text_of(&path, answers.take(ticket)?)?;
            text.and_then(|text| text.trim().parse().ok())
        }
        None => Some(checkpoint.opened),
    };
    let BootClock { uptime, .. } = clock.clock(&mut answers)?;
    Ok((LiveSince { live, uptime }, answers.take(connection)?))
}

/// Looks at the host again: nothing of access may be left to do but what waits for a confirmation, and what
/// this version would change of rules that stay as a version before made them.
pub(super) fn nothing_left(
    host: &dyn ReadHost,
    desired: &Desired,
    deadline: Duration,
    allowed: &SafetyOverrides,
    made: Made,
) -> Result<Facts, ApplyFailure> {
    let survey = HostSurvey::read(host)?;
    let observed = Observed::read(host, &survey, ObserveScope::Of(desired))?;
    let planned = make::make(desired, &[], &survey, &observed, deadline, allowed);
    match planned {
        Ok(plan) => {
            let waits = matches!(survey.recalled.firewall.waiting, WaitingCheckpoint::Open(_));
            let left: Vec<Step> = (plan.steps.into_iter())
                // A service action that is owed is a matter of its own.
                .filter(|step| step.is_of_firewall() && !(waits && step.is_after_confirmation()))
                .filter(|step| made != Made::Before || step.as_firewall().is_none())
                .collect();
            if left.is_empty() {
                return Ok(survey.facts);
            }
            Err(Diagnostic::new("the kernel's rules are not what they should be")
                .because(text::steps_in_brief(&left))
                .into())
        }
        Err(blockers) => Err(blockers.into()),
    }
}
