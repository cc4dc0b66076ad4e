//! Changes panel access, one account after the other, by the vendor's command; judges by the database, never
//! by what the command says. Its output is not shown: that of old releases may hold passwords.
//!
//! Each account is read right before and right after its own change. Around the first change of each kind all
//! accounts are, so that nothing is done to others unseen, and at the end they are again.

mod after;
mod look;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

use self::look::AccountLook;
use super::super::{ApplyFailure, ApplyRun, RunWatcher, interrupted};
use crate::failure::Diagnostic;
use crate::host::{CommandEnding, CommandOutput, HostCommand, OperationResult, ReadHost, WriteHost};
use crate::model::PanelLogin;
use crate::panel_access::accounts::{AccountDifference, AccountList};
use crate::panel_access::memory::SeenEffect;
use crate::panel_access::probe::{self, AccountDetails, CommandEffect};
use crate::plan::outcome::StepState;
use crate::plan::{AccountAct, AccountChange, AccountState, CommandSurprise, PanelAccessStep};

/// How far accounts have been changed.
#[derive(Debug, Default)]
pub(in crate::engine) struct AccountsProgress {
    /// By step, how many of its accounts were come to, in order.
    tried: BTreeMap<usize, usize>,
    /// The accounts that the command was run for.
    called: BTreeMap<u32, CalledAccount>,
    /// The accounts that it was not run for after all.
    passed: BTreeMap<u32, AccountSkip>,
    /// The kinds of acts that were seen to do what they should, and nothing else.
    probed: BTreeSet<AccountActKind>,
    /// The account that the panel did something unexpected to: nothing more is done to it.
    spoiled: Option<u32>,
    /// Whether the command was seen to change other accounts: then it is not run again.
    others: SideEffects,
}

/// An account that the command was run for.
#[derive(Debug, Clone)]
struct CalledAccount {
    /// Right before.
    before: AccountDetails,
    /// Right after; none where that could not be read.
    after: Option<AccountDetails>,
}

/// Why the command was not run for an account of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AccountSkip {
    /// Somebody else has set it to what is wanted.
    Set,
    /// Somebody else has made something else of it, or removed it.
    Changed,
}

/// What the command was seen to do to accounts that it was not run for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum SideEffects {
    #[default]
    Untouched,
    Changed,
}

/// What a change of one account came to.
struct AccountResult {
    kind: AccountActKind,
    /// How the command ended.
    given: Result<(), ApplyFailure>,
    /// The account right after.
    after: AccountDetails,
    did: CommandEffect,
    /// What is another one beside it.
    others: Vec<String>,
}

/// Acts that are one and the same thing to the panel, as far as can be told.
type AccountActKind = (AccountAct, PermissionLink);

/// Whether an account has permissions of its own, or a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PermissionLink {
    Yes,
    No,
}

fn kind(act: AccountAct, before: &AccountDetails) -> AccountActKind {
    let linked = match before {
        AccountDetails::Permission { link: 0, .. }
        | AccountDetails::User { link: 0, .. }
        | AccountDetails::Gone => PermissionLink::No,
        AccountDetails::Permission { .. } | AccountDetails::User { .. } => PermissionLink::Yes,
    };
    (act, linked)
}

impl ApplyRun<'_> {
    /// Makes all changes of panel access.
    pub(in crate::engine) fn change_accounts(
        &mut self,
        host: &mut dyn WriteHost,
        watch: &mut dyn RunWatcher,
    ) -> Result<(), ApplyFailure> {
        let steps: Vec<(usize, PanelAccessStep)> = (self.plan.steps.iter().enumerate())
            .filter_map(|(index, step)| Some((index, step.as_panel_access()?.clone())))
            .collect();
        let ids: Vec<u32> =
            (steps.iter()).flat_map(|(_, step)| step.accounts.iter().map(|change| change.id)).collect();
        let mut done = 0;
        let mut ahead = None;
        for (index, step) in steps {
            interrupted(watch)?;
            watch.begins(&self.plan.steps[index]);
            for (place, change) in step.accounts.iter().enumerate() {
                interrupted(watch)?;
                self.outcome.steps[index].state = StepState::Failed;
                self.access.tried.insert(index, place + 1);
                done += 1;
                let next = ids.get(done).copied();
                ahead = self.change_account(host, &step, change, ahead, next)?;
                watch.progress(done, ids.len());
            }
            self.outcome.steps[index].state = StepState::Done;
        }
        Ok(())
    }

    /// Changes one account, and gives what is known of the next one, which was read in the same message.
    fn change_account(
        &mut self,
        host: &mut dyn WriteHost,
        step: &PanelAccessStep,
        change: &AccountChange,
        ahead: Option<AccountDetails>,
        next: Option<u32>,
    ) -> Result<Option<AccountDetails>, ApplyFailure> {
        let Some(vendor) = &step.how else {
            let what = "it is not known how the panel's command changes an account";
            return Err(Diagnostic::new(what).into());
        };
        let (before, mut all) = self.before(host, step.act, change.id, ahead)?;
        if let Some(passed) = self.passes(change, &before, step.access) {
            self.access.passed.insert(change.id, passed);
            return Ok(None);
        }
        let kind = kind(step.act, &before);
        let look = if self.access.probed.contains(&kind) {
            let ids: Vec<u32> = [change.id].into_iter().chain(next).collect();
            AccountLook::Some(ids, before.user())
        } else {
            if all.is_none() {
                all = Some(self.accounts_now(host)?);
            }
            AccountLook::All
        };
        let (given, seen) = self.give(host, vendor, &change.account, step.access, &look);
        let called = CalledAccount {
            before: before.clone(),
            after: seen.as_ref().ok().map(|seen| seen.account(change.id)),
        };
        self.access.called.insert(change.id, called);
        let seen = match (given.is_ok(), seen) {
            (_, Ok(seen)) => seen,
            (true, Err(unread)) => return Err(unread),
            (false, Err(_)) => return given.map(|()| None),
        };
        let others = match (&all, seen.all()) {
            (Some(before), Some(now)) => self.beside(change.id, before, now),
            (_, _) => Vec::new(),
        };
        let after = seen.account(change.id);
        let user = seen.user(before.user());
        let did = probe::judge(&change.account, &before, &after, step.access, user);
        let result = AccountResult { kind, given, after, did, others };
        self.judge_change(host, change, result)?;
        Ok(next.map(|next| seen.account(next)))
    }

    /// An account right before its change, with all others where they were read for it.
    fn before(
        &self,
        host: &dyn ReadHost,
        act: AccountAct,
        account: u32,
        ahead: Option<AccountDetails>,
    ) -> Result<(AccountDetails, Option<AccountList>), ApplyFailure> {
        if let Some(before) = ahead {
            return Ok((before, None));
        }
        if self.access.probed.iter().any(|(probed, _)| *probed == act) {
            return Ok((self.looked(host, &[account])?.account(account), None));
        }
        let all = self.accounts_now(host)?;
        Ok((all.details(account), Some(all)))
    }

    /// Takes a change for what the database shows of it; a failure where the run cannot go on.
    fn judge_change(
        &mut self,
        host: &mut dyn WriteHost,
        change: &AccountChange,
        result: AccountResult,
    ) -> Result<(), ApplyFailure> {
        let AccountResult { kind, given, after, did, others } = result;
        let (act, _) = kind;
        if !others.is_empty() {
            self.access.others = SideEffects::Changed;
            self.remember(host, act, CommandSurprise::OtherAccounts);
        }
        match did {
            CommandEffect::AsExpected if others.is_empty() => {
                given?;
                if self.access.probed.insert(kind) {
                    self.forget(host, act);
                }
                Ok(())
            }
            // Between the look at it and its turn somebody has removed it, and the command found nothing.
            CommandEffect::Otherwise { surprise: CommandSurprise::AccountGone, .. }
                if given.is_err() && others.is_empty() =>
            {
                self.access.called.remove(&change.id);
                self.access.passed.insert(change.id, AccountSkip::Changed);
                Ok(())
            }
            CommandEffect::Nothing if others.is_empty() => {
                given?;
                Err(Diagnostic::new(format!(
                    "the panel's command says that it changed {}, and did not",
                    change.account
                ))
                .because(format!("the database says: {}", after.words()))
                .into())
            }
            did => {
                let mut failed = (given.err()).unwrap_or_else(ApplyFailure::told_elsewhere);
                if let CommandEffect::Otherwise { surprise, seen } = did {
                    self.access.spoiled = Some(change.id);
                    self.remember(host, act, surprise);
                    let told = self.something_else(change, act, seen);
                    failed.messages.push(told);
                }
                if !others.is_empty() {
                    failed.messages.push(beside(change, &others));
                }
                Err(failed)
            }
        }
    }

    /// Why the command is not run for an account of the plan, if it is not.
    fn passes(
        &self,
        change: &AccountChange,
        before: &AccountDetails,
        access: PanelLogin,
    ) -> Option<AccountSkip> {
        if *before == AccountDetails::Gone {
            return Some(AccountSkip::Changed);
        }
        if before.access() == Some(access) {
            return Some(AccountSkip::Set);
        }
        // What it is now may be nothing that may be changed: another's user, or a customer's.
        (*before != self.planned(change.id)).then_some(AccountSkip::Changed)
    }

    /// An account as it was planned for.
    fn planned(&self, id: u32) -> AccountDetails {
        let panel = self.observed.accounts.as_ref();
        panel
            .and_then(|panel| panel.accounts.as_ref().ok())
            .map_or(AccountDetails::Gone, |accounts| accounts.details(id))
    }

    /// What is another one beside an account, between the reads around its change.
    fn beside(&self, account: u32, before: &AccountList, now: &AccountList) -> Vec<String> {
        let users = [before.details(account).user(), now.details(account).user()];
        let renamed = match (before.get(account), now.get(account)) {
            (Some(was), Some(is)) => after::renamed(&was.address(), &is),
            (_, _) => None,
        };
        let beside = AccountList::differences(before, now)
            .iter()
            .filter(|difference| match difference {
                AccountDifference::Account { id, .. } | AccountDifference::Gone { id, .. } => *id != account,
                // People make accounts at any time; this command makes none.
                AccountDifference::New { .. } => false,
                // Its user belonged to no account before, or does not any more; its permissions were made.
                AccountDifference::Other { user, made_for, .. } => {
                    !user.is_some_and(|user| users.contains(&user)) && *made_for != Some(account)
                }
            })
            .map(AccountDifference::words)
            .collect::<Vec<_>>();
        renamed.into_iter().chain(beside).collect()
    }

    fn something_else(&self, change: &AccountChange, act: AccountAct, seen: String) -> Diagnostic {
        let first = !self.access.probed.iter().any(|(probed, _)| *probed == act);
        let what = format!(
            "the panel did something else to {} than give or take its panel access, and that cannot be undone",
            change.account
        );
        Diagnostic::new(what).because(seen).hint(if first {
            "it was the first account of this kind, and no other was changed; look at it in the panel"
        } else {
            "no other account was changed after it; look at it in the panel"
        })
    }

    /// Keeps on the host what the command did, so that the next run does not do it to another account.
    fn remember(&mut self, host: &mut dyn WriteHost, act: AccountAct, surprise: CommandSurprise) {
        let run = self.outcome.run.clone().unwrap_or_default();
        let Some(panel) = &mut self.observed.accounts else {
            return;
        };
        let version = panel.version.clone();
        let mut memory = panel.memory.clone().unwrap_or_default();
        memory.remember(SeenEffect { act, surprise, version, run });
        panel.memory = Ok(memory.clone());
        let kept = match memory.keep() {
            Ok(keep) => host.write(&[keep], &[]).map(|_| ()).map_err(|error| Diagnostic::of(&error)),
            Err(error) => Err(Diagnostic::of(&error)),
        };
        if let Err(why) = kept {
            let what = "what the panel's command did could not be written down on the host";
            let told = Diagnostic::new(what)
                .because(why.what)
                .hint("do not let the next run start by itself: it would try the command at another account");
            self.outcome.messages.push(told);
        }
    }

    /// An act does what it should now: what was seen of it before is forgotten.
    fn forget(&mut self, host: &mut dyn WriteHost, act: AccountAct) {
        let Some(panel) = &mut self.observed.accounts else {
            return;
        };
        let Ok(memory) = &mut panel.memory else {
            return;
        };
        if memory.of(act).is_none() {
            return;
        }
        memory.forget(act);
        if let Ok(keep) = memory.keep()
            && let Err(error) = host.write(&[keep], &[])
        {
            self.outcome.messages.push(Diagnostic::of(&error));
        }
    }
}

/// What is told where the command changed other accounts.
fn beside(change: &AccountChange, others: &[String]) -> Diagnostic {
    let what = format!(
        "the panel's command was run for {}, and more was another one after it: {}",
        change.account,
        others.len()
    );
    Diagnostic::new(what)
        .because(first(others))
        .hint("the command is not run again, neither for other accounts nor to give anything back; look at these in the panel")
}

fn told(change: &AccountChange, now: Option<AccountState>) -> String {
    let words = now.map_or("gone", AccountState::words);
    format!("{} is {words} (it was {})", change.account, change.from.words())
}

/// Accounts of one kind that are named in a message.
const NAMED: usize = 20;

/// The first few of what may be thousands, and the number of the others.
pub(in crate::engine) fn first<T: AsRef<str>>(told: &[T]) -> String {
    let named: Vec<&str> = told.iter().take(NAMED).map(AsRef::as_ref).collect();
    let named = named.join("; ");
    match told.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more, which `mailward show --accounts` lists"),
    }
}

/// How the vendor's command ended.
fn given(command: &HostCommand, done: Option<&OperationResult>) -> Result<(), ApplyFailure> {
    match done {
        Some(OperationResult::Ran(CommandOutput { end: CommandEnding::Code(0), .. })) => Ok(()),
        Some(OperationResult::Ran(output)) => Err(ended(command, output.end).into()),
        Some(OperationResult::Quietly | OperationResult::Awaited(_)) | None => {
            Err(Diagnostic::new(format!("it is not known what became of `{}`", super::line(command))).into())
        }
    }
}

fn ended(command: &HostCommand, end: CommandEnding) -> Diagnostic {
    super::how_it_ended(command, end).because("what it printed is not shown, since it may hold a password")
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
