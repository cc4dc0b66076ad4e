//! Makes a file set a number: the smallest edit whose result is proved, or a refusal.

use std::ops::Range;

use super::number::daemon_number;
use super::problems::{Consequence, ProblemKind, carriage_returns_throughout};
use super::sourcing::Sourcing;
use super::words::{is_name, unquote};
use super::{Breakage, Doubt, File, Value, sections};
use crate::edit::{EditKind, Edited, LineEdit, Spot};

/// Why a file was not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}: {why}", spot.line)]
pub struct Refusal {
    /// Where.
    pub spot: Spot,
    /// The line as it stands there, without its line end.
    pub line: Vec<u8>,
    /// Why.
    pub why: RefusalReason,
}

/// Why an edit cannot be proved to do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusalReason {
    /// What the variable or the whole file means is not certain.
    #[error("{0}")]
    Doubt(Doubt),
    /// The line is broken in a way that has more than one repair.
    #[error("{0}; what it should say is not clear")]
    Broken(Breakage),
    /// Every line ends in CR LF.
    #[error("every line ends in CR LF, and the daemon does not run with that")]
    CarriageReturns,
    /// A carriage return in an option, with which couriertcpd does not start.
    #[error("the daemon does not run with a carriage return here")]
    CarriageReturn,
    /// The value spans lines.
    #[error("the value spans several lines")]
    SeveralLines,
    /// No place in the file would make the new line count.
    #[error("a new line would not be read here")]
    NoPlace,
    /// couriertcpd takes 1 to 2147483647.
    #[error("the daemon refuses this number")]
    Number,
    /// This is no variable's name.
    #[error("this is no variable name")]
    Name,
}

/// Makes the file assign `number` to `name`, for couriertcpd.
///
/// The winning assignment changes in place, and only the value's bytes; a broken line that is all there is becomes one
/// that the shell reads; a missing one goes where sysconftool keeps it. A value that already means the number stays.
///
/// # Errors
/// [`Refusal`] where it cannot be proved that the file then sets just this variable to just this number.
pub fn ensure(bytes: &[u8], name: &str, number: u32) -> Result<Edited, Refusal> {
    let file = File::parse(bytes);
    let refuse = |at: &Range<usize>, why| refusal(&file, file.spot(at), why);
    let start = 0..file.line_text(0).len();
    if !is_name(name.as_bytes()) {
        return Err(refuse(&start, RefusalReason::Name));
    }
    if number == 0 || i32::try_from(number).is_err() {
        return Err(refuse(&start, RefusalReason::Number));
    }
    let shell = Sourcing::of([&file]);
    unreadable(&file, &shell)?;

    let edit = if let Some(held) = shell.held(name) {
        if let Some(doubt) = held.doubt {
            let at = held.name.start..held.value.end;
            return Err(refuse(&at, RefusalReason::Doubt(doubt)));
        }
        let source = file.text(&held.value);
        let was = daemon_number(&unquote(source));
        if was == Some(number) {
            return Ok(unchanged(bytes));
        }
        let Some(text) = restyled(source, number) else {
            return Err(refuse(&held.value, RefusalReason::SeveralLines));
        };
        let kind = match was {
            Some(_) => EditKind::Change,
            None => EditKind::Repair,
        };
        vec![Edit::new(held.value.clone(), text, kind)]
    } else if let Some(broken) = shell.broken(name) {
        let repaired = broken
            .repair
            .as_ref()
            .and_then(|value| restyled(file.text(value), number));
        let Some(value) = repaired else {
            return Err(refuse(&broken.line, RefusalReason::Broken(broken.why)));
        };
        let mut text = format!("{name}=").into_bytes();
        text.extend(value);
        let range = broken.name.start..broken.line.end;
        vec![Edit::new(range, text, EditKind::Repair)]
    } else {
        let line = format!("{name}={number}");
        sections::places(bytes, name)
            .into_iter()
            .map(|at| Edit::new(at..at, line.clone().into_bytes(), EditKind::Insert))
            .collect()
    };

    let mut failed = None;
    for edit in edit {
        let edited = edit.apply(&file);
        match proved(&shell, &edited.bytes, name, number) {
            None => return Ok(edited),
            Some(why) => failed = Some((edit.range, why)),
        }
    }
    let (at, why) = failed.unwrap_or((start, RefusalReason::NoPlace));
    Err(refuse(&at, why))
}

/// Whatever makes an edit of any variable useless.
fn unreadable(file: &File, shell: &Sourcing<'_>) -> Result<(), Refusal> {
    if let Some((_, Value::Uncertain { spot, why })) = shell.doubt() {
        return Err(refusal(file, spot, RefusalReason::Doubt(why)));
    }
    if carriage_returns_throughout(file) {
        let spot = file.spot(&(0..file.line_text(0).len()));
        return Err(refusal(file, spot, RefusalReason::CarriageReturns));
    }
    let fatal = file.problems().into_iter().find(|problem| {
        problem.consequence == Consequence::DaemonDoesNotRun
            && problem.kind == ProblemKind::CarriageReturn
    });
    match fatal {
        Some(problem) => Err(refusal(file, problem.spot, RefusalReason::CarriageReturn)),
        None => Ok(()),
    }
}

fn refusal(file: &File, spot: Spot, why: RefusalReason) -> Refusal {
    let line = usize::try_from(spot.line).unwrap_or(usize::MAX) - 1;
    Refusal {
        spot,
        line: file.line_text(line).to_vec(),
        why,
    }
}

fn unchanged(bytes: &[u8]) -> Edited {
    Edited {
        bytes: bytes.to_vec(),
        lines: Vec::new(),
    }
}

/// Why the new bytes do not do what they should; none where they do.
fn proved(before: &Sourcing<'_>, bytes: &[u8], name: &str, number: u32) -> Option<RefusalReason> {
    let file = File::parse(bytes);
    let after = Sourcing::of([&file]);
    match after.value(name).value {
        Value::Literal { bytes, .. } if daemon_number(&bytes) == Some(number) => {}
        Value::Uncertain { why, .. } => return Some(RefusalReason::Doubt(why)),
        Value::Literal { .. } | Value::Broken { .. } | Value::Untouched => {
            return Some(RefusalReason::NoPlace);
        }
    }
    let (mut old, mut new) = (before.meaning(), after.meaning());
    old.remove(name.as_bytes());
    new.remove(name.as_bytes());
    (old != new).then_some(RefusalReason::NoPlace)
}

/// A value's source with another number in it: the same quotes, the same joined lines, the same CR before the line's
/// end. None where the value itself holds a line end.
fn restyled(source: &[u8], number: u32) -> Option<Vec<u8>> {
    let joined = source.windows(2).filter(|pair| *pair == b"\\\n").count();
    let ends = source.iter().filter(|byte| **byte == b'\n').count();
    if ends != joined || unquote(source).contains(&b'\n') {
        return None;
    }
    let quote = match source {
        [first @ (b'"' | b'\''), inner @ .., last] if first == last && !inner.contains(first) => {
            Some(*first)
        }
        _ => None,
    };
    let mut text = Vec::with_capacity(source.len());
    text.extend(quote);
    text.extend(number.to_string().into_bytes());
    for _ in 0..joined {
        text.extend(b"\\\n");
    }
    text.extend(quote);
    if source.ends_with(b"\r") {
        text.push(b'\r');
    }
    Some(text)
}

/// One replacement of bytes.
struct Edit {
    range: Range<usize>,
    text: Vec<u8>,
    kind: EditKind,
}

impl Edit {
    fn new(range: Range<usize>, text: Vec<u8>, kind: EditKind) -> Self {
        Self { range, text, kind }
    }

    fn apply(&self, file: &File) -> Edited {
        let (before, after) = (
            &file.bytes[..self.range.start],
            &file.bytes[self.range.end..],
        );
        let mut bytes = before.to_vec();
        if self.kind == EditKind::Insert {
            if !before.is_empty() && !before.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            let line = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            bytes.extend(&self.text);
            bytes.push(b'\n');
            bytes.extend(after);
            return Edited {
                bytes,
                lines: vec![LineEdit {
                    kind: self.kind,
                    line: super::count(line),
                    block: None,
                    before: None,
                    after: self.text.clone(),
                }],
            };
        }
        bytes.extend(&self.text);
        bytes.extend(after);
        let edited = File {
            lines: super::line_starts(&bytes),
            bytes,
            acts: Vec::new(),
        };
        let first = file.line_of(self.range.start);
        let last = file.line_of(self.range.end);
        let lines = (first..=last)
            .filter(|line| file.line_text(*line) != edited.line_text(*line))
            .map(|line| LineEdit {
                kind: self.kind,
                line: super::count(line + 1),
                block: None,
                before: Some(file.line_text(line).to_vec()),
                after: edited.line_text(line).to_vec(),
            })
            .collect();
        Edited {
            bytes: edited.bytes,
            lines,
        }
    }
}
