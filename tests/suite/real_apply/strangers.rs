//! Processes of other users that are called like daemons, beside real daemons: they count for nothing.

use std::time::{Duration, Instant};

use super::{MANIFEST, Place, apply, daemons, listener, mailward, on_each_kind};
use crate::support::host::{Host, Kind, Output};

/// Where a user has its programs.
const FOLDER: &str = "/tmp/stranger";

/// The user.
const USER: &str = "nobody";
const UID: u32 = 65534;

/// Where the genuine programs are that a user runs under other names.
const COURIERTCPD: &str = "/usr/sbin/couriertcpd";

/// Starts a program as the user, and waits until a process has this among its arguments.
fn start(host: &Host, line: &str, sign: &str) {
    let before = count(host, sign);
    // BusyBox's own setsid does not leave its child behind.
    let detached = "setsid su -s /bin/sh \"$0\" -c \"exec $1\" </dev/null >/dev/null 2>&1 &";
    host.run(&["sh", "-c", detached, USER, line]).success();
    host.wait_until(&format!("the user's {line} runs"), || count(host, sign) > before);
}

fn count(host: &Host, sign: &str) -> usize {
    let processes = host.processes().into_iter();
    let all = processes.filter(|process| process.argv.first().is_some_and(|first| first != "su"));
    all.filter(|process| process.argv.iter().any(|word| word == sign)).count()
}

/// A program of the user's own under this name: a copy of couriertcpd, which listens.
fn copy(host: &Host, name: &str) -> String {
    let path = format!("{FOLDER}/{name}");
    host.run(&["mkdir", "-p", FOLDER]).success();
    host.run(&["cp", COURIERTCPD, &path]).success();
    host.run(&["chmod", "755", FOLDER, &path]).success();
    path
}

/// A script of the user's own under this name, which goes on for as long as the host.
fn script(host: &Host, folder: &str, name: &str) -> String {
    let path = format!("{FOLDER}/{folder}/{name}");
    host.run(&["mkdir", "-p", &format!("{FOLDER}/{folder}")]).success();
    host.write(&path, "#!/bin/sh\nwhile :; do sleep 1000; done\n");
    host.run(&["chmod", "755", FOLDER, &format!("{FOLDER}/{folder}"), &path]).success();
    path
}

/// Starts what looks like the listeners of IMAP and IMAPS with these limits.
fn imap(host: &Host, program: &str, limits: &str, port: u16) {
    let login = "/usr/lib/courier/courier/imaplogin";
    let tls = "/usr/bin/couriertls -server -tcpd";
    for (port, command) in [(port, login.to_owned()), (port + 1, format!("{tls} {login}"))] {
        let line = format!("{program} -address=0 {limits} {port} {command} /usr/bin/imapd Maildir");
        start(host, &line, &port.to_string());
    }
    host.wait_for_ports(&[port, port + 1]);
}

fn told(output: &Output, program: &str, why: &str) {
    let words = format!("a process called `{program}` is not the daemon and counts for nothing: {why}");
    let told = format!("{}{}", output.stdout, output.stderr);
    assert!(told.contains(&words), "{words}: {output:#?}");
}

/// Processes under the names of all daemons, and genuine programs that the user runs.
fn strangers(host: &Host) {
    imap(host, &copy(host, "couriertcpd"), "-maxprocs=9 -maxperip=7", 2143);
    imap(host, COURIERTCPD, "-maxprocs=80 -maxperip=20", 3143);
    for (name, port) in [("xinetd", 2025), ("dovecot", 2110), ("master", 2465)] {
        let program = copy(host, name);
        start(host, &format!("{program} {port} /bin/true"), &port.to_string());
    }
    host.write("/tmp/evil.conf", "the text of a file that no user may read\n");
    let xinetd = script(host, "second", "xinetd");
    start(host, &format!("{xinetd} -f /tmp/evil.conf"), "/tmp/evil.conf");
    // Called like the panel's own script, while it changes the firewall.
    let plesk = script(host, "panel", "firewall-new.sh");
    start(host, &plesk, &plesk);
}

/// With strangers there is a plan, an apply takes, and a second one finds nothing to do.
fn strangers_change_nothing(host: &mut Place) {
    // BusyBox has nothing that shows whether ACL are kept.
    let unseen = ["apply", "--yes", "--allow", "unseen-metadata"];
    let apply = |host: &Place| match host.kind() {
        Kind::Systemd | Kind::SysV => apply(host, MANIFEST),
        Kind::BusyBox => mailward(host, &unseen, MANIFEST),
    };
    strangers(host);
    let plan = mailward(host, &["plan"], MANIFEST);
    assert_eq!(plan.code(), 2, "{plan:#?}");
    for program in ["couriertcpd", "xinetd", "dovecot", "master"] {
        told(&plan, program, &format!("the user with the id {UID} runs it"));
    }
    assert!(!plan.stdout.contains("evil"), "{plan:#?}");
    let applied = apply(host);
    assert_eq!(applied.code(), 0, "{applied:#?}");
    for port in [110, 143, 993, 995] {
        let argv = host.couriertcpd(port).expect("the daemon runs");
        assert!(argv.contains(&"-maxperip=20".to_owned()), "{argv:?}");
    }
    let before = daemons(host);
    let again = apply(host);
    assert_eq!(again.code(), 0, "{again:#?}");
    assert_eq!(daemons(host), before, "nothing is restarted");
    let check = mailward(host, &["check"], MANIFEST);
    assert_eq!(check.code(), 0, "{check:#?}");
    told(&check, "dovecot", "");
    let show = mailward_show(host);
    assert!(!show.stdout.contains("evil"), "{show:#?}");
}

fn mailward_show(host: &Place) -> Output {
    let shown = mailward(host, &["show"], MANIFEST);
    assert_eq!(shown.code(), 0, "{shown:#?}");
    shown
}

#[test]
fn processes_of_users_that_are_called_like_daemons_change_nothing() {
    on_each_kind(strangers_change_nothing);
}

#[test]
fn processes_of_users_change_nothing_on_a_host_with_busybox() {
    let Some(mut host) = Host::prepare(Kind::BusyBox, crate::support::host::Layout::PleskSplit) else {
        return;
    };
    host.replace_text("/etc/xinetd.conf", "per_source\t= 10", "per_source\t= 4");
    host.sshd();
    host.boot();
    let ssh = host.ssh();
    strangers_change_nothing(&mut Place::over(host, ssh));
}

/// Lets the next apply be killed when IMAP's service is stopped, and has it not started again, as where the
/// machine has no memory left for it either; `undo` makes that as before.
fn kill_between(host: &Host) -> Vec<String> {
    let path = match host.kind() {
        Kind::Systemd => "/usr/bin/systemctl",
        Kind::SysV | Kind::BusyBox => "/etc/init.d/courier-imap",
    };
    let real = format!("{path}.real");
    host.run(&["mv", path, &real]).success();
    host.write(
        path,
        format!(
            "#!/bin/sh\ncase \"$*\" in\n\
             'restart courier-imap.service') {real} stop courier-imap.service; kill -KILL $(pidof mailward); exit 0 ;;\n\
             start) kill -KILL $(pidof mailward); exit 0 ;; esac\nexec {real} \"$@\"\n"
        ),
    );
    host.run(&["chmod", "755", path]).success();
    ["mv", "-f", &real, path].map(str::to_owned).to_vec()
}

#[test]
fn a_users_process_with_the_wanted_numbers_does_not_settle_a_killed_run() {
    const IMAP: &str = "version = 1\n[limits.imap]\nper_ip = 20\ntotal = 80\n";
    for kind in Kind::ALL {
        let Some(mut host) = Place::prepare(kind) else {
            return;
        };
        host.boot();
        let host = Place::inside(host);
        println!("on a host with {kind:?}");
        let undo = kill_between(&host);
        let killed = apply(&host, IMAP);
        assert_eq!(killed.signal(), Some(9), "{killed:#?}");
        let undo: Vec<&str> = undo.iter().map(String::as_str).collect();
        host.run(&undo).success();
        assert!(!host.listening().contains(&143));
        imap(&host, &copy(&host, "couriertcpd"), "-maxprocs=80 -maxperip=20", 2143);
        // One of root's that goes on is known of for as long as it does, also by a run that has no time to wait for it.
        host.write("/run/restarting", "");
        let restart = "while [ -e /run/restarting ]; do sleep 1; done";
        host.exec_detached(&["sh", "-c", restart, "mailward-restart"]);
        let hurried = mailward(&host, &["apply", "--yes", "--deadline", "3"], IMAP);
        assert_eq!(hurried.code(), 5, "{hurried:#?}");
        assert!(host.read_text("/var/lib/mailward/journal.json").contains("\"run\""));
        host.remove("/run/restarting");
        // What looks like a stop and start that goes on is not waited for either.
        let restart = "sh -c 'while :; do sleep 1; done' mailward-restart";
        start(&host, restart, "mailward-restart");
        let check = mailward(&host, &["check"], IMAP);
        assert_eq!(check.code(), 3, "{check:#?}");
        let begun = Instant::now();
        let next = apply(&host, IMAP);
        assert_eq!(next.code(), 0, "{next:#?}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(60), "{took:?}");
        assert_eq!(host.open_until_cut(143, "198.51.100.7", 30).len(), 20);
        let check = mailward(&host, &["check"], IMAP);
        assert_eq!(check.code(), 0, "{check:#?}");
    }
}

#[test]
fn what_root_runs_under_the_name_of_a_daemon_is_none_either() {
    on_each_kind(|host| {
        let service = host.layout().service(143);
        host.service(service, "stop").success();
        host.wait_until("IMAP is stopped", || !host.listening().contains(&143));
        // Another file with the name, that serves the port.
        let program = copy(host, "couriertcpd");
        let rest = "-maxprocs=4 -maxperip=4 143 /usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir";
        host.exec_detached(&["sh", "-c", &format!("exec {program} {rest}")]);
        host.wait_for_ports(&[143]);
        let plan = mailward(host, &["plan"], MANIFEST);
        assert_eq!(plan.code(), 2, "{plan:#?}");
        told(&plan, "couriertcpd", &format!("it executes {program}"));
        assert!(plan.stdout.contains("courier does not run for imap:"), "{plan:#?}");
        host.run(&["sh", "-c", "kill $(pidof couriertcpd | tr ' ' '\\n' | head -n 1)"]).success();
        // The genuine one, which nobody's unit started.
        if host.kind() == Kind::Systemd {
            host.wait_until("it has ended", || !host.listening().contains(&143));
            host.exec_detached(&["sh", "-c", &format!("exec {COURIERTCPD} {rest}")]);
            host.wait_for_ports(&[143]);
            let plan = mailward(host, &["plan"], MANIFEST);
            assert_eq!(plan.code(), 2, "{plan:#?}");
            told(&plan, "couriertcpd", "it does not belong to the service's unit but to ");
        }
    });
}

#[test]
fn a_daemon_whose_file_was_replaced_by_an_upgrade_is_still_the_daemon_and_owes_a_restart() {
    on_each_kind(|host| {
        let applied = apply(host, MANIFEST);
        assert_eq!(applied.code(), 0, "{applied:#?}");
        let (imap, pop3) = (listener(host, 143), listener(host, 110));
        for program in [COURIERTCPD, "/usr/sbin/xinetd"] {
            let new = format!("{program}.dpkg-new");
            host.run(&["cp", "-p", program, &new]).success();
            host.run(&["mv", "-f", &new, program]).success();
        }
        let before = daemons(host);
        let plan = mailward(host, &["plan"], MANIFEST);
        assert_eq!(plan.code(), 2, "{plan:#?}");
        let words = "imap runs a program file that was replaced or removed since";
        assert!(plan.stdout.contains(words), "{plan:#?}");
        let words = "xinetd runs a program file that was replaced or removed since";
        assert!(plan.stdout.contains(words), "{plan:#?}");
        assert_eq!(daemons(host), before);
        let applied = apply(host, MANIFEST);
        assert_eq!(applied.code(), 0, "{applied:#?}");
        assert_ne!((imap, pop3), (listener(host, 143), listener(host, 110)));
        let check = mailward(host, &["check"], MANIFEST);
        assert_eq!(check.code(), 0, "{check:#?}");
    });
}

#[test]
fn who_may_not_read_which_file_a_daemon_executes_is_told_so() {
    for kind in Kind::ALL {
        let Some(mut host) = Place::prepare(kind) else {
            return;
        };
        host.boot();
        host.write("/tmp/mail.toml", MANIFEST);
        for command in ["plan", "check"] {
            let line = format!("/usr/local/bin/mailward {command} /tmp/mail.toml");
            let output = host.run(&["su", "-s", "/bin/sh", USER, "-c", &line]);
            assert_eq!(output.code(), 11, "{output:#?}");
            assert!(output.stderr.contains("it is not known whether couriertcpd runs"), "{output:#?}");
            assert!(output.stderr.contains("/exe: permission denied"), "{output:#?}");
        }
        let show = host.run(&["su", "-s", "/bin/sh", USER, "-c", "/usr/local/bin/mailward show"]);
        let imap = show.stdout.lines().find(|line| line.starts_with("imap ")).expect("a line");
        assert!(imap.contains("unknown"), "{show:#?}");
    }
}
