//! One layer's text → what it says, with every problem on the way. Layers are not compared here.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::Service;

use super::keys::{NOT_SUPPORTED_YET, Table};
use super::problem::{Problem, unknown};
use super::source::{Mark, Source};
use super::values::{self, found};
use super::written::{Leaf, Marked, Written, WrittenLimit, WrittenSafety, WrittenXinetd};
use super::{names, syntax};

/// The value that drops an inherited key.
pub(super) const UNMANAGED: &str = "unmanaged";

/// Most problems that are told of one layer; beyond these only their number.
const MOST_PROBLEMS: usize = 200;

/// Whether the text of a layer is TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// It is.
    Whole,
    /// Parts of it had to be guessed or left out.
    Broken,
}

/// A layer as read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) written: Written,
    pub(super) problems: Vec<(Mark, Problem)>,
    pub(super) text: Text,
    /// Where the version is declared, or the beginning.
    pub(super) top: Mark,
}

/// Reads a layer.
pub(super) fn read(source: &Source) -> Read {
    let first = syntax::parse(source.text());
    let mended = syntax::without_lone_keys(source.text(), &first.1);
    let (table, errors) = match &mended {
        Some((text, lone)) => {
            let (table, rest) = syntax::parse(text);
            (table, lone.iter().cloned().chain(rest).collect())
        }
        None => first,
    };
    let text = if errors.is_empty() {
        Text::Whole
    } else {
        Text::Broken
    };
    let mut reader = Reader {
        source,
        text,
        problems: Vec::new(),
        left_out: 0,
        spoiled: BTreeSet::new(),
    };
    reader.spoil(errors);
    let top = table.get("version").map_or(0..0, Spanned::span);
    let written = reader.root(&table);
    let Reader {
        mut problems,
        left_out,
        ..
    } = reader;
    if left_out > 0 {
        problems.sort_by(|(one, _), (other, _)| one.cmp(other));
        if let Some((last, _)) = problems.last() {
            problems.push((last.clone(), Problem::More { count: left_out }));
        }
    }
    Read {
        written,
        problems,
        text,
        top: source.mark(&top),
    }
}

/// Walks the tables of a layer.
#[derive(Debug)]
pub(super) struct Reader<'s> {
    source: &'s Source,
    text: Text,
    problems: Vec<(Mark, Problem)>,
    left_out: usize,
    /// Lines that are no TOML or no UTF-8: what was recovered from them is judged no further.
    spoiled: BTreeSet<u32>,
}

/// What stands where a table is expected.
enum Content<'t, 'i> {
    Table(&'t DeTable<'i>),
    Absent,
    Wrong,
}

impl Reader<'_> {
    /// Reports what is not UTF-8 and not TOML, once a line.
    fn spoil(&mut self, errors: Vec<toml::de::Error>) {
        let source = self.source;
        for (at, bytes) in source.replaced() {
            self.spoil_line(
                &(*at..*at + 1),
                Problem::NotUtf8 {
                    bytes: bytes.clone(),
                },
            );
        }
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.spoil_line(&span, syntax::problem(error.message(), source.slice(&span)));
        }
    }

    fn spoil_line(&mut self, span: &Range<usize>, problem: Problem) {
        let mark = self.source.mark(span);
        if self.spoiled.insert(mark.place().line) {
            self.push(mark, problem);
        }
    }

    /// Reports a problem, unless its line is no TOML anyway.
    pub(super) fn report(&mut self, span: &Range<usize>, problem: Problem) {
        if self.problems.len() >= MOST_PROBLEMS {
            self.left_out += 1;
            return;
        }
        let mark = self.source.mark(span);
        if !self.spoiled.contains(&mark.place().line) {
            self.push(mark, problem);
        }
    }

    /// Whether a value is only what the parser made of a line that is no TOML.
    fn is_spoiled(&self, span: &Range<usize>) -> bool {
        !self.spoiled.is_empty()
            && (span.is_empty() || self.spoiled.contains(&self.source.mark(span).place().line))
    }

    fn push(&mut self, mark: Mark, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push((mark, problem));
        } else {
            self.left_out += 1;
        }
    }

    /// The place of a value.
    pub(super) fn marked<T>(&self, span: &Range<usize>, value: T) -> Marked<T> {
        Marked {
            value,
            mark: self.source.mark(span),
        }
    }

    /// The text of a value as written.
    pub(super) fn slice(&self, span: &Range<usize>) -> &str {
        self.source.slice(span)
    }

    fn root(&mut self, root: &DeTable<'_>) -> Written {
        self.version(root);
        for (key, _) in root {
            match NOT_SUPPORTED_YET
                .iter()
                .find(|table| **table == key.get_ref())
            {
                Some(table) => self.report(&key.span(), Problem::NotSupportedYet { table }),
                None if Table::Root.keys().contains(&key.get_ref().as_ref()) => {}
                // A heading that is no TOML leaves its keys here.
                None if self.text == Text::Broken => {}
                None => self.report(&key.span(), unknown(&Table::Root, key.get_ref())),
            }
        }
        let host = match self.table(&Table::Root, root, "host") {
            Content::Table(host) => {
                self.known(&Table::Host, host);
                self.leaf(&Table::Host, host, "name", values::host_names)
            }
            Content::Absent => Leaf::Absent,
            Content::Wrong => Leaf::Wrong,
        };
        let mut written = Written {
            host,
            ..Written::default()
        };
        if let Content::Table(limits) = self.table(&Table::Root, root, "limits") {
            self.known(&Table::Limits, limits);
            for service in Service::ALL {
                let limit = self.limit(service, limits);
                written.limits.insert(service, limit);
            }
        }
        if let Content::Table(xinetd) = self.table(&Table::Root, root, "xinetd") {
            self.known(&Table::Xinetd, xinetd);
            written.xinetd_defaults =
                self.xinetd(&Table::XinetdDefaults, &Table::Xinetd, xinetd, "defaults");
            if let Content::Table(services) = self.table(&Table::Xinetd, xinetd, "services") {
                for (key, _) in services {
                    let name: &str = key.get_ref();
                    let inner = Table::XinetdService(name.to_owned());
                    let limit = self.xinetd(&inner, &Table::XinetdServices, services, name);
                    match names::check_service(name) {
                        Ok(()) => {
                            written.xinetd_services.insert(name.to_owned(), limit);
                        }
                        Err(problem) => self.report(&key.span(), problem),
                    }
                }
            }
        }
        written.safety = self.safety(root);
        written
    }

    fn version(&mut self, root: &DeTable<'_>) {
        let Some(value) = root.get("version") else {
            if self.text == Text::Whole {
                self.report(&(0..0), Problem::VersionMissing);
            }
            return;
        };
        let problem = match value.get_ref() {
            DeValue::Integer(number) => match values::integer(number) {
                Some(1) => return,
                Some(_) | None => Problem::VersionUnknown {
                    found: number.to_string(),
                },
            },
            other => Problem::WrongType {
                key: "`version`".to_owned(),
                expected: "the whole number 1",
                found: found(other),
                hint: "write `version = 1`".to_owned(),
            },
        };
        self.report(&value.span(), problem);
    }

    fn limit(&mut self, service: Service, limits: &DeTable<'_>) -> WrittenLimit {
        let table = Table::Limit(service);
        if let Some((name, mark)) = self.dropped(&Table::Limits, limits, service.name()) {
            return WrittenLimit {
                per_ip: Leaf::Dropped(name.clone(), mark.clone()),
                total: Leaf::Dropped(name, mark),
            };
        }
        match self.table(&Table::Limits, limits, service.name()) {
            Content::Table(content) => {
                self.known(&table, content);
                let range = values::range_of(service);
                WrittenLimit {
                    per_ip: self.leaf(&table, content, "per_ip", |to, key, value| {
                        values::count(to, key, value, range)
                    }),
                    total: self.leaf(&table, content, "total", |to, key, value| {
                        values::count(to, key, value, range)
                    }),
                }
            }
            Content::Absent => WrittenLimit::default(),
            Content::Wrong => WrittenLimit {
                per_ip: Leaf::Wrong,
                total: Leaf::Wrong,
            },
        }
    }

    fn xinetd(
        &mut self,
        table: &Table,
        outer: &Table,
        content: &DeTable<'_>,
        key: &str,
    ) -> WrittenXinetd {
        if let Some((name, mark)) = self.dropped(outer, content, key) {
            let dropped = || Leaf::Dropped(name.clone(), mark.clone());
            return WrittenXinetd {
                per_source: Leaf::Dropped(name.clone(), mark.clone()),
                instances: Leaf::Dropped(name.clone(), mark.clone()),
                rate: dropped(),
                pause: dropped(),
            };
        }
        match self.table(outer, content, key) {
            Content::Table(content) => {
                self.known(table, content);
                let count = |to: &mut Self, key: &str, value: &Spanned<DeValue<'_>>| {
                    values::count(to, key, value, super::problem::Range::Xinetd)
                };
                let per_source = self.leaf(table, content, "per_source", count);
                let instances = self.leaf(table, content, "instances", count);
                let (rate, pause) = self.cps(table, content);
                WrittenXinetd {
                    per_source,
                    instances,
                    rate,
                    pause,
                }
            }
            Content::Absent => WrittenXinetd::default(),
            Content::Wrong => WrittenXinetd {
                per_source: Leaf::Wrong,
                instances: Leaf::Wrong,
                rate: Leaf::Wrong,
                pause: Leaf::Wrong,
            },
        }
    }

    fn cps(
        &mut self,
        outer: &Table,
        content: &DeTable<'_>,
    ) -> (Leaf<Marked<u32>>, Leaf<Marked<u32>>) {
        if let Some((name, mark)) = self.dropped(outer, content, "cps") {
            return (
                Leaf::Dropped(name.clone(), mark.clone()),
                Leaf::Dropped(name, mark),
            );
        }
        match self.table(outer, content, "cps") {
            Content::Table(cps) => {
                let table = Table::Cps(Box::new(outer.clone()));
                self.known(&table, cps);
                (
                    self.leaf(&table, cps, "rate", values::rate),
                    self.leaf(&table, cps, "pause", |to, key, value| {
                        values::duration(to, key, value, values::PAUSE)
                    }),
                )
            }
            Content::Absent => (Leaf::Absent, Leaf::Absent),
            Content::Wrong => (Leaf::Wrong, Leaf::Wrong),
        }
    }

    fn safety(&mut self, root: &DeTable<'_>) -> WrittenSafety {
        match self.table(&Table::Root, root, "safety") {
            Content::Table(safety) => {
                let table = Table::Safety;
                self.known(&table, safety);
                WrittenSafety {
                    max_account_changes: self.leaf(
                        &table,
                        safety,
                        "max_account_changes",
                        values::account_cap,
                    ),
                    confirm_within: self.leaf(
                        &table,
                        safety,
                        "confirm_within",
                        |to, key, value| values::duration(to, key, value, values::CONFIRM),
                    ),
                    must_reach: self.leaf(&table, safety, "must_reach", values::addresses),
                }
            }
            Content::Absent => WrittenSafety::default(),
            Content::Wrong => WrittenSafety {
                max_account_changes: Leaf::Wrong,
                confirm_within: Leaf::Wrong,
                must_reach: Leaf::Wrong,
            },
        }
    }

    /// Reports the keys that a table does not have.
    fn known(&mut self, table: &Table, content: &DeTable<'_>) {
        for (key, _) in content {
            if !table.keys().contains(&key.get_ref().as_ref()) {
                self.report(&key.span(), unknown(table, key.get_ref()));
            }
        }
    }

    /// The table under a key; anything else is reported.
    fn table<'t, 'i>(
        &mut self,
        outer: &Table,
        content: &'t DeTable<'i>,
        key: &str,
    ) -> Content<'t, 'i> {
        let Some(value) = content.get(key) else {
            return Content::Absent;
        };
        if let DeValue::Table(table) = value.get_ref() {
            return Content::Table(table);
        }
        let problem = values::not_a_table(outer, key, value.get_ref());
        self.report(&value.span(), problem);
        Content::Wrong
    }

    /// The whole name and the place where a key has the value `"unmanaged"`.
    fn dropped(&self, table: &Table, content: &DeTable<'_>, key: &str) -> Option<(String, Mark)> {
        let value = content.get(key)?;
        match value.get_ref() {
            DeValue::String(word) if word == UNMANAGED => {
                Some((table.key(key), self.source.mark(&value.span())))
            }
            _ => None,
        }
    }

    /// What a layer says about one setting.
    fn leaf<T>(
        &mut self,
        table: &Table,
        content: &DeTable<'_>,
        key: &str,
        parse: impl FnOnce(&mut Self, &str, &Spanned<DeValue<'_>>) -> Option<T>,
    ) -> Leaf<T> {
        let Some(value) = content.get(key) else {
            return Leaf::Absent;
        };
        if self.is_spoiled(&value.span()) {
            return Leaf::Wrong;
        }
        if let Some((name, mark)) = self.dropped(table, content, key) {
            return Leaf::Dropped(name, mark);
        }
        match parse(self, &table.key(key), value) {
            Some(value) => Leaf::Set(value),
            None => Leaf::Wrong,
        }
    }
}
