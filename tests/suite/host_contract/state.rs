//! The lock, and the files of mailward's own.

use mailward::host::memory::MemoryHost;
use mailward::host::{HostError, HostOperation, OperationError, ReadRequest, WriteHost};

use super::test_hosts::{Bench, Local, tree};
use super::{act, path};
use crate::support::in_time::CommandInTime as _;
use crate::support::own;

const LOCK: &str = "/var/lib/mailward/lock";

fn saving(to: &str, bytes: &[u8]) -> HostOperation {
    HostOperation::Save { path: path(to), bytes: bytes.to_vec() }
}

contract!(one_at_a_time_holds_the_lock_until_it_is_dropped: memory, tree, ssh, bash, busybox);
fn one_at_a_time_holds_the_lock_until_it_is_dropped(bench: &dyn Bench) {
    let mut first = bench.host();
    let mut second = bench.host();
    first.lock().unwrap();
    first.lock().unwrap();
    for _ in 0..2 {
        let error = second.lock().unwrap_err();
        assert!(matches!(&error, HostError::Locked { holder } if !holder.is_empty()), "{error}");
    }
    // Who does not hold it can give nothing back.
    drop(second);
    bench.host().lock().unwrap_err();
    drop(first);
    let mut third = bench.host();
    third.lock().unwrap();
    assert!(bench.bytes(LOCK).is_some());
    drop(third);
    assert!(bench.bytes(LOCK).is_some(), "the lock's file stays");
}

contract!(state_is_saved_below_its_own_folder_only: memory, tree, ssh, bash, busybox);
fn state_is_saved_below_its_own_folder_only(bench: &dyn Bench) {
    let mut host = bench.host();
    act(&mut *host, saving("/var/lib/mailward/history/1.json", b"{}")).unwrap();
    act(&mut *host, saving("/var/lib/mailward/history/1.json", b"{1}")).unwrap();
    assert_eq!(bench.bytes("/var/lib/mailward/history/1.json"), Some(b"{1}".to_vec()));
    assert_eq!(bench.names("/var/lib/mailward/history"), ["1.json"]);
    for (to, why) in [
        ("/etc/passwd", "outside mailward's own folder"),
        ("/var/lib/mailward", "outside mailward's own folder"),
        ("/var/lib/mailwardx/a", "outside mailward's own folder"),
        (LOCK, "the lock"),
    ] {
        let refusal = act(&mut *host, saving(to, b"x")).unwrap_err();
        assert_eq!(refusal, format!("cannot save {to}: it is {why}"));
        assert_eq!(bench.bytes(to), None);
    }
    act(&mut *host, saving("/var/lib/mailward/history", b"x")).unwrap_err();
}

contract!(only_mailwards_own_files_are_removed: memory, tree, ssh, bash, busybox);
fn only_mailwards_own_files_are_removed(bench: &dyn Bench) {
    let mut host = bench.host();
    act(&mut *host, HostOperation::Remove(path("/var/lib/mailward/none/none"))).unwrap();
    act(&mut *host, saving("/var/lib/mailward/journal", b"x")).unwrap();
    act(&mut *host, HostOperation::Remove(path("/var/lib/mailward/journal"))).unwrap();
    act(&mut *host, HostOperation::Remove(path("/var/lib/mailward/journal"))).unwrap();
    assert_eq!(bench.bytes("/var/lib/mailward/journal"), None);

    bench.put(b"/etc/xinetd.d/.smtp.mailward", b"left over");
    act(&mut *host, HostOperation::Remove(bench.path("/etc/xinetd.d/.smtp.mailward"))).unwrap();
    assert_eq!(bench.bytes("/etc/xinetd.d/.smtp.mailward"), None);

    bench.put(b"/etc/xinetd.d/smtp", b"service smtp");
    bench.folder("/var/lib/mailward/folder");
    for (name, why) in [
        ("/etc/xinetd.d/smtp", "not mailward's own file"),
        ("/var/lib/mailward/folder", "a folder"),
        (LOCK, "the lock"),
    ] {
        let refusal = act(&mut *host, HostOperation::Remove(bench.path(name))).unwrap_err();
        let name = bench.path(name);
        assert_eq!(refusal, format!("cannot remove {name}: it is {why}"));
    }
    assert!(bench.bytes("/etc/xinetd.d/smtp").is_some());
}

fn mode(bench: &Local, path: &str) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    bench.real(path).symlink_metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn state_is_for_its_owner_alone() {
    let bench = tree();
    let mut host = bench.host();
    host.lock().unwrap();
    act(&mut *host, saving("/var/lib/mailward/history/1.json", b"{}")).unwrap();
    assert_eq!(mode(&bench, "/var/lib"), 0o755);
    assert_eq!(mode(&bench, "/var/lib/mailward"), 0o700);
    assert_eq!(mode(&bench, "/var/lib/mailward/history"), 0o700);
    assert_eq!(mode(&bench, "/var/lib/mailward/history/1.json"), 0o600);
    assert_eq!(mode(&bench, LOCK), 0o600);
}

#[test]
fn a_state_folder_that_others_may_read_is_closed() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = tree();
    bench.folder("/var/lib/mailward");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bench.real("/var/lib/mailward"), open).unwrap();
    bench.host().lock().unwrap();
    assert_eq!(mode(&bench, "/var/lib/mailward"), 0o700);
}

#[test]
fn the_lock_says_who_holds_it_since_when() {
    let bench = tree();
    bench.put(
        LOCK.as_bytes(),
        b"pid 99999999, since the last run, which wrote more than this one will write here\n",
    );
    let mut holder = bench.host();
    holder.lock().unwrap();
    let text = String::from_utf8(bench.bytes(LOCK).unwrap()).unwrap();
    assert!(text.starts_with(&format!("pid {}, since 20", std::process::id())), "{text}");
    assert_eq!(text.lines().count(), 1);
    let error = bench.host().lock().unwrap_err();
    assert_eq!(error.to_string(), format!("another run holds the lock: {}", text.trim_end()));
    assert!(text.contains("Z, user "), "{text}");
}

#[test]
fn what_a_holder_wrote_cannot_play_with_the_terminal() {
    let bench = tree();
    let mut holder = bench.host();
    holder.lock().unwrap();
    bench.put(LOCK.as_bytes(), b"\x1b[2Jpid 1\x07\nsecond line");
    let error = bench.host().lock().unwrap_err().to_string();
    assert_eq!(error, "another run holds the lock: \u{fffd}[2Jpid 1\u{fffd}");
    bench.put(LOCK.as_bytes(), b"");
    let error = bench.host().lock().unwrap_err().to_string();
    assert_eq!(error, "another run holds the lock: it has not said who it is");
}

#[test]
fn a_lock_that_is_a_link_or_no_file_is_refused() {
    for make in [
        |bench: &Local| bench.link(LOCK, "/etc/precious"),
        |bench: &Local| bench.folder(LOCK),
        |bench: &Local| bench.pipe(LOCK),
    ] {
        let bench = tree();
        bench.put(b"/etc/precious", b"precious");
        make(&bench);
        let error = bench.host().lock().unwrap_err();
        assert!(matches!(error, HostError::NoLock { .. }), "{error}");
        assert_eq!(bench.bytes("/etc/precious"), Some(b"precious".to_vec()));
    }
}

#[test]
fn a_lock_whose_file_was_removed_is_taken_again_by_others_only_on_a_new_file() {
    let bench = tree();
    let mut first = bench.host();
    first.lock().unwrap();
    bench.remove(LOCK);
    let mut second = bench.host();
    second.lock().unwrap();
    assert!(bench.bytes(LOCK).is_some());
    drop(first);
    bench.host().lock().unwrap_err();
}

#[test]
fn a_command_does_not_inherit_the_lock() {
    let bench = tree();
    bench.program("/bin/daemon", super::test_hosts::Does::LeaveChild);
    let mut host = bench.host();
    host.lock().unwrap();
    let run = HostOperation::Run(super::command(path("/bin/daemon"), &[]));
    let _written = host.write(&[run], &[]).unwrap();
    drop(host);
    bench.host().lock().unwrap();
}

#[test]
fn in_memory_an_act_fails_where_a_test_wants_it_to() {
    let bench = MemoryHost::new();
    bench.fail_at(1, OperationError::Changed);
    let acts = ["a", "b"].map(|name| saving(&format!("/var/lib/mailward/{name}"), b"x"));
    let mut host = bench.another();
    let failure = host.write(&acts, &[]).unwrap_err();
    assert_eq!(failure.index, 1);
    assert!(matches!(failure.source, OperationError::Changed));
    assert_eq!(bench.names("/var/lib/mailward"), ["a"]);
    act(&mut host, acts[1].clone()).unwrap();
    assert_eq!(bench.world().log, acts);
}

#[test]
fn in_memory_a_crash_stops_everything_until_it_is_revived() {
    let bench = MemoryHost::new();
    let mut host = bench.another();
    host.lock().unwrap();
    bench.crash_at(1);
    let acts = ["a", "b", "c"].map(|name| saving(&format!("/var/lib/mailward/{name}"), b"x"));
    assert_eq!(host.write(&acts, &[]).unwrap_err().index, 1);
    assert_eq!(host.write(&acts, &[]).unwrap_err().index, 0);
    assert!(matches!(
        mailward::host::ReadHost::read(&host, &[ReadRequest::Now]),
        Err(HostError::Unreachable { .. })
    ));
    assert!(host.lock().is_err());
    assert_eq!(bench.names("/var/lib/mailward"), ["a", "lock"]);

    bench.revive();
    let mut next = bench.another();
    next.lock().unwrap();
    // The dead one gives nothing back.
    drop(host);
    assert!(matches!(bench.another().lock(), Err(HostError::Locked { .. })));
    let _written = next.write(&acts, &[]).unwrap();
    assert_eq!(bench.names("/var/lib/mailward"), ["a", "b", "c", "lock"]);
}

#[test]
fn on_this_machine_state_is_where_it_belongs() {
    if !rustix::process::getuid().is_root() {
        crate::support::not_run("on_this_machine_state_is_where_it_belongs", "root");
        return;
    }
    // The real /var/lib is covered for the program that looks.
    let output = std::process::Command::new("unshare")
        .arg("--mount")
        .args(own::sheltered("mount -t tmpfs none /var/lib && exec \"$program\" \"$@\"", &own::suite()))
        .args(own::hidden("host_contract::state::hidden_machine_state"))
        .env("MAILWARD_TEST_TREE", "/")
        .output_in_time()
        .expect("unshare (apt package util-linux)");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "run by another case, over an empty /var/lib"]
fn hidden_machine_state() {
    std::env::var_os("MAILWARD_TEST_TREE").expect("another case runs this one");
    let bench = super::test_hosts::machine();
    let mut host = bench.host();
    host.lock().unwrap();
    assert!(matches!(bench.host().lock(), Err(HostError::Locked { .. })));
    act(&mut *host, saving("/var/lib/mailward/history/1", b"x")).unwrap();
    assert_eq!(std::fs::read("/var/lib/mailward/history/1").unwrap(), b"x");
    act(&mut *host, HostOperation::Remove(path("/var/lib/mailward/history/1"))).unwrap();
    assert_eq!(std::fs::read_dir("/var/lib/mailward/history").unwrap().count(), 0);
}

#[test]
fn a_lock_whose_file_is_removed_while_it_is_taken_is_taken_on_the_new_one() {
    let bench = tree();
    let slow = "inject=flock:delay_enter=800000:when=1";
    let case = "host_contract::state::hidden_lock";
    let arguments = ["-e", "trace=flock", "-e", slow];
    std::thread::scope(|scope| {
        let run = scope.spawn(|| super::leaves_alone::traced(case, bench.dir.path(), &arguments));
        while bench.bytes(LOCK).is_none() {
            assert!(!run.is_finished(), "it ended too early");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        bench.remove(LOCK);
        let (output, _) = run.join().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("1 passed"), "{said}");
    });
    assert!(bench.bytes(LOCK).is_some());
}

#[test]
#[ignore = "run by another case, under strace"]
fn hidden_lock() {
    let root = std::env::var_os(super::leaves_alone::TREE).expect("another case runs this one");
    let mut host = mailward::host::local::LocalHost::tree(root.into()).unwrap();
    host.lock().unwrap();
}
