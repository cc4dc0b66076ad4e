//! Values as JSON text: what `--format json` prints.

use serde::Serialize;

use crate::firewall::show::ShownFirewall as Access;
use crate::limits::show::LimitEntry;
use crate::panel_access::show::ShownAccounts as Accounts;
use crate::plan::{HostId, Note, Plan};

/// What `show --format json` prints.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(title = "A host as mailward shows it")]
pub struct ShowDocument {
    /// The format's number, 1.
    pub format: u32,
    /// The host.
    pub host: HostId,
    /// One entry a setting.
    pub limits: Vec<LimitEntry>,
    /// A change of access that waits for its confirmation, or what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Note>,
    /// What there is to say of own rules in force that are not those that were confirmed last, or not those
    /// that wait.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Who reaches each mail service, and which rules decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// The panel's mail accounts, where there is a panel and they can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panel_access: Option<Accounts>,
}

/// What `check --format json` prints.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(title = "A drift check of mailward")]
pub struct CheckDocument<'a> {
    /// The format's number, 1.
    pub format: u32,
    /// The one-line summary.
    pub summary: String,
    /// The exit code.
    pub exit: u8,
    /// Accounts that are left alone although the manifest says otherwise of them.
    pub left_alone: LeftAlone,
    /// What would be done, with all notes.
    pub plan: &'a Plan,
}

/// How many accounts are left alone although the manifest says otherwise of them.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct LeftAlone {
    /// They keep access that the manifest denies.
    pub keep: usize,
    /// They lack access that it grants.
    pub lack: usize,
}
