//! Which notes are told, and by whom: `plan`, `check` and `apply` tell all of them, as text and as JSON, also
//! where there is nothing to do.

use std::path::Path;
use std::process::{Command, Output};

use mailward::failure::{Diagnostic, FilePlace};
use mailward::firewall::observed::PacketEntrance;
use mailward::host::ForeignProcess;
use mailward::model::{ConnectionLimit, HostPath};
use mailward::plan::outcome::{Outcome, OutcomeVerdict};
use mailward::plan::{
    AccountProblem, CommonNote, Daemon, DisplacingRules, FilterBackend, FirewallNote, LimitSetting,
    LimitValue, LimitsNote, Note, PanelAccessNote, Plan, SkipReason, saved,
};
use mailward::report::text::{self, AccountDetail};
use mailward::report::{Colour, json, redact};
use serde_json::Value as Json;

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

/// A note of each kind, with words by which it is known in a text.
pub fn each() -> Vec<(Note, &'static str)> {
    let count = |number| LimitValue::Count(ConnectionLimit::Number(number));
    let advice = |what: &str| {
        let place =
            FilePlace { file: "m.toml".to_owned(), line: 3, column: 1, width: 1, text: String::new() };
        Box::new(Diagnostic::new(what).at(place))
    };
    let notes = vec![
        (
            Note::Limits(LimitsNote::NotRunning {
                daemon: Daemon::Courier,
                services: vec!["pop3".to_owned()],
            }),
            "courier does not run for pop3",
        ),
        (
            Note::Limits(LimitsNote::NotRestarted {
                daemon: Daemon::Courier,
                services: vec!["imap".to_owned()],
                reason: SkipReason::NotNamed,
            }),
            "courier is left alone for imap",
        ),
        (
            Note::Limits(LimitsNote::Problem {
                path: HostPath::new("/etc/xinetd.conf").unwrap(),
                line: 7,
                effect: "it is ignored".to_owned(),
            }),
            "/etc/xinetd.conf:7: it is ignored",
        ),
        (
            Note::Limits(LimitsNote::Unmanaged {
                service: "imap".to_owned(),
                setting: LimitSetting::Total,
                running: count(40),
                value: count(41),
            }),
            "imap runs with total = 40",
        ),
        (
            Note::PanelAccess(PanelAccessNote::AccountsLeftAlone {
                reason: AccountProblem::Owner,
                count: 1,
                keep: 1,
                lack: 0,
                accounts: vec!["info@example.jp".to_owned()],
            }),
            "info@example.jp is left alone",
        ),
        (
            Note::PanelAccess(PanelAccessNote::Missing(advice("this host has no domain gone.example"))),
            "m.toml:3: this host has no domain gone.example",
        ),
        (
            Note::Common(CommonNote::Advice(advice("the manifest manages nothing"))),
            "m.toml:3: the manifest manages nothing",
        ),
        (Note::Firewall(FirewallNote::Waits { seconds: 40 }), "goes back by itself in 40 s"),
        (
            Note::Firewall(FirewallNote::Unwatched { seconds: 40 }),
            "the timer that would take it back in 40 s has ended",
        ),
        (
            Note::Firewall(FirewallNote::ToConfirm { at: vec![PacketEntrance::Ssh] }),
            "confirmed over a new ssh connection from outside",
        ),
        (
            Note::Firewall(FirewallNote::NeverConfirmed { way: FilterBackend::Nftables }),
            "was never confirmed as it is",
        ),
        (
            Note::Firewall(FirewallNote::Displaced { by: DisplacingRules::Before }),
            "the rules of before are there already",
        ),
        (
            Note::Limits(LimitsNote::Stranger {
                program: "xinetd".to_owned(),
                foreign: ForeignProcess::User { uid: 1000 },
            }),
            "a process called `xinetd` is not the daemon",
        ),
        (
            Note::Common(CommonNote::Remark { text: "pop3 stays restricted".to_owned() }),
            "pop3 stays restricted",
        ),
    ];
    for (note, _) in &notes {
        // A new kind belongs into the list.
        match note {
            Note::Limits(LimitsNote::NotRunning { .. })
            | Note::Limits(LimitsNote::NotRestarted { .. })
            | Note::Limits(LimitsNote::Problem { .. })
            | Note::Limits(LimitsNote::Unmanaged { .. })
            | Note::PanelAccess(PanelAccessNote::AccountsLeftAlone { .. })
            | Note::PanelAccess(PanelAccessNote::Missing(_))
            | Note::Common(CommonNote::Advice(_))
            | Note::Firewall(FirewallNote::Waits { .. })
            | Note::Firewall(FirewallNote::Unwatched { .. })
            | Note::Firewall(FirewallNote::ToConfirm { .. })
            | Note::Firewall(FirewallNote::NeverConfirmed { .. })
            | Note::Firewall(FirewallNote::Displaced { .. })
            | Note::Limits(LimitsNote::Stranger { .. })
            | Note::Common(CommonNote::Remark { .. }) => {}
        }
    }
    notes
}

/// A plan with nothing to do, and one with steps; without notes.
fn plans() -> [Plan; 2] {
    let of = |manifest: &str| {
        let copy = office_copy();
        let path = copy.path().join("plan.json");
        let planned = on("plan", copy.path(), manifest, &["-o", path.to_str().unwrap()]);
        assert!(matches!(planned.status.code(), Some(0 | 2)), "{planned:?}");
        let mut plan = saved::read(&std::fs::read(&path).unwrap()).unwrap();
        plan.notes.clear();
        plan
    };
    let plans = [of(""), of("[limits.pop3]\nper_ip = 9\n")];
    assert!(plans[0].is_empty() && !plans[1].is_empty());
    plans
}

fn on(command: &str, root: &Path, manifest: &str, more: &[&str]) -> Output {
    let path = root.join("m.toml");
    std::fs::write(&path, format!("version = 1\n{manifest}")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args([command, "--root"])
        .arg(root)
        .args(more)
        .arg(path)
        .output_in_time()
        .unwrap()
}

/// What went to either stream.
fn said(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr];
    both.map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

#[test]
fn every_note_is_told_once_by_plan_check_and_apply() {
    for mut plan in plans() {
        for (note, words) in each() {
            plan.notes = vec![note.clone()];
            let shown = text::plan(&plan, AccountDetail::Brief, Colour::Off);
            assert_eq!(shown.matches(words).count(), 1, "{note:?}: {shown}");
            let shown = text::check(&plan, AccountDetail::Brief, Colour::Off);
            assert_eq!(shown.matches(words).count(), 1, "{note:?}: {shown}");
            let (summary, notes) = shown.split_once('\n').unwrap();
            assert_eq!(summary, text::drift(&plan));
            for line in notes.lines() {
                assert!(line.starts_with("note: "), "{note:?}: {shown}");
            }
            // With steps the plan was shown before; its outcome is about the steps.
            let mut outcome = Outcome::without_run(OutcomeVerdict::AsDesired, Vec::new());
            outcome.notes.clone_from(&plan.notes);
            let shown = text::outcome(&outcome, AccountDetail::Brief, Colour::Off);
            assert_eq!(shown.matches(words).count(), 1, "{note:?}: {shown}");

            let json = serde_json::to_value(&note).unwrap();
            let document = saved::document(&plan).unwrap();
            assert_eq!(serde_json::to_value(document).unwrap()["notes"], Json::Array(vec![json.clone()]));
            let checked = json::CheckDocument {
                format: 1,
                summary: text::drift(&plan),
                exit: 0,
                left_alone: json::LeftAlone { keep: 0, lack: 0 },
                plan: &plan,
            };
            let checked = serde_json::to_value(checked).unwrap();
            assert_eq!(checked["plan"]["notes"][0], json);
            assert_eq!(serde_json::to_value(&outcome).unwrap()["notes"][0], json);
        }
        plan.notes = each().into_iter().map(|(note, _)| note).collect();
        let shown = text::plan(&plan, AccountDetail::Brief, Colour::Off);
        let checked = text::check(&plan, AccountDetail::Brief, Colour::Off);
        for (note, words) in each() {
            assert_eq!(shown.matches(words).count(), 1, "{note:?}: {shown}");
            assert_eq!(checked.matches(words).count(), 1, "{note:?}: {checked}");
        }
        let withheld = redact::plan(&plan);
        let shown = text::check(&withheld, AccountDetail::Counts, Colour::Off);
        assert!(shown.contains("note: 1 account is left alone"), "{shown}");
    }
}

#[test]
fn a_service_that_is_not_named_any_more_is_told_by_every_command() {
    const KEPT: &str = "pop3 is not named any more and stays restricted";
    let copy = office_copy();
    let root = copy.path();
    let both = "[access.allow]\nimap = [\"203.0.113.0/24\"]\npop3 = [\"203.0.113.0/24\"]\n";
    let one = "[access.allow]\nimap = [\"203.0.113.0/24\"]\n";
    let applied = on("apply", root, both, &["--yes"]);
    assert_eq!(applied.status.code(), Some(3), "{applied:?}");
    let mut confirm = Command::new(env!("CARGO_BIN_EXE_mailward"));
    confirm.args(["confirm", "--allow", "unproven-confirm", "--root"]);
    let confirmed = confirm.arg(root).output_in_time().unwrap();
    assert_eq!(confirmed.status.code(), Some(0), "{confirmed:?}");

    let more = format!("{one}[limits.pop3]\nper_ip = 9\n");
    for (manifest, pending) in [(one, 0), ("", 0), (more.as_str(), 2)] {
        for (command, arguments, code) in
            [("plan", vec![], pending), ("check", vec![], pending), ("apply", vec!["--yes"], 0)]
        {
            for format in ["json", "text"] {
                let again = office_copy_of(root);
                let mut arguments = arguments.clone();
                arguments.extend(["--format", format]);
                let output = on(command, again.path(), manifest, &arguments);
                assert_eq!(output.status.code(), Some(code), "{command}: {output:?}");
                let said = match format {
                    // Without what an apply shows of its plan.
                    "json" => String::from_utf8_lossy(&output.stdout).into_owned(),
                    _ => said(&output),
                };
                assert_eq!(said.matches(KEPT).count(), 1, "{command} {format}: {said}");
            }
        }
    }
    // It has no plan; who reaches the service, and why, is what it shows.
    let show = on("show", root, one, &[]);
    let show = said(&show);
    assert!(!show.contains("note:") && show.contains("MAILWARD"), "{show}");
}

/// Another copy of a host as it is now.
fn office_copy_of(root: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let mut cp = Command::new("cp");
    cp.arg("-a").arg(root.join(".")).arg(copy.path());
    assert!(cp.output_in_time().unwrap().status.success());
    copy
}

#[test]
fn advice_on_the_manifest_is_told_again_when_its_saved_plan_is_applied() {
    const ADVICE: &str = "which is less than twice";
    const GONE: &str = "this host has no domain gone.example";
    let copy = office_copy();
    let root = copy.path();
    let manifest = "[limits.pop3]\nper_ip = 30\ntotal = 40\n[panel_access]\nmissing = \"note\"\n\
        [panel_access.domains]\n\"gone.example\" = true\n";
    let path = root.join("plan.json");
    let path = path.to_str().unwrap();
    let planned = on("plan", root, manifest, &["-o", path]);
    assert_eq!(planned.status.code(), Some(2), "{planned:?}");
    for state in ["to do", "done"] {
        let mut apply = Command::new(env!("CARGO_BIN_EXE_mailward"));
        apply.args(["apply", "--yes", "--root"]).arg(root).arg(path);
        let applied = apply.output_in_time().unwrap();
        assert_eq!(applied.status.code(), Some(0), "{state}: {applied:?}");
        for words in [ADVICE, GONE] {
            let said = said(&applied);
            assert_eq!(said.matches(words).count(), 1, "{state}, {words}: {said}");
        }
    }
}
