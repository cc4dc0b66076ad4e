//! Applies a plan: lock, plan again and compare, write down what is owed, replace, act, verify; undo where a step fails.
//!
//! The engine decides nothing about limits: it has one arm a step. Every way out ends in an [`Outcome`].

mod act;
mod changes;
pub mod journal;
mod lost;
pub mod outcome;
mod settle;
mod undo;
mod verify;
pub mod window;

use std::time::Duration;

use self::journal::{Begun, Journal, Owed, Run, Written};
use self::outcome::{Outcome, StepOutcome, StepState, Verdict};
use self::window::open::Phase;
use crate::facts::{self, Facts, Judge};
use crate::failure::{Blocked, Blocker, Diagnostic};
use crate::host::{Digest, HostError, ProcessId, STATE, WriteHost};
use crate::limits::courier;
use crate::model::{Desired, HostPath, known};
use crate::observe::{Observed, Scope};
use crate::plan::stale::{self, Stale};
use crate::plan::{self, Action, Allowed, Edit, Fingerprint, Plan, Settled, Step};

/// What to apply, and how.
#[derive(Debug)]
pub struct Request<'a> {
    /// The checked manifest.
    pub desired: &'a Desired,
    /// Advice on the manifest, for the plan's notes.
    pub advice: &'a [Diagnostic],
    /// The plan that was agreed: shown to a person, or saved. None where nobody was asked.
    pub agreed: Option<&'a Plan>,
    /// The only fingerprint that is accepted, besides that of a plan with nothing to do.
    pub expect: Option<&'a Fingerprint>,
    /// Whether service actions are run now.
    pub restarts: Restarts,
    /// How long a service action may take.
    pub deadline: Duration,
    /// What is allowed beyond the safety rules, for once.
    pub allowed: &'a Allowed,
    /// Tells this run from another that began in the same second.
    pub run: u32,
    /// The id of the window that a change of access opens: 32 hexadecimal digits that nobody can guess.
    pub window: String,
}

/// Whether service actions are run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restarts {
    /// They are.
    Now,
    /// They are written down, and a later apply runs them.
    Deferred,
}

/// What goes on around a run.
pub trait Watch {
    /// Tells what will be done, once it is certain.
    fn planned(&mut self, plan: &Plan);

    /// Tells that a step begins.
    fn begins(&mut self, step: &Step);

    /// Tells that so many of so many accounts are done.
    fn progress(&mut self, done: usize, of: usize) {
        let _ = (done, of);
    }

    /// The signal that asks the run to end, if one came.
    fn interrupted(&self) -> Option<&'static str>;

    /// How many seconds the run may take, once it has taken them: no further step begins.
    fn late(&self) -> Option<u64> {
        None
    }
}

/// Applies.
pub fn apply(host: &mut dyn WriteHost, request: &Request<'_>, watch: &mut dyn Watch) -> Outcome {
    match try_apply(host, request, watch) {
        Ok(outcome) => outcome,
        Err(mut outcome) => {
            if host.lost().is_some() {
                lost::before_the_run(&mut outcome);
            }
            *outcome
        }
    }
}

/// Why a run ends before it begins.
fn ended(verdict: Verdict, messages: Vec<Diagnostic>) -> Box<Outcome> {
    Box::new(Outcome::without_run(verdict, messages))
}

/// Why the lock is not to be had.
fn locked(error: &HostError) -> Box<Outcome> {
    match error {
        HostError::Locked { .. } => ended(
            Verdict::Locked,
            vec![
                Diagnostic::of(error)
                    .hint("wait until it has ended; the lock ends with its process"),
            ],
        ),
        HostError::NoLock { .. }
        | HostError::Lost { .. }
        | HostError::Unreachable { .. }
        | HostError::Late { .. }
        | HostError::Unexpected(_) => unknown(error),
    }
}

fn unknown(error: &dyn std::error::Error) -> Box<Outcome> {
    ended(Verdict::Unknown, vec![Diagnostic::of(error)])
}

fn blocked(blockers: Vec<Blocker>) -> Box<Outcome> {
    let worst = blockers
        .iter()
        .map(|blocker| blocker.kind)
        .max()
        .unwrap_or(Blocked::Manifest);
    let verdict = match worst {
        Blocked::Manifest => Verdict::Usage,
        Blocked::Refused => Verdict::Refused,
        Blocked::Unknown => Verdict::Unknown,
    };
    ended(
        verdict,
        blockers
            .into_iter()
            .map(|blocker| blocker.diagnostic)
            .collect(),
    )
}

fn try_apply(
    host: &mut dyn WriteHost,
    request: &Request<'_>,
    watch: &mut dyn Watch,
) -> Result<Outcome, Box<Outcome>> {
    if !request.desired.host.is_empty() {
        // Before anything else, the lock included: on a wrong host nothing is touched, and nothing is settled.
        let names = facts::names_of(host).map_err(|error| unknown(&error))?;
        plan::guard(request.desired, &names).map_err(blocked)?;
    }
    host.lock().map_err(|error| locked(&error))?;
    let mut facts = Facts::read(host).map_err(|error| unknown(&error))?;
    if let Some(agreed) = request.agreed {
        stale::same_host(agreed, &facts.id()).map_err(|stale| refused(&stale))?;
    }
    settle::killed_run(host, &mut facts, request.deadline)?;
    if window::settle::before_a_run(host, &facts, request.deadline)?
        == window::settle::Settled::Anew
    {
        facts = Facts::read(host).map_err(|error| unknown(&error))?;
    }
    let observed = Observed::read(host, &facts, Scope::ToApply(request.desired))
        .map_err(|error| unknown(&error))?;
    let plan = plan::make(
        request.desired,
        request.advice,
        &facts,
        &observed,
        request.deadline,
        request.allowed,
    )
    .map_err(blocked)?;
    accept(request, &plan)?;
    if plan.is_empty() {
        settle::nothing_to_do(host, &facts, &plan)?;
        let mut outcome = *ended(Verdict::AsDesired, Vec::new());
        outcome.fingerprint = Some(plan.fingerprint);
        outcome.host = Some(plan.host);
        outcome.notes = plan.notes;
        return Ok(outcome);
    }
    let baseline = act::baseline(host, &facts, &observed, &plan, request.deadline)?;
    if let Some(signal) = watch.interrupted() {
        let message = Diagnostic::new(format!("interrupted by {signal}"));
        return Err(ended(Verdict::Interrupted, vec![message]));
    }
    if let Some(seconds) = watch.late() {
        return Err(unknown(&HostError::Late { seconds }));
    }
    watch.planned(&plan);
    let mut run = Running::new(request, &facts, observed, plan, baseline);
    Ok(run.carry_out(host, watch))
}

/// What is not what was agreed.
fn refused(stale: &Stale) -> Box<Outcome> {
    let diagnostic = match stale {
        Stale::OtherHost { name } => {
            let name = name.as_deref().unwrap_or("another host");
            Diagnostic::new(format!("this plan was made for {name}"))
                .because("the machine's id or name differs")
                .hint("plan again on this host")
        }
        Stale::Steps(steps) => {
            Diagnostic::new("the host needs something else now than the plan says")
                .because(crate::report::text::steps_in_brief(steps))
                .hint("plan again, and have the new plan reviewed")
        }
    };
    ended(Verdict::Stale, vec![diagnostic])
}

/// Compares what the host needs now with what was agreed.
fn accept(request: &Request<'_>, plan: &Plan) -> Result<(), Box<Outcome>> {
    let refuse = |diagnostic| {
        let mut outcome = ended(Verdict::Stale, vec![diagnostic]);
        outcome.fingerprint = Some(plan.fingerprint.clone());
        outcome
    };
    if let Some(agreed) = request.agreed {
        stale::compare(agreed, plan).map_err(|stale| {
            let mut outcome = refused(&stale);
            outcome.fingerprint = Some(plan.fingerprint.clone());
            outcome
        })?;
    }
    match request.expect {
        Some(expect) if *expect != plan.fingerprint && !plan.is_empty() => Err(refuse(
            Diagnostic::new(format!(
                "the plan's fingerprint is {}, not {expect}",
                plan.fingerprint
            ))
            .hint("plan on this host, and see what differs from the plan that was reviewed"),
        )),
        Some(_) | None => Ok(()),
    }
}

/// A run that has begun.
struct Running<'a> {
    request: &'a Request<'a>,
    observed: Observed,
    plan: Plan,
    baseline: act::Baseline,
    /// Tells daemons from others.
    judge: Judge,
    journal: Journal,
    /// Courier's files before the run.
    courier_before: courier::Files,
    /// The xinetd that was seen to have the values.
    xinetd: Option<ProcessId>,
    /// What was owed before this run.
    owed_before: Vec<Owed>,
    /// What the journal on the host says is owed as long as the run goes on.
    noted: Vec<Owed>,
    /// How far accounts have been changed.
    access: act::access::Progress,
    outcome: Outcome,
}

/// A step failed; the messages say how.
struct Failed(Vec<Diagnostic>);

impl<'a> Running<'a> {
    fn new(
        request: &'a Request<'a>,
        facts: &Facts,
        observed: Observed,
        plan: Plan,
        baseline: act::Baseline,
    ) -> Self {
        let id = format!("{}-{}", time_id(facts.now), request.run);
        let owed_before = match plan.settled {
            Settled::Nothing => facts.journal.owed.clone(),
            Settled::Some => {
                let still = |owed: &&Owed| actions(&plan).any(|action| action.unit == owed.unit);
                facts.journal.owed.iter().filter(still).cloned().collect()
            }
        };
        let begun = match request.restarts {
            Restarts::Now => Begun::Perhaps,
            Restarts::Deferred => Begun::No,
        };
        let mut owed = owed_before.clone();
        for action in actions(&plan) {
            let same = |old: &Owed| old.unit == action.unit && old.daemon == action.daemon;
            let perhaps = owed
                .iter()
                .any(|old| same(old) && old.begun == Begun::Perhaps);
            owed.retain(|old| !same(old));
            let begun = if perhaps { Begun::Perhaps } else { begun };
            owed.push(Owed::of(action, begun));
        }
        let written = edits(&plan).map(|edit| Written {
            path: edit.path.clone(),
            before: edit.before.clone(),
            after: Digest::of(&edit.bytes),
        });
        let run = Run {
            id: id.clone(),
            started: facts.now,
            fingerprint: plan.fingerprint.clone(),
            steps: plan.steps.clone(),
            written: written.collect(),
        };
        let mut outcome = Outcome::without_run(Verdict::PartlyApplied, Vec::new());
        outcome.run = Some(id);
        outcome.host = Some(plan.host.clone());
        outcome.started = Some(facts.now);
        outcome.fingerprint = Some(plan.fingerprint.clone());
        outcome.notes.clone_from(&plan.notes);
        outcome.steps = plan
            .steps
            .iter()
            .map(|step| StepOutcome {
                step: step.clone(),
                state: StepState::NotTried,
            })
            .collect();
        let noted = owed.clone();
        let journal = Journal {
            format: facts.journal.format,
            owed,
            run: Some(run),
        };
        let courier_before = observed.courier.clone().unwrap_or_default();
        Self {
            request,
            courier_before,
            xinetd: None,
            observed,
            plan,
            baseline,
            judge: facts.judge.clone(),
            journal,
            owed_before,
            noted,
            access: act::access::Progress::default(),
            outcome,
        }
    }

    fn carry_out(&mut self, host: &mut dyn WriteHost, watch: &mut dyn Watch) -> Outcome {
        let result = self.forward(host, watch);
        if let Err(Failed(messages)) = result {
            self.outcome.messages.extend(messages);
            if host.lost().is_none() {
                self.undo(host);
            }
            if host.lost().is_some() {
                self.abandon();
            }
        }
        self.outcome.clone()
    }

    /// All steps, then the look back.
    fn forward(&mut self, host: &mut dyn WriteHost, watch: &mut dyn Watch) -> Result<(), Failed> {
        self.write_edits(host, watch)?;
        self.run_panel(host, watch)?;
        match self.request.restarts {
            Restarts::Now => {
                for index in 0..self.plan.steps.len() {
                    let Step::Action(action) = self.plan.steps[index].clone() else {
                        continue;
                    };
                    interrupted(watch)?;
                    watch.begins(&self.plan.steps[index]);
                    self.outcome.steps[index].state = StepState::Failed;
                    self.act(host, &action)?;
                    self.outcome.steps[index].state = StepState::Done;
                }
            }
            Restarts::Deferred => {
                interrupted(watch)?;
                for index in 0..self.plan.steps.len() {
                    if matches!(self.plan.steps[index], Step::Action(_)) {
                        self.outcome.steps[index].state = StepState::Deferred;
                    }
                }
            }
        }
        self.change_accounts(host, watch)?;
        self.verify(host)?;
        // Last, when everything before is seen to be right.
        let phase = self.change_sources(host, watch)?;
        if phase == Phase::Waits {
            self.outcome.conclude(self.outcome.result.and_waits());
        }
        self.close(host);
        match phase {
            Phase::Waits => self.still_waits(host),
            Phase::Final => Ok(()),
        }
    }

    fn history(&self) -> HostPath {
        known(&format!(
            "{STATE}/history/{}.json",
            self.outcome.run.as_deref().unwrap_or("run")
        ))
    }

    fn journal_bytes(&self) -> Result<Vec<u8>, Failed> {
        self.journal
            .to_bytes()
            .map_err(|error| Failed(vec![Diagnostic::of(&error)]))
    }
}

/// The edits of a plan.
fn edits(plan: &Plan) -> impl Iterator<Item = &Edit> {
    plan.steps.iter().filter_map(Step::as_edit)
}

/// The service actions of a plan.
fn actions(plan: &Plan) -> impl Iterator<Item = &Action> {
    plan.steps.iter().filter_map(Step::as_action)
}

fn interrupted(watch: &dyn Watch) -> Result<(), Failed> {
    match (watch.interrupted(), watch.late()) {
        (Some(signal), _) => Err(Failed(vec![Diagnostic::new(format!(
            "interrupted by {signal}"
        ))])),
        (None, Some(seconds)) => Err(Failed(vec![
            Diagnostic::new(format!("the run has taken the {seconds} s that it may"))
                .because("no further step begins")
                .hint("see what is slow, or give it more time with `--deadline SECONDS`"),
        ])),
        (None, None) => Ok(()),
    }
}

/// `20261124T101500Z`, so that history entries sort by time.
fn time_id(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y%m%dT%H%M%SZ").to_string(),
        Err(_) => format!("{seconds}"),
    }
}
