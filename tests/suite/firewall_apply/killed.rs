//! An apply that is killed while it changes access: the rules go back by themselves, and the next apply
//! converges.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{MANIFEST, Scene, over};
use crate::support::host::Kind;
use crate::support::strace::Fault;

const APPLY: [&str; 4] = ["/usr/local/bin/mailward", "apply", "--yes", MANIFEST];

/// How many kills are spread over the last phase of an apply, on each kind of host.
const SAMPLE: usize = 5;

fn killed_anywhere(kind: Kind, enforce: &str) {
    let Some(scene) = Scene::new(kind, enforce, "10s") else {
        return;
    };
    let host = &scene.host;
    let others = "table inet others { chain c { tcp dport 4000 drop; }; }";
    host.run(&["sh", "-c", &format!("echo '{others}' | nft -f /dev/stdin")]).success();
    let before = scene.rules();
    // The second time: the first one makes folders.
    scene.apply();
    assert_eq!(scene.run("revert").code(), 0);
    let points = host.points_ending_with(&APPLY, 3);
    let reverted = scene.run("revert");
    assert_eq!(reverted.code(), 0, "{reverted:#?}");
    assert_eq!(scene.rules(), before, "after `revert`");
    let first = points
        .iter()
        .position(|point| point.arguments.contains("window.json"))
        .expect("the window is written down");
    let points = &points[first..];
    for number in 0..SAMPLE {
        let point = &points[number * (points.len() - 1) / (SAMPLE - 1)];
        let killed = host.inject(&APPLY, point, &Fault::Kill);
        assert_eq!(killed.signal(), Some(9), "{point:?}: {killed:?}");
        let end = Instant::now() + Duration::from_secs(13);
        while scene.state("window.json") && Instant::now() < end {
            sleep(Duration::from_millis(50));
        }
        scene.wait_until_open();
        let next = scene.run(&format!("apply --yes {MANIFEST}"));
        assert_eq!(next.code(), 3, "{point:?}: {next:#?}");
        scene.assert_restricted();
        let entry = scene.history(1);
        let result = entry["result"].as_str().expect("a word");
        assert!(["killed", "rolled-back"].contains(&result), "{point:?}: {entry:#}");
        let reverted = scene.run("revert");
        assert_eq!(reverted.code(), 0, "{point:?}: {reverted:#?}");
        assert_eq!(scene.rules(), before, "{point:?}");
        assert_eq!(scene.result(), "rolled-back");
    }
    scene.apply();
    let confirmed = over(&scene.ssh(), "confirm");
    assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
    scene.assert_restricted();
    assert!(!host.exists("/var/lib/mailward/journal.json"));
    crate::support::covered(&format!("{SAMPLE} of {} points", points.len()));
}

#[test]
fn what_a_killed_apply_made_live_goes_back_by_itself_with_systemd() {
    killed_anywhere(Kind::Systemd, "nftables");
}

#[test]
fn what_a_killed_apply_made_live_goes_back_by_itself_with_init_scripts() {
    killed_anywhere(Kind::SysV, "iptables");
}
