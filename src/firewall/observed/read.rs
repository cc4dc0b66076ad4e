//! What the commands printed and the kernel shows → what is observed.

use std::collections::{BTreeMap, BTreeSet};

use super::layers::TABLES;
use super::plesk::{PleskAnswers, PleskFirewall};
use super::reply::{chain, line, printed};
use super::{
    FilterLayer, FilterLayers, NeighbourProgram, ObservedFirewall, OwnChains, PacketEntrance, RulesUnread,
};
use crate::facts::tools::{FilterTools, IptablesVariant};
use crate::firewall::ends::LocalAddressEvidence;
use crate::firewall::iptables::{self, ChainOwnership, SavedTables};
use crate::firewall::nft::{self, NftTable};
use crate::firewall::rules::RuleSet;
use crate::host::{CommandEnding, CommandOutput, FileFound, HostCommand};
use crate::model::AddressFamily;

/// The answers about a host's packet filters. What was not asked since it is not there is none.
#[derive(Debug, Default)]
pub struct RawFilters {
    /// Of `nft -j list ruleset`.
    pub nft: Option<(HostCommand, CommandOutput)>,
    /// Of the `-save` commands.
    pub saved: Vec<(AddressFamily, IptablesVariant, HostCommand, CommandOutput)>,
    /// What the kernel's load balancer does, where it does anything.
    pub balancer: Option<FilterLayer>,
    /// The names of the tables of the old kind, of each family.
    pub names: Vec<(AddressFamily, LegacyTableNames)>,
    /// Of the `--version` of the plain commands.
    pub versions: Vec<(AddressFamily, CommandOutput)>,
    /// Neighbours found by files and processes.
    pub neighbours: BTreeSet<NeighbourProgram>,
    /// The ports of sshd.
    pub ssh_ports: BTreeSet<u16>,
    /// Where none is known: the mail ports that may be its.
    pub may_be_ssh: Option<BTreeSet<u16>>,
    /// Where somebody could get in anew.
    pub entrances: BTreeSet<PacketEntrance>,
    /// What there is to see of whether the kernel can tell its own addresses from others'.
    pub shows: LocalAddressEvidence,
    /// Whether any interface has an IPv6 address.
    pub speaks_ipv6: bool,
    /// Whether the kernel could have one.
    pub has_ipv6: bool,
    /// About Plesk's firewall.
    pub(crate) plesk: Option<PleskAnswers>,
}

/// What iptables shows of one family, with the half of the kernel that it is in.
type FamilyListing = Result<Vec<(IptablesVariant, SavedTables)>, RulesUnread>;

/// The names of the tables of the old kind of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyTableNames(Result<Vec<String>, RulesUnread>);

impl LegacyTableNames {
    /// Reads `/proc/net/ip_tables_names` or its like.
    #[must_use]
    pub fn read(path: &str, found: &FileFound) -> Self {
        let unread =
            |reason: &str| Err(RulesUnread::File { path: path.to_owned(), reason: reason.to_owned() });
        Self(match found {
            FileFound::File(state) => {
                Ok(String::from_utf8_lossy(&state.bytes).lines().map(str::to_owned).collect())
            }
            FileFound::Missing => Ok(Vec::new()),
            FileFound::NotRegular => unread("it is not a regular file"),
            FileFound::Unreadable(reason) => unread(reason),
        })
    }
}

/// The tables of nftables; none where there is no nft to ask.
fn tables(raw: &RawFilters) -> Result<Option<Vec<NftTable>>, RulesUnread> {
    let Some((command, output)) = &raw.nft else {
        return Ok(None);
    };
    let tables = nft::tables(printed(command, output)?)
        .map_err(|error| RulesUnread::Command { command: line(command), reason: chain(&error) })?;
    Ok(Some(tables))
}

/// The tables of iptables of a family, with the half of the kernel that each is in.
fn saved(raw: &RawFilters, tools: &FilterTools, family: AddressFamily) -> FamilyListing {
    let mut names = Vec::new();
    for (of, LegacyTableNames(known)) in &raw.names {
        if *of == family {
            names.extend(known.clone()?);
        }
    }
    let mut all = Vec::new();
    let mut shows_legacy = false;
    for (of, variant, command, output) in &raw.saved {
        if *of != family {
            continue;
        }
        match variant {
            // Without tables some versions fail.
            IptablesVariant::Legacy if names.is_empty() => continue,
            IptablesVariant::Legacy => shows_legacy = true,
            IptablesVariant::Nft => {}
        }
        let text = String::from_utf8_lossy(printed(command, output)?);
        let saved = iptables::parse(family, &text)
            .map_err(|error| RulesUnread::Command { command: line(command), reason: chain(&error) })?;
        all.push((*variant, saved));
    }
    if !names.is_empty() && !shows_legacy {
        let program = match family {
            AddressFamily::Ipv4 => "iptables",
            AddressFamily::Ipv6 => "ip6tables",
        };
        let legacy = if tools.of(family).nft_save.is_some() { "-legacy" } else { "" };
        return Err(RulesUnread::NoCommand {
            family: program,
            tables: names.join(", "),
            command: format!("{program}{legacy}-save"),
        });
    }
    Ok(all)
}

/// What `iptables-nft-save` shows of a table of nftables that has the name of one of iptables.
fn of_iptables<'s>(
    table: &NftTable,
    saved: &'s BTreeMap<AddressFamily, FamilyListing>,
) -> Option<(AddressFamily, &'s SavedTables)> {
    let family = match table.family.as_str() {
        "ip" => AddressFamily::Ipv4,
        "ip6" => AddressFamily::Ipv6,
        _ => return None,
    };
    let saved = saved.get(&family)?.as_ref().ok()?;
    let (_, saved) = saved.iter().find(|(variant, _)| *variant == IptablesVariant::Nft)?;
    let known = TABLES.contains(&table.name.as_str());
    known.then_some((family, saved))
}

/// Puts the rules of iptables that nft cannot express in their places. All others stay as nft lists them:
/// `iptables-nft-save` 1.8.9 leaves out conditions that iptables cannot express, and says nothing about it.
fn completed(table: &NftTable, saved: &SavedTables) -> NftTable {
    let mut table = table.clone();
    let name = table.name.clone();
    for base in &mut table.base {
        let start = base.rules.start.clone();
        complete(&mut base.rules, &saved.hook(&name, &start));
        if let Some(leaving) = &mut base.leaving {
            complete(leaving, &saved.leaving(&name, &start));
        }
    }
    table
}

fn complete(rules: &mut RuleSet, shown: &RuleSet) {
    for (chain, rules) in &mut rules.chains {
        let Some(shown) = shown.chains.get(chain).filter(|shown| shown.len() == rules.len()) else {
            continue;
        };
        for (rule, shown) in rules.iter_mut().zip(shown) {
            if nft::is_of_iptables(rule) {
                rule.clone_from(shown);
            }
        }
    }
}

impl ObservedFirewall {
    /// Puts the answers together.
    #[must_use]
    pub fn read(tools: &FilterTools, raw: RawFilters) -> Self {
        let tables = tables(&raw);
        let saved: BTreeMap<AddressFamily, FamilyListing> =
            AddressFamily::ALL.into_iter().map(|family| (family, saved(&raw, tools, family))).collect();
        let mut layers = layers(&tables, &saved);
        if let (Ok(layers), Some(balancer)) = (&mut layers, raw.balancer) {
            layers.0.push(balancer);
            layers.sort();
        }
        let mut neighbours = raw.neighbours.clone();
        for chain in layers.iter().flat_map(|layers| &layers.0) {
            neighbours.extend(chain.rules.chains.keys().filter_map(|name| of_chain(name)));
            if let super::RulePlace::Nft { table, .. } = &chain.place
                && table == "firewalld"
            {
                neighbours.insert(NeighbourProgram::Firewalld);
            }
        }
        let mut foreign_iptables = BTreeSet::new();
        let mut own_iptables = BTreeMap::new();
        for (family, saved) in saved {
            let own = saved.map(|saved| {
                let named = (saved.iter()).flat_map(|(variant, saved)| {
                    iptables::NatEnd::ALL
                        .into_iter()
                        .filter_map(|end| Some(OwnChains { variant: *variant, end, own: saved.own(end)? }))
                });
                let (own, foreign): (Vec<_>, Vec<_>) = named.partition(|chains| match chains.own.mark {
                    ChainOwnership::Own | ChainOwnership::Former => true,
                    ChainOwnership::NameAlone => false,
                });
                foreign_iptables.extend((foreign.iter()).map(|chains| (family, chains.variant, chains.end)));
                own
            });
            own_iptables.insert(family, own);
        }
        let plain = raw.versions.iter().filter_map(|(family, output)| {
            let text = String::from_utf8_lossy(&output.stdout);
            let variant = match (output.end, text.contains("(nf_tables)")) {
                (CommandEnding::Code(0), true) => IptablesVariant::Nft,
                (CommandEnding::Code(0), false) => IptablesVariant::Legacy,
                (
                    CommandEnding::Code(_)
                    | CommandEnding::Signal(_)
                    | CommandEnding::TimedOut
                    | CommandEnding::NotStarted,
                    _,
                ) => {
                    return None;
                }
            };
            Some((*family, variant))
        });
        Self {
            tools: tools.clone(),
            plain: plain.collect(),
            own_iptables,
            foreign_iptables,
            own_nft: tables.map(|tables| {
                tables.into_iter().flatten().find(|table| match table.mark {
                    nft::TableOwnership::Own | nft::TableOwnership::Rest | nft::TableOwnership::NameAlone => {
                        true
                    }
                    nft::TableOwnership::Other => false,
                })
            }),
            layers,
            neighbours,
            ssh_ports: raw.ssh_ports,
            may_be_ssh: raw.may_be_ssh,
            entrances: raw.entrances,
            shows: raw.shows,
            speaks_ipv6: raw.speaks_ipv6,
            has_ipv6: raw.has_ipv6,
            plesk: raw.plesk.and_then(PleskFirewall::read),
        }
    }
}

fn layers(
    tables: &Result<Option<Vec<NftTable>>, RulesUnread>,
    saved: &BTreeMap<AddressFamily, FamilyListing>,
) -> Result<FilterLayers, RulesUnread> {
    let mut layers = FilterLayers::default();
    let tables = tables.as_ref().map_err(Clone::clone)?;
    for table in tables.iter().flatten() {
        match of_iptables(table, saved) {
            None => layers.add_nft(table, None),
            Some((family, saved)) => {
                let made = saved.shows(&table.name).then_some(family);
                layers.add_nft(&completed(table, saved), made);
            }
        }
    }
    for (family, saved) in saved {
        for (variant, saved) in saved.as_ref().map_err(Clone::clone)? {
            match (variant, tables) {
                // Read above.
                (IptablesVariant::Nft, Some(_)) => {}
                (IptablesVariant::Nft, None) | (IptablesVariant::Legacy, _) => {
                    layers.add_iptables(saved, *family, *variant);
                }
            }
        }
    }
    layers.sort();
    Ok(layers)
}

/// Who makes a chain of this name.
fn of_chain(name: &str) -> Option<NeighbourProgram> {
    match name {
        "LOCALINPUT" | "DENYIN" | "ALLOWIN" => Some(NeighbourProgram::Csf),
        "TALLOW" | "TDENY" | "TGALLOW" | "TGDENY" => Some(NeighbourProgram::Apf),
        "INPUT_direct" | "INPUT_ZONES" => Some(NeighbourProgram::Firewalld),
        "DOCKER" | "DOCKER-USER" => Some(NeighbourProgram::Docker),
        name if name.to_ascii_lowercase().contains("imunify") => Some(NeighbourProgram::Imunify),
        _ => None,
    }
}
