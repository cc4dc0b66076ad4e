//! What the manifest says differently later, or not any more.

use super::{MANIFEST, Scene, over};
use crate::support::host::{Family, Kind, Reach};

fn reaches(scene: &Scene, port: u16) -> [Reach; 2] {
    Family::ALL.map(|family| scene.stranger().reaches(port, family))
}

fn comes_and_goes(kind: Kind, enforce: &str) {
    let Some(mut scene) = Scene::new(kind, enforce, "60s") else {
        return;
    };
    let before = scene.rules();
    scene.apply_for_good();
    // Not named any more.
    scene.declare("pop3 = [\"office\"]\n", "");
    let (code, plan) = scene.plan();
    assert_eq!(code, 0, "{plan}");
    assert!(plan.contains("pop3 is not named any more"), "{plan}");
    assert_eq!(reaches(&scene, 110), [Reach::Silent; 2]);
    // Nothing of it named.
    let whole = scene.host.read_text(MANIFEST);
    scene.host.write(MANIFEST, "version = 1\n");
    let (code, plan) = scene.plan();
    assert_eq!(code, 0, "{plan}");
    scene.host.write(MANIFEST, &whole);
    // Closed, set apart, and IPv4 alone.
    scene.declare(
        "imap = [\"office\", \"198.18.2.1\"]\n",
        "imap = \"nobody\"\nsmtps = [\"office\"]\nsubmission = [\"198.18.1.0/24\"]\npop3 = \"anyone\"\n",
    );
    let (code, plan) = scene.plan();
    assert_eq!(code, 2, "{plan}");
    assert!(plan.contains("closed on IPv6"), "{plan}");
    scene.apply_for_good();
    assert_eq!(reaches(&scene, 143), [Reach::Silent; 2]);
    assert_eq!(scene.office().reaches(143, Family::V4), Reach::Silent);
    assert_eq!(reaches(&scene, 465), [Reach::Silent; 2]);
    assert_eq!(reaches(&scene, 25), [Reach::Connects; 2]);
    assert_eq!(reaches(&scene, 110), [Reach::Connects; 2]);
    assert_eq!(scene.office().reaches(465, Family::V6), Reach::Connects);
    assert_eq!(scene.office().reaches(587, Family::V4), Reach::Connects);
    assert_eq!(scene.office().reaches(587, Family::V6), Reach::Silent);
    // Inbound mail.
    let rules = scene.rules();
    scene.declare("smtps = [\"office\"]", "smtp = [\"office\"]");
    let refused = scene.run(&format!("apply --yes {MANIFEST}"));
    assert_eq!(refused.code(), 7, "{refused:#?}");
    assert_eq!(scene.rules(), rules);
    let allowed = scene.run(&format!("apply --yes --allow inbound-mail {MANIFEST}"));
    assert_eq!(allowed.code(), 3, "{allowed:#?}");
    let confirmed = over(&scene.ssh(), "confirm");
    assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
    assert_eq!(reaches(&scene, 25), [Reach::Silent; 2]);
    assert_eq!(scene.office().reaches(25, Family::V6), Reach::Connects);
    // Open again.
    scene.declare(
        "imap = \"nobody\"\nsmtp = [\"office\"]\nsubmission = [\"198.18.1.0/24\"]\n",
        "imap = \"anyone\"\nsmtp = \"anyone\"\nsubmission = \"anyone\"\n",
    );
    let (code, plan) = scene.plan();
    assert_eq!(code, 2, "{plan}");
    scene.apply_for_good();
    scene.assert_open();
    assert_eq!(reaches(&scene, 25), [Reach::Connects; 2]);
    assert_eq!(scene.rules(), before);
    for name in ["boot.nft", "boot.v4", "boot.v6", "boot.sh", "load.nft"] {
        assert!(!scene.state(name), "{name}");
    }
    for path in [
        "/etc/systemd/system/mailward-access.service",
        "/etc/systemd/system/multi-user.target.wants/mailward-access.service",
        "/etc/init.d/mailward-access",
        "/etc/rcS.d/S99mailward-access",
    ] {
        assert!(!scene.host.exists(path), "{path}");
    }
    scene.host.reboot();
    scene.assert_open();
    let check = scene.run(&format!("check {MANIFEST}"));
    assert_eq!(check.code(), 0, "{check:#?}");
}

#[test]
fn what_is_declared_anew_comes_and_goes_with_nftables() {
    comes_and_goes(Kind::Systemd, "nftables");
}

#[test]
fn what_is_declared_anew_comes_and_goes_with_iptables() {
    comes_and_goes(Kind::SysV, "iptables");
}
