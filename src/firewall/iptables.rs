//! The own chains of iptables and of ip6tables, for kernels without nftables: `MAILWARD` at both ends of
//! address translation, in the table `raw` in front of it and in the table `mangle` behind it.
//!
//! Other tools leave these tables alone, and none of it asks for connection tracking. Only SYNs alone are
//! dropped, so open sessions live on; loopback returns at once. A SYN to a mail port goes through the list of
//! its own service in a chain of its own, any other packet through a handful of rules. No ipset is assumed.
//! Each script is for `iptables-restore --noflush`: of each family one transaction a table.

mod arguments;
mod mark;
mod read;
mod script;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

pub use self::mark::{ChainOwnership, mark_of};
pub use self::read::{IptablesError, OwnFamilyChains, SavedTables, is_own, parse};
pub use self::script::{of_script, same_rules};
use super::rules::{
    ChainPolicy, ConnectionStage, FilterRule, PortSet, RuleMatch, RuleProtocol, RuleSet, RuleTarget,
};
use super::{NatEnds, PortAllowlist};
use crate::model::{AddressFamily, AllowedSources, MailService, Networks};

/// The first own chain; those of services begin with it.
pub const CHAIN: &str = "MAILWARD";

/// The own chain that nothing jumps to, at each end: where it is, all chains of these names are mailward's.
/// Its one rule keeps it from being taken for one that is left over; no comment is needed, which old kernels
/// may lack.
pub const MARK: &str = "MAILWARD-own";

/// One end of address translation, with own chains in a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatEnd {
    /// In front of it, and of connection tracking: packets for addresses of the host itself alone
    /// (`addrtype`).
    Early,
    /// Behind it, where only what is for the host comes to.
    Input,
}

impl NatEnd {
    /// Both, in the order in which packets come to them.
    pub const ALL: [Self; 2] = [Self::Early, Self::Input];

    /// The table.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Early => "raw",
            Self::Input => "mangle",
        }
    }

    /// The chain of the kernel from which [`CHAIN`] is reached.
    #[must_use]
    pub const fn hook(self) -> &'static str {
        match self {
            Self::Early => "PREROUTING",
            Self::Input => "INPUT",
        }
    }

    /// The table's priority there.
    #[must_use]
    pub const fn priority(self) -> i64 {
        match self {
            Self::Early => -300,
            Self::Input => -150,
        }
    }

    /// Whether own chains stand here.
    #[must_use]
    pub fn is_among(self, ends: NatEnds) -> bool {
        match (ends, self) {
            (NatEnds::Both, _) | (NatEnds::InputAlone, Self::Input) => true,
            (NatEnds::InputAlone, Self::Early) => false,
        }
    }
}

/// Where the hook's jump to the own chains is: rules in front of it may let packets pass that it would drop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum JumpPlace {
    /// In front of all other rules of the hook.
    #[default]
    First,
    /// Behind others.
    Behind,
}

/// What is there already, at each end where there is anything.
pub type PresentChains = BTreeMap<NatEnd, PresentAtEnd>;

/// What is there already at one end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresentAtEnd {
    /// How often the hook jumps to [`CHAIN`] without a condition.
    pub jumps: usize,
    /// Where the first of these is.
    pub place: JumpPlace,
    /// The own chains that exist.
    pub chains: BTreeSet<String>,
}

fn chain_of(service: MailService) -> String {
    format!("{CHAIN}-{service}")
}

/// What happens to the SYNs of a service in one family.
enum SynTreatment {
    /// All pass.
    Pass,
    /// All are dropped.
    Drop,
    /// Those from these networks pass.
    Only(Networks),
}

fn packets(allowlist: &PortAllowlist, family: AddressFamily) -> SynTreatment {
    match &allowlist.allowed {
        AllowedSources::Anyone => SynTreatment::Pass,
        AllowedSources::Nobody => SynTreatment::Drop,
        AllowedSources::Only(networks) => match networks.of_family(family) {
            none if none.is_empty() => SynTreatment::Drop,
            some => SynTreatment::Only(some),
        },
    }
}

/// The rules that [`replacement`] makes at each end; equal to what is read back, condensed, when the kernel
/// has them. None where no allowlist restricts anybody.
#[must_use]
pub fn rules(allowlists: &[PortAllowlist], family: AddressFamily) -> Option<RuleSet> {
    let mut set = RuleSet::of_chain(CHAIN, ChainPolicy::Accept, Vec::new());
    set.family = Some(family);
    let mut first = vec![FilterRule::loopback(RuleTarget::Return)];
    for allowlist in allowlists {
        let then = match packets(allowlist, family) {
            SynTreatment::Pass => continue,
            SynTreatment::Drop => RuleTarget::Drop,
            SynTreatment::Only(networks) => {
                let listed = FilterRule {
                    when: RuleMatch { sources: Some(networks), ..RuleMatch::default() },
                    then: RuleTarget::Return,
                };
                let others = FilterRule { when: RuleMatch::default(), then: RuleTarget::Drop };
                let chain = chain_of(allowlist.service);
                set.chains.insert(chain.clone(), vec![listed, others]);
                RuleTarget::Jump(chain)
            }
        };
        first.extend(allowlist.ports.iter().map(|port| FilterRule {
            when: RuleMatch {
                protocol: RuleProtocol::Tcp,
                ports: Some(PortSet::single(&[*port])),
                stage: Some(ConnectionStage::Opening),
                ..RuleMatch::default()
            },
            then: then.clone(),
        }));
    }
    let restricts = first.len() > 1;
    set.chains.insert(CHAIN.to_owned(), first);
    let mark = FilterRule { when: RuleMatch::default(), then: RuleTarget::Return };
    set.chains.insert(MARK.to_owned(), vec![mark]);
    restricts.then_some(set)
}

/// The input of `iptables-restore --noflush` or `ip6tables-restore --noflush` that replaces the own chains of
/// a family; that of [`removal`] where no allowlist restricts anybody. None where there is nothing to do.
///
/// What goes comes last, so that nobody gets in meanwhile.
#[must_use]
pub fn replacement(
    allowlists: &[PortAllowlist],
    family: AddressFamily,
    ends: NatEnds,
    present: &PresentChains,
) -> Option<String> {
    let none = PresentAtEnd::default();
    let (stay, go): (Vec<NatEnd>, Vec<NatEnd>) = NatEnd::ALL.into_iter().partition(|end| end.is_among(ends));
    let there = |end: &NatEnd| present.get(end).unwrap_or(&none);
    let made = (stay.iter()).filter_map(|end| replaced(allowlists, family, *end, there(end)));
    let gone = (go.iter()).filter_map(|end| removed(*end, there(end)));
    let script: String = made.chain(gone).collect();
    (!script.is_empty()).then_some(script)
}

/// The transaction of one end.
fn replaced(
    allowlists: &[PortAllowlist],
    family: AddressFamily,
    end: NatEnd,
    present: &PresentAtEnd,
) -> Option<String> {
    let mut lists = String::new();
    let mut dispatch = String::new();
    let mut needed = BTreeSet::from([CHAIN, MARK].map(str::to_owned));
    for allowlist in allowlists {
        let target = match packets(allowlist, family) {
            SynTreatment::Pass => continue,
            SynTreatment::Drop => "DROP".to_owned(),
            SynTreatment::Only(networks) => {
                let chain = chain_of(allowlist.service);
                for network in networks.iter() {
                    // Writing into a String cannot fail.
                    let _ = writeln!(lists, "-A {chain} -s {network} -j RETURN");
                }
                let _ = writeln!(lists, "-A {chain} -j DROP");
                needed.insert(chain.clone());
                chain
            }
        };
        let local = match end {
            NatEnd::Early => " -m addrtype --dst-type LOCAL",
            NatEnd::Input => "",
        };
        for port in allowlist.ports {
            let _ = writeln!(
                dispatch,
                "-A {CHAIN} -p tcp -m tcp --dport {port} --tcp-flags FIN,SYN,RST,ACK SYN{local} -j {target}"
            );
        }
    }
    if dispatch.is_empty() {
        return removed(end, present);
    }
    let hook = end.hook();
    let mut script = begun(end, needed.union(&present.chains));
    if (present.jumps, present.place) != (1, JumpPlace::First) {
        for _ in 0..present.jumps {
            let _ = writeln!(script, "-D {hook} -j {CHAIN}");
        }
        let _ = writeln!(script, "-I {hook} -j {CHAIN}");
    }
    let _ = write!(script, "-A {MARK} -j RETURN\n-A {CHAIN} -i lo -j RETURN\n{dispatch}{lists}");
    for chain in present.chains.difference(&needed) {
        let _ = writeln!(script, "-X {chain}");
    }
    script.push_str("COMMIT\n");
    Some(script)
}

/// The input of `iptables-restore --noflush` or `ip6tables-restore --noflush` that removes the own chains;
/// none where there are none.
#[must_use]
pub fn removal(present: &PresentChains) -> Option<String> {
    let script: String = (present.iter()).filter_map(|(end, present)| removed(*end, present)).collect();
    (!script.is_empty()).then_some(script)
}

fn removed(end: NatEnd, present: &PresentAtEnd) -> Option<String> {
    if present.jumps == 0 && present.chains.is_empty() {
        return None;
    }
    let mut script = begun(end, present.chains.iter());
    for _ in 0..present.jumps {
        let _ = writeln!(script, "-D {} -j {CHAIN}", end.hook());
    }
    for chain in &present.chains {
        let _ = writeln!(script, "-X {chain}");
    }
    script.push_str("COMMIT\n");
    Some(script)
}

/// The input of `iptables-restore --noflush` or `ip6tables-restore --noflush` that gives the own chains of a
/// family back what they held, by what `iptables-save` printed then, or by the [`replacement`] that was
/// confirmed last. It may be loaded any number of times, also where the replacement that it takes back was
/// never loaded, whole or in part.
///
/// Chains that were not there stay behind, empty, and so does a jump to them: whether one has to go depends
/// on what the kernel has by then, which a script cannot ask. [`removal`] takes them away.
#[must_use]
pub fn revert(saved: &str, before: &PresentChains, replaced_by: Option<&str>) -> String {
    let none = PresentAtEnd::default();
    let later = replaced_by.unwrap_or_default();
    (NatEnd::ALL.into_iter())
        .map(|end| {
            let (saved, later) = (section(saved, end), section(later, end));
            reverted(end, &saved, before.get(&end).unwrap_or(&none), &later)
        })
        .collect()
}

fn reverted(end: NatEnd, saved: &str, before: &PresentAtEnd, later: &str) -> String {
    let made = [later, saved].map(|text| text.lines().filter_map(|line| own_chain(line, ":")));
    let made = made.into_iter().flatten();
    let chains: BTreeSet<String> = before.chains.iter().cloned().chain(made).collect();
    let jump = format!("{} -j {CHAIN}", end.hook());
    // What was confirmed last may have had rules here that were not in force.
    let hooked = before.jumps > 0;
    if chains.is_empty() && !hooked {
        return String::new();
    }
    let mut script = begun(end, chains.iter());
    let later_does = |verb: &str| later.lines().any(|line| line == format!("{verb} {jump}"));
    if hooked && later_does("-D") && !later_does("-I") {
        let _ = writeln!(script, "-I {jump}");
    }
    // Rules that no jump led to were not in force, and a jump that has come since stays.
    let in_force = if hooked { saved } else { "" };
    for line in lines_of(in_force) {
        let _ = writeln!(script, "{line}");
    }
    script.push_str("COMMIT\n");
    script
}

/// The own chains that are there and in which a script that takes a change back has no rule; with the jump to
/// them, where it has none at all.
#[must_use]
pub fn idle(present: &PresentChains, script: &str) -> PresentChains {
    let of_end = |(end, present): (&NatEnd, &PresentAtEnd)| {
        let text = section(script, *end);
        let used: BTreeSet<String> =
            (lines_of(&text).iter()).filter_map(|line| own_chain(line, "-A ")).collect();
        let idle = if used.is_empty() {
            present.clone()
        } else {
            PresentAtEnd {
                jumps: 0,
                place: present.place,
                chains: present.chains.difference(&used).cloned().collect(),
            }
        };
        (*end, idle)
    };
    present.iter().map(of_end).collect()
}

/// The lines of a script, or of what `iptables-save` printed, that are about the table of one end.
#[must_use]
pub fn section(text: &str, end: NatEnd) -> String {
    let mut open = false;
    let mut section = String::new();
    for line in text.lines() {
        match line.strip_prefix('*') {
            Some(table) => open = table == end.table(),
            None if line == "COMMIT" => open = false,
            None if open => {
                section.push_str(line);
                section.push('\n');
            }
            None => {}
        }
    }
    section
}

/// The lines that are rules of own chains, in a script or in what `iptables-save` printed, of one end.
#[must_use]
pub fn own_lines(text: &str, end: NatEnd) -> Vec<String> {
    (lines_of(&section(text, end)).into_iter()).map(str::to_owned).collect()
}

fn lines_of(section: &str) -> Vec<&str> {
    (section.lines()).filter(|line| own_chain(line, "-A ").is_some()).collect()
}

/// How many rules a text has in each own chain of one end.
#[must_use]
pub fn lengths(text: &str, end: NatEnd) -> BTreeMap<String, usize> {
    let mut lengths = BTreeMap::new();
    for chain in (section(text, end).lines()).filter_map(|line| own_chain(line, "-A ")) {
        *lengths.entry(chain).or_default() += 1;
    }
    lengths
}

/// Whether the hook of an end jumps to the own chains, by what `iptables-save` printed.
#[must_use]
pub fn is_hooked(saved: &str, end: NatEnd) -> bool {
    let jump = format!("-A {} -j {CHAIN}", end.hook());
    (section(saved, end).lines()).any(|line| line.trim_end() == jump)
}

/// The own chain that a line is about, if it begins like this.
fn own_chain(line: &str, start: &str) -> Option<String> {
    let name = line.strip_prefix(start)?.split_whitespace().next()?;
    is_own(name).then(|| name.to_owned())
}

/// The beginning of a script: a line of this kind makes a chain or empties it.
fn begun<'c>(end: NatEnd, chains: impl Iterator<Item = &'c String>) -> String {
    let mut script = format!("*{}\n", end.table());
    for chain in chains {
        let _ = writeln!(script, ":{chain} - [0:0]");
    }
    script
}
