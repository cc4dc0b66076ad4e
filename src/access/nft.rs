//! The own table of nftables: the script that makes it what the gates say, the script that removes it, and its reading.
//!
//! Each script is one transaction and works whether or not the table is there. No other table is ever named in it. A drop
//! in this table is final; an accept only means that other tables may still drop.

mod elements;
mod expression;
mod foreign;
mod read;
mod script;
mod statement;

use std::fmt::Write as _;

pub use self::read::{BaseChain, Mark, NftError, Table, own, tables};
pub use self::script::gates as gates_of;
pub use self::statement::is_of_iptables;
use super::Gate;
use super::rules::{Ports, Protocol, Rule, RuleSet, Stage, Then, Verdict, When};
use crate::model::{Allowed, Family, Networks};

/// The name of the table, of family `inet`.
pub const TABLE: &str = "mailward";

/// The comment of its first rule, by which it is known again; tables themselves have had comments only since nft 0.9.7.
pub const MARK: &str = "mailward";

/// Its one chain.
pub const CHAIN: &str = "input";

/// The chain's priority at the input hook: behind connection tracking (-200), before the usual filters (0).
pub const PRIORITY: i64 = -10;

/// The script that removes the table; it is no error if there is none.
pub const REMOVAL: &str = "table inet mailward\ndelete table inet mailward\n";

/// A SYN alone. Nothing else is ever dropped, so sessions live on that connection tracking has not seen the beginning of.
const OPENING: &str = "tcp flags & (fin|syn|rst|ack) == syn";

const fn suffix(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "v4",
        Family::Ipv6 => "v6",
    }
}

const fn of_family(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::Ipv4 => ("ipv4_addr", "ip saddr"),
        Family::Ipv6 => ("ipv6_addr", "ip6 saddr"),
    }
}

/// The networks that a gate lets in, by family, families without any left out; none at all where everybody may.
fn restricted(gate: &Gate) -> Option<Vec<(Family, Networks)>> {
    match &gate.allowed {
        Allowed::Anyone => None,
        Allowed::Nobody => Some(Vec::new()),
        Allowed::Only(networks) => Some(
            Family::ALL
                .into_iter()
                .map(|family| (family, networks.of_family(family)))
                .filter(|(_, networks)| !networks.is_empty())
                .collect(),
        ),
    }
}

/// The script that makes the table what the gates say, whatever it was; [`REMOVAL`] where no gate restricts anybody.
#[must_use]
pub fn script(gates: &[Gate]) -> String {
    let mut script = REMOVAL.to_owned();
    let restricted: Vec<_> = gates
        .iter()
        .filter_map(|gate| Some((gate, restricted(gate)?)))
        .collect();
    if restricted.is_empty() {
        return script;
    }
    let mut rules = String::new();
    script.push_str("table inet mailward {\n");
    for (gate, lists) in &restricted {
        let ports: Vec<String> = gate.ports.iter().map(u16::to_string).collect();
        let packets = format!("tcp dport {{ {} }} {OPENING}", ports.join(", "));
        for (family, networks) in lists {
            let (kind, source) = of_family(*family);
            let set = format!("{}_{}", gate.service, suffix(*family));
            let mut elements = String::new();
            for (index, network) in networks.iter().enumerate() {
                let comma = if index == 0 { "" } else { ",\n\t\t\t" };
                // Writing into a String cannot fail.
                let _ = write!(elements, "{comma}{network}");
            }
            let _ = write!(
                script,
                "\tset {set} {{\n\t\ttype {kind}\n\t\tflags interval\n\t\telements = {{ {elements} }}\n\t}}\n"
            );
            let _ = writeln!(rules, "\t\t{packets} {source} @{set} accept");
        }
        let _ = writeln!(rules, "\t\t{packets} drop");
    }
    let _ = write!(
        script,
        "\tchain {CHAIN} {{\n\t\ttype filter hook input priority {PRIORITY}; policy accept;\n\
         \t\tiifname \"lo\" accept comment \"{MARK}\"\n\t\tct state established,related accept\n{rules}\t}}\n}}\n"
    );
    script
}

/// The script that brings the table back as `nft list table inet mailward` printed it, whatever it is by then; [`REMOVAL`]
/// where there was none. It may be loaded any number of times.
#[must_use]
pub fn revert(listed: Option<&str>) -> String {
    format!("{REMOVAL}{}", listed.unwrap_or_default())
}

/// Whether two listings are of the same rules: what was counted since, and how long an element still lasts, makes no
/// difference.
#[must_use]
pub fn same_listing(one: &str, other: &str) -> bool {
    fn words(text: &str) -> impl Iterator<Item = &str> {
        let mut words = text.split_whitespace();
        std::iter::from_fn(move || {
            loop {
                match words.next()? {
                    "packets" | "bytes" | "expires" => {
                        words.next();
                    }
                    word => return Some(word),
                }
            }
        })
    }
    words(one).eq(words(other))
}

/// The rules that the script makes; equal to what is read back when the kernel has them.
#[must_use]
pub fn rules(gates: &[Gate]) -> Option<RuleSet> {
    let mut rules = vec![
        Rule::loopback(Then::Accept),
        Rule {
            when: When {
                stage: Some(Stage::Established),
                ..When::default()
            },
            then: Then::Accept,
        },
    ];
    let exempt = rules.len();
    for gate in gates {
        let Some(lists) = restricted(gate) else {
            continue;
        };
        let packets = When {
            protocol: Protocol::Tcp,
            ports: Some(Ports::single(gate.ports)),
            stage: Some(Stage::Opening),
            ..When::default()
        };
        rules.extend(lists.into_iter().map(|(family, networks)| Rule {
            when: When {
                family: Some(family),
                sources: Some(networks),
                ..packets.clone()
            },
            then: Then::Accept,
        }));
        rules.push(Rule {
            when: packets,
            then: Then::Drop,
        });
    }
    (rules.len() > exempt).then(|| RuleSet::of_chain(CHAIN, Verdict::Accept, rules))
}
