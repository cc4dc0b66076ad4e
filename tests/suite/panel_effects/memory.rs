//! What the panel's command did wrong is remembered: it does so to one account, not to one in every nightly
//! run.

use super::judge::{ALL, apply, on, said};
use crate::support::panel::{Generation, OnFalse, PanelWorld};

const FILE: &str = "/var/lib/mailward/panel-command.json";

#[test]
fn a_panel_that_loses_a_user_loses_one_and_the_next_run_refuses_before_the_first_account() {
    let deny = format!("[panel_access]\ndefault = false\n{ALL}");
    let again = ["--yes", "--allow", "panel-command"];
    for way in [OnFalse::Unlink, OnFalse::Delete, OnFalse::Dangle] {
        let world = PanelWorld::tree(Generation::Ten);
        world.set_on_false(way);
        assert_eq!(apply(&world, &deny).status.code(), Some(9), "{way:?}");
        for _ in 0..2 {
            let night = apply(&world, &deny);
            assert_eq!(night.status.code(), Some(7), "{way:?}: {}", said(&night));
            for words in ["to lock a panel user", "--allow panel-command", FILE] {
                assert!(said(&night).contains(words), "{way:?}: {}", said(&night));
            }
        }
        assert_eq!(on(&world, "check", &deny, &[]).status.code(), Some(7));
        assert_eq!(world.updates().len(), 1, "{way:?}");
        // Giving access is another act.
        let grant = format!("[panel_access.accounts]\n\"a_b@example.net\" = true\n{ALL}");
        assert_eq!(apply(&world, &grant).status.code(), Some(0), "{way:?}");
        let tried = on(&world, "apply", &deny, &again);
        assert_eq!(tried.status.code(), Some(9), "{}", said(&tried));
        assert_eq!(world.updates().len(), 3, "{way:?}");
        world.set_on_false(OnFalse::Lock);
        assert_eq!(apply(&world, &deny).status.code(), Some(7), "{way:?}");
        let right = on(&world, "apply", &deny, &again);
        assert_eq!(right.status.code(), Some(0), "{}", said(&right));
        assert!(!world.root().join(&FILE[1..]).exists());
    }
}

#[test]
fn another_version_of_plesk_forgets_it_and_what_cannot_be_read_is_told() {
    let deny = format!("[panel_access]\ndefault = false\n{ALL}");
    let world = PanelWorld::tree(Generation::Ten);
    world.set_on_false(OnFalse::Delete);
    assert_eq!(apply(&world, &deny).status.code(), Some(9));
    let kept = world.read(FILE);
    for damaged in [b"".as_slice(), b"{", &kept[..kept.len() / 2], b"{\"format\":2}"] {
        world.write(FILE, damaged);
        let output = apply(&world, &deny);
        assert_eq!(output.status.code(), Some(11), "{}", said(&output));
        assert!(said(&output).contains(FILE), "{}", said(&output));
    }
    world.write(FILE, &kept);
    assert_eq!(apply(&world, &deny).status.code(), Some(7));
    assert_eq!(world.updates().len(), 1);
    world.set_on_false(OnFalse::Lock);
    world.write("/usr/local/psa/version", "12.5.30 CentOS 6 1205150826.19\n");
    let output = apply(&world, &deny);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}
