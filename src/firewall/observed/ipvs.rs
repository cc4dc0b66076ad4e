//! The kernel's load balancer: which of its services takes connections to a port, and hands them to others.
//!
//! What is in `/proc/net/ip_vs` is read as a layer of its own, behind the filters at `input`. Nothing else of
//! it is known, so that a port which it serves at any address is unclear.

use super::layers::{FilterLayer, NetfilterHook, RulePlace};
use crate::firewall::rules::{
    ChainPolicy, FilterRule, PortSet, RuleMatch, RuleNumbers, RuleProtocol, RuleSet, RuleTarget,
};
use crate::host::FileFound;
use crate::model::AddressFamily;

/// Where it is read.
pub const PATH: &str = "/proc/net/ip_vs";

/// Its priority at `input`.
const PRIORITY: i64 = 98;

/// What it does; none where there is no service of it.
#[must_use]
pub fn layer(found: &FileFound) -> Option<FilterLayer> {
    let rules: Vec<FilterRule> = match found {
        FileFound::Missing => Vec::new(),
        FileFound::File(state) => {
            (String::from_utf8_lossy(&state.bytes).lines().skip(1)).filter_map(service).collect()
        }
        FileFound::NotRegular | FileFound::Unreadable(_) => {
            vec![unclear(PATH, RuleMatch::default())]
        }
    };
    let start = "services";
    (!rules.is_empty()).then(|| FilterLayer {
        place: RulePlace::Ipvs,
        turn: (NetfilterHook::Input, PRIORITY),
        rules: RuleSet::of_chain(start, ChainPolicy::Accept, rules),
        numbers: RuleNumbers::default(),
    })
}

/// The rule that a line is; none where it is the heading, a real server, or of another protocol than TCP.
fn service(line: &str) -> Option<FilterRule> {
    let mut words = line.split_whitespace();
    let mut when = RuleMatch { protocol: RuleProtocol::Tcp, ..RuleMatch::default() };
    match words.next()? {
        // By a mark of packets, whichever port they are for.
        "FWM" => {}
        "TCP" => {
            let (address, port) = words.next()?.rsplit_once(':')?;
            when.family = Some(match address.starts_with('[') {
                true => AddressFamily::Ipv6,
                false => AddressFamily::Ipv4,
            });
            when.ports = match u16::from_str_radix(port, 16) {
                // All ports.
                Ok(0) | Err(_) => None,
                Ok(port) => Some(PortSet::single(&[port])),
            };
        }
        "Prot" | "->" | "UDP" | "SCTP" => return None,
        _ => {}
    }
    Some(unclear(line.trim(), when))
}

fn unclear(text: &str, when: RuleMatch) -> FilterRule {
    FilterRule { when, then: RuleTarget::Unknown(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_takes_its_port_in_its_family_and_one_by_a_mark_all() {
        let rule = |line| service(line).map(|rule| (rule.when.family, rule.when.ports));
        let port = |port: u16| Some(PortSet::single(&[port]));
        assert_eq!(rule("TCP  C0000201:03E1 wlc  "), Some((Some(AddressFamily::Ipv4), port(993))));
        assert_eq!(
            rule("TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:008F rr"),
            Some((Some(AddressFamily::Ipv6), port(143)))
        );
        assert_eq!(rule("TCP  C0000201:0000 wlc persistent 300"), Some((Some(AddressFamily::Ipv4), None)));
        assert_eq!(rule("FWM  00000001 wlc"), Some((None, None)));
        for none in [
            "Prot LocalAddress:Port Scheduler Flags",
            "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn",
            "  -> 0A000002:03E1      Masq    1      0          0         ",
            "UDP  C0000201:0035 wlc",
            "",
        ] {
            assert_eq!(rule(none), None, "{none}");
        }
        assert_eq!(layer(&FileFound::Missing), None);
    }
}
