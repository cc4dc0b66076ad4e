//! Hosts at the other end of ssh, on this machine: the shell there runs in mount namespaces of its own, in
//! which mailward's folder is one of the bench. Nothing listens: sshd speaks through a pipe.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use mailward::host::ssh::{MetadataPolicy, SignalReceiver, SshDestination, SshHost, SshLogin};

/// What is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// Debian's sshd, with dash as `sh`.
    Ssh,
    /// Without sshd: bash as `sh`, as on CentOS.
    Bash,
    /// Without sshd: BusyBox as the only userland.
    BusyBox,
}

/// Who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    Root,
    /// Not through sshd, which has the keys of root alone.
    Nobody,
}

/// The folders outside its state that mailward puts files into.
pub const PUT: [&str; 2] = ["/etc/systemd/system", "/etc/init.d"];

/// Prepares the way to a shell in the folder of a bench. `setup` is what root's shell does first in the mount
/// namespace of the host; `$dir` is the bench's folder there.
pub fn prepare(dir: &Path, shell: Shell, user: User, setup: &str) {
    fs::create_dir_all(dir.join("var/lib")).unwrap();
    let dir = dir.to_str().unwrap();
    let other = match shell {
        Shell::Ssh => String::new(),
        Shell::Bash => "mount --bind /usr/bin/bash /usr/bin/dash".to_owned(),
        Shell::BusyBox => format!(
            "for folder in /usr/local/sbin /usr/local/bin /usr/sbin; do mount -t tmpfs none $folder; done\n\
             mount --bind {} /usr/bin",
            busybox().display()
        ),
    };
    let run = match (shell, user) {
        (Shell::Ssh, _) => {
            std::os::unix::fs::symlink(keys(), format!("{dir}/keys")).unwrap();
            let keys = keys().display();
            format!("mount -t tmpfs none /run; mkdir /run/sshd; exec /usr/sbin/sshd -i -f {keys}/sshd_config")
        }
        (Shell::Bash | Shell::BusyBox, User::Root) => "exec sh -c \"$1\"".to_owned(),
        (Shell::Bash, User::Nobody) => {
            "exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c \"$1\"".to_owned()
        }
        (Shell::BusyBox, User::Nobody) => "exec su -s /bin/sh nobody -c \"$1\"".to_owned(),
    };
    let inner = format!("dir={dir}\nmount --bind $dir/var/lib /var/lib\n{other}\n{setup}\n{run}");
    script(&format!("{dir}/inner"), &inner);
    // What mailward's own ssh ignores is no business of the host.
    script(
        &format!("{dir}/way"),
        &format!(
            "for last; do :; done\n\
             exec env --default-signal unshare -m --propagation private {dir}/inner \"$last\""
        ),
    );
}

/// One user of that shell.
pub fn host(dir: &Path, shell: Shell, metadata: MetadataPolicy) -> SshHost {
    let way = dir.join("way");
    let (program, options) = match shell {
        Shell::Ssh => {
            let keys = dir.join("keys");
            let keys = keys.display();
            let options = vec![
                "-Fnone".to_owned(),
                format!("ProxyCommand={}", way.display()),
                format!("IdentityFile={keys}/client"),
                format!("UserKnownHostsFile={keys}/known"),
                "StrictHostKeyChecking=yes".to_owned(),
                "KexAlgorithms=curve25519-sha256".to_owned(),
                "LogLevel=ERROR".to_owned(),
            ];
            (PathBuf::from("ssh"), options)
        }
        Shell::Bash | Shell::BusyBox => (way, Vec::new()),
    };
    SshHost::new(SshDestination {
        program,
        name: "root@bench".to_owned(),
        options,
        patience: std::time::Duration::from_secs(60),
        signals: SignalReceiver::All,
        login: SshLogin::Direct,
        metadata,
    })
}

/// Keys and configuration of the sshd, made once.
fn keys() -> &'static Path {
    static KEYS: OnceLock<tempfile::TempDir> = OnceLock::new();
    KEYS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().to_str().unwrap();
        for key in ["host", "client"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(dir.path().join(key))
                .status()
                .expect("ssh-keygen runs (Debian package openssh-client)");
            assert!(made.success());
        }
        let config = format!(
            "HostKey {at}/host\nAuthorizedKeysFile {at}/client.pub\nStrictModes no\nUsePAM no\nPidFile none\n"
        );
        fs::write(dir.path().join("sshd_config"), config).unwrap();
        let key = fs::read_to_string(dir.path().join("host.pub")).unwrap();
        fs::write(dir.path().join("known"), format!("bench {key}")).unwrap();
        dir
    })
    .path()
}

/// A folder with BusyBox under each of its names and nothing else.
fn busybox() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let copy = dir.path().join("busybox");
            fs::copy("/bin/busybox", &copy).expect("Debian package busybox-static is installed");
            let listed = Command::new(&copy).arg("--list").output().unwrap();
            for name in String::from_utf8(listed.stdout).unwrap().lines() {
                if name != "busybox" {
                    std::os::unix::fs::symlink("busybox", dir.path().join(name)).unwrap();
                }
            }
            dir
        })
        .path()
}

fn script(path: &str, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
