//! Builds what the other host's shell gets to read: the only place where bytes become shell text.
//!
//! A message is calls of functions that `remote.sh` defines, with words that are each of a type. A word is quoted whole,
//! whatever it holds; content that may hold NUL travels as a format of printf(1), in which every byte has a spelling.

use crate::host::ProcessId;
use crate::model::HostPath;

/// One word of a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word<'a> {
    /// A path, argument or text; it must not hold NUL, as no argument of a program can.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// Content that may hold any byte, for a function that gives it to printf as its format.
    Content(&'a [u8]),
}

impl<'a> From<&'a str> for Word<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Word<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a HostPath> for Word<'a> {
    fn from(path: &'a HostPath) -> Self {
        Self::Text(path.as_str())
    }
}

impl From<u64> for Word<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// A call of a function, with quoted words.
#[derive(Debug, Clone)]
pub(super) struct Call(Vec<u8>);

impl Call {
    /// A call of one of `remote.sh`'s functions.
    pub(super) fn new(function: &'static str) -> Self {
        Self(function.as_bytes().to_vec())
    }

    /// As an act, which tells that it was done.
    pub(super) fn acted(mut self) -> Self {
        self.0.splice(..0, *b"act ");
        self
    }

    /// With one more word.
    pub(super) fn word<'a>(mut self, word: impl Into<Word<'a>>) -> Self {
        self.0.push(b' ');
        match word.into() {
            Word::Text(text) => quote(text.as_bytes(), &mut self.0),
            Word::Number(number) => self.0.extend_from_slice(number.to_string().as_bytes()),
            Word::Content(bytes) => format(bytes, &mut self.0),
        }
        self
    }

    /// With more words.
    pub(super) fn words<'a>(self, words: impl IntoIterator<Item = &'a String>) -> Self {
        words.into_iter().fold(self, Self::word)
    }

    /// With the two words that tell a process.
    pub(super) fn process(self, id: ProcessId) -> Self {
        self.word(u64::from(id.pid)).word(id.start)
    }
}

/// A message: calls that are carried out together or, if the end of the message is lost, not at all.
#[derive(Debug)]
pub(super) struct Script(Vec<u8>);

impl Script {
    /// A message that does nothing yet.
    pub(super) fn new() -> Self {
        // A compound command is read to its end before anything of it is done.
        Self(b"{\nbegin\n".to_vec())
    }

    /// Makes a call, whatever became of those before.
    pub(super) fn call(&mut self, call: &Call) {
        self.0.extend_from_slice(&call.0);
        self.0.push(b'\n');
    }

    /// Makes calls one after another, until one succeeds.
    pub(super) fn first_of(&mut self, calls: &[Call]) {
        self.chain(calls, b" ||\n");
    }

    /// Makes calls one after another until one fails; `then` only if none does.
    pub(super) fn all_of(&mut self, calls: &[Call], then: impl FnOnce(&mut Self)) {
        if calls.is_empty() {
            return then(self);
        }
        self.0.extend_from_slice(b"if ");
        self.chain(calls, b" &&\n");
        self.0.extend_from_slice(b"then\n:\n");
        then(self);
        self.0.extend_from_slice(b"fi\n");
    }

    fn chain(&mut self, calls: &[Call], operator: &[u8]) {
        for (number, call) in calls.iter().enumerate() {
            if number > 0 {
                self.0.extend_from_slice(operator);
            }
            self.0.extend_from_slice(&call.0);
        }
        self.0.push(b'\n');
    }

    /// The whole message.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"end\n}\n# mailward end\n");
        self.0
    }
}

/// Appends a word in single quotes, in which no byte but the quote itself means anything.
fn quote(bytes: &[u8], text: &mut Vec<u8>) {
    text.push(b'\'');
    for &byte in bytes {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            // No argument of a program can hold one, and the kernel would end the word there.
            0 => break,
            byte => text.push(byte),
        }
    }
    text.push(b'\'');
}

/// Appends bytes as a quoted format that printf(1) turns into just these bytes.
fn format(bytes: &[u8], text: &mut Vec<u8>) {
    text.reserve(bytes.len() + bytes.len() / 8 + 2);
    text.push(b'\'');
    for (place, &byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => text.extend_from_slice(b"%%"),
            // An option, at the beginning.
            b'-' if place == 0 => octal(byte, text),
            b'\\' | b'\'' => octal(byte, text),
            b'\n' | b' '..=b'~' => text.push(byte),
            byte => octal(byte, text),
        }
    }
    text.push(b'\'');
}

/// Three digits, always, so that a digit that follows is none of them.
fn octal(byte: u8, text: &mut Vec<u8>) {
    let digit = |shift: u8| b'0' + ((byte >> shift) & 7);
    text.extend_from_slice(&[b'\\', digit(6), digit(3), digit(0)]);
}
