//! What the vendor's command may do besides, to accounts that it was not run for: in SQL that acts during an
//! update.

use super::{Generation, Knob};

/// A side effect on one account, by its address; the domain in its ASCII form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// It may log in no more.
    Deny,
    /// It may log in, where it has a user or permissions.
    Grant,
    /// Its user stays without it; up to 9, it names no permissions.
    Unlink,
    /// Its user, or its permissions, are deleted.
    Delete,
    /// Its user has another role; up to 9, it has one more permission.
    Role,
    /// Its user has another login; up to 9, it names the permissions of another number.
    Login,
    /// Its user has another e-mail address; from 10 on only.
    Email,
    /// The account is removed.
    Remove,
    /// The account has another name.
    Rename,
}

impl Effect {
    /// All, for tests that hold on each.
    pub const ALL: [Self; 9] = [
        Self::Deny,
        Self::Grant,
        Self::Unlink,
        Self::Delete,
        Self::Role,
        Self::Login,
        Self::Email,
        Self::Remove,
        Self::Rename,
    ];

    /// The statements for the account with a number.
    pub fn sql(self, generation: Generation, account: &str) -> String {
        let user = format!("(SELECT userId FROM mail WHERE id = {account})");
        let permissions = format!("(SELECT perm_id FROM mail WHERE id = {account} AND perm_id <> 0)");
        match (self, generation) {
            (Self::Deny, Generation::Ten) => {
                format!("UPDATE smb_users SET isLocked = 1 WHERE id = {user};")
            }
            (Self::Grant, Generation::Ten) => {
                format!("UPDATE smb_users SET isLocked = 0 WHERE id = {user};")
            }
            (Self::Unlink, Generation::Ten) => {
                format!("UPDATE mail SET userId = 0 WHERE id = {account};")
            }
            (Self::Delete, Generation::Ten) => format!("DELETE FROM smb_users WHERE id = {user};"),
            (Self::Role, Generation::Ten) => {
                format!("UPDATE smb_users SET roleId = 4 WHERE id = {user};")
            }
            (Self::Login, Generation::Ten) => {
                format!("UPDATE smb_users SET login = CONCAT('x', login) WHERE id = {user};")
            }
            (Self::Email, Generation::Ten) => {
                format!("UPDATE smb_users SET email = 'x@elsewhere.example' WHERE id = {user};")
            }
            (Self::Deny, Generation::Nine) => format!(
                "UPDATE Permissions SET value = 'false' WHERE permission = 'cp_access' AND id = {permissions};"
            ),
            (Self::Grant, Generation::Nine) => format!(
                "UPDATE Permissions SET value = 'true' WHERE permission = 'cp_access' AND id = {permissions};"
            ),
            (Self::Unlink, Generation::Nine) => {
                format!("UPDATE mail SET perm_id = 0 WHERE id = {account};")
            }
            (Self::Delete, Generation::Nine) => {
                format!("DELETE FROM Permissions WHERE permission = 'cp_access' AND id = {permissions};")
            }
            (Self::Role, Generation::Nine) => format!(
                "REPLACE INTO Permissions (id, permission, value) \
                 SELECT perm_id, 'manage_drweb', 'true' FROM mail WHERE id = {account} AND perm_id <> 0;"
            ),
            (Self::Login, Generation::Nine) => {
                format!("UPDATE mail SET perm_id = 7777 WHERE id = {account};")
            }
            (Self::Email, Generation::Nine) => String::new(),
            (Self::Remove, _) => format!("DELETE FROM mail WHERE id = {account};"),
            (Self::Rename, _) => {
                format!("UPDATE mail SET mail_name = CONCAT('x', mail_name) WHERE id = {account};")
            }
        }
    }

    /// The misbehaviour: the command does this to the account with a number as well.
    pub fn on(self, generation: Generation, account: u32) -> Knob {
        Knob::Meddle(self.sql(generation, &account.to_string()))
    }
}
