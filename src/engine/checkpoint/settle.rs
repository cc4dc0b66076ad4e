//! What has become of a change that waited: looked at under the lock, and brought to its end where its time
//! is up.

use std::time::Duration;

use super::back::{BootSince, TakenBack, is_back, take_back, texts, tidy};
use super::close::{CheckpointFate, WatchEnd, close};
use super::confirm::{Finished, finished, may_go_back};
use super::context::WindowContext;
use super::remembered::RememberedChange;
use crate::engine::recall::HostSurvey;
use crate::engine::{ApplyFailure, FailureContext};
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::firewall::boot;
use crate::firewall::checkpoint::{Checkpoint, TimeLeft, WaitingCheckpoint, files};
use crate::host::batch::Batch;
use crate::host::timer::{self, CheckpointFolder};
use crate::host::{
    FileFound, HostOperation, OperationError, OperationResult, ReadHost, WaitCondition, WaitResult, WriteHost,
};
use crate::model::known;
use crate::plan::outcome::OutcomeVerdict;

/// How long a timer may take once its time is up.
const TIMER_GRACE: Duration = Duration::from_secs(30);

/// Where a change stands.
#[derive(Debug)]
pub(in crate::engine) enum CheckpointStanding {
    /// There is none.
    Nothing,
    /// It waits for so many seconds more, watched; and what to tell where the watch was started just now.
    Open(Box<Checkpoint>, u64, Option<Diagnostic>),
    /// It was confirmed, and what comes after that is not done.
    Confirmed(Box<Checkpoint>),
    /// It was taken back just now, or by its timer, or by a boot.
    TakenBack,
}

/// Looks where a change stands, and ends one whose time is up.
pub(in crate::engine) fn now(cx: &mut WindowContext<'_>) -> Result<CheckpointStanding, ApplyFailure> {
    let HostSurvey { facts, recalled } = cx.survey;
    let left = |checkpoint: &Checkpoint| checkpoint.left(facts.boot.as_deref(), facts.uptime);
    let booted = |checkpoint: &Checkpoint| match left(checkpoint) {
        TimeLeft::Booted => BootSince::Since,
        TimeLeft::Seconds(_) | TimeLeft::Nothing => BootSince::No,
    };
    match &recalled.firewall.waiting {
        WaitingCheckpoint::Nothing => Ok(CheckpointStanding::Nothing),
        WaitingCheckpoint::Confirmed(checkpoint) => Ok(CheckpointStanding::Confirmed(checkpoint.clone())),
        WaitingCheckpoint::Open(checkpoint) => match left(checkpoint) {
            TimeLeft::Seconds(seconds) if recalled.firewall.is_unwatched(facts) => {
                watched_again(cx, checkpoint, seconds)
            }
            TimeLeft::Seconds(seconds) => Ok(CheckpointStanding::Open(checkpoint.clone(), seconds, None)),
            TimeLeft::Nothing => {
                wait_for_timer(cx.host, checkpoint)?;
                match read(cx.host, checkpoint)? {
                    WaitingCheckpoint::Open(checkpoint) => {
                        // The timer is not there any more.
                        let _decided = decide(cx.host, &checkpoint, CheckpointDecision::TakeBack)?;
                        end(cx, checkpoint, BootSince::No)
                    }
                    WaitingCheckpoint::Reverting(checkpoint) => end(cx, checkpoint, BootSince::No),
                    WaitingCheckpoint::Reverted(checkpoint) => timer_was_right(cx, checkpoint),
                    WaitingCheckpoint::Confirmed(checkpoint) => Ok(CheckpointStanding::Confirmed(checkpoint)),
                    WaitingCheckpoint::Nothing => Ok(CheckpointStanding::Nothing),
                }
            }
            TimeLeft::Booted => {
                let _decided = decide(cx.host, checkpoint, CheckpointDecision::TakeBack)?;
                end(cx, checkpoint.clone(), BootSince::Since)
            }
        },
        WaitingCheckpoint::Reverting(checkpoint) => {
            let booted = booted(checkpoint);
            wait_for_timer(cx.host, checkpoint)?;
            match read(cx.host, checkpoint)? {
                WaitingCheckpoint::Reverted(checkpoint) => timer_was_right(cx, checkpoint),
                WaitingCheckpoint::Reverting(_)
                | WaitingCheckpoint::Open(_)
                | WaitingCheckpoint::Confirmed(_)
                | WaitingCheckpoint::Nothing => end(cx, checkpoint.clone(), booted),
            }
        }
        WaitingCheckpoint::Reverted(checkpoint) => timer_was_right(cx, checkpoint.clone()),
    }
}

/// Whether what was read before still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum EarlierReading {
    /// It does.
    Before,
    /// Something was settled just now.
    Anew,
}

/// Lets a run begin only where no change waits, and ends one whose time is up.
pub(in crate::engine) fn before_a_run(cx: &mut WindowContext<'_>) -> Result<EarlierReading, ApplyFailure> {
    if let Some(unread) = &cx.survey.recalled.firewall.unread {
        return Err(unread.clone().into());
    }
    let now = now(cx)?;
    match now {
        CheckpointStanding::Nothing => Ok(EarlierReading::Before),
        CheckpointStanding::TakenBack => Ok(EarlierReading::Anew),
        CheckpointStanding::Confirmed(checkpoint) => {
            complete(cx, &checkpoint)?;
            Ok(EarlierReading::Anew)
        }
        CheckpointStanding::Open(_, seconds, told) => {
            let message = Diagnostic::new("a change of access waits for its confirmation on this host")
                .because(format!("unless it is confirmed, it is taken back in {seconds} s"))
                .hint("`mailward confirm` keeps it, `mailward revert` takes it back at once");
            let messages = std::iter::once(message).chain(told).collect();
            Err(ApplyFailure::new(OutcomeVerdict::Locked, messages))
        }
    }
}

/// Does what comes after a confirmation that was decided and not done. Where that does not succeed the record
/// stays, for the next run: it is never asked again for what was confirmed.
pub(super) fn complete(cx: &mut WindowContext<'_>, checkpoint: &Checkpoint) -> Result<(), ApplyFailure> {
    let finished = finished(cx, checkpoint)
        .failing_after(|| {
            Diagnostic::new("an earlier change of access is confirmed, but what follows did not succeed")
                .hint("see to the reason, then run `mailward confirm`, or this again")
        })
        .failing_as(OutcomeVerdict::PartlyApplied)?;
    let fate = match finished {
        Finished::InForce => CheckpointFate::Stays,
        // What is still to be done for it is part of the plan now.
        Finished::NotInForce(_) => CheckpointFate::StaysUnfinished,
    };
    // A record that cannot be removed is found again by the next run.
    let closed = close(cx.host, checkpoint, fate, None);
    match (closed.watch, fate) {
        (WatchEnd::MayLoad, CheckpointFate::Stays) => {
            let messages = std::iter::once(may_go_back()).chain(closed.told).collect();
            Err(ApplyFailure::new(OutcomeVerdict::PartlyApplied, messages))
        }
        (WatchEnd::Ended | WatchEnd::MayBegin(_), _)
        | (WatchEnd::MayLoad, CheckpointFate::Back | CheckpointFate::StaysUnfinished) => Ok(()),
    }
}

/// Has a change watched again whose timer has ended; where that cannot be it goes back at once, since nothing
/// else would take it back.
fn watched_again(
    cx: &mut WindowContext<'_>,
    checkpoint: &Checkpoint,
    seconds: u64,
) -> Result<CheckpointStanding, ApplyFailure> {
    let checkpoint = Box::new(checkpoint.clone());
    match watch_again(cx.host, &cx.survey.facts, &checkpoint, seconds) {
        Ok(()) => {
            let told = Diagnostic::new("the timer that takes the change back had ended: it is started again");
            Ok(CheckpointStanding::Open(checkpoint, seconds, Some(told)))
        }
        Err(why) => match decide(cx.host, &checkpoint, CheckpointDecision::TakeBack)
            .and_then(|_| end(cx, checkpoint, BootSince::No))
        {
            Ok(now) => Ok(now),
            Err(more) => Err(why.and(more.messages)).failing_after(|| {
                Diagnostic::new("the timer that takes the change back has ended, and does not start again")
            }),
        },
    }
}

/// Starts the timer of a window again, for the time that is left; what it loads is what was written down
/// before.
fn watch_again(
    host: &mut dyn WriteHost,
    facts: &Facts,
    checkpoint: &Checkpoint,
    seconds: u64,
) -> Result<(), ApplyFailure> {
    let (Some(folder), Some(load)) = (&checkpoint.folder, &checkpoint.load) else {
        return Ok(());
    };
    let names = [timer::REVERT_NFT, timer::REVERT_V4, timer::REVERT_V6];
    let texts: Vec<_> =
        (names.into_iter().zip(texts(host, names)?)).filter_map(|(name, text)| Some((name, text?))).collect();
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let acts = timer::arm(folder, &facts.starter, seconds, checkpoint.until, load, &texts);
    let written = host.write(&acts, &[])?;
    match timer::armed(&written.done) {
        Ok(()) => Ok(()),
        Err(said) => Err(Diagnostic::new(said).into()),
    }
}

/// What has become of a change by now.
pub(super) fn read(host: &dyn ReadHost, checkpoint: &Checkpoint) -> Result<WaitingCheckpoint, ApplyFailure> {
    let remembered = RememberedChange::read(host, checkpoint.folder.as_ref())?;
    match remembered.unread {
        Some(unread) => Err(unread.into()),
        None => Ok(remembered.waiting),
    }
}

/// What is decided of a change that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckpointDecision {
    /// It stays.
    Confirm,
    /// It goes back.
    TakeBack,
}

/// Who decided what becomes of a change.
#[derive(Debug)]
#[must_use = "somebody else may have decided"]
pub(super) enum CheckpointDecider {
    /// This run; what to tell where that could not be made to outlast a boot.
    ByUs(Option<Diagnostic>),
    /// The timer was first, or what would be decided over is gone: then it takes the change back.
    ByOthers,
}

/// Decides what becomes of a change: one rename, of which only one succeeds. Where a timer of this version
/// waits that is done in the window's folder, and a confirmation then makes it last by the record's name.
pub(super) fn decide(
    host: &mut dyn WriteHost,
    checkpoint: &Checkpoint,
    decision: CheckpointDecision,
) -> Result<CheckpointDecider, ApplyFailure> {
    let (first, second) = match (&checkpoint.folder, decision) {
        (Some(folder), CheckpointDecision::Confirm) => {
            ((folder.open(), folder.confirmed()), Some((files::open(), files::confirmed())))
        }
        (Some(folder), CheckpointDecision::TakeBack) => ((folder.open(), folder.reverting()), None),
        (None, CheckpointDecision::Confirm) => ((files::open(), files::confirmed()), None),
        (None, CheckpointDecision::TakeBack) => ((files::open(), files::reverting()), None),
    };
    let acts: Vec<HostOperation> =
        (std::iter::once(first).chain(second)).map(|(from, to)| HostOperation::Decide { from, to }).collect();
    match host.write(&acts, &[]) {
        Ok(_) => Ok(CheckpointDecider::ByUs(None)),
        Err(error) if error.index > 0 => Ok(CheckpointDecider::ByUs(Some(Diagnostic::of(&error)))),
        Err(error) if matches!(error.source, OperationError::Gone) => Ok(CheckpointDecider::ByOthers),
        Err(error) => Err(Diagnostic::of(&error).into()),
    }
}

/// Waits until the timer has done its work, if there is one.
pub(super) fn wait_for_timer(host: &mut dyn WriteHost, checkpoint: &Checkpoint) -> Result<(), ApplyFailure> {
    let mut batch = Batch::default();
    let former = batch.file(known(timer::former::PROCESS));
    let processes = batch.processes(vec![timer::PROGRAM]);
    let mut answers = batch.read(host)?;
    let watchers = match &checkpoint.folder {
        Some(folder) => folder.watchers(&answers.take(processes)?),
        None => match answers.take(former)? {
            FileFound::File(state) => timer::former::process(&state.bytes).into_iter().collect(),
            FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => Vec::new(),
        },
    };
    if watchers.is_empty() {
        return Ok(());
    }
    let act = HostOperation::Await(WaitCondition::Gone(watchers), TIMER_GRACE);
    let written = host.write(&[act], &[])?;
    match written.done.first() {
        Some(OperationResult::Awaited(WaitResult::InTime)) => Ok(()),
        // Two that load at the same time could not tell whose rules are there.
        Some(
            OperationResult::Awaited(WaitResult::TooLate)
            | OperationResult::Quietly
            | OperationResult::Ran(_),
        )
        | None => {
            let log =
                checkpoint.folder.as_ref().map_or_else(|| boot::state("revert.log"), CheckpointFolder::log);
            Err(Diagnostic::new("the timer is still taking the change of access back")
                .because(format!("the rules of before could not be loaded yet; see {log}"))
                .hint("try again in a minute")
                .into())
        }
    }
}

/// The timer says that it has loaded what was before; that is looked at, and done again where it is not so.
fn timer_was_right(
    cx: &mut WindowContext<'_>,
    checkpoint: Box<Checkpoint>,
) -> Result<CheckpointStanding, ApplyFailure> {
    let booted = match checkpoint.left(cx.survey.facts.boot.as_deref(), cx.survey.facts.uptime) {
        TimeLeft::Booted => BootSince::Since,
        TimeLeft::Seconds(_) | TimeLeft::Nothing => BootSince::No,
    };
    if booted == BootSince::No {
        if !is_back(cx.host, &checkpoint, cx.deadline)? {
            return end(cx, checkpoint, booted);
        }
        // What the timer's one transaction could not take away is no harm, and yet was not there before.
        tidy(cx, &checkpoint)?;
    }
    ended(cx.host, &checkpoint)
}

/// Takes a change back whose record says so by its name.
fn end(
    cx: &mut WindowContext<'_>,
    checkpoint: Box<Checkpoint>,
    booted: BootSince,
) -> Result<CheckpointStanding, ApplyFailure> {
    match take_back(cx, &checkpoint, booted)? {
        TakenBack::Back => ended(cx.host, &checkpoint),
        TakenBack::Stays => {
            // The vendor's own: it has no folder.
            let act = HostOperation::Decide { from: files::reverting(), to: files::confirmed() };
            let _written = (cx.host.write(&[act], &[]))?;
            Ok(CheckpointStanding::Confirmed(checkpoint))
        }
    }
}

fn ended(host: &mut dyn WriteHost, checkpoint: &Checkpoint) -> Result<CheckpointStanding, ApplyFailure> {
    let message = Diagnostic::new("the change of access was taken back: nobody confirmed it");
    // A record that cannot be removed is found again by the next run, which takes back what is back.
    let _told = close(host, checkpoint, CheckpointFate::Back, Some(message));
    Ok(CheckpointStanding::TakenBack)
}
