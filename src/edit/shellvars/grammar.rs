//! The grammar of the shell, as far as dash and bash read it alike: a file becomes the flat list of what it
//! does.
//!
//! The reading ends at the first thing that is not certain; what that means for the variables is decided
//! elsewhere.

mod between;
mod lists;
mod simple;

use std::ops::Range;

use super::ValueDoubt;
use super::acts::{CommandCertainty, ShellAct};

pub(super) use between::RESERVED;

/// How deep constructs may be nested before the reading ends. Real files have no nesting at all.
const DEPTH: u32 = 64;

/// Where the reading ended, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadingStop {
    pub(super) at: Range<usize>,
    pub(super) why: ValueDoubt,
}

/// What a part of the reading gives.
pub(super) type GrammarResult<T> = Result<T, ReadingStop>;

/// A here-document whose body begins at the next line end.
pub(super) struct HereDocument {
    pub(super) start: usize,
    pub(super) delimiter: Vec<u8>,
    pub(super) body: HereBody,
    pub(super) tabs: LeadingTabs,
}

/// Whether a here-document is expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HereBody {
    Literal,
    Expanded,
}

/// Whether tabs ahead of its lines count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LeadingTabs {
    Kept,
    Stripped,
}

/// Reads a script from front to back, once.
pub(super) struct ShellParser<'a> {
    pub(super) source: &'a [u8],
    pub(super) at: usize,
    pub(super) depth: u32,
    pub(super) acts: Vec<ShellAct>,
    /// The names that `${NAME:=…}` in the command being read may set.
    pub(super) set_by_expansion: Vec<Range<usize>>,
    pub(super) here_documents: Vec<HereDocument>,
    /// How deep the script itself is.
    base: u32,
    /// How many acts belong to lines that a shell runs before it reads on.
    pub(super) run: usize,
}

impl<'a> ShellParser<'a> {
    pub(super) fn new(source: &'a [u8], depth: u32) -> Self {
        Self {
            source,
            at: 0,
            depth,
            acts: Vec::new(),
            set_by_expansion: Vec::new(),
            here_documents: Vec::new(),
            base: depth,
            run: 0,
        }
    }

    /// Reads everything; the acts up to the end, or up to where the reading ended.
    pub(super) fn script(&mut self) -> GrammarResult<()> {
        self.list(CommandCertainty::Always)?;
        if self.at < self.source.len() {
            return Err(self.stop(self.at, ValueDoubt::Syntax));
        }
        match self.here_documents.first() {
            Some(document) => Err(self.stop(document.start, ValueDoubt::NotUnderstood)),
            None => Ok(()),
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    pub(super) fn stop(&self, start: usize, why: ValueDoubt) -> ReadingStop {
        let end = self.at.max(start + 1).min(self.source.len().max(start));
        ReadingStop { at: start..end, why }
    }

    /// The current depth, unless one more level would be too deep.
    pub(super) fn deeper(&self, start: usize) -> GrammarResult<u32> {
        if self.depth >= DEPTH {
            return Err(self.stop(start, ValueDoubt::TooDeep));
        }
        Ok(self.depth)
    }

    pub(super) fn awaits_here_document(&self) -> bool {
        !self.here_documents.is_empty()
    }
}
