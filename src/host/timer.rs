//! The timer that loads packet filter rules as they were before, unless somebody confirms the new ones in
//! time.
//!
//! It is one or two processes of the host that need nothing of whoever starts them: they survive a logout,
//! the end of the ssh connection and the end of the run, and die with the boot, as the rules do. What they
//! decide over and what they load lies in the folder of the window, in memory where the host has such a
//! place. Here are the acts that start them, and what is where; that they do no more is `timer.sh`'s part.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    CommandEnding, FileReplacement, HostCommand, HostOperation, OperationResult, Process, ProcessId,
    SHARED_WINDOW, STATE, WINDOWS,
};
use crate::model::{HostPath, known};

/// What [`TimerLoad::Nftables`] loads, by its name in the window's folder and in mailward's state.
pub const REVERT_NFT: &str = "revert.nft";

/// What [`TimerLoad::Iptables`] loads for IPv4, if it is there.
pub const REVERT_V4: &str = "revert.v4";

/// What [`TimerLoad::Iptables`] loads for IPv6, if it is there.
pub const REVERT_V6: &str = "revert.v6";

/// The name that the kernel keeps of a watcher's program.
pub const PROGRAM: &str = "sh";

/// Where the kernel tells what is mounted, and so what is in memory.
pub const MOUNTS: &str = "/proc/self/mounts";

/// Where systemd keeps what a watch is started by.
pub const UNITS: &str = "/run/systemd/system";

const SCRIPT: &str = "revert.sh";
const SCRIPT_TEXT: &str = include_str!("timer.sh");
const SHELL: &str = "/bin/sh";

/// How long the start of the watch may take: two waits of five seconds, and what systemd takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// Who starts the timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerStarter {
    /// systemd, as a service that it starts again.
    Systemd {
        /// `systemctl`.
        systemctl: HostPath,
    },
    /// A shell, in a session of its own.
    Session,
}

/// How the rules are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TimerLoad {
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

/// The folder of one window: what its timer loads, and the files whose names say what was decided. Each of
/// these holds the window's id, and counts for nothing otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CheckpointFolder(HostPath);

impl CheckpointFolder {
    /// The folder of the window with this id of 32 hexadecimal digits: in memory, so that neither a full nor
    /// a read-only disk keeps rules from going back; on the disk where `mounts`, the text of [`MOUNTS`],
    /// shows no such place.
    #[must_use]
    pub fn new(mounts: &str, id: &str) -> Self {
        let path = if is_in_memory(mounts, "/run") {
            format!("{WINDOWS}/{id}")
        } else if is_in_memory(mounts, "/dev/shm") {
            format!("{SHARED_WINDOW}{id}")
        } else {
            format!("{STATE}/access/{id}")
        };
        Self(known(&path))
    }

    /// The windows that these names belong to: folders in [`WINDOWS`], and units of systemd.
    #[must_use]
    pub fn left(names: &[Vec<u8>]) -> Vec<Self> {
        (names.iter())
            .filter_map(|name| std::str::from_utf8(name).ok())
            .map(|name| {
                (name.strip_prefix("mailward-revert-"))
                    .and_then(|rest| rest.strip_suffix(".service"))
                    .unwrap_or(name)
            })
            .map(|id| format!("{WINDOWS}/{id}"))
            .filter(|path| super::rules::is_checkpoint(path))
            .map(|path| Self(known(&path)))
            .collect()
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &HostPath {
        &self.0
    }

    /// The window's id.
    #[must_use]
    pub fn id(&self) -> &str {
        let name = self.0.name();
        name.strip_prefix("mailward-").unwrap_or(name)
    }

    /// There while nothing is decided; whoever renames it ([`HostOperation::Decide`]) has decided.
    #[must_use]
    pub fn open(&self) -> HostPath {
        self.file("open")
    }

    /// What a confirmation makes of [`Self::open`].
    #[must_use]
    pub fn confirmed(&self) -> HostPath {
        self.file("confirmed")
    }

    /// What is made of [`Self::open`] by whoever takes the change back.
    #[must_use]
    pub fn reverting(&self) -> HostPath {
        self.file("reverting")
    }

    /// What the timer makes of [`Self::reverting`] when all is loaded.
    #[must_use]
    pub fn reverted(&self) -> HostPath {
        self.file("reverted")
    }

    /// Written when the window is over for good: no watcher may load anything any more.
    #[must_use]
    pub fn closed(&self) -> HostPath {
        self.file("closed")
    }

    /// Makes [`Self::closed`] of [`Self::reverting`], where there is no room to write it.
    #[must_use]
    pub fn closes(&self) -> HostOperation {
        HostOperation::Decide { from: self.reverting(), to: self.closed() }
    }

    /// Since when the change is live, in milliseconds since the boot.
    #[must_use]
    pub fn live(&self) -> HostPath {
        self.file("live")
    }

    /// What the programs said when they could not load.
    #[must_use]
    pub fn log(&self) -> HostPath {
        self.file("log")
    }

    /// What [`Self::open`] holds, and each name that it gets.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("{}\n", self.id())
    }

    /// The processes that watch over this window.
    #[must_use]
    pub fn watchers(&self, processes: &[Process]) -> Vec<ProcessId> {
        let script = self.file(SCRIPT);
        watching(processes).filter(|(path, _)| path.ends_with(script.as_str())).map(|(_, id)| id).collect()
    }

    /// What is removed when the window is over and nobody watches any more, after [`Self::starters`]: the
    /// folder last.
    #[must_use]
    pub fn remains(&self) -> Vec<HostOperation> {
        const NAMES: [&str; 18] = [
            "open",
            "confirmed",
            "reverting",
            "reverted",
            "reverted.new",
            "live",
            "log",
            "unit",
            "ready.alone",
            "ready.first",
            "ready.second",
            REVERT_NFT,
            REVERT_V4,
            REVERT_V6,
            "open.new",
            "confirmed.new",
            "closed.new",
            "closed",
        ];
        // What a run that was killed over a save has left: a folder that holds it would stay.
        const SAVED: [&str; 7] = [SCRIPT, "open", "live", "closed", REVERT_NFT, REVERT_V4, REVERT_V6];
        let saved = SAVED.iter().map(|name| self.file(name));
        let halves = saved.map(|path| self.file(&FileReplacement::temporary(&path)));
        let files = NAMES.iter().map(|name| self.file(name));
        (files.chain(halves).chain([self.0.clone()])).map(HostOperation::Remove).collect()
    }

    /// What is removed when the window is over, so that nobody begins to watch any more: what systemd has of
    /// it, and the script.
    #[must_use]
    pub fn starters(&self) -> Vec<HostOperation> {
        let unit = format!("mailward-revert-{}.service", self.id());
        let units = [
            format!("/run/systemd/system/sysinit.target.wants/{unit}"),
            format!("/run/systemd/system/{unit}"),
        ];
        (units.iter().map(|path| known(path))).chain([self.file(SCRIPT)]).map(HostOperation::Remove).collect()
    }

    fn file(&self, name: &str) -> HostPath {
        known(&format!("{}/{name}", self.0))
    }
}

/// Whether a path lies in a file system that is in memory and can be written, by the text of [`MOUNTS`].
fn is_in_memory(mounts: &str, path: &str) -> bool {
    let holds = |point: &str| {
        path.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || point == "/")
    };
    // Of several at one place the last is on top.
    let mut over: Option<(usize, bool)> = None;
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(_), Some(point), Some(kind), Some(options)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        if holds(point) && over.is_none_or(|(length, _)| length <= point.len()) {
            let writable = options.split(',').next() == Some("rw");
            over = Some((point.len(), kind == "tmpfs" && writable));
        }
    }
    over.is_some_and(|(_, fits)| fits)
}

/// The shells that a host may have as `sh`, by their files' names. With another one a watcher is taken for
/// none, and what it watches over is watched anew.
const SHELLS: [&str; 10] = ["sh", "dash", "bash", "ash", "busybox", "ksh", "ksh93", "mksh", "zsh", "yash"];

/// Whether root runs a shell there: a watcher is known by more than its words, which any user can give a
/// process.
fn is_roots_shell(process: &Process) -> bool {
    let file = process.file.path().map(|(path, _)| path);
    let name = file.and_then(|path| path.rsplit(|&byte| byte == b'/').next());
    let is_shell = name.is_none_or(|name| SHELLS.iter().any(|shell| shell.as_bytes() == name));
    process.is_roots() && is_shell
}

/// The watchers of all windows, with the script that each runs.
pub fn watching(processes: &[Process]) -> impl Iterator<Item = (&str, ProcessId)> {
    processes.iter().filter_map(|process| {
        let script = std::str::from_utf8(process.argv.get(1)?).ok()?;
        let verb = process.argv.get(2)?;
        let is_one = script.ends_with(&format!("/{SCRIPT}")) && verb == b"watch";
        (is_one && is_roots_shell(process)).then_some((script, process.id))
    })
}

/// The acts that write down what a timer needs and start it; whether it stands is told by [`armed`].
///
/// `until` is when the window ends, in milliseconds since the boot; an earlier window must be over.
#[must_use]
pub fn arm(
    folder: &CheckpointFolder,
    starter: &TimerStarter,
    seconds: u32,
    until: u64,
    load: &TimerLoad,
    texts: &[(&'static str, String)],
) -> Vec<HostOperation> {
    let save = |path: HostPath, text: &str| HostOperation::Save { path, bytes: text.as_bytes().to_vec() };
    let mut acts = vec![save(folder.file(SCRIPT), SCRIPT_TEXT)];
    acts.extend((texts.iter()).map(|(name, text)| save(folder.file(name), text)));
    acts.push(save(folder.open(), &folder.mark()));
    acts.push(start(folder, starter, seconds, until, load));
    acts
}

/// The act that starts the watch of a window whose files are there.
fn start(
    folder: &CheckpointFolder,
    starter: &TimerStarter,
    seconds: u32,
    until: u64,
    load: &TimerLoad,
) -> HostOperation {
    let text = |path: &Option<HostPath>| path.as_ref().map_or("", HostPath::as_str).to_owned();
    let mut words = vec![
        folder.file(SCRIPT).to_string(),
        "start".to_owned(),
        seconds.to_string(),
        until.div_ceil(1000).to_string(),
    ];
    match load {
        TimerLoad::Nftables { nft } => {
            words.extend(["nftables".to_owned(), nft.to_string(), String::new()]);
        }
        TimerLoad::Iptables { v4, v6 } => words.extend(["iptables".to_owned(), text(v4), text(v6)]),
    }
    words.push(match starter {
        TimerStarter::Systemd { systemctl } => systemctl.to_string(),
        TimerStarter::Session => String::new(),
    });
    HostOperation::Run(HostCommand::new(known(SHELL), words, DEADLINE))
}

/// Whether the acts of [`arm`] have started a timer, from what was done.
///
/// # Errors
/// What the programs said, where it does not run.
pub fn armed(done: &[OperationResult]) -> Result<(), String> {
    let Some(OperationResult::Ran(output)) = done.last() else {
        return Err("it is not known what became of its start".to_owned());
    };
    if output.end == CommandEnding::Code(0) {
        return Ok(());
    }
    let said: Vec<_> = (output.stderr.split(|&byte| byte == b'\n'))
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| crate::model::printable::text(line.trim_ascii()))
        .collect();
    Err(said.join(" / "))
}

/// The timer of the version before, which may still wait when this one comes: it lies in mailward's state,
/// and decides by the name of the record.
pub mod former {
    use super::{DEADLINE, HostCommand, HostOperation, HostPath, ProcessId, TimerStarter};

    /// Which process the timer is: see [`process`].
    pub const PROCESS: &str = "/var/lib/mailward/access/timer.pid";

    /// systemd's name for the timer.
    pub const UNIT: &str = "mailward-revert.service";

    /// Which process [`PROCESS`] names, from its content; it is removed when the timer ends by itself.
    #[must_use]
    pub fn process(bytes: &[u8]) -> Option<ProcessId> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (pid, start) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(ProcessId { pid: pid.parse().ok()?, start: start.parse().ok()? })
    }

    /// The acts that end a timer whose matter is decided: only tidiness, since it would find its record gone
    /// and end by itself when its time has come.
    #[must_use]
    pub fn disarm(starter: &TimerStarter) -> Vec<HostOperation> {
        let stop = |systemctl: &HostPath, verb: &str| {
            let arguments = vec![verb.to_owned(), UNIT.to_owned()];
            HostOperation::Run(HostCommand::new(systemctl.clone(), arguments, DEADLINE))
        };
        match starter {
            TimerStarter::Systemd { systemctl } => {
                ["stop", "reset-failed"].map(|verb| stop(systemctl, verb)).to_vec()
            }
            TimerStarter::Session => Vec::new(),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_process_is_a_pid_and_a_start() {
            let id = ProcessId { pid: 12, start: 34 };
            assert_eq!(process(b"12 34\n"), Some(id));
            for text in ["", "12\n", "12 34", "12 34 5\n", "x 34\n", "-1 34\n"] {
                assert_eq!(process(text.as_bytes()), None, "{text}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ProcessOwner;
    use crate::host::rules::{is_checkpoint, may_decide, may_remove, may_save};

    const ID: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn a_user_whose_process_has_a_watchers_words_watches_nothing() {
        let folder = CheckpointFolder::new("tmpfs /run tmpfs rw 0 0\n", ID);
        let script = folder.file(SCRIPT).to_string();
        let of = |owner, file: &str| {
            let words = ["sh", &script, "watch"].map(|word| word.as_bytes().to_vec());
            let process = Process {
                id: ProcessId { pid: 9, start: 1 },
                parent: 1,
                started: None,
                name: PROGRAM.to_owned(),
                owner,
                file: crate::host::ProgramFile::of_link(file.as_bytes()),
                group: None,
                terminal: crate::host::ControllingTerminal::None,
                argv: words.to_vec(),
                environment: Ok(Vec::new()),
                ports: None,
                listens: None,
            };
            folder.watchers(&[process]).len()
        };
        for shell in ["/usr/bin/dash", "/bin/busybox", "/bin/bash (deleted)"] {
            assert_eq!(of(ProcessOwner::User(0), shell), 1, "{shell}");
        }
        assert_eq!(of(ProcessOwner::User(1000), "/usr/bin/dash"), 0);
        assert_eq!(of(ProcessOwner::Several, "/usr/bin/sudo"), 0);
        assert_eq!(of(ProcessOwner::User(0), "/usr/bin/sudo"), 0);
    }

    #[test]
    fn a_window_lies_in_memory_where_the_host_has_such_a_place() {
        for (mounts, path) in [
            (
                "/dev/vda / ext4 rw 0 0\ntmpfs /run tmpfs rw,size=9 0 0\ntmpfs /run/lock tmpfs rw 0 0\n",
                "/run/mailward/ID",
            ),
            (
                "/dev/vda / ext4 rw 0 0\ntmpfs /run tmpfs ro 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n",
                "/dev/shm/mailward-ID",
            ),
            (
                "tmpfs /run tmpfs rw 0 0\n/dev/vdb /run ext4 rw 0 0\nx /dev tmpfs rw 0 0\n",
                "/dev/shm/mailward-ID",
            ),
            ("none / tmpfs rw 0 0\n", "/run/mailward/ID"),
            ("/dev/vda / ext4 rw 0 0\ntmpfs /running tmpfs rw 0 0\n", "/var/lib/mailward/access/ID"),
            ("", "/var/lib/mailward/access/ID"),
        ] {
            let folder = CheckpointFolder::new(mounts, ID);
            assert_eq!(folder.path().as_str(), path.replace("ID", ID), "{mounts}");
            assert_eq!(folder.id(), ID);
            assert!(is_checkpoint(folder.path().as_str()));
            may_save(&folder.log()).unwrap();
            may_decide(&folder.open(), &folder.confirmed()).unwrap();
            for act in folder.starters().into_iter().chain(folder.remains()) {
                let HostOperation::Remove(path) = act else { panic!("{act:?}") };
                may_remove(&path).unwrap();
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_window_is_none() {
        for path in [
            "/run/mailward",
            "/run/mailward/0011",
            "/run/mailward/00112233445566778899aabbccddeefg",
            "/run/mailward/00112233445566778899aabbccddeeff/x",
            "/run/mailward-00112233445566778899aabbccddeeff",
            "/dev/shm/00112233445566778899aabbccddeeff",
            "/var/lib/mailward/00112233445566778899aabbccddeeff",
        ] {
            assert!(!is_checkpoint(path), "{path}");
        }
        let other = known("/run/systemd/system/ssh.service");
        assert!(may_remove(&other).is_err());
    }
}
