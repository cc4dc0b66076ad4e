//! One line `-A CHAIN …` → conditions and what the rule does.
//!
//! iptables up to 1.4.3 writes `-s ! NETWORK`, later ones `! -s NETWORK`; old ones write masks, new ones
//! prefixes.

use std::net::{IpAddr, Ipv4Addr};

use super::target::target;
use crate::firewall::rules::{
    FilterRule, FlagMatch, HookPoint, MatchSense, PacketEnd, PacketTraffic, PortSet, RuleMatch, RuleProtocol,
    RuleTarget, is_flag,
};
use crate::model::{AddressFamily, Network, Networks, NotANetwork};

/// The words of a line, quotes taken off; `None` if a quote is not closed.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().push(characters.next()?),
            c if c.is_whitespace() && !quoted => found.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    found.extend(word);
    (!quoted).then_some(found)
}

/// The chain and its new rules: two where a rule goes to a chain and does not come back. `None` if it is no
/// rule.
pub(super) fn rules(
    words: &[String],
    family: AddressFamily,
    point: HookPoint,
    is_chain: impl Fn(&str) -> bool,
) -> Option<(String, Vec<FilterRule>)> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = match words.as_slice() {
        // The counters of `iptables-save -c`.
        [counters, rest @ ..] if counters.starts_with('[') => rest,
        all => all,
    };
    let ["-A", chain, rest @ ..] = words else {
        return None;
    };
    let mut when = RuleMatch::default();
    let mut rest = rest;
    let mut then = RuleTarget::Continue;
    let mut goes = None;
    while let Some((option, after)) = rest.split_first() {
        let (is, option, after) = match (*option, after.split_first()) {
            ("!", Some((option, after))) => (MatchSense::Not, *option, after),
            (option, _) => (MatchSense::So, option, after),
        };
        if matches!(option, "-j" | "--jump" | "-g" | "--goto") {
            then = target(after, point, &is_chain);
            if matches!(option, "-g" | "--goto") {
                goes = Some(RuleTarget::Return);
            }
            // What follows is the target's own.
            break;
        }
        // A negation before a value belongs to it; one before an option belongs to that.
        let (is, after) = match after {
            ["!", value, ..] if !value.starts_with('-') => (MatchSense::Not, &after[1..]),
            _ => (is, after),
        };
        let values = match free(option) {
            Some(values) => values.min(after.len()),
            None => after.iter().take_while(|word| !word.starts_with('-') && **word != "!").count(),
        };
        let (own, next) = after.split_at(values);
        if condition(&mut when, family, point, is, option, own).is_none() {
            let not = match is {
                MatchSense::So => "",
                MatchSense::Not => "! ",
            };
            let text = format!("{not}{option} {}", own.join(" "));
            when.unknown.push(text.trim_end().to_owned());
        }
        rest = next;
    }
    let mut rules = vec![FilterRule { when: when.clone(), then }];
    rules.extend(goes.map(|then| FilterRule { when, then }));
    Some(((*chain).to_owned(), rules))
}

/// How many values an option has whose text is free, so that it may look like an option.
fn free(option: &str) -> Option<usize> {
    match option {
        "--comment" | "--string" | "--hex-string" | "--name" | "--hashlimit-name" | "--helper" | "--path"
        | "--object-pinned" | "--bytecode" | "--u32" | "--nfacct-name" | "--genre" => Some(1),
        _ => None,
    }
}

/// Adds a condition; `None` if it is not understood. One that is not understood may hold or not; none changes
/// anything.
fn condition(
    when: &mut RuleMatch,
    family: AddressFamily,
    point: HookPoint,
    is: MatchSense,
    option: &str,
    values: &[&str],
) -> Option<()> {
    match (option, values) {
        // What follows them says all.
        (
            "-m" | "--match",
            ["tcp" | "multiport" | "comment" | "state" | "conntrack" | "addrtype" | "iprange" | "pkttype"],
        )
        | ("--comment", _) => Some(()),
        ("-p" | "--protocol", [protocol]) => {
            let tcp = matches!(*protocol, "tcp" | "6");
            match (is, tcp, *protocol) {
                (MatchSense::So, true, _) => when.narrow_protocol(RuleProtocol::Tcp),
                (MatchSense::So, _, "all" | "0") | (MatchSense::Not, false, _) => {}
                (MatchSense::So, false, _) | (MatchSense::Not, true, _) => {
                    when.narrow_protocol(RuleProtocol::NotTcp);
                }
            }
            Some(())
        }
        ("-s" | "--source", [address]) => {
            let networks = Networks::from(network(address)?);
            when.narrow_address(point, PacketEnd::Source, family, is, &networks)
        }
        ("-d" | "--destination", [address]) => {
            let networks = Networks::from(network(address)?);
            when.narrow_address(point, PacketEnd::Destination, family, is, &networks)
        }
        ("--src-range", [range]) => {
            when.narrow_address(point, PacketEnd::Source, family, is, &addresses(range)?)
        }
        ("--dst-range", [range]) => {
            when.narrow_address(point, PacketEnd::Destination, family, is, &addresses(range)?)
        }
        ("-i" | "--in-interface", [name]) => match point.traffic {
            PacketTraffic::Arriving => when.narrow_interfaces(is, &[name], '+'),
            PacketTraffic::Answers | PacketTraffic::Leaving => None,
        },
        ("-o" | "--out-interface", [name]) => match point.traffic {
            PacketTraffic::Arriving => None,
            PacketTraffic::Answers | PacketTraffic::Leaving => when.narrow_interfaces(is, &[name], '+'),
        },
        // The first part of a packet that came in several is not meant.
        ("-f" | "--fragment", []) => {
            if is == MatchSense::So {
                when.never();
            }
            Some(())
        }
        ("--dport" | "--destination-port" | "--dports" | "--destination-ports", [listed]) => {
            when.narrow_port(point, PacketEnd::Destination, &wanted(is, listed)?)
        }
        ("--sport" | "--source-port" | "--sports" | "--source-ports", [listed]) => {
            when.narrow_port(point, PacketEnd::Source, &wanted(is, listed)?)
        }
        ("--syn", []) => {
            let (of, set) = (&["fin", "syn", "rst", "ack"], &["syn"]);
            when.narrow_flags(point, is, FlagMatch::Exactly { of, set })
        }
        ("--tcp-flags", [mask, set]) => {
            let (of, set) = (flags(mask)?, flags(set)?);
            let (of, set) = (words_of(&of), words_of(&set));
            when.narrow_flags(point, is, FlagMatch::Exactly { of: &of, set: &set })
        }
        ("--state" | "--ctstate", [states]) => {
            let states: Vec<String> = states.split(',').map(str::to_ascii_lowercase).collect();
            when.narrow_states(point, is, &words_of(&states))
        }
        // Packets that are asked about are for this host alone.
        ("--dst-type", [listed]) if point.traffic == PacketTraffic::Arriving => {
            known(when, is, listed, "LOCAL");
            Some(())
        }
        ("--pkt-type", [kind]) if point.traffic == PacketTraffic::Arriving => {
            known(when, is, kind, "unicast");
            Some(())
        }
        _ => None,
    }
}

/// Adds that a kind which is known to be this one is among those listed.
fn known(when: &mut RuleMatch, is: MatchSense, listed: &str, kind: &str) {
    if listed.split(',').any(|one| one == kind) != (is == MatchSense::So) {
        when.never();
    }
}

fn words_of(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Flags of TCP in small letters.
fn flags(listed: &str) -> Option<Vec<String>> {
    let listed = listed.to_ascii_lowercase();
    match listed.as_str() {
        "none" => return Some(Vec::new()),
        "all" => {
            let all = ["fin", "syn", "rst", "psh", "ack", "urg"];
            return Some(all.map(str::to_owned).into());
        }
        _ => {}
    }
    let flags: Vec<String> = listed.split(',').map(str::to_owned).collect();
    flags.iter().all(|flag| is_flag(flag)).then_some(flags)
}

fn wanted(is: MatchSense, listed: &str) -> Option<PortSet> {
    let listed = ports(listed)?;
    Some(match is {
        MatchSense::So => listed,
        MatchSense::Not => listed.others(),
    })
}

/// The addresses from one to another.
fn addresses(range: &str) -> Option<Networks> {
    let (first, last) = range.split_once('-')?;
    let range = (first.parse().ok()?, last.parse().ok()?);
    Some(Networks::of_ranges([range]))
}

fn network(text: &str) -> Option<Network> {
    match Network::parse(text) {
        Ok(network)
        | Err(NotANetwork::Mask { corrected: network } | NotANetwork::HostBits { corrected: network }) => {
            Some(network)
        }
        Err(NotANetwork::Syntax) => {
            // A mask of IPv6, or one of IPv4 in a form that no prefix has.
            let (address, mask) = text.split_once('/')?;
            let (address, mask) = (address.parse::<IpAddr>().ok()?, mask.parse::<IpAddr>().ok()?);
            let prefix = match mask {
                IpAddr::V4(mask) => prefix_of(u128::from(Ipv4Addr::to_bits(mask)) << 96)?,
                IpAddr::V6(mask) => prefix_of(mask.to_bits())?,
            };
            Network::parse(&format!("{address}/{prefix}")).ok()
        }
        Err(NotANetwork::Zone | NotANetwork::Mapped { .. }) => None,
    }
}

fn prefix_of(mask: u128) -> Option<u32> {
    let ones = mask.leading_ones();
    (mask.count_ones() == ones).then_some(ones)
}

fn ports(text: &str) -> Option<PortSet> {
    text.split(',')
        .map(|one| {
            let (first, last) = one.split_once(':').unwrap_or((one, one));
            let first = if first.is_empty() { "0" } else { first };
            let last = if last.is_empty() { "65535" } else { last };
            Some((first.parse().ok()?, last.parse().ok()?))
        })
        .collect::<Option<Vec<(u16, u16)>>>()
        .map(PortSet::of)
}
