//! A stand-in for the Plesk Firewall in a private host: the vendor's command with its pending and its active
//! set of rules, generated scripts that load real rules into the host's kernel, and the time in which they
//! must be confirmed.
//!
//! Follows what the vendor's articles and manuals and published scripts say; what is not documented is a
//! [`Knob`]. Must not know what mailward does.

mod knobs;

use std::time::Duration;

use serde_json::Value;

use super::host::{Host, Kind, Run};

pub use knobs::{Knob, Trouble, Verb};

/// The command by its path, which every release with a command has.
pub const SETTINGS: &str = "/usr/local/psa/bin/modules/firewall/settings";

/// The folder of what the stand-in remembers and what is asked of it.
const STATE: &str = "/var/lib/stand-in/firewall";

/// The folder of its program.
const LIB: &str = "/usr/lib/stand-in/firewall";

/// Which generation of the vendor's command there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Era {
    /// Onyx to Obsidian 18.0.51: [`SETTINGS`] only; the service is `psa-firewall`.
    Module,
    /// From Obsidian 18.0.52: `plesk ext firewall` too; the service is `plesk-firewall`.
    Extension,
}

/// The firewall of a host; what it knows is in the host's files, so that it outlives reboots.
#[derive(Clone, Copy, Debug)]
pub struct Firewall {
    era: Era,
}

/// The files of the program: name, and text.
const FILES: [(&str, &str); 5] = [
    ("meddle.py", include_str!("firewall/lib/meddle.py")),
    ("rules.py", include_str!("firewall/lib/rules.py")),
    ("script.py", include_str!("firewall/lib/script.py")),
    ("settings.py", include_str!("firewall/lib/settings.py")),
    ("window.py", include_str!("firewall/lib/window.py")),
];

impl Firewall {
    /// Installs it in a running host, switched on, with the predefined rules open to everybody active and in
    /// the kernel; what no rule opens is shut. It is there again after each boot.
    ///
    /// Not in a host with BusyBox, where no Python is.
    pub fn install(host: &Host, era: Era) -> Self {
        assert_ne!(host.kind(), Kind::BusyBox, "it has no Python");
        for (name, text) in FILES {
            host.write(&format!("{LIB}/{name}"), text);
        }
        let settings = format!("#!/bin/sh\nexec /usr/bin/python3 -SE {LIB}/settings.py \"$@\"\n");
        host.write_as(SETTINGS, 0o755, settings);
        if host.exists("/usr/sbin/plesk") {
            let old = host.path_on_machine("/usr/sbin/plesk");
            std::fs::rename(old, host.path_on_machine("/usr/sbin/plesk.without-firewall"))
                .expect("files of the host");
        }
        host.write_as("/usr/sbin/plesk", 0o755, include_str!("firewall/plesk.sh"));
        if !host.exists("/etc/psa/psa.conf") {
            host.write("/etc/psa/psa.conf", "PRODUCT_ROOT_D /usr/local/psa\n");
        }
        if !host.exists("/usr/local/psa/version") {
            let version = match era {
                Era::Module => "17.8.11 Debian 9.0 1708180301.19\n",
                Era::Extension => "18.0.62 Debian 12 1800240711.09\n",
            };
            host.write("/usr/local/psa/version", version);
        }
        if era == Era::Extension {
            host.write(&format!("{STATE}/extension"), "");
        }
        let firewall = Self { era };
        firewall.command(host, &["--stand-in"]).run().success();
        firewall.install_service(host);
        host.service(firewall.service(), "start").success();
        firewall
    }

    /// The name of its service.
    pub fn service(self) -> &'static str {
        match self.era {
            Era::Module => "psa-firewall",
            Era::Extension => "plesk-firewall",
        }
    }

    /// Prepares its command in the host, as root in no session of ssh.
    pub fn command(self, host: &Host, arguments: &[&str]) -> Run {
        let mut argv = vec![SETTINGS];
        argv.extend(arguments);
        host.command(&argv)
    }

    /// Returns the rules that its command lists.
    pub fn listed(self, host: &Host) -> Vec<Value> {
        let text = self.command(host, &["--list-json"]).run().success();
        serde_json::from_str(&text).expect("a list in JSON")
    }

    /// Returns the id of the listed rule of a class, as an argument.
    pub fn id(self, host: &Host, class: &str) -> String {
        let rules = self.listed(host);
        let rule = rules.iter().find(|rule| rule["class"] == class);
        let id = &rule.unwrap_or_else(|| panic!("no rule of class {class}"))["id"];
        id.as_str().map_or_else(|| id.to_string(), str::to_owned)
    }

    /// Returns the sources of a class in the active set, which is what a confirmation made last; empty is
    /// everybody.
    pub fn active_sources(self, host: &Host, class: &str) -> Vec<String> {
        self.sources(host, "active", class)
    }

    /// Returns the sources of a class in the pending set.
    pub fn pending_sources(self, host: &Host, class: &str) -> Vec<String> {
        self.sources(host, "pending", class)
    }

    /// Returns whether a configuration waits for its confirmation.
    pub fn waits(self, host: &Host) -> bool {
        let argv = host.processes().into_iter().map(|process| process.argv);
        argv.flatten().any(|word| word.ends_with("/firewall-new.sh"))
    }

    /// Waits until no configuration waits for its confirmation any more, and what that brings is in the
    /// kernel.
    pub fn settle(self, host: &Host) {
        host.wait_until("the firewall's window is over", || !self.waits(host));
    }

    /// Sets the time in which a configuration must be confirmed, by the vendor's own setting; without it 60
    /// seconds.
    pub fn confirm_within(self, host: &Host, time: Duration) {
        let lines =
            format!("[ext-firewall]\nconfirmTimeout = {0}\nconfirmTimeoutCli = {0}\n", time.as_secs_f64());
        host.write("/usr/local/psa/admin/conf/panel.ini", lines);
    }

    /// Returns what the command was called with, oldest call first, words with a blank between.
    pub fn calls(self, host: &Host) -> Vec<String> {
        let path = format!("{STATE}/calls");
        if !host.exists(&path) {
            return Vec::new();
        }
        let call = |line: &str| {
            let call: Value = serde_json::from_str(line).expect("a line of JSON");
            let words = call["argv"].as_array().expect("words").iter();
            words.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        };
        host.read_text(&path).lines().map(call).collect()
    }

    fn sources(self, host: &Host, set: &str, class: &str) -> Vec<String> {
        let state: Value = serde_json::from_slice(&host.read(&format!("{STATE}/state"))).expect("JSON");
        let rules = state[set].as_array().expect("rules");
        let rule = rules.iter().find(|rule| rule["class"] == class);
        let from = rule.unwrap_or_else(|| panic!("no rule of class {class}"))["from"].as_array();
        from.expect("a list").iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn install_service(self, host: &Host) {
        let name = self.service();
        let script = format!("/etc/init.d/{name}");
        host.write_as(&script, 0o755, include_str!("firewall/service.sh"));
        match host.kind() {
            Kind::Systemd => {
                let unit = format!(
                    "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={script} start\nExecStop={script} stop\n"
                );
                host.write(&format!("/lib/systemd/system/{name}.service"), unit);
                host.run(&["systemctl", "daemon-reload"]).success();
            }
            Kind::SysV | Kind::BusyBox => {}
        }
        host.enable(name);
    }
}
