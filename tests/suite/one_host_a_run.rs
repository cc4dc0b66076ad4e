//! One run is one host: layers of two hosts, files that are judged one by one, and a guard that comes before
//! all else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const POP3: &str = "[limits.pop3]\nper_ip = 20\ntotal = 80\n";

/// A folder with manifests, and a host beside it.
struct Desk {
    manifests: TempDir,
    host: TempDir,
}

impl Desk {
    fn new(manifests: &[(&str, &str)]) -> Self {
        let desk = Self { manifests: TempDir::new().unwrap(), host: office_copy() };
        for (name, text) in manifests {
            let text = format!("version = 1\n{text}");
            fs::write(desk.manifests.path().join(name), text).unwrap();
        }
        desk
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mailward"))
            .args(arguments)
            .current_dir(self.manifests.path())
            .stdin(Stdio::null())
            .output_in_time()
            .unwrap()
    }

    fn on_host(&self, command: &str, more: &[&str]) -> Output {
        let root = self.host.path().to_str().unwrap();
        self.run(&[&[command, "--root", root], more].concat())
    }

    /// Every file of the host, and every folder.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        gather(self.host.path(), &mut files);
        files
    }
}

fn gather(folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let name = path.to_str().unwrap().to_owned();
        if meta.is_dir() {
            gather(&path, files);
            files.insert(name, Vec::new());
        } else if meta.is_file() {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

fn said(output: &Output) -> String {
    let all = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(all).unwrap()
}

/// How often something is told as an error.
fn errors(output: &Output) -> usize {
    said(output).matches("error: ").count()
}

#[test]
fn layers_of_two_hosts_are_an_error_before_anything_else_whatever_their_order() {
    let mx1 = format!("[host]\nname = \"mx1\"\n{POP3}");
    let mx0 = "[host]\nname = \"mx0\"\n[limits.pop3]\nper_ip = 9\ntotal = 3\n";
    let desk = Desk::new(&[("mx0.toml", mx0), ("mx1.toml", &mx1)]);
    let before = desk.files();
    for (layers, words) in [
        (["mx0.toml", "mx1.toml"], "mx0.toml is for mx0, mx1.toml for mx1: one run is for one host"),
        (["mx1.toml", "mx0.toml"], "mx1.toml is for mx1, mx0.toml for mx0: one run is for one host"),
    ] {
        for command in ["plan", "check", "show", "apply"] {
            let mut arguments = layers.to_vec();
            if command == "apply" {
                arguments.push("--yes");
            }
            let output = desk.on_host(command, &arguments);
            assert_eq!(output.status.code(), Some(4), "{command}: {output:?}");
            assert!(said(&output).contains(words), "{}", said(&output));
            assert_eq!(errors(&output), 1, "{}", said(&output));
        }
    }
    assert!(desk.files() == before, "something was changed");
}

#[test]
fn a_wider_guard_over_a_narrow_one_lets_no_other_host_in() {
    let desk = Desk::new(&[
        ("mx9.toml", &format!("[host]\nname = \"mx9\"\n{POP3}")),
        ("fleet.toml", "[host]\nname = [\"mx1\", \"mx9\"]\n"),
    ]);
    let before = desk.files();
    let output = desk.on_host("apply", &["--yes", "mx9.toml", "fleet.toml"]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(said(&output).contains("this manifest is for another host"));
    assert!(desk.files() == before, "something was changed");
}

#[test]
fn each_file_is_validated_by_itself_and_the_worst_decides() {
    let desk = Desk::new(&[
        ("a.toml", "[limits.pop3]\nper_ip = 20\ntotal = 8\n"),
        ("b.toml", POP3),
        ("c.toml", "[host]\nname = \"mx1\"\n[limits.imap]\nper_ip = 2\n"),
        ("d.toml", "[host]\nname = \"mx2\"\n[limits.imap]\nper_ip = 2\n"),
    ]);
    let output = desk.run(&["validate", "a.toml", "b.toml", "missing.toml", "c.toml", "d.toml"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let text = said(&output);
    assert!(text.contains("a.toml:4:9"), "{text}");
    assert!(text.contains("cannot read missing.toml"), "{text}");
    assert_eq!(errors(&output), 2, "{text}");
    assert!(text.contains("2 of 5 manifests are not valid."), "{text}");
    assert!(text.contains("--layered"), "{text}");

    let output = desk.run(&["validate", "b.toml", "c.toml", "d.toml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(said(&output), "All 3 manifests are valid.\n");
    let output = desk.run(&["validate", "b.toml"]);
    assert_eq!(said(&output), "The manifest is valid.\n");
    let output = desk.run(&["validate", "-", "-"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

#[test]
fn files_are_validated_as_layers_where_that_is_said() {
    let desk = Desk::new(&[
        ("base.toml", "[networks]\noffice = [\"203.0.113.0/24\"]\n[limits.pop3]\ntotal = 80\n"),
        ("mx1.toml", "[host]\nname = \"mx1\"\n[access.allow]\npop3 = [\"office\"]\n"),
        ("mx2.toml", "[host]\nname = \"mx2\"\n[limits.pop3]\nper_ip = 90\n"),
    ]);
    let output = desk.run(&["validate", "base.toml", "mx1.toml"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(said(&output).contains("1 of 2 manifests are not valid."));
    let output = desk.run(&["validate", "--layered", "base.toml", "mx1.toml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(said(&output), "The manifest is valid.\n");
    let output = desk.run(&["validate", "--layered", "base.toml", "mx2.toml"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(said(&output).contains("The manifest is not valid.\n"));
    let output = desk.run(&["validate", "--layered", "base.toml", "mx1.toml", "mx2.toml"]);
    assert!(said(&output).contains("mx1.toml is for mx1, mx2.toml for mx2"));
}

#[test]
fn the_hook_of_pre_commit_judges_each_file_that_it_is_given_by_itself() {
    let hooks = fs::read_to_string(".pre-commit-hooks.yaml").unwrap();
    let value = |key: &str| {
        let mut values =
            hooks.lines().filter_map(|line| line.trim_start_matches(['-', ' ']).strip_prefix(key));
        values.next().unwrap_or_else(|| panic!("no {key} in {hooks}")).trim().to_owned()
    };
    let entry = value("entry:");
    let words: Vec<&str> = entry.split_whitespace().collect();
    let (program, arguments) = words.split_first().unwrap();
    assert_eq!(*program, "mailward");
    assert_eq!(value("types:"), "[toml]");
    let desk = Desk::new(&[("a.toml", "[limits.pop3]\nper_ip = 20\ntotal = 8\n"), ("b.toml", POP3)]);
    // pre-commit puts the names of the files behind the entry.
    let output = desk.run(&[arguments, &["a.toml", "b.toml"]].concat());
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let output = desk.run(&[arguments, &["b.toml"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// The one thing that is said of a wrong host.
fn refused_as_wrong(output: &Output) {
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(said(output).contains("this manifest is for another host"), "{output:?}");
    assert_eq!(errors(output), 1, "{}", said(output));
}

#[test]
fn on_a_wrong_host_the_guard_is_all_that_is_judged() {
    let manifest = format!("[host]\nname = \"mx9\"\n{POP3}[xinetd.services.none]\nper_source = 4\n");
    let desk = Desk::new(&[("mx9.toml", &manifest)]);
    // What the plan needs cannot be read, nor what kind of host it is.
    let file = desk.host.path().join("etc/courier-imap/pop3d");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    for command in ["plan", "check", "show", "apply"] {
        refused_as_wrong(&desk.on_host(command, &["mx9.toml"]));
    }
    let psa = desk.host.path().join("etc/psa/psa.conf");
    fs::remove_file(&psa).unwrap();
    fs::create_dir(&psa).unwrap();
    for command in ["plan", "check", "show", "apply"] {
        refused_as_wrong(&desk.on_host(command, &["mx9.toml"]));
    }
}

#[test]
fn on_a_wrong_host_nothing_is_locked_and_nothing_that_a_killed_run_left_is_settled() {
    let desk = Desk::new(&[
        ("mx9.toml", &format!("[host]\nname = \"mx9\"\n{POP3}")),
        ("mx1.toml", &format!("[host]\nname = \"mx1\"\n{POP3}")),
    ]);
    let before = desk.files();
    refused_as_wrong(&desk.on_host("apply", &["--yes", "mx9.toml"]));
    assert!(desk.files() == before, "something was changed");

    // A plan of this host, and one that says that it is another's.
    let saved = desk.on_host("plan", &["-o", "p.json", "mx1.toml"]);
    assert_eq!(saved.status.code(), Some(2), "{saved:?}");
    let state = desk.host.path().join("var/lib/mailward");
    fs::create_dir_all(&state).unwrap();
    let killed = "{\"format\":1,\"owed\":[],\"run\":{\"id\":\"20260101T000000Z-1\",\"started\":1767225600,\
        \"fingerprint\":\"mw1-0123456789ab\",\"steps\":[],\"written\":[]}}";
    fs::write(state.join("journal.json"), killed).unwrap();
    fs::write(desk.host.path().join("proc/sys/kernel/hostname"), "mx2\n").unwrap();
    let before = desk.files();
    refused_as_wrong(&desk.on_host("apply", &["--yes", "mx9.toml"]));
    assert!(desk.files() == before, "something was changed");

    // Without a guard the plan itself says for which host it was made.
    let unguarded = desk.on_host("plan", &["-o", "q.json", "mx1.toml"]);
    refused_as_wrong(&unguarded);
    fs::write(desk.host.path().join("proc/sys/kernel/hostname"), "mx1\n").unwrap();
    fs::write(desk.manifests.path().join("any.toml"), format!("version = 1\n{POP3}")).unwrap();
    let saved = desk.on_host("plan", &["-o", "q.json", "any.toml"]);
    assert_eq!(saved.status.code(), Some(2), "{saved:?}");
    fs::write(desk.host.path().join("proc/sys/kernel/hostname"), "mx2\n").unwrap();
    let output = desk.on_host("apply", &["--yes", "q.json"]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(said(&output).contains("this plan was made for mx1"), "{output:?}");
    let journal = fs::read_to_string(state.join("journal.json")).unwrap();
    assert_eq!(journal, killed, "the run of another host was settled");
}
