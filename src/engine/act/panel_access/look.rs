//! Looks at accounts around a change: at all of them, or at a few in detail.

use std::time::Duration;

use super::super::super::{ApplyFailure, ApplyRun};
use super::given;
use crate::failure::Diagnostic;
use crate::host::batch::{self, Answers, Batch};
use crate::host::{CommandOutput, HostCommand, HostOperation, ReadHost, WriteHost};
use crate::model::PanelLogin;
use crate::panel_access::accounts::AccountList;
use crate::panel_access::client::{self, AccountsUnread};
use crate::panel_access::command::VendorCommand;
use crate::panel_access::probe::{self, AccountDetails, FormerUser, LookedAccounts};
use crate::panel_access::sql::ReadDepth;

/// What is looked at after a change, in the same message.
pub(super) enum AccountLook {
    /// All accounts.
    All,
    /// Some accounts, and whether the user with a number is there.
    Some(Vec<u32>, u32),
}

/// What was seen.
pub(super) enum AccountSeen {
    All(Box<AccountList>),
    Some(LookedAccounts),
}

impl AccountSeen {
    pub(super) fn account(&self, id: u32) -> AccountDetails {
        match self {
            Self::All(accounts) => accounts.details(id),
            Self::Some(looked) => looked.account(id),
        }
    }

    pub(super) fn user(&self, id: u32) -> FormerUser {
        match self {
            Self::All(accounts) if accounts.has_other_user(id) => FormerUser::There,
            Self::All(_) => FormerUser::Gone,
            Self::Some(looked) => looked.user(id),
        }
    }

    pub(super) fn all(&self) -> Option<&AccountList> {
        match self {
            Self::All(accounts) => Some(accounts),
            Self::Some(_) => None,
        }
    }
}

impl ApplyRun<'_> {
    /// Runs the vendor's command for one account, and looks at once.
    pub(super) fn give(
        &self,
        host: &mut dyn WriteHost,
        vendor: &VendorCommand,
        account: &str,
        access: PanelLogin,
        look: &AccountLook,
    ) -> (Result<(), ApplyFailure>, Result<AccountSeen, ApplyFailure>) {
        let command = vendor.give(account, access);
        let mut batch = Batch::default();
        let ticket = match look {
            // All of them may take long, and are a message of their own.
            AccountLook::All => None,
            AccountLook::Some(..) => match self.question(look, Some(vendor.deadline)) {
                Ok(question) => Some(batch.output(question)),
                Err(unknown) => return (Err(unknown), Err(ApplyFailure::told_elsewhere())),
            },
        };
        match host.write(&[HostOperation::Run(command.clone())], batch.requests()) {
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
    ) -> Result<LookedAccounts, ApplyFailure> {
        match self.look(host, &AccountLook::Some(accounts.to_vec(), 0))? {
            AccountSeen::Some(looked) => Ok(looked),
            AccountSeen::All(_) => Ok(LookedAccounts::default()),
        }
    }

    /// All accounts as they are now.
    pub(super) fn accounts_now(&self, host: &dyn ReadHost) -> Result<AccountList, ApplyFailure> {
        match self.look(host, &AccountLook::All)? {
            AccountSeen::All(accounts) => Ok(*accounts),
            AccountSeen::Some(_) => Err(AccountsUnread::NoPlesk.into()),
        }
    }

    fn look(&self, host: &dyn ReadHost, look: &AccountLook) -> Result<AccountSeen, ApplyFailure> {
        let question = self.question(look, None)?;
        let output = batch::ask(host, |batch| batch.output(question))?;
        Ok(read(output, look)?)
    }

    /// The question; a few accounts are read in no time, and may take no longer than the change itself.
    fn question(&self, look: &AccountLook, deadline: Option<Duration>) -> Result<HostCommand, ApplyFailure> {
        let panel = self.observed.accounts.as_ref();
        let mut question = panel
            .and_then(|panel| match look {
                AccountLook::All => Some(client::again(panel.client.as_ref()?, ReadDepth::Whole)),
                AccountLook::Some(accounts, user) => {
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

fn read(output: CommandOutput, look: &AccountLook) -> Result<AccountSeen, AccountsUnread> {
    Ok(match look {
        AccountLook::All => AccountSeen::All(Box::new(client::accounts(output, ReadDepth::Whole)?)),
        AccountLook::Some(..) => AccountSeen::Some(probe::looked(output)?),
    })
}
