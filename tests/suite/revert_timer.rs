//! The timed revert on real hosts: it fires in time, outlives whoever started it, loses to a confirmation,
//! and tries again.

use std::time::{Duration, Instant};

use mailward::host::ssh::{MetadataPolicy, SignalReceiver, SshDestination, SshHost, SshLogin};
use mailward::host::timer::{self, CheckpointFolder, TimerLoad, TimerStarter};
use mailward::host::{HostOperation, OperationError, WriteHost};
use mailward::model::HostPath;

use crate::support::host::{Host, Kind, Layout};
use crate::support::ssh::Ssh;

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

fn along(ssh: &Ssh) -> SshHost {
    SshHost::new(SshDestination {
        program: "ssh".into(),
        name: ssh.alias().to_owned(),
        options: vec![format!("-F{}", ssh.config().display())],
        patience: Duration::from_secs(20),
        signals: SignalReceiver::All,
        login: SshLogin::Direct,
        metadata: MetadataPolicy::Shown,
    })
}

/// Stands for `nft`: it fails as often as a file says, and notes what it loads.
const NFT: &str = "#!/bin/sh\n\
    read -r left </root/fail 2>/dev/null || left=0\n\
    if [ \"$left\" -gt 0 ]; then echo $((left - 1)) >/root/fail; echo 'not now' >&2; exit 1; fi\n\
    cat \"$2\" >>/root/loaded\n";

/// A host of each kind with an sshd and the stand-in, and who starts timers there.
fn hosts() -> Option<Vec<(Host, TimerStarter)>> {
    let systemd = TimerStarter::Systemd { systemctl: path("/usr/bin/systemctl") };
    let kinds = [
        (Kind::Systemd, Layout::Debian, systemd),
        (Kind::SysV, Layout::Debian, TimerStarter::Session),
        (Kind::BusyBox, Layout::PleskSplit, TimerStarter::Session),
    ];
    let mut hosts = Vec::new();
    for (kind, layout, starter) in kinds {
        let mut host = Host::prepare(kind, layout)?;
        host.sshd();
        host.boot();
        host.write_as("/root/nft", 0o755, NFT);
        hosts.push((host, starter));
    }
    Some(hosts)
}

/// A window of a host, and the processes that watch over it.
struct Window<'a> {
    host: &'a Host,
    folder: CheckpointFolder,
}

impl<'a> Window<'a> {
    /// Opens a window of so many seconds, and makes sure that its timer runs.
    fn open(host: &'a Host, starter: &TimerStarter, seconds: u32, number: u8) -> Self {
        let nft = path("/root/nft");
        let texts = [(timer::REVERT_NFT, "flush\n".to_owned())];
        Self::load(host, starter, seconds, number, &TimerLoad::Nftables { nft }, &texts)
    }

    fn load(
        host: &'a Host,
        starter: &TimerStarter,
        seconds: u32,
        number: u8,
        load: &TimerLoad,
        texts: &[(&'static str, String)],
    ) -> Self {
        let id = format!("{number:032x}");
        let folder = CheckpointFolder::new(&host.run(&["cat", timer::MOUNTS]).success(), &id);
        assert_eq!(folder.path().as_str(), format!("/run/mailward/{id}"));
        let until = uptime(host) + u64::from(seconds) * 1000;
        let acts = timer::arm(&folder, starter, seconds, until, load, texts);
        let ssh = host.ssh();
        let written = along(&ssh).write(&acts, &[]).unwrap();
        timer::armed(&written.done).unwrap_or_else(|why| panic!("{why}: {written:#?}"));
        Self { host, folder }
    }

    fn has(&self, name: &str) -> bool {
        self.host.exists(&format!("{}/{name}", self.folder.path()))
    }

    fn watchers(&self) -> Vec<u64> {
        let script = format!("{}/revert.sh", self.folder.path());
        (self.host.processes().into_iter())
            .filter(|process| process.argv.contains(&script))
            .map(|process| u64::from(process.pid))
            .collect()
    }

    fn decide(&self) -> HostOperation {
        HostOperation::Decide { from: self.folder.open(), to: self.folder.confirmed() }
    }
}

/// Milliseconds since the boot, as the host tells them.
fn uptime(host: &Host) -> u64 {
    let text = host.read_text("/proc/uptime");
    let seconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    (seconds * 1000.0) as u64
}

#[test]
fn it_fires_in_its_time_and_outlives_run_and_connection_and_keeps_neither_lock_nor_pipe() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        let ssh = host.ssh();
        let mut first = along(&ssh);
        first.lock().unwrap();
        let begun = Instant::now();
        let checkpoint = Window::open(host, starter, 8, 1);
        // The end of the run waits for the end of `ssh`, which waits for all who have its pipes.
        drop(first);
        assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", host.kind());
        let mut next = along(&ssh);
        next.lock().unwrap();
        assert!(checkpoint.has("open") && !host.exists("/root/loaded"));
        // Sessions of ssh and all that belongs to them are ended the hard way.
        let kill =
            "for p in /proc/[0-9]*; do read -r c <$p/comm; case $c in sshd) kill -9 ${p#/proc/};; esac; done";
        host.run(&["sh", "-c", kill]);
        host.wait_until("it has fired", || checkpoint.has("reverted"));
        assert!(begun.elapsed() >= Duration::from_secs(8), "{:?}", host.kind());
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", host.kind());
        assert_eq!(host.read_text("/root/loaded"), "flush\n");
        assert!(!checkpoint.has("open") && !checkpoint.has("reverting"));
        host.wait_until("it has ended", || checkpoint.watchers().is_empty());
    }
}

#[test]
fn a_decision_before_it_leaves_it_nothing_to_do_and_one_after_it_is_lost() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        let ssh = host.ssh();
        let mut run = along(&ssh);
        let checkpoint = Window::open(host, starter, 30, 1);
        let _written = run.write(&[checkpoint.decide()], &[]).unwrap();
        host.wait_until("it has ended", || checkpoint.watchers().is_empty());
        assert!(!host.exists("/root/loaded") && !checkpoint.has("reverting"));

        // The next window, of which an earlier timer knows nothing.
        let checkpoint = Window::open(host, starter, 1, 2);
        host.wait_until("it has fired", || checkpoint.has("reverted"));
        let failure = run.write(&[checkpoint.decide()], &[]).unwrap_err();
        assert!(matches!(failure.source, OperationError::Gone), "{failure:?}");
    }
}

#[test]
fn a_load_that_fails_is_tried_again_and_what_was_said_is_kept() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        // Each try asks the program up to four times, by as many ways to read what it loads.
        host.write("/root/fail", "7\n");
        let checkpoint = Window::open(host, starter, 1, 1);
        host.wait_until("it has loaded", || checkpoint.has("reverted"));
        assert_eq!(host.read_text("/root/loaded"), "flush\n");
        let said = host.read_text(checkpoint.folder.log().as_str());
        assert!(said.contains("not now"), "{said}");
    }
}

#[test]
fn a_timer_is_deaf_to_signals_and_to_the_end_of_its_sleep() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        let begun = Instant::now();
        let checkpoint = Window::open(host, starter, 3, 1);
        let script = "for s in HUP INT TERM PIPE; do kill -$s $1; done; \
            for p in /proc/[0-9]*; do read -r a b c d rest <$p/stat; [ \"$d\" = $1 ] && kill -9 $a; done; :";
        for pid in checkpoint.watchers() {
            host.run(&["sh", "-c", script, "sh", &pid.to_string()]).success();
        }
        host.wait_until("it has fired", || checkpoint.has("reverted"));
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(2900), "{:?}: {took:?}", host.kind());
    }
}

#[test]
fn a_watcher_that_is_killed_is_replaced_and_the_window_does_not_begin_anew() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        let begun = Instant::now();
        let checkpoint = Window::open(host, starter, 6, 1);
        let expected = match starter {
            TimerStarter::Systemd { .. } => 1,
            TimerStarter::Session => 2,
        };
        // Each in its turn; never both of two at once, which is the limit that is documented.
        for round in 0..3 {
            host.wait_until("all watch", || checkpoint.watchers().len() == expected);
            let victim = checkpoint.watchers()[round % expected];
            host.run(&["kill", "-9", &victim.to_string()]).success();
            host.wait_until("another takes its place", || {
                let watchers = checkpoint.watchers();
                watchers.len() == expected && !watchers.contains(&victim)
            });
        }
        host.wait_until("it has fired", || checkpoint.has("reverted"));
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(6), "{:?}: {took:?}", host.kind());
        assert!(took < Duration::from_secs(15), "{:?}: {took:?}", host.kind());
        host.wait_until("all have ended", || checkpoint.watchers().is_empty());
    }
}

#[test]
fn a_watcher_that_is_stopped_does_not_keep_the_rules_from_going_back() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in hosts.iter().filter(|(_, starter)| *starter == TimerStarter::Session) {
        let checkpoint = Window::open(host, starter, 3, 1);
        let first = checkpoint.watchers()[0];
        host.run(&["kill", "-STOP", &first.to_string()]).success();
        host.wait_until("it has fired", || checkpoint.has("reverted"));
        assert!(host.read_text("/root/loaded").contains("flush"));
    }
}

#[test]
fn systemd_neither_stops_the_timer_nor_loses_it_with_another_target() {
    let Some(hosts) = hosts() else { return };
    let (host, starter) = &hosts[0];
    let checkpoint = Window::open(host, starter, 12, 1);
    let unit = format!("mailward-revert-{}.service", checkpoint.folder.id());
    for verb in ["stop", "restart"] {
        let refused = host.run(&["systemctl", verb, &unit]);
        assert_ne!(refused.code(), 0, "{verb}: {refused:#?}");
    }
    let before = checkpoint.watchers();
    assert_eq!(before.len(), 1);
    for argv in [
        &["telinit", "3"][..],
        &["systemctl", "default"],
        &["systemctl", "isolate", "rescue.target"],
        &["systemctl", "isolate", "emergency.target"],
        &["systemctl", "isolate", "multi-user.target"],
        &["systemctl", "daemon-reload"],
        &["systemctl", "daemon-reexec"],
        &["systemctl", "reset-failed"],
    ] {
        host.run(argv);
        assert_eq!(checkpoint.watchers(), before, "after {argv:?}");
    }
    host.run(&["systemctl", "kill", "-s", "KILL", &unit]).success();
    host.wait_until("it is started again", || {
        checkpoint.watchers().len() == 1 && checkpoint.watchers() != before
    });
    host.wait_until("it has fired", || checkpoint.has("reverted"));
}

/// The failure that a full, read-only or emptied disk makes of each file operation is no decision.
#[test]
fn no_file_that_is_missing_replaced_or_cannot_be_renamed_ends_a_watch() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        for (number, spoil) in [
            "rm -f DIR/open",
            "rm -rf DIR",
            "rm -f DIR/open DIR/revert.nft; mkdir DIR/open DIR/revert.nft",
            "mkdir DIR/reverting; echo >DIR/reverting/x",
            "for f in confirmed closed reverted; do mkfifo DIR/$f; done",
            "for f in confirmed closed reverted; do echo 00000000000000000000000000000000 >DIR/$f; done",
            "for f in confirmed closed reverted; do : >DIR/$f; mkdir -p DIR/$f.d; done",
            "mount --bind DIR DIR && mount -o remount,bind,ro DIR",
            "mount -t tmpfs -o size=4k,nr_inodes=1 tmpfs DIR",
            "rm -f DIR/ready.* DIR/revert.sh",
            "chmod 0 DIR DIR/*",
            "mount --bind /run/mailward /run/mailward && mount -o remount,bind,ro /run/mailward",
            "mount --bind /dev/null /proc/uptime",
            "umount -l /proc",
        ]
        .iter()
        .enumerate()
        {
            let number = u8::try_from(number).unwrap();
            host.run(&["rm", "-f", "/root/loaded"]).success();
            let checkpoint = Window::open(host, starter, 2, number);
            let script = spoil.replace("DIR", checkpoint.folder.path().as_str());
            host.run(&["sh", "-c", &script]).success();
            host.wait_until(&format!("it has fired in spite of {spoil}"), || {
                host.exists("/root/loaded") && host.read_text("/root/loaded").starts_with("flush\n")
            });
            let mend = "mount -t proc proc /proc 2>/dev/null; umount /proc/uptime 2>/dev/null; \
                umount /run/mailward 2>/dev/null; umount DIR 2>/dev/null; :";
            host.run(&["sh", "-c", &mend.replace("DIR", checkpoint.folder.path().as_str())]).success();
        }
    }
}

/// Loads real rules into the kernel of the host's own network, also where one family fails at first.
#[test]
fn real_programs_load_what_was_written_before() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        let at = |name: &str| {
            let folders = ["/usr/sbin", "/sbin"].map(|folder| format!("{folder}/{name}"));
            let found = folders.into_iter().find(|path| host.exists(path));
            found.unwrap_or_else(|| panic!("{name} is missing (apt package iptables)"))
        };
        let (v4, v6) = (at("iptables-restore"), at("ip6tables-restore"));
        let rules = "*filter\n:MW - [0:0]\n-A MW -j RETURN\nCOMMIT\n".to_owned();
        let load = TimerLoad::Iptables { v4: Some(path(&v4)), v6: Some(path(&v6)) };
        let texts = [(timer::REVERT_V4, rules.clone()), (timer::REVERT_V6, rules)];
        let checkpoint = Window::load(host, starter, 1, 1, &load, &texts);
        host.wait_until("it has fired", || checkpoint.has("reverted"));
        for list in [at("iptables-save"), at("ip6tables-save")] {
            let rules = host.run(&[&list]).success();
            assert!(rules.contains("-A MW -j RETURN"), "{list}: {rules}");
        }
        assert!(!checkpoint.has("log"));
        if host.kind() != Kind::BusyBox {
            let nft = path("/usr/sbin/nft");
            let texts = [(timer::REVERT_NFT, "add table inet mw\n".to_owned())];
            let checkpoint = Window::load(host, starter, 1, 2, &TimerLoad::Nftables { nft }, &texts);
            host.wait_until("it has fired", || checkpoint.has("reverted"));
            let tables = host.run(&["nft", "list", "tables"]).success();
            assert!(tables.contains("inet mw"), "{tables}");
            assert!(!checkpoint.has("log"));
        }
    }
}

#[test]
fn a_timer_that_cannot_be_started_is_told() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        let folder = CheckpointFolder::new("tmpfs /run tmpfs rw 0 0\n", &"f".repeat(32));
        let nft = path("/root/nft");
        let texts = [(timer::REVERT_NFT, "flush\n".to_owned())];
        let acts = timer::arm(&folder, starter, 1, u64::MAX / 2, &TimerLoad::Nftables { nft }, &texts);
        // Room for the folder and its three files, and none for what a watcher says when it has begun.
        let full = "mkdir -p /run/mailward && mount -t tmpfs -o nr_inodes=5,mode=700 tmpfs /run/mailward";
        host.run(&["sh", "-c", full]).success();
        let ssh = host.ssh();
        let written = along(&ssh).write(&acts, &[]).unwrap();
        let why = timer::armed(&written.done).unwrap_err();
        assert!(why.contains("no watch is running"), "{why}");
    }
}
