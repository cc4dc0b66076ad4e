//! Bad surroundings: readers and terminals that go away, signals, other users, disks that are full or
//! read-only.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::in_time::{ChildInTime as _, CommandInTime as _, PATIENCE};
use crate::support::{not_run, office_copy};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mailward");
const POP3: &str = "version = 1\n[limits.pop3]\nper_ip = 20\n";
const BOTH: &str = "version = 1\n[limits.pop3]\nper_ip = 20\n[limits.smtp]\nper_ip = 40\n";

fn copy(manifest: &str) -> tempfile::TempDir {
    let copy = office_copy();
    fs::write(copy.path().join("manifest.toml"), manifest).unwrap();
    copy
}

fn mailward(root: &Path, command: &str, more: &[&str]) -> Command {
    let mut run = Command::new(PROGRAM);
    run.args([command, "--root"]).arg(root).arg(root.join("manifest.toml")).args(more);
    run
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn pop3d(root: &Path) -> Vec<u8> {
    fs::read(root.join("etc/courier-imap/pop3d")).unwrap()
}

/// Whether this is root, which some cases need.
fn root_for(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        not_run(what, "root");
    }
    root
}

/// Runs a script in a mount namespace of its own.
fn in_own_mounts(script: &str, root: &Path) -> Output {
    Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-euc", script, "sh", PROGRAM])
        .arg(root)
        .output_in_time()
        .expect("unshare runs (Debian package util-linux)")
}

#[test]
fn a_terminal_that_has_gone_away_does_not_stop_an_apply() {
    let copy = copy(POP3);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = mailward(copy.path(), "apply", &["--yes"])
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .status_in_time()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(code(&mailward(copy.path(), "check", &[]).output_in_time().unwrap()), Some(0));
}

#[test]
fn a_signal_ends_an_apply_between_two_steps_and_what_was_done_is_undone() {
    let copy = copy(BOTH);
    let before = pop3d(copy.path());
    fs::write(copy.path().join("var/lib/stand-in/xinetd.dump"), "late\n").unwrap();
    let outcome = copy.path().join("outcome.json");
    let child = mailward(copy.path(), "apply", &["--yes", "--outcome", outcome.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while pop3d(copy.path()) == before {
        assert!(Instant::now() < end, "nothing was written");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.output_within(PATIENCE).unwrap();
    assert_eq!(code(&output), Some(8), "{output:?}");
    assert_eq!(pop3d(copy.path()), before);
    let told = fs::read_to_string(outcome).unwrap();
    assert!(told.contains("interrupted by SIGTERM") && told.contains("rolled-back"), "{told}");
}

#[test]
fn a_second_run_at_the_same_time_is_told_who_holds_the_lock() {
    let copy = copy(BOTH);
    fs::write(copy.path().join("var/lib/stand-in/xinetd.dump"), "late\n").unwrap();
    let mut first = mailward(copy.path(), "apply", &["--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lock = copy.path().join("var/lib/mailward/lock");
    let end = Instant::now() + Duration::from_secs(30);
    while fs::read(&lock).unwrap_or_default().is_empty() {
        assert!(Instant::now() < end, "no lock is taken");
        std::thread::sleep(Duration::from_millis(1));
    }
    let second = mailward(copy.path(), "apply", &["--yes"]).output_in_time().unwrap();
    assert_eq!(code(&second), Some(5), "{second:?}");
    let said = String::from_utf8_lossy(&second.stdout).into_owned();
    assert!(said.contains(&format!("pid {}", first.id())), "{said}");
    assert!(first.wait_within(PATIENCE).unwrap().success());
}

#[test]
fn a_person_is_asked_at_a_terminal_and_only_yes_is_yes() {
    for (answer, expected) in [("n\n", 2), ("\n", 2), ("y\n", 0)] {
        let copy = copy(POP3);
        let before = pop3d(copy.path());
        let root = copy.path().to_str().unwrap();
        let line = format!("exec '{PROGRAM}' apply --root \"$ROOT\" \"$ROOT/manifest.toml\"");
        let mut child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env("ROOT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script runs (Debian package bsdutils)");
        let mut stdin = child.stdin.take().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        stdin.write_all(answer.as_bytes()).unwrap();
        let output = child.output_within(PATIENCE).unwrap();
        drop(stdin);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(code(&output), Some(expected), "{answer:?}: {said}");
        assert!(said.contains("Apply this plan?"), "{said}");
        assert_eq!(pop3d(copy.path()) == before, expected == 2);
    }
}

#[test]
fn another_user_is_told_what_it_cannot_read_and_never_that_there_is_no_drift() {
    if !root_for("a plan as another user") {
        return;
    }
    let copy = copy(POP3);
    let as_nobody = |command: &str| {
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", PROGRAM, command, "--root"])
            .arg(copy.path())
            .arg(copy.path().join("manifest.toml"))
            .output_in_time()
            .expect("setpriv runs (Debian package util-linux)")
    };
    fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let open = Command::new("chmod").args(["-R", "a+rX"]).arg(copy.path()).status().unwrap();
    assert!(open.success());
    let output = as_nobody("plan");
    assert_eq!(code(&output), Some(2), "{output:?}");
    let file = copy.path().join("etc/courier-imap/pop3d");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    for command in ["plan", "check"] {
        let output = as_nobody(command);
        assert_eq!(code(&output), Some(11), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("cannot read /etc/courier-imap/pop3d"), "{said}");
    }
}

#[test]
fn a_read_only_filesystem_is_told_and_nothing_is_done() {
    if !root_for("an apply on a read-only filesystem") {
        return;
    }
    let copy = copy(POP3);
    let before = pop3d(copy.path());
    let script = r#"mount --bind "$2" "$2"; mount -o remount,bind,ro "$2"; exec "$1" apply --yes --root "$2" "$2/manifest.toml""#;
    let output = in_own_mounts(script, copy.path());
    assert_eq!(code(&output), Some(11), "{output:?}");
    assert_eq!(pop3d(copy.path()), before);
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    if !root_for("an apply on a full disk") {
        return;
    }
    let copy = copy(POP3);
    let script = r#"
        mkdir "$2.full"; mount -t tmpfs -o size=4m none "$2.full"; cp -a "$2/." "$2.full"
        dd if=/dev/zero of="$2.full/filler" bs=4k 2>/dev/null || true
        before=$(cat "$2.full/etc/courier-imap/pop3d")
        status=0; "$1" apply --yes --root "$2.full" "$2.full/manifest.toml" || status=$?
        test "$before" = "$(cat "$2.full/etc/courier-imap/pop3d")" || exit 99
        rm "$2.full/filler"; "$1" apply --yes --root "$2.full" "$2.full/manifest.toml" || exit 98
        exit "$status""#;
    let output = in_own_mounts(script, copy.path());
    fs::remove_dir(copy.path().with_extension("full")).ok();
    let mut full = copy.path().as_os_str().to_owned();
    full.push(".full");
    fs::remove_dir(full).ok();
    assert!(matches!(code(&output), Some(8 | 11)), "{output:?}");
}

#[test]
fn what_a_file_holds_cannot_control_the_terminal() {
    let copy = copy(POP3);
    let file = copy.path().join("etc/courier-imap/pop3d");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("MAXPERIP=4", "MAXPERIP=4 # \u{1b}[31mred\u{7}")).unwrap();
    let output = mailward(copy.path(), "plan", &[]).output_in_time().unwrap();
    assert_eq!(code(&output), Some(2), "{output:?}");
    assert!(!output.stdout.contains(&0x1b) && !output.stdout.contains(&7), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\\u{1b}[31mred"));
}
