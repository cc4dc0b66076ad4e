//! What the list does: its rules as packet filter rules, first match wins.
//!
//! What the vendor's text leaves open stays open here: whether a list of IPv4 sources alone closes IPv6, whom a country
//! means, and what the policy is where the list does not show it.

use super::{Action, Direction, Origin, PleskRule, Refusal, is_predefined};
use crate::access::Gate;
use crate::access::rules::{Interface, Protocol, Rule, RuleSet, Stage, Then, Verdict, When};
use crate::model::{Allowed, Family, MailService, Networks};

/// The chain that the list becomes.
const CHAIN: &str = "INPUT";

/// The rules for incoming connections, as Plesk's script loads them: loopback and open connections first, then the list.
#[must_use]
pub fn rules(list: &[PleskRule]) -> RuleSet {
    let mut rules = vec![
        Rule {
            when: When {
                stage: Some(Stage::Established),
                ..When::default()
            },
            then: Then::Accept,
        },
        Rule::loopback(Then::Accept),
    ];
    let incoming = list
        .iter()
        .filter(|rule| rule.direction == Direction::Input);
    let mut policy = Verdict::Unknown;
    for rule in incoming {
        if is_policy(rule) {
            policy = match rule.action {
                Action::Allow => Verdict::Accept,
                Action::Deny => Verdict::Drop,
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
        && rule
            .class
            .as_ref()
            .is_some_and(|class| class.contains("policy"))
        && rule.tcp.is_none()
        && rule.from.is_empty()
}

fn of(rule: &PleskRule) -> Vec<Rule> {
    let mut base = When {
        protocol: if rule.tcp.is_some() {
            Protocol::Tcp
        } else {
            Protocol::Any
        },
        ports: rule.tcp.clone(),
        unknown: rule.unknown.clone(),
        ..When::default()
    };
    // A predefined rule without ports is one for a protocol like ICMP, or a policy under an unknown name.
    if is_predefined(rule) && rule.tcp.is_none() {
        base.unknown.push("no ports are listed".to_owned());
    }
    let then = match rule.action {
        Action::Allow => Then::Accept,
        Action::Deny => Then::Drop,
    };
    let mut rules = Vec::new();
    let mut families = Networks::default();
    for origin in &rule.from {
        let mut when = base.clone();
        match origin {
            Origin::Networks(networks) => {
                families = families.union(networks);
                when.sources = Some(networks.clone());
            }
            Origin::Other(text) => when.unknown.push(format!("from {text}")),
        }
        rules.push(Rule {
            when,
            then: then.clone(),
        });
    }
    if rule.from.is_empty() {
        rules.push(Rule { when: base, then });
    } else if is_predefined(rule) {
        // The documented meaning: these are allowed, all others denied.
        for family in Family::ALL {
            let mut when = base.clone();
            when.family = Some(family);
            if rule.action == Action::Deny {
                when.unknown
                    .push("a predefined rule that denies some".to_owned());
            } else if families.of_family(family).is_empty() {
                when.unknown.push(format!("no {family} source is listed"));
            }
            rules.push(Rule {
                when,
                then: match rule.action {
                    Action::Allow => Then::Drop,
                    Action::Deny => Then::Accept,
                },
            });
        }
    }
    rules
}

/// The services of which the list would not do what their gates say.
pub(super) fn overridden(list: &[PleskRule], gates: &[Gate]) -> Vec<Refusal> {
    let rules = rules(list);
    let mut refusals = Vec::new();
    for gate in gates {
        if gate.service == MailService::Smtps || super::find(list, gate.service).is_err() {
            continue;
        }
        for port in gate.ports {
            let reach = rules.reach(*port, Interface::Other, Stage::Opening);
            let wanted = gate.allowed.networks();
            // A family without any sources may be closed or left to the policy: that is checked in the kernel afterwards.
            let open_question = match &gate.allowed {
                Allowed::Anyone | Allowed::Nobody => Networks::default(),
                Allowed::Only(networks) => Family::ALL
                    .into_iter()
                    .filter(|family| networks.of_family(*family).is_empty())
                    .fold(Networks::default(), |all, family| {
                        all.union(&Networks::all_of(family))
                    }),
            };
            let as_wanted = reach.accepted.difference(&open_question) == wanted
                && reach.unknown.difference(&open_question).is_empty();
            if !as_wanted {
                refusals.push(Refusal::Overridden {
                    service: gate.service,
                    port: *port,
                    reach: Box::new(reach),
                });
                break;
            }
        }
    }
    refusals
}
