//! TOML's own grammar: parsing with recovery, and the parser's messages in words for a person.

use toml::de::{DeTable, Error};

use super::keys::short;
use super::problem::Problem;

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

/// Words for a parser's message about a part of the text.
pub(super) fn problem(message: &str, at: &str) -> Problem {
    let (message, hint) = match message {
        "duplicate key" => (
            "this key or table is already there".to_owned(),
            "keep one of the two; a table has one heading with all its keys below it".to_owned(),
        ),
        "string values must be quoted, expected literal string" if at.is_empty() => (
            "there is no value after `=`".to_owned(),
            "write a value, or take the line out".to_owned(),
        ),
        "string values must be quoted, expected literal string" => (
            "text must stand in quotes".to_owned(),
            format!("write \"{}\"", short(at).replace(['"', '\\'], "")),
        ),
        "key with no value, expected `=`" => (
            "`=` is missing after the key".to_owned(),
            "a setting is `key = value`".to_owned(),
        ),
        "unexpected leading zero, expected nothing" => (
            "a number cannot begin with 0".to_owned(),
            "write 20, not 020".to_owned(),
        ),
        "invalid basic string, expected `\"`" => (
            "the closing `\"` is missing".to_owned(),
            "close the quotes on the same line".to_owned(),
        ),
        "unexpected key or value, expected newline, `#`" => (
            "the line does not end after the value".to_owned(),
            "write each setting on a line of its own".to_owned(),
        ),
        "carriage return must be followed by newline, expected newline" => (
            "a carriage return without a newline".to_owned(),
            "save the file with the line ends of Unix or Windows".to_owned(),
        ),
        "invalid basic string, expected non-double-quote visible characters, `\\`" => (
            "a control character in a text".to_owned(),
            "take the character out".to_owned(),
        ),
        other => {
            return Problem::Syntax {
                message: other.to_owned(),
                hint: None,
            };
        }
    };
    Problem::Syntax {
        message,
        hint: Some(hint),
    }
}
