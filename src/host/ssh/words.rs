//! Builds what the other host's shell gets to read: the only place where bytes become shell text.
//!
//! A message is calls of functions that `remote.sh` defines, with words that are each of a type. A word is
//! quoted whole, whatever it holds; content that may hold NUL travels as a format of printf(1), in which
//! every byte has a spelling.

use crate::host::ProcessId;
use crate::model::HostPath;

/// One word of a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum CallWord<'a> {
    /// A path, argument or text; it must not hold NUL, as no argument of a program can.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// Content that may hold any byte, for a function that gives it to printf as its format.
    Content(&'a [u8]),
}

impl<'a> From<&'a str> for CallWord<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for CallWord<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a HostPath> for CallWord<'a> {
    fn from(path: &'a HostPath) -> Self {
        Self::Text(path.as_str())
    }
}

impl From<u64> for CallWord<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// A call of a function, with quoted words.
#[derive(Debug, Clone)]
pub(super) struct ShellCall(Vec<u8>);

impl ShellCall {
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
    pub(super) fn word<'a>(mut self, word: impl Into<CallWord<'a>>) -> Self {
        self.0.push(b' ');
        match word.into() {
            CallWord::Text(text) => quote(text.as_bytes(), &mut self.0),
            CallWord::Number(number) => self.0.extend_from_slice(number.to_string().as_bytes()),
            CallWord::Content(bytes) => format(bytes, &mut self.0),
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
pub(super) struct ShellMessage(Vec<u8>);

impl ShellMessage {
    /// A message that does nothing yet.
    pub(super) fn new() -> Self {
        // A compound command is read to its end before anything of it is done.
        Self(b"{\nbegin\n".to_vec())
    }

    /// Makes a call, whatever became of those before.
    pub(super) fn call(&mut self, call: &ShellCall) {
        self.0.extend_from_slice(&call.0);
        self.0.push(b'\n');
    }

    /// Makes calls one after another, until one succeeds.
    pub(super) fn first_of(&mut self, calls: &[ShellCall]) {
        self.chain(calls, b" ||\n");
    }

    /// Makes calls one after another until one fails; `then` only if none does.
    pub(super) fn all_of(&mut self, calls: &[ShellCall], then: impl FnOnce(&mut Self)) {
        if calls.is_empty() {
            return then(self);
        }
        self.0.extend_from_slice(b"if ");
        self.chain(calls, b" &&\n");
        self.0.extend_from_slice(b"then\n:\n");
        then(self);
        self.0.extend_from_slice(b"fi\n");
    }

    fn chain(&mut self, calls: &[ShellCall], operator: &[u8]) {
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};
    use std::process::{Command, Stdio};

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The shells that are asked: each with what it needs to be one.
    const SHELLS: [&[&str]; 5] =
        [&["/bin/sh"], &["dash"], &["bash", "--posix"], &["bash"], &["busybox", "sh"]];

    /// What a shell prints that reads a script from its standard input.
    fn printed(shell: &[&str], script: &[u8]) -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(script).unwrap();
        file.rewind().unwrap();
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .env("LC_ALL", "C")
            .stdin(file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shell:?} does not start: {error}"));
        let mut printed = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut printed).unwrap();
        assert!(child.wait().unwrap().success(), "{shell:?}");
        printed
    }

    /// Every shell must make of each text just its bytes, as a word and as content.
    fn check(texts: &[Vec<u8>]) {
        let (mut words, mut expected) = (Vec::new(), Vec::new());
        for text in texts {
            let word: Vec<u8> = text.iter().copied().filter(|&byte| byte != 0).collect();
            words.extend_from_slice(b"printf '[%s]' ");
            quote(&word, &mut words);
            words.extend_from_slice(b"\nprintf ");
            format(text, &mut words);
            words.push(b'\n');
            expected.push(b'[');
            expected.extend_from_slice(&word);
            expected.push(b']');
            expected.extend_from_slice(text);
        }
        for shell in SHELLS {
            assert!(printed(shell, &words) == expected, "{shell:?}");
        }
    }

    #[test]
    fn every_byte_and_every_pair_of_bytes_arrives_in_every_shell() {
        let single = (0..=255).map(|byte| vec![byte]);
        let pairs = (0..=255).flat_map(|one| (0..=255).map(move |other| vec![one, other]));
        check(&single.chain(pairs).chain([vec![]]).collect::<Vec<_>>());
    }

    #[test]
    fn what_looks_like_shell_arrives_as_it_is() {
        let texts = [
            "$(id)",
            "`id`",
            "${HOME}",
            "$HOME",
            "'; id; '",
            "\\'",
            "\"'\"",
            "a'b''c",
            "-n",
            "--",
            "%s%d%%",
            "\\c",
            "\\0101",
            "\\x41",
            "!!",
            "!id",
            "~",
            "*",
            "?",
            "[a-z]",
            "{a,b}",
            "<(id)",
            ">x",
            "&",
            "|",
            "#",
            "\n",
            "a\n#b\n",
            "\r\n",
            "\t",
            "é\u{2028}",
            "= x",
            "(",
            ")",
            "if",
            "EOF",
            "# mailward end",
            "}",
        ];
        check(&texts.map(|text| text.as_bytes().to_vec()));
    }

    #[test]
    fn content_of_a_mebibyte_arrives() {
        let text: Vec<u8> =
            (0..1_048_576_u32).map(|place| place.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        check(&[text]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn any_texts_arrive(texts in vec(vec(any::<u8>(), 0..200), 0..60)) {
            check(&texts);
        }

        #[test]
        fn any_mix_of_what_shells_know_arrives(
            texts in vec("[-'\"\\\\$`!%{}()<>|&;#*?~ \n\t0-9a-cn]{0,40}", 0..60)
        ) {
            check(&texts.into_iter().map(String::into_bytes).collect::<Vec<_>>());
        }
    }
}
