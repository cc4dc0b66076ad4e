//! Which accounts differ from the manifest, and what keeps them from being changed.

mod refusals;
mod wanted;

use std::collections::BTreeMap;

use self::refusals::{RefusedAccounts, remembered, vendor, within};
use self::wanted::WantedAccess;
use super::observed::ObservedPanelAccess;
use crate::capability::PartNote;
use crate::capability::SafetyOverrides;
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker};
use crate::model::{Declared, Desired, MissingAccounts, PanelLogin};
use crate::panel_access::note::PanelAccessNote;
use crate::panel_access::step::{
    AccountAct, AccountChange, AccountProblem, PanelAccessCause, PanelAccessStep,
};

/// Most messages of one kind; beyond these only their number.
const MOST: usize = 200;

/// What panel access adds to a plan.
#[derive(Debug, Default)]
pub struct PanelAccessPart {
    /// Steps, by domain and direction.
    pub steps: Vec<PanelAccessStep>,
    /// What is left alone, or worth a look.
    pub notes: Vec<PartNote<PanelAccessNote>>,
    /// What keeps the plan from being made.
    pub blockers: Vec<PlanBlocker>,
}

/// Why an account is to have an access.
#[derive(Clone, Copy)]
enum AccessDecidedBy<'a> {
    Account(&'a Declared<PanelLogin>),
    Domain(&'a Declared<PanelLogin>),
    Default(&'a Declared<PanelLogin>),
}

impl AccessDecidedBy<'_> {
    const fn access(self) -> PanelLogin {
        match self {
            Self::Account(declared) | Self::Domain(declared) | Self::Default(declared) => declared.value,
        }
    }
}

/// Accounts that are left alone for one reason.
#[derive(Default)]
struct LeftAccounts {
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
    observed: Option<&ObservedPanelAccess>,
    allowed: &SafetyOverrides,
    deadline: std::time::Duration,
) -> PanelAccessPart {
    let mut part = PanelAccessPart::default();
    let wants = &desired.panel_access;
    let Some(observed) = observed.filter(|_| !wants.decides_nothing()) else {
        return part;
    };
    let accounts = match &observed.accounts {
        Ok(accounts) => accounts,
        Err(unread) => {
            let what = "the accounts' panel access cannot be read";
            let diagnostic = Diagnostic::new(what).because(unread.to_string()).hint(unread.hint());
            part.block(PlanBlocked::Unknown, diagnostic);
            return part;
        }
    };
    let mut wanted = WantedAccess::new(wants, accounts);
    let mut left: BTreeMap<AccountProblem, LeftAccounts> = BTreeMap::new();
    let mut steps: BTreeMap<(usize, AccountAct), PanelAccessStep> = BTreeMap::new();
    let mut refused = RefusedAccounts::default();
    let mut changes = 0_usize;
    for account in accounts.iter() {
        let Some(by) = wanted.of(&account) else {
            continue;
        };
        if let Some(problem) = account.problem {
            match by {
                AccessDecidedBy::Account(declared) => refused.add(&account, problem, declared),
                AccessDecidedBy::Domain(_) | AccessDecidedBy::Default(_) => {
                    let left = left.entry(problem).or_default();
                    left.accounts.push(account.address());
                    match (account.state.access(), by.access()) {
                        (PanelLogin::Granted, PanelLogin::Denied) => left.keep += 1,
                        (PanelLogin::Denied, PanelLogin::Granted) => left.lack += 1,
                        (PanelLogin::Granted, PanelLogin::Granted)
                        | (PanelLogin::Denied, PanelLogin::Denied) => {}
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
        let step = steps.entry((account.place, act)).or_insert_with(|| PanelAccessStep {
            domain: account.domain.name.clone(),
            access: by.access(),
            act,
            count: 0,
            accounts: Vec::new(),
            causes: Vec::new(),
            how: None,
        });
        step.count += 1;
        step.accounts.push(AccountChange { account: account.address(), id: account.id, from: account.state });
        because(step, by);
    }
    refused.blockers(&mut part);
    wanted.missing(accounts, &mut part);
    for (reason, mut left) in left {
        left.accounts.sort();
        part.notes.push(PartNote::Own(PanelAccessNote::AccountsLeftAlone {
            reason,
            count: left.accounts.len(),
            keep: left.keep,
            lack: left.lack,
            accounts: left.accounts,
        }));
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
fn because(step: &mut PanelAccessStep, by: AccessDecidedBy<'_>) {
    let cause = match by {
        AccessDecidedBy::Default(declared) => PanelAccessCause::Default { origin: declared.origin.clone() },
        AccessDecidedBy::Domain(declared) => PanelAccessCause::Domain { origin: declared.origin.clone() },
        AccessDecidedBy::Account(declared) => {
            let line = declared.origin.line;
            for cause in &mut step.causes {
                if let PanelAccessCause::Accounts { layer, lines } = cause
                    && *layer == declared.origin.layer
                {
                    if let Err(at) = lines.binary_search(&line) {
                        lines.insert(at, line);
                    }
                    return;
                }
            }
            PanelAccessCause::Accounts { layer: declared.origin.layer.clone(), lines: vec![line] }
        }
    };
    if !step.causes.contains(&cause) {
        step.causes.push(cause);
    }
}

impl PanelAccessPart {
    fn block(&mut self, kind: PlanBlocked, diagnostic: Diagnostic) {
        self.blockers.push(PlanBlocker { kind, diagnostic });
    }

    fn lack(&mut self, kind: Option<MissingAccounts>, lack: Diagnostic) {
        match kind {
            None | Some(MissingAccounts::Error) => {
                let lack = match lack.hint {
                    Some(_) => lack,
                    None => lack.hint(
                        "take it out, or let `missing = \"note\"` in `[panel_access]` make this a note",
                    ),
                };
                self.block(PlanBlocked::Manifest, lack);
            }
            Some(MissingAccounts::Note) => {
                self.notes.push(PartNote::Own(PanelAccessNote::Missing(Box::new(lack))))
            }
        }
    }
}
