//! A confirmation and a timer at the same moment: one of them wins, and everything agrees on which.

use super::Scene;
use crate::support::host::{Family, Kind, Reach};

/// How often they race.
const RACES: u32 = 24;

/// What a timer does, at a moment of the test's choosing; then the confirmation's exit code is the last line.
const RACE: &str = r#"
cd /var/lib/mailward/access || exit 99
# The real one finds that it is not meant any more.
rm -f timer.pid
sh -c '
    set -- "$1" $(cat /proc/$$/stat)
    echo "$$ ${23}" >timer.new
    mv timer.new timer.pid
    sleep "$1"
    mv window.json reverting.json 2>/dev/null || exit 0
    nft -f revert.nft
    mv reverting.json reverted.json
    rm -f timer.pid
' sh "$1" &
while [ ! -e timer.pid ]; do :; done
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
                scene
                    .host
                    .run(&["nft", "delete", "table", "inet", "mailward"])
                    .success();
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
        for name in [
            "window.json",
            "reverting.json",
            "reverted.json",
            "confirmed.json",
        ] {
            assert!(!scene.state(name), "{name}: {race}");
        }
    }
    assert!(won.iter().all(|&won| won > 0), "{won:?}");
    crate::support::covered(&format!("{RACES} races: {won:?}"));
}
