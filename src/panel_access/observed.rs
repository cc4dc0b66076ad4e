//! What was seen of a panel's accounts, and of the vendor's command that changes them.

use super::accounts::AccountList;
use super::client::AccountsUnread;
use super::command::MailCommand;
use super::memory::{CommandMemory, MemoryUnreadable};
use crate::host::HostCommand;

/// The state of panel access on a host.
#[derive(Debug, Clone)]
pub struct ObservedPanelAccess {
    /// All accounts, or why they cannot be read.
    pub accounts: Result<AccountList, AccountsUnread>,
    /// The database's client that answered, with another input for each question.
    pub client: Option<HostCommand>,
    /// The vendor's command.
    pub command: MailCommand,
    /// What earlier runs saw it do that nobody asked for.
    pub memory: Result<CommandMemory, MemoryUnreadable>,
    /// The version of Plesk.
    pub version: Option<String>,
}

impl ObservedPanelAccess {
    /// Nothing could be asked.
    #[must_use]
    pub fn unread(reason: AccountsUnread) -> Self {
        Self {
            accounts: Err(reason),
            client: None,
            command: MailCommand::NotAsked,
            memory: Ok(CommandMemory::default()),
            version: None,
        }
    }
}
