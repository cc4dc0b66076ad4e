//! Who may reach mail services, on real kernels: what goes live, what goes back by itself, what a
//! confirmation makes last, and who may confirm. Clients on networks of their own are the judges.

mod confirmed;
mod displaced;
mod durable;
mod emptied;
mod former;
mod from_here;
mod killed;
mod last;
mod meddled;
mod moved;
mod neighbours;
mod proven;
mod provisional;
mod raced;
mod rebooted;
mod redeclared;
mod seen;
mod untidy;
mod waited;

use std::time::Duration;

use crate::support::host::{Client, Family, Host, Kind, Layout, Net, Output, Reach};
use crate::support::ssh::Ssh;

/// Where the manifest lies in a host.
pub(crate) const MANIFEST: &str = "/root/mx1.toml";

/// IMAP and POP3 are for the office and one address of the vpn; `ENFORCE` and `SECONDS` are put in.
const DECLARED: &str = r#"version = 1
[networks]
office = ["198.18.1.0/24", "2001:db8:1::/64"]
[access]
enforce = "ENFORCE"
[access.allow]
imap = ["office", "198.18.2.1"]
pop3 = ["office"]
[safety]
confirm_within = "SECONDS"
"#;

const SERVED: [u16; 4] = [143, 993, 110, 995];

pub(crate) struct Scene {
    pub(crate) host: Host,
    pub(crate) net: Net,
}

impl Scene {
    pub(crate) fn new(kind: Kind, enforce: &str, seconds: &str) -> Option<Self> {
        let mut host = Host::start_with(kind, Layout::Debian)?;
        let net = host.network();
        let text = DECLARED.replace("ENFORCE", enforce).replace("SECONDS", seconds);
        host.write(MANIFEST, text);
        Some(Self { host, net })
    }

    pub(crate) fn office(&self) -> Client {
        self.net.client("office")
    }

    pub(crate) fn stranger(&self) -> Client {
        self.net.client("stranger")
    }

    /// A new connection from the office each time.
    pub(crate) fn ssh(&self) -> Ssh {
        self.host.ssh().at_client(&self.office(), Family::V4)
    }

    /// Only the declared clients reach what is declared; nothing else changes.
    pub(crate) fn assert_restricted(&self) {
        for family in Family::ALL {
            for port in SERVED {
                assert_eq!(self.office().reaches(port, family), Reach::Connects);
                let stranger = self.stranger().reaches(port, family);
                assert_eq!(stranger, Reach::Silent, "{port} {family:?}");
                assert_eq!(self.host.reaches_itself(port, family), Reach::Connects);
                assert_eq!(self.host.reaches_its_card(port, family), Reach::Connects);
            }
            for port in [22, 25, 587, 8443] {
                let stranger = self.stranger().reaches(port, family);
                assert_eq!(stranger, Reach::Connects, "{port} {family:?}");
            }
        }
        let vpn = self.net.client("vpn");
        assert_eq!(vpn.reaches(143, Family::V4), Reach::Connects);
        assert_eq!(vpn.reaches(110, Family::V4), Reach::Silent);
        assert_eq!(vpn.reaches(143, Family::V6), Reach::Silent);
        let neighbour = vpn.at("198.18.2.2");
        assert_eq!(neighbour.reaches(143, Family::V4), Reach::Silent);
    }

    /// Everybody reaches everything.
    pub(crate) fn assert_open(&self) {
        for family in Family::ALL {
            for port in SERVED {
                let stranger = self.stranger().reaches(port, family);
                assert_eq!(stranger, Reach::Connects, "{port} {family:?}");
            }
        }
    }

    pub(crate) fn wait_until_open(&self) {
        self.host.wait_until("the change goes back", || {
            Family::ALL.into_iter().all(|family| self.stranger().reaches(143, family) == Reach::Connects)
        });
    }
}

impl Scene {
    /// Runs the program on the host, where neither ssh nor a terminal is.
    pub(crate) fn run(&self, words: &str) -> Output {
        let argv: Vec<&str> = ["/usr/local/bin/mailward"].into_iter().chain(words.split(' ')).collect();
        self.host.command(&argv).within(Duration::from_secs(60)).run()
    }

    /// Applies the manifest; it must come to wait.
    pub(crate) fn apply(&self) {
        let applied = self.run(&format!("apply --yes {MANIFEST}"));
        assert_eq!(applied.code(), 3, "{applied:#?}");
    }

    /// Applies the manifest and confirms it over a new connection.
    pub(crate) fn apply_for_good(&self) {
        self.apply();
        let confirmed = over(&self.ssh(), "confirm");
        assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
    }

    /// Replaces a piece of the manifest.
    pub(crate) fn declare(&self, from: &str, to: &str) {
        self.host.replace_text(MANIFEST, from, to);
    }

    /// Plans; what it says, with its exit code.
    pub(crate) fn plan(&self) -> (i32, String) {
        let plan = self.run(&format!("plan {MANIFEST}"));
        (plan.code(), format!("{}{}", plan.stdout, plan.stderr))
    }

    /// All rules of the kernel as the tools list them, without counters and tables that hold nothing.
    pub(crate) fn rules(&self) -> String {
        // Of iptables table by table: the old kind prints them in the order in which they came into being.
        let script = "nft list ruleset 2>/dev/null; for save in iptables-legacy-save ip6tables-legacy-save \
             iptables-nft-save ip6tables-nft-save; do all=$($save); for table in raw mangle nat filter security; do \
             printf '%s\\n' \"$all\" | sed -n \"/^\\*$table\\$/,/^COMMIT/p\"; done; done";
        let listed = self.host.run(&["sh", "-c", script]).success();
        listed
            .lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with('*') && *line != "COMMIT")
            .filter(|line| !line.contains(" ACCEPT ["))
            .filter(|line| {
                let line = line.trim_start();
                !line.starts_with("type filter hook") && !line.starts_with("type route hook")
            })
            .filter(|line| !is_frame(line))
            .map(without_counters)
            .collect()
    }

    /// A file of access in the program's state.
    pub(crate) fn state(&self, name: &str) -> bool {
        self.host.exists(&format!("/var/lib/mailward/access/{name}"))
    }

    /// The history's newest entry, or one before it.
    pub(crate) fn history(&self, back: usize) -> serde_json::Value {
        let script = format!("cat \"$(ls -t /var/lib/mailward/history/*.json | sed -n {}p)\"", back + 1);
        let text = self.host.run(&["sh", "-c", &script]).success();
        serde_json::from_str(&text).expect("the history is JSON")
    }

    /// What the newest entry of the history calls the run.
    pub(crate) fn result(&self) -> String {
        self.history(0)["result"].as_str().expect("a word").to_owned()
    }
}

/// The braces, tables and chains of `nft list`, in which rules lie.
fn is_frame(line: &str) -> bool {
    let line = line.trim();
    line == "}"
        || line.is_empty()
        || (line.starts_with("table ") && line.ends_with("{"))
        || (line.starts_with("chain ") && line.ends_with("{") && !line.contains("MAILWARD"))
}

fn without_counters(line: &str) -> String {
    let line = line.trim_start();
    let mut words = Vec::new();
    let mut skip = 0;
    for word in line.split(' ') {
        if word == "counter" {
            skip = 5;
        }
        if skip == 0 {
            words.push(word);
        } else {
            skip -= 1;
        }
    }
    words.join(" ") + "\n"
}

pub(crate) fn over(ssh: &Ssh, command: &str) -> Output {
    let script = format!("mailward {command}");
    ssh.bare(&script).within(Duration::from_secs(60)).run()
}

#[test]
fn a_change_is_live_at_once_and_lasts_when_a_new_connection_confirms_it() {
    for (kind, enforce) in [
        (Kind::Systemd, "nftables"),
        (Kind::SysV, "nftables"),
        (Kind::Systemd, "iptables"),
        (Kind::SysV, "iptables"),
    ] {
        let Some(mut scene) = Scene::new(kind, enforce, "60s") else {
            return;
        };
        let mut sessions: Vec<_> = Family::ALL
            .into_iter()
            .map(|family| {
                let mut session = scene.stranger().open(143, family);
                session.greeting().expect("a greeting");
                session
            })
            .collect();
        let first = scene.ssh().warm();
        let plan = over(&first, &format!("plan {MANIFEST}"));
        assert_eq!(plan.code(), 2, "{plan:#?}");
        let applied = over(&first, &format!("apply --yes {MANIFEST}"));
        assert_eq!(applied.code(), 3, "{kind:?} {enforce}: {applied:#?}");
        scene.assert_restricted();
        for session in &mut sessions {
            let answer = session.exchange("a NOOP");
            assert!(answer.contains("a OK"), "{answer:?}");
        }
        let refused = over(&first, "confirm");
        assert_eq!(refused.code(), 7, "{refused:#?}");
        let confirmed = over(&scene.ssh(), "confirm");
        assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
        let again = over(&scene.ssh(), &format!("apply --yes {MANIFEST}"));
        assert_eq!(again.code(), 0, "{again:#?}");
        drop((first, sessions));
        scene.host.reboot();
        scene.assert_restricted();
        let check = over(&scene.ssh(), &format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{check:#?}");
    }
}

#[test]
fn a_change_that_nobody_confirms_goes_back_by_itself() {
    for (kind, enforce) in [(Kind::Systemd, "nftables"), (Kind::SysV, "iptables")] {
        let Some(scene) = Scene::new(kind, enforce, "10s") else {
            return;
        };
        let applied = over(&scene.ssh(), &format!("apply --yes {MANIFEST}"));
        assert_eq!(applied.code(), 3, "{kind:?} {enforce}: {applied:#?}");
        scene.assert_restricted();
        let locked = over(&scene.ssh(), &format!("apply --yes {MANIFEST}"));
        assert_eq!(locked.code(), 5, "{locked:#?}");
        scene.wait_until_open();
        scene.assert_open();
        let late = over(&scene.ssh(), "confirm");
        assert_eq!(late.code(), 8, "{late:#?}");
        let check = over(&scene.ssh(), &format!("check {MANIFEST}"));
        assert_eq!(check.code(), 2, "{check:#?}");
    }
}
