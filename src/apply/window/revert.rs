//! Takes a change that waits back at once.

use std::time::Duration;

use super::back::{Booted, take_back};
use super::close::{Fate, close};
use super::confirm::{begin, failed};
use super::record::{Waiting, Window, files};
use super::settle::{Decided, Now, decide, wait_for_timer};
use crate::apply::outcome::{Outcome, StepState, Verdict};
use crate::apply::undo::Back;
use crate::apply::{Failed, Running};
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::{WriteHost, timer};

/// Takes back what waits for a confirmation, now.
pub fn revert<H: WriteHost + ?Sized>(host: &mut H, deadline: Duration) -> Outcome {
    match try_revert(host, deadline) {
        Ok(outcome) => outcome,
        Err(outcome) => *outcome,
    }
}

fn try_revert<H: WriteHost + ?Sized>(
    host: &mut H,
    deadline: Duration,
) -> Result<Outcome, Box<Outcome>> {
    let (facts, now) = begin(host, deadline)?;
    let said = |verdict, text: &str| Outcome::without_run(verdict, vec![Diagnostic::new(text)]);
    let window = match now {
        Now::Nothing => {
            return Ok(said(
                Verdict::AsDesired,
                "no change of access waits for a confirmation",
            ));
        }
        Now::TakenBack => {
            return Ok(said(
                Verdict::AsDesired,
                "the change of access was taken back already",
            ));
        }
        Now::Confirmed(_) => {
            return Ok(Outcome::without_run(
                Verdict::Refused,
                vec![
                    Diagnostic::new("the change of access is confirmed already")
                        .hint("declare in the manifest what shall be instead, and apply that"),
                ],
            ));
        }
        Now::Open(window, _) => window,
    };
    let unsure = |why| failed(Verdict::PartlyApplied, why);
    back(host, &facts, &window, deadline).map_err(unsure)?;
    let message = Diagnostic::new("the change of access was taken back by `mailward revert`");
    close(host, &window, Fate::Back, Some(message)).map_err(unsure)?;
    Ok(said(
        Verdict::Reverted,
        "the change of access is taken back: the rules are those of before",
    ))
}

/// Loads what was before, and only then calls the timer off: as long as that does not succeed it goes on trying.
fn back<H: WriteHost + ?Sized>(
    host: &mut H,
    facts: &Facts,
    window: &Window,
    deadline: Duration,
) -> Result<(), Failed> {
    take_back(host, facts, window, Booted::No, deadline)?;
    match decide(host, &files::open(), &files::reverting())? {
        Decided::ByUs => {
            // It finds its file gone in any case.
            let _ = host.write(&timer::disarm(&facts.starter), &[]);
            Ok(())
        }
        // It loads the same.
        Decided::ByOthers => wait_for_timer(host),
    }
}

impl Running<'_> {
    /// Takes back a change of access that this run has made or begun to make.
    pub(in crate::apply) fn undo_sources<H: WriteHost + ?Sized>(
        &mut self,
        host: &mut H,
    ) -> Option<(usize, Back)> {
        let index = (self.plan.steps.iter()).position(|step| step.as_sources().is_some())?;
        match self.outcome.steps.get(index)?.state {
            StepState::Failed | StepState::Provisional => {}
            StepState::Done
            | StepState::Deferred
            | StepState::NotTried
            | StepState::Undone
            | StepState::Waits
            | StepState::Unknown => return None,
        }
        let undone = match self.take_sources_back(host) {
            Ok(()) => Back::Yes,
            Err(Failed(messages)) => {
                self.outcome.messages.extend(messages);
                Back::No
            }
        };
        Some((index, undone))
    }

    fn take_sources_back<H: WriteHost + ?Sized>(&self, host: &mut H) -> Result<(), Failed> {
        let facts = Facts::read(host).map_err(|error| Failed(vec![Diagnostic::of(&error)]))?;
        let window = match &facts.waiting {
            Waiting::Open(window)
            | Waiting::Reverting(window)
            | Waiting::Reverted(window)
            | Waiting::Confirmed(window) => window,
            // It failed before anything was written down, and so before anything was changed.
            Waiting::Nothing => return Ok(()),
        };
        if matches!(facts.waiting, Waiting::Reverting(_)) {
            wait_for_timer(host)?;
        }
        back(host, &facts, window, self.request.deadline)?;
        close(host, window, Fate::Back, None)
    }
}
