//! Whatever keeps a command that was started from being watched, it goes on in no case while something is
//! claimed.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{State, arguments, copy, run};
use crate::support::in_time::CommandInTime as _;
use crate::support::strace::{Fault, Point, inject};

/// By what a command is watched, and how often a run does it, or more.
const WATCHED_BY: [(&str, u32); 4] = [("wait4", 32), ("waitid", 1), ("pidfd_open", 3), ("ftruncate", 1)];

/// Services take their time, so that a command is under way when its watching fails.
fn slowly(root: &std::path::Path) {
    for script in ["courier-pop3d", "courier-pop3s"] {
        let path = root.join("etc/init.d").join(script);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\nexec sh", "\nsleep 0.4\nexec sh")).unwrap();
    }
}

/// One run of which one call fails; what is wrong with it, whether it was rolled back, and whether it went on
/// to its end.
fn judge(point: &Point) -> (Vec<String>, bool, bool) {
    let copy = copy();
    slowly(copy.path());
    let old = State::of(copy.path());
    let arguments = arguments(copy.path(), "apply");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = inject(&arguments, point, &Fault::Error("EMFILE"));
    let claimed = State::of(copy.path());
    std::thread::sleep(Duration::from_millis(1200));
    let later = State::of(copy.path());
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut wrong = Vec::new();
    if claimed != later {
        wrong.push(format!("{point:?}: something went on\n{told}\n{claimed:#?}\n{later:#?}"));
    }
    let back = told.contains("rolled back");
    if back && later != old {
        wrong.push(format!("{point:?}: it is not as before\n{told}"));
    }
    let next = run(copy.path(), "apply");
    if next.status.code() != Some(0) {
        wrong.push(format!("{point:?}: the next run: {next:?}"));
    }
    (wrong, back, output.status.code() == Some(0))
}

#[test]
fn a_command_that_cannot_be_watched_has_ended_when_anything_is_claimed() {
    let points: Vec<Point> = (WATCHED_BY.iter())
        .flat_map(|(syscall, most)| {
            (1..=*most).map(|nth| Point { syscall: (*syscall).to_owned(), nth, arguments: String::new() })
        })
        .collect();
    let next = AtomicUsize::new(0);
    let all = Mutex::new((Vec::new(), 0, 0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (what, back, done) = judge(point);
                    let mut all = all.lock().unwrap();
                    all.0.extend(what);
                    all.1 += usize::from(back);
                    all.2 += usize::from(!done);
                }
            });
        }
    });
    let (wrong, rolled_back, failed) = all.into_inner().unwrap();
    crate::support::covered(&format!(
        "{failed} of {} runs failed, {rolled_back} were rolled back",
        points.len()
    ));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_run_whose_starter_ignores_the_end_of_children_waits_for_its_commands_all_the_same() {
    let copy = copy();
    let arguments = arguments(copy.path(), "apply");
    let output = Command::new("env").arg("--ignore-signal=CHLD").args(&arguments).output_in_time().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(run(copy.path(), "check").status.code(), Some(0));
}
