//! What a host must leave alone: everything when it reads, and everything outside of a root when it has one.
//!
//! The witness is strace, over this very program with one hidden case as its only one.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mailward::host::local::LocalHost;
use mailward::host::{
    FileFound, HostOperation, PathExistence, ProcessSignal, ReadHost, ReadReply, ReadRequest, WaitCondition,
    WriteHost,
};

use super::test_hosts::{Bench, Does, Standing, tree};
use super::{act, ask, command, found, path, replacing};
use crate::support::in_time::CommandInTime as _;
use crate::support::own;

/// Names the folder that the hidden cases work on.
pub const TREE: &str = "MAILWARD_TEST_TREE";

/// This program with one hidden case alone, under strace with these arguments; the log.
pub fn traced(case: &str, tree: &Path, arguments: &[&str]) -> (std::process::Output, String) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-y", "-s", "400", "-o"])
        .arg(log.path())
        .args(arguments)
        .arg(own::suite())
        .args(own::hidden(case))
        .env(TREE, tree)
        .output_in_time()
        .expect("strace (apt package strace)");
    let text = std::fs::read(log.path()).unwrap();
    (output, String::from_utf8_lossy(&text).into_owned())
}

fn hidden_tree() -> std::path::PathBuf {
    std::env::var_os(TREE).expect("other cases run this one").into()
}

fn all_requests() -> Vec<ReadRequest> {
    vec![
        ReadRequest::File(path("/etc/pop3d")),
        ReadRequest::File(path("/etc/pipe")),
        ReadRequest::File(path("/etc/none")),
        ReadRequest::Folder(path("/etc")),
        ReadRequest::Exists(path("/usr/bin/true")),
        ReadRequest::FirstOf(vec![ReadRequest::File(path("/none")), ReadRequest::Folder(path("/etc"))]),
        ReadRequest::Processes(vec!["xinetd", "couriertcpd"]),
        ReadRequest::Output(command(path("/usr/bin/true"), &[])),
        ReadRequest::Now,
        ReadRequest::Connection,
    ]
}

#[test]
#[ignore = "run by other cases, under strace"]
fn hidden_reads() {
    let host = LocalHost::tree(hidden_tree()).unwrap();
    assert_eq!(host.read(&all_requests()).unwrap().len(), all_requests().len());
    let machine = LocalHost::machine();
    let name: &'static str = std::fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned().leak();
    let replies =
        machine.read(&[ReadRequest::Processes(vec![name]), ReadRequest::File(path("/etc/passwd"))]).unwrap();
    assert!(matches!(&replies[0], ReadReply::Processes(found) if !found.is_empty()));
    let replies = machine.read(&all_requests()).unwrap();
    assert_eq!(replies.len(), all_requests().len());
}

#[test]
fn reading_changes_locks_and_signals_nothing() {
    let bench = tree();
    bench.put(b"/etc/pop3d", b"x");
    bench.pipe("/etc/pipe");
    bench.script("/usr/bin/true", "exit 0");
    bench.process(&Standing::new(9, "xinetd", &["xinetd"], &[25]));
    let calls = "trace=openat,open,creat,openat2,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,mknod,\
        mknodat,link,linkat,symlink,symlinkat,fsync,fdatasync,sync,syncfs,chmod,fchmod,fchmodat,chown,lchown,fchown,\
        fchownat,truncate,ftruncate,fallocate,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,utime,\
        utimes,utimensat,flock,kill,tkill,tgkill,pidfd_open,pidfd_send_signal,write,pwrite64,writev";
    let case = "host_contract::leaves_alone::hidden_reads";
    let (output, log) = traced(case, bench.dir.path(), &["-e", calls, "-e", "signal=none"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(log.contains("/etc/pop3d"), "strace saw the reading");
    for line in log.lines().filter(|line| line.contains('(') && !line.contains("+++")) {
        let opens = line.contains("openat(") || line.contains("open(");
        let reads =
            opens && !["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| line.contains(flag));
        // The harness talks to us; a command's standard input is the null device.
        let harness = line.contains("write(1<") || line.contains("write(2<") || line.contains("write(3<");
        assert!(reads || harness || line.contains("/dev/null"), "{line}");
    }
}

/// A tree that tries to lead out of itself in every way, and the place that it leads to.
fn luring() -> (super::test_hosts::Local, tempfile::TempDir) {
    let outside = tempfile::Builder::new().prefix("mw-outside-").tempdir().unwrap();
    let out = outside.path().to_str().unwrap();
    std::fs::create_dir_all(outside.path().join("proc/9")).unwrap();
    for file in ["secret", "program", "proc/9/stat"] {
        std::fs::write(outside.path().join(file), "OUTSIDE").unwrap();
    }
    let bench = tree();
    let up = "../".repeat(20);
    bench.folder("/etc");
    bench.folder("/var/lib");
    bench.link("/etc/absolute", &format!("{out}/secret"));
    bench.link("/etc/up", &format!("{up}{out}/secret"));
    bench.link("/etc/folder", out);
    bench.link("/etc/up-folder", &format!("{up}{out}"));
    bench.link("/etc/folder-in-steps", "step/..");
    bench.link("/etc/step", out);
    bench.link("/usr", out);
    bench.link("/var/lib/mailward", out);
    bench.link("/proc/9", &format!("{out}/proc/9"));
    bench.process(&Standing::new(10, "xinetd", &["xinetd"], &[25]));
    for name in ["cmdline", "environ"] {
        bench.remove(&format!("/proc/10/{name}"));
        bench.link(&format!("/proc/10/{name}"), &format!("{out}/secret"));
    }
    bench.link("/proc/10/on-signal", &format!("{out}/program"));
    (bench, outside)
}

#[test]
#[ignore = "run by other cases, under strace"]
fn hidden_lure() {
    let mut host = LocalHost::tree(hidden_tree()).unwrap();
    for name in ["/etc/absolute", "/etc/up", "/etc/folder/secret", "/etc/up-folder/secret", "/usr/secret"] {
        assert_eq!(found(&host, path(name)), FileFound::Missing, "{name}");
        assert_eq!(
            ask(&host, ReadRequest::Exists(path(name))),
            ReadReply::Exists(PathExistence::Missing),
            "{name}"
        );
        assert!(act(&mut host, replacing(path(name), b"OUTSIDE", b"overwritten")).is_err(), "{name}");
    }
    for name in ["/etc/folder", "/etc/up-folder", "/usr"] {
        assert_eq!(ask(&host, ReadRequest::Folder(path(name))), ReadReply::Folder(Ok(None)), "{name}");
    }
    let ReadReply::Folder(Ok(Some(listing))) = ask(&host, ReadRequest::Folder(path("/etc"))) else {
        panic!("no listing");
    };
    assert!(listing.iter().all(|(_, found)| *found == FileFound::Missing), "{listing:?}");
    assert!(host.read(&[ReadRequest::Processes(vec!["xinetd"])]).is_err(), "its arguments are not there");
    let ReadReply::Output(output) = ask(&host, ReadRequest::Output(command(path("/usr/program"), &[])))
    else {
        panic!("no output");
    };
    assert_eq!(output.end, mailward::host::CommandEnding::NotStarted);
    let id = Standing::new(10, "xinetd", &[], &[]).id();
    assert!(act(&mut host, HostOperation::Signal(id, ProcessSignal::Hangup)).is_err());
    let gone = HostOperation::Await(WaitCondition::Gone(vec![id]), Duration::ZERO);
    assert!(host.write(&[gone], &[]).is_ok());
    // A link to nothing is no place for a lock.
    assert!(host.lock().is_err());
    let save = HostOperation::Save { path: path("/var/lib/mailward/journal"), bytes: b"x".to_vec() };
    assert!(act(&mut host, save).is_err());
}

#[test]
fn nothing_outside_of_a_root_is_opened_or_changed() {
    let (bench, outside) = luring();
    let case = "host_contract::leaves_alone::hidden_lure";
    let (output, log) =
        traced(case, bench.dir.path(), &["-e", "trace=%file,%desc,kill,tkill,pidfd_send_signal"]);
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
    let out = outside.path().to_str().unwrap();
    assert!(log.contains(&format!("\"{out}/secret\"")), "strace saw the links");
    for line in log.lines() {
        // The text of a link may be read; nothing may be opened or reached by it.
        assert!(!line.contains(out) || line.contains("readlinkat("), "{line}");
        assert!(!line.contains("kill(") && !line.contains("pidfd_send_signal("), "{line}");
    }
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"OUTSIDE");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 3);
}

contract!(two_dots_stop_at_the_root: memory, tree);
fn two_dots_stop_at_the_root(bench: &dyn Bench) {
    bench.put(b"/top", b"inside");
    bench.link("/etc/a/b/up", "../../../../../../top");
    bench.link("/etc/to-root", "/");
    bench.link("/etc/up-to-root", "../..");
    let host = bench.host();
    for name in ["/etc/a/b/up", "/etc/to-root/top", "/etc/up-to-root/top"] {
        assert!(
            matches!(found(&*host, path(name)), FileFound::File(file) if file.bytes == b"inside"),
            "{name}"
        );
    }
    for name in ["/etc/to-root", "/etc/up-to-root"] {
        assert_eq!(ask(&*host, ReadRequest::Exists(path(name))), ReadReply::Exists(PathExistence::Folder));
        assert_eq!(found(&*host, path(name)), FileFound::NotRegular);
    }
}

#[test]
fn a_program_behind_links_runs_inside_the_root() {
    let bench = tree();
    bench.program("/opt/courier/sbin/program", Does::Exit(7));
    bench.link("/usr/sbin", "/opt/courier/sbin");
    bench.link("/bin", "usr/sbin");
    let ReadReply::Output(output) =
        ask(&*bench.host(), ReadRequest::Output(command(path("/bin/program"), &[])))
    else {
        panic!("no output");
    };
    assert_eq!(output.end, mailward::host::CommandEnding::Code(7));
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let bench = tree();
    bench.put(b"/etc/0", b"x");
    for number in 1..=41 {
        bench.link(&format!("/etc/{number}"), &(number - 1).to_string());
    }
    assert!(matches!(found(&*bench.host(), path("/etc/40")), FileFound::File(_)));
    assert!(matches!(found(&*bench.host(), path("/etc/41")), FileFound::Unreadable(_)));
}

#[test]
fn a_root_must_be_a_folder() {
    let bench = tree();
    bench.put(b"/file", b"");
    for name in ["/file", "/none"] {
        assert!(LocalHost::tree(bench.real(name)).is_err());
    }
}
