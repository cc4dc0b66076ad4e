//! Each kind of act is tried out by itself, and what somebody else does meanwhile is theirs.

use super::judge::{ALL, addresses, apply, messages, on, said};
use crate::support::panel::{Effect, Generation, Knob, PanelWorld, When};

fn named(accounts: &[&str], access: bool) -> String {
    let lines: Vec<String> = (accounts.iter()).map(|account| format!("\"{account}\" = {access}\n")).collect();
    format!("[panel_access.accounts]\n{}{ALL}", lines.concat())
}

fn number(world: &PanelWorld, address: &str) -> u32 {
    let names = addresses(world);
    let found = names.iter().find(|(_, name)| *name == address);
    *found.unwrap_or_else(|| panic!("{address}")).0
}

#[test]
fn around_the_first_account_of_each_kind_all_accounts_are_read() {
    for (generation, accounts, first_of_its_kind) in [
        // Two users are made; then one is unlocked.
        (Generation::Ten, ["null@example.jp", "zero@example.jp", "a_b@example.net"], 3),
        // One has a row, one has another permission's, one has none.
        (Generation::Nine, ["info@example.jp", "norow@example.jp", "null@example.jp"], 2),
    ] {
        for at in [1, first_of_its_kind] {
            let world = PanelWorld::tree(generation);
            let victim = number(&world, "axb@example.net");
            world.misbehave(&Effect::Deny.on(generation, victim), When::At(at));
            let output = apply(&world, &named(&accounts, true));
            let what = format!("{generation:?} at {at}: {}", said(&output));
            assert_eq!(output.status.code(), Some(9), "{what}");
            assert_eq!(world.updates().len(), at as usize, "{what}");
            assert!(messages(&world).contains("axb@example.net"), "{what}");
        }
    }
}

#[test]
fn to_unlock_a_user_and_to_make_one_are_told_and_approved_apart() {
    let world = PanelWorld::tree(Generation::Ten);
    let manifest = named(&["zero@example.jp"], true);
    let plan = |world: &PanelWorld| said(&on(world, "plan", &manifest, &[]));
    let makes = plan(&world);
    assert!(makes.contains("grant panel access by a new user to 1 account of example.jp"), "{makes}");
    world.sql(
        "INSERT INTO smb_users (id, login, email, uuid, roleId, ownerId, isLocked) \
         VALUES (500, 'zero@example.jp', 'zero@example.jp', UUID(), 5, 3, 1); \
         UPDATE mail SET userId = 500 WHERE mail_name = 'zero';",
    );
    let unlocks = plan(&world);
    assert!(unlocks.contains("grant panel access to 1 account of example.jp"), "{unlocks}");
    let fingerprint = |text: &str| text.lines().last().unwrap().to_owned();
    assert_ne!(fingerprint(&makes), fingerprint(&unlocks));
    let approved = fingerprint(&makes).replace("fingerprint ", "");
    let output = on(&world, "apply", &manifest, &["--yes", "--expect", &approved]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
}

#[test]
fn accounts_that_share_their_permissions_are_left_alone_and_counted_where_they_keep_access() {
    let world = PanelWorld::tree(Generation::Nine);
    world.sql("UPDATE mail SET perm_id = (SELECT perm_id FROM (SELECT * FROM mail) x WHERE mail_name = 'Sales') WHERE mail_name = 'nobox';");
    let deny = format!("[panel_access]\ndefault = false\n{ALL}");
    let output = apply(&world, &deny);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for account in ["Sales@example.jp", "nobox@example.jp"] {
        assert_eq!(world.access(account), Some(true), "{account}");
    }
    let check = on(&world, "check", &deny, &[]);
    assert_eq!(check.status.code(), Some(0));
    assert!(
        said(&check).starts_with(
            "OK: as desired, but 2 accounts keep panel access that the manifest denies, left alone ("
        ),
        "{}",
        said(&check)
    );
    let check = on(&world, "check", &deny, &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(json["left_alone"], serde_json::json!({ "keep": 2, "lack": 0 }));
    let refused = on(&world, "plan", &named(&["Sales@example.jp"], false), &[]);
    assert_eq!(refused.status.code(), Some(7));
    assert!(said(&refused).contains("its permissions are those of another account too"));
}

#[test]
fn what_somebody_else_sets_to_what_is_wanted_is_no_failure_and_is_not_taken_back() {
    for generation in Generation::ALL {
        for fails in [false, true] {
            let world = PanelWorld::tree(generation);
            let victim = number(&world, "o'brien@example.jp");
            world.misbehave(&Effect::Deny.on(generation, victim), When::At(2));
            if fails {
                world.misbehave(&Knob::Fail, When::At(3));
            }
            let names = ["Sales@example.jp", "nobox@example.jp", "o'brien@example.jp", "owner@example.jp"];
            let output = apply(&world, &named(&names, false));
            let what = format!("{generation:?} {fails}: {}", said(&output));
            let code = if fails { 9 } else { 0 };
            assert_eq!(output.status.code(), Some(code), "{what}");
            assert!(messages(&world).contains("o'brien@example.jp"), "{what}");
            for account in names {
                let theirs = account.starts_with("o'brien");
                assert_eq!(world.access(account), Some(fails && !theirs), "{what}: {account}");
            }
        }
    }
}
