//! What has become of a change that waited: looked at under the lock, and brought to its end where its time is up.

use std::time::Duration;

use super::back::{Booted, Taken, is_back, take_back, texts, tidy};
use super::close::{Fate, WatchEnd, close};
use super::confirm::{Finished, finished, may_go_back};
use super::context::WindowContext;
use super::record::{Left, Waiting, Window, files};
use super::remembered::RememberedChange;
use crate::access::boot;
use crate::apply::outcome::Verdict;
use crate::apply::{ApplyFailure, FailureContext};
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::batch::Batch;
use crate::host::timer::{self, WindowFolder};
use crate::host::{Act, ActError, Came, Condition, Done, Found, ReadHost, WriteHost};
use crate::model::known;

/// How long a timer may take once its time is up.
const TIMER_GRACE: Duration = Duration::from_secs(30);

/// Where a change stands.
#[derive(Debug)]
pub(in crate::apply) enum Now {
    /// There is none.
    Nothing,
    /// It waits for so many seconds more, watched; and what to tell where the watch was started just now.
    Open(Box<Window>, u64, Option<Diagnostic>),
    /// It was confirmed, and what comes after that is not done.
    Confirmed(Box<Window>),
    /// It was taken back just now, or by its timer, or by a boot.
    TakenBack,
}

/// Looks where a change stands, and ends one whose time is up.
pub(in crate::apply) fn now(cx: &mut WindowContext<'_>) -> Result<Now, ApplyFailure> {
    let facts = cx.facts;
    let left = |window: &Window| window.left(facts.boot.as_deref(), facts.uptime);
    let booted = |window: &Window| match left(window) {
        Left::Booted => Booted::Since,
        Left::Seconds(_) | Left::Nothing => Booted::No,
    };
    match &facts.waiting {
        Waiting::Nothing => Ok(Now::Nothing),
        Waiting::Confirmed(window) => Ok(Now::Confirmed(window.clone())),
        Waiting::Open(window) => match left(window) {
            Left::Seconds(seconds) if is_unwatched(facts) => watched_again(cx, window, seconds),
            Left::Seconds(seconds) => Ok(Now::Open(window.clone(), seconds, None)),
            Left::Nothing => {
                wait_for_timer(cx.host, window)?;
                match read(cx.host, window)? {
                    Waiting::Open(window) => {
                        // The timer is not there any more.
                        let _decided = decide(cx.host, &window, Decision::TakeBack)?;
                        end(cx, window, Booted::No)
                    }
                    Waiting::Reverting(window) => end(cx, window, Booted::No),
                    Waiting::Reverted(window) => timer_was_right(cx, window),
                    Waiting::Confirmed(window) => Ok(Now::Confirmed(window)),
                    Waiting::Nothing => Ok(Now::Nothing),
                }
            }
            Left::Booted => {
                let _decided = decide(cx.host, window, Decision::TakeBack)?;
                end(cx, window.clone(), Booted::Since)
            }
        },
        Waiting::Reverting(window) => {
            let booted = booted(window);
            wait_for_timer(cx.host, window)?;
            match read(cx.host, window)? {
                Waiting::Reverted(window) => timer_was_right(cx, window),
                Waiting::Reverting(_)
                | Waiting::Open(_)
                | Waiting::Confirmed(_)
                | Waiting::Nothing => end(cx, window.clone(), booted),
            }
        }
        Waiting::Reverted(window) => timer_was_right(cx, window.clone()),
    }
}

/// Whether what was read before still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::apply) enum Settled {
    /// It does.
    Before,
    /// Something was settled just now.
    Anew,
}

/// Lets a run begin only where no change waits, and ends one whose time is up.
pub(in crate::apply) fn before_a_run(cx: &mut WindowContext<'_>) -> Result<Settled, ApplyFailure> {
    if let Some(unread) = &cx.facts.waiting_unread {
        return Err(unread.clone().into());
    }
    let now = now(cx)?;
    match now {
        Now::Nothing => Ok(Settled::Before),
        Now::TakenBack => Ok(Settled::Anew),
        Now::Confirmed(window) => {
            complete(cx, &window)?;
            Ok(Settled::Anew)
        }
        Now::Open(_, seconds, told) => {
            let message =
                Diagnostic::new("a change of access waits for its confirmation on this host")
                    .because(format!(
                        "unless it is confirmed, it is taken back in {seconds} s"
                    ))
                    .hint("`mailward confirm` keeps it, `mailward revert` takes it back at once");
            let messages = std::iter::once(message).chain(told).collect();
            Err(ApplyFailure::new(Verdict::Locked, messages))
        }
    }
}

/// Does what comes after a confirmation that was decided and not done. Where that does not succeed the record stays, for the
/// next run: it is never asked again for what was confirmed.
pub(super) fn complete(cx: &mut WindowContext<'_>, window: &Window) -> Result<(), ApplyFailure> {
    let finished = finished(cx, window)
        .failing_after(|| {
            Diagnostic::new(
                "an earlier change of access is confirmed, but what follows did not succeed",
            )
            .hint("see to the reason, then run `mailward confirm`, or this again")
        })
        .failing_as(Verdict::PartlyApplied)?;
    let fate = match finished {
        Finished::InForce => Fate::Stays,
        // What is still to be done for it is part of the plan now.
        Finished::NotInForce(_) => Fate::StaysUnfinished,
    };
    // A record that cannot be removed is found again by the next run.
    let closed = close(cx.host, window, fate, None);
    match (closed.watch, fate) {
        (WatchEnd::MayLoad, Fate::Stays) => {
            let messages = std::iter::once(may_go_back()).chain(closed.told).collect();
            Err(ApplyFailure::new(Verdict::PartlyApplied, messages))
        }
        (WatchEnd::Ended | WatchEnd::MayBegin(_), _)
        | (WatchEnd::MayLoad, Fate::Back | Fate::StaysUnfinished) => Ok(()),
    }
}

/// Whether a change waits whose timer of this version runs no more.
#[must_use]
pub fn is_unwatched(facts: &Facts) -> bool {
    matches!(&facts.waiting, Waiting::Open(window)
        if matches!(window.left(facts.boot.as_deref(), facts.uptime), Left::Seconds(_)))
        && (facts.watched.as_ref()).is_some_and(|watched| watched.watchers.is_empty())
}

/// Has a change watched again whose timer has ended; where that cannot be it goes back at once, since nothing else would take
/// it back.
fn watched_again(
    cx: &mut WindowContext<'_>,
    window: &Window,
    seconds: u64,
) -> Result<Now, ApplyFailure> {
    let window = Box::new(window.clone());
    match watch_again(cx.host, cx.facts, &window, seconds) {
        Ok(()) => {
            let told = Diagnostic::new(
                "the timer that takes the change back had ended: it is started again",
            );
            Ok(Now::Open(window, seconds, Some(told)))
        }
        Err(why) => match decide(cx.host, &window, Decision::TakeBack)
            .and_then(|_| end(cx, window, Booted::No))
        {
            Ok(now) => Ok(now),
            Err(more) => Err(why.and(more.messages)).failing_after(|| {
                Diagnostic::new(
                    "the timer that takes the change back has ended, and does not start again",
                )
            }),
        },
    }
}

/// Starts the timer of a window again, for the time that is left; what it loads is what was written down before.
fn watch_again(
    host: &mut dyn WriteHost,
    facts: &Facts,
    window: &Window,
    seconds: u64,
) -> Result<(), ApplyFailure> {
    let (Some(folder), Some(load)) = (&window.folder, &window.load) else {
        return Ok(());
    };
    let names = [timer::REVERT_NFT, timer::REVERT_V4, timer::REVERT_V6];
    let texts: Vec<_> = (names.into_iter().zip(texts(host, names)?))
        .filter_map(|(name, text)| Some((name, text?)))
        .collect();
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let acts = timer::arm(folder, &facts.starter, seconds, window.until, load, &texts);
    let written = host.write(&acts, &[])?;
    match timer::armed(&written.done) {
        Ok(()) => Ok(()),
        Err(said) => Err(Diagnostic::new(said).into()),
    }
}

/// What has become of a change by now.
pub(super) fn read(host: &dyn ReadHost, window: &Window) -> Result<Waiting, ApplyFailure> {
    let remembered = RememberedChange::read(host, window.folder.as_ref())?;
    match remembered.unread {
        Some(unread) => Err(unread.into()),
        None => Ok(remembered.waiting),
    }
}

/// What is decided of a change that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// It stays.
    Confirm,
    /// It goes back.
    TakeBack,
}

/// Who decided what becomes of a change.
#[derive(Debug)]
#[must_use = "somebody else may have decided"]
pub(super) enum Decided {
    /// This run; what to tell where that could not be made to outlast a boot.
    ByUs(Option<Diagnostic>),
    /// The timer was first, or what would be decided over is gone: then it takes the change back.
    ByOthers,
}

/// Decides what becomes of a change: one rename, of which only one succeeds. Where a timer of this version waits that is done
/// in the window's folder, and a confirmation then makes it last by the record's name.
pub(super) fn decide(
    host: &mut dyn WriteHost,
    window: &Window,
    decision: Decision,
) -> Result<Decided, ApplyFailure> {
    let (first, second) = match (&window.folder, decision) {
        (Some(folder), Decision::Confirm) => (
            (folder.open(), folder.confirmed()),
            Some((files::open(), files::confirmed())),
        ),
        (Some(folder), Decision::TakeBack) => ((folder.open(), folder.reverting()), None),
        (None, Decision::Confirm) => ((files::open(), files::confirmed()), None),
        (None, Decision::TakeBack) => ((files::open(), files::reverting()), None),
    };
    let acts: Vec<Act> = (std::iter::once(first).chain(second))
        .map(|(from, to)| Act::Decide { from, to })
        .collect();
    match host.write(&acts, &[]) {
        Ok(_) => Ok(Decided::ByUs(None)),
        Err(error) if error.index > 0 => Ok(Decided::ByUs(Some(Diagnostic::of(&error)))),
        Err(error) if matches!(error.source, ActError::Gone) => Ok(Decided::ByOthers),
        Err(error) => Err(Diagnostic::of(&error).into()),
    }
}

/// Waits until the timer has done its work, if there is one.
pub(super) fn wait_for_timer(
    host: &mut dyn WriteHost,
    window: &Window,
) -> Result<(), ApplyFailure> {
    let mut batch = Batch::default();
    let former = batch.file(known(timer::former::PROCESS));
    let processes = batch.processes(vec![timer::PROGRAM]);
    let mut answers = batch.read(host)?;
    let watchers = match &window.folder {
        Some(folder) => folder.watchers(&answers.take(processes)?),
        None => match answers.take(former)? {
            Found::File(state) => timer::former::process(&state.bytes).into_iter().collect(),
            Found::Missing | Found::NotRegular | Found::Unreadable(_) => Vec::new(),
        },
    };
    if watchers.is_empty() {
        return Ok(());
    }
    let act = Act::Await(Condition::Gone(watchers), TIMER_GRACE);
    let written = host.write(&[act], &[])?;
    match written.done.first() {
        Some(Done::Awaited(Came::InTime)) => Ok(()),
        // Two that load at the same time could not tell whose rules are there.
        Some(Done::Awaited(Came::TooLate) | Done::Quietly | Done::Ran(_)) | None => {
            let log = window
                .folder
                .as_ref()
                .map_or_else(|| boot::state("revert.log"), WindowFolder::log);
            Err(
                Diagnostic::new("the timer is still taking the change of access back")
                    .because(format!(
                        "the rules of before could not be loaded yet; see {log}"
                    ))
                    .hint("try again in a minute")
                    .into(),
            )
        }
    }
}

/// The timer says that it has loaded what was before; that is looked at, and done again where it is not so.
fn timer_was_right(cx: &mut WindowContext<'_>, window: Box<Window>) -> Result<Now, ApplyFailure> {
    let booted = match window.left(cx.facts.boot.as_deref(), cx.facts.uptime) {
        Left::Booted => Booted::Since,
        Left::Seconds(_) | Left::Nothing => Booted::No,
    };
    if booted == Booted::No {
        if !is_back(cx.host, &window, cx.deadline)? {
            return end(cx, window, booted);
        }
        // What the timer's one transaction could not take away is no harm, and yet was not there before.
        tidy(cx, &window)?;
    }
    ended(cx.host, &window)
}

/// Takes a change back whose record says so by its name.
fn end(
    cx: &mut WindowContext<'_>,
    window: Box<Window>,
    booted: Booted,
) -> Result<Now, ApplyFailure> {
    match take_back(cx, &window, booted)? {
        Taken::Back => ended(cx.host, &window),
        Taken::Stays => {
            // The vendor's own: it has no folder.
            let act = Act::Decide {
                from: files::reverting(),
                to: files::confirmed(),
            };
            let _written = (cx.host.write(&[act], &[]))?;
            Ok(Now::Confirmed(window))
        }
    }
}

fn ended(host: &mut dyn WriteHost, window: &Window) -> Result<Now, ApplyFailure> {
    let message = Diagnostic::new("the change of access was taken back: nobody confirmed it");
    // A record that cannot be removed is found again by the next run, which takes back what is back.
    let _told = close(host, window, Fate::Back, Some(message));
    Ok(Now::TakenBack)
}
