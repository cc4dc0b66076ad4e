//! A matter that is decided by giving a file another name: once, whoever and however many try.

use std::sync::Barrier;

use mailward::host::local::LocalHost;
use mailward::host::{HostOperation, OperationError, WriteHost};

use super::test_hosts::{Bench, bash, busybox, ssh};
use super::{act, path};

const WINDOW: &str = "/var/lib/mailward/access/window.json";
const CONFIRMED: &str = "/var/lib/mailward/access/confirmed.json";

fn deciding(from: &str, to: &str) -> HostOperation {
    let (from, to) = (path(from), path(to));
    HostOperation::Decide { from, to }
}

fn save(host: &mut dyn WriteHost, to: &str, bytes: &[u8]) {
    let (path, bytes) = (path(to), bytes.to_vec());
    act(host, HostOperation::Save { path, bytes }).unwrap();
}

fn is_gone(host: &mut dyn WriteHost) -> bool {
    let failure = host.write(&[deciding(WINDOW, CONFIRMED)], &[]).unwrap_err();
    matches!(failure.source, OperationError::Gone)
}

contract!(a_matter_is_decided_once: memory, tree, ssh, bash, busybox);
fn a_matter_is_decided_once(bench: &dyn Bench) {
    let mut host = bench.host();
    assert!(is_gone(&mut *host), "without its folder");
    save(&mut *host, CONFIRMED, b"of the last time");
    assert!(is_gone(&mut *host), "without its file");
    save(&mut *host, WINDOW, b"{}");
    act(&mut *host, deciding(WINDOW, CONFIRMED)).unwrap();
    assert_eq!(bench.bytes(CONFIRMED), Some(b"{}".to_vec()));
    assert_eq!(bench.bytes(WINDOW), None);
    let refusal = act(&mut *host, deciding(WINDOW, CONFIRMED)).unwrap_err();
    let expected = format!("cannot rename {WINDOW} to {CONFIRMED}: it is not there any more");
    assert_eq!(refusal, expected);
    assert_eq!(bench.names("/var/lib/mailward/access"), ["confirmed.json"]);
}

contract!(what_comes_after_a_lost_decision_is_not_done: memory, tree, ssh, bash, busybox);
fn what_comes_after_a_lost_decision_is_not_done(bench: &dyn Bench) {
    let mut host = bench.host();
    let mut acts = vec![deciding(WINDOW, CONFIRMED)];
    acts.push(HostOperation::Save { path: path("/var/lib/mailward/journal"), bytes: b"x".to_vec() });
    let failure = host.write(&acts, &[]).unwrap_err();
    assert_eq!(failure.index, 0);
    assert_eq!(bench.bytes("/var/lib/mailward/journal"), None);
}

contract!(only_a_plain_file_of_the_state_decides: memory, tree, ssh, bash, busybox);
fn only_a_plain_file_of_the_state_decides(bench: &dyn Bench) {
    let mut host = bench.host();
    let at = |name: &str| format!("/var/lib/mailward/access/{name}");
    for name in ["file", "other"] {
        save(&mut *host, &at(name), b"x");
    }
    save(&mut *host, "/var/lib/mailward/elsewhere/file", b"y");
    bench.folder(&at("folder"));
    bench.link(&at("link"), "file");
    bench.link(&at("way"), "folder");
    bench.pipe(&at("pipe"));
    bench.hard_link(&at("second"), &at("other"));
    let outside = "outside mailward's own folder";
    let not_here = "not another name in the same folder";
    for (from, to, why) in [
        ("/etc/passwd", &at("new")[..], outside),
        (&at("file"), "/etc/passwd", outside),
        (&at("file"), "/var/lib/mailward/lock", "the lock"),
        ("/var/lib/mailward/lock", &at("new"), "the lock"),
        (&at("file"), &at("file"), not_here),
        (&at("file"), "/var/lib/mailward/elsewhere/new", not_here),
        (&at("folder"), &at("new"), "a folder"),
        (&at("file"), &at("folder"), "a folder"),
        (&at("link"), &at("new"), "a symbolic link"),
        (&at("file"), &at("link"), "a symbolic link"),
        (&at("file"), &at("way"), "a symbolic link"),
        (&at("pipe"), &at("new"), "not a regular file"),
        (&at("file"), &at("pipe"), "not a regular file"),
        (&at("second"), &at("other"), "a file with several hard links"),
        (&at("second"), &at("new"), "a file with several hard links"),
    ] {
        let refusal = act(&mut *host, deciding(from, to)).unwrap_err();
        assert_eq!(refusal, format!("cannot rename {from} to {to}: it is {why}"));
    }
    assert_eq!(bench.bytes(&at("file")), Some(b"x".to_vec()));
    assert_eq!(bench.names(&at("folder")), [""; 0]);
}

/// Runs on the host and over the ways to it race for one file; each has a name of its own for it.
#[test]
fn of_many_who_decide_at_once_one_succeeds() {
    const ROUNDS: usize = 12;
    for bench in [ssh(), bash(), busybox()] {
        let mut racers: Vec<Box<dyn WriteHost + Send>> = Vec::new();
        for _ in 0..4 {
            let local = LocalHost::tree(bench.dir.path().to_owned()).unwrap();
            racers.push(Box::new(local));
            racers.push(Box::new(bench.remote()));
        }
        for racer in &mut racers {
            // The connection is made before the race.
            let _connected = racer.write(&[], &[mailward::host::ReadRequest::Now]).unwrap();
        }
        for round in 0..ROUNDS {
            save(&mut *bench.host(), WINDOW, b"{}");
            let start = Barrier::new(racers.len());
            let run = |(number, racer): (usize, &mut Box<dyn WriteHost + Send>)| {
                let to = format!("/var/lib/mailward/access/{round}-{number}");
                start.wait();
                match racer.write(&[deciding(WINDOW, &to)], &[]) {
                    Ok(_) => Some(to),
                    Err(failure) => {
                        assert!(matches!(failure.source, OperationError::Gone), "{failure:?}");
                        None
                    }
                }
            };
            let winners: Vec<String> = std::thread::scope(|scope| {
                let runs = racers.iter_mut().enumerate();
                let runs: Vec<_> = runs.map(|racer| scope.spawn(|| run(racer))).collect();
                let ends = runs.into_iter().map(|run| run.join().unwrap());
                ends.flatten().collect()
            });
            assert_eq!(winners.len(), 1, "{winners:?}");
            assert_eq!(bench.bytes(&winners[0]), Some(b"{}".to_vec()));
            assert_eq!(bench.bytes(WINDOW), None);
        }
        assert_eq!(bench.names("/var/lib/mailward/access").len(), ROUNDS);
    }
}

/// Two `mv` that have both seen the file: the one that comes late fails, and says that the file is gone.
#[test]
fn a_rename_that_comes_late_is_lost() {
    for shell in ["mv", "busybox mv"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("from"), b"x").unwrap();
        let slow = "inject=rename,renameat,renameat2:delay_enter=400000";
        let mut late = std::process::Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", "trace=rename,renameat,renameat2"])
            .args(["-e", slow])
            .args(shell.split(' '))
            .args(["-f", "--", "from", "late"])
            .current_dir(dir.path())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("strace (apt package strace)");
        std::thread::sleep(std::time::Duration::from_millis(200));
        let early = std::fs::rename(dir.path().join("from"), dir.path().join("early"));
        early.expect("the other has not renamed it yet");
        assert!(!late.wait().unwrap().success(), "{shell}");
        assert!(dir.path().join("early").exists() && !dir.path().join("late").exists());
    }
}
