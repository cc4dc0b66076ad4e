//! What becomes of a connection, by the library and by a naive evaluator that shares nothing with it: bits
//! are compared one by one, and every condition that is not understood is tried both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mailward::firewall::effect::FilterStack;
use mailward::firewall::rules::{
    ChainPolicy, ConnectionStage, FilterRule, IncomingInterface, PacketTraffic, PortSet, RuleInterfaces,
    RuleMatch, RuleProtocol, RuleSet, RuleTarget, TcpPacket,
};
use mailward::model::{AddressFamily, Network, Networks};
use proptest::prelude::*;

/// A network as bits, 32 or 128 of them, and how many count.
#[derive(Clone)]
pub struct Net {
    bits: Vec<bool>,
    prefix: usize,
}

fn bits(address: IpAddr) -> Vec<bool> {
    let bytes = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.network())
    }
}

impl Net {
    /// Whether it leaves anybody out.
    pub fn is_some(&self) -> bool {
        self.prefix > 0
    }

    pub fn has(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        bits.len() == self.bits.len() && bits[..self.prefix] == self.bits[..self.prefix]
    }

    pub fn network(&self) -> Network {
        let mut kept = self.bits.clone();
        kept[self.prefix..].fill(false);
        let value = kept.iter().fold(0u128, |sum, bit| sum << 1 | u128::from(*bit));
        let address: IpAddr = if kept.len() == 32 {
            Ipv4Addr::from_bits(u32::try_from(value).unwrap()).into()
        } else {
            Ipv6Addr::from_bits(value).into()
        };
        Network::parse(&format!("{address}/{}", self.prefix)).unwrap()
    }
}

/// A rule in the naive evaluator's own terms.
#[derive(Debug, Clone)]
struct Plain {
    family: Option<AddressFamily>,
    protocol: RuleProtocol,
    ports: Option<(u16, u16)>,
    sources: Option<Vec<Net>>,
    on: usize,
    stage: Option<ConnectionStage>,
    unclear: bool,
    then: usize,
}

const CHAINS: [&str; 3] = ["a", "b", "c"];
const PORTS: [u16; 4] = [24, 25, 143, 144];

pub fn address() -> impl Strategy<Value = IpAddr> {
    // A few bits differ, so that networks hold some of the addresses and not others.
    prop_oneof![
        (0u32..16, 0u32..4).prop_map(|(low, high)| Ipv4Addr::from_bits(high << 30 | low).into()),
        (0u128..16, 0u128..4).prop_map(|(low, high)| Ipv6Addr::from_bits(high << 126 | low).into()),
    ]
    .prop_filter("IPv4 in IPv6 form comes as IPv4", |address: &IpAddr| address.to_canonical() == *address)
}

pub fn net() -> impl Strategy<Value = Net> {
    (address(), prop_oneof![0usize..4, 0usize..129]).prop_map(|(address, prefix)| {
        let bits = bits(address);
        let prefix = prefix.min(bits.len());
        let near_the_end = bits.len() - prefix.min(4);
        Net { prefix: if prefix % 2 == 0 { prefix } else { near_the_end }, bits }
    })
}

fn plain() -> impl Strategy<Value = Plain> {
    (
        prop::option::weighted(0.2, prop::sample::select(AddressFamily::ALL.to_vec())),
        prop::sample::select(vec![
            RuleProtocol::Any,
            RuleProtocol::Any,
            RuleProtocol::Tcp,
            RuleProtocol::Tcp,
            RuleProtocol::NotTcp,
        ]),
        prop::option::of(prop::sample::select(vec![(25, 25), (143, 143), (24, 143), (0, u16::MAX)])),
        prop::option::of(prop::collection::vec(net(), 0..4)),
        prop_oneof![4 => Just(0usize), 1 => 1usize..5],
        prop::option::weighted(
            0.3,
            prop::sample::select(vec![ConnectionStage::Opening, ConnectionStage::Established]),
        ),
        prop::bool::weighted(0.15),
        0usize..12,
    )
        .prop_map(|(family, protocol, ports, sources, on, stage, unclear, then)| Plain {
            family,
            protocol,
            ports,
            sources,
            on,
            stage,
            unclear,
            then,
        })
}

/// Where a rule of a chain leads: jumps go to later chains only, so that they end.
fn then(chain: usize, number: usize) -> RuleTarget {
    match number {
        0..=2 => RuleTarget::Accept,
        3..=5 => RuleTarget::Drop,
        6 => RuleTarget::Return,
        7 => RuleTarget::Continue,
        8 => RuleTarget::Unknown("QUEUE".to_owned()),
        to => match CHAINS.get(chain + to - 8) {
            Some(name) => RuleTarget::Jump((*name).to_owned()),
            None => RuleTarget::Accept,
        },
    }
}

fn rule(chain: usize, plain: &Plain) -> FilterRule {
    FilterRule {
        when: RuleMatch {
            family: plain.family,
            protocol: plain.protocol,
            ports: plain.ports.map(|range| PortSet::of([range])),
            sources: plain.sources.as_ref().map(|nets| nets.iter().map(Net::network).collect::<Networks>()),
            on: [
                RuleInterfaces::Any,
                RuleInterfaces::Loopback,
                RuleInterfaces::NotLoopback,
                RuleInterfaces::Named("eth0".to_owned()),
                RuleInterfaces::LoopbackAnd("eth0".to_owned()),
            ][plain.on]
                .clone(),
            stage: plain.stage,
            unknown: plain.unclear.then(|| "-m u32".to_owned()).into_iter().collect(),
        },
        then: then(chain, plain.then),
    }
}

fn rule_set(family: Option<AddressFamily>, chains: &[Vec<Plain>], policy: ChainPolicy) -> RuleSet {
    RuleSet {
        family,
        traffic: PacketTraffic::Arriving,
        start: CHAINS[0].to_owned(),
        policy,
        chains: chains
            .iter()
            .enumerate()
            .map(|(index, rules)| {
                (CHAINS[index].to_owned(), rules.iter().map(|plain| rule(index, plain)).collect())
            })
            .collect::<BTreeMap<_, _>>(),
    }
}

/// What may become of a packet in rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Passes,
    Stops,
    /// It goes on, perhaps as another, or stops.
    Anything,
}

/// All that may become of a packet from one place in the rules on: `None` in it stands for the end of the
/// chain.
fn possible(chains: &[Vec<Plain>], chain: usize, at: usize, packet: &TcpPacket) -> BTreeSet<Option<End>> {
    let Some(plain) = chains[chain].get(at) else {
        return BTreeSet::from([None]);
    };
    let go_on = || possible(chains, chain, at + 1, packet);
    let family_fits = match plain.family {
        None => true,
        Some(AddressFamily::Ipv4) => packet.source.is_ipv4(),
        Some(AddressFamily::Ipv6) => packet.source.is_ipv6(),
    };
    let on_lo = packet.interface == IncomingInterface::Loopback;
    let fits = family_fits
        && plain.protocol != RuleProtocol::NotTcp
        && plain.ports.is_none_or(|(from, to)| from <= packet.port && packet.port <= to)
        && plain.sources.as_ref().is_none_or(|nets| nets.iter().any(|net| net.has(packet.source)))
        && plain.stage.is_none_or(|stage| stage == packet.stage)
        && match plain.on {
            0 => true,
            1 => on_lo,
            4 => true,
            _ => !on_lo,
        };
    if !fits {
        return go_on();
    }
    let matched = match then(chain, plain.then) {
        RuleTarget::Accept => BTreeSet::from([Some(End::Passes)]),
        RuleTarget::Drop => BTreeSet::from([Some(End::Stops)]),
        RuleTarget::Unknown(_) => BTreeSet::from([Some(End::Anything)]),
        RuleTarget::Return => BTreeSet::from([None]),
        RuleTarget::Continue => go_on(),
        RuleTarget::Jump(to) => {
            let to = CHAINS.iter().position(|name| *name == to).unwrap();
            possible(chains, to, 0, packet)
                .into_iter()
                .flat_map(|end| match end {
                    None => go_on(),
                    Some(verdict) => BTreeSet::from([Some(verdict)]),
                })
                .collect()
        }
    };
    if plain.unclear || plain.on == 3 || (plain.on == 4 && !on_lo) {
        matched.union(&go_on()).copied().collect()
    } else {
        matched
    }
}

/// All that may become of a packet in one set of rules.
fn ends(
    family: Option<AddressFamily>,
    chains: &[Vec<Plain>],
    policy: ChainPolicy,
    packet: &TcpPacket,
) -> BTreeSet<End> {
    // Rules of one family do not see the other.
    if family.is_some_and(|family| (family == AddressFamily::Ipv4) != packet.source.is_ipv4()) {
        return BTreeSet::from([End::Passes]);
    }
    possible(chains, 0, 0, packet)
        .into_iter()
        .map(|end| match (end, policy) {
            (Some(end), _) => end,
            (None, ChainPolicy::Accept) => End::Passes,
            (None, ChainPolicy::Drop) => End::Stops,
            (None, ChainPolicy::Unknown) => End::Anything,
        })
        .collect()
}

fn verdict(ends: &BTreeSet<End>) -> ChainPolicy {
    match ends.iter().collect::<Vec<_>>()[..] {
        [End::Passes] => ChainPolicy::Accept,
        [End::Stops] => ChainPolicy::Drop,
        _ => ChainPolicy::Unknown,
    }
}

fn naive(
    family: Option<AddressFamily>,
    chains: &[Vec<Plain>],
    policy: ChainPolicy,
    packet: &TcpPacket,
) -> ChainPolicy {
    verdict(&ends(family, chains, policy, packet))
}

/// A set of rules, in the naive evaluator's terms: its family, its chains, its policy, and whose packets it
/// is about.
type Set = (Option<AddressFamily>, Vec<Vec<Plain>>, ChainPolicy, PacketTraffic);

/// What becomes of a connection, by trying all ways that its packets may take.
fn of_connection(sets: &[Set], packet: &TcpPacket) -> ChainPolicy {
    let on_lo = packet.interface == IncomingInterface::Loopback;
    let order = [
        (PacketTraffic::Leaving, ConnectionStage::Opening),
        (PacketTraffic::Arriving, ConnectionStage::Opening),
        (PacketTraffic::Leaving, ConnectionStage::Established),
        (PacketTraffic::Answers, ConnectionStage::Established),
        (PacketTraffic::Arriving, ConnectionStage::Established),
    ];
    let mut all = BTreeSet::new();
    for (traffic, stage) in order {
        let packet = TcpPacket { stage, ..*packet };
        for (family, chains, policy, of) in sets {
            if *of != traffic || (traffic == PacketTraffic::Leaving && !on_lo) {
                continue;
            }
            let ends = ends(*family, chains, *policy, &packet);
            all.extend(ends.iter().filter(|end| **end != End::Passes));
            if !ends.contains(&End::Passes) {
                return verdict(&all);
            }
        }
    }
    all.insert(End::Passes);
    verdict(&all)
}

fn set() -> impl Strategy<Value = Set> {
    (
        prop::option::weighted(0.2, prop::sample::select(AddressFamily::ALL.to_vec())),
        prop::collection::vec(prop::collection::vec(plain(), 0..3), 3),
        prop::sample::select(vec![
            ChainPolicy::Accept,
            ChainPolicy::Accept,
            ChainPolicy::Accept,
            ChainPolicy::Drop,
            ChainPolicy::Unknown,
        ]),
        prop::sample::select(vec![
            PacketTraffic::Arriving,
            PacketTraffic::Arriving,
            PacketTraffic::Answers,
            PacketTraffic::Leaving,
        ]),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_library_decides_as_a_naive_evaluator(
        family in prop::option::weighted(0.3, prop::sample::select(AddressFamily::ALL.to_vec())),
        chains in prop::collection::vec(prop::collection::vec(plain(), 0..6), 3),
        policy in prop::sample::select(vec![ChainPolicy::Accept, ChainPolicy::Drop, ChainPolicy::Unknown]),
        sources in prop::collection::vec(address(), 12),
        port in prop::sample::select(PORTS.to_vec()),
        interface in prop::sample::select(vec![IncomingInterface::Loopback, IncomingInterface::Other]),
        stage in prop::sample::select(vec![ConnectionStage::Opening, ConnectionStage::Established]),
    ) {
        let rules = rule_set(family, &chains, policy);
        let reach = rules.reach(port, interface, stage);
        // The three answers are everybody, and nobody twice.
        prop_assert_eq!(
            reach.accepted.union(&reach.dropped).union(&reach.unknown),
            Networks::everything()
        );
        prop_assert!(reach.accepted.intersection(&reach.dropped.union(&reach.unknown)).is_empty());
        prop_assert!(reach.dropped.intersection(&reach.unknown).is_empty());
        for source in sources {
            let packet = TcpPacket { source, port, interface, stage };
            let expected = naive(family, &chains, policy, &packet);
            prop_assert_eq!(rules.decide(&packet).verdict, expected, "{}", source);
            prop_assert_eq!(rules.condensed().decide(&packet).verdict, expected, "{}", source);
            let told = [
                (reach.accepted.contains(source), ChainPolicy::Accept),
                (reach.dropped.contains(source), ChainPolicy::Drop),
                (reach.unknown.contains(source), ChainPolicy::Unknown),
            ];
            let told: Vec<ChainPolicy> = told.iter().filter(|(is, _)| *is).map(|(_, verdict)| *verdict).collect();
            prop_assert_eq!(told, [expected], "{}", source);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn filters_decide_about_a_connection_as_all_ways_of_its_packets(
        sets in prop::collection::vec(set(), 0..4),
        sources in prop::collection::vec(address(), 8),
        port in prop::sample::select(PORTS.to_vec()),
        interface in prop::sample::select(vec![IncomingInterface::Loopback, IncomingInterface::Other]),
    ) {
        let filters = FilterStack(
            sets.iter()
                .map(|(family, chains, policy, traffic)| RuleSet {
                    traffic: *traffic,
                    ..rule_set(*family, chains, *policy)
                })
                .collect(),
        );
        let reach = filters.reach(port, interface, ConnectionStage::Opening);
        for source in sources {
            let packet = TcpPacket { source, port, interface, stage: ConnectionStage::Opening };
            let expected = of_connection(&sets, &packet);
            prop_assert_eq!(filters.decide(&packet).0, expected, "{}", source);
            let told = match (reach.accepted.contains(source), reach.dropped.contains(source)) {
                (true, false) => ChainPolicy::Accept,
                (false, true) => ChainPolicy::Drop,
                (false, false) => ChainPolicy::Unknown,
                (true, true) => panic!("{source} is let in and is not"),
            };
            prop_assert_eq!(told, expected, "{}", source);
        }
    }
}

#[test]
fn the_deciding_rule_is_named() {
    let office: Networks = Network::parse("203.0.113.0/24").unwrap().into();
    let rules = RuleSet::of_chain(
        "input",
        ChainPolicy::Accept,
        vec![
            FilterRule::loopback(RuleTarget::Accept),
            FilterRule {
                when: RuleMatch {
                    ports: Some(PortSet::single(&[143, 993])),
                    sources: Some(office),
                    ..RuleMatch::default()
                },
                then: RuleTarget::Accept,
            },
            FilterRule {
                when: RuleMatch { ports: Some(PortSet::single(&[143, 993])), ..RuleMatch::default() },
                then: RuleTarget::Drop,
            },
        ],
    );
    let told = |source: &str, port| {
        let decision = rules.decide(&TcpPacket::opening(source.parse().unwrap(), port));
        let by = rules.rule(&decision.by).map(ToString::to_string);
        (decision.verdict, by)
    };
    assert_eq!(
        told("203.0.113.9", 143),
        (ChainPolicy::Accept, Some("to 143,993 from 203.0.113.0/24: accept".to_owned()))
    );
    // The kernel hands over an IPv4 client of an IPv6 socket in this form.
    assert_eq!(told("::ffff:203.0.113.9", 143).0, ChainPolicy::Accept);
    assert_eq!(told("198.51.100.7", 993), (ChainPolicy::Drop, Some("to 143,993: drop".to_owned())));
    assert_eq!(told("198.51.100.7", 22), (ChainPolicy::Accept, None));
}

#[test]
fn chains_that_are_missing_or_go_round_are_unknown() {
    let jump = |to: &str| FilterRule { when: RuleMatch::default(), then: RuleTarget::Jump(to.to_owned()) };
    for chains in [vec![("a", vec![jump("gone")])], vec![("a", vec![jump("b")]), ("b", vec![jump("a")])]] {
        let mut rules = RuleSet::of_chain("a", ChainPolicy::Accept, Vec::new());
        rules.chains = chains.into_iter().map(|(name, rules)| (name.to_owned(), rules)).collect();
        let packet = TcpPacket::opening("203.0.113.9".parse().unwrap(), 25);
        assert_eq!(rules.decide(&packet).verdict, ChainPolicy::Unknown);
        let reach = rules.reach(25, IncomingInterface::Other, ConnectionStage::Opening);
        assert_eq!(reach.unknown, Networks::everything());
    }
}
