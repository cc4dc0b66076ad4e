//! The time that a run may take: before the journal no wait goes beyond it, later no step begins; the undo
//! has time of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const COURIER: &str = "version = 1\n[limits.pop3]\nper_ip = 20\n[limits.imap]\nper_ip = 20\n";
const XINETD: &str = "version = 1\n[limits.smtp]\nper_ip = 21\n";

fn apply(root: &Path, manifest: &str, options: &[&str]) -> (Output, Duration) {
    let file = root.join("m.toml");
    fs::write(&file, manifest).unwrap();
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args(["apply", "--yes"])
        .args(options)
        .arg("--root")
        .arg(root)
        .arg(&file)
        .output_in_time()
        .unwrap();
    (output, began.elapsed())
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn journal(root: &Path) -> bool {
    root.join("var/lib/mailward/journal.json").exists()
}

/// xinetd is asked for its dump before anything is changed, and is waited for a minute.
#[test]
fn before_the_journal_no_wait_for_a_daemon_goes_beyond_the_deadline() {
    let copy = office_copy();
    let root = copy.path();
    let file = root.join("etc/xinetd.d/smtp_psa");
    let before = fs::read(&file).unwrap();
    let script = root.join("usr/lib/stand-in/xinetd.sh");
    let text = fs::read_to_string(&script).unwrap();
    fs::write(&script, format!("[ \"$1\" = USR1 ] && exit 0\n{text}")).unwrap();
    let (output, took) = apply(root, XINETD, &["--deadline", "3"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(11), "{text}");
    assert!(text.contains("the run has taken the 3 s that it may"), "{text}");
    assert!(took < Duration::from_secs(20), "{took:?}: {text}");
    assert_eq!(fs::read(&file).unwrap(), before, "{text}");
    assert!(!journal(root), "{text}");
}

/// The undo begins when the run's time is up; what hangs in it ends by its own limit, and the rest of it is
/// done.
#[test]
fn what_hangs_in_an_undo_ends_by_its_own_limit_and_the_rest_is_undone() {
    let copy = office_copy();
    let root = copy.path();
    let files = ["imapd", "pop3d"].map(|name| root.join("etc/courier-imap").join(name));
    let before = files.clone().map(|file| fs::read(file).unwrap());
    let service = |name: &str, script: &str| {
        let path = root.join("etc/rc.d/init.d").join(name);
        let text = fs::read_to_string(&path).unwrap();
        let new = text.replacen("exec sh", &format!("{script}\nexec sh"), 1);
        assert_ne!(new, text);
        fs::write(&path, new).unwrap();
    };
    // The first stop and start take the run's time, whichever comes third hangs.
    service(
        "courier-imapd",
        "times=$MAILWARD_ROOT/times; echo >>\"$times\"; [ \"$(wc -l <\"$times\")\" -le 2 ] || exec sleep 1000; sleep 2",
    );
    let options = ["--deadline", "3", "--action-timeout", "5"];
    let (output, took) = apply(root, COURIER, &options);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(9), "{text}");
    assert!(text.contains("no further step begins"), "{text}");
    assert!(took < Duration::from_secs(100), "{took:?}: {text}");
    assert_eq!(files.map(|file| fs::read(file).unwrap()), before, "{text}");
    assert!(journal(root), "the restart is owed: {text}");
}
