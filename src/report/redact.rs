//! Takes the names of mail accounts out of what is shown, for plans that go into public reviews.
//!
//! Domains and numbers stay. A plan's fingerprint stays too, so that the review of what is shown approves the plan itself;
//! who knows all but one of its accounts could use it to confirm a guess of that one.

use std::borrow::Cow;

use crate::apply::outcome::Outcome;
use crate::plan::{AccessStep, Note, Plan, Step};

/// Whether accounts are named in what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
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
    plan.desired.panel_access.accounts.clear();
    plan
}

/// An outcome without the names of accounts.
#[must_use]
pub fn outcome(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    for done in &mut outcome.steps {
        step(&mut done.step);
    }
    outcome.notes.iter_mut().for_each(note);
    outcome
}

fn note(note: &mut Note) {
    if let Note::AccountsLeftAlone { accounts, .. } = note {
        accounts.clear();
    }
}

fn step(step: &mut Step) {
    if let Step::PanelAccess(AccessStep { accounts, .. }) = step {
        accounts.clear();
    }
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
    use super::text;

    #[test]
    fn only_the_names_before_an_at_are_taken_out() {
        assert_eq!(
            text("\"anna.b@example.jp\" = true, <c+d@x.jp>; e@f.jp: no, @ alone"),
            "\"…@example.jp\" = true, <…@x.jp>; …@f.jp: no, @ alone"
        );
        assert_eq!(text("nothing"), "nothing");
    }
}
