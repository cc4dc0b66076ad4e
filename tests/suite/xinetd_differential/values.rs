//! Values of every attribute that xinetd has: those that it takes, those that it rejects, and those of which
//! only the host's libraries can tell.

use mailward::edit::xinetd::{AttributePlace, attributes};

/// An attribute's values.
pub struct Values {
    pub name: &'static str,
    pub good: &'static [&'static str],
    pub bad: &'static [&'static str],
    pub unclear: &'static [&'static str],
}

const fn values(
    name: &'static str,
    good: &'static [&'static str],
    bad: &'static [&'static str],
    unclear: &'static [&'static str],
) -> Values {
    Values { name, good, bad, unclear }
}

const SIZES: &[&str] = &["64M", "1000000", "unlimited", "640000k", "-1", "64m\r"];
const NO_SIZES: &[&str] = &["much", "64G", "-1k", "k", "1.5M"];
const LISTED: &[&str] =
    &["127.0.0.1", "10.0.0.0/8 ::1", "localhost", "10.{1,2}", ".example.com", "1.2.3.4/x", "fe80::/10", ""];
const NOT_LISTED: &[&str] = &["1.2.3.4,5.6.7.8", "10.{1,}", "1..2", "10.{1", "10.{1}2", ".5"];
const YES_NO: &[&str] = &["yes", "no", "YES"];
const NEITHER: &[&str] = &["maybe", "1", "true", "yes\r"];

/// One row an attribute.
pub const VALUES: &[Values] = &[
    values("socket_type", &["stream", "STREAM"], &["datagram", "tcp"], &["raw", "seqpacket"]),
    values("protocol", &["tcp", "TCP"], &["nosuch", "tcp6", "6"], &["icmp", "sctp"]),
    values("wait", YES_NO, NEITHER, &[]),
    values(
        "user",
        &["root", "daemon", "0", "65534", "4294967295"],
        &["nosuch", "99999999999999999999", "root:x", "-1"],
        &[],
    ),
    values("group", &["root", "daemon", "0"], &["nosuch", "99999999999999999999"], &[]),
    values(
        "server",
        &["/bin/cat", "/bin", "/bin/./cat", "//bin//cat"],
        &["/bin/nosuch", "/etc/hostname", "/nosuch/cat"],
        &["./cat", "bin/cat", "/bin/../bin/cat", "/dev/null"],
    ),
    values("server_args", &["-u", "a b c # d", "="], &[""], &[]),
    values("instances", &["20", "UNLIMITED", "0"], &["abc", "-1", "0x10"], &[]),
    values("per_source", &["20", "unlimited", "007"], &["abc", "10abc"], &[]),
    values("cps", &["50 10", "0 0"], &["abc 3", "5 abc"], &[]),
    values(
        "log_on_success",
        &["HOST", "host pid exit duration userid", ""],
        &["NONSENSE", "HOST,PID", "ATTEMPT"],
        &[],
    ),
    values("log_on_failure", &["HOST", "attempt userid", ""], &["NONSENSE", "TRAFFIC", "PID"], &[]),
    values(
        "log_type",
        &[
            "SYSLOG daemon",
            "syslog mail err",
            "FILE @DIR@/x.log",
            "file @DIR@/x.log 1000 2000",
            "FILE @DIR@/x.log 64k",
            "FILE @DIR@/x.log 1k 1024",
        ],
        &[
            "FILE",
            "FILE @DIR@/x.log 2000 1000",
            "FILE @DIR@/x.log 1k 999",
            "FILE @DIR@/x.log 1 2 3",
            "FILE @DIR@/x.log x",
            "SYSLOG",
            "SYSLOG nosuch",
            "SYSLOG mail nosuch",
            "SYSLOG mail err x",
            "NOWHERE x",
            "",
        ],
        &[],
    ),
    values("only_from", LISTED, NOT_LISTED, &[]),
    values("no_access", LISTED, NOT_LISTED, &[]),
    values(
        "access_times",
        &["02:00-23:00", "0:0-23:59", "1:00-2:00 3:00-4:00", "2:-4:"],
        &["9-17", "17:00-9:00", "24:00-24:01", "1:00-2:00 x", "9:00-17:00-", ""],
        &[],
    ),
    values("type", &["UNLISTED", "unlisted SPECIAL"], &["BOGUS", "UNLISTED BOGUS", ""], &[]),
    values("rpc_version", &["1", "2-4", "3-3"], &["4-2", "x", "1-", "-1"], &[]),
    values("rpc_number", &["100001", "-5"], &["x", "0x10"], &[]),
    values("id", &["x", "a", "B", "smtp-1"], &[], &[]),
    values("env", &["A=b", "A= B=c"], &["A", "A=b C"], &[]),
    values("port", &[], &["70000", "65536", "-1", "1x"], &[]),
    values("passenv", &["PATH", "NOSUCH", ""], &[], &[]),
    values(
        "flags",
        &[
            "REUSE",
            "NORETRY IDONLY",
            "NODELAY KEEPALIVE",
            "NOLIBWRAP",
            "IPv4",
            "IPv6",
            "ipv4 ipv6",
            "INTERCEPT",
            "LABELED",
        ],
        &["BOGUS", "REUSE, NODELAY", ""],
        &[],
    ),
    values("nice", &["5", "-5", "+1"], &["x", "1x"], &[]),
    values(
        "redirect",
        &["127.0.0.1 25", "::1 25", "127.0.0.1 smtp"],
        &["127.0.0.1 0", "127.0.0.1 nosuch", "127.0.0.1 65536", "127.0.0.1 -1"],
        &["localhost 25"],
    ),
    values("banner", &["/etc/hostname", "/no/such"], &[], &[]),
    values("banner_success", &["/etc/hostname", "relative"], &[], &[]),
    values("banner_fail", &["/etc/hostname", "/no/such"], &[], &[]),
    values(
        "bind",
        &["127.0.0.1", "0.0.0.0", "127.1", "::1", "::", "127.0.0.2"],
        &["1.2.3.4.5", "999.1.1.1", "::g", "1..2"],
        &["localhost", "192.0.2.1"],
    ),
    values("groups", YES_NO, NEITHER, &[]),
    values("disable", &["no", "NO"], &["maybe", "1"], &[]),
    values(
        "max_load",
        &["3.5", "0.1", "-1", "10abc", ".5", "2,5"],
        &["0", "0.0", "abc", ".", "-0"],
        &["1e3", "0x10", "inf"],
    ),
    values("rlimit_as", SIZES, NO_SIZES, &[]),
    values("rlimit_cpu", &["10", "UNLIMITED", "-1"], &["10k", "much"], &[]),
    values("rlimit_data", SIZES, NO_SIZES, &[]),
    values("rlimit_files", SIZES, NO_SIZES, &[]),
    values("rlimit_rss", SIZES, NO_SIZES, &[]),
    values("rlimit_stack", SIZES, NO_SIZES, &[]),
    values("v6only", YES_NO, NEITHER, &[]),
    values("deny_time", &["FOREVER", "never", "5", "-5"], &["soon", "5m"], &[]),
    values("umask", &["022", "0", "777", "+7"], &["9", "1000", "-1", "0o22"], &[]),
    values("libwrap", &["x", "yes"], &[], &[]),
    values("disabled", &["a", "smtp_alt B", ""], &[], &[]),
    values("enabled", &["a b smtp smtp_alt echo time", ""], &[], &[]),
];

/// The attributes that `defaults` takes.
pub fn in_defaults() -> Vec<&'static Values> {
    let named = |values: &&Values| {
        attributes().any(|known| known.name == values.name && known.place != AttributePlace::Service)
    };
    VALUES.iter().filter(named).collect()
}

/// Those that a service takes.
pub fn in_services() -> Vec<&'static Values> {
    let named = |values: &&Values| {
        attributes().any(|known| known.name == values.name && known.place != AttributePlace::Defaults)
    };
    VALUES.iter().filter(named).collect()
}

#[test]
fn every_attribute_that_xinetd_knows_has_values() {
    for known in attributes() {
        let values = VALUES.iter().find(|values| values.name == known.name);
        let values = values.unwrap_or_else(|| panic!("{known:?} has no values"));
        // A port of its own is in every generated service; what only the host tells is not here.
        let free =
            ["id", "passenv", "banner", "banner_success", "banner_fail", "libwrap", "disabled", "enabled"];
        assert!(!values.good.is_empty() || known.name == "port", "{known:?}");
        assert!(!values.bad.is_empty() || free.contains(&known.name), "{known:?}");
    }
    assert_eq!(VALUES.len(), attributes().count());
}

#[test]
fn every_word_that_xinetd_knows_is_among_the_values() {
    let text = format!("{}{}", include_str!("values.rs"), include_str!("kinds.rs"));
    for attribute in ["type", "flags", "socket_type", "log_on_success", "log_on_failure"] {
        for word in mailward::edit::xinetd::words(attribute) {
            let folded = text.to_ascii_lowercase();
            assert!(folded.contains(&word.to_ascii_lowercase()), "{attribute}: {word}");
        }
    }
    for socket_type in ["stream", "dgram"] {
        for name in mailward::edit::xinetd::built_in(socket_type) {
            assert!(text.contains(name), "{socket_type}: {name}");
        }
    }
}
