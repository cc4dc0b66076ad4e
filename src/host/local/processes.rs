//! Finds processes by their program's name in /proc, or in a stand-in's.
//!
//! Of a process that does not match only `stat` is read. What cannot be read is said to be so; it is never
//! empty.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;

use rustix::fs::{AtFlags, Stat, readlinkat, statat};
use rustix::io::Errno;

use super::tree::{OpenFolder, PathRoot, reason};
use crate::host::proc::{ProcessStat, control_group, owner, ports, split_environment, split_words};
use crate::host::{ControllingTerminal, HostError, Process, ProcessId, ProcessOwner, ProgramFile, ROOT};

/// Lists the processes that run one of these programs, by pid.
pub(super) fn list(tree: &PathRoot, programs: &[&str]) -> Result<Vec<Process>, HostError> {
    let Some(scan) = ProcessScan::start(tree)? else {
        return Ok(Vec::new());
    };
    let mut pids = scan.pids()?;
    pids.sort_unstable();
    let mut found = Vec::new();
    let mut text = Vec::with_capacity(1024);
    for pid in pids {
        let Some(stat) = scan.stat(pid, &mut text)? else {
            continue;
        };
        let matching = programs.iter().find(|name| name.as_bytes() == stat.name);
        if let Some(name) = matching
            && stat.is_alive()
            && let Some(process) = scan.details(pid, name, &mut text)?
        {
            found.push(process);
        }
    }
    Ok(found)
}

/// Whether exactly this process still runs; a zombie does not.
pub(super) fn is_alive(tree: &PathRoot, id: ProcessId) -> Result<bool, HostError> {
    let Some(scan) = ProcessScan::start(tree)? else {
        return Ok(false);
    };
    let mut text = Vec::with_capacity(1024);
    let stat = scan.stat(id.pid, &mut text)?;
    Ok(stat.is_some_and(|stat| stat.is_alive() && stat.start == id.start))
}

/// One look through a proc folder.
struct ProcessScan<'a> {
    tree: &'a PathRoot,
    proc: OpenFolder,
    own: OnceCell<OwnView>,
    boot: OnceCell<Option<i64>>,
    listening: OnceCell<Option<BTreeMap<u64, SocketAddr>>>,
}

/// What mailward itself sees: its namespaces (`None` where the kernel does not tell) and its root folder.
struct OwnView {
    pid: Option<Vec<u8>>,
    mount: Option<Vec<u8>>,
    net: Option<Vec<u8>>,
    root: Option<Stat>,
}

impl<'a> ProcessScan<'a> {
    /// `None` for a stand-in without a proc folder: it has no processes.
    fn start(tree: &'a PathRoot) -> Result<Option<Self>, HostError> {
        let proc = match (tree.folder(b"/proc"), tree) {
            (Ok(proc), _) => proc,
            (Err(Errno::NOENT), PathRoot::Below(_)) => return Ok(None),
            (Err(error), _) => return Err(unreachable("/proc", error)),
        };
        // With hidepid=2 the kernel shows a user nothing but the user's own; there always is a first process.
        if matches!(tree, PathRoot::Machine)
            && let Err(error) = statat(&proc.fd, "1", AtFlags::empty())
        {
            return Err(unreachable("/proc shows only some processes", error));
        }
        Ok(Some(Self { tree, proc, own: OnceCell::new(), boot: OnceCell::new(), listening: OnceCell::new() }))
    }

    fn pids(&self) -> Result<Vec<u32>, HostError> {
        let mut pids = Vec::with_capacity(256);
        self.proc
            .names(|name| pids.extend(name.to_str().ok().and_then(|name| name.parse::<u32>().ok())))
            .map_err(|error| unreachable("/proc", error))?;
        Ok(pids)
    }

    /// `None` for a process that is gone.
    fn stat<'t>(&self, pid: u32, text: &'t mut Vec<u8>) -> Result<Option<ProcessStat<'t>>, HostError> {
        let read = match self.tree {
            PathRoot::Machine => {
                let mut way = [0_u8; 24];
                let mut end = &mut way[..];
                // The longest pid and the rest are 15 bytes.
                let _ = write!(end, "{pid}/stat");
                let length = 24 - end.len();
                self.tree.read_in(&self.proc, &way[..length], text)
            }
            PathRoot::Below(_) => self
                .tree
                .folder_in(&self.proc, pid.to_string().as_bytes())
                .and_then(|folder| self.tree.read_in(&folder, b"stat", text)),
        };
        parse(pid, read, text)
    }

    /// Everything about a process; `None` if it is gone, has become another program, or is not of this host.
    ///
    /// The open folder stays with this very process: once it is gone the kernel answers `ESRCH`, even for a
    /// reused pid.
    fn details(&self, pid: u32, name: &str, text: &mut Vec<u8>) -> Result<Option<Process>, HostError> {
        let folder = match self.tree.folder_in(&self.proc, pid.to_string().as_bytes()) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
            Err(error) => return Err(unreachable(&format!("/proc/{pid}"), error)),
        };
        let read = self.tree.read_in(&folder, b"stat", text);
        let Some(ProcessStat { parent, start, terminal, .. }) = parse(pid, read, text)? else {
            return Ok(None);
        };
        if !self.is_of_this_host(&folder, text) {
            return Ok(None);
        }
        let argv = match self.tree.read_in(&folder, b"cmdline", text) {
            Ok(()) => split_words(text),
            Err(Errno::NOENT | Errno::SRCH) if matches!(self.tree, PathRoot::Machine) => {
                return Ok(None);
            }
            Err(error) => return Err(unreachable(&format!("/proc/{pid}/cmdline"), error)),
        };
        let environment = match self.tree.read_in(&folder, b"environ", text) {
            Ok(()) => Ok(split_environment(text)),
            Err(error) => Err(reason(error)),
        };
        let listens = self.listens(&folder);
        let owner = match self.tree.read_in(&folder, b"status", text) {
            Ok(()) => owner(text),
            Err(_) => ProcessOwner::Unknown,
        };
        let file = match (owner, readlinkat(&folder.fd, "exe", Vec::new())) {
            (ProcessOwner::User(ROOT), Ok(target)) => ProgramFile::of_link(target.to_bytes()),
            // It is ending: its memory is gone, and it is about to be a zombie.
            (ProcessOwner::User(ROOT), Err(Errno::NOENT | Errno::SRCH))
                if matches!(self.tree, PathRoot::Machine) =>
            {
                return Ok(None);
            }
            (ProcessOwner::User(ROOT), Err(error)) => ProgramFile::Unknown(reason(error)),
            (ProcessOwner::User(_) | ProcessOwner::Several | ProcessOwner::Unknown, _) => {
                ProgramFile::NotAsked
            }
        };
        let group = match self.tree.read_in(&folder, b"cgroup", text) {
            Ok(()) => control_group(text),
            Err(_) => None,
        };
        // A process that ended meanwhile has an empty environment and no ports: that says nothing about it.
        let read = self.tree.read_in(&folder, b"stat", text);
        let unchanged = parse(pid, read, text)?
            .is_some_and(|stat| stat.is_alive() && stat.start == start && stat.name == name.as_bytes());
        Ok(unchanged.then(|| Process {
            id: ProcessId { pid, start },
            parent,
            started: self.started(start),
            name: name.to_owned(),
            owner,
            file,
            group,
            terminal: ControllingTerminal::of(terminal),
            argv,
            environment,
            ports: listens.as_deref().map(ports),
            listens,
        }))
    }

    fn started(&self, start: u64) -> Option<i64> {
        let boot = *self.boot.get_or_init(|| {
            let mut text = Vec::new();
            self.tree.read_in(&self.proc, b"stat", &mut text).ok()?;
            let line = text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"btime "))?;
            std::str::from_utf8(line).ok()?.trim().parse().ok()
        });
        let ticks = match self.tree {
            PathRoot::Machine => rustix::param::clock_ticks_per_second().max(1),
            PathRoot::Below(_) => 100,
        };
        boot?.checked_add(i64::try_from(start / ticks).ok()?)
    }

    /// Whether a process shares mailward's pid namespace and root folder. Where the kernel does not tell, it
    /// counts.
    fn is_of_this_host(&self, folder: &OpenFolder, text: &mut Vec<u8>) -> bool {
        if matches!(self.tree, PathRoot::Below(_)) {
            return true;
        }
        let own = self.own();
        let same_pids = match (&own.pid, link(folder, "ns/pid")) {
            (Some(own), Some(its)) => *own == its,
            _ => match self.tree.read_in(folder, b"status", text) {
                Ok(()) => !crate::host::proc::is_in_inner_namespace(text),
                Err(_) => true,
            },
        };
        let same_mounts = own.mount.is_some() && own.mount == link(folder, "ns/mnt");
        let same_root = match (&own.root, statat(&folder.fd, "root", AtFlags::empty())) {
            _ if same_mounts => true,
            (Some(own), Ok(its)) => (own.st_dev, own.st_ino) == (its.st_dev, its.st_ino),
            (None, _) | (_, Err(_)) => true,
        };
        same_pids && same_root
    }

    fn own(&self) -> &OwnView {
        self.own.get_or_init(|| OwnView {
            pid: link(&self.proc, "self/ns/pid"),
            mount: link(&self.proc, "self/ns/mnt"),
            net: link(&self.proc, "self/ns/net"),
            root: statat(rustix::fs::CWD, "/", AtFlags::empty()).ok(),
        })
    }

    /// The TCP sockets that a process listens on; `None` where its files or the sockets cannot be read.
    fn listens(&self, folder: &OpenFolder) -> Option<Vec<SocketAddr>> {
        let files = self.tree.folder_in(folder, b"fd").ok()?;
        let mut sockets = Vec::new();
        let mut unreadable = false;
        files
            .names(|name| match readlinkat(&files.fd, name, Vec::new()) {
                Ok(target) => sockets.extend(crate::host::proc::socket(target.to_bytes())),
                // Closed meanwhile.
                Err(Errno::NOENT) => {}
                Err(_) => unreadable = true,
            })
            .ok()?;
        if unreadable {
            return None;
        }
        if sockets.is_empty() {
            return Some(Vec::new());
        }
        if matches!(self.tree, PathRoot::Machine)
            && let (Some(own), Some(its)) = (&self.own().net, link(folder, "ns/net"))
            && *own != its
        {
            // Its sockets are in another network namespace, so in another table than ours.
            return None;
        }
        let listening = self.listening.get_or_init(|| self.read_listening()).as_ref()?;
        let mut listens: Vec<SocketAddr> =
            sockets.iter().filter_map(|socket| listening.get(socket)).copied().collect();
        listens.sort_unstable();
        listens.dedup();
        Some(listens)
    }

    /// Inode and address of each listening TCP socket. A host without IPv6 has no second table.
    fn read_listening(&self) -> Option<BTreeMap<u64, SocketAddr>> {
        let mut sockets = BTreeMap::new();
        let mut text = Vec::new();
        let net = self.tree.folder_in(&self.proc, b"net").ok()?;
        self.tree.read_in(&net, b"tcp", &mut text).ok()?;
        sockets.extend(crate::host::proc::listening(&text));
        match self.tree.read_in(&net, b"tcp6", &mut text) {
            Ok(()) => sockets.extend(crate::host::proc::listening(&text)),
            Err(Errno::NOENT) => {}
            Err(_) => return None,
        }
        Some(sockets)
    }
}

fn link(folder: &OpenFolder, name: &str) -> Option<Vec<u8>> {
    readlinkat(&folder.fd, name, Vec::new()).ok().map(std::ffi::CString::into_bytes)
}

fn parse(pid: u32, read: rustix::io::Result<()>, text: &[u8]) -> Result<Option<ProcessStat<'_>>, HostError> {
    match read {
        Ok(()) => ProcessStat::parse(text)
            .map(Some)
            .ok_or_else(|| HostError::Unexpected(format!("/proc/{pid}/stat has an unknown form"))),
        Err(Errno::NOENT | Errno::SRCH) => Ok(None),
        Err(error) => Err(unreachable(&format!("/proc/{pid}/stat"), error)),
    }
}

fn unreachable(what: &str, error: Errno) -> HostError {
    HostError::Unreachable { what: what.to_owned(), source: error.into() }
}
