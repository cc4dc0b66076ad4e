//! One line `-A CHAIN …` → conditions and what the rule does.
//!
//! iptables up to 1.4.3 writes `-s ! NETWORK`, later ones `! -s NETWORK`; old ones write masks, new ones prefixes.

use std::net::{IpAddr, Ipv4Addr};

use crate::access::rules::{On, Ports, Protocol, Rule, Stage, Then, When};
use crate::model::{Family, Network, Networks, NotANetwork};

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

/// Targets that only count, log or mark.
const GO_ON: [&str; 12] = [
    "AUDIT", "CLASSIFY", "CONNMARK", "CT", "DSCP", "LOG", "MARK", "NFLOG", "NOTRACK", "TCPMSS",
    "TRACE", "ULOG",
];

/// Whether a condition asks for something or for its opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Is,
    IsNot,
}

/// The chain and its new rules: two where a rule goes to a chain and does not come back. `None` if it is no rule.
pub(super) fn rules(
    words: &[String],
    family: Family,
    is_chain: impl Fn(&str) -> bool,
) -> Option<(String, Vec<Rule>)> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = match words.as_slice() {
        // The counters of `iptables-save -c`.
        [counters, rest @ ..] if counters.starts_with('[') => rest,
        all => all,
    };
    let ["-A", chain, rest @ ..] = words else {
        return None;
    };
    let mut when = When::default();
    let mut rest = rest;
    let mut then = Then::Continue;
    let mut goes = None;
    while let Some((option, after)) = rest.split_first() {
        let (op, option, after) = match (*option, after.split_first()) {
            ("!", Some((option, after))) => (Op::IsNot, *option, after),
            (option, _) => (Op::Is, option, after),
        };
        if matches!(option, "-j" | "--jump" | "-g" | "--goto") {
            let target = *after.first()?;
            then = self::target(target, after, &is_chain);
            if matches!(option, "-g" | "--goto") {
                goes = Some(Then::Return);
            }
            // What follows is the target's own.
            break;
        }
        // A negation before a value belongs to it; one before an option belongs to that.
        let (op, after) = match after {
            ["!", value, ..] if !value.starts_with('-') => (Op::IsNot, &after[1..]),
            _ => (op, after),
        };
        let values = after
            .iter()
            .take_while(|word| !word.starts_with('-') && **word != "!")
            .count();
        let (own, next) = after.split_at(values);
        if condition(&mut when, family, op, option, own).is_none() {
            let not = match op {
                Op::Is => "",
                Op::IsNot => "! ",
            };
            let text = format!("{not}{option} {}", own.join(" "));
            when.unknown.push(text.trim_end().to_owned());
        }
        rest = next;
    }
    let mut rules = vec![Rule {
        when: when.clone(),
        then,
    }];
    rules.extend(goes.map(|then| Rule { when, then }));
    Some(((*chain).to_owned(), rules))
}

fn target(name: &str, words: &[&str], is_chain: &impl Fn(&str) -> bool) -> Then {
    match name {
        "ACCEPT" => Then::Accept,
        "DROP" | "REJECT" | "TARPIT" => Then::Drop,
        "RETURN" => Then::Return,
        name if GO_ON.contains(&name) => Then::Continue,
        name if is_chain(name) => Then::Jump(name.to_owned()),
        _ => Then::Unknown(format!("-j {}", words.join(" "))),
    }
}

/// Adds a condition; `None` if it is not understood.
fn condition(when: &mut When, family: Family, op: Op, option: &str, values: &[&str]) -> Option<()> {
    match (option, values) {
        (
            "-m" | "--match",
            ["tcp" | "multiport" | "comment" | "state" | "conntrack" | "addrtype"],
        )
        | ("--comment", _) => Some(()),
        ("-p" | "--protocol", [protocol]) => {
            let tcp = matches!(*protocol, "tcp" | "6");
            match (op, tcp, *protocol) {
                (Op::Is, true, _) => when.narrow_protocol(Protocol::Tcp),
                (Op::Is, _, "all" | "0") | (Op::IsNot, false, _) => {}
                (Op::Is, false, _) | (Op::IsNot, true, _) => {
                    when.narrow_protocol(Protocol::NotTcp);
                }
            }
            Some(())
        }
        ("-s" | "--source", [source]) => {
            let network = network(source)?;
            let networks = Networks::from(network);
            when.narrow_sources(match op {
                Op::Is => networks,
                Op::IsNot => Networks::all_of(family).difference(&networks),
            });
            Some(())
        }
        ("-i" | "--in-interface", [name]) => when.narrow_interface(match (op, *name) {
            (Op::Is, "lo") => On::Loopback,
            (Op::IsNot, "lo") => On::NotLoopback,
            (Op::Is, "+") => return Some(()),
            (Op::Is, name) if !name.starts_with("l") || !name.ends_with('+') => {
                On::Named(name.to_owned())
            }
            (Op::Is | Op::IsNot, _) => return None,
        }),
        ("--dport" | "--destination-port" | "--dports" | "--destination-ports", [listed]) => {
            let listed = ports(listed)?;
            when.narrow_ports(match op {
                Op::Is => listed,
                Op::IsNot => listed.others(),
            });
            Some(())
        }
        ("--syn", []) => {
            opening(when, op);
            Some(())
        }
        ("--tcp-flags", [mask, set]) => {
            let mut mask: Vec<&str> = mask.split(',').collect();
            mask.sort_unstable();
            // Up to 1.3.4 `--syn` did not look at FIN.
            let syn = matches!(
                mask.as_slice(),
                ["ACK", "FIN", "RST", "SYN"] | ["ACK", "RST", "SYN"]
            );
            (syn && *set == "SYN").then(|| opening(when, op))
        }
        ("--state" | "--ctstate", [states]) if op == Op::Is => {
            let states: Vec<String> = states.split(',').map(str::to_ascii_lowercase).collect();
            let states: Vec<&str> = states.iter().map(String::as_str).collect();
            when.narrow_states(&states)
        }
        // Packets that are asked about are for this host.
        ("--dst-type", ["LOCAL"]) if op == Op::Is => Some(()),
        _ => None,
    }
}

fn opening(when: &mut When, op: Op) {
    when.narrow_protocol(Protocol::Tcp);
    when.narrow_stage(match op {
        Op::Is => Stage::Opening,
        Op::IsNot => Stage::Established,
    });
}

fn network(text: &str) -> Option<Network> {
    match Network::parse(text) {
        Ok(network)
        | Err(
            NotANetwork::Mask { corrected: network } | NotANetwork::HostBits { corrected: network },
        ) => Some(network),
        Err(NotANetwork::Syntax) => {
            // A mask of IPv6, or one of IPv4 in a form that no prefix has.
            let (address, mask) = text.split_once('/')?;
            let (address, mask) = (
                address.parse::<IpAddr>().ok()?,
                mask.parse::<IpAddr>().ok()?,
            );
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

fn ports(text: &str) -> Option<Ports> {
    text.split(',')
        .map(|one| {
            let (first, last) = one.split_once(':').unwrap_or((one, one));
            let first = if first.is_empty() { "0" } else { first };
            let last = if last.is_empty() { "65535" } else { last };
            Some((first.parse().ok()?, last.parse().ok()?))
        })
        .collect::<Option<Vec<(u16, u16)>>>()
        .map(Ports::of)
}
