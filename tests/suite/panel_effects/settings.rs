//! Settings of server and client that would change an answer: each is right, or refused by name.

use super::judge::{ALL, apply, on, said};
use crate::support::panel::{Generation, PanelWorld, small_world};

const DENY: &str = "[panel_access]\ndefault = false\n[safety]\nmax_account_changes = \"100%\"\n";

fn shown(world: &PanelWorld) -> serde_json::Value {
    let output = on(world, "show", "", &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    json["panel_access"].clone()
}

#[test]
fn what_the_server_is_set_to_changes_no_answer() {
    for generation in Generation::ALL {
        for (set, back) in [
            ("sql_select_limit = 3", "sql_select_limit = DEFAULT"),
            ("sql_mode = 'EMPTY_STRING_IS_NULL'", "sql_mode = DEFAULT"),
            ("sql_mode = 'ORACLE,EMPTY_STRING_IS_NULL'", "sql_mode = DEFAULT"),
            ("sql_mode = 'ANSI,PAD_CHAR_TO_FULL_LENGTH'", "sql_mode = DEFAULT"),
            ("tx_isolation = 'READ-UNCOMMITTED'", "tx_isolation = DEFAULT"),
            ("sql_auto_is_null = 1", "sql_auto_is_null = DEFAULT"),
        ] {
            let world = PanelWorld::tree(generation);
            let before = shown(&world);
            world.sql(&format!("SET GLOBAL {set};"));
            assert_eq!(shown(&world), before, "{generation:?} {set}");
            let output = apply(&world, DENY);
            assert_eq!(output.status.code(), Some(0), "{generation:?} {set}: {}", said(&output));
            world.sql(&format!("SET GLOBAL {back};"));
            for account in small_world(generation) {
                let wanted = account.access && !account.plain;
                assert_eq!(world.access(account.address), Some(wanted), "{set}: {}", account.address);
            }
        }
    }
}

/// Puts something between the program and the database's client.
fn wrap(world: &PanelWorld, script: &str) {
    let client = String::from_utf8(world.read("/usr/bin/mysql")).unwrap();
    world.write("/usr/bin/mysql.real", &client);
    let text = script.replace("REAL", "sh \"$MAILWARD_ROOT/usr/bin/mysql.real\" \"$@\"");
    world.write("/usr/bin/mysql", format!("#!/bin/sh\n{text}\n"));
}

#[test]
fn what_a_client_prints_of_its_own_before_the_answer_is_none_of_it_for_a_plan_and_for_an_apply() {
    for generation in Generation::ALL {
        let world = PanelWorld::tree(generation);
        let before = shown(&world);
        wrap(&world, "echo 'Welcome to the database.'; printf 'userId\\tperm_id\\n'; REAL; echo 'Good bye.'");
        assert_eq!(shown(&world), before);
        let output = apply(&world, DENY);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
}

#[test]
fn a_row_that_comes_twice_in_the_place_of_another_is_no_complete_answer() {
    for generation in Generation::ALL {
        for kind in ["[up]", "d", "c"] {
            let world = PanelWorld::tree(generation);
            wrap(
                &world,
                &format!(
                    "REAL | awk -F '\\t' '/^{kind}\\t/ && ++n == 2 {{ print last; next }} {{ print; last = $0 }}'"
                ),
            );
            let output = on(&world, "plan", DENY, &[]);
            // A customer's login is nothing that permissions are judged by.
            if kind == "c" && generation == Generation::Nine {
                continue;
            }
            assert_eq!(output.status.code(), Some(11), "{generation:?} {kind}: {}", said(&output));
        }
    }
}

#[test]
fn the_cause_that_is_named_is_that_of_the_query_that_failed() {
    for generation in Generation::ALL {
        let (table, number) = match generation {
            Generation::Nine => ("Permissions", 1146),
            Generation::Ten => ("smb_users", 1146),
        };
        let world = PanelWorld::tree(generation);
        world.sql(&format!("RENAME TABLE {table} TO away;"));
        let output = on(&world, "plan", DENY, &[]);
        assert_eq!(output.status.code(), Some(11), "{}", said(&output));
        let told = format!("error {number}: a table is missing");
        assert!(said(&output).contains(&told), "{generation:?}: {}", said(&output));
        world.sql(&format!("RENAME TABLE away TO {table};"));
        world.sql("RENAME TABLE domains TO away;");
        let output = on(&world, "plan", DENY, &[]);
        assert!(said(&output).contains(&told), "{generation:?}: {}", said(&output));
        world.sql("RENAME TABLE away TO domains;");
        assert_eq!(on(&world, "plan", DENY, &[]).status.code(), Some(2), "{ALL}");
    }
}
