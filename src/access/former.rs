//! Own rules that a version before made, at one end of address translation alone: what it left to be confirmed is judged by
//! what it has loaded, not by what this version would load. Pure.

use super::how::{FamilyHow, SourceHow};
use super::iptables::{self, End, Presents};
use super::nft;
use super::observed::AccessObserved;
use super::{Ends, Gate};

/// Whether the kernel has the rules that a plan would make, as a version before made them. `loaded` is what `nft` was last
/// given.
///
/// Of a table of nftables at one end only that text tells whether it was made so or lacks what somebody took out of it; chains of
/// iptables had no mark then.
#[must_use]
pub fn is_made(observed: &AccessObserved, how: &SourceHow, loaded: Option<&str>) -> bool {
    match how {
        SourceHow::Nftables { gates, .. } => {
            let made = |table: &nft::Table| {
                table.mark == nft::Mark::Own && table.is_made_of(gates, Ends::InputAlone)
            };
            (observed.own_nft.as_ref()).is_ok_and(|table| table.as_ref().is_some_and(made))
                && loaded == Some(nft::script(gates, Ends::InputAlone).as_str())
        }
        SourceHow::Iptables { families, gates } => {
            (families.iter()).all(|family| chains_are_made(observed, family, gates))
        }
        SourceHow::PleskFirewall { .. } => false,
    }
}

fn chains_are_made(observed: &AccessObserved, how: &FamilyHow, gates: &[Gate]) -> bool {
    let Ok([one]) = observed.own_chains(how.family) else {
        return false;
    };
    let script = iptables::replacement(gates, how.family, Ends::Both, &Presents::default());
    let lengths = script.map(|script| {
        let mut lengths = iptables::lengths(&script, End::Early);
        lengths.remove(iptables::MARK);
        lengths
    });
    let rules = iptables::rules(gates, how.family).map(|mut rules| {
        rules.chains.remove(iptables::MARK);
        rules.condensed()
    });
    one.end == End::Early
        && one.own.mark == iptables::Mark::Former
        && rules.as_ref() == Some(&one.own.rules)
        && lengths.as_ref() == Some(&one.own.lengths)
        && one.own.present.jumps == 1
        && one.own.before.is_empty()
}
