//! The fingerprint: sha256 over canonical JSON of what a plan does.
//!
//! It holds no path, no digest, no host and no place in a manifest, so that equal changes on many hosts have
//! one fingerprint and one review approves them all.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Step;
use crate::host::Digest;

/// `mw1-` and twelve hex digits; the number is that of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of some steps.
    #[must_use]
    pub fn of(steps: &[Step]) -> Self {
        // An owed action may stand alone; edits and actions are sets, since their order is ours, not the
        // manifest's.
        let done: BTreeSet<String> = steps.iter().map(|step| what(step).to_string()).collect();
        let canonical = done.into_iter().collect::<Vec<_>>().join("\n");
        let digest = Digest::of(canonical.as_bytes()).to_string();
        Self(format!("mw1-{}", &digest[..12]))
    }

    /// A fingerprint as a person gives it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("mw1-")?;
        let valid = digits.len() == 12 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a step does; `serde_json`'s maps are sorted, so the text is canonical.
fn what(step: &Step) -> Json {
    match step {
        Step::Edit(step) => step.fingerprinted(),
        Step::Panel(step) => step.fingerprinted(),
        Step::Action(step) => step.fingerprinted(),
        Step::PanelAccess(step) => step.fingerprinted(),
        Step::Firewall(step) => step.fingerprinted(),
        Step::Boot(step) => step.fingerprinted(),
        Step::Retire(step) => step.fingerprinted(),
    }
}
