//! The means by which a layer is read: it reports problems at their places, and takes single settings out of
//! tables. Which tables and settings there are is not known here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::ManifestTable;
use super::problem::{ManifestProblem, unknown};
use super::source::{LayerMark, LayerSource};
use super::written::{MarkedValue, WrittenLeaf};
use super::{syntax, values};

/// The value that drops an inherited key.
pub(super) const UNMANAGED: &str = "unmanaged";

/// Most problems that are told of one layer; beyond these only their number.
const MOST_PROBLEMS: usize = 200;

/// Whether the text of a layer is TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerText {
    /// It is.
    Whole,
    /// Parts of it had to be guessed or left out.
    Broken,
}

/// Walks the tables of a layer.
#[derive(Debug)]
pub(super) struct TableReader<'s> {
    source: &'s LayerSource,
    text: LayerText,
    problems: Vec<(LayerMark, ManifestProblem)>,
    left_out: usize,
    /// Lines that are no TOML or no UTF-8: what was recovered from them is judged no further.
    spoiled: BTreeSet<u32>,
}

/// What stands where a table is expected.
pub(super) enum TableContent<'t, 'i> {
    Table(&'t DeTable<'i>),
    Absent,
    Wrong,
}

impl<'s> TableReader<'s> {
    /// Begins with a layer, and reports what of it is not UTF-8 and not TOML, once a line.
    pub(super) fn new(source: &'s LayerSource, errors: Vec<toml::de::Error>) -> Self {
        let text = if errors.is_empty() { LayerText::Whole } else { LayerText::Broken };
        let mut reader = Self { source, text, problems: Vec::new(), left_out: 0, spoiled: BTreeSet::new() };
        reader.spoil(errors);
        reader
    }

    /// The problems that were reported, and that there are more.
    pub(super) fn into_problems(self) -> Vec<(LayerMark, ManifestProblem)> {
        let Self { mut problems, left_out, .. } = self;
        if left_out > 0 {
            problems.sort_by(|(one, _), (other, _)| one.cmp(other));
            if let Some((last, _)) = problems.last() {
                problems.push((last.clone(), ManifestProblem::More { count: left_out }));
            }
        }
        problems
    }

    /// Whether the text of the layer is TOML.
    pub(super) const fn text(&self) -> LayerText {
        self.text
    }

    fn spoil(&mut self, errors: Vec<toml::de::Error>) {
        let source = self.source;
        for (at, bytes) in source.replaced() {
            self.spoil_line(&(*at..*at + 1), ManifestProblem::NotUtf8 { bytes: bytes.clone() });
        }
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.spoil_line(&span, syntax::problem(error.message(), source.slice(&span)));
        }
    }

    fn spoil_line(&mut self, span: &Range<usize>, problem: ManifestProblem) {
        let mark = self.source.mark(span);
        if self.spoiled.insert(mark.place().line) {
            self.push(mark, problem);
        }
    }

    /// Reports a problem, unless its line is no TOML anyway.
    pub(super) fn report(&mut self, span: &Range<usize>, problem: ManifestProblem) {
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

    fn push(&mut self, mark: LayerMark, problem: ManifestProblem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push((mark, problem));
        } else {
            self.left_out += 1;
        }
    }

    /// The place of a value.
    pub(super) fn marked<T>(&self, span: &Range<usize>, value: T) -> MarkedValue<T> {
        MarkedValue { value, mark: self.source.mark(span) }
    }

    /// The text of a value as written.
    pub(super) fn slice(&self, span: &Range<usize>) -> &str {
        self.source.slice(span)
    }

    /// Reports the keys that a table does not have.
    pub(super) fn known(&mut self, table: &ManifestTable, content: &DeTable<'_>) {
        for (key, _) in content {
            if !table.keys().contains(&key.get_ref().as_ref()) {
                self.unknown(table, key);
            }
        }
    }

    /// Reports an unknown key.
    pub(super) fn unknown(&mut self, table: &ManifestTable, key: &Spanned<Cow<'_, str>>) {
        // Looking for near names is worth it only where the answer is shown.
        if self.problems.len() < MOST_PROBLEMS {
            self.report(&key.span(), unknown(table, key.get_ref()));
        } else {
            self.left_out += 1;
        }
    }

    /// The table under a key; anything else is reported.
    pub(super) fn table<'t, 'i>(
        &mut self,
        outer: &ManifestTable,
        content: &'t DeTable<'i>,
        key: &str,
    ) -> TableContent<'t, 'i> {
        let Some(value) = content.get(key) else {
            return TableContent::Absent;
        };
        if let DeValue::Table(table) = value.get_ref() {
            return TableContent::Table(table);
        }
        let problem = values::not_a_table(outer, key, value.get_ref());
        self.report(&value.span(), problem);
        TableContent::Wrong
    }

    /// The whole name and the place where a key has the value `"unmanaged"`.
    pub(super) fn dropped(
        &self,
        table: &ManifestTable,
        content: &DeTable<'_>,
        key: &str,
    ) -> Option<(String, LayerMark)> {
        let value = content.get(key)?;
        match value.get_ref() {
            DeValue::String(word) if word == UNMANAGED => {
                Some((table.key(key), self.source.mark(&value.span())))
            }
            _ => None,
        }
    }

    /// What a layer says about one setting.
    pub(super) fn leaf<T>(
        &mut self,
        table: &ManifestTable,
        content: &DeTable<'_>,
        key: &str,
        parse: impl FnOnce(&mut Self, &str, &Spanned<DeValue<'_>>) -> Option<T>,
    ) -> WrittenLeaf<T> {
        let Some(value) = content.get(key) else {
            return WrittenLeaf::Absent;
        };
        if self.is_spoiled(&value.span()) {
            return WrittenLeaf::Wrong;
        }
        if let Some((name, mark)) = self.dropped(table, content, key) {
            return WrittenLeaf::Dropped(name, mark);
        }
        match parse(self, &table.key(key), value) {
            Some(value) => WrittenLeaf::Set(value),
            None => WrittenLeaf::Wrong,
        }
    }
}
