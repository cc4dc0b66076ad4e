//! The program over ssh to hosts of every kind and at ends of every temper: what it says, what it leaves, and
//! that the host itself and this side see and write the same.

mod odd_surroundings;
mod prompts;
mod seen;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::host::{Host, Kind, Layout, OPERATOR, Output, VISITOR};
use crate::support::ssh::Ssh;

const MANIFEST: &str = "version = 1\n[limits.pop3]\nper_ip = 20\ntotal = 80\n[limits.smtp]\nper_ip = 20\n";
const CLIENT: &str = "198.51.100.7";
const SMTP: &str = "/etc/xinetd.d/smtp_psa";

fn host(kind: Kind, layout: Layout) -> Option<Host> {
    let mut host = Host::prepare(kind, layout)?;
    host.replace_text("/etc/xinetd.conf", "per_source\t= 10", "per_source\t= 4");
    host.sshd();
    host.boot();
    Some(host)
}

fn run(ssh: &Ssh, arguments: &[&str]) -> Output {
    let arguments: Vec<_> = arguments.iter().copied().chain(["-"]).collect();
    let run = ssh.mailward(&arguments).stdin(MANIFEST);
    run.within(Duration::from_secs(120)).run()
}

/// Everything that a person gets to read.
fn told(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

fn inside(host: &Host, arguments: &[&str]) -> Output {
    let mut argv = vec!["/usr/local/bin/mailward"];
    argv.extend(arguments);
    argv.push("-");
    host.command(&argv).stdin(MANIFEST).run()
}

/// The program inside the host, run by who logs in as [`OPERATOR`].
fn as_operator(host: &Host, command: &str) -> Output {
    let argv = [
        "setpriv",
        "--reuid=2001",
        "--regid=2001",
        "--clear-groups",
        "/usr/local/bin/mailward",
        command,
        "-",
    ];
    host.command(&argv).stdin(MANIFEST).run()
}

/// Without what differs between two moments: a clock.
fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"))
}

#[test]
fn a_host_with_busybox_alone_is_planned_applied_and_rolled_back() {
    let Some(host) = host(Kind::BusyBox, Layout::PleskSplit) else {
        return;
    };
    let ssh = host.ssh();
    let pop3d = "/etc/courier-imap/pop3d";
    assert_eq!(host.open_until_cut(25, CLIENT, 30).len(), 4);
    let plan = run(&ssh, &["plan"]);
    assert_eq!(plan.code(), 2, "{plan:#?}");
    // Nothing there shows or copies ACL and extended attributes.
    let before = [host.read(pop3d), host.read(SMTP)];
    let refused = run(&ssh, &["apply", "--yes"]);
    assert_eq!(refused.code(), 8, "{refused:#?}");
    assert!(told(&refused).contains("unseen-metadata"), "{refused:#?}");
    assert_eq!(before, [host.read(pop3d), host.read(SMTP)]);

    let allowed = ["apply", "--yes", "--allow", "unseen-metadata"];
    let applied = run(&ssh, &allowed);
    assert_eq!(applied.code(), 0, "{applied:#?}");
    for port in [25, 110] {
        assert_eq!(host.open_until_cut(port, CLIENT, 30).len(), 20, "port {port}");
    }
    assert_eq!(run(&ssh, &["check"]).code(), 0);
    assert_eq!(run(&ssh, &allowed).code(), 0);

    // A listener that does not start with the new values: everything comes back.
    let script = format!("/etc/init.d/{}", host.layout().service(110));
    let real = host.read_text(&script);
    let (first, rest) = real.split_once('\n').expect("a script has lines");
    let lie = format!("[ \"$1\" = start ] && grep -q MAXPERIP=21 {pop3d} && exit 0");
    host.write(&script, format!("{first}\n{lie}\n{rest}"));
    let before = [host.read(pop3d), host.read(SMTP)];
    let more = MANIFEST.replace("= 20", "= 21");
    let arguments: Vec<_> = allowed.into_iter().chain(["-"]).collect();
    let failed = ssh.mailward(&arguments).stdin(more).within(Duration::from_secs(120)).run();
    assert_eq!(failed.code(), 8, "{failed:#?}");
    assert_eq!(before, [host.read(pop3d), host.read(SMTP)]);
    for port in [25, 110] {
        assert_eq!(host.open_until_cut(port, CLIENT, 30).len(), 20, "port {port}");
    }
    assert_eq!(run(&ssh, &["check"]).code(), 0);
}

#[test]
fn this_side_and_the_host_itself_see_and_write_the_same() {
    for kind in Kind::ALL {
        let Some(host) = host(kind, Layout::Debian) else {
            return;
        };
        let ssh = host.ssh();
        for command in ["plan", "show"] {
            let arguments = [command, "--format", "json"];
            let (here, there) = (run(&ssh, &arguments), inside(&host, &arguments));
            assert_eq!(here.code(), there.code(), "{kind:?}: {here:#?}");
            assert_eq!(json(&here), json(&there), "{kind:?}: {command}");
        }
        assert_eq!(run(&ssh, &["plan"]).stdout, inside(&host, &["plan"]).stdout);
        let fingerprint = json(&run(&ssh, &["plan", "--format", "json"]))["fingerprint"].clone();
        let fingerprint = fingerprint.as_str().expect("a text");

        // Files are changed from here, what that owes is done there, and the other way round.
        let deferred = run(&ssh, &["apply", "--yes", "--defer-restarts", "--expect", fingerprint]);
        assert_eq!(deferred.code(), 3, "{kind:?}: {deferred:#?}");
        let (here, there) = (run(&ssh, &["plan"]), inside(&host, &["plan"]));
        assert_eq!((here.code(), &here.stdout), (3, &there.stdout), "{kind:?}");
        let applied = inside(&host, &["apply", "--yes"]);
        assert_eq!(applied.code(), 0, "{kind:?}: {applied:#?}");
        assert_eq!(run(&ssh, &["check"]).code(), 0, "{kind:?}");
        assert_eq!(host.open_until_cut(110, CLIENT, 30).len(), 20);
        let history = host.run(&["sh", "-c", "ls /var/lib/mailward/history | wc -l"]).success();
        assert_eq!(history.trim(), "2", "{kind:?}");
        let modes = host
            .run(&["sh", "-c", "cd /var/lib/mailward; stat -c '%a %U %n' . lock history history/* backups"])
            .success();
        for line in modes.lines() {
            let folder = line.ends_with(" .") || line.ends_with("history") || line.ends_with("backups");
            let mode = if folder { "700 root" } else { "600 root" };
            assert!(line.starts_with(mode), "{kind:?}: {modes}");
        }

        // Either keeps the other out.
        let holding = "flock -n /var/lib/mailward/lock sleep 3";
        host.exec_detached(&["sh", "-c", holding]);
        host.wait_until("the lock is held", || {
            host.run(&["flock", "-n", "/var/lib/mailward/lock", "true"]).code() != 0
        });
        for locked in [run(&ssh, &["apply", "--yes"]), inside(&host, &["apply", "--yes"])] {
            assert_eq!(locked.code(), 5, "{kind:?}: {locked:#?}");
        }
    }
}

#[test]
fn sudo_makes_an_operator_root_and_a_visitor_nobody() {
    let Some(host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    let operator = host.ssh().user(OPERATOR);
    // Without it, what only root may read is said to be unknown; it is never taken for absent.
    let plain = run(&operator, &["plan"]);
    let root = run(&operator, &["plan", "--sudo"]);
    assert_eq!(root.code(), 2, "{root:#?}");
    assert_eq!(root.stdout, run(&host.ssh(), &["plan"]).stdout);
    let there = as_operator(&host, "plan");
    assert_eq!((plain.code(), &plain.stdout), (there.code(), &there.stdout));
    assert_ne!(plain.stdout, root.stdout);
    let plain = run(&operator, &["apply", "--yes"]);
    assert_eq!(plain.code(), 11, "{plain:#?}");
    assert!(told(&plain).contains("/var/lib/mailward"), "{plain:#?}");
    let refused = run(&host.ssh().user(VISITOR), &["plan", "--sudo"]);
    assert_eq!(refused.code(), 11, "{refused:#?}");
    assert!(told(&refused).contains("password"), "{refused:#?}");
    let applied = run(&operator, &["apply", "--yes", "--sudo"]);
    assert_eq!(applied.code(), 0, "{applied:#?}");
    assert_eq!(host.open_until_cut(110, CLIENT, 30).len(), 20);
}

#[test]
fn noise_and_other_login_shells_are_no_obstacle() {
    let Some(mut host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    let expected = run(&host.ssh(), &["plan"]);
    assert_eq!(expected.code(), 2, "{expected:#?}");
    let is_the_same = |host: &Host, what: &str| {
        let output = run(&host.ssh(), &["plan"]);
        assert_eq!((output.code(), &output.stdout), (2, &expected.stdout), "{what}: {output:#?}");
        assert_eq!(output.stderr, "", "{what}");
    };
    host.write("/etc/banner", "Authorised use only.\n");
    host.sshd_with(&["Banner /etc/banner"]);
    is_the_same(&host, "a banner");
    host.write("/root/.bashrc", "echo 'Welcome to mx1'; printf 'no line end'; echo hm >&2\nexport LC_ALL=ja_JP.UTF-8 PATH=/nowhere:$PATH BASH_ENV=/root/.bashrc\ncat() { echo mine; }; export -f cat\nalias stat='rm -rf'\nset -u\n");
    is_the_same(&host, "a .bashrc that prints and exports");
    host.remove("/root/.bashrc");
    host.sh_is("bash");
    is_the_same(&host, "bash as sh");
    host.sh_is("dash");
    host.login_shell("root", "/bin/tcsh");
    is_the_same(&host, "tcsh");
    host.login_shell("root", "/bin/bash");
    host.without(&[
        "timeout",
        "sha256sum",
        "base64",
        "perl",
        "python3",
        "getfattr",
        "setfattr",
        "xargs",
        "mktemp",
    ]);
    is_the_same(&host, "missing tools");
    let applied = run(&host.ssh(), &["apply", "--yes"]);
    assert_eq!(applied.code(), 0, "{applied:#?}");
    assert_eq!(host.open_until_cut(110, CLIENT, 30).len(), 20);
}

#[test]
fn where_no_shell_answers_the_reason_is_told() {
    let Some(mut host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    let fails = |ssh: &Ssh, why: &str| {
        for arguments in [&["plan"][..], &["apply", "--yes"], &["check"], &["show"]] {
            let begun = Instant::now();
            let output = run(ssh, arguments);
            assert_eq!(output.code(), 11, "{why}: {output:#?}");
            assert!(told(&output).contains(why), "{why}: {output:#?}");
            assert!(told(&output).contains("cannot reach mx1 over ssh"), "{output:#?}");
            assert!(begun.elapsed() < Duration::from_secs(30));
        }
    };
    host.write("/root/.bashrc", "exit 3\n");
    fails(&host.ssh(), "exit code 3 before a POSIX shell answered");
    host.remove("/root/.bashrc");
    host.sshd_with(&["ForceCommand internal-sftp"]);
    fails(&host.ssh().option("ConnectTimeout", "5"), "before a POSIX shell answered");
    host.sshd_with(&[]);
    host.login_shell("root", "/usr/sbin/nologin");
    fails(&host.ssh(), "not available");
    host.login_shell("root", "/bin/bash");
    fails(&Ssh::refusing(), "Connection refused");
    fails(&Ssh::silent().option("ConnectTimeout", "1"), "timed out");
    let silent = Ssh::silent();
    let output = run(&silent, &["plan", "--ssh-timeout=1"]);
    assert_eq!(output.code(), 11);
    assert!(told(&output).contains("no answer for 1 s"), "{output:#?}");
    let ssh = host.ssh().option("ConnectTimeout", "2");
    host.halt();
    fails(&ssh, "ssh ended with exit code 255");
}

#[test]
fn a_slow_link_and_shared_connections_are_fine() {
    let Some(host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    let expected = run(&host.ssh(), &["plan"]).stdout;
    for ssh in [host.ssh().slow(Duration::from_millis(100)), host.ssh().warm(), host.ssh().auto_master()] {
        for _ in 0..2 {
            let output = run(&ssh, &["plan"]);
            assert_eq!((output.code(), &output.stdout), (2, &expected), "{output:#?}");
        }
    }
    let applied = run(&host.ssh().slow(Duration::from_millis(100)), &["apply", "--yes"]);
    assert_eq!(applied.code(), 0, "{applied:#?}");
}

#[test]
fn a_full_or_read_only_disk_changes_nothing() {
    for (kind, layout) in [(Kind::SysV, Layout::Debian), (Kind::BusyBox, Layout::PleskSplit)] {
        let Some(host) = host(kind, layout) else {
            return;
        };
        let ssh = host.ssh();
        let before = host.read(SMTP);
        let apply = ["apply", "--yes", "--allow", "unseen-metadata"];
        host.fill("/etc/xinetd.d", 0);
        let full = run(&ssh, &apply);
        assert_eq!(full.code(), 8, "{kind:?}: {full:#?}");
        assert!(told(&full).contains("No space left on device"), "{full:#?}");
        assert_eq!(before, host.read(SMTP));
        host.fill("/var/lib/mailward", 4);
        let full = run(&ssh, &apply);
        assert!(matches!(full.code(), 8 | 9 | 11), "{kind:?}: {full:#?}");
        assert!(told(&full).contains("No space left on device"), "{full:#?}");
        assert_eq!(before, host.read(SMTP));
        let left = host.run(&["sh", "-c", "ls -A /etc/xinetd.d /etc/courier* | grep mailward || :"]);
        assert_eq!(left.success(), "", "{kind:?}");
    }
    let Some(host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    host.read_only_root();
    let plan = run(&host.ssh(), &["plan"]);
    assert_eq!(plan.code(), 2, "{plan:#?}");
    let applied = run(&host.ssh(), &["apply", "--yes"]);
    assert_eq!(applied.code(), 11, "{applied:#?}");
    assert!(told(&applied).contains("Read-only file system"), "{applied:#?}");
}
