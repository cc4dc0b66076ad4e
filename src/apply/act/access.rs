//! Changes panel access, one account after the other, by the vendor's command; judges by the database, never by what the
//! command says. Its output is not shown: that of old releases may hold passwords.

mod undo;

use std::collections::{BTreeMap, BTreeSet};

use super::super::outcome::StepState;
use super::super::{Failed, Running, Watch, interrupted};
use crate::failure::Diagnostic;
use crate::host::batch::{Answers, Batch};
use crate::host::{Act, Command, Done, End, Output, WriteHost};
use crate::model::Access;
use crate::observe::{self, Observed};
use crate::panel_access::accounts::Accounts;
use crate::panel_access::client::Unread;
use crate::panel_access::command::Vendor;
use crate::panel_access::probe::{self, Details, Did};
use crate::plan::{AccessStep, AccountChange, AccountState, Step};

/// How far accounts have been changed.
#[derive(Debug, Default)]
pub(in crate::apply) struct Progress {
    /// By step, how many of its accounts were tried, in order.
    tried: BTreeMap<usize, usize>,
    /// The directions that a probe has shown to do what they should.
    probed: BTreeSet<Access>,
    /// The probed accounts as they were before.
    before: BTreeMap<u32, Details>,
    /// The account that the panel did something unexpected to: nothing more is done to it.
    spoiled: Option<u32>,
}

fn is_gone(details: Details) -> bool {
    details == Details::Gone
}

fn failed(error: &dyn std::error::Error) -> Failed {
    Failed(vec![Diagnostic::of(error)])
}

impl Running<'_> {
    /// Makes all changes of panel access.
    pub(in crate::apply) fn change_accounts<H: WriteHost + ?Sized>(
        &mut self,
        host: &mut H,
        watch: &mut dyn Watch,
    ) -> Result<(), Failed> {
        let steps: Vec<(usize, AccessStep)> = (self.plan.steps.iter().enumerate())
            .filter_map(|(index, step)| Some((index, step.as_panel_access()?.clone())))
            .collect();
        let all = steps.iter().map(|(_, step)| step.accounts.len()).sum();
        let mut done = 0;
        for (index, step) in steps {
            interrupted(watch)?;
            watch.begins(&self.plan.steps[index]);
            for (place, change) in step.accounts.iter().enumerate() {
                interrupted(watch)?;
                self.outcome.steps[index].state = StepState::Failed;
                self.access.tried.insert(index, place + 1);
                self.change_account(host, &step, change)?;
                done += 1;
                watch.progress(done, all);
            }
            self.outcome.steps[index].state = StepState::Done;
        }
        Ok(())
    }

    fn change_account<H: WriteHost + ?Sized>(
        &mut self,
        host: &mut H,
        step: &AccessStep,
        change: &AccountChange,
    ) -> Result<(), Failed> {
        let Some(vendor) = &step.how else {
            let what = "it is not known how the panel's command changes an account";
            return Err(Failed(vec![Diagnostic::new(what)]));
        };
        if self.access.probed.contains(&step.access) {
            let given = give(host, vendor, &change.account, step.access);
            // A run may take hours, in which somebody may remove an account: the look at the end tells it.
            return match given {
                Err(_) if self.details(host, change.id, 0).is_ok_and(is_gone) => Ok(()),
                given => given,
            };
        }
        let before = self.details(host, change.id, 0)?;
        if before == Details::Gone {
            return Ok(());
        }
        let given = give(host, vendor, &change.account, step.access);
        let after = self.details(host, change.id, before.user());
        self.access.before.insert(change.id, before.clone());
        let after = match (&given, after) {
            (Ok(()), after) => after?,
            (Err(_), Ok(after)) => after,
            (Err(_), Err(_)) => return given,
        };
        match probe::judge(&change.account, &before, &after, step.access) {
            Did::AsExpected => {
                given?;
                self.access.probed.insert(step.access);
                Ok(())
            }
            Did::Nothing => {
                given?;
                Err(Failed(vec![
                    Diagnostic::new(format!(
                        "the panel's command says that it changed {}, and did not",
                        change.account
                    ))
                    .because(format!("the database says: {}", after.words())),
                ]))
            }
            Did::Otherwise(seen) => {
                self.access.spoiled = Some(change.id);
                let mut failed = given.err().unwrap_or_else(|| Failed(Vec::new()));
                failed.0.push(
                    Diagnostic::new(format!(
                        "the panel did something else to {} than give or take its panel access, and that cannot be undone",
                        change.account
                    ))
                    .because(seen)
                    .hint("it was the first account of this kind, and no other was changed; look at it in the panel"),
                );
                Err(failed)
            }
        }
    }

    /// One account in detail.
    fn details<H: WriteHost + ?Sized>(
        &self,
        host: &H,
        account: u32,
        user: u32,
    ) -> Result<Details, Failed> {
        let question = (self.observed.accounts.as_ref())
            .and_then(|panel| probe::question(panel, account, user));
        let Some(question) = question else {
            let what = "it is not known how the panel's database is asked";
            return Err(Failed(vec![Diagnostic::new(what)]));
        };
        let mut batch = Batch::default();
        let ticket = batch.output(question);
        let output = batch
            .read(host)
            .and_then(|mut answers: Answers| answers.output(ticket))
            .map_err(|error| failed(&error))?;
        probe::details(output).map_err(|error| failed(&error))
    }

    /// All accounts as they are now.
    fn accounts_now<H: WriteHost + ?Sized>(&self, host: &H) -> Result<Accounts, Failed> {
        let facts = crate::facts::Facts::read(host).map_err(|error| failed(&error))?;
        let panel = observe::accounts(host, &facts).map_err(|error| failed(&error))?;
        panel.accounts.map_err(|error| failed(&error))
    }

    /// Whether each account that this run changed is what it should be; gives those that somebody has removed since.
    pub(in crate::apply) fn accounts_took(
        &mut self,
        observed: &Observed,
    ) -> Result<Vec<String>, Failed> {
        let mut gone = Vec::new();
        if self.access.tried.is_empty() {
            return Ok(gone);
        }
        let accounts = match &observed.accounts {
            Some(panel) => panel.accounts.as_ref().map_err(|error| failed(error))?,
            None => return Err(failed(&Unread::NoPlesk)),
        };
        let mut left = Vec::new();
        for (index, step) in self.plan.steps.iter().enumerate() {
            let Step::PanelAccess(step) = step else {
                continue;
            };
            for change in &step.accounts {
                let Some(now) = accounts.get(change.id).map(|account| account.state) else {
                    gone.push(change.account.clone());
                    continue;
                };
                if now != change.from.given(step.access) {
                    self.outcome.steps[index].state = StepState::Failed;
                    left.push(told(change, Some(now)));
                }
            }
        }
        if left.is_empty() {
            return Ok(gone);
        }
        let what = format!(
            "accounts that are not what the panel's command said it made of them: {}",
            left.len()
        );
        let told = Diagnostic::new(what).because(first(&left));
        Err(Failed(vec![told]))
    }

    /// Whether accounts that this run did not change are others than before.
    pub(in crate::apply) fn accounts_differ(&self, observed: &Observed) -> bool {
        let read = |observed: &Observed| {
            let panel = observed.accounts.as_ref()?;
            panel.accounts.as_ref().ok().map(seen)
        };
        let (Some(mut before), Some(mut now)) = (read(&self.observed), read(observed)) else {
            return false;
        };
        for step in &self.plan.steps {
            if let Step::PanelAccess(step) = step {
                for change in &step.accounts {
                    if now.remove(&change.id).is_some() {
                        before.remove(&change.id);
                    }
                }
            }
        }
        before != now
    }
}

/// Every account's state, by number.
fn seen(accounts: &Accounts) -> BTreeMap<u32, AccountState> {
    accounts
        .iter()
        .map(|account| (account.id, account.state))
        .collect()
}

fn told(change: &AccountChange, now: Option<AccountState>) -> String {
    let words = now.map_or("gone", AccountState::words);
    format!(
        "{} is {words} (it was {})",
        change.account,
        change.from.words()
    )
}

/// Accounts of one kind that are named in a message.
const NAMED: usize = 20;

/// The first few of what may be thousands, and the number of the others.
pub(in crate::apply) fn first<T: AsRef<str>>(told: &[T]) -> String {
    let named: Vec<&str> = told.iter().take(NAMED).map(AsRef::as_ref).collect();
    let named = named.join("; ");
    match told.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more, which `mailward show --accounts` lists"),
    }
}

/// Runs the vendor's command for one account.
fn give<H: WriteHost + ?Sized>(
    host: &mut H,
    vendor: &Vendor,
    account: &str,
    access: Access,
) -> Result<(), Failed> {
    let command = vendor.give(account, access);
    let written = host
        .write(&[Act::Run(command.clone())], &[])
        .map_err(|error| failed(&error))?;
    match written.done.first() {
        Some(Done::Ran(Output {
            end: End::Code(0), ..
        })) => Ok(()),
        Some(Done::Ran(output)) => Err(Failed(vec![ended(&command, output.end)])),
        Some(Done::Quietly | Done::Awaited(_)) | None => Err(Failed(vec![Diagnostic::new(
            format!("it is not known what became of `{}`", super::line(&command)),
        )])),
    }
}

fn ended(command: &Command, end: End) -> Diagnostic {
    super::how_it_ended(command, end)
        .because("what it printed is not shown, since it may hold a password")
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn of_thousands_the_first_few_are_named() {
        let all: Vec<String> = (0..5000).map(|n| format!("user{n}@b.jp")).collect();
        assert_eq!(first(&all[..2]), "user0@b.jp; user1@b.jp");
        let told = first(&all);
        assert!(told.len() < 400, "{told}");
        assert!(told.contains("user19@b.jp; and 4980 more, "), "{told}");
    }
}
