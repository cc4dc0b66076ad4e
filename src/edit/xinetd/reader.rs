//! Lines as xinetd's own input buffer hands them out, byte for byte.
//!
//! xinetd reads a file in pieces of 8 KiB, ends each line by writing a NUL over its line feed, and parses in
//! place. Three things follow that no line splitter shows: a line that fills the buffer is cut; a NUL in the
//! file ends its line; and an attribute name with nothing behind it is read on into the following line. This
//! file does the same on a copy, and keeps every offset an offset into the file.

use std::ops::Range;

/// xinetd maps two pages at a time and keeps that size when it falls back to `read`.
const PIECE: usize = 8192;

/// Whether C's `isspace` holds in the C locale.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// A line that xinetd looks at: neither blank nor a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawLine {
    /// Offset of its first byte.
    pub(super) start: usize,
    /// Offset of the byte that ends it (a line feed, the end of the file, or the place of a cut).
    pub(super) end: usize,
    /// The line of the file that it begins on, counted from 1.
    pub(super) number: u32,
    /// The buffer ended before the line did.
    pub(super) cut: bool,
}

/// How an attribute line assigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssignOperator {
    /// `=`
    Set,
    /// `+=`
    Add,
    /// `-=`
    Remove,
}

/// An attribute line in its parts, as offsets into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttributeParts {
    pub(super) name: Range<usize>,
    pub(super) operator: AssignOperator,
    pub(super) operator_at: Range<usize>,
    pub(super) values: Vec<Range<usize>>,
}

/// Why a line is not an attribute line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum NotAnAttribute {
    NoSpaceBeforeOperator,
    NothingAfterName,
    BadOperator,
    /// The daemon's buffer ends before its scan does: what it finds there is chance.
    RunsOffTheBuffer,
}

/// xinetd's input buffer over one file.
pub(super) struct InputReader<'a> {
    file: &'a [u8],
    memory: Vec<u8>,
    next: usize,
    loaded: usize,
    counted: usize,
    line: u32,
}

impl<'a> InputReader<'a> {
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self { file, memory: file.to_vec(), next: 0, loaded: 0, counted: 0, line: 1 }
    }

    /// The next line that is neither blank nor a comment.
    pub(super) fn next_line(&mut self) -> Option<RawLine> {
        loop {
            let line = self.read_line()?;
            let first = self.text(line).iter().copied().find(|&b| !is_space(b));
            if !matches!(first, None | Some(b'#')) {
                return Some(line);
            }
        }
    }

    /// The line as a C string: up to its end or its first NUL.
    pub(super) fn text(&self, line: RawLine) -> &[u8] {
        let text = &self.memory[line.start..line.end];
        let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
        &text[..end]
    }

    /// The words of a line outside of a block, split at blanks and tabs.
    pub(super) fn words(&self, line: RawLine) -> Vec<Range<usize>> {
        let mut words = Vec::new();
        let text = self.text(line);
        let mut at = 0;
        while let Some(skip) = text[at..].iter().position(|b| !matches!(b, b' ' | b'\t')) {
            let start = at + skip;
            let end = text[start..]
                .iter()
                .position(|b| matches!(b, b' ' | b'\t'))
                .map_or(text.len(), |length| start + length);
            words.push(line.start + start..line.start + end);
            at = end;
        }
        words
    }

    /// Whether the line is this one byte and white space.
    pub(super) fn is_only(&self, line: RawLine, byte: u8) -> bool {
        let mut found = false;
        for &b in self.text(line) {
            if b == byte && !found {
                found = true;
            } else if !is_space(b) {
                return false;
            }
        }
        found
    }

    /// Takes an attribute line apart, writing NULs where the daemon does.
    pub(super) fn parts(&mut self, line: RawLine) -> Result<AttributeParts, NotAnAttribute> {
        let mut at = line.start;
        while is_space(self.peek(at, line)?) {
            at += 1;
        }
        let name = at;
        // The daemon's scan for the end of the name does not stop at the NUL that ends the line.
        let stop = loop {
            let byte = self.peek(at, line)?;
            if is_space(byte) || byte == b'=' {
                break byte;
            }
            at += 1;
        };
        let name_end = self.memory[name..at].iter().position(|&b| b == 0).map_or(at, |length| name + length);
        self.memory[at] = 0;
        if stop == b'=' {
            return Err(NotAnAttribute::NoSpaceBeforeOperator);
        }
        at += 1;
        while is_space(self.peek(at, line)?) {
            at += 1;
        }
        let operator_start = at;
        let operator = match self.peek(at, line)? {
            0 => return Err(NotAnAttribute::NothingAfterName),
            b'=' => AssignOperator::Set,
            sign @ (b'+' | b'-') => {
                at += 1;
                if self.peek(at, line)? != b'=' {
                    return Err(NotAnAttribute::BadOperator);
                }
                if sign == b'+' { AssignOperator::Add } else { AssignOperator::Remove }
            }
            _ => return Err(NotAnAttribute::BadOperator),
        };
        at += 1;
        let operator_at = operator_start..at;
        Ok(AttributeParts { name: name..name_end, operator, operator_at, values: self.values(at, line)? })
    }

    /// Splits what follows an operator at blanks and tabs, up to the first NUL.
    fn values(&mut self, from: usize, line: RawLine) -> Result<Vec<Range<usize>>, NotAnAttribute> {
        let mut values = Vec::new();
        let mut at = from;
        loop {
            while matches!(self.peek(at, line)?, b' ' | b'\t') {
                at += 1;
            }
            let start = at;
            let stop = loop {
                match self.peek(at, line)? {
                    stop @ (0 | b' ' | b'\t') => break stop,
                    _ => at += 1,
                }
            };
            if start < at {
                values.push(start..at);
            }
            if stop == 0 {
                return Ok(values);
            }
            self.memory[at] = 0;
            at += 1;
        }
    }

    /// A byte of the buffer: NUL at the line's end, chance behind what is loaded.
    fn peek(&self, at: usize, line: RawLine) -> Result<u8, NotAnAttribute> {
        if at == line.end {
            Ok(0)
        } else if at < self.loaded {
            Ok(self.memory[at])
        } else {
            Err(NotAnAttribute::RunsOffTheBuffer)
        }
    }

    fn read_line(&mut self) -> Option<RawLine> {
        let start = self.next;
        let mut end = self.find_line_feed(self.next);
        let mut cut = false;
        if end.is_none() {
            let piece = self.loaded;
            if piece == self.memory.len() {
                if start == piece {
                    return None;
                }
            } else {
                self.loaded = (piece + PIECE).min(self.memory.len());
                end = self.find_line_feed(piece);
                if end.is_none() && self.loaded - piece == PIECE {
                    // No room for the NUL: it goes over the last byte of the full buffer.
                    end = Some(self.loaded - 1);
                    cut = true;
                }
            }
        }
        let line = RawLine { start, end: end.unwrap_or(self.loaded), number: self.number_at(start), cut };
        self.next = self.loaded;
        if let Some(end) = end {
            if !cut {
                self.next = end + 1;
            }
            self.memory[end] = 0;
        }
        Some(line)
    }

    fn find_line_feed(&self, from: usize) -> Option<usize> {
        self.memory[from..self.loaded].iter().position(|&b| b == b'\n').map(|length| from + length)
    }

    /// Counts the file's own line feeds: the buffer loses some where a scan runs on.
    fn number_at(&mut self, offset: usize) -> u32 {
        let passed = self.file[self.counted..offset].iter().filter(|&&b| b == b'\n').count();
        self.counted = offset;
        self.line = self.line.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
        self.line
    }
}
