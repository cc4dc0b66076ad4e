//! A line to a host that counts the messages on it, and breaks or falls silent where a test wants it to.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What happens to the line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// The `ssh` behind it is killed, and it ends like an `ssh` that has lost its connection.
    Cut,
    /// No byte passes any more, in either direction, until the program gives up.
    Hang,
}

/// When it happens to it, seen from one message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// Before any of the message is passed on.
    Before,
    /// When half of the message's bytes have left for the host.
    HalfMessage,
    /// When the whole message has left for the host; no answer is passed back.
    Sent,
    /// When the host has done with the message and answered; nothing of the answer is passed back.
    AnswerLost,
    /// When half of the answer's bytes have been passed back.
    HalfAnswer,
}

impl Moment {
    /// All moments, in the order of time.
    pub const ALL: [Self; 5] =
        [Self::Before, Self::HalfMessage, Self::Sent, Self::AnswerLost, Self::HalfAnswer];

    fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::HalfMessage => "half-message",
            Self::Sent => "sent",
            Self::AnswerLost => "answer-lost",
            Self::HalfAnswer => "half-answer",
        }
    }
}

/// One message and what came back before the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Trip {
    /// Bytes of the message, with the line that ends it.
    pub message: usize,
    /// Bytes that the host wrote since.
    pub answer: usize,
}

/// A program that is used in place of `ssh`: it runs `ssh` and passes on what is said.
pub struct Line {
    folder: TempDir,
}

impl Line {
    /// Makes a line that only counts.
    pub fn counting() -> Self {
        Self::new("never", "before", 0)
    }

    /// Makes a line that fails once, at one moment of one message (the first is 1); later connections are
    /// sound.
    pub fn failing(fate: Fate, moment: Moment, message: usize) -> Self {
        assert!(message > 0, "messages are counted from 1");
        let fate = match fate {
            Fate::Cut => "cut",
            Fate::Hang => "hang",
        };
        Self::new(fate, moment.name(), message)
    }

    fn new(fate: &str, moment: &str, message: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = format!(
            "#!/bin/sh\nexec python3 -I '{}/tests/suite/support/ssh/line.py' '{}' {fate} {moment} {message} \"$@\"\n",
            env!("CARGO_MANIFEST_DIR"),
            folder.path().display(),
        );
        let program = folder.path().join("ssh");
        std::fs::write(&program, script).expect("a temporary file");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))
            .expect("a file of our own");
        Self { folder }
    }

    /// The program to use in place of `ssh`.
    pub fn program(&self) -> PathBuf {
        self.folder.path().join("ssh")
    }

    /// How often the program was started.
    pub fn connections(&self) -> usize {
        self.log().lines().filter(|line| *line == "connect").count()
    }

    /// The messages that were passed on in full, in order, over all connections.
    pub fn trips(&self) -> Vec<Trip> {
        let number = |text: &str| text.parse().expect("a number of bytes");
        let mut trips: Vec<Trip> = Vec::new();
        for line in self.log().lines() {
            match line.split_once(' ') {
                Some(("message", bytes)) => trips.push(Trip { message: number(bytes), answer: 0 }),
                Some(("answer", bytes)) => {
                    let last = trips.last_mut().expect("an answer follows a message");
                    last.answer = number(bytes);
                }
                _ => {}
            }
        }
        trips
    }

    /// Returns whether the line has failed by now.
    pub fn failed(&self) -> bool {
        Path::exists(&self.folder.path().join("failed"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
