//! Commands in a network namespace of their own, so that no test touches this machine's packet filter.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::support::in_time::CommandInTime as _;

/// Whether namespaces can be made; says so where they cannot.
pub fn available(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        crate::support::not_run(what, "root, for a network namespace");
    }
    root
}

/// Runs a script of `sh` in a new network namespace whose loopback is up, with files as `$1`, `$2`, ….
pub fn sh(script: &str, files: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-euc"]).arg(format!("ip link set lo up\n{script}")).arg("sh");
    for (index, content) in files.iter().enumerate() {
        let path = folder.path().join(index.to_string());
        std::fs::File::create(&path).unwrap().write_all(content.as_bytes()).unwrap();
        command.arg(path);
    }
    command.stdin(Stdio::null()).output_in_time().expect("unshare is there (apt package util-linux)")
}

/// What a script prints; it must succeed.
pub fn printed(script: &str, files: &[&str]) -> String {
    let output = sh(script, files);
    assert!(
        output.status.success(),
        "{script}\n{}\n(apt packages iproute2, nftables, iptables)",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
