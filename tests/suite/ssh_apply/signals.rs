//! Runs that are interrupted: by a signal to the run or to its whole group, and by Ctrl-C on a terminal.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use super::{edited, host, manifest, run, wait_for_the_host};
use crate::support::host::{Host, Kind};
use crate::support::ssh::{Ssh, Terminal};

/// Whom a signal is sent to.
#[derive(Clone, Copy, Debug)]
enum To {
    Run,
    Group,
}

/// A run in the background, in a group of its own.
struct Begun {
    child: Child,
    folder: tempfile::TempDir,
}

impl Begun {
    fn new(ssh: &Ssh, arguments: &[&str], per_ip: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (file, outcome) = (folder.path().join("mx1.toml"), folder.path().join("outcome.json"));
        std::fs::write(&file, manifest(per_ip)).unwrap();
        let mut all = arguments.to_vec();
        if arguments[0] == "apply" {
            all.extend(["--outcome", outcome.to_str().unwrap()]);
        }
        all.push(file.to_str().unwrap());
        let mut command = ssh.mailward(&all).into_command();
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.process_group(0).spawn().unwrap();
        Self { child, folder }
    }

    fn signal(&self, signal: Signal, to: To) {
        let pid = Pid::from_child(&self.child);
        match to {
            To::Run => kill_process(pid, signal),
            To::Group => kill_process_group(pid, signal),
        }
        .unwrap();
    }

    /// How it ended, and its outcome.
    fn end(mut self) -> (Option<i32>, Value) {
        let end = Instant::now() + Duration::from_secs(120);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let outcome = std::fs::read(self.folder.path().join("outcome.json"));
        let outcome = outcome.map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap());
        (status.code(), outcome)
    }
}

/// The machine's processes whose arguments hold a text.
fn with_argument(text: &str) -> Vec<String> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok())
        .filter(|argv| argv.contains(text))
        .collect()
}

/// Waits until no `ssh` of a way is left.
fn no_ssh_is_left(host: &Host, ssh: &Ssh) {
    let config = ssh.config().display().to_string();
    host.wait_until("no ssh is left", || with_argument(&config).is_empty());
}

#[test]
fn a_signal_before_the_first_change_ends_a_run_there() {
    let Some(host) = host(Kind::SysV) else { return };
    let ssh = host.ssh().slow(Duration::from_millis(60));
    let config = ssh.config().display().to_string();
    let before = edited(&host).map(|edited| edited.before);
    for (signal, to, options) in [
        (Signal::TERM, To::Run, &[][..]),
        (Signal::INT, To::Group, &[]),
        (Signal::HUP, To::Group, &["--defer-restarts"]),
        (Signal::TERM, To::Group, &["--defer-restarts"]),
    ] {
        let what = format!("{signal:?} to {to:?}, {options:?}");
        let begun = Begun::new(&ssh, &[&["apply", "--yes"], options].concat(), 20);
        host.wait_until("its ssh runs", || {
            let runs = with_argument(&config);
            runs.iter().any(|argv| argv.starts_with("ssh\0"))
        });
        std::thread::sleep(Duration::from_millis(600));
        begun.signal(signal, to);
        let (code, outcome) = begun.end();
        assert_eq!(code, Some(2), "{what}: {outcome:#}");
        assert_eq!(outcome["result"], "interrupted", "{what}");
        assert_eq!(before, edited(&host).map(|edited| edited.before), "{what}");
        assert!(!host.exists("/var/lib/mailward/journal.json"), "{what}");
        assert!(!host.exists("/var/lib/mailward/history"), "{what}");
        wait_for_the_host(&host);
        no_ssh_is_left(&host, &ssh);
    }
    let applied = run(&host.ssh(), &["apply", "--yes"], &manifest(20));
    assert_eq!(applied.code(), 0, "{applied:#?}");
}

/// Makes the stop of pop3d slow, and tells when it begins.
fn stop_is_slow(host: &Host) {
    let script = format!("/etc/init.d/{}", host.layout().service(110));
    let real = host.read_text(&script);
    let (first, rest) = real.split_once('\n').expect("a script has lines");
    let slow = "[ \"$1\" != stop ] || { : >/run/stopping; sleep 0.7; }";
    host.write(&script, format!("{first}\n{slow}\n{rest}"));
}

fn stops(host: &Host) {
    host.wait_until("pop3d is being stopped", || host.exists("/run/stopping"));
}

#[test]
fn a_signal_in_the_middle_of_an_apply_has_it_undone() {
    let Some(host) = host(Kind::SysV) else { return };
    stop_is_slow(&host);
    let before = edited(&host).map(|edited| edited.before);
    let running = host.couriertcpd(110);
    let is_undone = |what: &str, code: Option<i32>, outcome: &Value| {
        assert_eq!(code, Some(8), "{what}: {outcome:#}");
        assert_eq!(before, edited(&host).map(|edited| edited.before), "{what}");
        assert_eq!(host.couriertcpd(110), running, "{what}");
        wait_for_the_host(&host);
        assert!(!host.exists("/var/lib/mailward/journal.json"), "{what}");
        host.remove("/run/stopping");
    };
    let ssh = host.ssh();
    for (signal, to) in [(Signal::TERM, To::Group), (Signal::INT, To::Run), (Signal::HUP, To::Group)] {
        let begun = Begun::new(&ssh, &["apply", "--yes"], 20);
        stops(&host);
        begun.signal(signal, to);
        let (code, outcome) = begun.end();
        is_undone(&format!("{signal:?} to {to:?}"), code, &outcome);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, manifest(20)).unwrap();
    let mut terminal = Terminal::run(ssh.mailward(&["apply", "--yes", file.path().to_str().unwrap()]));
    stops(&host);
    terminal.say(b"\x03");
    let (code, said) = terminal.end();
    is_undone(&said, code, &Value::Null);
    assert!(said.contains("interrupted by SIGINT"), "{said}");
    no_ssh_is_left(&host, &ssh);
}

#[test]
fn a_plan_that_is_interrupted_leaves_no_ssh() {
    let Some(host) = host(Kind::SysV) else { return };
    for ssh in [host.ssh().slow(Duration::from_millis(100)), Ssh::silent()] {
        for (signal, to) in [
            (Signal::TERM, To::Run),
            (Signal::INT, To::Run),
            (Signal::HUP, To::Group),
            (Signal::KILL, To::Run),
        ] {
            let begun = Begun::new(&ssh, &["plan"], 20);
            std::thread::sleep(Duration::from_millis(300));
            begun.signal(signal, to);
            assert_eq!(begun.end().0, None, "{signal:?} to {to:?}");
            no_ssh_is_left(&host, &ssh);
        }
    }
}
