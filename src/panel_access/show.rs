//! The accounts of a host and whether their users may log in, for `show`.

use serde::{Deserialize, Serialize};

use super::accounts::{AccountList, MailAccount};
use crate::model::PanelLogin;
use crate::panel_access::step::AccountProblem;

/// All accounts, and how many each domain has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShownAccounts {
    /// One entry a domain that has accounts, by name.
    pub domains: Vec<DomainEntry>,
    /// One entry an account, by domain and name; empty where accounts are not to be named.
    pub accounts: Vec<AccountEntry>,
}

/// How many accounts a domain has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DomainEntry {
    /// The domain.
    pub domain: String,
    /// Its accounts.
    pub accounts: usize,
    /// Those whose users may log in.
    pub access: usize,
    /// Those that have problems.
    pub problems: usize,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccountEntry {
    /// The address.
    pub account: String,
    /// Its domain.
    pub domain: String,
    /// Whether its user may log in to the panel.
    #[schemars(with = "bool")]
    pub access: PanelLogin,
    /// Why it is never changed, if so.
    pub problems: Vec<AccountProblem>,
}

/// Whether accounts are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountNaming {
    /// They are.
    Named,
    /// They are only counted.
    Counted,
}

/// Counts the accounts by domain, and lists them where they are named.
#[must_use]
pub fn shown(accounts: &AccountList, names: AccountNaming) -> ShownAccounts {
    let mut domains: Vec<DomainEntry> = (accounts.domains().iter())
        .map(|domain| DomainEntry { domain: domain.name.clone(), accounts: 0, access: 0, problems: 0 })
        .collect();
    let mut list: Vec<MailAccount<'_>> = Vec::new();
    for account in accounts.iter() {
        if let Some(domain) = domains.get_mut(account.place) {
            domain.accounts += 1;
            match account.state.access() {
                PanelLogin::Granted => domain.access += 1,
                PanelLogin::Denied => {}
            }
            domain.problems += usize::from(account.problem.is_some());
        }
        match names {
            AccountNaming::Named => list.push(account),
            AccountNaming::Counted => {}
        }
    }
    domains.retain(|domain| domain.accounts > 0);
    list.sort_by(|a, b| (a.place, a.name, a.id).cmp(&(b.place, b.name, b.id)));
    ShownAccounts {
        domains,
        accounts: (list.iter())
            .map(|account| AccountEntry {
                account: account.address(),
                domain: account.domain.name.clone(),
                access: account.state.access(),
                problems: account.problem.into_iter().collect(),
            })
            .collect(),
    }
}
