//! Reads an own script again: which allowlists it makes.
//!
//! Only what [`super::script`] writes is understood, however it is broken into lines; anything else is no
//! script.

use std::collections::BTreeMap;

use super::{CHAIN, EARLY, EARLY_PRIORITY, LOCAL, OPENING, PRIORITY, TABLE};
use crate::firewall::PortAllowlist;
use crate::model::{AllowedSources, MailService, Network, Networks};

/// The allowlists that a script makes; none where it is not one of mailward's.
#[must_use]
pub fn allowlists(script: &str) -> Option<Vec<PortAllowlist>> {
    let mut words = script
        .split(|c: char| c.is_whitespace() || c == ',' || c == ';')
        .filter(|word| !word.is_empty())
        .peekable();
    let mut all = Vec::new();
    while let Some(word) = words.next() {
        let rest = [words.next()?, words.next()?];
        if !matches!(word, "add" | "delete" | "table" | "destroy") {
            return None;
        }
        let rest = match (word, rest) {
            ("table", rest) => rest,
            (_, ["table", family]) => [family, words.next()?],
            (_, _) => return None,
        };
        if rest != ["inet", TABLE] {
            return None;
        }
        if words.next_if_eq(&"{").is_some() {
            all.extend(table(&mut words)?);
        }
    }
    Some(all)
}

fn table<'s>(words: &mut impl Iterator<Item = &'s str>) -> Option<Vec<PortAllowlist>> {
    let mut sets: BTreeMap<&str, Networks> = BTreeMap::new();
    let (mut early, mut allowlists) = (None, None);
    loop {
        match words.next()? {
            "}" => break,
            "set" => {
                let name = words.next()?;
                sets.insert(name, set(words)?);
            }
            "chain" => {
                let (name, brace) = (words.next()?, words.next()?);
                let slot = match name {
                    EARLY => &mut early,
                    CHAIN => &mut allowlists,
                    _ => return None,
                };
                if brace != "{" || slot.is_some() {
                    return None;
                }
                *slot = Some(chain(words, name, &sets)?);
            }
            _ => return None,
        }
    }
    // Both ends have the same lists; a version before had one.
    (early.is_none() || early == allowlists).then_some(allowlists?)
}

fn set<'s>(words: &mut impl Iterator<Item = &'s str>) -> Option<Networks> {
    let mut networks = Vec::new();
    if words.next()? != "{" || words.next()? != "type" {
        return None;
    }
    words.next()?;
    if [words.next()?, words.next()?] != ["flags", "interval"] {
        return None;
    }
    if [words.next()?, words.next()?, words.next()?] != ["elements", "=", "{"] {
        return None;
    }
    loop {
        match words.next()? {
            "}" => break,
            network => networks.push(Network::parse(network).ok()?),
        }
    }
    (words.next()? == "}").then(|| networks.into_iter().collect())
}

/// A chain's rules: what comes first to pass in any case, then a block for each allowlist, which ends with
/// its drop.
fn chain<'s>(
    words: &mut impl Iterator<Item = &'s str>,
    name: &str,
    sets: &BTreeMap<&str, Networks>,
) -> Option<Vec<PortAllowlist>> {
    let (before, packets) = if name == EARLY {
        (
            format!(
                "type filter hook prerouting priority {EARLY_PRIORITY} policy accept iifname \"lo\" accept"
            ),
            format!("{OPENING} {LOCAL}"),
        )
    } else {
        (
            format!(
                "type filter hook input priority {PRIORITY} policy accept \
                 iifname \"lo\" accept comment \"mailward\" ct state established related accept"
            ),
            OPENING.to_owned(),
        )
    };
    if !are(words, &before) {
        return None;
    }
    let mut allowlists = Vec::new();
    let mut open: Option<(Vec<u16>, Networks)> = None;
    loop {
        match words.next()? {
            "}" => return open.is_none().then_some(allowlists),
            "tcp" => {}
            _ => return None,
        }
        if [words.next()?, words.next()?] != ["dport", "{"] {
            return None;
        }
        let mut ports = Vec::new();
        loop {
            match words.next()? {
                "}" => break,
                port => ports.push(port.parse().ok()?),
            }
        }
        if !are(words, &packets) {
            return None;
        }
        let networks = match open.take() {
            None => Networks::default(),
            Some((of, networks)) if of == ports => networks,
            Some(_) => return None,
        };
        match words.next()? {
            "drop" => allowlists.push(allowlist(&ports, networks)?),
            "ip" | "ip6" => {
                let ["saddr", set, "accept"] = [words.next()?, words.next()?, words.next()?] else {
                    return None;
                };
                let more = sets.get(set.strip_prefix('@')?)?;
                open = Some((ports, networks.union(more)));
            }
            _ => return None,
        }
    }
}

/// Whether these words come next.
fn are<'s>(words: &mut impl Iterator<Item = &'s str>, wanted: &str) -> bool {
    (wanted.split_whitespace()).all(|wanted| words.next() == Some(wanted))
}

fn allowlist(ports: &[u16], networks: Networks) -> Option<PortAllowlist> {
    let own = |service: MailService| {
        // `smtps` may be set apart.
        [service.ports(), &[25]]
            .into_iter()
            .find(|own| *own == ports && (*own != [25] || service == MailService::Smtp))
            .map(|ports| (service, ports))
    };
    let (service, ports) = MailService::ALL.into_iter().find_map(own)?;
    Some(PortAllowlist {
        service,
        ports,
        allowed: if networks.is_empty() { AllowedSources::Nobody } else { AllowedSources::Only(networks) },
    })
}

#[cfg(test)]
mod tests {
    use super::super::{REMOVAL, script};
    use super::*;
    use crate::firewall::NatEnds;

    fn only(texts: &[&str]) -> AllowedSources {
        let networks = texts.iter().map(|text| Network::parse(text).unwrap());
        AllowedSources::Only(networks.collect())
    }

    fn example() -> Vec<PortAllowlist> {
        let office = only(&["198.51.100.7", "203.0.113.0/24", "2001:db8::/32"]);
        let allowlist = |service, ports, allowed| PortAllowlist { service, ports, allowed };
        vec![
            allowlist(MailService::Imap, &[143, 993], office),
            allowlist(MailService::Pop3, &[110, 995], AllowedSources::Nobody),
            allowlist(MailService::Smtp, &[25], only(&["2001:db8::1"])),
            allowlist(MailService::Smtps, &[465], only(&["192.0.2.0/25"])),
        ]
    }

    #[test]
    fn a_script_says_which_allowlists_it_makes() {
        for ends in NatEnds::ALL {
            assert_eq!(allowlists(&script(&example(), ends)), Some(example()));
        }
        assert_eq!(allowlists(REMOVAL), Some(Vec::new()));
        assert_eq!(allowlists(""), Some(Vec::new()));
        let otherwise = script(&example(), NatEnds::Both).replace("\n\t", " ");
        assert_eq!(allowlists(&otherwise), Some(example()));
    }

    #[test]
    fn what_mailward_does_not_write_is_no_script_of_it() {
        let whole = script(&example(), NatEnds::Both);
        for (from, to) in [
            ("inet mailward", "inet other"),
            ("delete table", "flush table"),
            ("policy accept", "policy drop"),
            ("priority -310", "priority -100"),
            ("fib daddr type local drop", "drop"),
            ("chain input", "chain prerouting"),
            ("drop", "reject"),
            ("@imap_v4", "@imap_v5"),
            ("143, 993", "143, 994"),
            ("203.0.113.0/24", "203.0.113.0-203.0.113.9"),
            ("flags interval", "flags timeout"),
            ("comment \"mailward\"", ""),
            ("== syn drop", "== syn counter drop"),
        ] {
            assert!(whole.contains(from), "{from}");
            assert_eq!(allowlists(&whole.replace(from, to)), None, "{from} -> {to}");
        }
        for length in 0..whole.trim_end().len() {
            let cut = &whole[..length];
            let read = allowlists(cut);
            assert!(read.is_none() || read == Some(Vec::new()), "{cut}");
        }
    }
}
