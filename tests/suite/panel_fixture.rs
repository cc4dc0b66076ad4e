//! The tests' own panel: it holds what it says, its stand-ins do what they say, and it goes wrong when asked.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::support::host::Host;
use crate::support::panel::{
    CANARY, Generation, HOSTILE_NAMES, Knob, OnFalse, OnTrue, PanelWorld, Spelling, When, bulk_access,
    bulk_address, small_world,
};

/// The query that the vendor's own come to, up to 9.
const NINE: &str = "SELECT CONCAT(m.mail_name,'@',d.name), IF(p.value='true','true','false')
FROM mail m JOIN domains d ON d.id=m.dom_id
LEFT JOIN Permissions p ON p.id=m.perm_id AND p.permission='cp_access' ORDER BY 1;";

/// The query that the vendor's own come to, from 10 on.
const TEN: &str =
    "SELECT CONCAT(m.mail_name,'@',d.name), IF(u.id IS NOT NULL AND u.isLocked=0,'true','false')
FROM mail m JOIN domains d ON d.id=m.dom_id
LEFT JOIN smb_users u ON u.id=m.userId AND m.userId<>0 ORDER BY 1;";

fn query(generation: Generation) -> &'static str {
    match generation {
        Generation::Nine => NINE,
        Generation::Ten => TEN,
    }
}

/// What the panel's client prints for the vendor's query.
fn asked(world: &PanelWorld) -> BTreeMap<String, bool> {
    let text = world.client(&["-N", "-B", "-r", "-e", query(world.generation())]).success();
    text.lines()
        .map(|line| {
            let (address, access) = line.split_once('\t').unwrap();
            (address.to_owned(), access == "true")
        })
        .collect()
}

fn expected(generation: Generation) -> BTreeMap<String, bool> {
    small_world(generation).iter().map(|known| (known.address.to_owned(), known.access)).collect()
}

const MAIL: &str = "/usr/local/psa/bin/mail";

fn option(generation: Generation) -> &'static str {
    match generation {
        Generation::Nine => "-cp_access",
        Generation::Ten => "-cp-access",
    }
}

fn update(world: &PanelWorld, address: &str, value: &str) -> crate::support::host::Output {
    world.run(&[MAIL, "-u", address, option(world.generation()), value])
}

#[test]
fn a_panel_in_a_tree_holds_what_it_says() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        assert_eq!(asked(&world), expected(generation));
        assert_eq!(world.accesses(), expected(generation));
        assert_eq!(world.connections(), 1);
        assert_eq!(world.queries(), [query(generation).trim_end_matches(';')]);
        assert_eq!(world.client_calls().len(), 1);
        assert!(!world.client_calls()[0].contains(CANARY));
        assert_eq!(world.calls(), [""; 0]);
    }
}

#[test]
fn a_hundred_thousand_accounts_are_there_in_seconds() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        world.empty();
        world.fill_bulk(100_000, 2_000);
        let bulk: BTreeMap<_, _> =
            (0..100_000).map(|number| (bulk_address(number, 2_000), bulk_access(number))).collect();
        assert!(asked(&world) == bulk);
        assert!(world.accesses() == bulk);
    }
}

#[test]
fn nobody_gets_in_without_the_password_of_admin() {
    let world = PanelWorld::tree(Generation::Ten);
    for user in ["-uadmin", "-uroot", "-unobody"] {
        let output = world.run(&["/usr/bin/mysql", user, "-Dpsa", "-e", "SELECT 1"]);
        assert_eq!(output.code(), 1, "{output:?}");
        assert!(output.stderr.contains("Access denied"), "{output:?}");
    }
    assert_eq!(world.run(&["/usr/sbin/plesk", "db", "-Nse", "SELECT 1"]).success(), "1\n");
    assert_eq!(world.run(&["/usr/sbin/plesk", "db", "SELECT 1 AS x"]).success(), "x\n1\n");
}

#[test]
fn hostile_names_are_stored_and_changed_as_they_are() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        world.fill_hostile();
        let before = world.accesses();
        for (place, name) in HOSTILE_NAMES.iter().enumerate() {
            let address = format!("{name}@example.net");
            assert_eq!(before.get(&address), Some(&(place % 2 == 0)), "{name:?}");
            let other = if place % 2 == 0 { "false" } else { "true" };
            update(&world, &address, other).success();
        }
        for (place, name) in HOSTILE_NAMES.iter().enumerate() {
            assert_eq!(world.access(&format!("{name}@example.net")), Some(place % 2 == 1));
        }
        assert_eq!(world.accesses().len(), before.len());
        assert!(!world.root().join("pwned").exists());
    }
}

#[test]
fn an_update_changes_one_account_and_says_success() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        for known in small_world(generation).iter().filter(|known| known.plain) {
            let mut after = world.accesses();
            let other = (!known.access).to_string();
            let said = update(&world, known.address, &other).success();
            assert!(said.starts_with("SUCCESS: "), "{said}");
            after.insert(known.address.to_owned(), !known.access);
            assert_eq!(world.accesses(), after, "{known:?}");
            let back = known.access.to_string();
            update(&world, known.address, &back).success();
            assert_eq!(world.access(known.address), Some(known.access), "{known:?}");
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_code_1_and_a_reason() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        let before = world.contents();
        let good = option(generation);
        let bad = if good == "-cp_access" { "-cp-access" } else { "-cp_access" };
        for (address, option, value, why) in [
            ("bogus@example.jp", good, "true", "exist"),
            ("owner@日本語.jp", good, "true", "exist"),
            ("owner@example.jp", bad, "true", "Unrecognized option"),
            ("owner@example.jp", good, "yes", "Invalid value"),
        ] {
            let output = world.run(&[MAIL, "--update", address, option, value]);
            assert_eq!(output.code(), 1, "{output:?}");
            assert!(output.stderr.contains(why), "{output:?}");
            assert_eq!(output.stdout, "");
        }
        assert_eq!(world.contents(), before);
        let help = world.run(&[MAIL, "--help"]).success();
        assert!(help.contains(good) && !help.contains(bad));
        world.set_spelling(Spelling::Missing);
        assert!(!world.run(&[MAIL, "--help"]).success().contains("-cp"));
        assert_eq!(world.updates()[2], format!("mail --update owner@example.jp {bad} true"));
    }
}

#[test]
fn the_old_info_shows_access_and_password_and_the_new_one_neither() {
    for (generation, shows) in [(Generation::Nine, true), (Generation::Ten, false)] {
        let world = PanelWorld::tree(generation);
        let text = world.run(&[MAIL, "--info", "owner@example.jp"]).success();
        assert_eq!(text.contains("CP Access:          true\n"), shows, "{text}");
        assert_eq!(text.contains(CANARY), shows, "{text}");
        assert!(text.contains("\nSUCCESS: Gathering information for 'owner@example.jp' complete\n"));
    }
}

#[test]
fn each_way_to_take_access_and_to_give_it_is_played() {
    let user = "SELECT m.userId, u.isLocked FROM mail m LEFT JOIN smb_users u ON u.id = 11 WHERE m.id = 1;";
    for (way, found) in [
        (OnFalse::Lock, "11\t1\n"),
        (OnFalse::Unlink, "0\t0\n"),
        (OnFalse::Delete, "0\tNULL\n"),
        (OnFalse::Dangle, "11\tNULL\n"),
    ] {
        let world = PanelWorld::tree(Generation::Ten);
        world.set_on_false(way);
        world.set_on_true(OnTrue::NeedsUser);
        update(&world, "owner@example.jp", "false").success();
        assert_eq!(world.sql(user), found, "{way:?}");
        assert_eq!(world.access("owner@example.jp"), Some(false));
        // Without a user there is no way back, unless the panel makes one.
        let back = update(&world, "owner@example.jp", "true");
        assert_eq!(back.code() == 0, way == OnFalse::Lock, "{way:?}");
        world.set_on_true(OnTrue::CreatesUser);
        update(&world, "owner@example.jp", "true").success();
        assert_eq!(world.access("owner@example.jp"), Some(true), "{way:?}");
    }
}

#[test]
fn each_misbehaviour_is_what_it_says() {
    let world = PanelWorld::tree(Generation::Ten);
    let address = "owner@example.jp";
    // knob, exit code, whether access was changed
    for (knob, code, done) in [
        (Knob::Slow(0.05), 0, true),
        (Knob::Fail, 1, false),
        (Knob::DoAndFail, 1, true),
        (Knob::Lie, 0, false),
        (Knob::PrintPassword, 0, true),
        (Knob::role_changes(), 0, true),
    ] {
        world.behave();
        update(&world, address, "true").success();
        world.misbehave(&knob, When::At(2));
        let begin = Instant::now();
        let output = update(&world, address, "false");
        assert_eq!(output.code(), code, "{knob:?} {output:?}");
        assert_eq!(world.access(address), Some(!done), "{knob:?}");
        match &knob {
            Knob::Slow(seconds) => assert!(begin.elapsed().as_secs_f64() > *seconds),
            Knob::PrintPassword => assert!(output.stderr.contains(CANARY), "{output:?}"),
            Knob::Meddle(_) => assert_eq!(world.sql("SELECT roleId FROM smb_users WHERE id = 11;"), "4\n"),
            _ => {}
        }
        update(&world, address, "true").success();
        assert_eq!(world.access(address), Some(true), "{knob:?}");
    }
    world.behave();
    world.misbehave(&Knob::Fail, When::From(2));
    update(&world, address, "false").success();
    for _ in 0..2 {
        assert_eq!(update(&world, address, "true").code(), 1);
    }
    world.behave();
    world.misbehave(&Knob::vanish(), When::Always);
    update(&world, address, "true").success();
    assert_eq!(world.access(address), None);
}

#[test]
fn an_update_that_hangs_has_or_has_not_done_it_first() {
    let world = PanelWorld::tree(Generation::Nine);
    for (knob, done) in [(Knob::HangBefore, false), (Knob::HangAfter, true)] {
        world.behave();
        world.misbehave(&knob, When::Always);
        let output = world.run_within(0.5, &[MAIL, "-u", "owner@example.jp", "-cp_access", "false"]);
        assert_eq!(output.signal(), Some(9), "{output:?}");
        assert_eq!(world.access("owner@example.jp"), Some(!done), "{knob:?}");
    }
}

#[test]
fn a_killed_server_comes_back_with_all_that_was_done() {
    let mut world = PanelWorld::tree(Generation::Nine);
    world.misbehave(&Knob::KillServerAfter, When::At(1));
    update(&world, "owner@example.jp", "false").success();
    let output = world.client(&["-e", "SELECT 1"]);
    assert_eq!(output.code(), 1);
    // The kernel may still take a connection that nobody answers.
    let said = ["Can't connect", "Lost connection"];
    assert!(said.iter().any(|text| output.stderr.contains(text)), "{output:?}");
    let output = update(&world, "info@example.jp", "true");
    assert_eq!(output.code(), 1);
    world.start_database();
    world.misbehave(&Knob::KillServerBefore, When::At(3));
    assert_eq!(update(&world, "info@example.jp", "true").code(), 1);
    world.start_database();
    assert_eq!(world.access("owner@example.jp"), Some(false));
    assert_eq!(world.access("info@example.jp"), Some(false));
    world.freeze_database();
    let output = world.run_within(0.3, &["/usr/bin/mysql", "-uadmin", "-e", "SELECT 1"]);
    world.thaw_database();
    assert_eq!(output.signal(), Some(9), "{output:?}");
    world.kill_database();
    assert_eq!(world.client(&["-e", "SELECT 1"]).code(), 1);
}

#[test]
fn a_private_host_has_the_panel_at_its_real_paths() {
    for (start, generation) in
        [(Host::systemd as fn() -> Option<Host>, Generation::Ten), (Host::init, Generation::Nine)]
    {
        let Some(host) = start() else { return };
        let mut world = PanelWorld::in_host(host, generation);
        assert_eq!(asked(&world), expected(generation));
        update(&world, "owner@example.jp", "false").success();
        world.misbehave(&Knob::KillServerAfter, When::At(2));
        update(&world, "info@example.jp", "true").success();
        assert_eq!(world.client(&["-e", "SELECT 1"]).code(), 1);
        world.start_database();
        world.host_mut().reboot();
        world.start_database();
        assert_eq!(world.access("owner@example.jp"), Some(false));
        assert_eq!(world.access("info@example.jp"), Some(true));
        assert_eq!(world.calls().len(), 2);
    }
}
