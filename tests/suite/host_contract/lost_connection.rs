//! The lock ends with the connection, and nothing that a run starts keeps it.

use std::fs;
use std::process::{Command as Starter, Stdio};
use std::time::{Duration, Instant};

use mailward::host::{CommandEnding, HostCommand, HostOperation, WriteHost as _};

use super::locks::{HOLDERS, is_held};
use super::path;
use super::processes::is_root;
use super::test_hosts::{Bench, Local, bash, busybox, ssh};
use crate::support::own;

/// Waits until somebody else gets the lock; how long that took.
fn until_free(bench: &Local) -> Duration {
    let begin = Instant::now();
    while bench.host().lock().is_err() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it stays locked");
        std::thread::sleep(Duration::from_millis(20));
    }
    begin.elapsed()
}

/// Kills the nearer end of a connection: what stands for `ssh`, or the shell that holds it.
fn cut(child_of: u32) {
    let text = Starter::new("ps")
        .args(["-o", "pid=", "--ppid", &child_of.to_string()])
        .output()
        .expect("ps (apt package procps)");
    for pid in String::from_utf8(text.stdout).unwrap().split_whitespace() {
        let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// A run of its own process, so that its connection can be cut: it takes the lock, and then runs a program.
fn run_apart(bench: &Local, program: &str) -> super::processes::Running {
    let child = Starter::new(own::suite())
        .args(own::hidden("host_contract::lost_connection::hidden_run"))
        .env("MAILWARD_TEST_TREE", bench.dir.path())
        .env("MAILWARD_TEST_PROGRAM", bench.real(program))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    super::processes::Running(child)
}

#[test]
#[ignore = "run by other cases, which cut its connection"]
fn hidden_run() {
    let dir = std::env::var_os("MAILWARD_TEST_TREE").expect("another case runs this one");
    let program = std::env::var("MAILWARD_TEST_PROGRAM").unwrap();
    let shell = match fs::read_to_string(std::path::Path::new(&dir).join("inner")) {
        Ok(text) if text.contains("sshd") => super::remote::Shell::Ssh,
        _ => super::remote::Shell::Bash,
    };
    let metadata = mailward::host::ssh::MetadataPolicy::Unseen;
    let mut host = super::remote::host(std::path::Path::new(&dir), shell, metadata);
    host.lock().unwrap();
    let run = HostOperation::Run(super::command(path(&program), &[]));
    let lost = host.write(&[run], &[]);
    println!("{lost:?}");
}

fn appears(bench: &Local, path: &str) {
    let begin = Instant::now();
    while bench.bytes(path).is_none() {
        assert!(begin.elapsed() < Duration::from_secs(60), "no {path}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_cut_connection_keeps_the_lock_until_its_action_ends_and_not_longer() {
    if !is_root("a_cut_connection_keeps_the_lock_until_its_action_ends_and_not_longer") {
        return;
    }
    // A real sshd, with the kernel's lock and without.
    for (without, mut bench) in [(false, ssh()), (true, ssh())] {
        if without {
            bench = super::test_hosts::changed(
                super::remote::Shell::Ssh,
                mailward::host::ssh::MetadataPolicy::Shown,
                "mount --bind /dev/null /usr/bin/flock",
            );
        }
        let here = bench.dir.path().display().to_string();
        bench.script(
            "/bin/slow",
            &format!("echo > {here}/begun; i=0; while [ $i -lt 12 ]; do sleep 0.1; i=$((i + 1)); echo $i; done; echo > {here}/ended"),
        );
        let run = run_apart(&bench, "/bin/slow");
        appears(&bench, "/begun");
        cut(run.0.id());
        std::thread::sleep(Duration::from_millis(100));
        is_held(&mut *bench.host());
        assert!(bench.bytes("/ended").is_none(), "it was looked at too late");
        until_free(&bench);
        assert!(bench.bytes("/ended").is_some(), "the action was cut short");
        if without {
            assert_eq!(bench.names(HOLDERS), [""; 0]);
        }
    }
}

#[test]
fn a_connection_that_is_cut_while_nothing_runs_gives_the_lock_back() {
    let bench = ssh();
    let here = bench.dir.path().display().to_string();
    let mut host = bench.host();
    host.lock().unwrap();
    // Not dropped: as if this program were killed, its `ssh` is.
    let own: Vec<_> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok()?.parse().ok())
        .filter(|pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&here)
        })
        .collect();
    assert!(!own.is_empty());
    for pid in own {
        let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    assert!(until_free(&bench) < Duration::from_secs(15));
    assert!(host.write(&[], &[mailward::host::ReadRequest::Now]).is_err());
}

#[test]
fn a_daemon_holds_neither_the_lock_nor_the_connection() {
    for bench in [ssh(), bash(), busybox()] {
        // It keeps everything open that it got, and listens to nobody.
        bench.script("/bin/daemon", "trap '' HUP TERM INT; (while sleep 0.2; do :; done) & echo $!");
        let begin = Instant::now();
        let mut host = bench.host();
        host.lock().unwrap();
        let start = HostCommand::new(bench.path("/bin/daemon"), vec![], Duration::from_secs(20));
        let written = host.write(&[HostOperation::Run(start)], &[]).unwrap();
        let [mailward::host::OperationResult::Ran(output)] = &written.done[..] else {
            panic!("{written:?}");
        };
        assert_eq!(output.end, CommandEnding::Code(0));
        let pid: u32 = String::from_utf8(output.stdout.clone()).unwrap().trim().parse().unwrap();
        drop(host);
        bench.host().lock().unwrap();
        assert!(begin.elapsed() < Duration::from_secs(15));
        let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("the daemon lives on");
        let mut open: Vec<u32> =
            open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
        // What whoever started this left open is theirs; the shell's own descriptors have one digit.
        open.retain(|&number| number < 10);
        open.sort_unstable();
        assert_eq!(open, [0, 1, 2]);
        let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}
