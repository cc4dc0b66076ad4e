//! Text from files and hosts made safe to show: nothing in it can control the terminal or reorder the line.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Writes out control, direction and invisible characters as `\u{…}`; the tab stays.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_unsafe) {
        let mut shown = String::with_capacity(text.len() + 16);
        for character in text.chars() {
            push_printable(&mut shown, character);
        }
        Cow::Owned(shown)
    } else {
        Cow::Borrowed(text)
    }
}

/// A line of a file as [`printable`] shows it; bytes that are not UTF-8 become `\xNN`.
#[must_use]
pub fn line(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_printable(&mut text, character);
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Appends one character as [`printable`] shows it.
pub(crate) fn push_printable(shown: &mut String, character: char) {
    if is_unsafe(character) {
        shown.extend(character.escape_unicode());
    } else {
        shown.push(character);
    }
}

/// Whether a character moves the cursor, changes the direction of text, or cannot be seen.
pub(crate) const fn is_unsafe(character: char) -> bool {
    match character {
        '\t' => false,
        // C0, DEL and C1 control terminals.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        // Soft hyphen, direction marks, zero-width characters, line separators, overrides and isolates.
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => {
            true
        }
        // Invisible operators, the byte order mark, interlinear marks, tags.
        '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn plain_text_and_tabs_stay_as_they_are() {
        assert_eq!(printable("größe\t= 日本"), "größe\t= 日本");
    }

    #[test]
    fn what_controls_a_terminal_is_written_out() {
        assert_eq!(
            printable("a\u{1b}[2J\u{9b}1m\u{202e}b\r\0\u{200b}"),
            "a\\u{1b}[2J\\u{9b}1m\\u{202e}b\\u{d}\\u{0}\\u{200b}"
        );
    }
}
