//! What the cases share: the one way to say that something was not run, private hosts with real daemons, ways
//! to them by ssh, copies of the host in `examples/office`, a panel with its database, system calls made to
//! fail, programs of the build wherever it lies, and waits that end. Must hold no test.
#![allow(dead_code, reason = "a helper may be waiting for its first case")]

use std::io::Write;

pub mod firewall;
pub mod host;
pub mod in_time;
mod office;
pub mod own;
pub mod panel;
pub mod run;
pub mod ssh;
pub mod strace;

pub use self::office::office_copy;

/// Says that `what` could not run here and what it `needs`.
///
/// The line is printed, and appended to the file that `MAILWARD_NOT_RUN` names: a run on a machine that has
/// everything leaves that file empty. A tool that is merely not installed is a failure, never a case for
/// this.
pub fn not_run(what: &str, needs: &str) {
    let line = format!("not run here: {what} ({needs})\n");
    print!("{line}");
    if let Some(path) = std::env::var_os("MAILWARD_NOT_RUN") {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .expect("the file named by MAILWARD_NOT_RUN can be opened");
        file.write_all(line.as_bytes()).expect("the file named by MAILWARD_NOT_RUN can be written");
    }
}

/// Returns the name of the test that is running, as the test harness prints it.
pub fn test_name() -> String {
    std::thread::current().name().unwrap_or("a test").to_owned()
}

/// Tells how much a case covered, on standard error itself, so that it is seen although the case passes.
pub fn covered(what: &str) {
    let line = format!("covered: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error can be written");
}
