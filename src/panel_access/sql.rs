//! What the panel's database is asked, in words that MySQL 4.1 and MariaDB 10.11 both know.
//!
//! Which of the two schemas it has is decided by the columns of `mail`, in the one run of the client that reads all: it
//! goes on after an error (`--force`), and the query of the other schema is one. Nothing of a manifest or of the database
//! is ever part of a query, only numbers.

/// The first word of rows that are not data.
pub const MARK: &str = "mailward";

/// The client's arguments: the administrator, the panel's database, rows of tabs without heads, on after errors, unbuffered.
pub const ARGUMENTS: [&str; 6] = ["-uadmin", "-Dpsa", "-B", "-N", "-f", "-q"];

/// Client settings and what another's `my.cnf` could set must not change an answer; all queries see one moment.
const BEGIN: &str = "SET NAMES utf8;
SET SQL_SELECT_LIMIT=DEFAULT;
SET SQL_BIG_SELECTS=1;
START TRANSACTION WITH CONSISTENT SNAPSHOT;
";

/// Since Plesk 10 an account names a user; most users are the account's own, which `=` says in one byte.
const USERS: &str = "SELECT 'u',m.id,COALESCE(m.dom_id,0),m.mail_name,\
IF(m.userId IS NULL OR m.userId=0,'-',IF(u.id IS NULL,'?',CONCAT('',u.isLocked))),\
COALESCE(IF(CAST(u.login AS BINARY)=CAST(CONCAT(m.mail_name,'@',d.name) AS BINARY),'=',u.login),'') \
FROM mail m LEFT JOIN domains d ON d.id=m.dom_id LEFT JOIN smb_users u ON u.id=m.userId;
";

/// Until Plesk 9 an account names permissions. The unqualified `userId` is the derived table's, unless `mail` has such a
/// column: then it is ambiguous, and the query an error, so that it costs nothing where it is not meant.
const PERMISSIONS: &str =
    "SELECT 'p',m.id,COALESCE(m.dom_id,0),m.mail_name,IF(p.value='true','1','0') \
FROM mail m LEFT JOIN Permissions p ON p.id=m.perm_id AND p.permission='cp_access' \
CROSS JOIN (SELECT 1 AS userId) AS x WHERE userId=1;
";

/// All accounts, their domains, and the logins that are not mail users. Each part is followed by the number of its rows,
/// and the whole by a mark, so that nothing cut short is taken for complete.
#[must_use]
pub fn everything() -> String {
    format!(
        "{BEGIN}SHOW COLUMNS FROM mail;
SELECT '{MARK}','columns';
SELECT 'd',id,name FROM domains;
SELECT '{MARK}','domains',COUNT(*) FROM domains;
SELECT 'c',login FROM clients WHERE login IS NOT NULL;
SELECT '{MARK}','clients',COUNT(login) FROM clients;
{USERS}{PERMISSIONS}SELECT '{MARK}','accounts',COUNT(*) FROM mail;
COMMIT;
SELECT '{MARK}','end';
"
    )
}

/// One account of a schema with users, and how many users have the number `user`.
#[must_use]
pub fn one_with_user(account: u32, user: u32) -> String {
    format!(
        "SET NAMES utf8;
SELECT '{MARK}','account',m.id,COALESCE(m.userId,0),COALESCE(u.id,0),COALESCE(u.login,''),COALESCE(u.email,''),\
COALESCE(u.roleId,''),COALESCE(CONCAT('',u.isLocked),'') \
FROM mail m LEFT JOIN smb_users u ON u.id=m.userId WHERE m.id={account};
SELECT '{MARK}','user',COUNT(*) FROM smb_users WHERE id={user};
SELECT '{MARK}','end';
"
    )
}

/// One account of a schema with permissions.
#[must_use]
pub fn one_with_permission(account: u32) -> String {
    format!(
        "SET NAMES utf8;
SELECT '{MARK}','account',m.id,m.perm_id,COALESCE(p.value,'') \
FROM mail m LEFT JOIN Permissions p ON p.id=m.perm_id AND p.permission='cp_access' WHERE m.id={account};
SELECT '{MARK}','end';
"
    )
}
