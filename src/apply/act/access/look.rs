//! Looks at accounts around a change: at all of them, or at a few in detail.

use std::time::Duration;

use super::super::super::{ApplyFailure, Running};
use super::given;
use crate::failure::Diagnostic;
use crate::host::batch::{self, Answers, Batch};
use crate::host::{Act, Command, Output, ReadHost, WriteHost};
use crate::model::Access;
use crate::panel_access::accounts::Accounts;
use crate::panel_access::client::{self, Unread};
use crate::panel_access::command::Vendor;
use crate::panel_access::probe::{self, Asked, Details, Looked};
use crate::panel_access::sql::Depth;

/// What is looked at after a change, in the same message.
pub(super) enum Look {
    /// All accounts.
    All,
    /// Some accounts, and whether the user with a number is there.
    Some(Vec<u32>, u32),
}

/// What was seen.
pub(super) enum Seen {
    All(Box<Accounts>),
    Some(Looked),
}

impl Seen {
    pub(super) fn account(&self, id: u32) -> Details {
        match self {
            Self::All(accounts) => accounts.details(id),
            Self::Some(looked) => looked.account(id),
        }
    }

    pub(super) fn user(&self, id: u32) -> Asked {
        match self {
            Self::All(accounts) if accounts.has_other_user(id) => Asked::There,
            Self::All(_) => Asked::Gone,
            Self::Some(looked) => looked.user(id),
        }
    }

    pub(super) fn all(&self) -> Option<&Accounts> {
        match self {
            Self::All(accounts) => Some(accounts),
            Self::Some(_) => None,
        }
    }
}

impl Running<'_> {
    /// Runs the vendor's command for one account, and looks at once.
    pub(super) fn give(
        &self,
        host: &mut dyn WriteHost,
        vendor: &Vendor,
        account: &str,
        access: Access,
        look: &Look,
    ) -> (Result<(), ApplyFailure>, Result<Seen, ApplyFailure>) {
        let command = vendor.give(account, access);
        let mut batch = Batch::default();
        let ticket = match look {
            // All of them may take long, and are a message of their own.
            Look::All => None,
            Look::Some(..) => match self.question(look, Some(vendor.deadline)) {
                Ok(question) => Some(batch.output(question)),
                Err(unknown) => return (Err(unknown), Err(ApplyFailure::told_elsewhere())),
            },
        };
        match host.write(&[Act::Run(command.clone())], batch.requests()) {
            Ok(written) => {
                let seen = match ticket {
                    None => self.look(host, look),
                    Some(ticket) => Answers::new(written.replies)
                        .take(ticket)
                        .map_err(ApplyFailure::from)
                        .and_then(|output| Ok(read(output, look)?)),
                };
                (given(&command, written.done.first()), seen)
            }
            Err(error) => (Err(error.into()), Err(ApplyFailure::told_elsewhere())),
        }
    }

    /// Some accounts in detail, as they are now.
    pub(super) fn looked(
        &self,
        host: &dyn ReadHost,
        accounts: &[u32],
    ) -> Result<Looked, ApplyFailure> {
        match self.look(host, &Look::Some(accounts.to_vec(), 0))? {
            Seen::Some(looked) => Ok(looked),
            Seen::All(_) => Ok(Looked::default()),
        }
    }

    /// All accounts as they are now.
    pub(super) fn accounts_now(&self, host: &dyn ReadHost) -> Result<Accounts, ApplyFailure> {
        match self.look(host, &Look::All)? {
            Seen::All(accounts) => Ok(*accounts),
            Seen::Some(_) => Err(Unread::NoPlesk.into()),
        }
    }

    fn look(&self, host: &dyn ReadHost, look: &Look) -> Result<Seen, ApplyFailure> {
        let question = self.question(look, None)?;
        let output = batch::ask(host, |batch| batch.output(question))?;
        Ok(read(output, look)?)
    }

    /// The question; a few accounts are read in no time, and may take no longer than the change itself.
    fn question(&self, look: &Look, deadline: Option<Duration>) -> Result<Command, ApplyFailure> {
        let panel = self.observed.accounts.as_ref();
        let mut question = panel
            .and_then(|panel| match look {
                Look::All => Some(client::again(panel.client.as_ref()?, Depth::Whole)),
                Look::Some(accounts, user) => {
                    let users = Some(*user).filter(|user| *user != 0);
                    probe::question(panel, accounts, users.as_slice())
                }
            })
            .ok_or_else(|| {
                let what = "it is not known how the panel's database is asked";
                ApplyFailure::from(Diagnostic::new(what))
            })?;
        question.deadline = deadline.unwrap_or(question.deadline);
        Ok(question)
    }
}

fn read(output: Output, look: &Look) -> Result<Seen, Unread> {
    Ok(match look {
        Look::All => Seen::All(Box::new(client::accounts(output, Depth::Whole)?)),
        Look::Some(..) => Seen::Some(probe::looked(output)?),
    })
}
