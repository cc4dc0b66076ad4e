//! The own table of nftables, loaded into a real kernel and read back.

use std::time::Instant;

use mailward::firewall::nft::{self, TableOwnership};
use mailward::firewall::rules::{ChainPolicy, ConnectionStage, IncomingInterface, RuleSet, TcpPacket};
use mailward::firewall::{NatEnds, PortAllowlist};
use mailward::model::{AllowedSources, MailService, Network, Networks};
use proptest::prelude::*;

use super::netns;

pub fn networks(texts: &[&str]) -> Networks {
    texts.iter().map(|text| Network::parse(text).unwrap()).collect()
}

pub fn allowlist(service: MailService, allowed: AllowedSources) -> PortAllowlist {
    PortAllowlist { service, ports: service.ports(), allowed }
}

/// One allowlist of each kind.
pub fn allowlists() -> Vec<PortAllowlist> {
    vec![
        allowlist(
            MailService::Imap,
            AllowedSources::Only(networks(&[
                "203.0.113.0/24",
                "203.0.114.0/25",
                "198.51.100.7",
                "2001:db8:51::/48",
            ])),
        ),
        // IPv4 alone: IPv6 is closed.
        allowlist(MailService::Pop3, AllowedSources::Only(networks(&["192.0.2.0/24"]))),
        allowlist(MailService::Smtp, AllowedSources::Anyone),
        allowlist(MailService::Submission, AllowedSources::Nobody),
    ]
}

/// Loads scripts one after the other and reads the table back.
fn loaded(scripts: &[&str]) -> Option<nft::NftTable> {
    let json = netns::printed(
        "for script; do nft -c -f \"$script\"; nft -f \"$script\"; done; nft -j list ruleset",
        scripts,
    );
    nft::own(json.as_bytes()).unwrap()
}

/// What the table has behind address translation.
fn rules_of(table: &nft::NftTable) -> RuleSet {
    let hooks: Vec<_> = (table.base.iter()).map(|base| (base.hook.as_str(), base.priority)).collect();
    let both = [("input", nft::PRIORITY), ("prerouting", nft::EARLY_PRIORITY)];
    assert_eq!(hooks, both);
    table.own_rules().remove(0)
}

/// What the allowlists make there.
fn behind(allowlists: &[PortAllowlist]) -> RuleSet {
    nft::rules(allowlists, NatEnds::Both).remove(0)
}

#[test]
fn the_table_is_read_back_as_it_was_written() {
    if !netns::available("loading the nftables table") {
        return;
    }
    for ends in NatEnds::ALL {
        let table = loaded(&[&nft::script(&allowlists(), ends)]).unwrap();
        assert_eq!(table.mark, TableOwnership::Own);
        assert_eq!(table.own_rules(), nft::rules(&allowlists(), ends));
        for other in NatEnds::ALL {
            assert_eq!(table.is_made_of(&allowlists(), other), other == ends);
        }
    }
    let more = "add chain inet mailward more { accept; }\n";
    let table = loaded(&[&nft::script(&allowlists(), NatEnds::Both), more]).unwrap();
    assert!(!table.is_made_of(&allowlists(), NatEnds::Both));
}

#[test]
fn the_script_replaces_whatever_the_table_was_and_removal_removes_it() {
    if !netns::available("replacing the nftables table") {
        return;
    }
    let all = allowlists();
    let script = nft::script(&all, NatEnds::Both);
    let other = nft::script(&all[3..], NatEnds::Both);
    for before in [
        vec![script.as_str()],
        vec![other.as_str()],
        vec!["table inet mailward {\nchain input {\n}\nchain more {\ncounter accept\n}\n}\n"],
        vec![nft::REMOVAL],
    ] {
        let scripts: Vec<&str> = before.into_iter().chain([script.as_str()]).collect();
        let table = loaded(&scripts).unwrap();
        assert_eq!(Some(rules_of(&table)), Some(behind(&all)));
    }
    assert_eq!(loaded(&[&script, nft::REMOVAL]), None);
    assert_eq!(loaded(&[nft::REMOVAL]), None);
    // Allowlists that restrict nobody need no table.
    assert_eq!(loaded(&[&script, &nft::script(&all[2..3], NatEnds::Both)]), None);
}

#[test]
fn a_table_that_sleeps_enforces_nothing() {
    if !netns::available("putting the nftables table to sleep") {
        return;
    }
    let sleep = "table inet mailward {\nflags dormant\n}\n";
    let table = loaded(&[&nft::script(&allowlists(), NatEnds::Both), sleep]).unwrap();
    assert_eq!(table.mark, TableOwnership::Own);
    // nft 1.0.6 does not print which flag it is, so that the table may be asleep or not.
    let rules = table.own_rules().into_iter().next();
    assert_ne!(rules, Some(behind(&allowlists())));
    let packet = TcpPacket::opening("10.9.0.9".parse().unwrap(), 143);
    let verdict = rules.map_or(ChainPolicy::Accept, |rules| rules.decide(&packet).verdict);
    assert_ne!(verdict, ChainPolicy::Drop);
    let awake = loaded(&[sleep, &nft::script(&allowlists(), NatEnds::Both)]).unwrap();
    assert_eq!(Some(rules_of(&awake)), Some(behind(&allowlists())));
}

#[test]
fn what_is_left_of_the_own_table_is_told_from_what_others_make_by_its_name() {
    if !netns::available("reading what is left of the nftables table") {
        return;
    }
    let own = nft::script(&allowlists(), NatEnds::Both);
    let made = nft::rules(&allowlists(), NatEnds::Both);
    let emptied = "flush table inet mailward\n";
    let behind_alone = "flush chain inet mailward input\n";
    for (scripts, mark, left) in [
        (vec![], TableOwnership::Own, true),
        (vec![emptied], TableOwnership::Rest, true),
        (vec![behind_alone], TableOwnership::Rest, true),
        (vec![emptied, "delete chain inet mailward prerouting\n"], TableOwnership::Rest, true),
        (vec![emptied, "add rule inet mailward input tcp dport 22 drop\n"], TableOwnership::Rest, false),
        (vec![emptied, "add rule inet mailward input counter\n"], TableOwnership::NameAlone, false),
        (vec![emptied, "add chain inet mailward other\n"], TableOwnership::NameAlone, true),
        (vec![emptied, "add counter inet mailward c\n"], TableOwnership::NameAlone, true),
        (
            vec![emptied, "add set inet mailward s { type ipv4_addr; flags interval; }\n"],
            TableOwnership::NameAlone,
            true,
        ),
        (vec![emptied, "add chain inet mailward input { policy drop; }\n"], TableOwnership::NameAlone, true),
    ] {
        let all: Vec<&str> = std::iter::once(own.as_str()).chain(scripts).collect();
        let table = loaded(&all).unwrap();
        assert_eq!(table.mark, mark, "{all:?}");
        assert_eq!(table.is_left_of(&made), left, "{all:?}");
        let empty = all.get(1) == Some(&emptied) && !all.iter().any(|one| one.starts_with("add rule"));
        assert_eq!(table.is_empty(), empty, "{all:?}");
    }
}

#[test]
fn a_table_of_the_name_without_the_mark_is_told_apart() {
    if !netns::available("reading a foreign nftables table") {
        return;
    }
    let foreign = "table inet mailward {\nchain input {\ntype filter hook input priority 0\ndrop\n}\n}\n";
    assert_eq!(loaded(&[foreign]).unwrap().mark, TableOwnership::NameAlone);
    assert_eq!(loaded(&["table ip mailward {\nchain input {\naccept comment \"mailward\"\n}\n}\n"]), None);
}

#[test]
fn what_others_write_into_the_table_is_a_difference_or_unknown() {
    if !netns::available("changing the nftables table by hand") {
        return;
    }
    let script = nft::script(&allowlists(), NatEnds::Both);
    for (change, expected) in [
        ("insert rule inet mailward input tcp dport 143 counter accept", ChainPolicy::Accept),
        (
            "insert rule inet mailward input ip saddr 10.9.0.0-10.9.0.9 th dport { 100-150, 993 } drop",
            ChainPolicy::Drop,
        ),
        ("insert rule inet mailward input limit rate 3/second accept", ChainPolicy::Unknown),
        ("add element inet mailward imap_v4 { 10.9.0.0/16 }", ChainPolicy::Accept),
        ("insert rule inet mailward input meta nfproto ipv6 accept", ChainPolicy::Drop),
        (
            "insert rule inet mailward input meta l4proto { tcp, udp } ip saddr != 10.8.0.0/16 accept",
            ChainPolicy::Accept,
        ),
        (
            "insert rule inet mailward input ct state { established, new } ip saddr { 10.9.0.9, 10.10.0.0/16 } accept",
            ChainPolicy::Accept,
        ),
        ("insert rule inet mailward input fib daddr type local accept", ChainPolicy::Accept),
        ("insert rule inet mailward input meta mark 7 accept", ChainPolicy::Unknown),
        ("insert rule inet mailward input iifname \"eth*\" accept", ChainPolicy::Unknown),
        ("insert rule inet mailward input udp dport 143 accept", ChainPolicy::Drop),
        ("insert rule inet mailward input tcp dport vmap { 143 : accept }", ChainPolicy::Accept),
        (
            "add chain inet mailward more { accept; }\ninsert rule inet mailward input tcp dport 140-150 goto more",
            ChainPolicy::Accept,
        ),
    ] {
        let table = loaded(&[&script, &format!("{change}\n")]).unwrap();
        let rules = rules_of(&table);
        assert_ne!(rules, behind(&allowlists()), "{change}");
        let packet = TcpPacket::opening("10.9.0.9".parse().unwrap(), 143);
        assert_eq!(rules.decide(&packet).verdict, expected, "{change}\n{rules:#?}");
    }
}

#[test]
fn the_kernel_lets_in_whom_the_rules_let_in() {
    if !netns::available("connecting through the nftables table") {
        return;
    }
    for ends in NatEnds::ALL {
        assert_connections("nft -f \"$1\"", &[&nft::script(&allowlists(), ends)], &behind(&allowlists()));
    }
}

/// Connects from several addresses across a veth pair, and over loopback, and compares with what the rules
/// say.
pub fn assert_connections(load: &str, files: &[&str], rules: &RuleSet) {
    let sources = ["203.0.113.9", "203.0.114.200", "192.0.2.5", "2001:db8:51::9", "2001:db8:99::9"];
    let ports = [25, 110, 143, 587, 993];
    let script = format!(
        r#"
        exec 2>&1
        unshare -n sleep 60 & peer=$!
        trap 'kill $peer' EXIT
        until [ "$(readlink /proc/$peer/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
        ip link add host type veth peer name client netns $peer
        ip addr add 100.64.0.1/10 dev host; ip addr add fd00::1/64 dev host nodad; ip link set host up
        in_peer() {{ nsenter -t $peer -n "$@"; }}
        in_peer ip link set lo up; in_peer ip link set client up
        for source in {sources}; do
            case $source in
                *:*) in_peer ip addr add $source/128 dev client nodad; ip route add $source/128 dev host ;;
                *) in_peer ip addr add $source/32 dev client; ip route add $source/32 dev host ;;
            esac
        done
        in_peer ip addr add fd00::2/64 dev client nodad
        in_peer ip route add 100.64.0.1/32 dev client
        python3 - {ports} <<'P' &
import socket, sys, time
kept = []
for port in sys.argv[1:]:
    server = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    kept.append(server)
time.sleep(60)
P
        server=$!
        trap 'kill $peer $server' EXIT
        until [ "$(ss -Hltn | wc -l)" -ge {count} ]; do sleep 0.05; done
        cat >"$1.py" <<'P'
import socket, sys, time
session = socket.create_connection(("100.64.0.1", 143), 3, ("203.0.114.200", 0))
print("session", flush=True)
sys.stdin.readline()
session.sendall(b"x" * 100000)
session.shutdown(socket.SHUT_WR)
time.sleep(0.3)
import fcntl, struct, termios
left = struct.unpack("i", fcntl.ioctl(session, termios.TIOCOUTQ, b"\0" * 4))[0]
print("unsent", left, flush=True)
P
        mkfifo "$1.in" "$1.out"
        in_peer python3 "$1.py" <"$1.in" >"$1.out" & exec 7>"$1.in" 8<"$1.out"
        read -r line <&8; echo "$line"
        {load}
        echo >&7; read -r line <&8; echo "$line"
        cat >"$1.ask" <<'P'
import socket, sys
source, ports = sys.argv[1], sys.argv[2:]
target = "fd00::1" if ":" in source else "100.64.0.1"
if source == "lo4": source, target = "", "127.0.0.1"
if source == "lo6": source, target = "", "::1"
for port in ports:
    bind = (source, 0) if source else None
    try:
        socket.create_connection((target, int(port)), 1, bind).close()
        word = "can"
    except OSError:
        word = "cannot"
    sys.stdout.write(word + " " + sys.argv[1] + " " + port + "\n"); sys.stdout.flush()
P
        for source in {sources}; do in_peer python3 "$1.ask" $source {ports} & waits="${{waits:-}} $!"; done
        for source in lo4 lo6; do python3 "$1.ask" $source {ports} & waits="$waits $!"; done
        wait $waits
        "#,
        sources = sources.join(" "),
        ports = ports.map(|port| port.to_string()).join(" "),
        count = ports.len(),
    );
    let output = netns::printed(&script, files);
    // A session of somebody who may no longer connect lives on.
    assert!(output.contains("session\nunsent 0\n"), "{output}");
    let mut asked = 0;
    for source in sources.into_iter().chain(["lo4", "lo6"]) {
        for port in ports {
            let (address, interface) = match source {
                "lo4" => ("127.0.0.1", IncomingInterface::Loopback),
                "lo6" => ("::1", IncomingInterface::Loopback),
                other => (other, IncomingInterface::Other),
            };
            let packet = TcpPacket {
                source: address.parse().unwrap(),
                port,
                interface,
                stage: ConnectionStage::Opening,
            };
            let word = match rules.decide(&packet).verdict {
                ChainPolicy::Accept => "can",
                ChainPolicy::Drop => "cannot",
                ChainPolicy::Unknown => panic!("{packet:?}"),
            };
            let line = format!("\n{word} {source} {port}\n");
            assert!(output.contains(&line), "expected{line}in {output}");
            asked += 1;
        }
    }
    assert_eq!(asked, 35);
}

#[test]
fn ten_thousand_networks_are_one_transaction() {
    if !netns::available("loading ten thousand networks into nftables") {
        return;
    }
    let allowlists = [allowlist(MailService::Imap, AllowedSources::Only(many(10_000)))];
    let begun = Instant::now();
    let script = nft::script(&allowlists, NatEnds::Both);
    let rendered = begun.elapsed();
    let json = netns::printed("nft -f \"$1\"; nft -j list table inet mailward", &[&script]);
    let loaded = begun.elapsed();
    let begun = Instant::now();
    let table = nft::own(json.as_bytes()).unwrap().unwrap();
    let read = begun.elapsed();
    assert_eq!(Some(rules_of(&table)), Some(behind(&allowlists)));
    let begun = Instant::now();
    let reach = rules_of(&table).reach(143, IncomingInterface::Other, ConnectionStage::Opening);
    assert_eq!(reach.accepted, many(10_000));
    crate::support::covered(&format!(
        "10,000 networks in nftables: rendered {rendered:?}, loaded and listed {loaded:?}, read {read:?}, evaluated {:?}",
        begun.elapsed()
    ));
}

/// What nft prints of a table of somebody else's that lets in so many ranges which are no networks.
fn ranges(number: u32) -> String {
    let elements: Vec<String> = (0..number)
        .map(|n| {
            let start = format!("{}.{}.{}", 20 + (n >> 16), (n >> 8) & 0xff, n & 0xff);
            format!(r#"{{"range": ["{start}.1", "{start}.6"]}}"#)
        })
        .collect();
    let rule = r#"[{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@list"}}, {"drop": null}]"#;
    format!(
        r#"{{"nftables": [
            {{"table": {{"family": "inet", "name": "other"}}}},
            {{"chain": {{"family": "inet", "table": "other", "name": "in", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}}}},
            {{"set": {{"family": "inet", "table": "other", "name": "list", "type": "ipv4_addr", "flags": ["interval"], "elem": [{}]}}}},
            {{"rule": {{"family": "inet", "table": "other", "chain": "in", "expr": {rule}}}}}
        ]}}"#,
        elements.join(",")
    )
}

#[test]
fn sets_of_ranges_are_read_in_time_linear_in_their_number() {
    let time = |number| {
        let json = ranges(number);
        let begun = Instant::now();
        let tables = nft::tables(json.as_bytes()).unwrap();
        let taken = begun.elapsed();
        let reach = tables[0].base[0].rules.reach(143, IncomingInterface::Other, ConnectionStage::Opening);
        assert_eq!(reach.dropped.ranges().count(), number as usize);
        assert!(reach.dropped.contains("20.0.1.6".parse().unwrap()));
        assert!(!reach.dropped.contains("20.0.1.7".parse().unwrap()));
        taken
    };
    let (few, more) = (super::fastest(|| time(10_000)), super::fastest(|| time(40_000)));
    crate::support::covered(&format!(
        "10,000 ranges in a set of nftables are read in {few:?}, 40,000 in {more:?}"
    ));
    assert!(more < few * 10 + std::time::Duration::from_millis(200), "{few:?}, {more:?}");
}

/// So many networks that do not touch.
pub fn many(number: u32) -> Networks {
    (0..number)
        .map(|n| {
            let text = format!("{}.{}.{}.0/25", 20 + (n >> 16), (n >> 8) & 0xff, n & 0xff);
            Network::parse(&text).unwrap()
        })
        .collect()
}

prop_compose! {
    fn any_network()(v6 in prop::bool::ANY, bits in prop::num::u128::ANY, prefix in 1u8..=128) -> Network {
        let text = if v6 {
            let address = std::net::Ipv6Addr::from_bits(bits | 1 << 127);
            ipnet(address.into(), prefix)
        } else {
            let address = std::net::Ipv4Addr::from_bits((bits >> 96) as u32);
            ipnet(address.into(), 1 + prefix % 32)
        };
        Network::parse(&text).unwrap()
    }
}

fn ipnet(address: std::net::IpAddr, prefix: u8) -> String {
    let error = Network::parse(&format!("{address}/{prefix}"));
    match error {
        Ok(network) => network.to_string(),
        Err(mailward::model::NotANetwork::HostBits { corrected }) => corrected.to_string(),
        Err(other) => panic!("{address}/{prefix}: {other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn any_networks_are_read_back_as_they_were_written(
        imap in prop::collection::vec(any_network(), 1..40),
        pop3 in prop::collection::vec(any_network(), 1..4),
    ) {
        if !netns::available("loading random networks into nftables") {
            return Ok(());
        }
        let allowlists = [
            allowlist(MailService::Imap, AllowedSources::Only(imap.into_iter().collect())),
            allowlist(MailService::Pop3, AllowedSources::Only(pop3.into_iter().collect())),
        ];
        let table = loaded(&[&nft::script(&allowlists, NatEnds::Both)]).unwrap();
        let expected = behind(&allowlists);
        prop_assert_eq!(rules_of(&table), expected);
    }
}

#[test]
fn what_was_counted_meanwhile_makes_no_other_listing() {
    let listing = |count: u32| {
        format!(
            "table inet mailward {{\n\tchain input {{\n\t\ttcp dport 143 counter packets {count} bytes {count} drop\n\t}}\n}}\n"
        )
    };
    assert!(nft::same_listing(&listing(1), &listing(70)));
    assert!(!nft::same_listing(&listing(1), &listing(1).replace("143", "110")));
    assert!(!nft::same_listing(&listing(1), ""));
}
