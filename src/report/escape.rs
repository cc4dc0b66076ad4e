//! Makes text from files safe to show: a terminal is never controlled by what a file holds.

use std::fmt::Write as _;

/// A line of a file for people and JSON: bytes that are not UTF-8 become `\xNN`, control characters and those that
/// change the direction of text become `\u{…}`; a tab stays.
#[must_use]
pub fn line(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c != '\t' && is_unsafe(c) {
                // Writing to a String cannot fail.
                let _ = write!(text, "{}", c.escape_unicode());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Control characters, and the format characters of Unicode that reorder or hide text.
#[must_use]
pub const fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_broken_utf8_are_escaped() {
        assert_eq!(line(b"a\x1b[31mb\tc\xff\r"), "a\\u{1b}[31mb\tc\\xff\\u{d}");
        assert_eq!(line("x\u{202e}y".as_bytes()), "x\\u{202e}y");
    }
}
