//! A replaced file keeps everything but its bytes.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use mailward::host::WriteHost;
use rustix::fs::{XattrFlags, getxattr, listxattr, setxattr};

use super::test_hosts::{Bench, Local, bash, machine, ssh, tree};
use super::{act, replacing};

fn is_root(what: &str) -> bool {
    let root = rustix::process::getuid().is_root();
    if !root {
        crate::support::not_run(what, "root");
    }
    root
}

/// Owner, group, mode, and all extended attributes.
pub fn metadata(path: &Path) -> (u32, u32, u32, Vec<(String, Vec<u8>)>) {
    let found = fs::symlink_metadata(path).unwrap();
    let mut buffer = [0; 4096];
    let length = listxattr(path, &mut buffer).unwrap();
    let mut attributes: Vec<_> = String::from_utf8(buffer[..length].to_vec())
        .unwrap()
        .split_terminator('\0')
        .map(|name| {
            let mut value = [0; 4096];
            let length = getxattr(path, name, &mut value).unwrap();
            (name.to_owned(), value[..length].to_vec())
        })
        .collect();
    attributes.sort();
    (found.uid(), found.gid(), found.mode(), attributes)
}

pub fn change(bench: &Local) -> Result<(), String> {
    change_over(&mut *bench.host(), bench)
}

fn change_over(host: &mut dyn WriteHost, bench: &Local) -> Result<(), String> {
    let path = bench.path("/etc/pop3d");
    act(host, replacing(path, b"old", b"new"))
}

/// An ACL as the kernel keeps it (posix_acl_xattr.h): owner, one user, group, mask, others.
pub fn acl(user: u32, rights: u16) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    let nobody = u32::MAX;
    for (tag, rights, id) in
        [(1, 6, nobody), (2, rights, user), (4, 4, nobody), (16, 6, nobody), (32, 0, nobody)]
    {
        bytes.extend(u16::to_le_bytes(tag));
        bytes.extend(u16::to_le_bytes(rights));
        bytes.extend(u32::to_le_bytes(id));
    }
    bytes
}

#[test]
fn mode_and_user_attributes_are_kept() {
    for bench in [tree(), machine(), ssh(), bash()] {
        let mut host = bench.host();
        for mode in [0o600, 0o644, 0o640, 0o400, 0o755, 0o2750, 0o4711] {
            bench.put(b"/etc/pop3d", b"old");
            let real = bench.real("/etc/pop3d");
            setxattr(&real, "user.comment", b"by hand\0\xff", XattrFlags::empty()).unwrap();
            setxattr(&real, "user.empty", b"", XattrFlags::empty()).unwrap();
            setxattr(&real, "user.long", &[7; 3000], XattrFlags::empty()).unwrap();
            fs::set_permissions(&real, fs::Permissions::from_mode(mode)).unwrap();
            let before = metadata(&real);
            change_over(&mut *host, &bench).unwrap();
            assert_eq!(metadata(&real), before, "{mode:o}");
            assert_eq!(before.3.len(), 3);
            fs::remove_file(real).unwrap();
        }
    }
}

#[test]
fn owner_acl_and_attributes_of_root_are_kept() {
    if !is_root("owner_acl_and_attributes_of_root_are_kept") {
        return;
    }
    for bench in [tree(), ssh(), bash()] {
        keeps_what_root_gave(&bench);
    }
}

fn keeps_what_root_gave(bench: &Local) {
    bench.put(b"/etc/pop3d", b"old");
    let real = bench.real("/etc/pop3d");
    chown(&real, Some(1234), Some(4321)).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o6750)).unwrap();
    setxattr(&real, "system.posix_acl_access", &acl(77, 6), XattrFlags::empty()).unwrap();
    setxattr(&real, "trusted.mw", b"t", XattrFlags::empty()).unwrap();
    setxattr(&real, "security.mw", b"s", XattrFlags::empty()).unwrap();
    // cap_net_bind_service, which a change of owner takes away.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    setxattr(&real, "security.capability", &capability, XattrFlags::empty()).unwrap();
    let before = metadata(&real);
    assert_eq!((before.0, before.1, before.2, before.3.len()), (1234, 4321, 0o106_660, 4));
    change(bench).unwrap();
    assert_eq!(metadata(&real), before);
    assert_eq!(fs::read(&real).unwrap(), b"new");
    assert_eq!(bench.names("/etc"), ["pop3d"]);
}

#[test]
fn what_the_folder_would_add_is_not_added() {
    for bench in [tree(), machine(), ssh(), bash()] {
        adds_nothing_of_the_folders(&bench);
    }
}

fn adds_nothing_of_the_folders(bench: &Local) {
    bench.put(b"/etc/pop3d", b"old");
    let real = bench.real("/etc/pop3d");
    let default = "system.posix_acl_default";
    setxattr(bench.real("/etc"), default, &acl(77, 6), XattrFlags::empty()).unwrap();
    fs::write(bench.real("/etc/other"), b"").unwrap();
    assert_eq!(metadata(&bench.real("/etc/other")).3.len(), 1, "the folder's ACL is inherited");
    let before = metadata(&real);
    assert_eq!(before.3.len(), 0);
    change(bench).unwrap();
    assert_eq!(metadata(&real), before);
}
