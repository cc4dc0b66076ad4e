//! The panel's stand-ins: the database's client and the command for mail accounts.

use std::io::Write as _;
use std::process::Stdio;

use mailward::panel_access::accounts::AccountList;
use mailward::panel_access::sql::{ReadDepth, everything, some_with_users};

use super::harness::{Office, output, with_each};
use crate::support::in_time::{ChildInTime as _, PATIENCE};

/// Asks the database.
fn ask(office: &Office, statements: &str, password: &str) -> (String, String) {
    let mut command = office.command("usr/bin/mysql", "-f");
    command.env("MYSQL_PWD", password).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("its input");
    // A client that refuses does not read.
    let _ = input.write_all(statements.as_bytes());
    drop(input);
    let done = child.output_within(PATIENCE).expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&done.stdout), text(&done.stderr))
}

fn give(office: &Office, address: &str, value: &str) -> Option<i32> {
    let mut command = office.command("usr/local/psa/bin/mail", "--update");
    command.args([address, "-cp-access", value]);
    output(command).status.code()
}

#[test]
fn the_client_answers_only_to_the_password_from_the_panels_file() {
    with_each(|office| {
        let secret = office.read("etc/psa/.psa.shadow");
        let (answer, errors) = ask(office, "SELECT 'mailward','end';\n", secret.trim());
        assert_eq!((answer.as_str(), errors.as_str()), ("mailward\tend\n", ""));
        let (answer, errors) = ask(office, "SELECT 'mailward','end';\n", "wrong");
        assert_eq!(answer, "");
        assert!(errors.contains("ERROR 1045"), "{errors}");
    });
}

#[test]
fn the_client_answers_all_that_mailward_asks_and_goes_on_after_the_other_schemas_query() {
    with_each(|office| {
        let secret = office.read("etc/psa/.psa.shadow");
        for depth in [ReadDepth::Access, ReadDepth::Whole] {
            let (answer, errors) = ask(office, &everything(depth), secret.trim());
            // The accounts, and three times those that share permissions.
            assert_eq!(errors.lines().count(), 4, "{errors}");
            assert!(errors.lines().all(|line| line.contains("ERROR 1052")), "{errors}");
            let accounts = AccountList::read(answer.into_bytes(), depth).unwrap();
            assert_eq!(accounts.len(), 23);
        }
        let one = some_with_users(&[2], &[12]);
        let (answer, errors) = ask(office, &one, secret.trim());
        assert_eq!(errors, "");
        let row = "mailward\taccount\t2\t12\t12\tanna@example.jp\tanna@example.jp\t4\t0\n";
        assert_eq!(answer, format!("mailward\tbegin\n{row}mailward\tuser\t12\nmailward\tend\n"));
    });
}

#[test]
fn the_panels_command_locks_unlocks_and_makes_users_and_knows_who_is_missing() {
    with_each(|office| {
        let users = || office.read("var/lib/stand-in/psa/smb_users");
        let before = users();
        assert_eq!(give(office, "anna@example.jp", "false"), Some(0));
        assert!(users().contains("12\tanna@example.jp\tanna@example.jp\t4\t1\n"));
        assert_eq!(give(office, "anna@example.jp", "true"), Some(0));
        assert_eq!(users(), before);
        assert_eq!(give(office, "dora@example.jp", "true"), Some(0));
        let made = users();
        let made = made.lines().last().unwrap_or_default();
        assert!(made.contains("\tdora@example.jp\t"), "{made}");
        let id = made.split('\t').next().unwrap_or_default();
        let mail = office.read("var/lib/stand-in/psa/mail");
        assert!(mail.contains(&format!("5\t1\tdora\t{id}\n")), "{mail}");
        assert_eq!(give(office, "nobody@example.jp", "true"), Some(1));
        let help = output(office.command("usr/local/psa/bin/mail", "--help"));
        assert!(String::from_utf8_lossy(&help.stdout).contains("-cp-access "));
    });
}
