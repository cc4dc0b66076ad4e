//! Reads over which connection one is on the host. Whether that connection is in danger is not judged here.

use super::{Reader, Result, TICKS, misfit};
use crate::host::proc::{ProcessStat, split_environment};
use crate::host::{Connection, SshClient, Terminal, connection};

impl Reader<'_> {
    /// The connection: variables of the nearest process that has them, the clock, and the ancestors.
    pub(super) fn connection(&mut self) -> Result<Connection> {
        self.up_to("variables")?;
        let variables = self.up_to("clock")?;
        let clock = self.up_to("ancestors")?;
        let (now, ticks) = clock_of(clock).ok_or_else(|| misfit("no time"))?;
        let mut ancestors = Vec::new();
        while let (b'p', pid) = self.record()? {
            let pid = String::from_utf8_lossy(pid);
            let (_, stat) = self.end.take(format!("/proc/{pid}/stat").as_bytes())?;
            let (_, argv) = self.end.take(format!("/proc/{pid}/cmdline").as_bytes())?;
            if let Some(stat) = ProcessStat::parse(stat) {
                let title = argv.split(|&byte| byte == 0).next().unwrap_or_default();
                ancestors.push((title, stat.start));
            }
        }
        // How long ago it was counts from a process that has just begun: the two clocks need not be compared.
        let since = connection::accepted(ancestors)
            .zip(ticks)
            .and_then(|(start, ticks)| {
                let age = i64::try_from(ticks.saturating_sub(start)).ok()?;
                Some(now - age * 1000 / i64::try_from(TICKS).ok()?)
            });
        Ok(Connection {
            client: client_of(variables),
            since,
            now,
            terminal: Terminal::None,
        })
    }
}

/// The client that the first process with these variables names: `FILE:NAME=VALUE`, each ended by NUL.
fn client_of(text: &[u8]) -> Option<SshClient> {
    let mut processes: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for line in text.split(|&byte| byte == 0) {
        let Some(cut) = memchr::memchr(b':', line) else {
            continue;
        };
        let (file, variable) = (&line[..cut], &line[cut + 1..]);
        if processes.last().is_none_or(|(last, _)| *last != file) {
            processes.push((file, Vec::new()));
        }
        if let Some((_, environment)) = processes.last_mut() {
            environment.extend_from_slice(variable);
            environment.push(0);
        }
    }
    let mut processes = processes.iter();
    processes.find_map(|(_, environment)| SshClient::of(&split_environment(environment)))
}

/// The time in milliseconds since 1970, and in ticks since boot: `stat` of a process that has just begun, then its clock as
/// seconds and as a date. A host whose date has no fraction tells whole seconds.
fn clock_of(text: &[u8]) -> Option<(i64, Option<u64>)> {
    let mut lines = text.split(|&byte| byte == b'\n').rev();
    let clock = lines.find(|line| !line.is_empty())?;
    let clock = std::str::from_utf8(clock).ok()?;
    let seconds: i64 = clock.split(' ').next()?.parse().ok()?;
    let fraction = clock
        .split_once('.')
        .and_then(|(_, rest)| rest.get(..3)?.parse().ok());
    let stat = lines.find(|line| !line.is_empty());
    let ticks = stat.and_then(ProcessStat::parse).map(|stat| stat.start);
    Some((seconds * 1000 + fraction.unwrap_or(0), ticks))
}
