//! What a line that breaks leaves, at each message in turn.

use serde_json::Value;

use super::{edited, host, is_true, manifest, run, wait_for_the_host};
use crate::support::host::{Host, Kind};
use crate::support::ssh::{Fate, Line, Moment};

/// Breaks an apply at one message, looks at what it leaves, and has the next run end it.
fn breaks(host: &Host, per_ip: u32, fate: Fate, moment: Moment, message: usize) -> bool {
    let what = format!("{fate:?} {moment:?} of message {message}");
    let edited = edited(host);
    let line = Line::failing(fate, moment, message);
    let manifest = manifest(per_ip);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outcome.json");
    // A line that is cut ends by itself; the time to give up a silent one is waited for.
    let patience = match fate {
        Fate::Cut => "--ssh-timeout=20",
        Fate::Hang => "--ssh-timeout=4",
    };
    let arguments = [
        "apply",
        "--yes",
        patience,
        "--action-timeout=10",
        "--allow=unseen-metadata",
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
            assert!(matches!(check.code(), 0 | 3), "{what}: {lost:#?} {check:#?}");
        }
        other => panic!("{what}: exit {other}: {lost:#?}"),
    }
    let again = ["apply", "--yes", "--allow=unseen-metadata"];
    let next = run(&ssh, &again, &manifest);
    assert_eq!(next.code(), 0, "{what}: {next:#?}");
    if let Some(run) = outcome["run"].as_str()
        && edited.iter().any(|edited| host.read_text(&edited.path) != edited.before)
        && lost.code() == 11
        && outcome["steps"][0]["state"] == "done"
    {
        let entry = format!("/var/lib/mailward/history/{run}.json");
        assert!(host.exists(&entry), "{what}: the lost run has its entry");
    }
    let check = run(&ssh, &["check"], &manifest);
    assert_eq!(check.code(), 0, "{what}: {check:#?}");
    let argv = host.couriertcpd(110).expect("pop3d runs");
    assert!(argv.contains(&format!("-maxperip={per_ip}")), "{what}: {argv:?}");
    let script = "ls -A /etc/courier* /etc/xinetd.d /etc /tmp /dev/shm /run | grep mailward || :; cd /var/lib/mailward; ls -A holders; ls";
    let left = host.run(&["sh", "-c", script]).success();
    assert_eq!(left.trim(), "backups\nhistory\nholders\nlock\nxinetd.json", "{what}");
    true
}

/// Breaks applies at each message in turn, at moments that go round from `first`, until one has fewer
/// messages.
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

#[test]
fn on_a_host_with_busybox_alone_a_line_that_is_cut_leaves_what_the_next_run_completes() {
    at_every_message(Kind::BusyBox, 1, Fate::Cut);
}

#[test]
fn a_shared_connection_that_stays_keeps_no_lock_and_no_shell_of_a_run_that_was_cut() {
    let Some(host) = host(Kind::SysV) else { return };
    let mut ssh = host.ssh().auto_master();
    // It is made by a run that ends well, and outlives the next.
    assert_eq!(run(&ssh, &["plan"], &manifest(20)).code(), 2);
    for (moment, message) in [(Moment::Sent, 1), (Moment::HalfMessage, 6), (Moment::AnswerLost, 8)] {
        let line = Line::failing(Fate::Cut, moment, message);
        ssh = ssh.over(&line);
        let lost = run(&ssh, &["apply", "--yes"], &manifest(20));
        assert_eq!(lost.code(), 11, "{moment:?}: {lost:#?}");
        wait_for_the_host(&host);
        host.wait_until("no shell is left", || host.processes().iter().all(|process| process.argv != ["sh"]));
    }
}
