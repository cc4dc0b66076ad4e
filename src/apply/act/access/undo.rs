//! Gives accounts back what they had before the run, as far as the database shows that it can be given back.

use super::{first, give, told};
use crate::apply::undo::Back;
use crate::apply::{Failed, Running};
use crate::failure::Diagnostic;
use crate::host::WriteHost;
use crate::panel_access::accounts::Accounts;
use crate::plan::AccessStep;

impl Running<'_> {
    /// Gives back what accounts had before this run, and tells of each step whether that was seen to be so.
    pub(in crate::apply) fn undo_accounts<H: WriteHost + ?Sized>(
        &mut self,
        host: &mut H,
    ) -> Vec<(usize, Back)> {
        let tried: Vec<(usize, AccessStep)> = (self.access.tried.iter())
            .filter_map(|(index, count)| {
                let mut step = self.plan.steps.get(*index)?.as_panel_access()?.clone();
                step.accounts.truncate(*count);
                Some((*index, step))
            })
            .collect();
        if tried.is_empty() {
            return Vec::new();
        }
        let now = match self.accounts_now(host) {
            Ok(now) => now,
            Err(failed) => return self.not_known(&tried, failed),
        };
        let given = self.give_back(host, &tried, &now);
        let now = match given {
            Given::Nothing => now,
            Given::Some => match self.accounts_now(host) {
                Ok(now) => now,
                Err(failed) => return self.not_known(&tried, failed),
            },
        };
        let mut left = Vec::new();
        let mut undone = Vec::new();
        for (index, step) in &tried {
            let mut back = Back::Yes;
            if self.is_other(host, step) {
                back = Back::No;
            }
            for change in &step.accounts {
                let state = now.get(change.id).map(|account| account.state);
                // What the panel did to a spoiled account shows in more than its state.
                if state != Some(change.from) || self.access.spoiled == Some(change.id) {
                    back = Back::No;
                    left.push(told(change, state));
                }
            }
            undone.push((*index, back));
        }
        if !left.is_empty() {
            let what = format!("accounts that are not as they were: {}", left.len());
            self.outcome
                .messages
                .push(Diagnostic::new(what).because(first(&left)));
        }
        undone
    }

    /// Whether a probed account has another user now than before the run, or its user another role: giving back may do
    /// something else than was asked, too.
    fn is_other<H: WriteHost + ?Sized>(&mut self, host: &H, step: &AccessStep) -> bool {
        let mut other = false;
        for change in &step.accounts {
            let Some(before) = self.access.before.get(&change.id) else {
                continue;
            };
            if before.user() == 0 || self.access.spoiled == Some(change.id) {
                continue;
            }
            let why = match self.details(host, change.id, 0) {
                Ok(now) if now.is_same(before) => continue,
                Ok(now) => vec![
                    Diagnostic::new(format!("{} is not as it was", change.account))
                        .because(format!("before: {}; now: {}", before.words(), now.words())),
                ],
                Err(Failed(why)) => why,
            };
            self.outcome.messages.extend(why);
            other = true;
        }
        other
    }

    fn not_known(&mut self, tried: &[(usize, AccessStep)], why: Failed) -> Vec<(usize, Back)> {
        self.outcome.messages.extend(why.0);
        let names: Vec<&str> = (tried.iter())
            .flat_map(|(_, step)| step.accounts.iter())
            .map(|change| change.account.as_str())
            .collect();
        let what = format!("accounts whose state is not known now: {}", names.len());
        let told = Diagnostic::new(what)
            .because(first(&names))
            .hint("apply again when the panel's database answers");
        self.outcome.messages.push(told);
        tried.iter().map(|(index, _)| (*index, Back::No)).collect()
    }

    /// Runs the opposite command for each account that has what this run gave it, in reverse.
    fn give_back<H: WriteHost + ?Sized>(
        &mut self,
        host: &mut H,
        tried: &[(usize, AccessStep)],
        now: &Accounts,
    ) -> Given {
        let mut given = Given::Nothing;
        for (_, step) in tried.iter().rev() {
            let Some(vendor) = &step.how else { continue };
            for change in step.accounts.iter().rev() {
                let state = now.get(change.id).map(|account| account.state);
                let ours = state == Some(change.from.given(step.access));
                if !ours || self.access.spoiled == Some(change.id) {
                    continue;
                }
                given = Given::Some;
                if let Err(Failed(messages)) =
                    give(host, vendor, &change.account, step.access.other())
                {
                    self.outcome.messages.extend(messages);
                    // A panel that does not answer is not asked another thousand times.
                    return given;
                }
            }
        }
        given
    }
}

/// Whether a command was run.
enum Given {
    Nothing,
    Some,
}
