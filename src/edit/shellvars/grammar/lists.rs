//! Lists, pipelines and the choice of a command: what runs surely, perhaps, or in a shell of its own.
//!
//! What a command consists of is read elsewhere.

use super::super::ValueDoubt;
use super::super::acts::{CommandCertainty, ShellAct};
use super::{GrammarResult, ShellParser};

impl ShellParser<'_> {
    /// Whether the list that is being read ends here.
    fn list_ends(&self) -> bool {
        match self.source[self.at..] {
            [] | [b')', ..] | [b';', b';', ..] => true,
            _ => matches!(
                self.reserved(),
                Some(b"then" | b"else" | b"elif" | b"fi" | b"do" | b"done" | b"esac" | b"}")
            ),
        }
    }

    /// Reads commands up to what ends a list; says whether there were any.
    pub(in crate::edit::shellvars) fn list(&mut self, sure: CommandCertainty) -> GrammarResult<usize> {
        let mut count = 0;
        loop {
            if self.lines()? > 0 && self.depth == self.base {
                self.run = self.acts.len();
            }
            if self.list_ends() {
                return Ok(count);
            }
            let first = self.acts.len();
            self.and_or(sure)?;
            count += 1;
            self.blanks()?;
            match self.source[self.at..] {
                [] | [b'\n' | b')', ..] | [b';', b';', ..] => {}
                [b';', ..] => self.at += 1,
                // bash reads `&>` as one sign, also across a joined line end.
                [b'&', b'>' | b'\\', ..] => return Err(self.stop(self.at, ValueDoubt::Unportable)),
                [b'&', ..] => {
                    self.at += 1;
                    self.forked(first);
                }
                _ => return Err(self.stop(self.at, ValueDoubt::Syntax)),
            }
        }
    }

    /// Drops the acts of commands that run in a shell of their own, without parentheses.
    ///
    /// One of them that leaves the file goes on behind it in bash, as a second shell.
    fn forked(&mut self, first: usize) {
        let leaves = self.acts[first..].iter().find_map(|act| match act {
            ShellAct::Return { at } | ShellAct::Doubt { at, .. } => Some(at.clone()),
            ShellAct::Assign { .. }
            | ShellAct::Broken { .. }
            | ShellAct::ReadOnly { .. }
            | ShellAct::Define { .. }
            | ShellAct::Run { .. } => None,
        });
        self.acts.truncate(first);
        if let Some(at) = leaves {
            let why = ValueDoubt::Unportable;
            self.acts.push(ShellAct::Doubt { at, why });
        }
    }

    pub(in crate::edit::shellvars) fn filled_list(&mut self, sure: CommandCertainty) -> GrammarResult<()> {
        let start = self.at;
        match self.list(sure)? {
            0 if self.at >= self.source.len() => Err(self.stop(start, ValueDoubt::Unterminated)),
            0 => Err(self.stop(self.at, ValueDoubt::Syntax)),
            _ => Ok(()),
        }
    }

    fn and_or(&mut self, sure: CommandCertainty) -> GrammarResult<()> {
        self.pipeline(sure)?;
        loop {
            self.blanks()?;
            match self.source[self.at..] {
                [b'&', b'&', ..] | [b'|', b'|', ..] => self.at += 2,
                _ => return Ok(()),
            }
            self.lines()?;
            self.pipeline(CommandCertainty::Maybe)?;
        }
    }

    fn pipeline(&mut self, sure: CommandCertainty) -> GrammarResult<()> {
        self.blanks()?;
        if self.reserved() == Some(b"!") {
            self.at += 1;
            self.blanks()?;
            if self.reserved() == Some(b"!") {
                return Err(self.stop(self.at, ValueDoubt::Unportable));
            }
        }
        let first = self.acts.len();
        self.command(sure)?;
        loop {
            self.blanks()?;
            match self.source[self.at..] {
                [b'|', b'|', ..] => return Ok(()),
                [b'|', b'&' | b'\\', ..] => return Err(self.stop(self.at, ValueDoubt::Unportable)),
                [b'|', ..] => self.at += 1,
                _ => return Ok(()),
            }
            // All but the last command of a pipe run in shells of their own; of the last that is not certain.
            self.forked(first);
            self.lines()?;
            self.command(CommandCertainty::Maybe)?;
        }
    }

    pub(in crate::edit::shellvars) fn command(&mut self, sure: CommandCertainty) -> GrammarResult<()> {
        self.blanks()?;
        let start = self.at;
        if self.peek() == Some(b'(') {
            let depth = self.deeper(start)?;
            self.depth = depth + 1;
            self.subshell()?;
            self.depth = depth;
            return self.redirections_after(self.acts.len());
        }
        let Some(word) = self.reserved() else {
            return self.simple(sure);
        };
        let depth = self.deeper(start)?;
        self.depth = depth + 1;
        let first = self.acts.len();
        self.at += word.len();
        match word {
            b"{" => {
                self.filled_list(sure)?;
                self.expect(b"}", start)?;
            }
            b"if" => self.conditional(start)?,
            b"while" | b"until" => {
                self.acts.push(ShellAct::Doubt { at: start..self.at, why: ValueDoubt::Loop });
                self.filled_list(CommandCertainty::Maybe)?;
                self.body(start)?;
            }
            b"for" => self.for_loop(start)?,
            b"case" => self.case(start)?,
            b"[[" | b"]]" | b"coproc" | b"function" | b"in" | b"select" | b"time" => {
                return Err(self.stop(start, ValueDoubt::Unportable));
            }
            _ => return Err(self.stop(start, ValueDoubt::Syntax)),
        }
        self.depth = depth;
        self.redirections_after(first)
    }
}
