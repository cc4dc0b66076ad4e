//! A confirmation stays one where what the change left cannot be removed, and the next run that writes
//! removes it.

use super::{MANIFEST, Scene};
use crate::support::host::Kind;
use crate::support::strace::Fault;

const CONFIRM: [&str; 4] = ["/usr/local/bin/mailward", "confirm", "--allow", "unproven-confirm"];

/// What a window leaves, in memory and on the disk.
fn remains(scene: &Scene) -> String {
    let script = "cd /var/lib/mailward/access && ls -d revert.* load.nft *.json 2>/dev/null; \
        ls -A /run/mailward 2>/dev/null; \
        cd /run/systemd/system 2>/dev/null && find . -name 'mailward-revert-*'; :";
    scene.host.run(&["sh", "-c", script]).success()
}

#[test]
fn a_confirmation_whose_remains_cannot_be_removed_is_one_and_the_next_run_removes_them() {
    for (kind, enforce) in [(Kind::SysV, "iptables"), (Kind::Systemd, "nftables")] {
        let Some(scene) = Scene::new(kind, enforce, "60s") else {
            return;
        };
        scene.apply();
        let points = scene.host.points(&CONFIRM);
        assert_eq!(remains(&scene), "", "{kind:?}");
        // From the decision on: each name that is removed or written when the change is closed.
        let first = (points.iter())
            .position(|point| point.arguments.contains("\"closed\""))
            .expect("the window is closed");
        let closing: Vec<_> = (points[first..].iter())
            .filter(|point| point.syscall == "unlinkat" || point.syscall == "renameat")
            .collect();
        assert!(closing.len() > 6, "{closing:?}");
        for number in 0..6 {
            let point = closing[number * (closing.len() - 1) / 5];
            // Rules that are there already are confirmed anew.
            let widened = "\"198.18.2.1\", \"198.18.2.2\"";
            match number % 2 {
                0 => scene.declare("\"198.18.2.1\"]", &format!("{widened}]")),
                _ => scene.declare(widened, "\"198.18.2.1\""),
            }
            scene.apply();
            let fault = match number {
                5 => Fault::Kill,
                _ => Fault::Error("EROFS"),
            };
            let confirmed = scene.host.inject(&CONFIRM, point, &fault);
            if fault != Fault::Kill {
                assert_eq!(confirmed.code(), 0, "{kind:?} {point:?}: {confirmed:#?}");
                let said = format!("{}{}", confirmed.stdout, confirmed.stderr);
                assert!(said.contains("is confirmed"), "{point:?}: {said}");
            }
            let (code, plan) = scene.plan();
            assert_eq!(code, 0, "{kind:?} {point:?}: {plan}");
            let next = match number % 3 {
                0 => scene.run("confirm"),
                1 => scene.run(&format!("apply --yes {MANIFEST}")),
                // It says that it comes too late, or that there is nothing.
                _ => scene.run("revert"),
            };
            assert!([0, 7].contains(&next.code()), "{point:?}: {next:#?}");
            assert_eq!(remains(&scene), "", "{kind:?} {point:?}: {next:#?}");
            let check = scene.run(&format!("check {MANIFEST}"));
            assert_eq!(check.code(), 0, "{kind:?} {point:?}: {check:#?}");
        }
        // What no record speaks of goes when the next change opens.
        let stale = "mkdir -p /run/mailward/00112233445566778899aabbccddeeff && \
            echo 00112233445566778899aabbccddeeff >/run/mailward/00112233445566778899aabbccddeeff/closed";
        scene.host.run(&["sh", "-c", stale]).success();
        scene.declare("pop3 = [\"office\"]", "pop3 = \"nobody\"");
        scene.apply();
        assert_eq!(scene.run("revert").code(), 0);
        assert_eq!(remains(&scene), "", "{kind:?}");
    }
}

/// A watcher that is stopped looks at nothing: going on, it would load what was before.
#[test]
fn a_confirmation_is_not_told_to_stay_while_a_watcher_has_not_noticed_it() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "60s") else {
        return;
    };
    scene.apply();
    let signal = |name: &str| {
        let script = format!("pkill -{name} -o -f 'revert.sh watch'");
        scene.host.run(&["sh", "-c", &script]).success();
    };
    signal("STOP");
    let confirmed = scene.host.run(&CONFIRM);
    assert_eq!(confirmed.code(), 9, "{confirmed:#?}");
    let said = format!("{}{}", confirmed.stdout, confirmed.stderr);
    assert!(said.contains("a timer that does not notice it"), "{said}");
    scene.assert_restricted();
    signal("CONT");
    scene
        .host
        .wait_until("it has noticed", || scene.host.run(&["pgrep", "-f", "revert.sh watch"]).code() != 0);
    let confirmed = scene.host.run(&CONFIRM);
    assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
    assert_eq!(remains(&scene), "");
    scene.assert_restricted();
}
