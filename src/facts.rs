//! What kind of host it is, read in one trip and never assumed.
//!
//! Facts are about the host as such: its names, its service manager, which services and vendor commands
//! exist, which mail daemons run. What the manifest manages is read afterwards, by `observe`.

mod boot;
pub mod control;
mod daemons;
mod filters;
mod names;
mod plesk;
pub mod tools;

use std::collections::BTreeSet;
use std::time::Duration;

pub use self::daemons::{COURIERTCPD, DOVECOT, DaemonJudge, JudgedProcesses, POSTFIX, XINETD};
pub use self::plesk::Plesk;

pub use self::boot::BootClock;
use self::boot::ClockTickets;
use self::daemons::PROGRAMS;
use self::names::names;
use self::plesk::{PRODUCT_ROOTS, plesk};
use crate::facts::control::ServiceControl;
use crate::facts::tools::FilterTools;
use crate::host::batch::{Answers, Batch, FirstAnswer, Ticket};
use crate::host::timer::TimerStarter;
use crate::host::{FileFound, ForeignProcess, HostError, PathExistence, Process, ReadHost};
use crate::model::HostId;
use crate::model::{HostPath, known};

/// The services whose existence matters here, as systemd or SysV init know them.
///
/// The four split names are Plesk's since about 11, `courier-imapd-ssl` and `courier-pop3d-ssl` Gentoo's, the
/// others Debian's; `courier-imap` alone is the one script for all four listeners of older Plesk and of
/// upstream's packages.
pub const SERVICES: [&str; 11] = [
    "courier-imap",
    "courier-imap-ssl",
    "courier-imapd",
    "courier-imapd-ssl",
    "courier-imaps",
    "courier-pop",
    "courier-pop-ssl",
    "courier-pop3d",
    "courier-pop3d-ssl",
    "courier-pop3s",
    "xinetd",
];

const UNIT_FOLDERS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const SYSTEMCTL: [&str; 2] = ["/usr/bin/systemctl", "/bin/systemctl"];
const COURIER_FILES: [&str; 4] =
    ["/etc/courier-imap/imapd", "/etc/courier-imap/pop3d", "/etc/courier/imapd", "/etc/courier/pop3d"];
const NODE: &str = "/proc/sys/kernel/hostname";
const HOSTS: &str = "/etc/hosts";
const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// Holds the database's password; every release of Plesk has it.
pub const SECRET: &str = "/etc/psa/.psa.shadow";

/// What kind of host it is.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The kernel's node name.
    pub node: Option<String>,
    /// The node name and the names that `/etc/hosts` gives it, in lower case.
    pub names: BTreeSet<String>,
    /// The machine's id, from systemd's or D-Bus's file.
    pub machine_id: Option<String>,
    /// How services are started and stopped.
    pub manager: ServiceManager,
    /// Who starts the timer that takes a change of access back.
    pub starter: TimerStarter,
    /// Which of [`SERVICES`] exist.
    pub services: BTreeSet<&'static str>,
    /// Plesk, where it is installed.
    pub plesk: Option<Plesk>,
    /// The folder of Courier's files, where there is one.
    pub courier: Option<HostPath>,
    /// The mail daemons that run.
    pub processes: Vec<Process>,
    /// What else has the names of daemons.
    pub others: DaemonNamesakes,
    /// Tells daemons from others.
    pub judge: DaemonJudge,
    /// The packet filter commands that exist, and what the kernel shows of packet filters.
    pub tools: FilterTools,
    /// Tells one boot from another; none where the host does not tell.
    ///
    /// `/proc/sys/kernel/random/boot_id`, and when the first process began: a container boots on a kernel
    /// that goes on.
    pub boot: Option<String>,
    /// Milliseconds since the boot (`/proc/uptime`), or since 1970 where the host does not tell.
    pub uptime: u64,
    /// The host's clock, in seconds since 1970.
    pub now: i64,
}

/// What has the name of a daemon and is none that serves.
#[derive(Debug, Clone, Default)]
pub struct DaemonNamesakes {
    /// The processes of which it cannot be told whether they are daemons, with what cannot be read.
    pub unclear: Vec<(Process, String)>,
    /// The names of those that are somebody else's, and why.
    pub strangers: BTreeSet<(String, ForeignProcess)>,
}

/// How services are started and stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceManager {
    /// systemd runs as the first process (`/run/systemd/system` exists, sd_booted(3)).
    Systemd {
        /// Its control program.
        systemctl: HostPath,
    },
    /// Init scripts in `/etc/init.d`.
    SysV,
}

/// Facts cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The host does not answer.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A file that decides something cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Facts {
    /// Which host it is, as a saved plan is bound to it.
    #[must_use]
    pub fn id(&self) -> HostId {
        HostId { name: self.node.clone(), machine_id: self.machine_id.clone() }
    }

    /// How a service is stopped and started here; none where there is no such service.
    #[must_use]
    pub fn control(&self, unit: &str, deadline: Duration) -> Option<ServiceControl> {
        self.services.get(unit)?;
        Some(match &self.manager {
            ServiceManager::Systemd { systemctl } => ServiceControl::Job {
                systemctl: systemctl.clone(),
                unit: format!("{unit}.service"),
                patience: deadline,
            },
            ServiceManager::SysV => {
                ServiceControl::Pair { script: known(&format!("/etc/init.d/{unit}")), patience: deadline }
            }
        })
    }
}

/// Requests for the facts under way.
pub struct FactsTickets {
    node: Ticket<FileFound>,
    hosts: Ticket<FileFound>,
    machine_id: Ticket<FirstAnswer<FileFound>>,
    booted: Ticket<PathExistence>,
    systemctl: Vec<Ticket<PathExistence>>,
    units: Vec<(&'static str, Vec<Ticket<PathExistence>>)>,
    scripts: Vec<(&'static str, Ticket<PathExistence>)>,
    psa: Ticket<FileFound>,
    version: Ticket<FirstAnswer<FileFound>>,
    secret: Ticket<PathExistence>,
    courier: Ticket<FirstAnswer<FileFound>>,
    processes: Ticket<Vec<Process>>,
    passwd: Ticket<FileFound>,
    tools: filters::FilterToolTickets,
    clock: ClockTickets,
}

impl Facts {
    /// Reads the facts in one trip, and again for a moment where a daemon is being started.
    ///
    /// # Errors
    /// [`FactsError`]; a missing thing is a fact, an unreadable one an error.
    pub fn read(host: &dyn ReadHost) -> Result<Self, FactsError> {
        let mut batch = Batch::default();
        let tickets = FactsTickets::ask(&mut batch);
        tickets.facts(host, &mut batch.read(host)?)
    }
}

impl Facts {
    /// Reads again what may be another one a moment later: the daemons, the clocks, and what the kernel shows
    /// of packet filters.
    ///
    /// # Errors
    /// [`FactsError`].
    pub fn read_again(&self, host: &dyn ReadHost) -> Result<Self, FactsError> {
        let mut batch = Batch::default();
        let processes = batch.processes(PROGRAMS.to_vec());
        let kernel = filters::ask_kernel(&mut batch);
        let clock = BootClock::ask(&mut batch);
        let mut answers = batch.read(host)?;
        let mut facts = self.clone();
        facts.tools.kernel = kernel.kernel(&mut answers)?;
        BootClock { boot: facts.boot, uptime: facts.uptime, now: facts.now } = clock.clock(&mut answers)?;
        facts.settle_daemons(host, answers.take(processes)?)?;
        Ok(facts)
    }

    /// Takes what has the name of a daemon for what it is, and looks again for a moment where one is only
    /// being started.
    fn settle_daemons(&mut self, host: &dyn ReadHost, processes: Vec<Process>) -> Result<(), HostError> {
        let judged = self.judge.settled(host, &PROGRAMS, processes, self.now)?;
        let JudgedProcesses { daemons, deaf: _, unclear, strangers } = judged;
        self.processes = daemons;
        self.others = DaemonNamesakes { unclear, strangers };
        Ok(())
    }
}

/// What the host is called, and nothing else: enough to see whether a manifest is for it.
///
/// # Errors
/// [`FactsError`].
pub fn names_of(host: &dyn ReadHost) -> Result<BTreeSet<String>, FactsError> {
    let mut batch = Batch::default();
    let node = batch.file(known(NODE));
    let hosts = batch.file(known(HOSTS));
    let mut answers = batch.read(host)?;
    let node = node_name(answers.take(node)?)?;
    let hosts = text(answers.take(hosts)?, HOSTS)?.unwrap_or_default();
    Ok(names(node.as_deref(), &hosts))
}

fn node_name(found: FileFound) -> Result<Option<String>, FactsError> {
    Ok(text(found, NODE)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

impl FactsTickets {
    /// Asks for the facts.
    pub fn ask(batch: &mut Batch) -> Self {
        Self {
            node: batch.file(known(NODE)),
            hosts: batch.file(known(HOSTS)),
            machine_id: batch.first_file(MACHINE_IDS.map(known)),
            booted: batch.exists(known("/run/systemd/system")),
            systemctl: SYSTEMCTL.iter().map(|path| batch.exists(known(path))).collect(),
            units: SERVICES
                .iter()
                .map(|name| {
                    let paths = UNIT_FOLDERS.iter().map(|folder| known(&format!("{folder}/{name}.service")));
                    (*name, paths.map(|path| batch.exists(path)).collect())
                })
                .collect(),
            scripts: SERVICES
                .iter()
                .map(|name| (*name, batch.exists(known(&format!("/etc/init.d/{name}")))))
                .collect(),
            psa: batch.file(known("/etc/psa/psa.conf")),
            version: batch.first_file(PRODUCT_ROOTS.map(|root| known(&format!("{root}/version")))),
            secret: batch.exists(known(SECRET)),
            courier: batch.first_file(COURIER_FILES.map(known)),
            processes: batch.processes(PROGRAMS.to_vec()),
            passwd: batch.file(known("/etc/passwd")),
            tools: filters::ask(batch),
            clock: BootClock::ask(batch),
        }
    }

    /// The facts, after a look again where a daemon is being started.
    ///
    /// # Errors
    /// [`FactsError`].
    pub fn facts(self, host: &dyn ReadHost, answers: &mut Answers) -> Result<Facts, FactsError> {
        let node = node_name(answers.take(self.node)?)?;
        let hosts = text(answers.take(self.hosts)?, HOSTS)?.unwrap_or_default();
        let machine_id = match answers.take(self.machine_id)? {
            Some((index, found)) => text(found, MACHINE_IDS[index])?.map(|text| text.trim().to_owned()),
            None => None,
        };
        let booted = answers.take(self.booted)? == PathExistence::Folder;
        let mut systemctl = None;
        for (path, ticket) in SYSTEMCTL.iter().zip(self.systemctl) {
            if matches!(answers.take(ticket)?, PathExistence::File(_)) {
                systemctl.get_or_insert_with(|| known(path));
            }
        }
        let manager = match systemctl {
            Some(systemctl) if booted => ServiceManager::Systemd { systemctl },
            Some(_) | None => ServiceManager::SysV,
        };
        let starter = match &manager {
            ServiceManager::Systemd { systemctl } => TimerStarter::Systemd { systemctl: systemctl.clone() },
            ServiceManager::SysV => TimerStarter::Session,
        };
        let mut services = BTreeSet::new();
        for (name, tickets) in self.units {
            for ticket in tickets {
                if matches!(answers.take(ticket)?, PathExistence::File(_)) && manager != ServiceManager::SysV
                {
                    services.insert(name);
                }
            }
        }
        for (name, ticket) in self.scripts {
            if matches!(answers.take(ticket)?, PathExistence::File(_)) {
                services.insert(name);
            }
        }
        let psa = text(answers.take(self.psa)?, "/etc/psa/psa.conf")?;
        let version = answers.take(self.version)?;
        let secret = answers.take(self.secret)?;
        let plesk = plesk(psa.as_deref(), version, secret)?;
        let courier = match answers.take(self.courier)? {
            Some((index, _)) => known(COURIER_FILES[index]).parent(),
            None => None,
        };
        let BootClock { boot, uptime, now } = self.clock.clock(answers)?;
        // Without it a daemon that runs as a user of its own is not known, which says nothing of the others.
        let passwd = match answers.take(self.passwd)? {
            FileFound::File(state) => String::from_utf8_lossy(&state.bytes).into_owned(),
            FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => String::new(),
        };
        let mut facts = Facts {
            judge: DaemonJudge::new(&manager, &services, &passwd),
            others: DaemonNamesakes::default(),
            names: names(node.as_deref(), &hosts),
            node,
            machine_id,
            manager,
            starter,
            services,
            plesk,
            courier,
            processes: answers.take(self.processes)?,
            tools: self.tools.tools(answers)?,
            boot,
            uptime,
            now,
        };
        let named = std::mem::take(&mut facts.processes);
        facts.settle_daemons(host, named)?;
        Ok(facts)
    }
}

fn text(found: FileFound, path: &str) -> Result<Option<String>, FactsError> {
    match found {
        FileFound::File(state) => Ok(Some(String::from_utf8_lossy(&state.bytes).into_owned())),
        FileFound::Missing => Ok(None),
        FileFound::NotRegular => Err(FactsError::Unreadable {
            path: path.to_owned(),
            reason: "it is not a regular file".to_owned(),
        }),
        FileFound::Unreadable(reason) => Err(FactsError::Unreadable { path: path.to_owned(), reason }),
    }
}
