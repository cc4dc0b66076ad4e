//! Hosts that have the rules of a version before, which stood at one end of the translation alone.

use super::{ALL, By, To, checked};
use crate::firewall_apply::{MANIFEST, Scene};
use crate::support::host::{Family, Kind, Reach};

/// The table that a version before made of the scene's manifest.
const TABLE: &str = r#"table inet mailward
delete table inet mailward
table inet mailward {
	set imap_v4 {
		type ipv4_addr
		flags interval
		elements = { 198.18.1.0/24,
			198.18.2.1 }
	}
	set imap_v6 {
		type ipv6_addr
		flags interval
		elements = { 2001:db8:1::/64 }
	}
	set pop3_v4 {
		type ipv4_addr
		flags interval
		elements = { 198.18.1.0/24 }
	}
	set pop3_v6 {
		type ipv6_addr
		flags interval
		elements = { 2001:db8:1::/64 }
	}
	chain input {
		type filter hook input priority -10; policy accept;
		iifname "lo" accept comment "mailward"
		ct state established,related accept
		tcp dport { 143, 993 } tcp flags & (fin|syn|rst|ack) == syn ip saddr @imap_v4 accept
		tcp dport { 143, 993 } tcp flags & (fin|syn|rst|ack) == syn ip6 saddr @imap_v6 accept
		tcp dport { 143, 993 } tcp flags & (fin|syn|rst|ack) == syn drop
		tcp dport { 110, 995 } tcp flags & (fin|syn|rst|ack) == syn ip saddr @pop3_v4 accept
		tcp dport { 110, 995 } tcp flags & (fin|syn|rst|ack) == syn ip6 saddr @pop3_v6 accept
		tcp dport { 110, 995 } tcp flags & (fin|syn|rst|ack) == syn drop
	}
}
"#;

#[test]
fn a_table_of_a_version_before_is_replaced_by_the_next_apply_and_taken_back_as_it_was() {
    let Some(mut scene) = Scene::new(Kind::Systemd, "nftables", "10s") else {
        return;
    };
    scene.apply_for_good();
    // As it had been installed.
    scene.host.write("/var/lib/mailward/access/boot.nft", TABLE);
    let load = "nft -f /var/lib/mailward/access/boot.nft";
    scene.host.run(&["sh", "-c", load]).success();
    let list = ["nft", "list", "table", "inet", "mailward"];
    let before = scene.host.run(&list).success();
    let (code, plan) = scene.plan();
    assert_eq!(code, 2, "{plan}");
    assert!(!plan.contains("never confirmed"), "{plan}");
    scene.apply();
    let after = scene.host.run(&list).success();
    assert!(after.contains("hook prerouting"), "{after}");
    scene.host.wait_until("the change goes back", || scene.host.run(&list).success() == before);
    scene.assert_restricted();
    scene.declare("\"10s\"", "\"60s\"");
    scene.apply_for_good();
    assert_eq!(scene.host.run(&list).success(), after);
    checked(&scene);
    scene.host.reboot();
    scene.assert_restricted();
    assert_eq!(scene.host.run(&list).success(), after);
    let stranger = scene.stranger();
    assert_eq!(stranger.reaches(143, Family::V4), Reach::Silent);
    let check = scene.run(&format!("check {MANIFEST}"));
    assert_eq!(check.code(), 0, "{check:#?}");
}

/// What a version before kept of a family of the scene's manifest for a boot.
fn former(networks: &[&str], others: &[&str]) -> String {
    let mut script = "*raw\n:MAILWARD - [0:0]\n:MAILWARD-imap - [0:0]\n:MAILWARD-pop3 - [0:0]\n-I PREROUTING -j MAILWARD\n\
        -A MAILWARD -i lo -j RETURN\n"
        .to_owned();
    for (port, service) in [(143, "imap"), (993, "imap"), (110, "pop3"), (995, "pop3")] {
        script += &format!(
            "-A MAILWARD -p tcp -m tcp --dport {port} --tcp-flags FIN,SYN,RST,ACK SYN -m addrtype --dst-type LOCAL \
             -j MAILWARD-{service}\n"
        );
    }
    for (service, networks) in [("imap", networks), ("pop3", others)] {
        for network in networks {
            script += &format!("-A MAILWARD-{service} -s {network} -j RETURN\n");
        }
        script += &format!("-A MAILWARD-{service} -j DROP\n");
    }
    script + "COMMIT\n"
}

#[test]
fn chains_of_a_version_before_are_joined_by_those_of_the_other_end_and_stay_alone_where_nobody_confirms() {
    for by in ALL.into_iter().filter(|by| *by != By::Nftables) {
        let Some(mut scene) = by.scene() else {
            return;
        };
        scene.declare("\"60s\"", "\"10s\"");
        scene.apply_for_good();
        // As it had been installed.
        let four = former(&["198.18.1.0/24", "198.18.2.1"], &["198.18.1.0/24"]);
        let six = former(&["2001:db8:1::/64"], &["2001:db8:1::/64"]);
        for (name, text) in [("v4", &four), ("v4-all", &four), ("v6", &six), ("v6-all", &six)] {
            let path = format!("/var/lib/mailward/access/boot.{name}");
            scene.host.write(&path, text);
        }
        let load = "for p in iptables ip6tables; do $p -t raw -F; $p -t raw -X; $p -t mangle -F; $p -t mangle -X; done; \
            cd /var/lib/mailward/access; iptables-restore --noflush <boot.v4; ip6tables-restore --noflush <boot.v6";
        scene.host.run(&["sh", "-c", load]).success();
        let before = scene.rules();
        let (code, plan) = scene.plan();
        assert_eq!(code, 2, "{plan}");
        assert!(!plan.contains("never confirmed"), "{plan}");
        // The hook of this version brings the files of that one, before anything is confirmed.
        scene.apply();
        scene.assert_restricted();
        let both = scene.rules();
        assert_ne!(both, before);
        scene.host.reboot();
        scene.assert_restricted();
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 2, "{check:#?}");
        scene.apply();
        scene.host.wait_until("the change goes back", || {
            let now = scene.run(&format!("check {MANIFEST}"));
            now.code() == 2
        });
        scene.assert_restricted();
        scene.declare("\"10s\"", "\"60s\"");
        scene.apply_for_good();
        scene.host.reboot();
        scene.assert_restricted();
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{by:?}: {check:#?}");
        for name in ["boot.v4-all", "boot.v6-all"] {
            assert!(!scene.state(name), "{name}");
        }
        let stranger = scene.stranger();
        by.translates(&scene, 9993, To::Port(993));
        assert_eq!(stranger.reaches(9993, Family::V4), Reach::Silent);
    }
}
