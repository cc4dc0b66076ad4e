//! What the panel's database is asked, in words that MySQL 4.1 and MariaDB 10.11 both know.
//!
//! Which of the two schemas it has is decided by the columns of `mail`, in the one run of the client that
//! reads all: it goes on after an error (`--force`), and the query of the other schema is one. Nothing of a
//! manifest or of the database is ever part of a query, only numbers.

use std::fmt::Write as _;

use super::accounts::PanelSchema;

/// The first word of rows that are not data.
pub const MARK: &str = "mailward";

/// The client's arguments: the administrator, the panel's database, rows of tabs without heads, on after
/// errors, unbuffered.
pub const ARGUMENTS: [&str; 6] = ["-uadmin", "-Dpsa", "-B", "-N", "-f", "-q"];

/// How much of each account is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadDepth {
    /// What a plan needs: whether it has access, and whether its user is its own.
    Access,
    /// All that tells one account from another one of the same name, and the users that belong to no account:
    /// an apply compares that before and after.
    Whole,
}

/// Settings of the client, of the server and of another's `my.cnf` must not change an answer, and all queries
/// see one moment.
///
/// `DEFAULT` would be the server's own limit, and a mode in which an empty text is NULL takes `''` for it:
/// hence numbers. A snapshot is one only where reads are repeatable. What a client prints before the first
/// mark is its own.
const BEGIN: &str = "SET sql_mode=0;
SET NAMES utf8;
SET SQL_SELECT_LIMIT=18446744073709551615;
SET SQL_BIG_SELECTS=1;
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;
START TRANSACTION WITH CONSISTENT SNAPSHOT;
SELECT 'mailward','begin';
";

/// Since Plesk 10 an account names a user; most users are the account's own, which `=` says in one byte, and
/// any other login follows a `+`. Old servers join no texts of two character sets, hence bytes. The client
/// prints NULL as a name that an account could have: it is none.
const USERS: &str = "SELECT 'u',m.id,COALESCE(m.dom_id,0),COALESCE(m.mail_name,''),\
IF(m.userId IS NULL OR m.userId=0,'-',IF(u.id IS NULL,'?',CONCAT('',u.isLocked))),\
COALESCE(IF(CAST(u.login AS BINARY)=CONCAT(CAST(m.mail_name AS BINARY),'@',CAST(d.name AS BINARY)),'=',CONCAT('+',u.login)),'')";

const USERS_WHOLE: &str = ",COALESCE(m.userId,0),COALESCE(u.roleId,''),\
COALESCE(IF(CAST(u.email AS BINARY)=CAST(u.login AS BINARY),'=',CONCAT('+',u.email)),'')";

const OF_USERS: &str =
    " FROM mail m LEFT JOIN domains d ON d.id=m.dom_id LEFT JOIN smb_users u ON u.id=m.userId;
";

/// Until Plesk 9 an account names permissions. The unqualified `userId` is the derived table's, unless `mail`
/// has such a column: then it is ambiguous, and the query an error, so that it costs nothing where it is not
/// meant.
const PERMISSIONS: &str =
    "SELECT 'p',m.id,COALESCE(m.dom_id,0),COALESCE(m.mail_name,''),IF(p.value='true','1','0')";

const PERMISSIONS_WHOLE: &str = ",COALESCE(m.perm_id,0),COALESCE(p.value,'')";

const OF_PERMISSIONS: &str =
    " FROM mail m LEFT JOIN Permissions p ON p.id=m.perm_id AND p.permission='cp_access' \
CROSS JOIN (SELECT 1 AS userId) AS x WHERE userId=1;
";

/// Accounts whose permissions another account has too, or a customer. Not every release may have a
/// customer's: then there is none to share with, and the second query is an error.
const SHARED: &str = "SELECT 's',m.id FROM mail m \
JOIN (SELECT perm_id FROM mail WHERE perm_id<>0 GROUP BY perm_id HAVING COUNT(*)>1) AS y ON y.perm_id=m.perm_id \
CROSS JOIN (SELECT 1 AS userId) AS x WHERE userId=1;
SELECT 'mailward','shared',COUNT(*) FROM mail m \
JOIN (SELECT perm_id FROM mail WHERE perm_id<>0 GROUP BY perm_id HAVING COUNT(*)>1) AS y ON y.perm_id=m.perm_id \
CROSS JOIN (SELECT 1 AS userId) AS x WHERE userId=1;
SELECT 'o',m.id FROM mail m JOIN clients c ON c.perm_id=m.perm_id \
CROSS JOIN (SELECT 1 AS userId) AS x WHERE m.perm_id<>0 AND userId=1;
";

/// Users that belong to no account, and all permissions but those that an account's own row has told.
const OTHERS: &str =
    "SELECT 'v',u.id,u.isLocked,COALESCE(u.roleId,''),COALESCE(u.login,''),COALESCE(u.email,'') \
FROM smb_users u LEFT JOIN mail m ON m.userId=u.id WHERE m.id IS NULL;
SELECT 'mailward','users',COUNT(*) FROM smb_users u LEFT JOIN mail m ON m.userId=u.id WHERE m.id IS NULL;
SELECT 'w',p.id,p.permission,COALESCE(CRC32(p.value),'-') \
FROM Permissions p LEFT JOIN mail m ON m.perm_id=p.id AND p.permission='cp_access' WHERE m.id IS NULL;
SELECT 'mailward','permissions',COUNT(*) \
FROM Permissions p LEFT JOIN mail m ON m.perm_id=p.id AND p.permission='cp_access' WHERE m.id IS NULL;
";

/// All accounts, their domains, and the logins that are not mail users. Each part is followed by the number
/// of its rows, and the whole by a mark, so that nothing cut short is taken for complete.
#[must_use]
pub fn everything(depth: ReadDepth) -> String {
    let (users, permissions, others) = match depth {
        ReadDepth::Access => ("", "", ""),
        ReadDepth::Whole => (USERS_WHOLE, PERMISSIONS_WHOLE, OTHERS),
    };
    format!(
        "{BEGIN}SHOW COLUMNS FROM mail;
SELECT '{MARK}','columns';
SELECT 'd',id,COALESCE(name,'') FROM domains;
SELECT '{MARK}','domains',COUNT(*) FROM domains;
SELECT 'c',id,login FROM clients WHERE login IS NOT NULL;
SELECT '{MARK}','clients',COUNT(login) FROM clients;
{SHARED}{USERS}{users}{OF_USERS}{PERMISSIONS}{permissions}{OF_PERMISSIONS}SELECT '{MARK}','accounts',COUNT(*) FROM mail;
{others}COMMIT;
SELECT '{MARK}','end';
"
    )
}

/// The lines of [`everything`] in which an error is the usual one: their statements are the other schema's,
/// or about what not every release has. A client names the line with its error.
#[must_use]
pub fn usual_errors(schema: PanelSchema, depth: ReadDepth) -> Vec<usize> {
    let others: &[&str] = match schema {
        PanelSchema::Users => &[
            "SELECT 's'",
            "SELECT 'mailward','shared'",
            "SELECT 'o'",
            "SELECT 'p'",
            "SELECT 'w'",
            "SELECT 'mailward','permissions'",
        ],
        PanelSchema::Permissions => &["SELECT 'o'", "SELECT 'u'", "SELECT 'v'", "SELECT 'mailward','users'"],
    };
    (everything(depth).lines().enumerate())
        .filter(|(_, line)| others.iter().any(|begin| line.starts_with(begin)))
        .map(|(place, _)| place + 1)
        .collect()
}

/// Some accounts of a schema with users, and which of some users are there.
#[must_use]
pub fn some_with_users(accounts: &[u32], users: &[u32]) -> String {
    let mut text = format!(
        "{BEGIN}SELECT '{MARK}','account',m.id,COALESCE(m.userId,0),COALESCE(u.id,0),COALESCE(u.login,''),COALESCE(u.email,''),\
COALESCE(u.roleId,''),COALESCE(CONCAT('',u.isLocked),'') \
FROM mail m LEFT JOIN smb_users u ON u.id=m.userId WHERE m.id IN ({});
",
        list(accounts)
    );
    if !users.is_empty() {
        let _ = writeln!(text, "SELECT '{MARK}','user',id FROM smb_users WHERE id IN ({});", list(users));
    }
    let _ = write!(text, "COMMIT;\nSELECT '{MARK}','end';\n");
    text
}

/// Some accounts of a schema with permissions.
#[must_use]
pub fn some_with_permissions(accounts: &[u32]) -> String {
    format!(
        "{BEGIN}SELECT '{MARK}','account',m.id,COALESCE(m.perm_id,0),COALESCE(p.value,'') \
FROM mail m LEFT JOIN Permissions p ON p.id=m.perm_id AND p.permission='cp_access' WHERE m.id IN ({});
COMMIT;
SELECT '{MARK}','end';
",
        list(accounts)
    )
}

fn list(numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    numbers.join(",")
}
