//! What xinetd would drop, or end over, at a reload: a plan refuses it by file, line and attribute, and
//! `show` says it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const SMTP: &str = "etc/xinetd.d/smtp_psa";
const CONF: &str = "etc/xinetd.conf";
/// A change that has nothing to do with the service that would be lost.
const UNRELATED: &str = "version = 1\n[limits.submission]\nper_ip = 20\n";

fn mailward(command: &str, root: &Path, manifest: Option<&str>, more: &[&str]) -> Output {
    let mut run = Command::new(env!("CARGO_BIN_EXE_mailward"));
    run.args([command, "--root", root.to_str().unwrap()]).args(more);
    if let Some(manifest) = manifest {
        let path = root.join("manifest.toml");
        fs::write(&path, manifest).unwrap();
        run.arg(path);
    }
    run.output_in_time().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn plan(root: &Path) -> (Option<i32>, String) {
    let output = mailward("plan", root, Some(UNRELATED), &[]);
    (output.status.code(), said(&output))
}

fn refused(root: &Path, words: &[&str]) {
    let (code, said) = plan(root);
    assert_eq!(code, Some(7), "{words:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

/// Gives the service of a file one more line, which is the last before its `}`, and none of the same
/// attribute before.
fn with_line(root: &Path, path: &str, line: &str) {
    let path = root.join(path);
    let name = line.split_whitespace().next().unwrap();
    let mut lines: Vec<String> = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .filter(|other| other.split_whitespace().next() != Some(name))
        .map(str::to_owned)
        .collect();
    let end = lines.iter().rposition(|line| line.trim() == "}").unwrap();
    lines.insert(end, format!("\t{line}"));
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn shown(root: &Path) -> Vec<Value> {
    let output = mailward("show", root, None, &["--format", "json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    shown["limits"].as_array().unwrap_or_else(|| panic!("{shown}")).clone()
}

/// What `show` says of the limit of connections from one address of a service: its value, and all its
/// problems.
fn per_source(root: &Path, service: &str) -> (Value, String) {
    let entries = shown(root);
    let entry = entries
        .iter()
        .find(|entry| entry["service"] == service && entry["key"] == "per_source")
        .unwrap_or_else(|| panic!("{entries:?}"));
    (entry["value"].clone(), entry["problems"].to_string())
}

#[test]
fn a_value_that_drops_a_served_service_is_refused_by_file_line_and_attribute() {
    for line in [
        "max_load = 0",
        "max_load = much",
        "access_times = 9-17",
        "access_times = 17:00-9:00",
        "user = nosuch",
        "group = nosuch",
        "bind = 1.2.3.4.5",
        "bind = 1:2",
        "redirect = 127.0.0.1 nosuch",
        "redirect = 127.0.0.1 0",
        "rlimit_as = much",
        "rlimit_stack = many",
        "log_type = FILE /var/log/smtp 2000 1000",
        "rpc_version = 4-2",
        "protocol = nosuch",
        "umask = 9",
        "server = /nosuch/server",
        "server = /etc/passwd",
        "only_from = 10.{1,}",
        "flags = BOGUS",
        "nice = x",
    ] {
        let copy = office_copy();
        with_line(copy.path(), SMTP, line);
        let attribute = line.split(' ').next().unwrap();
        refused(copy.path(), &["would end the service smtp", "/etc/xinetd.d/smtp_psa:", attribute]);
        let (value, problems) = per_source(copy.path(), "smtp");
        assert_eq!(value, Value::Null, "{line}");
        assert!(problems.contains("xinetd drops the service"), "{line}: {problems}");
    }
}

#[test]
fn a_line_that_drops_a_served_service_for_what_the_host_has_is_refused() {
    for (line, why) in [
        ("port = 26", "/etc/services has port 25"),
        ("protocol = udp", "no sockets of this socket_type"),
        ("log_type = FILE /no/such/folder/log", "cannot open the log file"),
        ("type = INTERNAL", "no built-in server"),
        ("socket_type = dgram", "xinetd does not offer this service"),
        ("log_on_success = TRAFFIC", "TRAFFIC"),
    ] {
        let copy = office_copy();
        with_line(copy.path(), SMTP, line);
        refused(copy.path(), &["would end the service smtp", "/etc/xinetd.d/smtp_psa:", why]);
    }
}

#[test]
fn a_value_in_defaults_that_ends_xinetd_is_refused_and_shown() {
    for line in [
        "max_load = 0",
        "bind = 1.2.3.4.5",
        "umask = 9",
        "groups = maybe",
        "v6only = maybe",
        "no_access = 10.{1,}",
        "log_on_failure = NONSENSE",
    ] {
        let copy = office_copy();
        with_line(copy.path(), CONF, line);
        // The last `}` of the file ends `defaults`.
        refused(copy.path(), &["xinetd would exit", "/etc/xinetd.conf:"]);
        for service in ["defaults", "smtp"] {
            let (value, problems) = per_source(copy.path(), service);
            assert_eq!(value, Value::Null, "{line}: {service}");
            assert!(problems.contains("in defaults and exits"), "{line}: {problems}");
        }
    }
}

#[test]
fn an_include_of_itself_is_refused_and_shown() {
    let copy = office_copy();
    let conf = copy.path().join(CONF);
    let text = fs::read_to_string(&conf).unwrap() + "include /etc/xinetd.conf\n";
    fs::write(&conf, text).unwrap();
    refused(copy.path(), &["cannot be foreseen", "/etc/xinetd.conf:", "includes itself"]);
    let (value, problems) = per_source(copy.path(), "smtp");
    assert_eq!(value, Value::Null);
    assert!(problems.contains("includes itself"), "{problems}");
}

#[test]
fn files_that_xinetd_reads_and_mailward_does_not_are_refused_and_shown() {
    for include in ["include xinetd.more\n", "includedir /etc/../etc/xinetd.more\n"] {
        let copy = office_copy();
        let conf = copy.path().join(CONF);
        let text = fs::read_to_string(&conf).unwrap() + include;
        fs::write(&conf, text).unwrap();
        refused(copy.path(), &["mailward does not", "/etc/xinetd.conf:"]);
        let (_, problems) = per_source(copy.path(), "defaults");
        assert!(problems.contains("xinetd reads this file and mailward does not"), "{problems}");
    }
    let copy = office_copy();
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"b\xfcro");
    fs::write(copy.path().join("etc/xinetd.d").join(name), "service x\n{\n}\n").unwrap();
    refused(copy.path(), &["mailward does not", "/etc/xinetd.conf:"]);
    let (_, problems) = per_source(copy.path(), "defaults");
    assert!(
        problems.contains(r"xinetd reads the file b\u0000fcro in this folder")
            || problems.contains("xinetd reads the file b\u{0}fcro in this folder"),
        "{problems}"
    );
}

#[test]
fn a_second_defaults_block_in_one_file_is_shown() {
    let copy = office_copy();
    let conf = copy.path().join(CONF);
    let text = fs::read_to_string(&conf).unwrap() + "defaults\n{\n\tper_source = 99\n}\n";
    fs::write(&conf, text).unwrap();
    let (value, problems) = per_source(copy.path(), "defaults");
    assert_eq!(value, 10);
    assert!(problems.contains("one defaults block a file"), "{problems}");
}

#[test]
fn one_port_twice_by_name_and_number_is_shown() {
    let copy = office_copy();
    let smtp = fs::read_to_string(copy.path().join(SMTP)).unwrap();
    let other =
        smtp.replace("service smtp", "service mail25").replace("{\n", "{\n\ttype = UNLISTED\n\tport = 25\n");
    fs::write(copy.path().join("etc/xinetd.d/zz"), other).unwrap();
    let (value, problems) = per_source(copy.path(), "mail25");
    assert_eq!(value, Value::Null);
    assert!(problems.contains("an earlier one has the same port"), "{problems}");
}

#[test]
fn what_cannot_be_told_stops_a_reload_and_is_shown() {
    let copy = office_copy();
    with_line(copy.path(), SMTP, "redirect = localhost 25");
    refused(
        copy.path(),
        &["cannot be shown that the service smtp survives", "/etc/xinetd.d/smtp_psa:", "redirect"],
    );
    let (_, problems) = per_source(copy.path(), "smtp");
    assert!(problems.contains("cannot be told"), "{problems}");
}

#[test]
fn a_service_on_another_address_is_seen_by_the_plan() {
    let copy = office_copy();
    with_line(copy.path(), SMTP, "bind = 127.0.0.1");
    refused(copy.path(), &["would restart the service smtp", "another address", "/etc/xinetd.d/smtp_psa:"]);
}

#[test]
fn a_folder_that_cannot_be_read_is_said_and_not_as_desired() {
    let copy = office_copy();
    // Not root: what root may not read is no file of this machine.
    for path in [copy.path().to_path_buf(), copy.path().join("etc/xinetd.d")] {
        assert!(path.exists());
    }
    let change = |mode: &str, path: &Path| {
        let status = Command::new("chmod").arg(mode).arg(path).status_in_time();
        assert!(status.unwrap().success());
    };
    change("0755", copy.path());
    let nobody = |command: &str, more: &[&str]| {
        let mut run = Command::new("setpriv");
        run.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        run.arg(env!("CARGO_BIN_EXE_mailward"));
        run.args([command, "--root", copy.path().to_str().unwrap()]).args(more);
        said(&run.output_in_time().unwrap())
    };
    if !rustix::process::geteuid().is_root() {
        crate::support::not_run("what another user may not read", "root");
        return;
    }
    let manifest = copy.path().join("manifest.toml");
    fs::write(&manifest, "version = 1\n[limits.imap]\nper_ip = 4\n[limits.submission]\nper_ip = 10\n")
        .unwrap();
    change("0644", &manifest);
    change("0700", &copy.path().join("etc/xinetd.d"));
    change("0600", &copy.path().join("etc/courier-imap/imapd"));
    let manifest = manifest.to_str().unwrap();
    let shown = nobody("show", &[]);
    assert!(shown.contains("cannot read /etc/xinetd.d"), "{shown}");
    assert!(!shown.contains("set nowhere"), "{shown}");
    for command in ["plan", "check"] {
        let told = nobody(command, &[manifest]);
        assert!(told.contains("cannot read /etc/xinetd.d"), "{command}: {told}");
        assert!(told.contains("cannot read /etc/courier-imap/imapd"), "{command}: {told}");
        assert!(!told.contains("as desired"), "{command}: {told}");
        assert!(!told.contains("set nowhere"), "{command}: {told}");
    }
}

#[test]
fn a_bad_limit_that_the_later_file_overrides_is_not_fatal() {
    let copy = office_copy();
    let path = copy.path().join("etc/courier-imap/imapd-ssl");
    let text = fs::read_to_string(&path).unwrap() + "\nMAXDAEMONS=0\nMAXPERIP=abc\n";
    fs::write(&path, text).unwrap();
    let output = mailward(
        "plan",
        copy.path(),
        Some("version = 1\n[limits.imap]\nper_ip = 20\n[limits.imaps]\nper_ip = 20\ntotal = 80\n"),
        &[],
    );
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let entries = shown(copy.path());
    let value = |service: &str| {
        let mut entries = entries.iter();
        let entry = entries.find(|entry| entry["service"] == service && entry["key"] == "MAXDAEMONS");
        entry.unwrap()["value"].clone()
    };
    assert_eq!(value("imap"), 40);
    assert_eq!(value("imaps"), Value::Null, "its own file comes last");
}
