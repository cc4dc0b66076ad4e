//! Builds a batch of requests and hands out each answer with its type.

use super::{
    Command, Connection, Existence, Found, HostError, Output, Process, ReadHost, Reply, Request,
};
use crate::model::HostPath;

/// Requests that are collected before they are asked in one go.
#[derive(Debug, Default)]
pub struct Batch(Vec<Request>);

/// A ticket for the answer to one request.
#[derive(Debug, Clone, Copy)]
#[must_use = "an answer that nobody takes need not be asked for"]
pub struct Ticket(usize);

impl Batch {
    /// Asks for anything.
    pub fn ask(&mut self, request: Request) -> Ticket {
        self.0.push(request);
        Ticket(self.0.len() - 1)
    }

    /// Asks for a file.
    pub fn file(&mut self, path: HostPath) -> Ticket {
        self.ask(Request::File(path))
    }

    /// Asks for the first of some files that exists.
    pub fn first_file(&mut self, paths: impl IntoIterator<Item = HostPath>) -> Ticket {
        self.ask(Request::FirstOf(
            paths.into_iter().map(Request::File).collect(),
        ))
    }

    /// Asks for a folder's files.
    pub fn folder(&mut self, path: HostPath) -> Ticket {
        self.ask(Request::Folder(path))
    }

    /// Asks whether a path exists.
    pub fn exists(&mut self, path: HostPath) -> Ticket {
        self.ask(Request::Exists(path))
    }

    /// Asks for what a reading command prints.
    pub fn output(&mut self, command: Command) -> Ticket {
        self.ask(Request::Output(command))
    }

    /// Asks for what the first of some reading commands prints that can be started.
    pub fn first_output(&mut self, commands: impl IntoIterator<Item = Command>) -> Ticket {
        let commands = commands.into_iter().map(Request::Output).collect();
        self.ask(Request::FirstOf(commands))
    }

    /// Asks for the run's own connection.
    pub fn connection(&mut self) -> Ticket {
        self.ask(Request::Connection)
    }

    /// Asks the host, in one go.
    ///
    /// # Errors
    /// The host's own.
    pub fn read(self, host: &dyn ReadHost) -> Result<Answers, HostError> {
        if self.0.is_empty() {
            return Ok(Answers(Vec::new()));
        }
        Ok(Answers(host.read(&self.0)?.into_iter().map(Some).collect()))
    }

    /// The requests themselves, for a batch that follows acts.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.0
    }
}

/// The answers to a [`Batch`]; each can be taken once.
#[derive(Debug)]
pub struct Answers(Vec<Option<Reply>>);

/// What a folder holds: names with the file behind each, `None` without such a folder, or why it cannot be listed.
pub type Listing = Result<Option<Vec<(Vec<u8>, Found)>>, String>;

impl Answers {
    /// Answers that came with the result of acts.
    #[must_use]
    pub fn new(replies: Vec<Reply>) -> Self {
        Self(replies.into_iter().map(Some).collect())
    }

    fn take(&mut self, ticket: Ticket) -> Result<Reply, HostError> {
        self.0
            .get_mut(ticket.0)
            .and_then(Option::take)
            .ok_or_else(|| HostError::Unexpected(format!("answer {} is missing", ticket.0)))
    }

    /// The file.
    ///
    /// # Errors
    /// [`HostError::Unexpected`] where the answer is of another kind; likewise for the others here.
    pub fn file(&mut self, ticket: Ticket) -> Result<Found, HostError> {
        match self.take(ticket)? {
            Reply::File(found) => Ok(found),
            other => Err(misfit("a file", &other)),
        }
    }

    /// The first file that exists, with its place in the list.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn first_file(&mut self, ticket: Ticket) -> Result<Option<(usize, Found)>, HostError> {
        match self.take(ticket)? {
            Reply::FirstOf(None) => Ok(None),
            Reply::FirstOf(Some((index, reply))) => match *reply {
                Reply::File(found) => Ok(Some((index, found))),
                other => Err(misfit("a file", &other)),
            },
            other => Err(misfit("the first of several", &other)),
        }
    }

    /// The folder's files.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn folder(&mut self, ticket: Ticket) -> Result<Listing, HostError> {
        match self.take(ticket)? {
            Reply::Folder(listing) => Ok(listing),
            other => Err(misfit("a folder", &other)),
        }
    }

    /// Whether the path exists.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn exists(&mut self, ticket: Ticket) -> Result<Existence, HostError> {
        match self.take(ticket)? {
            Reply::Exists(existence) => Ok(existence),
            other => Err(misfit("whether a path exists", &other)),
        }
    }

    /// The place in the list of the first path that exists.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn first_existing(&mut self, ticket: Ticket) -> Result<Option<usize>, HostError> {
        match self.take(ticket)? {
            Reply::FirstOf(None) => Ok(None),
            Reply::FirstOf(Some((index, reply))) => match *reply {
                Reply::Exists(_) => Ok(Some(index)),
                other => Err(misfit("whether a path exists", &other)),
            },
            other => Err(misfit("the first of several", &other)),
        }
    }

    /// The processes.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn processes(&mut self, ticket: Ticket) -> Result<Vec<Process>, HostError> {
        match self.take(ticket)? {
            Reply::Processes(processes) => Ok(processes),
            other => Err(misfit("processes", &other)),
        }
    }

    /// What the command printed.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn output(&mut self, ticket: Ticket) -> Result<Output, HostError> {
        match self.take(ticket)? {
            Reply::Output(output) => Ok(output),
            other => Err(misfit("a command's output", &other)),
        }
    }

    /// What the first command printed that could be started, with its place in the list.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn first_output(&mut self, ticket: Ticket) -> Result<Option<(usize, Output)>, HostError> {
        match self.take(ticket)? {
            Reply::FirstOf(None) => Ok(None),
            Reply::FirstOf(Some((index, reply))) => match *reply {
                Reply::Output(output) => Ok(Some((index, output))),
                other => Err(misfit("a command's output", &other)),
            },
            other => Err(misfit("the first of several", &other)),
        }
    }

    /// The run's own connection.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn connection(&mut self, ticket: Ticket) -> Result<Connection, HostError> {
        match self.take(ticket)? {
            Reply::Connection(connection) => Ok(connection),
            other => Err(misfit("the run's own connection", &other)),
        }
    }

    /// That time has passed.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn paused(&mut self, ticket: Ticket) -> Result<(), HostError> {
        match self.take(ticket)? {
            Reply::Paused => Ok(()),
            other => Err(misfit("a pause", &other)),
        }
    }

    /// The host's clock, in seconds since 1970.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn now(&mut self, ticket: Ticket) -> Result<i64, HostError> {
        match self.take(ticket)? {
            Reply::Now(seconds) => Ok(seconds),
            other => Err(misfit("the time", &other)),
        }
    }
}

fn misfit(wanted: &str, got: &Reply) -> HostError {
    let got = match got {
        Reply::File(_) => "a file",
        Reply::Folder(_) => "a folder",
        Reply::Exists(_) => "whether a path exists",
        Reply::FirstOf(_) => "the first of several",
        Reply::Processes(_) => "processes",
        Reply::Output(_) => "a command's output",
        Reply::Now(_) => "the time",
        Reply::Paused => "a pause",
        Reply::Connection(_) => "the run's own connection",
    };
    HostError::Unexpected(format!("{wanted} was asked for, {got} came"))
}
