//! One lock for all transports: mailward on the server, over ssh, and where the host has no flock(1).

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, ChildStdin, ChildStdout, Command as Starter, Stdio};

use mailward::host::local::LocalHost;
use mailward::host::{HostError, HostOperation, WriteHost};

use super::processes::is_root;
use super::test_hosts::{Bench, Local, bash, busybox, ssh};
use super::{act, path};
use crate::support::in_time::{InTime, PATIENCE};
use crate::support::own;

pub const HOLDERS: &str = "/var/lib/mailward/holders";

/// mailward on the server: this program with one hidden case, over the same `/var/lib`.
struct OnServer {
    child: Child,
    input: ChildStdin,
    output: BufReader<InTime<ChildStdout>>,
}

impl OnServer {
    fn start(bench: &Local) -> Self {
        let mut child = Starter::new("unshare")
            .arg("--mount")
            .args(own::sheltered(
                "mount --bind \"$1\" /var/lib && shift && exec \"$program\" \"$@\"",
                &own::suite(),
            ))
            .arg(bench.real("/var/lib"))
            .args(own::hidden("host_contract::locks::hidden_locker"))
            .env("MAILWARD_TEST_TREE", "/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare (apt package util-linux)");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(InTime::new(child.stdout.take().unwrap(), PATIENCE));
        Self { child, input, output }
    }

    /// Tries to take the lock, and says `taken`, or why not.
    fn lock(&mut self) -> String {
        writeln!(self.input, "lock").unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended");
            // The harness prints, too.
            if let Some((_, said)) = line.split_once("lock: ") {
                return said.trim_end().to_owned();
            }
        }
    }
}

impl Drop for OnServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "run by other cases, over the folder of a bench"]
fn hidden_locker() {
    std::env::var_os("MAILWARD_TEST_TREE").expect("another case runs this one");
    let mut host = LocalHost::machine();
    for _ in std::io::stdin().lines() {
        match host.lock() {
            Ok(()) => println!("lock: taken"),
            Err(error) => println!("lock: {error}"),
        }
    }
}

/// Another bench on the same files.
fn with_files_of(bench: Local, first: &Local) -> Local {
    let inner = bench.real("/inner");
    let text = fs::read_to_string(&inner).unwrap();
    let (before, after) = text.split_once("/var/lib /var/lib").unwrap();
    let before = before.replace("mount --bind $dir", "");
    let there = first.dir.path().display();
    fs::write(&inner, format!("{before}mount --bind {there}/var/lib /var/lib{after}")).unwrap();
    bench
}

pub fn is_held(host: &mut dyn WriteHost) {
    let error = host.lock().unwrap_err();
    let HostError::Locked { holder } = &error else {
        panic!("{error}");
    };
    assert!(holder.starts_with("pid "), "{holder}");
}

#[test]
fn whoever_holds_it_keeps_all_others_out() {
    if !is_root("whoever_holds_it_keeps_all_others_out") {
        return;
    }
    let first = ssh();
    let benches = [with_files_of(bash(), &first), with_files_of(busybox(), &first), first];
    let mut server = OnServer::start(&benches[2]);
    for (at, holding) in benches.iter().enumerate() {
        let mut holder = holding.host();
        holder.lock().unwrap();
        for other in &benches {
            is_held(&mut *other.host());
        }
        let said = server.lock();
        assert!(said.starts_with("another run holds the lock: pid "), "{at}: {said}");
        drop(holder);
    }
    assert_eq!(server.lock(), "taken");
    for other in &benches {
        is_held(&mut *other.host());
    }
    drop(server);
    for other in &benches {
        other.host().lock().unwrap();
    }
    assert_eq!(benches[2].names(HOLDERS), [""; 0]);
}

#[test]
fn many_at_once_are_never_two() {
    for bench in [busybox(), bash()] {
        let together = std::sync::Barrier::new(6);
        let got: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        // One that fails comes to both meetings, or the others would wait there for ever.
                        let host = catch_unwind(AssertUnwindSafe(|| {
                            let host = bench.host();
                            super::ask(&*host, mailward::host::ReadRequest::Now);
                            host
                        }));
                        together.wait();
                        let taken = host.map(|mut host| (host.lock().is_ok(), host));
                        together.wait();
                        taken.map_or_else(|failure| resume_unwind(failure), |(taken, _)| usize::from(taken))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(got <= 1, "{got} hold it");
        bench.host().lock().unwrap();
    }
}

#[test]
fn what_dead_holders_left_means_nothing() {
    let bench = busybox();
    let own = std::process::id();
    for name in [
        "99999999-1".to_owned(),
        // A process has that number, but started at another time.
        format!("{own}-1"),
        "1-0".to_owned(),
        "x-y".to_owned(),
        "-".to_owned(),
    ] {
        bench.put(format!("{HOLDERS}/{name}").as_bytes(), b"pid 1\n");
    }
    for other in [&with_files_of(bash(), &bench), &bench] {
        other.host().lock().unwrap();
    }
    assert_eq!(bench.names(HOLDERS), [""; 0]);
}

#[test]
fn a_folder_that_cannot_be_made_is_no_held_lock() {
    for bench in [ssh(), bash(), busybox()] {
        bench.put(b"/var/lib/mailward", b"a file");
        let error = bench.host().lock().unwrap_err();
        assert!(matches!(error, HostError::NoLock { .. }), "{error}");
        bench.remove("/var/lib/mailward");
        act(&mut *bench.host(), HostOperation::Remove(path("/var/lib/mailward/none"))).unwrap();
    }
}
