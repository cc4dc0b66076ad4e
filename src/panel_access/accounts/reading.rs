//! Reads the answer to the question for all accounts, line by line, and judges whether all of it has come.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{AccountList, AccountRow, AccountsMisread, OtherLogin, PanelDomain, PanelSchema};
use crate::model::address;
use crate::panel_access::sql::{MARK, ReadDepth};
use crate::panel_access::step::{AccountProblem, AccountState};

/// The line before which a client may print what it likes.
pub(super) const BEGUN: &[u8] = b"mailward\tbegin";

/// What has been read so far.
pub(super) struct AccountsReading {
    depth: ReadDepth,
    begun: QueryEnd,
    columns: SchemaColumns,
    domains: Vec<(u32, PanelDomain)>,
    places: HashMap<u32, u32>,
    /// The logins of customers, resellers and the administrator, in their one form.
    logins: BTreeSet<String>,
    /// The places of domains that such a login is an address of.
    owners: HashSet<u32>,
    clients: BTreeSet<u32>,
    client_rows: usize,
    /// The logins of users that belong to an account with another address, in their one form.
    others: BTreeSet<String>,
    users: AccountRows,
    permissions: AccountRows,
    /// The accounts of which another account has the permissions too, and those of which a customer has.
    shared: BTreeSet<u32>,
    shared_rows: usize,
    owned: BTreeSet<u32>,
    other_users: UnownedRows,
    other_permissions: UnownedRows,
    counted_shared: Option<usize>,
    counted_domains: Option<usize>,
    counted_clients: Option<usize>,
    counted_accounts: Option<usize>,
    ended: QueryEnd,
}

/// The accounts of one of the two queries.
#[derive(Default)]
struct AccountRows {
    seen: usize,
    kept: Vec<AccountRow>,
    /// The numbers of those without a domain.
    without: Vec<u32>,
}

/// What belongs to no account.
#[derive(Default)]
struct UnownedRows {
    rows: usize,
    kept: BTreeMap<OtherLogin, String>,
    counted: Option<usize>,
}

#[derive(Default, PartialEq, Eq)]
enum QueryEnd {
    #[default]
    No,
    Yes,
}

/// Which of the columns that tell the schema there are.
#[derive(Default)]
struct SchemaColumns {
    read: QueryEnd,
    user: QueryEnd,
    permission: QueryEnd,
}

impl AccountsReading {
    pub(super) fn of(depth: ReadDepth) -> Self {
        Self {
            depth,
            begun: QueryEnd::No,
            columns: SchemaColumns::default(),
            domains: Vec::new(),
            places: HashMap::new(),
            logins: BTreeSet::new(),
            owners: HashSet::new(),
            clients: BTreeSet::new(),
            client_rows: 0,
            others: BTreeSet::new(),
            users: AccountRows::default(),
            permissions: AccountRows::default(),
            shared: BTreeSet::new(),
            shared_rows: 0,
            owned: BTreeSet::new(),
            other_users: UnownedRows::default(),
            other_permissions: UnownedRows::default(),
            counted_shared: None,
            counted_domains: None,
            counted_clients: None,
            counted_accounts: None,
            ended: QueryEnd::No,
        }
    }

    /// Takes a line; none where it is not as it was asked for.
    pub(super) fn line(&mut self, line: &[u8], at: usize) -> Option<()> {
        let mut fields = line.split(|byte| *byte == b'\t');
        let first = fields.next()?;
        if self.begun == QueryEnd::No {
            // What comes before is what a client prints of its own.
            if line == BEGUN {
                self.begun = QueryEnd::Yes;
            }
            return Some(());
        }
        if first == MARK.as_bytes() {
            return self.mark(fields.next()?, fields.next());
        }
        if self.columns.read == QueryEnd::No {
            match first {
                b"userId" => self.columns.user = QueryEnd::Yes,
                b"perm_id" => self.columns.permission = QueryEnd::Yes,
                _ => {}
            }
            return Some(());
        }
        match first {
            b"u" | b"p" => self.row(first, line, at),
            b"d" => {
                let id = number(fields.next()?)?;
                let name = crate::model::printable::text(fields.next()?);
                let canonical = address::domain(&name).unwrap_or_else(|_| name.to_ascii_lowercase());
                self.domains.push((id, PanelDomain { name, canonical }));
                Some(())
            }
            b"c" => {
                self.clients.insert(number(fields.next()?)?);
                let login = String::from_utf8_lossy(fields.next()?);
                self.logins.insert(one_form(&login));
                self.client_rows += 1;
                Some(())
            }
            b"s" => {
                self.shared.insert(number(fields.next()?)?);
                self.shared_rows += 1;
                Some(())
            }
            b"o" => {
                self.owned.insert(number(fields.next()?)?);
                Some(())
            }
            b"v" | b"w" => self.other(first, fields),
            _ => None,
        }
    }

    /// Takes a user without an account, or a permission that is no account's access.
    fn other<'a>(&mut self, kind: &[u8], mut fields: impl Iterator<Item = &'a [u8]>) -> Option<()> {
        let id = number(fields.next()?)?;
        let (others, key) = match kind {
            b"w" => {
                let permission = String::from_utf8_lossy(fields.next()?).into_owned();
                (&mut self.other_permissions, OtherLogin::Permission(id, permission))
            }
            _ => (&mut self.other_users, OtherLogin::User(id)),
        };
        let rest: Vec<_> = fields.map(String::from_utf8_lossy).collect();
        others.kept.insert(key, rest.join("\t"));
        others.rows += 1;
        Some(())
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended == QueryEnd::Yes
    }

    fn mark(&mut self, what: &[u8], counted: Option<&[u8]>) -> Option<()> {
        let counted = || usize::try_from(number(counted?)?).ok();
        match what {
            b"columns" => self.columns.read = QueryEnd::Yes,
            b"domains" => {
                self.counted_domains = Some(counted()?);
                self.order();
            }
            b"clients" => {
                self.counted_clients = Some(counted()?);
                let of = |login: &String| Some(login.rsplit_once('@')?.1.to_owned());
                let owned: HashSet<String> = self.logins.iter().filter_map(of).collect();
                self.owners = (self.domains.iter().zip(0..))
                    .filter(|((_, domain), _)| owned.contains(&domain.canonical))
                    .map(|(_, place)| place)
                    .collect();
            }
            b"shared" => self.counted_shared = Some(counted()?),
            b"accounts" => self.counted_accounts = Some(counted()?),
            b"users" => self.other_users.counted = Some(counted()?),
            b"permissions" => self.other_permissions.counted = Some(counted()?),
            b"end" => self.ended = QueryEnd::Yes,
            _ => return None,
        }
        Some(())
    }

    /// Sorts the domains, once all are there.
    fn order(&mut self) {
        self.domains.sort_by(|(one, a), (other, b)| (&a.canonical, one).cmp(&(&b.canonical, other)));
        self.places = (self.domains.iter()).zip(0..).map(|((id, _), place)| (*id, place)).collect();
    }

    fn row(&mut self, kind: &[u8], line: &[u8], at: usize) -> Option<()> {
        let mut fields = line.split(|byte| *byte == b'\t').skip(1);
        let id = number(fields.next()?)?;
        let domain = number(fields.next()?)?;
        let name = fields.next()?;
        let (state, problem) = match kind {
            b"p" => (self.permission(&mut fields)?, None),
            _ => self.user(&mut fields, name, domain)?,
        };
        if fields.next().is_some() {
            return None;
        }
        let rows = match kind {
            b"p" => &mut self.permissions,
            _ => &mut self.users,
        };
        rows.seen += 1;
        // A name without a domain is nobody's account: no address leads to it.
        if let Some(domain) = self.places.get(&domain) {
            let ahead = name.as_ptr() as usize - line.as_ptr() as usize;
            let odd = !address::is_safe_name(name)
                || !self
                    .domains
                    .get(*domain as usize)
                    .is_some_and(|(_, domain)| address::is_safe_domain(&domain.name));
            rows.kept.push(AccountRow {
                id,
                domain: *domain,
                start: u32::try_from(at + ahead).ok()?,
                length: u16::try_from(name.len()).ok()?,
                state,
                problem: problem.or(odd.then_some(AccountProblem::OddName)),
            });
        } else {
            rows.without.push(id);
        }
        Some(())
    }

    /// What the rest of an account's row says until Plesk 9.
    fn permission<'l>(&self, fields: &mut impl Iterator<Item = &'l [u8]>) -> Option<AccountState> {
        let state = match fields.next()? {
            b"1" => AccountState::Permitted,
            b"0" => AccountState::Forbidden,
            _ => return None,
        };
        if self.depth == ReadDepth::Whole {
            let _link = number(fields.next()?)?;
            let _value = fields.next()?;
        }
        Some(state)
    }

    /// What the rest of an account's row says since Plesk 10.
    fn user<'l>(
        &mut self,
        fields: &mut impl Iterator<Item = &'l [u8]>,
        name: &[u8],
        domain: u32,
    ) -> Option<(AccountState, Option<AccountProblem>)> {
        let user = fields.next()?;
        let login = fields.next()?;
        if self.depth == ReadDepth::Whole {
            let _link = number(fields.next()?)?;
            let (_role, _email) = (fields.next()?, fields.next()?);
        }
        let login = match login {
            b"=" => UserLogin::Own,
            other => UserLogin::Other(other.strip_prefix(b"+").unwrap_or(other)),
        };
        let place = self.places.get(&domain);
        let domain = place.and_then(|place| self.domains.get(*place as usize));
        let address = match (login, domain) {
            (UserLogin::Own, _) => OwnAddress::Yes,
            (UserLogin::Other(said), Some((_, domain))) => same(said, name, domain),
            (UserLogin::Other(_), None) => OwnAddress::No,
        };
        let (state, problem) = match user {
            b"-" => (AccountState::NoUser, None),
            b"?" => (AccountState::Dangling, Some(AccountProblem::Dangling)),
            b"0" => (AccountState::Active, None),
            b"1" => (AccountState::Locked, None),
            _ => (AccountState::Unclear, Some(AccountProblem::Unclear)),
        };
        let linked = matches!(state, AccountState::Active | AccountState::Locked | AccountState::Unclear);
        let customers = || match place.zip(domain) {
            // Most accounts: no login of their domain is a customer's.
            Some((place, (_, domain))) if self.owners.contains(place) => {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                let address = format!("{name}@{}", domain.canonical);
                self.logins.contains(&address)
            }
            // An address without a domain is nobody's login.
            Some(_) | None => false,
        };
        let owner = || match login {
            UserLogin::Own => customers(),
            UserLogin::Other(login) => {
                let login = one_form(&String::from_utf8_lossy(login));
                // The administrator's login is fixed.
                login == "admin" || self.logins.contains(&login)
            }
        };
        let problem = if state == AccountState::NoUser {
            customers().then_some(AccountProblem::TakenLogin)
        } else if !linked {
            problem
        } else if owner() {
            Some(AccountProblem::Owner)
        } else if let (OwnAddress::No, UserLogin::Other(login)) = (address, login) {
            self.others.insert(one_form(&String::from_utf8_lossy(login)));
            Some(AccountProblem::OtherLogin)
        } else {
            problem
        };
        Some((state, problem))
    }

    /// Judges whether everything has come.
    pub(super) fn accounts(self, answer: Vec<u8>) -> Result<AccountList, AccountsMisread> {
        if self.ended == QueryEnd::No {
            return Err(AccountsMisread::CutShort);
        }
        let (schema, rows) = match (self.columns.user, self.columns.permission) {
            (QueryEnd::Yes, _) => (PanelSchema::Users, self.users),
            (QueryEnd::No, QueryEnd::Yes) => (PanelSchema::Permissions, self.permissions),
            (QueryEnd::No, QueryEnd::No) => return Err(AccountsMisread::UnknownSchema),
        };
        let complete = |what, rows, counted: Option<usize>| match counted {
            None => Err(AccountsMisread::NotTold(what)),
            Some(counted) if counted != rows => Err(AccountsMisread::Count { what, rows, counted }),
            Some(_) => Ok(()),
        };
        complete("domains", self.domains.len(), self.counted_domains)?;
        match schema {
            PanelSchema::Users => complete("customers", self.client_rows, self.counted_clients)?,
            // A customer's login is none of a mail account's permissions.
            PanelSchema::Permissions => {
                complete("shared permissions", self.shared_rows, self.counted_shared)?
            }
        }
        complete("accounts", rows.seen, self.counted_accounts)?;
        let others = match (self.depth, schema) {
            (ReadDepth::Access, _) => UnownedRows::default(),
            (ReadDepth::Whole, PanelSchema::Users) => self.other_users,
            (ReadDepth::Whole, PanelSchema::Permissions) => self.other_permissions,
        };
        if self.depth == ReadDepth::Whole {
            complete("other users", others.rows, others.counted)?;
        }
        // As many rows as were counted may be one row twice and another never.
        let mut places: Vec<u32> = self.domains.iter().map(|(id, _)| *id).collect();
        places.sort_unstable();
        once("the domain with the number", places.iter().copied())?;
        let mut without = rows.without;
        without.sort_unstable();
        once("the account with the number", without.iter().copied())?;
        let mut rows = rows.kept;
        rows.sort_by_key(|row| row.id);
        once("the account with the number", rows.iter().map(|row| row.id))?;
        let different = |what, rows: usize, different: usize| match rows == different {
            true => Ok(()),
            false => Err(AccountsMisread::Count { what, rows: different, counted: rows }),
        };
        different("different customers", self.client_rows, self.clients.len())?;
        different("different other users", others.rows, others.kept.len())?;
        let mut accounts = AccountList {
            schema,
            domains: self.domains.into_iter().map(|(_, domain)| domain).collect(),
            rows,
            answer,
            others: others.kept,
        };
        accounts.share(&self.others);
        if schema == PanelSchema::Permissions {
            accounts.mark(&self.owned, AccountProblem::Owner);
            accounts.mark(&self.shared, AccountProblem::SharedPermissions);
        }
        Ok(accounts)
    }
}

/// Whether each number of a sorted list is there once.
fn once(what: &'static str, numbers: impl Iterator<Item = u32>) -> Result<(), AccountsMisread> {
    let mut last = None;
    for id in numbers {
        if last == Some(id) {
            return Err(AccountsMisread::Twice { what, id });
        }
        last = Some(id);
    }
    Ok(())
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The login of an account's user.
#[derive(Clone, Copy)]
enum UserLogin<'a> {
    /// The account's address, letter by letter.
    Own,
    /// Any other.
    Other(&'a [u8]),
}

/// Whether a login or an e-mail address is an account's own.
#[derive(PartialEq, Eq)]
enum OwnAddress {
    Yes,
    No,
}

/// Compares case and both forms of an international domain away.
fn same(said: &[u8], name: &[u8], domain: &PanelDomain) -> OwnAddress {
    let Ok(said) = std::str::from_utf8(said) else {
        return OwnAddress::No;
    };
    let Some((local, of)) = said.rsplit_once('@') else {
        return OwnAddress::No;
    };
    let local = local.as_bytes().eq_ignore_ascii_case(name);
    if local && address::domain(of).is_ok_and(|of| of == domain.canonical) {
        OwnAddress::Yes
    } else {
        OwnAddress::No
    }
}

/// A login as logins are compared: an address in its one form, anything else in lower case.
fn one_form(login: &str) -> String {
    address::account(login).unwrap_or_else(|_| login.to_lowercase())
}
