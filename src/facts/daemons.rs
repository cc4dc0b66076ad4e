//! Which processes are the daemons that they are called. A name is anybody's to choose, and any user can
//! start a program.
//!
//! A daemon is run by its own user, root but for a few, executes the service's file, belongs to the unit
//! where there is one, and holds the socket that it serves. Who is certainly somebody else counts for
//! nothing; of whom that cannot be told nothing is said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ServiceManager;
use crate::host::batch::Batch;
use crate::host::{ForeignProcess, HostError, Process, ProcessOwner, ReadHost, RootProgram};

/// The programs that serve mail here, by the name that the kernel keeps: `master` is Postfix's.
pub(super) const PROGRAMS: [&str; 7] =
    [COURIERTCPD, XINETD, DOVECOT, POSTFIX, "qmail-send", "exim4", "sendmail"];

/// Courier's listeners.
pub const COURIERTCPD: &str = "couriertcpd";
/// xinetd.
pub const XINETD: &str = "xinetd";
/// Dovecot's first process.
pub const DOVECOT: &str = "dovecot";
/// Postfix's first process; others have one of that name.
pub const POSTFIX: &str = "master";

/// How old a daemon without its socket may be and still be starting, in seconds. Seconds are all that is
/// known.
const STARTING: i64 = 3;

/// Tells daemons from others on one host.
#[derive(Debug, Clone, Default)]
pub struct DaemonJudge {
    /// The units of Courier and of xinetd, where systemd runs and knows them.
    units: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// The users that some daemons run as, by name.
    users: BTreeMap<&'static str, BTreeSet<u32>>,
}

/// Processes of the names of daemons, told apart.
#[derive(Debug, Clone, Default)]
pub struct JudgedProcesses {
    /// The daemons that run.
    pub daemons: Vec<Process>,
    /// The daemons that run and hold no socket: what they serve is down.
    pub deaf: Vec<Process>,
    /// Those of which it cannot be told, with what cannot be read.
    pub unclear: Vec<(Process, String)>,
    /// The names of those that are somebody else's, and why.
    pub strangers: BTreeSet<(String, ForeignProcess)>,
}

/// The users that a daemon which does not run as root runs as.
const fn users(program: &str) -> &'static [&'static str] {
    match program.as_bytes() {
        b"qmail-send" => &["qmails"],
        b"exim4" => &["Debian-exim", "exim", "mail"],
        b"sendmail" => &["smmsp"],
        _ => &[],
    }
}

impl DaemonJudge {
    /// What a host's service manager, services and `/etc/passwd` tell.
    pub(super) fn new(manager: &ServiceManager, services: &BTreeSet<&'static str>, passwd: &str) -> Self {
        let mut units: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        match manager {
            ServiceManager::Systemd { .. } => {
                for &service in services {
                    let program = match service {
                        XINETD => XINETD,
                        _ => COURIERTCPD,
                    };
                    units.entry(program).or_default().insert(service);
                }
            }
            ServiceManager::SysV => {}
        }
        let id = |user: &str| {
            let mut lines = passwd.lines().map(|line| line.split(':'));
            lines.find_map(|mut fields| (fields.next()? == user).then(|| fields.nth(1)?.parse().ok())?)
        };
        let users = PROGRAMS.map(|program| {
            let ids = users(program).iter().filter_map(|user| id(user));
            (program, ids.collect())
        });
        Self { units, users: users.into() }
    }

    /// Tells the processes apart.
    #[must_use]
    pub fn judge(&self, processes: Vec<Process>) -> JudgedProcesses {
        let mut judged = JudgedProcesses::default();
        for process in processes {
            match self.of(&process) {
                RootProgram::Own if is_deaf(&process) => judged.deaf.push(process),
                RootProgram::Own => match without_sockets(&process) {
                    Some(what) => judged.unclear.push((process, what)),
                    None => judged.daemons.push(process),
                },
                RootProgram::Not(why) => {
                    judged.strangers.insert((process.name, why));
                }
                RootProgram::Unknown(what) => judged.unclear.push((process, what)),
            }
        }
        // A child that has not yet become another program looks like its parent, and may have closed the
        // socket.
        let parents: BTreeSet<u32> = judged.daemons.iter().map(|one| one.id.pid).collect();
        judged.deaf.retain(|one| !parents.contains(&one.parent));
        (judged.unclear).retain(|(one, _)| !parents.contains(&one.parent));
        judged
    }

    fn of(&self, process: &Process) -> RootProgram {
        let is_own = |uid: &u32| {
            let users = self.users.get(process.name.as_str());
            users.is_some_and(|ids| ids.contains(uid))
        };
        match (&process.owner, process.roots()) {
            (ProcessOwner::User(uid), RootProgram::Not(ForeignProcess::User { .. })) if is_own(uid) => {
                RootProgram::Own
            }
            (ProcessOwner::User(_) | ProcessOwner::Several | ProcessOwner::Unknown, RootProgram::Own) => {
                self.of_unit(process)
            }
            (_, other) => other,
        }
    }

    fn of_unit(&self, process: &Process) -> RootProgram {
        let units = self.units.get(process.name.as_str());
        let (Some(units), Some(group)) = (units, &process.group) else {
            return RootProgram::Own;
        };
        let belongs = group.split(|&byte| byte == b'/').any(|part| {
            let unit = part.strip_suffix(b".service").unwrap_or_default();
            units.iter().any(|name| name.as_bytes() == unit)
        });
        if belongs {
            RootProgram::Own
        } else {
            let group = String::from_utf8_lossy(group).into_owned();
            RootProgram::Not(ForeignProcess::Unit { group })
        }
    }
}

/// Whether a daemon that always holds a socket holds none. xinetd may offer what is no TCP.
fn is_deaf(process: &Process) -> bool {
    let holds = process.name == COURIERTCPD;
    holds && process.ports.as_ref().is_some_and(Vec::is_empty)
}

fn without_sockets(process: &Process) -> Option<String> {
    let holds = process.name == COURIERTCPD;
    (holds && process.ports.is_none()).then(|| {
        let pid = process.id.pid;
        format!("cannot read where process {pid} listens (/proc/{pid}/fd)")
    })
}

/// How often a daemon that is being started is looked at again.
const LOOKS: u32 = 10;

/// How long it has for its socket between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

impl DaemonJudge {
    /// The daemons of these programs that run now; one that is being started is looked at again for a moment.
    ///
    /// # Errors
    /// [`HostError`] when the host cannot be asked.
    pub fn daemons(&self, host: &dyn ReadHost, programs: &[&'static str]) -> Result<Vec<Process>, HostError> {
        let mut batch = Batch::default();
        let processes = batch.processes(programs.to_vec());
        let now = batch.now();
        let mut answers = batch.read(host)?;
        let (processes, now) = (answers.take(processes)?, answers.take(now)?);
        Ok(self.settled(host, programs, processes, now)?.daemons)
    }

    /// Tells processes apart, and reads them again as long as one of them is only being started.
    pub(super) fn settled(
        &self,
        host: &dyn ReadHost,
        programs: &[&'static str],
        processes: Vec<Process>,
        now: i64,
    ) -> Result<JudgedProcesses, HostError> {
        let mut judged = self.judge(processes);
        for _ in 0..LOOKS {
            if !judged.is_starting(now) {
                break;
            }
            let mut batch = Batch::default();
            let paused = batch.pause(BETWEEN_LOOKS);
            let processes = batch.processes(programs.to_vec());
            let mut answers = batch.read(host)?;
            answers.take(paused)?;
            judged = self.judge(answers.take(processes)?);
        }
        Ok(judged)
    }
}

impl JudgedProcesses {
    /// Whether a daemon has just been started and does not hold its socket yet.
    pub(super) fn is_starting(&self, now: i64) -> bool {
        let mut deaf = self.deaf.iter();
        deaf.any(|process| (process.started).is_none_or(|started| now - started <= STARTING))
    }

    /// The daemons that run, with those that hold no socket.
    #[must_use]
    pub fn all(self) -> Vec<Process> {
        let mut all = self.daemons;
        all.extend(self.deaf);
        all.sort_by_key(|process| process.id);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{ControllingTerminal, ProcessId, ProgramFile};
    use crate::model::known;

    fn process(pid: u32, name: &str, owner: ProcessOwner, ports: Option<&[u16]>) -> Process {
        Process {
            id: ProcessId { pid, start: 1 },
            parent: 1,
            started: Some(100),
            name: name.to_owned(),
            owner,
            file: ProgramFile::of_link(format!("/usr/sbin/{name}").as_bytes()),
            group: None,
            terminal: ControllingTerminal::None,
            argv: Vec::new(),
            environment: Ok(Vec::new()),
            ports: ports.map(<[u16]>::to_vec),
            listens: None,
        }
    }

    fn in_group(group: &str) -> Process {
        Process {
            group: Some(group.as_bytes().to_vec()),
            ..process(7, COURIERTCPD, ProcessOwner::User(0), Some(&[143]))
        }
    }

    fn pids(processes: &[Process]) -> Vec<u32> {
        processes.iter().map(|one| one.id.pid).collect()
    }

    #[test]
    fn a_daemon_without_its_socket_is_down_and_for_a_moment_only_starting() {
        let root = ProcessOwner::User(0);
        let child = Process { parent: 4, ..process(6, COURIERTCPD, root, Some(&[])) };
        let judged = DaemonJudge::default().judge(vec![
            process(4, COURIERTCPD, root, Some(&[143])),
            process(5, COURIERTCPD, root, Some(&[])),
            child,
            process(7, XINETD, root, Some(&[])),
            process(8, COURIERTCPD, root, None),
        ]);
        assert_eq!(pids(&judged.daemons), [4, 7], "xinetd may offer what is no TCP");
        assert_eq!(pids(&judged.deaf), [5], "a child closes its socket");
        assert_eq!(judged.unclear.len(), 1);
        assert_eq!(judged.unclear[0].0.id.pid, 8);
        assert!(judged.is_starting(101));
        assert!(!judged.is_starting(110));
    }

    #[test]
    fn a_daemon_belongs_to_its_unit_where_systemd_knows_one() {
        let services = BTreeSet::from(["courier-imap", "xinetd"]);
        let systemctl = known("/usr/bin/systemctl");
        let systemd = DaemonJudge::new(&ServiceManager::Systemd { systemctl }, &services, "");
        let script = DaemonJudge::new(&ServiceManager::SysV, &services, "");
        for group in ["/system.slice/courier-imap.service", "/docker/1a2b/system.slice/courier-imap.service"]
        {
            assert_eq!(systemd.judge(vec![in_group(group)]).daemons.len(), 1, "{group}");
        }
        for group in [
            "/user.slice/user-0.slice/session-1.scope",
            "/system.slice/cron.service",
            "/system.slice/xinetd.service",
            "/user.slice/courier-imap.service.scope",
        ] {
            let judged = systemd.judge(vec![in_group(group)]);
            let why = ForeignProcess::Unit { group: group.to_owned() };
            assert!(judged.daemons.is_empty());
            assert!(judged.strangers.contains(&(COURIERTCPD.to_owned(), why)), "{group}");
            assert_eq!(script.judge(vec![in_group(group)]).daemons.len(), 1);
        }
        // A kernel that tells of no group says nothing against it.
        let silent = process(7, COURIERTCPD, ProcessOwner::User(0), Some(&[143]));
        assert_eq!(systemd.judge(vec![silent]).daemons.len(), 1);
    }

    #[test]
    fn a_daemon_may_run_as_its_own_user_and_as_no_other() {
        let passwd = "root:x:0:0::/root:/bin/sh\nexim:x:93:93::/:/bin/false\nqmails:x:2520:2520::/:/x\n";
        let judge = DaemonJudge::new(&ServiceManager::SysV, &BTreeSet::new(), passwd);
        let of = |name, uid| {
            let one = process(9, name, ProcessOwner::User(uid), Some(&[25]));
            judge.judge(vec![one]).daemons.len()
        };
        assert_eq!((of("exim4", 93), of("exim4", 0), of("exim4", 1000)), (1, 1, 0));
        assert_eq!((of("qmail-send", 2520), of("qmail-send", 93)), (1, 0));
        assert_eq!((of(DOVECOT, 0), of(DOVECOT, 93)), (1, 0));
    }
}
