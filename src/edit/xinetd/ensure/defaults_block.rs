//! A `defaults` block for a file that has none.

use crate::edit::{EditKind, Edited, LineEdit};

use super::super::attribute::{self, Attribute};
use super::super::file::{Disabled, File, Heading, Item};
use super::super::problem::ProblemKind;
use super::super::reader::is_space;
use super::change::Change;
use super::wish::Wish;
use super::{BlockRef, Refusal, outline, spot_of_heading};

/// Adds a `defaults` block with one attribute at the top of a file that has none.
///
/// It goes before everything that xinetd reads, so that it comes first of all, and behind the comments that head the
/// file.
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
