//! Gives accounts back what they had before the run, as far as the database shows that it can be given back.

use super::after::renamed;
use super::look::AccountLook;
use super::{SideEffects, first, told};
use crate::engine::undo::BroughtBack;
use crate::engine::{ApplyFailure, ApplyRun};
use crate::failure::Diagnostic;
use crate::host::WriteHost;
use crate::panel_access::accounts::{AccountDifference, AccountList};
use crate::panel_access::probe::{self, AccountDetails, CommandEffect, FormerUser};
use crate::plan::{AccountAct, AccountChange, PanelAccessStep};

impl ApplyRun<'_> {
    /// Gives back what accounts had before this run, and tells of each step, and of all else, whether that
    /// was seen to be so.
    pub(in crate::engine) fn undo_accounts(
        &mut self,
        host: &mut dyn WriteHost,
    ) -> (Vec<(usize, BroughtBack)>, BroughtBack) {
        let tried: Vec<(usize, PanelAccessStep)> = (self.access.tried.iter())
            .filter_map(|(index, count)| {
                let mut step = self.plan.steps.get(*index)?.as_panel_access()?.clone();
                step.accounts.truncate(*count);
                Some((*index, step))
            })
            .collect();
        if tried.is_empty() {
            return (Vec::new(), BroughtBack::Yes);
        }
        let now = match self.accounts_now(host) {
            Ok(now) => now,
            Err(failed) => return (self.not_known(&tried, failed), BroughtBack::Yes),
        };
        let given = match self.access.others {
            SideEffects::Untouched => self.give_back(host, &tried, &now),
            SideEffects::Changed => CommandGiven::Nothing,
        };
        let now = match given {
            CommandGiven::Nothing => now,
            CommandGiven::Some => match self.accounts_now(host) {
                Ok(now) => now,
                Err(failed) => return (self.not_known(&tried, failed), BroughtBack::Yes),
            },
        };
        let mut left = Vec::new();
        let mut undone = Vec::new();
        for (index, step) in &tried {
            let mut back = BroughtBack::Yes;
            for change in &step.accounts {
                let (was, is) = (self.planned(change.id), now.details(change.id));
                // What the panel did to a spoiled account may show in more than what was read.
                let renamed = (now.get(change.id)).and_then(|is| renamed(&change.account, &is));
                if let Some(renamed) = renamed {
                    back = BroughtBack::No;
                    left.push(renamed);
                }
                if is != was || self.access.spoiled == Some(change.id) {
                    back = BroughtBack::No;
                    left.push(differs(change, &now, &was, &is));
                }
            }
            undone.push((*index, back));
        }
        if !left.is_empty() {
            let what = format!("accounts that are not as they were: {}", left.len());
            self.outcome.messages.push(Diagnostic::new(what).because(first(&left)));
        }
        let others: Vec<String> = (self.beside_the_plan(&now).iter())
            .filter(|difference| difference.is_of_old())
            .map(AccountDifference::words)
            .collect();
        if others.is_empty() {
            return (undone, BroughtBack::Yes);
        }
        let what = format!(
            "accounts and panel users that this run was not to change, and that are not as they were: {}",
            others.len()
        );
        self.outcome.messages.push(Diagnostic::new(what).because(first(&others)));
        (undone, BroughtBack::No)
    }

    fn not_known(
        &mut self,
        tried: &[(usize, PanelAccessStep)],
        why: ApplyFailure,
    ) -> Vec<(usize, BroughtBack)> {
        self.outcome.messages.extend(why.messages);
        let names: Vec<&str> = (tried.iter())
            .flat_map(|(_, step)| step.accounts.iter())
            .map(|change| change.account.as_str())
            .collect();
        let what = format!("accounts whose state is not known now: {}", names.len());
        let told = Diagnostic::new(what)
            .because(first(&names))
            .hint("apply again when the panel's database answers");
        self.outcome.messages.push(told);
        tried.iter().map(|(index, _)| (*index, BroughtBack::No)).collect()
    }

    /// Runs the opposite command for each account that has what this run gave it, in reverse. What somebody
    /// else made of one is not taken back.
    fn give_back(
        &mut self,
        host: &mut dyn WriteHost,
        tried: &[(usize, PanelAccessStep)],
        now: &AccountList,
    ) -> CommandGiven {
        let mut given = CommandGiven::Nothing;
        for (_, step) in tried.iter().rev() {
            let Some(vendor) = &step.how else { continue };
            for change in step.accounts.iter().rev() {
                let has = now.details(change.id);
                if !self.is_ours(change, step, &has) {
                    continue;
                }
                given = CommandGiven::Some;
                let access = step.access.other();
                let look = AccountLook::Some(vec![change.id], has.user());
                let (ended, seen) = self.give(host, vendor, &change.account, access, &look);
                if let Err(failure) = ended {
                    self.outcome.messages.extend(failure.messages);
                    // A panel that does not answer is not asked another thousand times.
                    return given;
                }
                let Ok(seen) = seen else { return given };
                let (is, user) = (seen.account(change.id), seen.user(has.user()));
                match probe::judge(&change.account, &has, &is, access, user) {
                    CommandEffect::AsExpected => {}
                    // The look at all of them tells it.
                    CommandEffect::Nothing => return given,
                    CommandEffect::Otherwise { surprise, seen } => {
                        self.remember(host, opposite(step.act), surprise);
                        let what = format!("{} is not as it was", change.account);
                        self.outcome.messages.push(Diagnostic::new(what).because(seen));
                        return given;
                    }
                }
            }
        }
        given
    }

    /// Whether an account has what this run gave it.
    fn is_ours(&self, change: &AccountChange, step: &PanelAccessStep, has: &AccountDetails) -> bool {
        let Some(called) = self.access.called.get(&change.id) else {
            return false;
        };
        let (account, access) = (&change.account, step.access);
        let as_given = match &called.after {
            Some(after) => after == has,
            None => true,
        };
        let did = probe::judge(account, &called.before, has, access, FormerUser::There);
        as_given && did == CommandEffect::AsExpected && self.access.spoiled != Some(change.id)
    }
}

/// What undoing an act is to the panel.
const fn opposite(act: AccountAct) -> AccountAct {
    match act {
        AccountAct::Forbid => AccountAct::Permit,
        AccountAct::Permit => AccountAct::Forbid,
        AccountAct::Lock => AccountAct::Unlock,
        AccountAct::Unlock | AccountAct::CreateUser => AccountAct::Lock,
    }
}

/// How an account is another one than before.
fn differs(change: &AccountChange, now: &AccountList, was: &AccountDetails, is: &AccountDetails) -> String {
    let state = now.get(change.id).map(|account| account.state);
    if state == Some(change.from) {
        format!("{}: before: {}; now: {}", change.account, was.words(), is.words())
    } else {
        told(change, state)
    }
}

/// Whether a command was run.
enum CommandGiven {
    Nothing,
    Some,
}
