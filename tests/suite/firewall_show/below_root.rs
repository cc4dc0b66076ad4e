//! Packet filters of a tree below `--root`: stand-in commands, what is run and what is not, and what cannot
//! be read.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use mailward::engine::observe::{ObserveScope, Observed};
use mailward::engine::recall::HostSurvey;
use mailward::host::local::LocalHost;
use mailward::host::{HostError, ReadHost, ReadReply, ReadRequest};
use mailward::manifest::{ManifestLayer, check};
use serde_json::Value;

use super::{assert_decided, deciders, entries};
use crate::support::office_copy;

fn program(root: &Path, path: &str, script: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn shown_below(root: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args(["show", "--format", "json", "--root"])
        .arg(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    shown["access"].clone()
}

/// Answers like nft, and leaves a trace.
const STAND_IN: &str = r#"#!/bin/sh
echo "$@" >>"$MAILWARD_ROOT/asked"
echo '{"nftables": [{"table": {"family": "ip", "name": "t"}},
 {"chain": {"family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}]}'
"#;

#[test]
fn below_a_root_a_command_is_run_where_the_tree_shows_a_packet_filter_and_only_that_of_the_tree() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    program(root, "usr/sbin/nft", STAND_IN);
    program(root, "sbin/iptables-save", "#!/bin/sh\necho \"$0\" >>\"$MAILWARD_ROOT/asked\"\n");
    let access = shown_below(root);
    assert!(!root.join("asked").exists(), "no kernel is shown");
    assert!(deciders(&access, 110).is_empty());

    fs::create_dir_all(root.join("proc/net/netfilter")).unwrap();
    fs::write(root.join("proc/modules"), "").unwrap();
    fs::create_dir_all(root.join("proc/sys/kernel")).unwrap();
    fs::write(root.join("proc/sys/kernel/osrelease"), "6.1.0\n").unwrap();
    let builtin = root.join("lib/modules/6.1.0/modules.builtin");
    fs::create_dir_all(builtin.parent().unwrap()).unwrap();
    fs::write(&builtin, "kernel/fs/ext4/ext4.ko\n").unwrap();
    let asked = || fs::read_to_string(root.join("asked")).unwrap_or_default();
    assert!(deciders(&shown_below(root), 110).is_empty());
    assert!(!asked().contains("ruleset"), "it would have been loaded");
    fs::write(&builtin, "kernel/net/netfilter/nf_tables.ko\n").unwrap();
    let expected = [("nft table ip t, chain c, policy", "other")];
    assert_decided(&shown_below(root), 110, &expected);
    fs::remove_file(&builtin).unwrap();
    fs::write(&builtin, "").unwrap();
    fs::create_dir_all(root.join("sys/module/nf_tables")).unwrap();
    assert_decided(&shown_below(root), 110, &expected);
    assert_eq!(entries(&shown_below(root), 110)[0]["reached_by"], "nobody");
    assert!(asked().contains("-j list ruleset"));
}

/// Counts the trips to a host, and those of its requests that run a command.
struct Counting<'a>(&'a LocalHost, Cell<(usize, usize)>);

impl ReadHost for Counting<'_> {
    fn read(&self, requests: &[ReadRequest]) -> Result<Vec<ReadReply>, HostError> {
        let (trips, commands) = self.1.get();
        let more = (requests.iter()).filter(|request| matches!(request, ReadRequest::Output(_)));
        self.1.set((trips + 1, commands + more.count()));
        self.0.read(requests)
    }
}

#[test]
fn packet_filters_are_read_with_the_rest_and_only_for_a_manifest_that_restricts_access() {
    let copy = office_copy();
    let root = copy.path();
    program(root, "usr/sbin/nft", STAND_IN);
    program(root, "sbin/iptables-save", "#!/bin/sh\nexit 0\n");
    fs::create_dir_all(root.join("proc/net/netfilter")).unwrap();
    fs::create_dir_all(root.join("sys/module/nf_tables")).unwrap();
    let host = LocalHost::tree(root.to_owned()).unwrap();
    let commands = |manifest: &str| {
        let layer = ManifestLayer { name: "manifest.toml".to_owned(), bytes: manifest.as_bytes().to_vec() };
        let desired = check(&[layer]).unwrap().desired;
        let counting = Counting(&host, Cell::default());
        let survey = HostSurvey::read(&counting).unwrap();
        assert_eq!(counting.1.get(), (1, 0), "facts run nothing");
        let observed = Observed::read(&counting, &survey, ObserveScope::Of(&desired)).unwrap();
        let (trips, commands) = counting.1.get();
        // Facts and state; and where xinetd may start sshd, what stands at the paths that its files name.
        let more = usize::from(observed.firewall.is_some());
        assert_eq!(trips, 2 + more);
        (commands, observed.firewall)
    };
    let limits = "version = 1\n[limits.pop3]\nper_ip = 9\n[safety]\nconfirm_within = \"60s\"\n";
    let before = commands(limits);
    assert!(before.1.is_none() && !root.join("asked").exists());
    let (asked, access) = commands(&format!("{limits}[access.allow]\npop3 = \"nobody\"\n"));
    // nft, iptables-save, ip6tables-save, and Plesk's firewall, which is not there, twice.
    assert_eq!(asked, before.0 + 5);
    let access = access.unwrap();
    assert!(access.plesk.is_none());
    assert_eq!(access.layers.unwrap().0.len(), 1);
}

#[test]
fn rules_that_cannot_be_had_are_unknown_and_never_open() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::create_dir_all(root.join("sys/module/nf_tables")).unwrap();
    fs::create_dir_all(root.join("proc/net/netfilter")).unwrap();
    let unknown = |what: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_mailward"))
            .args(["show", "--format", "json", "--root"])
            .arg(root)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(11), "{what}: {output:?}");
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let entry = entries(&shown["access"], 25)[0].clone();
        assert_eq!(entry["reached_by"], "unknown", "{what}: {entry:#}");
        let unread = shown["access"]["unread"].to_string();
        assert!(unread.contains(what), "{what}: {unread}");
    };
    let cut = r#"#!/bin/sh
echo '{"nftables": [{"table": {"#;
    for (script, what) in [
        ("#!/bin/sh\necho 'Error: syntax error, unexpected -j' >&2; exit 1\n", "unexpected -j"),
        ("#!/bin/sh\nexit 0\n", "no JSON"),
        (&format!("{cut}'\n"), "no JSON"),
        ("#!/bin/sh\nkill -9 $$\n", "signal 9"),
        ("#!/no/such/interpreter\n", "cannot be started"),
    ] {
        program(root, "usr/sbin/nft", script);
        unknown(what);
    }
    fs::remove_file(root.join("usr/sbin/nft")).unwrap();
    fs::write(root.join("proc/net/ip6_tables_names"), "filter\n").unwrap();
    unknown("no ip6tables-save is there");
    let cut = "#!/bin/sh\nprintf '*filter\\n:INPUT DROP [0:0]\\n'\n";
    program(root, "sbin/ip6tables-save", cut);
    unknown("the table filter has no end");
}
