//! The own table of nftables: the script that makes it what the allowlists say, the script that removes it,
//! and its reading.
//!
//! Each script is one transaction and works whether or not the table is there. No other table is ever named
//! in it. A drop in this table is final; an accept only means that other tables may still drop.
//!
//! The table stands at both ends of address translation: in front of it a first packet is judged by the port
//! that the client chose, wherever others send it then, and at `input` by the port at which it has come out.

mod elements;
mod expression;
mod foreign;
mod read;
mod script;
mod statement;
mod value;

use std::fmt::Write as _;

pub use self::read::{BaseChain, NftError, NftTable, TableOwnership, own, tables};
pub use self::script::allowlists as allowlists_of;
pub use self::statement::is_of_iptables;
use super::rules::{
    ChainPolicy, ConnectionStage, FilterRule, PortSet, RuleMatch, RuleProtocol, RuleSet, RuleTarget,
};
use super::{NatEnds, PortAllowlist};
use crate::model::{AddressFamily, AllowedSources, Networks};

/// The name of the table, of family `inet`.
pub const TABLE: &str = "mailward";

/// The comment of its first rule, by which it is known again; tables themselves have had comments only since
/// nft 0.9.7.
pub const MARK: &str = "mailward";

/// Its chain behind address translation.
pub const CHAIN: &str = "input";

/// Its chain in front of address translation.
pub const EARLY: &str = "prerouting";

/// The priority of that chain: in front of everything of others that gives a packet another port, address or
/// state (`raw` of iptables is at -300), behind what puts the parts of a packet together (-400).
pub const EARLY_PRIORITY: i64 = -310;

/// The chain's priority at the input hook: behind connection tracking (-200), before the usual filters (0).
pub const PRIORITY: i64 = -10;

/// The script that removes the table; it is no error if there is none.
pub const REMOVAL: &str = "table inet mailward\ndelete table inet mailward\n";

/// That the packet is for an address of the host itself.
const LOCAL: &str = "fib daddr type local";

/// A SYN alone. Nothing else is ever dropped, so sessions live on that connection tracking has not seen the
/// beginning of.
const OPENING: &str = "tcp flags & (fin|syn|rst|ack) == syn";

const fn suffix(family: AddressFamily) -> &'static str {
    match family {
        AddressFamily::Ipv4 => "v4",
        AddressFamily::Ipv6 => "v6",
    }
}

const fn of_family(family: AddressFamily) -> (&'static str, &'static str) {
    match family {
        AddressFamily::Ipv4 => ("ipv4_addr", "ip saddr"),
        AddressFamily::Ipv6 => ("ipv6_addr", "ip6 saddr"),
    }
}

/// The networks that a allowlist lets in, by family, families without any left out; none at all where
/// everybody may.
fn restricted(allowlist: &PortAllowlist) -> Option<Vec<(AddressFamily, Networks)>> {
    match &allowlist.allowed {
        AllowedSources::Anyone => None,
        AllowedSources::Nobody => Some(Vec::new()),
        AllowedSources::Only(networks) => Some(
            AddressFamily::ALL
                .into_iter()
                .map(|family| (family, networks.of_family(family)))
                .filter(|(_, networks)| !networks.is_empty())
                .collect(),
        ),
    }
}

/// The script that makes the table what the allowlists say, whatever it was; [`REMOVAL`] where no allowlist
/// restricts anybody.
#[must_use]
pub fn script(allowlists: &[PortAllowlist], ends: NatEnds) -> String {
    let mut script = REMOVAL.to_owned();
    let restricted: Vec<_> =
        allowlists.iter().filter_map(|allowlist| Some((allowlist, restricted(allowlist)?))).collect();
    if restricted.is_empty() {
        return script;
    }
    let (mut early, mut rules) = (String::new(), String::new());
    script.push_str("table inet mailward {\n");
    for (allowlist, lists) in &restricted {
        let ports: Vec<String> = allowlist.ports.iter().map(u16::to_string).collect();
        let packets = format!("tcp dport {{ {} }} {OPENING}", ports.join(", "));
        for (family, networks) in lists {
            let (kind, source) = of_family(*family);
            let set = format!("{}_{}", allowlist.service, suffix(*family));
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
            let _ = writeln!(early, "\t\t{packets} {LOCAL} {source} @{set} accept");
            let _ = writeln!(rules, "\t\t{packets} {source} @{set} accept");
        }
        let _ = writeln!(early, "\t\t{packets} {LOCAL} drop");
        let _ = writeln!(rules, "\t\t{packets} drop");
    }
    match ends {
        NatEnds::Both => {
            let _ = write!(
                script,
                "\tchain {EARLY} {{\n\t\ttype filter hook prerouting priority {EARLY_PRIORITY}; policy accept;\n\
                 \t\tiifname \"lo\" accept\n{early}\t}}\n"
            );
        }
        NatEnds::InputAlone => {}
    }
    let _ = write!(
        script,
        "\tchain {CHAIN} {{\n\t\ttype filter hook input priority {PRIORITY}; policy accept;\n\
         \t\tiifname \"lo\" accept comment \"{MARK}\"\n\t\tct state established,related accept\n{rules}\t}}\n}}\n"
    );
    script
}

/// The script that brings the table back as `nft list table inet mailward` printed it, whatever it is by
/// then; [`REMOVAL`] where there was none. It may be loaded any number of times.
#[must_use]
pub fn revert(listed: Option<&str>) -> String {
    format!("{REMOVAL}{}", listed.unwrap_or_default())
}

/// Whether two listings are of the same rules: what was counted since, and how long an element still lasts,
/// makes no difference.
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

/// The rules that the script makes at each of its hooks; equal to [`NftTable::own_rules`] when the kernel has
/// them. None where no allowlist restricts anybody.
#[must_use]
pub fn rules(allowlists: &[PortAllowlist], ends: NatEnds) -> Vec<RuleSet> {
    let listed = listed(allowlists);
    if listed.is_empty() {
        return Vec::new();
    }
    let established = FilterRule {
        when: RuleMatch { stage: Some(ConnectionStage::Established), ..RuleMatch::default() },
        then: RuleTarget::Accept,
    };
    let chain = |start, first: Vec<FilterRule>| {
        let rules = first.into_iter().chain(listed.iter().cloned()).collect();
        RuleSet::of_chain(start, ChainPolicy::Accept, rules)
    };
    let input = chain(CHAIN, vec![FilterRule::loopback(RuleTarget::Accept), established]);
    let early = match ends {
        NatEnds::Both => Some(chain(EARLY, vec![FilterRule::loopback(RuleTarget::Accept)])),
        NatEnds::InputAlone => None,
    };
    std::iter::once(input).chain(early).collect()
}

/// What the lists say, at whichever hook.
fn listed(allowlists: &[PortAllowlist]) -> Vec<FilterRule> {
    let mut rules = Vec::new();
    for allowlist in allowlists {
        let Some(lists) = restricted(allowlist) else {
            continue;
        };
        let packets = RuleMatch {
            protocol: RuleProtocol::Tcp,
            ports: Some(PortSet::single(allowlist.ports)),
            stage: Some(ConnectionStage::Opening),
            ..RuleMatch::default()
        };
        rules.extend(lists.into_iter().map(|(family, networks)| FilterRule {
            when: RuleMatch { family: Some(family), sources: Some(networks), ..packets.clone() },
            then: RuleTarget::Accept,
        }));
        rules.push(FilterRule { when: packets, then: RuleTarget::Drop });
    }
    rules
}
