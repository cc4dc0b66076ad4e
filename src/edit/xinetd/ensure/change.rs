//! One change of a file: the bytes, and the lines that differ by them.

use std::ops::Range;

use crate::edit::{FileLine, LineEdit};

use super::{BlockRef, spot_of_heading};

/// Bytes to put in the place of others, and the lines that differ by it.
pub(super) struct ByteChange {
    pub(super) at: Range<usize>,
    pub(super) text: Vec<u8>,
    pub(super) lines: Vec<LineEdit>,
}

impl ByteChange {
    pub(super) fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let mut next = Vec::with_capacity(bytes.len() + self.text.len());
        next.extend_from_slice(&bytes[..self.at.start]);
        next.extend_from_slice(&self.text);
        next.extend_from_slice(&bytes[self.at.end..]);
        next
    }

    /// Adds the lines to those of earlier changes, which move down behind an inserted one.
    pub(super) fn note(self, lines: &mut Vec<LineEdit>) {
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

    pub(super) fn spot(&self) -> FileLine {
        let first = spot_of_heading(BlockRef::Service { line: 1 });
        self.lines.last().map_or(first, LineEdit::spot)
    }
}

impl LineEdit {
    pub(super) fn spot(&self) -> FileLine {
        spot_of_heading(BlockRef::Service { line: self.line })
    }
}
