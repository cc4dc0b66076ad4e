//! Allowlists as rules that are in force have them: what a service's own rules say now, and which services
//! they restrict that nobody names any more.

use super::PortAllowlist;
use super::effect::FilterStack;
use super::rules::{ConnectionStage, IncomingInterface};
use crate::model::{AllowedSources, MailService, Networks};

/// Who may connect to all of these ports by these rules; none where they do not tell, or differ from port to
/// port.
#[must_use]
pub fn of_ports(rules: &FilterStack, ports: &[u16]) -> Option<AllowedSources> {
    let mut all = ports.iter().map(|port| of_port(rules, *port));
    let first = all.next()??;
    all.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

fn of_port(rules: &FilterStack, port: u16) -> Option<AllowedSources> {
    let reach = rules.reach(port, IncomingInterface::Other, ConnectionStage::Opening);
    if !reach.unknown.is_empty() {
        return None;
    }
    Some(if reach.dropped.is_empty() {
        AllowedSources::Anyone
    } else if reach.accepted.is_empty() {
        AllowedSources::Nobody
    } else {
        AllowedSources::Only(reach.accepted)
    })
}

/// The allowlists that these rules have for services that are not among those declared. They stay: what a
/// manifest does not name is not touched.
#[must_use]
pub fn kept(rules: &FilterStack, declared: &[PortAllowlist]) -> Vec<PortAllowlist> {
    let mut kept = Vec::new();
    for service in MailService::ALL {
        let named = |port: &u16| declared.iter().any(|allowlist| allowlist.ports.contains(port));
        let free: Vec<u16> = service.ports().iter().copied().filter(|port| !named(port)).collect();
        let open = |port: u16| of_port(rules, port) == Some(AllowedSources::Anyone);
        let ports: &'static [u16] = match (service, free.as_slice()) {
            // It is set apart, or part of `smtp` below.
            (MailService::Smtps, _) => continue,
            (_, []) => continue,
            (MailService::Smtp, [25, 465]) => {
                let (smtp, smtps) = (of_port(rules, 25), of_port(rules, 465));
                if smtp == smtps {
                    service.ports()
                } else {
                    if !open(465) {
                        kept.push(allowlist(rules, MailService::Smtps, MailService::Smtps.ports()));
                    }
                    &[25]
                }
            }
            (MailService::Smtp, [25]) => &[25],
            (MailService::Smtp, _) => {
                if !open(465) {
                    kept.push(allowlist(rules, MailService::Smtps, MailService::Smtps.ports()));
                }
                continue;
            }
            (_, _) => service.ports(),
        };
        if ports.iter().any(|port| !open(*port)) {
            kept.push(allowlist(rules, service, ports));
        }
    }
    kept.sort_by_key(|allowlist| allowlist.service);
    kept
}

/// A allowlist as the rules have it; where its ports differ, or it cannot be told, the strictest that is
/// certain.
fn allowlist(rules: &FilterStack, service: MailService, ports: &'static [u16]) -> PortAllowlist {
    let allowed = of_ports(rules, ports).unwrap_or_else(|| {
        let all = ports.iter().fold(Networks::everything(), |all, port| {
            let reach = rules.reach(*port, IncomingInterface::Other, ConnectionStage::Opening);
            all.intersection(&reach.accepted)
        });
        if all.is_empty() { AllowedSources::Nobody } else { AllowedSources::Only(all) }
    });
    PortAllowlist { service, ports, allowed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::{NatEnds, nft};
    use crate::model::Network;

    fn networks(texts: &[&str]) -> Networks {
        texts.iter().map(|text| Network::parse(text).unwrap()).collect()
    }

    fn allowlist(service: MailService, ports: &'static [u16], allowed: AllowedSources) -> PortAllowlist {
        PortAllowlist { service, ports, allowed }
    }

    fn rules(allowlists: &[PortAllowlist]) -> FilterStack {
        FilterStack(nft::rules(allowlists, NatEnds::Both))
    }

    #[test]
    fn what_is_not_named_any_more_is_found_again_as_it_was() {
        let office = AllowedSources::Only(networks(&["203.0.113.0/24", "2001:db8::/32"]));
        let all = [
            allowlist(MailService::Imap, &[143, 993], office.clone()),
            allowlist(MailService::Smtp, &[25], AllowedSources::Nobody),
            allowlist(MailService::Smtps, &[465], office.clone()),
            allowlist(MailService::Submission, &[587], AllowedSources::Nobody),
        ];
        let rules = rules(&all);
        assert_eq!(kept(&rules, &[]), all);
        assert_eq!(kept(&rules, &all[..1]), all[1..]);
        let whole = allowlist(MailService::Smtp, &[25, 465], AllowedSources::Anyone);
        assert_eq!(kept(&rules, std::slice::from_ref(&whole)), [all[0].clone(), all[3].clone()]);
        assert_eq!(kept(&rules, &[all[2].clone()]), [all[0].clone(), all[1].clone(), all[3].clone()]);
        assert_eq!(of_ports(&rules, &[143, 993]), Some(office));
        assert_eq!(of_ports(&rules, &[25, 465]), None);
        assert_eq!(of_ports(&rules, &[110]), Some(AllowedSources::Anyone));
        assert_eq!(kept(&FilterStack::default(), &[]), []);
    }

    #[test]
    fn smtp_of_both_ports_stays_one_service() {
        let whole = [allowlist(MailService::Smtp, &[25, 465], AllowedSources::Nobody)];
        assert_eq!(kept(&rules(&whole), &[]), whole);
    }
}
