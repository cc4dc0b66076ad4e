//! Each account is read right before and after its change, since no document says what the panel's command does to an
//! account's user (lock, unlink, or delete it); at the first change of each kind all accounts are.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::Schema;
use super::client::{self, Unread};
use super::sql::{self, MARK};
use super::{address, observed::PanelAccounts};
use crate::host::{Command, Output};
use crate::model::Access;
use crate::plan::Surprise;
use crate::report::printable;
use crate::report::redact::LOGIN;

/// One account in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Details {
    /// There is no such account.
    Gone,
    /// Until Plesk 9.
    Permission {
        /// `mail.perm_id`.
        link: u32,
        /// The permission's value; empty without one.
        value: String,
    },
    /// Since Plesk 10.
    User {
        /// `mail.userId`; 0 without a user.
        link: u32,
        /// The user, where there is one.
        user: Option<User>,
    },
}

/// A user of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `smb_users.id`.
    pub id: u32,
    /// The login.
    pub login: String,
    /// The e-mail address.
    pub email: String,
    /// `roleId`.
    pub role: String,
    /// `isLocked`.
    pub locked: String,
}

/// Whether the user that an account had before is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It is.
    There,
    /// It is not.
    Gone,
}

/// Some accounts in detail, and which of the users are there that were asked for beside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    accounts: BTreeMap<u32, Details>,
    users: BTreeSet<u32>,
}

impl Looked {
    /// An account that was asked for.
    #[must_use]
    pub fn account(&self, id: u32) -> Details {
        self.accounts.get(&id).cloned().unwrap_or(Details::Gone)
    }

    /// Whether a user is there that was asked for.
    #[must_use]
    pub fn user(&self, id: u32) -> Asked {
        if self.users.contains(&id) {
            Asked::There
        } else {
            Asked::Gone
        }
    }
}

/// What the panel's command did to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// What it should.
    AsExpected,
    /// Nothing.
    Nothing,
    /// Something else.
    Otherwise {
        /// Of which kind.
        surprise: Surprise,
        /// In words.
        seen: String,
    },
}

impl Details {
    /// The number of the account's user; 0 without one.
    #[must_use]
    pub const fn user(&self) -> u32 {
        match self {
            Self::User { link, .. } => *link,
            Self::Gone | Self::Permission { .. } => 0,
        }
    }

    /// Whether the account's user may log in; none where that is not clear, or there is no account.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        match self {
            Self::Gone => None,
            Self::Permission { value, .. } if value == "true" => Some(Access::Granted),
            Self::Permission { .. } => Some(Access::Denied),
            Self::User { link: 0, .. } => Some(Access::Denied),
            Self::User { user: None, .. } => None,
            Self::User {
                user: Some(user), ..
            } => match user.locked.as_str() {
                "0" => Some(Access::Granted),
                "1" => Some(Access::Denied),
                _ => None,
            },
        }
    }

    /// In a few words, without anything secret: the tables asked for hold no password.
    #[must_use]
    pub fn words(&self) -> String {
        let text = match self {
            Self::Gone => "the account is gone".to_owned(),
            Self::Permission { link, value } if value.is_empty() => {
                format!("permissions {link}, without panel access")
            }
            Self::Permission { link, value } => {
                format!("permissions {link}, panel access {value}")
            }
            Self::User {
                link: 0, user: _, ..
            } => "no panel user".to_owned(),
            Self::User {
                link, user: None, ..
            } => format!("panel user {link}, which is not there"),
            Self::User {
                user: Some(user), ..
            } => {
                let locked = match user.locked.as_str() {
                    "0" => "active".to_owned(),
                    "1" => "locked".to_owned(),
                    other => format!("isLocked {other}"),
                };
                let email = match &user.email {
                    email if *email == user.login => String::new(),
                    email => format!("the e-mail address {email:?}, "),
                };
                format!(
                    "panel user {} {LOGIN}{:?}, {email}role {}, {locked}",
                    user.id, user.login, user.role
                )
            }
        };
        printable::printable(&text).into_owned()
    }
}

/// The question for some accounts' details, and which of some users are there.
#[must_use]
pub fn question(panel: &PanelAccounts, accounts: &[u32], users: &[u32]) -> Option<Command> {
    let schema = panel.accounts.as_ref().ok()?.schema;
    let mut command = panel.client.clone()?;
    let input = match schema {
        Schema::Users => sql::some_with_users(accounts, users),
        Schema::Permissions => sql::some_with_permissions(accounts),
    };
    command.input = input.into_bytes();
    command.cap = crate::host::OUTPUT_CAP;
    Some(command)
}

/// Reads the answer to [`question`].
///
/// # Errors
/// [`Unread`] says why there is none.
pub fn looked(output: Output) -> Result<Looked, Unread> {
    use super::accounts::Misread;
    let error = client::first_error(&output.stderr, &[]);
    let bytes = client::answer(output)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut looked = Looked::default();
    let mut lines = text.lines().enumerate();
    // What comes before is what a client prints of its own.
    lines.find(|(_, line)| *line == "mailward\tbegin");
    for (number, line) in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let row = || Unread::Misread(Misread::Row(number + 1));
        let parsed = |field: &str| field.parse::<u32>().map_err(|_| row());
        match fields.as_slice() {
            [mark, "end"] if *mark == MARK => {
                return match error {
                    // None of these queries fails where it is meant.
                    Some(number) => Err(Unread::Refused { number }),
                    None => Ok(looked),
                };
            }
            [mark, "user", id] if *mark == MARK => {
                looked.users.insert(parsed(id)?);
            }
            [mark, "account", account, link, value] if *mark == MARK => {
                let details = Details::Permission {
                    link: parsed(link)?,
                    value: (*value).to_owned(),
                };
                looked.accounts.insert(parsed(account)?, details);
            }
            [
                mark,
                "account",
                account,
                link,
                id,
                login,
                email,
                role,
                locked,
            ] if *mark == MARK => {
                let id = parsed(id)?;
                let user = User {
                    id,
                    login: (*login).to_owned(),
                    email: (*email).to_owned(),
                    role: (*role).to_owned(),
                    locked: (*locked).to_owned(),
                };
                let details = Details::User {
                    link: parsed(link)?,
                    user: (id != 0).then_some(user),
                };
                looked.accounts.insert(parsed(account)?, details);
            }
            _ => return Err(row()),
        }
    }
    Err(match error {
        Some(number) => Unread::Refused { number },
        None => Unread::Misread(Misread::CutShort),
    })
}

/// Compares an account before and after it was to get an access.
#[must_use]
pub fn judge(account: &str, before: &Details, after: &Details, access: Access, old: Asked) -> Did {
    if after == before {
        return Did::Nothing;
    }
    let surprise = match (before, after) {
        (
            Details::Permission { link, .. },
            Details::Permission {
                link: now, value, ..
            },
        ) => {
            let given = match access {
                Access::Granted => value == "true",
                Access::Denied => value != "true",
            };
            // Where there were no permissions some are made.
            let same = link == now || (*link == 0 && access == Access::Granted);
            (!given || !same).then_some(Surprise::OtherPermissions)
        }
        (
            Details::User { link: 0, .. },
            Details::User {
                user: Some(user), ..
            },
        ) => {
            // A user was made for it: it must be the account's own.
            let own = |said: &str| address::account(said) == address::account(account);
            let expected = access == Access::Granted && user.locked == "0" && own(&user.login);
            (!expected).then_some(Surprise::OtherUser)
        }
        (
            Details::User {
                link,
                user: Some(old_user),
            },
            Details::User {
                link: now,
                user: Some(user),
            },
        ) => {
            let locked = match access {
                Access::Granted => "0",
                Access::Denied => "1",
            };
            let same = User {
                locked: user.locked.clone(),
                ..old_user.clone()
            };
            if link != now {
                Some(Surprise::OtherUser)
            } else if *user != same || user.locked != locked {
                Some(Surprise::UserChanged)
            } else {
                None
            }
        }
        (_, Details::Gone) => Some(Surprise::AccountGone),
        (Details::User { user: Some(_), .. }, Details::User { user: None, .. }) => {
            Some(match old {
                Asked::There => Surprise::UserUnlinked,
                Asked::Gone => Surprise::UserDeleted,
            })
        }
        (Details::Gone | Details::Permission { .. } | Details::User { .. }, _) => {
            Some(Surprise::OtherUser)
        }
    };
    let Some(surprise) = surprise else {
        return Did::AsExpected;
    };
    let mut seen = format!("before: {}; now: {}", before.words(), after.words());
    if let (
        Details::User {
            user: Some(was), ..
        },
        Details::User { link, .. },
    ) = (before, after)
        && *link != was.id
    {
        seen.push_str(match old {
            Asked::There => ", and the old user is there without the account",
            Asked::Gone => ", and the old user is deleted",
        });
    }
    Did::Otherwise { surprise, seen }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u32, locked: &str) -> Details {
        Details::User {
            link: id,
            user: (id != 0).then(|| User {
                id,
                login: "anna@example.jp".to_owned(),
                email: "anna@example.jp".to_owned(),
                role: "4".to_owned(),
                locked: locked.to_owned(),
            }),
        }
    }

    #[test]
    fn a_lock_is_expected_and_a_lost_user_is_told() {
        let account = "anna@example.jp";
        let judged = |before: &Details, after: &Details, access| {
            judge(account, before, after, access, Asked::There)
        };
        assert_eq!(
            judged(&user(7, "0"), &user(7, "1"), Access::Denied),
            Did::AsExpected
        );
        assert_eq!(
            judged(&user(7, "1"), &user(7, "0"), Access::Granted),
            Did::AsExpected
        );
        assert_eq!(
            judged(&user(0, ""), &user(9, "0"), Access::Granted),
            Did::AsExpected
        );
        assert_eq!(
            judged(&user(7, "0"), &user(7, "0"), Access::Denied),
            Did::Nothing
        );
        let Did::Otherwise { surprise, seen } = judged(&user(7, "0"), &user(0, ""), Access::Denied)
        else {
            panic!("an unlinked user is not expected");
        };
        assert_eq!(surprise, Surprise::UserUnlinked);
        assert!(
            seen.contains("the old user is there without the account"),
            "{seen}"
        );
        assert!(matches!(
            judged(&user(7, "0"), &user(8, "1"), Access::Denied),
            Did::Otherwise { .. }
        ));
        assert!(matches!(
            judged(&user(7, "0"), &Details::Gone, Access::Denied),
            Did::Otherwise { .. }
        ));
    }

    #[test]
    fn a_permission_may_vanish_or_turn_false() {
        let permission = |value: &str| Details::Permission {
            link: 3,
            value: value.to_owned(),
        };
        for after in ["", "false"] {
            assert_eq!(
                judge(
                    "a@b.jp",
                    &permission("true"),
                    &permission(after),
                    Access::Denied,
                    Asked::Gone
                ),
                Did::AsExpected
            );
        }
        assert!(matches!(
            judge(
                "a@b.jp",
                &permission(""),
                &permission("no"),
                Access::Granted,
                Asked::Gone
            ),
            Did::Otherwise { .. }
        ));
    }
}
