//! What Plesk's firewall is not asked to do.

use super::{Kind, LONG, MANIFEST, OFFICE, Scene, code, says};
use crate::support::firewall::{Trouble, Verb};

/// Nothing may have been set or applied.
fn assert_untouched(scene: &Scene) {
    let calls = scene.firewall.calls(&scene.host);
    let writes = |call: &&String| call.starts_with("--set-rule") || call.starts_with("--reset");
    assert_eq!(calls.iter().find(writes), None);
}

fn refused(scene: &Scene, expected: i32, what: &str) {
    for output in [scene.plan(), scene.apply()] {
        code(&output, expected);
        says(&output, what);
    }
}

#[test]
fn what_it_cannot_do_or_what_is_dangerous_is_refused() {
    let Some(scene) = Scene::new(Kind::Systemd, LONG) else {
        return;
    };
    for enforce in ["plesk-firewall", "auto"] {
        scene.declare_by(enforce, "smtps = [\"office\"]", "");
        refused(&scene, 4, "apart from");
    }
    scene.declare("smtp = [\"office\"]");
    refused(&scene, 7, "cuts inbound mail");
    scene.declare_by("plesk-firewall", OFFICE, "[safety]\nconfirm_within = \"61s\"");
    refused(&scene, 4, "whatever `confirm_within` says");
    scene.declare_by("plesk-firewall", "pop3 = [\"office\"]", "[safety]\nmust_reach = [\"198.18.2.1\"]");
    code(&scene.plan(), 2);
    let many: Vec<String> = (0..9000).map(|n| format!("\"2001:db8:{:x}::{:x}\"", 2 * n, n)).collect();
    scene.declare(&format!("imap = [{}]", many.join(", ")));
    refused(&scene, 4, "too many");
    scene.declare(OFFICE);

    scene.host.run(&["cp", "/bin/sleep", "/usr/local/bin/dockerd"]).success();
    scene.host.exec_detached(&["/usr/local/bin/dockerd", "600"]);
    refused(&scene, 7, "Docker");
    code(&scene.say(&format!("plan --allow docker {MANIFEST}")), 2);
    scene.host.run(&["pkill", "-x", "dockerd"]).success();

    scene.firewall.rename_class(&scene.host, "imap", "tomcat2");
    refused(&scene, 7, "not certain");
    scene.firewall.rename_class(&scene.host, "tomcat2", "imap");
    assert_untouched(&scene);

    let settings = crate::support::firewall::SETTINGS;
    scene.host.run(&[settings, "--apply"]).success();
    refused(&scene, 7, "under way");
    scene.ssh().bare(&format!("{settings} --confirm")).run().success();
    code(&scene.plan(), 2);
    assert_untouched(&scene);
}

#[test]
fn edits_of_others_and_rules_from_elsewhere_are_neither_made_live_nor_thrown_away() {
    let Some(scene) = Scene::new(Kind::SysV, LONG) else {
        return;
    };
    for class in ["pop3", "mysql"] {
        scene.firewall.others_edit(&scene.host, class, "192.0.2.77");
        refused(&scene, 7, "not those of Plesk's firewall");
        scene.firewall.others_edit(&scene.host, class, "");
        code(&scene.plan(), 2);
    }
    // Another tool shuts a port that no rule of the list is about, and somebody removes that rule.
    scene.host.run(&["iptables", "-I", "INPUT", "-p", "tcp", "--dport", "4190", "-j", "ACCEPT"]).success();
    refused(&scene, 7, "port 4190");
    assert_untouched(&scene);
    scene.host.service("psa-firewall", "start").success();
    scene.make_last();
    scene.host.run(&["sh", "-c", "iptables -P INPUT ACCEPT; iptables -F INPUT"]).success();
    let check = scene.check();
    code(&check, 7);
    says(&check, "not those of Plesk's firewall");
    scene.host.service("psa-firewall", "start").success();
    code(&scene.check(), 0);
}

#[test]
fn it_is_not_switched_on_and_what_is_off_is_not_used() {
    let Some(scene) = Scene::new(Kind::Systemd, LONG) else {
        return;
    };
    scene.firewall.command(&scene.host, &["--disable"]).run().success();
    refused(&scene, 7, "does not manage");
    scene.declare_by("auto", OFFICE, "");
    let plan = scene.plan();
    code(&plan, 2);
    says(&plan, "nftables table");
    let fail = Trouble::Fail;
    scene.firewall.misbehave(&scene.host, Verb::List, &fail);
    let unknown = scene.plan();
    code(&unknown, 11);
    assert_untouched(&scene);
}
