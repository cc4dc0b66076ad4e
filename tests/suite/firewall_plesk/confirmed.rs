//! A change that is confirmed, by whom it may be, and from where.

use super::{Kind, LONG, MANIFEST, Scene, code, over, says};
use crate::support::host::Family;

#[test]
fn a_change_lasts_when_a_new_connection_confirms_it_and_by_no_other() {
    for kind in [Kind::Systemd, Kind::SysV] {
        let Some(mut scene) = Scene::new(kind, LONG) else {
            return;
        };
        scene.declare_by("auto", super::OFFICE, "");
        let mut session = scene.client("stranger").open(143, Family::V6);
        session.greeting().expect("a greeting");
        let first = scene.ssh().warm();
        let plan = over(&first, &format!("plan {MANIFEST}"));
        code(&plan, 2);
        says(&plan, "Plesk's firewall");
        code(&over(&first, &format!("apply --yes {MANIFEST}")), 3);
        scene.assert_restricted();
        assert!(session.exchange("a NOOP").contains("a OK"));
        let calls = scene.firewall.calls(&scene.host);
        assert!(!calls.iter().any(|call| call.contains("confirm")), "{calls:?}");
        for look in ["plan", "check"] {
            let waits = over(&first, &format!("{look} {MANIFEST}"));
            code(&waits, 3);
            says(&waits, "waits for its confirmation");
        }
        code(&scene.apply(), 5);
        code(&over(&first, "confirm"), 7);
        assert!(scene.firewall.active_sources(&scene.host, "imap").is_empty());
        code(&scene.say("confirm"), 0);
        assert!(!scene.firewall.waits(&scene.host));
        let active = scene.firewall.active_sources(&scene.host, "imap");
        assert_eq!(active.join(","), "198.18.1.0/24,2001:db8:1::/64");
        code(&scene.apply(), 0);
        code(&scene.check(), 0);
        drop((first, session));
        scene.host.reboot();
        scene.host.wait_until("the firewall's service is through", || scene.imap_is_shut());
        scene.assert_restricted();
        code(&scene.check(), 0);
    }
}

#[test]
fn from_another_machine_it_confirms_itself_by_a_new_connection() {
    let Some(scene) = Scene::new(Kind::Systemd, LONG) else {
        return;
    };
    let manifest = scene.host.read_text(MANIFEST);
    let ssh = scene.ssh().auto_master();
    let applied = ssh.mailward(&["apply", "--yes", "-"]).stdin(manifest).within(LONG).run();
    code(&applied, 0);
    scene.assert_restricted();
    assert!(!scene.firewall.active_sources(&scene.host, "imap").is_empty());
    code(&scene.check(), 0);
}

#[test]
fn applied_on_a_console_it_can_be_confirmed_though_the_vendor_wants_an_ssh_connection() {
    use crate::support::firewall::Knob;
    let Some(scene) = Scene::new(Kind::SysV, LONG) else {
        return;
    };
    scene.firewall.set(&scene.host, Knob::WithoutSshRefused);
    let applied = scene.host.run(&["mailward", "apply", "--yes", MANIFEST]);
    code(&applied, 3);
    let cron = scene.host.run(&["mailward", "confirm"]);
    code(&cron, 7);
    code(&scene.say("confirm"), 0);
    scene.assert_restricted();
}

#[test]
fn a_connection_made_while_the_vendor_still_loads_its_rules_does_not_confirm() {
    use crate::support::firewall::{Trouble, Verb};
    let Some(scene) = Scene::new(Kind::SysV, LONG) else {
        return;
    };
    let slow = Trouble::Slow(4.0);
    scene.firewall.misbehave_once(&scene.host, Verb::Apply, &slow);
    std::thread::scope(|scope| {
        let applied = scope.spawn(|| scene.apply());
        scene.host.wait_until("the vendor applies", || {
            let calls = scene.firewall.calls(&scene.host);
            calls.iter().any(|call| call == "--apply")
        });
        assert!(!scene.imap_is_shut());
        let between = scene.ssh().warm();
        code(&applied.join().expect("the thread ends"), 3);
        code(&over(&between, "confirm"), 7);
    });
    code(&scene.say("confirm"), 0);
    scene.assert_restricted();
}

#[test]
fn beside_fail2ban_and_others_a_change_is_made_and_bans_stay() {
    let Some(scene) = Scene::new(Kind::Systemd, LONG) else {
        return;
    };
    scene.firewall.neighbours(&scene.host);
    // Docker's rules are among them.
    code(&scene.apply(), 7);
    code(&scene.say(&format!("apply --yes --allow docker {MANIFEST}")), 3);
    code(&scene.say("confirm"), 0);
    code(&scene.check(), 0);
    scene.assert_restricted();
    let rules = scene.host.run(&["iptables-save"]).success();
    assert!(rules.contains("-j f2b-postfix"), "{rules}");
}
