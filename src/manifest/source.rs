//! One layer's text, and where in it something stands.

use std::ops::Range;

use crate::failure::FilePlace;
use crate::model::ManifestOrigin;

use super::ManifestLayer;

/// Longest line that a message carries whole, in characters; a longer one is cut here.
const SHOWN_CHARACTERS: usize = 400;

/// Characters are counted once a block of so many bytes, so that a column far out on a huge line is found at
/// once.
const BLOCK: usize = 1024;

/// A layer decoded for reading.
#[derive(Debug)]
pub(super) struct LayerSource {
    /// Position among the layers, the first is 0.
    index: usize,
    name: String,
    /// Without a byte order mark; bytes that are not UTF-8 are replaced by U+FFFD.
    text: String,
    /// Where each line starts in `text`.
    starts: Vec<usize>,
    /// How many characters start before each block of `text`.
    blocks: Vec<usize>,
    /// Where in `text` replaced bytes stand, with the bytes.
    replaced: Vec<(usize, Vec<u8>)>,
}

/// A place in one of several layers; the order is that of the layers, then of lines and columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LayerMark {
    layer: usize,
    line: u32,
    column: u32,
    place: FilePlace,
}

impl LayerMark {
    /// Position of the layer among the layers.
    pub(super) const fn layer(&self) -> usize {
        self.layer
    }

    /// The place for a message.
    pub(super) const fn place(&self) -> &FilePlace {
        &self.place
    }

    /// The place as `file:line:column`.
    pub(super) fn short(&self) -> String {
        format!("{}:{}:{}", self.place.file, self.line, self.column)
    }

    /// The place as the desired state carries it.
    pub(super) fn origin(&self) -> ManifestOrigin {
        ManifestOrigin {
            layer: self.place.file.clone(),
            line: self.line,
            column: self.column,
            text: self.place.text.clone(),
        }
    }
}

impl LayerSource {
    /// Decodes a layer.
    pub(super) fn new(index: usize, layer: &ManifestLayer) -> Self {
        let bytes = layer.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&layer.bytes);
        let mut text = String::with_capacity(bytes.len());
        let mut replaced = Vec::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                replaced.push((text.len(), chunk.invalid().to_vec()));
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1))
            .collect();
        let blocks = text
            .as_bytes()
            .chunks(BLOCK)
            .scan(0, |before, block| Some(std::mem::replace(before, *before + characters(block))))
            .collect();
        Self { index, name: layer.name.clone(), text, starts, blocks, replaced }
    }

    /// The text to parse.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where bytes were replaced, with the bytes.
    pub(super) fn replaced(&self) -> &[(usize, Vec<u8>)] {
        &self.replaced
    }

    /// The marked part of the text.
    pub(super) fn slice(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Finds line and column of a span of `text`; of a span over several lines, its first.
    pub(super) fn mark(&self, span: &Range<usize>) -> LayerMark {
        let start = floor(&self.text, span.start);
        let number = self.starts.partition_point(|first| *first <= start).max(1);
        let first = self.starts.get(number - 1).copied().unwrap_or_default();
        let next = self.starts.get(number).map_or(self.text.len(), |next| next - 1);
        let whole = self.text.get(first..next).unwrap_or_default();
        let whole = whole.strip_suffix('\r').unwrap_or(whole);
        let last = first + whole.len();
        let start = start.min(last);
        let end = floor(&self.text, span.end).clamp(start, last);
        let place = FilePlace {
            file: self.name.clone(),
            line: clamped(number),
            column: clamped(self.between(first, start) + 1),
            width: clamped(self.between(start, end)).max(1),
            text: whole.chars().take(SHOWN_CHARACTERS).collect(),
        };
        LayerMark { layer: self.index, line: place.line, column: place.column, place }
    }

    /// How many characters start from one place on and before another, which does not come before it.
    fn between(&self, from: usize, to: usize) -> usize {
        if to - from < BLOCK {
            characters(&self.text.as_bytes()[from..to])
        } else {
            self.before(to) - self.before(from)
        }
    }

    /// How many characters start before `at`.
    fn before(&self, at: usize) -> usize {
        let block = at / BLOCK;
        match self.blocks.get(block) {
            Some(before) => before + characters(&self.text.as_bytes()[block * BLOCK..at]),
            None => self
                .blocks
                .last()
                .map_or(0, |before| before + characters(&self.text.as_bytes()[(block - 1) * BLOCK..at])),
        }
    }
}

/// How many characters start in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn clamped(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(bytes: &[u8], span: Range<usize>) -> (u32, u32, u32, String) {
        let source = LayerSource::new(0, &ManifestLayer { name: "m.toml".into(), bytes: bytes.to_vec() });
        let FilePlace { line, column, width, text, .. } = source.mark(&span).place;
        (line, column, width, text)
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(place("a\nüö = 1\n".as_bytes(), 9..10), (2, 6, 1, "üö = 1".into()));
    }

    #[test]
    fn a_carriage_return_is_part_of_the_line_end() {
        assert_eq!(place(b"a = 1\r\nb = 2\r\n", 7..14), (2, 1, 5, "b = 2".into()));
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        assert_eq!(place(b"\xef\xbb\xbfab", 1..2), (1, 2, 1, "ab".into()));
    }

    #[test]
    fn a_place_at_or_behind_the_end_is_on_the_last_line() {
        assert_eq!(place(b"a\n", 2..2), (2, 1, 1, String::new()));
        assert_eq!(place(b"", 7..9), (1, 1, 1, String::new()));
    }

    #[test]
    fn columns_are_right_far_out_on_a_long_line() {
        for length in [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5000] {
            let text = "ü".repeat(length);
            assert_eq!(place(text.as_bytes(), 2 * length - 2..2 * length).1 as usize, length);
            assert_eq!(place(text.as_bytes(), 2 * length..2 * length).1 as usize, length + 1);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_remembered() {
        let source = LayerSource::new(0, &ManifestLayer { name: "m".into(), bytes: b"# caf\xe9\n".to_vec() });
        assert_eq!(source.replaced(), [(5, vec![0xe9])]);
        assert_eq!(source.text(), "# caf\u{fffd}\n");
    }
}
