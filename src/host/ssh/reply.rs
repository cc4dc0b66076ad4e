//! Reads replies. Pure; what does not fit the question is an error, never an answer.
//!
//! A reply is records in the order of the questions, then, in sections, metadata and content of the files
//! that they name.

mod acts;
mod connection;
mod ending;
mod files;
mod processes;

use memchr::memmem;

use self::ending::ReplyEnding;
use crate::host::rules;
use crate::host::{CommandEnding, CommandOutput, HostError, ReadReply, ReadRequest, STATE};

pub(super) use self::acts::OperationAnswer;

/// Ticks of /proc/PID/stat in a second: 100 on every architecture that Plesk runs on (`USER_HZ`, time(7)).
const TICKS: u64 = 100;

type ReplyResult<T> = std::result::Result<T, HostError>;

/// A reply that is read from its beginning.
pub(super) struct ReplyReader<'r> {
    rest: &'r [u8],
    key: &'r str,
    tag: &'r str,
    end: ReplyEnding<'r>,
}

fn misfit(what: impl Into<String>) -> HostError {
    HostError::Unexpected(what.into())
}

impl<'r> ReplyReader<'r> {
    /// Reads a reply from its beginning; what is damaged later on does not touch what comes before.
    pub(super) fn new(key: &'r str, tag: &'r str, reply: &'r [u8]) -> Self {
        Self { rest: reply, key, tag, end: ReplyEnding::default() }
    }

    /// What the lock says.
    pub(super) fn lock(&mut self) -> ReplyResult<()> {
        let (kind, text) = self.record()?;
        let text = String::from_utf8_lossy(text).into_owned();
        let cannot = |source: std::io::Error| HostError::NoLock { path: format!("{STATE}/lock"), source };
        if !self.rest.is_empty() {
            return Err(misfit("the lock says more than was asked for"));
        }
        match kind {
            b'l' => Ok(()),
            b'h' => Err(HostError::Locked { holder: rules::holder(&text) }),
            b'n' => Err(cannot(system(&text))),
            b'L' => {
                Err(cannot(std::io::Error::other(format!("the host has no `{text}`, which a run needs"))))
            }
            _ => Err(misfit("the lock gave no answer")),
        }
    }

    /// The answers to requests.
    pub(super) fn replies(&mut self, requests: &[ReadRequest]) -> ReplyResult<Vec<ReadReply>> {
        let first = format!("{} stat\n", self.key);
        if let Some(place) = memmem::find(self.rest, first.as_bytes()) {
            self.end = ReplyEnding::read(self.key, self.tag, &self.rest[place..])?;
            self.rest = &self.rest[..place];
        }
        let replies = requests.iter().map(|request| self.reply(request));
        let replies: ReplyResult<Vec<ReadReply>> = replies.collect();
        let replies = replies?;
        let ReplyEnding { metadata, contents, .. } = &self.end;
        if self.rest.is_empty() && metadata.is_empty() && contents.is_empty() {
            Ok(replies)
        } else {
            Err(misfit("it says more than was asked for"))
        }
    }

    fn reply(&mut self, request: &ReadRequest) -> ReplyResult<ReadReply> {
        Ok(match request {
            ReadRequest::File(path) => ReadReply::File(self.file(path.as_str().as_bytes())?),
            ReadRequest::Folder(path) => ReadReply::Folder(self.folder(path.as_str())?),
            ReadRequest::Exists(_) => ReadReply::Exists(self.exists()?),
            ReadRequest::FirstOf(choices) => {
                for (place, choice) in choices.iter().enumerate() {
                    let reply = self.reply(choice)?;
                    if rules::is_there(&reply) {
                        return Ok(ReadReply::FirstOf(Some((place, Box::new(reply)))));
                    }
                }
                ReadReply::FirstOf(None)
            }
            ReadRequest::Processes(programs) => ReadReply::Processes(self.processes(programs)?),
            ReadRequest::Output(_) => ReadReply::Output(self.output()?),
            ReadRequest::Connection => ReadReply::Connection(self.connection()?),
            ReadRequest::Pause(_) => match self.record()? {
                (b'z', _) => ReadReply::Paused,
                _ => return Err(misfit("the pause is missing")),
            },
            ReadRequest::Now => match self.record()? {
                (b't', _) => {
                    let (metadata, _) = self.end.take(b"/proc/self")?;
                    ReadReply::Now(metadata.ok_or_else(|| misfit("no time"))?.changed)
                }
                _ => return Err(misfit("the time is missing")),
            },
        })
    }

    /// One line: its kind, and the text after a blank.
    fn record(&mut self) -> ReplyResult<(u8, &'r [u8])> {
        let end = memchr::memchr(b'\n', self.rest).ok_or_else(|| misfit("a line is missing"))?;
        let (line, rest) = (&self.rest[..end], &self.rest[end + 1..]);
        self.rest = rest;
        let (&kind, text) = line.split_first().ok_or_else(|| misfit("a line is empty"))?;
        match text {
            [] | [b' ', ..] => Ok((kind, text.get(1..).unwrap_or_default())),
            // Something else printed it.
            _ => Err(misfit("a line is of no known kind")),
        }
    }

    /// A command's two streams and how it ended.
    pub(super) fn output(&mut self) -> ReplyResult<CommandOutput> {
        self.up_to("out")?;
        let stdout = self.up_to("err")?.to_vec();
        let stderr = self.up_to("ran")?.to_vec();
        let end = match self.record()? {
            (b'r', b"none") => CommandEnding::NotStarted,
            (b'r', b"late") => CommandEnding::TimedOut,
            (b'r', code) => match number::<i32>(code) {
                // The command itself was found; what was not is what its first line names.
                Some(126 | 127) if stderr.starts_with(b"setsid: ") => CommandEnding::NotStarted,
                // The shell has one number for both.
                Some(code @ 129..=192) => CommandEnding::Signal(code - 128),
                Some(code) => CommandEnding::Code(code),
                None => return Err(misfit("an exit code is missing")),
            },
            _ => return Err(misfit("a command's end is missing")),
        };
        Ok(CommandOutput { end, stdout, stderr })
    }

    /// What comes before the next section, which must be this one.
    fn up_to(&mut self, section: &str) -> ReplyResult<&'r [u8]> {
        let mark = format!("{} {section}\n", self.key);
        let place = memmem::find(self.rest, mark.as_bytes())
            .ok_or_else(|| misfit(format!("a command's `{section}` is missing")))?;
        let before = &self.rest[..place];
        self.rest = &self.rest[place + mark.len()..];
        Ok(before)
    }
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
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
        None => std::io::Error::other(crate::model::printable::text(text.as_bytes())),
    }
}
