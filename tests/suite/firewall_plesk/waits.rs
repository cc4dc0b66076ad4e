//! A change that nobody confirms: time, a boot or the operator takes it back, and what is said meanwhile is
//! so.

use std::time::{Duration, Instant};

use super::{Kind, LONG, SHORT, Scene, code, says};

#[test]
fn a_change_that_nobody_confirms_goes_back_and_its_pending_rules_are_not_taken_for_it() {
    for kind in [Kind::Systemd, Kind::SysV] {
        let Some(scene) = Scene::new(kind, SHORT) else {
            return;
        };
        code(&scene.apply(), 3);
        assert!(scene.imap_is_shut());
        scene.firewall.settle(&scene.host);
        assert!(!scene.imap_is_shut());
        assert!(!scene.firewall.pending_sources(&scene.host, "imap").is_empty());
        let check = scene.check();
        code(&check, 2);
        says(&check, "imap");
        let plan = scene.plan();
        code(&plan, 2);
        let late = scene.say("confirm");
        code(&late, 8);
        scene.assert_as_before();
        code(&scene.check(), 2);
        scene.firewall.confirm_within(&scene.host, LONG);
        scene.make_last();
        scene.assert_restricted();
    }
}

#[test]
fn an_apply_after_a_change_went_back_settles_that_first() {
    let Some(scene) = Scene::new(Kind::SysV, SHORT) else {
        return;
    };
    code(&scene.apply(), 3);
    scene.firewall.settle(&scene.host);
    scene.firewall.confirm_within(&scene.host, LONG);
    scene.declare(r#"pop3 = ["office"]"#);
    scene.make_last();
    assert!(!scene.imap_is_shut());
    assert!(scene.firewall.active_sources(&scene.host, "imap").is_empty());
    assert!(!scene.firewall.active_sources(&scene.host, "pop3").is_empty());
}

#[test]
fn a_revert_brings_the_rules_back_at_once_and_then_waits_for_the_vendor() {
    let Some(scene) = Scene::new(Kind::Systemd, Duration::from_secs(30)) else {
        return;
    };
    code(&scene.apply(), 3);
    assert!(scene.imap_is_shut());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let reverted = scope.spawn(|| scene.say("revert"));
        while !scene.lets_in() {
            assert!(began.elapsed() < Duration::from_secs(12), "not at once");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(scene.firewall.waits(&scene.host), "its own window goes on");
        code(&reverted.join().expect("the thread ends"), 0);
    });
    scene.assert_as_before();
    code(&scene.check(), 2);
    code(&scene.say("revert"), 0);
}

#[test]
fn a_reboot_takes_back_what_waits() {
    for kind in [Kind::Systemd, Kind::SysV] {
        let Some(mut scene) = Scene::new(kind, LONG) else {
            return;
        };
        boots(&scene, "1");
        code(&scene.apply(), 3);
        scene.host.reboot();
        boots(&scene, "2");
        assert!(!scene.imap_is_shut());
        let check = scene.check();
        code(&check, 2);
        code(&scene.say("confirm"), 8);
        scene.assert_as_before();
    }
}

/// Tells one boot from another, as the kernel does where it really boots.
fn boots(scene: &Scene, number: &str) {
    scene.host.write("/root/boot_id", number);
    let place = "/proc/sys/kernel/random/boot_id";
    scene.host.run(&["mount", "--bind", "/root/boot_id", place]).success();
}

#[test]
fn what_the_vendors_own_command_has_confirmed_stays_and_is_said_to() {
    let Some(scene) = Scene::new(Kind::SysV, SHORT) else {
        return;
    };
    code(&scene.apply(), 3);
    let confirm = format!("{} --confirm", crate::support::firewall::SETTINGS);
    scene.ssh().bare(&confirm).run().success();
    std::thread::sleep(SHORT);
    code(&scene.check(), 3);
    code(&scene.say("confirm"), 0);
    scene.assert_restricted();
    code(&scene.check(), 0);
}

#[test]
fn a_firewall_that_was_switched_off_while_a_change_waited_is_not_loaded_again() {
    let Some(scene) = Scene::new(Kind::Systemd, LONG) else {
        return;
    };
    // The script of what was confirmed last closes something that is open without it.
    let mysql = scene.firewall.id(&scene.host, "mysql");
    for words in [
        &["--set-rule", "-id", &mysql, "-action", "deny"][..],
        &["--apply", "-auto-confirm-this-may-lock-me-out-of-the-server"],
    ] {
        let run = scene.firewall.command(&scene.host, words).run();
        run.success();
    }
    code(&scene.apply(), 3);
    assert!(scene.imap_is_shut());
    let disable = scene.firewall.command(&scene.host, &["--disable"]);
    disable.run().success();
    assert!(scene.lets_in());
    code(&scene.say("revert"), 0);
    assert!(scene.lets_in());
    let rules = scene.host.run(&["iptables-save", "-t", "filter"]).success();
    assert!(!rules.contains("--dport"), "{rules}");
    code(&scene.say("confirm"), 0);
}
