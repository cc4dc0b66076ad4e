//! An apply over ssh, message by message: how many there are, and what a line that breaks at each of them leaves.

use std::time::Duration;

use serde_json::Value;

use crate::support::host::{Host, Kind, Layout, Output};
use crate::support::ssh::{Fate, Line, Moment, Ssh};

const POP3D: &str = "/etc/courier/pop3d";
const SMTP: &str = "/etc/xinetd.d/smtp_psa";

/// Asks for so many connections from one address, of one daemon that restarts and one that reloads.
fn manifest(per_ip: u32) -> String {
    format!(
        "version = 1\n[limits.pop3]\nper_ip = {per_ip}\ntotal = 80\n[limits.smtp]\nper_ip = {per_ip}\n"
    )
}

fn host(kind: Kind) -> Option<Host> {
    let mut host = Host::prepare(kind, Layout::Debian)?;
    host.sshd();
    host.boot();
    Some(host)
}

fn run(ssh: &Ssh, arguments: &[&str], manifest: &str) -> Output {
    let arguments: Vec<_> = arguments.iter().copied().chain(["-"]).collect();
    let run = ssh.mailward(&arguments).stdin(manifest);
    run.within(Duration::from_secs(120)).run()
}

/// Waits until the host has carried out what arrived: then its shell ends, and the lock with it.
fn wait_for_the_host(host: &Host) {
    host.wait_until("the lock is free", || {
        let script = "[ ! -e /var/lib/mailward/lock ] || flock -n /var/lib/mailward/lock true";
        host.run(&["sh", "-c", script]).code() == 0
    });
}

#[test]
fn a_plan_takes_two_messages_and_an_apply_few_more() {
    let Some(host) = host(Kind::SysV) else { return };
    let messages = |arguments: &[&str], manifest: &str, code: i32| {
        let line = Line::counting();
        let output = run(&host.ssh().over(&line), arguments, manifest);
        assert_eq!(output.code(), code, "{output:#?}");
        assert_eq!(line.connections(), 1);
        line.trips().len()
    };
    let all = "version = 1\n[limits.pop3]\nper_ip = 20\ntotal = 80\n[limits.imap]\nper_ip = 20\ntotal = 80\n\
               [limits.smtp]\nper_ip = 20\n";
    assert_eq!(messages(&["plan"], all, 2), 2);
    assert_eq!(messages(&["check"], all, 2), 2);
    assert_eq!(messages(&["show"], all, 0), 2);
    // The lock, the plan's two, the edits, one for each of four restarts, two to look, two to write down what was seen;
    // and for xinetd three before it is reloaded, to see what it offers and that its servers are there, and two to reload.
    assert_eq!(messages(&["apply", "--yes"], all, 0), 17);
    assert_eq!(messages(&["plan"], all, 0), 2);
    assert_eq!(messages(&["apply", "--yes"], all, 0), 3);
    // The lock, the plan's two, the edits, two restarts, two to look, one to write it down.
    let pop3 = "version = 1\n[limits.pop3]\nper_ip = 21\n";
    assert_eq!(messages(&["apply", "--yes"], pop3, 0), 9);
    // An include that is known only when its file is read is one more.
    host.replace_text(
        "/etc/xinetd.conf",
        "includedir /etc/xinetd.d",
        "include /etc/more\nincludedir /etc/xinetd.d",
    );
    host.write("/etc/more", "includedir /etc/more.d\n");
    assert_eq!(messages(&["plan"], all, 2), 4);
}

/// What one edited file holds.
struct Edited {
    path: &'static str,
    before: String,
}

/// Fails unless the outcome of a run that lost its host says nothing that is not so.
fn is_true(host: &Host, outcome: &Value, edited: &[Edited], what: &str) {
    for step in outcome["steps"].as_array().expect("a list") {
        let Some(path) = step["step"]["path"].as_str() else {
            continue;
        };
        let Some(edited) = edited.iter().find(|edited| edited.path == path) else {
            continue;
        };
        let is_before = host.read_text(path) == edited.before;
        match step["state"].as_str().expect("a word") {
            "done" => assert!(!is_before, "{what}: {path} is not done"),
            "not-tried" | "undone" => assert!(is_before, "{what}: {path} is changed"),
            "unknown" => {}
            other => panic!("{what}: {path} is {other}"),
        }
    }
}

/// Breaks an apply at one message, looks at what it leaves, and has the next run end it.
fn breaks(host: &Host, per_ip: u32, fate: Fate, moment: Moment, message: usize) -> bool {
    let what = format!("{fate:?} {moment:?} of message {message}");
    let edited = [POP3D, SMTP].map(|path| Edited {
        path,
        before: host.read_text(path),
    });
    let line = Line::failing(fate, moment, message);
    let manifest = manifest(per_ip);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outcome.json");
    let arguments = [
        "apply",
        "--yes",
        "--ssh-timeout=2",
        "--action-timeout=10",
        "--outcome",
        file.to_str().unwrap(),
    ];
    let lost = run(&host.ssh().over(&line), &arguments, &manifest);
    if !line.failed() {
        assert_eq!(lost.code(), 0, "{what}: {lost:#?}");
        return false;
    }
    let outcome: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(outcome["exit"], lost.code(), "{what}");
    wait_for_the_host(host);
    is_true(host, &outcome, &edited, &what);
    let ssh = host.ssh();
    match lost.code() {
        11 => {
            assert!(!lost.stdout.contains("rolled back"), "{what}: {lost:#?}");
            assert!(lost.stdout.contains("help: "), "{what}: {lost:#?}");
        }
        // All was done and seen; only that it is written down on the host is not known.
        3 => {
            let check = run(&ssh, &["check"], &manifest);
            assert!(
                matches!(check.code(), 0 | 3),
                "{what}: {lost:#?} {check:#?}"
            );
        }
        other => panic!("{what}: exit {other}: {lost:#?}"),
    }
    let next = run(&ssh, &["apply", "--yes"], &manifest);
    assert_eq!(next.code(), 0, "{what}: {next:#?}");
    if let Some(run) = outcome["run"].as_str()
        && edited
            .iter()
            .any(|edited| host.read_text(edited.path) != edited.before)
        && lost.code() == 11
        && outcome["steps"][0]["state"] == "done"
    {
        let entry = format!("/var/lib/mailward/history/{run}.json");
        assert!(host.exists(&entry), "{what}: the lost run has its entry");
    }
    let check = run(&ssh, &["check"], &manifest);
    assert_eq!(check.code(), 0, "{what}: {check:#?}");
    let argv = host.couriertcpd(110).expect("pop3d runs");
    assert!(
        argv.contains(&format!("-maxperip={per_ip}")),
        "{what}: {argv:?}"
    );
    let script = "ls -A /etc/courier /etc/xinetd.d /etc /tmp /dev/shm /run | grep mailward || :; ls /var/lib/mailward";
    let left = host.run(&["sh", "-c", script]).success();
    assert_eq!(left.trim(), "backups\nhistory\nlock\nxinetd.json", "{what}");
    true
}

/// Breaks applies at each message in turn, at moments that go round from `first`, until one has fewer messages.
fn at_every_message(kind: Kind, first: usize, fate: Fate) {
    let Some(host) = host(kind) else { return };
    let (mut broken, mut per_ip) = (0, 20);
    loop {
        let moment = Moment::ALL[(first + broken) % Moment::ALL.len()];
        // Up and down in turn, so that there always is something to do.
        per_ip = 41 - per_ip;
        if !breaks(&host, per_ip, fate, moment, broken + 1) {
            break;
        }
        broken += 1;
    }
    assert!(broken >= 12, "only {broken} messages");
    crate::support::covered(&format!("{broken} messages, {fate:?}"));
}

#[test]
fn a_line_that_is_cut_at_any_message_leaves_what_the_next_run_completes() {
    at_every_message(Kind::SysV, 0, Fate::Cut);
}

#[test]
fn a_line_that_is_cut_at_other_moments_leaves_what_the_next_run_completes() {
    at_every_message(Kind::SysV, 2, Fate::Cut);
}

#[test]
fn under_systemd_a_line_that_is_cut_leaves_what_the_next_run_completes() {
    at_every_message(Kind::Systemd, 3, Fate::Cut);
}

#[test]
fn a_line_that_falls_silent_is_given_up() {
    at_every_message(Kind::SysV, 4, Fate::Hang);
}
