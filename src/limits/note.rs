//! What is not done about connection limits and why, or is worth a look.

use serde::{Deserialize, Serialize};

use super::action::Daemon;
use super::step::{LimitSetting, LimitValue, SkipReason};
use crate::host::ForeignProcess;
use crate::model::HostPath;

/// Something about limits that is not done, or worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum LimitsNote {
    /// A daemon does not run; a plan never starts it.
    NotRunning {
        /// The daemon.
        daemon: Daemon,
        /// The services it would serve.
        services: Vec<String>,
    },
    /// A daemon is left alone.
    NotRestarted {
        /// The daemon.
        daemon: Daemon,
        /// The services.
        services: Vec<String>,
        /// Why.
        reason: SkipReason,
    },
    /// A line or a service is not what its author may think.
    Problem {
        /// The file.
        #[schemars(with = "String")]
        path: HostPath,
        /// The line.
        line: u32,
        /// What the daemon makes of it.
        effect: String,
    },
    /// A running value differs from its file, and the manifest does not name it.
    Unmanaged {
        /// The service.
        service: String,
        /// The setting.
        setting: LimitSetting,
        /// What runs.
        running: LimitValue,
        /// What the file says.
        value: LimitValue,
    },
    /// Processes that are called like a daemon are none, and count for nothing.
    Stranger {
        /// The daemon's program.
        program: String,
        /// What shows it.
        foreign: ForeignProcess,
    },
}
