//! The predefined rule of a mail service: by class, and verified by its ports. Ids differ from host to host,
//! and names are translated.

use super::{OtherProtocols, PacketDirection, PleskRule, PleskRuleId, is_predefined};
use crate::firewall::rules::PortSet;
use crate::model::MailService;

/// Why the predefined rule of a service is not certain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleAmbiguity {
    /// No predefined rule has its ports.
    #[error("no predefined rule for incoming connections has exactly the ports {ports}")]
    None {
        /// The service's ports.
        ports: PortSet,
    },
    /// Several predefined rules have its ports.
    #[error("several predefined rules have exactly its ports")]
    Several {
        /// Them.
        ids: Vec<PleskRuleId>,
    },
    /// The rule with its ports has a class that speaks of something else.
    #[error("the rule with its ports is of the class {class}")]
    OtherClass {
        /// The rule.
        id: PleskRuleId,
        /// Its class.
        class: String,
    },
    /// The rule whose class speaks of the service has other ports.
    #[error("the rule of the class {class} has the ports {ports}")]
    OtherPorts {
        /// The rule.
        id: PleskRuleId,
        /// Its class.
        class: String,
        /// Its ports.
        ports: PortSet,
    },
    /// The rule has parts that are not understood.
    #[error("the rule has parts that are not understood: {}", unknown.join(", "))]
    Unknown {
        /// The rule.
        id: PleskRuleId,
        /// Those.
        unknown: Vec<String>,
    },
    /// The list does not tell classes: nothing says which rules are predefined.
    #[error("the list does not tell the classes of its rules")]
    NoClasses,
}

/// What a class is about, as far as its words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RuleSubject {
    Service(MailService),
    Else,
    Unclear,
}

/// The vendor's words for mail classes are not documented: words that can only mean a service are taken for
/// it.
fn about(class: &str) -> RuleSubject {
    const ELSE: [&str; 14] = [
        "dns",
        "ftp",
        "http",
        "icmp",
        "mysql",
        "panel",
        "ping",
        "plesk",
        "poppassd",
        "postgresql",
        "samba",
        "ssh",
        "tomcat",
        "vpn",
    ];
    if class.contains("submission") || class.contains("msa") {
        RuleSubject::Service(MailService::Submission)
    } else if class.contains("imap") {
        RuleSubject::Service(MailService::Imap)
    } else if ELSE.iter().any(|word| class.contains(word)) {
        RuleSubject::Else
    } else if class.contains("pop3") {
        RuleSubject::Service(MailService::Pop3)
    } else if class.contains("smtp") {
        RuleSubject::Service(MailService::Smtp)
    } else {
        RuleSubject::Unclear
    }
}

/// Finds the position of a service's predefined rule.
///
/// # Errors
/// [`RuleAmbiguity`] unless there is exactly one that can be meant.
pub fn find(list: &[PleskRule], service: MailService) -> Result<usize, RuleAmbiguity> {
    if list.iter().all(|rule| rule.class.is_none()) {
        return Err(RuleAmbiguity::NoClasses);
    }
    let ports = PortSet::single(service.ports());
    let predefined = || {
        list.iter()
            .enumerate()
            .filter(|(_, rule)| is_predefined(rule) && rule.direction == PacketDirection::Input)
    };
    let fits = |rule: &PleskRule| rule.tcp.as_ref() == Some(&ports) && rule.others == OtherProtocols::None;
    let class_of = |rule: &PleskRule| rule.class.clone().unwrap_or_default();
    // One whose class names the service has to have its ports, or the ports have changed their meaning.
    let named =
        predefined().find(|(_, rule)| about(&class_of(rule)) == RuleSubject::Service(service) && !fits(rule));
    if let Some((_, rule)) = named {
        return Err(RuleAmbiguity::OtherPorts {
            id: rule.id.clone(),
            class: class_of(rule),
            ports: rule.tcp.clone().unwrap_or_default(),
        });
    }
    let fitting: Vec<(usize, &PleskRule)> = predefined().filter(|(_, rule)| fits(rule)).collect();
    match fitting.as_slice() {
        [] => Err(RuleAmbiguity::None { ports }),
        [(index, rule)] => match about(&class_of(rule)) {
            RuleSubject::Service(named) if named != service => {
                Err(RuleAmbiguity::OtherClass { id: rule.id.clone(), class: class_of(rule) })
            }
            RuleSubject::Else => {
                Err(RuleAmbiguity::OtherClass { id: rule.id.clone(), class: class_of(rule) })
            }
            RuleSubject::Service(_) | RuleSubject::Unclear if rule.unknown.is_empty() => Ok(*index),
            RuleSubject::Service(_) | RuleSubject::Unclear => {
                Err(RuleAmbiguity::Unknown { id: rule.id.clone(), unknown: rule.unknown.clone() })
            }
        },
        several => {
            Err(RuleAmbiguity::Several { ids: several.iter().map(|(_, rule)| rule.id.clone()).collect() })
        }
    }
}
