//! One file as xinetd takes it apart: blocks, includes, and what it skips.
//!
//! Nothing here knows of other files: what `defaults` in another file set, and which service is a duplicate,
//! is the business of [`super::XinetdConfig`].

use std::collections::BTreeMap;
use std::ops::Range;

use crate::edit::FileLine;

use super::attribute::{self, AttributeArity, KnownAttribute, ValueVerdict};
use super::host::{HasChange, VersionChange, XinetdHost, XinetdVersion};
use super::problem::XinetdProblemKind;
use super::reader::{AssignOperator, AttributeParts, NotAnAttribute, RawLine};

/// A file in its parts. Holds its bytes unchanged, whatever they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XinetdFile {
    pub(super) bytes: Vec<u8>,
    pub(super) items: Vec<FileItem>,
}

/// Whether a block is read on behind `disable = yes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DisabledBlocks {
    /// Debian's and openSUSE's builds stop there.
    Stops,
    /// The original reads on.
    ReadsOn,
}

/// What stands at the top level of a file, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileItem {
    Block(XinetdBlock),
    Include {
        /// Whether every file in a folder is meant.
        folder: IncludedFolder,
        path: Range<usize>,
        line: LineRange,
    },
    /// A line that xinetd stumbles over outside of a block.
    Stumble {
        line: LineRange,
        at: Range<usize>,
        kind: XinetdProblemKind,
        /// The name, where the line is the heading of a service.
        service: Option<Range<usize>>,
    },
    /// A service's heading in what xinetd skips.
    Swallowed {
        line: LineRange,
        name: Range<usize>,
    },
}

/// What an include names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IncludedFolder {
    No,
    Yes,
}

/// A line's place in the file, without its line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineRange {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) number: u32,
    pub(super) cut: bool,
}

/// A block that xinetd began to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct XinetdBlock {
    pub(super) heading: BlockHeading,
    pub(super) line: LineRange,
    pub(super) brace: LineRange,
    pub(super) settings: Vec<AttributeLine>,
    pub(super) end: BlockEnd,
}

/// What a block is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BlockHeading {
    Defaults,
    Service { name: Range<usize> },
}

/// How a block ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BlockEnd {
    /// With its `}`; in a service that a bad value did not disable.
    Closed(LineRange),
    /// With its `}`, but a bad value disabled the service.
    ClosedBad(LineRange),
    /// Read no further than `disable = yes`.
    Disabled(LineRange),
    /// Read no further than `disable`, when a bad value had disabled the service.
    DisabledBad(LineRange),
    /// Given up at this line.
    Broken { line: LineRange, kind: XinetdProblemKind },
    /// The file ends before the block does.
    Unclosed,
}

/// An attribute line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttributeLine {
    pub(super) line: LineRange,
    pub(super) parts: AttributeParts,
    /// What xinetd makes of it; in `defaults`, as if no other file had set anything.
    pub(super) fate: AttributeFate,
}

/// What xinetd makes of an attribute line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttributeFate {
    Set(KnownAttribute),
    Unknown,
    AlreadySet(KnownAttribute),
    OperatorNotAllowed(KnownAttribute),
    WrongValueCount(KnownAttribute, usize),
    Bad(KnownAttribute),
}

/// Which attributes of a block, or of all `defaults` together, are set.
#[derive(Debug, Clone, Default)]
pub(super) struct SpecifiedAttributes(BTreeMap<&'static str, ()>);

impl SpecifiedAttributes {
    /// What xinetd makes of a line, and remembers it.
    pub(super) fn judge(
        &mut self,
        known: Option<KnownAttribute>,
        parts: &AttributeParts,
        bytes: &[u8],
        host: &XinetdHost,
    ) -> AttributeFate {
        let Some(known) = known else {
            return AttributeFate::Unknown;
        };
        if known.arity != AttributeArity::Modifiable {
            if self.0.contains_key(known.name) {
                return AttributeFate::AlreadySet(known);
            }
            if parts.operator != AssignOperator::Set {
                return AttributeFate::OperatorNotAllowed(known);
            }
        }
        if let AttributeArity::Exactly(count) = known.arity
            && parts.values.len() != count
        {
            return AttributeFate::WrongValueCount(known, count);
        }
        // In `defaults` xinetd lets the line come again, and then, in newer versions, fails over it.
        if known.name == "log_type"
            && self.0.contains_key(known.name)
            && XinetdVersion::has(host.version, VersionChange::OneLogType) != HasChange::No
        {
            return AttributeFate::Bad(known);
        }
        match parts.verdict(known, bytes, host) {
            ValueVerdict::Fine | ValueVerdict::Unclear(_) => {
                self.0.insert(known.name, ());
                AttributeFate::Set(known)
            }
            ValueVerdict::Bad => AttributeFate::Bad(known),
        }
    }
}

impl AttributeParts {
    /// What xinetd's parser for the attribute makes of the values.
    pub(super) fn verdict(&self, known: KnownAttribute, bytes: &[u8], host: &XinetdHost) -> ValueVerdict {
        let values: Vec<&[u8]> = self.values.iter().map(|at| &bytes[at.clone()]).collect();
        attribute::verdict(known.check, self.operator, &values, host)
    }
}

impl XinetdFile {
    /// The bytes that were parsed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn text(&self, at: &Range<usize>) -> &[u8] {
        &self.bytes[at.clone()]
    }

    /// The line as it stands in the file, without its line feed.
    pub(super) fn line_text(&self, line: LineRange) -> &[u8] {
        let text = &self.bytes[line.start..line.end];
        let end = text.iter().position(|&b| b == b'\n').unwrap_or(text.len());
        &text[..end]
    }

    /// A part of a line as a spot; the part may run on behind the line.
    pub(super) fn spot(line: LineRange, at: &Range<usize>) -> FileLine {
        let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let end = at.end.min(line.end).max(at.start);
        FileLine {
            line: line.number,
            column: to_u32(at.start.saturating_sub(line.start) + 1),
            width: to_u32((end - at.start).max(1)),
        }
    }

    /// The words of a line, without the white space around them, as a spot.
    pub(super) fn spot_of_line(&self, line: LineRange) -> FileLine {
        let text = &self.bytes[line.start..line.end];
        let blank = |b: &u8| super::reader::is_space(*b);
        let start = text.iter().position(|b| !blank(b)).unwrap_or(0);
        let end = text.iter().rposition(|b| !blank(b)).map_or(text.len(), |at| at + 1);
        Self::spot(line, &(line.start + start..line.start + end))
    }
}

impl From<RawLine> for LineRange {
    fn from(raw: RawLine) -> Self {
        Self { start: raw.start, end: raw.end, number: raw.number, cut: raw.cut }
    }
}

impl From<NotAnAttribute> for XinetdProblemKind {
    fn from(why: NotAnAttribute) -> Self {
        match why {
            NotAnAttribute::NoSpaceBeforeOperator => Self::NoSpaceBeforeOperator,
            NotAnAttribute::NothingAfterName => Self::NothingAfterName,
            NotAnAttribute::BadOperator => Self::BadOperator,
            NotAnAttribute::RunsOffTheBuffer => Self::Unpredictable,
        }
    }
}
