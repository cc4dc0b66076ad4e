//! The private hosts themselves: apart from the machine, the same after a reboot, and gone without a trace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::on_each_kind;
use crate::support::host::{Host, Kind, Layout, PORTS};
use crate::support::in_time::CommandInTime as _;
use crate::support::own;
use crate::support::strace::Fault;

#[test]
fn a_host_has_a_name_an_identity_files_and_an_init_of_its_own() {
    on_each_kind(|host| {
        assert_eq!(host.run(&["hostname"]).success(), "mx1.test\n");
        let machine_id = host.read_text("/etc/machine-id");
        assert_eq!(machine_id.trim_end().len(), 32);
        assert_ne!(Some(machine_id), std::fs::read_to_string("/etc/machine-id").ok());
        let systemd_runs = match host.kind() {
            Kind::Systemd => true,
            Kind::SysV | Kind::BusyBox => false,
        };
        assert_eq!(host.exists("/run/systemd/system"), systemd_runs);
        assert_eq!(host.exists("/usr/bin/systemctl"), systemd_runs);
        assert_eq!(host.processes()[0].pid, 1);
        assert_eq!(host.listening(), BTreeSet::from(PORTS));
        assert!(!host.run(&["/usr/local/bin/mailward", "--version"]).argv.is_empty());

        host.write("/etc/new/folder/file", "host");
        assert_eq!(host.run(&["cat", "/etc/new/folder/file"]).success(), "host");
        assert!(!Path::new("/etc/new").exists(), "the machine is another");
        host.run(&["sh", "-c", "echo run >/run/test-of-hosts"]).success();
        assert_eq!(host.read_text("/var/run/test-of-hosts"), "run\n", "links stay in the host");
        let seen = host.path_on_machine("/var/run/test-of-hosts");
        assert_eq!(std::fs::read_to_string(seen).unwrap(), "run\n");
        assert!(!Path::new("/run/test-of-hosts").exists(), "the machine is another");
        let knob = host.run(&["sh", "-c", "echo 0 >/proc/sys/kernel/printk"]);
        assert_ne!(knob.code(), 0, "the machine's kernel is out of reach");
    });
}

#[test]
fn a_program_in_a_host_has_its_input_its_exit_code_and_a_time_limit() {
    let Some(host) = Host::init() else { return };
    let cat = host.command(&["cat"]).stdin("hello").run();
    assert_eq!((cat.code(), cat.stdout.as_str()), (0, "hello"));
    let failed = host.command(&["sh", "-c", "echo $A >&2; exit 7"]).env("A", "b").run();
    assert_eq!((failed.code(), failed.stderr.as_str()), (7, "b\n"));
    assert_eq!(host.run(&["sh", "-c", "kill -TERM $$"]).signal(), Some(15));
    let hung = std::panic::catch_unwind(|| {
        host.command(&["sleep", "1234"]).within(Duration::from_millis(200)).run()
    });
    assert!(hung.is_err());
    let sleeps = |host: &Host| host.processes().iter().any(|process| process.argv == ["sleep", "1234"]);
    host.wait_until("the program that hung is gone", || !sleeps(&host));
    host.exec_detached(&["sleep", "1234"]);
    host.wait_until("the detached program runs", || sleeps(&host));
}

#[test]
fn a_reboot_keeps_files_and_clears_run_and_brings_the_services_back() {
    on_each_kind(|host| {
        host.write("/etc/kept", "kept");
        host.write("/run/cleared", "cleared");
        let id = host.read("/etc/machine-id");
        let mut session = host.open_until_cut(110, "198.51.100.7", 1);
        host.reboot();
        assert!(session[0].closes_within(Duration::from_secs(30)));
        assert_eq!(host.read_text("/etc/kept"), "kept");
        assert!(!host.exists("/run/cleared"));
        assert_eq!(host.read("/etc/machine-id"), id);
        assert_eq!(host.open_until_cut(110, "198.51.100.7", 20).len(), 4);

        host.halt();
        host.replace_text("/etc/courier/pop3d", "MAXPERIP=4\n", "MAXPERIP=2\n");
        assert!(host.path_on_machine("/etc/courier/pop3d").is_file());
        host.boot();
        assert_eq!(host.open_until_cut(110, "198.51.100.7", 20).len(), 2);
    });
}

/// What the machine has mounted and which network links it has: what a host could leave behind there.
fn mounts_and_links() -> (String, BTreeSet<PathBuf>) {
    let links = std::fs::read_dir("/sys/class/net").unwrap();
    (
        std::fs::read_to_string("/proc/self/mountinfo").unwrap(),
        links.map(|entry| entry.unwrap().path()).collect(),
    )
}

/// The machine's processes that live in one of these pid namespaces, or are the keeper of such a host.
fn in_namespaces(namespaces: &[PathBuf]) -> Vec<String> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let namespace = std::fs::read_link(path.join("ns/pid")).ok()?;
            namespaces.contains(&namespace).then(|| path.display().to_string())
        })
        .collect()
}

/// The cgroup of the host that has this keeper, if there is one in a hierarchy that the machine has mounted.
fn cgroups_of(keeper: u32) -> String {
    let found = std::process::Command::new("find")
        .args(["/sys/fs/cgroup", "-name", &format!("mailward-test-{keeper}")])
        .output_in_time()
        .unwrap();
    String::from_utf8_lossy(&found.stdout).into_owned()
}

#[test]
fn a_host_that_ends_leaves_no_process_mount_cgroup_or_file_behind_also_after_a_panic() {
    let before = mounts_and_links();
    let mut namespaces = Vec::new();
    let mut keepers = Vec::new();
    for kind in Kind::ALL {
        let Some(host) = Host::start(kind) else {
            return;
        };
        namespaces.push(std::fs::read_link(format!("/proc/{}/ns/pid", host.init_pid())).unwrap());
        keepers.push(host.keeper_pid());
        assert!(!in_namespaces(&namespaces).is_empty());
        if kind == Kind::Systemd {
            drop(host);
        } else {
            let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                host.exec_detached(&["sleep", "1234"]);
                panic!("a test that fails");
            }));
            assert!(died.is_err());
        }
    }
    assert_eq!(in_namespaces(&namespaces), Vec::<String>::new());
    assert_eq!(before, mounts_and_links());
    for keeper in keepers {
        assert!(!Path::new(&format!("/proc/{keeper}")).exists());
        assert_eq!(cgroups_of(keeper), "");
    }
}

#[test]
fn a_test_program_that_makes_hosts_leaves_no_temporary_file_behind() {
    if Host::prepare(Kind::SysV, Layout::Debian).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Other cases have temporary files of their own meanwhile: this one is alone in a program of its own.
    let output = std::process::Command::new(own::suite())
        .args(["--exact", "real_daemons::hosts::a_program_in_a_host_is_killed_at_a_call_of_its_own"])
        .env("TMPDIR", folder.path())
        .output_in_time()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_host_whose_keeper_is_killed_ends_and_the_next_host_removes_its_cgroup() {
    let Some(host) = Host::start(Kind::Systemd) else {
        return;
    };
    let namespace = std::fs::read_link(format!("/proc/{}/ns/pid", host.init_pid())).unwrap();
    let keeper = host.keeper_pid();
    let killed = std::process::Command::new("kill").args(["-KILL", &keeper.to_string()]).status();
    assert!(killed.unwrap().success());
    let namespaces = [namespace];
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while !in_namespaces(&namespaces).is_empty() {
        assert!(std::time::Instant::now() < end, "{:?}", in_namespaces(&namespaces));
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(host);
    let next = Host::prepare(Kind::SysV, Layout::Debian).expect("made before");
    assert_eq!(cgroups_of(keeper), "");
    drop(next);
}

#[test]
fn a_program_in_a_host_is_killed_at_a_call_of_its_own() {
    let Some(host) = Host::init() else { return };
    let argv = ["touch", "/etc/new"];
    let points = host.points(&argv);
    assert_eq!(points[0].syscall, "openat", "{points:#?}");
    host.remove("/etc/new");
    let output = host.inject(&argv, &points[0], &Fault::Kill);
    assert_eq!(output.signal(), Some(9), "{output:?}");
    assert!(!host.exists("/etc/new"));
}
