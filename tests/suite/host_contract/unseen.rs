//! What a host's tools can keep of a file's metadata and what they can show of it: where neither, nothing is
//! replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mailward::host::ssh::MetadataPolicy;
use rustix::fs::{XattrFlags, setxattr};

use super::metadata::{acl, change, metadata};
use super::remote::Shell;
use super::test_hosts::{Bench, Local, changed};

/// Nothing shows attributes.
const BLIND: &str = "mount --bind /dev/null /usr/bin/getfattr";

/// A `cp` that knows what that of CentOS 5 knows.
const OLD: &str = "mount --bind $dir/cp /usr/bin/cp";

/// A `cp` that knows what that of CentOS 6 knows.
const NEWER: &str = "mount --bind $dir/newer-cp /usr/bin/cp";

fn bench(shell: Shell, metadata: MetadataPolicy, setup: &str) -> Local {
    let bench = changed(shell, metadata, setup);
    fs::copy("/usr/bin/cp", bench.real("/real-cp")).unwrap();
    let real = bench.real("/real-cp");
    let reject = |what: &str| {
        format!(
            "case \" $* \" in {what}) echo \"cp: unrecognized option\" >&2; exit 1 ;; esac\nexec {} \"$@\"",
            real.display()
        )
    };
    bench.script("/cp", &reject("*xattr*|*--attributes-only*"));
    bench.script("/newer-cp", &reject("*--attributes-only*"));
    bench.put(b"/etc/pop3d", b"old");
    bench
}

fn with_attribute(bench: &Local) {
    let real = bench.real("/etc/pop3d");
    setxattr(real, "user.comment", b"by hand", XattrFlags::empty()).unwrap();
}

fn with_capability(bench: &Local) {
    // cap_net_bind_service, which every writing to the file takes away.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let real = bench.real("/etc/pop3d");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o750)).unwrap();
    let flags = XattrFlags::empty();
    setxattr(real, "security.capability", &capability, flags).unwrap();
}

fn is_kept(bench: &Local) {
    let before = metadata(&bench.real("/etc/pop3d"));
    change(bench).unwrap();
    assert_eq!(metadata(&bench.real("/etc/pop3d")), before);
    assert_eq!(bench.bytes("/etc/pop3d"), Some(b"new".to_vec()));
    assert_eq!(bench.names("/etc"), ["pop3d"]);
}

fn is_refused(bench: &Local, why: &str) {
    let before = metadata(&bench.real("/etc/pop3d"));
    let refusal = change(bench).unwrap_err();
    assert!(refusal.ends_with(why), "{refusal}");
    assert_eq!(metadata(&bench.real("/etc/pop3d")), before);
    assert_eq!(bench.bytes("/etc/pop3d"), Some(b"old".to_vec()));
    assert_eq!(bench.names("/etc"), ["pop3d"]);
}

const UNSEEN: &str = "the host has no tool that shows whether its ACL and extended attributes are kept";
const DIFFERS: &str = "ACL and extended attributes cannot be kept";

fn is_root(what: &str) -> bool {
    let root = rustix::process::getuid().is_root();
    if !root {
        crate::support::not_run(what, "root");
    }
    root
}

#[test]
fn without_getfattr_what_cp_copies_is_kept() {
    if !is_root("without_getfattr_what_cp_copies_is_kept") {
        return;
    }
    for shell in [Shell::Ssh, Shell::Bash] {
        let bench = bench(shell, MetadataPolicy::Shown, BLIND);
        let real = bench.real("/etc/pop3d");
        with_attribute(&bench);
        with_capability(&bench);
        let flags = XattrFlags::empty();
        setxattr(&real, "system.posix_acl_access", &acl(77, 6), flags).unwrap();
        is_kept(&bench);
    }
}

#[test]
fn busybox_replaces_nothing_unless_that_is_wanted() {
    if !is_root("busybox_replaces_nothing_unless_that_is_wanted") {
        return;
    }
    is_refused(&bench(Shell::BusyBox, MetadataPolicy::Shown, ""), UNSEEN);
    let unseen = bench(Shell::BusyBox, MetadataPolicy::Unseen, "");
    let real = unseen.real("/etc/pop3d");
    std::os::unix::fs::chown(&real, Some(1234), Some(4321)).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    is_kept(&unseen);
}

#[test]
fn an_old_cp_with_getfattr_replaces_what_has_no_attributes() {
    if !is_root("an_old_cp_with_getfattr_replaces_what_has_no_attributes") {
        return;
    }
    let plain = bench(Shell::Bash, MetadataPolicy::Shown, OLD);
    is_kept(&plain);
    let listed = bench(Shell::Bash, MetadataPolicy::Shown, OLD);
    let flags = XattrFlags::empty();
    let real = listed.real("/etc/pop3d");
    setxattr(real, "system.posix_acl_access", &acl(77, 6), flags).unwrap();
    is_kept(&listed);

    for shell in [Shell::Ssh, Shell::Bash] {
        for metadata in [MetadataPolicy::Shown, MetadataPolicy::Unseen] {
            let attributed = bench(shell, metadata, OLD);
            with_attribute(&attributed);
            is_refused(&attributed, DIFFERS);
        }
    }
}

#[test]
fn an_old_cp_without_getfattr_replaces_nothing_unless_that_is_wanted() {
    if !is_root("an_old_cp_without_getfattr_replaces_nothing_unless_that_is_wanted") {
        return;
    }
    let blind = format!("{OLD}\n{BLIND}");
    is_refused(&bench(Shell::Bash, MetadataPolicy::Shown, &blind), UNSEEN);
    is_kept(&bench(Shell::Bash, MetadataPolicy::Unseen, &blind));
}

#[test]
fn a_capability_that_the_new_content_takes_away_is_not_lost_unseen() {
    if !is_root("a_capability_that_the_new_content_takes_away_is_not_lost_unseen") {
        return;
    }
    let shown = bench(Shell::Bash, MetadataPolicy::Shown, NEWER);
    with_attribute(&shown);
    is_kept(&shown);
    with_capability(&shown);
    fs::write(shown.real("/etc/pop3d"), b"old").unwrap();
    with_capability(&shown);
    is_refused(&shown, DIFFERS);

    let blind = bench(Shell::Bash, MetadataPolicy::Shown, &format!("{NEWER}\n{BLIND}"));
    with_attribute(&blind);
    is_kept(&blind);
    fs::write(blind.real("/etc/pop3d"), b"old").unwrap();
    with_capability(&blind);
    is_refused(&blind, UNSEEN);
}

#[test]
fn a_file_that_cannot_keep_its_owner_is_not_replaced() {
    if !is_root("a_file_that_cannot_keep_its_owner_is_not_replaced") {
        return;
    }
    // Of this cp the copy is root's own.
    let careless = "mount --bind $dir/careless-cp /usr/bin/cp";
    for metadata in [MetadataPolicy::Shown, MetadataPolicy::Unseen] {
        let bench = bench(Shell::Bash, metadata, careless);
        bench.script("/careless-cp", "for to; do from=$last last=$to; done\ncat \"$from\" > \"$last\"");
        std::os::unix::fs::chown(bench.real("/etc/pop3d"), Some(1234), None).unwrap();
        is_refused(&bench, "owner, group and mode cannot be kept");
    }
}
