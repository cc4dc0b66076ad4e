//! What was seen of a panel's accounts, and of the vendor's command that changes them.

use super::accounts::Accounts;
use super::client::Unread;
use super::command::MailCommand;
use super::memory::{Forgotten, Memory};
use crate::host::Command;

/// The state of panel access on a host.
#[derive(Debug, Clone)]
pub struct PanelAccounts {
    /// All accounts, or why they cannot be read.
    pub accounts: Result<Accounts, Unread>,
    /// The database's client that answered, with another input for each question.
    pub client: Option<Command>,
    /// The vendor's command.
    pub command: MailCommand,
    /// What earlier runs saw it do that nobody asked for.
    pub memory: Result<Memory, Forgotten>,
    /// The version of Plesk.
    pub version: Option<String>,
}

impl PanelAccounts {
    /// Nothing could be asked.
    #[must_use]
    pub fn unread(reason: Unread) -> Self {
        Self {
            accounts: Err(reason),
            client: None,
            command: MailCommand::NotAsked,
            memory: Ok(Memory::default()),
            version: None,
        }
    }
}
