//! Service actions that a run wrote down and was not seen to complete.

use serde::{Deserialize, Serialize};

use super::action::{Daemon, ServiceAction};
use super::step::StepCause;

/// A service action that is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwedAction {
    /// The daemon.
    pub daemon: Daemon,
    /// The service as the service manager knows it.
    pub unit: String,
    /// The services that ran when the action was planned, and must run again.
    pub services: Vec<String>,
    /// Whether a run may have stopped the daemon; only then does a later one start what does not run.
    pub begun: OwedActionBegun,
    /// Why.
    pub causes: Vec<StepCause>,
}

impl OwedAction {
    /// What an action becomes when it is written down before it is done.
    #[must_use]
    pub fn of(action: &ServiceAction, begun: OwedActionBegun) -> Self {
        Self {
            daemon: action.daemon,
            unit: action.unit.clone(),
            services: action.services.clone(),
            begun,
            causes: action.causes.iter().filter(|cause| **cause != StepCause::Owed).cloned().collect(),
        }
    }
}

/// Whether an owed action may have begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OwedActionBegun {
    /// The run that wrote it down went on to it, or was about to.
    Perhaps,
    /// It was put off: a daemon that does not run has been stopped by somebody else.
    No,
}
