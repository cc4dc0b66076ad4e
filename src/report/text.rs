//! Plans, outcomes and the state of a host as text for people.
//!
//! Equal hosts print equal text: no host name, time or pid, so that output from many hosts folds.

mod accounts;
mod change;
mod firewall;
mod notes;
mod outcome;
mod panel_access;
mod plan;
mod reach;
mod show;

pub use self::accounts::accounts;
pub use self::outcome::{outcome, summary as outcome_summary};
pub use self::panel_access::AccountDetail;
pub use self::plan::{check, drift, left_alone, plan, step_name, steps_in_brief, summary, waiting};
pub use self::reach::reach;
pub use self::show::show;

use anstyle::{AnsiColor, Style};

use crate::failure::Diagnostic;
use crate::limits::text::value;
use crate::plan::{LimitEffect, SettingNamed};

const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const HEADING: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const WARNING: Style = AnsiColor::Yellow.on_default();

/// `pop3 per_ip: 4 → 20`.
fn effect(effect: &LimitEffect) -> String {
    let LimitEffect { service, setting, from, to, named } = effect;
    let along = match named {
        SettingNamed::ByManifest => "",
        SettingNamed::Inherits => " (inherits)",
    };
    format!("{service} {}: {} → {}{along}", setting.name(), value(*from), value(*to))
}

/// `1 file`, `2 files`.
fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

/// Where advice is about, and what it says.
fn advice(advice: &Diagnostic) -> String {
    let place = advice.place.as_ref().map(|place| format!("{}:{}: ", place.file, place.line));
    format!("{}{}", place.unwrap_or_default(), advice.what)
}
