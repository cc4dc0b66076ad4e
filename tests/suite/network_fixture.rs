//! The tests' own network: its clients reach what nothing shuts, and only what rules leave open, over both
//! versions of IP and with every packet filter; a reboot loses rules as a real one does.

use std::time::Duration;

use crate::support::host::{Family, Host, Kind, Layout, Net, PacketFilter, Reach};

/// Ports that a host with a network serves.
const SERVED: [u16; 10] = [22, 25, 110, 143, 465, 587, 993, 995, 8443, 8880];

/// Shuts POP3 to all but one network of each family for first packets of connections; loopback is exempt.
const NFT: &str = "\
table inet guard {
    chain input {
        type filter hook input priority 0; policy accept;
        iif lo accept
        tcp dport 110 ip saddr 198.18.1.0/24 accept
        tcp dport 110 ip6 saddr 2001:db8:1::/64 accept
        tcp dport 110 tcp flags & (fin | syn | rst | ack) == syn drop
    }
}
";

/// The same before connection tracking, where only the first packet of a connection is looked at.
const RAW: &str = "\
*raw
:guard - [0:0]
-A PREROUTING ! -i lo -p tcp --syn --dport 110 -j guard
-A guard -s NETWORK -j RETURN
-A guard -j DROP
COMMIT
";

/// The same as Plesk's script does it, with the state match. Connection tracking begins with such a rule.
const FILTER: &str = "\
*filter
-A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -s NETWORK --dport 110 -j ACCEPT
-A INPUT -p tcp --dport 110 -j DROP
COMMIT
";

/// Writes the rules and a script that loads them, and returns its path.
fn script(host: &Host, rules: &str) -> &'static str {
    let path = "/etc/guard/load";
    if rules.starts_with("table") {
        host.write("/etc/guard/nft", rules);
        host.write_as(path, 0o755, "#!/bin/sh\nnft -f /etc/guard/nft\n");
    } else {
        for (file, network) in [("four", "198.18.1.0/24"), ("six", "2001:db8:1::/64")] {
            let rules = rules.replace("NETWORK", network);
            host.write(&format!("/etc/guard/{file}"), rules);
        }
        let lines = "#!/bin/sh\n\
            iptables-restore --noflush </etc/guard/four && ip6tables-restore --noflush </etc/guard/six\n";
        host.write_as(path, 0o755, lines);
    }
    path
}

/// Has the script run at each boot.
fn at_boot(host: &Host, script: &str) {
    match host.kind() {
        Kind::Systemd => {
            let unit = format!("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={script}\n");
            let folder = "/etc/systemd/system";
            host.write(&format!("{folder}/guard.service"), unit);
            let link = host.path_on_machine(&format!("{folder}/multi-user.target.wants/guard.service"));
            std::os::unix::fs::symlink("../guard.service", link).unwrap();
        }
        Kind::SysV | Kind::BusyBox => {
            let link = host.path_on_machine("/etc/rcS.d/S01guard");
            std::os::unix::fs::symlink(script, link).unwrap();
        }
    }
}

fn open_to_all(host: &Host, net: &Net) {
    for family in Family::ALL {
        for port in SERVED {
            assert_eq!(host.reaches_itself(port, family), Reach::Connects, "{port}");
        }
    }
    for client in net.clients() {
        for family in client.families() {
            for port in SERVED {
                let reach = client.reaches(port, family);
                assert_eq!(reach, Reach::Connects, "{client:?} to {port} over {family:?}");
            }
            assert_eq!(client.reaches(4190, family), Reach::Refused);
        }
    }
}

fn pop3_open_to_the_office_only(host: &Host, net: &Net) {
    for family in Family::ALL {
        assert_eq!(host.reaches_itself(110, family), Reach::Connects);
        assert_eq!(host.reaches_its_card(110, family), Reach::Connects);
    }
    for client in net.clients() {
        for family in client.families() {
            let expected = if client.name() == "office" { Reach::Connects } else { Reach::Silent };
            let reach = client.reaches(110, family);
            assert_eq!(reach, expected, "{client:?} over {family:?}");
            assert_eq!(client.reaches(143, family), Reach::Connects);
        }
    }
    let edge = net.client("office").at("198.18.1.255");
    assert_eq!(edge.reaches(110, Family::V4), Reach::Connects);
    let edge = edge.at("2001:db8:1:0:ffff:ffff:ffff:ffff");
    assert_eq!(edge.reaches(110, Family::V6), Reach::Connects);
}

/// Rules loaded by hand hold, spare what is open, are lost by a reboot, and come back by a hook of the boot.
fn rules_hold_until_a_reboot(mut host: Host, rules: &str) {
    let net = host.network();
    open_to_all(&host, &net);
    let stranger = net.client("stranger");
    let mut before = Family::ALL.map(|family| {
        let mut session = stranger.open(110, family);
        assert!(session.greeting().expect("greeted").starts_with("+OK"));
        session
    });

    let script = script(&host, rules);
    host.run(&[script]).success();
    pop3_open_to_the_office_only(&host, &net);
    for session in &mut before {
        assert!(session.exchange("QUIT").starts_with("+OK"));
    }

    host.reboot();
    open_to_all(&host, &net);

    at_boot(&host, script);
    host.reboot();
    pop3_open_to_the_office_only(&host, &net);
}

#[test]
fn an_nft_table_lets_in_whom_it_names_and_a_unit_brings_it_back_after_a_reboot() {
    if let Some(host) = Host::systemd() {
        rules_hold_until_a_reboot(host, NFT);
    }
}

#[test]
fn raw_rules_of_legacy_iptables_let_in_whom_they_name_and_an_init_script_brings_them_back() {
    if let Some(host) = Host::init() {
        host.packet_filter_is(PacketFilter::Legacy);
        rules_hold_until_a_reboot(host, RAW);
    }
}

#[test]
fn a_host_with_nothing_but_busybox_has_iptables_too() {
    if let Some(host) = Host::busybox() {
        rules_hold_until_a_reboot(host, RAW);
    }
}

#[test]
fn filter_rules_with_the_state_match_do_the_same_with_both_kinds_of_iptables() {
    for which in PacketFilter::ALL {
        let Some(mut host) = Host::prepare(Kind::SysV, Layout::Debian) else {
            return;
        };
        let net = host.network();
        host.boot();
        host.packet_filter_is(which);
        let tracking = ["ip6tables", "-A", "OUTPUT", "-m", "state", "--state", "NEW"];
        host.run(&tracking).success();
        let mut before = net.client("six").open(110, Family::V6);
        assert!(before.greeting().expect("greeted").starts_with("+OK"));
        host.run(&[script(&host, FILTER)]).success();
        pop3_open_to_the_office_only(&host, &net);
        assert!(before.exchange("QUIT").starts_with("+OK"));
        let nft = host.run(&["nft", "list", "ruleset"]).success();
        assert_eq!(nft.contains("dport 110"), which == PacketFilter::Nft, "{nft}");
        let reject = "iptables -I INPUT -p tcp --dport 143 -j REJECT --reject-with tcp-reset";
        host.run(&["sh", "-c", reject]).success();
        let office = net.client("office");
        assert_eq!(office.reaches(143, Family::V4), Reach::Refused);
    }
}

#[test]
fn an_open_session_is_new_to_connection_tracking_that_begins_later() {
    let Some(mut host) = Host::init() else {
        return;
    };
    let net = host.network();
    let mut before = net.client("stranger").open(110, Family::V4);
    assert!(before.greeting().expect("greeted").starts_with("+OK"));
    host.run(&[script(&host, FILTER)]).success();
    before.send("QUIT\r\n").unwrap();
    let answer = before.line_within(Duration::from_millis(500));
    assert!(answer.is_err(), "its state was known: {answer:?}");
}

#[test]
fn ssh_from_a_client_is_seen_with_the_clients_address() {
    let Some(mut host) = Host::init() else {
        return;
    };
    let net = host.network();
    for client in net.clients() {
        for family in client.families() {
            let seen = (host.ssh()).at_client(&client, family).bare("echo $SSH_CLIENT").run().success();
            let address = client.address(family).to_string();
            assert_eq!(seen.split(' ').next(), Some(address.as_str()));
        }
    }
}

/// A machine that is frozen for a moment, or a debugger, interrupts every wait of the tests.
#[test]
fn a_test_that_is_stopped_while_it_connects_still_tells_silence() {
    let Some(mut host) = Host::init() else {
        return;
    };
    let net = host.network();
    host.run(&[script(&host, NFT)]).success();
    let own = std::process::id();
    let mut stop = std::process::Command::new("sh")
        .args(["-c", "sleep 0.2; kill -STOP $1; sleep 0.1; kill -CONT $1", "sh"])
        .arg(own.to_string())
        .spawn()
        .unwrap();
    let reach = net.client("stranger").reaches(110, Family::V4);
    assert_eq!(reach, Reach::Silent);
    assert!(stop.wait().unwrap().success());
}
