//! Hosts that differ from the example's: another daemon in charge, a panel that owns the limits, files that
//! are odd.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

fn on(command: &str, root: &Path, manifest: &str, more: &[&str]) -> Output {
    let path = root.join("manifest.toml");
    fs::write(&path, format!("version = 1\n{manifest}")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args([command, "--root", root.to_str().unwrap(), path.to_str().unwrap()])
        .args(more)
        .output_in_time()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn refused(root: &Path, manifest: &str, code: i32, words: &[&str]) {
    let output = on("plan", root, manifest, &[]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

/// A process of the tree that root runs from this file and that listens on a port.
fn daemon(root: &Path, pid: u32, name: &str, argv: &[&str], port: u16) {
    process(root, pid, name, argv, (0, argv[0]));
    let inode = pid * 64;
    symlink(format!("socket:[{inode}]"), root.join(format!("proc/{pid}/fd/3"))).unwrap();
    let table = root.join("proc/net/tcp");
    let text = fs::read_to_string(&table).unwrap();
    let line = format!(
        "   0: 00000000:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 100\n"
    );
    fs::write(table, text + &line).unwrap();
}

/// A process of the tree that listens nowhere, with its user and the file that it executes.
fn process(root: &Path, pid: u32, name: &str, argv: &[&str], (uid, file): (u32, &str)) {
    let folder = root.join(format!("proc/{pid}"));
    fs::create_dir_all(folder.join("fd")).unwrap();
    let rest = "S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4000 0 0";
    fs::write(folder.join("stat"), format!("{pid} ({name}) {rest}\n")).unwrap();
    let cmdline: Vec<u8> = argv.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
    fs::write(folder.join("cmdline"), cmdline).unwrap();
    fs::write(folder.join("environ"), b"").unwrap();
    let status = format!("Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n");
    fs::write(folder.join("status"), status).unwrap();
    symlink(file, folder.join("exe")).unwrap();
}

fn stop(root: &Path, service: &str) {
    let status = Command::new(root.join("etc/init.d").join(service))
        .arg("stop")
        .env("MAILWARD_ROOT", root)
        .current_dir(root)
        .status_in_time();
    assert!(status.unwrap().success());
}

#[test]
fn dovecot_in_charge_is_an_error_that_names_it() {
    let copy = office_copy();
    for service in ["courier-imapd", "courier-imaps", "courier-pop3d", "courier-pop3s"] {
        stop(copy.path(), service);
    }
    daemon(copy.path(), 4001, "dovecot", &["/usr/sbin/dovecot", "-F"], 110);
    let words = ["Dovecot serves pop3 here", "per_ip = 20", "[limits.pop3]"];
    refused(copy.path(), "[limits.pop3]\nper_ip = 20\n", 4, &words);
}

#[test]
fn postfix_in_charge_is_an_error_that_names_it() {
    let copy = office_copy();
    fs::remove_file(copy.path().join("etc/xinetd.d/smtp_psa")).unwrap();
    fs::remove_file(copy.path().join("etc/xinetd.d/smtps_psa")).unwrap();
    daemon(copy.path(), 4002, "master", &["/usr/libexec/postfix/master", "-w"], 25);
    let words = ["Postfix serves smtp here", "[limits.smtp]"];
    refused(copy.path(), "[limits.smtp]\nper_ip = 20\n", 4, &words);
}

#[test]
fn a_service_that_xinetd_lacks_is_an_error_with_the_nearest_name() {
    let copy = office_copy();
    let words = ["no service `smtp_alt`", "did you mean"];
    refused(copy.path(), "[xinetd.services.smtp_alt]\nper_source = 20\n", 4, &words);
}

#[test]
fn a_value_that_the_shell_computes_is_refused_with_its_line() {
    let copy = office_copy();
    let file = copy.path().join("etc/courier-imap/pop3d");
    let bytes = fs::read_to_string(&file).unwrap().replace("MAXPERIP=4", "MAXPERIP=$MAXDAEMONS");
    fs::write(&file, bytes).unwrap();
    let words = ["MAXPERIP=$MAXDAEMONS", "/etc/courier-imap/pop3d:"];
    refused(copy.path(), "[limits.pop3]\nper_ip = 20\n", 7, &words);
}

#[test]
fn a_limit_in_tcpdopts_is_refused() {
    let copy = office_copy();
    let file = copy.path().join("etc/courier-imap/pop3d");
    let mut bytes = fs::read_to_string(&file).unwrap();
    bytes.push_str("TCPDOPTS=\"-nodnslookup -maxperip=2\"\n");
    fs::write(&file, bytes).unwrap();
    refused(copy.path(), "[limits.pop3]\nper_ip = 20\n", 7, &["TCPDOPTS"]);
}

#[test]
fn a_broken_line_is_repaired_and_the_plan_says_that_it_was_not_in_force() {
    let copy = office_copy();
    let file = copy.path().join("etc/xinetd.d/smtp_psa");
    let bytes = fs::read_to_string(&file).unwrap().replace("}", "\tper_source = 15 # ticket\n}");
    fs::write(&file, bytes).unwrap();
    let manifest = "[limits.smtp]\nper_ip = 15\n";
    let output = on("plan", copy.path(), manifest, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("was not in force"), "{}", said(&output));
    assert!(
        !said(&output).contains("note: /etc/xinetd.d/smtp_psa"),
        "what is repaired is no problem any more: {}",
        said(&output)
    );
    let output = on("apply", copy.path(), manifest, &["--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let bytes = fs::read_to_string(&file).unwrap();
    assert!(bytes.contains("# ticket\n"), "the comment is lost: {bytes}");
    assert_eq!(on("plan", copy.path(), manifest, &[]).status.code(), Some(0));
}

#[test]
fn a_bad_number_in_the_defaults_is_an_error_before_anything_is_written() {
    let copy = office_copy();
    let file = copy.path().join("etc/xinetd.conf");
    let bytes = fs::read_to_string(&file).unwrap().replace("= 50\n", "= fifty\n");
    fs::write(&file, &bytes).unwrap();
    refused(copy.path(), "[xinetd.defaults]\nper_source = 20\n", 7, &["xinetd would exit"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), bytes);
}

#[test]
fn a_service_that_is_offered_and_would_vanish_keeps_xinetd_from_being_reloaded() {
    let copy = office_copy();
    let file = copy.path().join("etc/xinetd.d/ftp_psa");
    let bytes = fs::read_to_string(&file).unwrap();
    fs::write(&file, bytes.replace("server ", "per_source=3\n\tserver ")).unwrap();
    let smtp = copy.path().join("etc/xinetd.d/smtp_psa");
    let before = fs::read(&smtp).unwrap();
    let output = on("apply", copy.path(), "[limits.smtp]\nper_ip = 15\n", &["--yes"]);
    assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    assert!(said(&output).contains("ftp"), "{}", said(&output));
    assert_eq!(fs::read(&smtp).unwrap(), before);
}

#[test]
fn links_and_unreadable_things_in_a_files_place_are_refused_by_name() {
    let manifest = "[limits.pop3]\nper_ip = 20\n";
    let copy = office_copy();
    let file = copy.path().join("etc/courier-imap/pop3d");
    let kept = copy.path().join("etc/courier-imap/pop3d.kept");
    fs::rename(&file, &kept).unwrap();
    symlink("pop3d.kept", &file).unwrap();
    refused(copy.path(), manifest, 7, &["symbolic link", "/etc/courier-imap/pop3d"]);
    fs::remove_file(&file).unwrap();
    fs::hard_link(&kept, &file).unwrap();
    refused(copy.path(), manifest, 7, &["hard links", "/etc/courier-imap/pop3d"]);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused(copy.path(), manifest, 11, &["/etc/courier-imap/pop3d"]);
}

#[test]
fn another_host_than_the_manifests_is_refused() {
    let copy = office_copy();
    refused(
        copy.path(),
        "[host]\nname = \"mx9\"\n[limits.pop3]\nper_ip = 20\n",
        7,
        &["another host", "mx1.example.jp"],
    );
}

#[test]
fn a_daemon_that_does_not_run_is_not_started_and_a_note_says_so() {
    let copy = office_copy();
    stop(copy.path(), "courier-pop3s");
    let manifest = "[limits.pop3]\nper_ip = 20\n";
    let output = on("apply", copy.path(), manifest, &["--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("courier does not run for pop3s"), "{}", said(&output));
    let show = on("show", copy.path(), manifest, &["--format", "json"]);
    let show: serde_json::Value = serde_json::from_slice(&show.stdout).unwrap();
    let entry = show["limits"].as_array().unwrap().iter().find(|entry| entry["service"] == "pop3s").unwrap();
    assert_eq!((&entry["value"], &entry["running"]), (&20.into(), &serde_json::Value::Null));
}

fn panel(root: &Path, mode: &str) {
    let folder = root.join("usr/local/psa/bin");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("mailserver"), include_str!("example_variants/mailserver")).unwrap();
    fs::set_permissions(folder.join("mailserver"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(root.join("var/lib/stand-in/panel"), mode).unwrap();
}

const BOTH: &str = "[limits.pop3]\nper_ip = 20\ntotal = 80\n[limits.imap]\nper_ip = 20\ntotal = 80\n";

#[test]
fn where_the_panel_owns_the_limits_its_command_sets_them() {
    for mode in ["", "restarts"] {
        let copy = office_copy();
        panel(copy.path(), mode);
        let output = on("apply", copy.path(), BOTH, &["--yes"]);
        assert_eq!(output.status.code(), Some(0), "{mode:?}: {}", said(&output));
        let log = fs::read_to_string(copy.path().join("var/lib/stand-in/panel.log")).unwrap();
        assert_eq!(log, "--set-max-connections-per-ip 20\n--set-max-connections 80\n");
        assert_eq!(on("check", copy.path(), BOTH, &[]).status.code(), Some(0), "{mode:?}");
    }
}

#[test]
fn different_values_where_the_panel_has_one_are_an_error() {
    let copy = office_copy();
    panel(copy.path(), "");
    refused(copy.path(), "[limits.pop3]\nper_ip = 20\n", 4, &["the panel has one per_ip"]);
    let different = "[limits.pop3]\nper_ip = 20\n[limits.imap]\nper_ip = 30\n";
    refused(copy.path(), different, 4, &["[limits.imap] per_ip = 30", "[limits.pop3] per_ip = 20"]);
}

#[test]
fn a_panel_that_says_yes_and_does_nothing_is_found_out() {
    let copy = office_copy();
    panel(copy.path(), "lies");
    let output = on("apply", copy.path(), BOTH, &["--yes"]);
    assert_eq!(output.status.code(), Some(8), "{}", said(&output));
    assert!(said(&output).contains("did not change"), "{}", said(&output));
}

#[test]
fn a_daemon_that_runs_with_another_value_than_its_file_is_restarted_though_no_file_changes() {
    let copy = office_copy();
    let manifest = "[limits.pop3]\nper_ip = 20\n";
    let file = copy.path().join("etc/courier-imap/pop3d");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("MAXPERIP=4", "MAXPERIP=20")).unwrap();
    let plan = on("plan", copy.path(), manifest, &[]);
    assert_eq!(plan.status.code(), Some(2), "{}", said(&plan));
    let text = said(&plan);
    assert!(text.contains("pop3 runs with per_ip = 4, and shall have 20"), "{text}");
    assert!(!text.contains("edit /"), "{text}");
    let applied = on("apply", copy.path(), manifest, &["--yes"]);
    assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));
    assert_eq!(on("check", copy.path(), manifest, &[]).status.code(), Some(0));
}

#[test]
fn a_service_that_xinetd_drops_is_shown_with_that_problem() {
    let copy = office_copy();
    let file = copy.path().join("etc/xinetd.d/ftp_psa");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("server ", "per_source=3\n\tserver ")).unwrap();
    let show = on("show", copy.path(), "", &["--format", "json"]);
    let show: serde_json::Value = serde_json::from_slice(&show.stdout).unwrap();
    let mut ftp = show["limits"].as_array().unwrap().iter().filter(|entry| entry["service"] == "ftp");
    let entry = ftp.next().expect("it is listed");
    assert_eq!(entry["value"], serde_json::Value::Null);
    let problems = entry["problems"].to_string();
    assert!(problems.contains("/etc/xinetd.d/ftp_psa:") && problems.contains("drops"), "{problems}");
}

#[test]
fn what_others_changed_in_the_daemons_files_is_listed_by_name_and_without_its_value() {
    let copy = office_copy();
    let file = copy.path().join("etc/courier-imap/pop3d");
    let mut text = fs::read_to_string(&file).unwrap();
    text.push_str("POP3_LOG_DELETIONS=canary\n");
    fs::write(&file, text).unwrap();
    let ftp = copy.path().join("etc/xinetd.d/ftp_psa");
    let text = fs::read_to_string(&ftp).unwrap();
    fs::write(&ftp, text.replace("instances", "# note\n\tinstances")).unwrap();
    let plan = on("plan", copy.path(), "[limits.pop3]\nper_ip = 20\n[limits.smtp]\nper_ip = 20\n", &[]);
    let text = said(&plan);
    assert!(text.contains("also makes live: a changed POP3_LOG_DELETIONS for pop3"), "{text}");
    assert!(text.contains("since xinetd read /etc/xinetd.d/ftp_psa"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn what_changes_within_a_line_is_emphasised_where_there_is_colour() {
    let copy = office_copy();
    let plan = on("plan", copy.path(), "[limits.pop3]\nper_ip = 20\n", &["--color", "always"]);
    let text = said(&plan);
    // Red and green for the line, bold and underlined for the part that differs.
    assert!(text.contains("\u{1b}[31m- "), "{text:?}");
    assert!(text.contains("\u{1b}[1m\u{1b}[4m\u{1b}[32m"), "{text:?}");
    let plain = on("plan", copy.path(), "[limits.pop3]\nper_ip = 20\n", &[]);
    assert!(!said(&plain).contains('\u{1b}'));
}

#[test]
fn a_panel_whose_way_back_does_nothing_is_never_called_rolled_back() {
    let copy = office_copy();
    panel(copy.path(), "half");
    let output = on("apply", copy.path(), BOTH, &["--yes"]);
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    let text = fs::read_to_string(copy.path().join("etc/courier-imap/pop3d")).unwrap();
    assert!(text.contains("MAXPERIP=20\n"), "{text}");
}

#[test]
fn a_panel_and_xinetd_together_leave_nothing_pending() {
    let copy = office_copy();
    panel(copy.path(), "");
    let manifest = format!("{BOTH}[limits.smtp]\nper_ip = 40\n");
    let output = on("apply", copy.path(), &manifest, &["--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let check = on("check", copy.path(), &manifest, &[]);
    assert_eq!(check.status.code(), Some(0), "{}", said(&check));
}

#[test]
fn files_that_cannot_be_read_are_no_state_as_desired_where_the_panel_owns_them() {
    let copy = office_copy();
    panel(copy.path(), "");
    for name in ["imapd", "imapd-ssl", "pop3d", "pop3d-ssl"] {
        let file = copy.path().join("etc/courier-imap").join(name);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
    }
    refused(copy.path(), BOTH, 11, &["cannot read /etc/courier-imap/imapd"]);
}

#[test]
fn a_limit_in_tcpdopts_is_refused_where_the_panel_owns_the_limits() {
    let copy = office_copy();
    panel(copy.path(), "");
    let file = copy.path().join("etc/courier-imap/pop3d");
    let mut text = fs::read_to_string(&file).unwrap();
    text.push_str("TCPDOPTS=\"-nodnslookup -maxperip=2\"\n");
    fs::write(&file, text).unwrap();
    refused(copy.path(), BOTH, 7, &["TCPDOPTS"]);
}

#[test]
fn several_defaults_are_added_where_there_is_no_block() {
    let copy = office_copy();
    let conf = copy.path().join("etc/xinetd.conf");
    fs::write(&conf, "includedir /etc/xinetd.d\n").unwrap();
    let manifest =
        "[xinetd.defaults]\nper_source = 20\ninstances = 60\ncps = { rate = 25, pause = \"30s\" }\n";
    let output = on("apply", copy.path(), manifest, &["--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = fs::read_to_string(&conf).unwrap();
    for line in ["per_source", "instances", "cps"] {
        assert_eq!(text.matches(line).count(), 1, "{text}");
    }
    assert_eq!(on("check", copy.path(), manifest, &[]).status.code(), Some(0));
}

#[test]
fn show_names_an_xinetd_conf_that_is_no_file() {
    let copy = office_copy();
    let conf = copy.path().join("etc/xinetd.conf");
    fs::remove_file(&conf).unwrap();
    fs::create_dir(&conf).unwrap();
    let output = on("show", copy.path(), "", &[]);
    assert_eq!(output.status.code(), Some(11), "{}", said(&output));
    assert!(said(&output).contains("cannot read /etc/xinetd.conf"), "{}", said(&output));
}

#[test]
fn an_outcome_that_cannot_be_written_is_an_error_before_anything_is_done() {
    let copy = office_copy();
    let file = copy.path().join("etc/courier-imap/pop3d");
    let before = fs::read(&file).unwrap();
    let more = ["--yes", "--outcome", "/nonexistent/outcome.json"];
    let output = on("apply", copy.path(), "[limits.pop3]\nper_ip = 20\n", &more);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_journal_of_another_version_is_named_and_nothing_is_planned() {
    let copy = office_copy();
    let journal = copy.path().join("var/lib/mailward/journal.json");
    fs::write(&journal, "{\"format\":2,\"owed\":[]}").unwrap();
    let words = ["journal.json", "the version of mailward that wrote it"];
    refused(copy.path(), "[limits.pop3]\nper_ip = 20\n", 11, &words);
}
