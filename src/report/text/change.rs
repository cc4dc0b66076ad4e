//! A changed line, with the part that changed emphasised.

use similar::{ChangeTag, TextDiff};

use super::{ADDED, DIM, REMOVED};
use crate::plan::EditedLine;
use crate::report::safe::{SafeText, untabbed};

/// The line before and after, with number and block.
pub(super) fn change(text: &mut SafeText, line: &EditedLine) {
    let EditedLine { kind: _, line: number, block, before, after } = line;
    match block {
        Some(block) => text.painted(DIM, format_args!("  line {number}, in {block}")),
        None => text.painted(DIM, format_args!("  line {number}")),
    };
    let after = untabbed(after);
    match before {
        None => {
            text.say("    ").painted(ADDED, format_args!("+ {after}"));
        }
        Some(before) => {
            let before = untabbed(before);
            side(text, &before, &after, ChangeTag::Delete);
            side(text, &before, &after, ChangeTag::Insert);
        }
    }
}

/// One side of a change: what is only there is emphasised.
fn side(text: &mut SafeText, before: &str, after: &str, side: ChangeTag) {
    let (sign, style) = match side {
        ChangeTag::Insert => ("+ ", ADDED),
        ChangeTag::Delete | ChangeTag::Equal => ("- ", REMOVED),
    };
    let diff = TextDiff::from_words(before, after);
    text.say("    ").paint(style, sign);
    for change in diff.iter_all_changes() {
        if change.tag() == side {
            text.paint(style.bold().underline(), change.value());
        } else if change.tag() == ChangeTag::Equal {
            text.paint(style, change.value());
        }
    }
    text.end();
}
