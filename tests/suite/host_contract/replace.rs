//! Replacing a file: wholly or not at all.

use mailward::host::{Digest, FileFound, FileReplacement, HostOperation, LinkState, ReadReply, ReadRequest};

use super::test_hosts::Bench;
use super::{act, file, replacing};

contract!(any_bytes_take_a_files_place: memory, tree, machine, ssh, bash, busybox);
fn any_bytes_take_a_files_place(bench: &dyn Bench) {
    let all: Vec<u8> = (0..=255).collect();
    bench.put(b"/etc/pop3d", b"MAXPERIP=4\n");
    let mut host = bench.host();
    let path = bench.path("/etc/pop3d");
    act(&mut *host, replacing(path.clone(), b"MAXPERIP=4\n", &all)).unwrap();
    assert_eq!(bench.bytes("/etc/pop3d"), Some(all.clone()));
    act(&mut *host, replacing(path.clone(), &all, b"")).unwrap();
    assert_eq!(bench.bytes("/etc/pop3d"), Some(Vec::new()));
    assert_eq!(file(&*host, path).link, LinkState::Plain);
    assert_eq!(bench.names("/etc"), ["pop3d"]);
}

contract!(a_way_through_links_is_fine: memory, tree, machine, ssh, bash, busybox);
fn a_way_through_links_is_fine(bench: &dyn Bench) {
    bench.put(b"/opt/courier/pop3d", b"a");
    bench.link("/etc/courier", "/opt/courier");
    let path = bench.path("/etc/courier/pop3d");
    // In memory a link on the way is not followed for writing what is not there yet; this is there.
    act(&mut *bench.host(), replacing(path, b"a", b"b")).unwrap();
    assert_eq!(bench.bytes("/opt/courier/pop3d"), Some(b"b".to_vec()));
}

contract!(what_is_no_plain_file_is_refused: memory, tree, machine, ssh, bash, busybox);
fn what_is_no_plain_file_is_refused(bench: &dyn Bench) {
    bench.put(b"/etc/file", b"a");
    bench.link("/etc/link", "file");
    bench.put(b"/etc/one", b"a");
    bench.hard_link("/etc/two", "/etc/one");
    bench.folder("/etc/folder");
    bench.pipe("/etc/pipe");
    let names = bench.names("/etc");
    let mut host = bench.host();
    for (name, why) in [
        ("/etc/link", "a symbolic link"),
        ("/etc/one", "a file with several hard links"),
        ("/etc/two", "a file with several hard links"),
        ("/etc/folder", "a folder"),
        ("/etc/pipe", "not a regular file"),
    ] {
        let path = bench.path(name);
        let refusal = act(&mut *host, replacing(path.clone(), b"a", b"b")).unwrap_err();
        assert_eq!(refusal, format!("cannot replace {path}: it is {why}"));
    }
    let missing = act(&mut *host, replacing(bench.path("/etc/none"), b"a", b"b")).unwrap_err();
    assert!(
        missing.to_lowercase().contains("entity not found") || missing.contains("No such file"),
        "{missing}"
    );
    assert_eq!(bench.bytes("/etc/file"), Some(b"a".to_vec()));
    assert_eq!(bench.bytes("/etc/one"), Some(b"a".to_vec()));
    assert_eq!(bench.names("/etc"), names);
}

contract!(a_file_that_has_changed_is_left_alone: memory, tree, machine, ssh, bash, busybox);
fn a_file_that_has_changed_is_left_alone(bench: &dyn Bench) {
    bench.put(b"/etc/pop3d", b"somebody was here");
    let mut host = bench.host();
    let path = bench.path("/etc/pop3d");
    let refusal = act(&mut *host, replacing(path.clone(), b"planned", b"new")).unwrap_err();
    assert_eq!(refusal, format!("cannot replace {path}: the file has changed since it was read"));
    assert_eq!(bench.bytes("/etc/pop3d"), Some(b"somebody was here".to_vec()));
    assert_eq!(bench.names("/etc"), ["pop3d"]);
}

contract!(a_batch_stops_at_the_first_failure_and_tells_its_place: memory, tree, machine, ssh, bash, busybox);
fn a_batch_stops_at_the_first_failure_and_tells_its_place(bench: &dyn Bench) {
    for name in ["a", "b", "c"] {
        bench.put(format!("/etc/{name}").as_bytes(), b"old");
    }
    let change = |name: &str, before: &[u8]| {
        let (path, before) = (bench.path(name), Digest::of(before));
        HostOperation::Replace(FileReplacement { path, before, bytes: b"new".to_vec() })
    };
    let acts = [change("/etc/a", b"old"), change("/etc/b", b"other"), change("/etc/c", b"old")];
    let mut host = bench.host();
    let failure = host.write(&acts, &[ReadRequest::Now]).unwrap_err();
    assert_eq!(failure.index, 1);
    let now = ["/etc/a", "/etc/b", "/etc/c"].map(|name| bench.bytes(name).unwrap());
    assert_eq!(now, [b"new".to_vec(), b"old".to_vec(), b"old".to_vec()]);
}

contract!(the_state_afterwards_is_answered_in_the_same_go: memory, tree, machine, ssh, bash, busybox);
fn the_state_afterwards_is_answered_in_the_same_go(bench: &dyn Bench) {
    bench.put(b"/etc/a", b"old");
    let path = bench.path("/etc/a");
    let written = bench
        .host()
        .write(&[replacing(path.clone(), b"old", b"new")], &[ReadRequest::File(path), ReadRequest::Now])
        .unwrap();
    assert_eq!(written.replies.len(), 2);
    assert!(matches!(&written.replies[0], ReadReply::File(FileFound::File(file)) if file.bytes == b"new"));
}

contract!(what_a_killed_run_left_behind_does_not_stand_in_the_way: tree, machine, ssh, bash, busybox);
fn what_a_killed_run_left_behind_does_not_stand_in_the_way(bench: &dyn Bench) {
    bench.put(b"/etc/a", b"old");
    bench.put(b"/etc/.a.mailward", b"half of the ne");
    let path = bench.path("/etc/a");
    act(&mut *bench.host(), replacing(path.clone(), b"old", b"new")).unwrap();
    assert_eq!(bench.names("/etc"), ["a"]);
    // What mailward cannot have left there is not removed.
    bench.link("/etc/.a.mailward", "a");
    act(&mut *bench.host(), replacing(path, b"new", b"newer")).unwrap_err();
    assert_eq!(bench.names("/etc"), [".a.mailward", "a"]);
    assert_eq!(bench.bytes("/etc/a"), Some(b"new".to_vec()));
}
