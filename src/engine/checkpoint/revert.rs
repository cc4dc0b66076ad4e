//! Takes a change that waits back at once.

use std::time::Duration;

use super::back::{BootSince, TakenBack, take_back};
use super::close::{CheckpointFate, close};
use super::confirm::begin;
use super::context::WindowContext;
use super::settle::{
    CheckpointDecider, CheckpointDecision, CheckpointStanding, complete, decide, wait_for_timer,
};
use super::unconfirmed;
use crate::engine::recall::HostSurvey;
use crate::engine::undo::BroughtBack;
use crate::engine::{ApplyFailure, ApplyRun, FailureContext};
use crate::failure::Diagnostic;
use crate::firewall::checkpoint::{Checkpoint, WaitingCheckpoint};
use crate::host::{WriteHost, timer};
use crate::plan::outcome::{Outcome, OutcomeVerdict, StepState};

/// Takes back what waits for a confirmation, now.
pub fn revert(host: &mut dyn WriteHost, deadline: Duration) -> Outcome {
    match try_revert(host, deadline) {
        Ok(outcome) => outcome,
        Err(failure) => failure.outcome(),
    }
}

fn try_revert(host: &mut dyn WriteHost, deadline: Duration) -> Result<Outcome, ApplyFailure> {
    let (survey, now) = begin(host, deadline)?;
    let said = |verdict, text: &str| Outcome::without_run(verdict, vec![Diagnostic::new(text)]);
    let mut cx = WindowContext { host, survey: &survey, deadline };
    let checkpoint = match now {
        CheckpointStanding::Nothing => {
            let nothing = "no change of access waits for a confirmation";
            return never_confirmed(&mut cx, nothing);
        }
        CheckpointStanding::TakenBack => {
            let nothing = "the change of access was taken back already";
            // Taking it back may have changed what the kernel shows.
            let survey = HostSurvey::read(cx.host)?;
            cx.survey = &survey;
            return never_confirmed(&mut cx, nothing);
        }
        CheckpointStanding::Confirmed(checkpoint) => {
            complete(&mut cx, &checkpoint)?;
            return Ok(too_late());
        }
        CheckpointStanding::Open(checkpoint, ..) => checkpoint,
    };
    match back(&mut cx, &checkpoint).failing_as(OutcomeVerdict::PartlyApplied)? {
        TakenBack::Back => {}
        TakenBack::Stays => return Ok(too_late()),
    }
    let message = Diagnostic::new("the change of access was taken back by `mailward revert`");
    let closed = close(cx.host, &checkpoint, CheckpointFate::Back, Some(message));
    let mut outcome =
        said(OutcomeVerdict::Reverted, "the change of access is taken back: the rules are those of before");
    outcome.messages.extend(closed.told);
    Ok(outcome)
}

/// Where nothing waits, own rules that nobody has confirmed are taken back all the same, whatever brought
/// them.
fn never_confirmed(cx: &mut WindowContext<'_>, nothing: &str) -> Result<Outcome, ApplyFailure> {
    let found = unconfirmed::take_back(cx).failing_as(OutcomeVerdict::PartlyApplied)?;
    let (verdict, message) = if found.is_empty() {
        (OutcomeVerdict::AsDesired, Diagnostic::new(nothing))
    } else {
        let message = Diagnostic::new(
            "rules that were never confirmed are taken back: they are those that were confirmed last",
        );
        let why = unconfirmed::words(&found);
        (OutcomeVerdict::Reverted, message.because(why))
    };
    Ok(Outcome::without_run(verdict, vec![message]))
}

fn too_late() -> Outcome {
    let message = Diagnostic::new("the change of access is confirmed already")
        .hint("declare in the manifest what shall be instead, and apply that");
    Outcome::without_run(OutcomeVerdict::Refused, vec![message])
}

/// Loads what was before, and only then calls the timer off: as long as that does not succeed it goes on
/// trying.
fn back(cx: &mut WindowContext<'_>, checkpoint: &Checkpoint) -> Result<TakenBack, ApplyFailure> {
    let taken = take_back(cx, checkpoint, BootSince::No)?;
    let decision = match taken {
        TakenBack::Back => CheckpointDecision::TakeBack,
        TakenBack::Stays => CheckpointDecision::Confirm,
    };
    match (decide(cx.host, checkpoint, decision)?, &checkpoint.folder) {
        // What watches over it finds that it is over when it is closed.
        (CheckpointDecider::ByUs(_) | CheckpointDecider::ByOthers, Some(_)) => {}
        (CheckpointDecider::ByUs(_), None) => {
            // It finds its file gone in any case.
            let _ = cx.host.write(&timer::former::disarm(&cx.survey.facts.starter), &[]);
        }
        // It loads the same.
        (CheckpointDecider::ByOthers, None) => wait_for_timer(cx.host, checkpoint)?,
    }
    Ok(taken)
}

impl ApplyRun<'_> {
    /// Takes back a change of access that this run has made or begun to make.
    pub(in crate::engine) fn undo_firewall(
        &mut self,
        host: &mut dyn WriteHost,
    ) -> Option<(usize, BroughtBack)> {
        let index = (self.plan.steps.iter()).position(|step| step.as_firewall().is_some())?;
        match self.outcome.steps.get(index)?.state {
            StepState::Failed | StepState::Provisional => {}
            StepState::Done
            | StepState::Deferred
            | StepState::NotTried
            | StepState::Undone
            | StepState::Waits
            | StepState::Unknown => return None,
        }
        let undone = match self.take_firewall_back(host) {
            Ok(told) => {
                self.outcome.messages.extend(told);
                BroughtBack::Yes
            }
            Err(failure) => {
                self.outcome.messages.extend(failure.messages);
                BroughtBack::No
            }
        };
        Some((index, undone))
    }

    /// Returns what to tell beside that it is back.
    fn take_firewall_back(&self, host: &mut dyn WriteHost) -> Result<Vec<Diagnostic>, ApplyFailure> {
        let survey = HostSurvey::read(host)?;
        let recalled = &survey.recalled.firewall;
        if let Some(unread) = recalled.unread.clone() {
            return Err(unread.into());
        }
        let checkpoint = match &recalled.waiting {
            WaitingCheckpoint::Open(checkpoint)
            | WaitingCheckpoint::Reverting(checkpoint)
            | WaitingCheckpoint::Reverted(checkpoint)
            | WaitingCheckpoint::Confirmed(checkpoint) => checkpoint,
            // It failed before anything was written down, and so before anything was changed.
            WaitingCheckpoint::Nothing => return Ok(Vec::new()),
        };
        let mut cx = WindowContext { host, survey: &survey, deadline: self.request.deadline };
        if matches!(recalled.waiting, WaitingCheckpoint::Reverting(_)) {
            wait_for_timer(cx.host, checkpoint)?;
        }
        match back(&mut cx, checkpoint)? {
            TakenBack::Back => {}
            TakenBack::Stays => {
                return Err(Diagnostic::new(
                    "Plesk's firewall has the rules, though its apply was not confirmed",
                )
                .into());
            }
        }
        Ok(close(cx.host, checkpoint, CheckpointFate::Back, None).told)
    }
}
