//! The few files of mailward's own outside its state.

use std::os::unix::fs::PermissionsExt as _;

use mailward::host::{FileMode, HostOperation, INIT_SCRIPT, SERVICE_UNIT};

use super::test_hosts::{Bench, put_bash, put_busybox, put_ssh, tree};
use super::{act, path};

fn putting(to: &str, bytes: &[u8], mode: FileMode) -> HostOperation {
    let (path, bytes) = (path(to), bytes.to_vec());
    HostOperation::Put { path, bytes, mode }
}

const UNIT: &[u8] = b"[Service]\nExecStart=/bin/sh -c '%n $x \\'\n\xff\0-";

contract!(a_file_is_put_where_the_host_looks_for_it: memory, tree, put_ssh, put_bash, put_busybox);
fn a_file_is_put_where_the_host_looks_for_it(bench: &dyn Bench) {
    let mut host = bench.host();
    for folder in super::remote::PUT {
        bench.folder(folder);
    }
    for bytes in [UNIT, b"", b"shorter"] {
        act(&mut *host, putting(SERVICE_UNIT, bytes, FileMode::Plain)).unwrap();
        assert_eq!(bench.bytes(SERVICE_UNIT), Some(bytes.to_vec()));
    }
    act(&mut *host, putting(INIT_SCRIPT, b"#!/bin/sh\n", FileMode::Program)).unwrap();
    assert_eq!(bench.bytes(INIT_SCRIPT), Some(b"#!/bin/sh\n".to_vec()));
    for (folder, name) in
        [("/etc/systemd/system", "mailward-access.service"), ("/etc/init.d", "mailward-access")]
    {
        assert_eq!(bench.names(folder), [name]);
    }
    for own in [SERVICE_UNIT, INIT_SCRIPT] {
        act(&mut *host, HostOperation::Remove(path(own))).unwrap();
        act(&mut *host, HostOperation::Remove(path(own))).unwrap();
        assert_eq!(bench.bytes(own), None);
    }
}

contract!(nothing_else_is_put_anywhere: memory, tree, put_ssh, put_bash, put_busybox);
fn nothing_else_is_put_anywhere(bench: &dyn Bench) {
    let mut host = bench.host();
    for folder in super::remote::PUT {
        bench.folder(folder);
    }
    for to in [
        "/etc/systemd/system/mailward-access.service.d",
        "/etc/systemd/system/ssh.service",
        "/etc/init.d/mailward",
        "/etc/passwd",
        "/var/lib/mailward/access/window.json",
    ] {
        let refusal = act(&mut *host, putting(to, b"x", FileMode::Plain)).unwrap_err();
        let expected = format!("cannot write {to}: it is not a file that mailward puts there");
        assert_eq!(refusal, expected);
    }
    assert_eq!(bench.names("/etc/systemd/system"), [""; 0]);
}

contract!(what_stands_there_and_is_no_file_stays: memory, tree, put_ssh, put_bash, put_busybox);
fn what_stands_there_and_is_no_file_stays(bench: &dyn Bench) {
    let mut host = bench.host();
    let refusal = |host: &mut dyn mailward::host::WriteHost| {
        let text = act(host, putting(INIT_SCRIPT, b"x", FileMode::Program)).unwrap_err();
        text.replace("cannot write /etc/init.d/mailward-access: it is ", "")
    };
    bench.put(b"/etc/init.d/other", b"other");
    bench.link(INIT_SCRIPT, "other");
    assert_eq!(refusal(&mut *host), "a symbolic link");
    bench.remove(INIT_SCRIPT);
    bench.hard_link(INIT_SCRIPT, "/etc/init.d/other");
    assert_eq!(refusal(&mut *host), "a file with several hard links");
    assert_eq!(bench.bytes("/etc/init.d/other"), Some(b"other".to_vec()));
    bench.remove(INIT_SCRIPT);
    bench.pipe(INIT_SCRIPT);
    assert_eq!(refusal(&mut *host), "not a regular file");
    bench.remove(INIT_SCRIPT);
    bench.folder(INIT_SCRIPT);
    assert_eq!(refusal(&mut *host), "a folder");
    assert_eq!(bench.names("/etc/init.d"), ["mailward-access", "other"]);
}

contract!(its_folder_must_be_there: memory, tree);
fn its_folder_must_be_there(bench: &dyn Bench) {
    let mut host = bench.host();
    let unit = putting(SERVICE_UNIT, b"x", FileMode::Plain);
    let failure = host.write(&[unit], &[]).unwrap_err();
    assert!(
        matches!(&failure.source, mailward::host::OperationError::System(error)
            if error.kind() == std::io::ErrorKind::NotFound),
        "{failure:?}"
    );
    assert_eq!(bench.bytes(SERVICE_UNIT), None);
}

#[test]
fn everybody_may_read_what_is_put_and_execute_a_program() {
    for bench in [tree(), put_ssh(), put_bash(), put_busybox()] {
        for folder in super::remote::PUT {
            bench.folder(folder);
        }
        let mut host = bench.host();
        for (to, mode, bits) in
            [(SERVICE_UNIT, FileMode::Plain, 0o644), (INIT_SCRIPT, FileMode::Program, 0o755)]
        {
            act(&mut *host, putting(to, b"x", mode)).unwrap();
            let is = bench.real(to).metadata().unwrap().permissions().mode();
            assert_eq!(is & 0o7777, bits, "{to}");
        }
    }
}
