//! The panel access of the example's accounts through the built program: what is printed and written, what is
//! withheld, and a panel that misbehaves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const DENY: &str = "[panel_access]\ndefault = false\n";
/// The password of the panel's database.
const SECRET: &str = "stand-in-setup-7Hk2";

fn on(command: &str, root: &Path, manifest: &str, more: &[&str]) -> Output {
    let path = root.join("manifest.toml");
    fs::write(&path, format!("version = 1\n{manifest}")).unwrap();
    let mut arguments = vec![command, "--root", root.to_str().unwrap()];
    if command != "show" {
        arguments.push(path.to_str().unwrap());
    }
    Command::new(env!("CARGO_BIN_EXE_mailward")).args(arguments).args(more).output_in_time().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn wish(root: &Path, what: &str, word: &str) {
    fs::write(root.join("var/lib/stand-in").join(what), format!("{word}\n")).unwrap();
}

fn table(root: &Path, name: &str) -> String {
    fs::read_to_string(root.join("var/lib/stand-in/psa").join(name)).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Every file below mailward's own folder.
fn written(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.join("var/lib/mailward")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn a_plan_names_the_first_accounts_all_of_them_or_none() {
    let copy = office_copy();
    let mail = copy.path().join("var/lib/stand-in/psa/mail");
    let users = copy.path().join("var/lib/stand-in/psa/smb_users");
    let (mut rows, mut more) = (fs::read_to_string(&mail).unwrap(), String::new());
    for number in 100..110 {
        rows.push_str(&format!("{number}\t2\tstaff{number}\t{number}\n"));
        let address = format!("staff{number}@example.net");
        more.push_str(&format!("{number}\t{address}\t{address}\t4\t0\n"));
    }
    fs::write(&mail, rows).unwrap();
    fs::write(&users, fs::read_to_string(&users).unwrap() + &more).unwrap();
    let manifest = format!("{DENY}[safety]\nmax_account_changes = \"100%\"\n");
    let brief = said(&on("plan", copy.path(), &manifest, &[]));
    assert!(brief.contains("  example.net: sato, staff100, staff101 and 8 more\n"), "{brief}");
    let full = said(&on("plan", copy.path(), &manifest, &["--verbose"]));
    assert!(full.contains("staff108, staff109\n"), "{full}");
    let redacted = on("plan", copy.path(), &manifest, &["--redact-accounts"]);
    let text = said(&redacted);
    assert!(text.contains("  example.net: 11 accounts\n"), "{text}");
    let json_text = said(&on("plan", copy.path(), &manifest, &["--redact-accounts", "--format", "json"]));
    for name in ["sato", "staff100", "anna", "info@"] {
        assert!(!text.contains(name), "{name} is in {text}");
        assert!(!json_text.contains(name), "{name} is in {json_text}");
    }
    // The review of what is shown approves the plan itself.
    let fingerprint = |text: &str| text.lines().last().unwrap().to_owned();
    assert_eq!(fingerprint(&brief), fingerprint(&text));
    assert_eq!(redacted.status.code(), Some(2));
    let check = said(&on("check", copy.path(), &manifest, &["--redact-accounts"]));
    assert!(
        check.starts_with(
            "DRIFT: deny panel access to 15 accounts in 2 domains; \
             1 account keeps panel access that the manifest denies, left alone ("
        ),
        "{check}"
    );
}

#[test]
fn a_redacted_plan_cannot_be_applied_and_a_saved_one_holds_the_accounts() {
    let copy = office_copy();
    let saved = copy.path().join("plan.json");
    let plan = on(
        "plan",
        copy.path(),
        DENY,
        &["--redact-accounts", "--format", "json", "-o", saved.to_str().unwrap()],
    );
    assert_eq!(plan.status.code(), Some(2), "{}", said(&plan));
    assert_eq!(fs::metadata(&saved).unwrap().permissions().mode() & 0o777, 0o600);
    let redacted = copy.path().join("redacted.json");
    fs::write(&redacted, &plan.stdout).unwrap();
    let apply = |plan: &Path| {
        Command::new(env!("CARGO_BIN_EXE_mailward"))
            .args(["apply", "--yes", "--root"])
            .arg(copy.path())
            .arg(plan)
            .output_in_time()
            .unwrap()
    };
    let refused = apply(&redacted);
    assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
    assert!(said(&refused).contains("withheld"), "{}", said(&refused));
    let applied = apply(&saved);
    assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));
    assert!(table(copy.path(), "smb_users").contains("anna@example.jp\t4\t1"));
}

#[test]
fn show_counts_by_domain_lists_with_accounts_and_gives_entries_as_json() {
    let copy = office_copy();
    let counts = said(&on("show", copy.path(), "", &[]));
    assert!(counts.contains("\nDOMAIN          ACCOUNTS  PANEL ACCESS\nexample.jp "), "{counts}");
    assert!(!counts.contains("anna@"), "{counts}");
    let list = said(&on("show", copy.path(), "", &["--accounts"]));
    let row = |account: &str| {
        let line = list.lines().find(|line| line.starts_with(account));
        let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
        words.join(" ")
    };
    assert_eq!(row("anna@"), "anna@example.jp yes", "{list}");
    assert_eq!(row("dora@"), "dora@example.jp no", "{list}");
    let reason = "its panel user is a customer, a reseller or the administrator";
    assert_eq!(row("info@example"), format!("info@example.jp yes {reason}"), "{list}");
    let json_text = on("show", copy.path(), "", &["--format", "json"]);
    let shown = json(&json_text);
    let entries = shown["panel_access"]["accounts"].as_array().unwrap();
    assert_eq!(entries.len(), 23);
    assert_eq!(
        entries[0],
        serde_json::json!({
            "account": "anna@example.jp", "domain": "example.jp", "access": true, "problems": []
        })
    );
    let redacted = json(&on("show", copy.path(), "", &["--format", "json", "--redact-accounts"]));
    assert_eq!(redacted["panel_access"]["accounts"], serde_json::json!([]));
    assert_eq!(redacted["panel_access"]["domains"][0]["accounts"], 16);
}

#[test]
fn accounts_are_changed_and_no_secret_is_printed_or_written() {
    let copy = office_copy();
    let outcome = copy.path().join("outcome.json");
    let output = on("apply", copy.path(), DENY, &["--yes", "--outcome", outcome.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(on("plan", copy.path(), DENY, &[]).status.code(), Some(0));
    let mut texts = vec![said(&output), fs::read_to_string(&outcome).unwrap()];
    for file in written(copy.path()) {
        texts.push(String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned());
    }
    assert!(texts.len() >= 4, "{texts:?}");
    for text in texts {
        assert!(!text.contains(SECRET), "{text}");
        assert!(!text.contains("SUCCESS"), "the panel's words are in {text}");
    }
}

#[test]
fn the_password_is_on_no_argument_list_and_only_the_client_gets_it() {
    let copy = office_copy();
    for (script, name) in [("usr/bin/mysql", "mysql"), ("usr/local/psa/bin/mail", "mail")] {
        let path = copy.path().join(script);
        let text = fs::read_to_string(&path).unwrap();
        let spy = format!(
            "#!/bin/sh\n{{ echo \"$0 $*\"; env; }} >\"$MAILWARD_ROOT/{name}.seen\"\n{}",
            text.split_once('\n').unwrap().1
        );
        fs::write(&path, spy).unwrap();
    }
    let output = on("apply", copy.path(), DENY, &["--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let seen = |name: &str| fs::read_to_string(copy.path().join(format!("{name}.seen"))).unwrap();
    let client = seen("mysql");
    assert!(!client.lines().next().unwrap().contains(SECRET), "{client}");
    assert!(client.contains(&format!("MYSQL_PWD={SECRET}")), "{client}");
    assert!(!seen("mail").contains(SECRET));
}

#[test]
fn a_database_that_is_down_or_cut_short_is_unknown_never_no_drift() {
    for (word, told) in
        [("down", "error 2002: the server does not answer"), ("cut", "the answer ends in the middle")]
    {
        let copy = office_copy();
        wish(copy.path(), "mysql", word);
        for (command, more) in
            [("plan", vec![]), ("check", vec![]), ("apply", vec!["--yes"]), ("show", vec![])]
        {
            let output = on(command, copy.path(), DENY, &more);
            assert_eq!(output.status.code(), Some(11), "{command} {word}: {}", said(&output));
            let folded = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(folded.contains(told), "{command} {word}: {}", said(&output));
        }
    }
}

#[test]
fn a_panel_that_misbehaves_leaves_the_host_as_it_was_or_says_what_it_did() {
    for (word, code) in [("lie", 8), ("fail", 8), ("unlink", 9)] {
        let copy = office_copy();
        wish(copy.path(), "mail", word);
        let before = (table(copy.path(), "mail"), table(copy.path(), "smb_users"));
        let output = on("apply", copy.path(), DENY, &["--yes"]);
        assert_eq!(output.status.code(), Some(code), "{word}: {}", said(&output));
        let after = (table(copy.path(), "mail"), table(copy.path(), "smb_users"));
        if word == "unlink" {
            assert_eq!(before.1, after.1);
            let differ = before.0.lines().zip(after.0.lines());
            assert_eq!(differ.filter(|(one, other)| one != other).count(), 1);
            assert!(said(&output).contains("the old user is there without the account"));
        } else {
            assert_eq!(before, after, "{word}");
        }
        fs::remove_file(copy.path().join("var/lib/stand-in/mail")).unwrap();
        if word == "unlink" {
            let next = on("apply", copy.path(), DENY, &["--yes"]);
            assert_eq!(next.status.code(), Some(7), "{}", said(&next));
            assert!(said(&next).contains("--allow panel-command"));
        }
        let again = ["--yes", "--allow", "panel-command"];
        let next = on("apply", copy.path(), DENY, &again);
        assert_eq!(next.status.code(), Some(0), "{word}: {}", said(&next));
        // It did what it should this time.
        let memory = copy.path().join("var/lib/mailward/panel-command.json");
        assert!(!memory.exists(), "{word}");
    }
}

#[test]
fn a_command_that_hangs_is_ended_at_its_time_limit() {
    let copy = office_copy();
    wish(copy.path(), "mail", "hang");
    let start = std::time::Instant::now();
    let output = on("apply", copy.path(), DENY, &["--yes", "--action-timeout", "1"]);
    assert_eq!(output.status.code(), Some(8), "{}", said(&output));
    assert!(said(&output).contains("did not end within 1 s"), "{}", said(&output));
    assert!(start.elapsed().as_secs() < 60);
}

#[test]
fn more_changes_than_allowed_are_refused_and_the_command_line_allows_them_for_once() {
    let copy = office_copy();
    let manifest = format!("{DENY}[safety]\nmax_account_changes = 3\n");
    let refused = on("plan", copy.path(), &manifest, &[]);
    assert_eq!(refused.status.code(), Some(7), "{}", said(&refused));
    assert!(said(&refused).contains("--allow account-changes=5"), "{}", said(&refused));
    let allowed = on("plan", copy.path(), &manifest, &["--allow", "account-changes=5"]);
    assert_eq!(allowed.status.code(), Some(2), "{}", said(&allowed));
    let other = on("plan", copy.path(), &manifest, &["--allow", "everything"]);
    assert_eq!(other.status.code(), Some(4));
    let applied = on("apply", copy.path(), &manifest, &["--yes", "--allow", "account-changes=5"]);
    assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));
}

#[test]
fn a_failed_restart_gives_the_accounts_nothing_and_a_failed_account_gives_the_files_back() {
    let copy = office_copy();
    wish(copy.path(), "mail", "fail");
    let pop3d = fs::read(copy.path().join("etc/courier-imap/pop3d")).unwrap();
    let manifest = format!("[limits.pop3]\nper_ip = 20\n{DENY}");
    let output = on("apply", copy.path(), &manifest, &["--yes"]);
    assert_eq!(output.status.code(), Some(8), "{}", said(&output));
    assert_eq!(fs::read(copy.path().join("etc/courier-imap/pop3d")).unwrap(), pop3d);
    fs::remove_file(copy.path().join("var/lib/stand-in/mail")).unwrap();
    wish(copy.path(), "courier-pop3d.start", "lie");
    let users = table(copy.path(), "smb_users");
    let output = on("apply", copy.path(), &manifest, &["--yes", "--action-timeout", "2"]);
    assert!(matches!(output.status.code(), Some(8 | 9)), "{}", said(&output));
    assert_eq!(table(copy.path(), "smb_users"), users);
}
