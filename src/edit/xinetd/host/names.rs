//! The host's databases of names: `/etc/passwd` and its like, and whether they are all that the host asks.

use std::collections::{BTreeMap, BTreeSet};

use super::HostAnswer;

/// What the host's files of names say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameDatabases {
    users: NameDatabase<()>,
    groups: NameDatabase<()>,
    protocols: NameDatabase<i32>,
    ports: BTreeMap<(Vec<u8>, Vec<u8>), u16>,
    ports_elsewhere: NamesElsewhere,
    programs: NameDatabase<i64>,
}

/// The bytes of the files; none where one could not be read. A file that is missing is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameFiles<'a> {
    /// `/etc/passwd`
    pub passwd: Option<&'a [u8]>,
    /// `/etc/group`
    pub group: Option<&'a [u8]>,
    /// `/etc/protocols`
    pub protocols: Option<&'a [u8]>,
    /// `/etc/services`
    pub services: Option<&'a [u8]>,
    /// `/etc/rpc`
    pub rpc: Option<&'a [u8]>,
    /// `/etc/nsswitch.conf`
    pub switch: Option<&'a [u8]>,
}

/// Whether something other than the file may know more names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum NamesElsewhere {
    /// The file is all.
    No,
    #[default]
    Perhaps,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NameDatabase<T> {
    known: BTreeMap<Vec<u8>, T>,
    elsewhere: NamesElsewhere,
}

impl<T> Default for NameDatabase<T> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), elsewhere: NamesElsewhere::Perhaps }
    }
}

impl<T: Copy> NameDatabase<T> {
    fn get(&self, name: &[u8]) -> HostAnswer<T> {
        match (self.known.get(name), self.elsewhere) {
            (Some(value), _) => HostAnswer::Yes(*value),
            (None, NamesElsewhere::No) => HostAnswer::No,
            (None, NamesElsewhere::Perhaps) => HostAnswer::Unknown,
        }
    }
}

impl NameDatabases {
    /// Reads the files.
    #[must_use]
    pub fn read(sources: &NameFiles<'_>) -> Self {
        let elsewhere = |name, file: Option<&[u8]>| match file {
            Some(_) => elsewhere(sources.switch, name),
            None => NamesElsewhere::Perhaps,
        };
        let by_name = |file: Option<&[u8]>| {
            lines(file.unwrap_or_default())
                .filter_map(|line| {
                    // `+name` and `-name` are the compatibility mode's, which asks elsewhere.
                    let name = line.split(|&b| b == b':').next()?;
                    (!name.is_empty()).then(|| (name.to_vec(), ()))
                })
                .collect()
        };
        let compat = |file: Option<&[u8]>, rest: NamesElsewhere| {
            let asks = lines(file.unwrap_or_default()).any(|line| line.starts_with(b"+"));
            if asks { NamesElsewhere::Perhaps } else { rest }
        };
        let mut ports = BTreeMap::new();
        for words in table(sources.services.unwrap_or_default()) {
            let Some((port, protocol)) = words.get(1).and_then(|word| port(word)) else {
                continue;
            };
            for name in aliases(&words) {
                ports.entry((name.to_vec(), protocol.to_vec())).or_insert(port);
            }
        }
        Self {
            users: NameDatabase {
                known: by_name(sources.passwd),
                elsewhere: compat(sources.passwd, elsewhere("passwd", sources.passwd)),
            },
            groups: NameDatabase {
                known: by_name(sources.group),
                elsewhere: compat(sources.group, elsewhere("group", sources.group)),
            },
            protocols: NameDatabase {
                known: numbers(sources.protocols)
                    .map(|(name, number)| (name, i32::try_from(number).unwrap_or(-1)))
                    .collect(),
                elsewhere: elsewhere("protocols", sources.protocols),
            },
            ports,
            ports_elsewhere: elsewhere("services", sources.services),
            programs: NameDatabase {
                known: numbers(sources.rpc).collect(),
                elsewhere: elsewhere("rpc", sources.rpc),
            },
        }
    }

    pub(super) fn user(&self, name: &[u8]) -> HostAnswer<()> {
        self.users.get(name)
    }

    pub(super) fn group(&self, name: &[u8]) -> HostAnswer<()> {
        self.groups.get(name)
    }

    pub(super) fn protocol(&self, name: &[u8]) -> HostAnswer<i32> {
        self.protocols.get(name)
    }

    pub(super) fn port(&self, service: &[u8], protocol: &[u8]) -> HostAnswer<u16> {
        match (self.ports.get(&(service.to_vec(), protocol.to_vec())), self.ports_elsewhere) {
            (Some(port), _) => HostAnswer::Yes(*port),
            (None, NamesElsewhere::No) => HostAnswer::No,
            (None, NamesElsewhere::Perhaps) => HostAnswer::Unknown,
        }
    }

    pub(super) fn rpc(&self, name: &[u8]) -> HostAnswer<i64> {
        self.programs.get(name)
    }
}

/// Whether the host asks more than its files for a database (nsswitch.conf(5)). Without a line for it, it
/// asks its files.
fn elsewhere(switch: Option<&[u8]>, database: &str) -> NamesElsewhere {
    // What systemd adds are users of its own making, none that a mail service runs as; `db` is made from the
    // files.
    let files: BTreeSet<&[u8]> = [&b"files"[..], b"compat", b"systemd", b"db"].into();
    let Some(switch) = switch else {
        return NamesElsewhere::Perhaps;
    };
    let asks = lines(switch)
        .filter_map(|line| {
            let colon = line.iter().position(|&b| b == b':')?;
            (line[..colon].trim_ascii() == database.as_bytes()).then(|| line[colon + 1..].to_vec())
        })
        .any(|sources| words(&sources).any(|word| !word.starts_with(b"[") && !files.contains(word)));
    if asks { NamesElsewhere::Perhaps } else { NamesElsewhere::No }
}

/// The lines that are not comments.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n')
        .map(|line| line.split(|&b| b == b'#').next().unwrap_or_default())
        .filter(|line| !line.trim_ascii().is_empty())
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

fn table(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    lines(text).map(|line| words(line).collect())
}

/// The name and its aliases: all but the second word.
fn aliases<'a>(row: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let after = row.get(2..).unwrap_or_default();
    row.first().into_iter().chain(after).copied().collect()
}

fn numbers(text: Option<&[u8]>) -> impl Iterator<Item = (Vec<u8>, i64)> + use<> {
    let mut all = Vec::new();
    for row in table(text.unwrap_or_default()) {
        let number = row.get(1).and_then(|word| std::str::from_utf8(word).ok()?.parse::<i64>().ok());
        if let Some(number) = number {
            all.extend(aliases(&row).into_iter().map(|name| (name.to_vec(), number)));
        }
    }
    // The first line to have a name wins.
    all.reverse();
    all.into_iter()
}

/// `25/tcp`
fn port(word: &[u8]) -> Option<(u16, &[u8])> {
    let slash = word.iter().position(|&b| matches!(b, b'/' | b','))?;
    let port = std::str::from_utf8(&word[..slash]).ok()?.parse().ok()?;
    Some((port, &word[slash + 1..]))
}
