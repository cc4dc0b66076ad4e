//! Everything that the packets of a TCP connection to the host go through, in the kernel's order, with what each part is
//! called: those that come in, and the answers.

use std::fmt;

use crate::access::effect::Filters;
use crate::access::iptables::{self, Saved};
use crate::access::nft::{Mark, Table};
use crate::access::rules::{By, Interface, Is, Numbers, Packet, RuleSet, Stage, Then, Verdict};
use crate::access::tools::Variant;
use crate::model::Family;

/// The filters of a host, in the kernel's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers(pub Vec<Layer>);

/// What one hook of the kernel goes through in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Where it is.
    pub place: Place,
    /// When it comes: the hook, then the priority there.
    pub turn: (Hook, i64),
    /// Its rules.
    pub rules: RuleSet,
    /// What its program counts of them.
    pub numbers: Numbers,
}

/// The hooks that a packet to the host passes, in their order, and those of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
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
pub enum Place {
    /// In a table of nftables.
    Nft {
        /// The table's family as nft writes it.
        family: String,
        /// The table.
        table: String,
        /// Whose it is.
        owner: Owner,
    },
    /// In a table of iptables.
    Iptables {
        /// The family.
        family: Family,
        /// In which half of the kernel.
        variant: Variant,
        /// The table.
        table: String,
    },
    /// In the kernel's load balancer.
    Ipvs,
}

/// Whose rules they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// mailward's.
    Mailward,
    /// Somebody else's.
    Other,
}

/// What decides about a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decider {
    /// Where, and which rule, e.g. `nft table inet mailward, chain input, rule 4`.
    pub words: String,
    /// Whose it is.
    pub owner: Owner,
}

/// The tables of iptables at the hooks of an incoming packet and of an answer, with the kernel's priorities.
const BUILT_IN: [(Hook, i64, &str, &str); 14] = [
    (Hook::Prerouting, -300, "raw", "PREROUTING"),
    (Hook::Prerouting, -150, "mangle", "PREROUTING"),
    (Hook::Prerouting, -100, "nat", "PREROUTING"),
    (Hook::Input, -150, "mangle", "INPUT"),
    (Hook::Input, 0, "filter", "INPUT"),
    (Hook::Input, 50, "security", "INPUT"),
    (Hook::Input, 100, "nat", "INPUT"),
    (Hook::Output, -300, "raw", "OUTPUT"),
    (Hook::Output, -150, "mangle", "OUTPUT"),
    (Hook::Output, -100, "nat", "OUTPUT"),
    (Hook::Output, 0, "filter", "OUTPUT"),
    (Hook::Output, 50, "security", "OUTPUT"),
    (Hook::Postrouting, -150, "mangle", "POSTROUTING"),
    (Hook::Postrouting, 100, "nat", "POSTROUTING"),
];

/// The tables that iptables makes.
pub(super) const TABLES: [&str; 5] = ["filter", "mangle", "nat", "raw", "security"];

impl Layers {
    /// All of them, mailward's own included.
    #[must_use]
    pub fn filters(&self) -> Filters {
        Filters(self.0.iter().map(|layer| layer.rules.clone()).collect())
    }

    /// The same without mailward's own table and chains.
    #[must_use]
    pub fn others(&self) -> Filters {
        Filters(self.0.iter().filter_map(Layer::without_own).collect())
    }

    /// What decides, of an answer of [`Filters::decide`] to [`Self::filters`]; none where nothing stops the packet.
    #[must_use]
    pub fn decider(&self, index: usize, by: &By) -> Option<Decider> {
        let layer = self.0.get(index)?;
        let (chain, what) = match by {
            By::Rule { chain, number } => {
                let number = layer.numbers.of(chain, *number);
                (chain, format!(", rule {number}"))
            }
            By::Policy => (&layer.rules.start, ", policy".to_owned()),
            By::Chain(chain) => (chain, String::new()),
            By::Nothing => return None,
        };
        Some(Decider {
            words: format!("{}, chain {chain}{what}", layer.place),
            owner: layer.owner(chain),
        })
    }

    /// The first of others' rules that may give a first packet to this port another port, address or way before this turn.
    #[must_use]
    pub fn changed_before(&self, turn: (Hook, i64), family: Family, port: u16) -> Option<Decider> {
        let early = (self.0.iter().enumerate()).take_while(|(_, layer)| layer.turn < turn);
        early.into_iter().find_map(|(index, layer)| {
            let rules = layer.without_own()?;
            let reach = rules.reach(port, Interface::Other, Stage::Opening);
            let changed = reach.changed.of_family(family);
            let source = changed.iter().next()?.first();
            let by = rules.decide(&Packet::opening(source, port)).by;
            self.decider(index, &by)
        })
    }

    pub(super) fn sort(&mut self) {
        self.0
            .sort_by(|one, other| (one.turn, &one.place).cmp(&(other.turn, &other.place)));
    }

    /// Adds the base chains of a table that packets of a connection to the host pass; it is called a table of iptables
    /// where that made it.
    pub(super) fn add_nft(&mut self, table: &Table, made_by_iptables: Option<Family>) {
        for base in &table.base {
            let Some((hook, apart)) = hook(&table.family, &base.hook) else {
                continue;
            };
            let place = match made_by_iptables {
                Some(family) => Place::Iptables {
                    family,
                    variant: Variant::Nft,
                    table: table.name.clone(),
                },
                None => Place::Nft {
                    family: table.family.clone(),
                    table: table.name.clone(),
                    owner: match table.mark {
                        Mark::Own | Mark::Rest => Owner::Mailward,
                        Mark::NameAlone | Mark::Other => Owner::Other,
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
                self.add(Layer {
                    place: place.clone(),
                    turn: (hook, base.priority),
                    rules,
                    numbers: base.numbers.clone(),
                });
            }
        }
    }

    /// Adds the tables of iptables that packets of a connection to the host pass.
    pub(super) fn add_iptables(&mut self, saved: &Saved, family: Family, variant: Variant) {
        for (hook, priority, table, chain) in BUILT_IN {
            let leaving = match hook {
                Hook::Output | Hook::Postrouting | Hook::Egress => {
                    Some(saved.leaving(table, chain))
                }
                Hook::Ingress | Hook::Prerouting | Hook::Input => None,
            };
            for mut rules in std::iter::once(saved.hook(table, chain)).chain(leaving) {
                if table == "nat" {
                    translating(hook, &mut rules);
                }
                self.add(Layer {
                    place: Place::Iptables {
                        family,
                        variant,
                        table: table.to_owned(),
                    },
                    turn: (hook, priority),
                    rules,
                    numbers: saved.numbers(table),
                });
            }
        }
    }

    fn add(&mut self, layer: Layer) {
        let empty = (layer.rules.chains.get(&layer.rules.start)).is_none_or(Vec::is_empty);
        if !empty || layer.rules.policy != Verdict::Accept {
            self.0.push(layer);
        }
    }
}

/// Which hook one of nft's is, and what more its rules depend on that is not known here. None for one that a connection to
/// the host does not come to.
fn hook(family: &str, name: &str) -> Option<(Hook, Option<&'static str>)> {
    let hook = match name {
        "ingress" => Hook::Ingress,
        "prerouting" => Hook::Prerouting,
        "input" => Hook::Input,
        "output" => Hook::Output,
        "postrouting" => Hook::Postrouting,
        "egress" => Hook::Egress,
        // To other hosts.
        "forward" => return None,
        _ => Hook::Ingress,
    };
    let incoming = |hook| match hook {
        Hook::Ingress | Hook::Prerouting | Hook::Input => Hook::Ingress,
        Hook::Output | Hook::Postrouting | Hook::Egress => Hook::Egress,
    };
    Some(match (family, hook) {
        ("inet" | "ip" | "ip6", Hook::Ingress | Hook::Egress) | ("netdev", _) => {
            (incoming(hook), Some("of its device"))
        }
        ("inet" | "ip" | "ip6", _) => (hook, None),
        ("bridge", _) => (incoming(hook), Some("on a bridge")),
        // Without it nobody finds the host on its link.
        ("arp", _) => (incoming(hook), Some("of ARP")),
        (_, _) => (incoming(hook), Some("of its family")),
    })
}

/// Only the first packet of a connection goes through address translation, and one on `lo` on its way out alone. Where
/// nothing asks for connection tracking, none goes through it: that is not known here, and matters where one is dropped.
fn translating(hook: Hook, rules: &mut RuleSet) {
    if rules.policy == Verdict::Drop {
        rules.policy = Verdict::Unknown;
    }
    for rule in rules.chains.values_mut().flatten() {
        rule.when.narrow_stage(Stage::Opening);
        if rule.then == Then::Drop {
            rule.when
                .unknown
                .push("where connections are tracked".to_owned());
        }
        match hook {
            Hook::Ingress | Hook::Prerouting => {
                if rule.when.narrow_interfaces(Is::Not, &["lo"], '*').is_none() {
                    rule.when.unknown.push("not on lo".to_owned());
                }
            }
            Hook::Input | Hook::Output | Hook::Postrouting | Hook::Egress => {}
        }
    }
}

/// The end at which mailward has own chains in a table of iptables.
fn own_end(table: &str) -> Option<iptables::End> {
    (iptables::End::ALL.into_iter()).find(|end| end.table() == table)
}

impl Layer {
    /// Whose a chain of it is.
    #[must_use]
    pub fn owner(&self, chain: &str) -> Owner {
        match &self.place {
            Place::Nft { owner, .. } => *owner,
            Place::Ipvs => Owner::Other,
            Place::Iptables { table, .. } => {
                if own_end(table).is_some_and(|end| self.has_own(end)) && iptables::is_own(chain) {
                    Owner::Mailward
                } else {
                    Owner::Other
                }
            }
        }
    }

    /// Whether chains that have mailward's names are mailward's.
    fn has_own(&self, end: iptables::End) -> bool {
        match iptables::mark_of(&self.rules, end) {
            iptables::Mark::Own | iptables::Mark::Former => true,
            iptables::Mark::NameAlone => false,
        }
    }

    /// Its rules without mailward's; none where they are all mailward's.
    #[must_use]
    pub fn without_own(&self) -> Option<RuleSet> {
        if self.owner(&self.rules.start) == Owner::Mailward {
            return None;
        }
        let end = match &self.place {
            Place::Iptables { table, .. } => own_end(table),
            Place::Nft { .. } | Place::Ipvs => None,
        };
        let has_own = end.is_some_and(|end| self.has_own(end));
        let own = |chain: &str| has_own && iptables::is_own(chain);
        let mut rules = self.rules.clone();
        rules.chains.retain(|chain, _| !own(chain));
        for list in rules.chains.values_mut() {
            list.retain(|rule| match &rule.then {
                Then::Jump(to) => !own(to),
                Then::Accept | Then::Drop | Then::Return | Then::Continue | Then::Unknown(_) => {
                    true
                }
            });
        }
        Some(rules)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nft { family, table, .. } => write!(f, "nft table {family} {table}"),
            Self::Ipvs => f.write_str("IPVS"),
            Self::Iptables {
                family,
                variant: _,
                table,
            } => {
                let command = match family {
                    Family::Ipv4 => "iptables",
                    Family::Ipv6 => "ip6tables",
                };
                write!(f, "{command} table {table}")
            }
        }
    }
}
