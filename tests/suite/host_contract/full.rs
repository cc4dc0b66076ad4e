//! A full disk on the host: the old file stays, nothing is left lying about, and the reason is told.

use std::fs;

use mailward::host::ssh::MetadataPolicy;
use mailward::host::{CommandEnding, HostOperation, ReadReply, ReadRequest};

use super::processes::is_root;
use super::remote::Shell;
use super::test_hosts::{Bench, Local, changed};
use super::{act, ask, path, replacing};

/// A host with little room for its configuration and for mailward's own files.
fn small(shell: Shell, more: &str) -> Local {
    let setup = format!(
        "mkdir -p $dir/etc; mount -t tmpfs -o size=64k none $dir/etc; mount -t tmpfs -o size=64k none /var/lib\n\
         cp $dir/pop3d $dir/etc/pop3d\n{more}"
    );
    let bench = changed(shell, MetadataPolicy::Unseen, &setup);
    bench.put(b"/pop3d", b"MAXPERIP=4\n");
    // Root's shell looks into the namespace for the case.
    bench.script(
        "/bin/look",
        &format!(
            "cat {dir}/etc/pop3d; ls -A {dir}/etc /var/lib /var/lib/mailward 2>&1",
            dir = bench.dir.path().display()
        ),
    );
    bench
}

fn fill() -> &'static str {
    "head -c 56000 /dev/zero >$dir/etc/filler; head -c 60000 /dev/zero >/var/lib/filler"
}

fn look(bench: &Local, host: &dyn mailward::host::WriteHost) -> String {
    let run = super::command(bench.path("/bin/look"), &[]);
    match ask(host, ReadRequest::Output(run)) {
        ReadReply::Output(output) => String::from_utf8(output.stdout).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    if !is_root("a_full_disk_leaves_everything_as_it_was") {
        return;
    }
    for shell in [Shell::Ssh, Shell::Bash, Shell::BusyBox] {
        let bench = small(shell, fill());
        let mut host = bench.host();
        let file = bench.path("/etc/pop3d");
        let kept =
            act(&mut *host, HostOperation::Save { path: path("/var/lib/mailward/small"), bytes: vec![] });
        kept.unwrap();
        let before = look(&bench, &*host);
        // Less and more than what a pipe takes.
        for size in [9_000, 300_000] {
            let bytes = vec![b'x'; size];
            let change = replacing(file.clone(), b"MAXPERIP=4\n", &bytes);
            let refusal = act(&mut *host, change).unwrap_err();
            assert!(refusal.contains("No space left on device"), "{size}: {refusal}");
            let save = HostOperation::Save { path: path("/var/lib/mailward/journal"), bytes };
            let refusal = act(&mut *host, save).unwrap_err();
            assert!(refusal.contains("No space left on device"), "{size}: {refusal}");
            assert_eq!(look(&bench, &*host), before);
        }
        assert!(before.starts_with("MAXPERIP=4\n"), "{before}");
        // With room again the same connection goes on.
        act(&mut *host, replacing(file, b"MAXPERIP=4\n", b"MAXPERIP=20\n")).unwrap();
        assert!(look(&bench, &*host).starts_with("MAXPERIP=20\n"));
    }
}

#[test]
fn without_room_for_its_files_a_command_does_not_start() {
    if !is_root("without_room_for_its_files_a_command_does_not_start") {
        return;
    }
    for shell in [Shell::Ssh, Shell::Bash, Shell::BusyBox] {
        // Each holds a few files, but no long input.
        let setup = "mkdir -p $dir/shm; for folder in /dev/shm /run; do mount -t tmpfs -o size=16k none $folder; done; \
                     mount --bind $dir/shm $dir/shm; mount -o remount,bind,ro $dir/shm; mkdir -p $dir/keep";
        let bench = changed(shell, MetadataPolicy::Unseen, setup);
        bench.script("/bin/count", "wc -c");
        let host = bench.host();
        let counted = |input: usize| {
            let command = mailward::host::HostCommand {
                input: vec![b'x'; input],
                ..super::command(bench.path("/bin/count"), &[])
            };
            match ask(&*host, ReadRequest::Output(command)) {
                ReadReply::Output(output) => output,
                other => panic!("{other:?}"),
            }
        };
        // It goes where there is room, and never comes short.
        for input in [10, 100_000] {
            let output = counted(input);
            assert_eq!(output.end, CommandEnding::Code(0));
            let count: usize = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
            assert_eq!(count, input);
        }
        drop(host);
        let left = fs::read_dir("/tmp").unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with(".mailward-")
        });
        assert_eq!(left.count(), 0);
    }
}
