//! Compares all accounts at two moments: nothing that the panel's command did to any of them may go unseen.

use std::collections::{BTreeMap, BTreeSet};

use super::{AccountList, AccountRow, MailAccount, OtherLogin};
use crate::model::address;
use crate::panel_access::probe::AccountDetails;

/// Something that is another one than before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountDifference {
    /// An account is another one, in its state, its user or its permissions.
    Account {
        /// Its number.
        id: u32,
        /// What is to be told.
        told: String,
    },
    /// An account is gone.
    Gone {
        /// Its number.
        id: u32,
        /// Its address.
        account: String,
    },
    /// An account is new.
    New {
        /// Its number.
        id: u32,
        /// Its address.
        account: String,
    },
    /// A user of the panel that belongs to no account, or a permission beside an account's access.
    Other {
        /// The user's number, where it is one.
        user: Option<u32>,
        /// The account that has the permission now, and had none of that number before.
        made_for: Option<u32>,
        /// What is to be told.
        told: String,
    },
}

impl AccountDifference {
    /// The account's number, where it is about one.
    #[must_use]
    pub const fn account(&self) -> Option<u32> {
        match self {
            Self::Account { id, .. } | Self::Gone { id, .. } | Self::New { id, .. } => Some(*id),
            Self::Other { .. } => None,
        }
    }

    /// Whether something that was there is another one, or gone: people make new accounts at any time, and
    /// the panel's command for panel access makes none.
    #[must_use]
    pub const fn is_of_old(&self) -> bool {
        match self {
            Self::Account { .. } | Self::Gone { .. } | Self::Other { .. } => true,
            Self::New { .. } => false,
        }
    }

    /// In a few words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Account { told, .. } | Self::Other { told, .. } => told.clone(),
            Self::Gone { account, .. } => format!("{account} is gone"),
            Self::New { account, .. } => format!("{account} is new"),
        }
    }
}

impl AccountList {
    /// What is another one now than in `before`; both must have been read whole.
    #[must_use]
    pub fn differences(before: &Self, now: &Self) -> Vec<AccountDifference> {
        let mut differences = Vec::new();
        let (mut old, mut new) = (before.rows.iter().peekable(), now.rows.iter().peekable());
        loop {
            let next = match (old.peek(), new.peek()) {
                (Some(was), Some(is)) if was.id == is.id => (old.next(), new.next()),
                (Some(was), Some(is)) if was.id < is.id => (old.next(), None),
                (Some(_), None) => (old.next(), None),
                (_, Some(_)) => (None, new.next()),
                (None, None) => break,
            };
            differences.extend(match next {
                (Some(was), Some(is)) => between(before, was, now, is),
                (Some(was), None) => before
                    .account(was)
                    .map(|account| AccountDifference::Gone { id: was.id, account: shown(&account) }),
                (None, Some(is)) => now
                    .account(is)
                    .map(|account| AccountDifference::New { id: is.id, account: shown(&account) }),
                (None, None) => None,
            });
        }
        others(before, now, &mut differences);
        differences
    }
}

/// An account's address; quoted where blanks in its name could be taken for its end.
fn shown(account: &MailAccount<'_>) -> String {
    match address::is_safe_name(account.name) {
        true => account.address(),
        false => format!("{:?}", account.address()),
    }
}

fn between(
    before: &AccountList,
    was: &AccountRow,
    now: &AccountList,
    is: &AccountRow,
) -> Option<AccountDifference> {
    let domain = |accounts: &AccountList, row: &AccountRow| {
        let domain = accounts.domains.get(row.domain as usize);
        domain.map(|domain| domain.name.clone())
    };
    if before.rest(was) == now.rest(is) && domain(before, was) == domain(now, is) {
        return None;
    }
    let (old, new) = (before.account(was)?, now.account(is)?);
    let (old, new) = (shown(&old), shown(&new));
    let renamed = match old == new {
        true => String::new(),
        false => format!(" ({new} now)"),
    };
    let (had, has) = (before.details(was.id), now.details(is.id));
    Some(AccountDifference::Account {
        id: was.id,
        told: format!("{old}{renamed}: before: {}; now: {}", had.words(), has.words()),
    })
}

fn others(before: &AccountList, now: &AccountList, differences: &mut Vec<AccountDifference>) {
    let keys = before.others.keys().chain(now.others.keys());
    let keys: BTreeSet<&OtherLogin> =
        keys.filter(|key| before.others.get(*key) != now.others.get(*key)).collect();
    if keys.is_empty() {
        return;
    }
    let (was_of, is_of) = (numbers(before), numbers(now));
    for key in keys {
        let happened = match (before.others.get(key), now.others.get(key)) {
            (Some(_), Some(_)) => "is another one",
            (Some(_), None) => "is gone, or belongs to an account",
            (None, _) => "is new, or belongs to no account any more",
        };
        differences.push(match key {
            OtherLogin::User(id) => AccountDifference::Other {
                user: Some(*id),
                made_for: None,
                told: format!("the panel user {id}, who is no mail account's, {happened}"),
            },
            OtherLogin::Permission(number, permission) => {
                let whose = was_of.get(number).or(is_of.get(number));
                let whose = whose.and_then(|id| Some(shown(&before.get(*id).or(now.get(*id))?)));
                let whose = whose.unwrap_or_else(|| format!("the number {number}"));
                AccountDifference::Other {
                    user: None,
                    made_for: match was_of.get(number) {
                        Some(_) => None,
                        None => is_of.get(number).copied(),
                    },
                    told: format!("the permission {permission:?} of {whose} {happened}"),
                }
            }
        });
    }
}

/// Which account names which number of permissions.
fn numbers(accounts: &AccountList) -> BTreeMap<u32, u32> {
    (accounts.rows.iter())
        .filter_map(|row| match accounts.detail(row)? {
            AccountDetails::Permission { link, .. } => Some((link, row.id)),
            AccountDetails::User { .. } | AccountDetails::Gone => None,
        })
        .filter(|(link, _)| *link != 0)
        .collect()
}
