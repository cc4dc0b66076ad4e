//! Random databases, manifests and misbehaviours: what is read is compared with what was put in, what was
//! done with all tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::judge::{ALL, Tables, addresses, apply, changed, judge, on, said, tables};
use crate::support::panel::{Effect, Generation, Knob, PanelWorld, When};

/// A small generator of numbers whose whole state is one seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap()
    }

    fn one_in(&mut self, sides: u32) -> bool {
        self.below(sides) == 0
    }
}

/// An account of a random database.
struct Made {
    address: String,
    access: bool,
    plain: bool,
}

const DOMAINS: [(u32, &str); 3] = [(1, "example.jp"), (2, "example.net"), (3, "xn--wgv71a119e.jp")];

/// Fills the database, and gives what is true of each account, by its number.
fn fill(world: &PanelWorld, dice: &mut Dice) -> BTreeMap<u32, Made> {
    let mut sql = "DELETE FROM mail; DELETE FROM Permissions WHERE id < 900;\n".to_owned();
    let ten = world.generation() == Generation::Ten;
    if ten {
        sql.push_str("DELETE FROM smb_users WHERE id > 4;\n");
    }
    let mut made: BTreeMap<u32, Made> = BTreeMap::new();
    let accounts = 4 + dice.below(9);
    for id in 1..=accounts {
        let (domain, name) = DOMAINS[dice.below(3) as usize];
        let local = format!("u{id}");
        let address = format!("{local}@{name}");
        let other = 1 + dice.below(accounts);
        let (link, access, plain) = if ten {
            ten_account(dice, id, other, &address, &mut sql)
        } else {
            nine_account(dice, id, other, &mut sql)
        };
        let column = if ten { "userId" } else { "perm_id" };
        let _ = writeln!(
            sql,
            "INSERT INTO mail (id, mail_name, postbox, dom_id, {column}) VALUES ({id}, '{local}', 'true', {domain}, {link});"
        );
        made.insert(id, Made { address, access, plain });
    }
    world.sql(&sql);
    sharing(world, &mut made);
    made
}

/// One of ten kinds; some are the user of another account, which may come later or never.
fn ten_account(
    dice: &mut Dice,
    id: u32,
    other: u32,
    address: &str,
    sql: &mut String,
) -> (String, bool, bool) {
    let user = 100 + id;
    let taken = sql.clone();
    let mut insert = |login: &str, email: &str, locked: u32| {
        let _ = writeln!(
            sql,
            "INSERT INTO smb_users (id, login, email, uuid, roleId, ownerId, isLocked) \
             VALUES ({user}, '{login}', '{email}', UUID(), 5, 3, {locked});"
        );
    };
    let own = user.to_string();
    match dice.below(12) {
        0 => ("0".to_owned(), false, true),
        1 => ("NULL".to_owned(), false, true),
        2..=4 => {
            insert(address, address, 0);
            (own, true, true)
        }
        5 | 6 => {
            insert(address, "private@elsewhere.example", 1);
            (own, false, true)
        }
        7 => {
            // The user is there, without the account.
            insert(address, address, 0);
            ("0".to_owned(), false, true)
        }
        8 => ("990".to_owned(), false, false),
        // A login that is what stands for the account's own in an answer, or begins with what stands before
        // any other.
        9 => {
            let sign = ["=", "+", "=x", "+="][dice.below(4) as usize];
            // The panel has each login once.
            let alone = sign.len() == 1 && !taken.contains(&format!(", '{sign}', "));
            let login = format!("{sign}{}", if alone { "" } else { address });
            insert(&login, address, 0);
            (own, true, false)
        }
        10 => ([1, 2, 3][dice.below(3) as usize].to_string(), true, false),
        _ => ((100 + other).to_string(), false, false),
    }
}

fn nine_account(dice: &mut Dice, id: u32, other: u32, sql: &mut String) -> (String, bool, bool) {
    let number = 200 + id;
    let mut insert = |permission: &str, value: &str| {
        let _ = writeln!(
            sql,
            "REPLACE INTO Permissions (id, permission, value) VALUES ({number}, '{permission}', {value});"
        );
    };
    let own = number.to_string();
    match dice.below(9) {
        0 => ("0".to_owned(), false, true),
        1..=3 => {
            insert("cp_access", "'true'");
            insert("manage_drweb", "'true'");
            (own, true, true)
        }
        4 => {
            insert("cp_access", "'false'");
            (own, false, true)
        }
        5 => {
            insert("cp_access", ["NULL", "'TRUE'", "''"][dice.below(3) as usize]);
            (own, false, true)
        }
        6 => (own, false, true),
        // A customer's.
        7 => ("900".to_owned(), true, false),
        _ => ((200 + other).to_string(), false, false),
    }
}

/// What is true of accounts that have what another one has: read row by row, after all are there.
fn sharing(world: &PanelWorld, made: &mut BTreeMap<u32, Made>) {
    let accesses = world.accesses();
    let column = match world.generation() {
        Generation::Nine => "perm_id",
        Generation::Ten => "userId",
    };
    let links = world.sql(&format!("SELECT id, COALESCE({column}, 0) FROM mail;"));
    let mut of: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for line in links.lines() {
        let (id, link) = line.split_once('\t').unwrap();
        of.entry(link.parse().unwrap()).or_default().push(id.parse().unwrap());
    }
    let mut logins: BTreeMap<u32, String> = BTreeMap::new();
    if world.generation() == Generation::Ten {
        for line in world.sql("SELECT id, login FROM smb_users;").lines() {
            let (id, login) = line.split_once('\t').unwrap();
            logins.insert(id.parse().unwrap(), login.to_owned());
        }
    }
    let linked: BTreeSet<u32> = of.keys().copied().collect();
    for (link, ids) in of {
        for id in &ids {
            let account = made.get_mut(id).unwrap();
            account.access = accesses[&account.address];
            if link == 0 {
                // The user with its address may be somebody else's.
                account.plain =
                    !(logins.iter()).any(|(user, login)| *login == account.address && linked.contains(user));
                continue;
            }
            account.plain = match world.generation() {
                Generation::Nine => ids.len() == 1 && link != 900,
                Generation::Ten => {
                    ids.len() == 1 && logins.get(&link).is_some_and(|login| *login == account.address)
                }
            };
        }
    }
}

/// A manifest, and the accounts that it is about to change.
fn manifest(dice: &mut Dice, made: &BTreeMap<u32, Made>) -> (String, BTreeSet<u32>) {
    let mut text = "[panel_access]\n".to_owned();
    let word = |dice: &mut Dice| dice.one_in(2);
    let default = (!dice.one_in(3)).then(|| word(dice));
    if let Some(default) = default {
        let _ = writeln!(text, "default = {default}");
    }
    let mut domains = BTreeMap::new();
    text.push_str("[panel_access.domains]\n");
    for (_, name) in DOMAINS {
        if dice.one_in(3) {
            let access = word(dice);
            let _ = writeln!(text, "\"{name}\" = {access}");
            domains.insert(name, access);
        }
    }
    text.push_str("[panel_access.accounts]\n");
    let mut wanted = BTreeSet::new();
    for (id, account) in made {
        let domain = account.address.split_once('@').unwrap().1;
        let mut access = domains.get(domain).copied().or(default);
        if account.plain && dice.one_in(3) {
            let own = word(dice);
            let _ = writeln!(text, "\"{}\" = {own}", account.address);
            access = Some(own);
        }
        if account.plain && access.is_some_and(|access| access != account.access) {
            wanted.insert(*id);
        }
    }
    (text + ALL, wanted)
}

/// What goes wrong, and when.
fn knob(dice: &mut Dice, generation: Generation, made: &BTreeMap<u32, Made>) -> Option<(Knob, When)> {
    let accounts = u32::try_from(made.len()).unwrap();
    let knob = match dice.below(10) {
        0 | 1 => return None,
        2 => Knob::Fail,
        3 => Knob::DoAndFail,
        4 => Knob::Lie,
        _ => {
            let effect = Effect::ALL[dice.below(9) as usize];
            effect.on(generation, 1 + dice.below(accounts))
        }
    };
    let number = 1 + dice.below(accounts);
    Some((
        knob,
        match dice.below(3) {
            0 => When::Always,
            1 => When::From(number),
            _ => When::At(number),
        },
    ))
}

/// Each account as the program shows it.
fn shown(world: &PanelWorld) -> BTreeMap<String, (bool, bool)> {
    let output = on(world, "show", "", &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    (json["panel_access"]["accounts"].as_array().unwrap().iter())
        .map(|account| {
            let plain = account["problems"].as_array().unwrap().is_empty();
            let address = account["account"].as_str().unwrap().to_owned();
            (address, (account["access"].as_bool().unwrap(), plain))
        })
        .collect()
}

/// An apply without anything wrong changes the wanted accounts alone, and of them the access alone.
fn right(
    world: &PanelWorld,
    what: &str,
    before: &Tables,
    made: &BTreeMap<u32, Made>,
    wanted: &BTreeSet<u32>,
) {
    let changed = changed(world.generation(), before, &tables(world));
    assert_eq!(changed.keys().copied().collect::<BTreeSet<_>>(), *wanted, "{what}: {changed:#?}");
    let now = world.accesses();
    for (id, account) in made {
        let access = account.access != wanted.contains(id);
        assert_eq!(now[&account.address], access, "{what}: {}", account.address);
    }
}

#[test]
fn whatever_the_database_the_manifest_and_the_command_every_row_is_accounted_for() {
    let times = std::env::var("MAILWARD_PANEL_TIMES").map_or(1, |text| text.parse().unwrap());
    let mut ends: BTreeMap<i32, usize> = BTreeMap::new();
    let mut changes = 0;
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        for seed in 0..12 * times {
            let mut dice = Dice(seed);
            world.behave();
            world.remove("/var/lib/mailward/panel-command.json");
            let made = fill(&world, &mut dice);
            let (manifest, wanted) = manifest(&mut dice, &made);
            let what = format!("{generation:?} {seed}");
            let expected: BTreeMap<_, _> = (made.values())
                .map(|account| (account.address.clone(), (account.access, account.plain)))
                .collect();
            assert_eq!(shown(&world), expected, "{what}");
            let (before, names) = (tables(&world), addresses(&world));
            let knob = knob(&mut dice, generation, &made);
            if let Some((knob, when)) = &knob {
                world.misbehave(knob, *when);
            }
            let output = apply(&world, &manifest);
            let code = output.status.code().unwrap();
            *ends.entry(code).or_default() += 1;
            changes += wanted.len();
            let what = format!("{what} {knob:?}\n{manifest}");
            judge(&world, &what, &wanted, &before, &names, &output);
            if knob.is_none() {
                assert_eq!(code, 0, "{what}: {}", said(&output));
                right(&world, &what, &before, &made, &wanted);
            }
        }
    }
    println!("ends: {ends:?}; {changes} accounts were to change");
}
