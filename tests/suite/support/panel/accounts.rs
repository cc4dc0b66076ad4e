//! The accounts that a panel of the tests holds, and what is true of each. Must not use the queries that are
//! under test.

use std::collections::BTreeMap;

use super::Generation;
use super::database::Database;

/// What the small world says of an account.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The address as it is stored, the domain in its ASCII form.
    pub address: &'static str,
    /// Whether it may log in to the panel.
    pub access: bool,
    /// What it stands for; empty where nothing is special.
    pub what: &'static str,
    /// Whether it is simply a mail user, whose access may be changed.
    pub plain: bool,
}

/// Returns all accounts of the small world, in no order.
pub fn small_world(generation: Generation) -> Vec<Known> {
    let own = match generation {
        Generation::Nine => NINE.as_slice(),
        Generation::Ten => TEN.as_slice(),
    };
    [&BOTH, own].concat()
}

const fn known(address: &'static str, access: bool, what: &'static str) -> Known {
    Known { address, access, what, plain: true }
}

const fn odd(address: &'static str, access: bool, what: &'static str) -> Known {
    Known { address, access, what, plain: false }
}

/// Those of either panel.
const BOTH: [Known; 7] = [
    known("nobox@example.jp", true, "without a mailbox"),
    known("Sales@example.jp", true, "a capital"),
    known("o'brien@example.jp", true, "a quote"),
    known("100%@example.net", true, "a percent sign"),
    known("a_b@example.net", false, "what LIKE takes for any character"),
    known("axb@example.net", true, "what LIKE would take it for"),
    known("info@example.net", true, "a name that another domain has too; the domain is shown as Example.NET"),
];

const NINE: [Known; 11] = [
    known("owner@example.jp", true, ""),
    known("info@example.jp", false, ""),
    known("norow@example.jp", false, "perm_id is zero"),
    known("dangling@example.jp", false, "perm_id names no row"),
    known("otherrow@example.jp", false, "only another permission has a row"),
    known("null@example.jp", false, "the value is NULL"),
    known("shouting@example.jp", false, "the value is TRUE, which the vendor's query does not take for true"),
    known("user+tag@example.net", false, "a plus sign"),
    known("taro@example.jp", true, "a name that another domain has too"),
    known("taro@xn--wgv71a119e.jp", true, "the domain is shown as 日本語.jp"),
    known("hanako@xn--wgv71a119e.jp", false, "the domain is shown as 日本語.jp"),
];

const TEN: [Known; 16] = [
    known("owner@example.jp", true, "an old row of Permissions says the contrary"),
    known("info@example.jp", false, "an old row of Permissions says the contrary"),
    known("zero@example.jp", false, "userId is zero; an old row of Permissions says true"),
    known("null@example.jp", false, "userId is NULL; an old row of Permissions says true"),
    odd("dangling@example.jp", false, "userId names no row"),
    known("othercase@example.jp", true, "the login is OtherCase@Example.JP"),
    odd("otherlogin@example.jp", true, "the login is jdoe, the e-mail is the address"),
    known(
        "moved@example.jp",
        true,
        "the user's e-mail is elsewhere: the vendor's backup agent would not count it",
    ),
    known("unlinked@example.net", false, "a user has its address as login, but is not linked"),
    odd("shared1@example.net", true, "shares its user with shared2, by its own address"),
    odd("shared2@example.net", true, "the login is shared1's"),
    odd("taro@example.jp", true, "the user is a customer"),
    odd("reseller@example.jp", true, "the user is a reseller"),
    odd("root@example.net", true, "the user is the administrator"),
    known("taro@xn--wgv71a119e.jp", true, "the login has the domain as 日本語.jp"),
    known("hanako@xn--wgv71a119e.jp", false, "the login has the domain in its ASCII form"),
];

/// Names that the column takes: whether a panel ever stores them is not documented, an import may have.
pub const HOSTILE_NAMES: [&str; 14] = [
    "tab\tbed",
    "two words",
    "line\nbreak",
    "back\\slash",
    "\\tno tab",
    "a\"b",
    "$(touch pwned)",
    "`touch pwned`",
    "x;touch pwned",
    "-rf",
    "%s%n",
    "' OR '1'='1",
    "at@at",
    "NULL",
];

/// The address of an account of the bulk, counted from 0.
pub fn bulk_address(number: u32, domains: u32) -> String {
    format!("user{number:07}@d{:05}.example.jp", number % domains)
}

/// Whether an account of the bulk may log in: two of three may.
///
/// Of those that may not there are as many of each kind: up to 9 a row that says `false`, one that says NULL,
/// no row, a number without a row; from 10 on a locked user, also in place of the second, zero and NULL.
pub fn bulk_access(number: u32) -> bool {
    !number.is_multiple_of(3)
}

/// Reads each table on its own and puts them together here.
pub(super) fn accesses(database: &Database, generation: Generation) -> BTreeMap<String, bool> {
    let domains: BTreeMap<String, String> = pairs(database, "SELECT id, name FROM domains;");
    let (link, may) = match generation {
        Generation::Nine => (
            "perm_id",
            "SELECT id, HEX(COALESCE(value, '')) FROM Permissions WHERE permission = 'cp_access';",
        ),
        Generation::Ten => ("userId", "SELECT id, isLocked FROM smb_users;"),
    };
    let may = pairs(database, may);
    // As hexadecimal: a name may hold a tab or a line's end.
    let mail = database.sql(&format!("SELECT HEX(mail_name), dom_id, COALESCE({link}, 0) FROM mail;"));
    mail.lines()
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let name = super::database::unhex(fields[0]);
            let access = match (generation, may.get(fields[2])) {
                (_, None) => false,
                (Generation::Nine, Some(value)) => super::database::unhex(value) == "true",
                (Generation::Ten, Some(locked)) => locked == "0",
            };
            (format!("{name}@{}", domains[fields[1]]), access)
        })
        .collect()
}

fn pairs(database: &Database, query: &str) -> BTreeMap<String, String> {
    let text = database.sql(query);
    text.lines()
        .map(|line| {
            let (key, value) = line.split_once('\t').expect("two columns");
            (key.to_owned(), value.to_owned())
        })
        .collect()
}
