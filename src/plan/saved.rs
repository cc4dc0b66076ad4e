//! Saved plans: read back with care, since they pass through files, reviews and other people's hands.
//!
//! A saved plan is a plan with a digest over all of it, by which a change of the file is noticed. The digest
//! is no signature: who can write the file can make another. What holds then is that what is desired passes
//! the manifest's checks, that it is planned anew, and that nothing is done but the steps that stand in the
//! file.

use crate::plan::{CommonNote, FirewallNote, LimitsNote, PanelAccessNote};
use serde::Serialize;
use serde_json::Value as Json;

use super::{FORMAT, Fingerprint, Note, Plan};
use crate::failure::{Diagnostic, Exit};
use crate::host::Digest;

/// The most values in a plan; that of a hundred thousand accounts, all of which change, has fewer.
const MOST_VALUES: usize = 1_500_000;

/// The key of the digest, which is over everything else.
const DIGEST: &str = "digest";

/// The key that stands in its place where the names of accounts are withheld.
const ACCOUNTS: &str = "accounts";

/// A saved plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// It is not a saved plan at all.
    #[error("it is not a saved plan")]
    NotAPlan(#[source] serde_json::Error),
    /// It has more values than a plan of the largest host, and would fill the memory.
    #[error("it has more values than any plan: {MOST_VALUES}")]
    TooLarge,
    /// It has another format.
    #[error("it has {}, this version of mailward reads format {FORMAT}: plan again", format(.found))]
    Format {
        /// The number that stands there; none where it is something else, which is not shown.
        found: Option<u64>,
    },
    /// The names of its accounts are withheld.
    #[error(
        "the names of its accounts are withheld, so it cannot be applied: plan with `-o`, which saves them"
    )]
    Withheld,
    /// It was changed after it was saved.
    #[error("it was changed after it was saved: plan again")]
    Changed {
        /// What does not fit.
        #[source]
        how: PlanMisfit,
    },
}

/// What of a saved plan does not fit the rest of it.
#[derive(Debug, thiserror::Error)]
pub enum PlanMisfit {
    /// It has no digest.
    #[error("it has no digest")]
    NoDigest,
    /// Its content has another digest than it states.
    #[error("its content does not have the digest that it states")]
    Digest,
    /// Its steps have another fingerprint than it states.
    #[error("its steps do not have the fingerprint {stated} that it states")]
    Fingerprint {
        /// The fingerprint that it states.
        stated: Fingerprint,
    },
}

impl SavedPlanError {
    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NotAPlan(_) | Self::TooLarge | Self::Withheld => Exit::Usage,
            Self::Format { .. } | Self::Changed { .. } => Exit::Stale,
        }
    }
}

fn format(found: &Option<u64>) -> String {
    match found {
        Some(number) => format!("format {number}"),
        None => "no format".to_owned(),
    }
}

/// A plan as it is saved, and as `plan --format json` prints it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(title = "A plan of mailward")]
pub struct PlanDocument<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(flatten)]
    seal: PlanSeal,
}

/// Whether a plan can be applied.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum PlanSeal {
    /// It can: the sha256 of everything else, by which a change of the file is noticed; no signature.
    Digest(#[schemars(with = "String")] Digest),
    /// It cannot.
    Accounts(UnappliableAccounts),
}

/// Why a plan cannot be applied.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum UnappliableAccounts {
    /// The names of accounts are withheld.
    Withheld,
}

/// A plan as it is saved.
///
/// # Errors
/// Only where a value cannot be written as JSON, which none of ours can fail.
pub fn document(plan: &Plan) -> Result<PlanDocument<'_>, serde_json::Error> {
    let seal = PlanSeal::Digest(digest(&serde_json::to_value(plan)?));
    Ok(PlanDocument { plan, seal })
}

/// A plan in which the names of accounts are withheld; a digest would confirm a guess of them.
#[must_use]
pub const fn withheld(plan: &Plan) -> PlanDocument<'_> {
    let seal = PlanSeal::Accounts(UnappliableAccounts::Withheld);
    PlanDocument { plan, seal }
}

/// The digest of a saved plan's content, the digest itself left out.
#[must_use]
pub fn digest(content: &Json) -> Digest {
    // `serde_json`'s maps are sorted, so the text is canonical.
    Digest::of(content.to_string().as_bytes())
}

/// Whether bytes look like a saved plan rather than a manifest: JSON starts with a brace, TOML never does.
#[must_use]
pub fn looks_saved(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Reads a saved plan.
///
/// # Errors
/// [`SavedPlanError`]; each of them means to plan again.
pub fn read(bytes: &[u8]) -> Result<Plan, SavedPlanError> {
    // Each value but the first comes after one of these. A value takes up to a hundred bytes of memory.
    let values = (bytes.iter()).filter(|byte| matches!(byte, b',' | b'[' | b'{'));
    if values.count() > MOST_VALUES {
        return Err(SavedPlanError::TooLarge);
    }
    let json = serde_json::from_slice(bytes).map_err(SavedPlanError::NotAPlan)?;
    of_json(json)
}

/// Reads a saved plan that is JSON already.
///
/// # Errors
/// As [`read`].
pub fn of_json(mut json: Json) -> Result<Plan, SavedPlanError> {
    let found = json.get("format").and_then(Json::as_u64);
    if found != Some(u64::from(FORMAT)) {
        return Err(SavedPlanError::Format { found });
    }
    if json.get(ACCOUNTS).is_some() {
        return Err(SavedPlanError::Withheld);
    }
    let changed = |how| Err(SavedPlanError::Changed { how });
    let stated = json.as_object_mut().and_then(|json| json.remove(DIGEST));
    match stated {
        None => return changed(PlanMisfit::NoDigest),
        Some(stated) if stated != digest(&json).to_string() => return changed(PlanMisfit::Digest),
        Some(_) => {}
    }
    let plan: Plan = serde_json::from_value(json).map_err(SavedPlanError::NotAPlan)?;
    if Fingerprint::of(&plan.steps) == plan.fingerprint {
        Ok(plan)
    } else {
        changed(PlanMisfit::Fingerprint { stated: plan.fingerprint })
    }
}

/// The advice on the manifest that a saved plan was made from, to be told again when it is applied.
#[must_use]
pub fn advice(plan: &Plan) -> Vec<Diagnostic> {
    (plan.notes.iter())
        .filter_map(|note| match note {
            Note::Common(CommonNote::Advice(advice)) => Some((**advice).clone()),
            Note::Limits(LimitsNote::NotRunning { .. })
            | Note::Limits(LimitsNote::NotRestarted { .. })
            | Note::Limits(LimitsNote::Problem { .. })
            | Note::Limits(LimitsNote::Unmanaged { .. })
            | Note::PanelAccess(PanelAccessNote::AccountsLeftAlone { .. })
            | Note::PanelAccess(PanelAccessNote::Missing(_))
            | Note::Firewall(FirewallNote::Waits { .. })
            | Note::Firewall(FirewallNote::Unwatched { .. })
            | Note::Firewall(FirewallNote::ToConfirm { .. })
            | Note::Firewall(FirewallNote::NeverConfirmed { .. })
            | Note::Firewall(FirewallNote::Displaced { .. })
            | Note::Limits(LimitsNote::Stranger { .. })
            | Note::Common(CommonNote::Remark { .. }) => None,
        })
        .collect()
}
