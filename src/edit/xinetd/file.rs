//! One file as xinetd takes it apart: blocks, includes, and what it skips.
//!
//! Nothing here knows of other files: what `defaults` in another file set, and which service is a duplicate, is the
//! business of [`super::Config`].

use std::collections::BTreeMap;
use std::ops::Range;

use crate::edit::Spot;

use super::attribute::{self, Arity, Known, Verdict};
use super::host::{Change, Has, Host, Version};
use super::parser;
use super::problem::ProblemKind;
use super::reader::{NotParts, Operator, Parts, RawLine};

/// A file in its parts. Holds its bytes unchanged, whatever they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    bytes: Vec<u8>,
    pub(super) items: Vec<Item>,
}

/// Whether a block is read on behind `disable = yes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disabled {
    /// Debian's and openSUSE's builds stop there.
    Stops,
    /// The original reads on.
    ReadsOn,
}

/// What stands at the top level of a file, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Block(Block),
    Include {
        /// Whether every file in a folder is meant.
        folder: Folder,
        path: Range<usize>,
        line: Line,
    },
    /// A line that xinetd stumbles over outside of a block.
    Stumble {
        line: Line,
        at: Range<usize>,
        kind: ProblemKind,
        /// The name, where the line is the heading of a service.
        service: Option<Range<usize>>,
    },
    /// A service's heading in what xinetd skips.
    Swallowed {
        line: Line,
        name: Range<usize>,
    },
}

/// What an include names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    No,
    Yes,
}

/// A line's place in the file, without its line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) number: u32,
    pub(super) cut: bool,
}

/// A block that xinetd began to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) heading: Heading,
    pub(super) line: Line,
    pub(super) brace: Line,
    pub(super) settings: Vec<Setting>,
    pub(super) end: BlockEnd,
}

/// What a block is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heading {
    Defaults,
    Service { name: Range<usize> },
}

/// How a block ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BlockEnd {
    /// With its `}`; in a service that a bad value did not disable.
    Closed(Line),
    /// With its `}`, but a bad value disabled the service.
    ClosedBad(Line),
    /// Read no further than `disable = yes`.
    Disabled(Line),
    /// Read no further than `disable`, when a bad value had disabled the service.
    DisabledBad(Line),
    /// Given up at this line.
    Broken { line: Line, kind: ProblemKind },
    /// The file ends before the block does.
    Unclosed,
}

/// An attribute line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) line: Line,
    pub(super) parts: Parts,
    /// What xinetd makes of it; in `defaults`, as if no other file had set anything.
    pub(super) fate: Fate,
}

/// What xinetd makes of an attribute line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Set(Known),
    Unknown,
    AlreadySet(Known),
    OperatorNotAllowed(Known),
    WrongValueCount(Known, usize),
    Bad(Known),
}

/// Which attributes of a block, or of all `defaults` together, are set.
#[derive(Debug, Clone, Default)]
pub(super) struct Specified(BTreeMap<&'static str, ()>);

impl Specified {
    /// What xinetd makes of a line, and remembers it.
    pub(super) fn judge(
        &mut self,
        known: Option<Known>,
        parts: &Parts,
        bytes: &[u8],
        host: &Host,
    ) -> Fate {
        let Some(known) = known else {
            return Fate::Unknown;
        };
        if known.arity != Arity::Modifiable {
            if self.0.contains_key(known.name) {
                return Fate::AlreadySet(known);
            }
            if parts.operator != Operator::Set {
                return Fate::OperatorNotAllowed(known);
            }
        }
        if let Arity::Exactly(count) = known.arity
            && parts.values.len() != count
        {
            return Fate::WrongValueCount(known, count);
        }
        // In `defaults` xinetd lets the line come again, and then, in newer versions, fails over it.
        if known.name == "log_type"
            && self.0.contains_key(known.name)
            && Version::has(host.version, Change::OneLogType) != Has::No
        {
            return Fate::Bad(known);
        }
        match parts.verdict(known, bytes, host) {
            Verdict::Fine | Verdict::Unclear(_) => {
                self.0.insert(known.name, ());
                Fate::Set(known)
            }
            Verdict::Bad => Fate::Bad(known),
        }
    }
}

impl Parts {
    /// What xinetd's parser for the attribute makes of the values.
    pub(super) fn verdict(&self, known: Known, bytes: &[u8], host: &Host) -> Verdict {
        let values: Vec<&[u8]> = self.values.iter().map(|at| &bytes[at.clone()]).collect();
        attribute::verdict(known.check, self.operator, &values, host)
    }
}

impl File {
    /// Takes a file apart; any bytes will do. What only the host can tell counts as fine.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        Self::parse_as(bytes, Disabled::Stops)
    }

    /// The bytes that were parsed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    pub(super) fn parse_as(bytes: &[u8], disabled: Disabled) -> Self {
        Self {
            bytes: bytes.to_vec(),
            items: parser::items(bytes, disabled, &Host::default()),
        }
    }

    /// Takes a file apart as the xinetd of a host does.
    pub(super) fn parse_on(bytes: &[u8], host: &Host) -> Self {
        let disabled = match Version::has(host.version, Change::StopsAtDisable) {
            Has::Yes | Has::Unclear => Disabled::Stops,
            Has::No => Disabled::ReadsOn,
        };
        Self {
            bytes: bytes.to_vec(),
            items: parser::items(bytes, disabled, host),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn text(&self, at: &Range<usize>) -> &[u8] {
        &self.bytes[at.clone()]
    }

    /// The line as it stands in the file, without its line feed.
    pub(super) fn line_text(&self, line: Line) -> &[u8] {
        let text = &self.bytes[line.start..line.end];
        let end = text.iter().position(|&b| b == b'\n').unwrap_or(text.len());
        &text[..end]
    }

    /// A part of a line as a spot; the part may run on behind the line.
    pub(super) fn spot(line: Line, at: &Range<usize>) -> Spot {
        let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let end = at.end.min(line.end).max(at.start);
        Spot {
            line: line.number,
            column: to_u32(at.start.saturating_sub(line.start) + 1),
            width: to_u32((end - at.start).max(1)),
        }
    }

    /// The words of a line, without the white space around them, as a spot.
    pub(super) fn spot_of_line(&self, line: Line) -> Spot {
        let text = &self.bytes[line.start..line.end];
        let blank = |b: &u8| super::reader::is_space(*b);
        let start = text.iter().position(|b| !blank(b)).unwrap_or(0);
        let end = text
            .iter()
            .rposition(|b| !blank(b))
            .map_or(text.len(), |at| at + 1);
        Self::spot(line, &(line.start + start..line.start + end))
    }
}

impl From<RawLine> for Line {
    fn from(raw: RawLine) -> Self {
        Self {
            start: raw.start,
            end: raw.end,
            number: raw.number,
            cut: raw.cut,
        }
    }
}

impl From<NotParts> for ProblemKind {
    fn from(why: NotParts) -> Self {
        match why {
            NotParts::NoSpaceBeforeOperator => Self::NoSpaceBeforeOperator,
            NotParts::NothingAfterName => Self::NothingAfterName,
            NotParts::BadOperator => Self::BadOperator,
            NotParts::RunsOffTheBuffer => Self::Unpredictable,
        }
    }
}
