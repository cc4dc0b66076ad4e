//! What the vendor's documents leave open, either way: how rules are listed, and how they are opened and
//! closed again.

use super::{Kind, LONG, Scene, code};
use crate::support::firewall::Knob;
use crate::support::host::{Family, Reach};

#[test]
fn however_the_list_is_shown_a_change_is_made_and_found_again() {
    let Some(scene) = Scene::new(Kind::Systemd, LONG) else {
        return;
    };
    for knobs in [
        vec![Knob::StringIds, Knob::PoliciesHidden],
        vec![Knob::ListsActive, Knob::IdsKept],
        vec![Knob::SourcesShort, Knob::ApplyEndsAtOnce],
    ] {
        for knob in &knobs {
            scene.firewall.set(&scene.host, *knob);
        }
        // Both sets have the same ids where they are kept.
        scene.firewall.command(&scene.host, &["--reset"]).run().success();
        scene.declare(r#"imap = ["198.18.1.0/24", "198.18.2.1", "2001:db8:1::/64", "2001:db8:2::1"]"#);
        scene.make_last();
        for family in Family::ALL {
            let reaches = |name: &str| scene.client(name).reaches(993, family);
            assert_eq!(reaches("office"), Reach::Connects, "{knobs:?}");
            assert_eq!(reaches("vpn"), Reach::Connects, "{knobs:?}");
            assert_eq!(reaches("stranger"), Reach::Silent, "{knobs:?}");
        }
        code(&scene.apply(), 0);
        scene.declare(r#"imap = "anyone""#);
        scene.make_last();
        assert_eq!(scene.client("six").reaches(993, Family::V6), Reach::Connects);
    }
}

#[test]
fn nobody_closes_anyone_opens_and_a_list_is_never_empty() {
    let Some(scene) = Scene::new(Kind::SysV, LONG) else {
        return;
    };
    scene.declare("imap = [\"office\"]\npop3 = \"nobody\"");
    scene.make_last();
    scene.assert_pop3(Reach::Silent);
    scene.declare("imap = \"nobody\"\npop3 = [\"office\"]");
    scene.make_last();
    assert_eq!(scene.client("office").reaches(143, Family::V4), Reach::Silent);
    assert_eq!(scene.client("office").reaches(110, Family::V6), Reach::Connects);
    scene.declare("imap = \"anyone\"\npop3 = \"anyone\"");
    scene.make_last();
    assert!(!scene.imap_is_shut());
    scene.assert_pop3(Reach::Connects);
    let calls = scene.firewall.calls(&scene.host);
    let sets: Vec<_> = calls.iter().filter(|call| call.starts_with("--set-rule")).collect();
    assert!(sets.iter().any(|call| call.contains("0.0.0.0/0,::/0")), "{sets:?}");
    assert!(sets.iter().any(|call| call.contains("-action deny")), "{sets:?}");
    assert!(!sets.iter().any(|call| call.ends_with(' ')), "{sets:?}");
    scene.declare(r#"submission = ["office"]"#);
    let plan = scene.plan();
    code(&plan, 2);
}

impl Scene {
    fn assert_pop3(&self, expected: Reach) {
        for family in Family::ALL {
            for name in ["office", "stranger"] {
                assert_eq!(self.client(name).reaches(995, family), expected);
            }
            assert_eq!(self.host.reaches_itself(995, family), Reach::Connects);
        }
    }
}
