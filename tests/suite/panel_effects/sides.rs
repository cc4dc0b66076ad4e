//! Side effects on accounts of every kind, around the first account and later.

use std::collections::BTreeSet;

use super::judge::{addresses, apply, judge, messages, tables};
use crate::support::panel::{Effect, Generation, PanelWorld, When};

/// Whose account is hit: what the manifest says of it, by its address on the panel of each generation.
const VICTIMS: [(&str, [&str; 2]); 6] = [
    ("planned first", ["Sales@example.jp", "Sales@example.jp"]),
    ("planned later", ["o'brien@example.jp", "o'brien@example.jp"]),
    ("named, and as it should be", ["info@example.jp", "info@example.jp"]),
    ("not in the manifest", ["axb@example.net", "axb@example.net"]),
    ("without access, not in the manifest", ["user+tag@example.net", "a_b@example.net"]),
    ("left alone", ["otherrow@example.jp", "otherlogin@example.jp"]),
];

const MANIFEST: &str = "[panel_access.accounts]\n\"Sales@example.jp\" = false\n\"nobox@example.jp\" = false\n\
    \"o'brien@example.jp\" = false\n\"owner@example.jp\" = false\n\"info@example.jp\" = false\n";

fn number(world: &PanelWorld, address: &str) -> u32 {
    let names = addresses(world);
    let mut found = names.iter().filter(|(_, name)| *name == address);
    *found.next().unwrap_or_else(|| panic!("{address}")).0
}

/// Whether a case is one of those that every run of the suite tries; `MAILWARD_PANEL_SIDES=all` has all
/// tried.
///
/// Each side effect meets two kinds of account on each generation, one around the first account and one
/// later, and each kind of account meets three side effects; on the other generation they meet others.
fn is_tried(generation: Generation, effect: usize, kind: usize, at: u32) -> bool {
    if std::env::var("MAILWARD_PANEL_SIDES").is_ok_and(|text| text == "all") {
        return true;
    }
    let shift = match generation {
        Generation::Nine => 0,
        Generation::Ten => 2,
    };
    let later = match at {
        1 => 0,
        _ => 3,
    };
    (effect + shift + later) % VICTIMS.len() == kind
}

#[test]
fn what_the_command_does_to_another_account_is_told_and_ends_the_run_where_it_is_the_commands() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        let names = addresses(&world);
        world.keep();
        for (which, effect, at) in (Effect::ALL.iter().enumerate())
            .flat_map(|(which, effect)| [(which, effect, 1), (which, effect, 2)])
        {
            for (row, (kind, victims)) in VICTIMS.into_iter().enumerate() {
                if !is_tried(generation, which, row, at) {
                    continue;
                }
                let address = match generation {
                    Generation::Nine => victims[0],
                    Generation::Ten => victims[1],
                };
                let what = format!("{generation:?} {effect:?} on {address} ({kind}) at {at}");
                let victim = number(&world, address);
                let wanted: BTreeSet<u32> =
                    ["Sales@example.jp", "nobox@example.jp", "o'brien@example.jp", "owner@example.jp"]
                        .map(|address| number(&world, address))
                        .into();
                let before = tables(&world);
                let calls = world.updates().len();
                world.misbehave(&effect.on(generation, victim), When::At(at));
                let output = apply(&world, MANIFEST);
                judge(&world, &what, &wanted, &before, &names, &output);
                let code = output.status.code().unwrap();
                // A side effect that changes nothing is none.
                let hit = super::judge::changed(generation, &before, &tables(&world));
                let is_hit = hit.contains_key(&victim) && (!kind.starts_with("planned") || code != 0);
                if is_hit && at == 1 {
                    assert_eq!(code, 9, "{what}: {}", messages(&world));
                    assert_eq!(world.updates().len(), calls + 1, "{what}");
                } else if is_hit {
                    assert!([2, 9].contains(&code), "{what}: {code} {}", messages(&world));
                }
                world.behave();
                world.remove("/var/lib/mailward/panel-command.json");
                world.restore();
                assert_eq!(tables(&world), before, "{what}: the case is not put back");
            }
        }
    }
}
