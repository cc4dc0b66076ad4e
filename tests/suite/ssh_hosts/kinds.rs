//! What each kind of host has and lacks, seen over its sshd.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{KINDS, host_with};
use crate::support::host::{Host, Kind, Layout, OPERATOR, PORTS, VISITOR};

#[test]
fn every_kind_of_host_runs_sh_for_ssh_and_serves_before_and_after_a_reboot() {
    for (kind, layout) in KINDS {
        let Some(mut host) = Host::prepare(kind, layout) else {
            return;
        };
        host.sshd();
        host.boot();
        for _ in 0..2 {
            let ssh = host.ssh();
            let script = "read word; echo \"$word from $(hostname)\"; exit 7";
            let said = ssh.bare(script).stdin("hello\n").run();
            assert_eq!(
                (said.code(), said.stdout.as_str(), said.stderr.as_str()),
                (7, "hello from mx1.test\n", ""),
                "{kind:?}"
            );
            let mut all = BTreeSet::from(PORTS);
            all.insert(22);
            assert_eq!(host.listening(), all);
            let mut smtp = host.connect(25, "198.51.100.7");
            assert_eq!(smtp.greeting().as_deref(), Some("220 mx1.test ESMTP (smtp)"));
            assert_eq!(smtp.exchange("said back"), "said back");
            for port in [110, 143] {
                assert_eq!(host.open_until_cut(port, "198.51.100.7", 20).len(), 4);
            }
            let client = ssh.bare("echo $SSH_CONNECTION").run().success();
            assert!(client.starts_with("192.0.2.129 "), "{client}");
            assert!(client.ends_with(" 192.0.2.1 22\n"), "{client}");
            host.reboot();
        }
    }
}

#[test]
fn an_sshd_can_be_given_to_a_host_that_runs() {
    for (kind, layout) in KINDS {
        let Some(mut host) = Host::start_with(kind, layout) else {
            return;
        };
        host.sshd();
        assert_eq!(host.ssh().bare("echo here").run().success(), "here\n");
        host.sshd_with(&["SetEnv PATH=/bin"]);
        assert_eq!(host.ssh().bare("echo $PATH").run().success(), "/bin\n");
    }
}

#[test]
fn an_operator_becomes_root_by_sudo_and_a_visitor_does_not() {
    for kind in Kind::ALL {
        let Some(mut host) = Host::start(kind) else {
            return;
        };
        host.sshd();
        let operator = host.ssh().user(OPERATOR);
        assert_eq!(operator.bare("id -un").run().success(), "operator\n");
        let root = operator.bare("sudo -n id -u").run();
        assert_eq!((root.code(), root.stdout.as_str(), root.stderr.as_str()), (0, "0\n", ""));
        let visitor = host.ssh().user(VISITOR);
        assert_eq!(visitor.bare("id -un").run().success(), "visitor\n");
        let refused = visitor.bare("sudo -n id -u").run();
        assert_eq!(refused.code(), 1, "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
}

#[test]
fn services_started_over_ssh_stay_when_the_connection_ends() {
    for (kind, layout) in KINDS {
        let Some(mut host) = Host::start_with(kind, layout) else {
            return;
        };
        host.sshd();
        let service = layout.service(110);
        host.replace_text(&format!("{}/pop3d", layout.folder()), "MAXPERIP=4\n", "MAXPERIP=9\n");
        let again = match kind {
            Kind::Systemd => format!("systemctl stop {service} && systemctl start {service}"),
            Kind::SysV | Kind::BusyBox => {
                format!("/etc/init.d/{service} stop && /etc/init.d/{service} start")
            }
        };
        // A daemon keeps what it was given, and with that the connection.
        let ended = host.ssh().bare(&format!("({again}) >/dev/null 2>&1 </dev/null")).run();
        assert_eq!(ended.code(), 0, "{kind:?}: {ended:?}");
        host.wait_for_ports(&[110]);
        assert_eq!(host.open_until_cut(110, "198.51.100.7", 20).len(), 9);
        let pid = host.read_text("/run/xinetd.pid");
        let reload = format!("kill -HUP {}", pid.trim());
        host.replace_text("/etc/xinetd.conf", "per_source\t= 10", "per_source\t= 3");
        host.ssh().bare(&reload).run().success();
        host.wait_until("the lower limit is live", || host.open_until_cut(25, "198.51.100.9", 20).len() == 3);
        assert_eq!(host.read_text("/run/xinetd.pid"), pid);
    }
}

/// The regular files and links below a folder on which somebody may run something.
fn executables(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            executables(&path, found);
        } else if metadata.is_symlink() || metadata.permissions().mode() & 0o111 != 0 {
            found.push(path);
        }
    }
}

#[test]
fn a_host_with_busybox_has_no_other_tool() {
    let Some(mut host) = Host::busybox() else {
        return;
    };
    host.sshd();
    let root = host.path_on_machine("/bin");
    let root = root.parent().unwrap();
    let busybox = root.join("bin/busybox").metadata().unwrap();
    let mut others = Vec::new();
    let mut applets = 0;
    let mut found = Vec::new();
    // Everything but what the kernel shows and what a boot makes.
    for folder in ["bin", "etc", "home", "lib", "lib64", "root", "sbin", "usr", "var"] {
        executables(&root.join(folder), &mut found);
    }
    for path in found {
        let inside = format!("/{}", path.strip_prefix(root).unwrap().display());
        let is_applet = std::fs::read_link(&path).is_ok_and(|to| to == Path::new("/bin/busybox"));
        if is_applet || path.metadata().is_ok_and(|file| file.ino() == busybox.ino()) {
            applets += 1;
        } else if !inside.contains(".so") {
            others.push(inside);
        }
    }
    assert!(applets > 250, "{applets}");
    others.sort();
    let needed = [
        "/sbin/ip6tables",
        "/sbin/ip6tables-restore",
        "/sbin/ip6tables-save",
        "/sbin/iptables",
        "/sbin/iptables-restore",
        "/sbin/iptables-save",
        "/usr/bin/couriertls",
        "/usr/bin/imapd",
        "/usr/lib/courier-imap/imapd-ssl.rc",
        "/usr/lib/courier-imap/imapd.rc",
        "/usr/lib/courier-imap/pop3d-ssl.rc",
        "/usr/lib/courier-imap/pop3d.rc",
        "/usr/lib/courier/courier-authlib/authdaemond",
        "/usr/lib/courier/courier/courierpop3d",
        "/usr/lib/courier/courier/courierpop3login",
        "/usr/lib/courier/courier/imaplogin",
        "/usr/local/lib/test-services/ftp",
        "/usr/local/lib/test-services/smtp",
        "/usr/sbin/authdaemond",
        "/usr/sbin/courierlogger",
        "/usr/sbin/couriertcpd",
        "/usr/sbin/sshd",
        "/usr/sbin/xinetd",
        "/usr/sbin/xtables-legacy-multi",
        "/var/lock",
        "/var/run",
    ];
    others.retain(|path| !path.starts_with("/etc/init.d/") && !path.starts_with("/etc/rc2.d/"));
    assert_eq!(others, needed);

    let ssh = host.ssh();
    for tool in ["bash", "perl", "python3", "sudo", "mailward", "systemctl", "setfacl"] {
        let found = ssh.bare(&format!("command -v {tool}")).run();
        assert_eq!((found.code(), found.stdout.as_str()), (127, ""), "{tool}");
    }
    for tool in ["/bin/sh", "/bin/cat", "/bin/stat", "/usr/bin/awk"] {
        let version = ssh.bare(&format!("readlink {tool}")).run().success();
        assert_eq!(version, "/bin/busybox\n", "{tool}");
    }
    assert_eq!(host.processes()[0].argv[0], "init");
}

#[test]
fn the_shells_are_those_that_a_test_asked_for() {
    let Some(host) = host_with(|_| {}) else {
        return;
    };
    let sh = host.ssh().bare("readlink /bin/sh").run().success();
    assert_eq!(sh, "dash\n");
    drop(host);

    let centos = host_with(|host| host.sh_is("bash")).expect("made before");
    let ssh = centos.ssh();
    let sh = ssh.bare("sh -c 'echo ${BASH_VERSION:+bash}'").run();
    assert_eq!(sh.success(), "bash\n");
    assert_eq!(centos.open_until_cut(110, "198.51.100.7", 20).len(), 4);
    drop(centos);

    let csh = host_with(|host| host.login_shell("root", "/bin/tcsh")).expect("made before");
    let ssh = csh.ssh();
    assert_eq!(ssh.bare("set a = 1; echo $a $tcsh").run().code(), 0, "the words of csh");
    assert_ne!(ssh.bare("a=1; export a").run().code(), 0);
    let piped = ssh.bare("exec sh -s").stdin("a=1; echo $((a + 1))\n");
    assert_eq!(piped.run().success(), "2\n");
}

#[test]
fn a_host_can_lack_the_tools_that_an_old_system_lacks() {
    let lacking = ["timeout", "sha256sum", "base64", "setfacl", "realpath"];
    let Some(host) = host_with(|host| host.without(&lacking)) else {
        return;
    };
    let ssh = host.ssh();
    for tool in lacking {
        let found = ssh.bare(&format!("sh -c 'command -v {tool}'")).run();
        assert_eq!((found.code(), found.stdout.as_str()), (127, ""), "{tool}");
    }
    assert_eq!(host.open_until_cut(110, "198.51.100.7", 20).len(), 4);
}

#[test]
fn a_host_with_plesks_single_service_is_also_made_with_busybox() {
    let Some(mut host) = Host::start_with(Kind::BusyBox, Layout::PleskSingle) else {
        return;
    };
    host.sshd();
    host.service("courier-imap", "stop").success();
    host.wait_until("all four are gone", || host.couriertcpd(110).is_none());
    host.service("courier-imap", "start").success();
    host.wait_for_ports(&[110, 143, 993, 995]);
    assert_eq!(host.ssh().bare("true").run().code(), 0);
}
