//! A file that would break its daemon never goes live.

use super::{
    IMAPD, MANIFEST, POP3D, Place, SMTP, XINETD_CONF, apply, contents, daemons, mailward,
    on_each_kind,
};
use crate::support::host::{PORTS, Session};

/// Applies after `break_it`, and fails unless that is refused with nothing changed and everybody served.
fn is_refused(host: &Place, path: &str, manifest: &str) {
    let before = (contents(host), daemons(host));
    let mut held = host.open_until_cut(110, "198.51.100.9", 1);
    held.extend(host.open_until_cut(25, "198.51.100.9", 1));
    let plan = mailward(host, &["plan"], manifest);
    let applied = apply(host, manifest);
    assert!(matches!(applied.code(), 4 | 7), "{applied:#?}");
    assert_eq!(plan.code(), applied.code(), "{plan:#?}");
    assert!(applied.stdout.contains(path), "{applied:#?}");
    assert_eq!(before, (contents(host), daemons(host)));
    assert_eq!(
        (host.listening().into_iter().filter(|&port| port != 22)).collect::<Vec<_>>(),
        PORTS
    );
    assert!(held.iter_mut().all(Session::still_open));
    assert!(!host.exists("/var/lib/mailward/history"));
}

#[test]
fn a_courier_file_with_crlf_throughout_is_refused() {
    on_each_kind(|host| {
        for path in [POP3D, IMAPD] {
            let good = host.read_text(path);
            host.write(path, good.replace('\n', "\r\n"));
            is_refused(host, path, MANIFEST);
            host.write(path, good);
        }
    });
}

#[test]
fn a_bad_number_in_xinetds_defaults_is_refused() {
    on_each_kind(|host| {
        host.replace_text(XINETD_CONF, "instances\t= 50", "instances\t= fifty");
        is_refused(host, XINETD_CONF, MANIFEST);
    });
}

#[test]
fn a_reload_that_would_end_a_service_is_refused() {
    on_each_kind(|host| {
        host.replace_text(SMTP, "wait            = no", "wait=no");
        is_refused(host, SMTP, MANIFEST);
    });
}
