//! `[networks]` and `[access]`: of one layer what is written, of all layers who may reach what.

use std::collections::BTreeMap;

use toml::de::DeTable;

use crate::model::{
    AccessTable, AddressFamily, AllowedSources, EnforcedBy, MailService, Network, Networks, ServiceAllow,
    SetName,
};

use super::keys::{ManifestTable, nearest, short};
use super::problem::ManifestProblem;
use super::reader::{LayerText, TableContent, TableReader};
use super::source::LayerMark;
use super::together::Judgement;
use super::values;
use super::written::{ListedSource, MarkedValue, WrittenAccess, WrittenAllow, WrittenLeaf};

/// Most sets that a message lists.
const LISTED: usize = 8;

impl TableReader<'_> {
    /// What a layer says about source networks.
    pub(super) fn access(&mut self, root: &DeTable<'_>) -> WrittenAccess {
        let mut written = WrittenAccess::default();
        if let TableContent::Table(content) = self.table(&ManifestTable::Root, root, "networks") {
            for (key, _) in content {
                let name: &str = key.get_ref();
                match SetName::new(name) {
                    Ok(set) => {
                        let leaf = self.leaf(&ManifestTable::Networks, content, name, values::networks);
                        written.networks.insert(set, leaf);
                    }
                    Err(error) => self
                        .report(&key.span(), ManifestProblem::SetName { found: short(name), why: error.why }),
                }
            }
        }
        match self.table(&ManifestTable::Root, root, "access") {
            TableContent::Table(content) => {
                self.known(&ManifestTable::Sources, content);
                written.enforce = self.leaf(&ManifestTable::Sources, content, "enforce", values::enforce);
                if let TableContent::Table(allow) = self.table(&ManifestTable::Sources, content, "allow") {
                    self.known(&ManifestTable::SourcesAllow, allow);
                    for service in MailService::ALL {
                        let leaf =
                            self.leaf(&ManifestTable::SourcesAllow, allow, service.name(), values::allowed);
                        written.allow.insert(service, leaf);
                    }
                }
            }
            TableContent::Absent => {}
            TableContent::Wrong => written.enforce = WrittenLeaf::Wrong,
        }
        written
    }
}

fn key_of(service: MailService) -> String {
    ManifestTable::SourcesAllow.key(service.name())
}

/// Judges what the layers say together. With a layer that is no TOML, no set is missed: its line may be lost.
pub(super) fn judge(written: &WrittenAccess, text: LayerText, judgement: &mut Judgement) {
    let WrittenAccess { networks, enforce, allow } = written;
    let sets: BTreeMap<&SetName, Networks> =
        networks.iter().filter_map(|(name, leaf)| Some((name, values_of(leaf.get()?).collect()))).collect();
    for (name, leaf) in networks {
        let Some(list) = leaf.get() else { continue };
        let key = ManifestTable::Networks.key(name.as_str());
        let whole = sets.get(name).cloned().unwrap_or_default();
        if let Some((mark, problem)) = everybody(&key, list, &whole, || {
            "no set can hold everybody; in `[access.allow]` the word for it is \"anyone\"".to_owned()
        }) {
            judgement.problems.push((mark, problem));
        }
        judgement.notes.extend(covered(&key, list));
    }
    for (service, leaf) in allow {
        let Some(MarkedValue { value, mark }) = leaf.get() else {
            continue;
        };
        let key = key_of(*service);
        match value {
            WrittenAllow::Anyone => continue,
            WrittenAllow::Nobody => {}
            WrittenAllow::Broken(items) => {
                judge_list(&key, items, networks, &sets, text, judgement);
                continue;
            }
            WrittenAllow::Only(items) => {
                let known = judge_list(&key, items, networks, &sets, text, judgement);
                let whole = allowed_of(items, &sets);
                let family = known.then(|| whole_family(&whole)).flatten();
                if let Some(family) = family {
                    let hint = format!("write `{key} = \"anyone\"`");
                    let key = key.clone();
                    let problem = ManifestProblem::Everybody { key, family, hint };
                    judgement.problems.push((mark.clone(), problem));
                }
            }
        }
        if *service == MailService::Smtp {
            judgement.notes.push((mark.clone(), ManifestProblem::InboundMail));
        }
    }
    if let Some(MarkedValue { value: EnforcedBy::PleskFirewall, mark: enforced }) = enforce.get()
        && let Some(WrittenLeaf::Set(smtps)) = allow.get(&MailService::Smtps)
    {
        let place = enforced.short();
        judgement.problems.push((smtps.mark.clone(), ManifestProblem::SmtpsOfPlesk { place }));
    }
}

/// Judges a list of `[access.allow]`; `true` when all sets that it names are known.
fn judge_list(
    key: &str,
    items: &[MarkedValue<ListedSource>],
    networks: &BTreeMap<SetName, WrittenLeaf<Vec<MarkedValue<Network>>>>,
    sets: &BTreeMap<&SetName, Networks>,
    text: LayerText,
    judgement: &mut Judgement,
) -> bool {
    let mut known = true;
    let mut literal = Vec::new();
    let mut named: BTreeMap<&SetName, &LayerMark> = BTreeMap::new();
    for item in items {
        match &item.value {
            ListedSource::Network(network) => {
                literal.push(MarkedValue { value: *network, mark: item.mark.clone() })
            }
            ListedSource::Set(set) => {
                if let Some(_first) = named.insert(set, &item.mark) {
                    let set = set.to_string();
                    judgement.notes.push((
                        item.mark.clone(),
                        ManifestProblem::Covered {
                            key: key.to_owned(),
                            count: 1,
                            one: set.clone(),
                            other: set,
                        },
                    ));
                }
                match networks.get(set) {
                    Some(WrittenLeaf::Set(_)) => {}
                    Some(WrittenLeaf::Wrong) => known = false,
                    Some(WrittenLeaf::Absent | WrittenLeaf::Dropped(..)) | None => {
                        known = false;
                        if text == LayerText::Whole {
                            let hint = instead_of_set(set, networks);
                            let found = set.to_string();
                            judgement
                                .problems
                                .push((item.mark.clone(), ManifestProblem::UnknownSet { found, hint }));
                        }
                    }
                }
            }
        }
    }
    judgement.notes.extend(covered(key, &literal));
    for set in named.keys() {
        let Some(whole) = sets.get(set) else { continue };
        let mut inside = literal.iter().filter(|one| whole.holds(one.value));
        if let Some(first) = inside.next() {
            judgement.notes.push((
                first.mark.clone(),
                ManifestProblem::Covered {
                    key: key.to_owned(),
                    count: 1 + inside.count(),
                    one: first.value.to_string(),
                    other: set.to_string(),
                },
            ));
        }
    }
    known
}

/// What to write instead of a set that is not there.
fn instead_of_set(
    set: &SetName,
    networks: &BTreeMap<SetName, WrittenLeaf<Vec<MarkedValue<Network>>>>,
) -> String {
    if let Some(WrittenLeaf::Dropped(name, mark)) = networks.get(set) {
        return format!("`{name}` is dropped at {}", mark.short());
    }
    let known: Vec<&str> =
        networks.iter().filter(|(_, leaf)| !leaf.is_silent()).map(|(name, _)| name.as_str()).collect();
    let with_words: Vec<&str> = known.iter().copied().chain(["anyone", "nobody"]).collect();
    if let Some(near) = nearest(set.as_str(), &with_words) {
        return format!("did you mean \"{near}\"?");
    }
    if matches!(set.as_str(), "all" | "any" | "everybody" | "everyone" | "world") {
        return "the word for everybody is \"anyone\", alone and without a list".to_owned();
    }
    if known.is_empty() {
        return format!("declare it: `[networks]` with `{set} = [\"203.0.113.0/24\"]` below it");
    }
    let listed: Vec<String> = known.iter().take(LISTED).map(|name| format!("\"{name}\"")).collect();
    let more = match known.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("sets of `[networks]`: {}{more}", listed.join(", "))
}

fn values_of(list: &[MarkedValue<Network>]) -> impl Iterator<Item = Network> + '_ {
    list.iter().map(|marked| marked.value)
}

fn allowed_of(items: &[MarkedValue<ListedSource>], sets: &BTreeMap<&SetName, Networks>) -> Networks {
    let literal: Networks = items
        .iter()
        .filter_map(|item| match &item.value {
            ListedSource::Network(network) => Some(*network),
            ListedSource::Set(_) => None,
        })
        .collect();
    items.iter().fold(literal, |all, item| match &item.value {
        ListedSource::Network(_) => all,
        ListedSource::Set(set) => sets.get(set).map_or(all.clone(), |set| all.union(set)),
    })
}

/// The family of which a set holds all addresses.
fn whole_family(networks: &Networks) -> Option<AddressFamily> {
    AddressFamily::ALL.into_iter().find(|family| networks.covers(&Networks::all_of(*family)))
}

/// A list that holds everybody in pieces.
fn everybody(
    key: &str,
    list: &[MarkedValue<Network>],
    whole: &Networks,
    hint: impl FnOnce() -> String,
) -> Option<(LayerMark, ManifestProblem)> {
    let family = whole_family(whole)?;
    let problem = ManifestProblem::Everybody { key: key.to_owned(), family, hint: hint() };
    Some((list.first()?.mark.clone(), problem))
}

/// Networks of a list that others of it cover: one note a list, at the first of them.
fn covered(key: &str, list: &[MarkedValue<Network>]) -> Option<(LayerMark, ManifestProblem)> {
    let mut sorted: Vec<&MarkedValue<Network>> = list.iter().collect();
    // Of two equal ones the later one is too much; a network stands before all that it covers.
    sorted.sort_by(|one, other| {
        (one.value.first(), one.value.prefix(), &one.mark).cmp(&(
            other.value.first(),
            other.value.prefix(),
            &other.mark,
        ))
    });
    let mut widest: Option<&MarkedValue<Network>> = None;
    let mut first: Option<(&MarkedValue<Network>, &MarkedValue<Network>)> = None;
    let mut count = 0;
    for one in sorted {
        match widest {
            Some(other) if other.value.last() >= one.value.last() => {
                count += 1;
                if first.is_none_or(|(earlier, _)| one.mark < earlier.mark) {
                    first = Some((one, other));
                }
            }
            Some(_) | None => widest = Some(one),
        }
    }
    let (one, other) = first?;
    Some((
        one.mark.clone(),
        ManifestProblem::Covered {
            key: key.to_owned(),
            count,
            one: one.value.to_string(),
            other: other.value.to_string(),
        },
    ))
}

/// What the layers declare; what is wrong or dropped is not in it.
pub(super) fn desired(written: &WrittenAccess) -> AccessTable {
    let WrittenAccess { networks, enforce, allow } = written;
    let sets: BTreeMap<&SetName, Networks> =
        networks.iter().filter_map(|(name, leaf)| Some((name, values_of(leaf.get()?).collect()))).collect();
    let allow = allow.iter().filter_map(|(service, leaf)| {
        let MarkedValue { value, mark } = leaf.get()?.clone();
        let (allowed, mut named) = match value {
            WrittenAllow::Anyone => (AllowedSources::Anyone, Vec::new()),
            WrittenAllow::Nobody => (AllowedSources::Nobody, Vec::new()),
            WrittenAllow::Only(items) | WrittenAllow::Broken(items) => {
                let named = items.iter().filter_map(|item| match &item.value {
                    ListedSource::Network(_) => None,
                    ListedSource::Set(set) => Some(set.clone()),
                });
                (AllowedSources::Only(allowed_of(&items, &sets)), named.collect::<Vec<_>>())
            }
        };
        named.sort();
        named.dedup();
        let value = ServiceAllow { allowed, sets: named };
        Some((*service, MarkedValue { value, mark }.declared()))
    });
    AccessTable { enforce: enforce.get().cloned().map(MarkedValue::declared), allow: allow.collect() }
}
