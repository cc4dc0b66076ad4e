//! Where a panel lives: a tree for `--root`, or a private host. Must know nothing about accounts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::super::host::{Host, Output};
use super::{Generation, STATE};
use crate::support::in_time::CommandInTime as _;

/// The search path that mailward gives to programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) enum Place {
    Tree(TempDir),
    Host(Box<Host>),
}

impl Place {
    /// The server's socket as programs of the place name it.
    ///
    /// In the office that is what its `psa.conf` says, in a host what Debian's client asks for.
    pub(super) fn socket(&self) -> &'static str {
        match self {
            Self::Tree(_) => "/var/lib/mysql/mysql.sock",
            Self::Host(_) => "/run/mysqld/mysqld.sock",
        }
    }

    /// Where the machine sees a path of the place.
    pub(super) fn on_machine(&self, path: &str) -> PathBuf {
        match self {
            Self::Tree(tree) => tree.path().join(path.trim_start_matches('/')),
            Self::Host(host) => host.path_on_machine(path),
        }
    }

    pub(super) fn read(&self, path: &str) -> Vec<u8> {
        match self {
            Self::Tree(_) => {
                fs::read(self.on_machine(path)).unwrap_or_else(|error| panic!("{path} in the tree: {error}"))
            }
            Self::Host(host) => host.read(path),
        }
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        match self {
            Self::Tree(_) => self.on_machine(path).exists(),
            Self::Host(host) => host.exists(path),
        }
    }

    pub(super) fn write(&self, path: &str, bytes: &[u8]) {
        match self {
            Self::Tree(_) => {
                let file = self.on_machine(path);
                fs::create_dir_all(file.parent().expect("below the root"))
                    .and_then(|()| fs::write(&file, bytes))
                    .unwrap_or_else(|error| panic!("{path} in the tree: {error}"));
            }
            Self::Host(host) => host.write(path, bytes),
        }
    }

    pub(super) fn remove(&self, path: &str) {
        match self {
            Self::Tree(_) if self.exists(path) => {
                fs::remove_file(self.on_machine(path)).expect("a file of the tree");
            }
            Self::Host(host) if host.exists(path) => host.remove(path),
            Self::Tree(_) | Self::Host(_) => {}
        }
    }

    /// The path by which a program of the place is started: in a host its own, in a tree the machine's.
    pub(super) fn program(&self, path: &str) -> String {
        match self {
            Self::Tree(_) => self.on_machine(path).to_str().expect("text").to_owned(),
            Self::Host(_) => path.to_owned(),
        }
    }

    /// Runs a program by its path in the place, with no more in its environment than mailward gives.
    pub(super) fn run(&self, argv: &[&str], more: &[(&str, &str)]) -> Output {
        let program = self.program(argv[0]);
        let mut all = vec![program.as_str()];
        all.extend(&argv[1..]);
        self.start(&all, more)
    }

    /// Runs a program that is started by the first of `argv` as it is.
    pub(super) fn start(&self, argv: &[&str], more: &[(&str, &str)]) -> Output {
        match self {
            Self::Tree(tree) => {
                let output = Command::new(argv[0])
                    .args(&argv[1..])
                    .env_clear()
                    .env("PATH", PATH)
                    .env("LC_ALL", "C")
                    .env("HOME", "/root")
                    .env("MAILWARD_ROOT", tree.path())
                    .envs(more.iter().copied())
                    .current_dir(tree.path())
                    .output_in_time()
                    .unwrap_or_else(|error| panic!("{argv:?} in the tree: {error}"));
                Output {
                    argv: argv.iter().map(|&word| word.to_owned()).collect(),
                    status: output.status,
                    stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                    stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
                }
            }
            Self::Host(host) => {
                let command = host.command(argv).env("LC_ALL", "C");
                more.iter().fold(command, |command, (name, value)| command.env(name, value)).run()
            }
        }
    }

    /// Puts the panel's files there, without its database.
    pub(super) fn install(&self, generation: Generation) {
        let base = match self {
            Self::Tree(tree) => tree.path().to_owned(),
            Self::Host(host) => {
                assert!(
                    !host.exists("/usr/local/psa") && !host.exists("/opt/psa"),
                    "this machine has a panel"
                );
                let usr = host.path_on_machine("/usr");
                usr.parent().expect("the host's root").to_owned()
            }
        };
        let mut parts = vec!["both", generation.name()];
        if let Self::Tree(_) = self {
            parts.push("tree");
        }
        for part in parts {
            copy(&format!("{FILES}/tree/{part}/."), &base, "-R");
        }
        let (version, password) = match (generation, self) {
            (Generation::Nine, _) => ("9.5.4 CentOS 5 95101022.10", NINE_PASSWORD),
            (Generation::Ten, Self::Tree(_)) => ("11.0.9 CentOS 6 110120608.16", TEN_PASSWORD),
            (Generation::Ten, Self::Host(_)) => ("18.0.62 Debian 12 1800240711.09", TEN_PASSWORD),
        };
        self.write("/usr/local/psa/version", format!("{version}\n").as_bytes());
        self.write("/etc/psa/.psa.shadow", password.as_bytes());
        self.restrict("/etc/psa/.psa.shadow");
        for (name, value) in [("generation", generation.name()), ("socket", self.socket())] {
            self.write(&format!("{STATE}/{name}"), format!("{value}\n").as_bytes());
        }
        if let Self::Host(host) = self {
            host.write("/etc/psa/psa.conf", HOST_CONF);
            host.run(&[
                "sh",
                "-ec",
                "mv /usr/local/psa /opt/psa; ln -s /opt/psa /usr/local/psa; rm -rf /var/lib/mysql",
            ])
            .success();
        }
    }

    /// The content of the file with the password of `admin`, as it is.
    pub(super) fn password(&self) -> String {
        String::from_utf8(self.read("/etc/psa/.psa.shadow")).expect("text")
    }

    fn restrict(&self, path: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.on_machine(path), fs::Permissions::from_mode(0o600))
            .expect("a file of ours");
    }
}

/// The folder of this fixture's files.
pub(super) const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/support/panel");

/// What is in `.psa.shadow`. Every vendor script uses the content as it is, as `$(cat …)` gives it: without
/// the line's end, with all that a careless caller would take for something else.
const NINE_PASSWORD: &str = "canary-shadow 'x\" $HOME %s\\n;\n";

/// On newer releases it looks encrypted, and has no line's end; it is used as it is all the same.
const TEN_PASSWORD: &str = "$AES-128-CBC$canary-shadow+/x==$Zm9vYmFyYmF6cXV4==";

/// Names and defaults from the vendor's upgrade helper for Debian.
const HOST_CONF: &str = "\
# Where Plesk and what it manages live.
PRODUCT_ROOT_D /opt/psa
PRODUCT_RC_D /etc/init.d
PRODUCT_ETC_D /opt/psa/etc
HTTPD_VHOSTS_D /var/www/vhosts
QMAIL_ROOT_D /var/qmail
PLESK_MAILNAMES_D /var/qmail/mailnames
COURIER_IMAP_ROOT_D /
MYSQL_VAR_D /var/lib/mysql
MYSQL_BIN_D /usr/bin
MYSQL_SOCKET /var/run/mysqld/mysqld.sock
";

/// Copies what is below one folder into another.
pub(super) fn copy(from: &str, to: &Path, how: &str) {
    let status = Command::new("cp").arg(how).arg(from).arg(to).status().expect("cp can be run");
    assert!(status.success(), "cp {how} {from}: {status}");
}
