//! Numbers, and the words and shares that may stand for one.

use toml::de::DeValue;

use crate::manifest::keys::{nearest, short};
use crate::manifest::problem::{LimitMisfit, LimitRange, MAX, ManifestProblem};
use crate::manifest::reader::{TableReader, UNMANAGED};
use crate::manifest::written::MarkedValue;
use crate::model::{AccountCap, ConnectionLimit};

use super::{ReadValue, found, integer, is_digits};

/// A connection limit.
pub(in crate::manifest) fn count(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
    range: LimitRange,
) -> Option<MarkedValue<ConnectionLimit>> {
    let span = value.span();
    let limit = |misfit, found: &str| ManifestProblem::Limit {
        key: key.to_owned(),
        found: short(found),
        misfit,
        range,
    };
    let problem = match value.get_ref() {
        DeValue::Integer(number) => {
            let text = to.slice(&span);
            match integer(number) {
                Some(0) => limit(LimitMisfit::Zero, text),
                Some(number) if number < 0 => limit(LimitMisfit::Negative, text),
                None if number.as_str().starts_with('-') => limit(LimitMisfit::Negative, text),
                Some(number) => match u32::try_from(number) {
                    Ok(number) if number <= MAX => {
                        return Some(to.marked(&span, ConnectionLimit::Number(number)));
                    }
                    Ok(_) | Err(_) => limit(LimitMisfit::TooLarge, text),
                },
                None => limit(LimitMisfit::TooLarge, text),
            }
        }
        DeValue::String(word) if word == "unlimited" => match range {
            LimitRange::Xinetd => return Some(to.marked(&span, ConnectionLimit::Unlimited)),
            LimitRange::Courier => limit(LimitMisfit::Unlimited, "\"unlimited\""),
        },
        DeValue::String(word) => word_for_number(key, word, range),
        other => not_a_number(key, other, range.hint()),
    };
    to.report(&span, problem);
    None
}

fn word_for_number(key: &str, word: &str, range: LimitRange) -> ManifestProblem {
    if is_digits(word) {
        return without_quotes(key, word);
    }
    let words: &[&str] = match range {
        LimitRange::Courier => &[UNMANAGED],
        LimitRange::Xinetd => &["unlimited", UNMANAGED],
    };
    let hint = match nearest(&word.to_ascii_lowercase(), words) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => range.hint(),
    };
    ManifestProblem::Word { key: key.to_owned(), found: short(word), hint }
}

fn without_quotes(key: &str, digits: &str) -> ManifestProblem {
    ManifestProblem::WrongType {
        key: format!("`{key}`"),
        expected: "a whole number",
        found: "text",
        hint: format!("write {}, without quotes", short(digits)),
    }
}

fn not_a_number(key: &str, value: &DeValue<'_>, otherwise: String) -> ManifestProblem {
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
    ManifestProblem::WrongType {
        key: format!("`{key}`"),
        expected: "a whole number",
        found: found(value),
        hint,
    }
}

/// xinetd's connections a second.
pub(in crate::manifest) fn rate(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
) -> Option<MarkedValue<u32>> {
    let span = value.span();
    let hint = || format!("write a whole number from 1 to {MAX}");
    let problem = match value.get_ref() {
        DeValue::Integer(number) => {
            let number = integer(number);
            match number.map(u32::try_from) {
                Some(Ok(number)) if (1..=MAX).contains(&number) => {
                    return Some(to.marked(&span, number));
                }
                Some(Ok(_) | Err(_)) | None => ManifestProblem::Number {
                    key: key.to_owned(),
                    found: short(to.slice(&span)),
                    why: (number == Some(0)).then_some("with 0 xinetd does not look at the rate at all"),
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

/// How many accounts may change: `"30%"` or a number.
pub(in crate::manifest) fn account_cap(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
) -> Option<MarkedValue<AccountCap>> {
    let span = value.span();
    let hint = || "write a share from \"1%\" to \"100%\", or a number of accounts, at least 1".to_owned();
    let problem = match value.get_ref() {
        DeValue::Integer(number) => match integer(number).map(u32::try_from) {
            Some(Ok(number)) if number > 0 => {
                return Some(to.marked(&span, AccountCap::Accounts(number)));
            }
            Some(Ok(_) | Err(_)) | None => ManifestProblem::Number {
                key: key.to_owned(),
                found: short(to.slice(&span)),
                why: None,
                hint: hint(),
            },
        },
        DeValue::String(word) if is_digits(word) => ManifestProblem::Word {
            key: key.to_owned(),
            found: short(word),
            hint: format!("write \"{0}%\" for a share, or {0} for a number of accounts", short(word)),
        },
        DeValue::String(word) => {
            let share = word.strip_suffix('%').filter(|digits| is_digits(digits)).map(str::parse::<u8>);
            match share {
                Some(Ok(share)) if (1..=100).contains(&share) => {
                    return Some(to.marked(&span, AccountCap::Percent(share)));
                }
                Some(Ok(_) | Err(_)) | None => {
                    ManifestProblem::Word { key: key.to_owned(), found: short(word), hint: hint() }
                }
            }
        }
        other => ManifestProblem::WrongType {
            key: format!("`{key}`"),
            expected: "a share or a whole number",
            found: found(other),
            hint: hint(),
        },
    };
    to.report(&span, problem);
    None
}
