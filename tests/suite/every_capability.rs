//! Limits, panel access and access in one apply on real hosts: each part fails in turn and is killed in turn.

use std::time::Duration;

use crate::firewall_apply::{MANIFEST, over};
use crate::real_apply::liar;
use crate::support::host::{Family, Host, Kind, Layout, Net, Output, Reach};
use crate::support::panel::{Generation, Knob, PanelWorld, When};

/// All that is declared: four connections from one address become twenty, two accounts lose the panel, IMAP
/// is for the office.
const DECLARED: &str = r#"version = 1
[limits.pop3]
per_ip = 20
total = 80
[limits.smtp]
per_ip = 20
[networks]
office = ["198.18.1.0/24", "2001:db8:1::/64"]
[access]
enforce = "nftables"
[access.allow]
imap = ["office"]
[panel_access.accounts]
"100%@example.net" = false
"axb@example.net" = false
[safety]
confirm_within = "10s"
"#;

/// What makes a host again what it was.
const BACK: &str = "/root/back.toml";

const FILES: [&str; 2] = ["/etc/courier/pop3d", "/etc/xinetd.d/smtp_psa"];

struct Scene {
    world: PanelWorld,
    net: Net,
}

impl Scene {
    fn new(kind: Kind) -> Option<Self> {
        let mut host = Host::prepare(kind, Layout::Debian)?;
        host.replace_text("/etc/xinetd.conf", "per_source\t= 10", "per_source\t= 4");
        // pop3d does not come up with the new values while there is such a file.
        let lies = "[ -e /etc/lie ] && grep -q MAXPERIP=20 /etc/courier/pop3d";
        liar::install(&host, lies);
        host.sshd();
        host.boot();
        let net = host.network();
        host.write(MANIFEST, DECLARED);
        let back = DECLARED
            .replace("per_ip = 20", "per_ip = 4")
            .replace("imap = [\"office\"]", "imap = \"anyone\"")
            .replace("= false", "= true");
        host.write(BACK, back);
        let world = PanelWorld::in_host(host, Generation::Ten);
        Some(Self { world, net })
    }

    fn host(&self) -> &Host {
        self.world.host()
    }

    fn mailward(&self, words: &str) -> Output {
        let argv: Vec<&str> = std::iter::once("/usr/local/bin/mailward").chain(words.split(' ')).collect();
        let run = self.host().command(&argv);
        run.within(Duration::from_secs(120)).run()
    }

    /// Everything that the manifest is about.
    fn state(&self) -> (Vec<Vec<u8>>, String, String) {
        let files = FILES.map(|path| self.host().read(path)).to_vec();
        let rules = self.host().run(&["nft", "list", "ruleset"]).success();
        (files, self.world.contents(), rules)
    }

    fn reaches(&self, client: &str) -> [Reach; 2] {
        let client = self.net.client(client);
        Family::ALL.map(|family| client.reaches(143, family))
    }

    /// Applies a manifest undisturbed, and confirms it from the office.
    fn apply_for_good(&self, manifest: &str) {
        let mut applied = self.mailward(&format!("apply --yes {manifest}"));
        // A killed run's change waits until its time is up.
        let mut tries = 0;
        while applied.code() == 5 && tries < 30 {
            std::thread::sleep(Duration::from_millis(500));
            applied = self.mailward(&format!("apply --yes {manifest}"));
            tries += 1;
        }
        assert!(matches!(applied.code(), 0 | 3), "{applied:#?}");
        if applied.code() == 3 {
            let office = self.net.client("office");
            let confirmed = over(&self.host().ssh().at_client(&office, Family::V4), "confirm");
            assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
        }
        let check = self.mailward(&format!("check {manifest}"));
        assert_eq!(check.code(), 0, "{check:#?}");
    }

    /// All of the manifest holds.
    fn is_as_declared(&self) {
        assert_eq!(self.reaches("stranger"), [Reach::Silent; 2]);
        assert_eq!(self.reaches("office"), [Reach::Connects; 2]);
        for account in ["100%@example.net", "axb@example.net"] {
            assert_eq!(self.world.access(account), Some(false), "{account}");
        }
        let held = self.host().open_until_cut(110, "198.51.100.7", 25);
        assert_eq!(held.len(), 20);
    }
}

#[test]
fn whichever_part_of_an_apply_fails_the_others_are_undone() {
    for kind in [Kind::Systemd, Kind::SysV] {
        let Some(scene) = Scene::new(kind) else {
            return;
        };
        let host = scene.host();
        let before = scene.state();
        let fails = |what: &str| {
            let applied = scene.mailward(&format!("apply --yes {MANIFEST}"));
            assert_eq!(applied.code(), 8, "{kind:?}, {what}: {applied:#?}");
            let now = scene.state();
            assert_eq!(now, before, "{kind:?}, {what}");
            assert_eq!(scene.reaches("stranger"), [Reach::Connects; 2]);
            host.wait_for_ports(&[25, 110, 143, 993, 995]);
        };
        host.write("/etc/lie", "");
        fails("limits");
        host.remove("/etc/lie");

        scene.world.misbehave(&Knob::Fail, When::At(2));
        fails("panel access");
        scene.world.behave();

        let nft = host.read("/usr/sbin/nft");
        host.write_as("/usr/sbin/nft.real", 0o755, nft);
        let broken = "#!/bin/sh\ncase \" $* \" in *' -f '*) exit 1 ;; esac\nexec /usr/sbin/nft.real \"$@\"\n";
        host.remove("/usr/sbin/nft");
        host.write_as("/usr/sbin/nft", 0o755, broken);
        fails("access");
        let nft = host.read("/usr/sbin/nft.real");
        host.remove("/usr/sbin/nft");
        host.write_as("/usr/sbin/nft", 0o755, nft);

        scene.apply_for_good(MANIFEST);
        scene.is_as_declared();
    }
}

/// Kills a run in its first, second, … part of the time that an undisturbed one takes.
fn killed_in_turn(kind: Kind) {
    let Some(scene) = Scene::new(kind) else {
        return;
    };
    let begun = std::time::Instant::now();
    scene.apply_for_good(MANIFEST);
    let whole = begun.elapsed().as_secs_f64();
    scene.is_as_declared();
    const KILLS: u32 = 6;
    for kill in 0..KILLS {
        scene.apply_for_good(BACK);
        let after = whole * f64::from(kill * 2 + 1) / f64::from(KILLS * 2);
        let run = ["/usr/local/bin/mailward", "apply", "--yes", MANIFEST];
        let killed = scene.world.run_within(after, &run);
        println!("{kind:?}: killed after {after:.2} s: {:?}", killed.status);
        // Nobody is shut out for longer than the window; what was done stays or is owed, and no port stays
        // closed.
        scene.host().wait_until("nobody is shut out", || scene.reaches("stranger") == [Reach::Connects; 2]);
        scene.host().wait_for_ports(&[25, 110, 143, 993, 995]);
        scene.apply_for_good(MANIFEST);
        scene.is_as_declared();
    }
}

#[test]
fn an_apply_of_all_that_is_killed_anywhere_is_completed_by_the_next_under_systemd() {
    killed_in_turn(Kind::Systemd);
}

#[test]
fn an_apply_of_all_that_is_killed_anywhere_is_completed_by_the_next_under_init_scripts() {
    killed_in_turn(Kind::SysV);
}
