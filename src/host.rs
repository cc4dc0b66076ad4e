//! The boundary to the host: one small trait, a half that reads and a half that writes.
//!
//! Everything that touches files, processes, sockets or the clock goes through here, so that a plan and an
//! apply are the same on this machine, over a connection, and in memory. Both halves take a *batch*, a typed
//! list that is answered in one go: over a connection a batch is one trip. Nothing above this module knows a
//! shell string.

pub mod batch;
mod connection;
pub mod deadline;
mod digest;
pub mod local;
pub mod memory;
mod proc;
mod process;
pub mod restart;
mod rules;
pub mod ssh;
pub mod timer;

use std::time::Duration;

pub use self::connection::{
    ClientSide, ControllingTerminal, ProcessesAbove, RunConnection, SshClient, is_session,
};
pub use self::digest::Digest;
pub use self::proc::listening_ports;
pub use self::process::{
    FileInPlace, ForeignProcess, Process, ProcessId, ProcessOwner, ProgramFile, ROOT, RootProgram,
};
use crate::model::HostPath;

/// The folder that holds the lock, the journal, the history and the backups; mode 0700.
pub const STATE: &str = "/var/lib/mailward";

/// The folder that holds one of its own for each change of access that waits, where `/run` is in memory; mode
/// 0700.
pub const WINDOWS: &str = "/run/mailward";

/// What such a folder begins with where `/run` is on a disk: root's own in a folder of everybody's, with a
/// name that nobody can guess.
pub const SHARED_WINDOW: &str = "/dev/shm/mailward-";

/// The unit by which systemd loads mailward's packet filter rules at boot.
pub const SERVICE_UNIT: &str = "/etc/systemd/system/mailward-access.service";

/// The script by which a host without systemd does.
pub const INIT_SCRIPT: &str = "/etc/init.d/mailward-access";

/// The half that reads.
pub trait ReadHost {
    /// Answers each request, in order, in one go.
    ///
    /// What is missing or unreadable is a reply, not an error.
    ///
    /// # Errors
    /// [`HostError`] when the host itself cannot be asked.
    fn read(&self, requests: &[ReadRequest]) -> Result<Vec<ReadReply>, HostError>;

    /// Why the host can be asked nothing any more, once that is so: from then on every answer is an error,
    /// and what was last asked for may have been done or not.
    fn lost(&self) -> Option<String> {
        None
    }
}

/// The half that writes.
pub trait WriteHost: ReadHost {
    /// Takes the host's lock until this value is dropped; the kernel gives it back when the process dies.
    ///
    /// # Errors
    /// [`HostError::Locked`] names who holds it.
    fn lock(&mut self) -> Result<(), HostError>;

    /// Tells that a run has begun: what it does now is brought to its end or undone, and no wait is cut
    /// short.
    fn changes(&mut self) {}

    /// Performs `acts` in order, stops at the first that fails, then answers `then`, all in one go.
    ///
    /// # Errors
    /// [`OperationFailed`] says which act failed; those before it are done, those after it are not tried.
    fn write(
        &mut self,
        acts: &[HostOperation],
        then: &[ReadRequest],
    ) -> Result<OperationResults, OperationFailed>;
}

/// One thing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadRequest {
    /// A file's bytes and metadata.
    File(HostPath),
    /// The names in a folder, with the file behind each.
    Folder(HostPath),
    /// Whether there is anything at this path, links followed.
    Exists(HostPath),
    /// The first of these that exists.
    FirstOf(Vec<ReadRequest>),
    /// The processes whose program has one of these names (at most 15 bytes each, as the kernel keeps them).
    Processes(Vec<&'static str>),
    /// What a command prints that only reads.
    Output(HostCommand),
    /// The host's clock.
    Now,
    /// Nothing: the requests behind it are answered so much later, or up to a second where the host counts in
    /// seconds.
    Pause(Duration),
    /// How this run came to the host.
    Connection,
}

/// The answer to a [`ReadRequest`], of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadReply {
    /// To [`ReadRequest::File`].
    File(FileFound),
    /// To [`ReadRequest::Folder`]: `None` where there is no such folder; an error text where it cannot be
    /// listed.
    Folder(Result<Option<FolderListing>, String>),
    /// To [`ReadRequest::Exists`].
    Exists(PathExistence),
    /// To [`ReadRequest::FirstOf`]: the place in the list, and the answer to that one.
    FirstOf(Option<(usize, Box<ReadReply>)>),
    /// To [`ReadRequest::Processes`], by pid.
    Processes(Vec<Process>),
    /// To [`ReadRequest::Output`].
    Output(CommandOutput),
    /// To [`ReadRequest::Now`]: seconds since 1970.
    Now(i64),
    /// To [`ReadRequest::Pause`].
    Paused,
    /// To [`ReadRequest::Connection`].
    Connection(RunConnection),
}

/// The names in a folder, sorted by their bytes, with the file behind each.
pub type FolderListing = Vec<(Vec<u8>, FileFound)>;

/// An environment's names and values, in its own order.
pub type EnvironmentVariables = Vec<(Vec<u8>, Vec<u8>)>;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathExistence {
    /// Nothing, or a link to nothing.
    Missing,
    /// A regular file, with any execute bit set or none.
    File(ExecutePermission),
    /// A folder.
    Folder,
    /// A device, a socket, a pipe.
    Other,
    /// It cannot be told; the reason.
    Unknown(String),
}

/// Whether a file may be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutePermission {
    /// Some execute bit is set.
    Yes,
    /// None is.
    No,
}

/// What reading a file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFound {
    /// A regular file.
    File(FileState),
    /// Nothing, or a link to nothing.
    Missing,
    /// Something that is not a regular file: a folder, a device, a pipe.
    NotRegular,
    /// It cannot be read; the reason.
    Unreadable(String),
}

/// A regular file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// The whole content.
    pub bytes: Vec<u8>,
    /// Whether the path itself is a symbolic link.
    pub link: LinkState,
    /// Number of hard links.
    pub links: u64,
    /// Time of the last change to content or metadata, in seconds since 1970 (`st_ctime`).
    pub changed: i64,
}

/// Whether a path is a link itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// The file itself.
    Plain,
    /// A symbolic link to it.
    Symbolic,
}

/// A program to run, without a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCommand {
    /// The program's absolute path.
    pub program: HostPath,
    /// Its arguments, without the program.
    pub arguments: Vec<String>,
    /// Variables of its environment beside the few that every command has, by name: capital letters and `_`,
    /// none of those few. A value may be any text without NUL. They are no secret: an argument list may show
    /// them.
    pub environment: Vec<(String, String)>,
    /// A variable of its environment that nobody but the host gets to see.
    pub secret: Option<SecretVariable>,
    /// What it reads from its standard input.
    pub input: Vec<u8>,
    /// How long it may take before it and its children are killed.
    pub deadline: Duration,
    /// The most that is kept of what it prints, for each of its two streams, in bytes.
    pub cap: usize,
}

impl HostCommand {
    /// A command without variables, secret and input, of whose output [`OUTPUT_CAP`] bytes are kept.
    #[must_use]
    pub fn new(program: HostPath, arguments: Vec<String>, deadline: Duration) -> Self {
        Self {
            program,
            arguments,
            environment: Vec::new(),
            secret: None,
            input: Vec::new(),
            deadline,
            cap: OUTPUT_CAP,
        }
    }
}

/// A variable whose value is a file's content without its trailing line ends: it is read on the host, when
/// the command is started, and never part of anything that mailward holds.
///
/// Where the file cannot be read the command is not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVariable {
    /// The variable's name.
    pub variable: &'static str,
    /// The file.
    pub file: HostPath,
}

/// The most that is usually kept of what a command prints, for each of its two streams, in bytes.
pub const OUTPUT_CAP: usize = 64 * 1024;

/// What became of a [`HostCommand`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// How it ended.
    pub end: CommandEnding,
    /// Standard output, at most [`HostCommand::cap`] bytes.
    pub stdout: Vec<u8>,
    /// Standard error, at most [`HostCommand::cap`] bytes.
    pub stderr: Vec<u8>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandEnding {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was still running at its deadline and was killed.
    TimedOut,
    /// It could not be started, e.g. because it is missing.
    NotStarted,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostOperation {
    /// Puts new bytes in a file's place, atomically and durably, with the old file's metadata.
    Replace(FileReplacement),
    /// Writes a file of mailward's own state (mode 0600), atomically and durably.
    Save {
        /// A path below [`STATE`], or in a folder of a window.
        path: HostPath,
        /// The whole content.
        bytes: Vec<u8>,
    },
    /// Writes a file of mailward's own outside its state, atomically and durably, into a folder that exists.
    Put {
        /// One of [`SERVICE_UNIT`] and [`INIT_SCRIPT`].
        path: HostPath,
        /// The whole content.
        bytes: Vec<u8>,
        /// Who may do what with it.
        mode: FileMode,
    },
    /// Removes a file of mailward's own, or the empty folder of a window; nothing there is fine.
    Remove(HostPath),
    /// Gives a file of mailward's own state another name in the same folder, atomically and durably, whatever
    /// that name stood for before: of several who do so with one file exactly one succeeds, which is how a
    /// matter is decided.
    ///
    /// Without the file it fails with [`OperationError::Gone`].
    Decide {
        /// A regular file below [`STATE`], or in a folder of a window.
        from: HostPath,
        /// Another path in its folder.
        to: HostPath,
    },
    /// Runs a command; its exit code is reported, not judged.
    Run(HostCommand),
    /// Sends a signal to exactly this process.
    Signal(ProcessId, ProcessSignal),
    /// Waits until something is so, at most for the given time; whether it came is reported, not judged.
    Await(WaitCondition, Duration),
}

/// What a file of mailward's own outside its state is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMode {
    /// It is read: 0644.
    Plain,
    /// It is executed: 0755.
    Program,
}

impl FileMode {
    /// The permission bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Program => 0o755,
        }
    }
}

/// A file's replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReplacement {
    /// The file; it must exist, be regular, and be no link.
    pub path: HostPath,
    /// What it must hold right before it is replaced.
    pub before: Digest,
    /// What it holds afterwards.
    pub bytes: Vec<u8>,
}

impl FileReplacement {
    /// The name that the new bytes have until they take the file's place.
    ///
    /// It holds a dot, since xinetd's `includedir` skips such names (xinetd.conf(5)), and starts with one,
    /// since shell globs do.
    #[must_use]
    pub fn temporary(path: &HostPath) -> String {
        format!(".{}.mailward", path.name())
    }
}

/// The signals that mailward sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessSignal {
    /// Read your configuration again.
    Hangup,
    /// xinetd: write your state to its dump file.
    User1,
}

impl ProcessSignal {
    /// The name without `SIG`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hangup => "HUP",
            Self::User1 => "USR1",
        }
    }
}

/// Something to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitCondition {
    /// No process of these is left.
    Gone(Vec<ProcessId>),
    /// For each of these argument lists there is a process of this program, run by root, that has all of them
    /// and listens on a port, and it is still there a moment later.
    Serving {
        /// The program's name as the kernel keeps it.
        program: &'static str,
        /// What each process must have among its arguments.
        arguments: Vec<Vec<String>>,
    },
    /// The file has more bytes than this, and what came ends with `end`.
    Grown {
        /// The file.
        path: HostPath,
        /// Its size before, in bytes.
        beyond: u64,
        /// What the new part must end with, blank lines aside.
        end: &'static str,
    },
}

/// What became of an [`HostOperation`] that reports something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationResult {
    /// Nothing to report.
    Quietly,
    /// To [`HostOperation::Run`].
    Ran(CommandOutput),
    /// To [`HostOperation::Await`]: whether it came in time.
    Awaited(WaitResult),
}

/// Whether something came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitResult {
    /// It did.
    InTime,
    /// It did not.
    TooLate,
}

/// The result of a batch of acts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an act's report may say that it did not take"]
pub struct OperationResults {
    /// One for each act.
    pub done: Vec<OperationResult>,
    /// One for each request that followed.
    pub replies: Vec<ReadReply>,
}

/// The host cannot be asked, or refuses.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Another run holds the lock.
    #[error("another run holds the lock: {holder}")]
    Locked {
        /// What the holder wrote of itself.
        holder: String,
    },
    /// The lock cannot be taken at all.
    #[error("cannot lock {path}")]
    NoLock {
        /// The lock's path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The connection to another host cannot be made, or is lost.
    #[error("cannot reach {name} over ssh")]
    Lost {
        /// What `ssh` was given.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The host's folder is not usable.
    #[error("cannot read the host: {what}")]
    Unreachable {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The run's time is up.
    #[error("the run has taken the {seconds} s that it may: nothing was changed")]
    Late {
        /// How long it may take.
        seconds: u64,
    },
    /// The host gave an answer that does not fit the question.
    #[error("the host's answer does not fit the question: {0}")]
    Unexpected(String),
}

/// An act that failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct OperationFailed {
    /// Its place in the batch.
    pub index: usize,
    /// What was being done, e.g. `cannot replace /etc/courier-imap/pop3d`.
    pub what: String,
    /// Why it failed.
    #[source]
    pub source: OperationError,
}

/// Why an act failed.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The operating system says no.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// The file is not what the plan was made from.
    #[error("the file has changed since it was read")]
    Changed,
    /// The target is something that is not replaced.
    #[error("it is {0}")]
    NotReplaced(&'static str),
    /// The file that should decide a matter is not there: somebody else has decided it.
    #[error("it is not there any more")]
    Gone,
    /// The process is gone, or its pid now belongs to another.
    #[error("the process is gone")]
    NoProcess,
    /// A stand-in tree has nothing that answers.
    #[error("{0} is missing in the stand-in tree")]
    NoStandIn(String),
    /// No tool of the host can show that a file's ACL and extended attributes are kept.
    #[error("the host has no tool that shows whether its ACL and extended attributes are kept")]
    UnseenMetadata,
    /// The connection was lost; it may have been done or not.
    #[error("{0}")]
    Lost(String),
    /// The host cannot be asked for what should follow.
    #[error("the state afterwards cannot be read: {0}")]
    After(String),
}
