//! One connection: the `ssh` process, messages to the shell at its other end, and the replies.
//!
//! It knows nothing of what a message means. Once something went wrong the connection is over: what was sent
//! and not answered may have been carried out or not.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use memchr::memmem;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::super::deadline::Deadline;
use super::{MetadataPolicy, SignalReceiver, SshDestination, SshLogin};

/// What the other shell learns first.
const LIBRARY: &str = include_str!("remote.sh");

/// Starts `ssh`, or says that there is none. A watcher beside it ends it with `$end` when mailward is no
/// longer there to do so, e.g. while it waits for a host that does not answer: `$0` is the end of a pipe that
/// mailward holds.
const START: &str = "command -v \"$1\" >/dev/null || { echo \"$1 is not installed\" >&2; exit 254; }
(exec <\"$0\" >/dev/null 2>&1; read -r line || kill -$end $$) &
exec \"$@\"";

/// The exit code where there is no `ssh`.
const NO_SSH: i32 = 254;

/// The longest reply, in bytes: what the largest host has to say takes a tenth of it.
const REPLY_CAP: usize = 128 * 1024 * 1024;

/// How long `ssh` may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// The most that is kept of what `ssh` and the other shell write to standard error: its end.
const TOLD: usize = 4096;

/// The most that they may write there in all, in bytes.
const TOLD_CAP: u64 = 16 * 1024 * 1024;

/// How many times the longest silence a message and its reply may take, beside the time of their bytes at
/// [`SLOWEST`].
const PATIENCE: u32 = 4;

/// Bytes a second that the slowest line moves.
const SLOWEST: usize = 4096;

/// The most that a login may print before the first reply, in bytes.
const NOISE_CAP: usize = 1024 * 1024;

/// The connection is over.
#[derive(Debug, Clone)]
pub(super) struct ConnectionLost {
    /// Why.
    pub why: String,
    /// The beginning of a reply, as far as it came.
    pub begun: Vec<u8>,
    /// What frames it.
    pub key: String,
}

impl ConnectionLost {
    /// It was over before anything was asked.
    pub(super) fn before(why: &str) -> Self {
        Self { why: why.to_owned(), begun: Vec::new(), key: String::new() }
    }
}

/// A connection to a shell.
#[derive(Debug)]
pub(super) struct SshSession {
    ssh: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// Standard error, until it ends.
    errors: Option<ChildStderr>,
    /// The end of what came there, and how much that was in all.
    told: (Vec<u8>, u64),
    patience: Duration,
    waits: bool,
    /// What the watcher beside `ssh` reads.
    watcher: OwnedFd,
    /// The terminal, and how it was before `ssh` got to it.
    terminal: Option<(File, Termios)>,
    /// What frames replies; only root on the host gets to see it.
    pub key: String,
    /// What begins a line about a file's metadata; others on the host may see it.
    pub tag: String,
    greeting: Option<Vec<u8>>,
}

impl SshSession {
    /// Starts `ssh`; that the host can be reached shows at the first [`SshSession::exchange`].
    pub(super) fn start(destination: &SshDestination) -> std::io::Result<Self> {
        let signals = match destination.signals {
            // At a prompt it gives the terminal back as it was.
            SignalReceiver::All => "end=TERM",
            SignalReceiver::RunOnly => "trap '' HUP INT QUIT TERM; end=KILL",
        };
        let start = format!("{signals}; {START}");
        let terminal =
            File::open("/dev/tty").ok().and_then(|file| tcgetattr(&file).ok().map(|was| (file, was)));
        let (watched, watcher) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfd(&watched, FdFlags::empty())?;
        let mut ssh = Command::new("/bin/sh")
            .args(["-c", &start])
            .arg(format!("/proc/self/fd/{}", watched.as_raw_fd()))
            .arg(&destination.program)
            .arg("-T")
            .args(destination.options.iter().flat_map(|option| argument(option)))
            .args(["--", &destination.name, shell(destination.login)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let streams = (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take());
        let (Some(input), Some(output), Some(errors)) = streams else {
            return Err(std::io::Error::other("ssh has no pipes"));
        };
        never_block(&input)?;
        never_block(&output)?;
        never_block(&errors)?;
        let (key, tag) = (random()?, random()?);
        let unseen = match destination.metadata {
            MetadataPolicy::Shown => "refused",
            MetadataPolicy::Unseen => "allowed",
        };
        let greeting = format!("{LIBRARY}key={key} tag={tag} unseen={unseen}\n");
        Ok(Self {
            ssh,
            input: Some(input),
            output,
            errors: Some(errors),
            told: (Vec::new(), 0),
            patience: destination.patience,
            waits: false,
            watcher,
            terminal,
            key,
            tag,
            greeting: Some(greeting.into_bytes()),
        })
    }

    /// Sends a message and gives what came between the marks of its reply.
    ///
    /// `busy` is how long the host may be silent because of what it is asked to do. However little it says at
    /// a time, it has said all of it in a few times that, or the connection is given up.
    pub(super) fn exchange(
        &mut self,
        message: &[u8],
        busy: Duration,
        deadline: &Deadline,
    ) -> Result<Vec<u8>, ConnectionLost> {
        let first = self.greeting.take();
        let mut unsent = first.clone().unwrap_or_default();
        unsent.extend_from_slice(message);
        let begin = format!("\n{} begin\n", self.key).into_bytes();
        let end = format!("{} end\n", self.key).into_bytes();
        let mut sent = 0;
        let mut came = Vec::new();
        let mut reply: Option<usize> = None;
        let mut searched: usize = 0;
        let began = Instant::now();
        let mut silent_since = began;
        loop {
            let silence = (self.patience + busy).saturating_sub(silent_since.elapsed());
            let moved = u64::try_from((sent + came.len()) / SLOWEST).unwrap_or(u64::MAX);
            let whole = (self.patience + busy) * PATIENCE + Duration::from_secs(moved);
            let whole = whole.saturating_sub(began.elapsed());
            let run = deadline.cuts().unwrap_or(Duration::MAX);
            match self.turn(&unsent[sent..], &mut came, silence.min(whole).min(run)) {
                Ok(SessionTurn::Sent(count)) => {
                    sent += count;
                    silent_since = Instant::now();
                }
                Ok(SessionTurn::Came) => silent_since = Instant::now(),
                Ok(SessionTurn::Nothing) => continue,
                Ok(SessionTurn::End) => {
                    let begun = reply.map_or_else(Vec::new, |start| came.split_off(start));
                    return Err(self.ended(&came, begun, first.is_some() && reply.is_none()));
                }
                Ok(SessionTurn::Silence) => {
                    let begun = reply.map_or_else(Vec::new, |start| came.split_off(start));
                    let why = if deadline.cuts().is_some_and(|left| left.is_zero()) {
                        let seconds = deadline.seconds();
                        format!("the run has taken the {seconds} s that it may (--deadline)")
                    } else if silent_since.elapsed() >= self.patience + busy {
                        format!("no answer for {} s", (self.patience + busy).as_secs())
                    } else {
                        let seconds = began.elapsed().as_secs();
                        format!("it answers too slowly: {} bytes in {seconds} s", came.len())
                    };
                    return Err(self.give_up(&why, begun));
                }
                Err(error) => {
                    let begun = reply.map_or_else(Vec::new, |start| came.split_off(start));
                    return Err(self.give_up(&error.to_string(), begun));
                }
            }
            if reply.is_none() {
                reply = memmem::find(&came, &begin).map(|place| place + begin.len());
                if reply.is_none() && came.len() > NOISE_CAP {
                    return Err(self.give_up("the login prints without end", Vec::new()));
                }
            }
            if let Some(start) = reply {
                // What has been searched already can hold no more than the beginning of the mark.
                let from = searched.saturating_sub(end.len()).max(start);
                if let Some(place) = memmem::find(&came[from..], &end) {
                    came.truncate(from + place);
                    came.drain(..start);
                    return Ok(came);
                }
                searched = came.len();
                if came.len() > REPLY_CAP {
                    return Err(self.give_up("it answers without end: more than 128 MiB", Vec::new()));
                }
            }
        }
    }

    /// Sends or receives something, or waits in vain.
    fn turn(&mut self, unsent: &[u8], came: &mut Vec<u8>, left: Duration) -> std::io::Result<SessionTurn> {
        // What is heard on standard error is no answer.
        if left.is_zero() {
            return Ok(SessionTurn::Silence);
        }
        let mut ends = vec![PollFd::new(&self.output, PollFlags::IN)];
        if let Some(input) = &self.input
            && !unsent.is_empty()
        {
            ends.push(PollFd::new(input, PollFlags::OUT));
        }
        let sending = ends.len() > 1;
        if let Some(errors) = &self.errors {
            ends.push(PollFd::new(errors, PollFlags::IN));
        }
        match poll(&mut ends, timespec(left).as_ref()) {
            Ok(0) => return Ok(SessionTurn::Silence),
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(SessionTurn::Nothing),
            Err(error) => return Err(error.into()),
        }
        let readable = !ends[0].revents().is_empty();
        let is_ready = |end: &PollFd<'_>| !end.revents().is_empty();
        let writable = sending && ends.get(1).is_some_and(is_ready);
        let told = self.errors.is_some() && ends.last().is_some_and(is_ready);
        drop(ends);
        if told {
            self.hear()?;
        }
        if readable {
            came.reserve(64 * 1024);
            let before = came.len();
            let room = came.capacity();
            came.resize(room.min(before + 1024 * 1024), 0);
            let read = self.output.read(&mut came[before..]);
            came.truncate(before + read.as_ref().map_or(0, |count| *count));
            return match read {
                Ok(0) => Ok(SessionTurn::End),
                Ok(_) => Ok(SessionTurn::Came),
                Err(error) if is_passing(&error) => Ok(SessionTurn::Nothing),
                Err(error) => Err(error),
            };
        }
        if writable && let Some(input) = &mut self.input {
            return match input.write(unsent) {
                Ok(count) => Ok(SessionTurn::Sent(count)),
                Err(error) if is_passing(&error) => Ok(SessionTurn::Nothing),
                // What it says of its end is still to be read.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    self.input = None;
                    Ok(SessionTurn::Nothing)
                }
                Err(error) => Err(error),
            };
        }
        Ok(SessionTurn::Nothing)
    }

    /// Takes what came on standard error, and keeps its end.
    fn hear(&mut self) -> std::io::Result<()> {
        let Some(errors) = &mut self.errors else {
            return Ok(());
        };
        let mut part = [0; 16 * 1024];
        match errors.read(&mut part) {
            Ok(0) => self.errors = None,
            Ok(count) => {
                let (kept, all) = &mut self.told;
                kept.extend_from_slice(&part[..count]);
                kept.drain(..kept.len().saturating_sub(TOLD));
                *all = all.saturating_add(count as u64);
                if *all > TOLD_CAP {
                    return Err(std::io::Error::other("its standard error has no end: more than 16 MiB"));
                }
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The connection was closed from the other end.
    fn ended(&mut self, noise: &[u8], begun: Vec<u8>, never_began: bool) -> ConnectionLost {
        self.input = None;
        let status = self.wait();
        let mut why = match status.map(|status| (status.code(), status)) {
            Some((Some(NO_SSH), _)) if never_began => "ssh cannot be run".to_owned(),
            Some((Some(code), _)) => format!("ssh ended with exit code {code}"),
            Some((None, status)) => format!("ssh ended: {status}"),
            None => "the connection was closed".to_owned(),
        };
        let mut said = self.told();
        if never_began {
            said.push(b'\n');
            said.extend_from_slice(noise);
        }
        let said = last_lines(&said);
        // 255 is an error of ssh itself (ssh(1)); any other code was given by the other side.
        if never_began && !matches!(status.and_then(|status| status.code()), Some(NO_SSH | 255)) {
            why.push_str(" before a POSIX shell answered");
        }
        if !said.is_empty() {
            why = format!("{why}: {said}");
        }
        let key = self.key.clone();
        ConnectionLost { why, begun, key }
    }

    fn give_up(&mut self, why: &str, begun: Vec<u8>) -> ConnectionLost {
        // Nothing that it still does can be of use.
        self.kill();
        let said = last_lines(&self.told());
        let why = if said.is_empty() { why.to_owned() } else { format!("{why}: {said}") };
        let key = self.key.clone();
        ConnectionLost { why, begun, key }
    }

    /// Waits a moment for `ssh` to end, and ends it where it does not.
    fn wait(&mut self) -> Option<ExitStatus> {
        let end = Instant::now() + GRACE;
        let handle = pidfd_open(Pid::from_child(&self.ssh), PidfdFlags::empty()).ok();
        while let left = end.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            match self.ssh.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => {}
                Err(_) => return None,
            }
            match &handle {
                Some(handle) => {
                    let mut ends = vec![PollFd::new(handle, PollFlags::IN)];
                    if let Some(errors) = &self.errors {
                        ends.push(PollFd::new(errors, PollFlags::IN));
                    }
                    // What it says is asked again above.
                    let _ = poll(&mut ends, timespec(left).as_ref());
                    drop(ends);
                    // It ends only when it is rid of what it has to say.
                    if self.hear().is_err() {
                        break;
                    }
                }
                // A kernel before 5.3.
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        self.kill();
        None
    }

    /// Ends `ssh`, and gives the terminal back as it was: it may have been asking for a password.
    fn kill(&mut self) {
        let _ = self.ssh.kill();
        let _ = self.ssh.wait();
        if let Some((terminal, was)) = &self.terminal {
            let _ = tcsetattr(terminal, OptionalActions::Now, was);
        }
    }

    /// Has the end of this session wait for the end of `ssh`, and so for the lock to be free.
    pub(super) fn wait_at_end(&mut self) {
        self.waits = true;
    }

    /// The end of what `ssh` and the other shell wrote to standard error.
    fn told(&mut self) -> Vec<u8> {
        let mut before = None;
        while self.errors.is_some() && before != Some(self.told.1) {
            before = Some(self.told.1);
            if self.hear().is_err() {
                break;
            }
        }
        self.told.0.clone()
    }
}

impl Drop for SshSession {
    /// Ends the other shell, which gives the lock back.
    fn drop(&mut self) {
        self.input = None;
        if self.waits {
            self.wait();
        }
        // From here on `ssh` ends by itself, or has ended.
        let _ = rustix::io::write(&self.watcher, b"\n");
    }
}

/// What came of one turn.
enum SessionTurn {
    Sent(usize),
    Came,
    Nothing,
    End,
    Silence,
}

/// A time as poll(2) takes it; one that is too long for it is none.
fn timespec(time: Duration) -> Option<Timespec> {
    time.try_into().ok()
}

fn is_passing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn never_block(end: impl AsFd) -> std::io::Result<()> {
    let flags = fcntl_getfl(&end)?;
    Ok(fcntl_setfl(&end, flags | OFlags::NONBLOCK)?)
}

/// An option as `ssh` takes it: what begins with a dash as it is, anything else as one of ssh_config(5).
fn argument(option: &str) -> Vec<&str> {
    if option.starts_with('-') { vec![option] } else { vec!["-o", option] }
}

/// What the login shell is asked to run. Any shell understands it, be it POSIX, csh or fish, to which all of
/// it is plain words; the environment that it made is left behind, all but what sshd says of the connection.
const fn shell(login: SshLogin) -> &'static str {
    match login {
        SshLogin::Direct => r#"exec sh -c 'exec env -i SSH_CONNECTION="$SSH_CONNECTION" sh'"#,
        // sudoers need to allow no more than sh. An old sudo is no process that could be asked later, and
        // takes the variables away.
        SshLogin::Sudo => {
            r#"exec sh -c 'exec sudo -n sh -c "exec env -i SSH_CONNECTION=\"\$1\" sh" sh "$SSH_CONNECTION"'"#
        }
    }
}

/// 128 random bits in hex.
fn random() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The last lines of a text that say something, on one line and harmless for a terminal.
fn last_lines(text: &[u8]) -> String {
    let lines: Vec<_> = text
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .map(crate::model::printable::text)
        .collect();
    let from = lines.len().saturating_sub(3);
    lines[from..].join(" / ")
}
