//! Courier's shell-variable files (`imapd`, `imapd-ssl`, `pop3d`, `pop3d-ssl`), read as the shell reads them.
//!
//! Courier's start scripts source these files with `sh`, so what a line means is what dash and bash make of
//! it. A value is given only where it is provably the one that sourcing leaves; everything else says why it
//! is not. Nothing here runs a shell, reads a file or knows which file belongs to which daemon.

mod acts;
mod commands;
mod compound;
mod ensure;
mod grammar;
mod number;
mod problems;
mod reasons;
mod redirections;
mod sections;
mod sourcing;
mod words;

use super::FileLine;
use acts::ShellAct;
use grammar::{ReadingStop, ShellParser};

pub use ensure::{ShellRefusal, ShellRefusalReason, ensure};
pub use number::daemon_number;
pub use problems::{ProblemConsequence, ShellProblem, ShellProblemKind};
pub use reasons::{LineBreakage, ValueDoubt};
pub use sourcing::{SourcedVariable, Sourcing, sourced};

/// One file, its bytes beside their meaning.
#[derive(Debug, Clone)]
pub struct ShellFile {
    bytes: Vec<u8>,
    /// Where each line begins.
    lines: Vec<usize>,
    acts: Vec<ShellAct>,
}

/// What sourcing does to one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourcedValue {
    /// It is never assigned.
    Untouched,
    /// The last assignment, provably of just these bytes: quotes removed, joined lines joined.
    Literal {
        /// What the variable holds.
        bytes: Vec<u8>,
        /// The assignment.
        spot: FileLine,
    },
    /// Nothing assigns it, and a line names it so that the shell runs a command instead: the variable stays
    /// as it was, unset where nothing else sets it.
    Broken {
        /// The line.
        spot: FileLine,
        /// What the shell makes of the line.
        why: LineBreakage,
    },
    /// What it holds cannot be proved.
    Uncertain {
        /// What the doubt comes from.
        spot: FileLine,
        /// The doubt.
        why: ValueDoubt,
    },
}

/// A variable that sourcing provably leaves at a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellAssignment {
    /// The variable.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// The assignment that counts.
    pub spot: FileLine,
}

impl ShellFile {
    /// Reads any bytes; what is not understood is a doubt in every value, never an error.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut parser = ShellParser::new(bytes, 0);
        let nul = bytes.iter().position(|byte| *byte == 0);
        let read = match nul {
            Some(at) => Err(ReadingStop { at: at..at + 1, why: ValueDoubt::ControlByte }),
            None => parser.script(),
        };
        let mut acts = parser.acts;
        if let Err(ReadingStop { at, why }) = read {
            acts.truncate(parser.run);
            acts.push(ShellAct::Doubt { at, why });
        }
        Self { bytes: bytes.to_vec(), lines: line_starts(bytes), acts }
    }

    /// The bytes it was read from.
    #[must_use]
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What sourcing this file alone does to a variable.
    #[must_use]
    pub fn value(&self, name: &str) -> SourcedValue {
        Sourcing::of([self]).value(name).value
    }

    /// Every variable that sourcing this file alone provably leaves at a literal, by name.
    #[must_use]
    pub fn assignments(&self) -> Vec<ShellAssignment> {
        Sourcing::of([self]).assignments().map(|(_, assignment)| assignment).collect()
    }

    /// The lines on which the shell prints an error or that stop the daemon, in their order.
    #[must_use]
    pub fn problems(&self) -> Vec<ShellProblem> {
        problems::of(self)
    }

    fn text(&self, range: &std::ops::Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    /// The line that an offset is on, counted from 0.
    fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).max(1) - 1
    }

    /// The bytes of a line, counted from 0, without its line end.
    fn line_text(&self, line: usize) -> &[u8] {
        let start = self.lines.get(line).copied().unwrap_or(self.bytes.len());
        let end = match self.lines.get(line + 1) {
            Some(next) => next - 1,
            None => self.bytes.len(),
        };
        &self.bytes[start..end]
    }

    /// The part of a range that is on its first line.
    fn spot(&self, range: &std::ops::Range<usize>) -> FileLine {
        let line = self.line_of(range.start);
        let start = self.lines[line];
        let end = range.end.min(start + self.line_text(line).len());
        FileLine {
            line: count(line + 1),
            column: count(range.start - start + 1),
            width: count(end.saturating_sub(range.start).max(1)),
        }
    }
}

/// Where each line begins; the last one may be empty.
fn line_starts(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
}

/// A position as a [`FileLine`] counts it; beyond what that can hold, the largest.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
