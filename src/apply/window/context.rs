//! What is passed through everything that brings a change of access to its end.

use std::time::Duration;

use crate::facts::Facts;
use crate::host::WriteHost;

/// A host under the lock, as it was read then, and how long one command on it may take.
pub(in crate::apply) struct WindowContext<'a> {
    pub(in crate::apply) host: &'a mut dyn WriteHost,
    pub(in crate::apply) facts: &'a Facts,
    pub(in crate::apply) deadline: Duration,
}
