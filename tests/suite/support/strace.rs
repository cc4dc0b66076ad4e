//! System calls of a program, counted, and one of them made to kill it or to fail.
//!
//! Only the program's own first thread is traced, not what it starts: strace counts for each traced process
//! anew, so that following children, `when=2` would hit the second call of every one of them. Must not know
//! what program it traces.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::support::in_time::CommandInTime as _;

/// The calls by which a program changes files, or reaches another process.
///
/// Those with `?` do not exist on every architecture.
const MUTATING: &str = "openat,?open,?creat,?openat2,write,pwrite64,writev,?pwritev,?pwritev2,?rename,?renameat,\
    renameat2,?unlink,unlinkat,?rmdir,?mkdir,mkdirat,?mknod,mknodat,?link,linkat,?symlink,symlinkat,fsync,fdatasync,\
    sync,syncfs,?sync_file_range,?chmod,fchmod,fchmodat,?fchmodat2,?chown,?lchown,fchown,fchownat,truncate,ftruncate,\
    fallocate,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,?utime,?utimes,?futimesat,utimensat,\
    ?sendfile,copy_file_range,?splice,flock,kill,tkill,tgkill,?pidfd_send_signal";

/// One system call of a run: the `nth` with this name, from 1.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Point {
    /// The call's name.
    pub syscall: String,
    /// Which of the calls with this name.
    pub nth: u32,
    /// Its arguments, as strace prints them; for the reader of a failed test.
    pub arguments: String,
}

/// What happens to a call instead of its running.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The program is killed as it enters the call, which does not run.
    Kill,
    /// The call does nothing and returns this error, named like `ENOSPC`.
    Error(&'static str),
}

/// Returns the arguments that run `argv` under strace and log its mutating calls to the file `log`.
pub fn tracing(argv: &[&str], log: &str) -> Vec<String> {
    let trace = format!("trace={MUTATING}");
    with_strace(&["-s", "64", "-e", "signal=none", "-o", log, "-e", &trace], argv)
}

/// Returns the arguments that run `argv` under strace with one fault at one point.
pub fn injecting(argv: &[&str], point: &Point, fault: &Fault) -> Vec<String> {
    let Point { syscall, nth, .. } = point;
    let what = match fault {
        Fault::Kill => "signal=KILL".to_owned(),
        Fault::Error(name) => format!("error={name}"),
    };
    let trace = format!("trace={syscall}");
    let inject = format!("inject={syscall}:{what}:when={nth}");
    with_strace(&["-o", "/dev/null", "-e", &trace, "-e", &inject], argv)
}

/// Reads a log that [`tracing`] made: every call that changes something, in order.
///
/// A file opened only to be read is counted, since strace counts it too, but is no point.
pub fn points(log: &str) -> Vec<Point> {
    let mut counts = BTreeMap::<&str, u32>::new();
    let mut points = Vec::new();
    for line in log.lines() {
        // Signals and the exit have no parenthesis right after a name.
        let Some((syscall, rest)) = line.split_once('(') else {
            continue;
        };
        if syscall.is_empty() || !syscall.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let nth = counts.entry(syscall).or_default();
        *nth += 1;
        let opens = matches!(syscall, "open" | "openat" | "openat2");
        let changes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"];
        if opens && !changes.iter().any(|flag| rest.contains(flag)) {
            continue;
        }
        points.push(Point {
            syscall: syscall.to_owned(),
            nth: *nth,
            arguments: rest.rsplit_once(" = ").map_or(rest, |(arguments, _)| arguments).trim_end().to_owned(),
        });
    }
    points
}

/// Runs `argv` on the machine, without input and output, and returns its points; it must succeed.
pub fn count(argv: &[&str]) -> Vec<Point> {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let traced = tracing(argv, log.path().to_str().expect("a path in text"));
    let output = command(&traced).output_in_time().expect("strace runs (Debian package strace)");
    assert!(output.status.success(), "{argv:?}: {output:?}");
    points(&std::fs::read_to_string(log.path()).expect("strace has written its log"))
}

/// Runs `argv` on the machine with one fault, without input, and returns how it ended.
pub fn inject(argv: &[&str], point: &Point, fault: &Fault) -> std::process::Output {
    command(&injecting(argv, point, fault)).output_in_time().expect("strace runs (Debian package strace)")
}

fn command(argv: &[String]) -> Command {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null());
    command
}

fn with_strace(options: &[&str], argv: &[&str]) -> Vec<String> {
    ["strace", "-q", "-q"]
        .iter()
        .chain(options)
        .chain(&["--"])
        .chain(argv)
        .map(|&word| word.to_owned())
        .collect()
}
