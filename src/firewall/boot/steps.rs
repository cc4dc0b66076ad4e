//! What has to be done about the hook, and about what it establishes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    BootObserved, EARLY_LINK, LINKS, LOADER_NAME, RULES, SCRIPT, SCRIPT_PATH, SERVICE, UNIT, UNIT_PATH,
    WANTED, loader, state,
};
use crate::facts::ServiceManager;
use crate::facts::tools::FilterTools;
use crate::firewall::methods::BootMethod;
use crate::firewall::observed::ObservedFirewall;
use crate::firewall::step::{BootHook, BootStep, FilterBackend};
use crate::firewall::{PortAllowlist, iptables, nft};
use crate::host::{ExecutePermission, HostCommand};
use crate::model::{AddressFamily, HostPath, known};

/// A host, as far as its boot is concerned.
#[derive(Debug, Clone, Copy)]
pub struct BootSite<'a> {
    /// How it starts services.
    pub manager: &'a ServiceManager,
    /// The packet filter commands.
    pub tools: &'a FilterTools,
    /// Its packet filters.
    pub firewall: &'a ObservedFirewall,
    /// What a boot does now.
    pub observed: &'a BootObserved,
    /// How long a command may take.
    pub deadline: Duration,
}

/// The files of rules that a way needs for its allowlists; none where no allowlist restricts anybody.
fn rules(
    way: FilterBackend,
    allowlists: &[PortAllowlist],
    access: &ObservedFirewall,
) -> BTreeMap<&'static str, String> {
    let mut rules = BTreeMap::new();
    match way {
        FilterBackend::PleskFirewall => {}
        FilterBackend::Nftables => {
            let ends = access.ends_of_nftables();
            if !nft::rules(allowlists, ends).is_empty() {
                rules.insert("boot.nft", nft::script(allowlists, ends));
            }
        }
        FilterBackend::Iptables => {
            let present = iptables::PresentChains::default();
            // Both always: IPv6 may be switched on before the next apply.
            for (family, name) in [(AddressFamily::Ipv4, "boot.v4"), (AddressFamily::Ipv6, "boot.v6")] {
                let ends = access.ends_of_iptables(family);
                if let Some(script) = iptables::replacement(allowlists, family, ends, &present) {
                    rules.insert(name, script);
                }
            }
        }
    }
    rules
}

impl BootSite<'_> {
    /// What has to be done so that a boot takes back what nobody has confirmed, whoever brings it; none where
    /// that is so, and where there is no way to have anything done at boot. The files of rules stay: they say
    /// what was confirmed last. Those of allowlists that are taken over join them.
    #[must_use]
    pub fn guard(&self, adopted: &[(FilterBackend, Vec<PortAllowlist>)]) -> Option<BootMethod> {
        let mut how = BootMethod::default();
        let taken = (adopted.iter()).flat_map(|(way, allowlists)| rules(*way, allowlists, self.firewall));
        how.save.extend(taken.map(|(name, text)| (state(name), text)));
        if self.observed.can_hook(self.manager) {
            self.hook(&mut how);
        }
        (how != BootMethod::default()).then_some(how)
    }

    fn hook(&self, how: &mut BootMethod) {
        let (path, text) = (state(LOADER_NAME), loader(self.tools));
        if !self.observed.holds(&path, &text) {
            how.save.push((path, text));
        }
        let (hook, text, kind) = match self.manager {
            ServiceManager::Systemd { .. } => (UNIT_PATH, UNIT, ExecutePermission::No),
            ServiceManager::SysV => (SCRIPT_PATH, SCRIPT, ExecutePermission::Yes),
        };
        let changed = !self.observed.holds(&known(hook), text);
        if changed {
            how.put = Some((known(hook), text.to_owned(), kind));
        }
        if changed || !self.observed.hooked(self.manager) {
            how.run = match self.manager {
                ServiceManager::Systemd { systemctl } => ["daemon-reload", "enable"]
                    .into_iter()
                    .map(|verb| {
                        let mut arguments = vec![verb.to_owned()];
                        if verb == "enable" {
                            arguments.push(SERVICE.to_owned());
                        }
                        HostCommand::new(systemctl.clone(), arguments, self.deadline)
                    })
                    .collect(),
                ServiceManager::SysV => (self.observed.links().into_iter())
                    .map(|link| {
                        let arguments = ["-sf", "../init.d/mailward-access", link];
                        HostCommand::new(
                            known("/bin/ln"),
                            arguments.map(str::to_owned).to_vec(),
                            self.deadline,
                        )
                    })
                    .collect(),
            };
            let folders: Vec<HostPath> = match self.manager {
                ServiceManager::Systemd { .. } => {
                    [UNIT_PATH, WANTED].map(known).iter().filter_map(HostPath::parent).collect()
                }
                ServiceManager::SysV => {
                    (self.observed.links().into_iter()).filter_map(|link| known(link).parent()).collect()
                }
            };
            how.run.push(self.sync(&folders));
        }
    }

    /// Has the links in these folders outlast a power cut, since neither systemd nor ln sees to that. Tools
    /// before 2015 take no name and write everything to the disk, and so it is without one.
    fn sync(&self, folders: &[HostPath]) -> HostCommand {
        let folders = folders.iter().map(HostPath::to_string).collect();
        HostCommand::new(known("/bin/sync"), folders, self.deadline)
    }

    /// What has to be done so that a boot brings back the rules of these allowlists and no others; none where
    /// that is so. On a host that has no way for it they are written down all the same: they are what was
    /// confirmed last.
    #[must_use]
    pub fn step(&self, way: FilterBackend, allowlists: &[PortAllowlist]) -> Option<BootStep> {
        let wanted = rules(way, allowlists, self.firewall);
        if wanted.is_empty() {
            return self.forget(way);
        }
        let observed = self.observed;
        let mut how = BootMethod::default();
        for (name, text) in &wanted {
            if !observed.holds(&state(name), text) {
                how.save.push((state(name), text.clone()));
            }
        }
        for name in RULES {
            if !wanted.contains_key(name) && observed.is_there(state(name).as_str()) {
                how.remove.push(state(name));
            }
        }
        let boot = if observed.can_hook(self.manager) {
            self.hook(&mut how);
            BootHook::Restores
        } else {
            BootHook::Records
        };
        let mut paths: Vec<HostPath> = how.save.iter().map(|(path, _)| path.clone()).collect();
        paths.extend(how.put.iter().map(|(path, ..)| path.clone()));
        if (how.run.iter()).any(|command| command.program.as_str() == "/bin/ln") {
            paths.extend(observed.links().into_iter().map(known));
        }
        paths.extend(how.remove.iter().cloned());
        paths.sort();
        (how != BootMethod::default()).then(|| BootStep { boot, way, paths, how: Some(Box::new(how)) })
    }

    /// What has to be done so that a boot brings back no rules; none where it brings back none.
    fn forget(&self, way: FilterBackend) -> Option<BootStep> {
        let observed = self.observed;
        let mut how = BootMethod::default();
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
        match self.manager {
            ServiceManager::Systemd { systemctl }
                if observed.place(WANTED) || observed.is_there(UNIT_PATH) =>
            {
                let arguments = vec!["disable".to_owned(), SERVICE.to_owned()];
                how.run.push(HostCommand::new(systemctl.clone(), arguments, self.deadline));
            }
            ServiceManager::Systemd { .. } | ServiceManager::SysV => {}
        }
        if !links.is_empty() {
            let arguments = std::iter::once("-f").chain(links.iter().copied());
            how.run.push(HostCommand::new(
                known("/bin/rm"),
                arguments.map(str::to_owned).collect(),
                self.deadline,
            ));
        }
        if !how.run.is_empty() {
            // systemd removes a folder of links with the last one.
            how.run.push(self.sync(&[]));
        }
        let mut paths = how.remove.clone();
        paths.extend(links.into_iter().map(known));
        paths.sort();
        (how != BootMethod::default()).then(|| BootStep {
            boot: BootHook::Forgets,
            way,
            paths,
            how: Some(Box::new(how)),
        })
    }
}
