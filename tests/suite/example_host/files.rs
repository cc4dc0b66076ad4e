//! The tree as such: whole after git and `cp`, and no stand-in reaches out of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::harness::{Office, Tools, output, with_each};
use crate::support::in_time::CommandInTime as _;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/office");

#[test]
fn git_keeps_all_of_the_tree() {
    let mut folders = vec![Path::new(EXAMPLE).to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries: Vec<_> =
            fs::read_dir(&folder).expect("it can be listed").map(|entry| entry.expect("an entry")).collect();
        assert!(!entries.is_empty(), "{} is empty", folder.display());
        for entry in entries {
            let kind = entry.file_type().expect("a kind");
            assert!(kind.is_dir() || kind.is_file() || kind.is_symlink());
            if kind.is_dir() {
                folders.push(entry.path());
            }
        }
    }
}

#[test]
fn the_tree_is_a_plesk_11_with_one_script_for_each_listener_and_no_systemd() {
    let office = Office::new(Tools::Dash);
    assert!(office.read("usr/local/psa/version").starts_with("11."));
    assert!(office.read("etc/psa/psa.conf").contains("\nPRODUCT_ROOT_D /usr/local/psa\n"));
    assert_eq!(office.read("proc/sys/kernel/hostname"), "mx1.example.jp\n");
    let mut scripts: Vec<_> = fs::read_dir(office.at("etc/init.d"))
        .expect("it can be listed")
        .map(|entry| entry.expect("an entry"))
        .inspect(|entry| {
            let mode = entry.metadata().expect("metadata").permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{:?} is executable", entry.path());
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    scripts.sort_unstable();
    let wanted = ["authdaemon", "imapd", "imaps", "pop3d", "pop3s"].map(|name| format!("courier-{name}"));
    assert_eq!(scripts[..5], wanted);
    assert_eq!(scripts[5..], ["xinetd"]);
    assert!(!office.at("run/systemd").exists());
}

#[test]
fn each_socket_belongs_to_a_process() {
    let office = Office::new(Tools::Dash);
    let mut owned: Vec<u16> = office.processes().into_values().flat_map(|process| process.ports).collect();
    let mut all: Vec<u16> = office.listening().into_values().collect();
    owned.sort_unstable();
    all.sort_unstable();
    all.dedup();
    assert_eq!(owned, all);
}

#[test]
fn nothing_that_a_stand_in_made_on_its_way_is_left() {
    with_each(|office| {
        for script in ["courier-imapd", "courier-pop3s", "courier-authdaemon", "xinetd"] {
            office.again(script);
        }
        office.signal_xinetd("HUP");
        for folder in ["proc", "proc/net", "var/lib/stand-in"] {
            for entry in fs::read_dir(office.at(folder)).expect("it can be listed") {
                let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
                assert!(!name.contains('.') || name == "xinetd.state", "{folder}/{name}");
            }
        }
    });
}

#[test]
fn copies_do_not_know_of_each_other() {
    let (one, other) = (Office::new(Tools::Dash), Office::new(Tools::Dash));
    let before = other.processes();
    assert_eq!(one.service("courier-imapd", "stop"), Some(0));
    assert_eq!(one.service("xinetd", "stop"), Some(0));
    assert_eq!(other.processes(), before);
    assert!(one.listener("imapd").is_none() && one.xinetd().is_none());
}

#[test]
fn a_stand_in_refuses_to_run_without_a_tree_of_its_kind() {
    with_each(|office| {
        for root in [None, Some("/"), Some("")] {
            for script in [
                "etc/init.d/courier-imapd",
                "etc/init.d/xinetd",
                "usr/sbin/courierlogger",
                "usr/bin/mysql",
                "usr/local/psa/bin/mail",
                "sbin/iptables-restore",
                "sbin/ip6tables-save",
                "bin/sh",
                "bin/rm",
            ] {
                let mut command = office.command(script, "stop");
                command.env_remove("MAILWARD_ROOT");
                if let Some(root) = root {
                    command.env("MAILWARD_ROOT", root);
                }
                let output = output(command);
                assert!(!output.status.success(), "{script} with {root:?}");
            }
        }
        assert!(office.xinetd().is_some() && office.listener("imapd").is_some());
    });
}

#[test]
fn no_stand_in_changes_anything_outside_of_its_tree() {
    let office = Office::new(Tools::Dash);
    let trace = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let (xinetd, _) = office.xinetd().expect("it runs");
    let on_signal = format!("proc/{xinetd}/on-signal");
    let mut calls = 0;
    for (script, argument) in [
        ("etc/init.d/courier-imapd", "stop"),
        ("etc/init.d/courier-imapd", "start"),
        (on_signal.as_str(), "HUP"),
        (on_signal.as_str(), "USR1"),
        ("etc/init.d/xinetd", "restart"),
    ] {
        let plain = office.command(script, argument);
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-s", "4096", "-e", "trace=%file,kill,socket,connect", "-o"]);
        traced.arg(trace.path()).arg("--").arg(plain.get_program()).args(plain.get_args());
        traced.env_clear();
        traced.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        traced.current_dir(plain.get_current_dir().expect("a working folder"));
        let status = traced.status_in_time().expect("strace is missing: apt-get install strace");
        assert!(status.success(), "{script} {argument}: {status}");
        let log = fs::read_to_string(trace.path()).expect("the trace can be read");
        for line in log.lines().filter(|line| changes(line)) {
            calls += 1;
            // strace prints a path as C would; of this one it escapes nothing.
            let inside = format!("\"{}", office.at("").display());
            let outside = line.split(", ").filter(|part| {
                let path = part.find('"').map_or("", |quote| &part[quote..]);
                path.starts_with("\"/") && !path.starts_with(&inside) && !path.starts_with("\"/dev/")
            });
            assert_eq!(outside.count(), 0, "{script} {argument}: {line}");
        }
    }
    assert!(calls > 50, "the trace shows the changes: {calls}");
}

/// Whether a line of the trace is a call that may change something.
fn changes(line: &str) -> bool {
    let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
    let name = call.split('(').next().unwrap_or_default();
    match name {
        "open" | "openat" | "creat" => {
            ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| call.contains(flag))
        }
        // A link's first path is its content.
        "symlink" | "symlinkat" => false,
        "kill" | "socket" | "connect" => panic!("a stand-in has no business with {line}"),
        _ => [
            "mkdir", "rmdir", "unlink", "rename", "link", "chmod", "chown", "fchmodat", "fchownat",
            "truncate", "utime", "mknod",
        ]
        .iter()
        .any(|verb| name.starts_with(verb)),
    }
}
