//! From one way to enforce to the other: the first is gone after the confirmation, and nothing is open in
//! between.

use super::{MANIFEST, Scene, over};
use crate::support::host::{Family, Kind, PacketFilter, Reach};

#[test]
fn the_first_way_goes_when_the_second_is_confirmed() {
    let Some(mut scene) = Scene::new(Kind::Systemd, "nftables", "60s") else {
        return;
    };
    scene.host.packet_filter_is(PacketFilter::Legacy);
    scene.apply_for_good();
    for (from, to) in [("nftables", "iptables"), ("iptables", "nftables")] {
        scene.declare(&format!("enforce = \"{from}\""), &format!("enforce = \"{to}\""));
        scene.apply();
        scene.assert_restricted();
        let rules = scene.rules();
        assert!(rules.contains("MAILWARD") && rules.contains("@imap_v4"), "{rules}");
        let confirmed = over(&scene.ssh(), "confirm");
        assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
        scene.assert_restricted();
        let rules = scene.rules();
        assert_eq!(rules.contains("MAILWARD"), to == "iptables", "{rules}");
        assert_eq!(rules.contains("@imap_v4"), to == "nftables", "{rules}");
        scene.host.reboot();
        scene.assert_restricted();
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{check:#?}");
    }
}

#[test]
fn what_is_not_named_any_more_stays_restricted_when_the_way_changes() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "60s") else {
        return;
    };
    scene.apply_for_good();
    scene.declare("pop3 = [\"office\"]\n", "");
    scene.declare("enforce = \"nftables\"", "enforce = \"iptables\"");
    let (code, plan) = scene.plan();
    assert_eq!(code, 2, "{plan}");
    assert!(plan.contains("pop3 is not named any more"), "{plan}");
    assert!(!plan.contains("somebody"), "{plan}");
    let boot = "/var/lib/mailward/access/boot";
    assert!(plan.contains(&format!("remove {boot}.nft")), "{plan}");
    assert!(plan.contains(&format!("write {boot}.v4")), "{plan}");
    scene.apply_for_good();
    scene.assert_restricted();
    assert_eq!(scene.stranger().reaches(110, Family::V4), Reach::Silent);
}
