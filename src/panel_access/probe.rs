//! Each account is read right before and after its change, since no document says what the panel's command
//! does to an account's user (lock, unlink, or delete it); at the first change of each kind all accounts are.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::PanelSchema;
use super::client::{self, AccountsUnread};
use super::observed::ObservedPanelAccess;
use super::sql::{self, MARK};
use crate::host::{CommandOutput, HostCommand};
use crate::model::PanelLogin;
use crate::model::address;
use crate::model::printable;
use crate::panel_access::step::CommandSurprise;

/// What comes before the login of a panel's user in a message, which follows as quoted text.
pub const LOGIN: &str = "with the login ";

/// One account in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountDetails {
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
        user: Option<PanelUser>,
    },
}

/// A user of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanelUser {
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
pub enum FormerUser {
    /// It is.
    There,
    /// It is not.
    Gone,
}

/// Some accounts in detail, and which of the users are there that were asked for beside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookedAccounts {
    accounts: BTreeMap<u32, AccountDetails>,
    users: BTreeSet<u32>,
}

impl LookedAccounts {
    /// An account that was asked for.
    #[must_use]
    pub fn account(&self, id: u32) -> AccountDetails {
        self.accounts.get(&id).cloned().unwrap_or(AccountDetails::Gone)
    }

    /// Whether a user is there that was asked for.
    #[must_use]
    pub fn user(&self, id: u32) -> FormerUser {
        if self.users.contains(&id) { FormerUser::There } else { FormerUser::Gone }
    }
}

/// What the panel's command did to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandEffect {
    /// What it should.
    AsExpected,
    /// Nothing.
    Nothing,
    /// Something else.
    Otherwise {
        /// Of which kind.
        surprise: CommandSurprise,
        /// In words.
        seen: String,
    },
}

impl AccountDetails {
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
    pub fn access(&self) -> Option<PanelLogin> {
        match self {
            Self::Gone => None,
            Self::Permission { value, .. } if value == "true" => Some(PanelLogin::Granted),
            Self::Permission { .. } => Some(PanelLogin::Denied),
            Self::User { link: 0, .. } => Some(PanelLogin::Denied),
            Self::User { user: None, .. } => None,
            Self::User { user: Some(user), .. } => match user.locked.as_str() {
                "0" => Some(PanelLogin::Granted),
                "1" => Some(PanelLogin::Denied),
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
            Self::User { link: 0, user: _, .. } => "no panel user".to_owned(),
            Self::User { link, user: None, .. } => format!("panel user {link}, which is not there"),
            Self::User { user: Some(user), .. } => {
                let locked = match user.locked.as_str() {
                    "0" => "active".to_owned(),
                    "1" => "locked".to_owned(),
                    other => format!("isLocked {other}"),
                };
                let email = match &user.email {
                    email if *email == user.login => String::new(),
                    email => format!("the e-mail address {email:?}, "),
                };
                format!("panel user {} {LOGIN}{:?}, {email}role {}, {locked}", user.id, user.login, user.role)
            }
        };
        printable::printable(&text).into_owned()
    }
}

/// The question for some accounts' details, and which of some users are there.
#[must_use]
pub fn question(panel: &ObservedPanelAccess, accounts: &[u32], users: &[u32]) -> Option<HostCommand> {
    let schema = panel.accounts.as_ref().ok()?.schema;
    let mut command = panel.client.clone()?;
    let input = match schema {
        PanelSchema::Users => sql::some_with_users(accounts, users),
        PanelSchema::Permissions => sql::some_with_permissions(accounts),
    };
    command.input = input.into_bytes();
    command.cap = crate::host::OUTPUT_CAP;
    Some(command)
}

/// Reads the answer to [`question`].
///
/// # Errors
/// [`AccountsUnread`] says why there is none.
pub fn looked(output: CommandOutput) -> Result<LookedAccounts, AccountsUnread> {
    use super::accounts::AccountsMisread;
    let error = client::first_error(&output.stderr, &[]);
    let bytes = client::answer(output)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut looked = LookedAccounts::default();
    let mut lines = text.lines().enumerate();
    // What comes before is what a client prints of its own.
    lines.find(|(_, line)| *line == "mailward\tbegin");
    for (number, line) in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let row = || AccountsUnread::Misread(AccountsMisread::Row(number + 1));
        let parsed = |field: &str| field.parse::<u32>().map_err(|_| row());
        match fields.as_slice() {
            [mark, "end"] if *mark == MARK => {
                return match error {
                    // None of these queries fails where it is meant.
                    Some(number) => Err(AccountsUnread::Refused { number }),
                    None => Ok(looked),
                };
            }
            [mark, "user", id] if *mark == MARK => {
                looked.users.insert(parsed(id)?);
            }
            [mark, "account", account, link, value] if *mark == MARK => {
                let details = AccountDetails::Permission { link: parsed(link)?, value: (*value).to_owned() };
                looked.accounts.insert(parsed(account)?, details);
            }
            [mark, "account", account, link, id, login, email, role, locked] if *mark == MARK => {
                let id = parsed(id)?;
                let user = PanelUser {
                    id,
                    login: (*login).to_owned(),
                    email: (*email).to_owned(),
                    role: (*role).to_owned(),
                    locked: (*locked).to_owned(),
                };
                let details = AccountDetails::User { link: parsed(link)?, user: (id != 0).then_some(user) };
                looked.accounts.insert(parsed(account)?, details);
            }
            _ => return Err(row()),
        }
    }
    Err(match error {
        Some(number) => AccountsUnread::Refused { number },
        None => AccountsUnread::Misread(AccountsMisread::CutShort),
    })
}

/// Compares an account before and after it was to get an access.
#[must_use]
pub fn judge(
    account: &str,
    before: &AccountDetails,
    after: &AccountDetails,
    access: PanelLogin,
    old: FormerUser,
) -> CommandEffect {
    if after == before {
        return CommandEffect::Nothing;
    }
    let surprise = match (before, after) {
        (AccountDetails::Permission { link, .. }, AccountDetails::Permission { link: now, value, .. }) => {
            let given = match access {
                PanelLogin::Granted => value == "true",
                PanelLogin::Denied => value != "true",
            };
            // Where there were no permissions some are made.
            let same = link == now || (*link == 0 && access == PanelLogin::Granted);
            (!given || !same).then_some(CommandSurprise::OtherPermissions)
        }
        (AccountDetails::User { link: 0, .. }, AccountDetails::User { user: Some(user), .. }) => {
            // A user was made for it: it must be the account's own.
            let own = |said: &str| address::account(said) == address::account(account);
            let expected = access == PanelLogin::Granted && user.locked == "0" && own(&user.login);
            (!expected).then_some(CommandSurprise::OtherUser)
        }
        (
            AccountDetails::User { link, user: Some(old_user) },
            AccountDetails::User { link: now, user: Some(user) },
        ) => {
            let locked = match access {
                PanelLogin::Granted => "0",
                PanelLogin::Denied => "1",
            };
            let same = PanelUser { locked: user.locked.clone(), ..old_user.clone() };
            if link != now {
                Some(CommandSurprise::OtherUser)
            } else if *user != same || user.locked != locked {
                Some(CommandSurprise::UserChanged)
            } else {
                None
            }
        }
        (_, AccountDetails::Gone) => Some(CommandSurprise::AccountGone),
        (AccountDetails::User { user: Some(_), .. }, AccountDetails::User { user: None, .. }) => {
            Some(match old {
                FormerUser::There => CommandSurprise::UserUnlinked,
                FormerUser::Gone => CommandSurprise::UserDeleted,
            })
        }
        (AccountDetails::Gone | AccountDetails::Permission { .. } | AccountDetails::User { .. }, _) => {
            Some(CommandSurprise::OtherUser)
        }
    };
    let Some(surprise) = surprise else {
        return CommandEffect::AsExpected;
    };
    let mut seen = format!("before: {}; now: {}", before.words(), after.words());
    if let (AccountDetails::User { user: Some(was), .. }, AccountDetails::User { link, .. }) = (before, after)
        && *link != was.id
    {
        seen.push_str(match old {
            FormerUser::There => ", and the old user is there without the account",
            FormerUser::Gone => ", and the old user is deleted",
        });
    }
    CommandEffect::Otherwise { surprise, seen }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u32, locked: &str) -> AccountDetails {
        AccountDetails::User {
            link: id,
            user: (id != 0).then(|| PanelUser {
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
        let judged = |before: &AccountDetails, after: &AccountDetails, access| {
            judge(account, before, after, access, FormerUser::There)
        };
        assert_eq!(judged(&user(7, "0"), &user(7, "1"), PanelLogin::Denied), CommandEffect::AsExpected);
        assert_eq!(judged(&user(7, "1"), &user(7, "0"), PanelLogin::Granted), CommandEffect::AsExpected);
        assert_eq!(judged(&user(0, ""), &user(9, "0"), PanelLogin::Granted), CommandEffect::AsExpected);
        assert_eq!(judged(&user(7, "0"), &user(7, "0"), PanelLogin::Denied), CommandEffect::Nothing);
        let CommandEffect::Otherwise { surprise, seen } =
            judged(&user(7, "0"), &user(0, ""), PanelLogin::Denied)
        else {
            panic!("an unlinked user is not expected");
        };
        assert_eq!(surprise, CommandSurprise::UserUnlinked);
        assert!(seen.contains("the old user is there without the account"), "{seen}");
        assert!(matches!(
            judged(&user(7, "0"), &user(8, "1"), PanelLogin::Denied),
            CommandEffect::Otherwise { .. }
        ));
        assert!(matches!(
            judged(&user(7, "0"), &AccountDetails::Gone, PanelLogin::Denied),
            CommandEffect::Otherwise { .. }
        ));
    }

    #[test]
    fn a_permission_may_vanish_or_turn_false() {
        let permission = |value: &str| AccountDetails::Permission { link: 3, value: value.to_owned() };
        for after in ["", "false"] {
            assert_eq!(
                judge(
                    "a@b.jp",
                    &permission("true"),
                    &permission(after),
                    PanelLogin::Denied,
                    FormerUser::Gone
                ),
                CommandEffect::AsExpected
            );
        }
        assert!(matches!(
            judge("a@b.jp", &permission(""), &permission("no"), PanelLogin::Granted, FormerUser::Gone),
            CommandEffect::Otherwise { .. }
        ));
    }
}
