//! Saved plans: read back with care, since they pass through files, reviews and other people's hands.

use super::{FORMAT, Fingerprint, Plan, Step};

/// A saved plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It is not a saved plan at all.
    #[error("it is not a saved plan")]
    NotAPlan(#[source] serde_json::Error),
    /// It has another format.
    #[error("it has format {found}, this version of mailward reads {FORMAT}: plan again")]
    Format {
        /// What stands there.
        found: serde_json::Value,
    },
    /// The names of its accounts are withheld.
    #[error(
        "the names of its accounts are withheld, so it cannot be applied: plan with `-o`, which saves them"
    )]
    Withheld,
    /// It was changed after it was saved.
    #[error(
        "its steps do not have its fingerprint {stated}: it was changed after it was saved; plan again"
    )]
    Changed {
        /// The fingerprint that it states.
        stated: String,
    },
}

/// Whether bytes look like a saved plan rather than a manifest: JSON starts with a brace, TOML never does.
#[must_use]
pub fn looks_saved(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Reads a saved plan.
///
/// # Errors
/// [`SavedError`]; each of them means to plan again.
pub fn read(bytes: &[u8]) -> Result<Plan, SavedError> {
    let json: serde_json::Value = serde_json::from_slice(bytes).map_err(SavedError::NotAPlan)?;
    let found = json.get("format").cloned().unwrap_or_default();
    if found != FORMAT {
        return Err(SavedError::Format { found });
    }
    let plan: Plan = serde_json::from_value(json).map_err(SavedError::NotAPlan)?;
    let withheld = |step: &Step| match step {
        Step::PanelAccess(step) => step.count != step.accounts.len(),
        Step::Edit(_)
        | Step::Panel(_)
        | Step::Action(_)
        | Step::Sources(_)
        | Step::Boot(_)
        | Step::Retire(_) => false,
    };
    if plan.steps.iter().any(withheld) {
        return Err(SavedError::Withheld);
    }
    if Fingerprint::of(&plan.steps) == plan.fingerprint {
        Ok(plan)
    } else {
        Err(SavedError::Changed {
            stated: plan.fingerprint.to_string(),
        })
    }
}

/// The bytes of a saved plan.
///
/// # Errors
/// Only where a value cannot be written as JSON, which none of ours can fail.
pub fn write(plan: &Plan) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(plan)?;
    bytes.push(b'\n');
    Ok(bytes)
}
