//! The judge: all tables before against all tables after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Output;

use crate::support::in_time::CommandInTime as _;
use crate::support::panel::{CANARY, Generation, PanelWorld};

pub const ALL: &str = "[safety]\nmax_account_changes = \"100%\"\n";

/// Every row of every table: the table and its key, and all columns.
pub type Tables = BTreeMap<(String, String), Vec<String>>;

pub fn tables(world: &PanelWorld) -> Tables {
    let text = world.contents();
    text.lines()
        .map(|line| {
            let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            let table = fields.remove(0);
            // A number has several permissions.
            let key = match table.as_str() {
                "Permissions" => format!("{} {}", fields[0], fields[1]),
                _ => fields[0].clone(),
            };
            ((table, key), fields)
        })
        .collect()
}

/// The accounts' numbers with their addresses.
pub fn addresses(world: &PanelWorld) -> BTreeMap<u32, String> {
    let text = world.sql("SELECT m.id, m.mail_name, d.name FROM mail m JOIN domains d ON d.id = m.dom_id;");
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            (fields[0].parse().unwrap(), format!("{}@{}", fields[1], fields[2]))
        })
        .collect()
}

/// The numbers of accounts that are not what they were, each with the rows that tell it; 0 stands for rows of
/// no account.
pub fn changed(generation: Generation, before: &Tables, after: &Tables) -> BTreeMap<u32, Vec<String>> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut changed: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let (column, table) = match generation {
        Generation::Nine => (2, "Permissions"),
        Generation::Ten => (11, "smb_users"),
    };
    for key in keys {
        let (was, is) = (before.get(key), after.get(key));
        if was == is {
            continue;
        }
        let (what, id) = (&key.0, &key.1);
        let told = format!("{what} {id}: {was:?} -> {is:?}");
        let mut of: BTreeSet<u32> = BTreeSet::new();
        if what == "mail" {
            of.insert(id.parse().unwrap());
        } else if what == table {
            let number = id.split(' ').next().unwrap();
            for tables in [before, after] {
                for ((name, account), row) in tables {
                    if name == "mail" && row.get(column).is_some_and(|link| link == number) {
                        of.insert(account.parse().unwrap());
                    }
                }
            }
        }
        if of.is_empty() {
            of.insert(0);
        }
        for account in of {
            changed.entry(account).or_default().push(told.clone());
        }
    }
    changed
}

pub fn on(world: &PanelWorld, verb: &str, manifest: &str, more: &[&str]) -> Output {
    let path = world.root().join("manifest.toml");
    fs::write(&path, format!("version = 1\n{manifest}")).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mailward"));
    command.args([verb, "--root", world.root().to_str().unwrap()]);
    if verb != "show" {
        command.arg(path);
    }
    let output = command.args(more).output_in_time().unwrap();
    assert!(!said(&output).contains(CANARY), "{}", said(&output));
    output
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What a run says in its outcome, without the plan that it shows before: each message with its reason.
pub fn messages(world: &PanelWorld) -> String {
    let text = fs::read_to_string(world.root().join("outcome.json")).unwrap();
    let outcome: serde_json::Value = serde_json::from_str(&text).unwrap();
    outcome["messages"].to_string()
}

pub fn apply(world: &PanelWorld, manifest: &str) -> Output {
    let outcome = world.root().join("outcome.json");
    let _ = fs::remove_file(&outcome);
    let more = ["--yes", "--action-timeout", "4", "--outcome", outcome.to_str().unwrap()];
    on(world, "apply", manifest, &more)
}

/// Holds a run to what it says: 0 where nothing but the wanted accounts is another one, 8 where nothing is,
/// and all else is told by its address.
///
/// `wanted` are the accounts that a manifest is about to change.
pub fn judge(
    world: &PanelWorld,
    what: &str,
    wanted: &BTreeSet<u32>,
    before: &Tables,
    names: &BTreeMap<u32, String>,
    output: &Output,
) {
    let changed = changed(world.generation(), before, &tables(world));
    let code = output.status.code().unwrap();
    let told = messages(world);
    let what = format!("{what}: exit {code}: {changed:#?}\n{}", said(output));
    let unexpected: Vec<u32> = changed.keys().copied().filter(|id| !wanted.contains(id)).collect();
    match code {
        0 => assert!(unexpected.is_empty(), "{what}"),
        8 => assert!(changed.is_empty(), "{what}"),
        2 | 9 => {}
        _ => panic!("{what}"),
    }
    for id in unexpected.into_iter().filter(|id| *id != 0) {
        let name = &names[&id];
        assert!(told.contains(name.as_str()), "{name} is not told: {what}");
    }
    if changed.contains_key(&0) {
        assert!(told.contains("panel user") || told.contains("permission"), "{what}");
    }
    // What is left half-way is told as well.
    if code == 9 {
        for id in changed.keys().filter(|id| **id != 0) {
            assert!(told.contains(names[id].as_str()), "{} is not told: {what}", names[id]);
        }
    }
}
