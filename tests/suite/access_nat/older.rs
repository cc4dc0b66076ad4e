//! Hosts that have the rules of a version before, which stood at one end of the translation alone.

use super::checked;
use crate::access_apply::{MANIFEST, Scene};
use crate::support::host::{Kind, Reach};

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
    scene.host.wait_until("the change goes back", || {
        scene.host.run(&list).success() == before
    });
    scene.assert_restricted();
    scene.declare("\"10s\"", "\"60s\"");
    scene.apply_for_good();
    assert_eq!(scene.host.run(&list).success(), after);
    checked(&scene);
    scene.host.reboot();
    scene.assert_restricted();
    assert_eq!(scene.host.run(&list).success(), after);
    let stranger = scene.stranger();
    assert_eq!(
        stranger.reaches(143, crate::support::host::Family::V4),
        Reach::Silent
    );
    let check = scene.run(&format!("check {MANIFEST}"));
    assert_eq!(check.code(), 0, "{check:#?}");
}
