//! One program run to its end within a time limit. Output goes to unnamed files, not pipes: a daemon that a
//! command leaves behind may keep them open without keeping the test.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Time in which a program must end unless it is given another.
const LIMIT: Duration = Duration::from_secs(60);

/// A program about to run, in a host or on the machine.
#[must_use = "nothing runs before `run`"]
pub struct Run {
    argv: Vec<String>,
    command: Command,
    input: Vec<u8>,
    limit: Duration,
}

impl Run {
    /// Takes a command as it is; `argv` names it where it fails.
    pub fn new(argv: Vec<String>, command: Command) -> Self {
        Self { argv, command, input: Vec::new(), limit: LIMIT }
    }

    /// Returns the command itself, for a test that looks after the process on its own.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it something to read.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Changes the time in which it must end.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end; when the time is up it is killed, and the test fails.
    pub fn run(mut self) -> Output {
        let mut stdout = tempfile::tempfile().expect("a temporary file");
        let mut stderr = tempfile::tempfile().expect("a temporary file");
        let mut stdin = tempfile::tempfile().expect("a temporary file");
        stdin.write_all(&self.input).expect("a temporary file");
        stdin.rewind().expect("a temporary file");
        let mut child = self
            .command
            .stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::from(stdin) })
            .stdout(Stdio::from(stdout.try_clone().expect("a file")))
            .stderr(Stdio::from(stderr.try_clone().expect("a file")))
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.argv));
        let end = Instant::now() + self.limit;
        let status = loop {
            if let Some(status) = child.try_wait().expect("the child is ours") {
                break status;
            }
            if Instant::now() > end {
                child.kill().expect("the child is ours");
                child.wait().expect("the child is ours");
                panic!(
                    "{:?} did not end within {:?}; stdout: {:?}; stderr: {:?}",
                    self.argv,
                    self.limit,
                    text(&mut stdout),
                    text(&mut stderr)
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        Output { argv: self.argv, status, stdout: text(&mut stdout), stderr: text(&mut stderr) }
    }
}

/// How a program ended, and what it wrote.
#[derive(Clone, Debug)]
pub struct Output {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// Returns its exit code; fails where a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:#?}"))
    }

    /// Returns the signal that ended it, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Returns what it wrote to standard output; fails unless it ended with 0.
    pub fn success(self) -> String {
        assert!(self.status.success(), "{self:#?}");
        self.stdout
    }
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("a temporary file");
    file.read_to_end(&mut bytes).expect("a temporary file");
    String::from_utf8_lossy(&bytes).into_owned()
}
