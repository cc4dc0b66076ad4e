//! Who reaches each mail service now, and which rules decide, for `show`.

use serde::{Deserialize, Serialize};

use super::effect::{FilterStack, stages};
use super::observed::{
    FilterLayer, FilterLayers, ObservedFirewall, PacketDecider, PleskFirewallState, RuleOwner, RulesUnread,
};
use super::rules::{ConnectionStage, IncomingInterface, PacketTraffic, SourceReach, TcpPacket};
use crate::firewall::nft::TableOwnership;
use crate::model::{AddressFamily, MailService, Network, Networks};

/// The services whose ports are listed; 465 stands with `smtp`.
const SERVICES: [MailService; 4] =
    [MailService::Imap, MailService::Pop3, MailService::Smtp, MailService::Submission];

/// The most addresses of which it is asked which rule of one chain decides about them.
const ASKED: usize = 16;

/// Who reaches the mail services of a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShownFirewall {
    /// One entry for each port and family.
    pub services: Vec<PortEntry>,
    /// What mailward itself has in force, e.g. `nft table inet mailward`.
    pub own: Vec<String>,
    /// Plesk's firewall, where its command exists.
    pub plesk_firewall: Option<PleskEntry>,
    /// Other programs that make rules.
    pub neighbours: Vec<NeighbourEntry>,
    /// Why rules are not known, if so.
    pub unread: Vec<String>,
}

/// Who reaches one port over one family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PortEntry {
    /// In the words of `[access.allow]`.
    #[schemars(with = "String")]
    pub service: MailService,
    /// The TCP port.
    pub port: u16,
    /// `ipv4` or `ipv6`.
    #[schemars(with = "String")]
    pub family: AddressFamily,
    /// Who may open a connection, as far as the filters of this host decide.
    pub reached_by: ReachedBy,
    /// The networks that `only` and `all-but` speak of; empty otherwise.
    #[schemars(with = "Vec<String>")]
    pub networks: Vec<Network>,
    /// The networks of which it cannot be told, since a rule is not understood or the rules are not known.
    #[schemars(with = "Vec<String>")]
    pub unclear: Vec<Network>,
    /// The rules that stop packets or may do so, in the kernel's order.
    pub decided_by: Vec<DeciderEntry>,
}

/// Who may open a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReachedBy {
    /// Every address.
    Everybody,
    /// No address.
    Nobody,
    /// The networks listed.
    Only,
    /// Every address but those of the networks listed.
    AllBut,
    /// It cannot be told of any address that it may.
    Unknown,
}

/// A rule, policy or chain that decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeciderEntry {
    /// Where it is, e.g. `nft table inet filter, chain input, rule 4`.
    pub rule: String,
    /// Whose it is: `mailward` or `other`.
    pub owner: OwnerEntry,
}

/// Whose rules they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OwnerEntry {
    /// mailward's.
    Mailward,
    /// Somebody else's.
    Other,
}

/// Plesk's firewall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PleskEntry {
    /// Whether it manages rules; null where that is not known.
    pub enabled: Option<bool>,
    /// Whether an apply of it waits for its confirmation.
    pub waits: bool,
}

/// Another program that makes rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NeighbourEntry {
    /// `csf`, `apf`, `firewalld`, `imunify` or `docker`.
    pub name: String,
    /// What its presence means.
    pub meaning: String,
}

/// Lists who reaches each mail service.
#[must_use]
pub fn shown(observed: &ObservedFirewall) -> ShownFirewall {
    let mut services = Vec::new();
    let filters = observed.layers.as_ref().map(|layers| (layers, layers.filters()));
    for service in SERVICES {
        for port in service.ports() {
            for family in AddressFamily::ALL {
                services.push(match &filters {
                    Ok((layers, filters)) => entry(service, *port, family, layers, filters),
                    Err(_) => unknown(service, *port, family),
                });
            }
        }
    }
    ShownFirewall {
        services,
        own: own(observed),
        plesk_firewall: observed.plesk.as_ref().map(|plesk| PleskEntry {
            enabled: match plesk.enabled {
                PleskFirewallState::Yes => Some(true),
                PleskFirewallState::No => Some(false),
                PleskFirewallState::Unknown(_) => None,
            },
            waits: !plesk.applies.is_empty(),
        }),
        neighbours: (observed.neighbours.iter())
            .map(|neighbour| NeighbourEntry {
                name: neighbour.name().to_owned(),
                meaning: neighbour.meaning().to_owned(),
            })
            .collect(),
        unread: (observed.unread().into_iter()).map(RulesUnread::to_string).collect(),
    }
}

fn own(observed: &ObservedFirewall) -> Vec<String> {
    let mut own = Vec::new();
    if let Ok(Some(table)) = &observed.own_nft {
        own.push(match table.mark {
            TableOwnership::Own => format!("nft table {} {}", table.family, table.name),
            TableOwnership::Rest | TableOwnership::NameAlone | TableOwnership::Other => {
                format!("nft table {} {}, which lacks mailward's mark", table.family, table.name)
            }
        });
    }
    let command = |family: &AddressFamily| match family {
        AddressFamily::Ipv4 => "iptables",
        AddressFamily::Ipv6 => "ip6tables",
    };
    for (family, _, end) in &observed.foreign_iptables {
        let (command, table) = (command(family), end.table());
        own.push(format!("{command} table {table}, chain MAILWARD, which lacks mailward's mark"));
    }
    for (family, chains) in &observed.own_iptables {
        let command = command(family);
        for chains in chains.iter().flatten() {
            let attached = if chains.own.present.jumps == 0 { ", which nothing jumps to" } else { "" };
            let table = chains.end.table();
            own.push(format!("{command} table {table}, chain MAILWARD{attached}"));
        }
    }
    own
}

fn unknown(service: MailService, port: u16, family: AddressFamily) -> PortEntry {
    PortEntry {
        service,
        port,
        family,
        reached_by: ReachedBy::Unknown,
        networks: Vec::new(),
        unclear: Networks::all_of(family).iter().collect(),
        decided_by: Vec::new(),
    }
}

fn entry(
    service: MailService,
    port: u16,
    family: AddressFamily,
    layers: &FilterLayers,
    filters: &FilterStack,
) -> PortEntry {
    let reach = filters.reach(port, IncomingInterface::Other, ConnectionStage::Opening);
    let all = Networks::all_of(family);
    let accepted = reach.accepted.of_family(family);
    let unclear = reach.unknown.of_family(family);
    let others = all.difference(&accepted);
    let (reached_by, networks) = if others.is_empty() {
        (ReachedBy::Everybody, Networks::default())
    } else if !accepted.is_empty() {
        if others.iter().count() < accepted.iter().count() {
            (ReachedBy::AllBut, others)
        } else {
            (ReachedBy::Only, accepted)
        }
    } else if unclear.is_empty() {
        (ReachedBy::Nobody, accepted)
    } else {
        (ReachedBy::Unknown, accepted)
    };
    let mut decided_by: Vec<DeciderEntry> = Vec::new();
    for (index, layer) in layers.0.iter().enumerate() {
        for PacketDecider { words, owner } in deciders(layers, index, layer, port, family) {
            let entry = DeciderEntry {
                rule: words,
                owner: match owner {
                    RuleOwner::Mailward => OwnerEntry::Mailward,
                    RuleOwner::Other => OwnerEntry::Other,
                },
            };
            if !decided_by.contains(&entry) {
                decided_by.push(entry);
            }
        }
    }
    PortEntry {
        service,
        port,
        family,
        reached_by,
        networks: networks.iter().collect(),
        unclear: unclear.iter().collect(),
        decided_by,
    }
}

/// What in one layer stops packets of some sources or may do so: of those sources, the first of each network
/// is asked about.
fn deciders(
    layers: &FilterLayers,
    index: usize,
    layer: &FilterLayer,
    port: u16,
    family: AddressFamily,
) -> Vec<PacketDecider> {
    let mut found = Vec::new();
    if layer.rules.traffic == PacketTraffic::Leaving {
        return found;
    }
    for stage in stages(layer.rules.traffic) {
        let SourceReach { accepted: _, dropped, unknown, changed: _ } =
            layer.rules.reach(port, IncomingInterface::Other, *stage);
        for sources in [dropped, unknown] {
            for network in sources.of_family(family).iter().take(ASKED) {
                let packet = TcpPacket { stage: *stage, ..TcpPacket::opening(network.first(), port) };
                let decision = layer.rules.decide(&packet);
                found.extend(layers.decider(index, &decision.by));
            }
        }
    }
    found
}
