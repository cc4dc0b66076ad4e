//! A boot takes back what nobody confirmed, and brings back what somebody did.

use super::{MANIFEST, Scene};
use crate::support::host::{Kind, PacketFilter};

#[test]
fn a_boot_takes_back_what_nobody_confirmed_and_brings_back_the_rest() {
    for (kind, enforce, filter) in
        [(Kind::Systemd, "iptables", PacketFilter::Legacy), (Kind::SysV, "nftables", PacketFilter::Nft)]
    {
        let Some(mut scene) = Scene::new(kind, enforce, "60s") else {
            return;
        };
        scene.host.packet_filter_is(filter);
        scene.apply();
        scene.assert_restricted();
        scene.host.reboot();
        scene.assert_open();
        let (code, plan) = scene.plan();
        assert_eq!(code, 2, "{plan}");
        let late = scene.run("confirm");
        assert_eq!(late.code(), 8, "{late:#?}");
        assert_eq!(scene.result(), "rolled-back");
        scene.apply_for_good();
        scene.host.reboot();
        scene.assert_restricted();
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{check:#?}");
    }
}

#[test]
fn a_boot_loads_with_the_programs_that_were_found_wherever_they_are() {
    let Some(mut scene) = Scene::new(Kind::Systemd, "nftables", "60s") else {
        return;
    };
    let moved = "mkdir -p /usr/local/sbin && mv /usr/sbin/nft /usr/local/sbin/nft";
    scene.host.run(&["sh", "-c", moved]).success();
    scene.apply_for_good();
    scene.host.reboot();
    scene.assert_restricted();
    // One that has moved since is looked for.
    let back = "mv /usr/local/sbin/nft /usr/sbin/nft";
    scene.host.run(&["sh", "-c", back]).success();
    scene.host.reboot();
    scene.assert_restricted();
}
