//! Single values: TOML's types → checked values, or a problem at the value's place.

mod access;
mod networks;
mod number;
mod text;

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use crate::model::Service;

use super::keys::ManifestTable;
use super::problem::{LimitRange, ManifestProblem};
use super::reader::UNMANAGED;

pub(super) use access::{access, missing};
pub(super) use networks::{allowed, enforce, networks};
pub(super) use number::{account_cap, count, rate};
pub(super) use text::{CONFIRM, PAUSE, addresses, duration, host_names};

type ReadValue<'i> = Spanned<DeValue<'i>>;

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
pub(super) const fn range_of(service: Service) -> LimitRange {
    match service {
        Service::Pop3 | Service::Pop3s | Service::Imap | Service::Imaps => LimitRange::Courier,
        Service::Smtp | Service::Smtps | Service::Submission | Service::Ftp => LimitRange::Xinetd,
    }
}

/// The number, unless it is beyond all bounds.
pub(super) fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A value that stands where a table is expected.
pub(super) fn not_a_table(outer: &ManifestTable, key: &str, value: &DeValue<'_>) -> ManifestProblem {
    let name = outer.key(key);
    let hint = match (outer, value) {
        (_, DeValue::Array(_)) if key != "cps" => format!("write `[{name}]` with single brackets"),
        (_, DeValue::String(word)) if word == UNMANAGED => {
            "only a setting, or the table of one service, can be \"unmanaged\"".to_owned()
        }
        (ManifestTable::Root, _) if key == "host" => {
            "write `[host]` with `name = \"mx1.example.jp\"` below it".to_owned()
        }
        (ManifestTable::Root, _) if key == "networks" => {
            "write `[networks]` with `office = [\"203.0.113.0/24\"]` below it".to_owned()
        }
        (ManifestTable::Root, _) if key == "access" => {
            "write `[access.allow]` with `imap = [\"203.0.113.0/24\"]` below it".to_owned()
        }
        (ManifestTable::Sources, _) if key == "allow" => {
            "write `[access.allow]` with `imap = [\"203.0.113.0/24\"]` below it".to_owned()
        }
        (ManifestTable::Limits, _) => {
            format!("write `[{name}]` with `per_ip` and `total` below it")
        }
        (ManifestTable::XinetdDefaults | ManifestTable::XinetdService(_), _) => {
            "write `cps = { rate = 50, pause = \"10s\" }`".to_owned()
        }
        (ManifestTable::Root, _) if key == "panel_access" => {
            "write `[panel_access]` with `default = false` below it".to_owned()
        }
        (ManifestTable::PanelAccess, _) if key == "domains" => {
            "write `[panel_access.domains]` with `\"example.jp\" = false` below it".to_owned()
        }
        (ManifestTable::PanelAccess, _) if key == "accounts" => {
            "write `[panel_access.accounts]` with `\"owner@example.jp\" = true` below it".to_owned()
        }
        (ManifestTable::XinetdServices, _) => {
            format!("write `[{name}]` with `per_source` and `instances` below it")
        }
        _ => format!("write `[{name}]` with its keys below it"),
    };
    ManifestProblem::WrongType { key: format!("`{name}`"), expected: "a table", found: found(value), hint }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
