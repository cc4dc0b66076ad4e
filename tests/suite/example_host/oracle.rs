//! The stand-in's dump beside the real xinetd's, for the same files.

use std::fs;
use std::process::Command;

use super::harness::{Office, Tools};
use crate::support::in_time::CommandInTime as _;
use crate::support::not_run;

/// What the real one runs in: its own network, mounts and pids, `/run` empty.
const PRIVATE: &str = r#"
mount -t tmpfs none /run && ip link set lo up || exit 99
awaited() { n=0; until "$@" 2>/dev/null; do n=$((n + 1)); [ $n -lt 100 ] || return 1; sleep .05; done; }
whole() { [ "$(grep -c '^END OF DUMP' /run/xinetd.dump)" = "$1" ]; }
cp -r first /run/etc
xinetd -f /run/etc/xinetd.conf -pidfile /run/x.pid -stayalive
awaited test -s /run/x.pid || exit 0
kill -USR1 "$(cat /run/x.pid)" && awaited whole 1 || exit 98
cat /run/xinetd.dump
cp -r second/. /run/etc
pid=$(cat /run/x.pid)
kill -HUP "$pid"
sleep .5
kill -USR1 "$pid" 2>/dev/null
whole_or_gone() { whole 2 || [ ! -e /run/x.pid ]; }
awaited whole_or_gone || exit 98
[ -e /run/x.pid ] || exit 0
echo SECOND
cat /run/xinetd.dump
kill "$pid"
"#;

const BASE: &str = "socket_type = stream\n protocol = tcp\n wait = no\n user = root\n server = /bin/cat\n";
const DEFAULTS: &str = "instances = 50\n per_source = 10\n cps = 50 10\n groups = yes\n umask = 002\n log_type = SYSLOG daemon info\n \
    log_on_failure = HOST\n log_on_success = PID HOST DURATION EXIT\n";

/// `defaults`, and lines for each of the services smtp and submission, before and after a HUP.
const CASES: [[(&str, &str, &str); 2]; 8] = [
    [(DEFAULTS, "instances = UNLIMITED", "server_args = -a b"), (DEFAULTS, "per_source = 40", "cps = 5 6")],
    [
        ("instances = 50", "", "flags = IPv6"),
        ("per_source = UNLIMITED", "instances = 7", "per_source = UNLIMITED"),
    ],
    [(DEFAULTS, "", ""), (DEFAULTS, "per_source = 40 # bursts", "per_source=40")],
    [
        (DEFAULTS, "per_source = 4\nper_source = 5", "per_source =6"),
        (DEFAULTS, "per_source = 010", "per_source = 0x10"),
    ],
    [
        (DEFAULTS, "only_from = 10.1.0.0/16 192.0.2.1", "no_access = 192.0.2.7\nlog_on_failure += USERID"),
        (DEFAULTS, "disable = yes", "PER_SOURCE = unlimited"),
    ],
    [(DEFAULTS, "# note\n\n  ; = 1", "cps = 10"), (DEFAULTS, "bogus = 1", "per_source += 2")],
    [(DEFAULTS, "", ""), ("per_source = ten", "", "")],
    [
        ("log_type = FILE /run/x.log\nlog_on_failure = HOST\nonly_from = 127.0.0.0/8", "", "group = root"),
        ("per_source=3\ninstances = 4", "", "instances = -1"),
    ],
];

#[test]
fn the_dump_is_the_real_xinetds() {
    if !rustix::process::geteuid().is_root() {
        not_run("the stand-in's dump beside the real xinetd's", "root, for private namespaces");
        return;
    }
    for (case, [first, second]) in CASES.iter().enumerate() {
        let office = Office::new(Tools::Dash);
        let files = tempfile::tempdir().expect("a temporary folder can be made");
        write(files.path(), "first", first);
        write(files.path(), "second", second);
        let real = Command::new("unshare")
            .args(["-n", "-m", "-p", "-f", "--mount-proc", "sh", "-c", PRIVATE])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir(files.path())
            .output_in_time()
            .expect("unshare is missing: apt-get install util-linux");
        assert!(
            real.status.success() && !String::from_utf8_lossy(&real.stderr).contains("not found"),
            "the real one (apt-get install xinetd iproute2): {real:?}"
        );
        let real = String::from_utf8(real.stdout).expect("UTF-8");
        assert!(real.starts_with("INTERNAL STATE DUMP"), "case {case}: {real}");

        fs::create_dir_all(office.at("bin")).expect("a folder can be made");
        fs::copy(office.at("usr/bin/imapd"), office.at("bin/cat")).expect("a server");
        fs::remove_dir_all(office.at("etc/xinetd.d")).expect("it can be removed");
        assert_eq!(office.service("xinetd", "stop"), Some(0));
        install(&office, files.path(), "first");
        assert_eq!(office.service("xinetd", "start"), Some(0));
        let mut ours = office.dump();
        install(&office, files.path(), "second");
        office.signal_xinetd("HUP");
        if office.xinetd().is_some() {
            ours = format!("{ours}SECOND\n{ours}{}", office.dump());
        }
        let (real, ours) = (comparable(&real), comparable(&ours));
        assert_eq!(ours, real, "case {case}");
    }
}

fn write(folder: &std::path::Path, name: &str, (defaults, smtp, submission): &(&str, &str, &str)) {
    let folder = folder.join(name);
    fs::create_dir_all(folder.join("xinetd.d")).expect("a folder can be made");
    let conf = format!("defaults\n{{\n{defaults}\n}}\nincludedir /run/etc/xinetd.d\n");
    fs::write(folder.join("xinetd.conf"), conf).expect("a file can be written");
    for (service, lines) in [("smtp", smtp), ("submission", submission)] {
        let text = format!("service {service}\n{{\n {BASE}{lines}\n}}\n");
        fs::write(folder.join("xinetd.d").join(service), text).expect("a file can be written");
    }
}

/// Puts the files where the tree's xinetd looks for them.
fn install(office: &Office, files: &std::path::Path, name: &str) {
    let conf = fs::read_to_string(files.join(name).join("xinetd.conf")).expect("a file");
    office.write("etc/xinetd.conf", &conf);
    fs::create_dir_all(office.at("run/etc/xinetd.d")).expect("a folder can be made");
    for service in ["smtp", "submission"] {
        let from = files.join(name).join("xinetd.d").join(service);
        fs::copy(from, office.at("run/etc/xinetd.d").join(service)).expect("a file can be copied");
    }
}

/// Without what depends on the moment, the machine or the version: times, descriptors, the sessions the tree
/// came with.
fn comparable(dump: &str) -> String {
    let mut kept = String::new();
    let mut sessions = false;
    for line in dump.lines() {
        sessions = match line {
            "Server table dump:" => true,
            "Retry table dump:" => false,
            _ => sessions,
        };
        let word = line.trim_start();
        let varies = [
            "INTERNAL",
            "Current",
            "service fd",
            "running",
            "Socket mask",
            "Open desc",
            "pfds_last",
            "descriptors_free",
            "max_desc",
            "config_file",
        ];
        if !sessions && !varies.iter().any(|start| word.starts_with(start)) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}
