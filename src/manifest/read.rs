//! One layer's text → what it says, with every problem on the way. Layers are not compared here.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::Service;

use super::keys::Table;
use super::problem::{Problem, Range};
use super::reader::{Content, Reader, Text};
use super::source::{Mark, Source};
use super::values::{self, found};
use super::written::{Leaf, Marked, Written, WrittenLimit, WrittenSafety, WrittenXinetd};
use super::{names, syntax};

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
    let mut reader = Reader::new(source, errors);
    let top = table.get("version").map_or(0..0, Spanned::span);
    let written = reader.root(&table);
    Read {
        written,
        text: reader.text(),
        problems: reader.into_problems(),
        top: source.mark(&top),
    }
}

impl Reader<'_> {
    fn root(&mut self, root: &DeTable<'_>) -> Written {
        self.version(root);
        for (key, _) in root {
            let known = Table::Root.keys().contains(&key.get_ref().as_ref());
            // A heading that is no TOML leaves its keys here.
            if !known && self.text() == Text::Whole {
                self.unknown(&Table::Root, key);
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
        written.sources = self.sources(root);
        written.panel_access = self.panel_access(root);
        written.safety = self.safety(root);
        written
    }

    fn version(&mut self, root: &DeTable<'_>) {
        let Some(value) = root.get("version") else {
            if self.text() == Text::Whole {
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
                    values::count(to, key, value, Range::Xinetd)
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
}
