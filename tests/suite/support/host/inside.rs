//! Programs run in a host, and what runs there.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use super::Kind;
use crate::support::run::Run;

/// The search path of programs in a host.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Out of the test's cgroup into the host's; and to die when the time is up, with nsenter.
const ENTER: &str = r#"echo $$ >/sys/fs/cgroup/tests/cgroup.procs; exec setpriv --pdeathsig KILL -- "$@""#;

/// The same where `setpriv` is BusyBox's: what is not done when the time is up ends with the host.
const ENTER_BUSYBOX: &str = r#"echo $$ >/sys/fs/cgroup/tests/cgroup.procs; exec "$@""#;

/// Prepares a program to run in the host of this PID 1.
pub(super) fn command(kind: Kind, init: u32, argv: &[&str]) -> Run {
    let enter = match kind {
        Kind::Systemd | Kind::SysV => ENTER,
        Kind::BusyBox => ENTER_BUSYBOX,
    };
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--target={init}"))
        .args(["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--"])
        .args(["/bin/sh", "-c", enter, "sh"])
        .args(argv)
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8");
    Run::new(argv.iter().map(|&word| word.to_owned()).collect(), command)
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
            let argv = line.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
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
