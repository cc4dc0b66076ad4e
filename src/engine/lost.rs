//! Ends a run whose host cannot be asked any more: what is not known to be done is unknown, and nothing else
//! is claimed.

use super::ApplyRun;
use crate::failure::Diagnostic;
use crate::host::{OperationError, OperationFailed};
use crate::plan::outcome::{Outcome, OutcomeVerdict, StepState};

impl ApplyRun<'_> {
    /// Concludes a run that lost its host. Nothing can be undone from here; the next run brings the host to
    /// its end.
    pub(super) fn abandon(&mut self) {
        for step in &mut self.outcome.steps {
            if step.state == StepState::Failed {
                step.state = StepState::Unknown;
            }
        }
        // It is in the host's journal, if the message that writes it down arrived there.
        self.outcome.owed = self.noted.clone();
        self.outcome.conclude(OutcomeVerdict::Unknown);
        if self.plan.steps.iter().any(|step| step.as_firewall().is_some()) {
            self.outcome.messages.push(
                Diagnostic::new("a change of who may reach the mail services may be live")
                    .because("then it goes back by itself, and until then an apply is told to wait")
                    .hint(
                        "`mailward confirm` over a new connection keeps it, `mailward revert` takes it back",
                    ),
            );
        }
        self.outcome.messages.push(
            Diagnostic::new("it is not known how far the host came")
                .because("what is owed is written down there before anything changes")
                .hint("run the same apply again: it looks at the host and brings it to the same end; `mailward plan` only looks"),
        );
    }
}

/// What to do about a host that was lost before the run began.
pub(super) fn before_the_run(outcome: &mut Outcome) {
    if let Some(last) = outcome.messages.last_mut() {
        last.hint = Some(
            "no managed file was changed; see whether `ssh` with the same destination and options gets there"
                .to_owned(),
        );
    }
}

/// Whether an act and those after it may have been done all the same.
pub(super) fn may_be_done(failure: &OperationFailed) -> bool {
    match failure.source {
        OperationError::Lost(_) | OperationError::After(_) => true,
        OperationError::System(_)
        | OperationError::Changed
        | OperationError::NotReplaced(_)
        | OperationError::Gone
        | OperationError::NoProcess
        | OperationError::NoStandIn(_)
        | OperationError::UnseenMetadata => false,
    }
}
