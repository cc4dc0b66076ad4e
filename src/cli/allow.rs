//! What the command line alone can allow: a manifest that did would disarm a safety rule for good.

use std::str::FromStr;

/// Something that a safety rule refuses unless it is named with `--allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// Replace files whose ACL and extended attributes the host has no tool to show.
    UnseenMetadata,
}

/// The names, as `--help` lists them.
pub(super) const NAMES: &str = "unseen-metadata";

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "unseen-metadata" => Ok(Self::UnseenMetadata),
            _ => Err(format!("one can allow: {NAMES}")),
        }
    }
}
