//! Many files, long names, many processes: no list is too long for the host's kernel, and no answer is cut
//! short.

use std::fs;

use mailward::host::ssh::MetadataPolicy;
use mailward::host::{FileFound, ReadReply, ReadRequest};

use super::ask;
use super::processes::{WAIT, processes, start};
use super::remote::Shell;
use super::test_hosts::{Bench, Local, changed};

/// With so small a stack the kernel takes no more arguments than that of CentOS 5 does: 128 kB.
const OLD: &str = "ulimit -s 512";

fn benches(setup: &str) -> [Local; 3] {
    let bench = |shell| changed(shell, MetadataPolicy::Unseen, setup);
    [Shell::Ssh, Shell::Bash, Shell::BusyBox].map(bench)
}

fn all_come_back(bench: &Local, count: usize, name: impl Fn(usize) -> String) {
    bench.folder("/d");
    for number in 0..count {
        let text = format!("{number}\n").repeat(number % 7);
        fs::write(bench.real(format!("/d/{}", name(number))), text).unwrap();
    }
    // What a single request asks for may be much as well.
    let requests: Vec<ReadRequest> = [ReadRequest::Folder(bench.path("/d"))]
        .into_iter()
        .chain((0..40).map(|number| {
            let name = name(number * (count / 40));
            ReadRequest::File(bench.path(&format!("/d/{name}")))
        }))
        .collect();
    let replies = bench.host().read(&requests).unwrap();
    let ReadReply::Folder(Ok(Some(listing))) = &replies[0] else {
        panic!("no listing");
    };
    assert_eq!(listing.len(), count);
    let mut names: Vec<_> = (0..count).map(|number| (name(number), number)).collect();
    names.sort();
    for ((found, file), (name, number)) in listing.iter().zip(names) {
        assert_eq!(found, name.as_bytes());
        let text = format!("{number}\n").repeat(number % 7);
        assert!(matches!(file, FileFound::File(file) if file.bytes == text.as_bytes()), "{name}");
    }
    for (number, reply) in replies[1..].iter().enumerate() {
        let number = number * (count / 40);
        let text = format!("{number}\n").repeat(number % 7);
        let is_right =
            matches!(reply, ReadReply::File(FileFound::File(file)) if file.bytes == text.as_bytes());
        assert!(is_right, "{number}: {reply:?}");
    }
}

#[test]
fn a_thousand_files_are_a_thousand_files() {
    for bench in benches("") {
        all_come_back(&bench, 1000, |number| format!("service-{number}"));
    }
}

#[test]
fn three_thousand_files_with_long_names_come_through_an_old_kernel() {
    // It is the slowest shell with lists.
    let bench = changed(Shell::Bash, MetadataPolicy::Unseen, OLD);
    all_come_back(&bench, 3000, |number| format!("{number:0>220}"));
}

#[test]
fn more_processes_than_one_call_takes_are_looked_through() {
    let here = super::test_hosts::machine();
    let _child = start(&here, "mw-one-of-many", WAIT, &[]);
    let expected = processes(&*here.host(), &["mw-one-of-many"]);
    assert_eq!(expected.len(), 1);
    // A grep that fails as if its list were too long, unless all in it begin alike.
    let setup = "mount --bind $dir/grep /usr/bin/grep";
    // In a BusyBox shell grep is a part of the shell, so there is no list to be too long.
    for bench in [Shell::Ssh, Shell::Bash].map(|shell| changed(shell, MetadataPolicy::Unseen, setup)) {
        let real = bench.real("/real-grep");
        let there = real.display();
        fs::copy("/usr/bin/grep", &real).unwrap();
        bench.script(
            "/grep",
            &format!(
                "first=\nfor word; do case $word in /proc/[0-9]*)\n\
                 word=${{word#/proc/}}; word=${{word%\"${{word#?}}\"}}\n\
                 [ \"${{first:=$word}}\" = \"$word\" ] || exit 126 ;; esac; done\nexec {there} \"$@\""
            ),
        );
        assert_eq!(processes(&*bench.host(), &["mw-one-of-many"]), expected);
    }
}

#[test]
fn of_others_than_the_wanted_processes_nothing_but_the_name_is_read() {
    let here = super::test_hosts::machine();
    let _child = start(&here, "mw-by-its-name", WAIT, &[]);
    let expected = processes(&*here.host(), &["mw-by-its-name"]);
    assert_eq!(expected.len(), 1);
    // A grep that notes which files of processes it is given.
    let setup = "mount --bind $dir/grep /usr/bin/grep";
    for bench in [Shell::Ssh, Shell::Bash].map(|shell| changed(shell, MetadataPolicy::Unseen, setup)) {
        let (real, noted) = (bench.real("/real-grep"), bench.real("/noted"));
        let (there, note) = (real.display(), noted.display());
        fs::copy("/usr/bin/grep", &real).unwrap();
        bench.script(
            "/grep",
            &format!(
                "for word; do case $word in /proc/[0-9]*/*) echo \"${{word##*/}}\" ;; esac; done | sort -u >>{note}\n\
                 exec {there} \"$@\""
            ),
        );
        assert_eq!(processes(&*bench.host(), &["mw-by-its-name"]), expected);
        assert_eq!(fs::read_to_string(&noted).unwrap(), "comm\n");
    }
}

/// Listens once and has this many more files open.
fn busy(files: usize) -> super::processes::Running {
    let code = "import os, resource, socket, sys\n\
        resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))\n\
        open('/proc/self/comm', 'w').write('mw-many-open')\n\
        here = socket.create_server(('127.0.0.1', 0))\n\
        for n in range(int(sys.argv[1])): os.dup(0)\n\
        print(flush=True)\n\
        sys.stdin.read()";
    let mut child = std::process::Command::new("python3")
        .args(["-c", code, &files.to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3 (apt package python3)");
    super::processes::said(&mut child);
    super::processes::Running(child)
}

#[test]
fn a_process_with_more_open_files_than_an_old_kernel_lists_has_unknown_ports() {
    let _busy = busy(8000);
    let here = super::test_hosts::machine();
    let expected = processes(&*here.host(), &["mw-many-open"]);
    assert_eq!(expected[0].ports.as_ref().unwrap().len(), 1);
    for bench in benches("") {
        assert_eq!(processes(&*bench.host(), &["mw-many-open"]), expected);
    }
    for bench in [Shell::Ssh, Shell::Bash].map(|shell| changed(shell, MetadataPolicy::Unseen, OLD)) {
        let found = processes(&*bench.host(), &["mw-many-open"]);
        assert_eq!(found[0].ports, None, "unknown, and not none");
    }
}

#[test]
fn a_batch_of_thousands_of_requests_is_answered_in_order() {
    for bench in benches("") {
        bench.put(b"/etc/a", b"a");
        let one = |number: usize| match number % 3 {
            0 => ReadRequest::File(bench.path("/etc/a")),
            1 => ReadRequest::Exists(bench.path("/etc")),
            _ => ReadRequest::File(bench.path("/etc/none")),
        };
        let replies = bench.host().read(&(0..3000).map(one).collect::<Vec<_>>()).unwrap();
        assert_eq!(replies.len(), 3000);
        for (number, reply) in replies.iter().enumerate() {
            let expected = ["File(File(", "Exists(Folder)", "File(Missing)"][number % 3];
            assert!(format!("{reply:?}").starts_with(expected), "{number}: {reply:?}");
        }
        assert!(matches!(ask(&*bench.host(), ReadRequest::Now), ReadReply::Now(_)));
    }
}
