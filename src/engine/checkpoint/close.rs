//! Writes down what became of a change, and removes what it left.

use std::time::Duration;

use crate::engine::{ApplyFailure, FailureContext};
use crate::failure::Diagnostic;
use crate::firewall::boot;
use crate::host::batch::{self, Answers, Batch};
use crate::host::timer::CheckpointFolder;
use crate::host::{
    FileFound, HostError, HostOperation, OperationResult, ProcessId, ReadHost, STATE, WaitCondition,
    WaitResult, WriteHost, timer,
};
use crate::model::{HostPath, known};
use crate::plan::outcome::{Outcome, OutcomeVerdict, StepState};

use crate::firewall::checkpoint::{Checkpoint, files};

/// The files that a window leaves in mailward's state; the record last, so that a removal that fails is tried
/// again.
pub(super) const LEFT: [&str; 12] = [
    "revert.nft",
    "revert.v4",
    "revert.v6",
    "load.nft",
    "revert.log",
    "live",
    "timer.pid",
    "timer.sh",
    "window.json",
    "reverting.json",
    "reverted.json",
    "confirmed.json",
];

/// How long watchers may take to find that their window is over: they look four times a second, those of a
/// shell that knows whole seconds once.
const NOTICE: Duration = Duration::from_secs(5);

/// The same where none is seen: a watcher looks every quarter of a second.
const UNSEEN: Duration = Duration::from_millis(700);

/// What to do about what could not be removed.
const UNTIDY: &str = "what the change left is removed by the next run that may write";

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckpointFate {
    /// It was taken back.
    Back,
    /// It was confirmed, and all that comes after that is done.
    Stays,
    /// It was confirmed, and what comes after that is left to the next plan.
    StaysUnfinished,
}

/// What the end of a window leaves to tell: it changes nothing of what became of the change, and the next run
/// tries again.
#[derive(Debug)]
#[must_use = "what could not be written down or removed is told"]
pub(super) struct ClosedCheckpoint {
    /// What did not succeed.
    pub told: Vec<Diagnostic>,
    /// Whether anybody may still load what was before.
    pub watch: WatchEnd,
}

/// Whether anybody may still load what was before a change.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum WatchEnd {
    /// Nobody can any more.
    Ended,
    /// Nobody does; what would begin to watch could not be removed, and finds that the window is over.
    MayBegin(Diagnostic),
    /// A watcher lives that was not seen to notice that its window is over.
    MayLoad,
}

/// Writes down in the history what became of a change, ends what watches over it, and removes what it left in
/// the state.
pub(super) fn close(
    host: &mut dyn WriteHost,
    checkpoint: &Checkpoint,
    fate: CheckpointFate,
    message: Option<Diagnostic>,
) -> ClosedCheckpoint {
    let mut told = Vec::new();
    let (outcome, watchers) = match left(host, checkpoint).failing_with_hint(UNTIDY) {
        Ok(left) => left,
        Err(unread) => {
            return ClosedCheckpoint { told: unread.messages, watch: WatchEnd::MayLoad };
        }
    };
    let entry = outcome.map(|outcome| concluded(outcome, fate, message));
    let ended = match at_once(host, checkpoint, entry.as_ref(), &watchers) {
        Some(ended) => Ok(ended),
        None => {
            if let Some(entry) = &entry {
                let saved = save(host, history_path(&checkpoint.run), entry)
                    .failing_with_hint("what became of the change is not in the history");
                if let Err(unsaved) = saved {
                    told.extend(unsaved.messages);
                }
            }
            end_watch(host, checkpoint, watchers).failing_with_hint(UNTIDY)
        }
    };
    let watch = match ended {
        Ok(WatchEnd::Ended) => {
            if let Err(untidy) = tidy(host, checkpoint, fate).failing_with_hint(UNTIDY) {
                told.extend(untidy.messages);
            }
            WatchEnd::Ended
        }
        // What says that the window is over stays with what would begin to watch it.
        Ok(WatchEnd::MayBegin(why)) => {
            told.push(why);
            WatchEnd::Ended
        }
        // It must find that its window is over, and the next run must find that this is left.
        Ok(WatchEnd::MayLoad) => {
            told.push(
                Diagnostic::new("a timer of the change has not noticed yet that it is over").hint(UNTIDY),
            );
            WatchEnd::MayLoad
        }
        Err(unseen) => {
            told.extend(unseen.messages);
            WatchEnd::MayLoad
        }
    };
    ClosedCheckpoint { told, watch }
}

/// Does in one message what [`save`] and [`end_watch`] do in several, in the same order; none where any of it
/// failed, and then they do it again one by one, each of which may fail for itself.
fn at_once(
    host: &mut dyn WriteHost,
    checkpoint: &Checkpoint,
    entry: Option<&Outcome>,
    watchers: &[ProcessId],
) -> Option<WatchEnd> {
    let folder = checkpoint.folder.as_ref()?;
    let mut acts = Vec::new();
    if let Some(entry) = entry {
        acts.push(HostOperation::Save {
            path: history_path(&checkpoint.run),
            bytes: serde_json::to_vec_pretty(entry).ok()?,
        });
    }
    acts.push(closing_mark(folder));
    acts.extend(folder.starters());
    // Where nobody is seen to watch, as below a root, whoever does has time to notice before the mark goes.
    acts.push(match watchers {
        [] => HostOperation::Await(never(folder), UNSEEN),
        seen => HostOperation::Await(WaitCondition::Gone(seen.to_vec()), NOTICE),
    });
    let mut batch = Batch::default();
    let processes = batch.processes(vec![timer::PROGRAM]);
    let written = host.write(&acts, batch.requests()).ok()?;
    let in_time = written.done.last() == Some(&OperationResult::Awaited(WaitResult::InTime));
    if !watchers.is_empty() && !in_time {
        return Some(WatchEnd::MayLoad);
    }
    let processes = Answers::new(written.replies).take(processes).ok()?;
    // Nobody can begin to watch any more; who began before that is waited for.
    let late = folder.watchers(&processes);
    late.is_empty().then_some(WatchEnd::Ended)
}

/// What nobody brings about, to wait for no longer than is allowed.
fn never(folder: &CheckpointFolder) -> WaitCondition {
    WaitCondition::Grown { path: folder.closed(), beyond: u64::MAX, end: "" }
}

/// Tells whoever watches that the window is over.
fn closing_mark(folder: &CheckpointFolder) -> HostOperation {
    HostOperation::Save { path: folder.closed(), bytes: folder.mark().into_bytes() }
}

/// Writes an entry of the history.
fn save(host: &mut dyn WriteHost, path: HostPath, outcome: &Outcome) -> Result<(), ApplyFailure> {
    let bytes = serde_json::to_vec_pretty(outcome)?;
    let _written = host.write(&[HostOperation::Save { path, bytes }], &[])?;
    Ok(())
}

/// Tells whoever watches that the window is over, and waits until nobody watches any more.
fn end_watch(
    host: &mut dyn WriteHost,
    checkpoint: &Checkpoint,
    watchers: Vec<ProcessId>,
) -> Result<WatchEnd, ApplyFailure> {
    let Some(folder) = &checkpoint.folder else {
        return Ok(WatchEnd::Ended);
    };
    // There may be no room for the mark. Another name of a file that holds it needs none.
    let told = match host.write(&[closing_mark(folder)], &[]) {
        Err(error) => (host.write(&[folder.closes()], &[])).or(Err(error)),
        told @ Ok(_) => told,
    };
    // Nobody can begin to watch any more, and so whoever is not there at the second look below never will be.
    let begins = host.write(&folder.starters(), &[]);
    if gone(host, watchers)? == WatchEnd::MayLoad {
        let _written = told?;
        return Ok(WatchEnd::MayLoad);
    }
    let late = left(host, checkpoint)?.1;
    if gone(host, late)? == WatchEnd::MayLoad {
        return Ok(WatchEnd::MayLoad);
    }
    Ok(match begins {
        Ok(_) => WatchEnd::Ended,
        Err(error) => WatchEnd::MayBegin(Diagnostic::of(&error).hint(UNTIDY)),
    })
}

/// Waits until these watchers have found that their window is over.
fn gone(host: &mut dyn WriteHost, watchers: Vec<ProcessId>) -> Result<WatchEnd, ApplyFailure> {
    if watchers.is_empty() {
        return Ok(WatchEnd::Ended);
    }
    let act = HostOperation::Await(WaitCondition::Gone(watchers), NOTICE);
    if host.write(&[act], &[])?.done == [OperationResult::Awaited(WaitResult::InTime)] {
        Ok(WatchEnd::Ended)
    } else {
        Ok(WatchEnd::MayLoad)
    }
}

/// Removes what a window left, and the record last: without it nobody would look for the rest. Until then its
/// name says what became of the change, since the folder that says so goes before it.
fn tidy(host: &mut dyn WriteHost, checkpoint: &Checkpoint, fate: CheckpointFate) -> Result<(), ApplyFailure> {
    let bytes = serde_json::to_vec_pretty(checkpoint)?;
    let path = match fate {
        CheckpointFate::Back => files::reverted(),
        CheckpointFate::Stays | CheckpointFate::StaysUnfinished => files::confirmed(),
    };
    let mut acts = vec![
        HostOperation::Save { path, bytes },
        HostOperation::Remove(files::open()),
        HostOperation::Remove(files::reverting()),
    ];
    acts.extend((checkpoint.folder.iter()).flat_map(CheckpointFolder::remains));
    acts.extend(LEFT.iter().map(|name| HostOperation::Remove(boot::state(name))));
    let _written = host.write(&acts, &[])?;
    Ok(())
}

/// What the history says of the run that made a change, and who still watches over it.
fn left(
    host: &dyn ReadHost,
    checkpoint: &Checkpoint,
) -> Result<(Option<Outcome>, Vec<ProcessId>), HostError> {
    let mut batch = Batch::default();
    let entry = batch.file(history_path(&checkpoint.run));
    let processes = batch.processes(vec![timer::PROGRAM]);
    let mut answers = batch.read(host)?;
    let outcome = match answers.take(entry)? {
        FileFound::File(state) => serde_json::from_slice(&state.bytes).ok(),
        FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => None,
    };
    let processes = answers.take(processes)?;
    let watchers = (checkpoint.folder.as_ref()).map(|folder| folder.watchers(&processes));
    Ok((outcome, watchers.unwrap_or_default()))
}

/// The outcome of the run that made a change, with what became of the change.
fn concluded(mut outcome: Outcome, fate: CheckpointFate, message: Option<Diagnostic>) -> Outcome {
    let (change, later, verdict) = match fate {
        CheckpointFate::Back => (StepState::Undone, StepState::NotTried, OutcomeVerdict::RolledBack),
        CheckpointFate::Stays => (StepState::Done, StepState::Done, OutcomeVerdict::Applied),
        // How far it came is for the next plan to see.
        CheckpointFate::StaysUnfinished => {
            (StepState::Done, StepState::Unknown, OutcomeVerdict::PartlyApplied)
        }
    };
    for step in &mut outcome.steps {
        if step.step.as_firewall().is_some() {
            step.state = change;
        } else if step.step.is_after_confirmation() {
            step.state = later;
        }
    }
    // What else the run did was done and verified before.
    let others = outcome.steps.iter().any(|step| step.state == StepState::Done);
    outcome.conclude(match fate {
        CheckpointFate::Back if others => OutcomeVerdict::PartlyApplied,
        // What was put off is still owed.
        CheckpointFate::Stays if !outcome.owed.is_empty() => OutcomeVerdict::Owed,
        CheckpointFate::Back | CheckpointFate::Stays | CheckpointFate::StaysUnfinished => verdict,
    });
    outcome.messages.extend(message);
    outcome
}

fn history_path(run: &str) -> HostPath {
    known(&format!("{STATE}/history/{run}.json"))
}

/// The history entry of a run; none where it has none, or one of another version.
pub(super) fn history(host: &dyn ReadHost, run: &str) -> Result<Option<Outcome>, ApplyFailure> {
    Ok(match batch::ask(host, |batch| batch.file(history_path(run)))? {
        FileFound::File(state) => serde_json::from_slice(&state.bytes).ok(),
        FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => None,
    })
}
