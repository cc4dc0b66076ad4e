//! xinetd's parser of one file: from lines to blocks, and what it skips when it stumbles.

use std::ops::Range;

use super::attribute;
use super::file::{
    Block, BlockEnd, Disabled, Fate, Folder, Heading, Item, Line, Setting, Specified,
};
use super::host::Host;
use super::problem::ProblemKind;
use super::reader::Reader;

/// What stands at the top level of a file, in order.
pub(super) fn items(bytes: &[u8], disabled: Disabled, host: &Host) -> Vec<Item> {
    let mut parser = Parser {
        bytes,
        reader: Reader::new(bytes),
        items: Vec::new(),
        disabled,
        host,
        found_defaults: false,
    };
    parser.run();
    parser.items
}

struct Parser<'a> {
    bytes: &'a [u8],
    reader: Reader<'a>,
    items: Vec<Item>,
    disabled: Disabled,
    host: &'a Host,
    found_defaults: bool,
}

impl Parser<'_> {
    fn run(&mut self) {
        while let Some(raw) = self.reader.next_line() {
            let words = self.reader.words(raw);
            let line = Line::from(raw);
            let Some(keyword) = words.first().cloned() else {
                // White space other than blank and tab cannot be alone on a line that is not blank.
                continue;
            };
            let word = &self.bytes[keyword.clone()];
            let name = words.get(1).cloned();
            if attribute::is(word, "defaults") {
                self.defaults(line, keyword);
                continue;
            }
            let service = attribute::is(word, "service");
            let folder = if attribute::is(word, "include") {
                Some(Folder::No)
            } else if attribute::is(word, "includedir") {
                Some(Folder::Yes)
            } else {
                None
            };
            match (service, folder, name) {
                (true, _, Some(name)) => self.service(line, keyword, name),
                (false, Some(folder), Some(path)) => {
                    self.items.push(Item::Include { folder, path, line });
                }
                (false, None, _) => {
                    let kind = if word.starts_with(b"\xef\xbb\xbf") {
                        ProblemKind::ByteOrderMark
                    } else {
                        ProblemKind::UnknownKeyword
                    };
                    self.stumble(line, keyword, kind, None);
                    self.skip();
                }
                (true, _, None) | (false, Some(_), None) => {
                    self.stumble(line, keyword, ProblemKind::NameMissing, None);
                    self.skip();
                }
            }
        }
    }

    fn defaults(&mut self, line: Line, keyword: Range<usize>) {
        let Some(brace) = self.brace() else {
            self.stumble(line, keyword, ProblemKind::MissingBrace, None);
            self.skip();
            return;
        };
        if self.found_defaults {
            self.stumble(line, keyword, ProblemKind::SecondDefaults, None);
            self.skip();
            return;
        }
        let (settings, end) = self.settings(&Heading::Defaults);
        // A broken block is not skipped here: its next line is read as if it stood outside.
        self.found_defaults = matches!(end, BlockEnd::Closed(_));
        self.items.push(Item::Block(Block {
            heading: Heading::Defaults,
            line,
            brace,
            settings,
            end,
        }));
    }

    fn service(&mut self, line: Line, keyword: Range<usize>, name: Range<usize>) {
        let Some(brace) = self.brace() else {
            let at = keyword.start..name.end;
            self.stumble(line, at, ProblemKind::MissingBrace, Some(name));
            self.skip();
            return;
        };
        let heading = Heading::Service { name };
        let (settings, end) = self.settings(&heading);
        let skip = match &end {
            BlockEnd::Closed(_) | BlockEnd::ClosedBad(_) => false,
            // Read on, such a block has its `}` behind it already.
            BlockEnd::Disabled(_) | BlockEnd::DisabledBad(_) => self.disabled == Disabled::Stops,
            BlockEnd::Broken { .. } | BlockEnd::Unclosed => true,
        };
        self.items.push(Item::Block(Block {
            heading,
            line,
            brace,
            settings,
            end,
        }));
        if skip {
            self.skip();
        }
    }

    /// The line after a heading, when it is a lone `{`. It is used up in any case.
    fn brace(&mut self) -> Option<Line> {
        let raw = self.reader.next_line()?;
        self.reader.is_only(raw, b'{').then(|| Line::from(raw))
    }

    fn settings(&mut self, heading: &Heading) -> (Vec<Setting>, BlockEnd) {
        let mut settings = Vec::new();
        let mut specified = Specified::default();
        let mut disabled = false;
        let mut bad = false;
        loop {
            let Some(raw) = self.reader.next_line() else {
                return (settings, BlockEnd::Unclosed);
            };
            let line = Line::from(raw);
            if self.reader.is_only(raw, b'}') {
                let end = match (heading, disabled) {
                    (Heading::Service { .. }, true) if bad => BlockEnd::ClosedBad(line),
                    (Heading::Service { .. }, true) => BlockEnd::Disabled(line),
                    (Heading::Defaults, _) | (Heading::Service { .. }, false) => {
                        BlockEnd::Closed(line)
                    }
                };
                return (settings, end);
            }
            let parts = match self.reader.parts(raw) {
                Ok(parts) => parts,
                Err(why) => {
                    let kind = ProblemKind::from(why);
                    return (settings, BlockEnd::Broken { line, kind });
                }
            };
            let name = &self.bytes[parts.name.clone()];
            let known = match heading {
                Heading::Defaults => attribute::in_defaults(name),
                Heading::Service { .. } => attribute::in_service(name),
            };
            let is_disable = attribute::is(name, "disable");
            let fate = specified.judge(known, &parts, self.bytes, self.host);
            match fate {
                Fate::Bad(_) => {
                    disabled = true;
                    bad = true;
                }
                Fate::Set(known) if known.name == "disable" => {
                    disabled = parts
                        .values
                        .first()
                        .is_some_and(|at| attribute::is(&self.bytes[at.clone()], "yes"));
                    // `disable = no` takes a bad value's verdict back.
                    bad = false;
                }
                Fate::Set(_)
                | Fate::Unknown
                | Fate::AlreadySet(_)
                | Fate::OperatorNotAllowed(_)
                | Fate::WrongValueCount(..) => {}
            }
            settings.push(Setting { line, parts, fate });
            if is_disable
                && disabled
                && self.disabled == Disabled::Stops
                && matches!(heading, Heading::Service { .. })
            {
                let end = if bad {
                    BlockEnd::DisabledBad(line)
                } else {
                    BlockEnd::Disabled(line)
                };
                return (settings, end);
            }
        }
    }

    /// Skips to the next lone `}`, noting the services on the way.
    fn skip(&mut self) {
        let mut last = Vec::new();
        while let Some(raw) = self.reader.next_line() {
            if self.reader.is_only(raw, b'}') {
                break;
            }
            let words = self.reader.words(raw);
            if let [keyword, name, ..] = words.as_slice()
                && attribute::is(&self.bytes[keyword.clone()], "service")
            {
                last.push(Item::Swallowed {
                    line: Line::from(raw),
                    name: name.clone(),
                });
            }
        }
        self.items.append(&mut last);
    }

    fn stumble(
        &mut self,
        line: Line,
        at: Range<usize>,
        kind: ProblemKind,
        service: Option<Range<usize>>,
    ) {
        self.items.push(Item::Stumble {
            line,
            at,
            kind,
            service,
        });
    }
}
