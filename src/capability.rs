//! What all capabilities have in common: what each is given beside what it knows itself, and what any may say.

use serde::{Deserialize, Serialize};

use crate::failure::Diagnostic;

/// What the command line allows a plan beyond the safety rules, for once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SafetyOverrides {
    /// So many accounts may change.
    pub account_changes: Option<u32>,
    /// The panel's command may be tried again that was seen to do something else than it should.
    pub panel_command: OverridePermission,
    /// Inbound mail may be cut.
    pub inbound_mail: OverridePermission,
    /// Plesk's firewall may be applied beside Docker.
    pub docker: OverridePermission,
    /// Own rules of which nothing is written down any more may be taken for what was confirmed.
    pub own_rules: OverridePermission,
}

impl SafetyOverrides {
    /// What was allowed when a change was applied need not be allowed again to look at it.
    #[must_use]
    pub(crate) const fn everything() -> Self {
        Self {
            account_changes: Some(u32::MAX),
            panel_command: OverridePermission::Given,
            inbound_mail: OverridePermission::Given,
            docker: OverridePermission::Given,
            // It was taken over when the change began.
            own_rules: OverridePermission::Withheld,
        }
    }
}

/// Whether something is allowed for once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OverridePermission {
    /// It is.
    Given,
    /// It is not.
    #[default]
    Withheld,
}

/// Something worth a look that is of no one capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum CommonNote {
    /// Advice on the manifest itself.
    Advice(#[schemars(with = "serde_json::Value")] Box<Diagnostic>),
    /// Anything else worth a word, in one sentence.
    Remark {
        /// The sentence.
        text: String,
    },
}

/// A note of one capability, or one that any may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartNote<N> {
    /// Its own.
    Own(N),
    /// Any other.
    Common(CommonNote),
}

impl<N> PartNote<N> {
    /// Anything else worth a word, in one sentence.
    pub fn remark(text: impl Into<String>) -> Self {
        Self::Common(CommonNote::Remark { text: text.into() })
    }
}
