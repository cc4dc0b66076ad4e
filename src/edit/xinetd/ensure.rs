//! Makes one attribute of one block have a value, touching nothing else.
//!
//! Every edit is checked by reading the result again: where the block does not then have the value, or any other block
//! reads differently, the answer is a refusal and never the edit.

use std::ops::Range;

use crate::edit::{EditKind, Edited, LineEdit, Spot};

use super::attribute::{self, Attribute};
use super::file::{Block, BlockEnd, Disabled, Fate, File, Heading, Item, Line, Setting};
use super::problem::ProblemKind;
use super::reader::{Operator, is_space};
use super::style::Style;

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

/// Adds a `defaults` block with one attribute at the top of a file that has none.
///
/// It goes before everything that xinetd reads, so that it comes first of all, and behind the comments that head the file.
///
/// # Errors
/// A [`Refusal`] where the file has a `defaults` block, or the result would not read as intended.
pub fn ensure_defaults_block(
    bytes: &[u8],
    attribute: Attribute,
    value: &str,
) -> Result<Edited, Refusal> {
    let wanted = Wish::new(attribute, value)?;
    let file = File::parse_as(bytes, Disabled::ReadsOn);
    for item in &file.items {
        if let Item::Block(block) = item
            && block.heading == Heading::Defaults
        {
            let spot = file.spot_of_line(block.line);
            return Err(Refusal::HasDefaults { spot });
        }
        if let Item::Stumble {
            line,
            at,
            kind: kind @ (ProblemKind::ByteOrderMark | ProblemKind::MissingBrace),
            ..
        } = item
        {
            let is_defaults = attribute::is(file.text(at), "defaults");
            if is_defaults || *kind == ProblemKind::ByteOrderMark {
                return Err(Refusal::NoBlock {
                    spot: Some(File::spot(*line, at)),
                    why: Some(kind.clone()),
                });
            }
        }
    }
    let (offset, number) = top(&file);
    let lines = [
        "defaults".to_owned(),
        "{".to_owned(),
        format!("\t{} = {value}", attribute.name()),
        "}".to_owned(),
        String::new(),
    ];
    let mut text = lines.join("\n").into_bytes();
    text.push(b'\n');
    if offset > 0 && bytes[offset - 1] != b'\n' {
        text.insert(0, b'\n');
    }
    let change = Change {
        at: offset..offset,
        text,
        lines: lines
            .iter()
            .zip(number..)
            .map(|(line, number)| LineEdit {
                kind: EditKind::Insert,
                line: number,
                block: Some("defaults".to_owned()),
                before: None,
                after: line.clone().into_bytes(),
            })
            .collect(),
    };
    let next = change.apply(bytes);
    let after = File::parse_as(&next, Disabled::ReadsOn);
    wanted.holds(&after, BlockRef::Defaults, &change)?;
    let rest: Vec<_> = outline(&file).collect();
    let same = outline(&after).skip(1).eq(rest);
    if !same {
        return Err(Refusal::Unproved {
            spot: spot_of_heading(BlockRef::Defaults),
        });
    }
    Ok(Edited {
        bytes: next,
        lines: change.lines,
    })
}

/// The offset and line before the first thing that xinetd reads, and before the comments right above it when other
/// comments or blank lines come before those.
fn top(file: &File) -> (usize, u32) {
    let bytes = file.bytes();
    let first = file.items.first().map_or(bytes.len(), |item| match item {
        Item::Block(block) => block.line.start,
        Item::Include { line, .. } | Item::Stumble { line, .. } | Item::Swallowed { line, .. } => {
            line.start
        }
    });
    let mut offset = first;
    let mut attached = first;
    for line in bytes[..first].rsplit_inclusive_lines() {
        if line.iter().all(|&b| is_space(b)) {
            offset = attached;
            break;
        }
        attached -= line.len();
    }
    let newlines = bytes[..offset].iter().filter(|&&b| b == b'\n').count();
    let open = usize::from(offset > 0 && bytes[offset - 1] != b'\n');
    (
        offset,
        u32::try_from(newlines + open + 1).unwrap_or(u32::MAX),
    )
}

/// Lines from the last to the first, each with its line feed.
trait Lines {
    fn rsplit_inclusive_lines(&self) -> Vec<&[u8]>;
}

impl Lines for [u8] {
    fn rsplit_inclusive_lines(&self) -> Vec<&[u8]> {
        let mut lines: Vec<&[u8]> = self.split_inclusive(|&b| b == b'\n').collect();
        lines.reverse();
        lines
    }
}

/// A checked value for one attribute.
struct Wish<'a> {
    attribute: Attribute,
    words: Vec<&'a str>,
}

/// Bytes to put in the place of others, and the lines that differ by it.
struct Change {
    at: Range<usize>,
    text: Vec<u8>,
    lines: Vec<LineEdit>,
}

impl Change {
    fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let mut next = Vec::with_capacity(bytes.len() + self.text.len());
        next.extend_from_slice(&bytes[..self.at.start]);
        next.extend_from_slice(&self.text);
        next.extend_from_slice(&bytes[self.at.end..]);
        next
    }

    /// Adds the lines to those of earlier changes, which move down behind an inserted one.
    fn note(self, lines: &mut Vec<LineEdit>) {
        for new in self.lines {
            if new.before.is_none() {
                for line in lines.iter_mut().filter(|line| line.line >= new.line) {
                    line.line += 1;
                }
            }
            lines.push(new);
        }
        lines.sort_by_key(|line| line.line);
    }

    fn spot(&self) -> Spot {
        let first = spot_of_heading(BlockRef::Service { line: 1 });
        self.lines.last().map_or(first, LineEdit::spot)
    }
}

impl LineEdit {
    fn spot(&self) -> Spot {
        spot_of_heading(BlockRef::Service { line: self.line })
    }
}

impl<'a> Wish<'a> {
    fn new(attribute: Attribute, value: &'a str) -> Result<Self, Refusal> {
        let words: Vec<&str> = value.split(' ').collect();
        let texts: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let plain = |word: &&str| {
            (!word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()))
                || (attribute != Attribute::Cps && word.eq_ignore_ascii_case("UNLIMITED"))
        };
        let known = match attribute {
            Attribute::PerSource | Attribute::Instances => {
                words.len() == 1 && attribute::count(texts[0]).is_some()
            }
            Attribute::Cps => attribute::rate(&texts).is_some(),
        };
        let wraps = texts.iter().any(|text| attribute::wraps(text));
        if known && !wraps && words.iter().all(plain) {
            Ok(Self { attribute, words })
        } else {
            Err(Refusal::Value {
                attribute: attribute.name(),
                value: value.to_owned(),
            })
        }
    }

    fn value(&self) -> String {
        self.words.join(" ")
    }

    /// Whether these values mean what is wanted.
    fn is(&self, values: &[&[u8]]) -> bool {
        let wanted: Vec<&[u8]> = self.words.iter().map(|word| word.as_bytes()).collect();
        match self.attribute {
            Attribute::PerSource | Attribute::Instances => {
                matches!((values, wanted.as_slice()), ([have], [want])
                    if attribute::count(have) == attribute::count(want))
            }
            Attribute::Cps => attribute::rate(values) == attribute::rate(&wanted),
        }
    }

    fn holds(&self, file: &File, heading: BlockRef, change: &Change) -> Result<(), Refusal> {
        let found = find(file, heading)?;
        let set = found
            .iter()
            .flat_map(|block| &block.settings)
            .find(|setting| matches!(setting.fate, Fate::Set(known) if known.name == self.attribute.name()));
        let holds = set.is_some_and(|setting| self.is(&values(file, setting)));
        if holds {
            Ok(())
        } else {
            Err(Refusal::Unproved {
                spot: change.spot(),
            })
        }
    }

    /// Whether a line looks like a try at the attribute, in the daemon's eyes or a person's.
    fn is_meant_by(&self, text: &[u8]) -> bool {
        let start = text
            .iter()
            .position(|&b| !is_space(b))
            .unwrap_or(text.len());
        let text = &text[start..];
        let end = text
            .iter()
            .position(|&b| is_space(b) || matches!(b, b'=' | b'+' | b'-' | b':'))
            .unwrap_or(text.len());
        attribute::is(&text[..end], self.attribute.name())
    }
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
            format!("service {}", String::from_utf8_lossy(file.text(name)))
        }
    }
}

/// New bytes for the values of a line that xinetd accepts; none where they mean the same already.
fn change_value(
    file: &File,
    setting: &Setting,
    wish: &Wish,
    label: &str,
) -> Result<Option<Change>, Refusal> {
    let have = values(file, setting);
    if wish.is(&have) {
        return Ok(None);
    }
    let line = setting.line;
    let line_end = line.start + file.line_text(line).len();
    let mut text = Vec::new();
    let first = match (setting.parts.values.first(), setting.parts.values.last()) {
        (Some(first), Some(last)) if last.end <= line_end => first.start,
        _ => {
            return Err(Refusal::BlockLost {
                spot: file.spot_of_line(line),
                why: ProblemKind::Unpredictable,
            });
        }
    };
    let mut at = first;
    let mut end = first;
    for (range, word) in setting.parts.values.iter().zip(&wish.words) {
        let value = file.text(range);
        // A CR at the end of a number does not disturb xinetd and stays; at the end of a word it would.
        let kept = if attribute::is(word.as_bytes(), "UNLIMITED") {
            0
        } else {
            value.iter().rev().take_while(|&&b| is_space(b)).count()
        };
        let number_end = range.end - kept;
        text.extend_from_slice(&file.bytes()[at..range.start]);
        let same = attribute::rate(&[value, b"0"]) == attribute::rate(&[word.as_bytes(), b"0"]);
        if same && wish.words.len() > 1 {
            text.extend_from_slice(&file.bytes()[range.start..number_end]);
        } else {
            text.extend_from_slice(word.as_bytes());
        }
        at = number_end;
        end = number_end;
    }
    let mut after = file.bytes()[line.start..first].to_vec();
    after.extend_from_slice(&text);
    after.extend_from_slice(&file.bytes()[end..line_end]);
    Ok(Some(Change {
        at: first..end,
        text,
        lines: vec![LineEdit {
            kind: EditKind::Change,
            line: line.number,
            block: Some(label.to_owned()),
            before: Some(file.line_text(line).to_vec()),
            after,
        }],
    }))
}

/// A line that xinetd ignores or chokes on, written so that it reads it.
fn repair(
    file: &File,
    line: Line,
    setting: Option<&Setting>,
    wish: &Wish,
    label: &str,
    block: &Block,
) -> Result<Change, Refusal> {
    let before = file.line_text(line);
    let end = line.start + before.len();
    if line.cut || before.contains(&0) {
        return Err(Refusal::BlockLost {
            spot: file.spot_of_line(line),
            why: ProblemKind::LineCut,
        });
    }
    let broken = BrokenLine::new(before);
    let style = Style::of(file, block, Some(line));
    let value = wish.value();
    let mut after = broken.indent.to_vec();
    after.extend_from_slice(broken.name);
    let first = setting
        .filter(|setting| setting.parts.operator == Operator::Set)
        .and_then(|setting| Some(setting.parts.name.end..setting.parts.values.first()?.start));
    match first {
        // What stands between the name and the values is right: it stays.
        Some(between) if between.end <= end && file.bytes()[between.end] != b'=' => {
            after.extend_from_slice(file.text(&between))
        }
        Some(_) | None => after.extend_from_slice(&style.assignment(broken.indent, broken.name)),
    }
    after.extend_from_slice(value.as_bytes());
    if broken.carriage_return && !value.eq_ignore_ascii_case("UNLIMITED") {
        after.push(b'\r');
    }
    let mut text = Vec::new();
    let mut lines = Vec::new();
    let mut number = line.number;
    if let Some(comment) = broken.comment(wish.attribute) {
        let mut own_line = broken.indent.to_vec();
        own_line.extend_from_slice(&comment);
        if broken.carriage_return {
            own_line.push(b'\r');
        }
        text.extend_from_slice(&own_line);
        text.push(b'\n');
        lines.push(LineEdit {
            kind: EditKind::Insert,
            line: number,
            block: Some(label.to_owned()),
            before: None,
            after: own_line,
        });
        number += 1;
    }
    text.extend_from_slice(&after);
    lines.push(LineEdit {
        kind: EditKind::Repair,
        line: number,
        block: Some(label.to_owned()),
        before: Some(before.to_vec()),
        after,
    });
    Ok(Change {
        at: line.start..end,
        text,
        lines,
    })
}

/// A broken line in the parts that a person meant.
struct BrokenLine<'a> {
    indent: &'a [u8],
    name: &'a [u8],
    /// What follows the name and an operator, trimmed.
    rest: &'a [u8],
    carriage_return: bool,
}

impl<'a> BrokenLine<'a> {
    fn new(line: &'a [u8]) -> Self {
        let carriage_return = line.ends_with(b"\r");
        let start = line
            .iter()
            .position(|&b| !is_space(b))
            .unwrap_or(line.len());
        let (indent, text) = line.split_at(start);
        let end = text
            .iter()
            .position(|&b| is_space(b) || matches!(b, b'=' | b'+' | b'-' | b':'))
            .unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let operator = rest
            .iter()
            .position(|&b| !(is_space(b) || matches!(b, b'=' | b'+' | b'-' | b':')))
            .unwrap_or(rest.len());
        let rest = &rest[operator..];
        let last = rest
            .iter()
            .rposition(|&b| !is_space(b))
            .map_or(0, |at| at + 1);
        Self {
            indent,
            name,
            rest: &rest[..last],
            carriage_return,
        }
    }

    /// What a person wrote behind the value, as a comment; none where there are only values.
    fn comment(&self, attribute: Attribute) -> Option<Vec<u8>> {
        if let Some(at) = self.rest.iter().position(|&b| b == b'#') {
            return Some(self.rest[at..].to_vec());
        }
        let words: Vec<&[u8]> = self
            .rest
            .split(|&b| is_space(b))
            .filter(|word| !word.is_empty())
            .collect();
        let said = words.get(attribute.value_count()..).unwrap_or_default();
        let is_text = said
            .iter()
            .any(|word| word.iter().any(u8::is_ascii_alphabetic));
        is_text.then(|| [b"# ".as_slice(), &said.join(&b' ')].concat())
    }
}

/// A new line behind the last attribute that xinetd reads in every build.
fn insert(file: &File, block: &Block, wish: &Wish, label: &str) -> Result<Change, Refusal> {
    // Behind `disable = yes` Debian's xinetd does not read on.
    let stop = block.settings.iter().position(|setting| {
        attribute::is(file.text(&setting.parts.name), "disable")
            && values(file, setting)
                .first()
                .is_none_or(|value| !attribute::is(value, "no"))
    });
    let settings = &block.settings[..stop.unwrap_or(block.settings.len())];
    let neighbour = settings.last().map_or(block.brace, |setting| setting.line);
    let style = Style::of(file, block, None);
    let bytes = file.bytes();
    // A scan that ran on can leave a line's end inside of what xinetd read as one.
    let at = neighbour.end;
    if bytes.get(at) != Some(&b'\n') {
        return Err(Refusal::Unproved {
            spot: file.spot_of_line(neighbour),
        });
    }
    let at = at + 1;
    let mut line = style.indent.clone();
    line.extend_from_slice(wish.attribute.name().as_bytes());
    line.extend_from_slice(&style.assignment(&style.indent, wish.attribute.name().as_bytes()));
    let value = wish.value();
    line.extend_from_slice(value.as_bytes());
    let neighbour_returns = file.line_text(neighbour).ends_with(b"\r");
    if neighbour_returns && !value.eq_ignore_ascii_case("UNLIMITED") {
        line.push(b'\r');
    }
    let mut text = line.clone();
    text.push(b'\n');
    Ok(Change {
        at: at..at,
        text,
        lines: vec![LineEdit {
            kind: EditKind::Insert,
            line: number_behind(bytes, neighbour),
            block: Some(label.to_owned()),
            before: None,
            after: line,
        }],
    })
}

/// The number of the line behind this one.
fn number_behind(bytes: &[u8], line: Line) -> u32 {
    let inside = bytes[line.start..line.end]
        .iter()
        .filter(|&&b| b == b'\n')
        .count();
    line.number
        .saturating_add(u32::try_from(inside).unwrap_or(u32::MAX))
        .saturating_add(1)
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
