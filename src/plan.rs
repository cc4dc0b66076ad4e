//! The plan: ordered, typed steps with their causes, notes on what is not done, and a fingerprint.
//!
//! A plan is complete data: nothing is left to decide when it is applied. This module holds its nouns; `make` builds one
//! and is pure, `fingerprint` names what a plan does, `stale` compares two.

pub mod fingerprint;
mod make;
pub mod saved;
pub mod stale;

use serde::{Deserialize, Serialize};

pub use self::fingerprint::Fingerprint;
pub use self::make::{ACTION_DEADLINE, inputs, make};
use crate::edit::EditKind;
use crate::failure::Diagnostic;
use crate::host::{Command, Digest, ProcessId};
use crate::model::{Count, Desired, HostPath, Origin, Rate};

/// The number of the saved plans' format; any other is refused.
pub const FORMAT: u32 = 1;

/// What an apply would do to one host, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A plan of mailward")]
pub struct Plan {
    /// The format's number, 1.
    pub format: u32,
    /// Names what the plan does, independent of the host.
    pub fingerprint: Fingerprint,
    /// The host that it was made for.
    pub host: HostId,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// What is not done, or worth a look.
    pub notes: Vec<Note>,
    /// The files that the plan was made from, as they were.
    pub inputs: Vec<Input>,
    /// The checked manifest; applying a saved plan plans again from it.
    #[schemars(with = "serde_json::Value")]
    pub desired: Desired,
    /// Whether the journal can forget owed actions that turned out to be done already.
    #[serde(skip)]
    #[schemars(skip)]
    pub settled: Settled,
}

/// Whether an earlier run's owed actions turned out to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Settled {
    /// Nothing was owed, or what is owed is a step of this plan.
    #[default]
    Nothing,
    /// Some owed action is done already: the journal can forget it.
    Some,
}

/// The host that a plan is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostId {
    /// The node name.
    pub name: Option<String>,
    /// The machine's id.
    pub machine_id: Option<String>,
}

/// A file that was read for a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The file.
    #[schemars(with = "String")]
    pub path: HostPath,
    /// The sha256 of its bytes.
    #[schemars(with = "String")]
    pub digest: Digest,
}

/// One change or one service action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// A file is edited.
    Edit(Edit),
    /// The panel's own command sets a value.
    Panel(PanelStep),
    /// A daemon is made to take up new values.
    Action(Action),
}

/// Edits of managed lines in one file, written in one atomic replacement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file.
    #[schemars(with = "String")]
    pub path: HostPath,
    /// The sha256 of what it holds before.
    #[schemars(with = "String")]
    pub before: Digest,
    /// The lines that differ, in the file's order.
    pub lines: Vec<Line>,
    /// Every effective value that changes by it, managed or not.
    pub effects: Vec<Effect>,
    /// Why.
    pub causes: Vec<Cause>,
    /// What the file holds afterwards; never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub bytes: Vec<u8>,
    /// What it holds before; never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub old: Vec<u8>,
}

/// A managed line that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// How it comes to differ.
    #[schemars(with = "String")]
    pub kind: EditKind,
    /// Its number in the edited file, counted from 1.
    pub line: u32,
    /// The enclosing block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
    /// The line before; none where it is new. Bytes that are not UTF-8 or would control a terminal are escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The line afterwards, escaped likewise.
    pub after: String,
}

/// An effective value that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// The service: `pop3`, …, an xinetd service's name, or `defaults`.
    pub service: String,
    /// Which of its settings.
    pub setting: Setting,
    /// Before.
    pub from: Value,
    /// Afterwards.
    pub to: Value,
    /// Whether the manifest names it, or it changes along with something named.
    pub named: Named,
}

/// Whether the manifest names a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// By itself.
    ByManifest,
    /// It inherits from something that the manifest names.
    Inherits,
}

/// A limit, in the words of `[limits]`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// Connections at once from one address.
    PerIp,
    /// Connections at once in all.
    Total,
    /// Connections a second, and the pause above it.
    Cps,
}

impl Setting {
    /// The name in the manifest and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerIp => "per_ip",
            Self::Total => "total",
            Self::Cps => "cps",
        }
    }
}

/// An effective value.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(untagged)]
pub enum Value {
    /// A number or `"unlimited"`.
    Count(#[schemars(with = "serde_json::Value")] Count),
    /// A rate.
    Rate(#[schemars(with = "serde_json::Value")] Rate),
    /// Nothing that the daemon could use, or nothing that can be told.
    Nothing,
}

/// The panel's own command, which owns a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PanelStep {
    /// The command's program and arguments.
    pub argv: Vec<String>,
    /// The same command with the value before; none where that cannot be told.
    pub undo: Option<Vec<String>>,
    /// Every effective value that changes by it.
    pub effects: Vec<Effect>,
    /// Why.
    pub causes: Vec<Cause>,
}

/// A service action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What is done.
    pub verb: Verb,
    /// The daemon.
    pub daemon: Daemon,
    /// The service as the service manager knows it; `xinetd` for a reload.
    pub unit: String,
    /// The services it touches: `pop3`, … for Courier; those whose values change for xinetd.
    pub services: Vec<String>,
    /// What it costs.
    pub cost: Cost,
    /// Why.
    pub causes: Vec<Cause>,
    /// What else it would make live: other people's changes that the daemon has not read yet.
    pub also_live: Vec<AlsoLive>,
    /// The values that the running daemon must have afterwards.
    pub expects: Vec<Expectation>,
    /// How it is done on this host, as the host is now; never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub how: How,
}

/// What a service action does, from light to heavy.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// The daemon reads its files again.
    Reload,
    /// A daemon that an earlier run stopped is started.
    Start,
    /// The daemon is stopped and started.
    Restart,
}

impl Verb {
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
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
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
pub enum Cost {
    /// Open sessions live on.
    SessionsSurvive,
    /// Open sessions of the named services are dropped.
    SessionsDropped,
    /// Nothing is served, so nothing is lost.
    Nothing,
}

/// What an action would make live besides the plan's own changes.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(tag = "also", rename_all = "kebab-case")]
pub enum AlsoLive {
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
        setting: Setting,
        /// The running value.
        from: Value,
        /// The file's value.
        to: Value,
    },
}

/// A value that the running daemon must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The service.
    pub service: String,
    /// The setting.
    pub setting: Setting,
    /// The value.
    pub value: Value,
}

/// Why a step is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Cause {
    /// The manifest declares another value than the files have.
    Declared {
        /// The service.
        service: String,
        /// The setting.
        setting: Setting,
        /// The declared value.
        value: Value,
        /// The place in the manifest.
        #[schemars(with = "serde_json::Value")]
        origin: Origin,
    },
    /// A line was broken for the daemon, so that its value was not in force.
    NotInForce {
        /// The service.
        service: String,
        /// The native key.
        key: String,
        /// What the daemon made of the line.
        effect: String,
    },
    /// The running daemon has another value than its files.
    RunningDiffers {
        /// The service.
        service: String,
        /// The setting.
        setting: Setting,
        /// What it runs with.
        running: Value,
        /// What its files say.
        value: Value,
    },
    /// Files have changed since the daemon read them, and what it runs with cannot be read.
    RunningUnknown {
        /// The files.
        #[schemars(with = "Vec<String>")]
        paths: Vec<HostPath>,
    },
    /// An earlier run wrote the action down and did not complete it.
    Owed,
}

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
        reason: Held,
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
        setting: Setting,
        /// What runs.
        running: Value,
        /// What the file says.
        value: Value,
    },
    /// Advice on the manifest itself.
    Advice(#[schemars(with = "serde_json::Value")] Box<Diagnostic>),
    /// Anything else worth a word, in one sentence.
    Remark {
        /// The sentence.
        text: String,
    },
}

/// Why a daemon is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// None of its running values changes.
    NothingChanges,
    /// The manifest does not name it.
    NotNamed,
}

/// How an action is done on the host as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum How {
    /// Not known, as in a saved plan, which is planned again before it is applied.
    #[default]
    Unknown,
    /// By commands.
    Commands {
        /// Stops the service.
        stop: Command,
        /// Starts it.
        start: Command,
        /// The processes that must be gone in between.
        processes: Vec<ProcessId>,
        /// What each new process must have among its arguments, one entry a listener.
        arguments: Vec<Vec<String>>,
    },
    /// By a signal to xinetd.
    Signal {
        /// The process.
        process: ProcessId,
    },
}

impl Plan {
    /// Whether there is anything to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Step {
    /// The effective values that change by this step.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        match self {
            Self::Edit(edit) => &edit.effects,
            Self::Panel(panel) => &panel.effects,
            Self::Action(_) => &[],
        }
    }
}
