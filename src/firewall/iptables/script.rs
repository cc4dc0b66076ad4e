//! Reads an own script again: which rules it makes. Two texts of the same rules may differ in their form.

use super::read::{IptablesError, OwnFamilyChains, parse};
use super::{CHAIN, NatEnd};
use crate::firewall::rules::RuleSet;
use crate::model::AddressFamily;

/// The own chains that a script makes at one end on a kernel without any; none where it makes none.
///
/// # Errors
/// [`IptablesError`] where it is no script.
pub fn of_script(
    script: &str,
    family: AddressFamily,
    end: NatEnd,
) -> Result<Option<OwnFamilyChains>, IptablesError> {
    let jumps = NatEnd::ALL.map(|end| format!("-I {} -j {CHAIN}", end.hook()));
    let mut saved = String::new();
    for line in script.lines() {
        match line.trim() {
            line if jumps.iter().any(|jump| jump == line) => saved.push_str(&line.replacen("-I", "-A", 1)),
            // What was there before goes.
            line if line.starts_with("-D ") || line.starts_with("-X ") => continue,
            line => saved.push_str(line),
        }
        saved.push('\n');
    }
    if saved.trim().is_empty() {
        return Ok(None);
    }
    parse(family, &saved).map(|saved| saved.own(end))
}

/// Whether the own chains that `iptables-save` printed hold the rules of a script that takes a change back,
/// and are in force where it has any. Chains that hold nothing make no difference.
#[must_use]
pub fn same_rules(script: &str, printed: &str, family: AddressFamily) -> bool {
    (NatEnd::ALL.into_iter()).all(|end| same_at(end, script, printed, family))
}

fn same_at(end: NatEnd, script: &str, printed: &str, family: AddressFamily) -> bool {
    let full = |rules: &RuleSet| {
        let mut chains = rules.chains.clone();
        chains.retain(|_, rules| !rules.is_empty());
        chains
    };
    let Ok(wanted) = of_script(script, family, end) else {
        return false;
    };
    let there = match parse(family, printed) {
        Ok(saved) => saved.own(end),
        Err(_) => return false,
    };
    let wanted = wanted.map(|own| full(&own.rules)).unwrap_or_default();
    let hooked = there.as_ref().is_some_and(|own| own.present.jumps > 0);
    let there = there.map(|own| full(&own.rules)).unwrap_or_default();
    wanted == there && (hooked || wanted.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::{PresentChains, replacement, rules};
    use super::*;
    use crate::firewall::{NatEnds, PortAllowlist};
    use crate::model::{AllowedSources, MailService, Network};

    fn allowlists() -> Vec<PortAllowlist> {
        let networks =
            ["198.51.100.7", "203.0.113.0/24", "2001:db8::1"].map(|text| Network::parse(text).unwrap());
        let office = AllowedSources::Only(networks.into_iter().collect());
        vec![
            PortAllowlist { service: MailService::Imap, ports: &[143, 993], allowed: office },
            PortAllowlist { service: MailService::Pop3, ports: &[110, 995], allowed: AllowedSources::Nobody },
        ]
    }

    #[test]
    fn a_script_says_which_rules_it_makes() {
        for family in AddressFamily::ALL {
            for ends in NatEnds::ALL {
                let script = replacement(&allowlists(), family, ends, &PresentChains::default()).unwrap();
                for end in NatEnd::ALL {
                    let own = of_script(&script, family, end).unwrap();
                    assert_eq!(own.is_some(), end.is_among(ends));
                    let Some(own) = own else { continue };
                    assert_eq!(own.rules, rules(&allowlists(), family).unwrap().condensed());
                    assert_eq!(own.present.jumps, 1);
                }
            }
        }
        assert_eq!(of_script("", AddressFamily::Ipv4, NatEnd::Early), Ok(None));
        assert_eq!(of_script("*raw\nCOMMIT\n", AddressFamily::Ipv4, NatEnd::Early), Ok(None));
        assert!(of_script("*raw\n", AddressFamily::Ipv4, NatEnd::Early).is_err());
        assert!(of_script("nonsense\n", AddressFamily::Ipv4, NatEnd::Early).is_err());
    }

    #[test]
    fn the_same_rules_are_known_in_the_form_in_which_they_are_printed() {
        let ends = NatEnds::Both;
        let script =
            replacement(&allowlists(), AddressFamily::Ipv4, ends, &PresentChains::default()).unwrap();
        let printed = "*raw\n:PREROUTING ACCEPT [1:2]\n:OUTPUT ACCEPT [0:0]\n:MAILWARD - [0:0]\n\
            :MAILWARD-imap - [0:0]\n:MAILWARD-own - [0:0]\n:MAILWARD-smtp - [0:0]\n-A PREROUTING -j MAILWARD\n\
            -A MAILWARD-own -j RETURN\n-A MAILWARD -i lo -j RETURN\n"
            .to_owned()
            + &["143", "993", "110", "995"]
                .map(|port| {
                    let target = match port {
                        "143" | "993" => "MAILWARD-imap",
                        _ => "DROP",
                    };
                    format!(
                        "-A MAILWARD -p tcp -m tcp --dport {port} --tcp-flags FIN,SYN,RST,ACK SYN -m addrtype \
                         --dst-type LOCAL -j {target}\n"
                    )
                })
                .join("")
            + "-A MAILWARD-imap -s 198.51.100.7/32 -j RETURN\n-A MAILWARD-imap -s 203.0.113.0/24 -j RETURN\n\
               -A MAILWARD-imap -j DROP\nCOMMIT\n";
        // The same at the other end.
        assert!(!same_rules(&script, &printed, AddressFamily::Ipv4));
        let input = (printed.replace("*raw", "*mangle").replace("PREROUTING", "INPUT"))
            .replace(" -m addrtype --dst-type LOCAL", "");
        let printed = printed + &input;
        assert!(same_rules(&script, &printed, AddressFamily::Ipv4));
        let loose = printed.replace("-A PREROUTING -j MAILWARD\n", "");
        assert!(!same_rules(&script, &loose, AddressFamily::Ipv4));
        let other = printed.replace("203.0.113.0/24", "203.0.113.0/25");
        assert!(!same_rules(&script, &other, AddressFamily::Ipv4));
        assert!(!same_rules("*raw\n:MAILWARD - [0:0]\nCOMMIT\n", &printed, AddressFamily::Ipv4));
        let emptied = "*raw\n:MAILWARD - [0:0]\n-A PREROUTING -j MAILWARD\nCOMMIT\n";
        assert!(same_rules("*raw\n:MAILWARD - [0:0]\nCOMMIT\n", emptied, AddressFamily::Ipv4));
    }
}
