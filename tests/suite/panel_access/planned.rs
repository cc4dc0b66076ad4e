//! What is planned, noted and refused.

use std::cell::Cell;

use mailward::failure::PlanBlocked;
use mailward::host::{HostError, ReadHost, ReadReply, ReadRequest};
use mailward::plan::stale::{self, StaleReason};
use mailward::plan::{AccountProblem, Fingerprint, Note, PanelAccessNote, SafetyOverrides};

use super::panel::{Generation, Host, Panel, User};
use super::{blocked, changes, desired, plan, try_plan};

struct Counting<'a>(&'a Host, Cell<usize>);

impl ReadHost for Counting<'_> {
    fn read(&self, requests: &[ReadRequest]) -> Result<Vec<ReadReply>, HostError> {
        self.1.set(self.1.get() + 1);
        self.0.host.read(requests)
    }
}

fn office(generation: Generation) -> Host {
    let mut panel = Panel::new(generation);
    for (address, access) in [
        ("anna@example.jp", true),
        ("ben@example.jp", true),
        ("carl@example.jp", false),
        ("dora@other.jp", true),
        ("emil@other.jp", false),
    ] {
        panel.account(address, access);
    }
    Host::new(panel)
}

#[test]
fn only_what_differs_is_changed_and_an_account_beats_its_domain_and_the_default() {
    for generation in [Generation::Nine, Generation::Ten] {
        let host = office(generation);
        let manifest = "[panel_access]\ndefault = false\n[panel_access.domains]\n\"other.jp\" = true\n\
            [panel_access.accounts]\n\"anna@example.jp\" = true\n\"Dora@Other.JP\" = false\n";
        assert_eq!(
            changes(&plan(&host, manifest)),
            ["ben@example.jp=false", "dora@other.jp=false", "emil@other.jp=true"]
        );
        assert_eq!(
            changes(&plan(&host, "[panel_access.accounts]\n\"carl@example.jp\" = true\n")),
            ["carl@example.jp=true"]
        );
    }
}

#[test]
fn a_plan_asks_twice_and_starts_as_many_processes_for_one_account_as_for_many() {
    let mut counts = Vec::new();
    for accounts in [1, 5000] {
        let mut panel = Panel::new(Generation::Ten);
        for number in 0..accounts {
            panel.account(&format!("u{number}@d{}.jp", number % 40), number % 2 == 0);
        }
        let host = Host::new(panel);
        let counting = Counting(&host, Cell::new(0));
        let wanted = desired("[panel_access.domains]\n\"d0.jp\" = true\n");
        try_plan(&counting, &wanted).unwrap();
        assert_eq!(counting.1.get(), 2);
        counts.push(host.panel().started);
    }
    assert_eq!(counts, [2, 2], "the database's client, and the vendor's --help");
}

#[test]
fn a_manifest_without_panel_access_asks_neither_the_database_nor_the_vendor() {
    let host = office(Generation::Ten);
    assert!(plan(&host, "[safety]\nmax_account_changes = 3\n").is_empty());
    assert_eq!(host.panel().started, 0);
}

#[test]
fn null_zero_a_missing_row_and_odd_case_are_what_they_mean() {
    let mut panel = Panel::new(Generation::Ten);
    let null = panel.account("null@example.jp", false);
    panel.accounts.get_mut(&null).unwrap().user = None;
    panel.account("zero@example.jp", false);
    let odd = panel.account("Odd@Example.JP", true);
    let user = panel.accounts[&odd].user.unwrap();
    panel.users.get_mut(&user).unwrap().login = "oDD@example.jp".to_owned();
    let host = Host::new(panel);
    let manifest = "[panel_access]\ndefault = true\n[panel_access.accounts]\n\"odd@EXAMPLE.jp\" = false\n";
    assert_eq!(
        changes(&plan(&host, manifest)),
        ["null@example.jp=true", "zero@example.jp=true", "Odd@Example.JP=false"]
    );
    let mut panel = Panel::new(Generation::Nine);
    let without = panel.account("without@example.jp", false);
    panel.accounts.get_mut(&without).unwrap().permission = None;
    let host = Host::new(panel);
    assert_eq!(changes(&plan(&host, "[panel_access]\ndefault = false\n")), [""; 0]);
}

#[test]
fn an_international_domain_is_found_in_both_forms_whichever_the_panel_has() {
    for kept in ["xn--bcher-kva.example", "bücher.example"] {
        for written in ["bücher.example", "XN--bcher-kva.example"] {
            let mut panel = Panel::new(Generation::Ten);
            let id = panel.account(&format!("anna@{kept}"), true);
            // The login in the other form is still the account's own.
            let user = panel.accounts[&id].user.unwrap();
            panel.users.get_mut(&user).unwrap().login = "anna@Bücher.example".to_owned();
            let host = Host::new(panel);
            let manifest = format!("[panel_access.domains]\n\"{written}\" = false\n");
            let plan = try_plan(&host.host, &desired(&manifest)).unwrap();
            if kept.is_ascii() {
                assert_eq!(changes(&plan), [format!("anna@{kept}=false")]);
            } else {
                // What the panel's command makes of such a name is not known.
                assert!(plan.is_empty());
                assert!(matches!(
                    plan.notes.as_slice(),
                    [Note::PanelAccess(PanelAccessNote::AccountsLeftAlone {
                        reason: AccountProblem::OddName,
                        ..
                    })]
                ));
            }
        }
    }
}

/// Accounts that are not simply mail users, each with the reason.
fn special() -> (Host, Vec<(&'static str, AccountProblem)>) {
    let mut panel = Panel::new(Generation::Ten);
    let link = |panel: &mut Panel, address: &str, login: &str, email: &str, locked: &str| {
        let id = panel.account(address, true);
        let user = panel.accounts[&id].user.unwrap();
        let (login, email) = (login.to_owned(), email.to_owned());
        let locked = locked.to_owned();
        panel.users.insert(user, User { login, email, locked });
    };
    link(&mut panel, "login@example.jp", "somebody", "login@example.jp", "0");
    link(&mut panel, "shared@example.jp", "shared@example.jp", "else@example.jp", "0");
    let shared = panel.accounts.values().last().unwrap().user;
    let second = panel.account("second@example.jp", false);
    panel.accounts.get_mut(&second).unwrap().user = shared;
    link(&mut panel, "jd@example.jp", "jdoe", "jd@example.jp", "0");
    link(&mut panel, "root@example.jp", "admin", "root@example.jp", "0");
    link(&mut panel, "boss@example.jp", "boss@example.jp", "boss@example.jp", "0");
    panel.clients.push("Boss@example.jp".to_owned());
    link(&mut panel, "odd@example.jp", "odd@example.jp", "odd@example.jp", "maybe");
    panel.account("taken@example.jp", false);
    link(&mut panel, "taker@example.jp", "Taken@example.jp", "taker@example.jp", "0");
    panel.account("seller@example.jp", false);
    panel.clients.push("Seller@example.jp".to_owned());
    let dangling = panel.account("dangling@example.jp", false);
    panel.accounts.get_mut(&dangling).unwrap().user = Some(999);
    panel.account("we'ird name@example.jp", true);
    let special = vec![
        ("login@example.jp", AccountProblem::OtherLogin),
        ("shared@example.jp", AccountProblem::SharedUser),
        ("second@example.jp", AccountProblem::OtherLogin),
        ("jd@example.jp", AccountProblem::Owner),
        ("root@example.jp", AccountProblem::Owner),
        ("boss@example.jp", AccountProblem::Owner),
        ("odd@example.jp", AccountProblem::Unclear),
        ("taken@example.jp", AccountProblem::TakenLogin),
        ("taker@example.jp", AccountProblem::OtherLogin),
        ("seller@example.jp", AccountProblem::TakenLogin),
        ("dangling@example.jp", AccountProblem::Dangling),
    ];
    (Host::new(panel), special)
}

#[test]
fn what_is_not_simply_a_mail_user_is_an_error_where_it_is_named() {
    let (host, special) = special();
    for (account, problem) in special {
        for access in [true, false] {
            let manifest = format!("[panel_access.accounts]\n\"{account}\" = {access}\n");
            let (kind, told) = blocked(&host, &manifest);
            assert_eq!(kind, PlanBlocked::Refused, "{account}");
            assert!(told.contains(problem.words()), "{account}: {told}");
            assert!(told.contains("line: 3"), "{told}");
        }
    }
}

#[test]
fn what_is_not_simply_a_mail_user_is_left_alone_by_a_default_with_a_note() {
    let (host, special) = special();
    let plan = plan(&host, "[panel_access]\ndefault = false\n");
    assert!(plan.is_empty(), "{:?}", changes(&plan));
    let mut noted = Vec::new();
    for note in &plan.notes {
        if let Note::PanelAccess(PanelAccessNote::AccountsLeftAlone { reason, accounts, .. }) = note {
            noted.extend(accounts.iter().map(|account| (account.clone(), *reason)));
        }
    }
    for (account, problem) in special {
        assert!(noted.contains(&(account.to_owned(), problem)), "{account}: {noted:?}");
    }
    let odd = ("we'ird name@example.jp".to_owned(), AccountProblem::OddName);
    assert!(noted.contains(&odd), "{noted:?}");
}

#[test]
fn names_that_the_host_lacks_are_errors_with_the_nearest_name_or_notes() {
    let host = office(Generation::Ten);
    let names = "[panel_access.domains]\n\"exmaple.jp\" = false\n[panel_access.accounts]\n\
        \"ana@example.jp\" = true\n\"anna@othr.jp\" = true\n\"quite.else@example.jp\" = true\n";
    let (kind, told) = blocked(&host, names);
    assert_eq!(kind, PlanBlocked::Manifest);
    for words in [
        "this host has no domain exmaple.jp",
        "did you mean example.jp?",
        "this host has no mail account ana@example.jp",
        "did you mean anna@example.jp?",
        "it has no domain othr.jp",
        "did you mean anna@other.jp?",
        "no mail account quite.else@example.jp",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    let noted = plan(&host, &format!("[panel_access]\nmissing = \"note\"\n{names}"));
    assert!(noted.is_empty());
    assert_eq!(noted.notes.len(), 4);
}

#[test]
fn more_changes_than_the_safety_rule_allows_are_refused_unless_the_command_line_does() {
    let mut panel = Panel::new(Generation::Ten);
    for number in 0..20 {
        panel.account(&format!("u{number}@example.jp"), number < 7);
    }
    let host = Host::new(panel);
    let all = "[panel_access]\ndefault = false\n";
    // 30% of 20 is 6.
    let (kind, told) = blocked(&host, all);
    assert_eq!(kind, PlanBlocked::Refused);
    assert!(told.contains("--allow account-changes=7"), "{told}");
    assert!(told.contains("7 accounts would change"), "{told}");
    for (rule, changed) in [("7", 7), ("\"31%\"", 7), ("\"100%\"", 7)] {
        let manifest = format!("{all}[safety]\nmax_account_changes = {rule}\n");
        assert_eq!(changes(&plan(&host, &manifest)).len(), changed);
    }
    blocked(&host, &format!("{all}[safety]\nmax_account_changes = 6\n"));
    // A share is never below 5.
    let (_, told) = blocked(&host, &format!("{all}[safety]\nmax_account_changes = \"1%\"\n"));
    assert!(told.contains("one run may change 5"), "{told}");
    let wanted = desired(all);
    let survey = mailward::engine::recall::HostSurvey::read(&host.host).unwrap();
    let scope = mailward::engine::observe::ObserveScope::Of(&wanted);
    let observed = mailward::engine::observe::Observed::read(&host.host, &survey, scope).unwrap();
    let make = |number| {
        let allowed = SafetyOverrides { account_changes: Some(number), ..SafetyOverrides::default() };
        let deadline = mailward::engine::make::ACTION_DEADLINE;
        mailward::engine::make::make(&wanted, &[], &survey, &observed, deadline, &allowed)
    };
    assert!(make(6).is_err());
    assert!(make(7).is_ok());
}

#[test]
fn a_command_that_lists_neither_spelling_is_refused_where_something_would_change() {
    let host = office(Generation::Ten);
    host.panel().option = "-cpaccess";
    let (kind, told) = blocked(&host, "[panel_access.accounts]\n\"anna@example.jp\" = false\n");
    assert_eq!(kind, PlanBlocked::Unknown);
    assert!(told.contains("neither -cp-access nor -cp_access"), "{told}");
    assert!(plan(&host, "[panel_access.accounts]\n\"anna@example.jp\" = true\n").is_empty());
}

#[test]
fn an_answer_cut_anywhere_is_never_taken_for_complete() {
    let host = office(Generation::Ten);
    let manifest = "[panel_access.accounts]\n\"emil@other.jp\" = false\n";
    assert!(plan(&host, manifest).is_empty());
    let mut cut = 0;
    loop {
        host.panel().cut = cut;
        match try_plan(&host.host, &desired(manifest)) {
            Err(blockers) => assert_eq!(blockers[0].kind, PlanBlocked::Unknown, "cut at {cut}"),
            Ok(_) => break,
        }
        cut += 1;
    }
    assert!(cut > 300, "{cut}");
}

#[test]
fn what_keeps_the_accounts_from_being_read_is_told_without_the_clients_words() {
    let manifest = "[panel_access]\ndefault = false\n";
    let host = office(Generation::Ten);
    host.panel().up = false;
    let (kind, told) = blocked(&host, manifest);
    assert_eq!(kind, PlanBlocked::Unknown);
    assert!(told.contains("the server does not answer"), "{told}");
    assert!(!told.contains(super::panel::CANARY), "{told}");
    let host = office(Generation::Ten);
    host.host.world().files.remove(b"/etc/psa/.psa.shadow".as_slice());
    assert!(blocked(&host, manifest).1.contains("there is no /etc/psa/.psa.shadow"));
    let host = office(Generation::Ten);
    host.host.world().commands.remove("/usr/bin/mysql");
    assert!(blocked(&host, manifest).1.contains("there is no database client"));
    let host = office(Generation::Ten);
    host.host.world().files.remove(b"/etc/psa/psa.conf".as_slice());
    host.host.world().files.remove(b"/usr/local/psa/version".as_slice());
    assert!(blocked(&host, manifest).1.contains("Plesk is not installed here"));
}

#[test]
fn equal_changes_have_one_fingerprint_and_others_another() {
    let manifest = "[panel_access.accounts]\n\"anna@example.jp\" = false\n";
    let one = plan(&office(Generation::Ten), manifest);
    let other = plan(&office(Generation::Nine), manifest);
    assert_eq!(one.fingerprint, other.fingerprint);
    let both = format!("{manifest}\"ben@example.jp\" = false\n");
    assert_ne!(one.fingerprint, plan(&office(Generation::Ten), &both).fingerprint);
    assert_ne!(one.fingerprint, Fingerprint::of(&[]));
}

#[test]
fn a_change_that_was_not_agreed_is_stale_and_one_that_is_satisfied_since_is_not() {
    let host = office(Generation::Ten);
    let manifest = "[panel_access]\ndefault = false\n";
    let agreed = plan(&host, manifest);
    assert_eq!(changes(&agreed).len(), 3);
    host.panel().users.get_mut(&1001).unwrap().locked = "1".to_owned();
    let now = plan(&host, manifest);
    assert_eq!(changes(&now).len(), 2);
    stale::compare(&agreed, &now).unwrap();
    host.panel().account("new@example.jp", true);
    let Err(StaleReason::Steps(steps)) = stale::compare(&agreed, &plan(&host, manifest)) else {
        panic!("a new account was not agreed");
    };
    let told = mailward::report::text::steps_in_brief(&steps);
    assert_eq!(told, "deny panel access to 1 account of example.jp");
}
