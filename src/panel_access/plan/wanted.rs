//! What the manifest wants of each account, and which of its names the host lacks.

use std::collections::HashMap;

use super::{AccessDecidedBy, MOST, PanelAccessPart};
use crate::failure::{Diagnostic, declared_at};
use crate::model::{Declared, PanelAccess, PanelLogin};
use crate::panel_access::accounts::{AccountList, MailAccount};
use crate::panel_access::nearest;

/// Most names that near ones are looked for.
const MOST_NEAR: usize = 20;

/// What the manifest wants of each account.
pub(super) struct WantedAccess<'a> {
    wants: &'a PanelAccess,
    /// What holds for the accounts of each domain that are not named.
    domains: Vec<Option<AccessDecidedBy<'a>>>,
    /// The named accounts of each domain, by the name before the `@`.
    named: HashMap<&'a str, HashMap<&'a str, usize>>,
    /// The named accounts, in order, and whether each is on the host.
    accounts: Vec<(&'a str, &'a Declared<PanelLogin>, FoundAccount)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FoundAccount {
    No,
    Yes,
}

impl<'a> WantedAccess<'a> {
    pub(super) fn new(wants: &'a PanelAccess, accounts: &AccountList) -> Self {
        let domains = (accounts.domains().iter())
            .map(|domain| {
                let own = wants.domains.get(&domain.canonical).map(AccessDecidedBy::Domain);
                own.or(wants.default.as_ref().map(AccessDecidedBy::Default))
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
                .map(|(account, declared)| (account.as_str(), declared, FoundAccount::No))
                .collect(),
        }
    }

    pub(super) fn of(&mut self, account: &MailAccount<'_>) -> Option<AccessDecidedBy<'a>> {
        if let Some(names) = self.named.get(account.domain.canonical.as_str()) {
            let name = account.name.to_ascii_lowercase();
            let place = std::str::from_utf8(&name).ok().and_then(|n| names.get(n));
            if let Some(place) = place
                && let Some((_, declared, found)) = self.accounts.get_mut(*place)
            {
                *found = FoundAccount::Yes;
                return Some(AccessDecidedBy::Account(declared));
            }
        }
        self.domains.get(account.place).copied().flatten()
    }

    /// Reports what the host lacks.
    pub(super) fn missing(&self, accounts: &AccountList, part: &mut PanelAccessPart) {
        let domains = accounts.domains();
        let domain_there = |name: &str| domains.iter().any(|domain| domain.canonical == name);
        let near_domain = |name: &str| nearest(name, domains.iter().map(|d| d.canonical.as_str()));
        let mut lacks: Vec<(Diagnostic, &Declared<PanelLogin>)> = Vec::new();
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
            if *found == FoundAccount::Yes {
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
