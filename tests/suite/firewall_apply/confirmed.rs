//! Who may confirm, who may not, and what a confirmation that is killed leaves; and `revert`.

use super::{MANIFEST, Scene, over};
use crate::support::host::Kind;
use crate::support::ssh::Terminal;
use crate::support::strace::Fault;

const CONFIRM: [&str; 4] = ["/usr/local/bin/mailward", "confirm", "--allow", "unproven-confirm"];

/// Runs behind the end of its connection, as in tmux.
const DETACHED: &str = "setsid sh -c 'while [ ! -e /tmp/go ]; do sleep 0.05; done; mailward confirm >/tmp/said 2>&1; \
    echo $? >/tmp/code.new; mv /tmp/code.new /tmp/code' </dev/null >/dev/null 2>&1 &";

#[test]
fn only_what_shows_that_somebody_gets_in_confirms() {
    let Some(scene) = Scene::new(Kind::Systemd, "nftables", "60s") else {
        return;
    };
    let nothing = scene.run("confirm");
    assert_eq!(nothing.code(), 0, "{nothing:#?}");
    assert!(nothing.stdout.contains("no change of access waits"), "{nothing:#?}");
    let older = scene.ssh().warm();
    let first = scene.ssh().warm();
    let applied = over(&first, &format!("apply --yes {MANIFEST}"));
    assert_eq!(applied.code(), 3, "{applied:#?}");
    scene.ssh().bare(DETACHED).run().success();
    scene.host.write("/tmp/go", "");
    scene.host.wait_until("the detached one has answered", || scene.host.exists("/tmp/code"));
    let said = scene.host.read_text("/tmp/said");
    assert_eq!(scene.host.read_text("/tmp/code"), "7\n", "{said}");
    for (who, refused) in [
        ("the same connection", over(&first, "confirm")),
        ("an older one", over(&older, "confirm")),
        ("cron", scene.run("confirm")),
    ] {
        assert_eq!(refused.code(), 7, "{who}: {refused:#?}");
        scene.assert_restricted();
    }
    let entered = Terminal::run(scene.host.command(&["mailward", "confirm"]));
    let (code, shown) = entered.end();
    assert_eq!(code, Some(7), "from another pid namespace: {shown}");
    let waived = scene.run("confirm --allow unproven-confirm");
    assert_eq!(waived.code(), 0, "{waived:#?}");
    scene.assert_restricted();
    assert_eq!(scene.result(), "applied");
}

#[test]
fn a_killed_confirmation_is_finished_by_the_next_one_or_by_an_apply() {
    let Some(mut scene) = Scene::new(Kind::SysV, "iptables", "60s") else {
        return;
    };
    scene.apply();
    let points = scene.host.points(&CONFIRM);
    let after = points
        .iter()
        .position(|point| point.arguments.contains("confirmed.json"))
        .expect("it decides by a name");
    for (next, at) in [("confirm", 1), ("apply", 1), ("confirm", 6), ("apply", 12)] {
        scene.declare("\"198.18.2.1\"", "\"198.18.2.1\", \"198.18.2.2\"");
        scene.declare(
            "\"198.18.2.1\", \"198.18.2.2\"",
            if at == 1 && next == "confirm" { "\"198.18.2.1\", \"198.18.2.3\"" } else { "\"198.18.2.1\"" },
        );
        let changed = scene.run(&format!("apply --yes {MANIFEST}"));
        if changed.code() == 0 {
            // Nothing to confirm: the rules are the same.
            scene.host.run(&["iptables", "-t", "raw", "-F"]).success();
            scene.apply();
        }
        let point = &points[(after + at).min(points.len() - 1)];
        let killed = scene.host.inject(&CONFIRM, point, &Fault::Kill);
        assert_eq!(killed.signal(), Some(9), "{point:?}: {killed:?}");
        let then = if next == "confirm" {
            scene.run("confirm")
        } else {
            scene.run(&format!("apply --yes {MANIFEST}"))
        };
        assert_eq!(then.code(), 0, "{point:?}: {then:#?}");
        let check = scene.run(&format!("check {MANIFEST}"));
        assert_eq!(check.code(), 0, "{point:?}: {check:#?}");
        assert!(!scene.state("confirmed.json"), "{point:?}");
    }
    scene.host.reboot();
    scene.assert_restricted();
}

#[test]
fn revert_takes_back_at_once_and_only_what_waits() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "60s") else {
        return;
    };
    let before = scene.rules();
    let nothing = scene.run("revert --format json");
    assert_eq!(nothing.code(), 0, "{nothing:#?}");
    let said: serde_json::Value = serde_json::from_str(&nothing.stdout).expect("JSON");
    assert_eq!(said["result"], "as-desired", "{said:#}");
    scene.apply();
    let back = scene.run("revert --format json");
    assert_eq!(back.code(), 0, "{back:#?}");
    let said: serde_json::Value = serde_json::from_str(&back.stdout).expect("JSON");
    assert_eq!(said["result"], "reverted", "{said:#}");
    scene.assert_open();
    assert_eq!(scene.rules(), before);
    scene.apply();
    let points = scene.host.points(&CONFIRM);
    let after = points
        .iter()
        .position(|point| point.arguments.contains("confirmed.json"))
        .expect("it decides by a name");
    scene.host.run(&["nft", "delete", "table", "inet", "mailward"]).success();
    scene.apply();
    let killed = scene.host.inject(&CONFIRM, &points[after + 1], &Fault::Kill);
    assert_eq!(killed.signal(), Some(9), "{killed:?}");
    let late = scene.run("revert");
    assert_eq!(late.code(), 7, "{late:#?}");
    scene.assert_restricted();
    // What followed the confirmation is done by whoever comes next.
    assert_eq!(scene.result(), "applied");
    assert!(scene.state("boot.nft") && !scene.state("window.json") && !scene.state("confirmed.json"));
    scene.host.run(&["nft", "delete", "table", "inet", "mailward"]).success();
    scene.apply();
    let confirmed = over(&scene.ssh(), "confirm --format json");
    assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
    let said: serde_json::Value = serde_json::from_str(&confirmed.stdout).expect("JSON");
    assert_eq!(said["result"], "confirmed", "{said:#}");
}
