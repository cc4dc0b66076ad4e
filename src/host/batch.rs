//! Builds a batch of requests and hands out each answer with its type: a ticket knows what kind of answer it
//! is for.

use std::fmt;
use std::time::Duration;

use super::{
    CommandOutput, FileFound, HostCommand, HostError, PathExistence, Process, ReadHost, ReadReply,
    ReadRequest, RunConnection,
};
use crate::model::HostPath;

/// Requests that are collected before they are asked in one go.
#[derive(Debug, Default)]
pub struct Batch(Vec<ReadRequest>);

/// A ticket for the answer to one request, which is a `T`.
#[must_use = "an answer that nobody takes need not be asked for"]
pub struct Ticket<T> {
    /// The request's place in the batch.
    place: usize,
    /// Takes the answer for what it must be.
    answer: fn(ReadReply) -> Result<T, HostError>,
}

impl<T> Clone for Ticket<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ticket<T> {}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.place).finish()
    }
}

/// The first of several that is there, with its place in the list.
pub type FirstAnswer<T> = Option<(usize, T)>;

impl Batch {
    fn push<T>(&mut self, request: ReadRequest, answer: fn(ReadReply) -> Result<T, HostError>) -> Ticket<T> {
        self.0.push(request);
        let place = self.0.len() - 1;
        Ticket { place, answer }
    }

    /// Asks for a file.
    pub fn file(&mut self, path: HostPath) -> Ticket<FileFound> {
        self.push(ReadRequest::File(path), file)
    }

    /// Asks for the first of some files that exists.
    pub fn first_file(
        &mut self,
        paths: impl IntoIterator<Item = HostPath>,
    ) -> Ticket<FirstAnswer<FileFound>> {
        let files = paths.into_iter().map(ReadRequest::File).collect();
        self.push(ReadRequest::FirstOf(files), |reply| first(reply, file))
    }

    /// Asks for a folder's files.
    pub fn folder(&mut self, path: HostPath) -> Ticket<ListingAnswer> {
        self.push(ReadRequest::Folder(path), |reply| match reply {
            ReadReply::Folder(listing) => Ok(listing),
            other => Err(misfit("a folder", &other)),
        })
    }

    /// Asks whether a path exists.
    pub fn exists(&mut self, path: HostPath) -> Ticket<PathExistence> {
        self.push(ReadRequest::Exists(path), existence)
    }

    /// Asks for the first of some paths that exists: its place in the list.
    pub fn first_existing(&mut self, paths: impl IntoIterator<Item = HostPath>) -> Ticket<Option<usize>> {
        let paths = paths.into_iter().map(ReadRequest::Exists).collect();
        self.push(ReadRequest::FirstOf(paths), |reply| Ok(first(reply, existence)?.map(|(place, _)| place)))
    }

    /// Asks for the processes of these programs.
    pub fn processes(&mut self, programs: Vec<&'static str>) -> Ticket<Vec<Process>> {
        self.push(ReadRequest::Processes(programs), |reply| match reply {
            ReadReply::Processes(processes) => Ok(processes),
            other => Err(misfit("processes", &other)),
        })
    }

    /// Asks for what a reading command prints.
    pub fn output(&mut self, command: HostCommand) -> Ticket<CommandOutput> {
        self.push(ReadRequest::Output(command), output)
    }

    /// Asks for what the first of some reading commands prints that can be started.
    pub fn first_output(
        &mut self,
        commands: impl IntoIterator<Item = HostCommand>,
    ) -> Ticket<FirstAnswer<CommandOutput>> {
        let commands = commands.into_iter().map(ReadRequest::Output).collect();
        self.push(ReadRequest::FirstOf(commands), |reply| first(reply, output))
    }

    /// Asks for the run's own connection.
    pub fn connection(&mut self) -> Ticket<RunConnection> {
        self.push(ReadRequest::Connection, |reply| match reply {
            ReadReply::Connection(connection) => Ok(connection),
            other => Err(misfit("the run's own connection", &other)),
        })
    }

    /// Has the requests behind it answered so much later.
    pub fn pause(&mut self, pause: Duration) -> Ticket<()> {
        self.push(ReadRequest::Pause(pause), |reply| match reply {
            ReadReply::Paused => Ok(()),
            other => Err(misfit("a pause", &other)),
        })
    }

    /// Asks for the host's clock, in seconds since 1970.
    pub fn now(&mut self) -> Ticket<i64> {
        self.push(ReadRequest::Now, |reply| match reply {
            ReadReply::Now(seconds) => Ok(seconds),
            other => Err(misfit("the time", &other)),
        })
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
    pub fn requests(&self) -> &[ReadRequest] {
        &self.0
    }
}

/// The answers to a [`Batch`]; each can be taken once.
#[derive(Debug)]
pub struct Answers(Vec<Option<ReadReply>>);

/// What a folder holds: names with the file behind each, `None` without such a folder, or why it cannot be
/// listed.
pub type ListingAnswer = Result<Option<Vec<(Vec<u8>, FileFound)>>, String>;

impl Answers {
    /// Answers that came with the result of acts.
    #[must_use]
    pub fn new(replies: Vec<ReadReply>) -> Self {
        Self(replies.into_iter().map(Some).collect())
    }

    /// Takes the answer that a ticket is for.
    ///
    /// # Errors
    /// [`HostError::Unexpected`] where it is missing, or of another kind.
    pub fn take<T>(&mut self, ticket: Ticket<T>) -> Result<T, HostError> {
        let reply = (self.0.get_mut(ticket.place)).and_then(Option::take);
        let reply =
            reply.ok_or_else(|| HostError::Unexpected(format!("answer {} is missing", ticket.place)))?;
        (ticket.answer)(reply)
    }
}

/// Asks the host for one thing.
///
/// # Errors
/// The host's own.
pub fn ask<T>(host: &dyn ReadHost, request: impl FnOnce(&mut Batch) -> Ticket<T>) -> Result<T, HostError> {
    let mut batch = Batch::default();
    let ticket = request(&mut batch);
    batch.read(host)?.take(ticket)
}

fn file(reply: ReadReply) -> Result<FileFound, HostError> {
    match reply {
        ReadReply::File(found) => Ok(found),
        other => Err(misfit("a file", &other)),
    }
}

fn existence(reply: ReadReply) -> Result<PathExistence, HostError> {
    match reply {
        ReadReply::Exists(existence) => Ok(existence),
        other => Err(misfit("whether a path exists", &other)),
    }
}

fn output(reply: ReadReply) -> Result<CommandOutput, HostError> {
    match reply {
        ReadReply::Output(output) => Ok(output),
        other => Err(misfit("a command's output", &other)),
    }
}

fn first<T>(
    reply: ReadReply,
    answer: fn(ReadReply) -> Result<T, HostError>,
) -> Result<FirstAnswer<T>, HostError> {
    match reply {
        ReadReply::FirstOf(None) => Ok(None),
        ReadReply::FirstOf(Some((place, reply))) => Ok(Some((place, answer(*reply)?))),
        other => Err(misfit("the first of several", &other)),
    }
}

fn misfit(wanted: &str, got: &ReadReply) -> HostError {
    let got = match got {
        ReadReply::File(_) => "a file",
        ReadReply::Folder(_) => "a folder",
        ReadReply::Exists(_) => "whether a path exists",
        ReadReply::FirstOf(_) => "the first of several",
        ReadReply::Processes(_) => "processes",
        ReadReply::Output(_) => "a command's output",
        ReadReply::Now(_) => "the time",
        ReadReply::Paused => "a pause",
        ReadReply::Connection(_) => "the run's own connection",
    };
    HostError::Unexpected(format!("{wanted} was asked for, {got} came"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_was_asked_for_and_is_taken_once() {
        let mut batch = Batch::default();
        let (now, pause) = (batch.now(), batch.pause(Duration::ZERO));
        let mut answers = Answers::new(vec![ReadReply::Now(7), ReadReply::Now(8)]);
        assert_eq!(answers.take(now).ok(), Some(7));
        let told = |answer: Result<(), HostError>| answer.err().map(|error| error.to_string());
        let twice = answers.take(now).map(|_| ());
        assert!(told(twice).is_some_and(|text| text.ends_with("answer 0 is missing")));
        let other = answers.take(pause);
        assert!(told(other).is_some_and(|text| text.ends_with("a pause was asked for, the time came")));
    }
}
