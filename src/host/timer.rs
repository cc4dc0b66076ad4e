//! The timer that loads packet filter rules as they were before, unless somebody confirms the new ones in time.
//!
//! It is a process of the host and needs nothing of whoever starts it: it survives a logout, the end of the ssh connection
//! and the end of the run, and dies with the boot, as the rules do. What it decides over and what it loads are files in
//! [`FOLDER`], written before. Here are the acts that start and end it; that the process itself does no more is
//! `timer.sh`'s part.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Act, Command, Done, End, ProcessId};
use crate::model::{HostPath, known};

/// The folder of everything that a provisional change of the rules leaves on the host.
pub const FOLDER: &str = "/var/lib/mailward/access";

/// There while a change waits for its confirmation; whoever renames it ([`Act::Decide`]) has decided.
pub const WINDOW: &str = "/var/lib/mailward/access/window.json";

/// What the timer makes of [`WINDOW`] before it loads: still there, it is to be loaded by whoever comes.
pub const REVERTING: &str = "/var/lib/mailward/access/reverting.json";

/// What the timer makes of [`REVERTING`] when all is loaded.
pub const REVERTED: &str = "/var/lib/mailward/access/reverted.json";

/// What [`Load::Nftables`] loads.
pub const REVERT_NFT: &str = "/var/lib/mailward/access/revert.nft";

/// What [`Load::Iptables`] loads for IPv4, if it is there.
pub const REVERT_V4: &str = "/var/lib/mailward/access/revert.v4";

/// What [`Load::Iptables`] loads for IPv6, if it is there.
pub const REVERT_V6: &str = "/var/lib/mailward/access/revert.v6";

/// What the programs said that loaded.
pub const REVERT_LOG: &str = "/var/lib/mailward/access/revert.log";

/// Which process the timer is: see [`process`].
pub const PROCESS: &str = "/var/lib/mailward/access/timer.pid";

/// systemd's name for the timer.
pub const UNIT: &str = "mailward-revert.service";

const SCRIPT: &str = "/var/lib/mailward/access/timer.sh";
const SCRIPT_TEXT: &str = include_str!("timer.sh");
const SHELL: &str = "/bin/sh";

/// How long each command may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Who starts the timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Starter {
    /// systemd, as a transient service.
    Systemd {
        /// `systemctl`.
        systemctl: HostPath,
        /// `systemd-run`.
        systemd_run: HostPath,
    },
    /// A shell, in a session of its own.
    Session,
}

/// How the rules are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Load {
    /// [`REVERT_NFT`], with `nft -f`.
    Nftables {
        /// `nft`.
        nft: HostPath,
    },
    /// [`REVERT_V4`] and [`REVERT_V6`], with `--noflush`: loading one must be harmless a second time.
    Iptables {
        /// `iptables-restore`.
        v4: Option<HostPath>,
        /// `ip6tables-restore`.
        v6: Option<HostPath>,
    },
}

/// The acts that start a timer, which a later one replaces; whether it runs is told by [`armed`].
///
/// It begins to count now. [`WINDOW`] and what is loaded must have been saved before, and an earlier window been decided.
#[must_use]
pub fn arm(starter: &Starter, seconds: u32, load: &Load) -> Vec<Act> {
    let mut acts = vec![
        Act::Save {
            path: known(SCRIPT),
            bytes: SCRIPT_TEXT.as_bytes().to_vec(),
        },
        Act::Remove(known(PROCESS)),
    ];
    let work = work(seconds, load);
    match starter {
        Starter::Systemd {
            systemctl,
            systemd_run,
        } => {
            // One that ended badly keeps its name.
            acts.extend(stop(systemctl));
            // Known to systemd 215 already: --collect came with 236, --quiet with 219. The timer ignores TERM, for which
            // a shutdown would wait.
            let mut arguments = [
                format!("--unit={UNIT}"),
                "--description=Reverts mailward's packet filter rules unless they are confirmed"
                    .to_owned(),
                "--property=KillSignal=SIGKILL".to_owned(),
                SHELL.to_owned(),
                SCRIPT.to_owned(),
                "run".to_owned(),
            ]
            .to_vec();
            arguments.extend(work);
            acts.push(run(systemd_run.clone(), arguments));
        }
        Starter::Session => {
            let mut arguments = vec![SCRIPT.to_owned(), "start".to_owned()];
            arguments.extend(work);
            acts.push(run(known(SHELL), arguments));
        }
    }
    let check = vec![SCRIPT.to_owned(), "check".to_owned()];
    acts.push(run(known(SHELL), check));
    acts
}

/// Whether the acts of [`arm`] have started a timer, from what was done.
///
/// # Errors
/// What the programs said, where it does not run.
pub fn armed(done: &[Done]) -> Result<(), String> {
    let outputs: Vec<_> = done
        .iter()
        .filter_map(|done| match done {
            Done::Ran(output) => Some(output),
            Done::Quietly | Done::Awaited(_) => None,
        })
        .collect();
    if outputs.last().is_some_and(|last| last.end == End::Code(0)) {
        return Ok(());
    }
    // The one that starts it, and the one that looks; what comes before is about an earlier one.
    let last = outputs.iter().skip(outputs.len().saturating_sub(2));
    let said: Vec<_> = last
        .flat_map(|output| output.stderr.split(|&byte| byte == b'\n'))
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| crate::report::printable::line(line.trim_ascii()))
        .collect();
    Err(said.join(" / "))
}

/// The acts that end a timer whose matter is decided: only a matter of tidiness, since it would find [`WINDOW`] gone and end
/// by itself when its time has come.
#[must_use]
pub fn disarm(starter: &Starter) -> Vec<Act> {
    match starter {
        Starter::Systemd { systemctl, .. } => stop(systemctl).to_vec(),
        Starter::Session => Vec::new(),
    }
}

/// Which process [`PROCESS`] names, from its content; it is removed when the timer ends by itself.
#[must_use]
pub fn process(bytes: &[u8]) -> Option<ProcessId> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (pid, start) = text.strip_suffix('\n')?.split_once(' ')?;
    Some(ProcessId {
        pid: pid.parse().ok()?,
        start: start.parse().ok()?,
    })
}

/// What the script is told.
fn work(seconds: u32, load: &Load) -> Vec<String> {
    let text = |path: &Option<HostPath>| path.as_ref().map_or("", HostPath::as_str).to_owned();
    let mut words = vec![seconds.to_string()];
    match load {
        Load::Nftables { nft } => words.extend(["nftables".to_owned(), nft.as_str().to_owned()]),
        Load::Iptables { v4, v6 } => words.extend(["iptables".to_owned(), text(v4), text(v6)]),
    }
    words
}

fn stop(systemctl: &HostPath) -> [Act; 2] {
    ["stop", "reset-failed"].map(|verb| {
        let arguments = vec![verb.to_owned(), UNIT.to_owned()];
        run(systemctl.clone(), arguments)
    })
}

fn run(program: HostPath, arguments: Vec<String>) -> Act {
    Act::Run(Command::new(program, arguments, DEADLINE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_one_and_may_be_saved() {
        for path in [
            WINDOW, REVERTING, REVERTED, REVERT_NFT, REVERT_V4, REVERT_V6, REVERT_LOG, PROCESS,
            SCRIPT,
        ] {
            assert!(path.starts_with(&format!("{FOLDER}/")), "{path}");
            super::super::rules::may_save(&HostPath::new(path).unwrap()).unwrap();
        }
        HostPath::new(SHELL).unwrap();
    }

    #[test]
    fn a_process_is_a_pid_and_a_start() {
        let id = ProcessId { pid: 12, start: 34 };
        assert_eq!(process(b"12 34\n"), Some(id));
        for text in ["", "12\n", "12 34", "12 34 5\n", "x 34\n", "-1 34\n"] {
            assert_eq!(process(text.as_bytes()), None, "{text}");
        }
    }
}
