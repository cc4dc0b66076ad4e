//! Which accounts differ from the manifest, and what keeps them from being changed.

mod refusals;
mod wanted;

use std::collections::BTreeMap;

use self::refusals::{Refused, remembered, vendor, within};
use self::wanted::Wanted;
use super::concerns;
use super::observed::PanelAccounts;
use crate::failure::{Blocked, Blocker, Diagnostic};
use crate::model::{Access, Declared, Desired, Missing};
use crate::plan::{
    AccessCause, AccessStep, AccountAct, AccountChange, AccountProblem, Allowed, Note,
};

/// Most messages of one kind; beyond these only their number.
const MOST: usize = 200;

/// What panel access adds to a plan.
#[derive(Debug, Default)]
pub struct Part {
    /// Steps, by domain and direction.
    pub steps: Vec<AccessStep>,
    /// What is left alone, or worth a look.
    pub notes: Vec<Note>,
    /// What keeps the plan from being made.
    pub blockers: Vec<Blocker>,
}

/// Why an account is to have an access.
#[derive(Clone, Copy)]
enum By<'a> {
    Account(&'a Declared<Access>),
    Domain(&'a Declared<Access>),
    Default(&'a Declared<Access>),
}

impl By<'_> {
    const fn access(self) -> Access {
        match self {
            Self::Account(declared) | Self::Domain(declared) | Self::Default(declared) => {
                declared.value
            }
        }
    }
}

/// Accounts that are left alone for one reason.
#[derive(Default)]
struct Left {
    accounts: Vec<String>,
    /// Those that have access, and should not.
    keep: usize,
    /// Those that should have access, and have not.
    lack: usize,
}

/// Plans what `[panel_access]` needs.
#[must_use]
pub fn plan(
    desired: &Desired,
    observed: Option<&PanelAccounts>,
    allowed: &Allowed,
    deadline: std::time::Duration,
) -> Part {
    let mut part = Part::default();
    let wants = &desired.panel_access;
    let Some(observed) = observed.filter(|_| concerns(wants)) else {
        return part;
    };
    let accounts = match &observed.accounts {
        Ok(accounts) => accounts,
        Err(unread) => {
            let what = "the accounts' panel access cannot be read";
            let diagnostic = Diagnostic::new(what)
                .because(unread.to_string())
                .hint(unread.hint());
            part.block(Blocked::Unknown, diagnostic);
            return part;
        }
    };
    let mut wanted = Wanted::new(wants, accounts);
    let mut left: BTreeMap<AccountProblem, Left> = BTreeMap::new();
    let mut steps: BTreeMap<(usize, AccountAct), AccessStep> = BTreeMap::new();
    let mut refused = Refused::default();
    let mut changes = 0_usize;
    for account in accounts.iter() {
        let Some(by) = wanted.of(&account) else {
            continue;
        };
        if let Some(problem) = account.problem {
            match by {
                By::Account(declared) => refused.add(&account, problem, declared),
                By::Domain(_) | By::Default(_) => {
                    let left = left.entry(problem).or_default();
                    left.accounts.push(account.address());
                    match (account.state.access(), by.access()) {
                        (Access::Granted, Access::Denied) => left.keep += 1,
                        (Access::Denied, Access::Granted) => left.lack += 1,
                        (Access::Granted, Access::Granted) | (Access::Denied, Access::Denied) => {}
                    }
                }
            }
            continue;
        }
        if account.state.access() == by.access() {
            continue;
        }
        changes += 1;
        let act = AccountAct::of(account.state, by.access());
        let step = steps
            .entry((account.place, act))
            .or_insert_with(|| AccessStep {
                domain: account.domain.name.clone(),
                access: by.access(),
                act,
                count: 0,
                accounts: Vec::new(),
                causes: Vec::new(),
                how: None,
            });
        step.count += 1;
        step.accounts.push(AccountChange {
            account: account.address(),
            id: account.id,
            from: account.state,
        });
        because(step, by);
    }
    refused.blockers(&mut part);
    wanted.missing(accounts, &mut part);
    for (reason, mut left) in left {
        left.accounts.sort();
        part.notes.push(Note::AccountsLeftAlone {
            reason,
            count: left.accounts.len(),
            keep: left.keep,
            lack: left.lack,
            accounts: left.accounts,
        });
    }
    if changes > 0 {
        let acts = steps.keys().map(|(_, act)| *act).collect();
        remembered(&observed.memory, acts, allowed, &mut part);
        within(desired, accounts.len(), changes, allowed, &mut part);
        let vendor = vendor(&observed.command, deadline, &mut part);
        for mut step in steps.into_values() {
            step.accounts.sort_by(|a, b| a.account.cmp(&b.account));
            step.how.clone_from(&vendor);
            part.steps.push(step);
        }
    }
    part
}

/// Adds a cause, once; lines of named accounts are gathered by layer.
fn because(step: &mut AccessStep, by: By<'_>) {
    let cause = match by {
        By::Default(declared) => AccessCause::Default {
            origin: declared.origin.clone(),
        },
        By::Domain(declared) => AccessCause::Domain {
            origin: declared.origin.clone(),
        },
        By::Account(declared) => {
            let line = declared.origin.line;
            for cause in &mut step.causes {
                if let AccessCause::Accounts { layer, lines } = cause
                    && *layer == declared.origin.layer
                {
                    if let Err(at) = lines.binary_search(&line) {
                        lines.insert(at, line);
                    }
                    return;
                }
            }
            AccessCause::Accounts {
                layer: declared.origin.layer.clone(),
                lines: vec![line],
            }
        }
    };
    if !step.causes.contains(&cause) {
        step.causes.push(cause);
    }
}

impl Part {
    fn block(&mut self, kind: Blocked, diagnostic: Diagnostic) {
        self.blockers.push(Blocker { kind, diagnostic });
    }

    fn lack(&mut self, kind: Option<Missing>, lack: Diagnostic) {
        match kind {
            None | Some(Missing::Error) => {
                let lack = match lack.hint {
                    Some(_) => lack,
                    None => lack.hint(
                        "take it out, or let `missing = \"note\"` in `[panel_access]` make this a note",
                    ),
                };
                self.block(Blocked::Manifest, lack);
            }
            Some(Missing::Note) => self.notes.push(Note::Missing(Box::new(lack))),
        }
    }
}
