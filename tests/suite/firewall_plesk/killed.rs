//! The run is killed in the middle of its change.

use std::time::Duration;

use super::{Kind, MANIFEST, SHORT, Scene, code};
use crate::support::firewall::{Trouble, Verb};

#[test]
fn whenever_the_run_is_killed_the_change_goes_back_and_the_next_run_tidies_up() {
    let Some(scene) = Scene::new(Kind::Systemd, SHORT) else {
        return;
    };
    let moments = [
        (Verb::Set, Trouble::HangBefore),
        (Verb::Set, Trouble::HangAfter),
        (Verb::Apply, Trouble::HangBefore),
        (Verb::Apply, Trouble::HangAfter),
    ];
    for (verb, trouble) in moments {
        scene.firewall.misbehave_once(&scene.host, verb, &trouble);
        scene.host.exec_detached(&["mailward", "apply", "--yes", MANIFEST]);
        let is_live = verb == Verb::Apply && matches!(trouble, Trouble::HangAfter);
        let word = match verb {
            Verb::Set => "--set-rule",
            _ => "--apply",
        };
        scene.host.wait_until("it hangs there", || {
            let hangs = |argv: &[String]| argv.iter().any(|it| it == word);
            scene.host.processes().iter().any(|it| hangs(&it.argv))
                && (!is_live || scene.firewall.waits(&scene.host) && !scene.lets_in())
        });
        // Its script is through.
        std::thread::sleep(Duration::from_millis(700));
        for process in scene.host.processes() {
            if process.argv.first().is_some_and(|it| it.ends_with("mailward")) {
                scene.host.run(&["kill", "-KILL", &process.pid.to_string()]);
            }
        }
        code(&scene.check(), 3);
        code(&scene.apply(), 5);
        std::thread::sleep(SHORT);
        scene.firewall.settle(&scene.host);
        assert!(!scene.imap_is_shut(), "{verb:?} {trouble:?}");
        code(&scene.check(), 2);
        code(&scene.say("confirm"), 8);
        scene.assert_as_before();
        for process in scene.host.processes() {
            if process.argv.iter().any(|it| it == word) {
                scene.host.run(&["kill", "-KILL", &process.pid.to_string()]);
            }
        }
    }
}
