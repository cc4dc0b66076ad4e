//! Programs run in a host, and what runs there. Output goes to unnamed files, not pipes: a daemon that a command
//! leaves behind may keep them open without keeping the test.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The search path of programs in a host.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program about to run in a host.
#[must_use = "nothing runs before `run`"]
pub struct Inside {
    argv: Vec<String>,
    command: Command,
    input: Vec<u8>,
    limit: Duration,
}

impl Inside {
    pub(super) fn new(init: u32, argv: &[&str]) -> Self {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={init}"))
            .args(["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--"])
            // Out of the test's cgroup into the host's; and to die when the time is up, with nsenter.
            .args(["/bin/sh", "-c"])
            .arg(r#"echo $$ >/sys/fs/cgroup/tests/cgroup.procs; exec setpriv --pdeathsig KILL -- "$@""#)
            .arg("sh")
            .args(argv)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8");
        Self {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            command,
            input: Vec::new(),
            limit: super::LIMIT,
        }
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
            .stdin(if self.input.is_empty() {
                Stdio::null()
            } else {
                Stdio::from(stdin)
            })
            .stdout(Stdio::from(stdout.try_clone().expect("a file")))
            .stderr(Stdio::from(stderr.try_clone().expect("a file")))
            .spawn()
            .expect("nsenter runs");
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
        Output {
            argv: self.argv,
            status,
            stdout: text(&mut stdout),
            stderr: text(&mut stderr),
        }
    }
}

/// How a program in a host ended, and what it wrote.
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
        self.status
            .code()
            .unwrap_or_else(|| panic!("ended by a signal: {self:#?}"))
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

/// A process of a host.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number in the host.
    pub pid: u32,
    /// Its arguments; empty for a zombie.
    pub argv: Vec<String>,
}

/// Lists the processes in the pid namespace of the host's PID 1.
pub(super) fn processes(init: u32) -> Vec<Process> {
    // The host's own /proc numbers them as the host does.
    let proc = PathBuf::from(format!("/proc/{init}/root/proc"));
    let mut found: Vec<_> = std::fs::read_dir(&proc)
        .expect("the host's /proc is mounted")
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let pid = name.to_str()?.parse().ok()?;
            // It may have ended since the listing.
            let line = std::fs::read(proc.join(name).join("cmdline")).ok()?;
            let argv = line
                .split(|&byte| byte == 0)
                .map(|word| String::from_utf8_lossy(word).into_owned());
            let mut argv: Vec<_> = argv.collect();
            argv.pop();
            Some(Process { pid, argv })
        })
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// Lists the TCP ports in state LISTEN in the host's network, IPv4 and IPv6.
pub(super) fn listening(init: u32) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{init}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            // sl, local address, remote address, state: 0A is LISTEN.
            let mut fields = line.split_ascii_whitespace();
            let port = fields.nth(1).and_then(|local| local.rsplit(':').next());
            if fields.nth(1) == Some("0A") {
                ports.extend(port.and_then(|hex| u16::from_str_radix(hex, 16).ok()));
            }
        }
    }
    ports
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("a temporary file");
    file.read_to_end(&mut bytes).expect("a temporary file");
    String::from_utf8_lossy(&bytes).into_owned()
}
