//! Random allowlists, loaded into a real kernel and read back: what is there decides as the allowlists do, by
//! a naive evaluator; and whatever takes a change back brings the earlier rules back, letter by letter.

use std::net::IpAddr;

use mailward::firewall::rules::{ChainPolicy, ConnectionStage, IncomingInterface, RuleSet, TcpPacket};
use mailward::firewall::{NatEnds, PortAllowlist, iptables, nft};
use mailward::model::{AddressFamily, AllowedSources, MailService};
use proptest::prelude::*;

use super::evaluate::{Net, address, net};
use super::iptables::{VARIANTS, program};
use super::netns;

/// Who a service is for, in the naive evaluator's own terms.
#[derive(Debug, Clone)]
enum For {
    Anyone,
    Nobody,
    These(Vec<Net>),
}

/// Which services are named, and for whom.
type Named = Vec<(MailService, For)>;

const SERVICES: [MailService; 4] =
    [MailService::Imap, MailService::Pop3, MailService::Smtp, MailService::Submission];

fn named() -> impl Strategy<Value = Named> {
    let these = prop::collection::vec(net().prop_filter("everybody", Net::is_some), 1..8);
    let whom = prop_oneof![
        1 => Just(For::Anyone),
        1 => Just(For::Nobody),
        4 => these.prop_map(For::These),
    ];
    prop::collection::vec(prop::option::weighted(0.7, whom), SERVICES.len()).prop_map(|all| {
        let named = SERVICES.into_iter().zip(all);
        named.filter_map(|(service, whom)| Some((service, whom?))).collect()
    })
}

fn allowlists(named: &Named) -> Vec<PortAllowlist> {
    let allowlist = |(service, whom): &(MailService, For)| PortAllowlist {
        service: *service,
        ports: service.ports(),
        allowed: match whom {
            For::Anyone => AllowedSources::Anyone,
            For::Nobody => AllowedSources::Nobody,
            For::These(nets) => AllowedSources::Only(nets.iter().map(Net::network).collect()),
        },
    };
    named.iter().map(allowlist).collect()
}

/// What the allowlists say about a connection.
fn naive(named: &Named, packet: &TcpPacket) -> ChainPolicy {
    let whom = named.iter().find(|(service, _)| service.ports().contains(&packet.port)).map(|(_, whom)| whom);
    let opens = (packet.interface, packet.stage) == (IncomingInterface::Other, ConnectionStage::Opening);
    let may = match whom {
        None | Some(For::Anyone) => true,
        Some(For::Nobody) => false,
        Some(For::These(nets)) => nets.iter().any(|net| net.has(packet.source)),
    };
    if may || !opens { ChainPolicy::Accept } else { ChainPolicy::Drop }
}

/// Compares rules with the allowlists, for every address, port, interface and stage; none for a table that is
/// not there.
fn decides_as_named(rules: Option<&RuleSet>, named: &Named, sources: &[IpAddr]) -> Result<(), TestCaseError> {
    for source in sources {
        for port in [22, 25, 110, 143, 465, 587, 993, 995] {
            for interface in [IncomingInterface::Other, IncomingInterface::Loopback] {
                for stage in [ConnectionStage::Opening, ConnectionStage::Established] {
                    let packet = TcpPacket { source: *source, port, interface, stage };
                    let verdict = rules.map_or(ChainPolicy::Accept, |rules| rules.decide(&packet).verdict);
                    prop_assert_eq!(verdict, naive(named, &packet), "{:?}", packet);
                }
            }
        }
    }
    Ok(())
}

/// What a script prints between lines of `--`.
fn parts(script: &str, files: &[&str]) -> Vec<String> {
    let printed = netns::printed(script, files);
    printed.split("--\n").map(str::to_owned).collect()
}

/// What `iptables-save` prints without its times and counters, chains left out that are empty and were not
/// there, and a jump counted once: the script that takes a removal back cannot ask whether the jump is still
/// there.
fn saved(text: &str, before: &iptables::PresentChains) -> Vec<String> {
    let ends = iptables::NatEnd::ALL.into_iter();
    let parts = ends.map(|end| {
        let none = iptables::PresentAtEnd::default();
        let lines = saved_at(end, &iptables::section(text, end), before.get(&end).unwrap_or(&none));
        lines.into_iter().map(move |line| format!("{end:?} {line}"))
    });
    parts.flatten().collect()
}

fn saved_at(end: iptables::NatEnd, text: &str, before: &iptables::PresentAtEnd) -> Vec<String> {
    let jump = format!("-A {} -j {}", end.hook(), iptables::CHAIN);
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let line = match line.split_once(" [") {
            Some((chain, _)) => chain.to_owned(),
            None => line.to_owned(),
        };
        let chain = line.strip_prefix(':').and_then(|line| line.split(' ').next());
        let is_new = chain.is_some_and(|chain| iptables::is_own(chain) && !before.chains.contains(chain));
        let again = line == jump && (before.jumps == 0 || lines.contains(&line));
        if !is_new && !again {
            lines.push(line);
        }
    }
    lines.sort_by_key(|line| !line.starts_with(':'));
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn nftables_decide_as_the_allowlists(named in named(), sources in prop::collection::vec(address(), 40)) {
        if !netns::available("loading random gates into nftables") {
            return Ok(());
        }
        let script = nft::script(&allowlists(&named), NatEnds::Both);
        let json = netns::printed("nft -f \"$1\"; nft -j list ruleset", &[&script]);
        let table = nft::own(json.as_bytes()).unwrap();
        let hooks = table.as_ref().map(|table| table.own_rules()).unwrap_or_default();
        // Each end by itself decides as the allowlists do.
        for rules in &hooks {
            decides_as_named(Some(rules), &named, &sources)?;
        }
        if hooks.is_empty() {
            decides_as_named(None, &named, &sources)?;
        }
    }

    #[test]
    fn iptables_decide_as_the_allowlists(named in named(), sources in prop::collection::vec(address(), 40)) {
        if !netns::available("loading random gates into iptables") {
            return Ok(());
        }
        for family in AddressFamily::ALL {
            let sources: Vec<IpAddr> =
                sources.iter().copied().filter(|source| AddressFamily::of(*source) == family).collect();
            let script = iptables::replacement(
                &allowlists(&named), family, NatEnds::Both, &iptables::PresentChains::default(),
            );
            for variant in VARIANTS {
                let program = program(family);
                let text = netns::printed(
                    &format!("{program}-{variant}-restore --noflush <\"$1\"; {program}-{variant}-save"),
                    &[script.as_deref().unwrap_or_default()],
                );
                let saved = iptables::parse(family, &text).unwrap();
                for end in iptables::NatEnd::ALL {
                    let rules = saved.hook(end.table(), end.hook());
                    decides_as_named(Some(&rules), &named, &sources)?;
                }
            }
        }
    }

    #[test]
    fn nftables_are_taken_back_letter_by_letter(before in prop::option::of(named()), after in named(), by_hand in prop::bool::ANY) {
        if !netns::available("taking rules of nftables back") {
            return Ok(());
        }
        let mut first = before.map_or(nft::REMOVAL.to_owned(), |named| nft::script(&allowlists(&named), NatEnds::Both));
        if by_hand {
            first += "table inet mailward {\nset more { type ipv4_addr; elements = { 10.0.0.1 }; }\n\
                chain input { tcp dport 143 ip saddr @more counter log prefix \"a b\" accept; }\n}\n";
        }
        let second = nft::script(&allowlists(&after), NatEnds::Both);
        let list = "nft list table inet mailward 2>/dev/null || :";
        let listed = netns::printed(&format!("nft -f \"$1\"; {list}"), &[&first]);
        let back = nft::revert((!listed.is_empty()).then_some(listed.as_str()));
        let script = format!(
            "nft -f \"$1\"; nft -f \"$2\"; nft -f \"$3\"; {list}; echo --; nft -f \"$3\"; {list}; echo --
             nft -f \"$1\"; nft -f \"$3\"; {list}"
        );
        let [replaced, twice, never] = &parts(&script, &[&first, &second, &back])[..] else {
            panic!("three lists");
        };
        prop_assert_eq!(replaced, &listed);
        prop_assert_eq!(twice, &listed);
        prop_assert_eq!(never, &listed);
    }

    #[test]
    fn iptables_are_taken_back_letter_by_letter(before in prop::option::of(named()), after in named()) {
        if !netns::available("taking rules of iptables back") {
            return Ok(());
        }
        for family in AddressFamily::ALL {
            for variant in VARIANTS {
                let restore = format!("{}-{variant}-restore --noflush", program(family));
                let save = format!("{0}-{variant}-save -t raw; {0}-{variant}-save -t mangle", program(family));
                let first = before.as_ref().and_then(|named| {
                    iptables::replacement(&allowlists(named), family, NatEnds::Both, &iptables::PresentChains::default())
                });
                // Somebody else's rule in the hook stays where it is.
                let first = format!("*raw\n-A PREROUTING -s 192.0.2.7 -j ACCEPT\nCOMMIT\n{}", first.unwrap_or_default())
                    .replace("192.0.2.7", if family == AddressFamily::Ipv4 { "192.0.2.7" } else { "2001:db8::7" });
                let listed = netns::printed(&format!("{restore} <\"$1\"; {save}"), &[&first]);
                let there = iptables::parse(family, &listed).unwrap();
                let present: iptables::PresentChains = (iptables::NatEnd::ALL.into_iter())
                    .filter_map(|end| Some((end, there.own(end)?.present)))
                    .collect();
                let second = iptables::replacement(&allowlists(&after), family, NatEnds::Both, &present);
                let back = iptables::revert(&listed, &present, second.as_deref());
                let script = format!(
                    "{restore} <\"$1\"; {restore} <\"$2\"; {restore} <\"$3\"; {save}; echo --
                     {restore} <\"$3\"; {save}"
                );
                let never = format!("{restore} <\"$1\"; {restore} <\"$2\"; {save}");
                let mut all = parts(&script, &[&first, second.as_deref().unwrap_or_default(), &back]);
                all.push(netns::printed(&never, &[&first, &back]));
                prop_assert_eq!(all.len(), 3);
                for text in all {
                    prop_assert_eq!(saved(&text, &present), saved(&listed, &present), "{} {}", variant, text);
                }
            }
        }
    }
}
