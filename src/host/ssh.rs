//! Another host, through the system's own `ssh` and a POSIX shell there; nothing is installed on it.
//!
//! A batch is one message to that shell and one reply, over one connection for the whole run. Replies are
//! parsed here and hashing is done here; the lock, the journal, the history and the backups lie on the host,
//! as when mailward runs there.

mod acts;
mod ask;
mod reply;
mod session;
mod words;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use self::reply::ReplyReader;
use self::session::{ConnectionLost, SshSession};
use self::words::{ShellCall, ShellMessage};
use super::deadline::Deadline;
use super::{
    Digest, FileFound, FileReplacement, HostError, HostOperation, OperationError, OperationFailed,
    OperationResults, ReadHost, ReadReply, ReadRequest, WriteHost, rules,
};
use crate::model::HostPath;

/// How another host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshDestination {
    /// The ssh program; one without a slash is looked for in `PATH`.
    pub program: PathBuf,
    /// What `ssh` takes: a host, `user@host`, an alias of its configuration, or a URI.
    pub name: String,
    /// Options for `ssh`: what begins with a dash is passed as it is, anything else with `-o`
    /// (ssh_config(5)).
    pub options: Vec<String>,
    /// How long the other side may be silent before it is given up, beside the time of what it is asked to
    /// do.
    pub patience: Duration,
    /// Who gets the terminal's signals.
    pub signals: SignalReceiver,
    /// Who one is there.
    pub login: SshLogin,
    /// Whether a file may be replaced whose attributes cannot be shown to be kept.
    pub metadata: MetadataPolicy,
}

/// Who gets the signals that are meant for the whole run, such as Ctrl-C on its terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalReceiver {
    /// `ssh` too: it ends with the run.
    All,
    /// Only the run, which needs the connection to undo what it has begun.
    RunOnly,
}

/// Who one is on the other host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshLogin {
    /// Who logs in, e.g. root.
    Direct,
    /// Root, through `sudo` without a password.
    Sudo,
}

/// Whether a file may be replaced whose ACL and extended attributes no tool of the host can show or copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataPolicy {
    /// It is refused.
    Shown,
    /// It may; the operator answers for it.
    Unseen,
}

/// A host at the other end of `ssh`.
#[derive(Debug)]
pub struct SshHost {
    destination: SshDestination,
    connection: RefCell<SshConnection>,
    /// What files were last read or written to hold: the host compares bytes, since it cannot be trusted to
    /// have a hash.
    seen: RefCell<BTreeMap<HostPath, Vec<u8>>>,
    locked: bool,
    deadline: Deadline,
}

#[derive(Debug)]
enum SshConnection {
    /// Nothing was asked yet.
    None,
    Open(Box<SshSession>),
    /// It is over, for this reason.
    Lost(String),
}

impl SshHost {
    /// A host; the connection is made when it is first asked something.
    #[must_use]
    pub fn new(destination: SshDestination) -> Self {
        Self {
            destination,
            connection: RefCell::new(SshConnection::None),
            seen: RefCell::default(),
            locked: false,
            deadline: Deadline::none(),
        }
    }

    /// The host, for a run that may take so long.
    #[must_use]
    pub fn within(mut self, deadline: Deadline) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends a message and gets its reply, over the one connection of this host.
    fn exchange<R>(
        &self,
        message: ShellMessage,
        busy: Duration,
        parse: impl FnOnce(&SshSession, &[u8]) -> R,
    ) -> Result<R, ConnectionLost> {
        let mut connection = self.connection.borrow_mut();
        if matches!(*connection, SshConnection::None) {
            *connection = match SshSession::start(&self.destination) {
                Ok(session) => SshConnection::Open(Box::new(session)),
                Err(error) => SshConnection::Lost(format!("ssh cannot be started: {error}")),
            };
        }
        let session = match &mut *connection {
            SshConnection::Open(session) => session,
            SshConnection::Lost(why) => return Err(ConnectionLost::before(why)),
            SshConnection::None => return Err(ConnectionLost::before("there is no connection")),
        };
        match session.exchange(&message.finish(), busy, &self.deadline) {
            Ok(reply) => Ok(parse(session, &reply)),
            Err(lost) => {
                *connection = SshConnection::Lost(lost.why.clone());
                Err(lost)
            }
        }
    }

    fn unreachable(&self, why: String) -> HostError {
        HostError::Lost { name: self.destination.name.clone(), source: std::io::Error::other(why) }
    }

    /// Keeps what was read, for a comparison before it is replaced.
    fn remember(&self, requests: &[ReadRequest], replies: &[ReadReply]) {
        let mut seen = self.seen.borrow_mut();
        for (request, reply) in requests.iter().zip(replies) {
            match (request, reply) {
                (ReadRequest::File(path), ReadReply::File(FileFound::File(file))) => {
                    seen.insert(path.clone(), file.bytes.clone());
                }
                (ReadRequest::FirstOf(choices), ReadReply::FirstOf(Some((place, reply)))) => {
                    if let (Some(ReadRequest::File(path)), ReadReply::File(FileFound::File(file))) =
                        (choices.get(*place), &**reply)
                    {
                        seen.insert(path.clone(), file.bytes.clone());
                    }
                }
                (ReadRequest::Folder(folder), ReadReply::Folder(Ok(Some(files)))) => {
                    for (name, found) in files {
                        if let FileFound::File(file) = found
                            && let Some(path) =
                                std::str::from_utf8(name).ok().and_then(|name| folder.join(name).ok())
                        {
                            seen.insert(path, file.bytes.clone());
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// What the files that are to be replaced hold now, as far as it is not known to be what it should be.
    fn learn(&self, acts: &[HostOperation]) -> Result<(), HostError> {
        let known = |replace: &FileReplacement| {
            let seen = self.seen.borrow();
            (seen.get(&replace.path)).is_some_and(|bytes| Digest::of(bytes) == replace.before)
        };
        let unknown: Vec<ReadRequest> = acts
            .iter()
            .filter_map(|act| match act {
                HostOperation::Replace(replace) if !known(replace) => {
                    Some(ReadRequest::File(replace.path.clone()))
                }
                HostOperation::Replace(_)
                | HostOperation::Save { .. }
                | HostOperation::Put { .. }
                | HostOperation::Remove(_) => None,
                HostOperation::Decide { .. }
                | HostOperation::Run(_)
                | HostOperation::Signal(..)
                | HostOperation::Await(..) => None,
            })
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        self.read(&unknown).map(|_| ())
    }
}

impl ReadHost for SshHost {
    fn read(&self, requests: &[ReadRequest]) -> Result<Vec<ReadReply>, HostError> {
        let mut script = ShellMessage::new();
        ask::ask(&mut script, requests);
        let replies = self
            .exchange(script, ask::busy(requests), |session, reply| {
                ReplyReader::new(&session.key, &session.tag, reply).replies(requests)
            })
            .map_err(|lost| self.unreachable(lost.why))??;
        self.remember(requests, &replies);
        Ok(replies)
    }

    fn lost(&self) -> Option<String> {
        match &*self.connection.borrow() {
            SshConnection::Lost(why) => Some(why.clone()),
            SshConnection::None | SshConnection::Open(_) => None,
        }
    }
}

impl WriteHost for SshHost {
    fn lock(&mut self) -> Result<(), HostError> {
        if self.locked {
            return Ok(());
        }
        let mut script = ShellMessage::new();
        script.call(&ShellCall::new("lock"));
        self.exchange(script, Duration::ZERO, |session, reply| {
            ReplyReader::new(&session.key, &session.tag, reply).lock()
        })
        .map_err(|lost| self.unreachable(lost.why))??;
        self.locked = true;
        if let SshConnection::Open(session) = &mut *self.connection.borrow_mut() {
            session.wait_at_end();
        }
        Ok(())
    }

    fn write(
        &mut self,
        acts: &[HostOperation],
        then: &[ReadRequest],
    ) -> Result<OperationResults, OperationFailed> {
        let failed = |index: usize, source: OperationError| OperationFailed {
            index,
            what: acts
                .get(index)
                .map_or_else(|| "cannot read the state afterwards".to_owned(), rules::attempt),
            source,
        };
        self.learn(acts).map_err(|error| match self.lost() {
            Some(_) => failed(0, OperationError::Lost(chain(&error))),
            None => failed(0, OperationError::After(chain(&error))),
        })?;
        let (calls, stop) = acts::calls(acts, &self.seen.borrow());
        // What cannot be asked for fails when those before it are done.
        let (possible, then) = match &stop {
            Some(_) => (&acts[..calls.len()], &[][..]),
            None => (acts, then),
        };
        let mut script = ShellMessage::new();
        script.all_of(&calls, |script| ask::ask(script, then));
        let busy = acts::busy(possible) + ask::busy(then);
        let result = self.exchange(script, busy, |session, reply| {
            let mut reader = ReplyReader::new(&session.key, &session.tag, reply);
            let done = acts::results(&mut reader, possible)?;
            let replies = reader
                .replies(then)
                .map_err(|error| (possible.len(), OperationError::After(error.to_string())))?;
            Ok((done, replies))
        });
        let (done, replies) = match result {
            Ok(Ok(result)) => result,
            Ok(Err((index, error))) => return Err(failed(index, error)),
            Err(ConnectionLost { why, begun, key }) => {
                let done = acts::count_done(ReplyReader::new(&key, "", &begun), possible);
                let why = format!("the connection to {} is lost: {why}", self.destination.name);
                return Err(failed(done, OperationError::Lost(why)));
            }
        };
        if let Some(error) = stop {
            return Err(failed(possible.len(), error));
        }
        let mut seen = self.seen.borrow_mut();
        for act in possible {
            if let HostOperation::Replace(replace) = act {
                seen.insert(replace.path.clone(), replace.bytes.clone());
            }
        }
        drop(seen);
        self.remember(then, &replies);
        Ok(OperationResults { done, replies })
    }
}

fn chain(error: &HostError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
