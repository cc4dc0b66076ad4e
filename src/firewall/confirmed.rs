//! What was confirmed last, by the files that a boot loads, and whether the own rules of the kernel are that.
//!
//! Pure. Others may save all rules of a kernel while a change waits, and load them again when it was taken
//! back: what was never confirmed is provisional, whatever brought it. Rules are compared by what they let
//! in, never by their texts.

use super::allowlists::kept;
use super::boot::{BootObserved, FOLDER, state};
use super::effect::FilterStack;
use super::nft::TableOwnership;
use super::observed::ObservedFirewall;
use super::rules::RuleSet;
use super::{PortAllowlist, iptables, nft};
use crate::firewall::step::FilterBackend;
use crate::host::{FileFound, PathExistence};
use crate::model::{AddressFamily, known};

/// The allowlists that were confirmed last, where the own rules of a way are in force and have other ones: no
/// allowlist at all where nothing was confirmed. None where what is in force was confirmed, where nothing is,
/// and where it cannot be told.
#[must_use]
pub fn unconfirmed(
    access: &ObservedFirewall,
    boot: &BootObserved,
    way: FilterBackend,
) -> Option<Vec<PortAllowlist>> {
    let now = in_force(access, way);
    if now.0.is_empty() {
        return None;
    }
    let confirmed = match record(access, boot, way) {
        ConfirmedRules::Of(rules) => rules,
        ConfirmedRules::Nothing => FilterStack::default(),
        ConfirmedRules::Lost | ConfirmedRules::Unread => return None,
    };
    if now == confirmed {
        return None;
    }
    // The same rules may be made in another way, and by a version before.
    let (now, confirmed) = (kept(&now, &[]), kept(&confirmed, &[]));
    (!now.is_empty() && now != confirmed).then_some(confirmed)
}

/// The own rules of a way that packets go through, as far as they can be read.
#[must_use]
pub fn in_force(access: &ObservedFirewall, way: FilterBackend) -> FilterStack {
    let rules = match way {
        FilterBackend::PleskFirewall => Vec::new(),
        FilterBackend::Nftables => match &access.own_nft {
            Ok(Some(table)) if table.mark == TableOwnership::Own => table.own_rules(),
            Ok(_) | Err(_) => Vec::new(),
        },
        FilterBackend::Iptables => (AddressFamily::ALL.into_iter())
            .filter_map(|family| access.own_chains(family).ok())
            .flatten()
            .filter(|chains| chains.own.present.jumps > 0)
            .map(|chains| chains.own.rules.clone())
            .collect(),
    };
    FilterStack(rules)
}

/// What is written down of the own rules of a way that were confirmed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfirmedRules {
    /// They were these.
    Of(FilterStack),
    /// There were none.
    Nothing,
    /// Nothing is written down at all: this host was never changed, or its state was removed.
    Lost,
    /// It cannot be read.
    Unread,
}

/// What is written down of the own rules of a way. They are what comes back at boot, so that there is one
/// truth.
#[must_use]
pub fn record(access: &ObservedFirewall, boot: &BootObserved, way: FilterBackend) -> ConfirmedRules {
    let rules = match way {
        FilterBackend::PleskFirewall => Some(Vec::new()),
        FilterBackend::Nftables => (boot.written.allowlists.get_or_init(|| boot.allowlists()).as_ref())
            .map(|allowlists| nft::rules(allowlists, access.ends_of_nftables())),
        FilterBackend::Iptables => boot.written.chains.get_or_init(|| boot.chains()).clone(),
    };
    let Some(rules) = rules else {
        return ConfirmedRules::Unread;
    };
    match boot.places.get(&known(FOLDER)) {
        _ if !rules.is_empty() => ConfirmedRules::Of(FilterStack(rules)),
        Some(PathExistence::Missing) | None => ConfirmedRules::Lost,
        Some(PathExistence::Unknown(_)) => ConfirmedRules::Unread,
        Some(PathExistence::Folder | PathExistence::File(_) | PathExistence::Other) => {
            ConfirmedRules::Nothing
        }
    }
}

impl BootObserved {
    /// The allowlists that the file for nftables makes. What was written by hand is no longer what was
    /// confirmed.
    fn allowlists(&self) -> Option<Vec<PortAllowlist>> {
        let text = self.text("boot.nft")?;
        let allowlists = text.and_then(|text| nft::allowlists_of(&text));
        Some(allowlists.unwrap_or_default())
    }

    /// The rules of the own chains that the files for iptables make.
    fn chains(&self) -> Option<Vec<RuleSet>> {
        let mut rules = Vec::new();
        for (family, name) in [(AddressFamily::Ipv4, "boot.v4"), (AddressFamily::Ipv6, "boot.v6")] {
            let text = self.text(name)?.unwrap_or_default();
            for end in iptables::NatEnd::ALL {
                let own = iptables::of_script(&text, family, end).unwrap_or_default();
                rules.extend(own.map(|own| own.rules));
            }
        }
        Some(rules)
    }

    /// A file of mailward's state as text, inside none where it is missing; none where that cannot be told.
    fn text(&self, name: &str) -> Option<Option<String>> {
        match self.files.get(&state(name)) {
            None | Some(FileFound::Missing) => Some(None),
            Some(FileFound::File(state)) => Some(Some(String::from_utf8_lossy(&state.bytes).into_owned())),
            Some(FileFound::NotRegular | FileFound::Unreadable(_)) => None,
        }
    }
}
