//! What was never confirmed is provisional, whatever brings it: others may save all rules of the kernel
//! within a window, and load them again when it is over, at a boot or by hand.

use super::{MANIFEST, Scene, over};
use crate::support::host::{Family, Kind, PacketFilter, Reach};

/// How others keep all rules of a host and bring them back at boot, as an administrator would have it.
fn others_restore_at_boot(scene: &Scene) {
    match scene.host.kind() {
        Kind::Systemd => {
            scene.host.write("/etc/nftables.conf", "");
            let enable = ["systemctl", "enable", "nftables.service"];
            scene.host.run(&enable).success();
        }
        Kind::SysV | Kind::BusyBox => scene.host.write_as(
            "/etc/rcS.d/S10others-restore",
            0o755,
            "#!/bin/sh\n[ ! -s /etc/others.v4 ] || iptables-restore </etc/others.v4\n\
             [ ! -s /etc/others.v6 ] || ip6tables-restore </etc/others.v6\n",
        ),
    }
}

fn others_save(scene: &Scene) {
    let script = match scene.host.kind() {
        Kind::Systemd => "{ echo 'flush ruleset'; nft list ruleset; } >/etc/nftables.conf",
        Kind::SysV | Kind::BusyBox => "iptables-save >/etc/others.v4; ip6tables-save >/etc/others.v6",
    };
    scene.host.run(&["sh", "-c", script]).success();
}

/// Does what a program does that restores rules later than the hook.
fn others_load(scene: &Scene) {
    let script = match scene.host.kind() {
        Kind::Systemd => "nft -f /etc/nftables.conf",
        Kind::SysV | Kind::BusyBox => "iptables-restore </etc/others.v4 && ip6tables-restore </etc/others.v6",
    };
    scene.host.run(&["sh", "-c", script]).success();
}

const WAYS: [(Kind, &str, PacketFilter); 3] = [
    (Kind::Systemd, "nftables", PacketFilter::Nft),
    (Kind::SysV, "iptables", PacketFilter::Legacy),
    (Kind::SysV, "iptables", PacketFilter::Nft),
];

/// A declaration that lets in one address more.
fn widen(scene: &Scene) {
    scene.declare("\"198.18.2.1\"]", "\"198.18.2.1\", \"198.18.2.2\"]");
}

fn narrow(scene: &Scene) {
    scene.declare("\"198.18.2.1\", \"198.18.2.2\"]", "\"198.18.2.1\"]");
}

fn reaches_of_the_added(scene: &Scene) -> Reach {
    let added = scene.net.client("vpn").at("198.18.2.2");
    added.reaches(143, Family::V4)
}

#[test]
fn what_others_saved_of_a_change_that_nobody_confirmed_does_not_survive_a_boot() {
    for (kind, enforce, filter) in WAYS {
        let Some(mut scene) = Scene::new(kind, enforce, "60s") else {
            return;
        };
        let what = format!("{kind:?} {enforce} {filter:?}");
        scene.host.packet_filter_is(filter);
        others_restore_at_boot(&scene);
        let before = scene.rules();
        // The boot comes within the window.
        scene.apply();
        others_save(&scene);
        scene.host.reboot();
        scene.assert_open();
        let late = scene.run("confirm");
        assert_eq!(late.code(), 8, "{what}: {late:#?}");
        assert_eq!(scene.rules(), before, "{what}");
        // It comes long after the change was taken back and settled.
        scene.apply();
        others_save(&scene);
        assert_eq!(scene.run("revert").code(), 0, "{what}");
        scene.host.reboot();
        scene.assert_open();
        assert_eq!(scene.rules(), before, "{what}");
        if kind == Kind::Systemd {
            let said = scene.host.run(&["journalctl", "-b", "-u", "mailward-access"]);
            let said = said.success();
            assert!(said.contains("nobody has confirmed"), "{what}: {said}");
        }
        // Something else was confirmed: that comes back, and nothing more.
        scene.apply_for_good();
        let confirmed = scene.rules();
        widen(&scene);
        scene.apply();
        others_save(&scene);
        scene.host.reboot();
        scene.assert_restricted();
        assert_eq!(scene.rules(), confirmed, "{what}");
        assert_eq!(scene.run("confirm").code(), 8, "{what}");
        scene.apply();
        others_save(&scene);
        assert_eq!(scene.run("revert").code(), 0, "{what}");
        scene.host.reboot();
        scene.assert_restricted();
        assert_eq!(scene.rules(), confirmed, "{what}");
        narrow(&scene);
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{what}: {check:#?}");
    }
}

#[test]
fn rules_that_were_never_confirmed_are_told_by_every_run_and_taken_back_or_confirmed() {
    for (kind, enforce, filter) in WAYS {
        let Some(mut scene) = Scene::new(kind, enforce, "60s") else {
            return;
        };
        let what = format!("{kind:?} {enforce} {filter:?}");
        scene.host.packet_filter_is(filter);
        others_restore_at_boot(&scene);
        let before = scene.rules();
        scene.apply();
        others_save(&scene);
        assert_eq!(scene.run("revert").code(), 0, "{what}");
        others_load(&scene);
        scene.assert_restricted();
        // They are what the manifest says, and yet nobody has confirmed them.
        let (code, plan) = scene.plan();
        assert_eq!(code, 2, "{what}: {plan}");
        assert!(plan.contains("never confirmed"), "{what}: {plan}");
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 2, "{what}: {check:#?}");
        let show = scene.run("show");
        assert!(show.stdout.contains("never confirmed"), "{what}: {show:#?}");
        let confirm = over(&scene.ssh(), "confirm");
        assert_eq!(confirm.code(), 7, "{what}: {confirm:#?}");
        scene.assert_restricted();
        // A manifest that says nothing of access tells of them, too.
        let whole = scene.host.read_text(MANIFEST);
        scene.host.write(MANIFEST, "version = 1\n");
        let (_, plan) = scene.plan();
        assert!(plan.contains("never confirmed"), "{what}: {plan}");
        scene.host.write(MANIFEST, &whole);
        // Taken back without a window.
        let back = scene.run("revert");
        assert_eq!(back.code(), 0, "{what}: {back:#?}");
        assert_eq!(scene.rules(), before, "{what}");
        // Taken back with one: to what was confirmed, not to what was there.
        others_load(&scene);
        scene.apply();
        scene.assert_restricted();
        let back = scene.run("revert");
        assert_eq!(back.code(), 0, "{what}: {back:#?}");
        scene.assert_open();
        assert_eq!(scene.rules(), before, "{what}");
        others_load(&scene);
        scene.declare("\"60s\"", "\"10s\"");
        scene.apply();
        scene.wait_until_open();
        assert_eq!(scene.run("confirm").code(), 8, "{what}");
        assert_eq!(scene.rules(), before, "{what}");
        scene.declare("\"10s\"", "\"60s\"");
        // Confirmed.
        others_load(&scene);
        scene.apply_for_good();
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{what}: {check:#?}");
        scene.host.reboot();
        scene.assert_restricted();
        // Where something was confirmed before, and the manifest wants a third thing.
        let confirmed = scene.rules();
        widen(&scene);
        scene.apply();
        others_save(&scene);
        assert_eq!(scene.run("revert").code(), 0, "{what}");
        assert_eq!(scene.rules(), confirmed, "{what}");
        others_load(&scene);
        assert_eq!(reaches_of_the_added(&scene), Reach::Connects, "{what}");
        scene.declare("pop3 = [\"office\"]", "pop3 = \"nobody\"");
        scene.apply();
        let back = scene.run("revert");
        assert_eq!(back.code(), 0, "{what}: {back:#?}");
        scene.assert_restricted();
        assert_eq!(scene.rules(), confirmed, "{what}");
        // The manifest is what was confirmed.
        scene.declare("pop3 = \"nobody\"", "pop3 = [\"office\"]");
        narrow(&scene);
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{what}: {check:#?}");
        others_load(&scene);
        let (code, plan) = scene.plan();
        assert_eq!(code, 2, "{what}: {plan}");
        let back = scene.run("revert");
        assert_eq!(back.code(), 0, "{what}: {back:#?}");
        assert_eq!(scene.rules(), confirmed, "{what}");
    }
}
