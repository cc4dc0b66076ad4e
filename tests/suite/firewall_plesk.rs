//! Who may reach mail services by Plesk's own firewall, with a stand-in for its command that loads real
//! rules: what goes live, what goes back, what a confirmation makes last. Clients on networks of their own
//! are the judges.

mod confirmed;
mod killed;
mod listed;
mod moved;
mod refused;
mod troubles;
mod waits;

use std::time::Duration;

use crate::support::firewall::{Era, Firewall};
use crate::support::host::{Client, Family, Host, Kind, Layout, Net, Output, PacketFilter, Reach};
use crate::support::ssh::Ssh;

/// Where the manifest lies in a host.
const MANIFEST: &str = "/root/mx1.toml";

/// IMAP is for the office.
const OFFICE: &str = r#"imap = ["office"]"#;

/// Long enough to act within it on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// To see it pass.
const SHORT: Duration = Duration::from_secs(8);

struct Scene {
    host: Host,
    net: Net,
    firewall: Firewall,
}

impl Scene {
    fn new(kind: Kind, checkpoint: Duration) -> Option<Self> {
        let mut host = Host::start_with(kind, Layout::Debian)?;
        let era = match kind {
            Kind::SysV => {
                host.packet_filter_is(PacketFilter::Legacy);
                Era::Module
            }
            Kind::Systemd | Kind::BusyBox => Era::Extension,
        };
        let net = host.network();
        let firewall = Firewall::install(&host, era);
        firewall.confirm_within(&host, checkpoint);
        let scene = Self { host, net, firewall };
        scene.declare(OFFICE);
        Some(scene)
    }

    /// Writes a manifest with these lines in `[access.allow]`.
    fn declare(&self, allow: &str) {
        self.declare_by("plesk-firewall", allow, "");
    }

    fn declare_by(&self, enforce: &str, allow: &str, rest: &str) {
        let text = format!(
            "version = 1\n[networks]\noffice = [\"198.18.1.0/24\", \"2001:db8:1::/64\"]\n\
             four = [\"198.18.1.0/24\"]\n[access]\nenforce = \"{enforce}\"\n[access.allow]\n{allow}\n{rest}\n"
        );
        self.host.write(MANIFEST, text);
    }

    fn client(&self, name: &str) -> Client {
        self.net.client(name)
    }

    /// A new connection from the office each time.
    fn ssh(&self) -> Ssh {
        self.host.ssh().at_client(&self.client("office"), Family::V4)
    }

    /// Runs mailward in the host over a new connection.
    fn say(&self, command: &str) -> Output {
        over(&self.ssh(), command)
    }

    fn apply(&self) -> Output {
        self.say(&format!("apply --yes {MANIFEST}"))
    }

    fn plan(&self) -> Output {
        self.say(&format!("plan {MANIFEST}"))
    }

    fn check(&self) -> Output {
        self.say(&format!("check {MANIFEST}"))
    }

    /// Applies and confirms by a new connection.
    fn make_last(&self) {
        code(&self.apply(), 3);
        code(&self.say("confirm"), 0);
        code(&self.check(), 0);
    }

    /// Whether strangers are shut out of IMAP over both families; the office never is, nor anybody of
    /// anything else.
    fn imap_is_shut(&self) -> bool {
        let mut shut = Vec::new();
        for port in [143, 993] {
            for family in Family::ALL {
                assert_eq!(self.client("office").reaches(port, family), Reach::Connects);
                shut.push(self.client("vpn").reaches(port, family) == Reach::Silent);
            }
            shut.push(self.client("six").reaches(port, Family::V6) == Reach::Silent);
        }
        assert!(shut.iter().all(|it| *it == shut[0]), "{shut:?}");
        shut[0]
    }

    /// Whether a stranger is let in by both families; for a moment in which a script loads rules he is not.
    fn lets_in(&self) -> bool {
        let reaches = |family| self.client("vpn").reaches(143, family) == Reach::Connects;
        Family::ALL.into_iter().all(reaches)
    }

    /// Only the office reaches IMAP; everything else is as it was.
    fn assert_restricted(&self) {
        assert!(self.imap_is_shut());
        for family in Family::ALL {
            for port in [22, 25, 110, 587, 995, 8443, 8880] {
                let stranger = self.client("stranger").reaches(port, family);
                assert_eq!(stranger, Reach::Connects, "{port} {family:?}");
            }
            assert_eq!(self.host.reaches_itself(143, family), Reach::Connects);
            assert_eq!(self.host.reaches_its_card(143, family), Reach::Connects);
        }
    }

    /// Nothing of a change is left, in the kernel and in the vendor's lists.
    fn assert_as_before(&self) {
        assert!(!self.imap_is_shut());
        assert!(!self.firewall.waits(&self.host));
        for class in ["imap", "pop3", "submission"] {
            assert!(self.firewall.pending_sources(&self.host, class).is_empty());
            assert!(self.firewall.active_sources(&self.host, class).is_empty());
        }
    }
}

fn over(ssh: &Ssh, command: &str) -> Output {
    let script = format!("mailward {command}");
    ssh.bare(&script).within(Duration::from_secs(150)).run()
}

#[track_caller]
fn code(output: &Output, expected: i32) {
    assert_eq!(output.code(), expected, "{output:#?}");
}

#[track_caller]
fn says(output: &Output, what: &str) {
    let all = format!("{output:#?}");
    assert!(all.contains(what), "no {what:?} in {all}");
}
