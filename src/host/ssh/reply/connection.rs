//! Reads how a run came to the host. What that proves is not judged here.

use std::collections::BTreeMap;

use super::{ReplyReader, ReplyResult, TICKS, misfit};
use crate::host::connection::{Ancestor, Ancestry, OwnAddresses};
use crate::host::proc::{ProcessStat, split_environment};
use crate::host::{ClientSide, RunConnection, SshClient};

impl ReplyReader<'_> {
    /// The connection: the variables of each process that has them, the clock, the host's own addresses, and
    /// the ancestors.
    pub(super) fn connection(&mut self) -> ReplyResult<RunConnection> {
        self.up_to("variables")?;
        let mut clients = clients(self.up_to("clock")?);
        let clock = self.up_to("ipv4")?;
        let (now, ticks) = clock_of(clock).ok_or_else(|| misfit("no time"))?;
        let v4 = self.up_to("ipv6")?;
        let addresses = OwnAddresses::read(v4, self.up_to("ancestors")?);
        let mut own = clients.remove(&b"self"[..]);
        let mut ancestors: Vec<Ancestor> = Vec::new();
        // Processes that went away meanwhile leave a chain that ends too early.
        let mut is_whole = true;
        while let (b'p', pid) = self.record()? {
            let name = String::from_utf8_lossy(pid);
            let (_, stat) = self.end.take(format!("/proc/{name}/stat").as_bytes())?;
            let (_, argv) = self.end.take(format!("/proc/{name}/cmdline").as_bytes())?;
            let follows = (ancestors.last()).is_none_or(|last| last.parent.to_string() == name);
            let stat = ProcessStat::parse(stat).filter(|_| follows && is_whole);
            let Some(stat) = stat else {
                is_whole = false;
                continue;
            };
            let named = clients.remove(format!("/proc/{name}/environ").as_bytes());
            ancestors.push(Ancestor {
                name: stat.name.to_vec(),
                title: (argv.split(|&byte| byte == 0).next()).unwrap_or_default().to_vec(),
                parent: stat.parent,
                start: stat.start,
                terminal: stat.terminal,
                client: own.take().or(named),
            });
        }
        let Ancestry { above, accepted, client, terminal, login } = Ancestry::of(ancestors);
        // How long ago it was counts from a process that has just begun: the two clocks need not be compared.
        let since = accepted.zip(ticks).and_then(|(start, ticks)| {
            let age = i64::try_from(ticks.saturating_sub(start)).ok()?;
            Some(now - age * 1000 / i64::try_from(TICKS).ok()?)
        });
        Ok(RunConnection {
            side: (client.as_ref()).map_or(ClientSide::Unknown, |client| addresses.side(client)),
            client,
            since,
            now,
            terminal,
            above,
            login,
        })
    }
}

/// The client that each process names, by the file of its variables: `FILE:NAME=VALUE`, each ended by NUL.
fn clients(text: &[u8]) -> BTreeMap<&[u8], SshClient> {
    let mut files: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    for line in text.split(|&byte| byte == 0) {
        let Some(cut) = memchr::memchr(b':', line) else {
            continue;
        };
        let environment = files.entry(&line[..cut]).or_default();
        environment.extend_from_slice(&line[cut + 1..]);
        environment.push(0);
    }
    let clients = files.into_iter();
    clients
        .filter_map(|(file, variables)| Some((file, SshClient::of(&split_environment(&variables))?)))
        .collect()
}

/// The time in milliseconds since 1970, and in ticks since boot: `stat` of a process that has just begun,
/// then its clock as seconds and as a date. A host whose date has no fraction tells whole seconds.
fn clock_of(text: &[u8]) -> Option<(i64, Option<u64>)> {
    let mut lines = text.split(|&byte| byte == b'\n').rev();
    let clock = lines.find(|line| !line.is_empty())?;
    let clock = std::str::from_utf8(clock).ok()?;
    let seconds: i64 = clock.split(' ').next()?.parse().ok()?;
    let fraction = clock.split_once('.').and_then(|(_, rest)| rest.get(..3)?.parse().ok());
    let stat = lines.find(|line| !line.is_empty());
    let ticks = stat.and_then(ProcessStat::parse).map(|stat| stat.start);
    Some((seconds * 1000 + fraction.unwrap_or(0), ticks))
}
