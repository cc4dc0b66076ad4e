//! Whether chains that have mailward's names are mailward's.

use super::{CHAIN, End, MARK, chain_of, is_own};
use crate::access::rules::{On, Ports, Protocol, Rule, RuleSet, Stage, Then, When};
use crate::model::MailService;

/// Whose chains they are that have mailward's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The chain that marks them is there.
    Own,
    /// There is no mark, but they are to the last rule what versions without one made.
    Former,
    /// They have the names alone: somebody else's.
    NameAlone,
}

/// Whose the chains of the table of an end are that have mailward's names; without any of them, nobody's.
#[must_use]
pub fn mark_of(rules: &RuleSet, end: End) -> Mark {
    if rules.chains.contains_key(MARK) {
        return Mark::Own;
    }
    let named = || rules.chains.iter().filter(|(name, _)| is_own(name));
    let jumps = (rules.chains.get(end.hook()).into_iter().flatten())
        .any(|rule| matches!(&rule.then, Then::Jump(to) if to == CHAIN));
    let idle = !jumps && named().all(|(_, rules)| rules.is_empty());
    match !idle && named().all(|(name, rules)| is_former(name, rules)) {
        true => Mark::Former,
        false => Mark::NameAlone,
    }
}

/// Whether this is a chain of a version that set no mark; a change that it took back left them empty, and the jump.
fn is_former(name: &str, rules: &[Rule]) -> bool {
    match rules.split_first() {
        None => true,
        Some((first, others)) if name == CHAIN => {
            *first == Rule::loopback(Then::Return) && others.iter().all(is_dispatch)
        }
        Some(_) => {
            let mut services = MailService::ALL.into_iter();
            services.any(|service| *name == chain_of(service)) && is_list(rules)
        }
    }
}

/// Whether a rule is for first packets to one port, and drops them or looks at the list of a service.
fn is_dispatch(rule: &Rule) -> bool {
    let When {
        family: _,
        protocol,
        ports,
        sources,
        on,
        stage,
        unknown,
    } = &rule.when;
    let then = match &rule.then {
        Then::Drop => true,
        Then::Jump(to) => MailService::ALL
            .into_iter()
            .any(|service| *to == chain_of(service)),
        Then::Accept | Then::Return | Then::Continue | Then::Unknown(_) => false,
    };
    let about_mail = (ports.as_ref()).is_some_and(|ports| {
        let mut all = MailService::ALL.into_iter().flat_map(MailService::ports);
        all.any(|port| *ports == Ports::single(&[*port]))
    });
    let plain = sources.is_none() && *on == On::Any && unknown.is_empty();
    then && about_mail && plain && (*protocol, *stage) == (Protocol::Tcp, Some(Stage::Opening))
}

/// Whether rules are networks that go back, and drop all others.
fn is_list(rules: &[Rule]) -> bool {
    let Some((last, networks)) = rules.split_last() else {
        return false;
    };
    let is_network = |rule: &Rule| {
        let others = When {
            sources: None,
            ..rule.when.clone()
        };
        rule.then == Then::Return && rule.when.sources.is_some() && others == When::default()
    };
    networks.iter().all(is_network) && last.when == When::default() && last.then == Then::Drop
}
