//! Takes the names of mail accounts out of what is shown, for plans that go into public reviews.
//!
//! Domains and numbers stay. A plan's fingerprint stays too, so that the review of what is shown approves the
//! plan itself; who knows all but one of its accounts could use it to confirm a guess of that one.

use std::borrow::Cow;

use crate::failure::{Diagnostic, FilePlace};
use crate::model::{Desired, ManifestOrigin, PanelAccess};
use crate::panel_access::probe::LOGIN;
use crate::plan::outcome::Outcome;
use crate::plan::{
    CommonNote, FirewallNote, LimitsNote, Note, PanelAccessCause, PanelAccessNote, PanelAccessStep, Plan,
    Step,
};

/// Whether accounts are named in what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameVisibility {
    /// They are.
    Shown,
    /// They are only counted, by domain.
    Withheld,
}

/// A plan without the names of accounts; it cannot be applied.
#[must_use]
pub fn plan(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.steps.iter_mut().for_each(step);
    plan.notes.iter_mut().for_each(note);
    desired(&mut plan.desired);
    plan
}

/// An outcome without the names of accounts.
#[must_use]
pub fn outcome(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    for done in &mut outcome.steps {
        step(&mut done.step);
    }
    outcome.messages = outcome.messages.iter().map(diagnostic).collect();
    outcome.notes.iter_mut().for_each(note);
    outcome
}

fn note(note: &mut Note) {
    match note {
        Note::PanelAccess(PanelAccessNote::AccountsLeftAlone { accounts, .. }) => accounts.clear(),
        Note::PanelAccess(PanelAccessNote::Missing(advice)) | Note::Common(CommonNote::Advice(advice)) => {
            **advice = diagnostic(advice)
        }
        Note::Common(CommonNote::Remark { text: remark }) => *remark = message(remark),
        Note::Limits(LimitsNote::NotRunning { .. })
        | Note::Limits(LimitsNote::NotRestarted { .. })
        | Note::Limits(LimitsNote::Problem { .. })
        | Note::Limits(LimitsNote::Unmanaged { .. })
        | Note::Firewall(FirewallNote::Waits { .. })
        | Note::Firewall(FirewallNote::Unwatched { .. })
        | Note::Firewall(FirewallNote::ToConfirm { .. })
        | Note::Firewall(FirewallNote::NeverConfirmed { .. })
        | Note::Limits(LimitsNote::Stranger { .. })
        | Note::Firewall(FirewallNote::Displaced { .. }) => {}
    }
}

/// A message without the names of accounts, and without its line of a manifest: that may hold any of them,
/// and where it was cut a part of one. Its place stays.
#[must_use]
pub fn diagnostic(diagnostic: &Diagnostic) -> Diagnostic {
    let Diagnostic { what, place, why, hint } = diagnostic;
    Diagnostic {
        what: message(what),
        place: place.as_ref().map(|place| FilePlace { text: String::new(), ..place.clone() }),
        why: why.as_deref().map(message),
        hint: hint.as_deref().map(message),
    }
}

fn step(step: &mut Step) {
    if let Step::PanelAccess(PanelAccessStep { accounts, causes, .. }) = step {
        accounts.clear();
        for cause in causes {
            match cause {
                PanelAccessCause::Default { origin: place } | PanelAccessCause::Domain { origin: place } => {
                    origin(place);
                }
                PanelAccessCause::Accounts { .. } => {}
            }
        }
    }
}

fn desired(desired: &mut Desired) {
    let PanelAccess { default, missing, domains, accounts } = &mut desired.panel_access;
    accounts.clear();
    let origins = (default.iter_mut().map(|declared| &mut declared.origin))
        .chain(missing.iter_mut().map(|declared| &mut declared.origin))
        .chain(domains.values_mut().map(|declared| &mut declared.origin));
    origins.for_each(origin);
}

/// A line that declares a default or a domain, and that may hold accounts as well.
fn origin(origin: &mut ManifestOrigin) {
    // A longer one was cut, perhaps within a name.
    if origin.text.contains('@') || origin.text.chars().count() > LONG {
        origin.text = "(a line that may name accounts)".to_owned();
    }
}

/// A line of so many characters or fewer is whole.
const LONG: usize = 200;

/// What comes before the name of an account where a message names its key in a manifest.
const KEY: &str = "panel_access.accounts.";

/// What follows a name that was to be an address.
const NO_ADDRESS: &str = " cannot be a mail address";

/// A message without the names of accounts, whatever way it has them: as addresses, as logins, as keys of a
/// manifest.
fn message(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(at) = text.find(KEY) {
        // A name may hold what ends a key, so that the last end counts.
        let rest = text.get(at + KEY.len()..).unwrap_or_default();
        let end = rest.rfind('`').unwrap_or(rest.len());
        let after = rest.get(end..).unwrap_or_default().to_owned();
        text.truncate(at + KEY.len());
        text.push('…');
        text.push_str(&after);
    }
    if let Some(at) = text.find(NO_ADDRESS) {
        text = format!("\"…\"{}", text.get(at..).unwrap_or_default());
    }
    let mut shown = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(LOGIN) {
        let (before, from) = rest.split_at(at + LOGIN.len());
        shown.push_str(before);
        shown.push('…');
        rest = after_quoted(from);
    }
    shown.push_str(rest);
    quoted_addresses(&shown)
}

/// What follows a quoted text.
fn after_quoted(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('"') else {
        return "";
    };
    let mut escaped = false;
    for (at, character) in inner.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return inner.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

/// Takes out addresses; within quotes a name reaches to the quote, since it may hold blanks.
fn quoted_addresses(shown: &str) -> String {
    let mut done = String::new();
    let mut rest = shown;
    while let Some(at) = rest.find('@') {
        let (before, from) = rest.split_at(at + 1);
        match before.matches('"').count() % 2 {
            1 => {
                let quote = before.rfind('"').unwrap_or_default();
                done.push_str(before.get(..=quote).unwrap_or_default());
                done.push_str("…@");
                // The quotes that are still open.
                let end = from.find('"').map_or(from.len(), |end| end + 1);
                let (inside, after) = from.split_at(end);
                done.push_str(&text(inside));
                rest = after;
            }
            _ => {
                done.push_str(&text(before));
                rest = from;
            }
        }
    }
    done.push_str(rest);
    done
}

/// A text in which `…` stands in the place of the part of each mail address before the `@`.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, from) = rest.split_at(at);
        let name = |c: char| c.is_alphanumeric() || "!#$%&'*+-./=?^_`{|}~\\".contains(c);
        let kept = before.trim_end_matches(name);
        shown.push_str(kept);
        if kept.len() < before.len() {
            shown.push('…');
        }
        shown.push('@');
        rest = from.get(1..).unwrap_or_default();
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_before_an_at_are_taken_out() {
        assert_eq!(
            text("\"anna.b@example.jp\" = true, <c+d@x.jp>; e@f.jp: no, @ alone"),
            "\"…@example.jp\" = true, <…@x.jp>; …@f.jp: no, @ alone"
        );
        assert_eq!(text("nothing"), "nothing");
    }

    #[test]
    fn a_message_names_nobody_by_address_login_or_key() {
        for (said, shown) in [
            (
                "panel user 7 with the login \"j\\\"doe\", role 4, active; now: panel user 7 with the login \"=\", role 4",
                "panel user 7 with the login …, role 4, active; now: panel user 7 with the login …, role 4",
            ),
            (
                "`panel_access.accounts.\"a.very.long.name\u{2026}\"` and `panel_access.accounts.anna` are the same account",
                "`panel_access.accounts.…` are the same account",
            ),
            ("\"anna\" cannot be a mail address", "\"…\" cannot be a mail address"),
            ("did you mean anna@example.jp?", "did you mean …@example.jp?"),
            (
                "\"we'ird name@example.jp\" is gone; ben@example.jp is new",
                "\"…@example.jp\" is gone; …@example.jp is new",
            ),
        ] {
            assert_eq!(message(said), shown);
        }
    }

    #[test]
    fn a_line_of_a_manifest_is_not_shown_and_its_place_is() {
        let place = FilePlace {
            file: "m.toml".to_owned(),
            line: 7,
            column: 3,
            width: 2,
            text: format!("accounts = {{ {}anna.b", "x = 1, ".repeat(60)),
        };
        let shown = diagnostic(&Diagnostic::new("wrong").at(place));
        let text = crate::report::diagnostic::render(
            &[shown],
            crate::report::diagnostic::WorstSeverity::Error,
            crate::report::Colour::Off,
        );
        assert_eq!(text, "error: wrong\n--> m.toml:7:3\n\n");
    }
}
