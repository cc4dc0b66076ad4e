//! Finds how this run came to the host. In a stand-in's folder nothing shows that.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use super::tree::PathRoot;
use crate::host::connection::{Ancestor, Ancestry, OwnAddresses};
use crate::host::proc::{ProcessStat, split_environment, split_words};
use crate::host::{ClientSide, RunConnection, SshClient};

/// The most processes that are looked at, from this one to its ancestors.
const ANCESTORS: usize = 100;

/// The connection; what cannot be read tells nothing.
pub(super) fn own(tree: &PathRoot) -> RunConnection {
    let now = milliseconds(SystemTime::now());
    let (ancestry, addresses) = match tree {
        PathRoot::Machine => (Ancestry::of(ancestors(tree)), addresses(tree)),
        PathRoot::Below(_) => (Ancestry::default(), OwnAddresses::default()),
    };
    let Ancestry { above, accepted, client, terminal, login } = ancestry;
    RunConnection {
        side: (client.as_ref()).map_or(ClientSide::Unknown, |client| addresses.side(client)),
        client,
        since: accepted.and_then(|start| Some(now - age(start)?)),
        now,
        terminal,
        above,
        login,
    }
}

/// This process and those above it.
fn ancestors(tree: &PathRoot) -> Vec<Ancestor> {
    let mut found = Vec::new();
    let Ok(proc) = tree.folder(b"/proc") else {
        return found;
    };
    let mut text = Vec::with_capacity(1024);
    let mut next = "self".to_owned();
    while found.len() < ANCESTORS {
        let Ok(folder) = tree.folder_in(&proc, next.as_bytes()) else {
            break;
        };
        if tree.read_in(&folder, b"stat", &mut text).is_err() {
            break;
        }
        let Some(stat) = ProcessStat::parse(&text) else {
            break;
        };
        let (name, parent, start) = (stat.name.to_vec(), stat.parent, stat.start);
        let terminal = stat.terminal;
        let title = match tree.read_in(&folder, b"cmdline", &mut text) {
            Ok(()) => split_words(&text).into_iter().next().unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let client = match tree.read_in(&folder, b"environ", &mut text) {
            Ok(()) => SshClient::of(&split_environment(&text)),
            Err(_) => None,
        };
        found.push(Ancestor { name, title, parent, start, terminal, client });
        // The first process is nobody's session, and has no parent that can be seen.
        if parent <= 1 {
            break;
        }
        next = parent.to_string();
    }
    found
}

fn addresses(tree: &PathRoot) -> OwnAddresses {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    if let Ok(net) = tree.folder(b"/proc/net") {
        for (name, text) in [(&b"fib_trie"[..], &mut v4), (b"if_inet6", &mut v6)] {
            if tree.read_in(&net, name, text).is_err() {
                text.clear();
            }
        }
    }
    OwnAddresses::read(&v4, &v6)
}

/// How long ago it was so many clock ticks after the boot, in milliseconds.
fn age(start: u64) -> Option<i64> {
    let boot = clock_gettime(ClockId::Boottime);
    let now = boot.tv_sec * 1000 + boot.tv_nsec / 1_000_000;
    let start = start * 1000 / rustix::param::clock_ticks_per_second().max(1);
    Some(now - i64::try_from(start).ok()?)
}

fn milliseconds(time: SystemTime) -> i64 {
    let whole = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => whole(since),
        Err(before) => -whole(before.duration()),
    }
}
