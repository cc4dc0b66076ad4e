//! Confirms a change that waits: only somebody who got in anew shows that nobody is locked out.

use std::time::Duration;

use super::back::{BootSince, TakenBack, is_back, take_back};
use super::close::{CheckpointFate, WatchEnd, close};
use super::context::WindowContext;
use super::finish;
use super::former::{Made, made};
use super::open::{nothing_left, since_and_connection};
use super::plesk::PleskConfirmation;
use super::proof;
pub use super::proof::ConfirmSite;
use super::settle::{self, CheckpointDecider, CheckpointDecision, CheckpointStanding, decide};
use super::unconfirmed;
use crate::engine::make;
use crate::engine::observe::{ObserveScope, Observed};
use crate::engine::recall::HostSurvey;
use crate::engine::{ApplyFailure, FailureContext, settle as runs};
use crate::failure::Diagnostic;
use crate::firewall::checkpoint::{Checkpoint, WaitingCheckpoint};
use crate::host::{ReadHost, WriteHost, timer};
use crate::plan::outcome::{Outcome, OutcomeVerdict};
use crate::plan::{FilterBackend, SafetyOverrides};

/// How a change is confirmed.
#[derive(Debug, Clone)]
pub struct ConfirmRequest {
    /// How long a command may take.
    pub deadline: Duration,
    /// What must be shown.
    pub proof: ConfirmProof,
    /// Where the program runs.
    pub site: ConfirmSite,
    /// The run whose change is meant; none for whichever waits.
    pub run: Option<String>,
}

/// What a confirmation must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfirmProof {
    /// That it comes from outside by a connection made since the change, or from the console.
    Needed,
    /// Nothing: the operator takes it on himself.
    Waived,
}

/// Confirms the change that waits, has it last over a boot, and removes what it replaces.
pub fn confirm(host: &mut dyn WriteHost, request: &ConfirmRequest) -> Outcome {
    match try_confirm(host, request) {
        Ok(outcome) => outcome,
        Err(failure) => failure.outcome(),
    }
}

fn said(verdict: OutcomeVerdict, message: Diagnostic) -> Outcome {
    Outcome::without_run(verdict, vec![message])
}

/// The timer was faster.
fn being_taken_back() -> Outcome {
    let message = Diagnostic::new("too late: the change of access is being taken back")
        .hint("see why nobody confirmed it in time, then apply again");
    said(OutcomeVerdict::RolledBack, message)
}

/// The lock, the facts, and where a change stands.
pub(super) fn begin(
    host: &mut dyn WriteHost,
    deadline: Duration,
) -> Result<(HostSurvey, CheckpointStanding), ApplyFailure> {
    host.lock()?;
    let mut survey = HostSurvey::read(host)?;
    if let Some(unread) = survey.recalled.firewall.unread.take() {
        return Err(unread.into());
    }
    runs::killed_run(host, &mut survey, deadline)?;
    let now = settle::now(&mut WindowContext { host, survey: &survey, deadline })?;
    Ok((survey, now))
}

fn try_confirm(host: &mut dyn WriteHost, request: &ConfirmRequest) -> Result<Outcome, ApplyFailure> {
    let (survey, now) = begin(host, request.deadline)?;
    let cx = &mut WindowContext { host, survey: &survey, deadline: request.deadline };
    match now {
        CheckpointStanding::Nothing => nothing_waits(cx.host, cx.survey),
        CheckpointStanding::TakenBack => {
            let message = Diagnostic::new("too late: the change of access was taken back")
                .because("nobody confirmed it in time, its timer could not be kept running, or the host has booted since")
                .hint("see why, then apply again");
            Ok(said(OutcomeVerdict::RolledBack, message))
        }
        CheckpointStanding::Confirmed(checkpoint) => Ok(conclude(cx, &checkpoint)),
        CheckpointStanding::Open(checkpoint, ..)
            if request.run.as_ref().is_some_and(|run| *run != checkpoint.run) =>
        {
            let message = Diagnostic::new("another run's change of access waits by now")
                .because(format!("it was made by the run {}", checkpoint.run))
                .hint("see `mailward show` and `mailward plan`");
            Ok(said(OutcomeVerdict::Refused, message))
        }
        CheckpointStanding::Open(checkpoint, seconds, told) => {
            let open = OpenChange { checkpoint: &checkpoint, seconds, told };
            match keep(cx, open, request)? {
                Kept::Stays => Ok(conclude(cx, &checkpoint)),
                Kept::Not(outcome) => Ok(*outcome),
            }
        }
    }
}

/// Nothing waits, and yet something may be in force that nobody has confirmed.
fn nothing_waits(host: &dyn ReadHost, survey: &HostSurvey) -> Result<Outcome, ApplyFailure> {
    let found = unconfirmed::look(host, survey)?;
    let message = Diagnostic::new("no change of access waits for a confirmation");
    if found.is_empty() {
        return Ok(said(OutcomeVerdict::AsDesired, message));
    }
    let message = message
        .because(format!(
            "{}: something has changed it, or brought back what was taken back",
            unconfirmed::words(&found)
        ))
        .hint("apply the manifest, which has its rules confirmed; `mailward revert` takes them back");
    Ok(said(OutcomeVerdict::Refused, message))
}

/// A change that waits to be confirmed.
struct OpenChange<'a> {
    checkpoint: &'a Checkpoint,
    /// How long it waits at most.
    seconds: u64,
    /// What to tell where its timer was started just now.
    told: Option<Diagnostic>,
}

/// Whether a change stays.
enum Kept {
    /// It does, and will over a boot.
    Stays,
    /// It does not, or not for good.
    Not(Box<Outcome>),
}

impl From<Outcome> for Kept {
    fn from(outcome: Outcome) -> Self {
        Self::Not(Box::new(outcome))
    }
}

/// Decides that a change stays, where what must be shown is shown and the kernel still has it.
fn keep(
    cx: &mut WindowContext<'_>,
    open: OpenChange<'_>,
    request: &ConfirmRequest,
) -> Result<Kept, ApplyFailure> {
    let OpenChange { checkpoint, seconds, told } = open;
    let (since, connection) = since_and_connection(cx.host, checkpoint)?;
    if request.proof == ConfirmProof::Needed
        && let Err(why) = proof::proof(checkpoint.by.as_ref(), since, &connection)
    {
        let refused = proof::refusal(&why, &connection, request.site, seconds);
        let mut outcome = said(OutcomeVerdict::Refused, refused);
        outcome.messages.extend(told);
        return Ok(outcome.into());
    }
    if let Err(refused) = still_there(cx, checkpoint) {
        // Its timer may have come meanwhile, and is the reason then.
        return match settle::read(cx.host, checkpoint) {
            Ok(WaitingCheckpoint::Open(_)) | Err(_) => Err(refused),
            Ok(
                WaitingCheckpoint::Nothing
                | WaitingCheckpoint::Reverting(_)
                | WaitingCheckpoint::Reverted(_)
                | WaitingCheckpoint::Confirmed(_),
            ) => Ok(being_taken_back().into()),
        };
    }
    if checkpoint.way == FilterBackend::PleskFirewall {
        let confirmed = super::plesk::confirm(cx.host, checkpoint, &connection, cx.deadline)
            .failing_as(OutcomeVerdict::Waiting)?;
        if confirmed == PleskConfirmation::WentBack {
            return went_back(cx, checkpoint).map(Kept::from);
        }
    }
    let unsaved = match decide(cx.host, checkpoint, CheckpointDecision::Confirm)? {
        CheckpointDecider::ByUs(unsaved) => unsaved,
        CheckpointDecider::ByOthers => return Ok(being_taken_back().into()),
    };
    if checkpoint.folder.is_none() {
        // It finds its file gone in any case.
        let _ = cx.host.write(&timer::former::disarm(&cx.survey.facts.starter), &[]);
    }
    let Some(why) = unsaved else {
        return Ok(Kept::Stays);
    };
    let message =
        Diagnostic::new("the change is confirmed, but that cannot be written down: a reboot takes it back")
            .hint("see to the reason, then run `mailward confirm` again");
    Ok(Outcome::without_run(OutcomeVerdict::PartlyApplied, vec![message, why]).into())
}

/// Does what comes after a confirmation, and removes what the window left.
fn conclude(cx: &mut WindowContext<'_>, checkpoint: &Checkpoint) -> Outcome {
    match finished(cx, checkpoint) {
        Ok(Finished::InForce) => {}
        Ok(Finished::NotInForce(why)) => return unfinished(vec![why]),
        Err(failure) => return unfinished(failure.messages),
    }
    let services = checkpoint.desired.access.allow.keys();
    let services: Vec<&str> = services.map(|service| service.name()).collect();
    let what = format!("the change of access to {} is confirmed, and stays", services.join(", "));
    let message = Diagnostic::new(what).because(format!("it was made by the run {}", checkpoint.run));
    let mut outcome = said(OutcomeVerdict::Confirmed, message);
    let closed = close(cx.host, checkpoint, CheckpointFate::Stays, None);
    if closed.watch == WatchEnd::MayLoad {
        outcome = Outcome::without_run(OutcomeVerdict::PartlyApplied, vec![may_go_back()]);
    }
    outcome.messages.extend(closed.told);
    outcome
}

/// A change stays, and what was to follow is not done.
fn unfinished(why: Vec<Diagnostic>) -> Outcome {
    let message = Diagnostic::new("the change is confirmed, but what follows did not succeed")
        .hint("see to the reason, then run `mailward confirm` again, or apply");
    let messages = std::iter::once(message).chain(why).collect();
    Outcome::without_run(OutcomeVerdict::PartlyApplied, messages)
}

/// Nothing is told to stay that somebody may still take back.
pub(super) fn may_go_back() -> Diagnostic {
    Diagnostic::new("the change is confirmed, but a timer that does not notice it may take it back")
        .hint("run `mailward confirm` again, and look at the rules with `mailward show`")
}

/// The vendor said that it confirmed, and took the change back all the same.
fn went_back(cx: &mut WindowContext<'_>, checkpoint: &Checkpoint) -> Result<Outcome, ApplyFailure> {
    let _decided = decide(cx.host, checkpoint, CheckpointDecision::TakeBack)
        .failing_as(OutcomeVerdict::PartlyApplied)?;
    let taken = take_back(cx, checkpoint, BootSince::No).failing_as(OutcomeVerdict::PartlyApplied)?;
    let message = match taken {
        TakenBack::Back => Diagnostic::new("Plesk's firewall did not keep the change")
            .because("its confirmation took no effect, and its own time was up")
            .hint("see why, then apply again"),
        TakenBack::Stays => {
            return Ok(said(
                OutcomeVerdict::PartlyApplied,
                Diagnostic::new("Plesk's firewall took the change back, and has it again"),
            ));
        }
    };
    let closed = close(cx.host, checkpoint, CheckpointFate::Back, Some(message.clone()));
    let mut outcome = said(OutcomeVerdict::RolledBack, message);
    outcome.messages.extend(closed.told);
    Ok(outcome)
}

/// The kernel must still have what was applied.
fn still_there(cx: &WindowContext<'_>, checkpoint: &Checkpoint) -> Result<(), ApplyFailure> {
    let observed = Observed::read(cx.host, cx.survey, ObserveScope::Of(&checkpoint.desired))?;
    let planned = make::make(
        &checkpoint.desired,
        &[],
        cx.survey,
        &observed,
        cx.deadline,
        &SafetyOverrides::everything(),
    );
    let refused = |why: Vec<Diagnostic>| {
        let back = checkpoint.load.is_some() && is_back(cx.host, checkpoint, cx.deadline).unwrap_or(false);
        let mut first = Diagnostic::new("the rules are not what was applied: nothing is confirmed")
            .hint("take it back with `mailward revert`, then plan again");
        if back {
            first = first.because(
                "the rules of before are in force already: something has loaded them, e.g. `mailward-access` when it \
                 was restarted",
            );
        }
        let messages = std::iter::once(first).chain(why).collect();
        ApplyFailure::new(OutcomeVerdict::Refused, messages)
    };
    match planned {
        Ok(plan) => match made(cx.host, &observed, &plan)? {
            Made::Now | Made::Before => Ok(()),
            Made::Otherwise => Err(refused(Vec::new())),
        },
        Err(blockers) => Err(refused(blockers.into_iter().map(|blocker| blocker.diagnostic).collect())),
    }
}

/// Whether what comes after a confirmation is done.
pub(super) enum Finished {
    /// It is.
    InForce,
    /// What was confirmed is not in force any more: what shall be now is for a plan to say.
    NotInForce(Diagnostic),
}

/// Does what comes after a confirmation, as the host needs it now, and looks again.
pub(super) fn finished(
    cx: &mut WindowContext<'_>,
    checkpoint: &Checkpoint,
) -> Result<Finished, ApplyFailure> {
    let allowed = SafetyOverrides::everything();
    let observed = Observed::read(cx.host, cx.survey, ObserveScope::Of(&checkpoint.desired))?;
    let plan = make::make(&checkpoint.desired, &[], cx.survey, &observed, cx.deadline, &allowed)?;
    let made = made(cx.host, &observed, &plan)?;
    if made == Made::Otherwise {
        // What was to take over is not in force: what did it before must stay.
        return Ok(Finished::NotInForce(
            Diagnostic::new("the rules that were confirmed are not in force any more")
                .because(crate::report::text::steps_in_brief(&plan.steps))
                .hint("apply again"),
        ));
    }
    for step in &plan.steps {
        finish::carry_out(cx.host, step, cx.deadline)?;
    }
    nothing_left(cx.host, &checkpoint.desired, cx.deadline, &allowed, made)?;
    Ok(Finished::InForce)
}
