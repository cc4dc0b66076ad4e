//! What is seen of access: drift, tables of others, what somebody without rights cannot see, and whom a plan
//! knows.

use std::time::Duration;

use super::{MANIFEST, Scene, over};
use crate::support::host::{Kind, OPERATOR, PacketFilter};

fn drifts(scene: &Scene, ways: &[&str]) {
    for way in ways {
        scene.host.run(&["sh", "-c", way]).success();
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 2, "{way}: {check:#?}");
        let (code, plan) = scene.plan();
        assert_eq!(code, 2, "{way}: {plan}");
        scene.apply_for_good();
        scene.assert_restricted();
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{way}: {check:#?}");
    }
}

#[test]
fn drift_of_nftables_is_seen_and_mended() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "60s") else {
        return;
    };
    scene.apply_for_good();
    drifts(
        &scene,
        &[
            "nft delete table inet mailward",
            "nft flush ruleset",
            "nft add element inet mailward imap_v4 '{ 198.18.3.1 }'",
            "rm /var/lib/mailward/access/boot.nft; nft flush ruleset",
        ],
    );
    scene.host.run(&["sh", "-c", "rm /var/lib/mailward/access/boot.nft"]).success();
    // Nothing says any more that they were confirmed.
    let (code, plan) = scene.plan();
    assert_eq!(code, 2, "{plan}");
    assert!(plan.contains("never confirmed"), "{plan}");
    scene.apply_for_good();
    // What a boot does about them needs no confirmation.
    scene.host.replace_text("/etc/init.d/mailward-access", "stop | status)", "stop)");
    let (code, plan) = scene.plan();
    assert_eq!(code, 2, "{plan}");
    let applied = scene.run(&format!("apply --yes {MANIFEST}"));
    assert_eq!(applied.code(), 0, "{applied:#?}");
    let script = "nft flush ruleset; nft add table inet mailward; nft add chain inet mailward c";
    scene.host.run(&["sh", "-c", script]).success();
    let rules = scene.host.run(&["nft", "list", "ruleset"]).success();
    let refused = scene.run(&format!("apply --yes {MANIFEST}"));
    assert_eq!(refused.code(), 7, "{refused:#?}");
    assert_eq!(scene.host.run(&["nft", "list", "ruleset"]).success(), rules);
}

#[test]
fn drift_of_iptables_is_seen_and_mended() {
    for (kind, filter) in [(Kind::SysV, PacketFilter::Legacy), (Kind::Systemd, PacketFilter::Nft)] {
        let Some(scene) = Scene::new(kind, "iptables", "60s") else {
            return;
        };
        scene.host.packet_filter_is(filter);
        scene.apply_for_good();
        drifts(
            &scene,
            &[
                "iptables -t raw -F",
                "ip6tables -t raw -F; ip6tables -t raw -X",
                "iptables -t raw -I MAILWARD-imap -s 198.18.3.1 -j RETURN",
                "iptables -t raw -D PREROUTING -j MAILWARD",
                "ip6tables -t mangle -D INPUT -j MAILWARD",
                "iptables -t mangle -F",
                "iptables -t mangle -I INPUT -p tcp -j ACCEPT",
            ],
        );
        let script = "iptables -t raw -N OTHERS; iptables -t raw -A OTHERS -j MAILWARD";
        scene.host.run(&["sh", "-c", script]).success();
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{check:#?}");
        scene.declare("imap = [\"office\", \"198.18.2.1\"]", "imap = [\"office\"]");
        scene.apply_for_good();
        scene.declare("enforce = \"iptables\"", "enforce = \"nftables\"");
        let refused = scene.run(&format!("apply --yes {MANIFEST}"));
        assert_eq!(refused.code(), 7, "{refused:#?}");
    }
}

#[test]
fn a_plan_knows_its_own_connection_and_what_others_rule() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "60s") else {
        return;
    };
    let here = over(&scene.ssh(), &format!("plan {MANIFEST}"));
    assert_eq!(here.code(), 2, "{here:#?}");
    assert!(!here.stdout.contains("no ssh connection"), "{here:#?}");
    let (_, plan) = scene.plan();
    assert!(plan.contains("no ssh connection of yours"), "{plan}");
    // Others shut it out already: that is no reason to refuse.
    let others =
        "table inet others { chain c { type filter hook input priority 0; ip saddr 203.0.113.9 drop; }; }";
    scene.host.run(&["sh", "-c", &format!("echo '{others}' | nft -f /dev/stdin")]).success();
    scene.declare("[safety]\n", "[safety]\nmust_reach = [\"203.0.113.9\"]\n");
    let (code, plan) = scene.plan();
    assert_eq!(code, 2, "{plan}");
}

#[test]
fn who_may_not_look_is_told_so_and_a_saved_plan_waits_too() {
    let Some(scene) = Scene::new(Kind::Systemd, "nftables", "60s") else {
        return;
    };
    scene.host.run(&["chmod", "644", MANIFEST]).success();
    scene.host.run(&["cp", MANIFEST, "/tmp/mx1.toml"]).success();
    scene.apply_for_good();
    let blind =
        scene.ssh().user(OPERATOR).bare("mailward check /tmp/mx1.toml").within(Duration::from_secs(20)).run();
    assert_eq!(blind.code(), 11, "{blind:#?}");
    scene.declare("imap = [\"office\", \"198.18.2.1\"]", "imap = [\"office\"]");
    let saved = scene.run(&format!("plan -o /root/plan.json {MANIFEST}"));
    assert_eq!(saved.code(), 2, "{saved:#?}");
    let applied = scene.run("apply --yes /root/plan.json");
    assert_eq!(applied.code(), 3, "{applied:#?}");
    let confirmed = over(&scene.ssh(), "confirm");
    assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
    let check = scene.run(&format!("check {MANIFEST}"));
    assert_eq!(check.code(), 0, "{check:#?}");
}
