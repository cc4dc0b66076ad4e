//! Killed anywhere, failed anywhere: an apply on the example's host is killed at every system call of its own
//! that changes something, and each such call is made to fail, one after the other.
//!
//! `MAILWARD_SWEEP=N` takes every N-th point only.

mod unwatched;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;
use crate::support::strace::{Fault, Point, count, inject};

const MANIFEST: &str = "version = 1\n[limits.pop3]\nper_ip = 20\n[limits.smtp]\nper_ip = 40\n";
const FILES: [&str; 3] = ["etc/courier-imap/pop3d", "etc/xinetd.d/smtp_psa", "etc/xinetd.d/smtps_psa"];
const PROGRAM: &str = env!("CARGO_BIN_EXE_mailward");

fn arguments(root: &Path, command: &str) -> Vec<String> {
    let manifest = root.join("manifest.toml");
    let mut arguments = vec![PROGRAM.to_owned(), command.to_owned()];
    if command == "apply" {
        arguments.push("--yes".to_owned());
    }
    let more = ["--action-timeout", "10", "--root", root.to_str().unwrap(), manifest.to_str().unwrap()];
    arguments.extend(more.map(str::to_owned));
    arguments
}

fn run(root: &Path, command: &str) -> Output {
    let arguments = arguments(root, command);
    Command::new(&arguments[0]).args(&arguments[1..]).output_in_time().unwrap()
}

fn copy() -> tempfile::TempDir {
    let copy = office_copy();
    fs::write(copy.path().join("manifest.toml"), MANIFEST).unwrap();
    copy
}

fn files(root: &Path) -> Vec<Vec<u8>> {
    FILES.iter().map(|file| fs::read(root.join(file)).unwrap()).collect()
}

/// The running `per_ip` of POP3 and POP3S.
fn running(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("proc")).unwrap() {
        let Ok(bytes) = fs::read(entry.unwrap().path().join("cmdline")) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if text.starts_with("/usr/sbin/couriertcpd") && text.contains("pop3login") {
            found.push(text.split('\0').find(|word| word.starts_with("-maxperip=")).unwrap().to_owned());
        }
    }
    found.sort();
    found
}

/// What xinetd has in force, of the connections from one address, in the order of its own dump.
fn loaded(root: &Path) -> Vec<String> {
    let state = fs::read_to_string(root.join("var/lib/stand-in/xinetd.state")).unwrap();
    let lines = state.lines().map(str::trim);
    lines.filter(|line| line.starts_with("PER_SOURCE")).map(str::to_owned).collect()
}

fn left_lying_about(root: &Path) -> Vec<String> {
    let mut left = Vec::new();
    let mut folders: Vec<_> = ["etc", "var/lib/mailward"].map(|folder| root.join(folder)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if name.ends_with(".mailward") {
                left.push(name);
            }
        }
    }
    if root.join("var/lib/mailward/journal.json").exists() {
        left.push("journal.json".to_owned());
    }
    left
}

struct Expected {
    old: State,
    new: State,
}

/// The managed files, and what the running daemons have of them.
#[derive(Clone, Debug, PartialEq)]
struct State {
    files: Vec<Vec<u8>>,
    courier: Vec<String>,
    xinetd: Vec<String>,
}

impl State {
    fn of(root: &Path) -> Self {
        Self { files: files(root), courier: running(root), xinetd: loaded(root) }
    }
}

/// One fault at one point; what is wrong with what followed, if anything.
fn judge(expected: &Expected, point: &Point, fault: &Fault) -> Result<(), String> {
    let copy = copy();
    let root = copy.path();
    let arguments = arguments(root, "apply");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = inject(&arguments, point, fault);
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let say = |what: &str| Err(format!("{point:?} {fault:?}: {what}\n{:?}\n{told}", output.status));
    let after = State::of(root);
    let whole = expected.old.files.iter().zip(&expected.new.files);
    for (now, (old, new)) in after.files.iter().zip(whole) {
        if now != old && now != new {
            return say("a file is neither old nor new");
        }
    }
    let owes = root.join("var/lib/mailward/journal.json").exists();
    match (fault, output.status.code()) {
        (Fault::Kill, _) if output.status.signal() == Some(9) => {}
        (Fault::Kill, _) => return say("it was not killed"),
        (Fault::Error(_), Some(0)) if after == expected.new => {}
        (Fault::Error(_), Some(0)) => return say("exit 0, and it is not done"),
        (Fault::Error(_), Some(8)) if after == expected.old => {}
        (Fault::Error(_), Some(8)) => return say("exit 8, and it is not as it was"),
        (Fault::Error(_), Some(3)) if after == expected.new => {}
        (Fault::Error(_), Some(4 | 7 | 10 | 11)) if after == expected.old => {}
        // What is only partly there is never forgotten.
        (Fault::Error(_), Some(9)) if after.files != expected.old.files || owes => {}
        (Fault::Error(_), _) => return say("an exit code that does not fit"),
    }
    let next = run(root, "apply");
    if next.status.code() != Some(0) {
        return say(&format!("the next apply: {next:?}"));
    }
    if State::of(root) != expected.new {
        return say("the next apply did not reach the end state");
    }
    let check = run(root, "check");
    if check.status.code() != Some(0) {
        return say(&format!("afterwards: {check:?}"));
    }
    let left = left_lying_about(root);
    if left.is_empty() { Ok(()) } else { say(&format!("left lying about: {left:?}")) }
}

#[test]
fn an_apply_that_is_killed_or_fails_at_any_call_leaves_whole_files_and_the_next_one_converges() {
    let first = copy();
    let old = State::of(first.path());
    let arguments = arguments(first.path(), "apply");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // What is written to the operator's terminal is not the host's state.
    let points: Vec<Point> = count(&arguments)
        .into_iter()
        .filter(|point| !point.arguments.starts_with("1,") && !point.arguments.starts_with("2,"))
        .collect();
    let expected = Expected { old, new: State::of(first.path()) };
    assert_ne!(expected.old.files, expected.new.files);
    assert_eq!(expected.old.courier, ["-maxperip=4"; 2]);
    assert_eq!(expected.new.courier, ["-maxperip=20"; 2]);
    assert_ne!(expected.old.xinetd, expected.new.xinetd);
    let every = std::env::var("MAILWARD_SWEEP").map_or(1, |text| text.parse().unwrap());
    let faults = [Fault::Kill, Fault::Error("ENOSPC"), Fault::Error("EIO"), Fault::Error("EACCES")];
    let cases: Vec<(&Point, &Fault)> = points
        .iter()
        .step_by(every)
        .flat_map(|point| faults.iter().map(move |fault| (point, fault)))
        .collect();
    assert!(points.len() > 20, "{points:#?}");
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((point, fault)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(text) = judge(&expected, point, fault) {
                        wrong.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    crate::support::covered(&format!(
        "{} faults at {} of {} points",
        cases.len(),
        points.iter().step_by(every).count(),
        points.len()
    ));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}
