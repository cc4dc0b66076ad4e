//! The one kind of text that leaves the program: what comes from elsewhere is escaped in it, by its type.
//!
//! Lines end and colours change only where the program says so; a line feed, an escape or a direction mark
//! within what is said is written out. No method takes text as it is but for [`SafeText::own`], which takes
//! the program's own words.

use std::fmt::{self, Write as _};
use std::ops::Deref;

use anstyle::Style;
use serde::Serialize;

use super::Colour;
use crate::model::printable::{EscapingWriter, is_unsafe};

/// Columns between two tab stops.
const TAB: usize = 8;

/// Text that may go to a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeText {
    shown: String,
    colour: Colour,
}

impl SafeText {
    /// No text yet.
    #[must_use]
    pub const fn new(colour: Colour) -> Self {
        Self { shown: String::new(), colour }
    }

    /// The program's own words, line feeds among them.
    #[must_use]
    pub fn own(words: &'static str) -> Self {
        Self { shown: words.to_owned(), colour: Colour::Off }
    }

    /// What the program makes of its own definitions alone, such as a manual page.
    #[must_use]
    pub const fn generated(text: String) -> Self {
        Self { shown: text, colour: Colour::Off }
    }

    /// What a renderer has made of text that was escaped before it.
    pub(super) const fn rendered(text: String) -> Self {
        Self { shown: text, colour: Colour::Off }
    }

    /// A value as indented JSON with a final line feed; what JSON itself leaves as it is and a terminal does
    /// not is escaped.
    ///
    /// # Errors
    /// Only where a value cannot be written as JSON, which none of ours can fail.
    pub fn json<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string_pretty(value)?;
        let mut shown = String::with_capacity(json.len() + 1);
        for character in json.chars() {
            // All that is left of control characters are the line feeds between values.
            if character != '\n' && is_unsafe(character) {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            } else {
                shown.push(character);
            }
        }
        shown.push('\n');
        Ok(Self { shown, colour: Colour::Off })
    }

    /// Says something on this line.
    pub fn say(&mut self, said: impl fmt::Display) -> &mut Self {
        // Writing to a string fails only where a value's own `Display` does.
        let _ = write!(EscapingWriter(&mut self.shown), "{said}");
        self
    }

    /// Says something on this line, in a style where colours are on.
    pub fn paint(&mut self, style: Style, said: impl fmt::Display) -> &mut Self {
        match self.colour {
            Colour::On => {
                let _ = write!(self.shown, "{style}");
                self.say(said);
                let _ = write!(self.shown, "{style:#}");
                self
            }
            Colour::Off => self.say(said),
        }
    }

    /// Ends the line.
    pub fn end(&mut self) -> &mut Self {
        self.shown.push('\n');
        self
    }

    /// Says a whole line.
    pub fn line(&mut self, said: impl fmt::Display) -> &mut Self {
        self.say(said).end()
    }

    /// Says a whole line in a style.
    pub fn painted(&mut self, style: Style, said: impl fmt::Display) -> &mut Self {
        self.paint(style, said).end()
    }

    /// Adds another text.
    pub fn add(&mut self, other: &Self) -> &mut Self {
        self.shown.push_str(&other.shown);
        self
    }
}

impl PartialEq<&str> for SafeText {
    fn eq(&self, other: &&str) -> bool {
        self.shown == *other
    }
}

impl Deref for SafeText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.shown
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// A line of a file with its tabs as blanks.
#[must_use]
pub fn untabbed(line: &str) -> String {
    let mut shown = String::with_capacity(line.len() + TAB);
    let mut column = 0;
    for character in line.chars() {
        let blanks = TAB - column % TAB;
        if character == '\t' {
            shown.extend(std::iter::repeat_n(' ', blanks));
            column += blanks;
        } else {
            shown.push(character);
            column += 1;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;

    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\r\n\tfingerprint mw1-\u{9b}1m\u{7f}\u{202e}\u{200b}\u{0}ff\u{e0041}b";

    #[test]
    fn nothing_that_is_said_ends_a_line_or_changes_a_colour() {
        let mut text = SafeText::new(Colour::On);
        text.line(HOSTILE).painted(AnsiColor::Red.on_default(), HOSTILE);
        let mut lines = text.lines();
        let (plain, red) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!(lines.next(), None);
        assert!(!plain.chars().any(is_unsafe), "{plain:?}");
        let inside = red.strip_prefix("\u{1b}[31m").unwrap();
        assert_eq!(inside.strip_suffix("\u{1b}[0m"), Some(plain));
    }

    #[test]
    fn json_keeps_what_it_escapes() {
        let text = SafeText::json(&[HOSTILE]).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && is_unsafe(c)), "{text:?}");
        let back: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(back, [HOSTILE]);
    }

    #[test]
    fn tabs_of_a_file_are_blanks_up_to_the_next_stop() {
        assert_eq!(untabbed("\tab\tc"), "        ab      c");
    }
}
