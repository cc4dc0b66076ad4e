//! What is not done and why, or is worth a look.

use serde::{Deserialize, Serialize};

use crate::capability::{CommonNote, PartNote};
use crate::firewall::note::FirewallNote;
use crate::limits::note::LimitsNote;
use crate::panel_access::note::PanelAccessNote;

/// Something that is not done, or worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Note {
    /// Of connection limits.
    Limits(LimitsNote),
    /// Of panel access.
    PanelAccess(PanelAccessNote),
    /// Of who may reach the services.
    Firewall(FirewallNote),
    /// Of no one capability.
    Common(CommonNote),
}

macro_rules! from_part {
    ($($note:ident => $variant:ident),+ $(,)?) => { $(
        impl From<PartNote<$note>> for Note {
            fn from(note: PartNote<$note>) -> Self {
                match note {
                    PartNote::Own(note) => Self::$variant(note),
                    PartNote::Common(note) => Self::Common(note),
                }
            }
        }
    )+ };
}

from_part! { LimitsNote => Limits, PanelAccessNote => PanelAccess, FirewallNote => Firewall }
