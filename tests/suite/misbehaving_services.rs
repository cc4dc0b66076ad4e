//! Targets that are not plain files, and services that lie, fail or hang: what an apply says is what is so.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const MANIFEST: &str = "examples/office/mailward.toml";
const FILES: [&str; 5] = [
    "etc/courier-imap/imapd",
    "etc/courier-imap/pop3d",
    "etc/xinetd.conf",
    "etc/xinetd.d/smtp_psa",
    "etc/xinetd.d/smtps_psa",
];
const POP3D: &str = "etc/courier-imap/pop3d";

fn apply(root: &Path, manifest: &str) -> Output {
    apply_within(root, manifest, "2")
}

fn xinetd_runs(root: &Path) -> bool {
    let mut entries = fs::read_dir(root.join("proc")).unwrap();
    entries.any(|entry| {
        let stat = fs::read_to_string(entry.unwrap().path().join("stat")).unwrap_or_default();
        stat.contains("(xinetd)")
    })
}

fn apply_within(root: &Path, manifest: &str, seconds: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args(["apply", "--yes", "--action-timeout", seconds, "--root"])
        .arg(root)
        .arg(manifest)
        .output_in_time()
        .unwrap()
}

/// The managed files; None for one that is no file.
fn files(root: &Path) -> Vec<Option<Vec<u8>>> {
    FILES.iter().map(|file| fs::read(root.join(file)).ok()).collect()
}

/// The running limits of Courier's listeners, and those of xinetd as it has loaded them.
fn running(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("proc")).unwrap() {
        let bytes = fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if text.starts_with("/usr/sbin/couriertcpd") {
            found.extend(
                text.split('\0')
                    .filter(|word| word.starts_with("-max") || word.ends_with("login"))
                    .map(str::to_owned)
                    .reduce(|all, word| format!("{all} {word}")),
            );
        }
    }
    found.sort();
    let state = fs::read_to_string(root.join("var/lib/stand-in/xinetd.state")).unwrap_or_default();
    let limits = state.lines().filter(|line| line.trim_start().starts_with("PER_SOURCE"));
    found.extend(limits.map(str::to_owned));
    found
}

fn owes(root: &Path) -> bool {
    root.join("var/lib/mailward/journal.json").exists()
}

/// Asks a stand-in to misbehave in an apply, which must end with `code` and the files as they were. Once the
/// stand-in behaves, the next apply must do everything.
fn misbehaves(stand_in: &str, word: &str, code: i32) {
    let copy = office_copy();
    let root = copy.path();
    let (old_files, old_running) = (files(root), running(root));
    let ask = root.join("var/lib/stand-in").join(stand_in);
    fs::write(&ask, format!("{word}\n")).unwrap();
    let began = Instant::now();
    let output = apply(root, MANIFEST);
    assert!(began.elapsed() < Duration::from_secs(60), "a time limit of two seconds");
    assert_eq!(output.status.code(), Some(code), "{stand_in} {word}: {output:?}");
    assert!(files(root) == old_files, "{stand_in} {word}: {output:?}");
    match code {
        8 | 11 => {
            assert_eq!(running(root), old_running, "{stand_in} {word}");
            assert!(!owes(root), "{stand_in} {word}");
        }
        9 => assert!(owes(root), "{stand_in} {word}: nothing is owed"),
        _ => panic!("a code that says nothing about the daemons: {code}"),
    }
    fs::remove_file(&ask).unwrap();
    let next = apply_within(root, MANIFEST, "20");
    assert_eq!(next.status.code(), Some(0), "{stand_in} {word}, then: {next:?}");
    let good = office_copy();
    assert_eq!(apply_within(good.path(), MANIFEST, "20").status.code(), Some(0));
    assert!(files(root) == files(good.path()), "{stand_in} {word}");
    assert_eq!(running(root), running(good.path()), "{stand_in} {word}");
    assert!(!owes(root), "{stand_in} {word}");
}

/// Puts something else in the place of a managed file; an apply must end with `code`, say `why`, and do
/// nothing.
fn in_place_of_pop3d(put: impl Fn(&Path), code: i32, why: &str) {
    let copy = office_copy();
    let root = copy.path();
    put(&root.join(POP3D));
    let before = (files(root), running(root));
    let output = apply(root, MANIFEST);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains(&format!("/{POP3D}")), "{said}");
    assert!(said.contains(why), "{said}");
    assert!((files(root), running(root)) == before, "{said}");
    assert!(!owes(root), "{said}");
}

#[test]
fn a_symbolic_link_is_not_replaced_by_a_file() {
    let put = |file: &Path| {
        fs::rename(file, file.with_extension("real")).unwrap();
        symlink("pop3d.real", file).unwrap();
    };
    in_place_of_pop3d(put, 7, "it is a symbolic link");
}

#[test]
fn a_file_with_a_second_name_is_not_parted_from_it() {
    let put = |file: &Path| fs::hard_link(file, file.with_extension("other")).unwrap();
    in_place_of_pop3d(put, 7, "it has 2 hard links");
}

#[test]
fn a_folder_in_the_place_of_a_file_is_told() {
    let put = |file: &Path| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    };
    in_place_of_pop3d(put, 11, "it is not a regular file");
}

#[test]
fn a_manifest_that_is_not_there_is_told_and_nothing_is_done() {
    let copy = office_copy();
    let before = (files(copy.path()), running(copy.path()));
    let output = apply(copy.path(), "/nowhere/mailward.toml");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("/nowhere/mailward.toml"), "{said}");
    assert!((files(copy.path()), running(copy.path())) == before);
    assert!(!copy.path().join("var/lib/mailward/history").exists());
}

#[test]
fn a_start_that_fails_leaves_a_daemon_that_is_owed_its_start() {
    misbehaves("courier-pop3d.start", "fail", 9);
}

#[test]
fn a_start_that_hangs_is_ended_and_leaves_a_daemon_that_is_owed_its_start() {
    misbehaves("courier-pop3d.start", "hang", 9);
}

#[test]
fn a_stop_that_does_nothing_leaves_everything_as_it_was() {
    misbehaves("courier-pop3d.stop", "ignore", 8);
    misbehaves("courier-pop3d.stop", "fail", 8);
}

#[test]
fn a_stop_that_hangs_is_ended_and_leaves_everything_as_it_was() {
    misbehaves("courier-pop3d.stop", "hang", 8);
}

#[test]
fn a_hangup_that_xinetd_ignores_leaves_everything_as_it_was() {
    misbehaves("xinetd.hup", "ignore", 8);
}

#[test]
fn an_xinetd_that_dies_of_its_hangup_is_started_again_with_the_old_values() {
    let copy = office_copy();
    let root = copy.path();
    let before = (files(root), running(root));
    fs::write(root.join("var/lib/stand-in/xinetd.hup"), "die\n").unwrap();
    let output = apply_within(root, MANIFEST, "20");
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert!(xinetd_runs(root));
    assert!((files(root), running(root)) == before);
    assert!(!owes(root));
}

#[test]
fn an_xinetd_that_died_and_did_not_start_is_owed_and_started_by_the_next_apply() {
    let copy = office_copy();
    let root = copy.path();
    fs::write(root.join("var/lib/stand-in/xinetd.hup"), "die\n").unwrap();
    let script = root.join("etc/rc.d/init.d/xinetd");
    let works = fs::read(&script).unwrap();
    fs::write(&script, "#!/bin/sh\nexit 1\n").unwrap();
    let output = apply_within(root, MANIFEST, "20");
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    assert!(owes(root) && !xinetd_runs(root));
    let plan = Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args(["check", "--root"])
        .arg(root)
        .arg(MANIFEST)
        .output_in_time()
        .unwrap();
    assert_eq!(plan.status.code(), Some(3), "a dead xinetd is never as desired: {plan:?}");
    fs::write(&script, works).unwrap();
    fs::remove_file(root.join("var/lib/stand-in/xinetd.hup")).unwrap();
    let next = apply_within(root, MANIFEST, "20");
    assert_eq!(next.status.code(), Some(0), "{next:?}");
    assert!(xinetd_runs(root) && !owes(root));
    let good = office_copy();
    assert_eq!(apply_within(good.path(), MANIFEST, "20").status.code(), Some(0));
    assert!(files(root) == files(good.path()));
    assert_eq!(running(root), running(good.path()));
}

#[test]
fn the_defaults_that_xinetd_runs_with_count_for_a_roll_back() {
    let copy = office_copy();
    let root = copy.path();
    // Every service has a value of its own, so that only `defaults` itself changes.
    for name in ["ftp_psa", "poppassd_psa", "smtp_psa", "smtps_psa", "submission_psa"] {
        let path = root.join("etc/xinetd.d").join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("{", "{\n\tper_source = 5", 1)).unwrap();
    }
    // The first reload works and later ones are ignored; POP3 does not start, so that all is undone.
    let signal = root.join("proc/1320/on-signal");
    let script = "#!/bin/sh\nif [ \"$1\" = HUP ]; then\n  [ -e \"$MAILWARD_ROOT/hup\" ] && exit 0\n  : > \"$MAILWARD_ROOT/hup\"\nfi\nexec sh \"$MAILWARD_ROOT/usr/lib/stand-in/xinetd.sh\" \"$1\" 1320\n";
    fs::write(&signal, script).unwrap();
    fs::write(root.join("var/lib/stand-in/courier-pop3d.stop"), "ignore\n").unwrap();
    let manifest = root.join("manifest.toml");
    let text = "version = 1\n[xinetd.defaults]\nper_source = 20\n[limits.pop3]\nper_ip = 20\n";
    fs::write(&manifest, text).unwrap();
    let output = apply_within(root, manifest.to_str().unwrap(), "5");
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    assert!(owes(root));
}

#[test]
fn what_was_owed_and_is_done_stands_when_something_else_fails() {
    let copy = office_copy();
    let root = copy.path();
    let manifest = root.join("manifest.toml");
    fs::write(&manifest, "version = 1\n[limits.imap]\nper_ip = 20\n").unwrap();
    let deferred = Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args(["apply", "--yes", "--defer-restarts", "--root"])
        .arg(root)
        .arg(&manifest)
        .output_in_time()
        .unwrap();
    assert_eq!(deferred.status.code(), Some(3), "{deferred:?}");
    let both = "version = 1\n[limits.imap]\nper_ip = 20\n[limits.pop3]\nper_ip = 20\n";
    fs::write(&manifest, both).unwrap();
    fs::write(root.join("var/lib/stand-in/courier-pop3d.stop"), "ignore\n").unwrap();
    let output = apply_within(root, manifest.to_str().unwrap(), "5");
    // IMAP has what its file says; the host is not as it was, and nothing is owed any more.
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("done  restart courier-imapd"), "{said}");
    assert!(!said.contains("imap runs with"), "{said}");
    assert!(!owes(root), "{said}");
    let values = running(root).join("\n");
    assert_eq!(values.matches("-maxperip=20").count(), 2, "{values}");
}

#[test]
fn an_xinetd_that_does_not_say_what_it_has_is_not_reloaded() {
    misbehaves("xinetd.dump", "none", 11);
    misbehaves("xinetd.dump", "torn", 11);
}
