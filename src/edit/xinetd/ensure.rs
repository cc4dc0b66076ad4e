//! Makes one attribute of one block have a value, touching nothing else.
//!
//! Every edit is checked by reading the result again: where the block does not then have the value, or any
//! other block reads differently, the answer is a refusal and never the edit.

use crate::edit::{EditedBytes, FileLine, LineEdit};

use super::attribute::{self, Attribute};
use super::file::{
    AttributeFate, AttributeLine, BlockEnd, BlockHeading, DisabledBlocks, FileItem, XinetdBlock, XinetdFile,
};
use super::host::XinetdHost;
use super::problem::XinetdProblemKind;

mod change;
mod defaults_block;
mod line;
mod wish;

use change::ByteChange;
pub use defaults_block::ensure_defaults_block;
use line::{change_value, insert, repair};
use wish::AttributeWish;

/// A block can need a repair for each broken line of the attribute; more than this is no configuration.
const MAX_EDITS: usize = 64;

/// Which block of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockRef {
    /// The file's `defaults`.
    Defaults,
    /// The service whose heading is on this line.
    Service {
        /// Counted from 1.
        line: u32,
    },
}

/// Why an edit is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XinetdRefusal {
    /// The file has no such block, or xinetd does not read it as one.
    #[error("no block begins here that xinetd reads")]
    NoBlock {
        /// The heading's line, where one was asked for.
        spot: Option<FileLine>,
        /// What xinetd stumbles over there, where it does.
        why: Option<XinetdProblemKind>,
    },
    /// xinetd gives up in this block, for another reason than the attribute.
    #[error("xinetd gives up in this block: {why}")]
    BlockLost {
        /// Where.
        spot: FileLine,
        /// Why.
        why: XinetdProblemKind,
    },
    /// Carriage returns that xinetd takes as part of the values.
    #[error("lines end in CR LF, and xinetd takes the CR as part of the value")]
    CarriageReturns {
        /// The first value that is broken by it.
        spot: FileLine,
    },
    /// The value is none that xinetd has for the attribute.
    #[error("{attribute} cannot be {value:?}")]
    Value {
        /// The attribute's name.
        attribute: &'static str,
        /// What was asked for.
        value: String,
    },
    /// A `defaults` block was to be added to a file that has one.
    #[error("the file has a defaults block already")]
    HasDefaults {
        /// Its heading.
        spot: FileLine,
    },
    /// Reading the result did not show what was asked for, and that alone.
    #[error("the result would not read as intended")]
    Unproved {
        /// The line that was edited.
        spot: FileLine,
    },
}

/// Makes `attribute` have `value` in that block of this file. Idempotent.
///
/// A value that is set changes in place; a line that xinetd ignores or chokes on is repaired in place, a
/// comment behind it moving to a line of its own; only where there is no line at all, one is added.
///
/// # Errors
/// A [`XinetdRefusal`] where the result cannot be shown to be what was asked for.
pub fn ensure(
    bytes: &[u8],
    block: BlockRef,
    attribute: Attribute,
    value: &str,
) -> Result<EditedBytes, XinetdRefusal> {
    let wanted = AttributeWish::new(attribute, value)?;
    let mut edited = EditedBytes { bytes: bytes.to_vec(), lines: Vec::new() };
    let before = XinetdFile::parse_as(bytes, DisabledBlocks::ReadsOn);
    let mut file = before.clone();
    for _ in 0..MAX_EDITS {
        let Some(change) = next_change(&file, block, &wanted)? else {
            // Nothing left to change: the block's winning line has the value.
            let spot = edited.lines.last().map(LineEdit::spot);
            return match spot {
                Some(spot) if !is_kept(&before, &file) => Err(XinetdRefusal::Unproved { spot }),
                Some(_) | None => Ok(edited),
            };
        };
        edited.bytes = change.apply(&edited.bytes);
        file = XinetdFile::parse_as(&edited.bytes, DisabledBlocks::ReadsOn);
        change.note(&mut edited.lines);
    }
    Err(XinetdRefusal::Unproved { spot: spot_of_heading(block) })
}

fn values<'f>(file: &'f XinetdFile, setting: &AttributeLine) -> Vec<&'f [u8]> {
    setting.parts.values.iter().map(|at| file.text(at)).collect()
}

/// The blocks that decide: a service's own, or all `defaults` of the file that are read.
fn find(file: &XinetdFile, heading: BlockRef) -> Result<Vec<&XinetdBlock>, XinetdRefusal> {
    let mut found = Vec::new();
    for item in &file.items {
        match item {
            FileItem::Block(block) => match (&block.heading, heading) {
                (BlockHeading::Defaults, BlockRef::Defaults) => found.push(block),
                (BlockHeading::Service { .. }, BlockRef::Service { line }) if block.line.number == line => {
                    found.push(block);
                }
                (BlockHeading::Defaults | BlockHeading::Service { .. }, _) => {}
            },
            FileItem::Stumble { line, at, kind, .. } => {
                let meant = match heading {
                    BlockRef::Service { line: wanted } => line.number == wanted,
                    BlockRef::Defaults => found.is_empty() && file.text(at).starts_with(b"defaults"),
                };
                if meant {
                    return Err(XinetdRefusal::NoBlock {
                        spot: Some(XinetdFile::spot(*line, at)),
                        why: Some(kind.clone()),
                    });
                }
            }
            FileItem::Swallowed { line, name } => {
                if heading == (BlockRef::Service { line: line.number }) {
                    return Err(XinetdRefusal::NoBlock {
                        spot: Some(XinetdFile::spot(*line, name)),
                        why: Some(XinetdProblemKind::Swallowed),
                    });
                }
            }
            FileItem::Include { .. } => {}
        }
    }
    if found.is_empty() {
        let spot = match heading {
            BlockRef::Defaults => None,
            BlockRef::Service { .. } => Some(spot_of_heading(heading)),
        };
        return Err(XinetdRefusal::NoBlock { spot, why: None });
    }
    Ok(found)
}

const fn spot_of_heading(heading: BlockRef) -> FileLine {
    let line = match heading {
        BlockRef::Defaults => 1,
        BlockRef::Service { line } => line,
    };
    FileLine { line, column: 1, width: 1 }
}

/// The next change towards the wish; none where it is fulfilled.
fn next_change(
    file: &XinetdFile,
    heading: BlockRef,
    wish: &AttributeWish,
) -> Result<Option<ByteChange>, XinetdRefusal> {
    let blocks = find(file, heading)?;
    for block in &blocks {
        readable(file, block, wish)?;
    }
    let label = label(file, blocks[0]);
    // The last block is the one that a broken line ends.
    for block in &blocks {
        if let BlockEnd::Broken { line, .. } = &block.end {
            return repair(file, *line, None, wish, &label, block).map(Some);
        }
    }
    let mut ignored = None;
    let mut specified = super::file::SpecifiedAttributes::default();
    for (block, setting) in
        blocks.iter().flat_map(|block| block.settings.iter().map(move |setting| (block, setting)))
    {
        let fate = match block.heading {
            BlockHeading::Service { .. } => setting.fate,
            BlockHeading::Defaults => specified.judge(
                attribute::in_defaults(file.text(&setting.parts.name)),
                &setting.parts,
                file.bytes(),
                &XinetdHost::default(),
            ),
        };
        match fate {
            AttributeFate::Set(known) if known.name == wish.attribute.name() => {
                return change_value(file, setting, wish, &label);
            }
            AttributeFate::Bad(known) if known.name == wish.attribute.name() => {
                return repair(file, setting.line, Some(setting), wish, &label, block).map(Some);
            }
            AttributeFate::OperatorNotAllowed(known) | AttributeFate::WrongValueCount(known, _)
                if known.name == wish.attribute.name() =>
            {
                ignored = ignored.or(Some((block, setting)));
            }
            AttributeFate::Set(_)
            | AttributeFate::Bad(_)
            | AttributeFate::Unknown
            | AttributeFate::AlreadySet(_)
            | AttributeFate::OperatorNotAllowed(_)
            | AttributeFate::WrongValueCount(..) => {}
        }
    }
    if let Some((block, setting)) = ignored {
        return repair(file, setting.line, Some(setting), wish, &label, block).map(Some);
    }
    insert(file, blocks[0], wish, &label).map(Some)
}

/// Refuses a block that ends in a way that no edit of the attribute mends.
fn readable(file: &XinetdFile, block: &XinetdBlock, wish: &AttributeWish) -> Result<(), XinetdRefusal> {
    for setting in &block.settings {
        if let AttributeFate::Bad(known) = setting.fate
            && known.name != wish.attribute.name()
            && let Some(last) = setting.parts.values.last()
            && file.text(last).ends_with(b"\r")
        {
            let spot = XinetdFile::spot(setting.line, last);
            return Err(XinetdRefusal::CarriageReturns { spot });
        }
    }
    match &block.end {
        BlockEnd::Closed(_) | BlockEnd::ClosedBad(_) | BlockEnd::Disabled(_) | BlockEnd::DisabledBad(_) => {
            Ok(())
        }
        BlockEnd::Broken { line, kind } => {
            if wish.is_meant_by(file.line_text(*line)) {
                Ok(())
            } else {
                Err(XinetdRefusal::BlockLost { spot: file.spot_of_line(*line), why: kind.clone() })
            }
        }
        BlockEnd::Unclosed => Err(XinetdRefusal::BlockLost {
            spot: file.spot_of_line(block.line),
            why: XinetdProblemKind::NotClosed,
        }),
    }
}

fn label(file: &XinetdFile, block: &XinetdBlock) -> String {
    match &block.heading {
        BlockHeading::Defaults => "defaults".to_owned(),
        BlockHeading::Service { name } => {
            format!("service {}", crate::model::printable::text(file.text(name)))
        }
    }
}

/// Whether all that xinetd read before is there after, in the same order. A repair may give back what was
/// skipped.
fn is_kept(before: &XinetdFile, after: &XinetdFile) -> bool {
    let mut after = outline(after);
    outline(before)
        .filter(|(end, _)| !matches!(*end, "broken" | "stumble" | "swallowed" | "closed, bad"))
        .all(|item| after.any(|other| other == item))
}

/// What each block and stumble of a file is, to see that an edit leaves the others alone.
fn outline(file: &XinetdFile) -> impl Iterator<Item = (&'static str, Vec<u8>)> + '_ {
    file.items.iter().map(|item| match item {
        FileItem::Block(block) => {
            let name = match &block.heading {
                BlockHeading::Defaults => Vec::new(),
                BlockHeading::Service { name } => file.text(name).to_vec(),
            };
            let end = match &block.end {
                BlockEnd::Closed(_) => "closed",
                BlockEnd::ClosedBad(_) => "closed, bad",
                BlockEnd::Disabled(_) => "disabled",
                BlockEnd::DisabledBad(_) => "disabled, bad",
                BlockEnd::Broken { .. } => "broken",
                BlockEnd::Unclosed => "unclosed",
            };
            (end, name)
        }
        FileItem::Include { path, .. } => ("include", file.text(path).to_vec()),
        FileItem::Stumble { at, .. } => ("stumble", file.text(at).to_vec()),
        FileItem::Swallowed { name, .. } => ("swallowed", file.text(name).to_vec()),
    })
}
