//! Courier's four listeners: what `start` and `stop` do, and what becomes of the files' values.

use std::process::Stdio;
use std::time::Duration;

use super::harness::{Office, with_each};

/// Script, listener, port.
const ALL: [(&str, &str, u16); 4] = [
    ("courier-imapd", "imapd", 143),
    ("courier-imaps", "imapd-ssl", 993),
    ("courier-pop3d", "pop3d", 110),
    ("courier-pop3s", "pop3d-ssl", 995),
];

const POP3D: &str = "etc/courier-imap/pop3d";

fn pair(maxdaemons: &str, maxperip: &str) -> Option<(String, String)> {
    Some((maxdaemons.to_owned(), maxperip.to_owned()))
}

/// Puts a text in the place of pop3d's `MAXDAEMONS=40`.
fn with_maxdaemons(office: &Office, text: &str) {
    office.edit(POP3D, "MAXDAEMONS=40\n", text);
}

#[test]
fn a_listener_that_is_stopped_and_started_is_the_one_that_the_tree_came_with() {
    with_each(|office| {
        for (script, name, port) in ALL {
            let (old_pid, old) = office.listener(name).expect("it runs");
            assert_eq!(old.ports, [port], "{name}");
            let pid_file = format!("var/run/{name}.pid");
            assert_eq!(office.read(&pid_file), format!("{}\n", old.parent));

            assert_eq!(office.service(script, "stop"), Some(0));
            assert_eq!(office.listener(name), None);
            assert!(!office.processes().contains_key(&old.parent), "its logger");
            assert!(!office.listening().values().any(|&other| other == port));
            assert!(office.at(&pid_file).exists(), "the pid file stays behind");

            assert_eq!(office.service(script, "start"), Some(0));
            let (pid, new) = office.listener(name).expect("it runs again");
            assert_eq!(new.argv, old.argv);
            assert_eq!(new.environ, old.environ);
            assert_eq!(new.ports, old.ports);
            assert!(pid > old_pid, "a pid is not used twice");
            assert!(new.start > old.start);
            assert_eq!(office.read(&pid_file), format!("{}\n", new.parent));
        }
        assert_eq!(office.read("usr/local/psa/var/log/maillog"), "");
    });
}

#[test]
fn both_listeners_of_a_protocol_take_the_plain_files_limits() {
    with_each(|office| {
        with_maxdaemons(office, "MAXDAEMONS=80\n");
        office.edit(POP3D, "MAXPERIP=4\n", "MAXPERIP=20\n");
        assert_eq!(office.limits("pop3d"), pair("40", "4"), "nothing before a start");
        office.again("courier-pop3d");
        assert_eq!(office.limits("pop3d"), pair("80", "20"));
        assert_eq!(office.limits("pop3d-ssl"), pair("40", "4"));
        office.again("courier-pop3s");
        assert_eq!(office.limits("pop3d-ssl"), pair("80", "20"));
        assert_eq!(office.limits("imapd"), pair("40", "4"));
    });
}

#[test]
fn what_the_ssl_file_sets_counts_for_the_ssl_listener_and_only_there() {
    with_each(|office| {
        let ssl = "etc/courier-imap/imapd-ssl";
        office.write(ssl, &(office.read(ssl) + "MAXDAEMONS=22\nMAXPERIP=2\n"));
        office.again("courier-imapd");
        office.again("courier-imaps");
        assert_eq!(office.limits("imapd"), pair("40", "4"));
        assert_eq!(office.limits("imapd-ssl"), pair("22", "2"));
        // The second reading has the plain file first for both, and makes the environment.
        let (_, plain) = office.listener("imapd").expect("it runs");
        assert!(plain.environ.contains(&"MAXPERIP=2".to_owned()));
    });
}

#[test]
fn values_are_what_the_shell_makes_of_them() {
    with_each(|office| {
        let mut before = "MAXDAEMONS=40\n".to_owned();
        for (text, value) in [
            ("MAXDAEMONS=\"40\"", "40"),
            ("MAXDAEMONS='41'", "41"),
            ("MAXDAEMONS=5\"7\"", "57"),
            ("MAXDAEMONS=43 # a note", "43"),
            ("export MAXDAEMONS=51", "51"),
            ("  MAXDAEMONS=52; OTHER=9", "52"),
            ("MAXDAEMONS=40abc", "40abc"),
            ("MAXDAEMONS=$((40+2))", "42"),
            ("MAXDAEMONS=${UNSET_BEFORE:-59}", "59"),
            ("MAXDAEMONS=5\\\n5", "55"),
            ("MAXDAEMONS=1\nMAXDAEMONS=60", "60"),
        ] {
            office.edit(POP3D, &before, &format!("{text}\n"));
            before = format!("{text}\n");
            office.again("courier-pop3d");
            assert_eq!(office.limits("pop3d"), pair(value, "4"), "{text}");
        }
    });
}

#[test]
fn a_value_that_couriertcpd_refuses_leaves_no_process_and_a_start_that_says_all_is_well() {
    with_each(|office| {
        let mut before = "MAXDAEMONS=40\n".to_owned();
        for (text, reason) in [
            ("MAXDAEMONS=0", "Invalid -maxprocsarg option."),
            ("MAXDAEMONS=-1", "Invalid -maxprocsarg option."),
            ("MAXDAEMONS=abc", "Invalid -maxprocsarg option."),
            ("MAXDAEMONS=", "Invalid -maxprocsarg option."),
            ("maxdaemons=40", "Invalid -maxprocsarg option."),
            ("MAXDAEMONS=40 MAXPERIP=0\nMAXPERIP=0", "Invalid -maxperip option."),
            ("MAXDAEMONS=\"4 0\"", "Invalid port: 0"),
        ] {
            // Last, so that it counts whatever the file sets after it.
            let file = office.read(POP3D);
            office.write(POP3D, &(file.replace(&before, "") + text + "\n"));
            before = format!("{text}\n");
            office.again("courier-pop3d");
            assert_eq!(office.listener("pop3d"), None, "{text}");
            let log = office.read("usr/local/psa/var/log/maillog");
            let last = log.lines().last().unwrap_or_default();
            assert!(last.ends_with(&format!("pop3d: {reason}")), "{text}: {last}");
            assert!(
                !office
                    .processes()
                    .values()
                    .any(|process| { process.argv.contains(&"-name=pop3d".to_owned()) })
            );
        }
    });
}

#[test]
fn a_port_that_is_taken_leaves_no_process() {
    with_each(|office| {
        office.edit("etc/courier-imap/pop3d", "PORT=110\n", "PORT=25\n");
        office.again("courier-pop3d");
        assert_eq!(office.listener("pop3d"), None);
        assert!(office.read("usr/local/psa/var/log/maillog").contains("Address already in use"));
    });
}

#[test]
fn an_exit_in_the_file_ends_the_script_and_a_missing_file_fails_it() {
    with_each(|office| {
        assert_eq!(office.service("courier-pop3d", "stop"), Some(0));
        let whole = office.read(POP3D);
        office.write(POP3D, &format!("{whole}exit 0\n"));
        assert_eq!(office.service("courier-pop3d", "start"), Some(0));
        assert_eq!(office.listener("pop3d"), None);
        std::fs::remove_file(office.at(POP3D)).expect("it can be removed");
        assert_eq!(office.service("courier-pop3d", "start"), Some(1));
        assert_eq!(office.listener("pop3d"), None);
    });
}

#[test]
fn a_start_or_restart_of_a_running_listener_changes_nothing() {
    with_each(|office| {
        with_maxdaemons(office, "MAXDAEMONS=80\n");
        let before = office.processes();
        assert_eq!(office.service("courier-pop3d", "start"), Some(0));
        assert_eq!(office.service("courier-pop3d", "restart"), Some(0));
        assert_eq!(office.processes(), before);
    });
}

#[test]
fn a_stop_ends_the_listeners_open_sessions_and_no_others() {
    with_each(|office| {
        let runs = |program: &str| office.processes().values().any(|process| process.argv[0] == program);
        assert!(runs("/usr/bin/imapd") && runs("/var/qmail/bin/qmail-smtpd"));
        office.again("courier-pop3d");
        assert!(runs("/usr/bin/imapd"));
        office.again("courier-imapd");
        assert!(!runs("/usr/bin/imapd") && runs("/var/qmail/bin/qmail-smtpd"));
    });
}

#[test]
fn listeners_misbehave_on_demand() {
    with_each(|office| {
        office.wish("courier-pop3d.stop", "ignore");
        assert_eq!(office.service("courier-pop3d", "stop"), Some(0));
        assert_eq!(office.limits("pop3d"), pair("40", "4"));
        office.wish("courier-pop3d.stop", "fail");
        assert_eq!(office.service("courier-pop3d", "stop"), Some(1));
        assert_eq!(office.limits("pop3d"), pair("40", "4"));
        office.wish("courier-pop3d.stop", "");
        assert_eq!(office.service("courier-pop3d", "stop"), Some(0));
        office.wish("courier-pop3d.start", "lie");
        assert_eq!(office.service("courier-pop3d", "start"), Some(0));
        office.wish("courier-pop3d.start", "fail");
        assert_eq!(office.service("courier-pop3d", "start"), Some(1));
        office.wish("courier-pop3d.start", "hang");
        let mut hanging = office
            .command("etc/init.d/courier-pop3d", "start")
            .stdout(Stdio::null())
            .spawn()
            .expect("it can be run");
        std::thread::sleep(Duration::from_millis(500));
        assert!(hanging.try_wait().expect("it can be asked").is_none());
        hanging.kill().expect("it can be killed");
        hanging.wait().expect("it ends");
        assert_eq!(office.listener("pop3d"), None);
        assert!(office.listener("pop3d-ssl").is_some());
    });
}
