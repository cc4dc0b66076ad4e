//! TOML's own grammar: parsing with recovery, and the parser's messages in words for a person.

use toml::de::{DeTable, Error};

use super::keys::short;
use super::problem::ManifestProblem;

/// Above this many bytes a text that is no TOML gets its first error only.
const RECOVERED_BYTES: usize = 1 << 20;

/// Parses a text; what can be read of a text with errors is there too.
pub(super) fn parse(text: &str) -> (DeTable<'_>, Vec<Error>) {
    if text.len() <= RECOVERED_BYTES {
        let (table, errors) = DeTable::parse_recoverable(text);
        return (table.into_inner(), errors);
    }
    match DeTable::parse(text) {
        Ok(table) => (table.into_inner(), Vec::new()),
        Err(error) => (DeTable::new(), vec![error]),
    }
}

/// The text with blanks instead of each line that has a key and no `=`, and the errors of those lines; `None`
/// where there is no such line. The parser gives up at the first of them, and would hide all that follows.
pub(super) fn without_lone_keys(text: &str, errors: &[Error]) -> Option<(String, Vec<Error>)> {
    let lone: Vec<Error> = errors.iter().filter(|error| error.message() == LONE_KEY).cloned().collect();
    if lone.is_empty() {
        return None;
    }
    let mut bytes = text.as_bytes().to_vec();
    for span in lone.iter().filter_map(Error::span) {
        let at = span.start.min(bytes.len());
        let before = bytes[..at].iter().rposition(|byte| *byte == b'\n');
        let first = before.map_or(0, |end| end + 1);
        let after = bytes[at..].iter().position(|byte| *byte == b'\n');
        let last = after.map_or(bytes.len(), |end| at + end);
        let last = if bytes[first..last].ends_with(b"\r") { last - 1 } else { last };
        bytes[first..last].fill(b' ');
    }
    Some((String::from_utf8(bytes).ok()?, lone))
}

/// Words for a parser's message about a part of the text.
pub(super) fn problem(message: &str, at: &str) -> ManifestProblem {
    if message == UNQUOTED && !at.is_empty() {
        let text = short(at).replace(['"', '\\'], "");
        return ManifestProblem::Syntax {
            message: "text must stand in quotes".to_owned(),
            hint: Some(format!("write \"{text}\"")),
        };
    }
    match WORDS.iter().find(|(parser, _, _)| *parser == message) {
        Some((_, message, hint)) => {
            ManifestProblem::Syntax { message: (*message).to_owned(), hint: Some((*hint).to_owned()) }
        }
        None => ManifestProblem::Syntax {
            message: message.strip_suffix(", expected nothing").unwrap_or(message).to_owned(),
            hint: None,
        },
    }
}

const LONE_KEY: &str = "key with no value, expected `=`";
const UNQUOTED: &str = "string values must be quoted, expected literal string";

/// The parser's message, ours, and what to do; a message that is not here is shown as it is.
const WORDS: [(&str, &str, &str); 15] = [
    (
        "duplicate key",
        "this key or table is already there",
        "keep one of the two; a table has one heading with all its keys below it",
    ),
    (UNQUOTED, "there is no value after `=`", "write a value, or take the line out"),
    (LONE_KEY, "`=` is missing after the key", "a setting is `key = value`; a comment begins with `#`"),
    ("extra `=`, expected nothing", "one `=` too many", "a setting is `key = value`"),
    ("unexpected leading zero, expected nothing", "a number cannot begin with 0", "write 20, not 020"),
    (
        "invalid basic string, expected `\"`",
        "the closing `\"` is missing",
        "close the quotes on the same line",
    ),
    (
        "unclosed table, expected `]`",
        "the closing `]` of the heading is missing",
        "a heading is `[limits.pop3]` on a line of its own",
    ),
    (
        "missing comma between key-value pairs, expected `,`",
        "`,` or the closing `}` is missing before this",
        "an inline table is `{ rate = 50, pause = \"10s\" }`",
    ),
    (
        "unclosed inline table, expected `}`",
        "the closing `}` is missing",
        "an inline table is `{ rate = 50, pause = \"10s\" }`",
    ),
    (
        "missing comma between array elements, expected `,`",
        "`,` or the closing `]` is missing before this",
        "a list is `[\"one\", \"two\"]`",
    ),
    ("unclosed array, expected `]`", "the closing `]` is missing", "a list is `[\"one\", \"two\"]`"),
    (
        "unexpected key or value, expected newline, `#`",
        "the line does not end after the value or heading",
        "write each setting and each heading on a line of its own",
    ),
    (
        "carriage return must be followed by newline, expected newline",
        "a carriage return without a newline",
        "save the file with the line ends of Unix or Windows",
    ),
    (
        "invalid basic string, expected non-double-quote visible characters, `\\`",
        "a control character in a text",
        "take the character out",
    ),
    (
        "invalid comment character, expected printable characters",
        "a control character in a comment",
        "take the character out",
    ),
];
