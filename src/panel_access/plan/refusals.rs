//! What keeps accounts from being changed: they are not simply mail users, they are too many, or it is not
//! known how.

use std::collections::BTreeSet;

use super::{MOST, PanelAccessPart};
use crate::capability::{OverridePermission, SafetyOverrides};
use crate::failure::{Diagnostic, PlanBlocked, declared_at};
use crate::model::printable;
use crate::model::{AccountCap, Declared, Desired, HostPath, PanelLogin};
use crate::panel_access::accounts::MailAccount;
use crate::panel_access::command::{MailCommand, VendorCommand};
use crate::panel_access::memory::{self, CommandMemory, MemoryUnreadable};
use crate::panel_access::step::{AccountAct, AccountProblem};

/// The share of all accounts that one run may change where the manifest does not say, in percent.
const USUAL_SHARE: u8 = 30;

/// A share allows at least so many.
const LEAST: u32 = 5;

/// Named accounts that are not simply mail users.
#[derive(Default)]
pub(super) struct RefusedAccounts {
    first: Vec<Diagnostic>,
    more: usize,
}

impl RefusedAccounts {
    pub(super) fn add(
        &mut self,
        account: &MailAccount<'_>,
        problem: AccountProblem,
        by: &Declared<PanelLogin>,
    ) {
        if self.first.len() >= MOST {
            self.more += 1;
            return;
        }
        let what = format!("the panel access of {} is not changed", account.address());
        let diagnostic = Diagnostic::new(what)
            .at(declared_at(&by.origin))
            .because(problem.words())
            .hint("set it in the panel itself, and take it out of `[panel_access.accounts]`");
        self.first.push(diagnostic);
    }

    pub(super) fn blockers(self, part: &mut PanelAccessPart) {
        for diagnostic in self.first {
            part.block(PlanBlocked::Refused, diagnostic);
        }
        if self.more > 0 {
            let what = format!("{} more named accounts are not changed either", self.more);
            part.block(PlanBlocked::Refused, Diagnostic::new(what));
        }
    }
}

/// Refuses more changes than one run may make.
pub(super) fn within(
    desired: &Desired,
    all: usize,
    changes: usize,
    allowed: &SafetyOverrides,
    part: &mut PanelAccessPart,
) {
    let declared = desired.safety.max_account_changes.as_ref();
    let cap = declared.map_or(AccountCap::Percent(USUAL_SHARE), |declared| declared.value);
    let (most, rule) = match cap {
        AccountCap::Accounts(number) => (number as usize, number.to_string()),
        AccountCap::Percent(share) => {
            let part = (all * usize::from(share)).div_ceil(100);
            (part.max(LEAST as usize), format!("{share}% of {all}"))
        }
    };
    let once = allowed.account_changes.map_or(0, |number| number as usize);
    if changes <= most.max(once) {
        return;
    }
    let what = format!("{changes} accounts would change, and one run may change {most}");
    let mut diagnostic = Diagnostic::new(what)
        .hint(format!("see whether that is meant; `--allow account-changes={changes}` allows it for once"));
    if let Some(declared) = declared {
        diagnostic = diagnostic.at(declared_at(&declared.origin));
    }
    let why = match declared {
        Some(_) => format!("the manifest allows {rule}"),
        None => format!("without `max_account_changes` it is {rule}, and at least {LEAST}"),
    };
    part.block(PlanBlocked::Refused, diagnostic.because(why));
}

/// Refuses what the panel's command was seen to do wrong, before the first account.
pub(super) fn remembered(
    memory: &Result<CommandMemory, MemoryUnreadable>,
    acts: BTreeSet<AccountAct>,
    allowed: &SafetyOverrides,
    part: &mut PanelAccessPart,
) {
    if allowed.panel_command == OverridePermission::Given {
        return;
    }
    let memory = match memory {
        Ok(memory) => memory,
        Err(forgotten) => {
            let what = "it is not known what earlier runs saw the panel's command do";
            let hint = format!(
                "see what became of {0}; without it the next run tries the command at one account again: `rm {0}`",
                printable::quoted(memory::path().as_str())
            );
            let diagnostic = Diagnostic::new(what).because(forgotten.to_string());
            part.block(PlanBlocked::Unknown, diagnostic.hint(hint));
            return;
        }
    };
    for act in acts {
        let Some(seen) = memory.of(act) else { continue };
        let what = format!("the panel's command is not run to {}", act.words());
        let why =
            format!("the run {} saw that it {}, with this version of Plesk", seen.run, seen.surprise.words());
        let hint = format!(
            "set these accounts in the panel itself and take them out of the manifest; `--allow panel-command` tries the \
             command at one account again; another version of Plesk forgets it, and so does `rm {}`",
            printable::quoted(memory::path().as_str())
        );
        part.block(PlanBlocked::Refused, Diagnostic::new(what).because(why).hint(hint));
    }
}

/// The vendor's command, or a blocker where it is not known how to call it.
pub(super) fn vendor(
    command: &MailCommand,
    deadline: std::time::Duration,
    part: &mut PanelAccessPart,
) -> Option<VendorCommand> {
    let (why, hint) = match command {
        MailCommand::Spelled(program, option) => {
            return Some(VendorCommand { program: program.clone(), option, deadline });
        }
        MailCommand::NotAsked => ("it was not asked for its options".to_owned(), None),
        MailCommand::Missing(paths) => {
            let paths: Vec<&str> = paths.iter().map(HostPath::as_str).collect();
            (format!("there is no {}", paths.join(" and no ")), None)
        }
        MailCommand::WithoutOption(program) => {
            (format!("`{program} --help` lists neither -cp-access nor -cp_access"), Some(program))
        }
        MailCommand::Silent(program, why) => (format!("{program}: {why}"), Some(program)),
    };
    let hint = hint.map_or_else(
        || "see whether Plesk is installed whole".to_owned(),
        |program| format!("see what `{program} --help` prints on the host"),
    );
    let what = "it is not known how the panel's command changes the access of an account";
    part.block(PlanBlocked::Unknown, Diagnostic::new(what).because(why).hint(hint));
    None
}
