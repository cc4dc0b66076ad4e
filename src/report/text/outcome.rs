//! An outcome as text.

use super::notes;
use super::panel_access::AccountDetail;
use super::plan::{step_name, steps_in_brief, waiting};
use crate::plan::Step;
use crate::plan::outcome::{Outcome, OutcomeVerdict, StepOutcome, StepState};
use crate::report::Colour;
use crate::report::diagnostic::{WorstSeverity, render};
use crate::report::safe::SafeText;

/// Everything that a person should see after a run: each step, what went wrong, and one summary line.
#[must_use]
pub fn outcome(outcome: &Outcome, detail: AccountDetail, colour: Colour) -> SafeText {
    let mut text = SafeText::new(colour);
    let mut steps = outcome.steps.as_slice();
    while let Some((step, rest)) = steps.split_first() {
        // Many domains that fared alike are one line.
        let alike = |other: &&StepOutcome| match (&step.step, &other.step) {
            (Step::PanelAccess(one), Step::PanelAccess(other_step)) => {
                one.act == other_step.act && step.state == other.state
            }
            (_, _) => false,
        };
        let folded = rest.iter().take_while(alike).count();
        steps = rest.get(folded..).unwrap_or_default();
        let brief = match (&step.step, folded) {
            (Step::PanelAccess(_), 1..) => {
                let whole = outcome.steps.len() - steps.len();
                let group: Vec<Step> = (outcome.steps.get(whole - folded - 1..whole))
                    .unwrap_or_default()
                    .iter()
                    .map(|step| step.step.clone())
                    .collect();
                steps_in_brief(&group)
            }
            (_, _) => step_name(&step.step),
        };
        let state = match step.state {
            StepState::Done => "done",
            StepState::Deferred => "put off",
            StepState::Failed => "failed",
            StepState::NotTried => "not tried",
            StepState::Undone => "undone",
            StepState::Provisional => "live",
            StepState::Waits => "waits",
            StepState::Unknown => "unknown",
        };
        text.line(format_args!("{state:>9}  {brief}"));
    }
    if !outcome.messages.is_empty() {
        if !outcome.steps.is_empty() {
            text.end();
        }
        text.add(&render(&outcome.messages, severity(outcome.result), colour));
    }
    if outcome.steps.is_empty() {
        // Where there are steps, the plan was shown, with its notes.
        let head = notes::unwatched(&outcome.notes);
        if let Some(unwatched) = head {
            text.add(&waiting(unwatched, colour)).end();
        }
        text.add(&notes::lines(&outcome.notes, head, detail, colour));
    }
    text.line(summary(outcome));
    text
}

/// What messages are that come with a result.
const fn severity(result: OutcomeVerdict) -> WorstSeverity {
    match result {
        OutcomeVerdict::AsDesired
        | OutcomeVerdict::Applied
        | OutcomeVerdict::Waiting
        | OutcomeVerdict::Owed
        | OutcomeVerdict::Confirmed
        | OutcomeVerdict::Reverted => WorstSeverity::Note,
        OutcomeVerdict::ChangedSince
        | OutcomeVerdict::Declined
        | OutcomeVerdict::Interrupted
        | OutcomeVerdict::Usage
        | OutcomeVerdict::Locked
        | OutcomeVerdict::Stale
        | OutcomeVerdict::Refused
        | OutcomeVerdict::RolledBack
        | OutcomeVerdict::PartlyApplied
        | OutcomeVerdict::Killed
        | OutcomeVerdict::Internal
        | OutcomeVerdict::Unknown => WorstSeverity::Error,
    }
}

/// The outcome in one line.
#[must_use]
pub fn summary(outcome: &Outcome) -> String {
    let owed: Vec<String> = outcome.owed.iter().map(|owed| owed.unit.clone()).collect();
    let line = match outcome.result {
        // Without a plan nobody has looked at more than a change that waits.
        OutcomeVerdict::AsDesired if outcome.fingerprint.is_none() => "Nothing to do.",
        OutcomeVerdict::AsDesired => "Nothing to do: the host is as desired.",
        OutcomeVerdict::Applied => "Applied and verified.",
        OutcomeVerdict::Waiting => {
            "Applied; who may reach the mail services goes back by itself unless it is confirmed."
        }
        OutcomeVerdict::Confirmed => "Confirmed.",
        OutcomeVerdict::Reverted => "Taken back.",
        OutcomeVerdict::Owed => "Applied; something is still owed.",
        OutcomeVerdict::ChangedSince => "Applied, but somebody else has changed something since: plan again.",
        OutcomeVerdict::Declined => "Nothing was changed: the answer was no.",
        OutcomeVerdict::Interrupted => "Nothing was changed: the run was interrupted.",
        OutcomeVerdict::Usage => "Nothing was changed: usage or manifest error.",
        OutcomeVerdict::Locked => "Nothing was changed: another run is under way, or its change waits.",
        OutcomeVerdict::Stale => "Nothing was changed: this is not the plan that was agreed.",
        OutcomeVerdict::Refused => "Nothing was changed: refused.",
        OutcomeVerdict::RolledBack => "Failed and rolled back: the host is as it was before.",
        OutcomeVerdict::PartlyApplied => {
            "Failed, and the host is NOT as it was before: see above, then apply again."
        }
        OutcomeVerdict::Killed => "The run was killed.",
        OutcomeVerdict::Internal => "An error in mailward itself.",
        OutcomeVerdict::Unknown => "The host's state is not known.",
    };
    if owed.is_empty() { line.to_owned() } else { format!("{line} Owed: {}.", owed.join(", ")) }
}
