//! A confirmation and a timer at the same moment: one of them wins, and everything agrees on which.

use super::Scene;
use crate::support::host::{Family, Kind, Reach};

/// How often they race.
const RACES: u32 = 24;

/// A further watcher of the window whose time is up at a moment of the test's choosing, beside those that
/// have time; then the confirmation's exit code is the last line.
const RACE: &str = r#"
for folder in /run/mailward/*; do :; done
sh -c '
    touch /run/begun
    sleep "$2"
    exec /bin/sh "$1/revert.sh" watch alone 1 0 nftables /usr/sbin/nft "" ""
' sh "$folder" "$1" &
while [ ! -e /run/begun ]; do :; done
rm /run/begun
mailward confirm --allow unproven-confirm
echo $?
wait
"#;

#[test]
fn of_a_timer_and_a_confirmation_at_once_exactly_one_wins() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "60s") else {
        return;
    };
    let mut won = [0, 0];
    for number in 0..RACES {
        scene.apply();
        let wait = format!("0.{:03}", number * 25 % 200);
        let race = scene.host.run(&["sh", "-c", RACE, "sh", &wait]).success();
        let code = race.trim_end().rsplit('\n').next().unwrap_or_default();
        let reach = Family::ALL.map(|family| scene.stranger().reaches(143, family));
        match code {
            "0" => {
                won[0] += 1;
                assert_eq!(reach, [Reach::Silent; 2], "{race}");
                assert!(scene.state("boot.nft"), "{race}");
                assert_eq!(scene.result(), "applied", "{race}");
                scene.host.run(&["nft", "delete", "table", "inet", "mailward"]).success();
                scene.host.remove("/var/lib/mailward/access/boot.nft");
            }
            "8" => {
                won[1] += 1;
                assert_eq!(reach, [Reach::Connects; 2], "{race}");
                assert!(!scene.state("boot.nft"), "{race}");
                let settled = scene.run("revert");
                assert_eq!(settled.code(), 0, "{settled:#?}");
                assert_eq!(scene.result(), "rolled-back", "{race}");
            }
            other => panic!("{other}: {race}"),
        }
        for name in ["window.json", "confirmed.json", "revert.nft"] {
            assert!(!scene.state(name), "{name}: {race}");
        }
        let left = scene.host.run(&["ls", "-A", "/run/mailward"]).success();
        assert_eq!(left, "", "{race}");
    }
    assert!(won.iter().all(|&won| won > 0), "{won:?}");
    crate::support::covered(&format!("{RACES} races: {won:?}"));
}
