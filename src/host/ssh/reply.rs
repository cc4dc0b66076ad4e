//! Reads replies. Pure; what does not fit the question is an error, never an answer.
//!
//! A reply is records in the order of the questions, then, in sections, metadata and content of the files that they name.

use std::collections::{BTreeMap, VecDeque};

use memchr::memmem;

use crate::host::proc::{ProcessStat, listening, split_environment, split_words};
use crate::host::rules::{self, FILE_CAP, TOO_LARGE};
use crate::host::{
    ActError, Came, Connection, End, Executable, Existence, FileState, Found, HostError, Link,
    Listing, Output, Process, ProcessId, Reply, Request, STATE, SshClient, Terminal, connection,
};

/// Ticks of /proc/PID/stat in a second: 100 on every architecture that Plesk runs on (`USER_HZ`, time(7)).
const TICKS: u64 = 100;

/// What becomes of an act.
pub(super) enum Refused {
    /// It failed for this reason.
    By(ActError),
    /// It cannot be told.
    Unclear(String),
}

impl Refused {
    pub(super) fn of(error: HostError) -> Self {
        Self::Unclear(error.to_string())
    }
}

type Result<T> = std::result::Result<T, HostError>;

/// A reply that is read from its beginning.
pub(super) struct Reader<'r> {
    rest: &'r [u8],
    key: &'r str,
    tag: &'r str,
    end: Ending<'r>,
}

/// What follows the records.
#[derive(Default)]
struct Ending<'r> {
    metadata: VecDeque<Metadata<'r>>,
    contents: VecDeque<&'r [u8]>,
    /// The inodes of each process's sockets; none where they cannot be told.
    sockets: Option<BTreeMap<u32, Vec<u64>>>,
    /// Port by inode; none where they cannot be told.
    listening: Option<BTreeMap<u64, u16>>,
}

struct Metadata<'r> {
    links: u64,
    changed: i64,
    size: u64,
    path: &'r [u8],
}

fn misfit(what: impl Into<String>) -> HostError {
    HostError::Unexpected(what.into())
}

impl<'r> Reader<'r> {
    /// Reads a reply from its beginning; what is damaged later on does not touch what comes before.
    pub(super) fn new(key: &'r str, tag: &'r str, reply: &'r [u8]) -> Self {
        Self {
            rest: reply,
            key,
            tag,
            end: Ending::default(),
        }
    }

    /// What the lock says.
    pub(super) fn lock(&mut self) -> Result<()> {
        let (kind, text) = self.record()?;
        let text = String::from_utf8_lossy(text).into_owned();
        let cannot = |source: std::io::Error| HostError::NoLock {
            path: format!("{STATE}/lock"),
            source,
        };
        if !self.rest.is_empty() {
            return Err(misfit("the lock says more than was asked for"));
        }
        match kind {
            b'l' => Ok(()),
            b'h' => Err(HostError::Locked {
                holder: rules::holder(&text),
            }),
            b'n' => Err(cannot(system(&text))),
            b'L' => Err(cannot(std::io::Error::other(format!(
                "the host has no `{text}`, which a run needs"
            )))),
            _ => Err(misfit("the lock gave no answer")),
        }
    }

    /// The answers to requests.
    pub(super) fn replies(&mut self, requests: &[Request]) -> Result<Vec<Reply>> {
        let first = format!("{} stat\n", self.key);
        if let Some(place) = memmem::find(self.rest, first.as_bytes()) {
            self.end = Ending::read(self.key, self.tag, &self.rest[place..])?;
            self.rest = &self.rest[..place];
        }
        let replies = requests.iter().map(|request| self.reply(request));
        let replies: Result<Vec<Reply>> = replies.collect();
        let replies = replies?;
        let Ending {
            metadata, contents, ..
        } = &self.end;
        if self.rest.is_empty() && metadata.is_empty() && contents.is_empty() {
            Ok(replies)
        } else {
            Err(misfit("it says more than was asked for"))
        }
    }

    fn reply(&mut self, request: &Request) -> Result<Reply> {
        Ok(match request {
            Request::File(path) => Reply::File(self.file(path.as_str().as_bytes())?),
            Request::Folder(path) => Reply::Folder(self.folder(path.as_str())?),
            Request::Exists(_) => Reply::Exists(self.exists()?),
            Request::FirstOf(choices) => {
                for (place, choice) in choices.iter().enumerate() {
                    let reply = self.reply(choice)?;
                    if rules::is_there(&reply) {
                        return Ok(Reply::FirstOf(Some((place, Box::new(reply)))));
                    }
                }
                Reply::FirstOf(None)
            }
            Request::Processes(programs) => Reply::Processes(self.processes(programs)?),
            Request::Output(_) => Reply::Output(self.output()?),
            Request::Connection => Reply::Connection(self.connection()?),
            Request::Now => match self.record()? {
                (b't', _) => {
                    let (metadata, _) = self.end.take(b"/proc/self")?;
                    Reply::Now(metadata.ok_or_else(|| misfit("no time"))?.changed)
                }
                _ => return Err(misfit("the time is missing")),
            },
        })
    }

    /// One line: its kind, and the text after a blank.
    fn record(&mut self) -> Result<(u8, &'r [u8])> {
        let end = memchr::memchr(b'\n', self.rest).ok_or_else(|| misfit("a line is missing"))?;
        let (line, rest) = (&self.rest[..end], &self.rest[end + 1..]);
        self.rest = rest;
        let (&kind, text) = line
            .split_first()
            .ok_or_else(|| misfit("a line is empty"))?;
        match text {
            [] | [b' ', ..] => Ok((kind, text.get(1..).unwrap_or_default())),
            // Something else printed it.
            _ => Err(misfit("a line is of no known kind")),
        }
    }

    fn file(&mut self, path: &[u8]) -> Result<Found> {
        let (kind, text) = self.record()?;
        Ok(match kind {
            b'f' => {
                let link = match text {
                    b"s" => Link::Symbolic,
                    _ => Link::Plain,
                };
                let (metadata, bytes) = self.end.take(path)?;
                match metadata {
                    // It went away between two looks.
                    None if bytes.is_empty() => Found::Missing,
                    None => return Err(misfit("a file has content, but no metadata")),
                    Some(Metadata { size, .. }) if size > FILE_CAP => {
                        Found::Unreadable(TOO_LARGE.to_owned())
                    }
                    Some(Metadata { size, .. })
                        if (bytes.len() as u64) < size && !is_of_the_kernel(path) =>
                    {
                        let got = bytes.len();
                        Found::Unreadable(format!("only {got} of its {size} bytes can be read"))
                    }
                    Some(Metadata { size, .. })
                        if (bytes.len() as u64) > size && !is_of_the_kernel(path) =>
                    {
                        Found::Unreadable("it grew while it was read".to_owned())
                    }
                    Some(Metadata { links, changed, .. }) => Found::File(FileState {
                        bytes: bytes.to_vec(),
                        link,
                        links,
                        changed,
                    }),
                }
            }
            b'm' => Found::Missing,
            b'n' => Found::NotRegular,
            b'u' => Found::Unreadable(reason(text)),
            _ => return Err(misfit("a file's line is of no known kind")),
        })
    }

    fn folder(&mut self, path: &str) -> Result<std::result::Result<Option<Listing>, String>> {
        match self.record()? {
            (b'm', _) => Ok(Ok(None)),
            (b'u', text) => Ok(Err(reason(text))),
            (b'd', _) => {
                let mut listing = Vec::new();
                while let Some(rest) = self.rest.strip_prefix(b"e ") {
                    // A name may hold a line's end, but never the byte before this one.
                    let end = memmem::find(rest, b"/\n").ok_or_else(|| misfit("half a name"))?;
                    self.rest = &rest[end + 2..];
                    let name = rest[..end].to_vec();
                    let full = [path.as_bytes(), b"/", &name].concat();
                    let found = self.file(&full)?;
                    listing.push((name, found));
                }
                match self.record()? {
                    (b'.', _) => {}
                    _ => return Err(misfit("a folder has no end")),
                }
                listing.sort_by(|(one, _), (other, _)| one.cmp(other));
                Ok(Ok(Some(listing)))
            }
            _ => Err(misfit("a folder's line is of no known kind")),
        }
    }

    fn exists(&mut self) -> Result<Existence> {
        Ok(match self.record()? {
            (b'm', _) => Existence::Missing,
            (b'x', b"y") => Existence::File(Executable::Yes),
            (b'x', b"n") => Existence::File(Executable::No),
            (b'd', _) => Existence::Folder,
            (b'o', _) => Existence::Other,
            (b'u', text) => Existence::Unknown(reason(text)),
            _ => return Err(misfit("it does not say whether something exists")),
        })
    }

    fn processes(&mut self, programs: &[&'static str]) -> Result<Vec<Process>> {
        let mut seen = Vec::new();
        loop {
            match self.record()? {
                (b'p', text) => seen.push(Seen::read(text, &mut self.end)?),
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
        let boot = kernel
            .split(|&byte| byte == b'\n')
            .find_map(|line| number::<i64>(line.strip_prefix(b"btime ")?));
        let processes = seen
            .iter()
            .filter_map(|seen| seen.process(programs, boot, &self.end).transpose());
        let mut processes = processes.collect::<Result<Vec<Process>>>()?;
        processes.sort_by_key(|process| process.id);
        Ok(processes)
    }

    /// The connection: variables of the nearest process that has them, the clock, and the ancestors.
    fn connection(&mut self) -> Result<Connection> {
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

    /// A command's two streams and how it ended.
    pub(super) fn output(&mut self) -> Result<Output> {
        self.up_to("out")?;
        let stdout = self.up_to("err")?.to_vec();
        let stderr = self.up_to("ran")?.to_vec();
        let end = match self.record()? {
            (b'r', b"none") => End::NotStarted,
            (b'r', b"late") => End::TimedOut,
            (b'r', code) => match number::<i32>(code) {
                // The command itself was found; what was not is what its first line names.
                Some(126 | 127) if stderr.starts_with(b"setsid: ") => End::NotStarted,
                // The shell has one number for both.
                Some(code @ 129..=192) => End::Signal(code - 128),
                Some(code) => End::Code(code),
                None => return Err(misfit("an exit code is missing")),
            },
            _ => return Err(misfit("a command's end is missing")),
        };
        Ok(Output {
            end,
            stdout,
            stderr,
        })
    }

    /// What comes before the next section, which must be this one.
    fn up_to(&mut self, section: &str) -> Result<&'r [u8]> {
        let mark = format!("{} {section}\n", self.key);
        let place = memmem::find(self.rest, mark.as_bytes())
            .ok_or_else(|| misfit(format!("a command's `{section}` is missing")))?;
        let before = &self.rest[..place];
        self.rest = &self.rest[place + mark.len()..];
        Ok(before)
    }

    /// Whether something came in time.
    pub(super) fn awaited(&mut self) -> std::result::Result<Came, Refused> {
        match self.record().map_err(Refused::of)? {
            (b'w', b"y") => Ok(Came::InTime),
            (b'w', _) => Ok(Came::TooLate),
            (kind, text) => Err(refusal(kind, text)),
        }
    }

    /// Whether an act was done.
    pub(super) fn acted(&mut self) -> std::result::Result<(), Refused> {
        match self.record().map_err(Refused::of)? {
            (b'a', _) => Ok(()),
            (kind, text) => Err(refusal(kind, text)),
        }
    }
}

/// Why an act failed.
fn refusal(kind: u8, text: &[u8]) -> Refused {
    if kind != b'x' {
        return Refused::Unclear("an act's line is of no known kind".to_owned());
    }
    let (kind, text) = match text.split_first() {
        Some((kind, text)) => (*kind, String::from_utf8_lossy(text.trim_ascii())),
        None => (b'?', "".into()),
    };
    Refused::By(match kind {
        b's' => ActError::System(system(&text)),
        b'c' => ActError::Changed,
        b'g' => ActError::Gone,
        b'p' => ActError::NoProcess,
        b'l' => ActError::NotReplaced("a symbolic link"),
        b'd' => ActError::NotReplaced("a folder"),
        b'o' => ActError::NotReplaced("not a regular file"),
        b'h' => ActError::NotReplaced("a file with several hard links"),
        b'm' => ActError::UnseenMetadata,
        _ => return Refused::Unclear(format!("it failed, and said: {text}")),
    })
}

/// A process as its records show it.
struct Seen<'r> {
    pid: u32,
    environment: u8,
    ports: u8,
    /// stat, cmdline, environ, and stat again.
    files: [&'r [u8]; 4],
}

impl<'r> Seen<'r> {
    fn read(text: &'r [u8], end: &mut Ending<'r>) -> Result<Self> {
        let mut fields = text.split(|&byte| byte == b' ');
        let pid = fields.next().and_then(number::<u32>);
        let (Some(pid), Some(&[environment]), Some(&[ports])) = (pid, fields.next(), fields.next())
        else {
            return Err(misfit("half a process"));
        };
        let mut files = [&b""[..]; 4];
        for (file, name) in files.iter_mut().zip(["stat", "cmdline", "environ", "stat"]) {
            *file = end.take(format!("/proc/{pid}/{name}").as_bytes())?.1;
        }
        Ok(Self {
            pid,
            environment,
            ports,
            files,
        })
    }

    /// The process; none where it is gone, has become another program, or was never one of these.
    fn process(
        &self,
        programs: &[&'static str],
        boot: Option<i64>,
        end: &Ending<'_>,
    ) -> Result<Option<Process>> {
        let [stat, argv, environment, after] = self.files;
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
        let started = boot.and_then(|boot| {
            let since = i64::try_from(stat.start / TICKS).ok()?;
            boot.checked_add(since)
        });
        let sockets = end.sockets.as_ref().map(|all| all.get(&self.pid));
        let ports = match (self.ports, sockets, &end.listening) {
            // In another network namespace its sockets are in another table than this one.
            (b'y' | b'o', Some(None), _) => Some(Vec::new()),
            (b'y', Some(Some(sockets)), Some(listening)) => {
                let ports = sockets.iter().filter_map(|inode| listening.get(inode));
                let mut ports: Vec<u16> = ports.copied().collect();
                ports.sort_unstable();
                ports.dedup();
                Some(ports)
            }
            _ => None,
        };
        Ok(Some(Process {
            id: ProcessId {
                pid: self.pid,
                start: stat.start,
            },
            parent: stat.parent,
            started,
            name: (*name).to_owned(),
            argv: split_words(argv),
            environment: match self.environment {
                b'y' => Ok(split_environment(environment)),
                _ => Err("permission denied".to_owned()),
            },
            ports,
        }))
    }
}

impl<'r> Ending<'r> {
    fn read(key: &str, tag: &str, mut rest: &'r [u8]) -> Result<Self> {
        let mut end = Self::default();
        let mark = format!("{key} ");
        let tag = format!("{tag} ");
        while let Some(after) = rest.strip_prefix(mark.as_bytes()) {
            let line = memchr::memchr(b'\n', after).ok_or_else(|| misfit("half a section"))?;
            let (section, body) = (&after[..line], &after[line + 1..]);
            let length = memmem::find(body, mark.as_bytes()).unwrap_or(body.len());
            rest = &body[length..];
            let body = &body[..length];
            match section {
                b"stat" => end.metadata.extend(
                    metadata(tag.as_bytes(), body)
                        .ok_or_else(|| misfit("half a file's metadata"))?,
                ),
                b"cat" => contents(key, body, &mut end.contents)?,
                b"sockets" => end.sockets = sockets(body),
                b"tables" => end.listening = listening_of(body),
                _ => return Err(misfit("a section is of no known kind")),
            }
        }
        if rest.is_empty() {
            Ok(end)
        } else {
            Err(misfit("something follows the last section"))
        }
    }

    /// The next content, and the metadata if there is a file.
    fn take(&mut self, path: &[u8]) -> Result<(Option<Metadata<'r>>, &'r [u8])> {
        let bytes = self
            .contents
            .pop_front()
            .ok_or_else(|| misfit("a file's content is missing"))?;
        let metadata = self.metadata.pop_front_if(|metadata| metadata.path == path);
        Ok((metadata, bytes))
    }
}

/// The lines of a `stat`, if they are whole. A name may hold line ends; each line begins with the tag.
fn metadata<'r>(tag: &[u8], body: &'r [u8]) -> Option<Vec<Metadata<'r>>> {
    let starts: Vec<usize> = memmem::find_iter(body, tag)
        .filter(|&place| place == 0 || body[place - 1] == b'\n')
        .collect();
    let ends = starts.iter().skip(1).copied().chain([body.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| {
            let line = body[start + tag.len()..end].strip_suffix(b"\n")?;
            let mut fields = line.splitn(4, |&byte| byte == b' ');
            Some(Metadata {
                size: number(fields.next()?)?,
                links: number(fields.next()?)?,
                changed: number(fields.next()?)?,
                path: fields.next()?,
            })
        })
        .collect()
}

/// The contents between markers: twice the marker, then each content with a marker after it.
fn contents<'r>(key: &str, body: &'r [u8], all: &mut VecDeque<&'r [u8]>) -> Result<()> {
    let why = || misfit("cat cannot show its own environment, so contents cannot be told apart");
    let mut places = memmem::find_iter(body, key.as_bytes());
    let (Some(first), Some(second)) = (places.next(), places.next()) else {
        return Err(why());
    };
    let length = second - first;
    let (marker, rest) = body.split_at_checked(length).ok_or_else(why)?;
    let mut rest = rest.strip_prefix(marker).ok_or_else(why)?;
    let finder = memmem::Finder::new(marker);
    while let Some(end) = finder.find(rest) {
        all.push_back(&rest[..end]);
        rest = &rest[end + length..];
    }
    if rest.is_empty() { Ok(()) } else { Err(why()) }
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

/// The inodes of the sockets among the files that processes have open; none where a line is not whole.
fn sockets(body: &[u8]) -> Option<BTreeMap<u32, Vec<u64>>> {
    let mut sockets: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for line in body.split(|&byte| byte == b'\n') {
        if line.is_empty() {
            continue;
        }
        let mut fields = line.splitn(3, |&byte| byte == b' ');
        let mode = std::str::from_utf8(fields.next()?).ok()?;
        let mode = u32::from_str_radix(mode, 16).ok()?;
        let inode = number::<u64>(fields.next()?)?;
        let mut path = fields
            .next()?
            .strip_prefix(b"/proc/")?
            .split(|&byte| byte == b'/');
        let (pid, b"fd", _) = (
            number::<u32>(path.next()?)?,
            path.next()?,
            number::<u32>(path.next()?)?,
        ) else {
            return None;
        };
        // S_IFSOCK, inode(7).
        if mode & 0o170_000 == 0o140_000 {
            sockets.entry(pid).or_default().push(inode);
        }
    }
    Some(sockets)
}

/// Port by inode; none where a line is not whole.
fn listening_of(body: &[u8]) -> Option<BTreeMap<u64, u16>> {
    // The reader of whole tables skips their first line, which grep has left out.
    let table = [b"\n", body].concat();
    let sockets: Vec<_> = listening(&table).collect();
    let lines = body.split(|&byte| byte == b'\n');
    let whole = lines.filter(|line| !line.is_empty()).count() == sockets.len();
    whole.then(|| sockets.into_iter().collect())
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Files whose size the kernel makes up.
fn is_of_the_kernel(path: &[u8]) -> bool {
    path.starts_with(b"/proc/") || path.starts_with(b"/sys/")
}

/// A tool's reason as the rest of mailward words it.
fn reason(text: &[u8]) -> String {
    let mut text = crate::report::printable::line(text);
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}

/// A tool's error text as the system's own error, where it is one of those that matter.
fn system(text: &str) -> std::io::Error {
    use rustix::io::Errno;
    let known = [
        ("Permission denied", Errno::ACCESS),
        ("No such file or directory", Errno::NOENT),
        ("No space left on device", Errno::NOSPC),
        ("Read-only file system", Errno::ROFS),
        ("Input/output error", Errno::IO),
        ("Operation not permitted", Errno::PERM),
        ("File exists", Errno::EXIST),
        ("Is a directory", Errno::ISDIR),
        ("Not a directory", Errno::NOTDIR),
        ("Disk quota exceeded", Errno::DQUOT),
    ];
    match known.iter().find(|(known, _)| *known == text) {
        Some((_, errno)) => (*errno).into(),
        None => std::io::Error::other(crate::report::printable::line(text.as_bytes())),
    }
}
