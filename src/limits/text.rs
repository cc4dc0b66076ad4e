//! The words of connection limits.

use super::step::LimitValue;

/// A value in one word.
#[must_use]
pub fn value(value: LimitValue) -> String {
    match value {
        LimitValue::Count(count) => count.to_string(),
        LimitValue::Rate(rate) => format!("{}/s, pause {} s", rate.rate, rate.pause),
        LimitValue::Nothing => "nothing in force".to_owned(),
    }
}
