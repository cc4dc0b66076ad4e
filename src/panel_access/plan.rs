//! Which accounts differ from the manifest, and what keeps them from being changed.

use std::collections::{BTreeMap, HashMap};

use super::accounts::{Account, Accounts};
use super::command::{MailCommand, Vendor};
use super::observed::PanelAccounts;
use super::{concerns, nearest};
use crate::failure::{Blocked, Blocker, Diagnostic};
use crate::limits::declared_at;
use crate::model::{Access, AccountCap, Declared, Desired, Missing, PanelAccess};
use crate::plan::{AccessCause, AccessStep, AccountChange, AccountProblem, Allowed, Note};

/// The share of all accounts that one run may change where the manifest does not say, in percent.
const USUAL_SHARE: u8 = 30;

/// A share allows at least so many.
const LEAST: u32 = 5;

/// Most messages of one kind; beyond these only their number.
const MOST: usize = 200;

/// Most names that near ones are looked for.
const MOST_NEAR: usize = 20;

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
    let mut left: BTreeMap<AccountProblem, Vec<String>> = BTreeMap::new();
    let mut steps: BTreeMap<(usize, Access), AccessStep> = BTreeMap::new();
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
                    left.entry(problem).or_default().push(account.address());
                }
            }
            continue;
        }
        if account.state.access() == by.access() {
            continue;
        }
        changes += 1;
        let step = steps
            .entry((account.place, by.access()))
            .or_insert_with(|| AccessStep {
                domain: account.domain.name.clone(),
                access: by.access(),
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
    for (reason, mut accounts) in left {
        accounts.sort();
        part.notes.push(Note::AccountsLeftAlone {
            reason,
            count: accounts.len(),
            accounts,
        });
    }
    if changes > 0 {
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

/// What the manifest wants of each account.
struct Wanted<'a> {
    wants: &'a PanelAccess,
    /// What holds for the accounts of each domain that are not named.
    domains: Vec<Option<By<'a>>>,
    /// The named accounts of each domain, by the name before the `@`.
    named: HashMap<&'a str, HashMap<&'a str, usize>>,
    /// The named accounts, in order, and whether each is on the host.
    accounts: Vec<(&'a str, &'a Declared<Access>, Found)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    No,
    Yes,
}

impl<'a> Wanted<'a> {
    fn new(wants: &'a PanelAccess, accounts: &Accounts) -> Self {
        let domains = (accounts.domains().iter())
            .map(|domain| {
                let own = wants.domains.get(&domain.canonical).map(By::Domain);
                own.or(wants.default.as_ref().map(By::Default))
            })
            .collect();
        let mut named: HashMap<&str, HashMap<&str, usize>> = HashMap::new();
        for (place, account) in wants.accounts.keys().enumerate() {
            let (name, domain) = account.rsplit_once('@').unwrap_or((account, ""));
            named.entry(domain).or_default().insert(name, place);
        }
        Self {
            wants,
            domains,
            named,
            accounts: (wants.accounts.iter())
                .map(|(account, declared)| (account.as_str(), declared, Found::No))
                .collect(),
        }
    }

    fn of(&mut self, account: &Account<'_>) -> Option<By<'a>> {
        if let Some(names) = self.named.get(account.domain.canonical.as_str()) {
            let name = account.name.to_ascii_lowercase();
            let place = std::str::from_utf8(&name).ok().and_then(|n| names.get(n));
            if let Some(place) = place
                && let Some((_, declared, found)) = self.accounts.get_mut(*place)
            {
                *found = Found::Yes;
                return Some(By::Account(declared));
            }
        }
        self.domains.get(account.place).copied().flatten()
    }

    /// Reports what the host lacks.
    fn missing(&self, accounts: &Accounts, part: &mut Part) {
        let domains = accounts.domains();
        let domain_there = |name: &str| domains.iter().any(|domain| domain.canonical == name);
        let near_domain = |name: &str| nearest(name, domains.iter().map(|d| d.canonical.as_str()));
        let mut lacks: Vec<(Diagnostic, &Declared<Access>)> = Vec::new();
        for (name, declared) in &self.wants.domains {
            if domain_there(name) {
                continue;
            }
            let mut lack = Diagnostic::new(format!("this host has no domain {name}"));
            if lacks.len() < MOST_NEAR
                && let Some(near) = near_domain(name)
            {
                lack = lack.hint(format!("did you mean {near}?"));
            }
            lacks.push((lack, declared));
        }
        let mut near = 0;
        for (account, declared, found) in &self.accounts {
            if *found == Found::Yes {
                continue;
            }
            let mut lack = Diagnostic::new(format!("this host has no mail account {account}"));
            near += 1;
            let (name, domain) = account.rsplit_once('@').unwrap_or((account, ""));
            if !domain_there(domain) {
                lack = lack.because(format!("it has no domain {domain}"));
                if let Some(other) = near_domain(domain).filter(|_| near <= MOST_NEAR) {
                    lack = lack.hint(format!("did you mean {name}@{other}?"));
                }
            } else if near <= MOST_NEAR {
                let names = (accounts.iter())
                    .filter(|account| account.domain.canonical == domain)
                    .filter_map(|account| std::str::from_utf8(account.name).ok());
                if let Some(other) = nearest(name, names) {
                    lack = lack.hint(format!("did you mean {other}@{domain}?"));
                }
            }
            lacks.push((lack, declared));
        }
        let kind = self.wants.missing.as_ref().map(|missing| missing.value);
        let all = lacks.len();
        for (lack, declared) in lacks.into_iter().take(MOST) {
            let lack = lack.at(declared_at(&declared.origin));
            part.lack(kind, lack);
        }
        if all > MOST {
            let more = all - MOST;
            let what = format!("{more} more names of the manifest are not on this host");
            part.lack(kind, Diagnostic::new(what));
        }
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
            Some(Missing::Note) => self.notes.push(Note::Advice(Box::new(lack))),
        }
    }
}

/// Named accounts that are not simply mail users.
#[derive(Default)]
struct Refused {
    first: Vec<Diagnostic>,
    more: usize,
}

impl Refused {
    fn add(&mut self, account: &Account<'_>, problem: AccountProblem, by: &Declared<Access>) {
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

    fn blockers(self, part: &mut Part) {
        for diagnostic in self.first {
            part.block(Blocked::Refused, diagnostic);
        }
        if self.more > 0 {
            let what = format!("{} more named accounts are not changed either", self.more);
            part.block(Blocked::Refused, Diagnostic::new(what));
        }
    }
}

/// Refuses more changes than one run may make.
fn within(desired: &Desired, all: usize, changes: usize, allowed: &Allowed, part: &mut Part) {
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
    let mut diagnostic = Diagnostic::new(what).hint(format!(
        "see whether that is meant; `--allow account-changes={changes}` allows it for once"
    ));
    if let Some(declared) = declared {
        diagnostic = diagnostic.at(declared_at(&declared.origin));
    }
    let why = match declared {
        Some(_) => format!("the manifest allows {rule}"),
        None => format!("without `max_account_changes` it is {rule}, and at least {LEAST}"),
    };
    part.block(Blocked::Refused, diagnostic.because(why));
}

/// The vendor's command, or a blocker where it is not known how to call it.
fn vendor(command: &MailCommand, deadline: std::time::Duration, part: &mut Part) -> Option<Vendor> {
    let (why, hint) = match command {
        MailCommand::Spelled(program, option) => {
            return Some(Vendor {
                program: program.clone(),
                option,
                deadline,
            });
        }
        MailCommand::NotAsked => ("it was not asked for its options".to_owned(), None),
        MailCommand::Missing(paths) => {
            let paths: Vec<&str> = paths.iter().map(crate::model::HostPath::as_str).collect();
            (format!("there is no {}", paths.join(" and no ")), None)
        }
        MailCommand::WithoutOption(program) => (
            format!("`{program} --help` lists neither -cp-access nor -cp_access"),
            Some(program),
        ),
        MailCommand::Silent(program, why) => (format!("{program}: {why}"), Some(program)),
    };
    let hint = hint.map_or_else(
        || "see whether Plesk is installed whole".to_owned(),
        |program| format!("see what `{program} --help` prints on the host"),
    );
    let what = "it is not known how the panel's command changes the access of an account";
    part.block(
        Blocked::Unknown,
        Diagnostic::new(what).because(why).hint(hint),
    );
    None
}
