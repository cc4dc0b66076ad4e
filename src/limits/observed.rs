//! The state of what connection limits are about.

use super::courier::CourierFiles;
use super::panel::PanelCommand;
use super::xinetd::XinetdFiles;

/// The files and the command that hold connection limits; none where the manifest does not concern them.
#[derive(Debug, Clone, Default)]
pub struct ObservedLimits {
    /// Courier's files.
    pub courier: Option<CourierFiles>,
    /// The panel's command.
    pub panel: Option<PanelCommand>,
    /// xinetd's files.
    pub xinetd: Option<XinetdFiles>,
}
