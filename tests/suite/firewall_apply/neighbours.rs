//! Beside other programs that keep or flush rules, real ones: what is confirmed stays, and stands once.

use super::{MANIFEST, Scene};
use crate::support::host::{Family, Kind, PacketFilter, Reach};

const HALVES: [PacketFilter; 2] = [PacketFilter::Legacy, PacketFilter::Nft];

/// Has Debian's netfilter-persistent restore at boot what it saved, ahead of the hook as on a real host.
fn netfilter_persistent(scene: &Scene) {
    match scene.host.kind() {
        Kind::Systemd => {
            let enable = ["systemctl", "enable", "netfilter-persistent.service"];
            scene.host.run(&enable).success();
        }
        Kind::SysV | Kind::BusyBox => scene.host.write_as(
            "/etc/rcS.d/S10netfilter-persistent",
            0o755,
            "#!/bin/sh\nexec /usr/sbin/netfilter-persistent start\n",
        ),
    }
}

/// What was saved, put beside what is there.
const ADDED: &str = "IPTABLES_RESTORE_NOFLUSH=yes IP6TABLES_RESTORE_NOFLUSH=yes netfilter-persistent start";

fn sh(scene: &Scene, script: &str) -> String {
    scene.host.run(&["sh", "-c", script]).success()
}

/// How often each family jumps to the own chains, at either end of address translation.
fn jumps(scene: &Scene) -> Vec<String> {
    let script = "for save in iptables-save ip6tables-save; do for t in raw mangle; do \
        $save -t $t | grep -c -e '-j MAILWARD$'; done; done; :";
    sh(scene, script).lines().map(str::to_owned).collect()
}

fn as_confirmed(scene: &Scene, what: &str) {
    assert_eq!(jumps(scene), ["1"; 4], "{what}");
    scene.assert_restricted();
    let check = scene.run(&format!("check {MANIFEST}"));
    assert_eq!(check.code(), 0, "{what}: {check:#?}");
}

#[test]
fn own_chains_that_others_save_and_restore_stand_once_after_each_boot_and_each_run_of_the_hook() {
    for kind in [Kind::Systemd, Kind::SysV] {
        for filter in HALVES {
            let Some(mut scene) = Scene::new(kind, "iptables", "60s") else {
                return;
            };
            let what = format!("{kind:?} {filter:?}");
            scene.host.packet_filter_is(filter);
            netfilter_persistent(&scene);
            scene.apply_for_good();
            for _ in 0..2 {
                scene.host.service("mailward-access", "restart").success();
                as_confirmed(&scene, &what);
            }
            sh(&scene, "netfilter-persistent save");
            for _ in 0..2 {
                scene.host.reboot();
                as_confirmed(&scene, &what);
                sh(&scene, "netfilter-persistent start");
                as_confirmed(&scene, &what);
                sh(&scene, "netfilter-persistent save");
            }
            // Added to what is there, it stands twice until somebody sees to it.
            sh(&scene, ADDED);
            assert_eq!(jumps(&scene)[0], "2", "{what}");
            let check = scene.run(&format!("check {MANIFEST}"));
            assert_eq!(check.code(), 2, "{what}: {check:#?}");
            scene.host.service("mailward-access", "restart").success();
            as_confirmed(&scene, &what);
            sh(&scene, ADDED);
            scene.apply_for_good();
            as_confirmed(&scene, &what);
        }
    }
}

/// iptables-save as it printed until 1.3: a space ends each rule.
const OLD_SAVE: &str = "#!/bin/sh\ncase $0 in *ip6*) save=ip6tables ;; *) save=iptables ;; esac\n\
    $save-legacy-save \"$@\" | sed '/^-A/s/$/ /'\n";

#[test]
fn own_chains_stand_once_where_iptables_prints_as_old_versions_did() {
    let Some(mut scene) = Scene::new(Kind::SysV, "iptables", "60s") else {
        return;
    };
    scene.host.packet_filter_is(PacketFilter::Legacy);
    scene.host.write_as("/usr/local/lib/old-save", 0o755, OLD_SAVE);
    sh(
        &scene,
        "ln -sf /usr/local/lib/old-save /etc/alternatives/iptables-save; \
        ln -sf /usr/local/lib/old-save /etc/alternatives/ip6tables-save",
    );
    scene.apply_for_good();
    let once = |scene: &Scene, when: &str| {
        let legacy = "for i in iptables ip6tables; do for t in raw mangle; do \
            $i-legacy-save -t $t | grep -c -e '-j MAILWARD$'; done; done";
        assert_eq!(sh(scene, legacy), "1\n".repeat(4), "{when}");
        scene.assert_restricted();
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{when}: {check:#?}");
    };
    once(&scene, "confirmed");
    for _ in 0..2 {
        scene.host.service("mailward-access", "restart").success();
        once(&scene, "loaded again");
    }
    // A change that goes back leaves nothing there, either.
    scene.declare("\"60s\"", "\"10s\"");
    scene.declare("pop3 = [\"office\"]", "pop3 = [\"office\"]\nsubmission = [\"office\"]");
    let before = sh(
        &scene,
        "for t in raw mangle; do iptables-legacy-save -t $t; done | grep -v -e '^#' -e '^:[A-Z]* A'",
    );
    scene.apply();
    scene.host.wait_until("it goes back", || {
        sh(
            &scene,
            "for t in raw mangle; do iptables-legacy-save -t $t; done | grep -v -e '^#' -e '^:[A-Z]* A'",
        ) == before
    });
    scene.declare("\nsubmission = [\"office\"]", "");
    scene.host.wait_until("it is over", || scene.run("confirm").code() == 8);
    once(&scene, "taken back");
    scene.host.reboot();
    once(&scene, "booted");
}

/// Readies firewalld, which lets everybody in here, for a host with a bus.
const FIREWALLD: &str = "sed -i -e 's/^DefaultZone=.*/DefaultZone=trusted/' \
    -e 's/^FirewallBackend=.*/FirewallBackend=BACKEND/' /etc/firewalld/firewalld.conf && \
    rm -f /etc/systemd/system/dbus.service /etc/systemd/system/dbus.socket && systemctl daemon-reload && \
    systemctl start dbus.socket";

#[test]
fn beside_firewalld_the_own_table_lasts_and_own_chains_are_refused() {
    for backend in ["nftables", "iptables"] {
        let Some(mut scene) = Scene::new(Kind::Systemd, "iptables", "60s") else {
            return;
        };
        let what = format!("firewalld with {backend}");
        sh(&scene, &FIREWALLD.replace("BACKEND", backend));
        // Chains from before it came.
        scene.apply_for_good();
        let refused = |scene: &Scene, when: &str| {
            let refused = scene.run(&format!("apply --yes {MANIFEST}"));
            let said = format!("{}{}", refused.stdout, refused.stderr);
            assert_eq!(refused.code(), 7, "{what}, {when}: {said}");
            assert!(said.contains("firewalld"), "{what}, {when}: {said}");
            let check = scene.run(&format!("check {MANIFEST}"));
            assert_eq!(check.code(), 7, "{what}, {when}: {check:#?}");
        };
        sh(&scene, "systemctl enable firewalld");
        refused(&scene, "enabled");
        sh(&scene, "systemctl start firewalld && firewall-cmd --state");
        refused(&scene, "running");
        scene.declare("\"iptables\"", "\"nftables\"");
        scene.apply_for_good();
        let holds = |scene: &Scene, when: &str| {
            let stranger = scene.stranger();
            for family in Family::ALL {
                let reached = stranger.reaches(143, family);
                assert_eq!(reached, Reach::Silent, "{what}, {when}");
                let reached = scene.office().reaches(143, family);
                assert_eq!(reached, Reach::Connects, "{what}, {when}");
            }
            let check = scene.run(&format!("check {MANIFEST}"));
            assert_eq!(check.code(), 0, "{what}, {when}: {check:#?}");
        };
        holds(&scene, "confirmed");
        for _ in 0..2 {
            for action in [
                "systemctl restart firewalld",
                "firewall-cmd --reload",
                "firewall-cmd --complete-reload",
                "systemctl stop firewalld",
                "systemctl start firewalld",
            ] {
                sh(&scene, action);
                holds(&scene, action);
            }
            scene.host.reboot();
            sh(&scene, "firewall-cmd --state");
            holds(&scene, "booted");
        }
    }
}
