//! Commands made of commands: blocks, conditions, loops, subshells and functions.
//!
//! What they may or may not run is left as a doubt; what is in a shell of its own leaves nothing.

use super::ValueDoubt;
use super::acts::{CommandCertainty, ShellAct};
use super::commands::SimpleCommand;
use super::grammar::{GrammarResult, ShellParser};
use super::words::{FieldSplitting, is_name};

impl ShellParser<'_> {
    pub(super) fn body(&mut self, start: usize) -> GrammarResult<()> {
        self.expect(b"do", start)?;
        self.filled_list(CommandCertainty::Maybe)?;
        self.expect(b"done", start)
    }

    pub(super) fn conditional(&mut self, start: usize) -> GrammarResult<()> {
        loop {
            self.filled_list(CommandCertainty::Maybe)?;
            self.expect(b"then", start)?;
            self.filled_list(CommandCertainty::Maybe)?;
            match self.reserved() {
                Some(b"elif") => self.at += 4,
                Some(b"else") => {
                    self.at += 4;
                    self.filled_list(CommandCertainty::Maybe)?;
                    return self.expect(b"fi", start);
                }
                _ => return self.expect(b"fi", start),
            }
        }
    }

    pub(super) fn for_loop(&mut self, start: usize) -> GrammarResult<()> {
        self.blanks()?;
        let name = self.argument(start)?;
        if !is_name(&self.source[name.range.clone()]) {
            return Err(self.stop(start, ValueDoubt::Unportable));
        }
        self.acts.push(ShellAct::Assign {
            name: name.range.clone(),
            value: name.range,
            doubt: Some(ValueDoubt::Loop),
        });
        self.blanks()?;
        if self.peek() == Some(b'\n') {
            self.lines()?;
        }
        if self.reserved() == Some(b"in") {
            self.at += 2;
            loop {
                self.blanks()?;
                match self.peek() {
                    Some(b'\n' | b';') | None => break,
                    _ => _ = self.argument(start)?,
                }
            }
            self.flush_expansions();
            if self.peek() == Some(b';') {
                self.at += 1;
            }
        } else if self.peek() == Some(b';') {
            self.at += 1;
        }
        self.body(start)
    }

    pub(super) fn case(&mut self, start: usize) -> GrammarResult<()> {
        self.blanks()?;
        self.argument(start)?;
        self.flush_expansions();
        self.lines()?;
        if self.reserved() != Some(b"in") {
            return Err(self.stop(start, ValueDoubt::Syntax));
        }
        self.at += 2;
        loop {
            self.lines()?;
            if self.reserved() == Some(b"esac") {
                self.at += 4;
                return Ok(());
            }
            if self.peek() == Some(b'(') {
                self.at += 1;
                self.blanks()?;
            }
            loop {
                self.argument(start)?;
                self.flush_expansions();
                self.blanks()?;
                match self.peek() {
                    Some(b'|') => self.at += 1,
                    Some(b')') => break,
                    _ => return Err(self.stop(start, ValueDoubt::NotUnderstood)),
                }
                self.blanks()?;
            }
            self.at += 1;
            self.list(CommandCertainty::Maybe)?;
            match self.source[self.at..] {
                // bash: `;;&`.
                [b';', b';', b'&' | b'\\', ..] => {
                    return Err(self.stop(self.at, ValueDoubt::Unportable));
                }
                [b';', b';', ..] => self.at += 2,
                _ => return self.expect(b"esac", start),
            }
        }
    }

    pub(super) fn subshell(&mut self) -> GrammarResult<()> {
        let start = self.at;
        self.at += 1;
        // bash: arithmetic.
        if matches!(self.source[self.at..], [b'(', ..] | [b'\\', b'\n', ..]) {
            return Err(self.stop(start, ValueDoubt::Unportable));
        }
        let first = self.acts.len();
        self.filled_list(CommandCertainty::Maybe)?;
        self.close(start)?;
        self.acts.truncate(first);
        Ok(())
    }

    /// The script in `$(…)`, up to behind its `)`.
    pub(super) fn substitution(&mut self, start: usize) -> GrammarResult<()> {
        let depth = self.deeper(start)?;
        self.depth = depth + 1;
        let outer_documents = std::mem::take(&mut self.here_documents);
        let outer_names = std::mem::take(&mut self.set_by_expansion);
        let first = self.acts.len();
        let line_before = self.at;
        self.list(CommandCertainty::Maybe)?;
        if self.awaits_here_document() {
            return Err(self.stop(start, ValueDoubt::Unportable));
        }
        self.close(start)?;
        if !outer_documents.is_empty() && self.source[line_before..self.at].contains(&b'\n') {
            return Err(self.stop(start, ValueDoubt::Unportable));
        }
        self.acts.truncate(first);
        self.here_documents = outer_documents;
        self.set_by_expansion = outer_names;
        self.depth = depth;
        Ok(())
    }

    pub(super) fn close(&mut self, start: usize) -> GrammarResult<()> {
        match self.peek() {
            Some(b')') => {
                self.at += 1;
                Ok(())
            }
            None => Err(self.stop(start, ValueDoubt::Unterminated)),
            Some(_) => Err(self.stop(self.at, ValueDoubt::Syntax)),
        }
    }

    /// `name () { … }`: what it does is not known to happen.
    pub(super) fn function(&mut self, simple: &SimpleCommand, start: usize) -> GrammarResult<()> {
        let [name] = simple.words.as_slice() else {
            return Err(self.stop(self.at, ValueDoubt::Syntax));
        };
        let text = &self.source[name.range.clone()];
        let plain = simple.assignments.is_empty()
            && !simple.redirected
            && name.fields == FieldSplitting::One
            && is_name(text)
            && !super::commands::is_special(text);
        if !plain {
            return Err(self.stop(start, ValueDoubt::Syntax));
        }
        self.at += 1;
        self.blanks()?;
        self.close(start)?;
        self.lines()?;
        let compound = self.peek() == Some(b'(')
            || matches!(self.reserved(), Some(b"{" | b"if" | b"while" | b"until" | b"for" | b"case"));
        if !compound {
            return Err(self.stop(start, ValueDoubt::Unportable));
        }
        let first = self.acts.len();
        self.command(CommandCertainty::Maybe)?;
        self.acts.truncate(first);
        self.acts.push(ShellAct::Define { name: name.range.clone() });
        Ok(())
    }

    /// What follows a compound command; one whose redirection fails does not run.
    pub(super) fn redirections_after(&mut self, first: usize) -> GrammarResult<()> {
        loop {
            self.blanks()?;
            let digits = usize::from(self.peek().is_some_and(|byte| byte.is_ascii_digit()));
            match self.source.get(self.at + digits) {
                Some(b'<' | b'>') => {
                    self.at += digits;
                    self.redirection()?;
                    for act in &mut self.acts[first..] {
                        act.make_maybe();
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn expect(&mut self, word: &[u8], start: usize) -> GrammarResult<()> {
        self.lines()?;
        if self.reserved() == Some(word) {
            self.at += word.len();
            return Ok(());
        }
        if self.at >= self.source.len() {
            return Err(self.stop(start, ValueDoubt::Unterminated));
        }
        Err(self.stop(self.at, ValueDoubt::Syntax))
    }
}
