//! What a list of Plesk's firewall does, by the library and by a naive evaluator that goes through the list
//! as the vendor's text has it: the first rule that fits decides, and a predefined rule that names sources
//! denies all others.

use std::collections::BTreeSet;

use mailward::firewall::plesk::{parse, rules};
use mailward::firewall::rules::{ChainPolicy, ConnectionStage, IncomingInterface, TcpPacket};
use mailward::model::AddressFamily;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::evaluate::{Net, address, net};

/// A rule of the list; without ports or sources it is about all of them.
#[derive(Debug, Clone)]
struct Listed {
    predefined: bool,
    incoming: bool,
    allows: bool,
    ports: Vec<&'static str>,
    from: Vec<Net>,
}

const PORTS: [&str; 5] = ["143/tcp", "993/tcp", "100-150/tcp", "143/udp", "25/tcp"];

fn listed() -> impl Strategy<Value = Listed> {
    (
        prop::bool::ANY,
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.7),
        prop::collection::vec(prop::sample::select(PORTS.to_vec()), 0..3),
        prop::collection::vec(net(), 0..3),
    )
        .prop_map(|(predefined, incoming, allows, ports, from)| Listed {
            // Without ports a predefined one is about another protocol.
            predefined: predefined && !ports.is_empty(),
            incoming,
            allows,
            ports,
            from,
        })
}

fn as_json(number: usize, listed: &Listed) -> Value {
    let from: Vec<String> = (listed.from.iter()).map(|net| net.network().to_string()).collect();
    json!({
        "id": number,
        "class": if listed.predefined { "imap" } else { "custom" },
        "direction": if listed.incoming { "input" } else { "output" },
        "action": if listed.allows { "allow" } else { "deny" },
        "ports": listed.ports.join(","),
        "from": from.join(","),
    })
}

fn covers(port: &str, asked: u16) -> bool {
    match port {
        "143/tcp" => asked == 143,
        "993/tcp" => asked == 993,
        "25/tcp" => asked == 25,
        "100-150/tcp" => (100..=150).contains(&asked),
        _ => false,
    }
}

/// All that may become of a packet.
fn possible(list: &[Listed], policy: bool, packet: &TcpPacket) -> BTreeSet<bool> {
    if packet.interface == IncomingInterface::Loopback || packet.stage == ConnectionStage::Established {
        return BTreeSet::from([true]);
    }
    let Some((first, rest)) = list.split_first() else {
        return BTreeSet::from([policy]);
    };
    let about = first.ports.is_empty() || first.ports.iter().any(|port| covers(port, packet.port));
    if !first.incoming || !about {
        return possible(rest, policy, packet);
    }
    if first.from.is_empty() || first.from.iter().any(|net| net.has(packet.source)) {
        return BTreeSet::from([first.allows]);
    }
    if !first.predefined {
        return possible(rest, policy, packet);
    }
    let names_family = (first.from.iter())
        .any(|net| (net.network().family() == AddressFamily::Ipv4) == packet.source.is_ipv4());
    let mut ends = BTreeSet::from([!first.allows]);
    // What the vendor's text leaves open: sources of one family only, and a predefined rule that denies some.
    if !first.allows || !names_family {
        ends.extend(possible(rest, policy, packet));
    }
    ends
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_list_decides_as_a_naive_evaluator(
        list in prop::collection::vec(listed(), 0..6),
        policy in prop::bool::ANY,
        policy_at in 0usize..6,
        sources in prop::collection::vec(address(), 12),
        port in prop::sample::select(vec![25, 99, 100, 143, 150, 151, 993]),
        interface in prop::sample::select(vec![IncomingInterface::Other, IncomingInterface::Other, IncomingInterface::Loopback]),
        stage in prop::sample::select(vec![ConnectionStage::Opening, ConnectionStage::Opening, ConnectionStage::Established]),
    ) {
        let mut json: Vec<Value> = (list.iter().enumerate())
            .map(|(number, listed)| as_json(number + 1, listed))
            .collect();
        let action = if policy { "allow" } else { "deny" };
        // It is the policy wherever it stands.
        json.insert(
            policy_at.min(json.len()),
            json!({ "id": 99, "class": "policy_input", "direction": "input", "action": action, "ports": "", "from": "" }),
        );
        let read = parse(Value::from(json).to_string().as_bytes()).unwrap();
        let rules = rules(&read);
        let reach = rules.reach(port, interface, stage);
        for source in sources {
            let packet = TcpPacket { source, port, interface, stage };
            let ends = possible(&list, policy, &packet);
            let expected = match ends.iter().collect::<Vec<_>>()[..] {
                [true] => ChainPolicy::Accept,
                [false] => ChainPolicy::Drop,
                _ => ChainPolicy::Unknown,
            };
            prop_assert_eq!(rules.decide(&packet).verdict, expected, "{}", source);
            prop_assert_eq!(reach.accepted.contains(source), expected == ChainPolicy::Accept);
            prop_assert_eq!(reach.dropped.contains(source), expected == ChainPolicy::Drop);
        }
    }
}
