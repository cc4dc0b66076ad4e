//! Hosts to run the cases on, with the means to prepare them and to look at them from outside.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use mailward::host::local::LocalHost;
use mailward::host::memory::{MemoryEntry, MemoryFile, MemoryHost, MemoryWorld};
use mailward::host::ssh::MetadataPolicy;
use mailward::host::{
    CommandEnding, CommandOutput, ControllingTerminal, HostCommand, Process, ProcessId, ProcessOwner,
    ProgramFile, ROOT, STATE, WriteHost,
};
use mailward::model::HostPath;

use super::remote::{Shell, User};

/// When the machine of the stand-ins was started, in seconds since 1970.
const BOOT: i64 = 1_700_000_000;

/// One host, prepared from outside. Paths are absolute, as the cases write them.
pub trait Bench {
    /// Another user of this host.
    fn host(&self) -> Box<dyn WriteHost>;
    /// The path as this host must be asked for it.
    fn path(&self, path: &str) -> HostPath;
    fn put(&self, path: &[u8], bytes: &[u8]);
    fn link(&self, path: &str, target: &str);
    fn hard_link(&self, path: &str, other: &str);
    fn folder(&self, path: &str);
    fn pipe(&self, path: &str);
    fn remove(&self, path: &str);
    /// The bytes of a file, links not followed.
    fn bytes(&self, path: &str) -> Option<Vec<u8>>;
    /// The sorted names in a folder.
    fn names(&self, path: &str) -> Vec<String>;
    fn program(&self, path: &str, what: Does);
    fn process(&self, process: &Standing);
}

/// What a program does.
#[derive(Clone, Copy)]
pub enum Does {
    Exit(i32),
    KillItself(i32),
    Hang,
    /// Prints so many bytes `o`, and so many bytes `e` on standard error.
    Print(usize, usize),
    /// Prints `started`, ends with 0, and leaves a child behind that keeps its output for a while.
    LeaveChild,
    /// Prints each argument between brackets.
    ShowArguments,
    /// Prints its standard input.
    ShowInput,
    /// Prints the variable `SHOWN` between brackets.
    ShowVariable,
    /// Prints the variable `SECRET`.
    ShowSecret,
}

/// A process as a stand-in shows it.
#[derive(Clone)]
pub struct Standing {
    pub pid: u32,
    pub start: u64,
    pub name: &'static str,
    pub state: char,
    pub argv: Vec<&'static str>,
    pub ports: Vec<u16>,
    pub owner: ProcessOwner,
    pub file: String,
    pub group: Option<&'static str>,
}

impl Standing {
    pub fn new(pid: u32, name: &'static str, argv: &[&'static str], ports: &[u16]) -> Self {
        let (argv, ports) = (argv.to_vec(), ports.to_vec());
        Self {
            pid,
            start: u64::from(pid) * 1000,
            name,
            state: 'S',
            argv,
            ports,
            owner: ProcessOwner::User(ROOT),
            file: format!("/usr/sbin/{name}"),
            group: None,
        }
    }

    pub fn id(&self) -> ProcessId {
        ProcessId { pid: self.pid, start: self.start }
    }

    /// How a host must describe it.
    pub fn expected(&self) -> Process {
        Process {
            id: self.id(),
            parent: 1,
            started: Some(BOOT + i64::try_from(self.start).unwrap() / 100),
            name: self.name.to_owned(),
            owner: self.owner,
            file: match self.owner {
                ProcessOwner::User(ROOT) => ProgramFile::Named(self.file.as_bytes().to_vec()),
                ProcessOwner::User(_) | ProcessOwner::Several | ProcessOwner::Unknown => {
                    ProgramFile::NotAsked
                }
            },
            group: self.group.map(|group| group.as_bytes().to_vec()),
            terminal: ControllingTerminal::None,
            argv: self.argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
            environment: Ok(vec![(b"LANG".to_vec(), b"C".to_vec())]),
            ports: Some(self.ports.clone()),
            listens: Some((self.ports.iter()).map(|port| ([0, 0, 0, 0], *port).into()).collect()),
        }
    }
}

pub fn memory() -> MemoryHost {
    MemoryHost::new()
}

/// A stand-in's folder.
pub fn tree() -> Local {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("proc")).unwrap();
    fs::write(dir.path().join("proc/stat"), format!("cpu 1 2\nbtime {BOOT}\n")).unwrap();
    Local { dir, kind: Kind::Tree }
}

/// This machine; its files are those of a folder of their own.
pub fn machine() -> Local {
    let dir = tempfile::tempdir().unwrap();
    Local { dir, kind: Kind::Machine }
}

/// This machine over ssh.
pub fn ssh() -> Local {
    remote(Shell::Ssh)
}

/// This machine, asked through bash.
pub fn bash() -> Local {
    remote(Shell::Bash)
}

/// This machine, asked through BusyBox.
pub fn busybox() -> Local {
    remote(Shell::BusyBox)
}

/// This machine over ssh, with the folders that mailward puts files into.
pub fn put_ssh() -> Local {
    put(Shell::Ssh)
}

/// The same through bash.
pub fn put_bash() -> Local {
    put(Shell::Bash)
}

/// The same through BusyBox.
pub fn put_busybox() -> Local {
    put(Shell::BusyBox)
}

fn put(shell: Shell) -> Local {
    let folders = super::remote::PUT.join(" ");
    let setup =
        format!("for folder in {folders}; do mkdir -p $dir$folder; mount --bind $dir$folder $folder; done");
    changed(shell, metadata(shell), &setup)
}

fn remote(shell: Shell) -> Local {
    changed(shell, metadata(shell), "")
}

fn metadata(shell: Shell) -> MetadataPolicy {
    match shell {
        Shell::Ssh | Shell::Bash => MetadataPolicy::Shown,
        // BusyBox can neither copy nor show attributes.
        Shell::BusyBox => MetadataPolicy::Unseen,
    }
}

/// This machine over a way to it on which root's shell first changes something.
pub fn changed(shell: Shell, metadata: MetadataPolicy, setup: &str) -> Local {
    let dir = tempfile::tempdir().unwrap();
    super::remote::prepare(dir.path(), shell, User::Root, setup);
    Local { dir, kind: Kind::Remote(shell, metadata) }
}

/// This machine for somebody who is not root.
pub fn as_nobody(shell: Shell) -> Local {
    let dir = tempfile::tempdir().unwrap();
    super::remote::prepare(dir.path(), shell, User::Nobody, "");
    Local { dir, kind: Kind::Remote(shell, MetadataPolicy::Unseen) }
}

/// Whether a path is one of mailward's own, which a way to a shell brings into the bench's folder.
fn is_own(path: &str) -> bool {
    path.starts_with(STATE) || super::remote::PUT.iter().any(|way| path.starts_with(way))
}

pub struct Local {
    pub dir: tempfile::TempDir,
    kind: Kind,
}

enum Kind {
    Tree,
    Machine,
    Remote(Shell, MetadataPolicy),
}

impl Local {
    pub fn real(&self, path: impl AsRef<[u8]>) -> PathBuf {
        let below = path.as_ref().strip_prefix(b"/").unwrap();
        self.dir.path().join(OsStr::from_bytes(below))
    }

    /// This host over the way of its bench, for a thread of its own.
    pub fn remote(&self) -> mailward::host::ssh::SshHost {
        match self.kind {
            Kind::Remote(shell, metadata) => super::remote::host(self.dir.path(), shell, metadata),
            Kind::Tree | Kind::Machine => panic!("there is no way to this bench"),
        }
    }

    fn make_parent(&self, path: impl AsRef<[u8]>) -> PathBuf {
        let real = self.real(path);
        fs::create_dir_all(real.parent().unwrap()).unwrap();
        real
    }

    pub fn script(&self, path: &str, text: &str) {
        let real = self.make_parent(path);
        fs::write(&real, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Bench for Local {
    fn host(&self) -> Box<dyn WriteHost> {
        match self.kind {
            Kind::Tree => Box::new(LocalHost::tree(self.dir.path().to_owned()).unwrap()),
            Kind::Machine => Box::new(LocalHost::machine()),
            Kind::Remote(shell, metadata) => Box::new(super::remote::host(self.dir.path(), shell, metadata)),
        }
    }

    fn path(&self, path: &str) -> HostPath {
        match self.kind {
            Kind::Tree => super::path(path),
            Kind::Remote(..) if is_own(path) => super::path(path),
            Kind::Machine | Kind::Remote(..) => super::path(self.real(path).to_str().unwrap()),
        }
    }

    fn put(&self, path: &[u8], bytes: &[u8]) {
        fs::write(self.make_parent(path), bytes).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let target = match self.kind {
            Kind::Machine | Kind::Remote(..) if target.starts_with('/') => self.real(target),
            Kind::Machine | Kind::Remote(..) | Kind::Tree => PathBuf::from(target),
        };
        symlink(target, self.make_parent(path)).unwrap();
    }

    fn hard_link(&self, path: &str, other: &str) {
        fs::hard_link(self.real(other), self.make_parent(path)).unwrap();
    }

    fn folder(&self, path: &str) {
        fs::create_dir_all(self.real(path)).unwrap();
    }

    fn pipe(&self, path: &str) {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, self.make_parent(path), kind, mode, 0).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.real(path)).unwrap();
    }

    fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let real = self.real(path);
        real.symlink_metadata().ok()?.is_file().then(|| fs::read(real).unwrap())
    }

    fn names(&self, path: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.real(path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn program(&self, path: &str, what: Does) {
        let text = match what {
            Does::Exit(code) => format!("exit {code}"),
            Does::KillItself(signal) => format!("kill -{signal} $$"),
            Does::Hang => "sleep 1000 & wait; sleep 1000".to_owned(),
            Does::Print(out, err) => {
                format!("head -c {out} /dev/zero | tr '\\0' o; head -c {err} /dev/zero | tr '\\0' e >&2")
            }
            Does::LeaveChild => "(sleep 30; echo late) & echo started".to_owned(),
            Does::ShowArguments => "printf '[%s]' \"$@\"".to_owned(),
            Does::ShowInput => "cat".to_owned(),
            Does::ShowVariable => "printf '[%s]' \"${SHOWN-unset}\"".to_owned(),
            Does::ShowSecret => "printf %s \"${SECRET-unset}\"".to_owned(),
        };
        self.script(path, &text);
    }

    fn process(&self, process: &Standing) {
        let Standing { pid, start, name, state, argv, ports, owner, file, group } = process;
        let here = format!("/proc/{pid}");
        let zeros = "0 ".repeat(17);
        self.put(
            format!("{here}/stat").as_bytes(),
            format!("{pid} ({name}) {state} 1 {zeros}{start} 0 0\n").as_bytes(),
        );
        let cmdline: String = argv.iter().map(|word| format!("{word}\0")).collect();
        self.put(format!("{here}/cmdline").as_bytes(), cmdline.as_bytes());
        self.put(format!("{here}/environ").as_bytes(), b"LANG=C\0");
        let ids = match owner {
            ProcessOwner::User(id) => format!("Uid:\t{id}\t{id}\t{id}\t{id}\n"),
            ProcessOwner::Several => "Uid:\t1000\t0\t0\t0\n".to_owned(),
            ProcessOwner::Unknown => String::new(),
        };
        let status = format!("Name:\t{name}\n{ids}");
        self.put(format!("{here}/status").as_bytes(), status.as_bytes());
        symlink(file, self.real(format!("{here}/exe"))).unwrap();
        if let Some(group) = group {
            let text = format!("0::{group}\n");
            self.put(format!("{here}/cgroup").as_bytes(), text.as_bytes());
        }
        self.folder(&format!("{here}/fd"));
        symlink("/dev/null", self.real(format!("{here}/fd/0"))).unwrap();
        let table = self.bytes("/proc/net/tcp").unwrap_or_else(|| b"  sl  local_address\n".to_vec());
        let mut table = String::from_utf8(table).unwrap();
        for port in ports {
            let inode = u64::from(*pid) * 100_000 + u64::from(*port);
            symlink(format!("socket:[{inode}]"), self.real(format!("{here}/fd/{port}"))).unwrap();
            table.push_str(&format!("   0: 00000000:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 100\n"));
        }
        self.put(b"/proc/net/tcp", table.as_bytes());
    }
}

impl Bench for MemoryHost {
    fn host(&self) -> Box<dyn WriteHost> {
        Box::new(self.another())
    }

    fn path(&self, path: &str) -> HostPath {
        super::path(path)
    }

    fn put(&self, path: &[u8], bytes: &[u8]) {
        self.world().files.insert(path.to_vec(), MemoryFile::new(bytes).into());
    }

    fn link(&self, path: &str, target: &str) {
        let link = MemoryEntry::Link(target.as_bytes().to_vec());
        self.world().files.insert(path.as_bytes().to_vec(), link);
    }

    fn hard_link(&self, path: &str, other: &str) {
        let mut world = self.world();
        let Some(MemoryEntry::File(file)) = world.files.get_mut(other.as_bytes()) else {
            panic!("no file at {other}");
        };
        file.links += 1;
        let file = file.clone();
        world.files.insert(path.as_bytes().to_vec(), file.into());
    }

    fn folder(&self, path: &str) {
        self.world().files.insert(path.as_bytes().to_vec(), MemoryEntry::Folder);
    }

    fn pipe(&self, path: &str) {
        self.world().files.insert(path.as_bytes().to_vec(), MemoryEntry::Other);
    }

    fn remove(&self, path: &str) {
        self.world().files.remove(path.as_bytes()).unwrap();
    }

    fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        match self.world().files.get(path.as_bytes()) {
            Some(MemoryEntry::File(file)) => Some(file.bytes.clone()),
            Some(MemoryEntry::Link(_) | MemoryEntry::Folder | MemoryEntry::Other) | None => None,
        }
    }

    fn names(&self, path: &str) -> Vec<String> {
        let below = format!("{path}/");
        let world = self.world();
        let names = world.files.keys().filter_map(|key| key.strip_prefix(below.as_bytes()));
        let first = names.filter_map(|rest| rest.split(|&byte| byte == b'/').next());
        let mut names: Vec<_> = first.map(|name| String::from_utf8(name.to_vec()).unwrap()).collect();
        names.dedup();
        names
    }

    fn program(&self, path: &str, what: Does) {
        let program = move |world: &mut MemoryWorld, command: &HostCommand| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let (end, stdout, stderr) = match what {
                Does::Exit(code) => (CommandEnding::Code(code), String::new(), String::new()),
                Does::KillItself(signal) => (CommandEnding::Signal(signal), String::new(), String::new()),
                Does::Hang => (CommandEnding::TimedOut, String::new(), String::new()),
                Does::Print(out, err) => (CommandEnding::Code(0), "o".repeat(out), "e".repeat(err)),
                Does::LeaveChild => (CommandEnding::Code(0), "started\n".to_owned(), String::new()),
                Does::ShowArguments => {
                    let arguments = command.arguments.iter();
                    let shown = arguments.map(|text| format!("[{text}]")).collect();
                    (CommandEnding::Code(0), shown, String::new())
                }
                Does::ShowInput => (CommandEnding::Code(0), text(&command.input), String::new()),
                Does::ShowVariable => {
                    let shown = command.environment.iter().rev();
                    let mut shown = shown.filter(|(name, _)| name == "SHOWN");
                    let shown = shown.next().map_or("unset", |(_, value)| value);
                    (CommandEnding::Code(0), format!("[{shown}]"), String::new())
                }
                Does::ShowSecret => {
                    let file = command.secret.as_ref().map(|secret| &secret.file);
                    let shown = match file.map(|file| world.files.get(file.as_str().as_bytes())) {
                        Some(Some(MemoryEntry::File(file))) => text(file.bytes.trim_ascii_end()),
                        Some(_) | None => "unset".to_owned(),
                    };
                    (CommandEnding::Code(0), shown, String::new())
                }
            };
            CommandOutput { end, stdout: stdout.into_bytes(), stderr: stderr.into_bytes() }
        };
        self.world().commands.insert(path.to_owned(), Box::new(program));
    }

    fn process(&self, process: &Standing) {
        // A zombie is none.
        if process.state != 'Z' {
            self.world().processes.push(process.expected());
        }
    }
}
