//! What a machine must have to make private hosts. Must change nothing.

use std::path::Path;

/// A program that hosts need, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 25] = [
    ("/etc/init.d/courier-authdaemon", "courier-authdaemon"),
    ("/bin/busybox", "busybox-static"),
    ("/bin/nc.openbsd", "netcat-openbsd"),
    ("/bin/tcsh", "tcsh"),
    ("/usr/bin/nsenter", "util-linux"),
    ("/usr/bin/python3", "python3"),
    ("/usr/bin/ssh", "openssh-client"),
    ("/usr/bin/sudo", "sudo"),
    ("/usr/sbin/iptables-legacy", "iptables"),
    ("/usr/sbin/nft", "nftables"),
    ("/usr/sbin/sshd", "openssh-server"),
    ("/usr/bin/setpriv", "util-linux"),
    ("/usr/sbin/mkfs.ext4", "e2fsprogs"),
    ("/usr/bin/systemctl", "systemd"),
    ("/usr/bin/tini", "tini"),
    ("/usr/bin/tmux", "tmux"),
    ("/usr/bin/unshare", "util-linux"),
    ("/usr/bin/find", "findutils"),
    ("/usr/lib/courier/courier/courierpop3d", "courier-pop"),
    ("/usr/bin/imapd", "courier-imap"),
    ("/usr/sbin/couriertcpd", "courier-base"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/sbin/start-stop-daemon", "dpkg"),
    ("/usr/sbin/xinetd", "xinetd"),
    ("/bin/ps", "procps"),
];

/// CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_MKNOD, as bits of the effective set.
const POWERS: u64 = 1 << 12 | 1 << 21 | 1 << 27;

/// Returns whether a host can be made here; if not, says so. A missing package is a failure.
pub fn met() -> bool {
    let test = crate::support::test_name();
    if !Path::new("/etc/debian_version").exists() {
        crate::support::not_run(&test, "Debian");
        return false;
    }
    if effective_powers() & POWERS != POWERS {
        crate::support::not_run(&test, "root with CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_MKNOD");
        return false;
    }
    let missing: Vec<_> =
        PROGRAMS.iter().filter(|(path, _)| !Path::new(path).exists()).map(|(_, package)| *package).collect();
    assert!(missing.is_empty(), "missing Debian packages: {}; run tests/install.sh", missing.join(" "));
    true
}

fn effective_powers() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0)
}
