//! How the lines of a block are laid out, so that a new one looks like its neighbours.

use super::file::{AttributeLine, LineRange, XinetdBlock, XinetdFile};
use super::reader::is_space;

/// Tab stops, as every editor and pager has them unless told.
const TAB: usize = 8;

/// The layout of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineStyle {
    /// What the line begins with.
    pub(super) indent: Vec<u8>,
    /// Between the name and the operator.
    before: Vec<u8>,
    /// Between the operator and the value.
    after: Vec<u8>,
    /// The column of the operator.
    column: usize,
}

impl LineStyle {
    /// The style of the nearest attribute line above `near` (or of the block's last), else of the first
    /// below.
    pub(super) fn of(file: &XinetdFile, block: &XinetdBlock, near: Option<LineRange>) -> Self {
        let limit = near.map_or(usize::MAX, |line| line.start);
        let whole = |setting: &&AttributeLine| setting.parts.operator_at.end <= setting.line.end;
        let above = block.settings.iter().filter(whole).rfind(|setting| setting.line.start < limit);
        let below = block.settings.iter().filter(whole).find(|setting| setting.line.start > limit);
        above.or(below).map_or_else(Self::plain, |setting| Self::of_setting(file, setting))
    }

    fn plain() -> Self {
        Self { indent: b"\t".to_vec(), before: b" ".to_vec(), after: b" ".to_vec(), column: 0 }
    }

    fn of_setting(file: &XinetdFile, setting: &AttributeLine) -> Self {
        let bytes = file.bytes();
        let parts = &setting.parts;
        let blank = |text: &[u8]| -> Vec<u8> {
            let ok = text.iter().all(|&b| matches!(b, b' ' | b'\t'));
            if ok { text.to_vec() } else { b" ".to_vec() }
        };
        let line = &bytes[setting.line.start..setting.line.end];
        let start = line.iter().position(|&b| !is_space(b)).unwrap_or(0);
        let after = parts
            .values
            .first()
            .map_or_else(|| b" ".to_vec(), |at| blank(&bytes[parts.operator_at.end..at.start]));
        Self {
            indent: blank(&line[..start]),
            before: blank(&bytes[parts.name.end..parts.operator_at.start]),
            after,
            column: width(&bytes[setting.line.start..parts.operator_at.start]),
        }
    }

    /// ` = ` for a name behind an indentation, with the operator in the neighbours' column where it fits.
    pub(super) fn assignment(&self, indent: &[u8], name: &[u8]) -> Vec<u8> {
        let mut line = indent.to_vec();
        line.extend_from_slice(name);
        let start = line.len();
        if self.before == b" " || width(&line) + 1 > self.column {
            line.push(b' ');
        } else if self.before.contains(&b'\t') {
            while width(&line) < self.column {
                let tab_fits = (width(&line) / TAB + 1) * TAB <= self.column;
                line.push(if tab_fits { b'\t' } else { b' ' });
            }
        } else {
            while width(&line) < self.column {
                line.push(b' ');
            }
        }
        line.push(b'=');
        line.extend_from_slice(&self.after);
        line.split_off(start)
    }
}

/// How many columns a text takes.
fn width(text: &[u8]) -> usize {
    text.iter().fold(0, |column, &b| match b {
        b'\t' => (column / TAB + 1) * TAB,
        _ => column + 1,
    })
}
