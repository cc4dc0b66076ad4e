//! A simple command: its assignments, words and redirections. What they do is decided elsewhere.

use super::super::ValueDoubt;
use super::super::acts::{CommandCertainty, ShellAct};
use super::super::commands::SimpleCommand;
use super::super::words::{JoinedLines, ShellWord};
use super::{GrammarResult, RESERVED, ShellParser};

impl ShellParser<'_> {
    /// A word where one must stand.
    pub(in crate::edit::shellvars) fn argument(&mut self, start: usize) -> GrammarResult<ShellWord> {
        let word = self.word()?;
        if word.range.is_empty() {
            let why = match self.peek() {
                None => ValueDoubt::Unterminated,
                Some(_) => ValueDoubt::Syntax,
            };
            return Err(self.stop(start, why));
        }
        Ok(word)
    }

    /// Notes the variables that expansions in the words just read may have set.
    pub(in crate::edit::shellvars) fn flush_expansions(&mut self) {
        for name in std::mem::take(&mut self.set_by_expansion) {
            self.acts.push(ShellAct::Assign {
                name: name.clone(),
                value: name,
                doubt: Some(ValueDoubt::Computed),
            });
        }
    }

    pub(super) fn simple(&mut self, sure: CommandCertainty) -> GrammarResult<()> {
        let start = self.at;
        let mut simple = SimpleCommand::default();
        loop {
            self.blanks()?;
            match self.peek() {
                None | Some(b'\n' | b';' | b'&' | b'|' | b')') => break,
                Some(b'<' | b'>') => {
                    self.redirection()?;
                    simple.redirected = true;
                    continue;
                }
                Some(b'(') => return self.function(&simple, start),
                Some(_) => {}
            }
            let word = self.word()?;
            let source = &self.source[word.range.clone()];
            let redirects = matches!(self.peek(), Some(b'<' | b'>'));
            if redirects {
                match source {
                    [b'0'..=b'9'] => continue,
                    // dash: a word; bash: a descriptor. bash also has `{name}>file`.
                    [b'{', ..] => return Err(self.stop(start, ValueDoubt::Unportable)),
                    _ if source.iter().all(u8::is_ascii_digit) => {
                        return Err(self.stop(start, ValueDoubt::Unportable));
                    }
                    _ => {}
                }
            }
            match word.name {
                Some(name) if simple.words.is_empty() => simple.assignments.push((name, word)),
                _ => {
                    let first = simple.words.is_empty();
                    if first && word.joined == JoinedLines::Yes {
                        return Err(self.stop(start, ValueDoubt::Unportable));
                    }
                    let after_assignment = first && !simple.assignments.is_empty();
                    if after_assignment && RESERVED.contains(&source) {
                        return Err(self.stop(start, ValueDoubt::Unportable));
                    }
                    simple.words.push(word);
                }
            }
        }
        if simple.is_empty() {
            let why = match self.peek() {
                None => ValueDoubt::Unterminated,
                Some(_) => ValueDoubt::Syntax,
            };
            return Err(self.stop(self.at, why));
        }
        let first = self.acts.len();
        simple.acts(self.source, &mut self.acts);
        self.flush_expansions();
        if sure == CommandCertainty::Maybe {
            for act in &mut self.acts[first..] {
                act.make_maybe();
            }
        }
        Ok(())
    }
}
