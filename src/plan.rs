//! The plan: ordered, typed steps with their causes, notes on what is not done, and a fingerprint.
//!
//! A plan is complete data: nothing is left to decide when it is applied. This module holds its nouns; `make`
//! builds one and is pure, `fingerprint` names what a plan does, `stale` compares two.

pub mod fingerprint;
mod note;
pub mod outcome;
pub mod saved;
pub mod stale;

use serde::{Deserialize, Serialize};

pub use self::fingerprint::Fingerprint;
pub use self::note::Note;
pub use crate::capability::CommonNote;
pub use crate::capability::{OverridePermission, SafetyOverrides};
pub use crate::facts::control::ServiceControl;
pub use crate::firewall::note::{DisplacingRules, FirewallNote};
pub use crate::firewall::step::{
    AddressExtent, AllowlistChange, BootHook, BootStep, FilterBackend, FirewallCause, FirewallStep,
    ReachChange, RetireStep,
};
use crate::host::Digest;
pub use crate::limits::action::{
    ActionCost, ActionMethod, ActionVerb, AlsoLiveSessions, Daemon, RunningExpectation, ServiceAction,
};
pub use crate::limits::note::LimitsNote;
pub use crate::limits::step::{
    EditedLine, FileEdit, LimitEffect, LimitSetting, LimitValue, PanelLimitStep, SettingNamed, SkipReason,
    StepCause,
};
pub use crate::model::HostId;
use crate::model::{Desired, HostPath};
pub use crate::panel_access::note::PanelAccessNote;
pub use crate::panel_access::step::{
    AccountAct, AccountChange, AccountProblem, AccountState, CommandSurprise, PanelAccessCause,
    PanelAccessStep,
};

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

impl From<(HostPath, Digest)> for PlanInput {
    fn from((path, digest): (HostPath, Digest)) -> Self {
        Self { path, digest }
    }
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
