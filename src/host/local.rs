//! The host that this program runs on, or a folder that looks like one (`--root DIR`).
//!
//! It runs as root on mail servers: every path is opened once and then used through its descriptor, nothing is opened
//! that was not looked at, and under a root nothing outside of it is touched, be it by a link or by `..`.

mod command;
mod connection;
mod files;
mod fresh;
mod processes;
mod replace;
mod signal;

mod state;
mod tree;
mod wait;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use self::tree::{Below, Tree};
use super::{
    Act, ActError, ActFailed, Command, Done, End, HostError, Output, ReadHost, Reply, Request,
    WriteHost, Written, rules,
};
use crate::model::HostPath;

/// This machine, or a stand-in's folder.
///
/// [`Condition::Serving`](super::Condition::Serving) is looked at twice, a fifth of a second apart; that comes on top of
/// the time to wait.
#[derive(Debug)]
pub struct LocalHost {
    tree: Tree,
    lock: Option<File>,
}

impl Drop for LocalHost {
    /// Gives the lock back at once: a child between its fork and its exec still has the descriptor, and closing ours alone
    /// would leave the lock with it.
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            // Closing gives it back too, only later.
            let _ = rustix::fs::flock(lock, rustix::fs::FlockOperation::Unlock);
        }
    }
}

impl LocalHost {
    /// This machine itself.
    #[must_use]
    pub fn machine() -> Self {
        Self {
            tree: Tree::Machine,
            lock: None,
        }
    }

    /// A folder that looks like a host: files, links, programs, processes and the lock are those inside it.
    ///
    /// Its programs run on this machine, with the folder's absolute path as `MAILWARD_ROOT`. A signal to a process is a
    /// run of the executable `proc/PID/on-signal` in it, with `HUP` or `USR1` as its argument.
    ///
    /// # Errors
    /// [`HostError::Unreachable`] unless it is a folder.
    pub fn tree(root: PathBuf) -> Result<Self, HostError> {
        match Below::open(&root) {
            Ok(below) => Ok(Self {
                tree: Tree::Below(below),
                lock: None,
            }),
            Err(source) => Err(HostError::Unreachable {
                what: crate::report::printable::text(root.as_os_str().as_encoded_bytes()),
                source,
            }),
        }
    }

    fn perform(&self, act: &Act) -> Result<Done, ActError> {
        match act {
            Act::Replace(change) => replace::replace(&self.tree, change).map(|()| Done::Quietly),
            Act::Save { path, bytes } => {
                state::save(&self.tree, path, bytes).map(|()| Done::Quietly)
            }
            Act::Put { path, bytes, mode } => {
                state::put(&self.tree, path, bytes, *mode).map(|()| Done::Quietly)
            }
            Act::Remove(path) => state::remove(&self.tree, path).map(|()| Done::Quietly),
            Act::Decide { from, to } => state::decide(&self.tree, from, to).map(|()| Done::Quietly),
            Act::Run(command) => Ok(Done::Ran(command::run(&self.tree, command)?)),
            Act::Signal(id, signal) => {
                signal::send(&self.tree, *id, *signal).map(|()| Done::Quietly)
            }
            Act::Await(condition, longest) => wait::wait(&self.tree, condition, *longest)
                .map(Done::Awaited)
                .map_err(|error| ActError::System(std::io::Error::other(error))),
        }
    }
}

fn answer(tree: &Tree, request: &Request) -> Result<Reply, HostError> {
    Ok(match request {
        Request::File(path) => Reply::File(files::file(tree, path)),
        Request::Folder(path) => Reply::Folder(files::folder(tree, path)),
        Request::Exists(path) => Reply::Exists(files::exists(tree, path)),
        Request::FirstOf(choices) => {
            for (place, choice) in choices.iter().enumerate() {
                let reply = answer(tree, choice)?;
                if rules::is_there(&reply) {
                    return Ok(Reply::FirstOf(Some((place, Box::new(reply)))));
                }
            }
            Reply::FirstOf(None)
        }
        Request::Processes(programs) => Reply::Processes(processes::list(tree, programs)?),
        Request::Output(command) => Reply::Output(output(tree, command)),
        Request::Now => Reply::Now(now()),
        Request::Pause(time) => {
            std::thread::sleep((*time).min(rules::LONGEST_WAIT));
            Reply::Paused
        }
        Request::Connection => Reply::Connection(connection::own(tree)),
    })
}

/// What keeps a command from being run is told where its own errors are.
fn output(tree: &Tree, command: &Command) -> Output {
    command::run(tree, command).unwrap_or_else(|error| Output {
        end: End::NotStarted,
        stdout: Vec::new(),
        stderr: error.to_string().into_bytes(),
    })
}

/// Whether a request starts a program.
fn starts_a_program(request: &Request) -> bool {
    match request {
        Request::Output(_) => true,
        Request::FirstOf(choices) => choices.iter().any(starts_a_program),
        Request::File(_)
        | Request::Folder(_)
        | Request::Exists(_)
        | Request::Processes(_)
        | Request::Now
        | Request::Pause(_)
        | Request::Connection => false,
    }
}

/// The program that a request starts in any case.
fn program(request: &Request) -> Option<&HostPath> {
    match request {
        Request::Output(command) => Some(&command.program),
        Request::FirstOf(_)
        | Request::File(_)
        | Request::Folder(_)
        | Request::Exists(_)
        | Request::Processes(_)
        | Request::Now
        | Request::Pause(_)
        | Request::Connection => None,
    }
}

impl ReadHost for LocalHost {
    fn read(&self, requests: &[Request]) -> Result<Vec<Reply>, HostError> {
        // A program takes its time: all of them run while everything else is read. What a vendor's does while it runs already
        // is not known, so that each has its turns.
        let turns: BTreeMap<&HostPath, Mutex<()>> = (requests.iter())
            .filter_map(program)
            .map(|program| (program, Mutex::default()))
            .collect();
        std::thread::scope(|scope| {
            let in_turn = |request| {
                let turn = program(request).and_then(|program| turns.get(program));
                let _turn = turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
                answer(&self.tree, request)
            };
            let answers: Vec<_> = (requests.iter())
                .map(|request| match starts_a_program(request) {
                    true => Err(scope.spawn(move || in_turn(request))),
                    false => Ok(answer(&self.tree, request)),
                })
                .collect();
            (answers.into_iter())
                .map(|answer| match answer {
                    Ok(reply) => reply,
                    Err(thread) => thread.join().unwrap_or_else(|_| {
                        Err(HostError::Unexpected(
                            "a thread that reads has ended early".to_owned(),
                        ))
                    }),
                })
                .collect()
        })
    }
}

impl WriteHost for LocalHost {
    fn lock(&mut self) -> Result<(), HostError> {
        if self.lock.is_none() {
            self.lock = Some(state::lock(&self.tree)?);
        }
        Ok(())
    }

    fn write(&mut self, acts: &[Act], then: &[Request]) -> Result<Written, ActFailed> {
        let mut done = Vec::with_capacity(acts.len());
        for (index, act) in acts.iter().enumerate() {
            done.push(self.perform(act).map_err(|source| ActFailed {
                index,
                what: rules::attempt(act),
                source,
            })?);
        }
        let replies = self
            .read(then)
            .map_err(|error| rules::unread(acts.len(), &error))?;
        Ok(Written { done, replies })
    }
}

/// Seconds since 1970; a clock before that counts backwards.
fn now() -> i64 {
    let seconds = |span: std::time::Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => seconds(since),
        Err(before) => -seconds(before.duration()),
    }
}
