//! A simple command: its assignments, words and redirections. What they do is decided elsewhere.

use super::super::Doubt;
use super::super::acts::{Act, Sure};
use super::super::commands::Simple;
use super::super::words::{Joined, Word};
use super::{Parser, RESERVED, Reading};

impl Parser<'_> {
    /// A word where one must stand.
    pub(in crate::edit::shellvars) fn argument(&mut self, start: usize) -> Reading<Word> {
        let word = self.word()?;
        if word.range.is_empty() {
            let why = match self.peek() {
                None => Doubt::Unterminated,
                Some(_) => Doubt::Syntax,
            };
            return Err(self.stop(start, why));
        }
        Ok(word)
    }

    /// Notes the variables that expansions in the words just read may have set.
    pub(in crate::edit::shellvars) fn flush_expansions(&mut self) {
        for name in std::mem::take(&mut self.set_by_expansion) {
            self.acts.push(Act::Assign {
                name: name.clone(),
                value: name,
                doubt: Some(Doubt::Computed),
            });
        }
    }

    pub(super) fn simple(&mut self, sure: Sure) -> Reading<()> {
        let start = self.at;
        let mut simple = Simple::default();
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
                    [b'{', ..] => return Err(self.stop(start, Doubt::Unportable)),
                    _ if source.iter().all(u8::is_ascii_digit) => {
                        return Err(self.stop(start, Doubt::Unportable));
                    }
                    _ => {}
                }
            }
            match word.name {
                Some(name) if simple.words.is_empty() => simple.assignments.push((name, word)),
                _ => {
                    let first = simple.words.is_empty();
                    if first && word.joined == Joined::Yes {
                        return Err(self.stop(start, Doubt::Unportable));
                    }
                    let after_assignment = first && !simple.assignments.is_empty();
                    if after_assignment && RESERVED.contains(&source) {
                        return Err(self.stop(start, Doubt::Unportable));
                    }
                    simple.words.push(word);
                }
            }
        }
        if simple.is_empty() {
            let why = match self.peek() {
                None => Doubt::Unterminated,
                Some(_) => Doubt::Syntax,
            };
            return Err(self.stop(self.at, why));
        }
        let first = self.acts.len();
        simple.acts(self.source, &mut self.acts);
        self.flush_expansions();
        if sure == Sure::Maybe {
            for act in &mut self.acts[first..] {
                act.make_maybe();
            }
        }
        Ok(())
    }
}
