//! All mail accounts of a panel as its database has them, kept small: a million of them are some tens of
//! megabytes.
//!
//! The client's answer is kept as it came; an account is a few numbers and a place in it.

mod differences;
mod reading;

use std::collections::{BTreeMap, BTreeSet};

pub use self::differences::AccountDifference;

use self::reading::AccountsReading;
use super::probe::{AccountDetails, PanelUser};
use super::sql::ReadDepth;
use crate::panel_access::step::{AccountProblem, AccountState};

/// Which schema the panel's database has, by the columns of its table `mail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PanelSchema {
    /// `mail.perm_id`, until Plesk 9: the access is a permission of the account.
    Permissions,
    /// `mail.userId`, since Plesk 10: the access is that of a user of the panel, who can be locked.
    Users,
}

/// All accounts, and the domains that they belong to.
#[derive(Debug, Clone)]
pub struct AccountList {
    /// The schema that they were read from.
    pub schema: PanelSchema,
    domains: Vec<PanelDomain>,
    rows: Vec<AccountRow>,
    answer: Vec<u8>,
    /// What belongs to no account, where it was asked for.
    others: BTreeMap<OtherLogin, String>,
}

/// Something in the panel's database that may log in and is no mail account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum OtherLogin {
    /// A user, by its number.
    User(u32),
    /// One of a number's permissions.
    Permission(u32, String),
}

/// A domain of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanelDomain {
    /// As the panel has it.
    pub name: String,
    /// In the one form by which names are compared.
    pub canonical: String,
}

/// One account.
#[derive(Debug, Clone, Copy)]
pub struct MailAccount<'a> {
    /// Its number in the database.
    pub id: u32,
    /// The domain's place in [`AccountList::domains`].
    pub place: usize,
    /// Its domain.
    pub domain: &'a PanelDomain,
    /// Its name before the `@`, as the panel has it.
    pub name: &'a [u8],
    /// What it is.
    pub state: AccountState,
    /// Why it is never changed, if so.
    pub problem: Option<AccountProblem>,
}

/// Sixteen bytes an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AccountRow {
    id: u32,
    domain: u32,
    start: u32,
    length: u16,
    state: AccountState,
    problem: Option<AccountProblem>,
}

/// An answer that is no list of accounts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountsMisread {
    /// The last line is missing: the client did not come to the end, or its answer was cut.
    #[error("the answer ends in the middle")]
    CutShort,
    /// A part has other rows than were counted.
    #[error("{rows} {what} came, and the database counts {counted}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// The rows that came.
        rows: usize,
        /// What the database counts.
        counted: usize,
    },
    /// A row came twice.
    #[error("{what} {id} came more than once")]
    Twice {
        /// What it is one of.
        what: &'static str,
        /// Its number.
        id: u32,
    },
    /// A part does not have its count: its query failed.
    #[error("the database does not tell its {0}")]
    NotTold(&'static str),
    /// The table `mail` has neither of the columns that tell the schema.
    #[error(
        "its table `mail` has neither `userId` nor `perm_id`, so it is not known how this Plesk keeps panel access"
    )]
    UnknownSchema,
    /// A row is not as it was asked for.
    #[error("line {0} of the answer is not as it was asked for")]
    Row(usize),
}

/// The schema that an answer tells, as far as it has come.
pub(super) fn schema(answer: &[u8]) -> Option<PanelSchema> {
    let lines = answer.split(|byte| *byte == b'\n');
    let columns = lines.skip_while(|line| *line != reading::BEGUN);
    let columns: BTreeSet<&[u8]> = columns
        .take_while(|line| *line != b"mailward\tcolumns")
        .filter_map(|line| line.split(|byte| *byte == b'\t').next())
        .collect();
    if columns.contains(b"userId".as_slice()) {
        Some(PanelSchema::Users)
    } else if columns.contains(b"perm_id".as_slice()) {
        Some(PanelSchema::Permissions)
    } else {
        None
    }
}

impl MailAccount<'_> {
    /// The address as the panel has it.
    #[must_use]
    pub fn address(&self) -> String {
        let name = crate::model::printable::text(self.name);
        format!("{name}@{}", self.domain.name)
    }
}

impl AccountList {
    /// Reads the answer to [`super::sql::everything`].
    ///
    /// # Errors
    /// [`AccountsMisread`]; an answer that is not complete is never taken for one.
    pub fn read(answer: Vec<u8>, depth: ReadDepth) -> Result<Self, AccountsMisread> {
        let mut reading = AccountsReading::of(depth);
        let mut start = 0;
        let mut number = 0;
        while start < answer.len() {
            number += 1;
            let rest = answer.get(start..).unwrap_or_default();
            // A line without its end is cut short.
            let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
                break;
            };
            reading
                .line(rest.get(..length).unwrap_or_default(), start)
                .ok_or(AccountsMisread::Row(number))?;
            start += length + 1;
            if reading.has_ended() {
                break;
            }
        }
        reading.accounts(answer)
    }

    /// The domains, by their one form.
    #[must_use]
    pub fn domains(&self) -> &[PanelDomain] {
        &self.domains
    }

    /// How many accounts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All accounts, by number.
    pub fn iter(&self) -> impl Iterator<Item = MailAccount<'_>> {
        self.rows.iter().filter_map(|row| self.account(row))
    }

    /// The account with a number.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<MailAccount<'_>> {
        let place = self.rows.binary_search_by_key(&id, |row| row.id).ok()?;
        self.account(self.rows.get(place)?)
    }

    /// Marks accounts of which another account or a customer has the permissions too.
    fn mark(&mut self, ids: &BTreeSet<u32>, problem: AccountProblem) {
        for row in &mut self.rows {
            if ids.contains(&row.id) {
                row.problem = row.problem.or(Some(problem));
            }
        }
    }

    /// Marks accounts whose user belongs to another account too, or would: logins are unique, so that the
    /// user is the one of that login.
    fn share(&mut self, others: &BTreeSet<String>) {
        if others.is_empty() {
            return;
        }
        let shared: BTreeMap<u32, AccountProblem> = (self.iter())
            .filter_map(|account| {
                let problem = match account.state {
                    AccountState::Active | AccountState::Locked => AccountProblem::SharedUser,
                    AccountState::NoUser => AccountProblem::TakenLogin,
                    AccountState::Dangling
                    | AccountState::Unclear
                    | AccountState::Permitted
                    | AccountState::Forbidden => return None,
                };
                let name = String::from_utf8_lossy(account.name).to_ascii_lowercase();
                let login = format!("{name}@{}", account.domain.canonical);
                others.contains(&login).then_some((account.id, problem))
            })
            .collect();
        for row in &mut self.rows {
            if let Some(problem) = shared.get(&row.id) {
                row.problem = row.problem.or(Some(*problem));
            }
        }
    }

    /// One account in detail, as far as it was asked for; [`AccountDetails::Gone`] where there is none of
    /// this number.
    #[must_use]
    pub fn details(&self, id: u32) -> AccountDetails {
        let row =
            (self.rows.binary_search_by_key(&id, |row| row.id).ok()).and_then(|place| self.rows.get(place));
        row.and_then(|row| self.detail(row)).unwrap_or(AccountDetails::Gone)
    }

    fn detail(&self, row: &AccountRow) -> Option<AccountDetails> {
        let account = self.account(row)?;
        let mut fields = self.rest(row).split(|byte| *byte == b'\t').skip(1);
        let mut next = || {
            let field = fields.next().unwrap_or_default();
            String::from_utf8_lossy(field).into_owned()
        };
        let state = next();
        Some(match self.schema {
            PanelSchema::Permissions => {
                AccountDetails::Permission { link: next().parse().unwrap_or_default(), value: next() }
            }
            PanelSchema::Users => {
                let own = |said: String, same: &dyn Fn() -> String| match said.as_str() {
                    "=" => same(),
                    said => said.strip_prefix('+').unwrap_or(said).to_owned(),
                };
                let login = own(next(), &|| account.address());
                let link = next().parse().unwrap_or_default();
                let role = next();
                let email = own(next(), &|| login.clone());
                let there = !matches!(state.as_str(), "-" | "?");
                AccountDetails::User {
                    link,
                    user: there.then_some(PanelUser { id: link, login, email, role, locked: state }),
                }
            }
        })
    }

    /// Whether a user is there who belongs to no account.
    #[must_use]
    pub fn has_other_user(&self, user: u32) -> bool {
        self.others.contains_key(&OtherLogin::User(user))
    }

    /// An account's line, from its name on.
    fn rest(&self, row: &AccountRow) -> &[u8] {
        let rest = self.answer.get(row.start as usize..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n');
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    }

    fn account(&self, row: &AccountRow) -> Option<MailAccount<'_>> {
        let start = row.start as usize;
        let place = row.domain as usize;
        Some(MailAccount {
            id: row.id,
            place,
            domain: self.domains.get(place)?,
            name: self.answer.get(start..start + usize::from(row.length))?,
            state: row.state,
            problem: row.problem,
        })
    }
}
