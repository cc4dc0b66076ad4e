//! What is not done about panel access and why, or is worth a look.

use serde::{Deserialize, Serialize};

use super::step::AccountProblem;
use crate::failure::Diagnostic;

/// Something about panel access that is not done, or worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum PanelAccessNote {
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
}
