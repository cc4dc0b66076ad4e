//! Panel access of mail accounts: who may log in to the panel, and what it takes to make that what the
//! manifest says.
//!
//! All accounts are read with one query, whatever their number; only those that differ are written, and only
//! through the vendor's own command. Pure: texts for the host in, what it answered out; nothing here asks the
//! host itself.

pub mod accounts;
pub mod client;
pub mod command;
pub mod memory;
pub mod note;
pub mod observed;
pub mod plan;
pub mod probe;
pub mod show;
pub mod sql;
pub mod step;

/// The name that was probably meant, if one is near enough.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = (word.chars().count() / 3).clamp(1, 4);
    known
        .filter(|name| name.len().abs_diff(word.len()) <= far)
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, _)| *distance <= far && *distance > 0)
        .min()
        .map(|(_, name)| name)
}
