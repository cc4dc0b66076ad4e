//! Courier's limits, as its running daemons enforce them.

use std::time::Duration;

use super::on_each_kind;
use crate::support::host::{Host, Kind, Layout, Session};

/// A daemon of the host: its port, its service, its file.
const DAEMONS: [(u16, &str, &str); 2] =
    [(110, "courier-pop", "/etc/courier/pop3d"), (143, "courier-imap", "/etc/courier/imapd")];

fn limit_of(host: &Host, port: u16) -> String {
    let argv = host.couriertcpd(port).expect("the daemon runs");
    argv.iter()
        .find_map(|word| word.strip_prefix("-maxperip="))
        .expect("the daemon has a limit for one address")
        .to_owned()
}

#[test]
fn the_fifth_connection_from_one_address_is_closed_without_text_and_another_address_is_served() {
    on_each_kind(|host| {
        for (port, _, _) in DAEMONS {
            let mut served = host.open_until_cut(port, "198.51.100.7", 20);
            assert_eq!(served.len(), 4, "port {port}");
            let mut other = host.connect(port, "203.0.113.9");
            let greeting = other.greeting().expect("another address is served");
            let start = if port == 110 { "+OK Hello there." } else { "* OK " };
            assert!(greeting.starts_with(start), "{greeting}");
            assert!(served.iter_mut().all(Session::still_open));
        }
        let sixth = host.open_until_cut(110, "2001:db8:51::7", 20);
        assert_eq!(sixth.len(), 4, "IPv6");
        let local = host.open_until_cut(110, "127.0.0.2", 20);
        assert_eq!(local.len(), 4, "loopback");
    });
}

#[test]
fn a_raised_limit_needs_stop_and_start_which_drops_open_sessions_of_that_daemon_only() {
    on_each_kind(|host| {
        for (port, service, file) in DAEMONS {
            let mut held = host.open_until_cut(port, "198.51.100.7", 4);
            assert_eq!(held.len(), 4);
            let other_port = if port == 110 { 143 } else { 110 };
            let mut elsewhere = host.open_until_cut(other_port, "198.51.100.8", 1);

            host.replace_text(file, "MAXPERIP=4\n", "MAXPERIP=20\n");
            let script = if port == 110 { "/usr/sbin/pop3d" } else { "/usr/sbin/imapd" };
            host.run(&[script, "restart"]).success();
            assert_eq!(limit_of(host, port), "4", "restart is a SIGHUP, which reads no limit");
            assert_eq!(host.connect(port, "198.51.100.7").greeting(), None);
            assert!(held.iter_mut().all(Session::still_open));

            host.service(service, "stop").success();
            for session in &mut held {
                assert!(session.closes_within(Duration::from_secs(30)), "{service}");
            }
            host.service(service, "start").success();
            host.wait_for_ports(&[port]);
            assert_eq!(limit_of(host, port), "20");
            assert_eq!(host.open_until_cut(port, "198.51.100.7", 30).len(), 20);
            assert!(elsewhere.iter_mut().all(Session::still_open), "{service}");
        }
    });
}

#[test]
fn a_start_with_a_value_that_the_daemon_refuses_succeeds_and_leaves_nothing_running() {
    on_each_kind(|host| {
        host.replace_text("/etc/courier/pop3d", "MAXPERIP=4\n", "MAXPERIP=0\n");
        host.service("courier-pop", "stop").success();
        let started = host.run(&["/usr/sbin/pop3d", "start"]);
        assert_eq!(started.code(), 0, "{started:?}");
        host.wait_until("the daemon is gone", || host.couriertcpd(110).is_none());
    });
}

#[test]
fn with_plesks_layout_its_own_services_serve_the_files_in_its_own_folder() {
    for (kind, layout) in [
        (Kind::Systemd, Layout::PleskSplit),
        (Kind::SysV, Layout::PleskSplit),
        (Kind::Systemd, Layout::PleskSingle),
        (Kind::SysV, Layout::PleskSingle),
    ] {
        let Some(host) = Host::start_with(kind, layout) else {
            return;
        };
        println!("on a host with {kind:?} and {layout:?}");
        assert_eq!(host.open_until_cut(110, "198.51.100.7", 20).len(), 4);
        let mut imap = host.open_until_cut(143, "198.51.100.7", 20);
        assert_eq!(imap.len(), 4);
        assert!(!host.exists("/etc/courier/pop3d"));
        host.replace_text("/etc/courier-imap/pop3d", "MAXPERIP=4\n", "MAXPERIP=9\n");
        let service = layout.service(110);
        host.service(service, "stop").success();
        host.wait_until("pop3d is gone", || host.couriertcpd(110).is_none());
        host.service(service, "start").success();
        host.wait_for_ports(&[110, 143, 993, 995]);
        assert_eq!(limit_of(&host, 110), "9");
        match layout {
            // One service for all: imapd went with pop3d.
            Layout::PleskSingle => {
                for session in &mut imap {
                    assert!(session.closes_within(Duration::from_secs(30)));
                }
            }
            Layout::PleskSplit | Layout::Debian => {
                assert!(imap.iter_mut().all(Session::still_open));
            }
        }
    }
}
