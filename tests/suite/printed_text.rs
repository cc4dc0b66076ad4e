//! What leaves the program as text: whatever names, contents and replies hold, it is lines and colours of the
//! program's own.

mod commands;
mod everything;
mod writer;

use std::collections::BTreeSet;

/// What a stranger writes: it clears the screen, ends lines, turns text round, hides, and forges what a
/// reviewer looks for.
pub const HOSTILE: &str = "x\u{1b}[2J\u{1b}[H\r\nPlan: forged\nfingerprint mw1-000000000000\n\u{9b}1m\u{7f}\u{202e}\u{2066}\u{200b}\u{200d}\u{feff}\u{ad}\tz";

/// All characters that text may not hold, and that are no line feed.
fn bad(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Fails unless a text is UTF-8, of lines and colours alone, with no line that a stranger made.
pub fn judge(what: &str, shown: &[u8]) -> String {
    let text = String::from_utf8(shown.to_vec()).unwrap_or_else(|_| panic!("{what}: {shown:?}"));
    let mut plain = String::new();
    let mut rest = text.as_str();
    // The one kind of escape that is the program's own: `ESC [ … m`.
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        let colour = rest[at..].strip_prefix("\u{1b}[").and_then(|from| {
            let end = from.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            from[end..].strip_prefix('m')
        });
        rest = colour.unwrap_or_else(|| panic!("{what}: a strange escape in {text:?}"));
    }
    plain.push_str(rest);
    let found: BTreeSet<char> =
        (plain.chars()).filter(|character| *character != '\n' && bad(*character)).collect();
    assert!(found.is_empty(), "{what}: {found:?} in {text:?}");
    let forged =
        |line: &&str| line.starts_with("fingerprint mw1-000000000000") || line.starts_with("Plan: forged");
    assert_eq!(plain.lines().find(forged), None, "{what}: {text:?}");
    plain
}
