//! What the list does: its rules as packet filter rules, first match wins.
//!
//! What the vendor's text leaves open stays open here: whether a list of IPv4 sources alone closes IPv6, whom
//! a country means, and what the policy is where the list does not show it.

use super::{PacketDirection, PleskListRefusal, PleskRule, PleskRuleAction, PleskRuleSource, is_predefined};
use crate::firewall::PortAllowlist;
use crate::firewall::rules::{
    ChainPolicy, ConnectionStage, FilterRule, IncomingInterface, RuleMatch, RuleProtocol, RuleSet, RuleTarget,
};
use crate::model::{AddressFamily, AllowedSources, MailService, Networks};

/// The chain that the list becomes.
const CHAIN: &str = "INPUT";

/// The rules for incoming connections, as Plesk's script loads them: loopback and open connections first,
/// then the list.
#[must_use]
pub fn rules(list: &[PleskRule]) -> RuleSet {
    let mut rules = vec![
        FilterRule {
            when: RuleMatch { stage: Some(ConnectionStage::Established), ..RuleMatch::default() },
            then: RuleTarget::Accept,
        },
        FilterRule::loopback(RuleTarget::Accept),
    ];
    let incoming = list.iter().filter(|rule| rule.direction == PacketDirection::Input);
    let mut policy = ChainPolicy::Unknown;
    for rule in incoming {
        if is_policy(rule) {
            policy = match rule.action {
                PleskRuleAction::Allow => ChainPolicy::Accept,
                PleskRuleAction::Deny => ChainPolicy::Drop,
            };
        } else {
            rules.extend(of(rule));
        }
    }
    RuleSet::of_chain(CHAIN, policy, rules)
}

/// A predefined rule without ports and sources is the policy, wherever it stands.
fn is_policy(rule: &PleskRule) -> bool {
    is_predefined(rule)
        && rule.class.as_ref().is_some_and(|class| class.contains("policy"))
        && rule.tcp.is_none()
        && rule.from.is_empty()
}

fn of(rule: &PleskRule) -> Vec<FilterRule> {
    let mut base = RuleMatch {
        protocol: if rule.tcp.is_some() { RuleProtocol::Tcp } else { RuleProtocol::Any },
        ports: rule.tcp.clone(),
        unknown: rule.unknown.clone(),
        ..RuleMatch::default()
    };
    // A predefined rule without ports is one for a protocol like ICMP, or a policy under an unknown name.
    if is_predefined(rule) && rule.tcp.is_none() {
        base.unknown.push("no ports are listed".to_owned());
    }
    let then = match rule.action {
        PleskRuleAction::Allow => RuleTarget::Accept,
        PleskRuleAction::Deny => RuleTarget::Drop,
    };
    let mut rules = Vec::new();
    let mut families = Networks::default();
    for origin in &rule.from {
        let mut when = base.clone();
        match origin {
            PleskRuleSource::Networks(networks) => {
                families = families.union(networks);
                when.sources = Some(networks.clone());
            }
            PleskRuleSource::Other(text) => when.unknown.push(format!("from {text}")),
        }
        rules.push(FilterRule { when, then: then.clone() });
    }
    if rule.from.is_empty() {
        rules.push(FilterRule { when: base, then });
    } else if is_predefined(rule) {
        // The documented meaning: these are allowed, all others denied.
        for family in AddressFamily::ALL {
            let mut when = base.clone();
            when.family = Some(family);
            if rule.action == PleskRuleAction::Deny {
                when.unknown.push("a predefined rule that denies some".to_owned());
            } else if families.of_family(family).is_empty() {
                when.unknown.push(format!("no {family} source is listed"));
            }
            rules.push(FilterRule {
                when,
                then: match rule.action {
                    PleskRuleAction::Allow => RuleTarget::Drop,
                    PleskRuleAction::Deny => RuleTarget::Accept,
                },
            });
        }
    }
    rules
}

/// The services of which the list would not do what their allowlists say.
pub(super) fn overridden(list: &[PleskRule], allowlists: &[PortAllowlist]) -> Vec<PleskListRefusal> {
    let rules = rules(list);
    let mut refusals = Vec::new();
    for allowlist in allowlists {
        if allowlist.service == MailService::Smtps || super::find(list, allowlist.service).is_err() {
            continue;
        }
        for port in allowlist.ports {
            let reach = rules.reach(*port, IncomingInterface::Other, ConnectionStage::Opening);
            let wanted = allowlist.allowed.networks();
            // A family without any sources may be closed or left to the policy: that is checked in the kernel
            // afterwards.
            let open_question = match &allowlist.allowed {
                AllowedSources::Anyone | AllowedSources::Nobody => Networks::default(),
                AllowedSources::Only(networks) => AddressFamily::ALL
                    .into_iter()
                    .filter(|family| networks.of_family(*family).is_empty())
                    .fold(Networks::default(), |all, family| all.union(&Networks::all_of(family))),
            };
            let as_wanted = reach.accepted.difference(&open_question) == wanted
                && reach.unknown.difference(&open_question).is_empty();
            if !as_wanted {
                refusals.push(PleskListRefusal::Overridden {
                    service: allowlist.service,
                    port: *port,
                    reach: Box::new(reach),
                });
                break;
            }
        }
    }
    refusals
}
