//! A program on a terminal of its own, at which a test types.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::run::Run;

/// What stands between the terminal and the test.
const KEEPER: &str = include_str!("terminal.py");

/// A program that runs on a terminal; the terminal goes with this value.
pub struct Terminal {
    child: Child,
    shown: File,
}

impl Terminal {
    /// Starts a program as the one that has the terminal.
    pub fn run(run: Run) -> Self {
        let program = run.into_command();
        let shown = tempfile::tempfile().expect("a temporary file");
        let mut command = Command::new("python3");
        command.args(["-c", KEEPER]).arg(program.get_program()).args(program.get_args()).env_clear();
        for (name, value) in program.get_envs() {
            command.env(name, value.expect("a variable has a value"));
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(shown.try_clone().expect("a file"))
            .spawn()
            .expect("python3 runs (apt package python3)");
        Self { child, shown }
    }

    /// Types.
    pub fn say(&mut self, keys: &[u8]) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        input.write_all(keys).expect("the terminal is there");
        input.flush().expect("the terminal is there");
    }

    /// Waits until it shows a text.
    pub fn wait_for(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.shown().contains(text) {
            assert!(Instant::now() < end, "{text:?} does not come: {}", self.shown());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The exit code (none after a signal), and all that it showed; fails unless the terminal echoes as
    /// before.
    pub fn end(mut self) -> (Option<i32>, String) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.child.try_wait().expect("the child is ours").is_none() {
            assert!(Instant::now() < end, "it does not end: {}", self.shown());
            std::thread::sleep(Duration::from_millis(5));
        }
        let shown = self.shown();
        let last = shown.trim_end().rsplit('\n').next().unwrap_or_default();
        let (code, echo) = last.split_once(' ').expect("the last line tells how it ended");
        assert_eq!(echo, "echo", "the terminal is left as it was: {shown}");
        let code: i32 = code.parse().expect("a number");
        ((code >= 0).then_some(code), shown.clone())
    }

    fn shown(&mut self) -> String {
        // The keeper writes where this file stands: it is read without moving that place.
        let mut bytes = Vec::new();
        let mut copy = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.shown)))
            .expect("a file of our own");
        copy.rewind().expect("a file");
        copy.read_to_end(&mut bytes).expect("a file");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
