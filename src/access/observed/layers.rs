//! Everything that a TCP packet to the host goes through, in the kernel's order, with what each part is called.

use std::fmt;

use crate::access::effect::Filters;
use crate::access::iptables::{self, Saved};
use crate::access::nft::{BaseChain, Mark, Table};
use crate::access::rules::{By, RuleSet, Stage, Then, Verdict};
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
}

/// The hooks that a packet to the host passes, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Right behind a device.
    Ingress,
    /// Before it is decided that the packet is for this host.
    Prerouting,
    /// Afterwards.
    Input,
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

/// The tables of iptables at the hooks of an incoming packet, with the kernel's priorities.
const BUILT_IN: [(Hook, i64, &str, &str); 6] = [
    (Hook::Prerouting, -300, iptables::TABLE, iptables::HOOK),
    (Hook::Prerouting, -150, "mangle", iptables::HOOK),
    (Hook::Prerouting, -100, "nat", iptables::HOOK),
    (Hook::Input, -150, "mangle", "INPUT"),
    (Hook::Input, 0, "filter", "INPUT"),
    (Hook::Input, 50, "security", "INPUT"),
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
                let number = position(&layer.rules, chain, *number);
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

    pub(super) fn sort(&mut self) {
        self.0
            .sort_by(|one, other| (one.turn, &one.place).cmp(&(other.turn, &other.place)));
    }

    /// Adds the base chains of a table that incoming packets to the host pass; it is called a table of iptables where that
    /// made it.
    pub(super) fn add_nft(&mut self, table: &Table, made_by_iptables: Option<Family>) {
        if !matches!(table.family.as_str(), "inet" | "ip" | "ip6" | "netdev") {
            return;
        }
        for base in &table.base {
            let hook = match base.hook.as_str() {
                "ingress" => Hook::Ingress,
                "prerouting" => Hook::Prerouting,
                "input" => Hook::Input,
                _ => continue,
            };
            // Source addresses are translated here, for answers of other connections.
            if (hook, base.kind.as_str()) == (Hook::Input, "nat") {
                continue;
            }
            self.add(Layer {
                place: match made_by_iptables {
                    Some(family) => Place::Iptables {
                        family,
                        variant: Variant::Nft,
                        table: table.name.clone(),
                    },
                    None => Place::Nft {
                        family: table.family.clone(),
                        table: table.name.clone(),
                        owner: match table.mark {
                            Mark::Own => Owner::Mailward,
                            Mark::NameAlone | Mark::Other => Owner::Other,
                        },
                    },
                },
                turn: (hook, base.priority),
                rules: rules(hook, base),
            });
        }
    }

    /// Adds the tables of iptables that incoming packets to the host pass.
    pub(super) fn add_iptables(&mut self, saved: &Saved, family: Family, variant: Variant) {
        for (hook, priority, table, chain) in BUILT_IN {
            let mut rules = saved.hook(table, chain);
            if table == "nat" {
                opening(&mut rules);
            }
            self.add(Layer {
                place: Place::Iptables {
                    family,
                    variant,
                    table: table.to_owned(),
                },
                turn: (hook, priority),
                rules,
            });
        }
    }

    fn add(&mut self, layer: Layer) {
        let empty = (layer.rules.chains.get(&layer.rules.start)).is_none_or(Vec::is_empty);
        if !empty || layer.rules.policy != Verdict::Accept {
            self.0.push(layer);
        }
    }
}

/// A rule's position among those that its program counts: a `goto` is a jump and a return here.
fn position(rules: &RuleSet, chain: &str, number: usize) -> usize {
    let before = (rules.chains.get(chain).into_iter().flatten()).take(number);
    let before: Vec<_> = before.collect();
    let gone = before
        .windows(2)
        .filter(|pair| {
            matches!(
                (&pair[0].then, &pair[1].then),
                (Then::Jump(_), Then::Return)
            ) && pair[0].when == pair[1].when
        })
        .count();
    number - gone
}

/// The rules of a base chain; of which device those behind a device are is not known here.
fn rules(hook: Hook, base: &BaseChain) -> RuleSet {
    let mut rules = base.rules.clone();
    match hook {
        Hook::Ingress => {
            if rules.policy == Verdict::Drop {
                rules.policy = Verdict::Unknown;
            }
            for rule in rules.chains.values_mut().flatten() {
                rule.when.unknown.push("of its device".to_owned());
            }
        }
        Hook::Prerouting | Hook::Input => {
            if base.kind == "nat" {
                opening(&mut rules);
            }
        }
    }
    rules
}

/// Only the first packet of a connection goes through address translation.
fn opening(rules: &mut RuleSet) {
    for rule in rules.chains.values_mut().flatten() {
        rule.when.narrow_stage(Stage::Opening);
    }
}

impl Layer {
    /// Whose a chain of it is.
    #[must_use]
    pub fn owner(&self, chain: &str) -> Owner {
        match &self.place {
            Place::Nft { owner, .. } => *owner,
            Place::Iptables { table, .. } => {
                if table == iptables::TABLE && iptables::is_own(chain) {
                    Owner::Mailward
                } else {
                    Owner::Other
                }
            }
        }
    }

    /// Its rules without mailward's; none where they are all mailward's.
    #[must_use]
    pub fn without_own(&self) -> Option<RuleSet> {
        if self.owner(&self.rules.start) == Owner::Mailward {
            return None;
        }
        let own = |chain: &str| self.owner(chain) == Owner::Mailward;
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
