//! Reading over a connection changes nothing on the host, and leaves nothing behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mailward::host::{ReadReply, ReadRequest};

use super::remote::Shell;
use super::test_hosts::{Bench, Local, changed};
use super::{command, path};

/// What a watched folder has: kind, size, and times of change of each thing in it.
fn state(folder: &Path, all: &mut BTreeMap<PathBuf, (u32, u64, i64, i64)>) {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(metadata) = folder.symlink_metadata() else {
        return;
    };
    // The time of a folder in which a command's files had names for a moment has changed.
    let changed = match metadata.is_dir() {
        true => (0, 0),
        false => (metadata.ctime(), metadata.ctime_nsec()),
    };
    let size = if metadata.is_dir() { 0 } else { metadata.size() };
    all.insert(folder.to_owned(), (metadata.mode(), size, changed.0, changed.1));
    if metadata.is_dir() {
        for entry in fs::read_dir(folder).unwrap() {
            state(&entry.unwrap().path(), all);
        }
    }
}

/// A host whose places for temporary things are the bench's own, so that others' do not count.
fn watched(shell: Shell) -> Local {
    // The benches lie in /tmp; a command's files go there only where the others take none.
    let setup = "for folder in dev/shm run var/tmp; do mount --bind $dir/watched/$folder /$folder; done";
    let metadata = mailward::host::ssh::MetadataPolicy::Unseen;
    let bench = changed(shell, metadata, setup);
    for folder in ["dev/shm", "run", "var/tmp"] {
        bench.folder(&format!("/watched/{folder}"));
    }
    bench.folder("/var/lib/mailward/history");
    bench.put(b"/var/lib/mailward/lock", b"pid 1\n");
    bench.put(b"/etc/pop3d", b"MAXPERIP=4\n");
    bench.put(b"/etc/secret", b"x\n");
    bench.link("/etc/link", "nowhere");
    bench.pipe("/etc/pipe");
    bench.script("/bin/program", "cat; echo \"$SECRET\"; echo >&2; sleep 0.1");
    bench
}

fn everything(bench: &Local) -> Vec<ReadRequest> {
    let run = command(bench.path("/bin/program"), &["a"]);
    vec![
        ReadRequest::File(bench.path("/etc/pop3d")),
        ReadRequest::File(bench.path("/etc/pipe")),
        ReadRequest::File(bench.path("/etc/none")),
        ReadRequest::Folder(bench.path("/etc")),
        ReadRequest::Folder(path("/var/lib/mailward")),
        ReadRequest::Exists(bench.path("/bin/program")),
        ReadRequest::FirstOf(vec![ReadRequest::File(path("/none")), ReadRequest::Folder(bench.path("/etc"))]),
        ReadRequest::Processes(vec!["sh", "bash"]),
        ReadRequest::Output(mailward::host::HostCommand {
            input: b"input".to_vec(),
            secret: Some(mailward::host::SecretVariable {
                variable: "SECRET",
                file: bench.path("/etc/secret"),
            }),
            ..run.clone()
        }),
        ReadRequest::Output(mailward::host::HostCommand {
            deadline: std::time::Duration::from_millis(10),
            input: vec![b'x'; 100_000],
            ..run
        }),
        ReadRequest::Output(command(bench.path("/bin/none"), &[])),
        ReadRequest::Now,
        ReadRequest::Connection,
    ]
}

#[test]
fn reading_over_a_connection_changes_nothing() {
    for shell in [Shell::Ssh, Shell::Bash, Shell::BusyBox] {
        let bench = watched(shell);
        let look = || {
            let mut all = BTreeMap::new();
            state(bench.dir.path(), &mut all);
            // What making the bench leaves there.
            let made = ["run/mount", "run/sshd"].map(|name| bench.real(format!("/watched/{name}")));
            all.retain(|path, _| made.iter().all(|made| !path.starts_with(made)));
            all
        };
        let before = look();
        let host = bench.host();
        for _ in 0..2 {
            let asked = everything(&bench);
            let replies = host.read(&asked).unwrap();
            assert_eq!(replies.len(), asked.len());
            let ReadReply::Output(output) = &replies[8] else {
                panic!("{replies:?}");
            };
            assert_eq!(output.stdout, b"inputx\n");
            assert_eq!(look(), before, "while the connection stands");
        }
        drop(host);
        assert_eq!(look(), before);
    }
}

/// What opens a file to write, or changes a folder.
const CALLS: &str = "trace=open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,mknod,mknodat,\
    link,linkat,symlink,symlinkat,fsync,fdatasync,sync,syncfs,chmod,fchmod,fchmodat,chown,lchown,fchown,fchownat,truncate,\
    ftruncate,setxattr,lsetxattr,fsetxattr,utime,utimes,utimensat,flock,kill,tkill,tgkill";

#[test]
fn reading_writes_locks_and_signals_nothing_but_a_commands_own_files() {
    for shell in [Shell::Bash, Shell::BusyBox] {
        let bench = watched(shell);
        let here = bench.dir.path().display().to_string();
        // strace is no part of a BusyBox system.
        fs::copy("/usr/bin/strace", bench.real("/strace")).expect("apt package strace");
        let inner = fs::read_to_string(bench.real("/inner")).unwrap();
        let strace = format!("exec {here}/strace -f -y -e signal=none -o {here}/log -e {CALLS}");
        let inner = inner.replace("exec sh -c", &format!("{strace} sh -c"));
        fs::write(bench.real("/inner"), inner).unwrap();
        let host = bench.host();
        let asked = everything(&bench);
        // Commands are left out: their files are looked at above.
        let asked: Vec<_> =
            asked.into_iter().filter(|request| !matches!(request, ReadRequest::Output(_))).collect();
        assert_eq!(host.read(&asked).unwrap().len(), asked.len());
        drop(host);
        let log = String::from_utf8_lossy(&bench.bytes("/log").unwrap()).into_owned();
        assert!(log.contains("/etc/pop3d"), "strace saw the reading");
        for line in log.lines().filter(|line| line.contains('(')) {
            let opens = line.contains("openat(") || line.contains("open(");
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| line.contains(flag));
            // bash looks for a terminal when it starts.
            let device = line.contains("/dev/null") || line.contains("/dev/tty");
            assert!((opens && !writes) || device, "{line}");
        }
    }
}
