//! The plan: ordered, typed steps with their causes, notes on what is not done, and a fingerprint.
//!
//! A plan is complete data: nothing is left to decide when it is applied. This module holds its nouns; `make`
//! builds one and is pure, `fingerprint` names what a plan does, `stale` compares two.

mod action;
pub mod fingerprint;
mod firewall;
mod make;
mod panel_access;
mod reason;
pub mod saved;
pub mod stale;

use serde::{Deserialize, Serialize};

pub use self::action::{
    ActionCost, ActionMethod, ActionVerb, AlsoLiveSessions, Daemon, RunningExpectation, ServiceAction,
    ServiceControl,
};
pub use self::fingerprint::Fingerprint;
pub use self::firewall::{
    AddressExtent, AllowlistChange, BootHook, BootStep, FilterBackend, FirewallCause, FirewallStep,
    ReachChange, RetireStep,
};
pub use self::make::{ACTION_DEADLINE, guard, inputs, make};
pub use self::panel_access::{
    AccountAct, AccountChange, AccountProblem, AccountState, CommandSurprise, OverridePermission,
    PanelAccessCause, PanelAccessStep, SafetyOverrides,
};
pub use self::reason::{DisplacingRules, Note, SkipReason, StepCause};
use crate::edit::EditKind;
use crate::host::Digest;
use crate::model::{ConnectionLimit, ConnectionRate, Desired, HostPath};

/// The number of the saved plans' format; any other is refused.
pub const FORMAT: u32 = 2;

/// What an apply would do to one host, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A plan of mailward")]
pub struct Plan {
    /// The format's number, 2.
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
    pub inputs: Vec<PlanInput>,
    /// The checked manifest; applying a saved plan plans again from it.
    #[schemars(with = "serde_json::Value")]
    pub desired: Desired,
    /// Whether the journal can forget owed actions that turned out to be done already.
    #[serde(skip)]
    #[schemars(skip)]
    pub settled: OwedActionSettled,
}

/// Whether an earlier run's owed actions turned out to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OwedActionSettled {
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
pub struct PlanInput {
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
    Edit(FileEdit),
    /// The panel's own command sets a value.
    Panel(PanelLimitStep),
    /// A daemon is made to take up new values.
    Action(ServiceAction),
    /// Accounts of one domain may log in to the panel, or may no longer.
    PanelAccess(PanelAccessStep),
    /// Who may reach mail services changes, provisionally until it is confirmed.
    #[serde(rename = "sources")]
    Firewall(FirewallStep),
    /// The rules come back at boot, or no longer; done when the rules are confirmed.
    Boot(BootStep),
    /// Own rules go that something else has taken over; done when that is confirmed.
    Retire(RetireStep),
}

/// Edits of managed lines in one file, written in one atomic replacement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileEdit {
    /// The file.
    #[schemars(with = "String")]
    pub path: HostPath,
    /// The sha256 of what it holds before.
    #[schemars(with = "String")]
    pub before: Digest,
    /// The lines that differ, in the file's order.
    pub lines: Vec<EditedLine>,
    /// Every effective value that changes by it, managed or not.
    pub effects: Vec<LimitEffect>,
    /// Why.
    pub causes: Vec<StepCause>,
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
pub struct EditedLine {
    /// How it comes to differ.
    #[schemars(with = "String")]
    pub kind: EditKind,
    /// Its number in the edited file, counted from 1.
    pub line: u32,
    /// The enclosing block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
    /// The line before; none where it is new. Bytes that are not UTF-8 or would control a terminal are
    /// escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The line afterwards, escaped likewise.
    pub after: String,
}

/// An effective value that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitEffect {
    /// The service: `pop3`, …, an xinetd service's name, or `defaults`.
    pub service: String,
    /// Which of its settings.
    pub setting: LimitSetting,
    /// Before.
    pub from: LimitValue,
    /// Afterwards.
    pub to: LimitValue,
    /// Whether the manifest names it, or it changes along with something named.
    pub named: SettingNamed,
}

/// Whether the manifest names a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SettingNamed {
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
pub enum LimitSetting {
    /// Connections at once from one address.
    PerIp,
    /// Connections at once in all.
    Total,
    /// Connections a second, and the pause above it.
    Cps,
}

impl LimitSetting {
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
pub enum LimitValue {
    /// A number or `"unlimited"`.
    Count(#[schemars(with = "serde_json::Value")] ConnectionLimit),
    /// A rate.
    Rate(#[schemars(with = "serde_json::Value")] ConnectionRate),
    /// Nothing that the daemon could use, or nothing that can be told.
    Nothing,
}

/// The panel's own command, which owns a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PanelLimitStep {
    /// The command's program and arguments.
    pub argv: Vec<String>,
    /// The same command with the value before; none where that cannot be told.
    pub undo: Option<Vec<String>>,
    /// Every effective value that changes by it.
    pub effects: Vec<LimitEffect>,
    /// Why.
    pub causes: Vec<StepCause>,
}

impl Plan {
    /// Whether there is anything to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Step {
    /// It as an edit, if it is one.
    #[must_use]
    pub const fn as_edit(&self) -> Option<&FileEdit> {
        if let Self::Edit(edit) = self { Some(edit) } else { None }
    }

    /// It as a service action, if it is one.
    #[must_use]
    pub const fn as_action(&self) -> Option<&ServiceAction> {
        if let Self::Action(action) = self { Some(action) } else { None }
    }

    /// It as a change of panel access, if it is one.
    #[must_use]
    pub const fn as_panel_access(&self) -> Option<&PanelAccessStep> {
        if let Self::PanelAccess(step) = self { Some(step) } else { None }
    }

    /// It as a change of who may reach services, if it is one.
    #[must_use]
    pub const fn as_firewall(&self) -> Option<&FirewallStep> {
        if let Self::Firewall(step) = self { Some(step) } else { None }
    }

    /// Whether it waits until a change of who may reach services is confirmed.
    #[must_use]
    pub const fn is_after_confirmation(&self) -> bool {
        matches!(self, Self::Boot(_) | Self::Retire(_))
    }

    /// Whether it is about who may reach services, before or after a confirmation.
    #[must_use]
    pub const fn is_of_firewall(&self) -> bool {
        matches!(self, Self::Firewall(_) | Self::Boot(_) | Self::Retire(_))
    }

    /// The effective values that change by this step.
    #[must_use]
    pub fn effects(&self) -> &[LimitEffect] {
        match self {
            Self::Edit(edit) => &edit.effects,
            Self::Panel(panel) => &panel.effects,
            Self::Action(_) | Self::PanelAccess(_) | Self::Firewall(_) | Self::Boot(_) | Self::Retire(_) => {
                &[]
            }
        }
    }
}
