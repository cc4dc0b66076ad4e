//! The program on this side of an sshd: it gets in anew, and that is the confirmation.

use std::time::Duration;

use super::{MANIFEST, Scene};
use crate::support::host::{Family, Kind, Output, Reach};
use crate::support::ssh::{Fate, Line, Moment, Ssh};

const APPLY: [&str; 3] = ["apply", "--yes", "-"];

/// Does what the real one does, and then shuts everybody out of ssh.
const SHUTS: &str = "#!/bin/sh\n/usr/sbin/nft.real \"$@\"\nstatus=$?\ncase $* in\n*load.nft*)\n    \
    echo 'table inet others { chain c { type filter hook input priority 5; tcp dport 22 ct state new drop; }; }' |\n    \
    /usr/sbin/nft.real -f /dev/stdin ;;\nesac\nexit $status\n";

fn apply(scene: &Scene, ssh: &Ssh) -> Output {
    ssh.mailward(&APPLY).stdin(scene.host.read(MANIFEST)).within(Duration::from_secs(90)).run()
}

#[test]
fn a_new_connection_confirms_also_where_the_configuration_shares_one() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "60s") else {
        return;
    };
    for ssh in [scene.ssh(), scene.ssh().auto_master(), scene.ssh().warm()] {
        let applied = apply(&scene, &ssh);
        assert_eq!(applied.code(), 0, "{applied:#?}");
        scene.assert_restricted();
        assert_eq!(scene.result(), "applied");
        assert!(scene.state("boot.nft"));
        let again = apply(&scene, &ssh);
        assert_eq!(again.code(), 0, "{again:#?}");
        scene.host.run(&["nft", "delete", "table", "inet", "mailward"]).success();
    }
}

#[test]
fn where_nobody_gets_in_anew_it_goes_back_and_that_is_told() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "10s") else {
        return;
    };
    scene.host.run(&["mv", "/usr/sbin/nft", "/usr/sbin/nft.real"]).success();
    scene.host.write_as("/usr/sbin/nft", 0o755, SHUTS);
    let applied = scene
        .ssh()
        .mailward(&["apply", "--yes", "--ssh-timeout", "5", "-"])
        .stdin(scene.host.read(MANIFEST))
        .within(Duration::from_secs(90))
        .run();
    assert_eq!(applied.code(), 11, "{applied:#?}");
    scene.assert_open();
    let settled = scene.run("revert");
    assert_eq!(settled.code(), 0, "{settled:#?}");
    assert_eq!(scene.result(), "rolled-back");
}

/// Does what the real one does, and keeps everybody out of ssh until somebody on the host has decided.
const DECIDES: &str = r#"#!/bin/sh
/usr/sbin/nft.real "$@"
status=$?
case $* in
*load.nft*)
    echo 'table inet others { chain c { type filter hook input priority 5; tcp dport 22 ct state new drop; }; }' |
        /usr/sbin/nft.real -f /dev/stdin
    (
        while mailward DECIDE; [ $? = 5 ]; do sleep 0.1; done
        /usr/sbin/nft.real delete table inet others
    ) </dev/null >/dev/null 2>&1 9>&- &
    ;;
esac
exit $status
"#;

#[test]
fn what_somebody_else_decides_meanwhile_is_what_is_told() {
    for (decide, code, result) in
        [("revert", 8, "rolled-back"), ("confirm --allow unproven-confirm", 0, "applied")]
    {
        let Some(scene) = Scene::new(Kind::SysV, "nftables", "60s") else {
            return;
        };
        scene.host.run(&["mv", "/usr/sbin/nft", "/usr/sbin/nft.real"]).success();
        let script = DECIDES.replace("DECIDE", decide);
        scene.host.write_as("/usr/sbin/nft", 0o755, script);
        let applied = apply(&scene, &scene.ssh());
        assert_eq!(applied.code(), code, "{decide}: {applied:#?}");
        assert_eq!(scene.result(), result, "{decide}");
    }
}

#[test]
fn a_line_that_is_cut_leaves_nothing_that_nobody_confirmed() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "10s") else {
        return;
    };
    let line = Line::counting();
    let applied = apply(&scene, &scene.ssh().over(&line));
    assert_eq!(applied.code(), 0, "{applied:#?}");
    let trips = line.trips().len();
    for message in trips - 11..=trips {
        scene
            .host
            .run(&["sh", "-c", "nft delete table inet mailward; rm -f /var/lib/mailward/access/boot.nft"])
            .success();
        let line = Line::failing(Fate::Cut, Moment::AnswerLost, message);
        let cut = apply(&scene, &scene.ssh().over(&line));
        let stranger = scene.stranger().reaches(143, Family::V6);
        match cut.code() {
            0 => assert_eq!(stranger, Reach::Silent, "{message}: {cut:#?}"),
            8 | 11 => {
                assert_eq!(scene.run("revert").code(), 0, "{message}: {cut:#?}");
                scene.assert_open();
                scene.apply_for_good();
            }
            other => panic!("{message}: {other}: {cut:#?}"),
        }
        let next = apply(&scene, &scene.ssh());
        assert_eq!(next.code(), 0, "{message}: {next:#?}");
    }
}
