//! From an own table to Plesk's firewall.

use super::{Kind, LONG, OFFICE, Scene, code, says};

#[test]
fn the_own_table_and_its_boot_hook_go_when_plesks_firewall_is_confirmed() {
    for (kind, enforce) in [(Kind::Systemd, "nftables"), (Kind::SysV, "iptables")] {
        let Some(mut scene) = Scene::new(kind, LONG) else {
            return;
        };
        scene.declare_by(enforce, OFFICE, "");
        scene.make_last();
        assert!(scene.imap_is_shut());
        assert!(own(&scene).contains("mailward") || own(&scene).contains("MAILWARD"));
        scene.declare(OFFICE);
        let plan = scene.plan();
        code(&plan, 2);
        code(&scene.apply(), 3);
        let there = own(&scene).to_ascii_lowercase();
        assert!(there.contains("mailward"), "until it is confirmed");
        code(&scene.say("confirm"), 0);
        let left = own(&scene).to_ascii_lowercase();
        assert!(!left.contains("mailward"), "{left}");
        scene.assert_restricted();
        code(&scene.check(), 0);
        scene.host.reboot();
        scene.host.wait_until("the firewall's service is through", || scene.imap_is_shut());
        let left = own(&scene).to_ascii_lowercase();
        assert!(!left.contains("mailward"), "{left}");
        // The other way the vendor's rules are not touched, and that is said.
        scene.declare_by(enforce, OFFICE, "");
        let back = scene.plan();
        code(&back, 2);
        says(&back, "Plesk's firewall itself lets only");
    }
}

/// All own rules and what brings them back.
fn own(scene: &Scene) -> String {
    let script = "nft list tables; iptables-save; ip6tables-save; \
                  ls /etc/systemd/system /etc/init.d /etc/rc?.d | grep mailward; true";
    scene.host.run(&["sh", "-c", script]).success()
}
