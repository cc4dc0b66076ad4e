//! Single values: TOML's types → checked values, or a problem at the value's place.

use std::net::IpAddr;
use std::ops::Range as Span;

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use crate::model::{AccountCap, Count, Service};

use super::keys::{Table, nearest, short};
use super::names;
use super::problem::{MAX, Misfit, Problem, Range};
use super::read::{Reader, UNMANAGED};
use super::written::Marked;

type Value<'i> = Spanned<DeValue<'i>>;

/// The bounds of a duration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    least: u32,
    most: u32,
    least_text: &'static str,
    most_text: &'static str,
}

/// `cps.pause`: what xinetd's number holds.
pub(super) const PAUSE: Bounds = Bounds {
    least: 1,
    most: MAX,
    least_text: "1s",
    most_text: "2147483647s",
};

/// `safety.confirm_within`: long enough for a new connection, short enough for somebody who is locked out.
pub(super) const CONFIRM: Bounds = Bounds {
    least: 10,
    most: 3600,
    least_text: "10s",
    most_text: "1h",
};

/// What a value is, in words for a person.
pub(super) const fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a decimal point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Which limits the daemons of a service have: POP3 and IMAP are Courier's.
pub(super) const fn range_of(service: Service) -> Range {
    match service {
        Service::Pop3 | Service::Pop3s | Service::Imap | Service::Imaps => Range::Courier,
        Service::Smtp | Service::Smtps | Service::Submission | Service::Ftp => Range::Xinetd,
    }
}

/// The number, unless it is beyond all bounds.
pub(super) fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A value that stands where a table is expected.
pub(super) fn not_a_table(outer: &Table, key: &str, value: &DeValue<'_>) -> Problem {
    let name = outer.key(key);
    let hint = match (outer, value) {
        (_, DeValue::Array(_)) if key != "cps" => format!("write `[{name}]` with single brackets"),
        (_, DeValue::String(word)) if word == UNMANAGED => {
            "only a setting, or the table of one service, can be \"unmanaged\"".to_owned()
        }
        (Table::Root, _) if key == "host" => {
            "write `[host]` with `name = \"mx1.example.jp\"` below it".to_owned()
        }
        (Table::Limits, _) => format!("write `[{name}]` with `per_ip` and `total` below it"),
        (Table::XinetdDefaults | Table::XinetdService(_), _) => {
            "write `cps = { rate = 50, pause = \"10s\" }`".to_owned()
        }
        (Table::XinetdServices, _) => {
            format!("write `[{name}]` with `per_source` and `instances` below it")
        }
        _ => format!("write `[{name}]` with its keys below it"),
    };
    Problem::WrongType {
        key: format!("`{name}`"),
        expected: "a table",
        found: found(value),
        hint,
    }
}

/// A connection limit.
pub(super) fn count(
    to: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
    range: Range,
) -> Option<Marked<Count>> {
    let span = value.span();
    let limit = |misfit, found: &str| Problem::Limit {
        key: key.to_owned(),
        found: short(found),
        misfit,
        range,
    };
    let problem = match value.get_ref() {
        DeValue::Integer(number) => {
            let text = to.slice(&span);
            match integer(number) {
                Some(0) => limit(Misfit::Zero, text),
                Some(number) if number < 0 => limit(Misfit::Negative, text),
                None if number.as_str().starts_with('-') => limit(Misfit::Negative, text),
                Some(number) => match u32::try_from(number) {
                    Ok(number) if number <= MAX => {
                        return Some(to.marked(&span, Count::Number(number)));
                    }
                    Ok(_) | Err(_) => limit(Misfit::TooLarge, text),
                },
                None => limit(Misfit::TooLarge, text),
            }
        }
        DeValue::String(word) if word == "unlimited" => match range {
            Range::Xinetd => return Some(to.marked(&span, Count::Unlimited)),
            Range::Courier => limit(Misfit::Unlimited, "\"unlimited\""),
        },
        DeValue::String(word) => word_for_number(key, word, range),
        other => not_a_number(key, other, range.hint()),
    };
    to.report(&span, problem);
    None
}

fn word_for_number(key: &str, word: &str, range: Range) -> Problem {
    if is_digits(word) {
        return without_quotes(key, word);
    }
    let words: &[&str] = match range {
        Range::Courier => &[UNMANAGED],
        Range::Xinetd => &["unlimited", UNMANAGED],
    };
    let hint = match nearest(&word.to_ascii_lowercase(), words) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => range.hint(),
    };
    Problem::Word {
        key: key.to_owned(),
        found: short(word),
        hint,
    }
}

fn without_quotes(key: &str, digits: &str) -> Problem {
    Problem::WrongType {
        key: format!("`{key}`"),
        expected: "a whole number",
        found: "text",
        hint: format!("write {}, without quotes", short(digits)),
    }
}

fn not_a_number(key: &str, value: &DeValue<'_>, otherwise: String) -> Problem {
    let hint = match value {
        DeValue::Float(number) => match number.as_str().split_once('.') {
            Some((whole, rest)) if !whole.is_empty() && rest.bytes().all(|digit| digit == b'0') => {
                format!("write {}", short(whole))
            }
            Some(_) | None => otherwise,
        },
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => otherwise,
    };
    Problem::WrongType {
        key: format!("`{key}`"),
        expected: "a whole number",
        found: found(value),
        hint,
    }
}

/// xinetd's connections a second.
pub(super) fn rate(to: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<Marked<u32>> {
    let span = value.span();
    let hint = || format!("write a whole number from 1 to {MAX}");
    let problem = match value.get_ref() {
        DeValue::Integer(number) => {
            let number = integer(number);
            match number.map(u32::try_from) {
                Some(Ok(number)) if (1..=MAX).contains(&number) => {
                    return Some(to.marked(&span, number));
                }
                Some(Ok(_) | Err(_)) | None => Problem::Number {
                    key: key.to_owned(),
                    found: short(to.slice(&span)),
                    why: (number == Some(0))
                        .then_some("with 0 xinetd does not look at the rate at all"),
                    hint: hint(),
                },
            }
        }
        DeValue::String(word) if is_digits(word) => without_quotes(key, word),
        other => not_a_number(key, other, hint()),
    };
    to.report(&span, problem);
    None
}

/// A duration in whole seconds.
pub(super) fn duration(
    to: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
    bounds: Bounds,
) -> Option<Marked<u32>> {
    let span = value.span();
    let problem = match value.get_ref() {
        DeValue::String(word) => match seconds(word) {
            Some(number) if (bounds.least..=bounds.most).contains(&number) => {
                return Some(to.marked(&span, number));
            }
            Some(_) => Problem::DurationRange {
                key: key.to_owned(),
                least: bounds.least_text,
                most: bounds.most_text,
            },
            None => Problem::Duration {
                key: key.to_owned(),
                found: short(word),
            },
        },
        other => Problem::WrongType {
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
    is_digits(digits).then(|| {
        digits
            .parse::<u32>()
            .map_or(u32::MAX, |number| number.saturating_mul(factor))
    })
}

/// How many accounts may change: `"30%"` or a number.
pub(super) fn account_cap(
    to: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
) -> Option<Marked<AccountCap>> {
    let span = value.span();
    let hint =
        || "write a share from \"1%\" to \"100%\", or a number of accounts, at least 1".to_owned();
    let problem = match value.get_ref() {
        DeValue::Integer(number) => match integer(number).map(u32::try_from) {
            Some(Ok(number)) if number > 0 => {
                return Some(to.marked(&span, AccountCap::Accounts(number)));
            }
            Some(Ok(_) | Err(_)) | None => Problem::Number {
                key: key.to_owned(),
                found: short(to.slice(&span)),
                why: None,
                hint: hint(),
            },
        },
        DeValue::String(word) if is_digits(word) => Problem::Word {
            key: key.to_owned(),
            found: short(word),
            hint: format!(
                "write \"{0}%\" for a share, or {0} for a number of accounts",
                short(word)
            ),
        },
        DeValue::String(word) => {
            let share = word
                .strip_suffix('%')
                .filter(|digits| is_digits(digits))
                .map(str::parse::<u8>);
            match share {
                Some(Ok(share)) if (1..=100).contains(&share) => {
                    return Some(to.marked(&span, AccountCap::Percent(share)));
                }
                Some(Ok(_) | Err(_)) | None => Problem::Word {
                    key: key.to_owned(),
                    found: short(word),
                    hint: hint(),
                },
            }
        }
        other => Problem::WrongType {
            key: format!("`{key}`"),
            expected: "a share or a whole number",
            found: found(other),
            hint: hint(),
        },
    };
    to.report(&span, problem);
    None
}

/// `host.name`: one name or a list of names.
pub(super) fn host_names(
    to: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
) -> Option<Vec<Marked<String>>> {
    const HINT: &str = "write a name, or a list of names in quotes";
    let one = |to: &mut Reader<'_>, text: &str, span: &Span<usize>| match names::host(text) {
        Ok(name) => Some(to.marked(span, name)),
        Err(problem) => {
            to.report(span, problem);
            None
        }
    };
    match value.get_ref() {
        DeValue::String(text) => Some(vec![one(to, text, &value.span())?]),
        DeValue::Array(_) => list(
            to,
            key,
            value,
            ("text", HINT, "no host at all would be the right one"),
            one,
        ),
        other => {
            let problem = Problem::WrongType {
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
pub(super) fn addresses(
    to: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
) -> Option<Vec<Marked<IpAddr>>> {
    const HINT: &str = "write a list, as [\"203.0.113.9\"]";
    list(
        to,
        key,
        value,
        ("an address in quotes", HINT, "it would protect nobody"),
        |to, text, span| match text.parse::<IpAddr>() {
            Ok(address) if !address.is_unspecified() => Some(to.marked(span, address)),
            Ok(_) | Err(_) => {
                let hint = if text.contains('/') {
                    "a network is too much here: name single addresses"
                } else {
                    "write an IPv4 or IPv6 address, as \"203.0.113.9\" or \"2001:db8::9\""
                };
                to.report(
                    span,
                    Problem::Address {
                        found: short(text),
                        hint: hint.to_owned(),
                    },
                );
                None
            }
        },
    )
}

/// Texts in a list, each checked; all problems are reported. `words`: what an item is, the hint, why empty is wrong.
fn list<T>(
    to: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
    words: (&'static str, &'static str, &'static str),
    mut check: impl FnMut(&mut Reader<'_>, &str, &Span<usize>) -> Option<T>,
) -> Option<Vec<T>> {
    let (item_is, hint, empty) = words;
    let DeValue::Array(items) = value.get_ref() else {
        let problem = Problem::WrongType {
            key: format!("`{key}`"),
            expected: "a list",
            found: found(value.get_ref()),
            hint: hint.to_owned(),
        };
        to.report(&value.span(), problem);
        return None;
    };
    if items.is_empty() {
        to.report(
            &value.span(),
            Problem::EmptyList {
                key: key.to_owned(),
                why: empty,
            },
        );
        return None;
    }
    let mut checked = Vec::with_capacity(items.len());
    for item in items {
        match item.get_ref() {
            DeValue::String(text) => checked.extend(check(to, text, &item.span())),
            other => {
                let problem = Problem::WrongType {
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

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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
        for bad in [
            "", "s", "10", "10 s", "-1s", "+1s", "1.5s", "1m30s", "10S", "١s", "10µ",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
