//! Rules of before that something loads while a change waits: nothing is lost by it, and it is told.

use super::{MANIFEST, Scene, over};
use crate::support::host::{Kind, PacketFilter};

const TOLD: &str = "the rules of before are";

#[test]
fn rules_of_before_that_the_boot_service_loads_within_a_window_are_told_and_the_change_ends() {
    for (kind, enforce, filter) in
        [(Kind::Systemd, "nftables", PacketFilter::Nft), (Kind::SysV, "iptables", PacketFilter::Legacy)]
    {
        let Some(scene) = Scene::new(kind, enforce, "60s") else {
            return;
        };
        let what = format!("{kind:?} {enforce}");
        scene.host.packet_filter_is(filter);
        // Nothing was confirmed before, and then something was.
        for before in ["", "confirmed"] {
            if !before.is_empty() {
                scene.apply_for_good();
                scene.declare("\"198.18.2.1\"]", "\"198.18.2.1\", \"198.18.2.2\"]");
            }
            let rules = scene.rules();
            scene.apply();
            scene.host.service("mailward-access", "restart").success();
            assert_eq!(scene.rules(), rules, "{what} {before}");
            if kind == Kind::Systemd {
                let journal = ["journalctl", "-b", "-u", "mailward-access"];
                let said = scene.host.run(&journal).success();
                assert!(said.contains("nobody has confirmed"), "{what}: {said}");
            }
            let (code, plan) = scene.plan();
            assert_eq!(code, 3, "{what} {before}: {plan}");
            assert!(plan.contains(TOLD), "{what} {before}: {plan}");
            let check = scene.run(&format!("check {MANIFEST}"));
            assert_eq!(check.code(), 3, "{what} {before}: {check:#?}");
            assert!(check.stdout.contains(TOLD), "{what} {before}: {check:#?}");
            let show = scene.run("show");
            assert!(show.stdout.contains(TOLD), "{what} {before}: {show:#?}");
            let refused = over(&scene.ssh(), "confirm");
            assert_eq!(refused.code(), 7, "{what} {before}: {refused:#?}");
            assert!(
                refused.stderr.contains(TOLD) || refused.stdout.contains(TOLD),
                "{what} {before}: {refused:#?}"
            );
            let back = scene.run("revert");
            assert_eq!(back.code(), 0, "{what} {before}: {back:#?}");
            assert_eq!(scene.rules(), rules, "{what} {before}");
            // Its timer ends it as well.
            scene.declare("\"60s\"", "\"10s\"");
            scene.apply();
            scene.host.service("mailward-access", "restart").success();
            scene.host.wait_until("the change ends", || scene.run("confirm").code() == 8);
            assert_eq!(scene.rules(), rules, "{what} {before}");
            scene.declare("\"10s\"", "\"60s\"");
        }
        scene.apply_for_good();
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{what}: {check:#?}");
    }
}
