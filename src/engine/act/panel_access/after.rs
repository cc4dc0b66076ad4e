//! The look at all accounts when everything is done: what this run did not do, somebody else has done
//! meanwhile.

use super::super::super::{ApplyFailure, ApplyRun};
use super::{AccountSkip, first};
use crate::engine::observe::Observed;
use crate::failure::Diagnostic;
use crate::panel_access::accounts::{AccountDifference, AccountList, MailAccount};
use crate::panel_access::client::AccountsUnread;
use crate::panel_access::probe::AccountDetails;
use crate::plan::{PanelAccessStep, Step};

/// What others have done to accounts while a run went on.
#[derive(Debug, Default)]
pub(in crate::engine) struct MeanwhileChanges {
    /// Accounts that they removed.
    gone: Vec<String>,
    /// Accounts and users that are others now.
    changed: Vec<String>,
    /// Accounts that they set to what is wanted.
    set: Vec<String>,
    /// Accounts that they made.
    new: Vec<String>,
}

impl MeanwhileChanges {
    /// Whether something is not what it was or was made: then the plan's end is not what was agreed.
    pub(in crate::engine) fn is_other(&self) -> bool {
        !self.gone.is_empty() || !self.changed.is_empty()
    }

    /// What is told of it.
    pub(in crate::engine) fn messages(&self) -> Vec<Diagnostic> {
        let told = |what: &str, which: &[String]| {
            let number = which.len();
            (number > 0).then(|| Diagnostic::new(format!("{what}: {number}")).because(first(which)))
        };
        [
            told("accounts that were removed while this run went on", &self.gone),
            told(
                "accounts and panel users that somebody else changed while this run went on; they are left as they are",
                &self.changed,
            ),
            told(
                "accounts that somebody else set to what the manifest says while this run went on",
                &self.set,
            ),
            told("accounts that were made while this run went on", &self.new),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// What is told of an account that has another address now.
pub(super) fn renamed(was: &str, is: &MailAccount<'_>) -> Option<String> {
    let now = is.address();
    (now != was).then(|| format!("{was} is {now} now"))
}

impl ApplyRun<'_> {
    /// Compares all accounts with what they were before and what this run made of them.
    pub(in crate::engine) fn accounts_meanwhile(
        &self,
        observed: &Observed,
    ) -> Result<MeanwhileChanges, ApplyFailure> {
        let mut meanwhile = MeanwhileChanges::default();
        if self.access.tried.is_empty() {
            return Ok(meanwhile);
        }
        let panel = observed.accounts.as_ref().ok_or(AccountsUnread::NoPlesk)?;
        let now = match &panel.accounts {
            Ok(now) => now,
            Err(unread) => return Err(unread.clone().into()),
        };
        for step in self.access_steps() {
            for change in &step.accounts {
                let is = now.details(change.id);
                let account = &change.account;
                if is == AccountDetails::Gone {
                    meanwhile.gone.push(account.clone());
                    continue;
                }
                let expected = match self.access.passed.get(&change.id) {
                    Some(AccountSkip::Set) if is.access() == Some(step.access) => {
                        meanwhile.set.push(account.clone());
                        continue;
                    }
                    Some(AccountSkip::Set | AccountSkip::Changed) => self.planned(change.id),
                    None => {
                        let called = self.access.called.get(&change.id);
                        let after = called.and_then(|called| called.after.clone());
                        after.unwrap_or_else(|| self.planned(change.id))
                    }
                };
                let renamed = now.get(change.id).and_then(|is| renamed(account, &is));
                meanwhile.changed.extend(renamed);
                if is != expected {
                    let (was, is) = (expected.words(), is.words());
                    let told = format!("{account}: before: {was}; now: {is}");
                    meanwhile.changed.push(told);
                }
            }
        }
        for difference in self.beside_the_plan(now) {
            let words = difference.words();
            match difference {
                AccountDifference::Gone { account, .. } => meanwhile.gone.push(account),
                AccountDifference::New { account, .. } => meanwhile.new.push(account),
                AccountDifference::Account { .. } | AccountDifference::Other { .. } => {
                    meanwhile.changed.push(words);
                }
            }
        }
        Ok(meanwhile)
    }

    /// Whether accounts that this run did not change are others than before.
    pub(in crate::engine) fn accounts_differ(&self, observed: &Observed) -> bool {
        let now = observed.accounts.as_ref();
        let now = now.and_then(|panel| panel.accounts.as_ref().ok());
        now.is_some_and(|now| !self.beside_the_plan(now).is_empty())
    }

    /// What is another one than before the run, beside the accounts of the plan and their users.
    pub(super) fn beside_the_plan(&self, now: &AccountList) -> Vec<AccountDifference> {
        let before = self.observed.accounts.as_ref();
        let Some(before) = before.and_then(|panel| panel.accounts.as_ref().ok()) else {
            return Vec::new();
        };
        let mut differences = AccountList::differences(before, now);
        if differences.is_empty() {
            return differences;
        }
        let planned: std::collections::BTreeSet<u32> =
            (self.access_steps()).flat_map(|step| step.accounts.iter().map(|change| change.id)).collect();
        let users: std::collections::BTreeSet<u32> =
            (planned.iter()).flat_map(|id| [before.details(*id).user(), now.details(*id).user()]).collect();
        differences.retain(|difference| match difference {
            AccountDifference::Account { id, .. } | AccountDifference::Gone { id, .. } => {
                !planned.contains(id)
            }
            AccountDifference::New { .. } => true,
            AccountDifference::Other { user, made_for, .. } => {
                !user.is_some_and(|user| users.contains(&user))
                    && !made_for.is_some_and(|account| planned.contains(&account))
            }
        });
        differences
    }

    fn access_steps(&self) -> impl Iterator<Item = &PanelAccessStep> {
        self.plan.steps.iter().filter_map(Step::as_panel_access)
    }
}
