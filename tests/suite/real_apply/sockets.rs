//! xinetd's addresses and families on real hosts: an address that the dump shows by another name, and pairs
//! of services.

use super::{Place, SMTP, apply, mailward, on_each_kind_with};
use crate::support::host::{Host, Kind};

const MANIFEST: &str = "version = 1\n[limits.smtp]\nper_ip = 20\n";
const FTP: &str = "/etc/xinetd.d/ftp_psa";
const SUBMISSION: &str = "/etc/xinetd.d/submission_psa";

/// The per-source limits of xinetd's newest dump, by id.
fn limits(host: &Host) -> Vec<(String, String)> {
    let pid = host
        .processes()
        .into_iter()
        .find(|process| process.argv.first().is_some_and(|name| name.ends_with("sbin/xinetd")))
        .expect("xinetd runs")
        .pid;
    let before = host.try_read("/run/xinetd.dump").unwrap_or_default().len();
    host.run(&["kill", "-USR1", &pid.to_string()]).success();
    let mut text = String::new();
    host.wait_until("xinetd has dumped its state", || {
        let all = host.try_read("/run/xinetd.dump").unwrap_or_default();
        text = String::from_utf8_lossy(&all[before.min(all.len())..]).into_owned();
        text.contains("END OF DUMP")
    });
    let mut id = String::new();
    let mut limits = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(found) = line.strip_prefix("id = ") {
            found.clone_into(&mut id);
        } else if let Some(limit) = line.strip_prefix("PER_SOURCE = ")
            && !id.is_empty()
        {
            limits.push((id.clone(), limit.to_owned()));
        }
    }
    limits
}

fn applies_twice(host: &Place) {
    let applied = apply(host, MANIFEST);
    assert_eq!(applied.code(), 0, "{applied:#?}");
    let again = mailward(host, &["check"], MANIFEST);
    assert_eq!(again.code(), 0, "{again:#?}");
    let more = MANIFEST.replace("20", "30");
    let applied = apply(host, &more);
    assert_eq!(applied.code(), 0, "{applied:#?}");
}

#[test]
fn an_address_that_the_dump_shows_by_a_name_is_no_reason_to_refuse() {
    for address in ["127.0.0.1", "::1"] {
        on_each_kind_with(
            |host| {
                host.replace_text(SUBMISSION, "}", &format!("\tbind = {address}\n}}"));
                // The dump asks the resolver for each address, and this host has no other one than its file.
                let names = host.read_text("/etc/hosts");
                host.write("/etc/hosts", format!("::1 any\n{names}"));
            },
            |host| {
                let mut held = host.open_until_cut(25, "198.51.100.9", 1);
                // What others do to the file meanwhile does not change the address.
                host.replace_text(
                    SUBMISSION,
                    "wait            = no",
                    "nice            = 1\n\twait            = no",
                );
                applies_twice(host);
                assert!(held[0].still_open());
            },
        );
    }
}

/// The dump asks the resolver for the name of an address that no file has, and waits for it.
#[test]
fn a_dump_that_waits_for_a_silent_resolver_is_waited_for() {
    let Some(mut host) = Place::prepare(Kind::SysV) else {
        return;
    };
    host.replace_text(SUBMISSION, "}", "\tbind = 0.0.0.0\n}");
    host.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:11 attempts:1\n");
    host.boot();
    let silence = ["-A", "INPUT", "-p", "udp", "--dport", "53", "-j", "DROP"];
    host.run(&[&["iptables"][..], &silence[..]].concat()).success();
    let host = Place::inside(host);
    let mut held = host.open_until_cut(25, "198.51.100.9", 1);
    let applied = apply(&host, MANIFEST);
    assert_eq!(applied.code(), 0, "{applied:#?}");
    assert!(held[0].still_open());
}

#[test]
fn a_pair_of_services_on_both_families_is_limited_as_a_pair() {
    on_each_kind_with(
        |host| {
            let four = host.read_text(SMTP).replace("{\n", "{\n\tflags = IPv4\n");
            let six =
                host.read_text(SMTP).replace("{\n", "{\n\tid = smtp6\n\tflags = IPv6\n\tv6only = yes\n");
            host.write(SMTP, four + &six);
        },
        |host| {
            let mut held = host.open_until_cut(25, "198.51.100.9", 1);
            applies_twice(host);
            let limits = limits(host);
            for id in ["smtp", "smtp6"] {
                assert!(limits.contains(&(id.to_owned(), "30".to_owned())), "{id}: {limits:?}");
            }
            assert!(held[0].still_open());
        },
    );
}

#[test]
fn what_cannot_be_told_is_no_reason_to_refuse_where_xinetd_has_it_already() {
    on_each_kind_with(
        |host| {
            host.replace_text(FTP, "}", "\tmax_load = 1e3\n}");
            // Only a file that is older than the daemon by more than two seconds is surely the one that it
            // read.
            std::thread::sleep(std::time::Duration::from_secs(4));
        },
        |host| {
            let mut held = host.open_until_cut(21, "198.51.100.9", 1);
            applies_twice(host);
            assert!(held[0].still_open());
            // The same line, and the file another one: what xinetd has is no longer what stands there.
            host.replace_text(FTP, "max_load = 1e3", "max_load = 1e2");
            let refused = apply(host, MANIFEST);
            assert_eq!(refused.code(), 7, "{refused:#?}");
            assert!(refused.stdout.contains("max_load = 1e2"), "{refused:#?}");
            assert!(held[0].still_open());
        },
    );
}
