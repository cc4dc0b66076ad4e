//! Who reaches the mail services, as `show` tells it, beside what becomes of real connections through the
//! same rules: no rules, those of nftables, of both kinds of iptables, of Plesk's firewall, and mailward's
//! own; on the host, over ssh and as a user who may read none of it.

mod below_root;

use mailward::firewall::iptables::{PresentChains, replacement};
use mailward::firewall::{NatEnds, PortAllowlist, nft};
use mailward::model::{self, AllowedSources, MailService, Network, Networks};
use serde_json::Value;

use crate::support::firewall::{Era, Firewall};
use crate::support::host::{Family, Host, Kind, Layout, Net, PacketFilter, Reach};

const SHOW: [&str; 4] = ["/usr/local/bin/mailward", "show", "--format", "json"];

const OFFICE: [&str; 2] = ["198.18.1.0/24", "2001:db8:1::/64"];

/// POP3 for the office alone, IMAP for all but the vpn, submission for nobody over IPv6.
const NFT: &str = "
table inet guard {
    set office { type ipv4_addr; flags interval; elements = { 198.18.1.0/24 } }
    chain input {
        type filter hook input priority 0; policy accept;
        iif lo accept
        ct state established,related accept
        tcp dport { 110, 995 } goto pop3
        tcp dport 143 ip saddr 198.18.2.0/24 drop
        meta nfproto ipv6 tcp dport 587 counter reject with tcp reset
        tcp dport 25 reject with icmpv6 type admin-prohibited
    }
    chain pop3 {
        ip saddr @office accept
        ip6 saddr 2001:db8:1::/64 accept
        drop
    }
}
";

/// The like as rules of iptables for one family.
fn filter(network: &str) -> String {
    format!(
        "*filter\n:guard - [0:0]\n\
         -A INPUT -i lo -j ACCEPT\n\
         -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
         -A INPUT -p tcp -m multiport --dports 110,995 -j guard\n\
         -A INPUT -p tcp --dport 143 -j REJECT --reject-with tcp-reset\n\
         -A guard -s {network} -j RETURN\n-A guard -j DROP\nCOMMIT\n"
    )
}

/// Before connection tracking.
fn raw(port: u16, network: &str) -> String {
    format!("*raw\n-A PREROUTING ! -i lo -p tcp --syn --dport {port} ! -s {network} -j DROP\nCOMMIT\n")
}

fn load(host: &Host, program: &[&str], rules: &str) {
    host.command(program).stdin(rules).run().success();
}

fn restore(host: &Host, kind: &str, rules: impl Fn(&str) -> String) {
    for (family, network) in [("iptables", OFFICE[0]), ("ip6tables", OFFICE[1])] {
        let program = format!("{family}{kind}-restore");
        load(host, &[&program, "--noflush"], &rules(network));
    }
}

/// Runs `show` on the host, and gives its `access`.
fn shown(host: &Host) -> Value {
    let text = host.run(&SHOW).success();
    let shown: Value = serde_json::from_str(&text).unwrap();
    shown["access"].clone()
}

fn networks(list: &Value) -> Networks {
    (list.as_array().unwrap().iter())
        .map(|network| Network::parse(network.as_str().unwrap()).unwrap())
        .collect()
}

fn entries(access: &Value, port: u16) -> Vec<&Value> {
    let all = access["services"].as_array().unwrap();
    all.iter().filter(|entry| entry["port"] == port).collect()
}

/// Every client connects where `show` says that it does, and nowhere else; nothing is unclear.
fn agrees(access: &Value, net: &Net) {
    assert_eq!(access["unread"], serde_json::json!([]), "{access:#}");
    let mut told = 0;
    for entry in access["services"].as_array().unwrap() {
        let port = u16::try_from(entry["port"].as_u64().unwrap()).unwrap();
        let family = match entry["family"].as_str().unwrap() {
            "ipv4" => Family::V4,
            "ipv6" => Family::V6,
            other => panic!("{other}"),
        };
        assert_eq!(entry["unclear"], serde_json::json!([]), "{entry:#}");
        let listed = networks(&entry["networks"]);
        for client in net.clients() {
            if !client.families().contains(&family) {
                continue;
            }
            let address = client.address(family);
            let expected = match entry["reached_by"].as_str().unwrap() {
                "everybody" => true,
                "nobody" => false,
                "only" => listed.contains(address),
                "all-but" => !listed.contains(address),
                other => panic!("{other}: {entry:#}"),
            };
            let connects = client.reaches(port, family) == Reach::Connects;
            assert_eq!(connects, expected, "{address} to {port}: {entry:#}");
            told += 1;
        }
    }
    assert_eq!(told, 7 * 7, "seven ports, seven addresses");
}

/// The rules that decide about a port, each once, and whose they are.
fn deciders(access: &Value, port: u16) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for entry in entries(access, port) {
        for by in entry["decided_by"].as_array().unwrap() {
            let text = |key: &str| by[key].as_str().unwrap().to_owned();
            let decider = (text("rule"), text("owner"));
            if !all.contains(&decider) {
                all.push(decider);
            }
        }
    }
    all
}

fn assert_decided(access: &Value, port: u16, expected: &[(&str, &str)]) {
    let found = deciders(access, port);
    let found: Vec<(&str, &str)> =
        (found.iter()).map(|(rule, owner)| (rule.as_str(), owner.as_str())).collect();
    assert_eq!(found, expected, "{access:#}");
}

fn allowlists() -> Vec<PortAllowlist> {
    let office: Networks = OFFICE.map(|text| Network::parse(text).unwrap()).into_iter().collect();
    let only_four = office.of_family(model::AddressFamily::Ipv4);
    [
        (MailService::Pop3, AllowedSources::Only(office)),
        (MailService::Imap, AllowedSources::Only(only_four)),
        (MailService::Submission, AllowedSources::Nobody),
    ]
    .map(|(service, allowed)| PortAllowlist { service, ports: service.ports(), allowed })
    .into()
}

#[test]
fn what_nftables_lets_in_is_shown_as_connections_find_it_here_and_over_ssh() {
    let Some(mut host) = Host::systemd() else {
        return;
    };
    let net = host.network();
    let open = shown(&host);
    agrees(&open, &net);
    assert!(deciders(&open, 110).is_empty() && deciders(&open, 587).is_empty());
    assert_eq!(open["own"], serde_json::json!([]));

    load(&host, &["nft", "-f", "-"], NFT);
    let access = shown(&host);
    agrees(&access, &net);
    assert_decided(&access, 995, &[("nft table inet guard, chain pop3, rule 3", "other")]);
    assert_decided(&access, 587, &[("nft table inet guard, chain input, rule 5", "other")]);

    load(&host, &["nft", "-f", "-"], &nft::script(&allowlists(), NatEnds::Both));
    let access = shown(&host);
    agrees(&access, &net);
    assert_eq!(access["own"], serde_json::json!(["nft table inet mailward"]));
    let rule = ("nft table inet mailward, chain input, rule 5", "mailward");
    let theirs = ("nft table inet guard, chain pop3, rule 3", "other");
    let early = ("nft table inet mailward, chain prerouting, rule 4", "mailward");
    assert_decided(&access, 110, &[early, rule, theirs]);

    let office = net.client("office");
    let ssh = host.ssh().at_client(&office, Family::V4);
    let there = ssh.mailward(&SHOW[1..]).run().success();
    let there: Value = serde_json::from_str(&there).unwrap();
    assert_eq!(there["access"], access);
    let text = host.run(&SHOW[..2]).success();
    for line in [
        "pop3        110, 995  IPv4  198.18.1.0/24",
        "submission  587       IPv4  nobody",
        "mailward's nft table inet mailward, chain input, rule",
        "! mailward has in force: nft table inet mailward",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn a_family_that_nft_may_leave_out_of_its_list_makes_a_rule_unclear_and_never_wrong() {
    let Some(host) = Host::init() else {
        return;
    };
    let rules = "table inet guard { chain input { type filter hook input priority 0;
        meta nfproto ipv6 tcp dport 110 reject with tcp reset
        tcp dport 143 reject with tcp reset
        tcp dport 25 reject
    }
    }
";
    load(&host, &["nft", "-f", "-"], rules);
    let access = shown(&host);
    for port in [110, 143] {
        assert_eq!(entries(&access, port)[0]["reached_by"], "unknown");
    }
    assert_eq!(entries(&access, 25)[0]["reached_by"], "nobody");
    assert_eq!(entries(&access, 587)[0]["reached_by"], "everybody");
}

#[test]
fn native_rules_in_a_table_of_iptables_keep_what_iptables_does_not_show() {
    let Some(mut host) = Host::prepare(Kind::SysV, Layout::Debian) else {
        return;
    };
    let net = host.network();
    host.boot();
    let native = "
table ip filter {
    set vpn { type ipv4_addr; flags interval; elements = { 198.18.2.0/24 } }
    chain INPUT {
        type filter hook input priority 0; policy accept;
        tcp dport 143 ip saddr @vpn drop
    }
}
table ip raw {
    chain odd { type filter hook prerouting priority -301; tcp dport 993 drop
    }
}
";
    load(&host, &["nft", "-f", "-"], native);
    let rule = "*filter\n-A INPUT -p tcp -m multiport --dports 110,995 ! -s 198.18.1.0/24 -j DROP\nCOMMIT\n";
    load(&host, &["iptables-nft-restore", "--noflush"], rule);
    let saved = host.run(&["iptables-nft-save"]).success();
    assert!(!saved.contains("198.18.2.0"), "it shows sets after all: {saved}");
    let access = shown(&host);
    agrees(&access, &net);
    let rule = ("iptables table filter, chain INPUT, rule 2", "other");
    assert_decided(&access, 110, &[rule]);
    let odd = ("nft table ip raw, chain odd, rule 1", "other");
    assert_decided(&access, 993, &[odd]);
}

#[test]
fn what_each_kind_of_iptables_lets_in_is_shown_as_connections_find_it() {
    let Some(mut host) = Host::prepare(Kind::SysV, Layout::Debian) else {
        return;
    };
    let net = host.network();
    host.boot();
    for (which, kind) in [(PacketFilter::Nft, "-nft"), (PacketFilter::Legacy, "-legacy")] {
        host.packet_filter_is(which);
        // The other kind's commands are what a plain name must not hide.
        restore(&host, kind, filter);
        let access = shown(&host);
        agrees(&access, &net);
        let four = ("iptables table filter, chain guard, rule 2", "other");
        let six = ("ip6tables table filter, chain guard, rule 2", "other");
        assert_decided(&access, 110, &[four, six]);
        restore(&host, kind, |_| "*filter\n-F\n-X\nCOMMIT\n".to_owned());
    }

    // Rules of the old kind, of the new one and of nftables itself, whatever the plain name leads to.
    restore(&host, "-legacy", |network| raw(110, network));
    restore(&host, "-nft", |network| raw(995, network));
    load(&host, &["nft", "-f", "-"], NFT);
    for which in PacketFilter::ALL {
        host.packet_filter_is(which);
        let access = shown(&host);
        agrees(&access, &net);
        let found = deciders(&access, 110);
        assert_eq!(found.len(), 3, "two raw tables and nftables: {found:?}");
    }
    host.run(&["nft", "flush", "ruleset"]).success();
    restore(&host, "-legacy", |_| "*raw\n-F\nCOMMIT\n".to_owned());

    for (family, program) in [
        (model::AddressFamily::Ipv4, "iptables-legacy-restore"),
        (model::AddressFamily::Ipv6, "ip6tables-legacy-restore"),
    ] {
        let rules = replacement(&allowlists(), family, NatEnds::Both, &PresentChains::default());
        load(&host, &[program, "--noflush"], &rules.unwrap());
    }
    let access = shown(&host);
    agrees(&access, &net);
    let own = ["iptables", "ip6tables"]
        .map(|name| ["raw", "mangle"].map(|table| format!("{name} table {table}, chain MAILWARD")));
    assert_eq!(access["own"], serde_json::json!(own.concat()));
    let deciders = deciders(&access, 143);
    assert!(deciders.iter().all(|(_, owner)| owner == "mailward"));
    assert_eq!(deciders.len(), 4, "{deciders:?}");
}

#[test]
fn a_host_with_busybox_and_the_old_iptables_alone_is_read_too() {
    let Some(mut host) = Host::busybox() else {
        return;
    };
    let net = host.network();
    restore(&host, "", |network| raw(110, network));
    let text = host.ssh().mailward(&SHOW[1..]).run().success();
    let shown: Value = serde_json::from_str(&text).unwrap();
    let access = shown["access"].clone();
    agrees(&access, &net);
    let four = ("iptables table raw, chain PREROUTING, rule 1", "other");
    let six = ("ip6tables table raw, chain PREROUTING, rule 1", "other");
    assert_decided(&access, 110, &[four, six]);
}

#[test]
fn what_plesks_firewall_lets_in_is_shown_with_whether_it_is_on_and_who_else_is_there() {
    let Some(mut host) = Host::systemd() else {
        return;
    };
    let net = host.network();
    let firewall = Firewall::install(&host, Era::Extension);
    let id = firewall.id(&host, "pop3");
    let from = OFFICE.join(",");
    let set = ["--set-rule", "-id", &id, "-from", &from];
    firewall.command(&host, &set).run().success();
    firewall.command(&host, &["--apply"]).run().success();
    let access = shown(&host);
    agrees(&access, &net);
    let plesk = |enabled, waits| serde_json::json!({"enabled": enabled, "waits": waits});
    assert_eq!(access["plesk_firewall"], plesk(true, true));
    let office = entries(&access, 995);
    assert_eq!(office[0]["networks"], serde_json::json!([OFFICE[0]]));
    assert_eq!(office[1]["networks"], serde_json::json!([OFFICE[1]]));

    firewall.command(&host, &["--confirm"]).run();
    firewall.command(&host, &["--disable"]).run().success();
    firewall.neighbours(&host);
    let access = shown(&host);
    assert_eq!(access["plesk_firewall"]["enabled"], false);
    let names: Vec<_> = (access["neighbours"].as_array().unwrap().iter())
        .map(|neighbour| neighbour["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["imunify", "docker"]);
}

#[test]
fn a_user_who_may_not_read_packet_filters_is_told_so_and_nothing_is_said_to_be_open() {
    let Some(host) = Host::init() else {
        return;
    };
    load(&host, &["nft", "-f", "-"], NFT);
    let mut argv = vec!["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    argv.extend(SHOW);
    let output = host.run(&argv);
    assert_eq!(output.code(), 11, "{output:#?}");
    assert!(output.stderr.contains("who reaches the mail services cannot be read"));
    let shown: Value = serde_json::from_str(&output.stdout).unwrap();
    for entry in shown["access"]["services"].as_array().unwrap() {
        assert_eq!(entry["reached_by"], "unknown", "{entry:#}");
    }
    assert_ne!(shown["access"]["unread"], serde_json::json!([]));
}
