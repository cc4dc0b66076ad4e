//! One act that stops a service and starts it again, by its commands or by a job of systemd.
//!
//! It is a process of its own session: between the two a service is down, and whoever asked may be killed at
//! any moment. Whether it took is not looked at here.

use std::time::Duration;

use super::{HostCommand, Process, ProcessId};
use crate::model::{HostPath, known};

/// systemd's control program, by the name that the kernel keeps.
const SYSTEMCTL: &str = "systemctl";

/// How long the processes of the stopped service are waited for, as in the script.
const GONE: Duration = Duration::from_secs(20);

/// What the guards of the two programs, which look once a second, and a busy machine may take.
const SLACK: Duration = Duration::from_secs(10);

const SHELL: &str = "/bin/sh";
const MARK: &str = "mailward-restart";
const TEXT: &str = include_str!("restart.sh");

/// Starts the session and waits for it. Something follows so that the shell does not make way for `setsid`,
/// which would then be a leader already, and not wait. The text of what is run is `$0`.
const CALLER: &str = "session=setsid
command -v setsid >/dev/null 2>&1 || session=
$session sh -c \"$0\" mailward-restart \"$@\" </dev/null
exit $?";

/// The command that stops a service by its init script, waits until these processes are gone, and starts it.
///
/// Either may take this long.
#[must_use]
pub fn commands(script: &HostPath, patience: Duration, gone: &[ProcessId]) -> HostCommand {
    let mut words = ["commands", script.as_str()].map(str::to_owned).to_vec();
    words.extend(gone.iter().map(|id| format!("{}-{}", id.pid, id.start)));
    session(words, patience, longest(patience))
}

/// The command that has systemd stop a service and start it again, however often it was started of late.
///
/// A job may take as long as a stop and a start do.
#[must_use]
pub fn job(systemctl: &HostPath, unit: &str, patience: Duration) -> HostCommand {
    let words = ["job", systemctl.as_str(), unit].map(str::to_owned);
    session(words.to_vec(), patience * 2, longest_job(patience))
}

/// How long a job may take in all, where a start may take `patience`: a restart that fails is followed by a
/// start.
#[must_use]
pub fn longest_job(patience: Duration) -> Duration {
    longest(patience * 2)
}

fn session(what: Vec<String>, patience: Duration, longest: Duration) -> HostCommand {
    let patience = patience.as_secs().max(1).to_string();
    let mut words = ["-c", CALLER, TEXT, &patience].map(str::to_owned).to_vec();
    words.extend(what);
    HostCommand::new(known(SHELL), words, longest)
}

/// How long it may take in all, where either program may take `patience`.
#[must_use]
pub fn longest(patience: Duration) -> Duration {
    patience * 2 + GONE + SLACK
}

/// The programs of processes that may be such an act.
pub const PROGRAMS: [&str; 2] = ["sh", SYSTEMCTL];

/// Those of root's among these processes that stop and start a service and have not ended: this act, and what
/// waits for a job of systemd that does so with one of these units. Any user can give a process such words.
#[must_use]
pub fn under_way(processes: &[Process], units: &[&str]) -> Vec<ProcessId> {
    let services: Vec<String> = units.iter().map(|unit| format!("{unit}.service")).collect();
    let is_one = |process: &&Process| {
        let word = |index: usize| process.argv.get(index).map(Vec::as_slice);
        let session = word(1) == Some(b"-c") && word(3) == Some(MARK.as_bytes());
        let job = process.name == SYSTEMCTL
            && matches!(word(1), Some(b"restart" | b"start"))
            && (services.iter()).any(|service| word(2) == Some(service.as_bytes()));
        process.is_roots() && (session || job)
    };
    processes.iter().filter(is_one).map(|process| process.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{ControllingTerminal, ProcessOwner, ProgramFile};

    fn process(owner: ProcessOwner, name: &str, words: &[&str]) -> Process {
        Process {
            id: ProcessId { pid: 9, start: 1 },
            parent: 1,
            started: None,
            name: name.to_owned(),
            owner,
            file: ProgramFile::of_link(b"/bin/dash"),
            group: None,
            terminal: ControllingTerminal::None,
            argv: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
            environment: Ok(Vec::new()),
            ports: None,
            listens: None,
        }
    }

    #[test]
    fn only_what_root_runs_is_a_stop_and_start_that_goes_on() {
        let under_way = |owner, name, words: &[&str]| {
            !under_way(&[process(owner, name, words)], &["courier-imap"]).is_empty()
        };
        let session = ["sh", "-c", TEXT, MARK, "60"];
        let job = ["systemctl", "restart", "courier-imap.service"];
        let other = ["systemctl", "restart", "ssh.service"];
        assert!(under_way(ProcessOwner::User(0), "sh", &session));
        assert!(under_way(ProcessOwner::User(0), SYSTEMCTL, &job));
        assert!(!under_way(ProcessOwner::User(0), SYSTEMCTL, &other));
        for owner in [ProcessOwner::User(1000), ProcessOwner::Several, ProcessOwner::Unknown] {
            assert!(!under_way(owner, "sh", &session));
            assert!(!under_way(owner, SYSTEMCTL, &job));
        }
    }
}
