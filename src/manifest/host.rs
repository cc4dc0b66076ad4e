//! For which host the layers are, all together: one run is one host. Which host a run comes to is not known
//! here.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::ManifestProblem;
use super::source::LayerMark;
use super::written::{MarkedValue, WrittenLeaf, WrittenManifest};

/// The guards of the layers, in their order.
#[derive(Debug, Default)]
pub(super) struct HostGuards(Vec<HostGuard>);

/// The hosts that one layer is for.
#[derive(Debug, Clone)]
struct HostGuard {
    layer: String,
    mark: LayerMark,
    names: Vec<MarkedValue<String>>,
}

impl HostGuards {
    /// Takes up what one layer says.
    pub(super) fn add(&mut self, host: &WrittenLeaf<Vec<MarkedValue<String>>>) {
        match host {
            WrittenLeaf::Absent | WrittenLeaf::Wrong => {}
            WrittenLeaf::Dropped(..) => self.0.clear(),
            WrittenLeaf::Set(names) => {
                if let Some(first) = names.first() {
                    self.0.push(HostGuard {
                        layer: first.mark.place().file.clone(),
                        mark: first.mark.clone(),
                        names: names.clone(),
                    });
                }
            }
        }
    }

    /// Leaves the manifest for the hosts that all its layers are for, or says which layers are for no common
    /// host.
    pub(super) fn settle(
        self,
        written: &mut WrittenManifest,
    ) -> Result<(), Vec<(LayerMark, ManifestProblem)>> {
        let mut all: Option<Vec<MarkedValue<String>>> = None;
        for (index, guard) in self.0.iter().enumerate() {
            let before = all.get_or_insert_with(|| guard.names.clone());
            let both = common(before, &guard.names);
            if both.is_empty() {
                let before = self.0.get(..index).unwrap_or_default();
                return Err(vec![(guard.mark.clone(), apart(before, guard))]);
            }
            *before = both;
        }
        // What is wrong stays so, and is told.
        if let (Some(all), WrittenLeaf::Set(names)) = (all, &mut written.host) {
            *names = all;
        }
        Ok(())
    }
}

/// The first layer that has no host in common with this one; all of them, where each pair of layers has one.
fn apart(before: &[HostGuard], guard: &HostGuard) -> ManifestProblem {
    let named = |guard: &HostGuard| {
        let names = guard.names.iter().map(|name| name.value.clone());
        (guard.layer.clone(), names.collect())
    };
    let alone = |other: &&HostGuard| common(&other.names, &guard.names).is_empty();
    let layers = match before.iter().find(alone) {
        Some(other) => vec![named(other), named(guard)],
        None => before.iter().chain([guard]).map(named).collect(),
    };
    ManifestProblem::ManyHosts { layers }
}

/// The names that both lists have, a short name (`mx1`) being that of every full one that begins with it.
fn common(one: &[MarkedValue<String>], other: &[MarkedValue<String>]) -> Vec<MarkedValue<String>> {
    let mut by_label: BTreeMap<&str, Vec<&MarkedValue<String>>> = BTreeMap::new();
    for name in one {
        by_label.entry(label(&name.value)).or_default().push(name);
    }
    let mut seen = BTreeSet::new();
    let mut both = Vec::new();
    for name in other {
        for candidate in by_label.get(label(&name.value)).into_iter().flatten() {
            let chosen = if candidate.value == name.value || is_short(&candidate.value) {
                name
            } else if is_short(&name.value) {
                *candidate
            } else {
                continue;
            };
            if seen.insert(chosen.value.as_str()) {
                both.push(chosen.clone());
            }
        }
    }
    both
}

fn label(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn is_short(name: &str) -> bool {
    !name.contains('.')
}
