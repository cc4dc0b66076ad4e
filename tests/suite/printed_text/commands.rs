//! The program itself on a copy of the example's host: files with a stranger's names and contents, commands
//! and clients with a stranger's replies, another side that says what it likes, and arguments that were file
//! names.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value as Json;

use super::{HOSTILE, judge};
use crate::saved_plan::MANIFEST;
use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const BINARY: &str = env!("CARGO_BIN_EXE_mailward");

/// A name that is no text as well.
fn no_text() -> OsString {
    OsString::from_vec([HOSTILE.as_bytes(), b"\xff\xc3"].concat())
}

fn clean(what: &str, output: &Output) -> [String; 2] {
    let code = output.status.code();
    assert!(code.is_some_and(|code| code <= 11), "{what}: {output:?}");
    [&output.stdout, &output.stderr].map(|stream| judge(what, stream))
}

/// Runs every command that looks at a host or changes it, in every form.
fn every_command(what: &str, root: &Path, manifest: &Path) -> String {
    let mut all = String::new();
    for command in ["plan", "check", "show", "validate", "apply", "revert", "confirm"] {
        let forms: &[&[&str]] = match command {
            "plan" | "apply" => &[&["--color=always"], &["--format=json"]],
            "check" | "show" => &[&["--color=always"], &["--redact-accounts"]],
            _ => &[&["--color=always"]],
        };
        for more in forms {
            let mut run = Command::new(BINARY);
            run.arg(command).args(*more);
            if command != "validate" {
                run.arg("--root").arg(root).args(["--action-timeout", "1"]);
            }
            if command == "apply" {
                run.arg("--yes");
            }
            if !matches!(command, "revert" | "confirm") {
                run.arg(manifest);
            }
            let output = run.output_in_time().unwrap();
            let [out, err] = clean(&format!("{what}: {command} {more:?}"), &output);
            if more[0] == "--format=json" && !out.is_empty() {
                let read: Result<Json, _> = serde_json::from_str(&out);
                assert!(read.is_ok(), "{what}: {command}: {out}");
            }
            all.push_str(&out);
            all.push_str(&err);
        }
    }
    all
}

/// Changes the host, and runs everything there.
fn with(what: &str, change: impl Fn(&Path)) -> String {
    let copy = office_copy();
    let root = copy.path();
    change(root);
    let manifest = root.join("m.toml");
    fs::write(&manifest, MANIFEST).unwrap();
    every_command(what, root, &manifest)
}

fn script(path: &Path, stdout: &[u8], stderr: &[u8], code: u8) {
    let said = path.with_extension("said");
    fs::write(&said, [stdout, b"\n"].concat()).unwrap();
    let wrong = path.with_extension("wrong");
    fs::write(&wrong, [stderr, b"\n"].concat()).unwrap();
    let text = "#!/bin/sh\nme=$0\ncase $me in /*) ;; *) me=$(command -v \"$me\") ;; esac\n\
        cat \"${me%.*}.said\"; cat \"${me%.*}.wrong\" >&2; exit CODE\n";
    fs::write(path, text.replace("CODE", &code.to_string())).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_file_in_an_included_folder_forges_no_line_of_a_plan() {
    let copy = office_copy();
    let root = copy.path();
    let name = format!("smtp_psa{HOSTILE}");
    let folder = root.join("etc/xinetd.d");
    fs::rename(folder.join("smtp_psa"), folder.join(&name)).unwrap();
    let manifest = root.join("m.toml");
    fs::write(&manifest, "version = 1\n[limits.smtp]\nper_ip = 40\n").unwrap();
    let plan = |more: &[&str]| {
        let mut run = Command::new(BINARY);
        run.args(["plan", "--root"]).arg(root).args(more).arg(&manifest);
        run.output_in_time().unwrap()
    };
    let output = plan(&["--color=always"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let [text, _] = clean("plan", &output);
    let count = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("fingerprint "), count("Plan: ")), (1, 1), "{text}");
    assert!(text.contains(r"edit /etc/xinetd.d/smtp_psax\u{1b}[2J"), "{text}");
    // JSON has the name itself.
    let json: Json = serde_json::from_slice(&plan(&["--format=json"]).stdout).unwrap();
    let paths: Vec<&str> =
        (json["steps"].as_array().unwrap().iter()).filter_map(|step| step["path"].as_str()).collect();
    assert!(paths.contains(&format!("/etc/xinetd.d/{name}").as_str()), "{json}");
}

#[test]
fn hostile_names_of_files_reach_no_terminal() {
    for file in ["xinetd.d/smtp_psa", "xinetd.d/ftp_psa", "courier-imap/pop3d"] {
        let said = with(file, |root| {
            let old = root.join("etc").join(file);
            let mut name = old.file_name().unwrap().to_owned();
            name.push(HOSTILE);
            fs::copy(&old, old.with_file_name(&name)).unwrap();
            // One that xinetd skips, and one that is no text.
            name.push(".rpmsave");
            fs::copy(&old, old.with_file_name(&name)).unwrap();
            fs::copy(&old, old.with_file_name(no_text())).unwrap();
        });
        if file.starts_with("xinetd.d") {
            assert!(said.contains(r"\u{1b}[2J"), "{said}");
            assert!(said.contains(r"\xff\xc3"), "{said}");
        }
    }
}

#[test]
fn hostile_contents_of_files_reach_no_terminal() {
    let hostile = |end: &[u8]| [HOSTILE.replace(['\n', '\r'], "").as_bytes(), end].concat();
    for (file, line) in [
        ("etc/xinetd.d/smtp_psa", b"}\nservice ".as_slice()),
        ("etc/xinetd.d/ftp_psa", b"}\n"),
        ("etc/xinetd.conf", b"\nincludedir /etc/"),
        ("etc/courier-imap/pop3d", b"\nMAXPERIP=$(echo "),
        ("etc/courier-imap/imapd", b"\nif "),
        ("etc/courier-imap/imapd", b"\nexport NEW="),
        ("etc/redhat-release", b""),
        ("etc/psa/psa.conf", b"PRODUCT_ROOT_D "),
        ("usr/local/psa/version", b""),
        ("etc/ssh/sshd_config", b"\nPort "),
        ("var/lib/mailward/journal.json", b"{\"format\": 1, \"owed\": \""),
        ("var/lib/mailward/xinetd.json", b"["),
        ("var/lib/mailward/panel-command.json", b"{\""),
        ("var/lib/mailward/access/window.json", b"{"),
        ("var/lib/stand-in/iptables", b"-A INPUT -m comment --comment \""),
        ("var/lib/stand-in/ip6tables", b"*"),
        ("proc/sys/kernel/hostname", b""),
        ("etc/hostname", b""),
    ] {
        with(file, |root| {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let was = fs::read(&path).unwrap_or_default();
            let ends: &[u8] = b" \xff\xc3\n{\n\tper_source\t= 5\n\t\x1b[2J = \xe2\x80\xae\n}\n";
            fs::write(&path, [&was, line, &hostile(ends)].concat()).unwrap();
        });
    }
}

#[test]
fn hostile_replies_of_commands_reach_no_terminal() {
    let hostile = no_text();
    let hostile = hostile.as_bytes();
    for program in [
        "etc/rc.d/init.d/courier-pop3d",
        "etc/rc.d/init.d/courier-imapd",
        "usr/bin/mysql",
        "usr/local/psa/bin/mailserver",
        "usr/local/psa/bin/mail",
        "sbin/iptables-save",
        "sbin/iptables-restore",
        "sbin/ip6tables-save",
    ] {
        for (stdout, stderr, code) in [(hostile, hostile, 1), (hostile, b"".as_slice(), 0)] {
            with(program, |root| {
                let path = root.join(program);
                if path.exists() {
                    fs::remove_file(&path).unwrap();
                }
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                script(&path, stdout, stderr, code);
            });
        }
    }
}

#[test]
fn another_side_that_says_what_it_likes_reaches_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("m.toml");
    fs::write(&manifest, "version = 1\n[limits.pop3]\nper_ip = 20\n").unwrap();
    let hostile = no_text();
    for (stdout, stderr) in [
        (hostile.as_bytes(), b"".as_slice()),
        (b"", hostile.as_bytes()),
        (hostile.as_bytes(), hostile.as_bytes()),
    ] {
        let ssh = folder.path().join("ssh");
        script(&ssh, stdout, stderr, 255);
        for command in ["plan", "apply", "check", "show", "revert"] {
            let mut run = Command::new(BINARY);
            run.env("MAILWARD_SSH", &ssh).arg(command).args(["--color=always", "--host"]).arg(HOSTILE);
            if command != "revert" {
                run.arg(&manifest);
            }
            let output = run.output_in_time().unwrap();
            assert_eq!(output.status.code(), Some(11), "{output:?}");
            clean(command, &output);
        }
    }
}

#[test]
fn arguments_that_were_names_of_files_reach_no_terminal() {
    let no_text = no_text();
    let hostile = OsStr::new(HOSTILE);
    let option = |name: &str| {
        let mut option = OsString::from(name);
        option.push(&no_text);
        option
    };
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join(&no_text);
    fs::write(&bad, "version = 2\nnothing = 1\n").unwrap();
    for arguments in [
        vec![hostile.to_owned()],
        vec![no_text.clone()],
        vec!["plan".into(), no_text.clone()],
        vec!["plan".into(), bad.clone().into()],
        vec!["validate".into(), bad.clone().into(), no_text.clone()],
        vec!["plan".into(), "-o".into(), "/dev/null/x".into(), bad.clone().into()],
        vec!["plan".into(), option("--"), bad.clone().into()],
        vec!["plan".into(), option("--format="), bad.clone().into()],
        vec!["apply".into(), option("--allow="), bad.clone().into()],
        vec!["apply".into(), option("--expect="), bad.clone().into()],
        vec!["apply".into(), option("--outcome=/dev/null/"), bad.clone().into()],
        vec!["plan".into(), option("--root="), bad.clone().into()],
        vec!["man".into(), no_text.clone()],
        vec!["man".into(), hostile.to_owned()],
        vec!["schema".into(), hostile.to_owned()],
        vec!["plan".into(), "--ssh-timeout".into(), hostile.to_owned(), bad.into()],
    ] {
        let output = Command::new(BINARY).args(&arguments).output_in_time().unwrap();
        let [_, err] = clean(&format!("{arguments:?}"), &output);
        assert!(matches!(output.status.code(), Some(4 | 11)), "{output:?}");
        assert!(!err.is_empty());
    }
}
