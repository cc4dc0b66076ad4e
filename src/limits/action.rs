//! Service actions: what is done to which daemon, what it costs, and what it must lead to.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::step::{LimitSetting, LimitValue, StepCause};
use crate::facts::control::ServiceControl;
use crate::host::ProcessId;
use crate::model::HostPath;

/// A service action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAction {
    /// What is done.
    pub verb: ActionVerb,
    /// The daemon.
    pub daemon: Daemon,
    /// The service as the service manager knows it; `xinetd` for a reload.
    pub unit: String,
    /// The services it touches: `pop3`, … for Courier; those whose values change for xinetd.
    pub services: Vec<String>,
    /// What it costs.
    pub cost: ActionCost,
    /// Why.
    pub causes: Vec<StepCause>,
    /// What else it would make live: other people's changes that the daemon has not read yet.
    pub also_live: Vec<AlsoLiveSessions>,
    /// The values that the running daemon must have afterwards.
    pub expects: Vec<RunningExpectation>,
    /// How it is done on this host, as the host is now; never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub how: ActionMethod,
}

/// What a service action does, from light to heavy.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ActionVerb {
    /// The daemon reads its files again.
    Reload,
    /// A daemon that an earlier run stopped is started.
    Start,
    /// The daemon is stopped and started.
    Restart,
}

impl ActionVerb {
    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Start => "start",
            Self::Restart => "restart",
        }
    }
}

/// A daemon whose limits mailward manages.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Daemon {
    /// courier-imap's `couriertcpd`.
    Courier,
    /// xinetd.
    Xinetd,
}

impl Daemon {
    /// The name in messages and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Courier => "courier",
            Self::Xinetd => "xinetd",
        }
    }
}

/// What a service action costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionCost {
    /// Open sessions live on.
    SessionsSurvive,
    /// Open sessions of the named services are dropped.
    SessionsDropped,
    /// Nothing is served, so nothing is lost.
    Nothing,
}

/// What an action would make live besides the plan's own changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "also", rename_all = "kebab-case")]
pub enum AlsoLiveSessions {
    /// A variable of Courier's file differs from what the running daemon was started with.
    Variable {
        /// The services concerned.
        service: String,
        /// The variable; its value is not shown.
        name: String,
    },
    /// It cannot be told what the running daemon was started with.
    Unknown {
        /// The service concerned.
        service: String,
        /// Why.
        reason: String,
    },
    /// A file has changed since xinetd last read it.
    File {
        /// The file.
        #[schemars(with = "String")]
        path: HostPath,
    },
    /// A setting that the manifest does not name differs from what the daemon runs with.
    Setting {
        /// The service.
        service: String,
        /// The setting.
        setting: LimitSetting,
        /// The running value.
        from: LimitValue,
        /// The file's value.
        to: LimitValue,
    },
}

/// A value that the running daemon must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunningExpectation {
    /// The service.
    pub service: String,
    /// The setting.
    pub setting: LimitSetting,
    /// The value.
    pub value: LimitValue,
}

/// How an action is done on the host as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ActionMethod {
    /// Not known, as in a saved plan, which is planned again before it is applied.
    #[default]
    Unknown,
    /// By commands.
    Commands {
        /// The service's commands.
        control: ServiceControl,
        /// The processes that must be gone in between.
        processes: Vec<ProcessId>,
        /// What each new process must have among its arguments, one entry a listener.
        arguments: Vec<Vec<String>>,
    },
    /// By a signal to xinetd.
    Signal {
        /// The process.
        process: ProcessId,
        /// Brings it back should it end; none where no service is known for it.
        control: Option<ServiceControl>,
    },
    /// By starting xinetd, which a reload of ours ended.
    Start {
        /// The service's commands.
        control: ServiceControl,
    },
}

impl ServiceAction {
    /// What it does, as the fingerprint has it.
    pub(crate) fn fingerprinted(&self) -> Json {
        let Self { verb, daemon, unit: _, services, cost, causes: _, also_live: _, expects: _, how: _ } =
            self;
        json!({ "action": verb, "daemon": daemon, "services": services, "cost": cost })
    }

    /// What of it must have been agreed.
    pub(crate) fn agreed(&self) -> Json {
        let Self { verb, daemon, unit, services, cost, causes: _, also_live, expects, how: _ } = self;
        json!({
            "verb": verb, "daemon": daemon, "unit": unit, "services": services, "cost": cost,
            "also_live": also_live, "expects": expects,
        })
    }
}
