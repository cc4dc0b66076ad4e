//! The packet filter's stand-ins: what `iptables-restore --noflush` takes and refuses, and what
//! `iptables-save` prints then.

use std::fs::File;
use std::process::Stdio;

use super::harness::{Office, output, with_each};
use crate::support::in_time::{ChildInTime as _, PATIENCE};

/// Loads a ruleset and says whether that succeeded.
fn load(office: &Office, program: &str, rules: &str) -> bool {
    office.write("ruleset", rules);
    let mut command = office.command(&format!("sbin/{program}-restore"), "--noflush");
    let input = File::open(office.at("ruleset")).expect("it was written");
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    child.output_within(PATIENCE).expect("it ends").status.success()
}

fn saved(office: &Office, program: &str) -> String {
    let mut command = office.command(&format!("sbin/{program}-save"), "-t");
    command.arg("raw");
    String::from_utf8(output(command).stdout).expect("UTF-8")
}

const MADE: &str =
    "*raw\n:OWN - [0:0]\n-I PREROUTING -j OWN\n-A OWN -s 192.0.2.1 -j RETURN\n-A OWN -j DROP\nCOMMIT\n";
const SAVED: &str = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:OWN - [0:0]\n-A PREROUTING -j OWN\n\
                     -A OWN -s 192.0.2.1/32 -j RETURN\n-A OWN -j DROP\nCOMMIT\n";

#[test]
fn a_ruleset_is_loaded_whole_or_not_at_all() {
    with_each(|office| {
        assert_eq!(saved(office, "iptables"), "");
        assert!(load(office, "iptables", MADE));
        assert_eq!(saved(office, "iptables"), SAVED);
        assert_eq!(office.read("proc/net/ip_tables_names"), "raw\n");
        assert_eq!(saved(office, "ip6tables"), "");
        for wrong in [
            "*raw\n:OTHER - [0:0]\n-A OTHER -j NOBODY\nCOMMIT\n",
            "*raw\n:OTHER - [0:0]\n-A NOBODY -j DROP\nCOMMIT\n",
            "*raw\n-X OWN\nCOMMIT\n",
            "*raw\n:OWN - [0:0]\n-X OWN\nCOMMIT\n",
            "*raw\n-D PREROUTING -j DROP\nCOMMIT\n",
        ] {
            assert!(!load(office, "iptables", wrong), "{wrong}");
            assert_eq!(saved(office, "iptables"), SAVED, "{wrong}");
        }
        let gone = "*raw\n:OWN - [0:0]\n-D PREROUTING -j OWN\n-X OWN\nCOMMIT\n";
        assert!(load(office, "iptables", gone));
        let empty = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
        assert_eq!(saved(office, "iptables"), empty);
    });
}

#[test]
fn addrtype_is_there_for_ipv4_alone() {
    with_each(|office| {
        let rules = "*raw\n-A PREROUTING -m addrtype --dst-type LOCAL -j DROP\nCOMMIT\n";
        assert!(load(office, "iptables", rules));
        assert!(!load(office, "ip6tables", rules));
    });
}
