//! Debian's sshd in a host, and ends of ssh that misbehave: shells, disks and mounts as bad hosts have them.

use std::os::unix::fs::{PermissionsExt, chown};

use super::{Host, Kind};
use crate::support::ssh::{Ssh, keys};

/// A login that may become root by sudo without a password.
pub const OPERATOR: &str = "operator";

/// A login that may not.
pub const VISITOR: &str = "visitor";

/// The two logins beside root, with their numbers.
const USERS: [(&str, u32); 2] = [(OPERATOR, 2001), (VISITOR, 2002)];

/// Where sshd finds the key of each login: in no home, so that a home can be as bad as a test wants it.
const KEYS: &str = "/etc/ssh/authorized_keys.d";

/// The settings of every sshd; the first value of a key counts, so that a test's own come before these.
const SETTINGS: &str = "\
    HostKey /etc/ssh/ssh_host_ed25519_key\n\
    AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n\
    PidFile /run/sshd.pid\n\
    PermitRootLogin prohibit-password\n\
    PasswordAuthentication no\n\
    KbdInteractiveAuthentication no\n\
    UsePAM no\n\
    UseDNS no\n\
    PrintMotd no\n\
    MaxStartups 100\n\
    MaxSessions 100\n";

impl Host {
    /// Gives the host an sshd on port 22: at once where it runs, and at every boot from now on.
    ///
    /// Root, [`OPERATOR`] and [`VISITOR`] log in with the key of [`Host::ssh`].
    pub fn sshd(&mut self) {
        self.sshd_with(&[]);
    }

    /// Gives the host an sshd like [`Host::sshd`], with lines of its configuration that come before the usual
    /// ones; an sshd that runs is started anew with them, and its open sessions stay.
    pub fn sshd_with(&mut self, settings: &[&str]) {
        let mut lines = settings.join("\n");
        lines.push('\n');
        self.write("/etc/ssh/sshd_config", lines + SETTINGS);
        if self.sshd {
            if self.init.is_some() {
                self.service("ssh", "restart").success();
                self.wait_for_ports(&[22]);
            }
            return;
        }
        self.sshd = true;
        self.write_as("/etc/ssh/ssh_host_ed25519_key", 0o600, &keys().host);
        self.add_users();
        self.enable("ssh");
        if self.init.is_some() {
            self.service("ssh", "start").success();
            self.wait_for_ports(&[22]);
        }
    }

    /// Returns a way to the host's sshd, as root, over its network card.
    pub fn ssh(&self) -> Ssh {
        Ssh::to(self.keeper_pid())
    }

    /// Gives a login another shell, such as `/bin/tcsh` or `/usr/sbin/nologin`.
    pub fn login_shell(&self, user: &str, shell: &str) {
        let start = format!("{user}:");
        let text = self.read_text("/etc/passwd");
        let lines = text.lines().map(|line| {
            if line.starts_with(&start) {
                let (rest, _) = line.rsplit_once(':').expect("a line of passwd");
                format!("{rest}:{shell}\n")
            } else {
                format!("{line}\n")
            }
        });
        let changed: String = lines.collect();
        assert_ne!(changed, text, "{user} already has {shell}, or is nobody");
        self.write("/etc/passwd", changed);
    }

    /// Makes `/bin/sh` a link to another shell of `/bin`: `bash` as on CentOS, where Debian has `dash`.
    pub fn sh_is(&self, name: &str) {
        let link = self.path_on_machine("/bin/sh");
        std::fs::remove_file(&link).expect("a host has a /bin/sh");
        std::os::unix::fs::symlink(name, &link).expect("the folder exists");
    }

    /// Removes tools that an old system lacks, such as `timeout`, from every folder of the search path.
    ///
    /// Not for a host with BusyBox: its shell has all of them within.
    pub fn without(&self, tools: &[&str]) {
        assert_ne!(self.kind, Kind::BusyBox, "its shell has them within");
        for tool in tools {
            for folder in super::PATH.split(':') {
                let path = format!("{folder}/{tool}");
                if self.exists(&path) {
                    self.remove(&path);
                }
            }
        }
    }

    /// Leaves at most `free` KiB to write below `folder`, which keeps its files, until the host is halted.
    ///
    /// The host must run.
    pub fn fill(&self, folder: &str, free: u32) {
        let script = r#"
            set -e
            mkdir -p "$1"
            mkdir /tmp/fill
            cp -a "$1/." /tmp/fill
            size=$(($(du -sk "$1" | cut -f 1) * 2 + 512))
            mount -t tmpfs -o "mode=755,size=${size}k" tmpfs "$1"
            cp -a /tmp/fill/. "$1"
            rm -r /tmp/fill
            [ "$2" = 0 ] || dd if=/dev/zero of="$1/.free" bs=1024 count="$2" 2>/dev/null
            ! cat /dev/zero >"$1/.full" 2>/dev/null
            rm -f "$1/.free"
            "#;
        self.run(&["sh", "-c", script, "sh", folder, &free.to_string()]).success();
    }

    /// Makes everything that lies on the root's own mount unwritable until the host is halted; it must run.
    pub fn read_only_root(&self) {
        self.run(&["mount", "-o", "remount,bind,ro", "/"]).success();
    }

    /// Starts a service at each boot.
    pub fn enable(&self, service: &str) {
        match self.kind {
            Kind::Systemd => self.link(
                &format!("/lib/systemd/system/{service}.service"),
                &format!("/etc/systemd/system/multi-user.target.wants/{service}.service"),
            ),
            Kind::SysV | Kind::BusyBox => {
                self.link(&format!("../init.d/{service}"), &format!("/etc/rc2.d/S09{service}"))
            }
        }
    }

    fn link(&self, target: &str, path: &str) {
        std::os::unix::fs::symlink(target, self.path_on_machine(path))
            .unwrap_or_else(|error| panic!("{path} in the host: {error}"));
    }

    fn add_users(&self) {
        let mut passwd = self.read_text("/etc/passwd");
        let mut group = self.read_text("/etc/group");
        // With UsePAM off, sshd takes a password that begins with `!` for a locked login.
        let shadow = self.read_text("/etc/shadow");
        let mut shadow: String = shadow
            .lines()
            .filter(|line| !line.starts_with("root:"))
            .map(|line| format!("{line}\n"))
            .collect();
        shadow.push_str("root:*:19000:0:99999:7:::\n");
        for (name, number) in USERS {
            passwd.push_str(&format!("{name}:x:{number}:{number}::/home/{name}:/bin/sh\n"));
            group.push_str(&format!("{name}-users:x:{number}:\n"));
            shadow.push_str(&format!("{name}:*:19000:0:99999:7:::\n"));
            self.write(&format!("/home/{name}/.profile"), "");
            let home = self.path_on_machine(&format!("/home/{name}"));
            chown(home, Some(number), Some(number)).expect("root gives a folder away");
        }
        self.write("/etc/passwd", passwd);
        self.write("/etc/group", group);
        self.write("/etc/shadow", shadow);
        for name in ["root", OPERATOR, VISITOR] {
            self.write(&format!("{KEYS}/{name}"), &keys().public);
        }
        if self.kind != Kind::BusyBox {
            let rules = format!("root ALL=(ALL) ALL\n{OPERATOR} ALL=(ALL) NOPASSWD: ALL\n");
            self.write_as("/etc/sudoers", 0o440, rules);
        }
    }

    /// Writes a file of the host and gives it a mode.
    pub fn write_as(&self, path: &str, mode: u32, bytes: impl AsRef<[u8]>) {
        self.write(path, bytes);
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path_on_machine(path), mode).expect("root sets a mode");
    }
}
