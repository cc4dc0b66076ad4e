//! What was confirmed last, by the files that a boot loads, and whether the own rules of the kernel are that.
//!
//! Pure. Others may save all rules of a kernel while a change waits, and load them again when it was taken back: what was
//! never confirmed is provisional, whatever brought it. Rules are compared by what they let in, never by their texts.

use std::sync::OnceLock;

use super::boot::{BootObserved, FOLDER, state};
use super::effect::Filters;
use super::gates::kept;
use super::nft::Mark;
use super::observed::AccessObserved;
use super::rules::RuleSet;
use super::{Gate, iptables, nft};
use crate::host::{Existence, Found};
use crate::model::{Family, known};
use crate::plan::Way;

/// The gates that were confirmed last, where the own rules of a way are in force and have other ones: no gate at all where
/// nothing was confirmed. None where what is in force was confirmed, where nothing is, and where it cannot be told.
#[must_use]
pub fn unconfirmed(access: &AccessObserved, boot: &BootObserved, way: Way) -> Option<Vec<Gate>> {
    let now = in_force(access, way);
    if now.0.is_empty() {
        return None;
    }
    let confirmed = match record(access, boot, way) {
        Record::Of(rules) => rules,
        Record::Nothing => Filters::default(),
        Record::Lost | Record::Unread => return None,
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
pub fn in_force(access: &AccessObserved, way: Way) -> Filters {
    let rules = match way {
        Way::PleskFirewall => Vec::new(),
        Way::Nftables => match &access.own_nft {
            Ok(Some(table)) if table.mark == Mark::Own => table.own_rules(),
            Ok(_) | Err(_) => Vec::new(),
        },
        Way::Iptables => (Family::ALL.into_iter())
            .filter_map(|family| access.own_chains(family).ok())
            .flatten()
            .filter(|chains| chains.own.present.jumps > 0)
            .map(|chains| chains.own.rules.clone())
            .collect(),
    };
    Filters(rules)
}

/// What is written down of the own rules of a way that were confirmed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// They were these.
    Of(Filters),
    /// There were none.
    Nothing,
    /// Nothing is written down at all: this host was never changed, or its state was removed.
    Lost,
    /// It cannot be read.
    Unread,
}

/// What is written down of the own rules of a way. They are what comes back at boot, so that there is one truth.
#[must_use]
pub fn record(access: &AccessObserved, boot: &BootObserved, way: Way) -> Record {
    let rules = match way {
        Way::PleskFirewall => Some(Vec::new()),
        Way::Nftables => (boot.written.gates.get_or_init(|| boot.gates()).as_ref())
            .map(|gates| nft::rules(gates, access.ends_of_nftables())),
        Way::Iptables => boot.written.chains.get_or_init(|| boot.chains()).clone(),
    };
    let Some(rules) = rules else {
        return Record::Unread;
    };
    match boot.places.get(&known(FOLDER)) {
        _ if !rules.is_empty() => Record::Of(Filters(rules)),
        Some(Existence::Missing) | None => Record::Lost,
        Some(Existence::Unknown(_)) => Record::Unread,
        Some(Existence::Folder | Existence::File(_) | Existence::Other) => Record::Nothing,
    }
}

/// What the files of rules say; none where they cannot be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    gates: OnceLock<Option<Vec<Gate>>>,
    chains: OnceLock<Option<Vec<RuleSet>>>,
}

impl BootObserved {
    /// The gates that the file for nftables makes. What was written by hand is no longer what was confirmed.
    fn gates(&self) -> Option<Vec<Gate>> {
        let text = self.text("boot.nft")?;
        let gates = text.and_then(|text| nft::gates_of(&text));
        Some(gates.unwrap_or_default())
    }

    /// The rules of the own chains that the files for iptables make.
    fn chains(&self) -> Option<Vec<RuleSet>> {
        let mut rules = Vec::new();
        for (family, name) in [(Family::Ipv4, "boot.v4"), (Family::Ipv6, "boot.v6")] {
            let text = self.text(name)?.unwrap_or_default();
            for end in iptables::End::ALL {
                let own = iptables::of_script(&text, family, end).unwrap_or_default();
                rules.extend(own.map(|own| own.rules));
            }
        }
        Some(rules)
    }

    /// A file of mailward's state as text, inside none where it is missing; none where that cannot be told.
    fn text(&self, name: &str) -> Option<Option<String>> {
        match self.files.get(&state(name)) {
            None | Some(Found::Missing) => Some(None),
            Some(Found::File(state)) => {
                Some(Some(String::from_utf8_lossy(&state.bytes).into_owned()))
            }
            Some(Found::NotRegular | Found::Unreadable(_)) => None,
        }
    }
}
