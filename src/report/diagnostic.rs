//! A [`Diagnostic`] as text for a person, with its source line and a mark under what is meant.

use std::ops::Range;

use annotate_snippets::{
    AnnotationKind, Element, Group, Level, Message, Origin, Renderer, Snippet,
};

use super::Colour;
use super::printable::{printable, push_printable};
use crate::failure::{Diagnostic, Place};

/// How bad the shown diagnostics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The run cannot go on.
    Error,
    /// Worth a look; the run goes on.
    Note,
}

/// Longest mark and reason on one line; a longer reason gets a line of its own.
const LABEL_COLUMNS: usize = 96;

/// Renders diagnostics in the given order, each followed by an empty line.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], severity: Severity, colour: Colour) -> String {
    let renderer = match colour {
        Colour::Off => Renderer::plain(),
        Colour::On => Renderer::styled(),
    };
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&one(&renderer, diagnostic, severity));
        text.push_str("\n\n");
    }
    text
}

fn one(renderer: &Renderer, diagnostic: &Diagnostic, severity: Severity) -> String {
    let Diagnostic {
        what,
        place,
        why,
        hint,
    } = diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Note => Level::NOTE,
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
fn located<'a>(place: &Place, why: &mut Option<&'a str>) -> Vec<Element<'a>> {
    let Place {
        file,
        line,
        column,
        width,
        text,
    } = place;
    let origin = Origin::path(printable(file).into_owned())
        .line(*line as usize)
        .char_column(*column as usize);
    let mut elements = vec![Element::from(origin)];
    let Some((shown, marked)) = shown_line(text, *column, *width) else {
        return elements;
    };
    let mut mark = AnnotationKind::Primary.span(marked.clone());
    if let Some(reason) = *why
        && marked.end + 1 + reason.len() <= LABEL_COLUMNS
    {
        mark = mark.label(printable(reason));
        *why = None;
    }
    elements.push(
        Snippet::source(shown)
            .line_start(*line as usize)
            .annotation(mark)
            .into(),
    );
    elements
}

/// The line as it can be shown, with the marked bytes; `None` where the mark lies outside a line that was cut.
fn shown_line(text: &str, column: u32, width: u32) -> Option<(String, Range<usize>)> {
    let first = column.saturating_sub(1) as usize;
    let last = first + width.max(1) as usize;
    let mut shown = String::with_capacity(text.len());
    let (mut start, mut end, mut count) = (None, None, 0);
    for character in text.chars() {
        if count == first {
            start = Some(shown.len());
        }
        if count == last {
            end = Some(shown.len());
        }
        push_printable(&mut shown, character);
        count += 1;
    }
    if first > count {
        return None;
    }
    let start = start.unwrap_or(shown.len());
    let end = end.unwrap_or(shown.len());
    Some((shown, start..end))
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
            place: Some(Place {
                file: "mx1.toml".into(),
                line: 12,
                column,
                width,
                text: text.into(),
            }),
            why: Some("nobody could connect".into()),
            hint: Some("write 1 or more".into()),
        }
    }

    #[test]
    fn the_line_is_shown_with_a_mark_a_reason_and_a_hint() {
        let shown = render(
            &[diagnostic("per_ip = 0", 10, 1)],
            Severity::Error,
            Colour::Off,
        );
        assert_eq!(
            shown,
            "error: the number is too small\n  --> mx1.toml:12:10\n   |\n12 | per_ip = 0\n   |          ^ nobody could connect\n   |\n   = help: write 1 or more\n\n"
        );
    }

    #[test]
    fn a_mark_after_written_out_characters_stands_under_what_it_means() {
        let shown = render(
            &[diagnostic("a = \"\u{1b}\u{202e}\" 0", 9, 1)],
            Severity::Note,
            Colour::Off,
        );
        assert!(shown.starts_with("note: "), "{shown}");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[3], "12 | a = \"\\u{1b}\\u{202e}\" 0");
        assert_eq!(lines[4].find('^'), lines[3].rfind('0'), "{shown}");
    }

    #[test]
    fn without_a_place_the_reason_and_the_hint_remain() {
        let bare = Diagnostic {
            place: None,
            ..diagnostic("", 1, 1)
        };
        assert_eq!(
            render(&[bare], Severity::Error, Colour::Off),
            "error: the number is too small\n  |\n  = why: nobody could connect\n  = help: write 1 or more\n\n"
        );
    }

    #[test]
    fn colour_adds_escapes_and_nothing_else_does() {
        let one = [diagnostic("per_ip = 0", 10, 1)];
        assert!(render(&one, Severity::Error, Colour::On).contains('\u{1b}'));
        assert!(!render(&one, Severity::Error, Colour::Off).contains('\u{1b}'));
    }

    #[test]
    fn a_place_outside_its_line_does_not_break_the_renderer() {
        for (text, column, width) in [
            ("", 1, 1),
            ("", 900, 4),
            ("abc", 4, 1),
            ("abc", 2, 900),
            ("日本", 3, 1),
            ("x", 0, 0),
        ] {
            let _ = render(
                &[diagnostic(text, column, width)],
                Severity::Error,
                Colour::Off,
            );
        }
    }
}
