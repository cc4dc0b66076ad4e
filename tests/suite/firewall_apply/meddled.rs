//! What others put among mailward's own rules is never taken for what the manifest said; what stays of
//! services that it does not name any more is what was confirmed, and where that is not written down, nothing
//! is taken over unasked.

use super::{MANIFEST, Scene};
use crate::support::host::{Family, Kind, PacketFilter, Reach};

const WAYS: [(Kind, &str, PacketFilter); 3] = [
    (Kind::Systemd, "nftables", PacketFilter::Nft),
    (Kind::SysV, "iptables", PacketFilter::Legacy),
    (Kind::Systemd, "iptables", PacketFilter::Nft),
];

/// What others do in the own table.
const IN_THE_TABLE: [&str; 10] = [
    "add chain inet mailward input { type filter hook input priority -10; policy drop; }",
    "add rule inet mailward input tcp dport 587 drop",
    "insert rule inet mailward input tcp dport { 587, 110 } drop",
    "add rule inet mailward input tcp dport { 25, 465 } tcp flags & (fin|syn|rst|ack) == syn drop",
    "add rule inet mailward input tcp dport 22 counter",
    "add rule inet mailward input log prefix \"theirs\"",
    "add set inet mailward theirs { type ipv4_addr; flags interval; }",
    "add element inet mailward imap_v4 { 198.18.3.0/24 }",
    "add counter inet mailward theirs",
    "add chain inet mailward theirs { type filter hook output priority 0; }",
];

/// What others do in the own chains.
const IN_THE_CHAINS: [&str; 5] = [
    "-A MAILWARD -p tcp --dport 587 -j DROP",
    "-A MAILWARD -p tcp -m tcp --dport 25 --tcp-flags FIN,SYN,RST,ACK SYN -m addrtype --dst-type LOCAL -j DROP",
    "-A MAILWARD -p tcp --dport 110 -j LOG",
    "-I MAILWARD-imap -s 198.18.3.0/24 -j RETURN",
    "-N MAILWARD-theirs",
];

/// Each of them as a command.
fn meddling(enforce: &str) -> Vec<String> {
    match enforce {
        "nftables" => (IN_THE_TABLE.iter()).map(|words| format!("nft '{words}'")).collect(),
        _ => (IN_THE_CHAINS.iter()).map(|words| format!("iptables -t raw {words}")).collect(),
    }
}

fn sh(scene: &Scene, script: &str) {
    scene.host.run(&["sh", "-c", script]).success();
}

#[test]
fn what_others_put_among_own_rules_is_drift_and_is_never_adopted() {
    for (kind, enforce, filter) in WAYS {
        let Some(scene) = Scene::new(kind, enforce, "60s") else {
            return;
        };
        scene.host.packet_filter_is(filter);
        scene.apply_for_good();
        let confirmed = scene.rules();
        // It stays as it was confirmed, whatever stands in the kernel.
        scene.declare("pop3 = [\"office\"]\n", "");
        for script in meddling(enforce) {
            let what = format!("{kind:?} {enforce} {filter:?}: {script}");
            sh(&scene, &script);
            let check = scene.run(&format!("check {MANIFEST}"));
            assert_eq!(check.code(), 2, "{what}: {check:#?}");
            let (code, plan) = scene.plan();
            assert_eq!(code, 2, "{what}: {plan}");
            for service in ["smtp", "submission"] {
                let named = format!("{service} is not named any more");
                assert!(!plan.contains(&named), "{what}: {plan}");
            }
            assert!(plan.contains("pop3 is not named any more"), "{what}: {plan}");
            scene.apply_for_good();
            assert_eq!(scene.rules(), confirmed, "{what}");
            let check = scene.run(&format!("check {MANIFEST}"));
            assert_eq!(check.code(), 0, "{what}: {check:#?}");
        }
        for port in [25, 465, 587] {
            let stranger = scene.stranger().reaches(port, Family::V4);
            assert_eq!(stranger, Reach::Connects, "{kind:?} {enforce}: {port}");
        }
        scene.assert_restricted();
    }
}

#[test]
fn own_rules_of_which_nothing_is_written_down_are_listed_and_taken_over_only_where_that_is_allowed() {
    for (kind, enforce, filter) in WAYS {
        for lost in ["/var/lib/mailward", "/var/lib/mailward/access/boot.*"] {
            let Some(mut scene) = Scene::new(kind, enforce, "60s") else {
                return;
            };
            let what = format!("{kind:?} {enforce} {filter:?} {lost}");
            scene.host.packet_filter_is(filter);
            scene.apply_for_good();
            let confirmed = scene.rules();
            scene.declare("pop3 = [\"office\"]\n", "");
            sh(&scene, &format!("rm -rf {lost}"));
            let refused = scene.run(&format!("apply --yes {MANIFEST}"));
            assert_eq!(refused.code(), 7, "{what}: {refused:#?}");
            let said = format!("{}{}", refused.stdout, refused.stderr);
            for word in ["pop3", "198.18.1.0/24", "2001:db8:1::/64", "--allow own-rules"] {
                assert!(said.contains(word), "{what}: {word}: {said}");
            }
            assert_eq!(scene.rules(), confirmed, "{what}");
            let adopted = scene.run(&format!("apply --yes --allow own-rules {MANIFEST}"));
            assert!([0, 3].contains(&adopted.code()), "{what}: {adopted:#?}");
            assert_eq!(scene.rules(), confirmed, "{what}");
            if adopted.code() == 3 {
                // Going back means to what was taken over.
                assert_eq!(scene.run("revert").code(), 0, "{what}");
                assert_eq!(scene.rules(), confirmed, "{what}");
            }
            let check = scene.run(&format!("check {MANIFEST}"));
            assert_eq!(check.code(), 0, "{what}: {check:#?}");
            scene.host.reboot();
            scene.assert_restricted();
            assert_eq!(scene.rules(), confirmed, "{what}");
        }
    }
}

/// Chains that somebody else has made, by mailward's name.
const THEIRS: &str = "for i in iptables ip6tables; do \
    $i -t raw -N MAILWARD; $i -t raw -A MAILWARD -p tcp --dport 110 -j DROP; \
    $i -t raw -A PREROUTING -j MAILWARD; done";

#[test]
fn chains_of_another_that_have_mailwards_name_are_never_touched() {
    for (kind, filter) in [(Kind::SysV, PacketFilter::Legacy), (Kind::Systemd, PacketFilter::Nft)] {
        let Some(mut scene) = Scene::new(kind, "iptables", "60s") else {
            return;
        };
        let what = format!("{kind:?} {filter:?}");
        scene.host.packet_filter_is(filter);
        sh(&scene, THEIRS);
        let theirs = scene.rules();
        let refused = scene.run(&format!("apply --yes {MANIFEST}"));
        assert_eq!(refused.code(), 7, "{what}: {refused:#?}");
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("is not one that mailward made"), "{what}: {said}");
        assert_eq!(scene.rules(), theirs, "{what}");
        // Beside the own table they stay, whatever comes and goes.
        scene.declare("\"iptables\"", "\"nftables\"");
        scene.apply_for_good();
        let both = scene.rules();
        assert!(both.contains("--dport 110 -j DROP"), "{what}: {both}");
        let show = scene.run("show --format json");
        let show: serde_json::Value = serde_json::from_str(&show.stdout).expect("JSON");
        let entries = show["access"]["services"].as_array().expect("a list");
        let owners: Vec<&serde_json::Value> = (entries.iter())
            .filter(|entry| entry["port"] == 110 && entry["family"] == "ipv4")
            .flat_map(|entry| entry["decided_by"].as_array().expect("a list"))
            .filter(|decider| decider["rule"].as_str().unwrap_or_default().contains("MAILWARD"))
            .map(|decider| &decider["owner"])
            .collect();
        assert_eq!(owners, ["other"], "{what}: {show:#}");
        scene.host.service("mailward-access", "restart").success();
        assert_eq!(scene.rules(), both, "{what}");
        for service in ["imap", "pop3"] {
            let list = scene.host.read_text(MANIFEST);
            let line = list.lines().find(|line| line.starts_with(service));
            let line = line.expect("it is declared").to_owned();
            scene.declare(&line, &format!("{service} = \"anyone\""));
        }
        scene.apply_for_good();
        assert_eq!(scene.rules(), theirs, "{what}");
        // Nor does the hook that loads own chains.
        let removed =
            "for i in iptables ip6tables; do for t in raw mangle; do $i -t $t -F; $i -t $t -X; done; done";
        sh(&scene, removed);
        scene.declare("\"nftables\"", "\"iptables\"");
        scene.declare("imap = \"anyone\"", "imap = [\"office\"]");
        scene.apply_for_good();
        sh(&scene, &format!("{removed}; {THEIRS}"));
        let restarted = scene.host.service("mailward-access", "restart");
        assert_ne!(restarted.code(), 0, "{what}: {restarted:#?}");
        assert_eq!(scene.rules(), theirs, "{what}");
        // Once they are gone the rules come.
        sh(&scene, removed);
        scene.host.reboot();
        assert_eq!(scene.stranger().reaches(143, Family::V4), Reach::Silent);
    }
}

/// As on a host that had no IPv6 when its rules were confirmed.
const NO_IPV6: &str = "for t in raw mangle; do ip6tables -t $t -F; ip6tables -t $t -X; done; \
    rm -f /var/lib/mailward/access/boot.v6*";

#[test]
fn a_family_of_which_nothing_is_written_down_is_closed_for_what_is_not_named_any_more() {
    let Some(scene) = Scene::new(Kind::SysV, "iptables", "60s") else {
        return;
    };
    scene.apply_for_good();
    sh(&scene, NO_IPV6);
    assert_eq!(scene.stranger().reaches(110, Family::V6), Reach::Connects);
    scene.declare("pop3 = [\"office\"]\n", "");
    let (code, plan) = scene.plan();
    assert_eq!(code, 2, "{plan}");
    assert!(plan.contains("pop3 is not named any more"), "{plan}");
    scene.apply_for_good();
    for (family, office) in [(Family::V4, Reach::Connects), (Family::V6, Reach::Silent)] {
        let stranger = scene.stranger().reaches(110, family);
        assert_eq!(stranger, Reach::Silent, "{family:?}");
        assert_eq!(scene.office().reaches(110, family), office, "{family:?}");
    }
}

/// Makes own chains, live and in the files of the boot, what a version without a mark made.
const UNMARKED: &str = "for i in iptables ip6tables; do $i -t raw -F MAILWARD-own; $i -t raw -X MAILWARD-own; \
    $i -t mangle -F; $i -t mangle -X; done; \
    sed -i -e '/MAILWARD-own/d' -e '/^\\*mangle$/,/^COMMIT$/d' /var/lib/mailward/access/boot.v*";

#[test]
fn chains_of_a_version_that_set_no_mark_are_known_and_get_one() {
    for filter in [PacketFilter::Legacy, PacketFilter::Nft] {
        let Some(mut scene) = Scene::new(Kind::SysV, "iptables", "60s") else {
            return;
        };
        let what = format!("{filter:?}");
        scene.host.packet_filter_is(filter);
        scene.apply_for_good();
        let marked = sorted(&scene);
        // Others restore at boot what they save now.
        scene.host.write_as(
            "/etc/rcS.d/S10netfilter-persistent",
            0o755,
            "#!/bin/sh\nexec /usr/sbin/netfilter-persistent start\n",
        );
        sh(&scene, UNMARKED);
        sh(&scene, "netfilter-persistent save");
        let unmarked = sorted(&scene);
        assert_ne!(unmarked, marked, "{what}");
        let script = ["/bin/sh", "/var/lib/mailward/access/boot.sh"];
        scene.host.run(&script).success();
        assert_eq!(sorted(&scene), unmarked, "{what}");
        scene.host.reboot();
        scene.assert_restricted();
        assert_eq!(sorted(&scene), unmarked, "{what}");
        let (code, plan) = scene.plan();
        assert_eq!(code, 2, "{what}: {plan}");
        scene.apply();
        assert_eq!(sorted(&scene), marked, "{what}");
        assert_eq!(scene.run("revert").code(), 0, "{what}");
        scene.assert_restricted();
        scene.apply_for_good();
        assert_eq!(sorted(&scene), marked, "{what}");
        // What was saved without a mark is replaced at boot.
        scene.host.reboot();
        scene.assert_restricted();
        assert_eq!(sorted(&scene), marked, "{what}");
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{what}: {check:#?}");
    }
}

/// All rules, in whichever order their chains are listed.
fn sorted(scene: &Scene) -> Vec<String> {
    let rules = scene.rules();
    let mut lines: Vec<String> = rules.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// All chains there are of mailward's names, and all jumps.
fn named(scene: &Scene) -> String {
    let script = "{ iptables-legacy-save; ip6tables-legacy-save; iptables-nft-save; ip6tables-nft-save; \
        nft list ruleset; } 2>/dev/null | grep -i mailward; :";
    scene.host.run(&["sh", "-c", script]).success()
}

#[test]
fn a_change_that_goes_back_by_itself_leaves_nothing_in_the_kernel() {
    for (kind, enforce, filter) in [
        (Kind::SysV, "iptables", PacketFilter::Legacy),
        (Kind::SysV, "iptables", PacketFilter::Nft),
        (Kind::Systemd, "nftables", PacketFilter::Nft),
    ] {
        let Some(scene) = Scene::new(kind, enforce, "10s") else {
            return;
        };
        let what = format!("{kind:?} {enforce} {filter:?}");
        scene.host.packet_filter_is(filter);
        scene.apply();
        assert_ne!(named(&scene), "", "{what}");
        scene.wait_until_open();
        // No run comes after the timer.
        (scene.host).wait_until("nothing of it is left", || named(&scene).is_empty());
        // Where something was confirmed before, that is what is left.
        scene.declare("\"10s\"", "\"60s\"");
        scene.apply_for_good();
        let confirmed = scene.host.run(&["sh", "-c", "iptables-save -t raw; nft list ruleset"]);
        let confirmed = stable(&confirmed.success());
        scene.declare("\"60s\"", "\"10s\"");
        scene.declare("pop3 = [\"office\"]", "pop3 = [\"office\"]\nsubmission = [\"office\"]");
        scene.apply();
        scene
            .host
            .wait_until("it goes back", || scene.stranger().reaches(587, Family::V4) == Reach::Connects);
        scene.host.wait_until("it is as it was", || {
            let now = scene.host.run(&["sh", "-c", "iptables-save -t raw; nft list ruleset"]);
            stable(&now.success()) == confirmed
        });
        scene.assert_restricted();
    }
}

/// What is listed, without counters and times.
fn stable(text: &str) -> String {
    (text.lines())
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" [").next().unwrap_or_default())
        .map(super::without_counters)
        .collect()
}
