//! The first change of each direction is a probe: the account is read before and after, since no document says what the
//! panel's command does to an account's user (lock, unlink, or delete it).

use super::accounts::Schema;
use super::client::{self, Unread};
use super::sql::{self, MARK};
use super::{address, observed::PanelAccounts};
use crate::host::{Command, Output};
use crate::model::Access;
use crate::report::printable;

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
        /// Whether the user that was asked for beside is there.
        asked: Asked,
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

/// What the panel's command did to the probed account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// What it should.
    AsExpected,
    /// Nothing.
    Nothing,
    /// Something else, in words.
    Otherwise(String),
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
                format!(
                    "panel user {} with the login {}, role {}, {locked}",
                    user.id, user.login, user.role
                )
            }
        };
        printable::printable(&text).into_owned()
    }
}

/// The question for one account's details, and whether the user with a number is there.
#[must_use]
pub fn question(panel: &PanelAccounts, account: u32, user: u32) -> Option<Command> {
    let schema = panel.accounts.as_ref().ok()?.schema;
    let mut command = panel.client.clone()?;
    let input = match schema {
        Schema::Users => sql::one_with_user(account, user),
        Schema::Permissions => sql::one_with_permission(account),
    };
    command.input = input.into_bytes();
    command.cap = crate::host::OUTPUT_CAP;
    Some(command)
}

/// Reads the answer to [`question`].
///
/// # Errors
/// [`Unread`] says why there is none.
pub fn details(output: Output) -> Result<Details, Unread> {
    use super::accounts::Misread;
    let bytes = client::answer(output)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut details = Details::Gone;
    let mut there = Asked::Gone;
    for (number, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let row = || Unread::Misread(Misread::Row(number + 1));
        match fields.as_slice() {
            [mark, "end"] if *mark == MARK => {
                if let Details::User { asked, .. } = &mut details {
                    *asked = there;
                }
                return Ok(details);
            }
            [mark, "user", count] if *mark == MARK => {
                there = if *count == "0" {
                    Asked::Gone
                } else {
                    Asked::There
                };
            }
            [mark, "account", _, link, value] if *mark == MARK => {
                details = Details::Permission {
                    link: link.parse().map_err(|_| row())?,
                    value: (*value).to_owned(),
                };
            }
            [mark, "account", _, link, id, login, email, role, locked] if *mark == MARK => {
                let id: u32 = id.parse().map_err(|_| row())?;
                let user = User {
                    id,
                    login: (*login).to_owned(),
                    email: (*email).to_owned(),
                    role: (*role).to_owned(),
                    locked: (*locked).to_owned(),
                };
                details = Details::User {
                    link: link.parse().map_err(|_| row())?,
                    user: (id != 0).then_some(user),
                    asked: Asked::Gone,
                };
            }
            _ => return Err(row()),
        }
    }
    Err(Unread::Misread(Misread::CutShort))
}

/// Compares an account before and after it was to get an access.
#[must_use]
pub fn judge(account: &str, before: &Details, after: &Details, access: Access) -> Did {
    if matches!(
        (before, after),
        (Details::User { .. }, Details::User { .. })
    ) && unasked(before) == unasked(after)
        || before == after
    {
        return Did::Nothing;
    }
    let expected = match (before, after) {
        (Details::Permission { .. }, Details::Permission { value, .. }) => match access {
            Access::Granted => value == "true",
            Access::Denied => value != "true",
        },
        (
            Details::User { link: 0, .. },
            Details::User {
                user: Some(user), ..
            },
        ) => {
            // A user was made for it: it must be the account's own.
            let own = |said: &str| address::account(said) == address::account(account);
            access == Access::Granted && user.locked == "0" && own(&user.login)
        }
        (
            Details::User {
                link,
                user: Some(old),
                ..
            },
            Details::User {
                link: now,
                user: Some(user),
                ..
            },
        ) => {
            let locked = match access {
                Access::Granted => "0",
                Access::Denied => "1",
            };
            let same = User {
                locked: user.locked.clone(),
                ..old.clone()
            };
            link == now && *user == same && user.locked == locked
        }
        (Details::Gone | Details::Permission { .. } | Details::User { .. }, _) => false,
    };
    if expected {
        return Did::AsExpected;
    }
    let mut seen = format!("before: {}; now: {}", before.words(), after.words());
    if let (
        Details::User {
            user: Some(old), ..
        },
        Details::User { link, asked, .. },
    ) = (before, after)
        && *link != old.id
    {
        seen.push_str(match asked {
            Asked::There => ", and the old user is there without the account",
            Asked::Gone => ", and the old user is deleted",
        });
    }
    Did::Otherwise(seen)
}

/// The details without what was asked beside.
fn unasked(details: &Details) -> Option<(u32, Option<&User>)> {
    match details {
        Details::User { link, user, .. } => Some((*link, user.as_ref())),
        Details::Gone | Details::Permission { .. } => None,
    }
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
            asked: Asked::There,
        }
    }

    #[test]
    fn a_lock_is_expected_and_a_lost_user_is_told() {
        let account = "anna@example.jp";
        let judged =
            |before: &Details, after: &Details, access| judge(account, before, after, access);
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
        let Did::Otherwise(seen) = judged(&user(7, "0"), &user(0, ""), Access::Denied) else {
            panic!("an unlinked user is not expected");
        };
        assert!(
            seen.contains("the old user is there without the account"),
            "{seen}"
        );
        assert!(matches!(
            judged(&user(7, "0"), &user(8, "1"), Access::Denied),
            Did::Otherwise(_)
        ));
        assert!(matches!(
            judged(&user(7, "0"), &Details::Gone, Access::Denied),
            Did::Otherwise(_)
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
                    Access::Denied
                ),
                Did::AsExpected
            );
        }
        assert!(matches!(
            judge(
                "a@b.jp",
                &permission(""),
                &permission("no"),
                Access::Granted
            ),
            Did::Otherwise(_)
        ));
    }
}
