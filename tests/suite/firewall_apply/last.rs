//! Access comes last: after limits, and with it they go back.

use super::{MANIFEST, Scene};
use crate::support::host::Kind;

const LIMITS: &str = "[limits.imap]\nper_ip = 9\ntotal = 90\n";

const IMAPD: &str = "/etc/courier/imapd";

fn scene() -> Option<Scene> {
    let scene = Scene::new(Kind::SysV, "nftables", "60s")?;
    let text = scene.host.read_text(MANIFEST) + LIMITS;
    scene.host.write(MANIFEST, text);
    Some(scene)
}

fn nft_is(scene: &Scene, script: &str) {
    scene.host.run(&["cp", "-n", "/usr/sbin/nft", "/usr/sbin/nft.real"]).success();
    scene.host.remove("/usr/sbin/nft");
    scene.host.write_as("/usr/sbin/nft", 0o755, script);
}

#[test]
fn rules_that_cannot_be_loaded_take_the_limits_back_with_them() {
    let Some(scene) = scene() else {
        return;
    };
    let (before, imapd) = (scene.rules(), scene.host.read(IMAPD));
    for (what, load) in [("lies", "exit 0"), ("hangs", "exec sleep 100"), ("fails", "echo no >&2; exit 1")] {
        nft_is(
            &scene,
            &format!("#!/bin/sh\ncase $* in\n*load.nft*) {load} ;;\nesac\nexec /usr/sbin/nft.real \"$@\"\n"),
        );
        let failed = scene.run(&format!("apply --yes --action-timeout 3 {MANIFEST}"));
        assert_eq!(failed.code(), 8, "{what}: {failed:#?}");
        assert_eq!(scene.rules(), before, "{what}");
        assert_eq!(scene.host.read(IMAPD), imapd, "{what}");
        assert_eq!(scene.result(), "rolled-back", "{what}");
        assert!(!scene.state("window.json"), "{what}");
        scene.assert_open();
    }
    nft_is(&scene, "#!/bin/sh\nexec /usr/sbin/nft.real \"$@\"\n");
    scene.apply();
    scene.assert_restricted();
    assert_ne!(scene.host.read(IMAPD), imapd);
    assert_eq!(scene.run("revert").code(), 0);
    assert_eq!(scene.result(), "partly-applied");
}

#[test]
fn where_a_limit_fails_access_is_never_begun() {
    let Some(scene) = scene() else {
        return;
    };
    let before = scene.rules();
    let script = "/etc/init.d/courier-imap";
    scene.host.write_as(script, 0o755, "#!/bin/sh\nexit 1\n");
    let failed = scene.run(&format!("apply --yes {MANIFEST}"));
    assert!([8, 9].contains(&failed.code()), "{failed:#?}");
    assert_eq!(scene.rules(), before);
    assert!(!scene.state("window.json") && !scene.state("revert.nft"));
    scene.assert_open();
}

#[test]
fn service_actions_may_be_put_off_while_access_waits() {
    let Some(scene) = scene() else {
        return;
    };
    let applied = scene.run(&format!("apply --yes --defer-restarts {MANIFEST}"));
    assert_eq!(applied.code(), 3, "{applied:#?}");
    assert!(applied.stdout.contains("mailward confirm"), "{applied:#?}");
    let ssh = scene.ssh();
    assert_eq!(scene.run("revert").code(), 0);
    let applied = ssh
        .mailward(&["apply", "--yes", "--defer-restarts", "-"])
        .stdin(scene.host.read(MANIFEST))
        .within(std::time::Duration::from_secs(60))
        .run();
    assert_eq!(applied.code(), 3, "{applied:#?}");
    scene.assert_restricted();
    assert!(scene.state("boot.nft"), "{applied:#?}");
}
