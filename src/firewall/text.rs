//! The words of who may reach a service.

use super::note::{DisplacingRules, FirewallNote};
use super::observed::PacketEntrance;
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

/// What a note says.
#[must_use]
pub fn note(note: &FirewallNote) -> String {
    match note {
        FirewallNote::Waits { seconds: 0 } => {
            "a change of access that nobody confirmed is being taken back".to_owned()
        }
        FirewallNote::Waits { seconds } => format!(
            "a change of access waits for its confirmation, and goes back by itself in {seconds} s"
        ),
        FirewallNote::Unwatched { seconds } => format!(
            "a change of access is live, and the timer that would take it back in {seconds} s has ended: \
             run `mailward revert` to take it back now, or `mailward confirm` over a new connection to keep it"
        ),
        FirewallNote::ToConfirm { at } => to_confirm(at).to_owned(),
        FirewallNote::NeverConfirmed { way } => format!(
            "{} was never confirmed as it is: something has changed it, or brought back what was taken back; \
             `mailward revert` takes it back to what was confirmed last, and an apply has it confirmed",
            way.words()
        ),
        FirewallNote::Displaced {
            by: DisplacingRules::Before,
        } => "the change that waits is not in force: the rules of before are there already, since something has loaded \
              them, e.g. `mailward-access` when it was restarted; `mailward revert` ends it"
            .to_owned(),
        FirewallNote::Displaced {
            by: DisplacingRules::Others,
        } => "the change that waits is not in force: something has loaded other rules; `mailward revert` ends it".to_owned(),
    }
}

/// Who will be able to confirm a change.
fn to_confirm(at: &[PacketEntrance]) -> &'static str {
    match (at.contains(&PacketEntrance::Ssh), at.contains(&PacketEntrance::Console)) {
        (true, true) => {
            "the change of access is to be confirmed over a new ssh connection from outside, or at the console"
        }
        (true, false) => "the change of access is to be confirmed over a new ssh connection from outside",
        (false, true) => {
            "the change of access is to be confirmed at the console: sshd is not seen to listen here"
        }
        (false, false) => {
            "nobody will be able to confirm the change of access, and it will go back: sshd is not seen to listen here, and no login waits at a console"
        }
    }
}
