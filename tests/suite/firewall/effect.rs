//! What a change of rules does, and who would be shut out by it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mailward::firewall::effect::{
    AddressCount, FilterStack, PANEL, ProtectedClient, changes, probes, shut_out,
};
use mailward::firewall::rules::{
    ChainPolicy, FilterRule, PacketDecidedBy, PortSet, RuleMatch, RuleSet, RuleTarget,
};
use mailward::firewall::{NatEnds, PortAllowlist, iptables, nft};
use mailward::model::{AddressFamily, AllowedSources, MailService, Network, Networks};
use proptest::prelude::*;

use super::fastest;
use super::nft::{allowlist, many, networks};

const SERVICES: [(MailService, &[u16]); 3] =
    [(MailService::Imap, &[143, 993]), (MailService::Smtp, &[25, 465]), (MailService::Submission, &[587])];

fn table(allowlists: &[PortAllowlist]) -> FilterStack {
    FilterStack(nft::rules(allowlists, NatEnds::Both))
}

fn only(service: MailService, texts: &[&str]) -> PortAllowlist {
    allowlist(service, AllowedSources::Only(networks(texts)))
}

#[test]
fn a_change_is_told_in_exact_sets() {
    let before = table(&[only(MailService::Imap, &["203.0.113.0/24", "2001:db8::/32"])]);
    let after = table(&[
        only(MailService::Imap, &["203.0.113.0/25", "198.51.100.7", "2001:db8::/32"]),
        allowlist(MailService::Submission, AllowedSources::Nobody),
    ]);
    let told = changes(&before, &after, &SERVICES);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].ports, [143, 993]);
    assert_eq!(told[0].gains, networks(&["198.51.100.7"]));
    assert_eq!(told[0].loses, networks(&["203.0.113.128/25"]));
    assert!(told[0].unclear.is_empty());
    assert_eq!(told[1].loses, Networks::everything());
    assert_eq!(told[0].to_string(), "imap (143, 993): opened to 198.51.100.7; closed to 203.0.113.128/25");
    assert_eq!(told[1].to_string(), "submission (587): closed to everybody");
    assert_eq!(changes(&after, &after, &SERVICES), []);
    let first = changes(&table(&[]), &before, &SERVICES);
    assert_eq!(
        first[0].to_string(),
        "imap (143, 993): closed to everybody but 203.0.113.0/24, 2001:db8::/32"
    );
    let size = AddressCount::of(&networks(&["203.0.113.0/24", "198.51.100.7", "2001:db8::/32"]));
    assert_eq!((size.v4_networks, size.v4_addresses, size.v6_networks), (2, 257, 1));
    assert_eq!(AddressCount::of(&Networks::everything()).v4_addresses, 1 << 32);
}

#[test]
fn the_ways_to_enforce_have_one_effect() {
    let allowlists = super::nft::allowlists();
    let chains = FilterStack(
        AddressFamily::ALL.into_iter().filter_map(|family| iptables::rules(&allowlists, family)).collect(),
    );
    let services: Vec<(MailService, &'static [u16])> =
        MailService::ALL.into_iter().map(|service| (service, service.ports())).collect();
    assert_eq!(changes(&table(&allowlists), &chains, &services), []);
    assert_eq!(changes(&chains, &table(&allowlists), &services), []);
}

#[test]
fn what_becomes_unclear_is_told_as_such() {
    let unclear = FilterStack(vec![RuleSet::of_chain(
        "input",
        ChainPolicy::Accept,
        vec![FilterRule {
            when: RuleMatch {
                ports: Some(PortSet::single(&[587])),
                sources: Some(networks(&["203.0.113.0/24"])),
                unknown: vec!["-m recent".to_owned()],
                ..RuleMatch::default()
            },
            then: RuleTarget::Drop,
        }],
    )]);
    let told = changes(&table(&[]), &unclear, &SERVICES);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].to_string(), "submission (587): unclear for 203.0.113.0/24");
}

#[test]
fn whoever_would_be_shut_out_is_told_with_the_deciding_rule() {
    let operator: IpAddr = "::ffff:203.0.113.9".parse().unwrap();
    let must = ["198.51.100.7".parse().unwrap(), "2001:db8::9".parse().unwrap()];
    let ssh = BTreeSet::from([22, 2222]);
    let all = probes(Some(operator), &must, &ssh, &SERVICES);
    // Three addresses to two ports of sshd and two of the panel; this host itself to these and five of mail,
    // twice.
    assert_eq!(all.len(), 3 * 4 + 2 * (4 + 5));
    let allowlists = [allowlist(MailService::Imap, AllowedSources::Nobody)];
    assert_eq!(shut_out(&table(&[]), &table(&allowlists), &all), []);
    let closing = |ports: &[u16], loopback: RuleTarget| {
        FilterStack(vec![RuleSet::of_chain(
            "input",
            ChainPolicy::Accept,
            vec![
                FilterRule::loopback(loopback),
                FilterRule {
                    when: RuleMatch {
                        ports: Some(PortSet::single(ports)),
                        sources: Some(networks(&["203.0.113.0/24", "2001:db8::/32"])),
                        ..RuleMatch::default()
                    },
                    then: RuleTarget::Drop,
                },
            ],
        )])
    };
    let out = shut_out(&table(&[]), &closing(&[2222, PANEL[1]], RuleTarget::Accept), &all);
    let told: Vec<(ProtectedClient, u16)> =
        out.iter().map(|out| (out.probe.who, out.probe.packet.port)).collect();
    assert_eq!(
        told,
        [
            (ProtectedClient::Operator, 2222),
            (ProtectedClient::Operator, 8880),
            (ProtectedClient::MustReach, 2222),
            (ProtectedClient::MustReach, 8880)
        ]
    );
    assert!(out.iter().all(|out| out.verdict == ChainPolicy::Drop && out.before == ChainPolicy::Accept));
    let by = PacketDecidedBy::Rule { chain: "input".to_owned(), number: 2 };
    assert_eq!(out[0].by, (0, by));
    let out = shut_out(&table(&[]), &closing(&[], RuleTarget::Drop), &all);
    assert_eq!(out.len(), 18);
    assert!(out.iter().all(|out| out.probe.who == ProtectedClient::Loopback));
    let out = shut_out(&table(&[]), &closing(&[], RuleTarget::Unknown("-j QUEUE".into())), &all);
    assert!(out.iter().all(|out| out.verdict == ChainPolicy::Unknown));
    assert_eq!(out.len(), 18);
}

#[test]
fn a_packet_must_pass_all_filters() {
    let one = table(&[only(MailService::Imap, &["203.0.113.0/24"])]);
    let two = table(&[only(MailService::Imap, &["203.0.113.0/25", "198.51.100.7"])]);
    let both = FilterStack(one.0.iter().chain(&two.0).cloned().collect());
    let told = changes(&one, &both, &SERVICES);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].loses, networks(&["203.0.113.128/25"]));
    assert!(told[0].gains.is_empty());
}

#[test]
fn ten_thousand_networks_are_compared_in_time_linear_in_their_number() {
    let time = |number| {
        let before = table(&[allowlist(MailService::Imap, AllowedSources::Only(many(number)))]);
        let after = table(&[allowlist(
            MailService::Imap,
            AllowedSources::Only(many(number).difference(&networks(&["20.0.0.0/25"]))),
        )]);
        let begun = std::time::Instant::now();
        let told = changes(&before, &after, &SERVICES);
        let taken = begun.elapsed();
        assert_eq!(told[0].loses, networks(&["20.0.0.0/25"]));
        taken
    };
    let (few, more) = (fastest(|| time(10_000)), fastest(|| time(40_000)));
    crate::support::covered(&format!(
        "a change among 10,000 networks is told in {few:?}, among 40,000 in {more:?}"
    ));
    assert!(more < few * 10 + std::time::Duration::from_millis(200), "{few:?}, {more:?}");
}

prop_compose! {
    fn some()(list in prop::collection::vec((0u32..8, 28u8..=32, prop::bool::ANY), 0..6)) -> Networks {
        list.into_iter()
            .map(|(low, prefix, v6)| {
                let bits = low << 1 & (u32::MAX << (32 - u32::from(prefix)));
                let text = if v6 {
                    format!("2001:db8::{bits:x}/{}", 96 + prefix)
                } else {
                    format!("10.0.0.{bits}/{prefix}")
                };
                Network::parse(&text).unwrap()
            })
            .collect()
    }
}

proptest! {
    #[test]
    fn gains_and_losses_are_what_single_packets_see(before in some(), after in some()) {
        let (b, a) = (
            table(&[allowlist(MailService::Imap, AllowedSources::Only(before))]),
            table(&[allowlist(MailService::Imap, AllowedSources::Only(after))]),
        );
        let told = changes(&b, &a, &SERVICES);
        let empty = Networks::default();
        let (gains, loses) = told.first().map_or((&empty, &empty), |change| (&change.gains, &change.loses));
        for low in 0..18u32 {
            for text in [format!("10.0.0.{low}"), format!("2001:db8::{low:x}")] {
                let source: IpAddr = text.parse().unwrap();
                let packet = mailward::firewall::rules::TcpPacket::opening(source, 993);
                let pair = (b.decide(&packet).0, a.decide(&packet).0);
                prop_assert_eq!(gains.contains(source), pair == (ChainPolicy::Drop, ChainPolicy::Accept));
                prop_assert_eq!(loses.contains(source), pair == (ChainPolicy::Accept, ChainPolicy::Drop));
            }
        }
    }
}
