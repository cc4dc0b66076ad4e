//! The grammar of the shell, as far as dash and bash read it alike: a file becomes the flat list of what it does.
//!
//! The reading ends at the first thing that is not certain; what that means for the variables is decided elsewhere.

use std::ops::Range;

use super::Doubt;
use super::acts::{Act, Sure};
use super::commands::Simple;
use super::words::{Fields, Joined, Word, is_name, unquote};

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

/// A here-document whose body begins at the next line end.
struct HereDocument {
    start: usize,
    delimiter: Vec<u8>,
    body: Body,
    tabs: Tabs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Literal,
    Expanded,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tabs {
    Kept,
    Stripped,
}

/// Reads a script from front to back, once.
pub(super) struct Parser<'a> {
    pub(super) source: &'a [u8],
    pub(super) at: usize,
    pub(super) depth: u32,
    pub(super) acts: Vec<Act>,
    /// The names that `${NAME:=…}` in the command being read may set.
    pub(super) set_by_expansion: Vec<Range<usize>>,
    here_documents: Vec<HereDocument>,
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
        }
    }

    /// Reads everything; the acts up to the end, or up to where the reading ended.
    pub(super) fn script(&mut self) -> Reading<()> {
        self.list(Sure::Always)?;
        if self.at < self.source.len() {
            return Err(self.stop(self.at, Doubt::Syntax));
        }
        match self.here_documents.first() {
            Some(document) => Err(self.stop(document.start, Doubt::Unterminated)),
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
    fn blanks(&mut self) -> Reading<()> {
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

    /// Skips blanks, comments and line ends, and the here-documents that follow one.
    fn lines(&mut self) -> Reading<()> {
        loop {
            self.blanks()?;
            if self.peek() != Some(b'\n') {
                return Ok(());
            }
            self.at += 1;
            for document in std::mem::take(&mut self.here_documents) {
                self.here_document(&document)?;
            }
        }
    }

    fn here_document(&mut self, document: &HereDocument) -> Reading<()> {
        while self.at < self.source.len() {
            let rest = &self.source[self.at..];
            let length = rest.iter().position(|byte| *byte == b'\n');
            let line = &rest[..length.unwrap_or(rest.len())];
            self.at += length.map_or(rest.len(), |length| length + 1);
            let text = match document.tabs {
                Tabs::Kept => line,
                Tabs::Stripped => &line[line.iter().take_while(|byte| **byte == b'\t').count()..],
            };
            if text == document.delimiter {
                return Ok(());
            }
            let expands = line.iter().any(|byte| matches!(byte, b'$' | b'`' | b'\\'));
            if document.body == Body::Expanded && expands {
                return Err(self.stop(document.start, Doubt::NotUnderstood));
            }
        }
        Err(self.stop(document.start, Doubt::Unterminated))
    }

    /// The reserved word that stands here as a whole word.
    fn reserved(&self) -> Option<&'static [u8]> {
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
    fn list(&mut self, sure: Sure) -> Reading<usize> {
        let mut count = 0;
        loop {
            self.lines()?;
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
                    self.acts.truncate(first);
                }
                _ => return Err(self.stop(self.at, Doubt::Syntax)),
            }
        }
    }

    fn filled_list(&mut self, sure: Sure) -> Reading<()> {
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
            self.acts.truncate(first);
            self.lines()?;
            self.command(Sure::Maybe)?;
        }
    }

    fn command(&mut self, sure: Sure) -> Reading<()> {
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

    /// What follows a compound command; one whose redirection fails does not run.
    fn redirections_after(&mut self, first: usize) -> Reading<()> {
        loop {
            self.blanks()?;
            let digits = self.source[self.at..]
                .iter()
                .take(4)
                .take_while(|byte| byte.is_ascii_digit())
                .count();
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

    fn expect(&mut self, word: &[u8], start: usize) -> Reading<()> {
        self.lines()?;
        if self.reserved() == Some(word) {
            self.at += word.len();
            return Ok(());
        }
        if self.at >= self.source.len() {
            return Err(self.stop(start, Doubt::Unterminated));
        }
        Err(self.stop(self.at, Doubt::Syntax))
    }

    fn body(&mut self, start: usize) -> Reading<()> {
        self.expect(b"do", start)?;
        self.filled_list(Sure::Maybe)?;
        self.expect(b"done", start)
    }

    fn conditional(&mut self, start: usize) -> Reading<()> {
        loop {
            self.filled_list(Sure::Maybe)?;
            self.expect(b"then", start)?;
            self.filled_list(Sure::Maybe)?;
            match self.reserved() {
                Some(b"elif") => self.at += 4,
                Some(b"else") => {
                    self.at += 4;
                    self.filled_list(Sure::Maybe)?;
                    return self.expect(b"fi", start);
                }
                _ => return self.expect(b"fi", start),
            }
        }
    }

    fn for_loop(&mut self, start: usize) -> Reading<()> {
        self.blanks()?;
        let name = self.argument(start)?;
        if !is_name(&self.source[name.range.clone()]) {
            return Err(self.stop(start, Doubt::Unportable));
        }
        self.acts.push(Act::Assign {
            name: name.range.clone(),
            value: name.range,
            doubt: Some(Doubt::Loop),
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

    fn case(&mut self, start: usize) -> Reading<()> {
        self.blanks()?;
        self.argument(start)?;
        self.flush_expansions();
        self.lines()?;
        if self.reserved() != Some(b"in") {
            return Err(self.stop(start, Doubt::Syntax));
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
                    _ => return Err(self.stop(start, Doubt::NotUnderstood)),
                }
                self.blanks()?;
            }
            self.at += 1;
            self.list(Sure::Maybe)?;
            match self.source[self.at..] {
                // bash: `;;&`.
                [b';', b';', b'&' | b'\\', ..] => {
                    return Err(self.stop(self.at, Doubt::Unportable));
                }
                [b';', b';', ..] => self.at += 2,
                _ => return self.expect(b"esac", start),
            }
        }
    }

    fn subshell(&mut self) -> Reading<()> {
        let start = self.at;
        self.at += 1;
        // bash: arithmetic.
        if matches!(self.source[self.at..], [b'(', ..] | [b'\\', b'\n', ..]) {
            return Err(self.stop(start, Doubt::Unportable));
        }
        let first = self.acts.len();
        self.filled_list(Sure::Maybe)?;
        self.close(start)?;
        self.acts.truncate(first);
        Ok(())
    }

    /// The script in `$(…)`, up to behind its `)`.
    pub(super) fn substitution(&mut self, start: usize) -> Reading<()> {
        let depth = self.deeper(start)?;
        self.depth = depth + 1;
        let outer_documents = std::mem::take(&mut self.here_documents);
        let outer_names = std::mem::take(&mut self.set_by_expansion);
        let first = self.acts.len();
        let line_before = self.at;
        self.list(Sure::Maybe)?;
        if self.awaits_here_document() {
            return Err(self.stop(start, Doubt::Unportable));
        }
        self.close(start)?;
        if !outer_documents.is_empty() && self.source[line_before..self.at].contains(&b'\n') {
            return Err(self.stop(start, Doubt::Unportable));
        }
        self.acts.truncate(first);
        self.here_documents = outer_documents;
        self.set_by_expansion = outer_names;
        self.depth = depth;
        Ok(())
    }

    fn close(&mut self, start: usize) -> Reading<()> {
        match self.peek() {
            Some(b')') => {
                self.at += 1;
                Ok(())
            }
            None => Err(self.stop(start, Doubt::Unterminated)),
            Some(_) => Err(self.stop(self.at, Doubt::Syntax)),
        }
    }

    /// A word where one must stand.
    fn argument(&mut self, start: usize) -> Reading<Word> {
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
    fn flush_expansions(&mut self) {
        for name in std::mem::take(&mut self.set_by_expansion) {
            self.acts.push(Act::Assign {
                name: name.clone(),
                value: name,
                doubt: Some(Doubt::Computed),
            });
        }
    }

    /// `<`, `>` and what follows them; a number before them has been read.
    fn redirection(&mut self) -> Reading<()> {
        let start = self.at;
        let sign: &[u8] = match self.source[self.at..] {
            [b'<', b'<', b'<', ..] => return Err(self.stop(start, Doubt::Unportable)),
            [b'<', b'<', b'-', ..] => b"<<-",
            [b'<', b'<', ..] => b"<<",
            [b'<', b'&', ..] => b"<&",
            [b'<', b'>', ..] => b"<>",
            [b'>', b'>', ..] => b">>",
            [b'>', b'&', ..] => b">&",
            [b'>', b'|', ..] => b">|",
            [b'<', ..] => b"<",
            _ => b">",
        };
        self.at += sign.len();
        if matches!(
            self.source[self.at..],
            [b'(' | b'&' | b'<' | b'>' | b'|', ..] | [b'\\', b'\n', ..]
        ) {
            return Err(self.stop(start, Doubt::Unportable));
        }
        self.blanks()?;
        let target = self.argument(start)?;
        let source = &self.source[target.range.clone()];
        match sign {
            b"<<" | b"<<-" => {
                let strange = target.computed.is_some()
                    || target.joined == Joined::Yes
                    || source.contains(&b'\n');
                if strange {
                    return Err(self.stop(start, Doubt::NotUnderstood));
                }
                let quoted = source
                    .iter()
                    .any(|byte| matches!(byte, b'\'' | b'"' | b'\\'));
                self.here_documents.push(HereDocument {
                    start,
                    delimiter: unquote(source),
                    body: if quoted {
                        Body::Literal
                    } else {
                        Body::Expanded
                    },
                    tabs: if sign == b"<<-" {
                        Tabs::Stripped
                    } else {
                        Tabs::Kept
                    },
                });
            }
            // bash: `>&file` is another sign.
            b"<&" | b">&" if source != b"-" && !source.iter().all(u8::is_ascii_digit) => {
                return Err(self.stop(start, Doubt::Unportable));
            }
            _ => {}
        }
        Ok(())
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
            if redirects && source.iter().all(u8::is_ascii_digit) {
                continue;
            }
            // bash: `{name}>file`.
            if redirects && source.starts_with(b"{") {
                return Err(self.stop(start, Doubt::Unportable));
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

    /// `name () { … }`: what it does is not known to happen.
    fn function(&mut self, simple: &Simple, start: usize) -> Reading<()> {
        let [name] = simple.words.as_slice() else {
            return Err(self.stop(self.at, Doubt::Syntax));
        };
        let text = &self.source[name.range.clone()];
        let plain = simple.assignments.is_empty()
            && !simple.redirected
            && name.fields == Fields::One
            && is_name(text)
            && !super::commands::is_special(text);
        if !plain {
            return Err(self.stop(start, Doubt::Syntax));
        }
        self.at += 1;
        self.blanks()?;
        self.close(start)?;
        self.lines()?;
        let compound = self.peek() == Some(b'(')
            || matches!(
                self.reserved(),
                Some(b"{" | b"if" | b"while" | b"until" | b"for" | b"case")
            );
        if !compound {
            return Err(self.stop(start, Doubt::Unportable));
        }
        let first = self.acts.len();
        self.command(Sure::Maybe)?;
        self.acts.truncate(first);
        self.acts.push(Act::Define {
            name: name.range.clone(),
        });
        Ok(())
    }
}
