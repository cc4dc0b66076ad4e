//! Who may reach mail services, on a host that has BusyBox for its userland and iptables alone: everything
//! over ssh.

use std::time::Duration;

use crate::support::host::{Family, Host, Kind, Layout, Output, Reach};
use crate::support::ssh::Ssh;

const MANIFEST: &str = r#"version = 1
[networks]
office = ["198.18.1.0/24", "2001:db8:1::/64"]
[access.allow]
imap = ["office"]
[safety]
confirm_within = "20s"
"#;

fn run(ssh: &Ssh, arguments: &[&str]) -> Output {
    let arguments: Vec<_> = arguments.iter().copied().chain(["-"]).collect();
    let run = ssh.mailward(&arguments).stdin(MANIFEST);
    run.within(Duration::from_secs(120)).run()
}

#[test]
fn a_host_with_iptables_alone_is_restricted_and_confirmed_over_ssh() {
    let Some(mut host) = Host::start_with(Kind::BusyBox, Layout::PleskSplit) else {
        return;
    };
    let net = host.network();
    let (office, stranger) = (net.client("office"), net.client("stranger"));
    let ssh = host.ssh().at_client(&office, Family::V4);
    let plan = run(&ssh, &["plan"]);
    assert_eq!(plan.code(), 2, "{plan:#?}");
    assert!(plan.stdout.contains("mailward's own iptables chain"), "{plan:#?}");
    let mut session = stranger.open(143, Family::V4);
    session.greeting().expect("a greeting");
    let applied = run(&ssh, &["apply", "--yes"]);
    assert_eq!(applied.code(), 0, "{applied:#?}");
    let restricted = |host: &Host| {
        for family in Family::ALL {
            for port in [143, 993] {
                assert_eq!(office.reaches(port, family), Reach::Connects);
                assert_eq!(stranger.reaches(port, family), Reach::Silent);
                assert_eq!(host.reaches_itself(port, family), Reach::Connects);
            }
            assert_eq!(stranger.reaches(110, family), Reach::Connects);
        }
    };
    restricted(&host);
    let answer = session.exchange("a NOOP");
    assert!(answer.contains("a OK"), "{answer:?}");
    let check = run(&ssh, &["check"]);
    assert_eq!(check.code(), 0, "{check:#?}");
    drop(session);
    host.reboot();
    restricted(&host);
    let left = host.run(&["ls", "/var/lib/mailward/access"]).success();
    assert!(!left.contains("window"), "{left}");
}
