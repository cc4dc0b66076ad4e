//! Words of the shell: where they end, and whether their value is written there or computed.
//!
//! Only what dash and bash read alike is read here; the first thing that they may read differently ends the
//! reading. Nothing is expanded.

use std::ops::Range;

use super::ValueDoubt;
use super::grammar::{GrammarResult, ReadingStop, ShellParser};

/// One word as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShellWord {
    /// The bytes of the file, quotes included.
    pub(super) range: Range<usize>,
    /// Why its value is not the written one, where it is not.
    pub(super) computed: Option<ValueDoubt>,
    /// Whether it may become several words, or others, where words are split.
    pub(super) fields: FieldSplitting,
    /// Whether a `\` at a line's end joins it from several lines.
    pub(super) joined: JoinedLines,
    /// Where its bare beginning is `NAME=`: how long the name is.
    pub(super) name: Option<usize>,
}

/// Whether the shell may make something else than one word of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldSplitting {
    /// It stays one word.
    One,
    /// An unquoted expansion, pattern or brace may make others of it.
    Any,
}

/// Whether a word spans lines by `\` at their ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JoinedLines {
    /// It has no such line end.
    No,
    /// It has at least one.
    Yes,
}

impl ShellWord {
    /// The range of the value in `NAME=value`.
    pub(super) fn value(&self, name: usize) -> Range<usize> {
        self.range.start + name + 1..self.range.end
    }
}

/// Whether the bytes are a variable's name.
pub(super) fn is_name(text: &[u8]) -> bool {
    name_length(text) == text.len() && !text.is_empty()
}

/// How many bytes at the beginning are a variable's name; 0 where none are.
pub(super) fn name_length(text: &[u8]) -> usize {
    match text.first() {
        Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => {
            text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
        }
        _ => 0,
    }
}

/// The value of a word that is not computed: quotes removed, lines joined.
pub(super) fn unquote(source: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(source.len());
    let mut rest = source;
    let mut quote = None;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (quote, byte) {
            (Some(b'\''), b'\'') | (Some(b'"'), b'"') => quote = None,
            (Some(b'\''), _) => value.push(*byte),
            (None, b'\'' | b'"') => quote = Some(*byte),
            (_, b'\\') => match rest {
                [b'\n', tail @ ..] => rest = tail,
                [next, tail @ ..] if quote.is_none() || b"$`\"\\".contains(next) => {
                    value.push(*next);
                    rest = tail;
                }
                _ => value.push(b'\\'),
            },
            _ => value.push(*byte),
        }
    }
    value
}

/// Where an expansion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuoteContext {
    None,
    Double,
}

impl ShellParser<'_> {
    /// Reads the word that begins here; empty where none does.
    pub(super) fn word(&mut self) -> GrammarResult<ShellWord> {
        let start = self.at;
        let length = name_length(&self.source[start..]);
        let name = (length > 0 && self.source.get(start + length) == Some(&b'=')).then_some(length);
        match (length > 0, &self.source[start + length..]) {
            // bash: an element of an array, whose brackets may hold blanks.
            (true, [b'[', ..]) => return Err(self.stop(start, ValueDoubt::Unportable)),
            (true, [b'+', b'=', ..]) => return Err(self.stop(start, ValueDoubt::Unportable)),
            _ => {}
        }
        let mut word = ShellWord {
            range: start..start,
            computed: None,
            fields: FieldSplitting::One,
            joined: JoinedLines::No,
            name,
        };
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
                b'\'' => self.single_quotes(&mut word)?,
                b'"' => self.double_quotes(&mut word)?,
                b'\\' => match self.source.get(self.at + 1) {
                    None => return Err(self.stop(self.at, ValueDoubt::NotUnderstood)),
                    Some(next) => {
                        if *next == b'\n' {
                            word.joined = JoinedLines::Yes;
                        } else {
                            doubt_control(&mut word, *next);
                        }
                        self.at += 2;
                    }
                },
                b'$' => self.dollar(&mut word, QuoteContext::None)?,
                b'`' => self.backquotes(&mut word, QuoteContext::None)?,
                _ => {
                    match byte {
                        b'*' | b'?' | b'[' | b'{' => word.fields = FieldSplitting::Any,
                        b'~' => word.computed = Some(ValueDoubt::Computed),
                        _ => doubt_control(&mut word, byte),
                    }
                    self.at += 1;
                }
            }
        }
        word.range.end = self.at;
        Ok(word)
    }

    fn single_quotes(&mut self, word: &mut ShellWord) -> GrammarResult<()> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\'' => return Ok(()),
                b'\n' => self.line_in_word(start)?,
                _ => doubt_control(word, byte),
            }
        }
        Err(self.stop(start, ValueDoubt::Unterminated))
    }

    fn double_quotes(&mut self, word: &mut ShellWord) -> GrammarResult<()> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    match self.source.get(self.at + 1) {
                        Some(b'\n') => word.joined = JoinedLines::Yes,
                        Some(next) => doubt_control(word, *next),
                        None => break,
                    }
                    self.at += 2;
                }
                b'$' => self.dollar(word, QuoteContext::Double)?,
                b'`' => self.backquotes(word, QuoteContext::Double)?,
                _ => {
                    if byte == b'\n' {
                        self.line_in_word(start)?;
                    }
                    doubt_control(word, byte);
                    self.at += 1;
                }
            }
        }
        Err(self.stop(start, ValueDoubt::Unterminated))
    }

    /// A line end inside quotes while a here-document waits for its body is read differently by different
    /// shells.
    fn line_in_word(&self, start: usize) -> GrammarResult<()> {
        if self.awaits_here_document() {
            return Err(self.stop(start, ValueDoubt::Unportable));
        }
        Ok(())
    }

    fn dollar(&mut self, word: &mut ShellWord, quotes: QuoteContext) -> GrammarResult<()> {
        let start = self.at;
        let rest = &self.source[start + 1..];
        match rest {
            [b'{', ..] => self.braces()?,
            [b'(', b'(', ..] => self.arithmetic()?,
            [b'(', b'\\', b'\n', ..] | [b'\\', b'\n', ..] => {
                return Err(self.stop(start, ValueDoubt::Unportable));
            }
            [b'(', ..] => {
                self.at += 2;
                self.substitution(start)?;
            }
            [b'\'', ..] if quotes == QuoteContext::None => {
                return Err(self.stop(start, ValueDoubt::Unportable));
            }
            // bash translates `$"text"`; the text ends at the same place for both shells.
            [b'"', ..] if quotes == QuoteContext::None => self.at += 1,
            [b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!' | b'0'..=b'9', ..] => self.at += 2,
            _ => match name_length(rest) {
                0 => {
                    self.at += 1;
                    return Ok(());
                }
                length => self.at += 1 + length,
            },
        }
        word.computed = Some(ValueDoubt::Computed);
        if quotes == QuoteContext::None {
            word.fields = FieldSplitting::Any;
        }
        Ok(())
    }

    /// `${…}`, as far as it is certain not to end the shell.
    fn braces(&mut self) -> GrammarResult<()> {
        let start = self.at;
        self.at += 2;
        let rest = &self.source[self.at..];
        let counted = matches!(rest, [b'#', next, ..] if *next != b'}');
        let from = self.at + usize::from(counted);
        let length = match &self.source[from..] {
            [b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!' | b'0'..=b'9', ..] => 1,
            text => name_length(text),
        };
        if length == 0 {
            return Err(self.stop(start, ValueDoubt::NotUnderstood));
        }
        let name = from..from + length;
        self.at = name.end;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        if counted {
            return Err(self.stop(start, ValueDoubt::NotUnderstood));
        }
        let colon = usize::from(self.peek() == Some(b':'));
        match self.source.get(self.at + colon) {
            Some(b'-' | b'+') => {}
            Some(b'=') => self.set_by_expansion.push(name),
            Some(b'%' | b'#') if colon == 0 => {}
            _ => return Err(self.stop(start, ValueDoubt::MayEnd)),
        }
        self.at += colon + 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'}' => return Ok(()),
                b'$' if name_length(&self.source[self.at..]) > 0 => {}
                b'-' | b'_' | b'.' | b'/' | b':' | b'@' | b',' | b'+' | b'=' | b'%' | b'#' | b'*' | b'?'
                | b' ' => {}
                _ if byte.is_ascii_alphanumeric() => {}
                _ => break,
            }
        }
        Err(self.stop(start, ValueDoubt::NotUnderstood))
    }

    /// `$((…))` of plain numbers, `+`, `-` and `*`; anything else may end the shell.
    fn arithmetic(&mut self) -> GrammarResult<()> {
        let start = self.at;
        self.at += 3;
        loop {
            self.arithmetic_blanks();
            let digits = self.source[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let zero = self.source[self.at..].starts_with(b"0") && digits > 1;
            if digits == 0 || digits > 8 || zero {
                return Err(self.stop(start, ValueDoubt::MayEnd));
            }
            self.at += digits;
            self.arithmetic_blanks();
            match &self.source[self.at..] {
                [b')', b')', ..] => {
                    self.at += 2;
                    return Ok(());
                }
                [b'+' | b'-' | b'*', ..] => self.at += 1,
                _ => return Err(self.stop(start, ValueDoubt::MayEnd)),
            }
        }
    }

    fn arithmetic_blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// `` `…` ``: its text is a script of its own, in which `\` is read once more.
    fn backquotes(&mut self, word: &mut ShellWord, quotes: QuoteContext) -> GrammarResult<()> {
        let start = self.at;
        self.at += 1;
        let mut script = Vec::new();
        loop {
            match self.peek() {
                // dash takes what there is.
                None => return Err(self.stop(start, ValueDoubt::NotUnderstood)),
                Some(b'`') => break,
                Some(b'\\') => match self.source.get(self.at + 1) {
                    Some(next @ (b'$' | b'`' | b'\\')) => {
                        script.push(*next);
                        self.at += 2;
                    }
                    _ => return Err(self.stop(start, ValueDoubt::NotUnderstood)),
                },
                // Inside double quotes shells differ in whether a `"` here needs a `\`.
                Some(b'"' | b'\'') if quotes == QuoteContext::Double => {
                    return Err(self.stop(start, ValueDoubt::Unportable));
                }
                Some(byte) => {
                    if byte == b'\n' {
                        self.line_in_word(start)?;
                    }
                    script.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        let depth = self.deeper(start)?;
        self.depth = depth;
        let inner = ShellParser::new(&script, depth + 1).script();
        if let Err(ReadingStop { why, .. }) = inner {
            // Shells do not look at all of this text before it runs, and then only a shell of its own ends.
            let why = if why.ends() { ValueDoubt::NotUnderstood } else { why };
            return Err(self.stop(start, why));
        }
        word.computed = Some(ValueDoubt::Computed);
        if quotes == QuoteContext::None {
            word.fields = FieldSplitting::Any;
        }
        Ok(())
    }
}

/// Bytes that the shells use for themselves inside a word.
fn doubt_control(word: &mut ShellWord, byte: u8) {
    let control = byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r');
    if control {
        word.computed = Some(ValueDoubt::ControlByte);
    }
}
