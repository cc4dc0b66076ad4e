//! Compares all accounts at two moments: nothing that the panel's command did to any of them may go unseen.

use std::collections::{BTreeMap, BTreeSet};

use super::{Account, Accounts, Other, Row};
use crate::panel_access::address;
use crate::panel_access::probe::Details;

/// Something that is another one than before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
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

impl Difference {
    /// The account's number, where it is about one.
    #[must_use]
    pub const fn account(&self) -> Option<u32> {
        match self {
            Self::Account { id, .. } | Self::Gone { id, .. } | Self::New { id, .. } => Some(*id),
            Self::Other { .. } => None,
        }
    }

    /// Whether something that was there is another one, or gone: people make new accounts at any time, and the panel's
    /// command for panel access makes none.
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

impl Accounts {
    /// What is another one now than in `before`; both must have been read whole.
    #[must_use]
    pub fn differences(before: &Self, now: &Self) -> Vec<Difference> {
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
                (Some(was), None) => before.account(was).map(|account| Difference::Gone {
                    id: was.id,
                    account: shown(&account),
                }),
                (None, Some(is)) => now.account(is).map(|account| Difference::New {
                    id: is.id,
                    account: shown(&account),
                }),
                (None, None) => None,
            });
        }
        others(before, now, &mut differences);
        differences
    }
}

/// An account's address; quoted where blanks in its name could be taken for its end.
fn shown(account: &Account<'_>) -> String {
    match address::is_safe_name(account.name) {
        true => account.address(),
        false => format!("{:?}", account.address()),
    }
}

fn between(before: &Accounts, was: &Row, now: &Accounts, is: &Row) -> Option<Difference> {
    let domain = |accounts: &Accounts, row: &Row| {
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
    Some(Difference::Account {
        id: was.id,
        told: format!(
            "{old}{renamed}: before: {}; now: {}",
            had.words(),
            has.words()
        ),
    })
}

fn others(before: &Accounts, now: &Accounts, differences: &mut Vec<Difference>) {
    let keys = before.others.keys().chain(now.others.keys());
    let keys: BTreeSet<&Other> = keys
        .filter(|key| before.others.get(*key) != now.others.get(*key))
        .collect();
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
            Other::User(id) => Difference::Other {
                user: Some(*id),
                made_for: None,
                told: format!("the panel user {id}, who is no mail account's, {happened}"),
            },
            Other::Permission(number, permission) => {
                let whose = was_of.get(number).or(is_of.get(number));
                let whose = whose.and_then(|id| Some(shown(&before.get(*id).or(now.get(*id))?)));
                let whose = whose.unwrap_or_else(|| format!("the number {number}"));
                Difference::Other {
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
fn numbers(accounts: &Accounts) -> BTreeMap<u32, u32> {
    (accounts.rows.iter())
        .filter_map(|row| match accounts.detail(row)? {
            Details::Permission { link, .. } => Some((link, row.id)),
            Details::User { .. } | Details::Gone => None,
        })
        .filter(|(link, _)| *link != 0)
        .collect()
}
