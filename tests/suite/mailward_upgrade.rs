//! An upgrade of mailward itself: what the version before has left on a host, at whatever point, is carried
//! on by this one.
//!
//! `tests/upgrade` holds the states, made by the program of that version; `tests/upgrade/README.md` says how.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const LIMITS: &str = "tests/upgrade/limits.toml";
const ACCESS: &str = "tests/upgrade/access.toml";

/// What is done first with what waits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum First {
    Apply,
    Confirm,
    Revert,
}

/// Whether the time of a change that waits is up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Time {
    Left,
    Up,
}

/// The archives whose names begin so, of all versions.
fn states(prefix: &str) -> Vec<PathBuf> {
    let mut states = Vec::new();
    for version in fs::read_dir("tests/upgrade").unwrap() {
        let version = version.unwrap().path();
        if !version.is_dir() {
            continue;
        }
        for state in fs::read_dir(version).unwrap() {
            let state = state.unwrap().path();
            let name = state.file_name().unwrap().to_str().unwrap();
            if name.starts_with(prefix) {
                states.push(state);
            }
        }
    }
    states.sort();
    states
}

/// The example's host in such a state.
fn host(state: &Path) -> TempDir {
    let copy = office_copy();
    let status = Command::new("tar").arg("-xzpf").arg(state).arg("-C").arg(copy.path()).status_in_time();
    assert!(status.unwrap().success());
    copy
}

fn mailward(root: &Path, words: &[&str]) -> Output {
    let (verb, more) = words.split_first().unwrap();
    Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args([verb, "--root"])
        .arg(root)
        .args(more)
        .output_in_time()
        .unwrap()
}

fn said(output: &Output) -> String {
    let all = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(all).unwrap()
}

/// The exit code; what cannot be read is a fault of this version wherever it comes up.
fn code(what: &str, output: &Output) -> i32 {
    let code = output.status.code().unwrap();
    assert!(!matches!(code, 10 | 11), "{what}: {}", said(output));
    code
}

fn left_lying_about(root: &Path) -> Vec<PathBuf> {
    let mut left = Vec::new();
    let mut folders: Vec<_> = ["etc", "var/lib/mailward"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if name.ends_with(".mailward") || name == "journal.json" {
                left.push(entry.path());
            }
        }
    }
    left
}

/// The id of the run that the journal has as under way.
fn killed_run(root: &Path) -> Option<String> {
    let bytes = fs::read(root.join("var/lib/mailward/journal.json")).ok()?;
    let journal: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    Some(journal["run"]["id"].as_str()?.to_owned())
}

#[test]
fn limits_that_the_version_before_was_killed_over_or_put_off_are_completed() {
    let states = states("limits-");
    assert!(states.len() > 10, "{states:?}");
    let mut killed = 0;
    for state in &states {
        let what = state.display().to_string();
        let host = host(state);
        let root = host.path();
        let run = killed_run(root);
        let owed = root.join("var/lib/mailward/journal.json").exists();
        let plan = mailward(root, &["plan", LIMITS]);
        assert!(matches!(code(&what, &plan), 2 | 3), "{what}: {}", said(&plan));
        if state.ends_with("limits-deferred.tar.gz") {
            assert!(owed, "{what}");
            assert_eq!(plan.status.code(), Some(3), "{what}: {}", said(&plan));
        }
        let apply = mailward(root, &["apply", "--yes", LIMITS]);
        assert_eq!(apply.status.code(), Some(0), "{what}: {}", said(&apply));
        let check = mailward(root, &["check", LIMITS]);
        assert_eq!(check.status.code(), Some(0), "{what}: {}", said(&check));
        assert_eq!(left_lying_about(root), Vec::<PathBuf>::new(), "{what}");
        let pop3d = fs::read_to_string(root.join("etc/courier-imap/pop3d")).unwrap();
        assert!(pop3d.contains("\nMAXPERIP=20\n"), "{what}");
        if let Some(run) = run {
            killed += 1;
            let entry = root.join(format!("var/lib/mailward/history/{run}.json"));
            let entry = fs::read_to_string(&entry).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(entry.contains("\"result\": \"killed\""), "{what}: {entry}");
        }
    }
    assert!(killed > 3, "{killed}");
}

/// A service that the version before has stopped, and was killed before it started it again, is started.
#[test]
fn a_service_that_the_version_before_left_stopped_is_started() {
    let mut started = 0;
    for state in states("limits-killed") {
        let host = host(&state);
        let root = host.path();
        if killed_run(root).is_none() {
            continue;
        }
        let stopped = Command::new(root.join("etc/init.d/courier-pop3d"))
            .arg("stop")
            .env("MAILWARD_ROOT", root)
            .status_in_time();
        assert!(stopped.unwrap().success());
        let apply = mailward(root, &["apply", "--yes", LIMITS]);
        assert_eq!(apply.status.code(), Some(0), "{}", said(&apply));
        assert!(said(&apply).contains("start courier-pop3d"), "{}", said(&apply));
        started += 1;
    }
    assert!(started > 3, "{started}");
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.unwrap().as_millis()).unwrap()
}

/// Gives what waits ten more minutes: its end is a time of the day on which it was recorded.
fn prolong(root: &Path) -> Option<u64> {
    let until = now() + 600_000;
    let mut found = None;
    for name in ["window.json", "confirmed.json", "reverting.json"] {
        let path = root.join("var/lib/mailward/access").join(name);
        let Ok(bytes) = fs::read(&path) else { continue };
        let mut record: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        record["until"] = until.into();
        fs::write(&path, serde_json::to_vec_pretty(&record).unwrap()).unwrap();
        found = Some(until);
    }
    found
}

fn own_rules(root: &Path) -> usize {
    let rules = |name: &str| fs::read_to_string(root.join("var/lib/stand-in").join(name)).unwrap();
    let all = rules("iptables") + &rules("ip6tables");
    all.lines().filter(|line| line.starts_with("-A MAILWARD-imap")).count()
}

const CONFIRM: [&str; 3] = ["confirm", "--allow", "unproven-confirm"];

/// Applies, confirms what waits, and finds nothing more to do.
fn comes_to_its_end(what: &str, root: &Path) {
    let mut ended = false;
    for _ in 0..4 {
        let apply = mailward(root, &["apply", "--yes", ACCESS]);
        match code(what, &apply) {
            0 => {
                ended = true;
                break;
            }
            3 | 5 => {
                let confirm = mailward(root, &CONFIRM);
                if code(what, &confirm) == 7 {
                    // It was killed before its rules were in force.
                    let revert = mailward(root, &["revert"]);
                    assert_eq!(code(what, &revert), 0, "{what}: {}", said(&revert));
                } else {
                    assert_eq!(code(what, &confirm), 0, "{what}: {}", said(&confirm));
                }
            }
            _ => panic!("{what}: {}", said(&apply)),
        }
    }
    assert!(ended, "{what}");
    let check = mailward(root, &["check", ACCESS]);
    assert_eq!(code(what, &check), 0, "{what}: {}", said(&check));
    assert!(own_rules(root) >= 3, "{what}");
    assert_eq!(left_lying_about(root), Vec::<PathBuf>::new(), "{what}");
}

/// One state, what is done first with it, and whether its time is up.
fn carries_on(state: &Path, first: First, time: Time) {
    let what = format!("{} {first:?} {time:?}", state.display());
    let host = host(state);
    let root = host.path();
    if time == Time::Left && prolong(root).is_none() {
        return;
    }
    for look in ["plan", "check"] {
        code(&what, &mailward(root, &[look, ACCESS]));
    }
    let confirmed = state.ends_with("access-confirmed.tar.gz");
    match first {
        First::Apply => {}
        First::Confirm => {
            let output = mailward(root, &CONFIRM);
            let code = code(&what, &output);
            assert!(matches!(code, 0 | 7 | 8), "{what}: {}", said(&output));
        }
        First::Revert => {
            let output = mailward(root, &["revert"]);
            let code = code(&what, &output);
            assert!(matches!(code, 0 | 7), "{what}: {}", said(&output));
            let back = code == 0 && !confirmed && own_rules(root) == 0;
            let stays = said(&output).contains("confirmed already") || confirmed;
            assert!(back || stays, "{what}: {}", said(&output));
        }
    }
    comes_to_its_end(&what, root);
}

#[test]
fn a_change_of_access_of_the_version_before_is_carried_on_wherever_it_was() {
    let states = states("access-");
    assert!(states.len() > 15, "{states:?}");
    let mut cases = Vec::new();
    for state in &states {
        for first in [First::Apply, First::Confirm, First::Revert] {
            cases.extend([Time::Left, Time::Up].map(|time| (state, first, time)));
        }
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((state, first, time)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    carries_on(state, *first, *time);
                }
            });
        }
    });
    crate::support::covered(&format!("{} ways on from {} states", cases.len(), states.len()));
}

#[test]
fn what_the_version_before_confirmed_is_no_change_and_its_boot_files_bring_it_back() {
    for state in states("access-confirmed") {
        let what = state.display().to_string();
        let host = host(&state);
        let root = host.path();
        let check = mailward(root, &["check", ACCESS]);
        assert!(matches!(code(&what, &check), 0 | 2), "{what}: {}", said(&check));
        assert!(!said(&check).contains("never confirmed"), "{what}: {}", said(&check));
        let before = own_rules(root);
        assert!(before >= 3);
        // A boot: the kernel has nothing, and the script of that version loads what was confirmed.
        let pristine = Path::new("examples/office/host/var/lib/stand-in");
        for name in ["iptables", "ip6tables"] {
            fs::copy(pristine.join(name), root.join("var/lib/stand-in").join(name)).unwrap();
        }
        let booted = Command::new("sh")
            .arg(root.join("etc/init.d/mailward-access"))
            .arg("start")
            .env("MAILWARD_ROOT", root)
            .output_in_time()
            .unwrap();
        let check = mailward(root, &["check", ACCESS]);
        assert!(matches!(code(&what, &check), 0 | 2), "{what}: {}", said(&check));
        assert!(!said(&check).contains("never confirmed"), "{what}: {}", said(&check));
        if booted.status.success() {
            assert_eq!(own_rules(root), before, "{what}: {booted:?}");
        }
        comes_to_its_end(&what, root);
    }
}

/// The watchers that run for this root.
fn watchers(root: &Path) -> Vec<String> {
    let mark = root.join("var/lib/mailward/access").display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let Ok(line) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&line);
        if line.contains(&mark) && line.contains("revert.sh\0watch\0") {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

/// What the version before has loaded is what is confirmed: rules that others have changed since are not.
#[test]
fn a_change_of_the_version_before_that_is_not_as_it_made_it_is_not_confirmed() {
    let state = Path::new("tests/upgrade/b811994/access-waits.tar.gz");
    for (wrong, right) in [
        ("-s 198.51.100.7/32", "-s 198.51.100.8/32"),
        ("-A MAILWARD-imap -j DROP\n", ""),
        ("-A PREROUTING -j MAILWARD\n", ""),
        (":MAILWARD-imap ", ":MAILWARD-own - [0:0]\n:MAILWARD-imap "),
    ] {
        let host = host(state);
        let root = host.path();
        prolong(root).unwrap();
        let rules = root.join("var/lib/stand-in/iptables");
        let text = fs::read_to_string(&rules).unwrap();
        assert!(text.contains(wrong), "{text}");
        fs::write(&rules, text.replace(wrong, right)).unwrap();
        let output = mailward(root, &CONFIRM);
        assert_eq!(code(wrong, &output), 7, "{wrong}: {}", said(&output));
        assert!(!root.join("var/lib/mailward/access/confirmed.json").exists());
    }
}

#[test]
fn the_timer_of_the_version_before_obeys_the_decisions_of_this_one() {
    for state in states("access-waits") {
        for first in [First::Confirm, First::Revert] {
            let what = format!("{} {first:?}", state.display());
            let host = host(&state);
            let root = host.path();
            let until = prolong(root).unwrap();
            let checkpoint = fs::read(root.join("var/lib/mailward/access/window.json")).unwrap();
            let checkpoint: serde_json::Value = serde_json::from_slice(&checkpoint).unwrap();
            let folder = checkpoint["folder"].as_str().unwrap().trim_start_matches('/');
            let started = Command::new("sh")
                .arg(root.join(folder).join("revert.sh"))
                .args(["start", "600", &until.div_ceil(1000).to_string(), "iptables"])
                .arg(root.join("sbin/iptables-restore"))
                .arg(root.join("sbin/ip6tables-restore"))
                .arg("")
                .env("MAILWARD_ROOT", root)
                .status_in_time();
            assert!(started.unwrap().success(), "{what}");
            assert!(!watchers(root).is_empty(), "{what}");
            let check = mailward(root, &["check", ACCESS]);
            assert_eq!(code(&what, &check), 3, "{what}: {}", said(&check));
            // A tree shows no processes of the machine: that the timer runs is seen here, not by the program.
            match first {
                First::Confirm => {
                    // What that version has loaded stays, and this one says what it would change of it.
                    let before = own_rules(root);
                    let output = mailward(root, &CONFIRM);
                    assert_eq!(code(&what, &output), 0, "{what}: {}", said(&output));
                    let end = Instant::now() + Duration::from_secs(20);
                    while !watchers(root).is_empty() {
                        assert!(Instant::now() < end, "{what}: its timer goes on");
                        std::thread::sleep(Duration::from_millis(100));
                    }
                    assert_eq!(own_rules(root), before, "{what}");
                    let plan = mailward(root, &["plan", ACCESS]);
                    assert_eq!(code(&what, &plan), 2, "{what}: {}", said(&plan));
                    assert!(!said(&plan).contains("never confirmed"), "{what}: {}", said(&plan));
                    let boot = fs::read_to_string(root.join("var/lib/mailward/access/boot.v4"));
                    assert!(boot.unwrap().contains("-A MAILWARD-imap -s 203.0.113.0/24"), "{what}");
                }
                First::Apply | First::Revert => {
                    let output = mailward(root, &["revert"]);
                    assert_eq!(code(&what, &output), 0, "{what}: {}", said(&output));
                    assert_eq!(own_rules(root), 0, "{what}");
                }
            }
            comes_to_its_end(&what, root);
        }
    }
}
