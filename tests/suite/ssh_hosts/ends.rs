//! Ends that misbehave, each in the way it says.

use std::time::{Duration, Instant};

use super::{KINDS, host_with};
use crate::support::host::Host;
use crate::support::ssh::Ssh;

#[test]
fn a_banner_is_told_on_standard_error_only() {
    let Some(mut host) = host_with(|_| {}) else {
        return;
    };
    host.write("/etc/ssh/banner", "Authorised use only.\n");
    host.sshd_with(&["Banner /etc/ssh/banner"]);
    let told = host.ssh().bare("echo done").run();
    assert_eq!(told.stdout, "done\n");
    assert!(told.stderr.contains("Authorised use only."), "{told:?}");
}

#[test]
fn a_bashrc_that_prints_comes_before_the_output_and_one_that_exits_replaces_it() {
    let Some(host) = host_with(|_| {}) else {
        return;
    };
    host.write("/root/.bashrc", "echo 'Welcome to mx1'\n");
    let printed = host.ssh().bare("echo done").run();
    assert_eq!(printed.success(), "Welcome to mx1\ndone\n");
    host.write("/root/.bashrc", "exit 3\n");
    let ended = host.ssh().bare("echo done").run();
    assert_eq!((ended.code(), ended.stdout.as_str()), (3, ""));
}

#[test]
fn a_forced_command_and_a_shell_that_refuses_run_nothing() {
    let Some(mut host) = host_with(|_| {}) else {
        return;
    };
    host.sshd_with(&["ForceCommand internal-sftp"]);
    let said = "echo done\n".repeat(1000);
    let forced = host.ssh().bare("sh").stdin(said.clone()).run();
    assert!(!forced.stdout.contains("done"), "{forced:?}");
    assert_ne!(forced.code(), 0);
    host.sshd_with(&[]);
    host.login_shell("root", "/usr/sbin/nologin");
    let refused = host.ssh().bare("sh").stdin(said).run();
    assert_eq!(refused.code(), 1);
    assert!(refused.stdout.contains("not available"), "{refused:?}");
}

#[test]
fn a_port_refuses_and_another_accepts_and_says_nothing() {
    let refused = Ssh::refusing().bare("true").run();
    assert_eq!(refused.code(), 255);
    assert!(refused.stderr.contains("Connection refused"), "{refused:?}");
    let silent = Ssh::silent();
    let early = silent.bare("true");
    let hung = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        early.within(Duration::from_millis(500)).run()
    }));
    assert!(hung.is_err(), "it waits for ever");
    let patient = silent.option("ConnectTimeout", "1").bare("true").run();
    assert_eq!(patient.code(), 255);
    assert!(patient.stderr.contains("timed out"), "{patient:?}");
}

#[test]
fn a_host_that_is_switched_off_is_not_reached() {
    let Some(mut host) = host_with(|_| {}) else {
        return;
    };
    let ssh = host.ssh().option("ConnectTimeout", "2");
    host.halt();
    assert_eq!(ssh.bare("true").run().code(), 255);
}

#[test]
fn a_full_disk_takes_what_it_has_room_for_and_keeps_its_files() {
    for (kind, layout) in KINDS {
        let Some(mut host) = Host::start_with(kind, layout) else {
            return;
        };
        host.sshd();
        let ssh = host.ssh();
        let before = host.read("/etc/xinetd.d/smtp_psa");
        host.fill("/etc/xinetd.d", 0);
        host.fill("/var/lib/mailward", 16);
        assert_eq!(host.read("/etc/xinetd.d/smtp_psa"), before);
        let write = "dd if=/dev/zero bs=1024 count=8 of=";
        let full = ssh.bare(&format!("{write}/etc/xinetd.d/new")).run();
        assert_eq!(full.code(), 1, "{kind:?}: {full:?}");
        assert!(full.stderr.contains("No space left"), "{full:?}");
        let some = ssh.bare(&format!("{write}/var/lib/mailward/new")).run();
        assert_eq!(some.code(), 0, "{kind:?}: {some:?}");
        let more = ssh.bare(&format!("{write}/var/lib/mailward/more")).run();
        let most = ssh.bare(&format!("{write}/var/lib/mailward/most")).run();
        assert_eq!((more.code(), most.code()), (0, 1), "{kind:?}");
    }
}

#[test]
fn on_a_read_only_root_nothing_is_written_but_below_run_and_tmp() {
    for (kind, layout) in KINDS {
        let Some(mut host) = Host::start_with(kind, layout) else {
            return;
        };
        host.sshd();
        host.read_only_root();
        let ssh = host.ssh();
        for (path, code) in [("/etc/new", 1), ("/var/lib/new", 1), ("/run/new", 0)] {
            let touched = ssh.bare(&format!("touch {path}")).run();
            assert_eq!(touched.code(), code, "{kind:?}: {path}: {touched:?}");
            assert_eq!(touched.stderr.contains("Read-only"), code == 1);
        }
    }
}

#[test]
fn a_slow_link_is_slow_and_loses_nothing() {
    let Some(host) = host_with(|_| {}) else {
        return;
    };
    let data = "0123456789abcde\n".repeat(1 << 16);
    let ssh = host.ssh().slow(Duration::from_millis(50));
    let started = Instant::now();
    let back = ssh.bare("cat").stdin(data.clone()).run().success();
    assert!(back == data, "{} bytes came back", back.len());
    assert!(started.elapsed() > Duration::from_millis(400));
}

#[test]
fn a_connection_is_shared_when_it_was_warmed_and_kept_when_it_is_to_stay() {
    let Some(host) = host_with(|_| {}) else {
        return;
    };
    let sshd = |host: &Host| {
        let all = host.processes().into_iter();
        all.filter(|process| process.argv.first().is_some_and(|name| name.starts_with("sshd: root"))).count()
    };
    let connection = "echo $SSH_CONNECTION";
    let warm = host.ssh().warm();
    let first = warm.bare(connection).run().success();
    assert_eq!(warm.bare(connection).run().success(), first);
    drop(warm);
    let auto = host.ssh().auto_master();
    let first = auto.bare(connection).run().success();
    assert_eq!(auto.bare(connection).run().success(), first);
    drop(auto);
    let cold = host.ssh().from([198, 51, 100, 7].into());
    let first = cold.bare(connection).run().success();
    assert!(first.starts_with("198.51.100.7 "), "{first}");
    assert_ne!(cold.bare(connection).run().success(), first);
    host.wait_until("every connection has ended", || sshd(&host) == 0);
}

#[test]
fn several_hosts_are_reached_by_one_configuration() {
    let Some(first) = host_with(|_| {}) else {
        return;
    };
    let second = host_with(|host| host.write("/etc/hostname", "mx2.test\n")).expect("made before");
    let ways = [first.ssh(), second.ssh().alias_is("mx2")];
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, Ssh::configs(&ways)).unwrap();
    let config = config.to_str().unwrap();
    for (alias, name) in [("mx1", "mx1.test\n"), ("mx2", "mx2.test\n")] {
        let argv = ["ssh", "-F", config, alias, "cat /etc/hostname"];
        assert_eq!(ways[0].command(&argv).run().success(), name);
    }
}
