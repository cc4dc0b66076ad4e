//! A login that is not root's: what it may read is read, and of anything else it is said that it may not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mailward::host::{
    CommandEnding, FileFound, HostError, PathExistence, Process, ProgramFile, ReadReply, ReadRequest,
    SecretVariable,
};

use super::processes::{WAIT, is_root, processes, start};
use super::remote::Shell;
use super::test_hosts::{Bench, Local, as_nobody, machine};
use super::{act, ask, command, found, replacing};

fn benches(what: &str) -> Vec<Local> {
    if !is_root(what) {
        return Vec::new();
    }
    let open = |shell| {
        let bench = as_nobody(shell);
        fs::set_permissions(bench.dir.path(), mode(0o755)).unwrap();
        bench
    };
    [Shell::Bash, Shell::BusyBox].map(open).into()
}

fn mode(mode: u32) -> fs::Permissions {
    fs::Permissions::from_mode(mode)
}

fn denied() -> String {
    "permission denied".to_owned()
}

#[test]
fn what_may_not_be_read_over_a_connection_is_said_to_be_so() {
    for bench in benches("what_may_not_be_read_over_a_connection_is_said_to_be_so") {
        bench.put(b"/etc/open", b"x");
        bench.put(b"/etc/secret", b"x");
        bench.put(b"/closed/file", b"x");
        bench.put(b"/listed/file", b"x");
        bench.put(b"/bin/program", b"#!/bin/sh\necho ran\n");
        bench.link("/etc/linked", "/closed/file");
        bench.link("/linked", "/closed");
        fs::set_permissions(bench.real("/etc/secret"), mode(0o600)).unwrap();
        fs::set_permissions(bench.real("/closed"), mode(0o700)).unwrap();
        fs::set_permissions(bench.real("/listed"), mode(0o744)).unwrap();
        fs::set_permissions(bench.real("/bin/program"), mode(0o700)).unwrap();
        let mut host = bench.host();
        assert!(matches!(found(&*host, bench.path("/etc/open")), FileFound::File(_)));
        for name in [
            "/etc/secret",
            "/etc/linked",
            "/closed/file",
            "/closed/none",
            "/closed/none/none",
            "/linked/file",
            "/linked/none/none",
        ] {
            let found = found(&*host, bench.path(name));
            assert_eq!(found, FileFound::Unreadable(denied()), "{name}");
        }
        for name in ["/closed/file", "/closed/none", "/linked/file", "/etc/linked"] {
            let exists = ask(&*host, ReadRequest::Exists(bench.path(name)));
            assert_eq!(exists, ReadReply::Exists(PathExistence::Unknown(denied())), "{name}");
        }
        for name in ["/closed", "/linked", "/closed/none", "/linked/none", "/listed"] {
            let folder = ask(&*host, ReadRequest::Folder(bench.path(name)));
            assert_eq!(folder, ReadReply::Folder(Err(denied())), "{name}");
        }
        assert_eq!(found(&*host, bench.path("/etc/none")), FileFound::Missing);
        let ReadReply::Folder(Ok(Some(listing))) = ask(&*host, ReadRequest::Folder(bench.path("/etc")))
        else {
            panic!("no listing");
        };
        assert_eq!(listing.len(), 3);
        assert_eq!(listing[2], (b"secret".to_vec(), FileFound::Unreadable(denied())));
        // It may look, but not run it.
        let exists = ask(&*host, ReadRequest::Exists(bench.path("/bin/program")));
        let executable = mailward::host::ExecutePermission::Yes;
        assert_eq!(exists, ReadReply::Exists(PathExistence::File(executable)));

        let failure = act(&mut *host, replacing(bench.path("/etc/open"), b"x", b"y")).unwrap_err();
        assert!(failure.to_lowercase().contains("permission denied"), "{failure}");
        assert_eq!(bench.bytes("/etc/open"), Some(b"x".to_vec()));
        assert_eq!(bench.names("/etc"), ["linked", "open", "secret"]);
    }
}

#[test]
fn commands_run_as_far_as_they_may() {
    for bench in benches("commands_run_as_far_as_they_may") {
        bench.put(b"/bin/program", b"#!/bin/sh\necho ran\n");
        bench.put(b"/bin/closed", b"#!/bin/sh\necho ran\n");
        bench.put(b"/etc/secret", b"x");
        fs::set_permissions(bench.real("/etc/secret"), mode(0o600)).unwrap();
        fs::set_permissions(bench.real("/bin/program"), mode(0o755)).unwrap();
        fs::set_permissions(bench.real("/bin/closed"), mode(0o700)).unwrap();
        let host = bench.host();
        let run = |command| match ask(&*host, ReadRequest::Output(command)) {
            ReadReply::Output(output) => (output.end, output.stdout),
            other => panic!("{other:?}"),
        };
        let program = command(bench.path("/bin/program"), &[]);
        assert_eq!(run(program.clone()), (CommandEnding::Code(0), b"ran\n".to_vec()));
        let closed = command(bench.path("/bin/closed"), &[]);
        assert_eq!(run(closed), (CommandEnding::NotStarted, vec![]));
        let secret = Some(SecretVariable { variable: "SECRET", file: bench.path("/etc/secret") });
        let without = mailward::host::HostCommand { secret, ..program };
        assert_eq!(run(without), (CommandEnding::NotStarted, vec![]));
    }
}

#[test]
fn of_roots_processes_only_the_public_part_is_told_over_a_connection() {
    let here = machine();
    let name = "of_roots_processes_only_the_public_part_is_told_over_a_connection";
    let benches = benches(name);
    let _child = start(&here, "mw-of-root", WAIT, &[]);
    let inner = ["unshare", "--pid", "--fork", "--kill-child"];
    let _inner = if benches.is_empty() { None } else { Some(start(&here, "mw-in-inner", WAIT, &inner)) };
    let expected: Vec<_> = processes(&*here.host(), &["mw-of-root"])
        .into_iter()
        .map(|process| Process {
            environment: Err(denied()),
            ports: None,
            listens: None,
            file: ProgramFile::Unknown(denied()),
            ..process
        })
        .collect();
    assert_eq!(expected.len(), 1);
    for bench in benches {
        let host = bench.host();
        assert_eq!(processes(&*host, &["mw-of-root"]), expected);
        assert_eq!(processes(&*host, &["mw-in-inner"]), []);
    }
}

#[test]
fn a_lock_that_may_not_be_taken_over_a_connection_is_no_held_lock() {
    for bench in benches("a_lock_that_may_not_be_taken_over_a_connection_is_no_held_lock") {
        let error = bench.host().lock().unwrap_err();
        assert!(matches!(error, HostError::NoLock { .. }), "{error}");
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.to_lowercase().contains("permission denied"), "{why}");
        assert_eq!(bench.names("/var/lib"), [""; 0]);
    }
}

#[test]
fn where_processes_are_hidden_a_connection_gives_no_answer() {
    if !is_root("where_processes_are_hidden_a_connection_gives_no_answer") {
        return;
    }
    for bench in benches("") {
        let inner = fs::read_to_string(bench.real("/inner")).unwrap();
        // The first process is one of root's.
        let hidden = inner.replace("exec ", "mount -t proc -o hidepid=2 proc /proc\n");
        fs::write(bench.real("/inner"), format!("{hidden}exit $?\n")).unwrap();
        let way = fs::read_to_string(bench.real("/way")).unwrap();
        let own = way.replace("unshare -m", "unshare -m --pid --fork --kill-child");
        fs::write(bench.real("/way"), own).unwrap();
        let host = bench.host();
        let error = host.read(&[ReadRequest::Processes(vec!["sh"])]).unwrap_err();
        assert!(matches!(error, HostError::Unreachable { .. }), "{error}");
    }
}
