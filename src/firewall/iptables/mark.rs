//! Whether chains that have mailward's names are mailward's.

use super::{CHAIN, MARK, NatEnd, chain_of, is_own};
use crate::firewall::rules::{
    ConnectionStage, FilterRule, PortSet, RuleInterfaces, RuleMatch, RuleProtocol, RuleSet, RuleTarget,
};
use crate::model::MailService;

/// Whose chains they are that have mailward's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainOwnership {
    /// The chain that marks them is there.
    Own,
    /// There is no mark, but they are to the last rule what versions without one made.
    Former,
    /// They have the names alone: somebody else's.
    NameAlone,
}

/// Whose the chains of the table of an end are that have mailward's names; without any of them, nobody's.
#[must_use]
pub fn mark_of(rules: &RuleSet, end: NatEnd) -> ChainOwnership {
    if rules.chains.contains_key(MARK) {
        return ChainOwnership::Own;
    }
    let named = || rules.chains.iter().filter(|(name, _)| is_own(name));
    let jumps = (rules.chains.get(end.hook()).into_iter().flatten())
        .any(|rule| matches!(&rule.then, RuleTarget::Jump(to) if to == CHAIN));
    let idle = !jumps && named().all(|(_, rules)| rules.is_empty());
    match !idle && named().all(|(name, rules)| is_former(name, rules)) {
        true => ChainOwnership::Former,
        false => ChainOwnership::NameAlone,
    }
}

/// Whether this is a chain of a version that set no mark; a change that it took back left them empty, and the
/// jump.
fn is_former(name: &str, rules: &[FilterRule]) -> bool {
    match rules.split_first() {
        None => true,
        Some((first, others)) if name == CHAIN => {
            *first == FilterRule::loopback(RuleTarget::Return) && others.iter().all(is_dispatch)
        }
        Some(_) => {
            let mut services = MailService::ALL.into_iter();
            services.any(|service| *name == chain_of(service)) && is_list(rules)
        }
    }
}

/// Whether a rule is for first packets to one port, and drops them or looks at the list of a service.
fn is_dispatch(rule: &FilterRule) -> bool {
    let RuleMatch { family: _, protocol, ports, sources, on, stage, unknown } = &rule.when;
    let then = match &rule.then {
        RuleTarget::Drop => true,
        RuleTarget::Jump(to) => MailService::ALL.into_iter().any(|service| *to == chain_of(service)),
        RuleTarget::Accept | RuleTarget::Return | RuleTarget::Continue | RuleTarget::Unknown(_) => false,
    };
    let about_mail = (ports.as_ref()).is_some_and(|ports| {
        let mut all = MailService::ALL.into_iter().flat_map(MailService::ports);
        all.any(|port| *ports == PortSet::single(&[*port]))
    });
    let plain = sources.is_none() && *on == RuleInterfaces::Any && unknown.is_empty();
    then && about_mail && plain && (*protocol, *stage) == (RuleProtocol::Tcp, Some(ConnectionStage::Opening))
}

/// Whether rules are networks that go back, and drop all others.
fn is_list(rules: &[FilterRule]) -> bool {
    let Some((last, networks)) = rules.split_last() else {
        return false;
    };
    let is_network = |rule: &FilterRule| {
        let others = RuleMatch { sources: None, ..rule.when.clone() };
        rule.then == RuleTarget::Return && rule.when.sources.is_some() && others == RuleMatch::default()
    };
    networks.iter().all(is_network) && last.when == RuleMatch::default() && last.then == RuleTarget::Drop
}
