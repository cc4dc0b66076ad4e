//! The data folder that every server's is copied from. Must start no server that stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::super::place::FILES;
use super::file;
use crate::support::in_time::CommandInTime as _;

pub(super) const MARIADBD: &str = "/usr/sbin/mariadbd";
pub(super) const CLIENT: &str = "/usr/bin/mysql";
const INSTALL: &str = "/usr/bin/mariadb-install-db";

/// How the data folder is made: small, and nothing waits for a disk.
pub(super) const MAKING: [&str; 9] = [
    "--innodb-log-file-size=4M",
    "--innodb-data-file-path=ibdata1:5M:autoextend",
    "--innodb-autoextend-increment=1",
    "--innodb-undo-tablespaces=0",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=64M",
    "--aria-log-file-size=8388608",
    "--debug-no-sync",
];

/// Returns the data folder that all are copied from; makes it the first time, which takes less than a second.
///
/// It stays in the build's folder for temporary files, by a name that changes with the server and with what
/// it is made of.
pub(super) fn template() -> PathBuf {
    for (path, package) in
        [(MARIADBD, "mariadb-server"), (INSTALL, "mariadb-server"), (CLIENT, "mariadb-client")]
    {
        assert!(Path::new(path).exists(), "missing Debian package: {package}; run tests/install.sh");
    }
    let version =
        Command::new(MARIADBD).args(["--no-defaults", "--version"]).output().expect("mariadbd can be run");
    let mut made_of = version.stdout;
    made_of.extend(MAKING.concat().as_bytes());
    made_of.extend(file("users").as_bytes());
    let digest = Sha256::digest(&made_of);
    let name: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let template = temporary.join(format!("mariadb-{name}"));
    if template.exists() {
        return template;
    }
    let making = tempfile::Builder::new()
        .prefix("making-mariadb-")
        .tempdir_in(temporary)
        .expect("the build has a folder for temporary files");
    let data = making.path().join("data");
    let output = Command::new(INSTALL)
        .args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"])
        .arg("--auth-root-authentication-method=normal")
        .arg(format!("--extra-file={FILES}/sql/users.sql"))
        .arg(format!("--datadir={}", data.display()))
        .args(MAKING)
        .args(as_root())
        .output_in_time()
        .expect("mariadb-install-db can be run");
    assert!(
        output.status.success(),
        "mariadb-install-db: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    // Another test may have been first: its folder is as good.
    if let Err(error) = fs::rename(&data, &template) {
        assert!(template.exists(), "{}: {error}", template.display());
    }
    template
}

/// The server runs as root only where it is told to.
pub(super) fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}
