//! Why something did not succeed here, and how a run ends that it keeps from beginning: the one carrier of
//! failure in this folder. What the host says becomes one by `?`.

use crate::facts::FactsError;
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker};
use crate::firewall::nft::NftError;
use crate::firewall::observed;
use crate::host::{HostError, OperationFailed};
use crate::model::NotAHostPath;
use crate::panel_access::client;
use crate::plan::Fingerprint;
use crate::plan::outcome::{Outcome, OutcomeVerdict};
use crate::plan::stale::StaleReason;
use crate::report::text;

/// What to tell where something did not succeed.
#[derive(Debug)]
pub(super) struct ApplyFailure {
    /// How a run ends that this keeps from beginning; one that has begun finds out how far the host came.
    verdict: OutcomeVerdict,
    /// What to tell, the most important first.
    pub(super) messages: Vec<Diagnostic>,
    /// The fingerprint of the plan that is refused.
    fingerprint: Option<Fingerprint>,
}

impl ApplyFailure {
    pub(super) const fn new(verdict: OutcomeVerdict, messages: Vec<Diagnostic>) -> Self {
        Self { verdict, messages, fingerprint: None }
    }

    /// A failure of which everything is told elsewhere.
    pub(super) const fn told_elsewhere() -> Self {
        Self::new(OutcomeVerdict::Unknown, Vec::new())
    }

    /// Whether it leaves the host's state unknown.
    pub(super) fn is_unknown(&self) -> bool {
        self.verdict == OutcomeVerdict::Unknown
    }

    /// The same about this plan.
    pub(super) fn of_plan(self, fingerprint: &Fingerprint) -> Self {
        Self { fingerprint: Some(fingerprint.clone()), ..self }
    }

    /// The same with more to tell.
    pub(super) fn and(mut self, messages: Vec<Diagnostic>) -> Self {
        self.messages.extend(messages);
        self
    }

    /// The outcome of a run that this keeps from beginning.
    pub(super) fn outcome(self) -> Outcome {
        let mut outcome = Outcome::without_run(self.verdict, self.messages);
        outcome.fingerprint = self.fingerprint;
        outcome
    }
}

/// Says of a failure what the host's own words do not.
pub(super) trait FailureContext<T>: Sized {
    /// The same result, but this is how a run ends with its failure.
    fn failing_as(self, verdict: OutcomeVerdict) -> Result<T, ApplyFailure>;

    /// The same result, but a message that says what was being done comes first.
    fn failing_after(self, message: impl FnOnce() -> Diagnostic) -> Result<T, ApplyFailure>;

    /// The same result, but with what to do now about each message.
    fn failing_with_hint(self, hint: &str) -> Result<T, ApplyFailure>;
}

impl<T, E: Into<ApplyFailure>> FailureContext<T> for Result<T, E> {
    fn failing_as(self, verdict: OutcomeVerdict) -> Result<T, ApplyFailure> {
        self.map_err(|failure| ApplyFailure { verdict, ..failure.into() })
    }

    fn failing_after(self, message: impl FnOnce() -> Diagnostic) -> Result<T, ApplyFailure> {
        self.map_err(|failure| {
            let mut failure: ApplyFailure = failure.into();
            failure.messages.insert(0, message());
            failure
        })
    }

    fn failing_with_hint(self, hint: &str) -> Result<T, ApplyFailure> {
        self.map_err(|failure| {
            let mut failure: ApplyFailure = failure.into();
            let hinted = |message: Diagnostic| message.hint(hint);
            failure.messages = failure.messages.into_iter().map(hinted).collect();
            failure
        })
    }
}

impl From<Diagnostic> for ApplyFailure {
    fn from(message: Diagnostic) -> Self {
        vec![message].into()
    }
}

impl From<Vec<Diagnostic>> for ApplyFailure {
    fn from(messages: Vec<Diagnostic>) -> Self {
        Self::new(OutcomeVerdict::Unknown, messages)
    }
}

impl From<HostError> for ApplyFailure {
    fn from(error: HostError) -> Self {
        let message = Diagnostic::of(&error);
        match error {
            HostError::Locked { .. } => {
                let hint = "wait until it has ended; the lock ends with its process";
                Self::new(OutcomeVerdict::Locked, vec![message.hint(hint)])
            }
            HostError::NoLock { .. }
            | HostError::Lost { .. }
            | HostError::Unreachable { .. }
            | HostError::Late { .. }
            | HostError::Unexpected(_) => message.into(),
        }
    }
}

macro_rules! from_error {
    ($($error:ty),+ $(,)?) => { $(
        impl From<$error> for ApplyFailure {
            fn from(error: $error) -> Self {
                Diagnostic::of(&error).into()
            }
        }
    )+ };
}

from_error!(
    OperationFailed,
    FactsError,
    NftError,
    NotAHostPath,
    client::AccountsUnread,
    observed::RulesUnread,
    serde_json::Error,
    std::string::FromUtf8Error,
);

impl From<Vec<PlanBlocker>> for ApplyFailure {
    fn from(blockers: Vec<PlanBlocker>) -> Self {
        let kinds = blockers.iter().map(|blocker| blocker.kind);
        let verdict = match kinds.max().unwrap_or(PlanBlocked::Manifest) {
            PlanBlocked::Manifest => OutcomeVerdict::Usage,
            PlanBlocked::Refused => OutcomeVerdict::Refused,
            PlanBlocked::Unknown => OutcomeVerdict::Unknown,
        };
        let messages = blockers.into_iter().map(|blocker| blocker.diagnostic);
        Self::new(verdict, messages.collect())
    }
}

impl From<StaleReason> for ApplyFailure {
    fn from(stale: StaleReason) -> Self {
        let message = match stale {
            StaleReason::OtherHost { name } => {
                let name = name.as_deref().unwrap_or("another host");
                Diagnostic::new(format!("this plan was made for {name}"))
                    .because("the machine's id or name differs")
                    .hint("plan again on this host")
            }
            StaleReason::Steps(steps) => {
                Diagnostic::new("the host needs something else now than the plan says")
                    .because(text::steps_in_brief(&steps))
                    .hint("plan again, and have the new plan reviewed")
            }
        };
        Self::new(OutcomeVerdict::Stale, vec![message])
    }
}
