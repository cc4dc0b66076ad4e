//! Everything that the packets of a TCP connection to the host go through, in the kernel's order, with what
//! each part is called: those that come in, and the answers.

use std::fmt;

use crate::facts::tools::IptablesVariant;
use crate::firewall::effect::FilterStack;
use crate::firewall::iptables::{self, SavedTables};
use crate::firewall::nft::{NftTable, TableOwnership};
use crate::firewall::rules::{
    ChainPolicy, ConnectionStage, IncomingInterface, MatchSense, PacketDecidedBy, RuleNumbers, RuleSet,
    RuleTarget, TcpPacket,
};
use crate::model::AddressFamily;

/// The filters of a host, in the kernel's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterLayers(pub Vec<FilterLayer>);

/// What one hook of the kernel goes through in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterLayer {
    /// Where it is.
    pub place: RulePlace,
    /// When it comes: the hook, then the priority there.
    pub turn: (NetfilterHook, i64),
    /// Its rules.
    pub rules: RuleSet,
    /// What its program counts of them.
    pub numbers: RuleNumbers,
}

/// The hooks that a packet to the host passes, in their order, and those of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetfilterHook {
    /// Right behind a device.
    Ingress,
    /// Before it is decided that the packet is for this host.
    Prerouting,
    /// Afterwards.
    Input,
    /// As it leaves the program that made it.
    Output,
    /// Afterwards.
    Postrouting,
    /// Right before a device.
    Egress,
}

/// Where rules are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RulePlace {
    /// In a table of nftables.
    Nft {
        /// The table's family as nft writes it.
        family: String,
        /// The table.
        table: String,
        /// Whose it is.
        owner: RuleOwner,
    },
    /// In a table of iptables.
    Iptables {
        /// The family.
        family: AddressFamily,
        /// In which half of the kernel.
        variant: IptablesVariant,
        /// The table.
        table: String,
    },
    /// In the kernel's load balancer.
    Ipvs,
}

/// Whose rules they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleOwner {
    /// mailward's.
    Mailward,
    /// Somebody else's.
    Other,
}

/// What decides about a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PacketDecider {
    /// Where, and which rule, e.g. `nft table inet mailward, chain input, rule 4`.
    pub words: String,
    /// Whose it is.
    pub owner: RuleOwner,
}

/// The tables of iptables at the hooks of an incoming packet and of an answer, with the kernel's priorities.
const BUILT_IN: [(NetfilterHook, i64, &str, &str); 14] = [
    (NetfilterHook::Prerouting, -300, "raw", "PREROUTING"),
    (NetfilterHook::Prerouting, -150, "mangle", "PREROUTING"),
    (NetfilterHook::Prerouting, -100, "nat", "PREROUTING"),
    (NetfilterHook::Input, -150, "mangle", "INPUT"),
    (NetfilterHook::Input, 0, "filter", "INPUT"),
    (NetfilterHook::Input, 50, "security", "INPUT"),
    (NetfilterHook::Input, 100, "nat", "INPUT"),
    (NetfilterHook::Output, -300, "raw", "OUTPUT"),
    (NetfilterHook::Output, -150, "mangle", "OUTPUT"),
    (NetfilterHook::Output, -100, "nat", "OUTPUT"),
    (NetfilterHook::Output, 0, "filter", "OUTPUT"),
    (NetfilterHook::Output, 50, "security", "OUTPUT"),
    (NetfilterHook::Postrouting, -150, "mangle", "POSTROUTING"),
    (NetfilterHook::Postrouting, 100, "nat", "POSTROUTING"),
];

/// The tables that iptables makes.
pub(super) const TABLES: [&str; 5] = ["filter", "mangle", "nat", "raw", "security"];

impl FilterLayers {
    /// All of them, mailward's own included.
    #[must_use]
    pub fn filters(&self) -> FilterStack {
        FilterStack(self.0.iter().map(|layer| layer.rules.clone()).collect())
    }

    /// The same without mailward's own table and chains.
    #[must_use]
    pub fn others(&self) -> FilterStack {
        FilterStack(self.0.iter().filter_map(FilterLayer::without_own).collect())
    }

    /// What decides, of an answer of [`FilterStack::decide`] to [`Self::filters`]; none where nothing stops
    /// the packet.
    #[must_use]
    pub fn decider(&self, index: usize, by: &PacketDecidedBy) -> Option<PacketDecider> {
        let layer = self.0.get(index)?;
        let (chain, what) = match by {
            PacketDecidedBy::Rule { chain, number } => {
                let number = layer.numbers.of(chain, *number);
                (chain, format!(", rule {number}"))
            }
            PacketDecidedBy::Policy => (&layer.rules.start, ", policy".to_owned()),
            PacketDecidedBy::Chain(chain) => (chain, String::new()),
            PacketDecidedBy::Nothing => return None,
        };
        Some(PacketDecider {
            words: format!("{}, chain {chain}{what}", layer.place),
            owner: layer.owner(chain),
        })
    }

    /// The first of others' rules that may give a first packet to this port another port, address or way
    /// before this turn.
    #[must_use]
    pub fn changed_before(
        &self,
        turn: (NetfilterHook, i64),
        family: AddressFamily,
        port: u16,
    ) -> Option<PacketDecider> {
        let early = (self.0.iter().enumerate()).take_while(|(_, layer)| layer.turn < turn);
        early.into_iter().find_map(|(index, layer)| {
            let rules = layer.without_own()?;
            let reach = rules.reach(port, IncomingInterface::Other, ConnectionStage::Opening);
            let changed = reach.changed.of_family(family);
            let source = changed.iter().next()?.first();
            let by = rules.decide(&TcpPacket::opening(source, port)).by;
            self.decider(index, &by)
        })
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_by(|one, other| (one.turn, &one.place).cmp(&(other.turn, &other.place)));
    }

    /// Adds the base chains of a table that packets of a connection to the host pass; it is called a table of
    /// iptables where that made it.
    pub(super) fn add_nft(&mut self, table: &NftTable, made_by_iptables: Option<AddressFamily>) {
        for base in &table.base {
            let Some((hook, apart)) = hook(&table.family, &base.hook) else {
                continue;
            };
            let place = match made_by_iptables {
                Some(family) => {
                    RulePlace::Iptables { family, variant: IptablesVariant::Nft, table: table.name.clone() }
                }
                None => RulePlace::Nft {
                    family: table.family.clone(),
                    table: table.name.clone(),
                    owner: match table.mark {
                        TableOwnership::Own | TableOwnership::Rest => RuleOwner::Mailward,
                        TableOwnership::NameAlone | TableOwnership::Other => RuleOwner::Other,
                    },
                },
            };
            for rules in std::iter::once(&base.rules).chain(&base.leaving) {
                let mut rules = rules.clone();
                if base.kind == "nat" {
                    translating(hook, &mut rules);
                }
                if let Some(apart) = apart {
                    rules.doubt(apart);
                }
                self.add(FilterLayer {
                    place: place.clone(),
                    turn: (hook, base.priority),
                    rules,
                    numbers: base.numbers.clone(),
                });
            }
        }
    }

    /// Adds the tables of iptables that packets of a connection to the host pass.
    pub(super) fn add_iptables(
        &mut self,
        saved: &SavedTables,
        family: AddressFamily,
        variant: IptablesVariant,
    ) {
        for (hook, priority, table, chain) in BUILT_IN {
            let leaving = match hook {
                NetfilterHook::Output | NetfilterHook::Postrouting | NetfilterHook::Egress => {
                    Some(saved.leaving(table, chain))
                }
                NetfilterHook::Ingress | NetfilterHook::Prerouting | NetfilterHook::Input => None,
            };
            for mut rules in std::iter::once(saved.hook(table, chain)).chain(leaving) {
                if table == "nat" {
                    translating(hook, &mut rules);
                }
                self.add(FilterLayer {
                    place: RulePlace::Iptables { family, variant, table: table.to_owned() },
                    turn: (hook, priority),
                    rules,
                    numbers: saved.numbers(table),
                });
            }
        }
    }

    fn add(&mut self, layer: FilterLayer) {
        let empty = (layer.rules.chains.get(&layer.rules.start)).is_none_or(Vec::is_empty);
        if !empty || layer.rules.policy != ChainPolicy::Accept {
            self.0.push(layer);
        }
    }
}

/// Which hook one of nft's is, and what more its rules depend on that is not known here. None for one that a
/// connection to the host does not come to.
fn hook(family: &str, name: &str) -> Option<(NetfilterHook, Option<&'static str>)> {
    let hook = match name {
        "ingress" => NetfilterHook::Ingress,
        "prerouting" => NetfilterHook::Prerouting,
        "input" => NetfilterHook::Input,
        "output" => NetfilterHook::Output,
        "postrouting" => NetfilterHook::Postrouting,
        "egress" => NetfilterHook::Egress,
        // To other hosts.
        "forward" => return None,
        _ => NetfilterHook::Ingress,
    };
    let incoming = |hook| match hook {
        NetfilterHook::Ingress | NetfilterHook::Prerouting | NetfilterHook::Input => NetfilterHook::Ingress,
        NetfilterHook::Output | NetfilterHook::Postrouting | NetfilterHook::Egress => NetfilterHook::Egress,
    };
    Some(match (family, hook) {
        ("inet" | "ip" | "ip6", NetfilterHook::Ingress | NetfilterHook::Egress) | ("netdev", _) => {
            (incoming(hook), Some("of its device"))
        }
        ("inet" | "ip" | "ip6", _) => (hook, None),
        ("bridge", _) => (incoming(hook), Some("on a bridge")),
        // Without it nobody finds the host on its link.
        ("arp", _) => (incoming(hook), Some("of ARP")),
        (_, _) => (incoming(hook), Some("of its family")),
    })
}

/// Only the first packet of a connection goes through address translation, and one on `lo` on its way out
/// alone. Where nothing asks for connection tracking, none goes through it: that is not known here, and
/// matters where one is dropped.
fn translating(hook: NetfilterHook, rules: &mut RuleSet) {
    if rules.policy == ChainPolicy::Drop {
        rules.policy = ChainPolicy::Unknown;
    }
    for rule in rules.chains.values_mut().flatten() {
        rule.when.narrow_stage(ConnectionStage::Opening);
        if rule.then == RuleTarget::Drop {
            rule.when.unknown.push("where connections are tracked".to_owned());
        }
        match hook {
            NetfilterHook::Ingress | NetfilterHook::Prerouting => {
                if rule.when.narrow_interfaces(MatchSense::Not, &["lo"], '*').is_none() {
                    rule.when.unknown.push("not on lo".to_owned());
                }
            }
            NetfilterHook::Input
            | NetfilterHook::Output
            | NetfilterHook::Postrouting
            | NetfilterHook::Egress => {}
        }
    }
}

/// The end at which mailward has own chains in a table of iptables.
fn own_end(table: &str) -> Option<iptables::NatEnd> {
    (iptables::NatEnd::ALL.into_iter()).find(|end| end.table() == table)
}

impl FilterLayer {
    /// Whose a chain of it is.
    #[must_use]
    pub fn owner(&self, chain: &str) -> RuleOwner {
        match &self.place {
            RulePlace::Nft { owner, .. } => *owner,
            RulePlace::Ipvs => RuleOwner::Other,
            RulePlace::Iptables { table, .. } => {
                if own_end(table).is_some_and(|end| self.has_own(end)) && iptables::is_own(chain) {
                    RuleOwner::Mailward
                } else {
                    RuleOwner::Other
                }
            }
        }
    }

    /// Whether chains that have mailward's names are mailward's.
    fn has_own(&self, end: iptables::NatEnd) -> bool {
        match iptables::mark_of(&self.rules, end) {
            iptables::ChainOwnership::Own | iptables::ChainOwnership::Former => true,
            iptables::ChainOwnership::NameAlone => false,
        }
    }

    /// Its rules without mailward's; none where they are all mailward's.
    #[must_use]
    pub fn without_own(&self) -> Option<RuleSet> {
        if self.owner(&self.rules.start) == RuleOwner::Mailward {
            return None;
        }
        let end = match &self.place {
            RulePlace::Iptables { table, .. } => own_end(table),
            RulePlace::Nft { .. } | RulePlace::Ipvs => None,
        };
        let has_own = end.is_some_and(|end| self.has_own(end));
        let own = |chain: &str| has_own && iptables::is_own(chain);
        let mut rules = self.rules.clone();
        rules.chains.retain(|chain, _| !own(chain));
        for list in rules.chains.values_mut() {
            list.retain(|rule| match &rule.then {
                RuleTarget::Jump(to) => !own(to),
                RuleTarget::Accept
                | RuleTarget::Drop
                | RuleTarget::Return
                | RuleTarget::Continue
                | RuleTarget::Unknown(_) => true,
            });
        }
        Some(rules)
    }
}

impl fmt::Display for RulePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nft { family, table, .. } => write!(f, "nft table {family} {table}"),
            Self::Ipvs => f.write_str("IPVS"),
            Self::Iptables { family, variant: _, table } => {
                let command = match family {
                    AddressFamily::Ipv4 => "iptables",
                    AddressFamily::Ipv6 => "ip6tables",
                };
                write!(f, "{command} table {table}")
            }
        }
    }
}
