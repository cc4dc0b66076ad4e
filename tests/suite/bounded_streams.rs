//! Every stream and every wait has an end: another side that says too much, too slowly or nothing, a run's
//! own time, a host without `/proc`, and files beyond all use.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const BINARY: &str = env!("CARGO_BIN_EXE_mailward");
const MANIFEST: &str = "version = 1\n[limits.pop3]\nper_ip = 20\n[limits.imap]\nper_ip = 20\n";

/// A folder with a manifest, and a program in the place of `ssh`.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// Another side that has begun its reply to the first message, and goes on with this; `$key` marks its
    /// end.
    fn answering(script: &str) -> Self {
        Self::ssh(&format!(
            "while IFS= read -r line; do case $line in key=*) key=${{line#key=}}; key=${{key%% *}}; break ;; esac; done\n\
             printf '\\n%s begin\\n' \"$key\"\n{script}\n"
        ))
    }

    fn ssh(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("m.toml"), MANIFEST).unwrap();
        let ssh = folder.path().join("ssh");
        fs::write(&ssh, format!("#!/bin/sh\necho $$ >\"${{0%/*}}/pid\"\n{script}")).unwrap();
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// Runs with an address space of so many KiB; how it ended, what it said, and how long it took.
    fn run(&self, memory: u32, arguments: &str) -> (Option<i32>, String, Duration) {
        let began = Instant::now();
        let script = format!("ulimit -v {memory}; exec {BINARY} {arguments} --host x m.toml");
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(self.folder.path())
            .env("MAILWARD_SSH", self.folder.path().join("ssh"))
            .output_in_time()
            .unwrap();
        (output.status.code(), said(&output), began.elapsed())
    }

    fn pid(&self) -> PathBuf {
        let pid = fs::read_to_string(self.folder.path().join("pid")).unwrap();
        Path::new("/proc").join(pid.trim())
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

const ENOUGH: u32 = 800_000;

#[test]
fn standard_error_without_end_is_given_up_and_costs_no_memory() {
    let desk = Desk::answering("yes 'it is not your day' >&2");
    let (code, said, took) = desk.run(ENOUGH, "plan --ssh-timeout 60");
    assert_eq!(code, Some(11), "{said}");
    assert!(said.contains("its standard error has no end"), "{said}");
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn what_is_told_on_standard_error_is_no_answer() {
    let desk = Desk::answering("while :; do echo wait >&2; sleep 0.2; done");
    let (code, said, took) = desk.run(ENOUGH, "plan --ssh-timeout 2");
    assert_eq!(code, Some(11), "{said}");
    assert!(said.contains("no answer for 2 s: wait / wait / wait"), "{said}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_reply_without_end_is_given_up_at_128_mib() {
    let desk = Desk::answering("exec cat /dev/zero");
    let (code, said, _) = desk.run(ENOUGH, "plan --ssh-timeout 60");
    assert_eq!(code, Some(11), "{said}");
    assert!(said.contains("more than 128 MiB"), "{said}");
    // A little less is read, and found to be no answer.
    let desk = Desk::answering("head -c 134000000 /dev/zero; printf '%s end\\n' \"$key\"; cat >/dev/null");
    let (code, said, _) = desk.run(ENOUGH, "plan --ssh-timeout 60");
    assert_eq!(code, Some(11), "{said}");
    assert!(said.contains("does not fit the question"), "{said}");
}

#[test]
fn a_reply_that_drips_is_given_up() {
    let desk = Desk::answering("while :; do printf x; sleep 0.5; done");
    let (code, said, took) = desk.run(ENOUGH, "plan --ssh-timeout 2");
    assert_eq!(code, Some(11), "{said}");
    assert!(said.contains("it answers too slowly"), "{said}");
    assert!(took < Duration::from_secs(40), "{took:?}");
}

#[test]
fn a_run_ends_at_its_deadline_whatever_the_other_side_does() {
    for script in ["while :; do printf x; sleep 0.5; done", "exec sleep 1000"] {
        for command in ["plan", "check", "show", "apply --yes"] {
            let desk = Desk::answering(script);
            let (code, said, took) = desk.run(ENOUGH, &format!("{command} --deadline 2"));
            assert_eq!(code, Some(11), "{said}");
            assert!(said.contains("the run has taken the 2 s that it may"), "{said}");
            assert!(took < Duration::from_secs(20), "{took:?}");
        }
    }
}

/// Makes a service action take long, whatever it does.
fn slow(root: &Path, service: &str, seconds: u32) {
    let script = root.join("etc/rc.d/init.d").join(service);
    let text = fs::read_to_string(&script).unwrap();
    let slow = text.replacen("exec sh", &format!("sleep {seconds}\nexec sh"), 1);
    assert_ne!(slow, text);
    fs::write(&script, slow).unwrap();
}

fn on(root: &Path, arguments: &[&str]) -> Output {
    let manifest = root.join("m.toml");
    fs::write(&manifest, MANIFEST).unwrap();
    Command::new(BINARY).args(arguments).arg("--root").arg(root).arg(&manifest).output_in_time().unwrap()
}

#[test]
fn after_the_journal_no_step_begins_beyond_the_deadline_and_the_undo_has_its_own_time() {
    let copy = office_copy();
    let root = copy.path();
    let files = ["imapd", "pop3d"].map(|name| root.join("etc/courier-imap").join(name));
    let before = files.clone().map(|file| fs::read(file).unwrap());
    // Either restart takes longer than the run may; the undo of one takes as long again.
    slow(root, "courier-imapd", 2);
    slow(root, "courier-pop3d", 2);
    let output = on(root, &["apply", "--yes", "--deadline", "3"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(8), "{text}");
    assert!(text.contains("no further step begins"), "{text}");
    assert!(text.contains("not tried"), "{text}");
    assert_eq!(files.map(|file| fs::read(file).unwrap()), before, "{text}");
    assert!(!root.join("var/lib/mailward/journal.json").exists(), "{text}");
    // With time enough the same run does all of it.
    assert_eq!(on(root, &["apply", "--yes", "--deadline", "60"]).status.code(), Some(0));
}

#[test]
fn a_host_without_proc_is_left_by_the_shell_that_asked_it() {
    // The real shell of the other side, in a place of its own without /proc.
    let desk = Desk::ssh(
        // As with sshd, the end of `ssh` ends only what the shell there reads.
        "for last; do :; done\n\
         exec 3<&0\n\
         setsid unshare -m sh -c 'echo $$ >\"$1/pid\"; mount -t tmpfs none /var/lib && mount -t tmpfs none /proc && eval \"$0\"' \
         \"$last\" \"${0%/*}\" <&3 3<&- &\n\
         exec 3<&-\n\
         wait\n",
    );
    let (code, said, _) = desk.run(ENOUGH, "apply --yes --ssh-timeout 3");
    assert_eq!(code, Some(11), "{said}");
    assert!(said.contains("/proc is not mounted"), "{said}");
    let shell = desk.pid();
    let end = Instant::now() + Duration::from_secs(10);
    while shell.exists() {
        assert!(Instant::now() < end, "{} spins", shell.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a plan with little memory and time, of which something comes.
fn little(root: &Path, arguments: &str) -> (Option<i32>, String) {
    let manifest = root.join("m.toml");
    fs::write(&manifest, "version = 1\n[limits.pop3]\nper_ip = 20\n[limits.smtp]\nper_ip = 40\n").unwrap();
    let script = format!("ulimit -v 400000; exec {BINARY} {arguments} --root \"$0\" \"$1\"");
    let began = Instant::now();
    let output = Command::new("sh").args(["-c", &script]).arg(root).arg(&manifest).output_in_time().unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    (output.status.code(), said(&output))
}

#[test]
fn more_services_of_xinetd_than_any_host_has_are_refused_in_little_memory() {
    let copy = office_copy();
    let mut text = String::new();
    for n in 0..160_000 {
        let _ = write!(text, "service s{n}\n{{\n}}\n");
    }
    fs::write(copy.path().join("etc/xinetd.d/many"), text).unwrap();
    for command in ["plan", "check"] {
        let (code, said) = little(copy.path(), command);
        assert_eq!(code, Some(11), "{said}");
        assert!(said.contains("larger than 1 MiB"), "{said}");
        assert!(said.contains("/etc/xinetd.d/many"), "{said}");
    }
}

#[test]
fn a_file_of_couriers_beyond_all_use_is_refused_at_once() {
    let copy = office_copy();
    let path = copy.path().join("etc/courier-imap/pop3d");
    let mut text = fs::read_to_string(&path).unwrap();
    while text.len() < 20_000_000 {
        text.push_str("ADDRESS=\"$ADDRESS 0\"\n");
    }
    fs::write(&path, text).unwrap();
    for command in ["plan", "check"] {
        let (code, said) = little(copy.path(), command);
        assert_eq!(code, Some(11), "{said}");
        assert!(said.contains("larger than 1 MiB"), "{said}");
        assert!(said.contains("/etc/courier-imap/pop3d"), "{said}");
    }
}
