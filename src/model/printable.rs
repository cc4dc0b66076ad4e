//! Text from files and hosts made safe to show: nothing in it can control the terminal or reorder the line.
//!
//! In text bytes that are no UTF-8 stand as [`text`] writes them, so that nothing is lost and no two names
//! become one.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Writes out control, direction and invisible characters as `\u{…}`, and bytes that are not UTF-8 as `\xNN`.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_unsafe) {
        let mut shown = String::with_capacity(text.len() + 16);
        // Writing to a string cannot fail.
        let _ = EscapingWriter(&mut shown).write_str(text);
        Cow::Owned(shown)
    } else {
        Cow::Borrowed(text)
    }
}

/// Bytes as text, without loss: what is UTF-8 stays; any other byte is NUL and two hex digits, and so is NUL
/// itself.
///
/// This is how such bytes stand in JSON (`"\u0000ff"` for the byte 255). No path holds NUL, so that no two
/// are alike.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\0' => text.push_str("\u{0}00"),
                other => text.push(other),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\u{0}{byte:02x}");
        }
    }
    text
}

/// What [`text`] was made of.
#[must_use]
pub fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\0') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        match raw(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[2..];
            }
            None => bytes.push(0),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The byte that two hex digits after NUL stand for.
fn raw(text: &str) -> Option<u8> {
    let digits = text.get(..2)?;
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (digits.bytes().all(lower)).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// A word of a command that a person may copy into a shell: one word, whatever it holds.
///
/// What cannot be shown is written as `$'…'`, which bash, zsh, ksh and BusyBox understand.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    if !word.chars().any(is_unsafe) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut shown = String::from("$'");
    for chunk in bytes(word).utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\'' | '\\' => shown.extend(['\\', character]),
                other if is_unsafe(other) => {
                    let mut buffer = [0; 4];
                    for byte in other.encode_utf8(&mut buffer).bytes() {
                        let _ = write!(shown, "\\{byte:03o}");
                    }
                }
                other => shown.push(other),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\{byte:03o}");
        }
    }
    shown.push('\'');
    shown
}

/// A command as a person may copy it into a shell.
#[must_use]
pub fn command<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.into_iter().map(quoted).collect();
    words.join(" ")
}

/// Writes what it is given into a string as [`printable`] shows it.
pub(crate) struct EscapingWriter<'s>(pub(crate) &'s mut String);

impl fmt::Write for EscapingWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_unsafe) {
            let (plain, from) = rest.split_at(at);
            self.0.push_str(plain);
            let mut characters = from.chars();
            let Some(character) = characters.next() else {
                break;
            };
            rest = characters.as_str();
            match raw(rest) {
                Some(byte) if character == '\0' => {
                    rest = rest.get(2..).unwrap_or_default();
                    write!(self.0, "\\x{byte:02x}")?;
                }
                Some(_) | None => self.0.extend(character.escape_unicode()),
            }
        }
        self.0.push_str(rest);
        Ok(())
    }
}

/// Whether a character moves the cursor, changes the direction of text, or cannot be seen.
pub(crate) const fn is_unsafe(character: char) -> bool {
    match character {
        // C0, DEL and C1 control terminals.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        // Soft hyphen, the grapheme joiner, direction marks, zero-width characters, line separators,
        // overrides, isolates.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        // Fillers and vowels that have no shape, selectors of a variant.
        '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{fe00}'..='\u{fe0f}' => true,
        // Invisible operators, the byte order mark, interlinear marks, marks of shorthand and music, tags.
        '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, printable, quoted, text};

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(printable("größe = 日本"), "größe = 日本");
    }

    #[test]
    fn what_controls_a_terminal_is_written_out() {
        assert_eq!(
            printable("a\u{1b}[2J\u{9b}1m\u{202e}b\r\n\t\0\u{200b}"),
            "a\\u{1b}[2J\\u{9b}1m\\u{202e}b\\u{d}\\u{a}\\u{9}\\u{0}\\u{200b}"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_and_shown() {
        let name: &[u8] = b"a\xff\xfe\0\x00ffz\xc3";
        let kept = text(name);
        assert_eq!(kept, "a\u{0}ff\u{0}fe\u{0}00\u{0}00ffz\u{0}c3");
        assert_eq!(bytes(&kept), name);
        assert_eq!(printable(&kept), "a\\xff\\xfe\\x00\\x00ffz\\xc3");
    }

    #[test]
    fn a_word_of_a_command_is_one_word_for_a_shell() {
        for word in ["plain/a-b.c", "", "two words; rm -rf /", "it's", "a$b`c`\"d\""] {
            let script = format!("printf %s {}", quoted(word));
            let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), word);
        }
        for word in [b"a\x1b[2J\n'\\b".as_slice(), b"\xff\xc3'", "\u{202e}x".as_bytes()] {
            let script = format!("printf %s {}", quoted(&text(word)));
            assert!(!script.contains(char::is_control), "{script}");
            let said = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            assert_eq!(said.stdout, word, "{script}");
        }
    }
}
