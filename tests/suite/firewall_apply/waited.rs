//! `apply --wait` stays until somebody or the timer has decided.

use std::process::{Child, Stdio};
use std::time::Duration;

use super::{MANIFEST, Scene, over};
use crate::support::host::Kind;

fn waiting(scene: &Scene) -> Child {
    let argv = ["/usr/local/bin/mailward", "apply", "--yes", "--wait", MANIFEST];
    let child = scene
        .host
        .command(&argv)
        .into_command()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nsenter runs");
    scene.host.wait_until("the change is live", || scene.state("window.json"));
    scene.host.wait_until("the lock is free", || {
        scene.host.run(&["pgrep", "-x", "nft"]).code() == 1 && scene.history(0)["result"] == "waiting"
    });
    child
}

fn ended(mut child: Child) -> Option<i32> {
    for _ in 0..3000 {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("the child is ours");
    panic!("it did not end");
}

#[test]
fn an_apply_that_waits_tells_who_decided() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "10s") else {
        return;
    };
    scene.host.write("/var/lib/mailward/history/0.json", "{}");
    let child = waiting(&scene);
    let stop = ["pkill", "-TERM", "-x", "mailward"];
    scene.host.run(&stop).success();
    assert_eq!(ended(child), Some(3), "a signal");
    scene.assert_restricted();
    scene.wait_until_open();

    let child = waiting(&scene);
    assert_eq!(ended(child), Some(8), "nobody");
    scene.assert_open();

    let child = waiting(&scene);
    let confirmed = over(&scene.ssh(), "confirm");
    assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
    assert_eq!(ended(child), Some(0), "somebody");
    scene.assert_restricted();
}
