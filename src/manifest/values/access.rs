//! The values of `[panel_access]`.

use std::ops::Range as Span;

use toml::de::DeValue;

use crate::manifest::keys::{nearest, short};
use crate::manifest::problem::ManifestProblem;
use crate::manifest::reader::{TableReader, UNMANAGED};
use crate::manifest::written::MarkedValue;
use crate::model::{MissingAccounts, PanelLogin};

use super::{ReadValue, found};

/// Whether a user may log in; `at` is what messages about the host point at.
pub(in crate::manifest) fn access(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
    at: &Span<usize>,
) -> Option<MarkedValue<PanelLogin>> {
    let (what, hint) = match value.get_ref() {
        DeValue::Boolean(may) => return Some(to.marked(at, PanelLogin::from(*may))),
        DeValue::String(word) => match word.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "allow" => ("text", "write true, without quotes".to_owned()),
            "false" | "no" | "off" | "deny" => ("text", "write false, without quotes".to_owned()),
            other => match nearest(other, &[UNMANAGED]) {
                Some(near) => ("text", format!("did you mean \"{near}\"?")),
                None => ("text", "write true or false".to_owned()),
            },
        },
        // `example.jp = false` without quotes is a table in a table.
        DeValue::Table(inner) => {
            let name = key.rsplit('.').next().unwrap_or_default();
            let hint = inner.iter().next().map_or_else(
                || "write true or false".to_owned(),
                |(inner, _)| {
                    format!(
                        "put the whole name in quotes, as \"{}.{}\" = false",
                        short(name.trim_matches('"')),
                        short(inner.get_ref())
                    )
                },
            );
            ("a table", hint)
        }
        other => (found(other), "write true or false".to_owned()),
    };
    to.report(
        &value.span(),
        ManifestProblem::WrongType { key: format!("`{key}`"), expected: "true or false", found: what, hint },
    );
    None
}

/// What a name is that the host lacks.
pub(in crate::manifest) fn missing(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
) -> Option<MarkedValue<MissingAccounts>> {
    let span = value.span();
    let problem = match value.get_ref() {
        DeValue::String(word) if word == "error" => {
            return Some(to.marked(&span, MissingAccounts::Error));
        }
        DeValue::String(word) if word == "note" => {
            return Some(to.marked(&span, MissingAccounts::Note));
        }
        DeValue::String(word) => ManifestProblem::Word {
            key: key.to_owned(),
            found: short(word),
            hint: match nearest(&word.to_ascii_lowercase(), &["error", "note", UNMANAGED]) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write \"error\" or \"note\"".to_owned(),
            },
        },
        other => ManifestProblem::WrongType {
            key: format!("`{key}`"),
            expected: "\"error\" or \"note\"",
            found: found(other),
            hint: "write \"error\" or \"note\", in quotes".to_owned(),
        },
    };
    to.report(&span, problem);
    None
}
