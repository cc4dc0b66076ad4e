//! The host that this program runs on, or a folder that looks like one (`--root DIR`).
//!
//! It runs as root on mail servers: every path is opened once and then used through its descriptor, nothing
//! is opened that was not looked at, and under a root nothing outside of it is touched, be it by a link or by
//! `..`.

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

use self::tree::{PathRoot, StandInFolder};
use super::{
    CommandEnding, CommandOutput, HostCommand, HostError, HostOperation, OperationError, OperationFailed,
    OperationResult, OperationResults, ReadHost, ReadReply, ReadRequest, WriteHost, rules,
};
use crate::model::HostPath;

/// This machine, or a stand-in's folder.
///
/// [`Condition::Serving`](super::WaitCondition::Serving) is looked at twice, a fifth of a second apart; that
/// comes on top of the time to wait.
#[derive(Debug)]
pub struct LocalHost {
    tree: PathRoot,
    lock: Option<File>,
}

impl Drop for LocalHost {
    /// Gives the lock back at once: a child between its fork and its exec still has the descriptor, and
    /// closing ours alone would leave the lock with it.
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
        Self { tree: PathRoot::Machine, lock: None }
    }

    /// A folder that looks like a host: files, links, programs, processes and the lock are those inside it.
    ///
    /// Its programs run on this machine, with the folder's absolute path as `MAILWARD_ROOT`. A signal to a
    /// process is a run of the executable `proc/PID/on-signal` in it, with `HUP` or `USR1` as its argument.
    ///
    /// # Errors
    /// [`HostError::Unreachable`] unless it is a folder.
    pub fn tree(root: PathBuf) -> Result<Self, HostError> {
        match StandInFolder::open(&root) {
            Ok(below) => Ok(Self { tree: PathRoot::Below(below), lock: None }),
            Err(source) => Err(HostError::Unreachable {
                what: crate::model::printable::text(root.as_os_str().as_encoded_bytes()),
                source,
            }),
        }
    }

    fn perform(&self, act: &HostOperation) -> Result<OperationResult, OperationError> {
        match act {
            HostOperation::Replace(change) => {
                replace::replace(&self.tree, change).map(|()| OperationResult::Quietly)
            }
            HostOperation::Save { path, bytes } => {
                state::save(&self.tree, path, bytes).map(|()| OperationResult::Quietly)
            }
            HostOperation::Put { path, bytes, mode } => {
                state::put(&self.tree, path, bytes, *mode).map(|()| OperationResult::Quietly)
            }
            HostOperation::Remove(path) => state::remove(&self.tree, path).map(|()| OperationResult::Quietly),
            HostOperation::Decide { from, to } => {
                state::decide(&self.tree, from, to).map(|()| OperationResult::Quietly)
            }
            HostOperation::Run(command) => Ok(OperationResult::Ran(command::run(&self.tree, command)?)),
            HostOperation::Signal(id, signal) => {
                signal::send(&self.tree, *id, *signal).map(|()| OperationResult::Quietly)
            }
            HostOperation::Await(condition, longest) => wait::wait(&self.tree, condition, *longest)
                .map(OperationResult::Awaited)
                .map_err(|error| OperationError::System(std::io::Error::other(error))),
        }
    }
}

fn answer(tree: &PathRoot, request: &ReadRequest) -> Result<ReadReply, HostError> {
    Ok(match request {
        ReadRequest::File(path) => ReadReply::File(files::file(tree, path)),
        ReadRequest::Folder(path) => ReadReply::Folder(files::folder(tree, path)),
        ReadRequest::Exists(path) => ReadReply::Exists(files::exists(tree, path)),
        ReadRequest::FirstOf(choices) => {
            for (place, choice) in choices.iter().enumerate() {
                let reply = answer(tree, choice)?;
                if rules::is_there(&reply) {
                    return Ok(ReadReply::FirstOf(Some((place, Box::new(reply)))));
                }
            }
            ReadReply::FirstOf(None)
        }
        ReadRequest::Processes(programs) => ReadReply::Processes(processes::list(tree, programs)?),
        ReadRequest::Output(command) => ReadReply::Output(output(tree, command)),
        ReadRequest::Now => ReadReply::Now(now()),
        ReadRequest::Pause(time) => {
            std::thread::sleep((*time).min(rules::LONGEST_WAIT));
            ReadReply::Paused
        }
        ReadRequest::Connection => ReadReply::Connection(connection::own(tree)),
    })
}

/// What keeps a command from being run is told where its own errors are.
fn output(tree: &PathRoot, command: &HostCommand) -> CommandOutput {
    command::run(tree, command).unwrap_or_else(|error| CommandOutput {
        end: CommandEnding::NotStarted,
        stdout: Vec::new(),
        stderr: error.to_string().into_bytes(),
    })
}

/// Whether a request starts a program.
fn starts_a_program(request: &ReadRequest) -> bool {
    match request {
        ReadRequest::Output(_) => true,
        ReadRequest::FirstOf(choices) => choices.iter().any(starts_a_program),
        ReadRequest::File(_)
        | ReadRequest::Folder(_)
        | ReadRequest::Exists(_)
        | ReadRequest::Processes(_)
        | ReadRequest::Now
        | ReadRequest::Pause(_)
        | ReadRequest::Connection => false,
    }
}

/// The program that a request starts in any case.
fn program(request: &ReadRequest) -> Option<&HostPath> {
    match request {
        ReadRequest::Output(command) => Some(&command.program),
        ReadRequest::FirstOf(_)
        | ReadRequest::File(_)
        | ReadRequest::Folder(_)
        | ReadRequest::Exists(_)
        | ReadRequest::Processes(_)
        | ReadRequest::Now
        | ReadRequest::Pause(_)
        | ReadRequest::Connection => None,
    }
}

impl ReadHost for LocalHost {
    fn read(&self, requests: &[ReadRequest]) -> Result<Vec<ReadReply>, HostError> {
        // A program takes its time: all of them run while everything else is read. What a vendor's does while
        // it runs already is not known, so that each has its turns.
        let turns: BTreeMap<&HostPath, Mutex<()>> =
            (requests.iter()).filter_map(program).map(|program| (program, Mutex::default())).collect();
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
                        Err(HostError::Unexpected("a thread that reads has ended early".to_owned()))
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

    fn write(
        &mut self,
        acts: &[HostOperation],
        then: &[ReadRequest],
    ) -> Result<OperationResults, OperationFailed> {
        let mut done = Vec::with_capacity(acts.len());
        for (index, act) in acts.iter().enumerate() {
            done.push(self.perform(act).map_err(|source| OperationFailed {
                index,
                what: rules::attempt(act),
                source,
            })?);
        }
        let replies = self.read(then).map_err(|error| rules::unread(acts.len(), &error))?;
        Ok(OperationResults { done, replies })
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
