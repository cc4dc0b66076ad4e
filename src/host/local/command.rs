//! Runs a program without a shell, in an environment that does not depend on who started mailward.
//!
//! What it prints goes to nameless files, not to pipes: a daemon that it leaves behind keeps them, and must
//! neither make us wait nor die of SIGPIPE later.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{
    AtFlags, CWD, MemfdFlags, Mode, OFlags, fcntl_setfl, fstat, ftruncate, memfd_create, openat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::files;
use super::tree::{PathRoot, reason};
use crate::host::{
    CommandEnding, CommandOutput, FileFound, HostCommand, SHARED_WINDOW, STATE, SecretVariable, WINDOWS,
    rules,
};

/// When a stream's file is this much above [`HostCommand::cap`] it is cut back while the command runs, in
/// bytes.
const CUT_ABOVE: u64 = 1024 * 1024;

/// How long a killed command is waited for; only one that hangs in the kernel takes longer.
const GRACE: Duration = Duration::from_secs(1);

/// The longest sleep between two looks at a running command.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// Runs a command to its end or its deadline.
///
/// # Errors
/// What keeps it from being watched; a program that cannot be started is an [`CommandOutput`] whose `stderr`
/// says why.
pub(super) fn run(tree: &PathRoot, command: &HostCommand) -> std::io::Result<CommandOutput> {
    if let Err(why) = rules::may_run(command) {
        return Ok(not_started(why.to_owned()));
    }
    let program = match tree.program(command.program.as_str().as_bytes()) {
        Ok(program) => program,
        Err(error) => return Ok(not_started(reason(error))),
    };
    let secret = match command.secret.as_ref().map(|secret| value(tree, secret)) {
        None => None,
        Some(Ok(value)) => Some(value),
        Some(Err(why)) => return Ok(not_started(why)),
    };
    let stdout = nameless(tree)?;
    let stderr = nameless(tree)?;
    let deadline = Instant::now() + command.deadline.min(rules::LONGEST_WAIT);
    let mut child = match start(tree, &program, command, secret, [&stdout, &stderr]) {
        Ok(child) => child,
        Err(error) => return Ok(not_started(error.to_string())),
    };
    let cap = command.cap as u64;
    let status = watch(&mut child, deadline, [&stdout, &stderr], cap).inspect_err(|_| {
        // Whoever is told that it failed acts on that: it must not go on meanwhile.
        end_unwatched(&mut child);
    })?;
    Ok(CommandOutput {
        end: match status {
            None => CommandEnding::TimedOut,
            Some(status) => end(status),
        },
        stdout: head(&stdout, cap)?,
        stderr: head(&stderr, cap)?,
    })
}

fn not_started(why: String) -> CommandOutput {
    CommandOutput { end: CommandEnding::NotStarted, stdout: Vec::new(), stderr: why.into_bytes() }
}

fn end(status: ExitStatus) -> CommandEnding {
    match (status.code(), status.signal()) {
        (Some(code), _) => CommandEnding::Code(code),
        (None, Some(signal)) => CommandEnding::Signal(signal),
        // A status that is neither is not one of an ended process; wait(2) gives none.
        (None, None) => CommandEnding::TimedOut,
    }
}

fn start(
    tree: &PathRoot,
    program: &Path,
    command: &HostCommand,
    secret: Option<(&str, OsString)>,
    [stdout, stderr]: [&File; 2],
) -> std::io::Result<Child> {
    let mut starter = std::process::Command::new(program);
    starter
        .args(arguments(tree, command))
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("HOME", "/root")
        .current_dir("/")
        .envs(command.environment.iter().map(|(name, value)| (name, value)))
        .envs(secret)
        .stdin(input(tree, &command.input)?)
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .process_group(0);
    if let PathRoot::Below(below) = tree {
        starter.env("MAILWARD_ROOT", &below.path).current_dir(&below.path);
    }
    let mut tries = 0;
    loop {
        match starter.spawn() {
            // Somebody still writes the program, or has just forked while writing it.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy && tries < 10 => {
                tries += 1;
                std::thread::sleep(LONGEST_SLEEP);
            }
            other => return other,
        }
    }
}

/// A command's arguments. Below a root those that name mailward's own files are the tree's: a program that
/// knows nothing of the root would take them for the machine's.
fn arguments(tree: &PathRoot, command: &HostCommand) -> Vec<OsString> {
    let own = [format!("{STATE}/"), format!("{WINDOWS}/"), SHARED_WINDOW.to_owned()];
    let argument = |argument: &String| match tree {
        PathRoot::Below(below) if own.iter().any(|own| argument.starts_with(own)) => {
            let mut path = below.path.clone().into_os_string();
            path.push(argument);
            path
        }
        PathRoot::Below(_) | PathRoot::Machine => OsString::from(argument),
    };
    command.arguments.iter().map(argument).collect()
}

/// What the secret's variable is, or why it cannot be had.
fn value<'a>(tree: &PathRoot, secret: &'a SecretVariable) -> Result<(&'a str, OsString), String> {
    let cannot = |why: &str| Err(format!("cannot read {}: {why}", secret.file));
    let mut bytes = match files::file(tree, &secret.file) {
        FileFound::File(file) => file.bytes,
        FileFound::Missing => return cannot("it is missing"),
        FileFound::NotRegular => return cannot("it is not a regular file"),
        FileFound::Unreadable(why) => return cannot(&why),
    };
    while bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.contains(&0) {
        return cannot("it holds a NUL byte");
    }
    Ok((secret.variable, OsString::from_vec(bytes)))
}

/// A standard input that holds these bytes.
fn input(tree: &PathRoot, bytes: &[u8]) -> std::io::Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = nameless(tree)?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Waits for the child itself, not for what it leaves behind; `None` if its group had to be killed.
fn watch(
    child: &mut Child,
    deadline: Instant,
    streams: [&File; 2],
    cap: u64,
) -> std::io::Result<Option<ExitStatus>> {
    let mut sleep = Duration::from_micros(200);
    // Tells at once that it has ended (Linux 5.3); an older kernel is asked again and again.
    let ended = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status)),
            Ok(None) => {}
            // What goes on all the same is waited for.
            Err(error) => {
                if !goes_on(child) {
                    return child.try_wait()?.map(Some).ok_or(error);
                }
            }
        }
        for stream in streams {
            // Appending goes on behind the cut, so that memory stays bounded and the head stays as it is.
            if size(stream)? > cap.saturating_add(CUT_ABOVE) {
                ftruncate(stream, cap)?;
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match &ended {
            Some(ended) => wait(ended, LONGEST_SLEEP.min(left)),
            None => std::thread::sleep(sleep.min(left)),
        }
        sleep = (sleep * 2).min(LONGEST_SLEEP);
    }
    // The child is not waited for yet, so that its number cannot be another group's.
    match kill_process_group(Pid::from_child(child), Signal::KILL) {
        // It may have moved to another group.
        Ok(()) | Err(Errno::SRCH) => child.kill()?,
        Err(error) => return Err(error.into()),
    }
    let end = Instant::now() + GRACE;
    while child.try_wait()?.is_none() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(None)
}

/// Ends a command that cannot be watched any more, and waits until it has ended, be it without its status.
fn end_unwatched(child: &mut Child) {
    if !goes_on(child) {
        return;
    }
    // Each may fail where the other does not; whether it has ended is looked at.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
    let end = Instant::now() + GRACE;
    while goes_on(child) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a child still runs, also where it cannot be waited for: as long as it is not, its number stays its
/// own.
fn goes_on(child: &mut Child) -> bool {
    match child.try_wait() {
        Ok(status) => status.is_none(),
        Err(error) if error.raw_os_error() == Some(Errno::CHILD.raw_os_error()) => false,
        Err(_) => match std::fs::read_to_string(format!("/proc/{}/stat", child.id())) {
            // The name of a program may hold anything; what follows it are numbers.
            Ok(stat) => !(stat.rsplit(')').next())
                .is_some_and(|rest| matches!(rest.trim_start().chars().next(), Some('Z' | 'X'))),
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        },
    }
}

/// Waits for the end of a process, or so long.
fn wait(process: &OwnedFd, longest: Duration) {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let longest = Timespec { tv_sec: 0, tv_nsec: i64::from(longest.subsec_nanos()) };
    if poll(&mut fds, Some(&longest)).is_err() {
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn size(file: &File) -> std::io::Result<u64> {
    Ok(u64::try_from(fstat(file)?.st_size).unwrap_or(0))
}

/// The first `cap` bytes.
fn head(file: &File, cap: u64) -> std::io::Result<Vec<u8>> {
    let length = size(file)?.min(cap);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// A file without a name, for appending: in memory, or where the kernel is older than 3.17 in a folder.
fn nameless(tree: &PathRoot) -> std::io::Result<File> {
    let fd = match memfd_create("mailward-output", MemfdFlags::CLOEXEC) {
        Ok(fd) => fd,
        Err(_) => match tree {
            PathRoot::Machine => unlinked(Path::new("/dev/shm")).or_else(|_| unlinked(Path::new("/tmp")))?,
            PathRoot::Below(below) => unlinked(&below.path)?,
        },
    };
    fcntl_setfl(&fd, OFlags::APPEND)?;
    Ok(File::from(fd))
}

fn unlinked(folder: &Path) -> rustix::io::Result<OwnedFd> {
    let mode = Mode::RUSR | Mode::WUSR;
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(fd) = openat(CWD, folder, flags | OFlags::TMPFILE, mode) {
        return Ok(fd);
    }
    let path = folder.join(format!(".mailward-output-{}", std::process::id()));
    let fd = openat(CWD, &path, flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW, mode)?;
    unlinkat(CWD, &path, AtFlags::empty())?;
    Ok(fd)
}
