//! Applies over ssh that something comes between: what they say is so, what they leave is what the next run
//! completes.

mod broken_line;
mod damaged;
mod messages;
mod signals;

use std::time::Duration;

use serde_json::Value;

use crate::support::host::{Host, Kind, Layout, Output};
use crate::support::ssh::Ssh;

const SMTP: &str = "/etc/xinetd.d/smtp_psa";

/// Asks for so many connections from one address, of one daemon that restarts and one that reloads.
fn manifest(per_ip: u32) -> String {
    format!("version = 1\n[limits.pop3]\nper_ip = {per_ip}\ntotal = 80\n[limits.smtp]\nper_ip = {per_ip}\n")
}

fn host(kind: Kind) -> Option<Host> {
    let layout = match kind {
        Kind::BusyBox => Layout::PleskSplit,
        Kind::Systemd | Kind::SysV => Layout::Debian,
    };
    let mut host = Host::prepare(kind, layout)?;
    // A case restarts a service more often than a unit may start in ten seconds (systemd-system.conf(5)).
    host.write("/etc/systemd/system.conf.d/limit.conf", "[Manager]\nDefaultStartLimitIntervalSec=0\n");
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
    // Where there is no flock, the lock is the process itself.
    let script =
        "[ ! -e /var/lib/mailward/lock ] || ! command -v flock || flock -n /var/lib/mailward/lock true";
    host.wait_until("the lock is free", || {
        let shells = host.processes().into_iter().filter(|process| process.argv == ["sh"]);
        shells.count() == 0 && host.run(&["sh", "-c", script]).code() == 0
    });
}

/// What one edited file holds.
struct Edited {
    path: String,
    before: String,
}

/// The files that [`manifest`] is about, as they are.
fn edited(host: &Host) -> [Edited; 2] {
    [format!("{}/pop3d", host.layout().folder()), SMTP.to_owned()]
        .map(|path| Edited { before: host.read_text(&path), path })
}

/// Fails unless what an outcome says of the files is so.
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
            // What failed and could not be brought back is unknown.
            "not-tried" | "undone" | "failed" => assert!(is_before, "{what}: {path} is changed"),
            "unknown" => {}
            other => panic!("{what}: {path} is {other}"),
        }
    }
}
