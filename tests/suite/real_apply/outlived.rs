//! A run that is killed while Courier is stopped and started: whatever the moment, every port is served again
//! without anybody's help, and the next run waits for what goes on.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{IMAPD, POP3D, Place, apply};
use crate::support::host::{Host, Kind};
use crate::support::ssh::Ssh;

/// How many kills are spread over an apply, at each place.
const KILLS: u32 = 20;

/// So long all ports must be served without a gap, in which nothing of the killed run is left.
const QUIET: Duration = Duration::from_millis(1500);

const PORTS: [u16; 4] = [110, 143, 993, 995];

/// Raised and lowered in turn, so that there always is something to do.
fn manifest(number: u32) -> String {
    let per_ip = 20 + number % 2;
    format!(
        "version = 1\n[limits.pop3]\nper_ip = {per_ip}\ntotal = 80\n[limits.imap]\nper_ip = {per_ip}\ntotal = 80\n"
    )
}

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum When {
    /// When it has run so long.
    After(Duration),
    /// When it has just closed a port.
    Closed,
}

/// Kills an apply; every second time with its own children, or with the shell of its connection.
fn kill(host: &Host, way: Option<&Ssh>, number: u32, when: When) {
    let harder = number % 2 == 1;
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = if let Some(ssh) = way {
        std::fs::write(file.path(), manifest(number)).unwrap();
        let path = file.path().to_str().unwrap();
        ssh.mailward(&["apply", "--yes", path]).into_command()
    } else {
        host.write("/root/m.toml", manifest(number));
        let script = "/usr/local/bin/mailward apply --yes /root/m.toml & echo $! >/root/pid; wait $!";
        host.command(&["sh", "-c", script]).into_command()
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = command.spawn().unwrap();
    match when {
        When::After(delay) => std::thread::sleep(delay),
        When::Closed => {
            let closed = || !PORTS.iter().all(|port| host.listening().contains(port));
            while !closed() && run.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
    if way.is_none() {
        let children = if harder { "$(cat /proc/$p/task/$p/children)" } else { "" };
        let script = format!("p=$(cat /root/pid); kill -9 $p {children}; :");
        host.run(&["sh", "-c", &script]);
    } else {
        if harder {
            for shell in host.processes() {
                if shell.argv == ["sh"] {
                    host.run(&["kill", "-9", &shell.pid.to_string()]);
                }
            }
        }
        let _ = run.kill();
    }
    run.wait().unwrap();
}

/// Whether all ports are served again, and stay so.
fn served_again(host: &Host) -> bool {
    let end = Instant::now() + Duration::from_secs(30);
    let mut since = None;
    while Instant::now() < end {
        let open = host.listening();
        if PORTS.iter().all(|port| open.contains(port)) {
            if since.get_or_insert_with(Instant::now).elapsed() > QUIET {
                return true;
            }
        } else {
            since = None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn sweep(place: &Place, way: Option<&Ssh>) {
    let begun = Instant::now();
    assert_eq!(apply(place, &manifest(0)).code(), 0);
    let whole = begun.elapsed();
    let mut down = Vec::new();
    for number in 1..=KILLS {
        let when = if number % 5 < 2 { When::Closed } else { When::After(whole * number / KILLS) };
        kill(place, way, number, when);
        if !served_again(place) {
            let open = place.listening();
            let closed = PORTS.iter().filter(|port| !open.contains(port));
            let closed: Vec<_> = closed.collect();
            down.push(format!("{closed:?} after a kill {when:?} of {whole:?}"));
            // So that the next kill has something to kill.
            apply(place, &manifest(number));
        }
    }
    assert!(down.is_empty(), "{} of {KILLS}: {down:#?}", down.len());
    // A run that comes right behind a killed one waits for what goes on.
    for number in [KILLS + 1, KILLS + 3] {
        kill(place, way, number, When::Closed);
        let next = apply(place, &manifest(number));
        assert_eq!(next.code(), 0, "{next:#?}");
        assert!(served_again(place));
    }
    let wanted = "MAXPERIP=21";
    for file in [POP3D, IMAPD] {
        assert!(place.read_text(file).contains(wanted), "{file}");
    }
    let check = super::mailward(place, &["check"], &manifest(1));
    assert_eq!(check.code(), 0, "{check:#?}");
    crate::support::covered(&format!("{KILLS} kills within {whole:?}"));
}

fn inside(kind: Kind) {
    let Some(mut host) = Place::prepare(kind) else {
        return;
    };
    host.boot();
    sweep(&Place::inside(host), None);
}

fn over_ssh(kind: Kind) {
    let Some(mut host) = Place::prepare(kind) else {
        return;
    };
    host.sshd();
    host.boot();
    let (one, other) = (host.ssh(), host.ssh());
    sweep(&Place::over(host, one), Some(&other));
}

#[test]
fn under_systemd_no_kill_leaves_a_port_closed() {
    inside(Kind::Systemd);
}

#[test]
fn with_init_scripts_no_kill_leaves_a_port_closed() {
    inside(Kind::SysV);
}

#[test]
fn over_ssh_under_systemd_no_kill_leaves_a_port_closed() {
    over_ssh(Kind::Systemd);
}

#[test]
fn over_ssh_with_init_scripts_no_kill_leaves_a_port_closed() {
    over_ssh(Kind::SysV);
}

/// The longest time for which one of the ports is closed while `run` goes on, and until all are served again.
fn longest_closed(host: &Host, run: &mut std::process::Child) -> Duration {
    let mut since = [None; PORTS.len()];
    let mut longest = Duration::ZERO;
    loop {
        let over = run.try_wait().unwrap().is_some();
        let open = host.listening();
        for (port, since) in PORTS.iter().zip(&mut since) {
            if open.contains(port) {
                *since = None;
            } else {
                longest = longest.max(since.get_or_insert_with(Instant::now).elapsed());
            }
        }
        let closed = since.iter().any(Option::is_some);
        if over && (!closed || longest > Duration::from_secs(60)) {
            return longest;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The most that a port may be closed while a service of this kind is stopped and started.
const MOMENT: Duration = Duration::from_secs(5);

/// Starts a service as often as systemd does within ten seconds, so that it refuses to start it once more.
fn exhaust(host: &Host) {
    for service in ["courier-imap.service", "courier-imap-ssl.service"] {
        host.run(&["systemctl", "reset-failed", service]).success();
        for _ in 0..5 {
            host.run(&["systemctl", "restart", service]).success();
        }
    }
}

/// systemd starts a service five times in ten seconds and then refuses, which a restart must not end in.
#[test]
fn a_service_that_was_started_often_just_now_is_restarted_all_the_same() {
    let Some(mut host) = Place::prepare(Kind::Systemd) else {
        return;
    };
    host.boot();
    let host = Place::inside(host);
    exhaust(&host);
    for number in 0..6 {
        host.write("/root/m.toml", manifest(number));
        let apply = ["/usr/local/bin/mailward", "apply", "--yes", "/root/m.toml"];
        let mut apply = host.command(&apply).into_command();
        let mut apply = apply.stdout(Stdio::null()).spawn().unwrap();
        let closed = longest_closed(&host, &mut apply);
        assert_eq!(apply.wait().unwrap().code(), Some(0), "the apply {number}");
        assert!(closed < MOMENT, "closed for {closed:?} in the apply {number}");
    }
}

#[test]
fn a_run_that_is_killed_leaves_no_service_at_systemds_limit_of_starts() {
    let Some(mut host) = Place::prepare(Kind::Systemd) else {
        return;
    };
    host.boot();
    for number in 0..4 {
        exhaust(&host);
        kill(&host, None, number, When::Closed);
        let since = Instant::now();
        assert!(served_again(&host), "the kill {number}");
        let closed = since.elapsed().saturating_sub(QUIET);
        assert!(closed < MOMENT, "closed for {closed:?} after the kill {number}");
    }
}
