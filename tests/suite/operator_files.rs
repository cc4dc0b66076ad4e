//! The operator's own files: what somebody else has put in their place, and what a file holds that is no
//! manifest.

use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const MANIFEST: &str = "examples/office/mailward.toml";

fn mailward(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailward")).args(arguments).output_in_time().unwrap()
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

#[test]
fn no_plan_and_no_outcome_is_written_into_a_pipe_that_somebody_put_there() {
    let copy = office_copy();
    let root = copy.path().to_str().unwrap();
    for (name, arguments) in
        [("plan.json", vec!["plan", "-o"]), ("outcome.json", vec!["apply", "--yes", "--outcome"])]
    {
        for reader in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            fifo(&path);
            // A stranger who waits for what comes, or nobody, for whom a writer would wait for ever.
            let stranger = reader.then(|| {
                let mut options = OpenOptions::new();
                options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
                options.open(&path).unwrap()
            });
            let mut all = arguments.clone();
            all.extend([path.to_str().unwrap(), "--root", root, MANIFEST]);
            let output = mailward(&all);
            assert_eq!(output.status.code(), Some(4), "{output:?}");
            assert!(said(&output).contains("a pipe, a socket or a device"), "{output:?}");
            if let Some(mut stranger) = stranger {
                let mut read = Vec::new();
                let _ = stranger.read_to_end(&mut read);
                assert!(read.is_empty(), "{}", String::from_utf8_lossy(&read));
            }
        }
    }
    assert!(!copy.path().join("var/lib/mailward/history").exists());
}

#[test]
fn what_stands_behind_a_link_is_not_written_into() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, file) = (folder.path().join("pipe"), folder.path().join("file"));
    fifo(&pipe);
    fs::write(&file, "somebody's").unwrap();
    let link = folder.path().join("plan.json");
    let plan = |link: &Path| {
        mailward(&["plan", "-o", link.to_str().unwrap(), "--root", "examples/office/host", MANIFEST])
    };
    symlink(&pipe, &link).unwrap();
    assert_eq!(plan(&link).status.code(), Some(4));
    fs::remove_file(&link).unwrap();
    symlink(&file, &link).unwrap();
    assert_eq!(plan(&link).status.code(), Some(2));
    assert_eq!(fs::read_to_string(&file).unwrap(), "somebody's");
    let made = fs::symlink_metadata(&link).unwrap();
    assert!(made.is_file() && made.mode() & 0o777 == 0o600, "{made:?}");
}

#[test]
fn a_plan_goes_to_the_programs_own_streams_and_to_dev_null() {
    for place in ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "/dev/null"] {
        let output = mailward(&["plan", "-o", place, "--root", "examples/office/host", MANIFEST]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    let script = format!(
        "{} plan -o >(cat >\"$0\") --root examples/office/host <(cat {MANIFEST}) >/dev/null; wait; sleep 1; cat \"$0\"",
        env!("CARGO_BIN_EXE_mailward")
    );
    let folder = tempfile::tempdir().unwrap();
    let output =
        Command::new("bash").args(["-c", &script]).arg(folder.path().join("plan")).output_in_time().unwrap();
    assert!(output.stdout.starts_with(b"{\n  \"format\""), "{output:?}");
}

#[test]
fn a_manifest_that_is_a_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.toml");
    fifo(&path);
    for command in ["validate", "plan", "apply"] {
        let mut arguments = vec![command];
        if command != "validate" {
            arguments.extend(["--root", "examples/office/host"]);
        }
        arguments.push(path.to_str().unwrap());
        let output = mailward(&arguments);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(said(&output).contains("a pipe, a socket or a device"), "{output:?}");
    }
}

#[test]
fn nothing_is_shown_of_a_file_that_is_no_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shadow");
    let name = path.to_str().unwrap();
    for text in [
        "root:$6$SECRET$SECRET:19000:0:99999:7:::\nSECRET\n",
        "[client]\npassword = SECRET\n",
        "SECRET = 1\n",
        "\n\n-----BEGIN SECRET KEY-----\nSECRET\n",
        "{\"auths\": {\"SECRET\": \"SECRET\"}}",
        "{\"format\": \"SECRET\"}",
        "{\"format\": 2, \"digest\": \"SECRET\", \"SECRET\": \"SECRET\"}",
        "{SECRET",
        "\u{feff}SECRET\n",
    ] {
        fs::write(&path, text).unwrap();
        for arguments in [
            vec!["validate", name],
            vec!["plan", "--root", "examples/office/host", name],
            vec!["check", "--root", "examples/office/host", name],
            vec!["show", "--root", "examples/office/host", name],
            vec!["apply", "--yes", "--root", "examples/office/host", name],
            vec!["apply", "--yes", "--format", "json", "--root", "examples/office/host", name],
        ] {
            let output = mailward(&arguments);
            assert!(matches!(output.status.code(), Some(4 | 6)), "{text:?}: {output:?}");
            assert!(!said(&output).contains("SECRET"), "{text:?}: {output:?}");
        }
    }
}

#[test]
fn a_plan_of_more_than_a_machine_should_read_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    for text in [
        format!("{{\"format\": 1, \"steps\": [{}0]}}", "0,".repeat(15_000_000)),
        format!("{{\"format\": 1, \"steps\": \"{}\"}}", "x".repeat(60_000_000)),
    ] {
        fs::write(&path, text).unwrap();
        let script = format!(
            "ulimit -v 600000; exec {} apply --yes --root examples/office/host \"$0\"",
            env!("CARGO_BIN_EXE_mailward")
        );
        let output = Command::new("sh").args(["-c", &script]).arg(&path).output_in_time().unwrap();
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let said = said(&output);
        assert!(said.contains("larger than") || said.contains("more values than"), "{said}");
    }
}
