//! Builds a batch of requests and hands out each answer with its type: a ticket knows what kind of answer it is for.

use std::fmt;
use std::time::Duration;

use super::{
    Command, Connection, Existence, Found, HostError, Output, Process, ReadHost, Reply, Request,
};
use crate::model::HostPath;

/// Requests that are collected before they are asked in one go.
#[derive(Debug, Default)]
pub struct Batch(Vec<Request>);

/// A ticket for the answer to one request, which is a `T`.
#[must_use = "an answer that nobody takes need not be asked for"]
pub struct Ticket<T> {
    /// The request's place in the batch.
    place: usize,
    /// Takes the answer for what it must be.
    answer: fn(Reply) -> Result<T, HostError>,
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
    fn push<T>(
        &mut self,
        request: Request,
        answer: fn(Reply) -> Result<T, HostError>,
    ) -> Ticket<T> {
        self.0.push(request);
        let place = self.0.len() - 1;
        Ticket { place, answer }
    }

    /// Asks for a file.
    pub fn file(&mut self, path: HostPath) -> Ticket<Found> {
        self.push(Request::File(path), file)
    }

    /// Asks for the first of some files that exists.
    pub fn first_file(
        &mut self,
        paths: impl IntoIterator<Item = HostPath>,
    ) -> Ticket<FirstAnswer<Found>> {
        let files = paths.into_iter().map(Request::File).collect();
        self.push(Request::FirstOf(files), |reply| first(reply, file))
    }

    /// Asks for a folder's files.
    pub fn folder(&mut self, path: HostPath) -> Ticket<Listing> {
        self.push(Request::Folder(path), |reply| match reply {
            Reply::Folder(listing) => Ok(listing),
            other => Err(misfit("a folder", &other)),
        })
    }

    /// Asks whether a path exists.
    pub fn exists(&mut self, path: HostPath) -> Ticket<Existence> {
        self.push(Request::Exists(path), existence)
    }

    /// Asks for the first of some paths that exists: its place in the list.
    pub fn first_existing(
        &mut self,
        paths: impl IntoIterator<Item = HostPath>,
    ) -> Ticket<Option<usize>> {
        let paths = paths.into_iter().map(Request::Exists).collect();
        self.push(Request::FirstOf(paths), |reply| {
            Ok(first(reply, existence)?.map(|(place, _)| place))
        })
    }

    /// Asks for the processes of these programs.
    pub fn processes(&mut self, programs: Vec<&'static str>) -> Ticket<Vec<Process>> {
        self.push(Request::Processes(programs), |reply| match reply {
            Reply::Processes(processes) => Ok(processes),
            other => Err(misfit("processes", &other)),
        })
    }

    /// Asks for what a reading command prints.
    pub fn output(&mut self, command: Command) -> Ticket<Output> {
        self.push(Request::Output(command), output)
    }

    /// Asks for what the first of some reading commands prints that can be started.
    pub fn first_output(
        &mut self,
        commands: impl IntoIterator<Item = Command>,
    ) -> Ticket<FirstAnswer<Output>> {
        let commands = commands.into_iter().map(Request::Output).collect();
        self.push(Request::FirstOf(commands), |reply| first(reply, output))
    }

    /// Asks for the run's own connection.
    pub fn connection(&mut self) -> Ticket<Connection> {
        self.push(Request::Connection, |reply| match reply {
            Reply::Connection(connection) => Ok(connection),
            other => Err(misfit("the run's own connection", &other)),
        })
    }

    /// Has the requests behind it answered so much later.
    pub fn pause(&mut self, pause: Duration) -> Ticket<()> {
        self.push(Request::Pause(pause), |reply| match reply {
            Reply::Paused => Ok(()),
            other => Err(misfit("a pause", &other)),
        })
    }

    /// Asks for the host's clock, in seconds since 1970.
    pub fn now(&mut self) -> Ticket<i64> {
        self.push(Request::Now, |reply| match reply {
            Reply::Now(seconds) => Ok(seconds),
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

    /// Takes the answer that a ticket is for.
    ///
    /// # Errors
    /// [`HostError::Unexpected`] where it is missing, or of another kind.
    pub fn take<T>(&mut self, ticket: Ticket<T>) -> Result<T, HostError> {
        let reply = (self.0.get_mut(ticket.place)).and_then(Option::take);
        let reply = reply
            .ok_or_else(|| HostError::Unexpected(format!("answer {} is missing", ticket.place)))?;
        (ticket.answer)(reply)
    }
}

/// Asks the host for one thing.
///
/// # Errors
/// The host's own.
pub fn ask<T>(
    host: &dyn ReadHost,
    request: impl FnOnce(&mut Batch) -> Ticket<T>,
) -> Result<T, HostError> {
    let mut batch = Batch::default();
    let ticket = request(&mut batch);
    batch.read(host)?.take(ticket)
}

fn file(reply: Reply) -> Result<Found, HostError> {
    match reply {
        Reply::File(found) => Ok(found),
        other => Err(misfit("a file", &other)),
    }
}

fn existence(reply: Reply) -> Result<Existence, HostError> {
    match reply {
        Reply::Exists(existence) => Ok(existence),
        other => Err(misfit("whether a path exists", &other)),
    }
}

fn output(reply: Reply) -> Result<Output, HostError> {
    match reply {
        Reply::Output(output) => Ok(output),
        other => Err(misfit("a command's output", &other)),
    }
}

fn first<T>(
    reply: Reply,
    answer: fn(Reply) -> Result<T, HostError>,
) -> Result<FirstAnswer<T>, HostError> {
    match reply {
        Reply::FirstOf(None) => Ok(None),
        Reply::FirstOf(Some((place, reply))) => Ok(Some((place, answer(*reply)?))),
        other => Err(misfit("the first of several", &other)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_was_asked_for_and_is_taken_once() {
        let mut batch = Batch::default();
        let (now, pause) = (batch.now(), batch.pause(Duration::ZERO));
        let mut answers = Answers::new(vec![Reply::Now(7), Reply::Now(8)]);
        assert_eq!(answers.take(now).ok(), Some(7));
        let told = |answer: Result<(), HostError>| answer.err().map(|error| error.to_string());
        let twice = answers.take(now).map(|_| ());
        assert!(told(twice).is_some_and(|text| text.ends_with("answer 0 is missing")));
        let other = answers.take(pause);
        assert!(
            told(other).is_some_and(|text| text.ends_with("a pause was asked for, the time came"))
        );
    }
}
