//! The three ways to get a line: a new value in place, a repair in place, a new line.

use crate::edit::{EditKind, LineEdit};

use super::super::attribute::{self, Attribute};
use super::super::file::{AttributeLine, LineRange, XinetdBlock, XinetdFile};
use super::super::problem::XinetdProblemKind;
use super::super::reader::{AssignOperator, is_space};
use super::super::style::LineStyle;
use super::change::ByteChange;
use super::wish::AttributeWish;
use super::{XinetdRefusal, values};

/// New bytes for the values of a line that xinetd accepts; none where they mean the same already.
pub(super) fn change_value(
    file: &XinetdFile,
    setting: &AttributeLine,
    wish: &AttributeWish,
    label: &str,
) -> Result<Option<ByteChange>, XinetdRefusal> {
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
            return Err(XinetdRefusal::BlockLost {
                spot: file.spot_of_line(line),
                why: XinetdProblemKind::Unpredictable,
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
    Ok(Some(ByteChange {
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
pub(super) fn repair(
    file: &XinetdFile,
    line: LineRange,
    setting: Option<&AttributeLine>,
    wish: &AttributeWish,
    label: &str,
    block: &XinetdBlock,
) -> Result<ByteChange, XinetdRefusal> {
    let before = file.line_text(line);
    let end = line.start + before.len();
    if line.cut || before.contains(&0) {
        return Err(XinetdRefusal::BlockLost {
            spot: file.spot_of_line(line),
            why: XinetdProblemKind::LineCut,
        });
    }
    let broken = BrokenLine::new(before);
    let style = LineStyle::of(file, block, Some(line));
    let value = wish.value();
    let mut after = broken.indent.to_vec();
    after.extend_from_slice(broken.name);
    let first = setting
        .filter(|setting| setting.parts.operator == AssignOperator::Set)
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
    Ok(ByteChange { at: line.start..end, text, lines })
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
        let start = line.iter().position(|&b| !is_space(b)).unwrap_or(line.len());
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
        let last = rest.iter().rposition(|&b| !is_space(b)).map_or(0, |at| at + 1);
        Self { indent, name, rest: &rest[..last], carriage_return }
    }

    /// What a person wrote behind the value, as a comment; none where there are only values.
    fn comment(&self, attribute: Attribute) -> Option<Vec<u8>> {
        if let Some(at) = self.rest.iter().position(|&b| b == b'#') {
            return Some(self.rest[at..].to_vec());
        }
        let words: Vec<&[u8]> = self.rest.split(|&b| is_space(b)).filter(|word| !word.is_empty()).collect();
        let said = words.get(attribute.value_count()..).unwrap_or_default();
        let is_text = said.iter().any(|word| word.iter().any(u8::is_ascii_alphabetic));
        is_text.then(|| [b"# ".as_slice(), &said.join(&b' ')].concat())
    }
}

/// A new line behind the last attribute that xinetd reads in every build.
pub(super) fn insert(
    file: &XinetdFile,
    block: &XinetdBlock,
    wish: &AttributeWish,
    label: &str,
) -> Result<ByteChange, XinetdRefusal> {
    // Behind `disable = yes` Debian's xinetd does not read on.
    let stop = block.settings.iter().position(|setting| {
        attribute::is(file.text(&setting.parts.name), "disable")
            && values(file, setting).first().is_none_or(|value| !attribute::is(value, "no"))
    });
    let settings = &block.settings[..stop.unwrap_or(block.settings.len())];
    let neighbour = settings.last().map_or(block.brace, |setting| setting.line);
    let style = LineStyle::of(file, block, None);
    let bytes = file.bytes();
    // A scan that ran on can leave a line's end inside of what xinetd read as one.
    let at = neighbour.end;
    if bytes.get(at) != Some(&b'\n') {
        return Err(XinetdRefusal::Unproved { spot: file.spot_of_line(neighbour) });
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
    Ok(ByteChange {
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
fn number_behind(bytes: &[u8], line: LineRange) -> u32 {
    let inside = bytes[line.start..line.end].iter().filter(|&&b| b == b'\n').count();
    line.number.saturating_add(u32::try_from(inside).unwrap_or(u32::MAX)).saturating_add(1)
}
