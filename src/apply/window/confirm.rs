//! Confirms a change that waits: only somebody who got in anew shows that nobody is locked out.

use std::time::Duration;

use super::back::{Booted, Taken, is_back, take_back};
use super::close::{Fate, WatchEnd, close};
use super::finish;
use super::open::{nothing_left, since_and_connection};
use super::plesk::Confirmed;
use super::proof;
pub use super::proof::Site;
use super::record::{Waiting, Window};
use super::settle::{self, Decided, Decision, Now, decide};
use super::unconfirmed;
use crate::apply::outcome::{Outcome, Verdict};
use crate::apply::{ApplyFailure, FailureContext, settle as runs};
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::{ReadHost, WriteHost, timer};
use crate::observe::{Observed, Scope};
use crate::plan::{self, Allowed, Way};

/// How a change is confirmed.
#[derive(Debug, Clone)]
pub struct Request {
    /// How long a command may take.
    pub deadline: Duration,
    /// What must be shown.
    pub proof: Proof,
    /// Where the program runs.
    pub site: Site,
    /// The run whose change is meant; none for whichever waits.
    pub run: Option<String>,
}

/// What a confirmation must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// That it comes from outside by a connection made since the change, or from the console.
    Needed,
    /// Nothing: the operator takes it on himself.
    Waived,
}

/// Confirms the change that waits, has it last over a boot, and removes what it replaces.
pub fn confirm(host: &mut dyn WriteHost, request: &Request) -> Outcome {
    match try_confirm(host, request) {
        Ok(outcome) => outcome,
        Err(failure) => failure.outcome(),
    }
}

fn said(verdict: Verdict, message: Diagnostic) -> Outcome {
    Outcome::without_run(verdict, vec![message])
}

/// The timer was faster.
fn being_taken_back() -> Outcome {
    let message = Diagnostic::new("too late: the change of access is being taken back")
        .hint("see why nobody confirmed it in time, then apply again");
    said(Verdict::RolledBack, message)
}

/// The lock, the facts, and where a change stands.
pub(super) fn begin(
    host: &mut dyn WriteHost,
    deadline: Duration,
) -> Result<(Facts, Now), ApplyFailure> {
    host.lock()?;
    let mut facts = Facts::read(host)?;
    if let Some(unread) = facts.waiting_unread.take() {
        return Err(unread.into());
    }
    runs::killed_run(host, &mut facts, deadline)?;
    let now = settle::now(host, &facts, deadline)?;
    Ok((facts, now))
}

fn try_confirm(host: &mut dyn WriteHost, request: &Request) -> Result<Outcome, ApplyFailure> {
    let (facts, now) = begin(host, request.deadline)?;
    let mut fleeting = None;
    let window = match now {
        Now::Nothing => {
            let found = unconfirmed::look(host, &facts)?;
            let what = "no change of access waits for a confirmation";
            if !found.is_empty() {
                let message = Diagnostic::new(what)
                    .because(format!(
                        "{}: something has changed it, or brought back what was taken back",
                        unconfirmed::words(&found)
                    ))
                    .hint(
                        "apply the manifest, which has its rules confirmed; `mailward revert` takes them back",
                    );
                return Ok(said(Verdict::Refused, message));
            }
            return Ok(said(Verdict::AsDesired, Diagnostic::new(what)));
        }
        Now::TakenBack => {
            let message = Diagnostic::new("too late: the change of access was taken back")
                .because("nobody confirmed it in time, its timer could not be kept running, or the host has booted since")
                .hint("see why, then apply again");
            return Ok(said(Verdict::RolledBack, message));
        }
        Now::Confirmed(window) => window,
        Now::Open(window, ..) if request.run.as_ref().is_some_and(|run| *run != window.run) => {
            let message = Diagnostic::new("another run's change of access waits by now")
                .because(format!("it was made by the run {}", window.run))
                .hint("see `mailward show` and `mailward plan`");
            return Ok(said(Verdict::Refused, message));
        }
        Now::Open(window, seconds, told) => {
            let (since, connection) = since_and_connection(host, &window)?;
            if request.proof == Proof::Needed
                && let Err(why) = proof::proof(window.by.as_ref(), since, &connection)
            {
                let refused = proof::refusal(&why, &connection, request.site, seconds);
                let mut outcome = said(Verdict::Refused, refused);
                outcome.messages.extend(told);
                return Ok(outcome);
            }
            if let Err(refused) = still_there(host, &facts, &window, request) {
                // Its timer may have come meanwhile, and is the reason then.
                return match settle::read(host, &window) {
                    Ok(Waiting::Open(_)) | Err(_) => Err(refused),
                    Ok(
                        Waiting::Nothing
                        | Waiting::Reverting(_)
                        | Waiting::Reverted(_)
                        | Waiting::Confirmed(_),
                    ) => Ok(being_taken_back()),
                };
            }
            if window.way == Way::PleskFirewall {
                let confirmed = super::plesk::confirm(host, &window, &connection, request.deadline)
                    .failing_as(Verdict::Waiting)?;
                if confirmed == Confirmed::WentBack {
                    return went_back(host, &facts, &window, request);
                }
            }
            match decide(host, &window, Decision::Confirm)? {
                Decided::ByUs(unsaved) => fleeting = unsaved,
                Decided::ByOthers => return Ok(being_taken_back()),
            }
            if window.folder.is_none() {
                // It finds its file gone in any case.
                let _ = host.write(&timer::former::disarm(&facts.starter), &[]);
            }
            window
        }
    };
    if let Some(why) = fleeting {
        return Ok(Outcome::without_run(
            Verdict::PartlyApplied,
            vec![
                Diagnostic::new(
                    "the change is confirmed, but that cannot be written down: a reboot takes it back",
                )
                .hint("see to the reason, then run `mailward confirm` again"),
                why,
            ],
        ));
    }
    let what: Vec<&str> = (window.desired.access.allow.keys())
        .map(|service| service.name())
        .collect();
    let what = what.join(", ");
    let done = finished(host, &facts, &window, request.deadline);
    Ok(match done {
        Ok(Finished::InForce) => {
            let mut outcome = said(
                Verdict::Confirmed,
                Diagnostic::new(format!(
                    "the change of access to {what} is confirmed, and stays"
                ))
                .because(format!("it was made by the run {}", window.run)),
            );
            let closed = close(host, &window, Fate::Stays, None);
            if closed.watch == WatchEnd::MayLoad {
                outcome = Outcome::without_run(Verdict::PartlyApplied, vec![may_go_back()]);
            }
            outcome.messages.extend(closed.told);
            outcome
        }
        Ok(Finished::NotInForce(why)) => unfinished(vec![why]),
        Err(failure) => unfinished(failure.messages),
    })
}

/// A change stays, and what was to follow is not done.
fn unfinished(why: Vec<Diagnostic>) -> Outcome {
    let message = Diagnostic::new("the change is confirmed, but what follows did not succeed")
        .hint("see to the reason, then run `mailward confirm` again, or apply");
    let messages = std::iter::once(message).chain(why).collect();
    Outcome::without_run(Verdict::PartlyApplied, messages)
}

/// Nothing is told to stay that somebody may still take back.
pub(super) fn may_go_back() -> Diagnostic {
    Diagnostic::new("the change is confirmed, but a timer that does not notice it may take it back")
        .hint("run `mailward confirm` again, and look at the rules with `mailward show`")
}

/// The vendor said that it confirmed, and took the change back all the same.
fn went_back(
    host: &mut dyn WriteHost,
    facts: &Facts,
    window: &Window,
    request: &Request,
) -> Result<Outcome, ApplyFailure> {
    let _decided = decide(host, window, Decision::TakeBack).failing_as(Verdict::PartlyApplied)?;
    let taken = take_back(host, facts, window, Booted::No, request.deadline)
        .failing_as(Verdict::PartlyApplied)?;
    let message = match taken {
        Taken::Back => Diagnostic::new("Plesk's firewall did not keep the change")
            .because("its confirmation took no effect, and its own time was up")
            .hint("see why, then apply again"),
        Taken::Stays => {
            return Ok(said(
                Verdict::PartlyApplied,
                Diagnostic::new("Plesk's firewall took the change back, and has it again"),
            ));
        }
    };
    let closed = close(host, window, Fate::Back, Some(message.clone()));
    let mut outcome = said(Verdict::RolledBack, message);
    outcome.messages.extend(closed.told);
    Ok(outcome)
}

/// The kernel must still have what was applied.
fn still_there(
    host: &dyn ReadHost,
    facts: &Facts,
    window: &Window,
    request: &Request,
) -> Result<(), ApplyFailure> {
    let observed = Observed::read(host, facts, Scope::Of(&window.desired))?;
    let planned = plan::make(
        &window.desired,
        &[],
        facts,
        &observed,
        request.deadline,
        &Allowed::everything(),
    );
    let refused = |why: Vec<Diagnostic>| {
        let back =
            window.load.is_some() && is_back(host, window, request.deadline).unwrap_or(false);
        let mut first = Diagnostic::new("the rules are not what was applied: nothing is confirmed")
            .hint("take it back with `mailward revert`, then plan again");
        if back {
            first = first.because(
                "the rules of before are in force already: something has loaded them, e.g. `mailward-access` when it \
                 was restarted",
            );
        }
        let messages = std::iter::once(first).chain(why).collect();
        ApplyFailure::new(Verdict::Refused, messages)
    };
    match planned {
        Ok(plan) if !plan.steps.iter().any(|step| step.as_sources().is_some()) => Ok(()),
        Ok(_) => Err(refused(Vec::new())),
        Err(blockers) => Err(refused(
            blockers
                .into_iter()
                .map(|blocker| blocker.diagnostic)
                .collect(),
        )),
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
    host: &mut dyn WriteHost,
    facts: &Facts,
    window: &Window,
    deadline: Duration,
) -> Result<Finished, ApplyFailure> {
    let allowed = Allowed::everything();
    let observed = Observed::read(host, facts, Scope::Of(&window.desired))?;
    let plan = plan::make(&window.desired, &[], facts, &observed, deadline, &allowed)?;
    if (plan.steps.iter()).any(|step| step.as_sources().is_some()) {
        // What was to take over is not in force: what did it before must stay.
        return Ok(Finished::NotInForce(
            Diagnostic::new("the rules that were confirmed are not in force any more")
                .because(crate::report::text::steps_in_brief(&plan.steps))
                .hint("apply again"),
        ));
    }
    for step in &plan.steps {
        finish::carry_out(host, step, deadline)?;
    }
    nothing_left(host, &window.desired, deadline, &allowed)?;
    Ok(Finished::InForce)
}
