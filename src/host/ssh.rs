//! Another host, through the system's own `ssh` and a POSIX shell there; nothing is installed on it.
//!
//! A batch is one message to that shell and one reply, over one connection for the whole run. Replies are parsed here and
//! hashing is done here; the lock, the journal, the history and the backups lie on the host, as when mailward runs there.

mod acts;
mod ask;
mod reply;
mod session;
mod words;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use self::reply::Reader;
use self::session::{Lost, Session};
use self::words::{Call, Script};
use super::deadline::Deadline;
use super::{
    Act, ActError, ActFailed, Digest, Found, HostError, ReadHost, Replace, Reply, Request,
    WriteHost, Written, rules,
};
use crate::model::HostPath;

/// How another host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The ssh program; one without a slash is looked for in `PATH`.
    pub program: PathBuf,
    /// What `ssh` takes: a host, `user@host`, an alias of its configuration, or a URI.
    pub name: String,
    /// Options for `ssh`: what begins with a dash is passed as it is, anything else with `-o` (ssh_config(5)).
    pub options: Vec<String>,
    /// How long the other side may be silent before it is given up, beside the time of what it is asked to do.
    pub patience: Duration,
    /// Who gets the terminal's signals.
    pub signals: Signals,
    /// Who one is there.
    pub login: Login,
    /// Whether a file may be replaced whose attributes cannot be shown to be kept.
    pub metadata: Metadata,
}

/// Who gets the signals that are meant for the whole run, such as Ctrl-C on its terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signals {
    /// `ssh` too: it ends with the run.
    All,
    /// Only the run, which needs the connection to undo what it has begun.
    RunOnly,
}

/// Who one is on the other host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Who logs in, e.g. root.
    Direct,
    /// Root, through `sudo` without a password.
    Sudo,
}

/// Whether a file may be replaced whose ACL and extended attributes no tool of the host can show or copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    /// It is refused.
    Shown,
    /// It may; the operator answers for it.
    Unseen,
}

/// A host at the other end of `ssh`.
#[derive(Debug)]
pub struct SshHost {
    destination: Destination,
    connection: RefCell<Connection>,
    /// What files were last read or written to hold: the host compares bytes, since it cannot be trusted to have a hash.
    seen: RefCell<BTreeMap<HostPath, Vec<u8>>>,
    locked: bool,
    deadline: Deadline,
}

#[derive(Debug)]
enum Connection {
    /// Nothing was asked yet.
    None,
    Open(Box<Session>),
    /// It is over, for this reason.
    Lost(String),
}

impl SshHost {
    /// A host; the connection is made when it is first asked something.
    #[must_use]
    pub fn new(destination: Destination) -> Self {
        Self {
            destination,
            connection: RefCell::new(Connection::None),
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
        message: Script,
        busy: Duration,
        parse: impl FnOnce(&Session, &[u8]) -> R,
    ) -> Result<R, Lost> {
        let mut connection = self.connection.borrow_mut();
        if matches!(*connection, Connection::None) {
            *connection = match Session::start(&self.destination) {
                Ok(session) => Connection::Open(Box::new(session)),
                Err(error) => Connection::Lost(format!("ssh cannot be started: {error}")),
            };
        }
        let session = match &mut *connection {
            Connection::Open(session) => session,
            Connection::Lost(why) => return Err(Lost::before(why)),
            Connection::None => return Err(Lost::before("there is no connection")),
        };
        match session.exchange(&message.finish(), busy, &self.deadline) {
            Ok(reply) => Ok(parse(session, &reply)),
            Err(lost) => {
                *connection = Connection::Lost(lost.why.clone());
                Err(lost)
            }
        }
    }

    fn unreachable(&self, why: String) -> HostError {
        HostError::Lost {
            name: self.destination.name.clone(),
            source: std::io::Error::other(why),
        }
    }

    /// Keeps what was read, for a comparison before it is replaced.
    fn remember(&self, requests: &[Request], replies: &[Reply]) {
        let mut seen = self.seen.borrow_mut();
        for (request, reply) in requests.iter().zip(replies) {
            match (request, reply) {
                (Request::File(path), Reply::File(Found::File(file))) => {
                    seen.insert(path.clone(), file.bytes.clone());
                }
                (Request::FirstOf(choices), Reply::FirstOf(Some((place, reply)))) => {
                    if let (Some(Request::File(path)), Reply::File(Found::File(file))) =
                        (choices.get(*place), &**reply)
                    {
                        seen.insert(path.clone(), file.bytes.clone());
                    }
                }
                (Request::Folder(folder), Reply::Folder(Ok(Some(files)))) => {
                    for (name, found) in files {
                        if let Found::File(file) = found
                            && let Some(path) = std::str::from_utf8(name)
                                .ok()
                                .and_then(|name| folder.join(name).ok())
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
    fn learn(&self, acts: &[Act]) -> Result<(), HostError> {
        let known = |replace: &Replace| {
            let seen = self.seen.borrow();
            (seen.get(&replace.path)).is_some_and(|bytes| Digest::of(bytes) == replace.before)
        };
        let unknown: Vec<Request> = acts
            .iter()
            .filter_map(|act| match act {
                Act::Replace(replace) if !known(replace) => {
                    Some(Request::File(replace.path.clone()))
                }
                Act::Replace(_) | Act::Save { .. } | Act::Put { .. } | Act::Remove(_) => None,
                Act::Decide { .. } | Act::Run(_) | Act::Signal(..) | Act::Await(..) => None,
            })
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        self.read(&unknown).map(|_| ())
    }
}

impl ReadHost for SshHost {
    fn read(&self, requests: &[Request]) -> Result<Vec<Reply>, HostError> {
        let mut script = Script::new();
        ask::ask(&mut script, requests);
        let replies = self
            .exchange(script, ask::busy(requests), |session, reply| {
                Reader::new(&session.key, &session.tag, reply).replies(requests)
            })
            .map_err(|lost| self.unreachable(lost.why))??;
        self.remember(requests, &replies);
        Ok(replies)
    }

    fn lost(&self) -> Option<String> {
        match &*self.connection.borrow() {
            Connection::Lost(why) => Some(why.clone()),
            Connection::None | Connection::Open(_) => None,
        }
    }
}

impl WriteHost for SshHost {
    fn lock(&mut self) -> Result<(), HostError> {
        if self.locked {
            return Ok(());
        }
        let mut script = Script::new();
        script.call(&Call::new("lock"));
        self.exchange(script, Duration::ZERO, |session, reply| {
            Reader::new(&session.key, &session.tag, reply).lock()
        })
        .map_err(|lost| self.unreachable(lost.why))??;
        self.locked = true;
        if let Connection::Open(session) = &mut *self.connection.borrow_mut() {
            session.wait_at_end();
        }
        Ok(())
    }

    fn write(&mut self, acts: &[Act], then: &[Request]) -> Result<Written, ActFailed> {
        let failed = |index: usize, source: ActError| ActFailed {
            index,
            what: acts.get(index).map_or_else(
                || "cannot read the state afterwards".to_owned(),
                rules::attempt,
            ),
            source,
        };
        self.learn(acts).map_err(|error| match self.lost() {
            Some(_) => failed(0, ActError::Lost(chain(&error))),
            None => failed(0, ActError::After(chain(&error))),
        })?;
        let (calls, stop) = acts::calls(acts, &self.seen.borrow());
        // What cannot be asked for fails when those before it are done.
        let (possible, then) = match &stop {
            Some(_) => (&acts[..calls.len()], &[][..]),
            None => (acts, then),
        };
        let mut script = Script::new();
        script.all_of(&calls, |script| ask::ask(script, then));
        let busy = acts::busy(possible) + ask::busy(then);
        let result = self.exchange(script, busy, |session, reply| {
            let mut reader = Reader::new(&session.key, &session.tag, reply);
            let done = acts::results(&mut reader, possible)?;
            let replies = reader
                .replies(then)
                .map_err(|error| (possible.len(), ActError::After(error.to_string())))?;
            Ok((done, replies))
        });
        let (done, replies) = match result {
            Ok(Ok(result)) => result,
            Ok(Err((index, error))) => return Err(failed(index, error)),
            Err(Lost { why, begun, key }) => {
                let done = acts::count_done(Reader::new(&key, "", &begun), possible);
                let why = format!("the connection to {} is lost: {why}", self.destination.name);
                return Err(failed(done, ActError::Lost(why)));
            }
        };
        if let Some(error) = stop {
            return Err(failed(possible.len(), error));
        }
        let mut seen = self.seen.borrow_mut();
        for act in possible {
            if let Act::Replace(replace) = act {
                seen.insert(replace.path.clone(), replace.bytes.clone());
            }
        }
        drop(seen);
        self.remember(then, &replies);
        Ok(Written { done, replies })
    }
}

fn chain(error: &HostError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
