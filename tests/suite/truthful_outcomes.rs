//! What a run says of itself where only its own papers fail: done is done, and a change that is live is never
//! hidden.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::in_time::{ChildInTime as _, CommandInTime as _};
use crate::support::office_copy;

const MANIFEST: &str = "examples/office/mailward.toml";
const ACCESS: &str = "examples/office/access.toml";

fn command(verb: &str, root: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
    command.args([verb, "--root"]).arg(root).args(more);
    command
}

/// Runs it with a standard output that takes nothing.
fn into_full(verb: &str, root: &Path, more: &[&str]) -> Output {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = command(verb, root, more);
    command.stdout(full).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    child.output_within(Duration::from_secs(60)).unwrap()
}

fn said(output: &Output) -> String {
    let all = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(all).unwrap()
}

#[test]
fn a_full_standard_output_hides_no_change_that_is_live() {
    for format in ["text", "json"] {
        let copy = office_copy();
        let format = format!("--format={format}");
        let output = into_full("apply", copy.path(), &["--yes", &format, ACCESS]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let said = said(&output);
        for words in [
            "goes back by itself unless it is confirmed",
            "mailward revert",
            "the output could not be written",
        ] {
            assert!(said.contains(words), "{words:?}: {said}");
        }
        let output = into_full("revert", copy.path(), &[&format]);
        assert_eq!(output.status.code(), Some(10), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Taken back."));
    }
}

#[test]
fn an_outcome_that_cannot_be_written_hides_no_change_that_is_live() {
    let copy = office_copy();
    let output = into_full("apply", copy.path(), &["--yes", "--outcome=/dev/stdout", ACCESS]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(said(&output).contains("cannot write /dev/stdout"), "{output:?}");
    let output = command("revert", copy.path(), &[]).output_in_time().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn what_was_refused_or_put_off_keeps_its_exit_code_on_a_full_standard_output() {
    let copy = office_copy();
    let output = into_full("apply", copy.path(), &["--yes", "--defer-restarts", MANIFEST]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(said(&output).contains("still owed"), "{output:?}");
    let output = into_full("apply", copy.path(), &["--yes", "--expect=mw1-0123456789ab", MANIFEST]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    // What only prints has failed where nothing is printed.
    let output = into_full("check", copy.path(), &[MANIFEST]);
    assert_eq!(output.status.code(), Some(10), "{output:?}");
}

#[test]
fn a_run_whose_history_entry_cannot_be_written_is_done_and_not_recorded() {
    let copy = office_copy();
    let state = copy.path().join("var/lib/mailward");
    fs::create_dir_all(&state).unwrap();
    // No entry can be made in what is no folder.
    fs::write(state.join("history"), "").unwrap();
    let output = command("apply", copy.path(), &["--yes", MANIFEST]).output_in_time().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = said(&output);
    assert!(text.contains("Applied and verified."), "{text}");
    assert!(text.contains("what became of this run is not written down"), "{text}");
    assert!(!text.contains("owed"), "{text}");
    assert!(!state.join("journal.json").exists());

    fs::remove_file(state.join("history")).unwrap();
    let next = command("apply", copy.path(), &["--yes", MANIFEST]).output_in_time().unwrap();
    assert_eq!(next.status.code(), Some(0), "{next:?}");
    assert!(!state.join("history").exists(), "the next run invents an end");
}

#[test]
fn a_failed_run_whose_history_entry_cannot_be_written_is_rolled_back_and_not_recorded() {
    let copy = office_copy();
    let state = copy.path().join("var/lib/mailward");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("history"), "").unwrap();
    let script = copy.path().join("etc/init.d/courier-pop3d");
    let text = fs::read_to_string(&script).unwrap();
    // The new values are not taken, the old ones are.
    let lies = "grep -q '^MAXPERIP=20' \"$MAILWARD_ROOT/etc/courier-imap/pop3d\" && exit 0\nexec sh";
    fs::write(&script, text.replace("exec sh", lies)).unwrap();
    let output =
        command("apply", copy.path(), &["--yes", "--action-timeout=5", MANIFEST]).output_in_time().unwrap();
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert!(said(&output).contains("is not written down"), "{output:?}");
    assert!(!state.join("journal.json").exists());
}
