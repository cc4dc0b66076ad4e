//! What a boot does about the own rules: the files that say what was confirmed last, and the hook that
//! establishes it.
//!
//! Pure. The hook is a unit of systemd or an init script with its links; both run one small script that loads
//! what lies in mailward's state, and takes away own rules that others bring back and nobody confirmed. It
//! runs before services are started, and behind what empties or fills a packet filter at boot.

mod steps;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

pub use self::steps::BootSite;
use super::PortAllowlist;
use super::backend::FilterBackend;
use super::rules::RuleSet;
use crate::facts::ServiceManager;
use crate::facts::tools::FilterTools;
use crate::host::{FileFound, PathExistence, STATE};
use crate::model::{AddressFamily, HostPath, known};

/// The script that establishes the rules, behind the lines that say which programs this host has.
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

/// The links elsewhere: behind `iptables` (08), before Plesk's firewall (09p…) and the network (10), as Red
/// Hat numbers them.
const LINKS: [(&str, &str); 4] = [
    ("/etc/rc2.d", "/etc/rc2.d/S09mailward-access"),
    ("/etc/rc3.d", "/etc/rc3.d/S09mailward-access"),
    ("/etc/rc4.d", "/etc/rc4.d/S09mailward-access"),
    ("/etc/rc5.d", "/etc/rc5.d/S09mailward-access"),
];

/// The files of rules: for nftables, and for each family of iptables; the two others were a version's before,
/// for kernels that did not take the first.
pub const RULES: [&str; 5] = ["boot.nft", "boot.v4", "boot.v4-all", "boot.v6", "boot.v6-all"];

/// The way that a file of rules belongs to; none where it is none.
#[must_use]
pub fn way_of(path: &HostPath) -> Option<FilterBackend> {
    let name = RULES.into_iter().find(|name| state(name) == *path)?;
    Some(if name == "boot.nft" { FilterBackend::Nftables } else { FilterBackend::Iptables })
}

/// The script, with the programs that were found on this host; where one has moved since, the script looks
/// for it.
fn loader(tools: &FilterTools) -> String {
    let mut text = String::from("# Written by mailward, which writes it again when it differs.\n");
    let mut program = |name: &str, path: Option<&HostPath>| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{name}={}", path.map_or("", HostPath::as_str));
    };
    program("nft", tools.nft.as_ref());
    for (family, name) in [(AddressFamily::Ipv4, "v4"), (AddressFamily::Ipv6, "v6")] {
        let tools = tools.of(family);
        for (kind, save, restore) in [
            ("", &tools.save, &tools.restore),
            ("legacy_", &tools.legacy_save, &tools.legacy_restore),
            ("nft_", &tools.nft_save, &tools.nft_restore),
        ] {
            program(&format!("{name}_{kind}save"), save.as_ref());
            program(&format!("{name}_{kind}restore"), restore.as_ref());
        }
    }
    text + LOADER
}

/// The script's file name.
pub const LOADER_NAME: &str = "boot.sh";

/// The folder of access in mailward's state, which the first change makes.
pub const FOLDER: &str = "/var/lib/mailward/access";

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
    [FOLDER, WANTED, EARLY, EARLY_LINK].into_iter().chain(links).map(known).collect()
}

/// What a boot does now.
#[derive(Debug, Clone, Default)]
pub struct BootObserved {
    /// What stands at [`paths`].
    pub files: BTreeMap<HostPath, FileFound>,
    /// What stands at [`places`].
    pub places: BTreeMap<HostPath, PathExistence>,
    /// What the files say, read when it is first asked for: a plan asks several times.
    pub(super) written: WrittenRules,
}

impl BootObserved {
    fn is_there(&self, path: &str) -> bool {
        self.files.get(&known(path)).is_some_and(|found| match found {
            FileFound::Missing => false,
            FileFound::File(_) | FileFound::NotRegular | FileFound::Unreadable(_) => true,
        })
    }

    fn holds(&self, path: &HostPath, text: &str) -> bool {
        matches!(self.files.get(path), Some(FileFound::File(state)) if state.bytes == text.as_bytes())
    }

    fn place(&self, path: &str) -> bool {
        match self.places.get(&known(path)) {
            Some(PathExistence::File(_) | PathExistence::Folder | PathExistence::Other) => true,
            Some(PathExistence::Missing | PathExistence::Unknown(_)) | None => false,
        }
    }

    /// Whether rules of this way come back at boot, whatever they are.
    #[must_use]
    pub fn restores(&self, way: FilterBackend, manager: &ServiceManager) -> bool {
        let rules = (RULES.iter().map(|name| state(name)))
            .any(|path| way_of(&path) == Some(way) && self.is_there(path.as_str()));
        rules && self.hooked(manager)
    }

    fn hooked(&self, manager: &ServiceManager) -> bool {
        match manager {
            ServiceManager::Systemd { .. } => self.is_there(UNIT_PATH) && self.place(WANTED),
            ServiceManager::SysV => {
                self.is_there(SCRIPT_PATH) && self.links().iter().all(|link| self.place(link))
            }
        }
    }

    /// The links that a host with init scripts needs; none where it has no folder for them.
    fn links(&self) -> Vec<&'static str> {
        if self.place(EARLY) {
            return vec![EARLY_LINK];
        }
        LINKS.iter().filter(|(folder, _)| self.place(folder)).map(|(_, link)| *link).collect()
    }

    /// Whether there is any way to have something done at boot.
    #[must_use]
    pub fn can_hook(&self, manager: &ServiceManager) -> bool {
        match manager {
            ServiceManager::Systemd { .. } => true,
            ServiceManager::SysV => !self.links().is_empty(),
        }
    }
}

/// What the files of rules say; none where they cannot be read.
#[derive(Debug, Clone, Default)]
pub(super) struct WrittenRules {
    pub(super) allowlists: OnceLock<Option<Vec<PortAllowlist>>>,
    pub(super) chains: OnceLock<Option<Vec<RuleSet>>>,
}
