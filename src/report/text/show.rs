//! The limits of a host as a table.

use std::fmt::Write as _;

use super::{HEADING, WARNING};
use crate::limits::show::LimitEntry;
use crate::limits::text::value;
use crate::model::printable::printable;
use crate::plan::LimitValue;
use crate::report::Colour;
use crate::report::safe::SafeText;

/// A table of one line a setting, with the problems below their line.
#[must_use]
pub fn show(entries: &[LimitEntry], colour: Colour) -> SafeText {
    if entries.is_empty() {
        return SafeText::own("Neither Courier nor xinetd is configured on this host.\n");
    }
    let head = ["SERVICE", "SETTING", "VALUE", "RUNNING", "FROM"].map(str::to_owned);
    let rows: Vec<[String; 5]> = entries.iter().map(row).collect();
    let width = |column: usize| {
        rows.iter()
            .chain([&head])
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let line = |row: &[String; 5]| {
        let [service, setting, value, running, from] = row;
        let [a, b, c, d] = widths;
        format!("{service:a$}  {setting:b$}  {value:c$}  {running:d$}  {from}").trim_end().to_owned()
    };
    let mut text = SafeText::new(colour);
    text.painted(HEADING, line(&head));
    for (entry, row) in entries.iter().zip(&rows) {
        text.line(line(row));
        for problem in &entry.problems {
            text.painted(WARNING, format_args!("    ! {}", problem));
        }
    }
    text
}

fn row(entry: &LimitEntry) -> [String; 5] {
    let mut from = match (&entry.path, entry.line) {
        (Some(path), Some(line)) => format!("{path}:{line} ({})", entry.key),
        (Some(path), None) => format!("{path} ({})", entry.key),
        (None, _) if entry.value == LimitValue::Nothing => String::new(),
        (None, _) => "built in".to_owned(),
    };
    if let Some(declared) = &entry.declared {
        let _ = write!(from, ", {}:{} declares {}", declared.layer, declared.line, value(declared.value));
    }
    let service = printable(&entry.service).into_owned();
    let shown = if entry.value == LimitValue::Nothing { "-".to_owned() } else { value(entry.value) };
    [service, entry.setting.name().to_owned(), shown, entry.runs(), from]
}
