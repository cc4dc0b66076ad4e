//! The grammar of the shell, as far as dash and bash read it alike: a file becomes the flat list of what it does.
//!
//! The reading ends at the first thing that is not certain; what that means for the variables is decided elsewhere.

use std::ops::Range;

use super::Doubt;
use super::acts::{Act, Sure};
use super::commands::Simple;
use super::redirections::HereDocument;
use super::words::{Joined, Word};

/// How deep constructs may be nested before the reading ends. Real files have no nesting at all.
const DEPTH: u32 = 64;

/// Words that are not commands, in dash or in bash.
pub(super) const RESERVED: [&[u8]; 22] = [
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

/// Where the reading ended, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) at: Range<usize>,
    pub(super) why: Doubt,
}

/// What a part of the reading gives.
pub(super) type Reading<T> = Result<T, Stop>;

/// Reads a script from front to back, once.
pub(super) struct Parser<'a> {
    pub(super) source: &'a [u8],
    pub(super) at: usize,
    pub(super) depth: u32,
    pub(super) acts: Vec<Act>,
    /// The names that `${NAME:=…}` in the command being read may set.
    pub(super) set_by_expansion: Vec<Range<usize>>,
    pub(super) here_documents: Vec<HereDocument>,
    /// How deep the script itself is.
    base: u32,
    /// How many acts belong to lines that a shell runs before it reads on.
    pub(super) run: usize,
}

impl<'a> Parser<'a> {
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
    pub(super) fn script(&mut self) -> Reading<()> {
        self.list(Sure::Always)?;
        if self.at < self.source.len() {
            return Err(self.stop(self.at, Doubt::Syntax));
        }
        match self.here_documents.first() {
            Some(document) => Err(self.stop(document.start, Doubt::NotUnderstood)),
            None => Ok(()),
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    pub(super) fn stop(&self, start: usize, why: Doubt) -> Stop {
        let end = self.at.max(start + 1).min(self.source.len().max(start));
        Stop {
            at: start..end,
            why,
        }
    }

    /// The current depth, unless one more level would be too deep.
    pub(super) fn deeper(&self, start: usize) -> Reading<u32> {
        if self.depth >= DEPTH {
            return Err(self.stop(start, Doubt::TooDeep));
        }
        Ok(self.depth)
    }

    pub(super) fn awaits_here_document(&self) -> bool {
        !self.here_documents.is_empty()
    }

    /// Skips blanks, joined line ends and a comment.
    pub(super) fn blanks(&mut self) -> Reading<()> {
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

    fn line_end_inside_command(&self) -> Reading<()> {
        match self.here_documents.first() {
            Some(document) => Err(self.stop(document.start, Doubt::Unportable)),
            None => Ok(()),
        }
    }

    /// Skips blanks, comments and line ends, and the here-documents that follow one; says how many line ends.
    pub(super) fn lines(&mut self) -> Reading<usize> {
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
    pub(super) fn reserved(&self) -> Option<&'static [u8]> {
        let rest = &self.source[self.at..];
        let length = rest
            .iter()
            .take(9)
            .take_while(|byte| !b" \t\n;&|<>()".contains(byte))
            .count();
        RESERVED
            .iter()
            .find(|word| **word == &rest[..length])
            .copied()
    }

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
    pub(super) fn list(&mut self, sure: Sure) -> Reading<usize> {
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
                [b'&', b'>' | b'\\', ..] => return Err(self.stop(self.at, Doubt::Unportable)),
                [b'&', ..] => {
                    self.at += 1;
                    self.forked(first);
                }
                _ => return Err(self.stop(self.at, Doubt::Syntax)),
            }
        }
    }

    /// Drops the acts of commands that run in a shell of their own, without parentheses.
    ///
    /// One of them that leaves the file goes on behind it in bash, as a second shell.
    fn forked(&mut self, first: usize) {
        let leaves = self.acts[first..].iter().find_map(|act| match act {
            Act::Return { at } | Act::Doubt { at, .. } => Some(at.clone()),
            Act::Assign { .. }
            | Act::Broken { .. }
            | Act::ReadOnly { .. }
            | Act::Define { .. }
            | Act::Run { .. } => None,
        });
        self.acts.truncate(first);
        if let Some(at) = leaves {
            let why = Doubt::Unportable;
            self.acts.push(Act::Doubt { at, why });
        }
    }

    pub(super) fn filled_list(&mut self, sure: Sure) -> Reading<()> {
        let start = self.at;
        match self.list(sure)? {
            0 if self.at >= self.source.len() => Err(self.stop(start, Doubt::Unterminated)),
            0 => Err(self.stop(self.at, Doubt::Syntax)),
            _ => Ok(()),
        }
    }

    fn and_or(&mut self, sure: Sure) -> Reading<()> {
        self.pipeline(sure)?;
        loop {
            self.blanks()?;
            match self.source[self.at..] {
                [b'&', b'&', ..] | [b'|', b'|', ..] => self.at += 2,
                _ => return Ok(()),
            }
            self.lines()?;
            self.pipeline(Sure::Maybe)?;
        }
    }

    fn pipeline(&mut self, sure: Sure) -> Reading<()> {
        self.blanks()?;
        if self.reserved() == Some(b"!") {
            self.at += 1;
            self.blanks()?;
            if self.reserved() == Some(b"!") {
                return Err(self.stop(self.at, Doubt::Unportable));
            }
        }
        let first = self.acts.len();
        self.command(sure)?;
        loop {
            self.blanks()?;
            match self.source[self.at..] {
                [b'|', b'|', ..] => return Ok(()),
                [b'|', b'&' | b'\\', ..] => return Err(self.stop(self.at, Doubt::Unportable)),
                [b'|', ..] => self.at += 1,
                _ => return Ok(()),
            }
            // All but the last command of a pipe run in shells of their own; of the last that is not certain.
            self.forked(first);
            self.lines()?;
            self.command(Sure::Maybe)?;
        }
    }

    pub(super) fn command(&mut self, sure: Sure) -> Reading<()> {
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
                self.acts.push(Act::Doubt {
                    at: start..self.at,
                    why: Doubt::Loop,
                });
                self.filled_list(Sure::Maybe)?;
                self.body(start)?;
            }
            b"for" => self.for_loop(start)?,
            b"case" => self.case(start)?,
            b"[[" | b"]]" | b"coproc" | b"function" | b"in" | b"select" | b"time" => {
                return Err(self.stop(start, Doubt::Unportable));
            }
            _ => return Err(self.stop(start, Doubt::Syntax)),
        }
        self.depth = depth;
        self.redirections_after(first)
    }

    /// A word where one must stand.
    pub(super) fn argument(&mut self, start: usize) -> Reading<Word> {
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
    pub(super) fn flush_expansions(&mut self) {
        for name in std::mem::take(&mut self.set_by_expansion) {
            self.acts.push(Act::Assign {
                name: name.clone(),
                value: name,
                doubt: Some(Doubt::Computed),
            });
        }
    }

    fn simple(&mut self, sure: Sure) -> Reading<()> {
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
