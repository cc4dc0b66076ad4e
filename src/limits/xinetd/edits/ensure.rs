//! Ensures the wanted values, block by block.

use std::collections::BTreeMap;

use super::super::{BlockTarget, XinetdWanted, default_of, in_force};
use super::entries;
use super::problems::broken;
use crate::edit::xinetd::{
    self as editor, BlockRef, FileTree, ServiceState, TreeEntry, XinetdConfig, XinetdRefusal,
};
use crate::edit::{FileLine, LineEdit};
use crate::failure::{Diagnostic, PlanBlocked, declared_at, place};
use crate::limits::step::LimitValue;
use crate::limits::{LimitsPart, join};
use crate::model::{ConnectionLimit, HostPath};

const fn text(value: LimitValue) -> Option<EditedText> {
    match value {
        LimitValue::Count(count) => Some(EditedText::Count(count)),
        LimitValue::Rate(rate) => Some(EditedText::Rate(rate)),
        LimitValue::Nothing => None,
    }
}

enum EditedText {
    Count(ConnectionLimit),
    Rate(crate::model::ConnectionRate),
}

impl std::fmt::Display for EditedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(ConnectionLimit::Unlimited) => f.write_str("UNLIMITED"),
            Self::Count(ConnectionLimit::Number(number)) => write!(f, "{number}"),
            Self::Rate(rate) => write!(f, "{rate}"),
        }
    }
}

/// One `ensure` that is needed.
struct NeededEnsure<'w> {
    path: HostPath,
    block: BlockRef,
    line: u32,
    want: &'w XinetdWanted,
}

/// Ensures each wanted value once; says whether anything was edited. Blocks further down a file come first,
/// so that the lines of those above stay where they are.
pub(super) fn ensure_all(
    wants: &[XinetdWanted],
    config: &XinetdConfig,
    tree: &mut FileTree,
    changed: &mut BTreeMap<HostPath, Vec<LineEdit>>,
    part: &mut LimitsPart,
) -> bool {
    let mut needs = Vec::new();
    for want in wants {
        match &want.target {
            BlockTarget::Defaults => {
                let at =
                    config.defaults.attribute(want.attribute.name()).map(|assignment| &assignment.at.path);
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
                        config.files.first().cloned().unwrap_or_else(|| known_main(config)),
                        0,
                        BlockRef::Defaults,
                    ),
                };
                let broken = broken(config, &path, line, want.attribute);
                if default_of(config, want.attribute) != want.value || broken {
                    needs.push(NeededEnsure { path, block: reference, line, want });
                }
            }
            BlockTarget::Service(_) => {
                for entry in entries(want, config) {
                    let duplicate = matches!(&entry.state, ServiceState::Dropped(kind) if *kind == editor::XinetdProblemKind::Duplicate);
                    let broken = broken(config, &entry.path, entry.line, want.attribute);
                    if !duplicate && (in_force(entry, want.attribute) != want.value || broken) {
                        needs.push(NeededEnsure {
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
        let Some(TreeEntry::File(bytes)) = tree.files.get(&need.path) else {
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
                Err(XinetdRefusal::HasDefaults { .. }) => ensure(),
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
                tree.files.insert(need.path, TreeEntry::File(edited.bytes));
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
                    PlanBlocked::Refused,
                    match spot(&refusal) {
                        Some(spot) => {
                            diagnostic.at(place(&need.path, bytes, spot.line, spot.column, spot.width))
                        }
                        None => diagnostic.at(declared_at(&need.want.origin)),
                    },
                );
            }
        }
    }
    any
}

fn known_main(config: &XinetdConfig) -> HostPath {
    config.files.first().cloned().unwrap_or_else(|| crate::model::known("/etc/xinetd.conf"))
}

/// The place that a refusal is about.
const fn spot(refusal: &XinetdRefusal) -> Option<FileLine> {
    match refusal {
        XinetdRefusal::NoBlock { spot, why: _ } => *spot,
        XinetdRefusal::BlockLost { spot, why: _ }
        | XinetdRefusal::CarriageReturns { spot }
        | XinetdRefusal::HasDefaults { spot }
        | XinetdRefusal::Unproved { spot } => Some(*spot),
        XinetdRefusal::Value { .. } => None,
    }
}
