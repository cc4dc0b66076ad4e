//! Proves that strace's injection means what the sweeps take it to mean: calls count by their own name, in
//! the program itself only, and a fault comes before the call has run.

use std::os::unix::process::ExitStatusExt;

use crate::support::strace::{Fault, Point, count, inject};

/// Writes two lines to `$1` by two calls of the shell itself, and one to `$1.child` by a child.
const SCRIPT: &str =
    r#"printf 'one\n' >"$1"; /bin/sh -c 'echo child >"$0"' "$1.child"; printf 'two\n' >>"$1""#;

fn script(file: &str) -> [&str; 5] {
    ["/bin/dash", "-c", SCRIPT, "sh", file]
}

fn named<'a>(points: &'a [Point], syscall: &str) -> Vec<&'a Point> {
    points.iter().filter(|point| point.syscall == syscall).collect()
}

#[test]
fn mutating_calls_of_the_program_itself_are_points_and_those_of_its_children_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let points = count(&script(file.to_str().unwrap()));
    assert_eq!(named(&points, "write").len(), 2, "{points:#?}");
    assert_eq!(named(&points, "openat").len(), 2, "{points:#?}");
    assert!(
        named(&points, "openat").iter().all(|point| point.nth > 1),
        "libraries opened to be read come first and count: {points:#?}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\ntwo\n");
}

#[test]
fn a_kill_comes_before_the_call_has_run_and_after_all_calls_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("count");
    let points = count(&script(before.to_str().unwrap()));
    let mut seen = Vec::new();
    for (number, point) in points.iter().enumerate() {
        let file = folder.path().join(number.to_string());
        let output = inject(&script(file.to_str().unwrap()), point, &Fault::Kill);
        assert_eq!(output.status.signal(), Some(9), "{point:?}: {output:?}");
        let text = std::fs::read_to_string(&file).ok();
        let child = folder.path().join(format!("{number}.child")).exists();
        seen.push((point.syscall.as_str(), text, child));
    }
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen,
        [
            ("openat", None, false),
            ("write", text(""), false),
            ("openat", text("one\n"), true),
            ("write", text("one\n"), true),
        ]
    );
}

#[test]
fn an_error_is_returned_to_the_program_which_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let file = file.to_str().unwrap();
    let points = count(&script(file));
    let point = named(&points, "write")[0];
    let output = inject(&script(file), point, &Fault::Error("ENOSPC"));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "two\n");

    let made = folder.path().join("made");
    let mkdir = ["/bin/mkdir", made.to_str().unwrap()];
    let points = count(&mkdir);
    assert_eq!(points.len(), 1, "{points:#?}");
    std::fs::remove_dir(&made).unwrap();
    let output = inject(&mkdir, &points[0], &Fault::Error("EDQUOT"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("Disk quota exceeded"), "{output:?}");
    assert!(!made.exists());
}
