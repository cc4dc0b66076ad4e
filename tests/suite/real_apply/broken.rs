//! A file that would break its daemon never goes live.

use super::{
    IMAPD, MANIFEST, POP3D, Place, SMTP, XINETD_CONF, apply, contents, daemons, mailward, on_each_kind,
};
use crate::support::host::{Kind, PORTS, Session};

/// A change that has nothing to do with what would be lost.
const UNRELATED: &str = "version = 1\n[limits.submission]\nper_ip = 20\n";

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
    assert_eq!((host.listening().into_iter().filter(|&port| port != 22)).collect::<Vec<_>>(), PORTS);
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

#[test]
fn a_line_of_any_attribute_that_drops_a_service_or_ends_xinetd_is_refused() {
    let Some(mut host) = Place::prepare(Kind::SysV) else {
        return;
    };
    host.boot();
    let host = Place::inside(host);
    let (smtp, conf) = (host.read_text(SMTP), host.read_text(XINETD_CONF));
    for line in [
        "max_load = 0",
        "access_times = 9-17",
        "user = nosuch",
        "group = nosuch",
        "bind = 1.2.3.4.5",
        "redirect = 127.0.0.1 nosuch",
        "rlimit_as = much",
        "log_type = FILE /var/log/smtp 2000 1000",
        "rpc_version = 4-2",
        "port = 26",
        "umask = 9",
        "log_type = FILE /no/such/folder/log",
    ] {
        let name = line.split(' ').next().unwrap();
        let others = smtp.lines().filter(|other| other.split_whitespace().next() != Some(name));
        let kept: Vec<&str> = others.collect();
        host.write(SMTP, kept.join("\n").replace("\n}", &format!("\n\t{line}\n}}\n")));
        println!("{line}");
        is_refused(&host, SMTP, UNRELATED);
    }
    host.write(SMTP, &smtp);
    for line in ["max_load = 0", "no_access = 10.{1,}", "log_type = SYSLOG mail"] {
        host.write(XINETD_CONF, conf.replacen("{", &format!("{{\n\t{line}"), 1));
        println!("{line}");
        is_refused(&host, XINETD_CONF, UNRELATED);
    }
    host.write(XINETD_CONF, conf + "include /etc/xinetd.conf\n");
    is_refused(&host, XINETD_CONF, UNRELATED);
}
