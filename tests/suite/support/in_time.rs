//! Waits that end: for children, and for what comes out of a pipe. Whatever hangs fails its test, by name,
//! and not the whole run. Must know nothing of what it waits for.

use std::fmt::Debug;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Time that a test waits for anything; far more than anything takes on a slow and busy machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A command that must end within [`PATIENCE`].
pub trait CommandInTime {
    /// Runs it without input and returns what it wrote; kills one that does not end, and fails.
    fn output_in_time(&mut self) -> Result<Output>;

    /// Runs it and returns how it ended; kills one that does not end, and fails.
    fn status_in_time(&mut self) -> Result<ExitStatus>;
}

impl CommandInTime for Command {
    fn output_in_time(&mut self) -> Result<Output> {
        let child = self.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        output(child, self, PATIENCE)
    }

    fn status_in_time(&mut self) -> Result<ExitStatus> {
        let mut child = self.spawn()?;
        status(&mut child, self, PATIENCE)
    }
}

/// A child that must end within a time. Its input, if it is a pipe, ends first.
pub trait ChildInTime {
    /// Returns how it ended; kills one that does not end, and fails.
    fn wait_within(&mut self, limit: Duration) -> Result<ExitStatus>;

    /// Returns what it wrote; kills one that does not end, or leaves its output open to others, and fails.
    fn output_within(self, limit: Duration) -> Result<Output>;

    /// Waits for its end, and kills one that does not end: for `drop`, which must not fail.
    fn end_within(&mut self, limit: Duration);
}

impl ChildInTime for Child {
    fn wait_within(&mut self, limit: Duration) -> Result<ExitStatus> {
        drop(self.stdin.take());
        let named = named(self);
        status(self, &named, limit)
    }

    fn output_within(mut self, limit: Duration) -> Result<Output> {
        drop(self.stdin.take());
        let named = named(&self);
        output(self, &named, limit)
    }

    fn end_within(&mut self, limit: Duration) {
        drop(self.stdin.take());
        if !matches!(ended(self, Instant::now() + limit), Ok(Some(_))) {
            let _ = self.kill();
            let _ = self.wait();
        }
    }
}

/// The reading end of a pipe, each read of which must bring something within a time; an error of kind
/// `TimedOut` otherwise.
pub struct InTime<R> {
    pipe: R,
    limit: Duration,
}

impl<R> InTime<R> {
    /// Gives each read this much time.
    pub fn new(pipe: R, limit: Duration) -> Self {
        Self { pipe, limit }
    }
}

impl<R: Read + AsFd> Read for InTime<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        read_until(&mut self.pipe, buffer, Instant::now() + self.limit)
    }
}

fn read_until<R: Read + AsFd>(pipe: &mut R, buffer: &mut [u8], end: Instant) -> Result<usize> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(Error::other)?;
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(Error::new(ErrorKind::TimedOut, "nothing comes")),
            Ok(_) => return pipe.read(buffer),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn output(mut child: Child, what: &dyn Debug, limit: Duration) -> Result<Output> {
    let end = Instant::now() + limit;
    // Both at once: a child that fills one pipe while the other is read would wait for ever.
    let stdout = child.stdout.take().map(|pipe| all(pipe, end));
    let stderr = child.stderr.take().map(|pipe| all(pipe, end));
    let join = |all: Option<JoinHandle<(Vec<u8>, Result<()>)>>| {
        all.map_or((Vec::new(), Ok(())), |all| all.join().expect("it does not panic"))
    };
    let ((stdout, out), (stderr, err)) = (join(stdout), join(stderr));
    let failed = match ended(&mut child, end)? {
        None => "did not end",
        Some(_) if out.is_err() || err.is_err() => "ended, but left its output open to others",
        Some(status) => {
            return Ok(Output { status, stdout, stderr });
        }
    };
    let _ = child.kill();
    let _ = child.wait();
    panic!(
        "{what:?} {failed} within {limit:?}; stdout: {:?}; stderr: {:?}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
}

/// Reads a pipe to its end, on a thread of its own; what has come is returned also where the end does not
/// come.
fn all<R: Read + AsFd + Send + 'static>(mut pipe: R, end: Instant) -> JoinHandle<(Vec<u8>, Result<()>)> {
    std::thread::spawn(move || {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 8192]);
        loop {
            match read_until(&mut pipe, &mut buffer, end) {
                Ok(0) => return (bytes, Ok(())),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) => return (bytes, Err(error)),
            }
        }
    })
}

fn status(child: &mut Child, what: &dyn Debug, limit: Duration) -> Result<ExitStatus> {
    if let Some(status) = ended(child, Instant::now() + limit)? {
        return Ok(status);
    }
    let _ = child.kill();
    let _ = child.wait();
    panic!("{what:?} did not end within {limit:?}");
}

/// How a child ended; none if it has not when the time is over.
fn ended(child: &mut Child, end: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > end {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The arguments of a child that runs.
fn named(child: &Child) -> String {
    let argv = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
    String::from_utf8_lossy(&argv).replace('\0', " ")
}
