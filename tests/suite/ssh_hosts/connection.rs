//! The run's own connection through a real sshd: on every kind of host, from several logins, and shared.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use mailward::host::ssh::{MetadataPolicy, SignalReceiver, SshDestination, SshHost, SshLogin};
use mailward::host::{
    ClientSide, ControllingTerminal, ProcessesAbove, ReadHost, ReadReply, ReadRequest, RunConnection,
    SshClient,
};

use super::KINDS;
use crate::host_contract::connection::HIDDEN;
use crate::support::host::{Host, Kind, OPERATOR};
use crate::support::own;
use crate::support::ssh::Ssh;

/// The program's own way along a way of `ssh`.
fn along(ssh: &Ssh, login: SshLogin) -> SshHost {
    SshHost::new(SshDestination {
        program: "ssh".into(),
        name: ssh.alias().to_owned(),
        options: vec![format!("-F{}", ssh.config().display())],
        patience: Duration::from_secs(20),
        signals: SignalReceiver::All,
        login,
        metadata: MetadataPolicy::Shown,
    })
}

fn connection(host: &SshHost) -> RunConnection {
    let replies = host.read(&[ReadRequest::Connection]).unwrap();
    match &replies[..] {
        [ReadReply::Connection(connection)] => connection.clone(),
        other => panic!("the connection was asked for: {other:?}"),
    }
}

fn client(connection: &RunConnection) -> SshClient {
    connection.client.clone().expect("sshd names the client")
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}

/// A start is counted in hundredths of a second and told by a process that has just begun.
const TICKS: i64 = 40;

fn check_of_now(told: &RunConnection, before: i64, address: &str) {
    let SshClient { address: is, port, server_address, server_port } = client(told);
    assert_eq!(is, address.parse::<IpAddr>().unwrap());
    assert!(port > 0);
    assert_eq!(server_address, Some("192.0.2.1".parse().unwrap()));
    assert_eq!(server_port, Some(22));
    let since = told.since.expect("sshd is above the shell");
    let span = before - TICKS..=told.now + TICKS;
    assert!(span.contains(&since), "{since} is not in {span:?}");
    assert!((before..=now()).contains(&told.now));
    assert_eq!(told.terminal, ControllingTerminal::None);
    assert_eq!((told.above, told.side), (ProcessesAbove::Sshd, ClientSide::Outside));
}

#[test]
fn every_kind_of_host_tells_the_client_and_when_it_came() {
    for (kind, layout) in KINDS {
        let Some(mut host) = Host::prepare(kind, layout) else {
            return;
        };
        host.sshd();
        host.boot();
        let source = Ipv4Addr::new(198, 51, 100, 7);
        let mut seen = Vec::new();
        for (ssh, address) in [(host.ssh(), "192.0.2.129"), (host.ssh().from(source), "198.51.100.7")] {
            for _ in 0..2 {
                let before = now();
                let way = along(&ssh, SshLogin::Direct);
                let told = connection(&way);
                check_of_now(&told, before, address);
                // What is asked later tells of the same connection.
                std::thread::sleep(Duration::from_millis(300));
                let later = connection(&way);
                assert_eq!(client(&later), client(&told), "{kind:?}");
                let apart = later.since.unwrap() - told.since.unwrap();
                assert!(apart.abs() <= TICKS, "{kind:?}: {apart} ms");
                seen.push((client(&told).address, client(&told).port));
            }
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 4, "each connection has its own port: {seen:?}");
    }
}

#[test]
fn under_sudo_and_under_any_login_shell_it_is_the_same() {
    for kind in Kind::ALL {
        let Some(mut host) = Host::start(kind) else {
            return;
        };
        host.sshd();
        for shell in ["/bin/dash", "/bin/bash", "/bin/tcsh"] {
            if !host.exists(shell) {
                panic!("{shell} is missing (apt package tcsh)");
            }
            for user in ["root", OPERATOR] {
                let text = host.read_text("/etc/passwd");
                let start = format!("{user}:");
                let line = text.lines().find(|line| line.starts_with(&start)).unwrap();
                if !line.ends_with(&format!(":{shell}")) {
                    host.login_shell(user, shell);
                }
            }
            for login in [SshLogin::Direct, SshLogin::Sudo] {
                let before = now();
                let ssh = host.ssh().user(OPERATOR);
                check_of_now(&connection(&along(&ssh, login)), before, "192.0.2.129");
            }
            let before = now();
            let ssh = host.ssh();
            let root = along(&ssh, SshLogin::Direct);
            check_of_now(&connection(&root), before, "192.0.2.129");
        }
    }
}

#[test]
fn two_sessions_of_one_connection_tell_the_same() {
    for (kind, layout) in KINDS {
        let Some(mut host) = Host::start_with(kind, layout) else {
            return;
        };
        host.sshd();
        let shared = host.ssh().warm();
        let since = now();
        std::thread::sleep(Duration::from_millis(500));
        let [one, other] = [(); 2].map(|()| connection(&along(&shared, SshLogin::Direct)));
        assert_eq!(client(&one), client(&other), "{kind:?}");
        let apart = one.since.unwrap() - other.since.unwrap();
        assert!(apart.abs() <= TICKS, "{kind:?}: {apart} ms");
        assert!(one.since.unwrap() <= since + TICKS, "it began before them");
        let ssh = host.ssh();
        let fresh = connection(&along(&ssh, SshLogin::Direct));
        assert_ne!(client(&fresh).port, client(&one).port, "{kind:?}");
        assert!(fresh.since.unwrap() > since, "{kind:?}");
    }
}

/// The hidden case of the contract prints what a run on the host itself tells.
#[test]
fn a_run_on_the_host_tells_the_same_of_the_login_that_started_it() {
    let run = format!("{} {}", own::IN_HOST, own::hidden(HIDDEN).join(" "));
    for kind in Kind::ALL {
        let Some(mut host) = Host::start(kind) else {
            return;
        };
        host.sshd();
        for (user, start) in [
            ("root", ""),
            (OPERATOR, ""),
            (OPERATOR, "sudo -n "),
            (OPERATOR, "sudo -n setsid -w "),
            // The login shell stays above it.
            ("root", "true && env -i "),
        ] {
            let before = now();
            let ssh = host.ssh().user(user);
            let said = ssh.bare(&format!("{start}{run} && exit")).run().success();
            let told = |name: &str| {
                let value = said.lines().find_map(|line| line.strip_prefix(name));
                value.unwrap_or_else(|| panic!("{name}: {said}")).to_owned()
            };
            assert!(told("client: ").starts_with("192.0.2.129 "), "{said}");
            let since: i64 = told("since: ").parse().unwrap();
            let span = before - TICKS..=now();
            assert!(span.contains(&since), "{start}: {since} not in {span:?}");
            let expected = ("Sshd", "Outside", user);
            let (above, side, login) = (told("above: "), told("side: "), told("login: "));
            assert_eq!((&above[..], &side[..], &login[..]), expected, "{start}");
        }
        // What outlives its login, as a terminal multiplexer, has no process of sshd above it.
        let left = "setsid sh -c 'exec </dev/null >/root/told 2>&1; sleep 0.5; \"$@\"; echo end' sh";
        let script = format!("{left} {run} >/dev/null 2>&1 &");
        let ssh = host.ssh();
        ssh.bare(&script).run().success();
        host.wait_until("it has told", || {
            host.try_read("/root/told").is_ok_and(|said| said.ends_with(b"end\n"))
        });
        let said = host.read_text("/root/told");
        assert!(said.contains("client: 192.0.2.129 "), "{said}");
        assert!(said.contains("since: 0\n"), "{said}");
        assert!(said.contains("above: Others\n"), "{said}");
        let console = host.run(&["sh", "-c", &run]).success();
        assert!(console.contains("client: \nsince: 0\n"), "{console}");
    }
}
