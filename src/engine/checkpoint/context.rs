//! What is passed through everything that brings a change of access to its end.

use std::time::Duration;

use crate::engine::recall::HostSurvey;
use crate::host::WriteHost;

/// A host under the lock, as it was read then, and how long one command on it may take.
pub(in crate::engine) struct WindowContext<'a> {
    pub(in crate::engine) host: &'a mut dyn WriteHost,
    pub(in crate::engine) survey: &'a HostSurvey,
    pub(in crate::engine) deadline: Duration,
}
