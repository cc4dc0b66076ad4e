//! A [`Diagnostic`] as text for a person, with its source line and a mark under what is meant.

use std::collections::BTreeSet;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Message, Origin, Renderer, Snippet};

use super::Colour;
use super::safe::SafeText;
use crate::failure::{Diagnostic, FilePlace};
use crate::model::printable::{is_unsafe, printable};

/// How bad the shown diagnostics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorstSeverity {
    /// The run cannot go on.
    Error,
    /// Worth a look; the run goes on.
    Note,
}

/// Longest mark and reason on one line; a longer reason gets a line of its own.
const LABEL_COLUMNS: usize = 96;

/// Renders diagnostics in the given order, each followed by an empty line.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], severity: WorstSeverity, colour: Colour) -> SafeText {
    let renderer = match colour {
        Colour::Off => Renderer::plain(),
        Colour::On => Renderer::styled(),
    };
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&one(&renderer, diagnostic, severity));
        text.push_str("\n\n");
    }
    SafeText::rendered(text)
}

fn one(renderer: &Renderer, diagnostic: &Diagnostic, severity: WorstSeverity) -> String {
    let Diagnostic { what, place, why, hint } = diagnostic;
    let level = match severity {
        WorstSeverity::Error => Level::ERROR,
        WorstSeverity::Note => Level::NOTE,
    };
    let mut group = Group::with_title(level.primary_title(printable(what)));
    let mut why = why.as_deref();
    if let Some(place) = place {
        for element in located(place, &mut why) {
            group = group.element(element);
        }
    }
    if let Some(why) = why {
        group = group.element(message(Level::NOTE.with_name("why"), why));
    }
    if let Some(hint) = hint {
        group = group.element(message(Level::HELP, hint));
    }
    renderer.render(&[group])
}

/// Shows the place; takes the reason along when it fits beside the mark.
fn located<'a>(place: &FilePlace, why: &mut Option<&'a str>) -> Vec<Element<'a>> {
    let FilePlace { file, line, column, width, text } = place;
    let file = printable(file).into_owned();
    let number = *line as usize;
    let Some(marked) = marked_bytes(text, *column, *width) else {
        let origin = Origin::path(file).line(number).char_column(*column as usize);
        return vec![origin.into()];
    };
    let (shown, hidden) = stand_ins(text);
    let marked = stand_in_bytes(text, &marked);
    let mut mark = AnnotationKind::Primary.span(marked.clone());
    if let Some(reason) = *why
        && marked.end + 1 + reason.len() <= LABEL_COLUMNS
    {
        mark = mark.label(printable(reason));
        *why = None;
    }
    let snippet = Snippet::source(shown).path(file).line_start(number).annotation(mark);
    let mut elements = vec![snippet.into()];
    if !hidden.is_empty() {
        let names: Vec<String> = hidden.iter().map(|c| format!("U+{:04X}", u32::from(*c))).collect();
        let text = format!("the line has characters that cannot be shown: {}", names.join(", "));
        elements.push(Level::NOTE.message(text).into());
    }
    elements
}

/// The marked bytes of a line; `None` where the mark lies outside a line that was cut.
fn marked_bytes(text: &str, column: u32, width: u32) -> Option<Range<usize>> {
    let first = column.saturating_sub(1) as usize;
    let last = first + width.max(1) as usize;
    let mut bounds = text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len()));
    let start = bounds.nth(first)?;
    let end = bounds.nth(last - first - 1).unwrap_or(text.len());
    Some(start..end)
}

/// The line with one visible character for each that must not reach a terminal, and which those are.
fn stand_ins(text: &str) -> (String, BTreeSet<char>) {
    let mut hidden = BTreeSet::new();
    let shown = text
        .chars()
        .map(|character| {
            let shown = stand_in(character);
            if shown != character {
                hidden.insert(character);
            }
            shown
        })
        .collect();
    (shown, hidden)
}

/// The place of marked bytes in the line with its stand-ins.
fn stand_in_bytes(text: &str, marked: &Range<usize>) -> Range<usize> {
    let shown = |end: usize| text[..end].chars().map(|character| stand_in(character).len_utf8()).sum();
    shown(marked.start)..shown(marked.end)
}

/// One visible character for one of the line: columns stay what they are. The renderer makes blanks of a tab.
const fn stand_in(character: char) -> char {
    if is_unsafe(character) && character != '\t' { char::REPLACEMENT_CHARACTER } else { character }
}

fn message<'a>(level: Level<'a>, text: &'a str) -> Message<'a> {
    level.message(printable(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(text: &str, column: u32, width: u32) -> Diagnostic {
        Diagnostic {
            what: "the number is too small".into(),
            place: Some(FilePlace { file: "mx1.toml".into(), line: 12, column, width, text: text.into() }),
            why: Some("nobody could connect".into()),
            hint: Some("write 1 or more".into()),
        }
    }

    #[test]
    fn the_line_is_shown_with_a_mark_a_reason_and_a_hint() {
        let shown = render(&[diagnostic("per_ip = 0", 10, 1)], WorstSeverity::Error, Colour::Off);
        assert_eq!(
            shown,
            "error: the number is too small\n  --> mx1.toml:12:10\n   |\n12 | per_ip = 0\n   |          ^ nobody could connect\n   |\n   = help: write 1 or more\n\n"
        );
    }

    #[test]
    fn characters_that_cannot_be_shown_are_named_and_the_mark_stays_in_its_column() {
        let shown =
            render(&[diagnostic("a = \"\u{1b}\u{202e}\" 0", 10, 1)], WorstSeverity::Note, Colour::Off);
        assert_eq!(
            shown,
            "note: the number is too small\n  --> mx1.toml:12:10\n   |\n12 | a = \"\u{fffd}\u{fffd}\" 0\n   |          ^ nobody could connect\n   |\n   = note: the line has characters that cannot be shown: U+001B, U+202E\n   = help: write 1 or more\n\n"
        );
    }

    #[test]
    fn without_a_place_the_reason_and_the_hint_remain() {
        let bare = Diagnostic { place: None, ..diagnostic("", 1, 1) };
        assert_eq!(
            render(&[bare], WorstSeverity::Error, Colour::Off),
            "error: the number is too small\n |\n = why: nobody could connect\n = help: write 1 or more\n\n"
        );
    }

    #[test]
    fn colour_adds_escapes_and_nothing_else_does() {
        let one = [diagnostic("per_ip = 0", 10, 1)];
        assert!(render(&one, WorstSeverity::Error, Colour::On).contains('\u{1b}'));
        assert!(!render(&one, WorstSeverity::Error, Colour::Off).contains('\u{1b}'));
    }

    #[test]
    fn a_place_outside_its_line_does_not_break_the_renderer() {
        for (text, column, width) in
            [("", 1, 1), ("", 900, 4), ("abc", 4, 1), ("abc", 2, 900), ("日本", 3, 1), ("x", 0, 0)]
        {
            let _ = render(&[diagnostic(text, column, width)], WorstSeverity::Error, Colour::Off);
        }
    }
}
