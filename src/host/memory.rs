//! A host in memory, for tests: the same answers as a real one, plus errors and crashes wherever a test wants
//! them.
//!
//! It never sleeps and touches nothing outside itself. What its commands and signals do is up to the test.

mod files;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::files::{LastLink, MemoryPlace};
pub use self::files::{MemoryEntry, MemoryFile};
use super::{
    ClientSide, CommandEnding, CommandOutput, ControllingTerminal, FileFound, FileReplacement, FileState,
    HostError, HostOperation, LinkState, OperationError, OperationFailed, OperationResult, OperationResults,
    PathExistence, Process, ProcessId, ProcessSignal, ProcessesAbove, ReadHost, ReadReply, ReadRequest,
    RunConnection, STATE, SshClient, WaitCondition, WaitResult, WriteHost, rules,
};

/// What a command does: it may change the world, and says how it ended.
pub type MemoryProgram = Box<dyn FnMut(&mut MemoryWorld, &super::HostCommand) -> CommandOutput + Send>;

/// What happens when a process gets a signal.
pub type SignalHandler = Box<dyn FnMut(&mut MemoryWorld, ProcessId, ProcessSignal) + Send>;

/// One user of a host in memory; see [`MemoryHost::another`] for a second.
pub struct MemoryHost {
    world: Arc<Mutex<MemoryWorld>>,
    /// Which life of the world the lock was taken in, if it was.
    holds: Option<u64>,
}

/// Everything there is on a host in memory.
#[derive(Default)]
pub struct MemoryWorld {
    /// What stands at each absolute path; a folder that holds something need not be there itself.
    pub files: BTreeMap<Vec<u8>, MemoryEntry>,
    /// The processes; those of other names are not answered.
    pub processes: Vec<Process>,
    /// What can be run, by absolute path.
    pub commands: BTreeMap<String, MemoryProgram>,
    /// What signals do; without it no process answers any.
    pub on_signal: Option<SignalHandler>,
    /// The clock, in seconds since 1970; waiting in vain moves it on.
    pub now: i64,
    /// Who is at the other end of the run's own connection.
    pub client: Option<SshClient>,
    /// When that connection began, in milliseconds since 1970.
    pub since: Option<i64>,
    /// The run's controlling terminal.
    pub terminal: ControllingTerminal,
    /// What is above the run among the processes.
    pub above: ProcessesAbove,
    /// From which side the connection comes.
    pub side: ClientSide,
    /// Who logged in over it.
    pub login: Option<String>,
    /// The acts that were done, in order.
    pub log: Vec<HostOperation>,
    tried: usize,
    failures: BTreeMap<usize, OperationError>,
    crash: Option<usize>,
    crashed: bool,
    /// Counts the crashes: a lock is gone with the life it was taken in.
    life: u64,
    locked: bool,
}

impl Default for MemoryHost {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryHost {
    /// An empty host.
    #[must_use]
    pub fn new() -> Self {
        Self { world: Arc::default(), holds: None }
    }

    /// Another user of the same host, who does not hold its lock.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { world: Arc::clone(&self.world), holds: None }
    }

    /// The world, to prepare it and to look at it; nobody else can use it as long as this is held.
    pub fn world(&self) -> MutexGuard<'_, MemoryWorld> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the act number `place` fail once, undone. Acts count from 0 since the world began, over all
    /// batches.
    pub fn fail_at(&self, place: usize, error: OperationError) {
        self.world().failures.insert(place, error);
    }

    /// Lets the program die right before act number `place`: from then on everything fails and the world
    /// stays as it is.
    pub fn crash_at(&self, place: usize) {
        self.world().crash = Some(place);
    }

    /// Starts over after a crash: nobody holds the lock, and no further crash is planned.
    pub fn revive(&self) {
        let mut world = self.world();
        world.crash = None;
        world.crashed = false;
        world.locked = false;
        world.life += 1;
    }
}

impl Drop for MemoryHost {
    fn drop(&mut self) {
        let mut world = self.world();
        if self.holds == Some(world.life) {
            world.locked = false;
        }
    }
}

impl ReadHost for MemoryHost {
    fn read(&self, requests: &[ReadRequest]) -> Result<Vec<ReadReply>, HostError> {
        let mut world = self.world();
        world.check_alive()?;
        Ok(requests.iter().map(|request| world.answer(request)).collect())
    }
}

impl WriteHost for MemoryHost {
    fn lock(&mut self) -> Result<(), HostError> {
        let mut world = self.world();
        world.check_alive()?;
        let life = world.life;
        if world.locked && self.holds != Some(life) {
            return Err(HostError::Locked { holder: "another user of this world".to_owned() });
        }
        world.locked = true;
        world.files.entry(format!("{STATE}/lock").into_bytes()).or_insert_with(|| MemoryFile::new("").into());
        drop(world);
        self.holds = Some(life);
        Ok(())
    }

    fn write(
        &mut self,
        acts: &[HostOperation],
        then: &[ReadRequest],
    ) -> Result<OperationResults, OperationFailed> {
        let mut done = Vec::with_capacity(acts.len());
        for (index, act) in acts.iter().enumerate() {
            let result = self.world().attempt(act);
            done.push(result.map_err(|source| OperationFailed {
                index,
                what: rules::attempt(act),
                source,
            })?);
        }
        let replies = self.read(then).map_err(|error| rules::unread(acts.len(), &error))?;
        Ok(OperationResults { done, replies })
    }
}

fn crashed() -> std::io::Error {
    std::io::Error::other("the program has crashed")
}

impl MemoryWorld {
    fn check_alive(&self) -> Result<(), HostError> {
        if self.crashed {
            return Err(HostError::Unreachable { what: "the world".to_owned(), source: crashed() });
        }
        Ok(())
    }

    fn answer(&mut self, request: &ReadRequest) -> ReadReply {
        match request {
            ReadRequest::File(path) => ReadReply::File(self.found(path.as_str().as_bytes())),
            ReadRequest::Folder(path) => ReadReply::Folder(self.folder(path.as_str().as_bytes())),
            ReadRequest::Exists(path) if self.commands.contains_key(path.as_str()) => {
                ReadReply::Exists(PathExistence::File(super::ExecutePermission::Yes))
            }
            ReadRequest::Exists(path) => ReadReply::Exists(self.existence(path.as_str().as_bytes())),
            ReadRequest::FirstOf(choices) => {
                let replies = choices.iter().map(|choice| self.answer(choice)).enumerate();
                let mut there = replies.filter(|(_, reply)| rules::is_there(reply));
                ReadReply::FirstOf(there.next().map(|(place, reply)| (place, Box::new(reply))))
            }
            ReadRequest::Processes(programs) => {
                let named = |process: &&Process| programs.contains(&process.name.as_str());
                let mut processes: Vec<_> = self.processes.iter().filter(named).cloned().collect();
                processes.sort_unstable_by_key(|process| process.id);
                ReadReply::Processes(processes)
            }
            ReadRequest::Output(command) => ReadReply::Output(self.run(command)),
            ReadRequest::Now => ReadReply::Now(self.now),
            ReadRequest::Pause(_) => ReadReply::Paused,
            ReadRequest::Connection => ReadReply::Connection(RunConnection {
                client: self.client.clone(),
                since: self.since,
                now: self.now.saturating_mul(1000),
                terminal: self.terminal,
                above: self.above,
                side: self.side,
                login: self.login.clone(),
            }),
        }
    }

    fn attempt(&mut self, act: &HostOperation) -> Result<OperationResult, OperationError> {
        let place = self.tried;
        if self.crash.is_some_and(|crash| crash <= place) {
            self.crashed = true;
        }
        if self.crashed {
            return Err(crashed().into());
        }
        self.tried += 1;
        if let Some(error) = self.failures.remove(&place) {
            return Err(error);
        }
        let done = self.perform(act)?;
        self.log.push(act.clone());
        Ok(done)
    }

    fn perform(&mut self, act: &HostOperation) -> Result<OperationResult, OperationError> {
        match act {
            HostOperation::Replace(change) => self.replace(change)?,
            HostOperation::Save { path, bytes } => {
                rules::may_save(path)?;
                self.save(path.as_str().as_bytes(), bytes)?;
            }
            HostOperation::Put { path, bytes, mode } => {
                rules::may_put(path)?;
                self.put(path.as_str().as_bytes(), bytes, mode.bits())?;
            }
            HostOperation::Remove(path) => {
                rules::may_remove(path)?;
                self.remove(path.as_str().as_bytes())?;
            }
            HostOperation::Decide { from, to } => {
                rules::may_decide(from, to)?;
                self.decide(from.as_str().as_bytes(), to.as_str().as_bytes())?;
            }
            HostOperation::Run(command) => return Ok(OperationResult::Ran(self.run(command))),
            HostOperation::Signal(id, signal) => self.signal(*id, *signal)?,
            HostOperation::Await(condition, longest) => {
                return Ok(OperationResult::Awaited(self.wait(condition, *longest)));
            }
        }
        Ok(OperationResult::Quietly)
    }

    fn replace(&mut self, change: &FileReplacement) -> Result<(), OperationError> {
        let now = self.now;
        let file = match self.place(change.path.as_str().as_bytes(), LastLink::Stay) {
            Ok(MemoryPlace::Entry(_, MemoryEntry::File(file))) => file,
            Ok(MemoryPlace::Entry(_, MemoryEntry::Link(_))) => {
                return Err(OperationError::NotReplaced("a symbolic link"));
            }
            Ok(MemoryPlace::Entry(_, MemoryEntry::Folder) | MemoryPlace::Folder(_)) => {
                return Err(OperationError::NotReplaced("a folder"));
            }
            Ok(MemoryPlace::Entry(_, MemoryEntry::Other)) => {
                return Err(OperationError::NotReplaced("not a regular file"));
            }
            Ok(MemoryPlace::Nothing(_)) => {
                return Err(OperationError::System(std::io::ErrorKind::NotFound.into()));
            }
            Err(error) => return Err(error.into()),
        };
        if file.links != 1 {
            return Err(OperationError::NotReplaced("a file with several hard links"));
        }
        if super::Digest::of(&file.bytes) != change.before {
            return Err(OperationError::Changed);
        }
        file.bytes.clone_from(&change.bytes);
        file.changed = now;
        Ok(())
    }

    fn run(&mut self, command: &super::HostCommand) -> CommandOutput {
        let path = command.program.as_str();
        if let Err(why) = rules::may_run(command) {
            return CommandOutput {
                end: CommandEnding::NotStarted,
                stdout: Vec::new(),
                stderr: why.as_bytes().to_vec(),
            };
        }
        let Some(mut program) = self.commands.remove(path) else {
            let stderr = b"no such file or directory".to_vec();
            return CommandOutput { end: CommandEnding::NotStarted, stdout: Vec::new(), stderr };
        };
        if let Some(secret) = &command.secret
            && !matches!(self.found(secret.file.as_str().as_bytes()), FileFound::File(_))
        {
            self.commands.insert(path.to_owned(), program);
            let stderr = format!("cannot read {}", secret.file).into_bytes();
            return CommandOutput { end: CommandEnding::NotStarted, stdout: Vec::new(), stderr };
        }
        let mut output = program(self, command);
        // Unless it has put another in its own place.
        self.commands.entry(path.to_owned()).or_insert(program);
        output.stdout.truncate(command.cap);
        output.stderr.truncate(command.cap);
        output
    }

    fn signal(&mut self, id: ProcessId, signal: ProcessSignal) -> Result<(), OperationError> {
        if !self.processes.iter().any(|process| process.id == id) {
            return Err(OperationError::NoProcess);
        }
        let Some(mut handler) = self.on_signal.take() else {
            return Err(OperationError::NoStandIn(format!("an answer to {}", signal.name())));
        };
        handler(self, id, signal);
        self.on_signal.get_or_insert(handler);
        Ok(())
    }

    /// Nothing happens while one waits: what is not so at once comes too late.
    fn wait(&mut self, condition: &WaitCondition, longest: Duration) -> WaitResult {
        let holds = match condition {
            WaitCondition::Gone(ids) => !self.processes.iter().any(|process| ids.contains(&process.id)),
            WaitCondition::Serving { program, arguments } => {
                let named = |process: &&Process| process.name == *program;
                let processes: Vec<_> = self.processes.iter().filter(named).cloned().collect();
                rules::serving(&processes, arguments).is_some()
            }
            WaitCondition::Grown { path, beyond, end } => match self.found(path.as_str().as_bytes()) {
                FileFound::File(file) => {
                    let beyond = usize::try_from(*beyond).unwrap_or(usize::MAX);
                    rules::ends_with(file.bytes.get(beyond..).unwrap_or_default(), end)
                }
                FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => false,
            },
        };
        if holds {
            return WaitResult::InTime;
        }
        self.now = self.now.saturating_add(i64::try_from(longest.as_secs()).unwrap_or(i64::MAX));
        WaitResult::TooLate
    }
}
