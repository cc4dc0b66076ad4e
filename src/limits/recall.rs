//! What a host remembers of changes of its connection limits.

use super::owed::OwedAction;
use super::xinetd::LoadedXinetdFiles;

/// What is remembered of changes of connection limits.
#[derive(Debug, Clone, Default)]
pub struct RecalledLimits {
    /// Service actions that were written down and not seen to be completed.
    pub owed: Vec<OwedAction>,
    /// What xinetd was last seen to have loaded.
    pub loaded: Option<LoadedXinetdFiles>,
}
