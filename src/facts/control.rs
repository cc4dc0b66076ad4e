//! How a service is stopped and started.

use std::time::Duration;

use crate::host::{HostCommand, ProcessId, restart};
use crate::model::HostPath;

/// How one service is stopped and started, as one act that goes on when whoever asked for it is killed:
/// between the two nothing is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceControl {
    /// By one job of systemd, which starts it also where it does not run.
    Job {
        /// systemd's control program.
        systemctl: HostPath,
        /// The unit, with the end of its name.
        unit: String,
        /// How long a start may take.
        patience: Duration,
    },
    /// By two commands that one process of a session of its own runs.
    Pair {
        /// Its init script.
        script: HostPath,
        /// How long either may take.
        patience: Duration,
    },
}

impl ServiceControl {
    /// The command that stops the service, and starts it when these processes are gone.
    #[must_use]
    pub fn restart(&self, gone: &[ProcessId]) -> HostCommand {
        match self {
            Self::Job { systemctl, unit, patience } => restart::job(systemctl, unit, *patience),
            Self::Pair { script, patience } => restart::commands(script, *patience, gone),
        }
    }
}
