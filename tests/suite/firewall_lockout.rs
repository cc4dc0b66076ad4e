//! Nobody is locked out by accident: a plan that would shut out the operator or an address of `must_reach` is
//! refused, by `plan` and by `apply`, here, over ssh, under sudo and for a folder, and nothing is touched.

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
    /// A host whose sshd listens on the port of submission too, as some do that are to be reached through
    /// other firewalls.
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
        let sudo = over(&operator, &format!("sudo -n mailward apply --yes {MANIFEST}"));
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
        scene.declare("nftables", &format!("[safety]\nmust_reach = [\"{address}\"]\n"));
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
    std::fs::write(&layer, "version = 1\n[safety]\nmust_reach = [\"192.0.2.9\"]\n").unwrap();
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
        assert!(told.contains("192.0.2.9 to port 587 (ssh) would be shut out"), "{told}");
    }
    let rules = std::fs::read_to_string(copy.path().join("var/lib/stand-in/iptables")).unwrap();
    assert!(!rules.contains("MAILWARD"), "{rules}");
}

/// An address that a manifest wants to keep, and that it would shut out.
const MUST: &str = "[safety]\nmust_reach = [\"198.18.3.1\"]\n";

impl Scene {
    /// A host whose sshd is stopped, with one port less that mail is served on.
    fn without_sshd(kind: Kind, service: &str) -> Option<Self> {
        let mut host = Host::start_with(kind, Layout::Debian)?;
        match service {
            "submission" => host.remove("/etc/xinetd.d/submission_psa"),
            _ => drop(host.service(service, "stop").success()),
        }
        let net = host.network();
        host.sshd();
        host.service("ssh", "stop").success();
        let scene = Self { host, net };
        scene.xinetd_again();
        Some(scene)
    }

    /// Starts xinetd anew; its script does not wait for the old one to end.
    fn xinetd_again(&self) {
        self.host.service("xinetd", "stop").success();
        let listens = || self.host.listening().contains(&21);
        self.host.wait_until("xinetd has ended", || !listens());
        self.host.wait_until("its process is gone", || {
            let named = |word: &String| word.ends_with("/xinetd");
            let processes = self.host.processes();
            !(processes.iter()).any(|process| process.argv.first().is_some_and(named))
        });
        self.host.service("xinetd", "start").success();
        self.host.wait_for_ports(&[21]);
    }

    fn restricts(&self, service: &str, rest: &str) {
        let text = format!(
            "version = 1\n[networks]\noffice = [\"198.18.1.0/24\", \"2001:db8:1::/64\"]\n\
             [access]\n[access.allow]\n{service} = [\"office\"]\n{rest}"
        );
        self.host.write(MANIFEST, &text);
    }

    /// Runs it on the host, where no connection shows anything.
    fn run(&self, words: &str) -> Output {
        let script = format!("mailward {words} {MANIFEST}");
        self.host.run(&["sh", "-c", &script])
    }

    /// Whoever must get in is refused to be shut out of a port, as is who comes in by it; the office is not.
    fn keeps(&self, service: &str, port: u16, from: &str) {
        let whom = format!("198.18.3.1 to port {port} (ssh)");
        self.restricts(service, MUST);
        refused(&self.run("plan"), &whom);
        refused(&self.run("apply --yes"), &whom);
        let port = port.to_string();
        let office = (self.ssh(&self.net.client("office"), Family::V4)).option("Port", &port);
        refused(&over(&office, &format!("mailward plan {MANIFEST}")), &whom);
        self.restricts(service, "");
        let stranger = (self.ssh(&self.net.client("stranger"), Family::V4)).option("Port", &port);
        let own = over(&stranger, &format!("mailward plan {MANIFEST}"));
        refused(&own, "your own address 198.18.3.1");
        let plan = over(&office, &format!("mailward plan {MANIFEST}"));
        assert_eq!(plan.code(), 2, "{from}: {plan:#?}");
    }
}

#[test]
fn where_systemd_listens_for_sshd_nobody_is_locked_out() {
    for accept in ["no", "yes"] {
        let Some(scene) = Scene::without_sshd(Kind::Systemd, "courier-imap-ssl") else {
            return;
        };
        if accept == "no" {
            let text = "[Socket]\nListenStream=\nListenStream=993\n";
            scene.host.write("/etc/systemd/system/ssh.socket.d/port.conf", text);
        } else {
            // As CentOS has it.
            let text = "[Socket]\nListenStream=993\nAccept=yes\n";
            scene.host.write("/etc/systemd/system/sshd.socket", text);
            scene.host.write(
                "/etc/systemd/system/sshd@.service",
                "[Service]\nExecStartPre=/bin/mkdir -p /run/sshd\nExecStart=-/usr/sbin/sshd -i\nStandardInput=socket\n",
            );
        }
        let unit = if accept == "no" { "ssh.socket" } else { "sshd.socket" };
        scene.host.run(&["systemctl", "daemon-reload"]).success();
        scene.host.run(&["systemctl", "start", unit]).success();
        scene.host.wait_for_ports(&[993]);
        scene.keeps("imap", 993, unit);
        // Another program that systemd listens for is none of sshd's.
        scene.host.run(&["systemctl", "stop", unit]).success();
        let _ = scene.host.run(&["systemctl", "stop", "ssh.service"]);
        scene.host.write("/etc/systemd/system/webmail.socket", "[Socket]\nListenStream=993\n");
        scene.host.write("/etc/systemd/system/webmail.service", "[Service]\nExecStart=/bin/sleep 1000\n");
        scene.host.run(&["systemctl", "daemon-reload"]).success();
        scene.host.run(&["systemctl", "start", "webmail.socket"]).success();
        scene.restricts("imap", MUST);
        let plan = scene.run("plan");
        assert_eq!(plan.code(), 2, "{plan:#?}");
    }
}

#[test]
fn where_xinetd_starts_sshd_nobody_is_locked_out() {
    let service = |head: &str, server: &str| {
        format!(
            "service {head}\n\tsocket_type = stream\n\tprotocol = tcp\n\twait = no\n\tuser = root\n\tinstances = UNLIMITED\n\t{server}\n}}\n"
        )
    };
    // xinetd reads inetd's file where it is told to.
    let inetd = "submission\tstream\ttcp\tnowait\troot\t/usr/sbin/sshd\tsshd -i\n";
    for (kind, text) in [
        (Kind::SysV, service("submission\n{", "server = /usr/sbin/sshd\n\tserver_args = -i")),
        (
            Kind::SysV,
            service(
                "hidden\n{\n\ttype = UNLISTED\n\tport = 587",
                "server = /usr/bin/env\n\tserver_args = A=1 /usr/sbin/sshd -i",
            ),
        ),
        (
            Kind::Systemd,
            service("elsewhere\n{\n\ttype = UNLISTED\n\tport = 587", "redirect = 127.0.0.1 2222"),
        ),
        (Kind::SysV, inetd.to_owned()),
    ] {
        let Some(scene) = Scene::without_sshd(kind, "submission") else {
            return;
        };
        scene.host.run(&["mkdir", "-p", "/run/sshd"]).success();
        if text == inetd {
            scene.host.write("/etc/inetd.conf", &text);
            scene.host.write("/etc/default/xinetd", "INETD_COMPAT=Yes\nXINETD_OPTS=-stayalive\n");
        } else {
            scene.host.write("/etc/xinetd.d/other", &text);
        }
        scene.xinetd_again();
        if text.contains("redirect") {
            scene
                .host
                .run(&["/usr/sbin/sshd", "-o", "ListenAddress=127.0.0.1:2222", "-o", "Port=2222"])
                .success();
            scene.host.wait_for_ports(&[2222]);
        }
        scene.host.wait_for_ports(&[587]);
        if text.contains("redirect") {
            // Whoever comes in that way comes from the host itself, and is seen to.
            scene.restricts("submission", MUST);
            refused(&scene.run("plan"), "198.18.3.1 to port 587 (ssh)");
        } else {
            scene.keeps("submission", 587, &text);
        }
    }
}

#[test]
fn where_sshd_may_listen_on_a_port_that_is_restricted_nothing_is_planned() {
    for kind in [Kind::Systemd, Kind::SysV] {
        let Some(scene) = Scene::without_sshd(kind, "submission") else {
            return;
        };
        scene.restricts("submission", MUST);
        // Nothing listens there.
        let plan = scene.run("plan");
        assert_eq!(plan.code(), 2, "{plan:#?}");
        assert!(plan.stdout.contains("where sshd listens is not known"), "{plan:#?}");
        scene.host.exec_detached(&["nc.openbsd", "-l", "-k", "587"]);
        scene.host.wait_for_ports(&[587]);
        for words in ["plan", "apply --yes", "check"] {
            let refused = scene.run(words);
            assert_eq!(refused.code(), 7, "{refused:#?}");
            let told = format!("{}{}", refused.stdout, refused.stderr);
            assert!(told.contains("where sshd listens is not known"), "{told}");
            assert!(told.contains("587"), "{told}");
        }
        // What mail is known to be served on is no question.
        scene.restricts("imap", MUST);
        assert_eq!(scene.run("plan").code(), 2);
        // Nor is anything, once sshd is seen.
        scene.host.service("ssh", "start").success();
        scene.restricts("submission", MUST);
        let plan = scene.run("plan");
        assert_eq!(plan.code(), 2, "{plan:#?}");
        assert!(!plan.stdout.contains("sshd listens"), "{plan:#?}");
    }
}
