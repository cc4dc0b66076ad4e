//! Reads which processes run, from their files in `/proc`. One that changed while it was looked at is no
//! process.

use std::net::SocketAddr;

use super::ending::ReplyEnding;
use super::{ReplyReader, ReplyResult, TICKS, misfit, number};
use crate::host::proc::{ProcessStat, control_group, owner_of, ports, split_environment, split_words};
use crate::host::{ControllingTerminal, HostError, Process, ProcessId, ProcessOwner, ProgramFile, ROOT};

impl ReplyReader<'_> {
    pub(super) fn processes(&mut self, programs: &[&'static str]) -> ReplyResult<Vec<Process>> {
        let mut seen = Vec::new();
        loop {
            match self.record()? {
                (b'p', text) => seen.push(ProcessRecords::read(text, &mut self.end)?),
                (b'!', text) => {
                    return Err(HostError::Unreachable {
                        what: String::from_utf8_lossy(text).into_owned(),
                        source: std::io::ErrorKind::PermissionDenied.into(),
                    });
                }
                (b'.', _) => break,
                _ => return Err(misfit("a process's line is of no known kind")),
            }
        }
        if seen.is_empty() {
            return Ok(Vec::new());
        }
        let (_, kernel) = self.end.take(b"/proc/stat")?;
        let boot =
            kernel.split(|&byte| byte == b'\n').find_map(|line| number::<i64>(line.strip_prefix(b"btime ")?));
        let processes = seen.iter().filter_map(|seen| seen.process(programs, boot, &self.end).transpose());
        let mut processes = processes.collect::<ReplyResult<Vec<Process>>>()?;
        processes.sort_by_key(|process| process.id);
        Ok(processes)
    }
}

/// A process as its records show it.
struct ProcessRecords<'r> {
    pid: u32,
    environment: u8,
    ports: u8,
    owner: ProcessOwner,
    /// The file that it executes; empty where that cannot be told.
    program: &'r [u8],
    /// stat, cmdline, environ, cgroup, and stat again.
    files: [&'r [u8]; 5],
}

impl<'r> ProcessRecords<'r> {
    fn read(text: &'r [u8], end: &mut ReplyEnding<'r>) -> ReplyResult<Self> {
        let mut fields = text.splitn(8, |&byte| byte == b' ');
        let pid = fields.next().and_then(number::<u32>);
        let (Some(pid), Some(&[environment]), Some(&[ports])) = (pid, fields.next(), fields.next()) else {
            return Err(misfit("half a process"));
        };
        let ids: Vec<&[u8]> = fields.by_ref().take(4).collect();
        let Some(program) = fields.next() else {
            return Err(misfit("half a process"));
        };
        let mut files = [&b""[..]; 5];
        let names = ["stat", "cmdline", "environ", "cgroup", "stat"];
        for (file, name) in files.iter_mut().zip(names) {
            *file = end.take(format!("/proc/{pid}/{name}").as_bytes())?.1;
        }
        Ok(Self { pid, environment, ports, owner: owner_of(ids.into_iter()), program, files })
    }

    /// The process; none where it is gone, has become another program, or was never one of these.
    fn process(
        &self,
        programs: &[&'static str],
        boot: Option<i64>,
        end: &ReplyEnding<'_>,
    ) -> ReplyResult<Option<Process>> {
        let [stat, argv, environment, group, after] = self.files;
        if stat.is_empty() || after.is_empty() {
            return Ok(None);
        }
        let parsed = ProcessStat::parse(stat).zip(ProcessStat::parse(after));
        let (stat, after) = parsed.ok_or_else(|| misfit("half a process"))?;
        let Some(name) = programs.iter().find(|name| name.as_bytes() == stat.name) else {
            return Ok(None);
        };
        let same = after.name == stat.name && after.start == stat.start;
        if !same || !stat.is_alive() || !after.is_alive() {
            return Ok(None);
        }
        // It is ending: its memory is gone, and it is about to be a zombie.
        if self.owner == ProcessOwner::User(ROOT) && self.program.is_empty() && argv.is_empty() {
            return Ok(None);
        }
        let started = boot.and_then(|boot| {
            let since = i64::try_from(stat.start / TICKS).ok()?;
            boot.checked_add(since)
        });
        let sockets = end.sockets.as_ref().map(|all| all.get(&self.pid));
        let listens = match (self.ports, sockets, &end.listening) {
            // In another network namespace its sockets are in another table than this one.
            (b'y' | b'o', Some(None), _) => Some(Vec::new()),
            (b'y', Some(Some(sockets)), Some(listening)) => {
                let listens = sockets.iter().filter_map(|inode| listening.get(inode));
                let mut listens: Vec<SocketAddr> = listens.copied().collect();
                listens.sort_unstable();
                listens.dedup();
                Some(listens)
            }
            _ => None,
        };
        Ok(Some(Process {
            id: ProcessId { pid: self.pid, start: stat.start },
            parent: stat.parent,
            started,
            name: (*name).to_owned(),
            owner: self.owner,
            file: match (self.owner, self.program) {
                // readlink tells no reason; there always is a file, so it is one.
                (ProcessOwner::User(ROOT), []) => ProgramFile::Unknown("permission denied".to_owned()),
                (ProcessOwner::User(ROOT), program) => ProgramFile::of_link(program),
                (ProcessOwner::User(_) | ProcessOwner::Several | ProcessOwner::Unknown, _) => {
                    ProgramFile::NotAsked
                }
            },
            group: control_group(group),
            terminal: ControllingTerminal::of(stat.terminal),
            argv: split_words(argv),
            environment: match self.environment {
                b'y' => Ok(split_environment(environment)),
                _ => Err("permission denied".to_owned()),
            },
            ports: listens.as_deref().map(ports),
            listens,
        }))
    }
}
