//! Finds where sshd listens: its own sockets, and those that systemd, xinetd or inetd hold for it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::edit::xinetd::XinetdConfig;
use crate::facts::{Facts, ServiceManager};
use crate::firewall::sshd::{ListenerPorts, ListenerService, mail_ports, of_inetd, of_systemd, of_xinetd};
use crate::host::batch::Batch;
use crate::host::{
    CommandEnding, FileFound, HostCommand, HostError, Process, ReadHost, is_session, listening_ports,
};
use crate::limits::xinetd::running;
use crate::model::known;

/// What listens for sshd, or is it.
pub(super) const PROGRAMS: [&str; 6] = [
    "sshd",
    "dropbear",
    "systemd",
    "init",
    "inetd",
    // The kernel keeps 15 bytes.
    "inetutils-inetd",
];

/// How long systemd may take to list its units.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that it may print of them, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// Where sshd listens.
#[derive(Debug, Default)]
pub(super) struct SshdListening {
    /// Its ports, as far as they are known.
    pub(super) ports: BTreeSet<u16>,
    /// Where none is known: the mail ports on which something listens that may be it.
    pub(super) suspects: Option<BTreeSet<u16>>,
}

/// What is known of the programs that listen for others.
pub(super) struct KnownListeners<'a> {
    pub(super) facts: &'a Facts,
    /// The processes of [`PROGRAMS`].
    pub(super) processes: &'a [Process],
    /// What xinetd reads, where it runs.
    pub(super) xinetd: Option<&'a XinetdConfig>,
    /// inetd's file.
    pub(super) inetd: &'a FileFound,
}

fn ports<'p>(processes: impl IntoIterator<Item = &'p Process>) -> BTreeSet<u16> {
    let processes = processes.into_iter();
    processes.flat_map(|process| process.ports.iter().flatten().copied()).collect()
}

impl KnownListeners<'_> {
    fn named(&self, names: &'static [&'static str]) -> impl Iterator<Item = &Process> {
        let named = (self.processes.iter()).filter(|process| names.contains(&process.name.as_str()));
        named.filter(|process| process.may_be_roots_applet())
    }

    /// Finds out; the host is asked once more where systemd listens on a mail port for somebody, or no port
    /// is known.
    pub(super) fn sshd(&self, host: &dyn ReadHost) -> Result<SshdListening, HostError> {
        let own = ports(self.named(&["sshd", "dropbear"]));
        let serves_one = |process: &&Process| process.argv.first().is_some_and(|title| is_session(title));
        // Sessions listen for what they forward.
        let mut listens = ports(self.named(&["sshd", "dropbear"]).filter(|one| !serves_one(one)));
        let inetd = match self.inetd {
            FileFound::File(state) => of_inetd(&state.bytes),
            FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => Vec::new(),
        };
        let mut services: Vec<ListenerService> = inetd.clone();
        services.extend(self.xinetd.into_iter().flat_map(|config| of_xinetd(config, &listens)));
        let by_xinetd = ListenerPorts::of(&ports(running(&self.facts.processes)), &services);
        let by_inetd = ListenerPorts::of(&ports(self.named(&["inetd", "inetutils-inetd"])), &inetd);
        listens.extend(by_xinetd.sshd.iter().chain(&by_inetd.sshd));
        let mail = ports((self.facts.processes.iter()).filter(|process| process.name != "xinetd"));
        let mut explained: BTreeSet<u16> = &by_xinetd.others | &by_inetd.others;
        explained.extend(mail);
        let first = self.named(&["systemd", "init"]).filter(|process| process.id.pid == 1);
        let held = &(&ports(first) & &mail_ports()) - &(&explained | &listens);
        if !held.is_empty() || listens.is_empty() {
            let (units, listening) = self.ask(host)?;
            let by_systemd = ListenerPorts::of(&held, &of_systemd(&units));
            listens.extend(&held - &by_systemd.others);
            explained.extend(by_systemd.others);
            if listens.is_empty() {
                let suspects = &(&listening & &mail_ports()) - &explained;
                return Ok(SshdListening { ports: own, suspects: Some(suspects) });
            }
        }
        Ok(SshdListening { ports: &own | &listens, suspects: None })
    }

    /// What systemd says of its units, and all ports on which anything listens.
    fn ask(&self, host: &dyn ReadHost) -> Result<(String, BTreeSet<u16>), HostError> {
        let mut batch = Batch::default();
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| batch.file(known(path)));
        let units = match &self.facts.manager {
            ServiceManager::Systemd { systemctl } => {
                let words =
                    ["show", "--all", "--property=Id,Listen,Triggers,ExecStart", "*.socket", "*.service"];
                let words = words.map(str::to_owned).to_vec();
                let mut command = HostCommand::new(systemctl.clone(), words, PATIENCE);
                command.cap = LONGEST;
                Some(batch.output(command))
            }
            ServiceManager::SysV => None,
        };
        let mut answers = batch.read(host)?;
        let mut listening = BTreeSet::new();
        for table in tables {
            if let FileFound::File(state) = answers.take(table)? {
                listening.extend(listening_ports(&state.bytes));
            }
        }
        let mut told = String::new();
        if let Some(units) = units {
            let output = answers.take(units)?;
            if output.end == CommandEnding::Code(0) {
                told = String::from_utf8_lossy(&output.stdout).into_owned();
            }
        }
        Ok((told, listening))
    }
}
