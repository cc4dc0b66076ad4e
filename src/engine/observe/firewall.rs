//! Asks for a host's packet filters: each command once, and none that would load a module into the kernel.

use std::collections::BTreeSet;
use std::time::Duration;

use super::sshd::{self, KnownListeners};
use crate::edit::xinetd::XinetdConfig;
use crate::facts::tools::{FilterTools, IptablesVariant, NetfilterSupport, NftablesSupport};
use crate::facts::{Facts, Plesk};
use crate::firewall::ends::{LocalAddressEvidence, LocalAddressModule};
use crate::firewall::observed::{
    LegacyTableNames, NeighbourProgram, ObservedFirewall, PacketEntrance, PleskAnswers, RawFilters, ipvs,
};
use crate::host::batch::{Answers, Batch, Ticket};
use crate::host::{
    CommandOutput, ControllingTerminal, FileFound, HostCommand, HostError, PathExistence, Process, ProcessId,
    ReadHost,
};
use crate::model::{AddressFamily, HostPath, known};

/// How long a command that lists rules may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long Plesk's command may take: it starts PHP.
const PLESK_PATIENCE: Duration = Duration::from_secs(60);

/// The most that a command may print, in bytes: about 200,000 networks of nft's JSON.
const LONGEST: usize = 32 * 1024 * 1024;

/// Daemons that make rules, and the programs that a script of Plesk's firewall is run by.
const PROGRAMS: [&str; 9] =
    ["firewalld", "dockerd", "firewall-new.sh", "sh", "bash", "dash", "php", "sw-engine", "python3"];

/// The programs that wait for a login at a console, and those that somebody is logged in by.
const LOGINS: [&str; 7] = ["agetty", "getty", "mingetty", "mgetty", "fgetty", "login", "sulogin"];

/// A file that only an installed neighbour has, and one that says that it is off.
const FILES: [(NeighbourProgram, &str, Option<&str>); 4] = [
    (NeighbourProgram::Csf, "/etc/csf/csf.conf", Some("/etc/csf/csf.disable")),
    (NeighbourProgram::Apf, "/etc/apf/conf.apf", None),
    // It starts at boot, though it may not run now.
    (NeighbourProgram::Firewalld, "/etc/systemd/system/multi-user.target.wants/firewalld.service", None),
    (NeighbourProgram::Imunify, "/etc/sysconfig/imunify360/imunify360.config", None),
];

/// Requests under way.
pub(super) struct FirewallTickets {
    tools: FilterTools,
    kernel: KernelTickets,
    /// What tells whether nftables is built in, where that must be known first.
    built_in: Option<Ticket<FileFound>>,
    balancer: Option<Ticket<FileFound>>,
    names: Vec<(AddressFamily, &'static str, Ticket<FileFound>)>,
    shows: LocalAddressTickets,
    processes: Ticket<Vec<Process>>,
    inetd: Ticket<FileFound>,
    addresses: Ticket<FileFound>,
    files: Vec<(NeighbourProgram, Ticket<PathExistence>, Option<Ticket<PathExistence>>)>,
    plesk: Option<PleskTickets>,
}

#[derive(Default)]
struct KernelTickets {
    nft: Option<(HostCommand, Ticket<CommandOutput>)>,
    saved: Vec<(AddressFamily, IptablesVariant, HostCommand, Ticket<CommandOutput>)>,
    versions: Vec<(AddressFamily, Ticket<CommandOutput>)>,
}

/// How a module's file may be packed.
const PACKED: [&str; 4] = ["", ".xz", ".zst", ".gz"];

/// What shows whether the kernel can tell its own addresses from others'.
#[derive(Default)]
struct LocalAddressTickets {
    matches: Vec<(AddressFamily, Ticket<FileFound>)>,
    modules: Option<ModuleTickets>,
}

struct ModuleTickets {
    /// The list that every folder of modules has.
    listed: Ticket<PathExistence>,
    built_in: Ticket<FileFound>,
    files: Vec<(LocalAddressModule, Ticket<Option<usize>>)>,
}

impl LocalAddressTickets {
    fn ask(batch: &mut Batch, tools: &FilterTools) -> Self {
        let matches = [
            (AddressFamily::Ipv4, "/proc/net/ip_tables_matches"),
            (AddressFamily::Ipv6, "/proc/net/ip6_tables_matches"),
        ]
        .map(|(family, path)| (family, batch.file(known(path))));
        let folder = (tools.kernel.release.as_ref())
            .and_then(|release| HostPath::new(format!("/lib/modules/{release}")).ok());
        let modules = folder.and_then(|folder| {
            let mut files = Vec::new();
            for module in LocalAddressModule::ALL {
                let paths: Result<Vec<_>, _> =
                    PACKED.iter().map(|ending| folder.join(&format!("{}{ending}", module.file()))).collect();
                files.push((module, batch.first_existing(paths.ok()?)));
            }
            Some(ModuleTickets {
                listed: batch.exists(folder.join("modules.dep").ok()?),
                built_in: batch.file(folder.join("modules.builtin").ok()?),
                files,
            })
        });
        Self { matches: matches.into(), modules }
    }

    fn shows(self, answers: &mut Answers) -> Result<LocalAddressEvidence, HostError> {
        let mut shows = LocalAddressEvidence::default();
        for (family, ticket) in self.matches {
            if let FileFound::File(state) = answers.take(ticket)? {
                let text = String::from_utf8_lossy(&state.bytes).into_owned();
                shows.matches.insert(family, text);
            }
        }
        if let Some(tickets) = self.modules {
            let built_in = match answers.take(tickets.built_in)? {
                FileFound::File(state) => String::from_utf8_lossy(&state.bytes).into_owned(),
                FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => String::new(),
            };
            let mut found = BTreeSet::new();
            for (module, ticket) in tickets.files {
                let there = answers.take(ticket)?.is_some();
                if there || built_in.lines().any(|line| line == module.file()) {
                    found.insert(module);
                }
            }
            let listed = answers.take(tickets.listed)? != PathExistence::Missing;
            shows.modules = listed.then_some(found);
        }
        Ok(shows)
    }
}

struct PleskTickets {
    exists: Ticket<PathExistence>,
    enabled: (HostCommand, Ticket<CommandOutput>),
    list: (HostCommand, Ticket<CommandOutput>),
    ini: (HostPath, Ticket<FileFound>),
}

fn lister(program: &HostPath, arguments: &[&str]) -> HostCommand {
    let arguments = arguments.iter().map(|&text| text.to_owned()).collect();
    let mut command = HostCommand::new(program.clone(), arguments, PATIENCE);
    command.cap = LONGEST;
    command
}

pub(super) fn ask(batch: &mut Batch, facts: &Facts) -> FirewallTickets {
    let tools = &facts.tools;
    let mut kernel = KernelTickets::default();
    let mut names = Vec::new();
    let mut shows = LocalAddressTickets::default();
    let mut built_in = None;
    let mut balancer = None;
    if tools.kernel.netfilter == NetfilterSupport::Shown {
        shows = LocalAddressTickets::ask(batch, tools);
        balancer = Some(batch.file(known(ipvs::PATH)));
        for (family, path) in [
            (AddressFamily::Ipv4, "/proc/net/ip_tables_names"),
            (AddressFamily::Ipv6, "/proc/net/ip6_tables_names"),
        ] {
            names.push((family, path, batch.file(known(path))));
            if let Some(program) = tools.of(family).legacy_saver() {
                kernel.save(batch, family, IptablesVariant::Legacy, program);
            }
        }
        match (tools.kernel.nf_tables, &tools.kernel.release) {
            (NftablesSupport::Present, _) => kernel.nf_tables(batch, tools),
            (NftablesSupport::NotLoaded, Some(release)) if tools.ask_nf_tables() => {
                let path = HostPath::new(format!("/lib/modules/{release}/modules.builtin"));
                built_in = path.ok().map(|path| batch.file(path));
            }
            (NftablesSupport::NotLoaded, _) => {}
        }
    }
    FirewallTickets {
        tools: tools.clone(),
        kernel,
        built_in,
        balancer,
        names,
        shows,
        processes: {
            let names = PROGRAMS.iter().chain(&sshd::PROGRAMS).chain(&LOGINS);
            batch.processes(names.copied().collect())
        },
        inetd: batch.file(known("/etc/inetd.conf")),
        addresses: batch.file(known("/proc/net/if_inet6")),
        files: FILES
            .iter()
            .map(|(neighbour, file, off)| {
                let off = off.map(|off| batch.exists(known(off)));
                (*neighbour, batch.exists(known(file)), off)
            })
            .collect(),
        plesk: facts.plesk.as_ref().and_then(|plesk| of_plesk(batch, plesk)),
    }
}

impl KernelTickets {
    fn save(
        &mut self,
        batch: &mut Batch,
        family: AddressFamily,
        variant: IptablesVariant,
        program: &HostPath,
    ) {
        let command = lister(program, &[]);
        let ticket = batch.output(command.clone());
        self.saved.push((family, variant, command, ticket));
    }

    /// Asks what nftables holds, which has no module loaded for it where it is there.
    fn nf_tables(&mut self, batch: &mut Batch, tools: &FilterTools) {
        if let Some(nft) = &tools.nft {
            let command = lister(nft, &["-j", "list", "ruleset"]);
            self.nft = Some((command.clone(), batch.output(command)));
        }
        for family in AddressFamily::ALL {
            let tools = tools.of(family);
            if let Some(program) = &tools.nft_save {
                self.save(batch, family, IptablesVariant::Nft, program);
            }
            if let Some(program) = &tools.plain {
                let command = lister(program, &["--version"]);
                self.versions.push((family, batch.output(command)));
            }
        }
    }

    fn answers(self, answers: &mut Answers, raw: &mut RawFilters) -> Result<(), HostError> {
        if let Some((command, ticket)) = self.nft {
            raw.nft = Some((command, answers.take(ticket)?));
        }
        for (family, variant, command, ticket) in self.saved {
            let output = answers.take(ticket)?;
            raw.saved.push((family, variant, command, output));
        }
        for (family, ticket) in self.versions {
            raw.versions.push((family, answers.take(ticket)?));
        }
        Ok(())
    }
}

fn of_plesk(batch: &mut Batch, plesk: &Plesk) -> Option<PleskTickets> {
    let program = plesk.root.join("bin/modules/firewall/settings").ok()?;
    let ini = plesk.root.join("admin/conf/panel.ini").ok()?;
    let mut ask = |option: &str| {
        let mut command = lister(&program, &[option]);
        command.deadline = PLESK_PATIENCE;
        (command.clone(), batch.output(command))
    };
    let (enabled, list) = (ask("--is-enabled"), ask("--list-json"));
    Some(PleskTickets { exists: batch.exists(program), enabled, list, ini: (ini.clone(), batch.file(ini)) })
}

impl FirewallTickets {
    /// Takes the answers, and asks once more where whether nftables may be asked had to be known first, or
    /// where sshd listens.
    pub(super) fn observed(
        self,
        host: &dyn ReadHost,
        facts: &Facts,
        xinetd: Option<&XinetdConfig>,
        answers: &mut Answers,
    ) -> Result<ObservedFirewall, HostError> {
        let mut raw = RawFilters::default();
        self.kernel.answers(answers, &mut raw)?;
        if let Some(ticket) = self.built_in
            && may_ask(&answers.take(ticket)?)
        {
            let mut batch = Batch::default();
            let mut kernel = KernelTickets::default();
            kernel.nf_tables(&mut batch, &self.tools);
            kernel.answers(&mut batch.read(host)?, &mut raw)?;
        }
        for (family, path, ticket) in self.names {
            let names = LegacyTableNames::read(path, &answers.take(ticket)?);
            raw.names.push((family, names));
        }
        raw.shows = self.shows.shows(answers)?;
        if let Some(ticket) = self.balancer {
            raw.balancer = ipvs::layer(&answers.take(ticket)?);
        }
        let processes = answers.take(self.processes)?;
        let sshd = KnownListeners { facts, processes: &processes, xinetd, inetd: &answers.take(self.inetd)? }
            .sshd(host)?;
        raw.entrances = entrances(&processes, &sshd.ports);
        raw.ssh_ports = sshd.ports;
        raw.may_be_ssh = sshd.suspects;
        (raw.has_ipv6, raw.speaks_ipv6) = match answers.take(self.addresses)? {
            FileFound::File(state) => (true, !state.bytes.is_empty()),
            // A kernel without IPv6 has no such file.
            FileFound::Missing => (false, false),
            FileFound::NotRegular | FileFound::Unreadable(_) => (true, true),
        };
        for (neighbour, file, off) in self.files {
            let there = answers.take(file)? != PathExistence::Missing;
            let off = match off {
                Some(ticket) => answers.take(ticket)? != PathExistence::Missing,
                None => false,
            };
            if there && !off {
                raw.neighbours.insert(neighbour);
            }
        }
        // They are run by an interpreter or by root's own file: whose they are tells.
        for process in processes.iter().filter(|process| process.is_roots()) {
            raw.neighbours.extend(match process.name.as_str() {
                "firewalld" => Some(NeighbourProgram::Firewalld),
                "dockerd" => Some(NeighbourProgram::Docker),
                _ => None,
            });
        }
        if let Some(plesk) = self.plesk {
            raw.plesk = Some(PleskAnswers {
                exists: answers.take(plesk.exists)?,
                enabled: (plesk.enabled.0, answers.take(plesk.enabled.1)?),
                list: (plesk.list.0, answers.take(plesk.list.1)?),
                ini: (plesk.ini.0, answers.take(plesk.ini.1)?),
                applies: applies_of_plesk(&processes),
            });
        }
        Ok(ObservedFirewall::read(&self.tools, raw))
    }
}

/// Whether asking nftables loads nothing: it is built in, or this system has no modules for its kernel.
fn may_ask(built_in: &FileFound) -> bool {
    match built_in {
        FileFound::File(state) => String::from_utf8_lossy(&state.bytes).contains("/nf_tables.ko"),
        FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => true,
    }
}

/// Where somebody could get in anew. An sshd whose sockets cannot be read counts.
fn entrances(processes: &[Process], ssh_ports: &BTreeSet<u16>) -> BTreeSet<PacketEntrance> {
    let waits = |process: &&Process| {
        LOGINS.contains(&process.name.as_str())
            && process.terminal == ControllingTerminal::Console
            && process.may_be_roots_applet()
    };
    let is_hidden = |process: &&Process| {
        process.name == "sshd" && process.ports.is_none() && process.may_be_roots_applet()
    };
    let console = processes.iter().find(waits).map(|_| PacketEntrance::Console);
    let ssh = !ssh_ports.is_empty() || processes.iter().any(|process| is_hidden(&process));
    console.into_iter().chain(ssh.then_some(PacketEntrance::Ssh)).collect()
}

/// The vendor's article tells to look for `firewall-new.sh` in what `ps` shows.
fn applies_of_plesk(processes: &[Process]) -> Vec<ProcessId> {
    let names =
        |word: &Vec<u8>| (word.windows(b"firewall-new.sh".len())).any(|part| part == b"firewall-new.sh");
    (processes.iter())
        .filter(|process| process.is_roots() && process.argv.iter().any(names))
        .map(|process| process.id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{ProcessOwner, ProgramFile};

    fn process(owner: ProcessOwner, name: &str, file: &str) -> Process {
        Process {
            id: ProcessId { pid: 9, start: 1 },
            parent: 1,
            started: None,
            name: name.to_owned(),
            owner,
            file: ProgramFile::of_link(file.as_bytes()),
            group: None,
            terminal: ControllingTerminal::Console,
            argv: vec![b"/bin/sh".to_vec(), b"/x/firewall-new.sh".to_vec()],
            environment: Ok(Vec::new()),
            ports: None,
            listens: None,
        }
    }

    #[test]
    fn a_user_who_calls_a_process_like_a_way_in_makes_none() {
        let none: BTreeSet<PacketEntrance> = BTreeSet::new();
        let of = |owner, name, file| entrances(&[process(owner, name, file)], &BTreeSet::new());
        for (name, file, entrance) in [
            ("sshd", "/usr/sbin/sshd", PacketEntrance::Ssh),
            ("agetty", "/usr/sbin/agetty", PacketEntrance::Console),
            ("getty", "/bin/busybox", PacketEntrance::Console),
        ] {
            assert_eq!(of(ProcessOwner::User(0), name, file), [entrance].into(), "{name}");
            assert_eq!(of(ProcessOwner::User(1000), name, file), none, "{name}");
            assert_eq!(of(ProcessOwner::Several, name, file), none, "{name}");
            assert_eq!(of(ProcessOwner::User(0), name, "/usr/bin/sudo"), none, "{name}");
        }
    }

    #[test]
    fn a_user_who_calls_a_process_like_the_panels_script_does_not_hold_up_a_plan() {
        let of = |owner| applies_of_plesk(&[process(owner, "sh", "/usr/bin/dash")]);
        assert_eq!(of(ProcessOwner::User(0)).len(), 1);
        assert_eq!(of(ProcessOwner::User(1000)), []);
    }
}
