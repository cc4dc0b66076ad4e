//! Which notes are told: the one rule for all commands.
//!
//! `plan`, `check` and `apply` tell every note of their plan, also where there is nothing to do; what heads a
//! text is not told again in it. `show` makes no plan, and tells of a change of access that waits alone.

use super::WARNING;
use super::panel_access::AccountDetail;
use super::plan::note;
use crate::plan::{FirewallNote, Note};
use crate::report::Colour;
use crate::report::safe::SafeText;

/// The note that must be seen first of all: nothing takes a change of access back any more.
pub(super) fn unwatched(notes: &[Note]) -> Option<&Note> {
    (notes.iter()).find(|note| matches!(note, Note::Firewall(FirewallNote::Unwatched { .. })))
}

/// A change of access that waits.
pub(super) fn waits(notes: &[Note]) -> Option<&Note> {
    (notes.iter()).find(|note| matches!(note, Note::Firewall(FirewallNote::Waits { .. })))
}

/// Own rules that nobody has confirmed, and no change that waits.
pub(super) fn never_confirmed(notes: &[Note]) -> Option<&Note> {
    (notes.iter()).find(|note| matches!(note, Note::Firewall(FirewallNote::NeverConfirmed { .. })))
}

/// All notes but the one that heads the text, a line each.
pub(super) fn lines(notes: &[Note], head: Option<&Note>, detail: AccountDetail, colour: Colour) -> SafeText {
    let mut text = SafeText::new(colour);
    let heads = |note: &Note| head.is_some_and(|head| std::ptr::eq(head, note));
    for told in notes.iter().filter(|note| !heads(note)) {
        text.paint(WARNING, "note:").line(format_args!(" {}", note(told, detail)));
    }
    text
}
