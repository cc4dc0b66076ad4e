//! The outcome: what happened to each step of a run, written on every exit and kept in the history.

use serde::{Deserialize, Serialize};

use crate::failure::{Diagnostic, Exit};
use crate::limits::owed::OwedAction;
use crate::plan::{Fingerprint, HostId, Note, Step};

/// The number of the outcomes' format.
pub const FORMAT: u32 = 1;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "An outcome of mailward")]
pub struct Outcome {
    /// The format's number, 1.
    pub format: u32,
    /// The run's id; none where nothing was begun.
    pub run: Option<String>,
    /// The host, as far as it is known.
    pub host: Option<HostId>,
    /// When it began, in seconds since 1970 by the host's clock.
    pub started: Option<i64>,
    /// In one word.
    pub result: OutcomeVerdict,
    /// The exit code.
    pub exit: u8,
    /// The fingerprint of the plan that was applied or refused.
    pub fingerprint: Option<Fingerprint>,
    /// Each step with what became of it.
    pub steps: Vec<StepOutcome>,
    /// The notes of the plan that was applied, or that had nothing to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Service actions that are still owed.
    pub owed: Vec<OwedAction>,
    /// What a person should know: errors, and what to do now.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub messages: Vec<Diagnostic>,
}

/// An outcome in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeVerdict {
    /// Nothing had to be done.
    AsDesired,
    /// Everything was done and verified.
    Applied,
    /// Done; a change of access is live and goes back by itself unless it is confirmed.
    Waiting,
    /// The change of access that waited is confirmed.
    Confirmed,
    /// The change of access that waited was taken back, as asked.
    Reverted,
    /// Done, with service actions put off.
    Owed,
    /// Done, but somebody else has changed something since.
    ChangedSince,
    /// The answer was no.
    Declined,
    /// A signal came before anything was changed.
    Interrupted,
    /// The manifest or the command line is wrong.
    Usage,
    /// Another run holds the lock.
    Locked,
    /// The plan was not what the host needs now.
    Stale,
    /// A safety rule refused it.
    Refused,
    /// It failed, and the host is as it was before.
    RolledBack,
    /// It failed, and the host is not as it was before.
    PartlyApplied,
    /// The run was killed; written by the next one.
    Killed,
    /// An error in mailward itself.
    Internal,
    /// The host's state is not known.
    Unknown,
}

impl OutcomeVerdict {
    /// What a run has come to that ends with a change of access that waits.
    #[must_use]
    pub(crate) const fn and_waits(self) -> Self {
        match self {
            Self::AsDesired | Self::Applied | Self::ChangedSince => Self::Waiting,
            other => other,
        }
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::AsDesired | Self::Applied | Self::Confirmed | Self::Reverted => Exit::AsDesired,
            Self::ChangedSince | Self::Declined | Self::Interrupted => Exit::Pending,
            Self::Owed | Self::Waiting => Exit::Owed,
            Self::Usage => Exit::Usage,
            Self::Locked => Exit::Locked,
            Self::Stale => Exit::Stale,
            Self::Refused => Exit::Refused,
            Self::RolledBack => Exit::RolledBack,
            Self::PartlyApplied => Exit::PartlyApplied,
            Self::Internal => Exit::Internal,
            Self::Killed | Self::Unknown => Exit::Unknown,
        }
    }
}

/// A step with what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepOutcome {
    /// The step.
    pub step: Step,
    /// What became of it.
    pub state: StepState,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Done, and seen to be done.
    Done,
    /// Put off: it is owed.
    Deferred,
    /// It failed.
    Failed,
    /// It was not tried.
    NotTried,
    /// It was done, and undone since.
    Undone,
    /// Live, until it is confirmed or goes back by itself.
    Provisional,
    /// It waits until the change before it is confirmed.
    Waits,
    /// The run was killed while it was under way, or undoing it failed.
    Unknown,
}

impl Outcome {
    /// An outcome of a run that began nothing.
    #[must_use]
    pub fn without_run(result: OutcomeVerdict, messages: Vec<Diagnostic>) -> Self {
        Self {
            format: FORMAT,
            run: None,
            host: None,
            started: None,
            result,
            exit: result.exit().code(),
            fingerprint: None,
            steps: Vec::new(),
            notes: Vec::new(),
            owed: Vec::new(),
            messages,
        }
    }

    /// Gives it another result, and that result's exit code.
    pub fn conclude(&mut self, result: OutcomeVerdict) {
        self.result = result;
        self.exit = result.exit().code();
    }
}
