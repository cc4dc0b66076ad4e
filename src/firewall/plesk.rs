//! The rules of Plesk's own firewall: the list that its command prints, the predefined rules of mail services
//! in it, the list as it will be, and what that does.
//!
//! A custom rule restricts nothing as long as the predefined one lets everybody in, so it is the predefined
//! rule's own sources that are set. An empty list of sources means everybody there, and is never sent.

mod effect;
mod find;
pub mod kernel;
mod list;

use serde::{Deserialize, Serialize};

pub use self::effect::rules;
pub use self::find::{RuleAmbiguity, find};
pub use self::list::{PleskListError, parse};
use super::PortAllowlist;
use super::rules::{PortSet, SourceReach};
use crate::model::{AllowedSources, MailService, Networks};

/// What identifies a rule in one list; another time it may be another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PleskRuleId(String);

impl PleskRuleId {
    /// Checks a text: digits only, since it becomes an argument of the vendor's command.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let good = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        good.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which packets a rule of the list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PacketDirection {
    /// Those that come in.
    Input,
    /// Those that go out.
    Output,
    /// Those that are forwarded.
    Forward,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PleskRuleAction {
    /// Lets in: everybody, or only its sources.
    Allow,
    /// Keeps out.
    Deny,
}

/// A source that is written in a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PleskRuleSource {
    /// Addresses.
    Networks(Networks),
    /// Something else, as a country; whom it means is not known here.
    Other(String),
}

/// A rule of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PleskRule {
    /// Its id.
    pub id: PleskRuleId,
    /// Its class; `custom` for rules that somebody has made. None where the list does not tell.
    pub class: Option<String>,
    /// Its name as shown, in the language of whoever made it; nothing is found by it.
    pub name: Option<String>,
    /// Its direction.
    pub direction: PacketDirection,
    /// What it does.
    pub action: PleskRuleAction,
    /// Its TCP ports; none where it is about all ports.
    pub tcp: Option<PortSet>,
    /// Whether it is about UDP ports or other protocols too.
    pub others: OtherProtocols,
    /// Its sources; empty for everybody.
    pub from: Vec<PleskRuleSource>,
    /// Parts of it that are not understood, as they are written.
    pub unknown: Vec<String>,
}

/// Whether a rule concerns more than TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherProtocols {
    /// TCP alone, or all protocols at once.
    None,
    /// Ports of UDP, or ICMP.
    Some,
}

/// A change of one predefined rule, complete for the vendor's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PleskRuleChange {
    /// The service for which it is changed.
    pub service: MailService,
    /// The rule.
    pub id: PleskRuleId,
    /// What it shall do.
    pub action: PleskRuleAction,
    /// Its new sources, never empty; none where they stay as they are.
    pub from: Option<Networks>,
}

/// The list as it will be, and the changes that make it so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPleskList {
    /// The changes, in the order of the services; none where the list is as wanted.
    pub changes: Vec<PleskRuleChange>,
    /// The whole list afterwards.
    pub list: Vec<PleskRule>,
}

/// Why the list cannot be made what the allowlists say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PleskListRefusal {
    /// `smtps` has no rule of its own.
    #[error("Plesk's firewall cannot set smtps apart from smtp: its one rule opens 25 and 465 together")]
    SmtpsApart,
    /// The predefined rule is not certain.
    #[error("which rule of Plesk's firewall is that of {service} is not certain")]
    Ambiguous {
        /// The service.
        service: MailService,
        /// Why.
        #[source]
        why: RuleAmbiguity,
    },
    /// Other rules of the list undo it.
    #[error("another rule of Plesk's firewall decides about port {port} of {service} first")]
    Overridden {
        /// The service.
        service: MailService,
        /// The first port of which that is so.
        port: u16,
        /// What would be so.
        reach: Box<SourceReach>,
    },
}

/// Makes the list what the allowlists say.
///
/// # Errors
/// All [`PleskListRefusal`]s, in the order of the services.
pub fn plan(
    list: &[PleskRule],
    allowlists: &[PortAllowlist],
) -> Result<PlannedPleskList, Vec<PleskListRefusal>> {
    let mut refusals = Vec::new();
    let mut planned = PlannedPleskList { changes: Vec::new(), list: list.to_vec() };
    for allowlist in allowlists {
        let service = allowlist.service;
        if service == MailService::Smtps {
            refusals.push(PleskListRefusal::SmtpsApart);
            continue;
        }
        let index = match find(list, service) {
            Ok(index) => index,
            Err(why) => {
                refusals.push(PleskListRefusal::Ambiguous { service, why });
                continue;
            }
        };
        let (Some(rule), Some(new)) = (list.get(index), planned.list.get_mut(index)) else {
            continue;
        };
        let sources = sources(rule);
        let is_everybody = sources.as_ref() == Some(&Networks::everything());
        let open = rule.from.is_empty() || is_everybody;
        // Where a rule has sources they are set to everybody: whether the command can empty them is not
        // documented.
        let everybody = || (!open).then(Networks::everything);
        let allowed = match &allowlist.allowed {
            AllowedSources::Only(networks) if networks.is_empty() => &AllowedSources::Nobody,
            allowed => allowed,
        };
        let (action, from) = match (allowed, rule.action) {
            (AllowedSources::Anyone, PleskRuleAction::Allow)
            | (AllowedSources::Nobody, PleskRuleAction::Deny)
                if open =>
            {
                continue;
            }
            (AllowedSources::Anyone, PleskRuleAction::Allow | PleskRuleAction::Deny) => {
                (PleskRuleAction::Allow, everybody())
            }
            (AllowedSources::Nobody, PleskRuleAction::Allow | PleskRuleAction::Deny) => {
                (PleskRuleAction::Deny, everybody())
            }
            (AllowedSources::Only(wanted), PleskRuleAction::Allow) if sources.as_ref() == Some(wanted) => {
                continue;
            }
            (AllowedSources::Only(wanted), PleskRuleAction::Allow | PleskRuleAction::Deny) => {
                (PleskRuleAction::Allow, Some(wanted.clone()))
            }
        };
        new.action = action;
        if let Some(from) = &from {
            new.from = vec![PleskRuleSource::Networks(from.clone())];
        }
        planned.changes.push(PleskRuleChange { service, id: rule.id.clone(), action, from });
    }
    refusals.extend(effect::overridden(&planned.list, allowlists));
    if refusals.is_empty() { Ok(planned) } else { Err(refusals) }
}

/// All sources of a rule, if they are addresses only.
fn sources(rule: &PleskRule) -> Option<Networks> {
    rule.from.iter().try_fold(Networks::default(), |all, origin| match origin {
        PleskRuleSource::Networks(networks) => Some(all.union(networks)),
        PleskRuleSource::Other(_) => None,
    })
}

/// Whether a rule was made by Plesk for a service, as opposed to by somebody.
fn is_predefined(rule: &PleskRule) -> bool {
    rule.class.as_ref().is_some_and(|class| class != "custom")
}
