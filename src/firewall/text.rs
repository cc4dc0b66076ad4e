//! The words of who may reach a service.

use super::rules::few;
use crate::model::AllowedSources;

/// Who may, in a few words.
#[must_use]
pub fn allowed_sources(allowed: &AllowedSources) -> String {
    match allowed {
        AllowedSources::Anyone => "anyone".to_owned(),
        AllowedSources::Nobody => "nobody".to_owned(),
        AllowedSources::Only(networks) => few(networks),
    }
}
