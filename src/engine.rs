//! Applies a plan: lock, plan again and compare, write down what is owed, replace, act, verify; undo where a
//! step fails.
//!
//! The engine decides nothing about limits: it has one arm a step. Every way out ends in an [`Outcome`].

mod act;
mod changes;
pub mod checkpoint;
mod failure;
pub mod journal;
mod lost;
pub mod make;
pub mod observe;
pub mod recall;
mod settle;
mod undo;
mod verify;

use std::time::Duration;

use self::checkpoint::context::WindowContext;
use self::checkpoint::open::FirewallPhase;
use self::failure::{ApplyFailure, FailureContext};
use self::journal::{Journal, JournalRun, ReplacedFile};
use crate::engine::observe::{ObserveScope, Observed};
use crate::engine::recall::HostSurvey;
use crate::facts::{self, DaemonJudge};
use crate::failure::Diagnostic;
use crate::host::timer::{CheckpointFolder, TimerStarter};
use crate::host::{Digest, HostError, ProcessId, STATE, WriteHost};
use crate::limits::courier;
use crate::limits::owed::{OwedAction, OwedActionBegun};
use crate::model::{Desired, HostPath, known};
use crate::plan::outcome::{Outcome, OutcomeVerdict, StepOutcome, StepState};
use crate::plan::stale;
use crate::plan::{FileEdit, Fingerprint, OwedActionSettled, Plan, SafetyOverrides, ServiceAction, Step};

/// What to apply, and how.
#[derive(Debug)]
pub struct ApplyRequest<'a> {
    /// The checked manifest.
    pub desired: &'a Desired,
    /// Advice on the manifest, for the plan's notes.
    pub advice: &'a [Diagnostic],
    /// The plan that was agreed: shown to a person, or saved. None where nobody was asked.
    pub agreed: Option<&'a Plan>,
    /// The only fingerprint that is accepted, besides that of a plan with nothing to do.
    pub expect: Option<&'a Fingerprint>,
    /// Whether service actions are run now.
    pub restarts: RestartPolicy,
    /// How long a service action may take.
    pub deadline: Duration,
    /// What is allowed beyond the safety rules, for once.
    pub allowed: &'a SafetyOverrides,
    /// Tells this run from another that began in the same second.
    pub run: u32,
    /// The id of the window that a change of access opens: 32 hexadecimal digits that nobody can guess.
    pub checkpoint: String,
}

/// Whether service actions are run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// They are.
    Now,
    /// They are written down, and a later apply runs them.
    Deferred,
}

/// What goes on around a run.
pub trait RunWatcher {
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
pub fn apply(host: &mut dyn WriteHost, request: &ApplyRequest<'_>, watch: &mut dyn RunWatcher) -> Outcome {
    match try_apply(host, request, watch) {
        Ok(outcome) => outcome,
        Err(failure) => {
            let mut outcome = failure.outcome();
            if host.lost().is_some() {
                lost::before_the_run(&mut outcome);
            }
            outcome
        }
    }
}

fn try_apply(
    host: &mut dyn WriteHost,
    request: &ApplyRequest<'_>,
    watch: &mut dyn RunWatcher,
) -> Result<Outcome, ApplyFailure> {
    if !request.desired.host.is_empty() {
        // Before anything else, the lock included: on a wrong host nothing is touched, and nothing is
        // settled.
        let names = facts::names_of(host)?;
        make::guard(request.desired, &names)?;
    }
    host.lock()?;
    let mut survey = HostSurvey::read(host)?;
    if let Some(agreed) = request.agreed {
        stale::same_host(agreed, &survey.facts.id())?;
    }
    settle::killed_run(host, &mut survey, request.deadline)?;
    let settled = checkpoint::settle::before_a_run(&mut WindowContext {
        host,
        survey: &survey,
        deadline: request.deadline,
    })?;
    if settled == checkpoint::settle::EarlierReading::Anew {
        survey = HostSurvey::read(host)?;
    }
    let observed = Observed::read(host, &survey, ObserveScope::ToApply(request.desired))?;
    let plan =
        make::make(request.desired, request.advice, &survey, &observed, request.deadline, request.allowed)?;
    accept(request, &plan)?;
    if plan.is_empty() {
        settle::nothing_to_do(host, &survey, &plan)?;
        let mut outcome = Outcome::without_run(OutcomeVerdict::AsDesired, Vec::new());
        outcome.fingerprint = Some(plan.fingerprint);
        outcome.host = Some(plan.host);
        outcome.notes = plan.notes;
        return Ok(outcome);
    }
    let baseline = act::baseline(host, &survey, &observed, &plan, request.deadline).map_err(|failure| {
        match watch.late() {
            // What did not come in the time that was left says nothing of xinetd.
            Some(seconds) if failure.is_unknown() => HostError::Late { seconds }.into(),
            Some(_) | None => failure,
        }
    })?;
    if let Some(signal) = watch.interrupted() {
        let message = Diagnostic::new(format!("interrupted by {signal}"));
        return Err(ApplyFailure::new(OutcomeVerdict::Interrupted, vec![message]));
    }
    if let Some(seconds) = watch.late() {
        return Err(HostError::Late { seconds }.into());
    }
    watch.planned(&plan);
    let mut run = ApplyRun::new(request, &survey, observed, plan, baseline);
    Ok(run.carry_out(host, watch))
}

/// Compares what the host needs now with what was agreed.
fn accept(request: &ApplyRequest<'_>, plan: &Plan) -> Result<(), ApplyFailure> {
    if let Some(agreed) = request.agreed
        && let Err(stale) = stale::compare(agreed, plan)
    {
        return Err(ApplyFailure::from(stale).of_plan(&plan.fingerprint));
    }
    match request.expect {
        Some(expect) if *expect != plan.fingerprint && !plan.is_empty() => {
            let what = format!("the plan's fingerprint is {}, not {expect}", plan.fingerprint);
            let message = Diagnostic::new(what)
                .hint("plan on this host, and see what differs from the plan that was reviewed");
            Err(ApplyFailure::new(OutcomeVerdict::Stale, vec![message]).of_plan(&plan.fingerprint))
        }
        Some(_) | None => Ok(()),
    }
}

/// A run that has begun.
struct ApplyRun<'a> {
    request: &'a ApplyRequest<'a>,
    observed: Observed,
    plan: Plan,
    baseline: act::DaemonBaseline,
    /// Tells daemons from others.
    judge: DaemonJudge,
    journal: Journal,
    /// Courier's files before the run.
    courier_before: courier::CourierFiles,
    /// The xinetd that was seen to have the values.
    xinetd: Option<ProcessId>,
    /// What was owed before this run.
    owed_before: Vec<OwedAction>,
    /// What the journal on the host says is owed as long as the run goes on.
    noted: Vec<OwedAction>,
    /// Who starts the timer that takes a change of access back.
    starter: TimerStarter,
    /// The folder of the window in which this run's change of access waits.
    waits_in: Option<CheckpointFolder>,
    /// How far accounts have been changed.
    access: act::panel_access::AccountsProgress,
    outcome: Outcome,
}

impl<'a> ApplyRun<'a> {
    fn new(
        request: &'a ApplyRequest<'a>,
        HostSurvey { facts, recalled }: &HostSurvey,
        observed: Observed,
        plan: Plan,
        baseline: act::DaemonBaseline,
    ) -> Self {
        let id = format!("{}-{}", time_id(facts.now), request.run);
        let owed_before = match plan.settled {
            OwedActionSettled::Nothing => recalled.limits.owed.clone(),
            OwedActionSettled::Some => {
                let still = |owed: &&OwedAction| actions(&plan).any(|action| action.unit == owed.unit);
                recalled.limits.owed.iter().filter(still).cloned().collect()
            }
        };
        let begun = match request.restarts {
            RestartPolicy::Now => OwedActionBegun::Perhaps,
            RestartPolicy::Deferred => OwedActionBegun::No,
        };
        let mut owed = owed_before.clone();
        for action in actions(&plan) {
            let same = |old: &OwedAction| old.unit == action.unit && old.daemon == action.daemon;
            let perhaps = owed.iter().any(|old| same(old) && old.begun == OwedActionBegun::Perhaps);
            owed.retain(|old| !same(old));
            let begun = if perhaps { OwedActionBegun::Perhaps } else { begun };
            owed.push(OwedAction::of(action, begun));
        }
        let written = edits(&plan).map(|edit| ReplacedFile {
            path: edit.path.clone(),
            before: edit.before.clone(),
            after: Digest::of(&edit.bytes),
        });
        let run = JournalRun {
            id: id.clone(),
            started: facts.now,
            fingerprint: plan.fingerprint.clone(),
            steps: plan.steps.clone(),
            written: written.collect(),
        };
        let mut outcome = Outcome::without_run(OutcomeVerdict::PartlyApplied, Vec::new());
        outcome.run = Some(id);
        outcome.host = Some(plan.host.clone());
        outcome.started = Some(facts.now);
        outcome.fingerprint = Some(plan.fingerprint.clone());
        outcome.notes.clone_from(&plan.notes);
        outcome.steps = plan
            .steps
            .iter()
            .map(|step| StepOutcome { step: step.clone(), state: StepState::NotTried })
            .collect();
        let noted = owed.clone();
        let journal = Journal { run: Some(run), ..Journal::owing(owed) };
        let courier_before = observed.limits.courier.clone().unwrap_or_default();
        Self {
            request,
            courier_before,
            xinetd: None,
            observed,
            plan,
            baseline,
            judge: facts.judge.clone(),
            starter: facts.starter.clone(),
            waits_in: None,
            journal,
            owed_before,
            noted,
            access: act::panel_access::AccountsProgress::default(),
            outcome,
        }
    }

    fn carry_out(&mut self, host: &mut dyn WriteHost, watch: &mut dyn RunWatcher) -> Outcome {
        let result = self.forward(host, watch);
        if let Err(failure) = result {
            self.outcome.messages.extend(failure.messages);
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
    fn forward(&mut self, host: &mut dyn WriteHost, watch: &mut dyn RunWatcher) -> Result<(), ApplyFailure> {
        self.write_edits(host, watch)?;
        self.run_panel(host, watch)?;
        match self.request.restarts {
            RestartPolicy::Now => {
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
            RestartPolicy::Deferred => {
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
        let phase = self.change_firewall(host, watch)?;
        if phase == FirewallPhase::Waits {
            self.outcome.conclude(self.outcome.result.and_waits());
        }
        self.close(host);
        match phase {
            FirewallPhase::Waits => self.still_waits(host),
            FirewallPhase::Final => Ok(()),
        }
    }

    fn history(&self) -> HostPath {
        known(&format!("{STATE}/history/{}.json", self.outcome.run.as_deref().unwrap_or("run")))
    }

    fn journal_bytes(&self) -> Result<Vec<u8>, ApplyFailure> {
        Ok(self.journal.to_bytes()?)
    }
}

/// The edits of a plan.
fn edits(plan: &Plan) -> impl Iterator<Item = &FileEdit> {
    plan.steps.iter().filter_map(Step::as_edit)
}

/// The service actions of a plan.
fn actions(plan: &Plan) -> impl Iterator<Item = &ServiceAction> {
    plan.steps.iter().filter_map(Step::as_action)
}

fn interrupted(watch: &dyn RunWatcher) -> Result<(), ApplyFailure> {
    match (watch.interrupted(), watch.late()) {
        (Some(signal), _) => Err(Diagnostic::new(format!("interrupted by {signal}")).into()),
        (None, Some(seconds)) => {
            Err(Diagnostic::new(format!("the run has taken the {seconds} s that it may"))
                .because("no further step begins")
                .hint("see what is slow, or give it more time with `--deadline SECONDS`")
                .into())
        }
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
