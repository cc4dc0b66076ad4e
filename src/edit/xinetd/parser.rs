//! xinetd's parser of one file: from lines to blocks, and what it skips when it stumbles.

use std::ops::Range;

use super::attribute;
use super::file::{
    AttributeFate, AttributeLine, BlockEnd, BlockHeading, DisabledBlocks, FileItem, IncludedFolder,
    LineRange, SpecifiedAttributes, XinetdBlock, XinetdFile,
};
use super::host::{HasChange, VersionChange, XinetdHost, XinetdVersion};
use super::problem::XinetdProblemKind;
use super::reader::InputReader;

impl XinetdFile {
    /// Takes a file apart; any bytes will do. What only the host can tell counts as fine.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        Self::parse_as(bytes, DisabledBlocks::Stops)
    }

    pub(super) fn parse_as(bytes: &[u8], disabled: DisabledBlocks) -> Self {
        Self { bytes: bytes.to_vec(), items: items(bytes, disabled, &XinetdHost::default()) }
    }

    /// Takes a file apart as the xinetd of a host does.
    pub(super) fn parse_on(bytes: &[u8], host: &XinetdHost) -> Self {
        let disabled = match XinetdVersion::has(host.version, VersionChange::StopsAtDisable) {
            HasChange::Yes | HasChange::Unclear => DisabledBlocks::Stops,
            HasChange::No => DisabledBlocks::ReadsOn,
        };
        Self { bytes: bytes.to_vec(), items: items(bytes, disabled, host) }
    }
}

/// What stands at the top level of a file, in order.
fn items(bytes: &[u8], disabled: DisabledBlocks, host: &XinetdHost) -> Vec<FileItem> {
    let mut parser = XinetdParser {
        bytes,
        reader: InputReader::new(bytes),
        items: Vec::new(),
        disabled,
        host,
        found_defaults: false,
    };
    parser.run();
    parser.items
}

struct XinetdParser<'a> {
    bytes: &'a [u8],
    reader: InputReader<'a>,
    items: Vec<FileItem>,
    disabled: DisabledBlocks,
    host: &'a XinetdHost,
    found_defaults: bool,
}

impl XinetdParser<'_> {
    fn run(&mut self) {
        while let Some(raw) = self.reader.next_line() {
            let words = self.reader.words(raw);
            let line = LineRange::from(raw);
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
                Some(IncludedFolder::No)
            } else if attribute::is(word, "includedir") {
                Some(IncludedFolder::Yes)
            } else {
                None
            };
            match (service, folder, name) {
                (true, _, Some(name)) => self.service(line, keyword, name),
                (false, Some(folder), Some(path)) => {
                    self.items.push(FileItem::Include { folder, path, line });
                }
                (false, None, _) => {
                    let kind = if word.starts_with(b"\xef\xbb\xbf") {
                        XinetdProblemKind::ByteOrderMark
                    } else {
                        XinetdProblemKind::UnknownKeyword
                    };
                    self.stumble(line, keyword, kind, None);
                    self.skip();
                }
                (true, _, None) | (false, Some(_), None) => {
                    self.stumble(line, keyword, XinetdProblemKind::NameMissing, None);
                    self.skip();
                }
            }
        }
    }

    fn defaults(&mut self, line: LineRange, keyword: Range<usize>) {
        let Some(brace) = self.brace() else {
            self.stumble(line, keyword, XinetdProblemKind::MissingBrace, None);
            self.skip();
            return;
        };
        if self.found_defaults {
            self.stumble(line, keyword, XinetdProblemKind::SecondDefaults, None);
            self.skip();
            return;
        }
        let (settings, end) = self.settings(&BlockHeading::Defaults);
        // A broken block is not skipped here: its next line is read as if it stood outside.
        self.found_defaults = matches!(end, BlockEnd::Closed(_));
        self.items.push(FileItem::Block(XinetdBlock {
            heading: BlockHeading::Defaults,
            line,
            brace,
            settings,
            end,
        }));
    }

    fn service(&mut self, line: LineRange, keyword: Range<usize>, name: Range<usize>) {
        let Some(brace) = self.brace() else {
            let at = keyword.start..name.end;
            self.stumble(line, at, XinetdProblemKind::MissingBrace, Some(name));
            self.skip();
            return;
        };
        let heading = BlockHeading::Service { name };
        let (settings, end) = self.settings(&heading);
        let skip = match &end {
            BlockEnd::Closed(_) | BlockEnd::ClosedBad(_) => false,
            // Read on, such a block has its `}` behind it already.
            BlockEnd::Disabled(_) | BlockEnd::DisabledBad(_) => self.disabled == DisabledBlocks::Stops,
            BlockEnd::Broken { .. } | BlockEnd::Unclosed => true,
        };
        self.items.push(FileItem::Block(XinetdBlock { heading, line, brace, settings, end }));
        if skip {
            self.skip();
        }
    }

    /// The line after a heading, when it is a lone `{`. It is used up in any case.
    fn brace(&mut self) -> Option<LineRange> {
        let raw = self.reader.next_line()?;
        self.reader.is_only(raw, b'{').then(|| LineRange::from(raw))
    }

    fn settings(&mut self, heading: &BlockHeading) -> (Vec<AttributeLine>, BlockEnd) {
        let mut settings = Vec::new();
        let mut specified = SpecifiedAttributes::default();
        let mut disabled = false;
        let mut bad = false;
        loop {
            let Some(raw) = self.reader.next_line() else {
                return (settings, BlockEnd::Unclosed);
            };
            let line = LineRange::from(raw);
            if self.reader.is_only(raw, b'}') {
                let end = match (heading, disabled) {
                    (BlockHeading::Service { .. }, true) if bad => BlockEnd::ClosedBad(line),
                    (BlockHeading::Service { .. }, true) => BlockEnd::Disabled(line),
                    (BlockHeading::Defaults, _) | (BlockHeading::Service { .. }, false) => {
                        BlockEnd::Closed(line)
                    }
                };
                return (settings, end);
            }
            let parts = match self.reader.parts(raw) {
                Ok(parts) => parts,
                Err(why) => {
                    let kind = XinetdProblemKind::from(why);
                    return (settings, BlockEnd::Broken { line, kind });
                }
            };
            let name = &self.bytes[parts.name.clone()];
            let known = match heading {
                BlockHeading::Defaults => attribute::in_defaults(name),
                BlockHeading::Service { .. } => attribute::in_service(name),
            };
            let is_disable = attribute::is(name, "disable");
            let fate = specified.judge(known, &parts, self.bytes, self.host);
            match fate {
                AttributeFate::Bad(_) => {
                    disabled = true;
                    bad = true;
                }
                AttributeFate::Set(known) if known.name == "disable" => {
                    disabled =
                        parts.values.first().is_some_and(|at| attribute::is(&self.bytes[at.clone()], "yes"));
                    // `disable = no` takes a bad value's verdict back.
                    bad = false;
                }
                AttributeFate::Set(_)
                | AttributeFate::Unknown
                | AttributeFate::AlreadySet(_)
                | AttributeFate::OperatorNotAllowed(_)
                | AttributeFate::WrongValueCount(..) => {}
            }
            settings.push(AttributeLine { line, parts, fate });
            if is_disable
                && disabled
                && self.disabled == DisabledBlocks::Stops
                && matches!(heading, BlockHeading::Service { .. })
            {
                let end = if bad { BlockEnd::DisabledBad(line) } else { BlockEnd::Disabled(line) };
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
                last.push(FileItem::Swallowed { line: LineRange::from(raw), name: name.clone() });
            }
        }
        self.items.append(&mut last);
    }

    fn stumble(
        &mut self,
        line: LineRange,
        at: Range<usize>,
        kind: XinetdProblemKind,
        service: Option<Range<usize>>,
    ) {
        self.items.push(FileItem::Stumble { line, at, kind, service });
    }
}
