//! What a boot does about the own rules: the files that bring them back, and the hook that loads them.
//!
//! Pure. The hook is a unit of systemd or an init script with its links; both run one small script that loads what lies in
//! mailward's state. It runs before services are started, and behind what empties a packet filter at boot.

use std::collections::BTreeMap;

use super::how::BootHow;
use super::{Gate, iptables, nft};
use crate::facts::Manager;
use crate::host::{Command, Executable, Existence, Found, STATE};
use crate::model::{Family, HostPath, known};
use crate::plan::{Boot, BootStep, Way};

/// The script that loads the rules.
const LOADER: &str = include_str!("boot/load.sh");

/// The unit of systemd.
const UNIT: &str = include_str!("boot/mailward-access.service");

/// The init script.
const SCRIPT: &str = include_str!("boot/mailward-access.init");

/// The unit's name.
pub const SERVICE: &str = "mailward-access.service";

/// The unit's file.
pub const UNIT_PATH: &str = "/etc/systemd/system/mailward-access.service";

/// What enabling the unit makes.
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/mailward-access.service";

/// The init script's file.
pub const SCRIPT_PATH: &str = "/etc/init.d/mailward-access";

/// Where Debian starts what comes before all services; other systems have no such folder.
const EARLY: &str = "/etc/rcS.d";

/// The link there: behind everything else in it.
const EARLY_LINK: &str = "/etc/rcS.d/S99mailward-access";

/// The links elsewhere: behind `iptables` (08), before Plesk's firewall (09p…) and the network (10), as Red Hat numbers them.
const LINKS: [(&str, &str); 4] = [
    ("/etc/rc2.d", "/etc/rc2.d/S09mailward-access"),
    ("/etc/rc3.d", "/etc/rc3.d/S09mailward-access"),
    ("/etc/rc4.d", "/etc/rc4.d/S09mailward-access"),
    ("/etc/rc5.d", "/etc/rc5.d/S09mailward-access"),
];

/// The files of rules: for nftables, and for each family of iptables with and without `addrtype`.
pub const RULES: [&str; 5] = [
    "boot.nft",
    "boot.v4",
    "boot.v4-all",
    "boot.v6",
    "boot.v6-all",
];

/// The way that a file of rules belongs to; none where it is none.
#[must_use]
pub fn way_of(path: &HostPath) -> Option<Way> {
    let name = RULES.into_iter().find(|name| state(name) == *path)?;
    Some(if name == "boot.nft" {
        Way::Nftables
    } else {
        Way::Iptables
    })
}

/// The script's file name.
pub const LOADER_NAME: &str = "boot.sh";

/// A path in the folder of access in mailward's state.
#[must_use]
pub fn state(name: &str) -> HostPath {
    known(&format!("{STATE}/access/{name}"))
}

/// The paths that tell what a boot does now.
#[must_use]
pub fn paths() -> Vec<HostPath> {
    let rules = RULES.iter().map(|name| state(name));
    let others = [UNIT_PATH, SCRIPT_PATH].into_iter().map(known);
    rules.chain([state(LOADER_NAME)]).chain(others).collect()
}

/// The paths of which only matters whether they are there.
#[must_use]
pub fn places() -> Vec<HostPath> {
    let links = LINKS.iter().flat_map(|(folder, link)| [*folder, *link]);
    [WANTED, EARLY, EARLY_LINK]
        .into_iter()
        .chain(links)
        .map(known)
        .collect()
}

/// What a boot does now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootObserved {
    /// What stands at [`paths`].
    pub files: BTreeMap<HostPath, Found>,
    /// What stands at [`places`].
    pub places: BTreeMap<HostPath, Existence>,
}

impl BootObserved {
    fn is_there(&self, path: &str) -> bool {
        self.files
            .get(&known(path))
            .is_some_and(|found| match found {
                Found::Missing => false,
                Found::File(_) | Found::NotRegular | Found::Unreadable(_) => true,
            })
    }

    fn holds(&self, path: &HostPath, text: &str) -> bool {
        matches!(self.files.get(path), Some(Found::File(state)) if state.bytes == text.as_bytes())
    }

    fn place(&self, path: &str) -> bool {
        match self.places.get(&known(path)) {
            Some(Existence::File(_) | Existence::Folder | Existence::Other) => true,
            Some(Existence::Missing | Existence::Unknown(_)) | None => false,
        }
    }

    /// Whether rules of this way come back at boot, whatever they are.
    #[must_use]
    pub fn restores(&self, way: Way, manager: &Manager) -> bool {
        let rules = (RULES.iter().map(|name| state(name)))
            .any(|path| way_of(&path) == Some(way) && self.is_there(path.as_str()));
        rules && self.hooked(manager)
    }

    fn hooked(&self, manager: &Manager) -> bool {
        match manager {
            Manager::Systemd { .. } => self.is_there(UNIT_PATH) && self.place(WANTED),
            Manager::SysV => {
                self.is_there(SCRIPT_PATH) && self.links().iter().all(|link| self.place(link))
            }
        }
    }

    /// The links that a host with init scripts needs; none where it has no folder for them.
    fn links(&self) -> Vec<&'static str> {
        if self.place(EARLY) {
            return vec![EARLY_LINK];
        }
        LINKS
            .iter()
            .filter(|(folder, _)| self.place(folder))
            .map(|(_, link)| *link)
            .collect()
    }

    /// Whether there is any way to have something done at boot.
    #[must_use]
    pub fn can_hook(&self, manager: &Manager) -> bool {
        match manager {
            Manager::Systemd { .. } => true,
            Manager::SysV => !self.links().is_empty(),
        }
    }
}

/// The files of rules that a way needs for its gates; none where no gate restricts anybody.
fn rules(way: Way, gates: &[Gate], families: &[Family]) -> BTreeMap<&'static str, String> {
    let mut rules = BTreeMap::new();
    match way {
        Way::PleskFirewall => {}
        Way::Nftables => {
            if nft::rules(gates).is_some() {
                rules.insert("boot.nft", nft::script(gates));
            }
        }
        Way::Iptables => {
            let present = iptables::Present::default();
            for (family, destination, name) in [
                (Family::Ipv4, iptables::Destination::Local, "boot.v4"),
                (Family::Ipv4, iptables::Destination::Any, "boot.v4-all"),
                (Family::Ipv6, iptables::Destination::Local, "boot.v6"),
                (Family::Ipv6, iptables::Destination::Any, "boot.v6-all"),
            ] {
                if !families.contains(&family) {
                    continue;
                }
                if let Some(script) = iptables::replacement(gates, family, destination, &present) {
                    rules.insert(name, script);
                }
            }
        }
    }
    rules
}

/// What has to be done so that a boot brings back the rules of these gates and no others; none where that is so.
#[must_use]
pub fn step(
    way: Way,
    gates: &[Gate],
    families: &[Family],
    manager: &Manager,
    observed: &BootObserved,
    deadline: std::time::Duration,
) -> Option<BootStep> {
    let wanted = rules(way, gates, families);
    if wanted.is_empty() {
        return forget(way, manager, observed, deadline);
    }
    if !observed.can_hook(manager) {
        return None;
    }
    let mut how = BootHow::default();
    let texts = wanted
        .iter()
        .map(|(name, text)| (state(name), text.clone()));
    for (path, text) in texts.chain([(state(LOADER_NAME), LOADER.to_owned())]) {
        if !observed.holds(&path, &text) {
            how.save.push((path, text));
        }
    }
    for name in RULES {
        if !wanted.contains_key(name) && observed.is_there(state(name).as_str()) {
            how.remove.push(state(name));
        }
    }
    let (hook, text, kind) = match manager {
        Manager::Systemd { .. } => (UNIT_PATH, UNIT, Executable::No),
        Manager::SysV => (SCRIPT_PATH, SCRIPT, Executable::Yes),
    };
    let changed = !observed.holds(&known(hook), text);
    if changed {
        how.put = Some((known(hook), text.to_owned(), kind));
    }
    if changed || !observed.hooked(manager) {
        how.run = match manager {
            Manager::Systemd { systemctl } => ["daemon-reload", "enable"]
                .into_iter()
                .map(|verb| {
                    let mut arguments = vec![verb.to_owned()];
                    if verb == "enable" {
                        arguments.push(SERVICE.to_owned());
                    }
                    Command::new(systemctl.clone(), arguments, deadline)
                })
                .collect(),
            Manager::SysV => observed
                .links()
                .into_iter()
                .map(|link| {
                    let arguments = ["-sf", "../init.d/mailward-access", link];
                    Command::new(
                        known("/bin/ln"),
                        arguments.map(str::to_owned).to_vec(),
                        deadline,
                    )
                })
                .collect(),
        };
    }
    let mut paths: Vec<HostPath> = how.save.iter().map(|(path, _)| path.clone()).collect();
    paths.extend(how.put.iter().map(|(path, ..)| path.clone()));
    if how
        .run
        .iter()
        .any(|command| command.program.as_str() == "/bin/ln")
    {
        paths.extend(observed.links().into_iter().map(known));
    }
    paths.extend(how.remove.iter().cloned());
    paths.sort();
    (!paths.is_empty() || !how.run.is_empty()).then(|| BootStep {
        boot: Boot::Restores,
        way,
        paths,
        how: Some(Box::new(how)),
    })
}

/// What has to be done so that a boot brings back no rules; none where it brings back none.
fn forget(
    way: Way,
    manager: &Manager,
    observed: &BootObserved,
    deadline: std::time::Duration,
) -> Option<BootStep> {
    let mut how = BootHow::default();
    let names = RULES.into_iter().chain([LOADER_NAME]);
    how.remove = names
        .map(state)
        .chain([known(UNIT_PATH), known(SCRIPT_PATH)])
        .filter(|path| observed.is_there(path.as_str()))
        .collect();
    let links: Vec<&str> = LINKS
        .iter()
        .map(|(_, link)| *link)
        .chain([EARLY_LINK])
        .filter(|link| observed.place(link))
        .collect();
    match manager {
        Manager::Systemd { systemctl }
            if observed.place(WANTED) || observed.is_there(UNIT_PATH) =>
        {
            let arguments = vec!["disable".to_owned(), SERVICE.to_owned()];
            how.run
                .push(Command::new(systemctl.clone(), arguments, deadline));
        }
        Manager::Systemd { .. } | Manager::SysV => {}
    }
    if !links.is_empty() {
        let arguments = std::iter::once("-f").chain(links.iter().copied());
        how.run.push(Command::new(
            known("/bin/rm"),
            arguments.map(str::to_owned).collect(),
            deadline,
        ));
    }
    let mut paths = how.remove.clone();
    paths.extend(links.into_iter().map(known));
    paths.sort();
    (!paths.is_empty() || !how.run.is_empty()).then(|| BootStep {
        boot: Boot::Forgets,
        way,
        paths,
        how: Some(Box::new(how)),
    })
}
