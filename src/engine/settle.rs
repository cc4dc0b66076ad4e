//! Settles what earlier runs left: a killed run gets its outcome, a done action is forgotten.

use std::time::Duration;

use super::ApplyFailure;
use super::act::panel_access::first;
use super::journal::{self, Journal, JournalRun};
use crate::engine::observe;
use crate::engine::recall::HostSurvey;
use crate::failure::Diagnostic;
use crate::host::batch::Batch;
use crate::host::{
    Digest, FileFound, FileReplacement, HostOperation, OperationResult, ProcessId, STATE, WaitCondition,
    WaitResult, WriteHost, restart,
};
use crate::model::known;
use crate::panel_access::accounts::AccountList;
use crate::plan::outcome::{FORMAT, Outcome, OutcomeVerdict, StepOutcome, StepState};
use crate::plan::{AccountChange, AccountState, OwedActionSettled, PanelAccessStep, Plan, Step};

/// Writes the outcome of a run that was killed, from the journal, and removes what it left lying about. What
/// it owed stays owed.
///
/// A stop and start of Courier that the killed run has begun goes on without it, and is waited for: a second
/// one beside it would stop what the first has started.
pub(super) fn killed_run(
    host: &mut dyn WriteHost,
    survey: &mut HostSurvey,
    patience: Duration,
) -> Result<(), ApplyFailure> {
    let Some(run) = survey.recalled.run.take() else {
        return Ok(());
    };
    let mut batch = Batch::default();
    let tickets: Vec<_> = run.written.iter().map(|written| batch.file(written.path.clone())).collect();
    let processes = batch.processes(restart::PROGRAMS.to_vec());
    let mut answers = batch.read(host)?;
    let mut found = Vec::new();
    for ticket in tickets {
        found.push(answers.take(ticket)?);
    }
    let processes = answers.take(processes)?;
    let units: Vec<&str> = (survey.recalled.limits.owed.iter()).map(|owed| owed.unit.as_str()).collect();
    let unfinished = restart::under_way(&processes, &units);
    let panel = if run.steps.iter().any(|step| matches!(step, Step::PanelAccess(_))) {
        Some(observe::accounts(host, &survey.facts)?)
    } else {
        None
    };
    let accounts = panel.as_ref().and_then(|panel| panel.accounts.as_ref().ok());
    let outcome = outcome(&run, &found, accounts, survey);
    let bytes = serde_json::to_vec_pretty(&outcome)?;
    let backups = run
        .written
        .iter()
        .enumerate()
        .map(|(number, written)| journal::backup(&run.id, number, &written.path));
    let mut acts: Vec<HostOperation> = run
        .written
        .iter()
        .map(|written| written.path.clone())
        .chain(backups)
        .filter_map(|path| path.parent()?.join(&FileReplacement::temporary(&path)).ok())
        .map(HostOperation::Remove)
        .collect();
    acts.push(HostOperation::Save { path: known(&format!("{STATE}/history/{}.json", run.id)), bytes });
    acts.push(keep(&Journal::owing(survey.recalled.limits.owed.clone()))?);
    let waits = !unfinished.is_empty();
    if waits {
        // Before the journal forgets the run, by which whoever comes next would know of it.
        wait_for(host, unfinished, patience)?;
    }
    let _written = host.write(&acts, &[])?;
    if waits {
        *survey = HostSurvey::read(host)?;
    }
    Ok(())
}

/// Waits until a stop and start that a killed run has begun is over.
fn wait_for(
    host: &mut dyn WriteHost,
    unfinished: Vec<ProcessId>,
    patience: Duration,
) -> Result<(), ApplyFailure> {
    let longest = restart::longest_job(patience);
    let wait = HostOperation::Await(WaitCondition::Gone(unfinished), longest);
    let waited = host.write(&[wait], &[])?;
    match waited.done.last() {
        Some(OperationResult::Awaited(WaitResult::InTime)) => Ok(()),
        Some(
            OperationResult::Awaited(WaitResult::TooLate)
            | OperationResult::Ran(_)
            | OperationResult::Quietly,
        )
        | None => {
            let message = Diagnostic::new("a restart of Courier that a killed run began is still under way")
                .because("it did not end in the time that there is to wait for it")
                .hint("see what holds it up, e.g. with `ps ax`; run this again when it has ended");
            Err(ApplyFailure::new(OutcomeVerdict::Locked, vec![message]))
        }
    }
}

/// What became of a killed run, as far as the files and the journal tell.
fn outcome(
    run: &JournalRun,
    found: &[FileFound],
    accounts: Option<&AccountList>,
    survey: &HostSurvey,
) -> Outcome {
    let state = |step: &Step| match step {
        Step::Edit(edit) => {
            let place = run.written.iter().position(|written| written.path == edit.path);
            let pair = place.and_then(|place| Some((run.written.get(place)?, found.get(place)?)));
            match pair {
                Some((written, FileFound::File(now))) if Digest::of(&now.bytes) == written.after => {
                    StepState::Done
                }
                Some((written, FileFound::File(now))) if Digest::of(&now.bytes) == written.before => {
                    StepState::NotTried
                }
                Some(_) | None => StepState::Unknown,
            }
        }
        Step::PanelAccess(step) => accounts.map_or(StepState::Unknown, |accounts| killed(step, accounts)),
        Step::Action(_) | Step::Panel(_) | Step::Firewall(_) | Step::Boot(_) | Step::Retire(_) => {
            StepState::Unknown
        }
    };
    Outcome {
        format: FORMAT,
        run: Some(run.id.clone()),
        host: None,
        started: Some(run.started),
        result: OutcomeVerdict::Killed,
        exit: OutcomeVerdict::Killed.exit().code(),
        fingerprint: Some(run.fingerprint.clone()),
        steps: run.steps.iter().map(|step| StepOutcome { step: step.clone(), state: state(step) }).collect(),
        notes: Vec::new(),
        owed: survey.recalled.limits.owed.clone(),
        messages: std::iter::once(
            Diagnostic::new("the run was killed, or could not write down how it ended")
                .because("this was written by the next run, from the journal"),
        )
        .chain(match accounts {
            Some(accounts) => changed(&run.steps, accounts),
            None => not_known(&run.steps),
        })
        .collect(),
    }
}

/// What became of a step on accounts, as far as the database tells.
fn killed(step: &PanelAccessStep, accounts: &AccountList) -> StepState {
    let now = |change: &AccountChange| accounts.get(change.id).map(|account| account.state);
    let mut changes = step.accounts.iter();
    if changes.all(|change| now(change) == Some(change.from)) {
        StepState::NotTried
    } else if (step.accounts.iter())
        .all(|change| now(change).is_some_and(|state| state.access() == step.access))
    {
        StepState::Done
    } else {
        StepState::Unknown
    }
}

/// Which accounts a killed run has changed.
fn changed(steps: &[Step], accounts: &AccountList) -> Option<Diagnostic> {
    let mut changed = Vec::new();
    for step in steps {
        if let Step::PanelAccess(step) = step {
            for change in &step.accounts {
                let now = accounts.get(change.id).map(|account| account.state);
                if now != Some(change.from) {
                    let words = now.map_or("gone", AccountState::words);
                    changed.push(format!("{} is {words}", change.account));
                }
            }
        }
    }
    (!changed.is_empty()).then(|| {
        Diagnostic::new(format!("accounts that it changed: {}", changed.len())).because(first(&changed))
    })
}

/// Which accounts a killed run may have changed, where the database does not tell.
fn not_known(steps: &[Step]) -> Option<Diagnostic> {
    let mut names = Vec::new();
    for step in steps {
        if let Step::PanelAccess(step) = step {
            names.extend(step.accounts.iter().map(|change| change.account.as_str()));
        }
    }
    (!names.is_empty()).then(|| {
        Diagnostic::new(format!("accounts that it may have changed: {}", names.len())).because(first(&names))
    })
}

/// With nothing to do, the journal forgets what is done already.
pub(super) fn nothing_to_do(
    host: &mut dyn WriteHost,
    survey: &HostSurvey,
    plan: &Plan,
) -> Result<(), ApplyFailure> {
    match plan.settled {
        OwedActionSettled::Nothing => Ok(()),
        OwedActionSettled::Some => {
            let journal = Journal { run: survey.recalled.run.clone(), ..Journal::default() };
            let _written = host.write(&[keep(&journal)?], &[])?;
            Ok(())
        }
    }
}

/// The act that leaves a journal as it should be: none where there is nothing to remember.
pub(super) fn keep(journal: &Journal) -> Result<HostOperation, ApplyFailure> {
    if journal.is_empty() {
        return Ok(HostOperation::Remove(journal::path()));
    }
    let bytes = journal.to_bytes()?;
    Ok(HostOperation::Save { path: journal::path(), bytes })
}
