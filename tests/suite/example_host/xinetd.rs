//! xinetd: what HUP makes of its files, and what USR1 says.

use std::time::{Duration, Instant};

use super::harness::{Office, per_source, with_each};

const DEFAULTS: &str = "etc/xinetd.conf";
const SMTP: &str = "etc/xinetd.d/smtp_psa";

fn smtp_session(office: &Office) -> bool {
    let processes = office.processes();
    processes.values().any(|process| process.argv[0] == "/var/qmail/bin/qmail-smtpd")
}

/// Gives the service of `smtp_psa` one more line.
fn with_line(office: &Office, line: &str) {
    let text = office.read(SMTP);
    let body = text.strip_suffix("}\n").expect("a block");
    office.write(SMTP, &format!("{body}\t{line}\n}}\n"));
}

#[test]
fn the_tree_comes_with_what_its_files_say() {
    with_each(|office| {
        let (before, state) = (office.processes(), office.read("var/lib/stand-in/xinetd.state"));
        office.signal_xinetd("HUP");
        assert_eq!(office.read("var/lib/stand-in/xinetd.state"), state);
        assert_eq!(office.processes(), before);
        let (_, xinetd) = office.xinetd().expect("it runs");
        assert_eq!(xinetd.ports, [21, 25, 106, 465, 587]);
        let services = ["", "ftp", "poppassd", "smtp", "smtps", "submission"];
        assert!(per_source(&office.dump()).into_iter().eq(services.map(|name| (name.to_owned(), 10))));
    });
}

#[test]
fn a_dump_is_appended_and_whole() {
    with_each(|office| {
        let first = office.dump();
        assert!(first.starts_with("INTERNAL STATE DUMP: 2.3.14\n"));
        assert!(first.ends_with("\nEND OF DUMP\n\n"));
        let second = office.dump();
        assert_eq!(office.dumped(), first + &second);
    });
}

#[test]
fn files_count_from_the_hangup_on_and_sessions_live_on() {
    with_each(|office| {
        office.edit(DEFAULTS, "per_source\t= 10", "per_source\t= 20");
        with_line(office, "per_source = 40");
        assert_eq!(per_source(&office.dump())["smtp"], 10);
        let (pid, _) = office.xinetd().expect("it runs");
        office.signal_xinetd("HUP");
        let now = per_source(&office.dump());
        assert_eq!((now[""], now["smtp"], now["ftp"]), (20, 40, 20));
        assert_eq!(office.xinetd().expect("it runs").0, pid);
        assert!(smtp_session(office));
    });
}

#[test]
fn a_line_with_a_comment_behind_its_value_is_not_in_force() {
    with_each(|office| {
        with_line(office, "per_source = 40 # bursts");
        office.signal_xinetd("HUP");
        assert_eq!(per_source(&office.dump())["smtp"], 10);
        let log = office.read("var/log/messages");
        assert!(log.contains("attribute per_source expects 1 values and 3 values were specified"));
    });
}

#[test]
fn a_service_without_a_blank_before_the_equals_sign_is_gone_with_its_sessions() {
    with_each(|office| {
        let whole = office.read(SMTP);
        with_line(office, "per_source=40");
        office.signal_xinetd("HUP");
        assert!(!per_source(&office.dump()).contains_key("smtp"));
        assert_eq!(office.xinetd().expect("it runs").1.ports, [21, 106, 465, 587]);
        assert!(!smtp_session(office));
        office.write(SMTP, &whole);
        office.signal_xinetd("HUP");
        assert_eq!(per_source(&office.dump())["smtp"], 10);
        assert_eq!(office.xinetd().expect("it runs").1.ports, [21, 25, 106, 465, 587]);
    });
}

#[test]
fn a_bad_number_in_defaults_ends_xinetd_and_lets_its_script_say_that_all_is_well() {
    with_each(|office| {
        office.edit(DEFAULTS, "per_source\t= 10", "per_source\t= ten");
        office.signal_xinetd("HUP");
        assert_eq!(office.xinetd(), None);
        assert!(!office.at("var/run/xinetd.pid").exists());
        assert!(smtp_session(office), "an external server's session lives on");
        assert_eq!(office.service("xinetd", "start"), Some(0));
        assert_eq!(office.xinetd(), None);
        office.edit(DEFAULTS, "per_source\t= ten", "per_source\t= 30");
        assert_eq!(office.service("xinetd", "start"), Some(0));
        assert_eq!(per_source(&office.dump())["ftp"], 30);
        let (pid, xinetd) = office.xinetd().expect("it runs");
        assert_eq!(xinetd.ports, [21, 25, 106, 465, 587]);
        assert_eq!(office.read("var/run/xinetd.pid"), format!("{pid}\n"));
    });
}

#[test]
fn a_missing_configuration_file_changes_nothing() {
    with_each(|office| {
        std::fs::remove_file(office.at(DEFAULTS)).expect("it can be removed");
        let before = office.processes();
        office.signal_xinetd("HUP");
        assert_eq!(office.processes(), before);
        assert_eq!(per_source(&office.dump())["smtp"], 10);
    });
}

#[test]
fn names_with_a_dot_are_skipped() {
    with_each(|office| {
        let text = office.read(SMTP).replace("service smtp", "service rsync");
        office.write("etc/xinetd.d/.smtp_psa.mailward", &text);
        office.write("etc/xinetd.d/smtp_psa.org", &text);
        office.signal_xinetd("HUP");
        assert!(!per_source(&office.dump()).contains_key("rsync"));
        office.write("etc/xinetd.d/smtp_psa_old", &text);
        office.signal_xinetd("HUP");
        assert_eq!(per_source(&office.dump())["rsync"], 10);
    });
}

#[test]
fn xinetd_misbehaves_on_demand() {
    with_each(|office| {
        office.wish("xinetd.dump", "none");
        assert_eq!(office.dump(), "");
        office.wish("xinetd.dump", "torn");
        let torn = office.dump();
        assert!(torn.starts_with("INTERNAL STATE DUMP") && !torn.contains("END OF DUMP"));
        office.wish("xinetd.dump", "late");
        let sent = Instant::now();
        // The sender is not kept until it comes.
        assert_eq!(office.dump(), "");
        while !office.dumped().ends_with("END OF DUMP\n\n") {
            assert!(sent.elapsed() < Duration::from_secs(60), "it comes in the end");
            std::thread::sleep(Duration::from_millis(50));
        }
        office.wish("xinetd.dump", "");
        office.edit(DEFAULTS, "per_source\t= 10", "per_source\t= 20");
        office.wish("xinetd.hup", "ignore");
        office.signal_xinetd("HUP");
        assert_eq!(per_source(&office.dump())["ftp"], 10);
        office.wish("xinetd.hup", "die");
        office.signal_xinetd("HUP");
        assert_eq!(office.xinetd(), None);
    });
}
