//! One file as xinetd takes it apart: blocks, includes, and what it skips.
//!
//! Nothing here knows of other files: what `defaults` in another file set, and which service is a duplicate, is the
//! business of [`super::Config`].

use std::collections::BTreeMap;
use std::ops::Range;

use crate::edit::Spot;

use super::attribute::{self, Arity, Known};
use super::problem::ProblemKind;
use super::reader::{NotParts, Operator, Parts, RawLine, Reader};

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
    pub(super) fn judge(&mut self, known: Option<Known>, parts: &Parts, bytes: &[u8]) -> Fate {
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
        let values: Vec<&[u8]> = parts.values.iter().map(|at| &bytes[at.clone()]).collect();
        if attribute::accepts(known.check, parts.operator, &values) {
            self.0.insert(known.name, ());
            Fate::Set(known)
        } else {
            Fate::Bad(known)
        }
    }
}

impl File {
    /// Takes a file apart; any bytes will do.
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
        let mut parser = Parser {
            bytes,
            reader: Reader::new(bytes),
            items: Vec::new(),
            disabled,
            found_defaults: false,
        };
        parser.run();
        let items = parser.items;
        Self {
            bytes: bytes.to_vec(),
            items,
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

struct Parser<'a> {
    bytes: &'a [u8],
    reader: Reader<'a>,
    items: Vec<Item>,
    disabled: Disabled,
    found_defaults: bool,
}

impl Parser<'_> {
    fn run(&mut self) {
        while let Some(raw) = self.reader.next_line() {
            let words = self.reader.words(raw);
            let line = Line::from(raw);
            let Some(keyword) = words.first().cloned() else {
                // White space other than blank and tab cannot be alone on a line that is not blank.
                continue;
            };
            let word = &self.bytes[keyword.clone()];
            let name = words.get(1).cloned();
            if attribute::is(word, "defaults") {
                self.defaults(line, keyword);
                continue;
            }
            let service = attribute::is(word, "service");
            let folder = if attribute::is(word, "include") {
                Some(Folder::No)
            } else if attribute::is(word, "includedir") {
                Some(Folder::Yes)
            } else {
                None
            };
            match (service, folder, name) {
                (true, _, Some(name)) => self.service(line, keyword, name),
                (false, Some(folder), Some(path)) => {
                    self.items.push(Item::Include { folder, path, line });
                }
                (false, None, _) => {
                    let kind = if word.starts_with(b"\xef\xbb\xbf") {
                        ProblemKind::ByteOrderMark
                    } else {
                        ProblemKind::UnknownKeyword
                    };
                    self.stumble(line, keyword, kind, None);
                    self.skip();
                }
                (true, _, None) | (false, Some(_), None) => {
                    self.stumble(line, keyword, ProblemKind::NameMissing, None);
                    self.skip();
                }
            }
        }
    }

    fn defaults(&mut self, line: Line, keyword: Range<usize>) {
        let Some(brace) = self.brace() else {
            self.stumble(line, keyword, ProblemKind::MissingBrace, None);
            self.skip();
            return;
        };
        if self.found_defaults {
            self.stumble(line, keyword, ProblemKind::SecondDefaults, None);
            self.skip();
            return;
        }
        let (settings, end) = self.settings(&Heading::Defaults);
        // A broken block is not skipped here: its next line is read as if it stood outside.
        self.found_defaults = matches!(end, BlockEnd::Closed(_));
        self.items.push(Item::Block(Block {
            heading: Heading::Defaults,
            line,
            brace,
            settings,
            end,
        }));
    }

    fn service(&mut self, line: Line, keyword: Range<usize>, name: Range<usize>) {
        let Some(brace) = self.brace() else {
            let at = keyword.start..name.end;
            self.stumble(line, at, ProblemKind::MissingBrace, Some(name));
            self.skip();
            return;
        };
        let heading = Heading::Service { name };
        let (settings, end) = self.settings(&heading);
        let skip = !matches!(end, BlockEnd::Closed(_) | BlockEnd::ClosedBad(_));
        self.items.push(Item::Block(Block {
            heading,
            line,
            brace,
            settings,
            end,
        }));
        if skip {
            self.skip();
        }
    }

    /// The line after a heading, when it is a lone `{`. It is used up in any case.
    fn brace(&mut self) -> Option<Line> {
        let raw = self.reader.next_line()?;
        self.reader.is_only(raw, b'{').then(|| Line::from(raw))
    }

    fn settings(&mut self, heading: &Heading) -> (Vec<Setting>, BlockEnd) {
        let mut settings = Vec::new();
        let mut specified = Specified::default();
        let mut disabled = false;
        let mut bad = false;
        loop {
            let Some(raw) = self.reader.next_line() else {
                return (settings, BlockEnd::Unclosed);
            };
            let line = Line::from(raw);
            if self.reader.is_only(raw, b'}') {
                let end = match (heading, disabled) {
                    (Heading::Service { .. }, true) if bad => BlockEnd::ClosedBad(line),
                    (Heading::Service { .. }, true) => BlockEnd::Disabled(line),
                    (Heading::Defaults, _) | (Heading::Service { .. }, false) => {
                        BlockEnd::Closed(line)
                    }
                };
                return (settings, end);
            }
            let parts = match self.reader.parts(raw) {
                Ok(parts) => parts,
                Err(why) => {
                    let kind = ProblemKind::from(why);
                    return (settings, BlockEnd::Broken { line, kind });
                }
            };
            let name = &self.bytes[parts.name.clone()];
            let known = match heading {
                Heading::Defaults => attribute::in_defaults(name),
                Heading::Service { .. } => attribute::in_service(name),
            };
            let is_disable = attribute::is(name, "disable");
            let fate = specified.judge(known, &parts, self.bytes);
            match fate {
                Fate::Bad(_) => {
                    disabled = true;
                    bad = true;
                }
                Fate::Set(known) if known.name == "disable" => {
                    disabled = parts
                        .values
                        .first()
                        .is_some_and(|at| attribute::is(&self.bytes[at.clone()], "yes"));
                    // `disable = no` takes a bad value's verdict back.
                    bad = false;
                }
                Fate::Set(_)
                | Fate::Unknown
                | Fate::AlreadySet(_)
                | Fate::OperatorNotAllowed(_)
                | Fate::WrongValueCount(..) => {}
            }
            settings.push(Setting { line, parts, fate });
            if is_disable
                && disabled
                && self.disabled == Disabled::Stops
                && matches!(heading, Heading::Service { .. })
            {
                let end = if bad {
                    BlockEnd::DisabledBad(line)
                } else {
                    BlockEnd::Disabled(line)
                };
                return (settings, end);
            }
        }
    }

    /// Skips to the next lone `}`, noting the services on the way.
    fn skip(&mut self) {
        let mut last = Vec::new();
        while let Some(raw) = self.reader.next_line() {
            if self.reader.is_only(raw, b'}') {
                break;
            }
            let words = self.reader.words(raw);
            if let [keyword, name, ..] = words.as_slice()
                && attribute::is(&self.bytes[keyword.clone()], "service")
            {
                last.push(Item::Swallowed {
                    line: Line::from(raw),
                    name: name.clone(),
                });
            }
        }
        self.items.append(&mut last);
    }

    fn stumble(
        &mut self,
        line: Line,
        at: Range<usize>,
        kind: ProblemKind,
        service: Option<Range<usize>>,
    ) {
        self.items.push(Item::Stumble {
            line,
            at,
            kind,
            service,
        });
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
