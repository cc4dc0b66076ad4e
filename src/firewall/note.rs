//! What is worth a look about who may reach the services.

use serde::{Deserialize, Serialize};

use super::observed::PacketEntrance;
use super::step::FilterBackend;

/// Something about who may reach the services that is worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum FirewallNote {
    /// A change of who may reach services is live and waits for its confirmation.
    Waits {
        /// How long it still does, in seconds; 0 where it is being taken back.
        seconds: u64,
    },
    /// A change of who may reach services is live, and the timer that would take it back has ended.
    Unwatched {
        /// How long it may still be confirmed, in seconds.
        seconds: u64,
    },
    /// Where somebody can get in anew to confirm the change of who may reach services that this plan makes.
    ToConfirm {
        /// Where; nowhere where nobody will be able to.
        at: Vec<PacketEntrance>,
    },
    /// Own rules are in force that are not those that were confirmed last, and no change waits.
    NeverConfirmed {
        /// Which rules.
        way: FilterBackend,
    },
    /// The change of who may reach services that waits is not in force: something has loaded other rules.
    Displaced {
        /// Which are in force instead.
        by: DisplacingRules,
    },
}

/// Which own rules are in force instead of those that wait for their confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DisplacingRules {
    /// Those that were confirmed last, or none.
    Before,
    /// Others.
    Others,
}
