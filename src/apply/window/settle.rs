//! What has become of a change that waited: looked at under the lock, and brought to its end where its time is up.

use std::time::Duration;

use super::back::{Booted, Taken, is_back, take_back, tidy};
use super::close::{Fate, close};
use super::confirm::failed;
use super::record::{Left, Waiting, Window, files};
use crate::apply::Failed;
use crate::apply::outcome::{Outcome, Verdict};
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::batch::Batch;
use crate::host::timer;
use crate::host::{Act, ActError, Came, Condition, Done, Found, WriteHost};
use crate::model::{HostPath, known};

/// How long a timer may take once its time is up.
const TIMER_GRACE: Duration = Duration::from_secs(30);

/// Where a change stands.
#[derive(Debug)]
pub(in crate::apply) enum Now {
    /// There is none.
    Nothing,
    /// It waits for so many seconds more.
    Open(Box<Window>, u64),
    /// It was confirmed, and what comes after that is not done.
    Confirmed(Box<Window>),
    /// It was taken back just now, or by its timer, or by a boot.
    TakenBack,
}

/// Looks where a change stands, and ends one whose time is up.
pub(in crate::apply) fn now<H: WriteHost + ?Sized>(
    host: &mut H,
    facts: &Facts,
    deadline: Duration,
) -> Result<Now, Failed> {
    match &facts.waiting {
        Waiting::Nothing => Ok(Now::Nothing),
        Waiting::Confirmed(window) => Ok(Now::Confirmed(window.clone())),
        Waiting::Open(window) => match window.left(facts.boot.as_deref(), facts.uptime) {
            Left::Seconds(seconds) => Ok(Now::Open(window.clone(), seconds)),
            Left::Nothing => {
                wait_for_timer(host)?;
                match read(host)? {
                    Waiting::Open(window) => {
                        // The timer is not there any more.
                        decide(host, &files::open(), &files::reverting())?;
                        end(host, facts, window, Booted::No, deadline)
                    }
                    Waiting::Reverting(window) => end(host, facts, window, Booted::No, deadline),
                    Waiting::Reverted(window) => timer_was_right(host, facts, window, deadline),
                    Waiting::Confirmed(window) => Ok(Now::Confirmed(window)),
                    Waiting::Nothing => Ok(Now::Nothing),
                }
            }
            Left::Booted => {
                decide(host, &files::open(), &files::reverting())?;
                end(host, facts, window.clone(), Booted::Since, deadline)
            }
        },
        Waiting::Reverting(window) => {
            let booted = match window.left(facts.boot.as_deref(), facts.uptime) {
                Left::Booted => Booted::Since,
                Left::Seconds(_) | Left::Nothing => Booted::No,
            };
            wait_for_timer(host)?;
            match read(host)? {
                Waiting::Reverted(window) => timer_was_right(host, facts, window, deadline),
                Waiting::Reverting(_)
                | Waiting::Open(_)
                | Waiting::Confirmed(_)
                | Waiting::Nothing => end(host, facts, window.clone(), booted, deadline),
            }
        }
        Waiting::Reverted(window) => timer_was_right(host, facts, window.clone(), deadline),
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
pub(in crate::apply) fn before_a_run<H: WriteHost + ?Sized>(
    host: &mut H,
    facts: &Facts,
    deadline: Duration,
) -> Result<Settled, Box<Outcome>> {
    if let Some(unread) = &facts.waiting_unread {
        return Err(failed(Verdict::Unknown, Failed(vec![unread.clone()])));
    }
    let now = now(host, facts, deadline).map_err(|why| failed(Verdict::Unknown, why))?;
    match now {
        Now::Nothing => Ok(Settled::Before),
        Now::TakenBack => Ok(Settled::Anew),
        Now::Confirmed(window) => {
            // What is still to be done for it is part of the plan now.
            close(host, &window, Fate::StaysUnfinished, None)
                .map_err(|why| failed(Verdict::Unknown, why))?;
            Ok(Settled::Anew)
        }
        Now::Open(_, seconds) => {
            let message =
                Diagnostic::new("a change of access waits for its confirmation on this host")
                    .because(format!("it goes back by itself in {seconds} s"))
                    .hint("`mailward confirm` keeps it, `mailward revert` takes it back at once");
            Err(failed(Verdict::Locked, Failed(vec![message])))
        }
    }
}

/// What lies in the state now.
pub(super) fn read<H: WriteHost + ?Sized>(host: &H) -> Result<Waiting, Failed> {
    let facts = Facts::read(host).map_err(|error| Failed(vec![Diagnostic::of(&error)]))?;
    match facts.waiting_unread {
        Some(unread) => Err(Failed(vec![unread])),
        None => Ok(facts.waiting),
    }
}

/// Gives the record another name; true where it was still there to be given one.
pub(super) fn decide<H: WriteHost + ?Sized>(
    host: &mut H,
    from: &HostPath,
    to: &HostPath,
) -> Result<Decided, Failed> {
    let act = Act::Decide {
        from: from.clone(),
        to: to.clone(),
    };
    match host.write(&[act], &[]) {
        Ok(_) => Ok(Decided::ByUs),
        Err(error) if matches!(error.source, ActError::Gone) => Ok(Decided::ByOthers),
        Err(error) => Err(Failed(vec![Diagnostic::of(&error)])),
    }
}

/// Who decided what becomes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decided {
    /// This run.
    ByUs,
    /// The timer was first.
    ByOthers,
}

/// Waits until the timer has done its work, if there is one.
pub(super) fn wait_for_timer<H: WriteHost + ?Sized>(host: &mut H) -> Result<(), Failed> {
    let failed = |error: &dyn std::error::Error| Failed(vec![Diagnostic::of(error)]);
    let mut batch = Batch::default();
    let ticket = batch.file(known(timer::PROCESS));
    let found = batch
        .read(host)
        .and_then(|mut answers| answers.file(ticket))
        .map_err(|error| failed(&error))?;
    let Some(process) = (match found {
        Found::File(state) => timer::process(&state.bytes),
        Found::Missing | Found::NotRegular | Found::Unreadable(_) => None,
    }) else {
        return Ok(());
    };
    let act = Act::Await(Condition::Gone(vec![process]), TIMER_GRACE);
    let written = host.write(&[act], &[]).map_err(|error| failed(&error))?;
    match written.done.first() {
        Some(Done::Awaited(Came::InTime)) => Ok(()),
        // Two that load at the same time could not tell whose rules are there.
        Some(Done::Awaited(Came::TooLate) | Done::Quietly | Done::Ran(_)) | None => {
            Err(Failed(vec![
                Diagnostic::new("the timer is still taking the change of access back")
                    .because("loading the rules of before has not succeeded yet; see /var/lib/mailward/access/revert.log")
                    .hint("try again in a minute"),
            ]))
        }
    }
}

/// The timer says that it has loaded what was before; that is looked at, and done again where it is not so.
fn timer_was_right<H: WriteHost + ?Sized>(
    host: &mut H,
    facts: &Facts,
    window: Box<Window>,
    deadline: Duration,
) -> Result<Now, Failed> {
    let booted = match window.left(facts.boot.as_deref(), facts.uptime) {
        Left::Booted => Booted::Since,
        Left::Seconds(_) | Left::Nothing => Booted::No,
    };
    if booted == Booted::No {
        if !is_back(host, &window, deadline)? {
            return end(host, facts, window, booted, deadline);
        }
        // What the timer's one transaction could not take away is no harm, and yet was not there before.
        tidy(host, facts, &window, deadline)?;
    }
    ended(host, &window)
}

/// Takes a change back whose record says so by its name.
fn end<H: WriteHost + ?Sized>(
    host: &mut H,
    facts: &Facts,
    window: Box<Window>,
    booted: Booted,
    deadline: Duration,
) -> Result<Now, Failed> {
    match take_back(host, facts, &window, booted, deadline)? {
        Taken::Back => ended(host, &window),
        Taken::Stays => {
            decide(host, &files::reverting(), &files::confirmed())?;
            Ok(Now::Confirmed(window))
        }
    }
}

fn ended<H: WriteHost + ?Sized>(host: &mut H, window: &Window) -> Result<Now, Failed> {
    let message = Diagnostic::new("the change of access was taken back: nobody confirmed it");
    close(host, window, Fate::Back, Some(message))?;
    Ok(Now::TakenBack)
}
