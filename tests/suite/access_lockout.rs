//! Nobody is locked out by accident: a plan that would shut out the operator or an address of `must_reach` is refused, by
//! `plan` and by `apply`, here, over ssh, under sudo and for a folder, and nothing is touched.

use std::time::Duration;

use crate::support::firewall::{Era, Firewall};
use crate::support::host::{Client, Family, Host, Kind, Layout, Net, OPERATOR, Output};
use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;
use crate::support::ssh::Ssh;

const MANIFEST: &str = "/root/mx1.toml";

struct Scene {
    host: Host,
    net: Net,
}

impl Scene {
    /// A host whose sshd listens on the port of submission too, as some do that are to be reached through other firewalls.
    fn new() -> Option<Self> {
        let mut host = Host::prepare(Kind::Systemd, Layout::Debian)?;
        host.boot();
        host.remove("/etc/xinetd.d/submission_psa");
        host.service("xinetd", "restart").success();
        let net = host.network();
        host.sshd_with(&["Port 22", "Port 587"]);
        host.wait_for_ports(&[22, 587]);
        Some(Self { host, net })
    }

    fn declare(&self, enforce: &str, rest: &str) -> String {
        let text = format!(
            "version = 1\n[networks]\noffice = [\"198.18.1.0/24\", \"2001:db8:1::/64\"]\n\
             [access]\nenforce = \"{enforce}\"\n[access.allow]\nsubmission = [\"office\"]\n{rest}"
        );
        self.host.write(MANIFEST, &text);
        self.host.run(&["chmod", "644", MANIFEST]).success();
        text
    }

    fn ssh(&self, client: &Client, family: Family) -> Ssh {
        self.host.ssh().at_client(client, family)
    }

    fn rules(&self) -> String {
        let argv = [
            "sh",
            "-c",
            "nft list tables; iptables-save | grep '^-'; ip6tables-save | grep '^-'; \
             ls /var/lib/mailward/access 2>/dev/null || :",
        ];
        self.host.run(&argv).success()
    }
}

fn over(ssh: &Ssh, script: &str) -> Output {
    ssh.bare(script).within(Duration::from_secs(60)).run()
}

#[track_caller]
fn refused(output: &Output, whom: &str) {
    assert_eq!(output.code(), 7, "{output:#?}");
    let told = format!("{}{}", output.stdout, output.stderr);
    assert!(told.contains(whom), "no {whom:?} in {told}");
    assert!(told.contains("would be shut out"), "{told}");
}

#[test]
fn the_operator_is_not_locked_out_by_own_rules() {
    let Some(scene) = Scene::new() else { return };
    let stranger = scene.net.client("stranger");
    for enforce in ["nftables", "iptables"] {
        let manifest = scene.declare(enforce, "");
        let before = scene.rules();
        for family in Family::ALL {
            let whom = format!("your own address {} to port 587", stranger.address(family));
            let ssh = scene.ssh(&stranger, family);
            for command in ["plan", "apply --yes", "check"] {
                let script = format!("mailward {command} {MANIFEST}");
                refused(&over(&ssh, &script), &whom);
            }
            let there = ssh
                .mailward(&["apply", "--yes", "-"])
                .stdin(manifest.clone())
                .within(Duration::from_secs(60));
            refused(&there.run(), &whom);
        }
        let operator = scene.ssh(&stranger, Family::V4).user(OPERATOR);
        let sudo = over(
            &operator,
            &format!("sudo -n mailward apply --yes {MANIFEST}"),
        );
        refused(&sudo, "your own address 198.18.3.1");
        assert_eq!(before, scene.rules(), "{enforce}");
    }
    // From where it is allowed it is no question.
    let office = scene.ssh(&scene.net.client("office"), Family::V4);
    let applied = over(&office, &format!("mailward apply --yes {MANIFEST}"));
    assert_eq!(applied.code(), 3, "{applied:#?}");
    assert_eq!(over(&office, "mailward revert").code(), 0);
}

#[test]
fn an_address_that_must_reach_is_not_locked_out() {
    let Some(scene) = Scene::new() else { return };
    let office = scene.ssh(&scene.net.client("office"), Family::V4);
    for address in ["198.18.3.1", "2001:db8:3::1"] {
        scene.declare(
            "nftables",
            &format!("[safety]\nmust_reach = [\"{address}\"]\n"),
        );
        let before = scene.rules();
        for command in ["plan", "apply --yes"] {
            let output = over(&office, &format!("mailward {command} {MANIFEST}"));
            refused(&output, &format!("{address} to port 587 (ssh)"));
            let told = format!("{}{}", output.stdout, output.stderr);
            assert!(told.contains(&format!("{MANIFEST}:9:")), "{told}");
        }
        assert_eq!(before, scene.rules());
    }
}

#[test]
fn plesks_firewall_locks_nobody_out_either() {
    let Some(scene) = Scene::new() else { return };
    let firewall = Firewall::install(&scene.host, Era::Extension);
    scene.declare("plesk-firewall", "");
    let before = scene.rules();
    let calls = |host: &Host| {
        let all = firewall.calls(host);
        let changes = |call: &&String| !call.starts_with("--list") && !call.starts_with("--is-");
        all.iter().filter(changes).count()
    };
    let done = calls(&scene.host);
    let stranger = scene.ssh(&scene.net.client("stranger"), Family::V4);
    for command in ["plan", "apply --yes"] {
        let output = over(&stranger, &format!("mailward {command} {MANIFEST}"));
        refused(&output, "your own address 198.18.3.1 to port 587");
    }
    assert_eq!((before, done), (scene.rules(), calls(&scene.host)));
}

#[test]
fn a_plan_for_a_folder_is_refused_too() {
    let copy = office_copy();
    let path = copy.path().join("proc/net/tcp");
    let text = std::fs::read_to_string(&path).unwrap();
    // Its sshd listens on 587 instead of 22.
    let moved = text.replace("00000000:0016 ", "00000000:024B ");
    assert_ne!(text, moved);
    std::fs::write(&path, moved).unwrap();
    let layer = copy.path().join("must.toml");
    std::fs::write(
        &layer,
        "version = 1\n[safety]\nmust_reach = [\"192.0.2.9\"]\n",
    )
    .unwrap();
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_mailward"))
            .args(command)
            .arg("--root")
            .arg(copy.path())
            .args(["examples/office/access.toml".as_ref(), layer.as_os_str()])
            .output_in_time()
            .unwrap();
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(
            told.contains("192.0.2.9 to port 587 (ssh) would be shut out"),
            "{told}"
        );
    }
    let rules = std::fs::read_to_string(copy.path().join("var/lib/stand-in/iptables")).unwrap();
    assert!(!rules.contains("MAILWARD"), "{rules}");
}
