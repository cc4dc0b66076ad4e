//! Redirections and here-documents, as far as dash and bash read them alike.

use super::ValueDoubt;
use super::grammar::{GrammarResult, HereBody, HereDocument, LeadingTabs, ShellParser};
use super::words::{JoinedLines, unquote};

impl ShellParser<'_> {
    /// `<`, `>` and what follows them; a number before them has been read.
    pub(super) fn redirection(&mut self) -> GrammarResult<()> {
        let start = self.at;
        let sign: &[u8] = match self.source[self.at..] {
            [b'<', b'<', b'<', ..] => return Err(self.stop(start, ValueDoubt::Unportable)),
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
        if matches!(self.source[self.at..], [b'(' | b'&' | b'<' | b'>' | b'|', ..] | [b'\\', b'\n', ..]) {
            return Err(self.stop(start, ValueDoubt::Unportable));
        }
        self.blanks()?;
        let target = self.argument(start)?;
        let source = &self.source[target.range.clone()];
        // A number directly before a sign belongs to that, not to this one.
        if matches!(self.peek(), Some(b'<' | b'>')) && source.iter().all(u8::is_ascii_digit) {
            return Err(self.stop(start, ValueDoubt::Unportable));
        }
        match sign {
            b"<<" | b"<<-" => {
                let strange =
                    target.computed.is_some() || target.joined == JoinedLines::Yes || source.contains(&b'\n');
                if strange {
                    return Err(self.stop(start, ValueDoubt::NotUnderstood));
                }
                let quoted = source.iter().any(|byte| matches!(byte, b'\'' | b'"' | b'\\'));
                self.here_documents.push(HereDocument {
                    start,
                    delimiter: unquote(source),
                    body: if quoted { HereBody::Literal } else { HereBody::Expanded },
                    tabs: if sign == b"<<-" { LeadingTabs::Stripped } else { LeadingTabs::Kept },
                });
            }
            // bash: `>&file` is another sign. dash has descriptors of one digit only.
            b"<&" | b">&" if !matches!(source, b"-" | [b'0'..=b'9']) => {
                return Err(self.stop(start, ValueDoubt::Unportable));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn here_document(&mut self, document: &HereDocument) -> GrammarResult<()> {
        while self.at < self.source.len() {
            let rest = &self.source[self.at..];
            let length = rest.iter().position(|byte| *byte == b'\n');
            let line = &rest[..length.unwrap_or(rest.len())];
            self.at += length.map_or(rest.len(), |length| length + 1);
            let text = match document.tabs {
                LeadingTabs::Kept => line,
                LeadingTabs::Stripped => &line[line.iter().take_while(|byte| **byte == b'\t').count()..],
            };
            if text == document.delimiter {
                return Ok(());
            }
            let expands = line.iter().any(|byte| matches!(byte, b'$' | b'`' | b'\\'));
            if document.body == HereBody::Expanded && expands {
                return Err(self.stop(document.start, ValueDoubt::NotUnderstood));
            }
        }
        // Shells take what there is, some with a warning.
        Err(self.stop(document.start, ValueDoubt::NotUnderstood))
    }
}
