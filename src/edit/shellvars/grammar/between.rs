//! What stands between words and commands: blanks, comments, line ends; and the words that are no commands.
//!
//! No word or command is read here.

use super::super::ValueDoubt;
use super::{GrammarResult, ShellParser};

/// Words that are not commands, in dash or in bash.
pub(in crate::edit::shellvars) const RESERVED: [&[u8]; 22] = [
    b"!",
    b"{",
    b"}",
    b"[[",
    b"]]",
    b"case",
    b"coproc",
    b"do",
    b"done",
    b"elif",
    b"else",
    b"esac",
    b"fi",
    b"for",
    b"function",
    b"if",
    b"in",
    b"select",
    b"then",
    b"time",
    b"until",
    b"while",
];

impl ShellParser<'_> {
    /// Skips blanks, joined line ends and a comment.
    pub(in crate::edit::shellvars) fn blanks(&mut self) -> GrammarResult<()> {
        loop {
            match self.source[self.at..] {
                [b' ' | b'\t', ..] => self.at += 1,
                [b'\\', b'\n', ..] => {
                    self.line_end_inside_command()?;
                    self.at += 2;
                }
                [b'#', ..] => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn line_end_inside_command(&self) -> GrammarResult<()> {
        match self.here_documents.first() {
            Some(document) => Err(self.stop(document.start, ValueDoubt::Unportable)),
            None => Ok(()),
        }
    }

    /// Skips blanks, comments and line ends, and the here-documents that follow one; says how many line ends.
    pub(in crate::edit::shellvars) fn lines(&mut self) -> GrammarResult<usize> {
        let mut count = 0;
        loop {
            self.blanks()?;
            if self.peek() != Some(b'\n') {
                return Ok(count);
            }
            self.at += 1;
            count += 1;
            for document in std::mem::take(&mut self.here_documents) {
                self.here_document(&document)?;
            }
        }
    }

    /// The reserved word that stands here as a whole word.
    pub(in crate::edit::shellvars) fn reserved(&self) -> Option<&'static [u8]> {
        let rest = &self.source[self.at..];
        let length = rest.iter().take(9).take_while(|byte| !b" \t\n;&|<>()".contains(byte)).count();
        RESERVED.iter().find(|word| **word == &rest[..length]).copied()
    }
}
