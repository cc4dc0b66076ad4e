//! A copy of the tree with a shell to run its stand-ins, and what can be seen of it from outside.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

/// The shells and tools that the stand-ins are to run with.
#[derive(Debug, Clone, Copy)]
pub enum Tools {
    /// dash, and the system's coreutils, sed and awk.
    Dash,
    /// busybox for everything.
    Busybox,
}

/// Runs a case on a fresh copy with each set of tools.
pub fn with_each(case: impl Fn(&Office)) {
    for tools in [Tools::Dash, Tools::Busybox] {
        println!("with {tools:?}");
        case(&Office::new(tools));
    }
}

/// One copy of the tree.
pub struct Office {
    tree: TempDir,
    tools: TempDir,
    path: String,
}

/// A process of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub argv: Vec<String>,
    pub environ: Vec<String>,
    pub parent: u32,
    pub start: u64,
    pub ports: Vec<u16>,
}

impl Office {
    pub fn new(kind: Tools) -> Self {
        let tools = tempfile::tempdir().expect("a temporary folder can be made");
        let here = tools.path().display();
        let path = match kind {
            Tools::Dash => {
                let dash = Path::new("/usr/bin/dash");
                assert!(dash.exists(), "dash is missing: apt-get install dash");
                symlink(dash, tools.path().join("sh")).expect("a link can be made");
                format!("{here}:/usr/sbin:/usr/bin:/sbin:/bin")
            }
            Tools::Busybox => {
                let status = Command::new("busybox")
                    .args(["--install", "-s"])
                    .arg(tools.path())
                    .status()
                    .expect("busybox is missing: apt-get install busybox");
                assert!(status.success(), "busybox --install: {status}");
                here.to_string()
            }
        };
        Self { tree: office_copy(), tools, path }
    }

    /// A path of the host, inside the copy.
    pub fn at(&self, path: &str) -> PathBuf {
        self.tree.path().join(path.trim_start_matches('/'))
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Replaces the one place where `old` stands.
    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert_eq!(text.matches(old).count(), 1, "{old:?} once in {path}");
        self.write(path, &text.replace(old, new));
    }

    /// Asks the stand-ins for a misbehaviour.
    pub fn wish(&self, what: &str, word: &str) {
        self.write(&format!("var/lib/stand-in/{what}"), &format!("{word}\n"));
    }

    /// A command that runs a script of the tree with this copy's shell, as `--root` does.
    pub fn command(&self, script: &str, argument: &str) -> Command {
        let mut command = Command::new(self.tools.path().join("sh"));
        command
            .arg(self.at(script))
            .arg(argument)
            .env_clear()
            .env("PATH", &self.path)
            .env("MAILWARD_ROOT", self.tree.path())
            .current_dir(self.tree.path());
        command
    }

    /// Runs a service's script; returns its exit code.
    pub fn service(&self, name: &str, action: &str) -> Option<i32> {
        let output = output(self.command(&format!("etc/init.d/{name}"), action));
        assert!(output.stderr.is_empty(), "{name} {action}: {}", String::from_utf8_lossy(&output.stderr));
        output.status.code()
    }

    /// Stops and starts a service, which must say that both went well.
    pub fn again(&self, name: &str) {
        assert_eq!(self.service(name, "stop"), Some(0), "{name} stop");
        assert_eq!(self.service(name, "start"), Some(0), "{name} start");
    }

    /// Sends a signal to xinetd.
    pub fn signal_xinetd(&self, signal: &str) {
        let (pid, _) = self.xinetd().expect("xinetd runs");
        let output = output(self.command(&format!("proc/{pid}/on-signal"), signal));
        assert!(output.status.success(), "{signal}: {output:?}");
        assert!(output.stderr.is_empty(), "{signal}: {output:?}");
    }

    pub fn xinetd(&self) -> Option<(u32, Process)> {
        self.processes().into_iter().find(|(_, process)| process.argv[0] == "xinetd")
    }

    /// The listener of that name, if it runs.
    pub fn listener(&self, name: &str) -> Option<(u32, Process)> {
        let wanted = format!("-stderrloggername={name}");
        self.processes()
            .into_iter()
            .find(|(_, process)| process.argv[0] == "/usr/sbin/couriertcpd" && process.argv.contains(&wanted))
    }

    /// The listener's MAXDAEMONS and MAXPERIP, as its arguments have them.
    pub fn limits(&self, name: &str) -> Option<(String, String)> {
        let (_, process) = self.listener(name)?;
        let of = |option: &str| {
            let last = process.argv.iter().rev().find_map(|word| word.strip_prefix(option));
            last.unwrap_or_default().to_owned()
        };
        Some((of("-maxprocs="), of("-maxperip=")))
    }

    /// Every process, as somebody reads them who knows the real /proc only.
    pub fn processes(&self) -> BTreeMap<u32, Process> {
        let sockets = self.listening();
        let entries = fs::read_dir(self.at("proc")).expect("proc can be listed");
        let mut found = BTreeMap::new();
        for entry in entries {
            let entry = entry.expect("an entry of proc");
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
                continue;
            };
            let stat = fs::read_to_string(entry.path().join("stat")).expect("stat");
            let fields: Vec<&str> = stat.split_once(") ").expect("a name").1.split(' ').collect();
            assert_eq!(fields.len() + 2, 44, "fields of {stat}");
            let mut ports: Vec<u16> = fs::read_dir(entry.path().join("fd"))
                .expect("fd can be listed")
                .filter_map(|fd| {
                    let target = fs::read_link(fd.expect("a descriptor").path()).expect("a link");
                    let target = target.to_string_lossy().into_owned();
                    let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
                    sockets.get(inode).copied()
                })
                .collect();
            ports.sort_unstable();
            ports.dedup();
            let process = Process {
                argv: words(&entry.path().join("cmdline")),
                environ: words(&entry.path().join("environ")),
                parent: fields[1].parse().expect("field 4, the parent"),
                start: fields[19].parse().expect("field 22, the start"),
                ports,
            };
            found.insert(pid, process);
        }
        found
    }

    /// Listening sockets: inode to port.
    pub fn listening(&self) -> BTreeMap<String, u16> {
        let tables = self.read("proc/net/tcp") + &self.read("proc/net/tcp6");
        tables
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|fields| fields[3] == "0A")
            .map(|fields| {
                let port = fields[1].rsplit(':').next().expect("a port");
                let port = u16::from_str_radix(port, 16).expect("a port in hexadecimal");
                (fields[9].to_owned(), port)
            })
            .collect()
    }

    /// What USR1 makes xinetd append to its dump.
    pub fn dump(&self) -> String {
        let before = self.dumped().len();
        self.signal_xinetd("USR1");
        self.dumped().split_off(before)
    }

    pub fn dumped(&self) -> String {
        fs::read_to_string(self.at("var/run/xinetd.dump")).unwrap_or_default()
    }
}

/// `PER_SOURCE` of each service in a dump, and of `defaults` under an empty name.
pub fn per_source(dump: &str) -> BTreeMap<String, i64> {
    let mut service = String::new();
    let mut found = BTreeMap::new();
    for line in dump.lines() {
        if let Some(name) = line.strip_prefix("Service = ") {
            service = name.to_owned();
        } else if let Some(value) = line.trim_start().strip_prefix("PER_SOURCE = ") {
            found.insert(service.clone(), value.parse().expect("a number"));
        }
    }
    found
}

pub fn output(mut command: Command) -> Output {
    command.output_in_time().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn words(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).expect("a file of proc");
    let text = String::from_utf8(bytes).expect("UTF-8");
    text.split_terminator('\0').map(str::to_owned).collect()
}
