//! What must outlast a power cut is on the disk before a run goes on: every folder in which a name is made,
//! changed or removed.

use std::collections::BTreeSet;

use super::{MANIFEST, Scene};
use crate::support::host::Kind;

const LOG: &str = "/tmp/strace.log";

/// Runs the program and all that it starts under strace; what they did to names and what they had written to
/// the disk.
fn traced(scene: &Scene, words: &str) -> String {
    let calls = "trace=execve,fsync,?sync,?syncfs,?rename,?renameat,renameat2,?symlink,symlinkat,?link,linkat,?unlink,\
        unlinkat,?mkdir,mkdirat,?rmdir";
    let script = format!(
        "exec strace -f -y -qq -e signal=none -s 200 -o {LOG} -e {calls} /usr/local/bin/mailward {words}"
    );
    scene.host.run(&["sh", "-c", &script]).success();
    scene.host.read_text(LOG)
}

/// The folder in which a call makes, changes or removes a name: that of its last path.
fn folder_of(call: &str) -> Option<String> {
    let last = call.rsplit('"').nth(1)?;
    let (before, _) = call.rsplit_once(&format!("\"{last}\""))?;
    let base = before.rsplit_once('<')?.1.split('>').next()?;
    let path = match last.starts_with('/') {
        true => last.to_owned(),
        false => format!("{base}/{last}"),
    };
    path.rsplit_once('/').map(|(folder, _)| folder.to_owned())
}

/// The folders on the disk in which a name was touched and that were not written to the disk afterwards.
fn left_in_memory(log: &str) -> BTreeSet<String> {
    let mut left = BTreeSet::new();
    for line in log.lines() {
        let Some((_, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        let name = call.split('(').next().unwrap_or_default();
        let failed = call.contains(" = -1 ");
        match name {
            "sync" | "syncfs" => left.clear(),
            "fsync" => {
                let folder = call.split(['<', '>']).nth(1).unwrap_or_default();
                left.remove(folder);
            }
            "rename" | "renameat" | "renameat2" | "symlink" | "symlinkat" | "link" | "linkat" | "unlink"
            | "unlinkat" | "mkdir" | "mkdirat" | "rmdir"
                if !failed =>
            {
                // A path without a folder's descriptor is a whole one.
                let call = call.replacen('(', "(AT_FDCWD</>, ", 1);
                left.extend(folder_of(&call));
            }
            _ => {}
        }
    }
    left.retain(|folder| !["/run", "/dev", "/proc", "/tmp"].iter().any(|memory| folder.starts_with(memory)));
    left
}

#[test]
fn the_hook_and_its_removal_outlast_a_power_cut() {
    for (kind, enforce) in [(Kind::SysV, "iptables"), (Kind::Systemd, "nftables")] {
        let Some(scene) = Scene::new(kind, enforce, "60s") else {
            return;
        };
        scene.apply_for_good();
        let unhook = match kind {
            Kind::Systemd => "systemctl disable mailward-access.service",
            Kind::SysV | Kind::BusyBox => "rm /etc/rcS.d/S99mailward-access",
        };
        scene.host.run(&["sh", "-c", unhook]).success();
        let log = traced(&scene, &format!("apply --yes {MANIFEST}"));
        assert_eq!(left_in_memory(&log), BTreeSet::new(), "{kind:?}: {log}");
        let folder = match kind {
            Kind::Systemd => "/etc/systemd/system/multi-user.target.wants",
            Kind::SysV | Kind::BusyBox => "/etc/rcS.d",
        };
        // The first process of systemd makes the link, which is not seen here.
        let (_, since) = log.split_once("mailward-access").expect("the hook");
        assert!(since.contains(&format!("<{folder}>)")), "{kind:?}: {log}");
        for service in ["imap", "pop3"] {
            let text = scene.host.read_text(MANIFEST);
            let line = text.lines().find(|line| line.starts_with(&format!("{service} = ")));
            scene.declare(line.expect("declared"), &format!("{service} = \"anyone\""));
        }
        scene.apply();
        let log = traced(&scene, "confirm --allow unproven-confirm");
        assert_eq!(left_in_memory(&log), BTreeSet::new(), "{kind:?}: {log}");
        if kind == Kind::Systemd {
            let (_, since) = log.split_once("\"disable\"").expect("the hook is removed");
            assert!(since.contains(" sync("), "{log}");
        }
        assert!(!scene.state("boot.sh"), "{kind:?}");
    }
}
