//! Finds the ssh connection under which this run stands. In a stand-in's folder there is none.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use super::tree::Tree;
use crate::host::proc::{ProcessStat, split_environment, split_words};
use crate::host::{Connection, SshClient, Terminal, connection};

/// The most processes that are looked at, from this one to its ancestors.
const ANCESTORS: usize = 100;

/// A process that this one descends from, or this one.
struct Ancestor {
    title: Vec<u8>,
    start: u64,
    client: Option<SshClient>,
}

/// The connection; what cannot be read tells nothing. The variables of the nearest process that has them count, since
/// `sudo` and `su` take them away.
pub(super) fn own(tree: &Tree) -> Connection {
    let now = milliseconds(SystemTime::now());
    let (ancestors, terminal) = match tree {
        Tree::Machine => ancestors(tree),
        Tree::Below(_) => (Vec::new(), Terminal::None),
    };
    let titles = ancestors.iter();
    let accepted = connection::accepted(titles.map(|one| (&one.title[..], one.start)));
    Connection {
        client: ancestors.into_iter().find_map(|one| one.client),
        since: accepted.and_then(|start| Some(now - age(start)?)),
        now,
        terminal,
    }
}

fn ancestors(tree: &Tree) -> (Vec<Ancestor>, Terminal) {
    let mut found = Vec::new();
    let mut terminal = Terminal::None;
    let Ok(proc) = tree.folder(b"/proc") else {
        return (found, terminal);
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
        let (parent, start) = (stat.parent, stat.start);
        if found.is_empty() && stat.terminal != 0 {
            terminal = Terminal::Controlling;
        }
        let title = match tree.read_in(&folder, b"cmdline", &mut text) {
            Ok(()) => split_words(&text).into_iter().next().unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let client = match tree.read_in(&folder, b"environ", &mut text) {
            Ok(()) => SshClient::of(&split_environment(&text)),
            Err(_) => None,
        };
        found.push(Ancestor {
            title,
            start,
            client,
        });
        // The first process is nobody's session, and has no parent that can be seen.
        if parent <= 1 {
            break;
        }
        next = parent.to_string();
    }
    (found, terminal)
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
