//! Saved plans that somebody has changed: what is refused, and that nothing comes of it.

mod desired;
mod mutants;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use self::mutants::forge;
use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

/// Everything that the example's host has: Courier, xinetd, accounts, source networks, the guard and the
/// safety rules.
pub const MANIFEST: &str = r#"version = 1
[host]
name = ["mx1.example.jp", "mx2.example.jp"]
[limits.pop3]
per_ip = 20
total = 80
[limits.smtp]
per_ip = 40
total = "unlimited"
[xinetd.defaults]
per_source = 20
cps = { rate = 60, pause = "20s" }
[xinetd.services.poppassd]
instances = 9
[networks]
office = ["203.0.113.0/24", "2001:db8:51::/48"]
vpn = ["198.51.100.7"]
[access]
enforce = "iptables"
[access.allow]
submission = ["office", "vpn"]
pop3 = ["office", "192.0.2.0/25"]
imap = "nobody"
[panel_access]
default = false
missing = "note"
[panel_access.domains]
"example.net" = false
"gone.example" = true
[panel_access.accounts]
"tanaka@example.net" = true
[safety]
max_account_changes = "100%"
confirm_within = "60s"
must_reach = ["203.0.113.9", "2001:db8:51::9"]
"#;

/// A host that a plan was saved for.
pub struct Desk {
    pub copy: TempDir,
    folder: TempDir,
}

impl Desk {
    pub fn new(manifest: &str) -> Self {
        let desk = Self { copy: office_copy(), folder: tempfile::tempdir().unwrap() };
        std::fs::write(desk.folder.path().join("m.toml"), manifest).unwrap();
        let saved = desk.mailward("plan", &["-o", "plan.json", "m.toml"]);
        assert_eq!(saved.status.code(), Some(2), "{saved:?}");
        desk
    }

    pub fn mailward(&self, command: &str, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mailward"))
            .current_dir(self.folder.path())
            .args([command, "--root"])
            .arg(self.copy.path())
            .args(more)
            .output_in_time()
            .unwrap()
    }

    /// The plan as it was saved.
    pub fn saved(&self) -> Json {
        let bytes = std::fs::read(self.folder.path().join("plan.json")).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Applies a plan, whatever stands in it.
    pub fn apply(&self, plan: &Json, more: &[&str]) -> Output {
        let bytes = serde_json::to_vec_pretty(plan).unwrap();
        self.apply_bytes(&bytes, more)
    }

    pub fn apply_bytes(&self, bytes: &[u8], more: &[&str]) -> Output {
        std::fs::write(self.folder.path().join("other.json"), bytes).unwrap();
        let mut arguments = vec!["--yes", "other.json"];
        arguments.extend(more);
        self.mailward("apply", &arguments)
    }

    /// Every file of the host with its bytes; the lock and its folder, which every run takes, left out.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        gather(self.copy.path(), self.copy.path(), &mut files);
        files.retain(|path, _| !path.starts_with("var/lib/mailward/lock"));
        files
    }
}

fn gather(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            gather(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            files.insert(name, std::fs::read(&path).unwrap_or_default());
        }
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The pointer to the step that changes who may reach services.
fn sources(plan: &Json) -> String {
    let steps = plan["steps"].as_array().unwrap();
    let at = steps.iter().position(|step| step["step"] == "sources");
    format!("/steps/{}", at.unwrap())
}

fn set(plan: &mut Json, pointer: &str, value: Json) {
    *plan.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
}

#[test]
fn what_guards_a_plan_cannot_be_taken_out_of_its_file() {
    let desk = Desk::new(MANIFEST);
    let plan = desk.saved();
    let before = desk.files();
    let step = sources(&plan);
    let waits = format!("{step}/confirm_within");
    let never = json!(u32::MAX);
    let changes: Vec<(&str, Vec<(&str, Json)>)> = vec![
        (
            "the timed revert",
            vec![("/desired/safety/confirm_within/value", never.clone()), (waits.as_str(), never)],
        ),
        ("the host", vec![("/desired/host", json!([]))]),
        ("must_reach", vec![("/desired/safety/must_reach", json!([]))]),
        ("the number of accounts", vec![("/desired/safety/max_account_changes", Json::Null)]),
        ("a limit", vec![("/desired/limits/smtp/per_ip/value", json!(0))]),
        ("a note", vec![("/notes", json!([]))]),
        ("an input", vec![("/inputs/0/digest", json!("0"))]),
        ("the line that is shown", vec![("/steps/0/lines/0/after", json!("x"))]),
    ];
    for (what, edits) in changes {
        let mut changed = plan.clone();
        for (pointer, value) in edits {
            set(&mut changed, pointer, value);
        }
        let applied = desk.apply(&changed, &[]);
        assert_eq!(applied.status.code(), Some(6), "{what}: {applied:?}");
        assert!(said(&applied).contains("changed after it was saved"), "{what}: {applied:?}");
        assert!(desk.files() == before, "{what}: something was changed");
    }
    let applied = desk.apply(&plan, &[]);
    assert_eq!(applied.status.code(), Some(3), "{applied:?}");
    let reverted = desk.mailward("revert", &[]);
    assert_eq!(reverted.status.code(), Some(0), "{reverted:?}");
}

/// With the digest and the fingerprint made anew, as who may write the file can.
#[test]
fn a_forged_plan_cannot_disarm_the_timer_nor_do_what_was_not_reviewed() {
    let desk = Desk::new(MANIFEST);
    let plan = desk.saved();
    let before = desk.files();
    let fingerprint = plan["fingerprint"].as_str().unwrap();
    let reviewed = ["--expect", fingerprint];
    let waits = format!("{}/confirm_within", sources(&plan));
    let both = |seconds: u32| {
        let within = "/desired/safety/confirm_within/value";
        vec![(within, json!(seconds)), (waits.as_str(), json!(seconds))]
    };
    let networks = "/desired/access/allow/submission/value/allowed";
    for (edits, more, code, words) in [
        (both(u32::MAX), &[][..], 4, "between 10s and 1h"),
        (both(0), &[], 4, "between 10s and 1h"),
        (both(3600), &reviewed[..], 6, "the plan's fingerprint is mw1-"),
        (vec![("/desired/limits/smtp/per_ip/value", json!(0))], &[], 4, "`limits.smtp.per_ip` cannot be 0"),
        (
            vec![("/desired/limits/smtp/per_ip/value", json!(41))],
            &[],
            6,
            "something else now than the plan says",
        ),
        (
            vec![(networks, json!({ "only": ["203.0.113.0/24"] }))],
            &[],
            6,
            "something else now than the plan says",
        ),
        (vec![("/host/name", json!("mx2"))], &[], 6, "this plan was made for mx2"),
        (vec![("/host/machine_id", json!("0"))], &[], 6, "the machine's id or name differs"),
        (
            vec![("/desired/host", json!([plan["desired"]["host"][1]]))],
            &[],
            7,
            "this manifest is for another host",
        ),
        (vec![("/format", json!(1))], &[], 6, "plan again"),
    ] {
        let mut changed = plan.clone();
        for (pointer, value) in edits {
            set(&mut changed, pointer, value);
        }
        forge(&mut changed);
        let applied = desk.apply(&changed, more);
        assert_eq!(applied.status.code(), Some(code), "{words}: {applied:?}");
        assert!(said(&applied).contains(words), "{words}: {applied:?}");
        assert!(desk.files() == before, "{words}: something was changed");
    }
    let redacted = desk.mailward("plan", &["--format", "json", "--redact-accounts", "m.toml"]);
    let applied = desk.apply_bytes(&redacted.stdout, &[]);
    assert_eq!(applied.status.code(), Some(4), "{applied:?}");
    assert!(said(&applied).contains("are withheld"), "{applied:?}");
    assert!(desk.files() == before, "something was changed");
}

/// What a run leaves of the host, its own records left out.
fn left(desk: &Desk) -> BTreeMap<String, Vec<u8>> {
    let mut files = desk.files();
    files.retain(|path, _| {
        let kept = ["etc/", "var/lib/stand-in/iptables", "var/lib/stand-in/ip6tables"];
        kept.iter().any(|kept| path.starts_with(kept)) || path.starts_with("var/lib/stand-in/psa")
    });
    files
}

#[test]
fn what_a_plan_only_shows_decides_nothing() {
    let (desk, other) = (Desk::new(MANIFEST), Desk::new(MANIFEST));
    let plan = desk.saved();
    let mut changed = plan.clone();
    let digest = json!("0".repeat(64));
    for field in ["notes", "inputs"] {
        changed[field] = json!([]);
    }
    for step in changed["steps"].as_array_mut().unwrap() {
        for field in ["causes", "effects"] {
            if step["step"] == "sources" || (field == "causes" && step.get(field).is_some()) {
                step[field] = json!([]);
            }
        }
        if step["step"] == "edit" {
            step["before"] = digest.clone();
            for line in step["lines"].as_array_mut().unwrap() {
                line["line"] = json!(1);
            }
        }
    }
    assert_ne!(changed, plan);
    forge(&mut changed);
    let untouched = left(&desk);
    for (desk, plan) in [(&desk, &plan), (&other, &changed)] {
        let applied = desk.apply(plan, &[]);
        assert_eq!(applied.status.code(), Some(3), "{applied:?}");
    }
    let (one, two) = (left(&desk), left(&other));
    assert!(one == two && one != untouched);
    for desk in [&desk, &other] {
        let reverted = desk.mailward("revert", &[]);
        assert_eq!(reverted.status.code(), Some(0), "{reverted:?}");
    }
}
