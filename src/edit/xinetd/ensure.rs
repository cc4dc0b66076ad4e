//! Makes one attribute of one block have a value, touching nothing else.
//!
//! Every edit is checked by reading the result again: where the block does not then have the value, or any other block
//! reads differently, the answer is a refusal and never the edit.

use crate::edit::{Edited, LineEdit, Spot};

use super::attribute::{self, Attribute};
use super::file::{Block, BlockEnd, Disabled, Fate, File, Heading, Item, Setting};
use super::host::Host;
use super::problem::ProblemKind;

mod change;
mod defaults_block;
mod line;
mod wish;

use change::Change;
pub use defaults_block::ensure_defaults_block;
use line::{change_value, insert, repair};
use wish::Wish;

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
pub enum Refusal {
    /// The file has no such block, or xinetd does not read it as one.
    #[error("no block begins here that xinetd reads")]
    NoBlock {
        /// The heading's line, where one was asked for.
        spot: Option<Spot>,
        /// What xinetd stumbles over there, where it does.
        why: Option<ProblemKind>,
    },
    /// xinetd gives up in this block, for another reason than the attribute.
    #[error("xinetd gives up in this block: {why}")]
    BlockLost {
        /// Where.
        spot: Spot,
        /// Why.
        why: ProblemKind,
    },
    /// Carriage returns that xinetd takes as part of the values.
    #[error("lines end in CR LF, and xinetd takes the CR as part of the value")]
    CarriageReturns {
        /// The first value that is broken by it.
        spot: Spot,
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
        spot: Spot,
    },
    /// Reading the result did not show what was asked for, and that alone.
    #[error("the result would not read as intended")]
    Unproved {
        /// The line that was edited.
        spot: Spot,
    },
}

/// Makes `attribute` have `value` in that block of this file. Idempotent.
///
/// A value that is set changes in place; a line that xinetd ignores or chokes on is repaired in place, a comment behind
/// it moving to a line of its own; only where there is no line at all, one is added.
///
/// # Errors
/// A [`Refusal`] where the result cannot be shown to be what was asked for.
pub fn ensure(
    bytes: &[u8],
    block: BlockRef,
    attribute: Attribute,
    value: &str,
) -> Result<Edited, Refusal> {
    let wanted = Wish::new(attribute, value)?;
    let mut edited = Edited {
        bytes: bytes.to_vec(),
        lines: Vec::new(),
    };
    let before = File::parse_as(bytes, Disabled::ReadsOn);
    let mut file = before.clone();
    for _ in 0..MAX_EDITS {
        let Some(change) = next_change(&file, block, &wanted)? else {
            // Nothing left to change: the block's winning line has the value.
            let spot = edited.lines.last().map(LineEdit::spot);
            return match spot {
                Some(spot) if !is_kept(&before, &file) => Err(Refusal::Unproved { spot }),
                Some(_) | None => Ok(edited),
            };
        };
        edited.bytes = change.apply(&edited.bytes);
        file = File::parse_as(&edited.bytes, Disabled::ReadsOn);
        change.note(&mut edited.lines);
    }
    Err(Refusal::Unproved {
        spot: spot_of_heading(block),
    })
}

fn values<'f>(file: &'f File, setting: &Setting) -> Vec<&'f [u8]> {
    setting
        .parts
        .values
        .iter()
        .map(|at| file.text(at))
        .collect()
}

/// The blocks that decide: a service's own, or all `defaults` of the file that are read.
fn find(file: &File, heading: BlockRef) -> Result<Vec<&Block>, Refusal> {
    let mut found = Vec::new();
    for item in &file.items {
        match item {
            Item::Block(block) => match (&block.heading, heading) {
                (Heading::Defaults, BlockRef::Defaults) => found.push(block),
                (Heading::Service { .. }, BlockRef::Service { line })
                    if block.line.number == line =>
                {
                    found.push(block);
                }
                (Heading::Defaults | Heading::Service { .. }, _) => {}
            },
            Item::Stumble { line, at, kind, .. } => {
                let meant = match heading {
                    BlockRef::Service { line: wanted } => line.number == wanted,
                    BlockRef::Defaults => {
                        found.is_empty() && file.text(at).starts_with(b"defaults")
                    }
                };
                if meant {
                    return Err(Refusal::NoBlock {
                        spot: Some(File::spot(*line, at)),
                        why: Some(kind.clone()),
                    });
                }
            }
            Item::Swallowed { line, name } => {
                if heading == (BlockRef::Service { line: line.number }) {
                    return Err(Refusal::NoBlock {
                        spot: Some(File::spot(*line, name)),
                        why: Some(ProblemKind::Swallowed),
                    });
                }
            }
            Item::Include { .. } => {}
        }
    }
    if found.is_empty() {
        let spot = match heading {
            BlockRef::Defaults => None,
            BlockRef::Service { .. } => Some(spot_of_heading(heading)),
        };
        return Err(Refusal::NoBlock { spot, why: None });
    }
    Ok(found)
}

const fn spot_of_heading(heading: BlockRef) -> Spot {
    let line = match heading {
        BlockRef::Defaults => 1,
        BlockRef::Service { line } => line,
    };
    Spot {
        line,
        column: 1,
        width: 1,
    }
}

/// The next change towards the wish; none where it is fulfilled.
fn next_change(file: &File, heading: BlockRef, wish: &Wish) -> Result<Option<Change>, Refusal> {
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
    let mut specified = super::file::Specified::default();
    for (block, setting) in blocks
        .iter()
        .flat_map(|block| block.settings.iter().map(move |setting| (block, setting)))
    {
        let fate = match block.heading {
            Heading::Service { .. } => setting.fate,
            Heading::Defaults => specified.judge(
                attribute::in_defaults(file.text(&setting.parts.name)),
                &setting.parts,
                file.bytes(),
                &Host::default(),
            ),
        };
        match fate {
            Fate::Set(known) if known.name == wish.attribute.name() => {
                return change_value(file, setting, wish, &label);
            }
            Fate::Bad(known) if known.name == wish.attribute.name() => {
                return repair(file, setting.line, Some(setting), wish, &label, block).map(Some);
            }
            Fate::OperatorNotAllowed(known) | Fate::WrongValueCount(known, _)
                if known.name == wish.attribute.name() =>
            {
                ignored = ignored.or(Some((block, setting)));
            }
            Fate::Set(_)
            | Fate::Bad(_)
            | Fate::Unknown
            | Fate::AlreadySet(_)
            | Fate::OperatorNotAllowed(_)
            | Fate::WrongValueCount(..) => {}
        }
    }
    if let Some((block, setting)) = ignored {
        return repair(file, setting.line, Some(setting), wish, &label, block).map(Some);
    }
    insert(file, blocks[0], wish, &label).map(Some)
}

/// Refuses a block that ends in a way that no edit of the attribute mends.
fn readable(file: &File, block: &Block, wish: &Wish) -> Result<(), Refusal> {
    for setting in &block.settings {
        if let Fate::Bad(known) = setting.fate
            && known.name != wish.attribute.name()
            && let Some(last) = setting.parts.values.last()
            && file.text(last).ends_with(b"\r")
        {
            let spot = File::spot(setting.line, last);
            return Err(Refusal::CarriageReturns { spot });
        }
    }
    match &block.end {
        BlockEnd::Closed(_)
        | BlockEnd::ClosedBad(_)
        | BlockEnd::Disabled(_)
        | BlockEnd::DisabledBad(_) => Ok(()),
        BlockEnd::Broken { line, kind } => {
            if wish.is_meant_by(file.line_text(*line)) {
                Ok(())
            } else {
                Err(Refusal::BlockLost {
                    spot: file.spot_of_line(*line),
                    why: kind.clone(),
                })
            }
        }
        BlockEnd::Unclosed => Err(Refusal::BlockLost {
            spot: file.spot_of_line(block.line),
            why: ProblemKind::NotClosed,
        }),
    }
}

fn label(file: &File, block: &Block) -> String {
    match &block.heading {
        Heading::Defaults => "defaults".to_owned(),
        Heading::Service { name } => {
            format!(
                "service {}",
                crate::report::printable::text(file.text(name))
            )
        }
    }
}

/// Whether all that xinetd read before is there after, in the same order. A repair may give back what was skipped.
fn is_kept(before: &File, after: &File) -> bool {
    let mut after = outline(after);
    outline(before)
        .filter(|(end, _)| !matches!(*end, "broken" | "stumble" | "swallowed" | "closed, bad"))
        .all(|item| after.any(|other| other == item))
}

/// What each block and stumble of a file is, to see that an edit leaves the others alone.
fn outline(file: &File) -> impl Iterator<Item = (&'static str, Vec<u8>)> + '_ {
    file.items.iter().map(|item| match item {
        Item::Block(block) => {
            let name = match &block.heading {
                Heading::Defaults => Vec::new(),
                Heading::Service { name } => file.text(name).to_vec(),
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
        Item::Include { path, .. } => ("include", file.text(path).to_vec()),
        Item::Stumble { at, .. } => ("stumble", file.text(at).to_vec()),
        Item::Swallowed { name, .. } => ("swallowed", file.text(name).to_vec()),
    })
}
