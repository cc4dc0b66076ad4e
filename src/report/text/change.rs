//! A changed line, with the part that changed emphasised.

use similar::{ChangeTag, TextDiff};

use super::{ADDED, DIM, REMOVED, paint};
use crate::plan::Line;
use crate::report::Colour;

/// The line before and after, with number and block.
pub(super) fn change(line: &Line, colour: Colour) -> String {
    let Line {
        kind: _,
        line: number,
        block,
        before,
        after,
    } = line;
    let mut text = String::new();
    let place = match block {
        Some(block) => format!("  line {number}, in {block}"),
        None => format!("  line {number}"),
    };
    text.push_str(&paint(&place, DIM, colour));
    text.push('\n');
    match before {
        None => text.push_str(&format!(
            "    {}\n",
            paint(&format!("+ {after}"), ADDED, colour)
        )),
        Some(before) => {
            text.push_str(&format!(
                "    {}\n",
                side(before, after, ChangeTag::Delete, colour)
            ));
            text.push_str(&format!(
                "    {}\n",
                side(before, after, ChangeTag::Insert, colour)
            ));
        }
    }
    text
}

/// One side of a change: what is only there is emphasised.
fn side(before: &str, after: &str, side: ChangeTag, colour: Colour) -> String {
    let (sign, style) = match side {
        ChangeTag::Insert => ("+ ", ADDED),
        ChangeTag::Delete | ChangeTag::Equal => ("- ", REMOVED),
    };
    let diff = TextDiff::from_words(before, after);
    let mut text = paint(sign, style, colour);
    for change in diff.iter_all_changes() {
        if change.tag() == side {
            text.push_str(&paint(change.value(), style.bold().underline(), colour));
        } else if change.tag() == ChangeTag::Equal {
            text.push_str(&paint(change.value(), style, colour));
        }
    }
    text
}
