//! Own rules that somebody else has taken away in part, or whole: drift that an apply mends, for it is
//! written down what they were.

use super::{MANIFEST, Scene};
use crate::support::host::{Family, Kind, PacketFilter, Reach};

/// All rules, in whichever order tables and chains are listed.
fn rules(scene: &Scene) -> String {
    let rules = scene.rules();
    let mut lines: Vec<&str> = rules.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn sh(scene: &Scene, script: &str) -> String {
    scene.host.run(&["sh", "-euc", script]).success()
}

/// A check says so, and an apply brings back what was confirmed.
fn is_mended(scene: &Scene, confirmed: &str, what: &str) {
    let check = scene.run(&format!("check {MANIFEST}"));
    assert_eq!(check.code(), 2, "{what}: {check:#?}");
    scene.apply_for_good();
    assert_eq!(rules(scene), confirmed, "{what}");
    let check = scene.run(&format!("check {MANIFEST}"));
    assert_eq!(check.code(), 0, "{what}: {check:#?}");
}

#[test]
fn an_own_table_that_others_have_emptied_is_drift_and_an_apply_brings_it_back() {
    let Some(scene) = Scene::new(Kind::Systemd, "nftables", "60s") else {
        return;
    };
    scene.apply_for_good();
    let confirmed = rules(&scene);
    let stranger = || scene.stranger().reaches(143, Family::V4);
    for (emptied, left) in [
        ("nft flush table inet mailward", Reach::Connects),
        ("nft flush ruleset", Reach::Connects),
        ("nft flush chain inet mailward input", Reach::Silent),
        (
            "nft delete rule inet mailward input handle $(nft -a list chain inet mailward input | \
             sed -n 's/.*comment \"mailward\" # handle //p')",
            Reach::Silent,
        ),
        // Nothing but the mark is gone.
        (
            "nft replace rule inet mailward input handle $(nft -a list chain inet mailward input | \
             sed -n 's/.*comment \"mailward\" # handle //p') iifname lo accept",
            Reach::Silent,
        ),
    ] {
        sh(&scene, emptied);
        assert_eq!(stranger(), left, "{emptied}");
        is_mended(&scene, &confirmed, emptied);
    }
    // Nobody confirms it: what goes back is what was there.
    sh(&scene, "nft flush table inet mailward");
    let emptied = rules(&scene);
    scene.apply();
    scene.assert_restricted();
    assert_eq!(scene.run("revert").code(), 0);
    assert_eq!(rules(&scene), emptied);
    // The hook brings it back, too.
    scene.host.service("mailward-access", "restart").success();
    assert_eq!(rules(&scene), confirmed);
    // Rules that mailward does not make are somebody's.
    sh(&scene, "nft flush table inet mailward; nft add rule inet mailward input tcp dport 22 accept");
    let theirs = rules(&scene);
    let refused = scene.run(&format!("apply --yes {MANIFEST}"));
    assert_eq!(refused.code(), 7, "{refused:#?}");
    let restarted = scene.host.service("mailward-access", "restart");
    assert_ne!(restarted.code(), 0, "{restarted:#?}");
    assert_eq!(rules(&scene), theirs);
    // And so is an empty table where nothing is written down.
    sh(&scene, "nft flush table inet mailward; rm -r /var/lib/mailward");
    let refused = scene.run(&format!("apply --yes {MANIFEST}"));
    assert_eq!(refused.code(), 7, "{refused:#?}");
}

#[test]
fn an_emptied_table_goes_when_own_chains_take_its_place() {
    let Some(scene) = Scene::new(Kind::Systemd, "nftables", "60s") else {
        return;
    };
    scene.apply_for_good();
    sh(&scene, "nft flush table inet mailward");
    scene.declare("\"nftables\"", "\"iptables\"");
    scene.apply_for_good();
    scene.assert_restricted();
    let listed = sh(&scene, "nft list tables");
    assert!(!listed.contains("inet mailward"), "{listed}");
    let check = scene.run(&format!("check {MANIFEST}"));
    assert_eq!(check.code(), 0, "{check:#?}");
}

#[test]
fn own_chains_that_others_have_emptied_are_drift_and_an_apply_brings_them_back() {
    for (kind, filter) in [(Kind::Systemd, PacketFilter::Nft), (Kind::SysV, PacketFilter::Legacy)] {
        let Some(scene) = Scene::new(kind, "iptables", "60s") else {
            return;
        };
        let what = format!("{kind:?} {filter:?}");
        scene.host.packet_filter_is(filter);
        scene.apply_for_good();
        let confirmed = rules(&scene);
        for emptied in [
            "for i in iptables ip6tables; do $i -t raw -F; done",
            "for i in iptables ip6tables; do $i -t mangle -F; done",
            "iptables -t raw -F MAILWARD-imap; ip6tables -t mangle -F MAILWARD",
        ] {
            sh(&scene, emptied);
            is_mended(&scene, &confirmed, &format!("{what}: {emptied}"));
        }
    }
}

#[test]
fn where_rules_of_both_ways_are_taken_over_both_are_written_down() {
    for enforce in ["iptables", "nftables"] {
        let Some(mut scene) = Scene::new(Kind::Systemd, "nftables", "60s") else {
            return;
        };
        scene.apply_for_good();
        let table = sh(&scene, "nft list table inet mailward");
        scene.declare("\"nftables\"", "\"iptables\"");
        scene.declare("pop3 = [\"office\"]", "pop3 = \"anyone\"\nsubmission = [\"office\"]");
        scene.declare("imap = [\"office\", \"198.18.2.1\"]", "imap = [\"office\"]");
        scene.apply_for_good();
        // Somebody has loaded the table again, and mailward's state is lost.
        scene.host.write("/root/table.nft", table);
        sh(&scene, "nft -f /root/table.nft; rm -r /var/lib/mailward");
        let both = rules(&scene);
        scene.declare("pop3 = \"anyone\"\n", "");
        scene.declare("imap = [\"office\"]\n", "");
        scene.declare("submission = [\"office\"]", "smtps = [\"office\"]");
        scene.declare("\"iptables\"", &format!("\"{enforce}\""));
        let refused = scene.run(&format!("apply --yes {MANIFEST}"));
        assert_eq!(refused.code(), 7, "{enforce}: {refused:#?}");
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("pop3") && said.contains("submission"), "{said}");
        let adopted = scene.run(&format!("apply --yes --allow own-rules {MANIFEST}"));
        assert_eq!(adopted.code(), 3, "{enforce}: {adopted:#?}");
        // Nobody confirms it: what was taken over stays, over a boot, too.
        assert_eq!(scene.run("revert").code(), 0, "{enforce}");
        assert_eq!(rules(&scene), both, "{enforce}");
        scene.host.reboot();
        for port in [143, 110, 587] {
            let reached = scene.stranger().reaches(port, Family::V4);
            assert_eq!(reached, Reach::Silent, "{enforce}: {port}");
        }
        assert_eq!(rules(&scene), both, "{enforce}");
        // Confirmed, one way has all of it.
        scene.apply_for_good();
        for port in [143, 110, 587, 465] {
            let reached = scene.stranger().reaches(port, Family::V4);
            assert_eq!(reached, Reach::Silent, "{enforce}: {port}");
        }
        // One of them let it in, the other did not.
        let vpn = scene.net.client("vpn");
        assert_eq!(vpn.reaches(143, Family::V4), Reach::Silent, "{enforce}");
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{enforce}: {check:#?}");
    }
}
