//! What is not done and why, or is worth a look.

use serde::{Deserialize, Serialize};

use super::{AccountProblem, Daemon, FilterBackend, LimitSetting, LimitValue, SkipReason};
use crate::failure::Diagnostic;
use crate::firewall::observed::PacketEntrance;
use crate::host::ForeignProcess;
use crate::model::HostPath;

/// Something that is not done, or worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum Note {
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
    /// Accounts are left alone.
    AccountsLeftAlone {
        /// Why.
        reason: AccountProblem,
        /// How many.
        count: usize,
        /// How many of them have access that the manifest denies, and keep it.
        #[serde(default)]
        keep: usize,
        /// How many of them lack access that the manifest grants.
        #[serde(default)]
        lack: usize,
        /// Which; none where accounts are not to be named.
        accounts: Vec<String>,
    },
    /// An account or a domain that the manifest names is not there, and that is no error.
    Missing(#[schemars(with = "serde_json::Value")] Box<Diagnostic>),
    /// Advice on the manifest itself.
    Advice(#[schemars(with = "serde_json::Value")] Box<Diagnostic>),
    /// A change of who may reach services is live and waits for its confirmation.
    Waits {
        /// How long it still does, in seconds; 0 where it is being taken back.
        seconds: u64,
    },
    /// A change of who may reach services is live, and the timer that would take it back has ended.
    Unwatched {
        /// How long it may still be confirmed, in seconds.
        seconds: u64,
    },
    /// Where somebody can get in anew to confirm the change of who may reach services that this plan makes.
    ToConfirm {
        /// Where; nowhere where nobody will be able to.
        at: Vec<PacketEntrance>,
    },
    /// Own rules are in force that are not those that were confirmed last, and no change waits.
    NeverConfirmed {
        /// Which rules.
        way: FilterBackend,
    },
    /// The change of who may reach services that waits is not in force: something has loaded other rules.
    Displaced {
        /// Which are in force instead.
        by: DisplacingRules,
    },
    /// Processes that are called like a daemon are none, and count for nothing.
    Stranger {
        /// The daemon's program.
        program: String,
        /// What shows it.
        foreign: ForeignProcess,
    },
    /// Anything else worth a word, in one sentence.
    Remark {
        /// The sentence.
        text: String,
    },
}

/// Which own rules are in force instead of those that wait for their confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DisplacingRules {
    /// Those that were confirmed last, or none.
    Before,
    /// Others.
    Others,
}
