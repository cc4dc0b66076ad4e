//! One layer's text → what it says, with every problem on the way. Layers are not compared here.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::Service;

use super::keys::ManifestTable;
use super::problem::{LimitRange, ManifestProblem};
use super::reader::{LayerText, TableContent, TableReader};
use super::source::{LayerMark, LayerSource};
use super::values::{self, found};
use super::written::{MarkedValue, WrittenLeaf, WrittenLimit, WrittenManifest, WrittenSafety, WrittenXinetd};
use super::{names, syntax};

/// A layer as read.
#[derive(Debug)]
pub(super) struct ReadLayer {
    pub(super) written: WrittenManifest,
    pub(super) problems: Vec<(LayerMark, ManifestProblem)>,
    pub(super) text: LayerText,
    /// Where the version is declared, or the beginning.
    pub(super) top: LayerMark,
}

/// Reads a layer.
pub(super) fn read(source: &LayerSource) -> ReadLayer {
    let first = syntax::parse(source.text());
    let mended = syntax::without_lone_keys(source.text(), &first.1);
    let (table, errors) = match &mended {
        Some((text, lone)) => {
            let (table, rest) = syntax::parse(text);
            (table, lone.iter().cloned().chain(rest).collect())
        }
        None => first,
    };
    let mut reader = TableReader::new(source, errors);
    let top = table.get("version").map_or(0..0, Spanned::span);
    let written = reader.root(&table);
    ReadLayer { written, text: reader.text(), problems: reader.into_problems(), top: source.mark(&top) }
}

impl TableReader<'_> {
    fn root(&mut self, root: &DeTable<'_>) -> WrittenManifest {
        self.version(root);
        for (key, _) in root {
            let known = ManifestTable::Root.keys().contains(&key.get_ref().as_ref());
            // A heading that is no TOML leaves its keys here.
            if !known && self.text() == LayerText::Whole {
                self.unknown(&ManifestTable::Root, key);
            }
        }
        let host = match self.table(&ManifestTable::Root, root, "host") {
            TableContent::Table(host) => {
                self.known(&ManifestTable::Host, host);
                self.leaf(&ManifestTable::Host, host, "name", values::host_names)
            }
            TableContent::Absent => WrittenLeaf::Absent,
            TableContent::Wrong => WrittenLeaf::Wrong,
        };
        let mut written = WrittenManifest { host, ..WrittenManifest::default() };
        if let TableContent::Table(limits) = self.table(&ManifestTable::Root, root, "limits") {
            self.known(&ManifestTable::Limits, limits);
            for service in Service::ALL {
                let limit = self.limit(service, limits);
                written.limits.insert(service, limit);
            }
        }
        if let TableContent::Table(xinetd) = self.table(&ManifestTable::Root, root, "xinetd") {
            self.known(&ManifestTable::Xinetd, xinetd);
            written.xinetd_defaults =
                self.xinetd(&ManifestTable::XinetdDefaults, &ManifestTable::Xinetd, xinetd, "defaults");
            if let TableContent::Table(services) = self.table(&ManifestTable::Xinetd, xinetd, "services") {
                for (key, _) in services {
                    let name: &str = key.get_ref();
                    let inner = ManifestTable::XinetdService(name.to_owned());
                    let limit = self.xinetd(&inner, &ManifestTable::XinetdServices, services, name);
                    match names::check_service(name) {
                        Ok(()) => {
                            written.xinetd_services.insert(name.to_owned(), limit);
                        }
                        Err(problem) => self.report(&key.span(), problem),
                    }
                }
            }
        }
        written.access = self.access(root);
        written.panel_access = self.panel_access(root);
        written.safety = self.safety(root);
        written
    }

    fn version(&mut self, root: &DeTable<'_>) {
        let Some(value) = root.get("version") else {
            if self.text() == LayerText::Whole {
                self.report(&(0..0), ManifestProblem::VersionMissing);
            }
            return;
        };
        let problem = match value.get_ref() {
            DeValue::Integer(number) => match values::integer(number) {
                Some(1) => return,
                Some(_) | None => ManifestProblem::VersionUnknown { found: number.to_string() },
            },
            other => ManifestProblem::WrongType {
                key: "`version`".to_owned(),
                expected: "the whole number 1",
                found: found(other),
                hint: "write `version = 1`".to_owned(),
            },
        };
        self.report(&value.span(), problem);
    }

    fn limit(&mut self, service: Service, limits: &DeTable<'_>) -> WrittenLimit {
        let table = ManifestTable::Limit(service);
        if let Some((name, mark)) = self.dropped(&ManifestTable::Limits, limits, service.name()) {
            return WrittenLimit {
                per_ip: WrittenLeaf::Dropped(name.clone(), mark.clone()),
                total: WrittenLeaf::Dropped(name, mark),
            };
        }
        match self.table(&ManifestTable::Limits, limits, service.name()) {
            TableContent::Table(content) => {
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
            TableContent::Absent => WrittenLimit::default(),
            TableContent::Wrong => WrittenLimit { per_ip: WrittenLeaf::Wrong, total: WrittenLeaf::Wrong },
        }
    }

    fn xinetd(
        &mut self,
        table: &ManifestTable,
        outer: &ManifestTable,
        content: &DeTable<'_>,
        key: &str,
    ) -> WrittenXinetd {
        if let Some((name, mark)) = self.dropped(outer, content, key) {
            let dropped = || WrittenLeaf::Dropped(name.clone(), mark.clone());
            return WrittenXinetd {
                per_source: WrittenLeaf::Dropped(name.clone(), mark.clone()),
                instances: WrittenLeaf::Dropped(name.clone(), mark.clone()),
                rate: dropped(),
                pause: dropped(),
            };
        }
        match self.table(outer, content, key) {
            TableContent::Table(content) => {
                self.known(table, content);
                let count = |to: &mut Self, key: &str, value: &Spanned<DeValue<'_>>| {
                    values::count(to, key, value, LimitRange::Xinetd)
                };
                let per_source = self.leaf(table, content, "per_source", count);
                let instances = self.leaf(table, content, "instances", count);
                let (rate, pause) = self.cps(table, content);
                WrittenXinetd { per_source, instances, rate, pause }
            }
            TableContent::Absent => WrittenXinetd::default(),
            TableContent::Wrong => WrittenXinetd {
                per_source: WrittenLeaf::Wrong,
                instances: WrittenLeaf::Wrong,
                rate: WrittenLeaf::Wrong,
                pause: WrittenLeaf::Wrong,
            },
        }
    }

    fn cps(
        &mut self,
        outer: &ManifestTable,
        content: &DeTable<'_>,
    ) -> (WrittenLeaf<MarkedValue<u32>>, WrittenLeaf<MarkedValue<u32>>) {
        if let Some((name, mark)) = self.dropped(outer, content, "cps") {
            return (WrittenLeaf::Dropped(name.clone(), mark.clone()), WrittenLeaf::Dropped(name, mark));
        }
        match self.table(outer, content, "cps") {
            TableContent::Table(cps) => {
                let table = ManifestTable::Cps(Box::new(outer.clone()));
                self.known(&table, cps);
                (
                    self.leaf(&table, cps, "rate", values::rate),
                    self.leaf(&table, cps, "pause", |to, key, value| {
                        values::duration(to, key, value, values::PAUSE)
                    }),
                )
            }
            TableContent::Absent => (WrittenLeaf::Absent, WrittenLeaf::Absent),
            TableContent::Wrong => (WrittenLeaf::Wrong, WrittenLeaf::Wrong),
        }
    }

    fn safety(&mut self, root: &DeTable<'_>) -> WrittenSafety {
        match self.table(&ManifestTable::Root, root, "safety") {
            TableContent::Table(safety) => {
                let table = ManifestTable::Safety;
                self.known(&table, safety);
                WrittenSafety {
                    max_account_changes: self.leaf(
                        &table,
                        safety,
                        "max_account_changes",
                        values::account_cap,
                    ),
                    confirm_within: self.leaf(&table, safety, "confirm_within", |to, key, value| {
                        values::duration(to, key, value, values::CONFIRM)
                    }),
                    must_reach: self.leaf(&table, safety, "must_reach", values::addresses),
                }
            }
            TableContent::Absent => WrittenSafety::default(),
            TableContent::Wrong => WrittenSafety {
                max_account_changes: WrittenLeaf::Wrong,
                confirm_within: WrittenLeaf::Wrong,
                must_reach: WrittenLeaf::Wrong,
            },
        }
    }
}
