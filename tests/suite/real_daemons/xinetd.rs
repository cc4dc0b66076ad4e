//! xinetd's limits, as the running daemon enforces them, and what a reload does to them.

use std::time::Duration;

use super::on_each_kind;
use crate::support::host::{Host, Session};

const DEFAULTS: &str = "/etc/xinetd.conf";
const SMTP: &str = "/etc/xinetd.d/smtp_psa";

fn xinetd(host: &Host) -> String {
    let found = host
        .processes()
        .into_iter()
        .find(|process| process.argv.first().is_some_and(|name| name.ends_with("sbin/xinetd")));
    found.expect("xinetd runs").pid.to_string()
}

/// Makes xinetd append its state to its dump and returns what is new.
fn dump(host: &Host, pid: &str) -> String {
    let path = "/run/xinetd.dump";
    let before = host.try_read(path).unwrap_or_default().len();
    host.run(&["kill", "-USR1", pid]).success();
    let mut tail = String::new();
    host.wait_until("xinetd has dumped its state", || {
        let all = host.try_read(path).unwrap_or_default();
        tail = String::from_utf8_lossy(&all[before.min(all.len())..]).into_owned();
        tail.contains("END OF DUMP") || tail.contains("End of dump")
    });
    tail
}

#[test]
fn the_connection_over_per_source_is_cut_and_a_reload_after_raising_it_keeps_open_sessions() {
    on_each_kind(|host| {
        let pid = xinetd(host);
        host.replace_text(DEFAULTS, "per_source\t= 10", "per_source\t= 4");
        host.run(&["kill", "-HUP", &pid]).success();
        host.wait_until("the lower limit is live", || dump(host, &pid).contains("PER_SOURCE = 4"));

        let mut held = host.open_until_cut(25, "198.51.100.7", 20);
        assert_eq!(held.len(), 4);
        let mut ftp = host.connect(21, "198.51.100.7");
        assert_eq!(ftp.greeting().as_deref(), Some("220 mx1.test FTP"), "each service counts for itself");
        assert_eq!(host.open_until_cut(25, "203.0.113.9", 1).len(), 1);

        host.replace_text(SMTP, "}", "\tper_source\t= 20\n}");
        host.run(&["kill", "-HUP", &pid]).success();
        host.wait_until("the higher limit is live", || dump(host, &pid).contains("PER_SOURCE = 20"));
        for session in &mut held {
            assert!(session.still_open());
            assert_eq!(session.exchange("still here"), "still here");
        }
        held.extend(host.open_until_cut(25, "198.51.100.7", 30));
        assert_eq!(held.len(), 20, "sessions from before the reload count");
        assert!(ftp.still_open());
        assert_eq!(xinetd(host), pid, "the same process");
    });
}

#[test]
fn a_service_whose_block_breaks_is_gone_after_a_reload_with_its_sessions() {
    on_each_kind(|host| {
        let pid = xinetd(host);
        let mut held = host.open_until_cut(25, "198.51.100.7", 2);
        let mut other = host.open_until_cut(587, "198.51.100.7", 1);
        host.replace_text(SMTP, "wait            = no", "wait=no");
        host.run(&["kill", "-HUP", &pid]).success();
        host.wait_until("smtp is gone", || !host.listening().contains(&25));
        assert!(host.try_connect(25, "198.51.100.7").is_err());
        for session in &mut held {
            assert!(session.closes_within(Duration::from_secs(30)));
        }
        assert!(other.iter_mut().all(Session::still_open));
    });
}
