//! Limits raised from four to twenty, as clients see them; what need not be touched is not.

use super::{MANIFEST, Place, apply, contents, daemons, history, listener, mailward, on_each_kind};
use crate::support::host::{Host, Session};

const CLIENT: &str = "198.51.100.7";

/// Opens connections until one is cut, and fails unless exactly `limit` were served.
fn serves(host: &Host, port: u16, limit: usize) -> Vec<Session> {
    let served = host.open_until_cut(port, CLIENT, limit + 10);
    assert_eq!(served.len(), limit, "port {port}");
    served
}

#[test]
fn after_an_apply_twenty_connections_are_served_where_the_fifth_was_cut() {
    on_each_kind(|host| {
        for port in [110, 143, 993, 995] {
            // A TLS listener says nothing before its client does: its arguments tell.
            if port < 900 {
                drop(serves(host, port, 4));
            }
        }
        let mut smtp = serves(host, 25, 4);
        let mut ftp = host.open_until_cut(21, CLIENT, 2);

        let plan = mailward(host, &["plan"], MANIFEST);
        assert_eq!(plan.code(), 2, "{plan:#?}");
        assert!(!plan.stdout.contains("edited by others"), "nobody else has edited anything: {plan:#?}");
        let check = mailward(host, &["check"], MANIFEST);
        assert_eq!(check.code(), 2, "{check:#?}");
        let before = daemons(host);
        let applied = apply(host, MANIFEST);
        assert_eq!(applied.code(), 0, "{applied:#?}");

        for session in smtp.iter_mut().chain(&mut ftp) {
            assert!(session.still_open(), "a reload keeps xinetd's sessions");
        }
        assert_eq!(smtp[0].exchange("still here"), "still here");
        smtp.extend(host.open_until_cut(25, CLIENT, 30));
        assert_eq!(smtp.len(), 20, "smtp, with the sessions from before");
        for port in [110, 143] {
            drop(serves(host, port, 20));
        }
        for port in [110, 143, 993, 995] {
            let argv = host.couriertcpd(port).expect("the daemon runs");
            assert!(argv.contains(&"-maxperip=20".to_owned()), "{argv:?}");
            assert!(argv.contains(&"-maxprocs=80".to_owned()), "{argv:?}");
        }
        let xinetd = |daemons: &[(u32, Vec<String>)]| {
            daemons.iter().find(|(_, argv)| argv[0].ends_with("xinetd")).map(|(pid, _)| *pid)
        };
        assert_eq!(xinetd(&before), xinetd(&daemons(host)), "only reloaded");

        let check = mailward(host, &["check"], MANIFEST);
        assert_eq!(check.code(), 0, "{check:#?}");
    });
}

#[test]
fn a_second_apply_writes_nothing_and_restarts_nothing() {
    on_each_kind(|host| {
        let first = apply(host, MANIFEST);
        assert_eq!(first.code(), 0, "{first:#?}");
        let before = (daemons(host), contents(host), history(host));
        let mut held = host.open_until_cut(110, CLIENT, 3);
        let second = apply(host, MANIFEST);
        assert_eq!(second.code(), 0, "{second:#?}");
        assert!(held.iter_mut().all(Session::still_open));
        assert_eq!(before, (daemons(host), contents(host), history(host)));
        let plan = mailward(host, &["plan"], MANIFEST);
        assert_eq!(plan.code(), 0, "{plan:#?}");
    });
}

#[test]
fn pop3d_and_xinetd_are_untouched_when_only_imap_changes() {
    on_each_kind(|host| {
        let mut pop3 = host.open_until_cut(110, CLIENT, 3);
        let kept = |host: &Host| -> Vec<_> {
            let imap = [listener(host, 143), listener(host, 993)];
            let all = daemons(host).into_iter();
            all.filter(|(pid, _)| !imap.contains(pid)).collect()
        };
        let before = (kept(host), listener(host, 143));
        let manifest = "version = 1\n[limits.imap]\nper_ip = 20\ntotal = 80\n";
        let applied = apply(host, manifest);
        assert_eq!(applied.code(), 0, "{applied:#?}");
        assert_eq!(before.0, kept(host));
        assert_ne!(before.1, listener(host, 143));
        assert!(pop3.iter_mut().all(Session::still_open));
        drop(serves(host, 143, 20));
    });
}

#[test]
fn show_tells_what_the_running_daemons_have() {
    on_each_kind(|host| {
        let shown = |host: &Place| -> Vec<(String, String, serde_json::Value, serde_json::Value)> {
            let text = mailward(host, &["show", "--format", "json"], MANIFEST);
            let text = text.success();
            let all: serde_json::Value = serde_json::from_str(&text).unwrap();
            let limits = all["limits"].as_array().expect("a flat list").iter();
            let mut rows: Vec<_> = limits
                .filter(|entry| entry["daemon"] == "courier")
                .map(|entry| {
                    (
                        entry["service"].as_str().unwrap().to_owned(),
                        entry["key"].as_str().unwrap().to_owned(),
                        entry["value"].clone(),
                        entry["running"].clone(),
                    )
                })
                .collect();
            rows.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            rows
        };
        let rows = |per_ip: u32, total: u32| -> Vec<_> {
            let mut rows = Vec::new();
            for service in ["imap", "imaps", "pop3", "pop3s"] {
                for (key, value) in [("MAXDAEMONS", total), ("MAXPERIP", per_ip)] {
                    rows.push((service.to_owned(), key.to_owned(), value.into(), value.into()));
                }
            }
            rows
        };
        assert_eq!(shown(host), rows(4, 40));
        let applied = apply(host, MANIFEST);
        assert_eq!(applied.code(), 0, "{applied:#?}");
        assert_eq!(shown(host), rows(20, 80));
    });
}
