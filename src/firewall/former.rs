//! Own rules that a version before made, at one end of address translation alone: what it left to be
//! confirmed is judged by what it has loaded, not by what this version would load. Pure.

use super::iptables::{self, NatEnd, PresentChains};
use super::methods::{FamilyLoadMethod, LoadMethod};
use super::nft;
use super::observed::ObservedFirewall;
use super::{NatEnds, PortAllowlist};

/// Whether the kernel has the rules that a plan would make, as a version before made them. `loaded` is what
/// `nft` was last given.
///
/// Of a table of nftables at one end only that text tells whether it was made so or lacks what somebody took
/// out of it; chains of iptables had no mark then.
#[must_use]
pub fn is_made(observed: &ObservedFirewall, how: &LoadMethod, loaded: Option<&str>) -> bool {
    match how {
        LoadMethod::Nftables { allowlists, .. } => {
            let made = |table: &nft::NftTable| {
                table.mark == nft::TableOwnership::Own && table.is_made_of(allowlists, NatEnds::InputAlone)
            };
            (observed.own_nft.as_ref()).is_ok_and(|table| table.as_ref().is_some_and(made))
                && loaded == Some(nft::script(allowlists, NatEnds::InputAlone).as_str())
        }
        LoadMethod::Iptables { families, allowlists } => {
            (families.iter()).all(|family| chains_are_made(observed, family, allowlists))
        }
        LoadMethod::PleskFirewall { .. } => false,
    }
}

fn chains_are_made(
    observed: &ObservedFirewall,
    how: &FamilyLoadMethod,
    allowlists: &[PortAllowlist],
) -> bool {
    let Ok([one]) = observed.own_chains(how.family) else {
        return false;
    };
    let script = iptables::replacement(allowlists, how.family, NatEnds::Both, &PresentChains::default());
    let lengths = script.map(|script| {
        let mut lengths = iptables::lengths(&script, NatEnd::Early);
        lengths.remove(iptables::MARK);
        lengths
    });
    let rules = iptables::rules(allowlists, how.family).map(|mut rules| {
        rules.chains.remove(iptables::MARK);
        rules.condensed()
    });
    one.end == NatEnd::Early
        && one.own.mark == iptables::ChainOwnership::Former
        && rules.as_ref() == Some(&one.own.rules)
        && lengths.as_ref() == Some(&one.own.lengths)
        && one.own.present.jumps == 1
        && one.own.before.is_empty()
}
