//! What every capability is given beside what it knows itself.

/// What the command line allows a plan beyond the safety rules, for once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SafetyOverrides {
    /// So many accounts may change.
    pub account_changes: Option<u32>,
    /// The panel's command may be tried again that was seen to do something else than it should.
    pub panel_command: OverridePermission,
    /// Inbound mail may be cut.
    pub inbound_mail: OverridePermission,
    /// Plesk's firewall may be applied beside Docker.
    pub docker: OverridePermission,
    /// Own rules of which nothing is written down any more may be taken for what was confirmed.
    pub own_rules: OverridePermission,
}

impl SafetyOverrides {
    /// What was allowed when a change was applied need not be allowed again to look at it.
    #[must_use]
    pub(crate) const fn everything() -> Self {
        Self {
            account_changes: Some(u32::MAX),
            panel_command: OverridePermission::Given,
            inbound_mail: OverridePermission::Given,
            docker: OverridePermission::Given,
            // It was taken over when the change began.
            own_rules: OverridePermission::Withheld,
        }
    }
}

/// Whether something is allowed for once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OverridePermission {
    /// It is.
    Given,
    /// It is not.
    #[default]
    Withheld,
}
