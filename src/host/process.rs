//! A process as the kernel shows it, and whether it is root's own program: its name is anybody's to choose.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{ControllingTerminal, EnvironmentVariables};

/// A process of the host's own pid namespace that sees the host's own root folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Which one.
    pub id: ProcessId,
    /// Its parent's pid.
    pub parent: u32,
    /// When it started, in seconds since 1970; `None` where the host does not tell.
    pub started: Option<i64>,
    /// The program's name as the kernel keeps it, which its user chooses.
    pub name: String,
    /// Whose it is.
    pub owner: ProcessOwner,
    /// The file that it executes.
    pub file: ProgramFile,
    /// The path of its control group among those of the service manager; `None` where the host does not tell.
    pub group: Option<Vec<u8>>,
    /// Its controlling terminal.
    pub terminal: ControllingTerminal,
    /// The arguments, the program first.
    pub argv: Vec<Vec<u8>>,
    /// The environment, or why it cannot be read.
    pub environment: Result<EnvironmentVariables, String>,
    /// The TCP ports it listens on, sorted; `None` where that cannot be read.
    pub ports: Option<Vec<u16>>,
    /// The TCP sockets it listens on, sorted; `None` where that cannot be read.
    pub listens: Option<Vec<SocketAddr>>,
}

/// A pid that cannot be mistaken for a later process with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// The pid in the host's namespace.
    pub pid: u32,
    /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start: u64,
}

/// Whose a process is, in the host's own user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessOwner {
    /// All its user ids (real, effective, saved, of the file system) are this one.
    User(u32),
    /// They differ, as those of a program with the set-user-ID bit: whoever it was may have started it.
    Several,
    /// It cannot be read.
    Unknown,
}

/// The user id of root.
pub const ROOT: u32 = 0;

/// The file that a process executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramFile {
    /// What the kernel calls it (`/proc/PID/exe`); a line end in it is a question mark here.
    Named(Vec<u8>),
    /// It was not asked for, since root does not run it.
    NotAsked,
    /// It cannot be told; the reason.
    Unknown(String),
}

/// What the kernel puts behind the path of a file that has been removed or replaced since.
const DELETED: &[u8] = b" (deleted)";

/// What prelink, on hosts of before 2015, gives the old file that it has rewritten: a name with six more
/// characters.
const PRELINKED: &[u8] = b".#prelink#.";

/// Folders in which nobody but root puts programs. A service may have one of its own below.
const FOLDERS: [&[u8]; 7] =
    [b"/usr/", b"/bin/", b"/sbin/", b"/lib/", b"/lib64/", b"/opt/", b"/var/qmail/bin/"];

/// Whether a file is still the one at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileInPlace {
    /// It is, or it was only linked anew and is the same program.
    Same,
    /// It was replaced or removed since, as by the upgrade of a package.
    Replaced,
}

impl ProgramFile {
    /// What the link of the kernel holds.
    #[must_use]
    pub fn of_link(target: &[u8]) -> Self {
        let plain = |&byte: &u8| if byte == b'\n' { b'?' } else { byte };
        Self::Named(target.iter().map(plain).collect())
    }

    /// The path, and whether the file still stands there; `None` where it is not known.
    #[must_use]
    pub fn path(&self) -> Option<(&[u8], FileInPlace)> {
        let Self::Named(named) = self else {
            return None;
        };
        let Some(path) = named.strip_suffix(DELETED) else {
            return Some((named, FileInPlace::Same));
        };
        let cut = path.len().saturating_sub(PRELINKED.len() + 6);
        match path.split_at(cut) {
            (path, rest) if rest.starts_with(PRELINKED) => Some((path, FileInPlace::Same)),
            _ => Some((path, FileInPlace::Replaced)),
        }
    }
}

/// Whether root runs the program that a process is called after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootProgram {
    /// It does.
    Own,
    /// It does not; why that is certain.
    Not(ForeignProcess),
    /// That cannot be told; what cannot be read, and why.
    Unknown(String),
}

/// Why a process is not the daemon that it is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum ForeignProcess {
    /// A user runs it whom the daemon does not run as.
    User {
        /// The user's id.
        uid: u32,
    },
    /// A user may have started it by a program with the set-user-ID bit.
    SetUser,
    /// It executes another file.
    File {
        /// The file.
        path: String,
    },
    /// It belongs to none of the daemon's units.
    Unit {
        /// Its control group.
        group: String,
    },
}

impl Process {
    /// Whether root alone runs it, whatever it is.
    #[must_use]
    pub fn is_roots(&self) -> bool {
        self.owner == ProcessOwner::User(ROOT)
    }

    /// Whether root runs the program that the process is called after.
    ///
    /// Not even a user who may run a program as root by its set-user-ID bit, under any name, passes for it.
    #[must_use]
    pub fn roots(&self) -> RootProgram {
        match self.owner {
            ProcessOwner::User(ROOT) => {}
            ProcessOwner::User(uid) => return RootProgram::Not(ForeignProcess::User { uid }),
            ProcessOwner::Several => return RootProgram::Not(ForeignProcess::SetUser),
            ProcessOwner::Unknown => {
                let what = format!("cannot read whose process {} is", self.id.pid);
                return RootProgram::Unknown(what);
            }
        }
        let path = match (&self.file, self.file.path()) {
            (ProgramFile::Unknown(why), _) => {
                let what = format!("cannot read /proc/{}/exe: {why}", self.id.pid);
                return RootProgram::Unknown(what);
            }
            (ProgramFile::NotAsked, _) | (ProgramFile::Named(_), None) => {
                let what = format!("/proc/{}/exe was not read", self.id.pid);
                return RootProgram::Unknown(what);
            }
            (ProgramFile::Named(_), Some((path, _))) => path,
        };
        let folder = path.strip_suffix(self.name.as_bytes());
        let stands = folder.is_some_and(|folder| {
            let is_root = FOLDERS.iter().any(|begin| folder.starts_with(begin));
            is_root && folder.ends_with(b"/") && memchr::memmem::find(folder, b"/tmp/").is_none()
        });
        if stands {
            RootProgram::Own
        } else {
            let path = String::from_utf8_lossy(path).into_owned();
            RootProgram::Not(ForeignProcess::File { path })
        }
    }

    /// Whether it is not certain that the process is somebody else's.
    #[must_use]
    pub fn may_be_roots(&self) -> bool {
        match self.roots() {
            RootProgram::Own | RootProgram::Unknown(_) => true,
            RootProgram::Not(_) => false,
        }
    }

    /// Whether root runs the program that the process is called after, or one that is many programs, as
    /// BusyBox is; also where that cannot be told: for what only makes a run more careful.
    #[must_use]
    pub fn may_be_roots_applet(&self) -> bool {
        let file = self.file.path().map(|(path, _)| path);
        let name = file.and_then(|path| path.rsplit(|&byte| byte == b'/').next());
        let is_many = name.is_some_and(|name| matches!(name, b"busybox" | b"dropbearmulti"));
        self.may_be_roots() || self.is_roots() && is_many
    }

    /// Whether its file was replaced or removed since it started, as by the upgrade of a package.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.file.path().map(|(_, place)| place) == Some(FileInPlace::Replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, owner: ProcessOwner, file: ProgramFile) -> Process {
        Process {
            id: ProcessId { pid: 7, start: 1 },
            parent: 1,
            started: None,
            name: name.to_owned(),
            owner,
            file,
            group: None,
            terminal: ControllingTerminal::None,
            argv: Vec::new(),
            environment: Ok(Vec::new()),
            ports: None,
            listens: None,
        }
    }

    fn of_root(name: &str, link: &str) -> Process {
        let file = ProgramFile::of_link(link.as_bytes());
        process(name, ProcessOwner::User(ROOT), file)
    }

    #[test]
    fn a_name_is_not_enough_to_be_a_daemon() {
        for link in [
            "/usr/sbin/couriertcpd",
            "/usr/lib/courier-imap/libexec/couriertcpd",
            "/opt/courier/sbin/couriertcpd",
            "/usr/sbin/couriertcpd (deleted)",
            "/usr/sbin/couriertcpd.#prelink#.aB3xYz (deleted)",
        ] {
            assert_eq!(of_root("couriertcpd", link).roots(), RootProgram::Own, "{link}");
        }
        for link in [
            "/usr/bin/sudo",
            "/usr/bin/dash",
            "/tmp/couriertcpd",
            "/home/x/couriertcpd",
            "/usr/local/tmp/couriertcpd",
            "/usr/sbin/not-couriertcpd",
            "/usr/sbin/couriertcpd\n/usr/bin/x",
            "",
        ] {
            let roots = of_root("couriertcpd", link).roots();
            assert!(matches!(roots, RootProgram::Not(ForeignProcess::File { .. })), "{link}");
        }
        let genuine = || ProgramFile::of_link(b"/usr/sbin/couriertcpd");
        let not = |owner| process("couriertcpd", owner, genuine()).roots();
        assert_eq!(not(ProcessOwner::User(1000)), RootProgram::Not(ForeignProcess::User { uid: 1000 }));
        assert_eq!(not(ProcessOwner::Several), RootProgram::Not(ForeignProcess::SetUser));
        assert!(matches!(not(ProcessOwner::Unknown), RootProgram::Unknown(_)));
        let unread = ProgramFile::Unknown("permission denied".to_owned());
        let unread = process("couriertcpd", ProcessOwner::User(ROOT), unread);
        assert_eq!(
            unread.roots(),
            RootProgram::Unknown("cannot read /proc/7/exe: permission denied".to_owned())
        );
        assert!(unread.may_be_roots());
    }

    #[test]
    fn what_an_upgrade_replaced_is_told_and_what_prelink_did_is_not() {
        let replaced = |link| of_root("xinetd", link).is_replaced();
        assert!(!replaced("/usr/sbin/xinetd"));
        assert!(replaced("/usr/sbin/xinetd (deleted)"));
        assert!(!replaced("/usr/sbin/xinetd.#prelink#.aB3xYz (deleted)"));
    }
}
