//! What an apply does to accounts, and what it leaves behind when something goes wrong.

use mailward::host::memory::MemoryEntry;
use mailward::plan::outcome::{Outcome, OutcomeVerdict, StepState};
use mailward::report::Colour;
use mailward::report::text;

use super::panel::{CANARY, Does, Generation, Host, Panel};
use super::{apply, changes, plan};

const DENY: &str = "[panel_access]\ndefault = false\n[safety]\nmax_account_changes = \"100%\"\n";

fn office(generation: Generation, does: Does) -> Host {
    let mut panel = Panel::new(generation);
    for address in ["anna@example.jp", "ben@example.jp", "carl@example.jp", "dora@other.jp", "emil@other.jp"]
    {
        panel.account(address, true);
    }
    panel.account("frida@other.jp", false);
    panel.does = does;
    Host::new(panel)
}

fn told(outcome: &Outcome) -> String {
    text::outcome(outcome, text::AccountDetail::Brief, Colour::Off).to_string()
}

/// Everything that the run wrote on the host and gave back holds no secret.
fn no_secret(host: &Host, outcome: &Outcome) {
    let json = serde_json::to_string(outcome).unwrap();
    assert!(!json.contains(CANARY), "{json}");
    assert!(!told(outcome).contains(CANARY));
    for (path, entry) in &host.host.world().files {
        if let MemoryEntry::File(file) = entry
            && path != b"/etc/psa/.psa.shadow"
        {
            let text = String::from_utf8_lossy(&file.bytes);
            assert!(!text.contains(CANARY), "{}", String::from_utf8_lossy(path));
        }
    }
}

#[test]
fn after_an_apply_the_accounts_are_as_declared_and_nothing_else_was_run() {
    for generation in [Generation::Nine, Generation::Ten] {
        let mut host = office(generation, Does::What);
        let manifest = "[panel_access]\ndefault = false\n[panel_access.accounts]\n\
            \"frida@other.jp\" = true\n\"anna@example.jp\" = true\n[safety]\nmax_account_changes = 6\n";
        let outcome = apply(&mut host, manifest);
        assert_eq!(outcome.result, OutcomeVerdict::Applied, "{}", told(&outcome));
        no_secret(&host, &outcome);
        let panel = host.panel();
        for (address, may) in [
            ("anna@example.jp", true),
            ("ben@example.jp", false),
            ("dora@other.jp", false),
            ("frida@other.jp", true),
        ] {
            assert_eq!(panel.may(address), may, "{address}");
        }
        assert_eq!(panel.log.len(), 5);
        drop(panel);
        assert!(plan(&host, manifest).is_empty());
        let again = apply(&mut host, manifest);
        assert_eq!(again.result, OutcomeVerdict::AsDesired);
        assert_eq!(host.panel().log.len(), 5, "something was run again");
    }
}

#[test]
fn a_command_that_says_success_and_does_nothing_is_found_at_the_first_account_and_at_the_end() {
    for generation in [Generation::Nine, Generation::Ten] {
        for from in 0..5 {
            let mut host = office(generation, Does::LiesFrom(from));
            let before = host.panel().state();
            let outcome = apply(&mut host, DENY);
            no_secret(&host, &outcome);
            if from == 0 {
                assert_eq!(host.panel().log.len(), 1, "no second account was tried");
                assert_eq!(outcome.result, OutcomeVerdict::RolledBack);
                assert!(told(&outcome).contains("and did not"), "{}", told(&outcome));
                assert_eq!(host.panel().state(), before);
            } else {
                // The way back is a lie too: it says which accounts are in which state.
                assert_eq!(outcome.result, OutcomeVerdict::PartlyApplied, "{}", told(&outcome));
                let first = host.panel().address(1);
                assert!(told(&outcome).contains(&first), "{}", told(&outcome));
            }
        }
    }
}

#[test]
fn a_command_that_fails_or_hangs_halfway_is_undone_and_the_next_run_converges() {
    for generation in [Generation::Nine, Generation::Ten] {
        for at in 0..5 {
            for does in [Does::FailsAt(at), Does::HangsAt(at)] {
                let mut host = office(generation, does);
                let before = host.panel().state();
                let outcome = apply(&mut host, DENY);
                assert_eq!(outcome.result, OutcomeVerdict::RolledBack, "{}", told(&outcome));
                assert_eq!(host.panel().state(), before);
                no_secret(&host, &outcome);
                assert!(outcome.steps.iter().any(|step| step.state == StepState::Failed));
                host.panel().does = Does::What;
                assert_eq!(apply(&mut host, DENY).result, OutcomeVerdict::Applied);
                assert!(plan(&host, DENY).is_empty());
            }
        }
    }
}

#[test]
fn a_panel_that_unlinks_or_deletes_the_user_is_stopped_at_the_first_account_with_what_was_seen() {
    for (does, seen) in [
        (Does::Unlinks, "the old user is there without the account"),
        (Does::Deletes, "the old user is deleted"),
    ] {
        let mut host = office(Generation::Ten, does);
        let outcome = apply(&mut host, DENY);
        assert_eq!(outcome.exit, 9, "{}", told(&outcome));
        assert_eq!(host.panel().log.len(), 1);
        let told = told(&outcome);
        for words in [
            "cannot be undone",
            seen,
            "panel user 1001 with the login \"anna@example.jp\", role 4, active",
            "now: no panel user",
            "anna@example.jp is without a panel user (it was with an active panel user)",
        ] {
            assert!(told.contains(words), "{words:?} is not in {told}");
        }
        no_secret(&host, &outcome);
    }
}

#[test]
fn a_user_that_was_made_stays_after_undoing_and_that_is_told() {
    let mut panel = Panel::new(Generation::Ten);
    panel.account("anna@example.jp", false);
    panel.account("ben@example.jp", false);
    panel.does = Does::FailsAt(1);
    let mut host = Host::new(panel);
    let manifest = "[panel_access]\ndefault = true\n";
    let outcome = apply(&mut host, manifest);
    assert_eq!(outcome.result, OutcomeVerdict::PartlyApplied);
    let told = told(&outcome);
    let words = "anna@example.jp is with a locked panel user (it was without a panel user)";
    assert!(told.contains(words), "{told}");
    assert!(!host.panel().may("anna@example.jp"));
}

#[test]
fn a_database_that_goes_away_leaves_the_accounts_named_and_the_next_run_converges() {
    for at in [0, 2, 4] {
        let mut host = office(Generation::Ten, Does::LosesDatabaseAt(at));
        let outcome = apply(&mut host, DENY);
        assert_eq!(outcome.result, OutcomeVerdict::PartlyApplied);
        let said = told(&outcome);
        assert!(said.contains("accounts whose state is not known now"), "{said}");
        assert!(said.contains("anna@example.jp"), "{said}");
        no_secret(&host, &outcome);
        host.panel().up = true;
        host.panel().does = Does::What;
        let next = apply(&mut host, DENY).result;
        let left = if at == 4 { OutcomeVerdict::AsDesired } else { OutcomeVerdict::Applied };
        assert_eq!(next, left);
        assert!(plan(&host, DENY).is_empty());
    }
}

#[test]
fn a_run_killed_at_any_act_is_told_by_the_next_one_which_converges() {
    for generation in [Generation::Nine, Generation::Ten] {
        let mut place = 0;
        let mut killed = 0;
        loop {
            let mut host = office(generation, Does::What);
            host.host.crash_at(place);
            let _ = apply(&mut host, DENY);
            host.host.revive();
            let done = host.panel().log.len();
            let ended = !host.host.world().files.contains_key(b"/var/lib/mailward/journal.json".as_slice());
            let outcome = apply(&mut host, DENY);
            assert!(
                matches!(outcome.result, OutcomeVerdict::Applied | OutcomeVerdict::AsDesired),
                "killed at {place}: {}",
                told(&outcome)
            );
            assert!(plan(&host, DENY).is_empty());
            assert_eq!(host.panel().log.len(), 5, "killed at {place}, an account was changed twice");
            if !ended {
                killed += 1;
                let world = host.host.world();
                let history = world.files.iter().filter_map(|(path, entry)| {
                    let path = String::from_utf8_lossy(path);
                    match entry {
                        MemoryEntry::File(file) if path.contains("/history/") => {
                            Some(String::from_utf8_lossy(&file.bytes).into_owned())
                        }
                        _ => None,
                    }
                });
                let history: Vec<String> = history.collect();
                let entry = history.iter().find(|text| text.contains("\"killed\""));
                let entry = entry.unwrap_or_else(|| panic!("killed at {place}: {history:?}"));
                let words = format!("accounts that it changed: {done}");
                assert!(done == 0 || entry.contains(&words), "killed at {place}: {entry}");
            }
            drop(outcome);
            if ended && done == 5 {
                break;
            }
            place += 1;
        }
        assert!(killed >= 5, "{killed}");
    }
}

/// Somebody gives an account access while the command is run for the `nth` time.
fn meddle(host: &Host, nth: usize, address: &'static str) {
    let shared = host.host.another();
    let mut world = shared.world();
    let mut mail = world.commands.remove("/usr/local/psa/bin/mail").unwrap();
    let mut number = 0;
    world.commands.insert(
        "/usr/local/psa/bin/mail".to_owned(),
        Box::new(move |world, command| {
            let output = mail(world, command);
            let is_change = (command.arguments.first()).is_some_and(|word| word == "--update");
            number += usize::from(is_change);
            if is_change && number == nth {
                let again = mailward::host::HostCommand::new(
                    command.program.clone(),
                    ["--update", address, "-cp-access", "true"].map(str::to_owned).to_vec(),
                    command.deadline,
                );
                let _ = mail(world, &again);
            }
            output
        }),
    );
}

#[test]
fn an_account_that_others_change_meanwhile_is_reported_and_nothing_is_rolled_back() {
    let manifest = "[panel_access.accounts]\n\"anna@example.jp\" = false\n\
        \"ben@example.jp\" = false\n\"frida@other.jp\" = false\n";
    let mut host = office(Generation::Ten, Does::What);
    // The second account is no probe: nobody looks at the others around it.
    meddle(&host, 2, "frida@other.jp");
    let outcome = apply(&mut host, manifest);
    let said = told(&outcome);
    assert_eq!(outcome.result, OutcomeVerdict::ChangedSince, "{said}");
    assert!(said.contains("frida@other.jp: before: no panel user; now: "), "{said}");
    assert!(!host.panel().may("anna@example.jp"));
    assert!(!host.panel().may("ben@example.jp"));
    assert!(host.panel().may("frida@other.jp"));
    assert_eq!(changes(&plan(&host, manifest)), ["frida@other.jp=false"]);
}

#[test]
fn another_account_that_changes_between_the_reads_around_the_first_is_the_commands_doing() {
    let mut host = office(Generation::Ten, Does::What);
    meddle(&host, 1, "frida@other.jp");
    let manifest = "[panel_access.accounts]\n\"anna@example.jp\" = false\n\"ben@example.jp\" = false\n";
    let outcome = apply(&mut host, manifest);
    let said = told(&outcome);
    assert_eq!(outcome.result, OutcomeVerdict::PartlyApplied, "{said}");
    assert!(said.contains("run for anna@example.jp, and more was another one after it: 1"), "{said}");
    // Two changes, the command's and the other one: it is not run again, not even to give anything back.
    assert_eq!(host.panel().log.len(), 2);
}
