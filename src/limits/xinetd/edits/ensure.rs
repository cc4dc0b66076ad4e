//! Ensures the wanted values, block by block.

use std::collections::BTreeMap;

use super::super::{Target, Wanted, default_of, in_force};
use super::entries;
use super::problems::broken;
use crate::edit::xinetd::{self as editor, BlockRef, Config, Entry, Refusal, ServiceState, Tree};
use crate::edit::{LineEdit, Spot};
use crate::failure::{Blocked, Diagnostic};
use crate::limits::{Part, declared_at, join, place};
use crate::model::{Count, HostPath};
use crate::plan::Value;

const fn text(value: Value) -> Option<Text> {
    match value {
        Value::Count(count) => Some(Text::Count(count)),
        Value::Rate(rate) => Some(Text::Rate(rate)),
        Value::Nothing => None,
    }
}

enum Text {
    Count(Count),
    Rate(crate::model::Rate),
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(Count::Unlimited) => f.write_str("UNLIMITED"),
            Self::Count(Count::Number(number)) => write!(f, "{number}"),
            Self::Rate(rate) => write!(f, "{rate}"),
        }
    }
}

/// One `ensure` that is needed.
struct Needed<'w> {
    path: HostPath,
    block: BlockRef,
    line: u32,
    want: &'w Wanted,
}

/// Ensures each wanted value once; says whether anything was edited. Blocks further down a file come first, so that the
/// lines of those above stay where they are.
pub(super) fn ensure_all(
    wants: &[Wanted],
    config: &Config,
    tree: &mut Tree,
    changed: &mut BTreeMap<HostPath, Vec<LineEdit>>,
    part: &mut Part,
) -> bool {
    let mut needs = Vec::new();
    for want in wants {
        match &want.target {
            Target::Defaults => {
                let at = config
                    .defaults
                    .attribute(want.attribute.name())
                    .map(|assignment| &assignment.at.path);
                let first = config.defaults.blocks.first();
                let block = config
                    .defaults
                    .blocks
                    .iter()
                    .find(|block| Some(&block.path) == at)
                    .or(first)
                    .map(|at| (at.path.clone(), at.line));
                let (path, line, reference) = match block {
                    Some((path, line)) => (path, line, BlockRef::Defaults),
                    None => (
                        config
                            .files
                            .first()
                            .cloned()
                            .unwrap_or_else(|| known_main(config)),
                        0,
                        BlockRef::Defaults,
                    ),
                };
                let broken = broken(config, &path, line, want.attribute);
                if default_of(config, want.attribute) != want.value || broken {
                    needs.push(Needed {
                        path,
                        block: reference,
                        line,
                        want,
                    });
                }
            }
            Target::Service(_) => {
                for entry in entries(want, config) {
                    let duplicate = matches!(&entry.state, ServiceState::Dropped(kind) if *kind == editor::ProblemKind::Duplicate);
                    let broken = broken(config, &entry.path, entry.line, want.attribute);
                    if !duplicate && (in_force(entry, want.attribute) != want.value || broken) {
                        needs.push(Needed {
                            path: entry.path.clone(),
                            block: BlockRef::Service { line: entry.line },
                            line: entry.line,
                            want,
                        });
                    }
                }
            }
        }
    }
    needs.sort_by(|a, b| (&a.path, b.line).cmp(&(&b.path, a.line)));
    let mut any = false;
    for need in needs {
        let Some(Entry::File(bytes)) = tree.files.get(&need.path) else {
            continue;
        };
        let Some(value) = text(need.want.value) else {
            continue;
        };
        let (attribute, value) = (need.want.attribute, value.to_string());
        let ensure = || editor::ensure(bytes, need.block, attribute, &value);
        let result = if need.line == 0 {
            // The first setting brings the block, and the others go into it.
            match editor::ensure_defaults_block(bytes, attribute, &value) {
                Err(Refusal::HasDefaults { .. }) => ensure(),
                other => other,
            }
        } else {
            ensure()
        };
        match result {
            Ok(edited) if edited.lines.is_empty() => {}
            Ok(edited) => {
                any = true;
                join(changed.entry(need.path.clone()).or_default(), edited.lines);
                tree.files.insert(need.path, Entry::File(edited.bytes));
            }
            Err(refusal) => {
                let diagnostic = Diagnostic::new(format!(
                    "{} of {} in {} cannot be set safely",
                    need.want.attribute.name(),
                    need.want.target.name(),
                    need.path
                ))
                .because(refusal.to_string())
                .hint("mend the file by hand, then plan again");
                part.block(
                    Blocked::Refused,
                    match spot(&refusal) {
                        Some(spot) => diagnostic.at(place(
                            &need.path,
                            bytes,
                            spot.line,
                            spot.column,
                            spot.width,
                        )),
                        None => diagnostic.at(declared_at(&need.want.origin)),
                    },
                );
            }
        }
    }
    any
}

fn known_main(config: &Config) -> HostPath {
    config
        .files
        .first()
        .cloned()
        .unwrap_or_else(|| crate::model::known("/etc/xinetd.conf"))
}

/// The place that a refusal is about.
const fn spot(refusal: &Refusal) -> Option<Spot> {
    match refusal {
        Refusal::NoBlock { spot, why: _ } => *spot,
        Refusal::BlockLost { spot, why: _ }
        | Refusal::CarriageReturns { spot }
        | Refusal::HasDefaults { spot }
        | Refusal::Unproved { spot } => Some(*spot),
        Refusal::Value { .. } => None,
    }
}
