//! The example's host planned and applied by the built program: what the README shows, and the promises that
//! need no real daemon.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const MANIFEST: &str = "examples/office/mailward.toml";

fn mailward(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailward")).args(arguments).output_in_time().unwrap()
}

fn on(command: &str, root: &Path, more: &[&str]) -> Output {
    let root = root.to_str().unwrap();
    let mut arguments = vec![command, "--root", root];
    arguments.extend(more);
    mailward(&arguments)
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_readme_shows_the_plan_of_the_example() {
    let output = on("plan", Path::new("examples/office/host"), &[MANIFEST]);
    assert_eq!(output.status.code(), Some(2));
    let readme = std::fs::read_to_string("README.md").unwrap();
    let shown = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let printed = text(&output);
    let mut rest = printed.as_str();
    // What the README leaves out stands there as an ellipsis.
    for part in shown.split("…\n") {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is not in {rest}"));
        rest = &rest[at + part.len()..];
    }
    assert_eq!(rest, "", "the README ends before the plan does");
}

#[test]
fn after_an_apply_the_plan_is_empty_and_a_second_apply_changes_nothing() {
    let copy = office_copy();
    let first = on("apply", copy.path(), &["--yes", MANIFEST]);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let plan = on("plan", copy.path(), &[MANIFEST]);
    assert_eq!(plan.status.code(), Some(0), "{}", text(&plan));
    let processes = |root: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(root.join("proc")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = processes(copy.path());
    let history = |root: &Path| std::fs::read_dir(root.join("var/lib/mailward/history")).unwrap().count();
    let entries = history(copy.path());
    let second = on("apply", copy.path(), &["--yes", MANIFEST]);
    assert_eq!(second.status.code(), Some(0));
    assert_eq!(processes(copy.path()), before, "something was restarted");
    assert_eq!(history(copy.path()), entries, "something was written");
}

#[test]
fn deferred_restarts_stay_owed_and_the_next_apply_runs_them() {
    let copy = office_copy();
    let first = on("apply", copy.path(), &["--yes", "--defer-restarts", MANIFEST]);
    assert_eq!(first.status.code(), Some(3), "{first:?}");
    let check = on("check", copy.path(), &[MANIFEST]);
    assert_eq!(check.status.code(), Some(3), "{}", text(&check));
    let next = on("apply", copy.path(), &["--yes", MANIFEST]);
    assert_eq!(next.status.code(), Some(0), "{next:?}");
    assert!(!copy.path().join("var/lib/mailward/journal.json").exists());
    assert_eq!(on("check", copy.path(), &[MANIFEST]).status.code(), Some(0));
}

#[test]
fn a_daemon_stopped_by_somebody_after_its_restart_was_put_off_is_not_started() {
    let copy = office_copy();
    let first = on("apply", copy.path(), &["--yes", "--defer-restarts", MANIFEST]);
    assert_eq!(first.status.code(), Some(3), "{first:?}");
    let stopped = Command::new(copy.path().join("etc/init.d/courier-pop3d"))
        .arg("stop")
        .env("MAILWARD_ROOT", copy.path())
        .current_dir(copy.path())
        .status_in_time();
    assert!(stopped.unwrap().success());
    let next = on("apply", copy.path(), &["--yes", MANIFEST]);
    assert_eq!(next.status.code(), Some(0), "{next:?}");
    let show = on("show", copy.path(), &["--format", "json"]);
    let show: serde_json::Value = serde_json::from_slice(&show.stdout).unwrap();
    let entries = show["limits"].as_array().unwrap();
    let pop3 = entries.iter().find(|entry| entry["service"] == "pop3").unwrap();
    assert_eq!(pop3["running"], serde_json::Value::Null);
    assert!(!copy.path().join("var/lib/mailward/journal.json").exists());
}

#[test]
fn the_example_is_a_host_on_which_nothing_else_is_pending() {
    let output = on("plan", Path::new("examples/office/host"), &[MANIFEST]);
    assert!(!text(&output).contains("also makes live"), "{}", text(&output));
}

#[test]
fn a_daemon_that_does_not_come_up_is_rolled_back() {
    let copy = office_copy();
    let file = copy.path().join("etc/courier-imap/pop3d");
    let before = std::fs::read(&file).unwrap();
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(&file, mode).unwrap();
    // The stand-in's start says 0 and nothing runs, as the real one does with a bad value.
    std::fs::write(copy.path().join("var/lib/stand-in/courier-pop3d.start"), "lie\n").unwrap();
    let output = on("apply", copy.path(), &["--yes", "--action-timeout", "1", MANIFEST]);
    // The daemon cannot be brought back either, since its start still lies: that is no roll-back.
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    std::fs::remove_file(copy.path().join("var/lib/stand-in/courier-pop3d.start")).unwrap();
    let next = on("apply", copy.path(), &["--yes", MANIFEST]);
    assert_eq!(next.status.code(), Some(0), "{next:?}");
}

#[test]
fn a_saved_plan_is_applied_or_stale() {
    let copy = office_copy();
    let plan = copy.path().join("plan.json");
    let plan = plan.to_str().unwrap();
    assert_eq!(on("plan", copy.path(), &["-o", plan, MANIFEST]).status.code(), Some(2));
    let defaults = copy.path().join("etc/xinetd.conf");
    let bytes = std::fs::read_to_string(&defaults).unwrap();
    // A comment is no difference.
    std::fs::write(&defaults, format!("# a comment\n{bytes}")).unwrap();
    let declared = |code| {
        let output = on("apply", copy.path(), &["--yes", plan]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    };
    std::fs::write(&defaults, bytes.replace("= 10\n", "= 11\n")).unwrap();
    declared(6);
    std::fs::write(&defaults, &bytes).unwrap();
    declared(0);
}

#[test]
fn another_fingerprint_than_expected_is_refused() {
    let copy = office_copy();
    let output = on("apply", copy.path(), &["--yes", "--expect", "mw1-000000000000", MANIFEST]);
    assert_eq!(output.status.code(), Some(6));
    assert!(!copy.path().join("var/lib/mailward/history").exists());
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_changed() {
    let copy = office_copy();
    let output = on("apply", copy.path(), &[MANIFEST]);
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn the_order_of_sections_changes_neither_steps_nor_fingerprint() {
    let copy = office_copy();
    let one = copy.path().join("one.toml");
    let two = copy.path().join("two.toml");
    std::fs::write(
        &one,
        "version = 1\n[limits.pop3]\nper_ip = 9\n[limits.smtp]\nper_ip = 8\n[limits.imap]\nper_ip = 7\n",
    )
    .unwrap();
    std::fs::write(
        &two,
        "version = 1\n[limits.imap]\nper_ip = 7\n[limits.smtp]\nper_ip = 8\n[limits.pop3]\nper_ip = 9\n",
    )
    .unwrap();
    let plan = |path: &Path| {
        let output = on("plan", copy.path(), &["--format", "json", path.to_str().unwrap()]);
        let mut plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        forget_origins(&mut plan);
        plan
    };
    let (one, two) = (plan(&one), plan(&two));
    assert_eq!(one["fingerprint"], two["fingerprint"]);
    assert_eq!(one["steps"], two["steps"]);
}

fn forget_origins(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            map.remove("origin");
            map.values_mut().for_each(forget_origins);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(forget_origins),
        _ => {}
    }
}

#[test]
fn a_fingerprint_that_was_reviewed_is_accepted_and_so_is_nothing_to_do() {
    let copy = office_copy();
    let plan = on("plan", copy.path(), &["--format", "json", MANIFEST]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    let fingerprint = plan["fingerprint"].as_str().unwrap();
    for _ in 0..2 {
        let output = on("apply", copy.path(), &["--yes", "--expect", fingerprint, MANIFEST]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[test]
fn a_history_entry_holds_the_values_before_and_backups_the_bytes() {
    let copy = office_copy();
    let file = copy.path().join("etc/courier-imap/pop3d");
    let before = std::fs::read(&file).unwrap();
    let output = on("apply", copy.path(), &["--yes", MANIFEST]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let state = copy.path().join("var/lib/mailward");
    let only = |folder: &Path| {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries.pop().unwrap()
    };
    let entry = std::fs::read(only(&state.join("history"))).unwrap();
    let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
    assert_eq!(entry["result"], "applied");
    let steps = entry["steps"].as_array().unwrap();
    let edit = steps.iter().find(|step| step["step"]["path"] == "/etc/courier-imap/pop3d").unwrap();
    let effect = &edit["step"]["effects"][0];
    assert_eq!((&effect["from"], &effect["to"]), (&4.into(), &20.into()), "{edit}");
    assert_eq!(std::fs::read(only(&state.join("backups")).join("1-pop3d")).unwrap(), before);
}
