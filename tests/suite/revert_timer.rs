//! The timed revert on real hosts: it fires in time, outlives whoever started it, loses to a confirmation, and tries again.

use std::time::{Duration, Instant};

use mailward::host::ssh::{Destination, Login, Metadata, Signals, SshHost};
use mailward::host::timer::{self, Load, Starter};
use mailward::host::{Act, ActError, Condition, WriteHost};
use mailward::model::HostPath;

use crate::support::host::{Host, Kind, Layout};
use crate::support::ssh::Ssh;

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

fn along(ssh: &Ssh) -> SshHost {
    SshHost::new(Destination {
        program: "ssh".into(),
        name: ssh.alias().to_owned(),
        options: vec![format!("-F{}", ssh.config().display())],
        patience: Duration::from_secs(20),
        signals: Signals::All,
        login: Login::Direct,
        metadata: Metadata::Shown,
    })
}

/// Stands for `nft`: it fails as often as a file says, and notes what it loads.
const NFT: &str = "#!/bin/sh\n\
    read -r left </root/fail 2>/dev/null || left=0\n\
    if [ \"$left\" -gt 0 ]; then echo $((left - 1)) >/root/fail; echo 'not now' >&2; exit 1; fi\n\
    cat \"$2\" >>/root/loaded\n";

/// A host of each kind with an sshd and the stand-in, and who starts timers there.
fn hosts() -> Option<Vec<(Host, Starter)>> {
    let systemd = Starter::Systemd {
        systemctl: path("/usr/bin/systemctl"),
        systemd_run: path("/usr/bin/systemd-run"),
    };
    let kinds = [
        (Kind::Systemd, Layout::Debian, systemd),
        (Kind::SysV, Layout::Debian, Starter::Session),
        (Kind::BusyBox, Layout::PleskSplit, Starter::Session),
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

fn save(to: &str, text: &str) -> Act {
    Act::Save {
        path: path(to),
        bytes: text.as_bytes().to_vec(),
    }
}

/// Opens a window of so many seconds, and makes sure that its timer runs.
fn open(host: &mut SshHost, starter: &Starter, seconds: u32) {
    let mut acts = vec![
        save(timer::WINDOW, "{}"),
        save(timer::REVERT_NFT, "flush\n"),
    ];
    let nft = path("/root/nft");
    acts.extend(timer::arm(starter, seconds, &Load::Nftables { nft }));
    let written = host.write(&acts, &[]).unwrap();
    timer::armed(&written.done).unwrap_or_else(|why| panic!("{why}: {written:#?}"));
}

fn deciding() -> Act {
    let to = path("/var/lib/mailward/access/confirmed.json");
    let from = path(timer::WINDOW);
    Act::Decide { from, to }
}

#[test]
fn it_fires_in_its_time_and_outlives_run_and_connection_and_keeps_neither_lock_nor_pipe() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        let ssh = host.ssh();
        let mut first = along(&ssh);
        first.lock().unwrap();
        let begun = Instant::now();
        open(&mut first, starter, 4);
        // The end of the run waits for the end of `ssh`, which waits for all who have its pipes.
        drop(first);
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{:?}",
            host.kind()
        );
        let mut next = along(&ssh);
        next.lock().unwrap();
        assert!(host.exists(timer::WINDOW) && !host.exists("/root/loaded"));
        let id = timer::process(&host.read(timer::PROCESS)).unwrap();
        // Sessions of ssh and all that belongs to them are ended the hard way.
        let kill = "for p in /proc/[0-9]*; do read -r c <$p/comm; case $c in sshd) kill -9 ${p#/proc/};; esac; done";
        host.run(&["sh", "-c", kill]);
        host.wait_until("it has fired", || host.exists(timer::REVERTED));
        assert!(
            begun.elapsed() >= Duration::from_secs(4),
            "{:?}",
            host.kind()
        );
        assert!(
            begun.elapsed() < Duration::from_secs(9),
            "{:?}",
            host.kind()
        );
        assert_eq!(host.read_text("/root/loaded"), "flush\n");
        assert!(!host.exists(timer::WINDOW) && !host.exists(timer::REVERTING));
        host.wait_until("it has ended", || {
            !host.exists(timer::PROCESS) && !host.exists(&format!("/proc/{}", id.pid))
        });
    }
}

#[test]
fn a_decision_before_it_leaves_it_nothing_to_do_and_one_after_it_is_lost() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        let ssh = host.ssh();
        let mut run = along(&ssh);
        open(&mut run, starter, 2);
        let id = timer::process(&host.read(timer::PROCESS)).unwrap();
        let mut acts = vec![deciding()];
        acts.extend(timer::disarm(starter));
        let gone = Condition::Gone(vec![id]);
        acts.push(Act::Await(gone, Duration::from_secs(10)));
        let written = run.write(&acts, &[]).unwrap();
        let last = written.done.last();
        let in_time = mailward::host::Done::Awaited(mailward::host::Came::InTime);
        assert_eq!(last, Some(&in_time), "{:?}", host.kind());
        assert!(!host.exists("/root/loaded") && !host.exists(timer::REVERTING));

        // The next window, of which an earlier timer knows nothing.
        open(&mut run, starter, 1);
        host.wait_until("it has fired", || host.exists(timer::REVERTED));
        let failure = run.write(&[deciding()], &[]).unwrap_err();
        assert!(matches!(failure.source, ActError::Gone), "{failure:?}");
    }
}

#[test]
fn a_load_that_fails_is_tried_again_and_what_was_said_is_kept() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        host.write("/root/fail", "2\n");
        let ssh = host.ssh();
        open(&mut along(&ssh), starter, 1);
        host.wait_until("it loads", || host.exists(timer::REVERTING));
        host.wait_until("it has loaded", || host.exists(timer::REVERTED));
        assert_eq!(host.read_text("/root/loaded"), "flush\n");
        let said = host.read_text(timer::REVERT_LOG);
        assert_eq!(said.matches("not now").count(), 2, "{said}");
    }
}

#[test]
fn a_timer_is_deaf_to_signals_and_to_the_end_of_its_sleep() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        let ssh = host.ssh();
        let begun = Instant::now();
        open(&mut along(&ssh), starter, 3);
        let id = timer::process(&host.read(timer::PROCESS)).unwrap();
        let script = "for s in HUP INT TERM; do kill -$s $1; done; \
            for p in /proc/[0-9]*; do read -r a b c d rest <$p/stat; [ \"$d\" = $1 ] && kill -9 $a; done; :";
        host.run(&["sh", "-c", script, "sh", &id.pid.to_string()])
            .success();
        host.wait_until("it has fired", || host.exists(timer::REVERTED));
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(2900),
            "{:?}: {took:?}",
            host.kind()
        );
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
        let rules = "*filter\n:MW - [0:0]\n-A MW -j RETURN\nCOMMIT\n";
        let load = Load::Iptables {
            v4: Some(path(&v4)),
            v6: Some(path(&v6)),
        };
        let mut acts = vec![
            save(timer::WINDOW, "{}"),
            save(timer::REVERT_V4, rules),
            save(timer::REVERT_V6, rules),
        ];
        acts.extend(timer::arm(starter, 1, &load));
        let ssh = host.ssh();
        let written = along(&ssh).write(&acts, &[]).unwrap();
        timer::armed(&written.done).unwrap();
        host.wait_until("it has fired", || host.exists(timer::REVERTED));
        for list in [at("iptables-save"), at("ip6tables-save")] {
            let rules = host.run(&[&list]).success();
            assert!(rules.contains("-A MW -j RETURN"), "{list}: {rules}");
        }
        assert_eq!(host.read_text(timer::REVERT_LOG), "");
    }
}

#[test]
fn a_timer_that_cannot_be_started_is_told() {
    let Some(hosts) = hosts() else { return };
    for (host, starter) in &hosts {
        let broken = match starter {
            Starter::Systemd { systemctl, .. } => Starter::Systemd {
                systemctl: systemctl.clone(),
                systemd_run: path("/bin/false"),
            },
            // The process cannot be found out where /proc is not.
            Starter::Session => continue,
        };
        let nft = path("/root/nft");
        let acts = timer::arm(&broken, 1, &Load::Nftables { nft });
        let ssh = host.ssh();
        let written = along(&ssh).write(&acts, &[]).unwrap();
        let why = timer::armed(&written.done).unwrap_err();
        assert_eq!(why, "no timer is running");
    }
}
