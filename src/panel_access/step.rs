//! Changes of panel access: which mail accounts of a domain may log in to the panel, or may no longer.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::model::{ManifestOrigin, PanelLogin};
use crate::panel_access::command::VendorCommand;

/// Changes of accounts of one domain, all of one kind, made one after the other by the panel's own command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PanelAccessStep {
    /// The domain as the panel has it.
    pub domain: String,
    /// What the accounts get: `true` if their users may log in.
    #[schemars(with = "bool")]
    pub access: PanelLogin,
    /// What is done to get there.
    pub act: AccountAct,
    /// How many accounts.
    pub count: usize,
    /// The accounts, by name; none where their names are withheld.
    pub accounts: Vec<AccountChange>,
    /// Why.
    pub causes: Vec<PanelAccessCause>,
    /// The panel's command on this host; never saved.
    #[serde(skip)]
    #[schemars(skip)]
    pub how: Option<VendorCommand>,
}

/// An account that is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// The address as the panel has it.
    pub account: String,
    /// The account's number in the panel's database.
    pub id: u32,
    /// What it is before.
    pub from: AccountState,
}

/// What is done to an account. These are different things to the panel, and each is approved and tried out by
/// itself.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AccountAct {
    /// Until Plesk 9: it loses the permission.
    Forbid,
    /// Since Plesk 10: its user is locked.
    Lock,
    /// Until Plesk 9: it gets the permission.
    Permit,
    /// Since Plesk 10: its user is unlocked.
    Unlock,
    /// Since Plesk 10: the panel makes a user for it.
    CreateUser,
}

impl AccountAct {
    /// What is done to an account in some state that is to get an access.
    #[must_use]
    pub const fn of(from: AccountState, access: PanelLogin) -> Self {
        match (from, access) {
            (AccountState::Forbidden | AccountState::Permitted, PanelLogin::Denied) => Self::Forbid,
            (AccountState::Forbidden | AccountState::Permitted, PanelLogin::Granted) => Self::Permit,
            (_, PanelLogin::Denied) => Self::Lock,
            (AccountState::NoUser, PanelLogin::Granted) => Self::CreateUser,
            (_, PanelLogin::Granted) => Self::Unlock,
        }
    }

    /// In a few words, to follow "to".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Forbid => "take away panel access",
            Self::Lock => "lock a panel user",
            Self::Permit => "give panel access",
            Self::Unlock => "unlock a panel user",
            Self::CreateUser => "make a panel user",
        }
    }
}

/// What the panel's command was seen to do that nobody asked for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CommandSurprise {
    /// It deleted the account's user.
    UserDeleted,
    /// It left the user there without the account.
    UserUnlinked,
    /// The account has another user than it should.
    OtherUser,
    /// The user is another one in more than that it is locked.
    UserChanged,
    /// Until Plesk 9: the account has other permissions than it should.
    OtherPermissions,
    /// The account itself is gone.
    AccountGone,
    /// It changed other accounts.
    OtherAccounts,
}

impl CommandSurprise {
    /// In a few words, to follow "the panel's command".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::UserDeleted => "deleted the account's panel user",
            Self::UserUnlinked => "left the panel user there without the account",
            Self::OtherUser => "gave the account another panel user than it should",
            Self::UserChanged => "changed more of the panel user than whether it is locked",
            Self::OtherPermissions => "gave the account other permissions than it should",
            Self::AccountGone => "removed the account",
            Self::OtherAccounts => "changed other accounts, too",
        }
    }
}

/// What the panel's database says of an account.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AccountState {
    /// Until Plesk 9: it has no permission.
    Forbidden,
    /// Until Plesk 9: it has the permission.
    Permitted,
    /// Since Plesk 10: no user of the panel belongs to it.
    NoUser,
    /// Since Plesk 10: its user is locked.
    Locked,
    /// Since Plesk 10: its user may log in.
    Active,
    /// Since Plesk 10: it names a user that is not there.
    Dangling,
    /// A value that mailward does not know.
    Unclear,
}

impl AccountState {
    /// Whether its user may log in.
    #[must_use]
    pub const fn access(self) -> PanelLogin {
        match self {
            Self::Permitted | Self::Active => PanelLogin::Granted,
            Self::Forbidden | Self::NoUser | Self::Locked | Self::Dangling | Self::Unclear => {
                PanelLogin::Denied
            }
        }
    }

    /// What an account becomes that is given an access, as far as it is known of the panel.
    #[must_use]
    pub const fn given(self, access: PanelLogin) -> Self {
        match (self, access) {
            (Self::Forbidden | Self::Permitted, PanelLogin::Granted) => Self::Permitted,
            (Self::Forbidden | Self::Permitted, PanelLogin::Denied) => Self::Forbidden,
            (Self::NoUser | Self::Locked | Self::Active, PanelLogin::Granted) => Self::Active,
            (Self::Locked | Self::Active, PanelLogin::Denied) => Self::Locked,
            (Self::NoUser, PanelLogin::Denied) => Self::NoUser,
            (Self::Dangling | Self::Unclear, _) => self,
        }
    }

    /// In a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Forbidden => "without permission",
            Self::Permitted => "with permission",
            Self::NoUser => "without a panel user",
            Self::Locked => "with a locked panel user",
            Self::Active => "with an active panel user",
            Self::Dangling => "with a panel user that is not there",
            Self::Unclear => "in a state that mailward does not know",
        }
    }
}

/// Why accounts are changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum PanelAccessCause {
    /// The manifest's default.
    Default {
        /// The place in the manifest.
        #[schemars(with = "serde_json::Value")]
        origin: ManifestOrigin,
    },
    /// The manifest names their domain.
    Domain {
        /// The place in the manifest.
        #[schemars(with = "serde_json::Value")]
        origin: ManifestOrigin,
    },
    /// The manifest names the accounts.
    Accounts {
        /// The layer.
        layer: String,
        /// The lines.
        lines: Vec<u32>,
    },
}

/// Why the access of an account is not changed, whatever a manifest says.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AccountProblem {
    /// Its user logs in by another name.
    OtherLogin,
    /// Another account has the same user.
    SharedUser,
    /// It has no user, and its address is the login of somebody else's.
    TakenLogin,
    /// Until Plesk 9: another account has the same permissions.
    SharedPermissions,
    /// Its user is a customer, a reseller or the administrator.
    Owner,
    /// It names a user that is not there.
    Dangling,
    /// Whether its user is locked is not clear.
    Unclear,
    /// Its name cannot be given to a command.
    OddName,
}

impl AccountProblem {
    /// The reason, to follow "it is left alone, since".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::OtherLogin => "its panel user logs in by another name than the address",
            Self::SharedUser => "its panel user belongs to another account too",
            Self::TakenLogin => "its address is the login of a panel user that is not its own",
            Self::SharedPermissions => "its permissions are those of another account too",
            Self::Owner => "its panel user is a customer, a reseller or the administrator",
            Self::Dangling => "it names a panel user that is not there",
            Self::Unclear => "whether its panel user is locked is not clear",
            Self::OddName => "its name cannot be given to the panel's command",
        }
    }
}

impl PanelAccessStep {
    /// What it does, as the fingerprint has it.
    pub(crate) fn fingerprinted(&self) -> Json {
        let Self { domain, access, act, count: _, accounts, causes: _, how: _ } = self;
        let accounts: Vec<_> = accounts.iter().map(|change| json!(change.account)).collect();
        let mut change = json!({ "panel_access": domain, "access": access, "accounts": accounts });
        match act {
            // What a user that is there may do is what a permission was before Plesk 10.
            AccountAct::Forbid | AccountAct::Lock | AccountAct::Permit | AccountAct::Unlock => {}
            AccountAct::CreateUser => change["act"] = json!(act),
        }
        change
    }
}
