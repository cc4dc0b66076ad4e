//! Texts with a meaning: durations, names of hosts, addresses, and lists of them.

use std::net::IpAddr;
use std::ops::Range as Span;

use toml::de::DeValue;

use crate::manifest::keys::short;
use crate::manifest::names;
use crate::manifest::problem::{MAX, ManifestProblem};
use crate::manifest::reader::TableReader;
use crate::manifest::written::MarkedValue;

use super::{ReadValue, found, is_digits};

/// The bounds of a duration.
#[derive(Debug, Clone, Copy)]
pub(in crate::manifest) struct DurationBounds {
    least: u32,
    most: u32,
    least_text: &'static str,
    most_text: &'static str,
}

/// `cps.pause`: what xinetd's number holds.
pub(in crate::manifest) const PAUSE: DurationBounds =
    DurationBounds { least: 1, most: MAX, least_text: "1s", most_text: "2147483647s" };

/// `safety.confirm_within`: long enough for a new connection, short enough for somebody who is locked out.
pub(in crate::manifest) const CONFIRM: DurationBounds =
    DurationBounds { least: 10, most: 3600, least_text: "10s", most_text: "1h" };

/// A duration in whole seconds.
pub(in crate::manifest) fn duration(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
    bounds: DurationBounds,
) -> Option<MarkedValue<u32>> {
    let span = value.span();
    let problem = match value.get_ref() {
        DeValue::String(word) => match seconds(word) {
            Some(number) if (bounds.least..=bounds.most).contains(&number) => {
                return Some(to.marked(&span, number));
            }
            Some(_) => ManifestProblem::DurationRange {
                key: key.to_owned(),
                least: bounds.least_text,
                most: bounds.most_text,
            },
            None => ManifestProblem::Duration { key: key.to_owned(), found: short(word) },
        },
        other => ManifestProblem::WrongType {
            key: format!("`{key}`"),
            expected: "a duration in quotes",
            found: found(other),
            hint: match other {
                DeValue::Integer(number) if is_digits(number.as_str()) => {
                    format!("write \"{}s\" for seconds", short(number.as_str()))
                }
                _ => format!("write for example \"{}\"", bounds.least_text),
            },
        },
    };
    to.report(&span, problem);
    None
}

/// `10s`, `2m`, `1h` in seconds; more than a `u32` holds is [`u32::MAX`].
fn seconds(text: &str) -> Option<u32> {
    let (digits, factor) = match text.char_indices().next_back()? {
        (end, 's') => (&text[..end], 1),
        (end, 'm') => (&text[..end], 60),
        (end, 'h') => (&text[..end], 3600),
        _ => return None,
    };
    is_digits(digits).then(|| digits.parse::<u32>().map_or(u32::MAX, |number| number.saturating_mul(factor)))
}

/// `host.name`: one name or a list of names.
pub(in crate::manifest) fn host_names(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
) -> Option<Vec<MarkedValue<String>>> {
    const HINT: &str = "write a name, or a list of names in quotes";
    let one = |to: &mut TableReader<'_>, text: &str, span: &Span<usize>| match names::host(text) {
        Ok(name) => Some(to.marked(span, name)),
        Err(problem) => {
            to.report(span, problem);
            None
        }
    };
    match value.get_ref() {
        DeValue::String(text) => Some(vec![one(to, text, &value.span())?]),
        DeValue::Array(_) => {
            list(to, key, value, ("text", HINT, "no host at all would be the right one"), one)
        }
        other => {
            let problem = ManifestProblem::WrongType {
                key: format!("`{key}`"),
                expected: "a name or a list of names",
                found: found(other),
                hint: HINT.to_owned(),
            };
            to.report(&value.span(), problem);
            None
        }
    }
}

/// `safety.must_reach`: a list of addresses.
pub(in crate::manifest) fn addresses(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
) -> Option<Vec<MarkedValue<IpAddr>>> {
    const HINT: &str = "write a list, as [\"203.0.113.9\"]";
    list(to, key, value, ("an address in quotes", HINT, "it would protect nobody"), |to, text, span| {
        match text.parse::<IpAddr>() {
            Ok(address) if !address.is_unspecified() => Some(to.marked(span, address)),
            Ok(_) | Err(_) => {
                let hint = if text.contains('/') {
                    "a network is too much here: name single addresses"
                } else {
                    "write an IPv4 or IPv6 address, as \"203.0.113.9\" or \"2001:db8::9\""
                };
                to.report(span, ManifestProblem::Address { found: short(text), hint: hint.to_owned() });
                None
            }
        }
    })
}

/// Texts in a list, each checked; all problems are reported. `words`: what an item is, the hint, why empty is
/// wrong.
pub(super) fn list<T>(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
    words: (&'static str, &'static str, &'static str),
    mut check: impl FnMut(&mut TableReader<'_>, &str, &Span<usize>) -> Option<T>,
) -> Option<Vec<T>> {
    let (item_is, hint, empty) = words;
    let DeValue::Array(items) = value.get_ref() else {
        let problem = ManifestProblem::WrongType {
            key: format!("`{key}`"),
            expected: "a list",
            found: found(value.get_ref()),
            hint: hint.to_owned(),
        };
        to.report(&value.span(), problem);
        return None;
    };
    if items.is_empty() {
        to.report(&value.span(), ManifestProblem::EmptyList { key: key.to_owned(), why: empty });
        return None;
    }
    let mut checked = Vec::with_capacity(items.len());
    for item in items {
        match item.get_ref() {
            DeValue::String(text) => checked.extend(check(to, text, &item.span())),
            other => {
                let problem = ManifestProblem::WrongType {
                    key: format!("an item of `{key}`"),
                    expected: item_is,
                    found: found(other),
                    hint: hint.to_owned(),
                };
                to.report(&item.span(), problem);
            }
        }
    }
    (checked.len() == items.len()).then_some(checked)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations_are_whole_seconds_minutes_or_hours() {
        assert_eq!(seconds("10s"), Some(10));
        assert_eq!(seconds("2m"), Some(120));
        assert_eq!(seconds("1h"), Some(3600));
        assert_eq!(seconds("99999999999h"), Some(u32::MAX));
        for bad in ["", "s", "10", "10 s", "-1s", "+1s", "1.5s", "1m30s", "10S", "١s", "10µ"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
