//! Panel access on a real MariaDB with either of the vendor's schemas, through the built program: what is
//! read, what is changed, and what is left behind by a vendor's command that misbehaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::in_time::CommandInTime as _;
use crate::support::panel::{
    CANARY, Generation, HOSTILE_NAMES, Knob, OnFalse, PanelWorld, Spelling, When, bulk_access, bulk_address,
    small_world,
};

const DENY: &str = "[panel_access]\ndefault = false\n[safety]\nmax_account_changes = \"100%\"\n";

fn command(world: &PanelWorld, verb: &str, manifest: &str, more: &[&str]) -> Command {
    let path = world.root().join("manifest.toml");
    fs::write(&path, format!("version = 1\n{manifest}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
    command.args([verb, "--root", world.root().to_str().unwrap()]);
    if verb != "show" {
        command.arg(path);
    }
    command.args(more);
    command
}

fn on(world: &PanelWorld, verb: &str, manifest: &str, more: &[&str]) -> Output {
    command(world, verb, manifest, more).output_in_time().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn apply(world: &PanelWorld) -> Output {
    let outcome = world.root().join("outcome.json");
    let more = ["--yes", "--action-timeout", "4", "--outcome", outcome.to_str().unwrap()];
    let output = on(world, "apply", DENY, &more);
    no_secret(world.root(), &output);
    output
}

/// No password is in what was printed or written.
fn no_secret(root: &Path, output: &Output) {
    let mut texts = vec![said(output)];
    let mut folders = vec![root.join("var/lib/mailward")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
            }
        }
    }
    texts.extend(fs::read_to_string(root.join("outcome.json")));
    for text in texts {
        assert!(!text.contains(CANARY), "a password is in {text}");
    }
}

/// Each account with whether it may log in, and whether it has problems.
fn shown(world: &PanelWorld) -> BTreeMap<String, (bool, bool)> {
    let output = on(world, "show", "", &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let accounts = json["panel_access"]["accounts"].as_array().unwrap();
    let entry = |account: &Value| {
        let access = account["access"].as_bool().unwrap();
        let problems = !account["problems"].as_array().unwrap().is_empty();
        (account["account"].as_str().unwrap().to_owned(), (access, problems))
    };
    accounts.iter().map(entry).collect()
}

#[test]
fn every_account_is_read_as_it_is_and_only_simple_mail_users_may_be_changed() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        let shown = shown(&world);
        let known = small_world(generation);
        assert_eq!(shown.len(), known.len());
        for account in known {
            let what = format!("{generation:?}: {} ({})", account.address, account.what);
            let (access, problems) = shown[account.address];
            // A user who is not simply this account's is none of its access.
            assert_eq!(access, account.access, "{what}");
            assert_eq!(problems, !account.plain, "{what}");
        }
        assert_eq!(world.connections(), 1, "one run of the client reads all");
    }
}

#[test]
fn an_apply_changes_the_simple_mail_users_alone_and_converges() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        let output = apply(&world);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let now = world.accesses();
        let mut changed = 0;
        for account in small_world(generation) {
            let wanted = account.access && !account.plain;
            assert_eq!(now[account.address], wanted, "{}", account.address);
            changed += usize::from(account.access && account.plain);
        }
        assert_eq!(world.updates().len(), changed);
        assert_eq!(on(&world, "check", DENY, &[]).status.code(), Some(0));
        assert_eq!(world.updates().len(), changed);
        // And back, where the users are still there.
        let manifest = DENY.replace("false", "true");
        let output = on(&world, "apply", &manifest, &["--yes"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let now = world.accesses();
        for account in small_world(generation) {
            assert!(now[account.address] || !account.plain, "{}", account.address);
        }
    }
}

#[test]
fn names_that_were_made_to_break_things_stay_data() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        world.fill_hostile();
        let shown = shown(&world);
        assert_eq!(shown.len(), small_world(generation).len() + HOSTILE_NAMES.len());
        let output = apply(&world);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let now = world.accesses();
        for (number, name) in HOSTILE_NAMES.iter().enumerate() {
            let address = format!("{name}@example.net");
            let harmless = ["%s%n", "NULL"].contains(name);
            let may = number % 2 == 0 && !harmless;
            assert_eq!(now[&address], may, "{address:?}");
        }
        let left = Command::new("find")
            .args([world.root().as_os_str(), "-name".as_ref(), "pwned".as_ref()])
            .output()
            .unwrap();
        assert!(left.stdout.is_empty(), "{}", said(&left));
    }
}

#[test]
fn a_panel_that_does_anything_but_lock_a_user_is_stopped_at_the_first_account() {
    for way in OnFalse::ALL {
        let world = PanelWorld::tree(Generation::Ten);
        world.set_on_false(way);
        let output = apply(&world);
        if way == OnFalse::Lock {
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            continue;
        }
        assert_eq!(output.status.code(), Some(9), "{way:?}: {}", said(&output));
        assert_eq!(world.updates().len(), 1, "{way:?}: {:?}", world.updates());
        let seen = match way {
            OnFalse::Lock => "",
            OnFalse::Unlink => "the old user is there without the account",
            OnFalse::Delete => "the old user is deleted",
            OnFalse::Dangle => "which is not there",
        };
        assert!(said(&output).contains(seen), "{way:?}: {}", said(&output));
        assert!(said(&output).contains("cannot be undone"), "{}", said(&output));
    }
}

#[test]
fn an_update_that_goes_wrong_is_undone_or_told_and_the_next_run_converges() {
    for generation in Generation::ALL {
        let mut world = PanelWorld::tree(generation);
        for (knob, code) in &Knob::ACCIDENTS {
            for at in [1, 3] {
                let before = world.contents();
                world.misbehave(knob, When::At(at));
                let output = apply(&world);
                let what = format!("{generation:?} {knob:?} at {at}");
                assert_eq!(output.status.code(), Some(*code), "{what}: {}", said(&output));
                if *code == 9 {
                    let told = said(&output);
                    assert!(told.contains("whose state is not known now"), "{what}: {told}");
                    world.start_database();
                } else {
                    assert_eq!(world.contents(), before, "{what}");
                }
                world.behave();
                // The server that went away has left some accounts changed: back to the beginning.
                if *code == 9 {
                    let next = apply(&world);
                    assert_eq!(next.status.code(), Some(0), "{what}: {}", said(&next));
                    assert_eq!(on(&world, "check", DENY, &[]).status.code(), Some(0));
                    world = PanelWorld::tree(generation);
                }
            }
        }
        let next = apply(&world);
        assert_eq!(next.status.code(), Some(0), "{}", said(&next));
    }
}

#[test]
fn a_password_that_the_vendors_command_prints_is_nowhere() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        world.misbehave(&Knob::PrintPassword, When::Always);
        world.misbehave(&Knob::Fail, When::At(3));
        assert_eq!(apply(&world).status.code(), Some(8));
        world.behave();
        world.misbehave(&Knob::PrintPassword, When::Always);
        assert_eq!(apply(&world).status.code(), Some(0));
    }
}

#[test]
fn what_happens_to_an_account_besides_while_it_is_changed_ends_the_run() {
    // Between the reads around one account's change it cannot be told from what the panel did.
    for (knob, at) in
        [(Knob::role_changes(), 1), (Knob::vanish(), 1), (Knob::role_changes(), 3), (Knob::vanish(), 3)]
    {
        let world = PanelWorld::tree(Generation::Ten);
        world.misbehave(&knob, When::At(at));
        let output = apply(&world);
        let what = format!("{knob:?} at {at}: {}", said(&output));
        assert_eq!(output.status.code(), Some(9), "{what}");
        assert!(said(&output).contains("that cannot be undone"), "{what}");
        // The first two are given back.
        let given_back = if at == 1 { 0 } else { 2 };
        assert_eq!(world.updates().len(), at as usize + given_back, "{what}");
    }
}

#[test]
fn an_account_that_somebody_removes_before_its_turn_is_no_reason_to_undo_the_others() {
    for generation in Generation::ALL {
        for at in [1, 3] {
            let world = PanelWorld::tree(generation);
            let meddle = "DELETE FROM mail WHERE mail_name = 'info' AND dom_id = 2;".to_owned();
            world.misbehave(&Knob::Meddle(meddle), When::At(at));
            let output = apply(&world);
            let what = format!("{generation:?} at {at}: {}", said(&output));
            assert!(said(&output).contains("info@example.net"), "{what}");
            if at == 1 {
                // Around the first one all accounts are read: it may be the command's doing.
                assert_eq!(output.status.code(), Some(9), "{what}");
                assert_eq!(world.updates().len(), 1, "{what}");
                continue;
            }
            assert_eq!(output.status.code(), Some(2), "{what}");
            let now = world.accesses();
            for account in small_world(generation) {
                if account.address != "info@example.net" {
                    let wanted = account.access && !account.plain;
                    assert_eq!(now[account.address], wanted, "{what}: {}", account.address);
                }
            }
        }
    }
}

#[test]
fn an_undo_that_gives_back_something_else_is_no_roll_back() {
    let world = PanelWorld::tree(Generation::Ten);
    world.misbehave(&Knob::Fail, When::At(3));
    // The last of the undo is the first account, whose details are known.
    world.misbehave(&Knob::role_changes(), When::At(5));
    let output = apply(&world);
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    assert!(said(&output).contains("is not as it was"), "{}", said(&output));
}

#[test]
fn a_command_that_fails_after_doing_something_else_is_no_roll_back() {
    let world = PanelWorld::tree(Generation::Ten);
    world.misbehave(&Knob::DoAndFail, When::At(1));
    let email = "UPDATE smb_users SET email = 'x@y.jp', isLocked = 0 WHERE id = @user;";
    world.misbehave(&Knob::Meddle(email.to_owned()), When::At(1));
    let output = apply(&world);
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    assert_eq!(world.updates().len(), 1);
}

#[test]
fn names_of_other_character_sets_and_no_name_at_all_are_read() {
    let world = PanelWorld::tree(Generation::Ten);
    let before = shown(&world);
    world.sql(
        "ALTER TABLE mail MODIFY mail_name VARCHAR(245) CHARACTER SET latin1 NULL;
         ALTER TABLE domains MODIFY name VARCHAR(255) CHARACTER SET latin2 NOT NULL;
         INSERT INTO mail (mail_name, postbox, dom_id, userId) VALUES (NULL, 'true', 1, 0);",
    );
    let mut now = shown(&world);
    assert_eq!(now.remove("@example.jp"), Some((false, true)));
    assert_eq!(now, before);
}

#[test]
fn an_option_that_the_help_does_not_list_is_not_used() {
    let world = PanelWorld::tree(Generation::Nine);
    world.set_spelling(Spelling::Missing);
    let output = on(&world, "apply", DENY, &["--yes"]);
    assert_eq!(output.status.code(), Some(11), "{}", said(&output));
    assert_eq!(world.updates(), [""; 0]);
    world.set_spelling(Spelling::Hyphen);
    assert_eq!(apply(&world).status.code(), Some(0));
    assert!(world.updates().iter().all(|call| call.contains(" -cp-access false")));
}

#[test]
fn a_run_killed_among_the_accounts_is_completed_by_the_next() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        world.misbehave(&Knob::Slow(0.2), When::Always);
        let mut run = command(&world, "apply", DENY, &["--yes"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..300 {
            if world.updates().len() >= 3 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        // The command that was under way ends by itself.
        std::thread::sleep(Duration::from_millis(800));
        let done = world.updates().len();
        assert!(done >= 3);
        world.behave();
        let output = apply(&world);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(on(&world, "check", DENY, &[]).status.code(), Some(0));
        let history = fs::read_dir(world.root().join("var/lib/mailward/history")).unwrap();
        let texts: Vec<String> =
            history.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        let killed = texts.iter().find(|text| text.contains("\"killed\"")).unwrap();
        assert!(killed.contains("accounts that it changed: "), "{killed}");
    }
}

#[test]
fn a_hundred_thousand_accounts_are_read_right_by_one_run_of_the_client() {
    const ACCOUNTS: u32 = 100_000;
    const DOMAINS: u32 = 2000;
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        world.empty();
        world.fill_bulk(ACCOUNTS, DOMAINS);
        let before = world.client_calls().len();
        let shown = shown(&world);
        assert_eq!(world.client_calls().len(), before + 1);
        assert_eq!(shown.len(), ACCOUNTS as usize);
        for number in 0..ACCOUNTS {
            let (access, _) = shown[&bulk_address(number, DOMAINS)];
            assert_eq!(access, bulk_access(number), "{number}");
        }
    }
}
