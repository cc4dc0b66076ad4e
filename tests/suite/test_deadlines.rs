//! The waits that end: without them a child that hangs would keep the whole run.

use std::io::{ErrorKind, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::in_time::{ChildInTime as _, InTime, PATIENCE};

/// A time that is soon over.
const SHORT: Duration = Duration::from_millis(300);

fn sh(script: &str) -> Child {
    Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a failure says; fails unless it comes soon.
fn failure<T>(wait: impl FnOnce() -> T) -> String {
    let begin = Instant::now();
    let failed = catch_unwind(AssertUnwindSafe(wait)).err().unwrap();
    assert!(begin.elapsed() < PATIENCE / 2);
    *failed.downcast::<String>().unwrap()
}

fn is_gone(pid: u32) -> bool {
    !std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_child_that_hangs_is_killed_and_fails_by_its_name_and_what_it_said() {
    let child = sh("echo heard; echo seen >&2; exec sleep 1000");
    let pid = child.id();
    let said = failure(|| child.output_within(SHORT));
    for word in ["did not end", "heard", "seen"] {
        assert!(said.contains(word), "{said}");
    }
    assert!(is_gone(pid));
    let mut child = sh("exec sleep 1000");
    let said = failure(|| child.wait_within(SHORT));
    assert!(said.contains("did not end"), "{said}");
    assert!(is_gone(child.id()));
}

#[test]
fn a_child_that_leaves_its_output_open_to_others_fails() {
    let said = failure(|| sh("sleep 5 & echo heard").output_within(SHORT));
    assert!(said.contains("left its output open"), "{said}");
    assert!(said.contains("heard"), "{said}");
}

#[test]
fn a_child_that_ends_is_told_as_without_a_limit() {
    // More than a pipe holds, on both; it reads its input to the end.
    let script = "cat; head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 7";
    let output = sh(script).output_within(PATIENCE).unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 300_000));
    assert_eq!(sh("exit 3").wait_within(PATIENCE).unwrap().code(), Some(3));
}

#[test]
fn at_the_end_of_a_test_a_child_that_hangs_is_killed_without_a_failure() {
    let mut child = sh("exec sleep 1000");
    child.end_within(SHORT);
    assert!(is_gone(child.id()));
}

#[test]
fn a_pipe_out_of_which_nothing_comes_is_an_error() {
    let (silent, _writer) = std::io::pipe().unwrap();
    let error = InTime::new(silent, SHORT).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let mut child = sh("echo heard");
    let mut pipe = InTime::new(child.stdout.take().unwrap(), PATIENCE);
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    assert_eq!(text, "heard\n");
    child.wait_within(PATIENCE).unwrap();
}
