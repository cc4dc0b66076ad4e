//! A `defaults` block for a file that has none.

use crate::edit::{EditKind, EditedBytes, LineEdit};

use super::super::attribute::{self, Attribute};
use super::super::file::{BlockHeading, DisabledBlocks, FileItem, XinetdFile};
use super::super::problem::XinetdProblemKind;
use super::super::reader::is_space;
use super::change::ByteChange;
use super::wish::AttributeWish;
use super::{BlockRef, XinetdRefusal, outline, spot_of_heading};

/// Adds a `defaults` block with one attribute at the top of a file that has none.
///
/// It goes before everything that xinetd reads, so that it comes first of all, and behind the comments that
/// head the file.
///
/// # Errors
/// A [`XinetdRefusal`] where the file has a `defaults` block, or the result would not read as intended.
pub fn ensure_defaults_block(
    bytes: &[u8],
    attribute: Attribute,
    value: &str,
) -> Result<EditedBytes, XinetdRefusal> {
    let wanted = AttributeWish::new(attribute, value)?;
    let file = XinetdFile::parse_as(bytes, DisabledBlocks::ReadsOn);
    for item in &file.items {
        if let FileItem::Block(block) = item
            && block.heading == BlockHeading::Defaults
        {
            let spot = file.spot_of_line(block.line);
            return Err(XinetdRefusal::HasDefaults { spot });
        }
        if let FileItem::Stumble {
            line,
            at,
            kind: kind @ (XinetdProblemKind::ByteOrderMark | XinetdProblemKind::MissingBrace),
            ..
        } = item
        {
            let is_defaults = attribute::is(file.text(at), "defaults");
            if is_defaults || *kind == XinetdProblemKind::ByteOrderMark {
                return Err(XinetdRefusal::NoBlock {
                    spot: Some(XinetdFile::spot(*line, at)),
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
    let change = ByteChange {
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
    let after = XinetdFile::parse_as(&next, DisabledBlocks::ReadsOn);
    wanted.holds(&after, BlockRef::Defaults, &change)?;
    let rest: Vec<_> = outline(&file).collect();
    let same = outline(&after).skip(1).eq(rest);
    if !same {
        return Err(XinetdRefusal::Unproved { spot: spot_of_heading(BlockRef::Defaults) });
    }
    Ok(EditedBytes { bytes: next, lines: change.lines })
}

/// The offset and line before the first thing that xinetd reads, and before the comments right above it when
/// other comments or blank lines come before those.
fn top(file: &XinetdFile) -> (usize, u32) {
    let bytes = file.bytes();
    let first = file.items.first().map_or(bytes.len(), |item| match item {
        FileItem::Block(block) => block.line.start,
        FileItem::Include { line, .. }
        | FileItem::Stumble { line, .. }
        | FileItem::Swallowed { line, .. } => line.start,
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
    (offset, u32::try_from(newlines + open + 1).unwrap_or(u32::MAX))
}

/// Lines from the last to the first, each with its line feed.
trait ReversedLines {
    fn rsplit_inclusive_lines(&self) -> Vec<&[u8]>;
}

impl ReversedLines for [u8] {
    fn rsplit_inclusive_lines(&self) -> Vec<&[u8]> {
        let mut lines: Vec<&[u8]> = self.split_inclusive(|&b| b == b'\n').collect();
        lines.reverse();
        lines
    }
}
