//! Every system call of a replacement made to fail, and the program killed at each: the file is wholly old or
//! wholly new, and nothing is left lying about that the next run does not clear away. And what a user who is
//! not root gets.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mailward::host::local::LocalHost;
use mailward::host::{
    FileFound, HostError, HostOperation, PathExistence, ReadHost as _, ReadReply, ReadRequest,
};

use super::leaves_alone::{TREE, traced};
use super::test_hosts::{Bench, Local, machine, tree};
use super::{act, ask, found, path, replacing};
use crate::support::in_time::{ChildInTime as _, CommandInTime as _, PATIENCE};
use crate::support::own;

/// The calls that change something, with how often each is made in one replacement.
const CALLS: [(&str, usize); 6] =
    [("fchown", 1), ("fsetxattr", 1), ("fchmod", 1), ("fsync", 2), ("renameat", 1), ("unlinkat", 1)];

#[test]
#[ignore = "run by other cases, under strace"]
fn hidden_replacement() {
    let root = std::env::var_os(TREE).expect("other cases run this one");
    let mut host = LocalHost::tree(root.into()).unwrap();
    let done = act(&mut host, replacing(path("/etc/pop3d"), b"old", b"new"));
    println!("{done:?}");
}

/// A file with an attribute, and what a killed run left beside it.
fn prepared() -> Local {
    let bench = tree();
    bench.put(b"/etc/pop3d", b"old");
    bench.put(b"/etc/.pop3d.mailward", b"left over");
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(bench.real("/etc/pop3d"), "user.a", b"b", flags).unwrap();
    bench
}

fn injected(bench: &Local, arguments: &[&str]) -> (String, String) {
    let case = "host_contract::errors::hidden_replacement";
    let (output, log) = traced(case, bench.dir.path(), arguments);
    (String::from_utf8_lossy(&output.stdout).into_owned(), log)
}

#[test]
fn an_error_at_any_call_leaves_the_old_file_alone() {
    let mut points = 0;
    for (call, times) in CALLS {
        for time in 1..=times {
            for error in ["ENOSPC", "EIO", "EACCES"] {
                let bench = prepared();
                let inject = format!("inject={call}:error={error}:when={time}");
                let (said, log) = injected(&bench, &["-e", &format!("trace={call}"), "-e", &inject]);
                assert!(log.contains("(INJECTED)"), "{call} {time}: {log}");
                assert!(said.contains("Err(\"cannot replace /etc/pop3d"), "{call} {time}: {said}");
                // After the renaming only the folder's own fsync is left.
                let is_new = (call, time) == ("fsync", 2);
                let expected: &[u8] = if is_new { b"new" } else { b"old" };
                assert_eq!(bench.bytes("/etc/pop3d").unwrap(), expected, "{call} {time} {error}");
                let left = bench.names("/etc");
                if call == "unlinkat" {
                    assert_eq!(left, [".pop3d.mailward", "pop3d"], "what was there stays");
                } else {
                    assert_eq!(left, ["pop3d"], "{call} {time} {error}");
                }
                points += 1;
            }
        }
    }
    let bench = prepared();
    let temporary = bench.real("/etc/.pop3d.mailward");
    let only = temporary.to_str().unwrap();
    let (said, log) =
        injected(&bench, &["-P", only, "-e", "trace=write", "-e", "inject=write:error=ENOSPC:when=1"]);
    assert!(log.contains("(INJECTED)") && said.contains("No space left"), "{said}{log}");
    assert_eq!(
        (bench.bytes("/etc/pop3d").unwrap(), bench.names("/etc")),
        (b"old".to_vec(), vec!["pop3d".to_owned()])
    );
    println!("{points} points of failure");
}

#[test]
fn killed_at_any_call_the_file_is_whole_and_the_next_run_succeeds() {
    for (call, times) in CALLS {
        for time in 1..=times {
            let bench = prepared();
            let inject = format!("inject={call}:signal=KILL:when={time}");
            let (said, log) = injected(&bench, &["-e", &format!("trace={call}"), "-e", &inject]);
            assert!(
                log.contains("killed by SIGKILL") && !said.contains("Ok(") && !said.contains("Err("),
                "{call} {time}: {said}{log}"
            );
            let is_new = (call, time) == ("fsync", 2);
            let now = bench.bytes("/etc/pop3d").unwrap();
            assert_eq!(now, if is_new { b"new" } else { b"old" }, "{call} {time}");
            act(&mut *bench.host(), replacing(path("/etc/pop3d"), &now, b"newer")).unwrap();
            assert_eq!(bench.names("/etc"), ["pop3d"]);
            assert_eq!(bench.bytes("/etc/pop3d"), Some(b"newer".to_vec()));
        }
    }
}

#[test]
fn a_file_that_changes_while_it_is_being_replaced_stays_as_somebody_made_it() {
    // The second check comes after the new bytes are safe, so a slow fsync leaves time to change the file.
    for change in ["bytes", "mode", "other file", "link"] {
        let bench = prepared();
        let target = bench.real("/etc/pop3d");
        let waiter = std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                injected(&bench, &["-e", "trace=fsync", "-e", "inject=fsync:delay_enter=1500000:when=1"])
            });
            // The new file is there once its bytes are.
            let temporary = bench.real("/etc/.pop3d.mailward");
            while fs::read(&temporary).ok().as_deref() != Some(b"new") {
                assert!(!run.is_finished(), "it ended too early");
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            match change {
                "bytes" => fs::write(&target, b"somebody").unwrap(),
                "mode" => fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap(),
                "other file" => {
                    fs::write(bench.real("/etc/x"), b"old").unwrap();
                    fs::rename(bench.real("/etc/x"), &target).unwrap();
                }
                _ => {
                    fs::rename(&target, bench.real("/real")).unwrap();
                    bench.link("/etc/pop3d", "../real");
                }
            }
            run.join().unwrap()
        });
        let expected = match change {
            "link" => "it is a symbolic link",
            _ => "the file has changed since it was read",
        };
        assert!(waiter.0.contains(expected), "{change}: {}", waiter.0);
        assert_eq!(bench.names("/etc"), ["pop3d"], "{change}");
        let now = fs::read(&target).unwrap();
        assert_eq!(now, if change == "bytes" { &b"somebody"[..] } else { b"old" });
    }
}

#[test]
fn without_the_kernels_newer_calls_the_older_ones_do() {
    let bench = tree();
    bench.script("/usr/bin/true", "echo printed");
    for calls in ["memfd_create,pidfd_open", "memfd_create,pidfd_open,openat2,statx"] {
        let trace = format!("inject={calls}:error=ENOSYS");
        let case = "host_contract::errors::hidden_old_kernel";
        let (output, log) = traced(case, bench.dir.path(), &["-e", &format!("trace={calls}"), "-e", &trace]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(log.contains("memfd_create") && log.contains("pidfd_open"), "{log}");
        assert!(said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(bench.names("/"), ["proc", "usr"]);
}

#[test]
#[ignore = "run by other cases, under strace"]
fn hidden_old_kernel() {
    let root = std::env::var_os(TREE).expect("other cases run this one");
    let host = LocalHost::tree(root.into()).unwrap();
    let run = ReadRequest::Output(super::command(path("/usr/bin/true"), &[]));
    assert!(matches!(ask(&host, run), ReadReply::Output(output) if output.stdout == b"printed\n"));
    let bench = machine();
    let mut child = super::processes::start(
        &bench,
        "mw-old",
        "trap 'exit 9' HUP; echo; while kill -0 $PPID; do sleep 0.02; done",
        &[],
    );
    let mut host = LocalHost::machine();
    let ReadReply::Processes(found) = ask(&host, ReadRequest::Processes(vec!["mw-old"])) else {
        panic!("no processes");
    };
    // Another run of this suite may have one of that name.
    let own = found.iter().find(|process| process.id.pid == child.0.id());
    let hangup = HostOperation::Signal(own.unwrap().id, mailward::host::ProcessSignal::Hangup);
    act(&mut host, hangup).unwrap();
    assert_eq!(child.0.wait_within(PATIENCE).unwrap().code(), Some(9));
}

/// Runs this on a thread that is nobody's.
fn as_nobody<T: Send>(what: &str, run: impl FnOnce() -> T + Send) -> Option<T> {
    if !rustix::process::getuid().is_root() {
        crate::support::not_run(what, "root, to be somebody else for a moment");
        return None;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let nobody = rustix::thread::Uid::from_raw(65534);
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            run()
        });
        Some(thread.join().unwrap())
    })
}

#[test]
fn what_may_not_be_read_is_said_to_be_so() {
    for bench in [tree(), machine()] {
        for folder in ["/", "/etc", "/closed"] {
            bench.folder(folder);
            fs::set_permissions(bench.real(folder), fs::Permissions::from_mode(0o755)).unwrap();
        }
        bench.put(b"/etc/secret", b"x");
        bench.put(b"/etc/open", b"x");
        bench.put(b"/closed/file", b"x");
        fs::set_permissions(bench.real("/etc/secret"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(bench.real("/closed"), fs::Permissions::from_mode(0o700)).unwrap();
        as_nobody("what_may_not_be_read_is_said_to_be_so", || {
            let mut host = bench.host();
            let denied = || "permission denied".to_owned();
            assert_eq!(found(&*host, bench.path("/etc/secret")), FileFound::Unreadable(denied()));
            assert_eq!(found(&*host, bench.path("/closed/file")), FileFound::Unreadable(denied()));
            let exists = ask(&*host, ReadRequest::Exists(bench.path("/closed/file")));
            assert_eq!(exists, ReadReply::Exists(PathExistence::Unknown(denied())));
            let folder = ask(&*host, ReadRequest::Folder(bench.path("/closed")));
            assert_eq!(folder, ReadReply::Folder(Err(denied())));
            let ReadReply::Folder(Ok(Some(listing))) = ask(&*host, ReadRequest::Folder(bench.path("/etc")))
            else {
                panic!("no listing");
            };
            assert!(matches!(&listing[0], (name, FileFound::File(_)) if name == b"open"));
            assert_eq!(listing[1], (b"secret".to_vec(), FileFound::Unreadable(denied())));
            let failure = act(&mut *host, replacing(bench.path("/etc/open"), b"x", b"y")).unwrap_err();
            assert!(failure.to_lowercase().contains("permission denied"), "{failure}");
        });
        assert_eq!(bench.bytes("/etc/open"), Some(b"x".to_vec()));
    }
}

#[test]
fn a_lock_that_may_not_be_taken_is_no_held_lock() {
    let bench = tree();
    fs::set_permissions(bench.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    as_nobody("a_lock_that_may_not_be_taken_is_no_held_lock", || {
        let error = bench.host().lock().unwrap_err();
        assert!(matches!(error, HostError::NoLock { .. }), "{error}");
    });
    assert_eq!(bench.names("/"), ["proc"]);
}

#[test]
fn of_somebody_elses_process_only_the_public_part_is_told() {
    let bench = machine();
    let _child = super::processes::start(&bench, "mw-roots", super::processes::WAIT, &[]);
    as_nobody("of_somebody_elses_process_only_the_public_part_is_told", || {
        let Ok(replies) = LocalHost::machine().read(&[ReadRequest::Processes(vec!["mw-roots"])]) else {
            panic!("/proc cannot be read");
        };
        let ReadReply::Processes(found) = &replies[0] else {
            panic!("no processes");
        };
        assert_eq!(found[0].environment, Err("permission denied".to_owned()));
        assert_eq!(found[0].ports, None);
        assert_eq!(found[0].argv.len(), 5);
    });
}

#[test]
fn where_processes_are_hidden_there_is_no_answer() {
    if !rustix::process::getuid().is_root() {
        crate::support::not_run("where_processes_are_hidden_there_is_no_answer", "root");
        return;
    }
    for hidden in ["hidepid=1", "hidepid=2"] {
        // The mount is in a namespace of its own, which goes with the program.
        let inside = format!(
            "mount -t proc -o {hidden} proc /proc && setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" \"$@\"; exit $?"
        );
        let output = std::process::Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", &inside])
            .arg(own::suite())
            .args(own::hidden("host_contract::errors::hidden_processes"))
            .output_in_time()
            .expect("unshare (apt package util-linux)");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("1 passed"), "{hidden}: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
#[ignore = "run by another case, where processes are hidden"]
fn hidden_processes() {
    let mut host = LocalHost::machine();
    let error = host.read(&[ReadRequest::Processes(vec!["sh"])]).unwrap_err();
    assert!(matches!(error, HostError::Unreachable { .. }), "{error}");
    let first = mailward::host::ProcessId { pid: 1, start: 1 };
    let gone = mailward::host::WaitCondition::Gone(vec![first]);
    use mailward::host::WriteHost as _;
    assert!(host.write(&[HostOperation::Await(gone, std::time::Duration::ZERO)], &[]).is_err());
}
