//! Makes a file set a number: the smallest edit whose result is proved, or a refusal.

use std::ops::Range;

use super::number::daemon_number;
use super::problems::{ProblemConsequence, ShellProblemKind, carriage_returns_throughout};
use super::sourcing::Sourcing;
use super::words::{is_name, unquote};
use super::{LineBreakage, ShellFile, SourcedValue, ValueDoubt, sections};
use crate::edit::{EditKind, EditedBytes, FileLine, LineEdit};

/// Why a file was not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}: {why}", spot.line)]
pub struct ShellRefusal {
    /// Where.
    pub spot: FileLine,
    /// The line as it stands there, without its line end.
    pub line: Vec<u8>,
    /// Why.
    pub why: ShellRefusalReason,
}

/// Why an edit cannot be proved to do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShellRefusalReason {
    /// What the variable or the whole file means is not certain.
    #[error("{0}")]
    Doubt(ValueDoubt),
    /// The line is broken in a way that has more than one repair.
    #[error("{0}; what it should say is not clear")]
    Broken(LineBreakage),
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
/// The winning assignment changes in place, and only the value's bytes; a broken line that is all there is
/// becomes one that the shell reads; a missing one goes where sysconftool keeps it. A value that already
/// means the number stays.
///
/// # Errors
/// [`ShellRefusal`] where it cannot be proved that the file then sets just this variable to just this number.
pub fn ensure(bytes: &[u8], name: &str, number: u32) -> Result<EditedBytes, ShellRefusal> {
    let file = ShellFile::parse(bytes);
    let refuse = |at: &Range<usize>, why| refusal(&file, file.spot(at), why);
    let start = 0..file.line_text(0).len();
    if !is_name(name.as_bytes()) {
        return Err(refuse(&start, ShellRefusalReason::Name));
    }
    if number == 0 || i32::try_from(number).is_err() {
        return Err(refuse(&start, ShellRefusalReason::Number));
    }
    let shell = Sourcing::of([&file]);
    unreadable(&file, &shell)?;

    let edit = if let Some(held) = shell.held(name) {
        if let Some(doubt) = held.doubt {
            let at = held.name.start..held.value.end;
            return Err(refuse(&at, ShellRefusalReason::Doubt(doubt)));
        }
        let source = file.text(&held.value);
        let was = daemon_number(&unquote(source));
        if was == Some(number) {
            return Ok(unchanged(bytes));
        }
        let Some(text) = restyled(source, number) else {
            return Err(refuse(&held.value, ShellRefusalReason::SeveralLines));
        };
        let kind = match was {
            Some(_) => EditKind::Change,
            None => EditKind::Repair,
        };
        vec![ByteReplacement::new(held.value.clone(), text, kind)]
    } else if let Some(broken) = shell.broken(name) {
        let repaired = broken.repair.as_ref().and_then(|value| restyled(file.text(value), number));
        let Some(value) = repaired else {
            return Err(refuse(&broken.line, ShellRefusalReason::Broken(broken.why)));
        };
        let mut text = format!("{name}=").into_bytes();
        text.extend(value);
        let range = broken.name.start..broken.line.end;
        vec![ByteReplacement::new(range, text, EditKind::Repair)]
    } else {
        let line = format!("{name}={number}");
        sections::places(bytes, name)
            .into_iter()
            .map(|at| ByteReplacement::new(at..at, line.clone().into_bytes(), EditKind::Insert))
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
    let (at, why) = failed.unwrap_or((start, ShellRefusalReason::NoPlace));
    Err(refuse(&at, why))
}

/// Whatever makes an edit of any variable useless.
fn unreadable(file: &ShellFile, shell: &Sourcing<'_>) -> Result<(), ShellRefusal> {
    if let Some((_, SourcedValue::Uncertain { spot, why })) = shell.doubt() {
        return Err(refusal(file, spot, ShellRefusalReason::Doubt(why)));
    }
    if carriage_returns_throughout(file) {
        let spot = file.spot(&(0..file.line_text(0).len()));
        return Err(refusal(file, spot, ShellRefusalReason::CarriageReturns));
    }
    let fatal = file.problems().into_iter().find(|problem| {
        problem.consequence == ProblemConsequence::DaemonDoesNotRun
            && problem.kind == ShellProblemKind::CarriageReturn
    });
    match fatal {
        Some(problem) => Err(refusal(file, problem.spot, ShellRefusalReason::CarriageReturn)),
        None => Ok(()),
    }
}

fn refusal(file: &ShellFile, spot: FileLine, why: ShellRefusalReason) -> ShellRefusal {
    let line = usize::try_from(spot.line).unwrap_or(usize::MAX) - 1;
    ShellRefusal { spot, line: file.line_text(line).to_vec(), why }
}

fn unchanged(bytes: &[u8]) -> EditedBytes {
    EditedBytes { bytes: bytes.to_vec(), lines: Vec::new() }
}

/// Why the new bytes do not do what they should; none where they do.
fn proved(before: &Sourcing<'_>, bytes: &[u8], name: &str, number: u32) -> Option<ShellRefusalReason> {
    let file = ShellFile::parse(bytes);
    let after = Sourcing::of([&file]);
    match after.value(name).value {
        SourcedValue::Literal { bytes, .. } if daemon_number(&bytes) == Some(number) => {}
        SourcedValue::Uncertain { why, .. } => return Some(ShellRefusalReason::Doubt(why)),
        SourcedValue::Literal { .. } | SourcedValue::Broken { .. } | SourcedValue::Untouched => {
            return Some(ShellRefusalReason::NoPlace);
        }
    }
    let (mut old, mut new) = (before.meaning(), after.meaning());
    old.remove(name.as_bytes());
    new.remove(name.as_bytes());
    (old != new).then_some(ShellRefusalReason::NoPlace)
}

/// A value's source with another number in it: the same quotes, the same joined lines, the same CR before the
/// line's end. None where the value itself holds a line end.
fn restyled(source: &[u8], number: u32) -> Option<Vec<u8>> {
    let joined = source.windows(2).filter(|pair| *pair == b"\\\n").count();
    let ends = source.iter().filter(|byte| **byte == b'\n').count();
    if ends != joined || unquote(source).contains(&b'\n') {
        return None;
    }
    let quote = match source {
        [first @ (b'"' | b'\''), inner @ .., last] if first == last && !inner.contains(first) => Some(*first),
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
struct ByteReplacement {
    range: Range<usize>,
    text: Vec<u8>,
    kind: EditKind,
}

impl ByteReplacement {
    fn new(range: Range<usize>, text: Vec<u8>, kind: EditKind) -> Self {
        Self { range, text, kind }
    }

    fn apply(&self, file: &ShellFile) -> EditedBytes {
        let (before, after) = (&file.bytes[..self.range.start], &file.bytes[self.range.end..]);
        let mut bytes = before.to_vec();
        if self.kind == EditKind::Insert {
            if !before.is_empty() && !before.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            let line = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            bytes.extend(&self.text);
            bytes.push(b'\n');
            bytes.extend(after);
            return EditedBytes {
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
        let edited = ShellFile { lines: super::line_starts(&bytes), bytes, acts: Vec::new() };
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
        EditedBytes { bytes: edited.bytes, lines }
    }
}
