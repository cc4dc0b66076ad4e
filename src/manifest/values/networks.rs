//! The values of `[networks]` and `[access]`: networks, lists of them, and the words that stand for lists.

use std::ops::Range as Span;

use toml::de::DeValue;

use crate::manifest::keys::{nearest, short};
use crate::manifest::problem::{ManifestProblem, WrongNetwork};
use crate::manifest::reader::{TableReader, UNMANAGED};
use crate::manifest::written::{ListedSource, MarkedValue, WrittenAllow};
use crate::model::{EnforcedBy, Network, NotANetwork, SetName};

use super::text::list;
use super::{ReadValue, found};

const EMPTY: &str = "an empty list could mean everybody or nobody";

/// Words that people write for everybody.
const EVERYBODY: [&str; 8] = ["*", "all", "any", "everybody", "everyone", "everywhere", "internet", "world"];

/// Where a network is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NetworkContext {
    /// In a set of `[networks]`.
    Set,
    /// In a list of `[access.allow]`.
    Allow,
}

/// A set of `[networks]`.
pub(in crate::manifest) fn networks(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
) -> Option<Vec<MarkedValue<Network>>> {
    const HINT: &str = "write a list, as [\"203.0.113.0/24\", \"2001:db8:51::/48\"]";
    list(to, key, value, ("an address or a network in quotes", HINT, EMPTY), |to, text, span| {
        match network(text, NetworkContext::Set) {
            Ok(network) => Some(to.marked(span, network)),
            Err(problem) => {
                to.report(span, problem);
                None
            }
        }
    })
}

/// Who may reach a service.
pub(in crate::manifest) fn allowed(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
) -> Option<MarkedValue<WrittenAllow>> {
    const HINT: &str = "write a list, as [\"office\", \"203.0.113.0/24\"], or \"anyone\", or \"nobody\"";
    let span = value.span();
    match value.get_ref() {
        DeValue::String(text) => {
            let problem = match word(text) {
                Some((_, allowed)) => return Some(to.marked(&span, allowed)),
                None => ManifestProblem::Word {
                    key: key.to_owned(),
                    found: short(text),
                    hint: instead_of_word(text),
                },
            };
            to.report(&span, problem);
            None
        }
        DeValue::Array(items) => {
            let first = items.iter().find_map(|item| match item.get_ref() {
                DeValue::String(text) => Some((word(text)?, item.span())),
                _ => None,
            });
            if let Some(((word, allowed), at)) = first {
                if items.len() == 1 {
                    return Some(to.marked(&span, allowed));
                }
                let key = key.to_owned();
                to.report(&at, ManifestProblem::NotAlone { key, word });
                return None;
            }
            let mut good = Vec::new();
            let whole = list(
                to,
                key,
                value,
                ("a set, an address or a network in quotes", HINT, EMPTY),
                |to, text, span| {
                    good.push(item(to, text, span)?);
                    Some(())
                },
            );
            let allowed = match whole {
                Some(_) => WrittenAllow::Only(good),
                None => WrittenAllow::Broken(good),
            };
            Some(to.marked(&span, allowed))
        }
        other => {
            let problem = ManifestProblem::WrongType {
                key: format!("`{key}`"),
                expected: "a list, \"anyone\" or \"nobody\"",
                found: found(other),
                hint: HINT.to_owned(),
            };
            to.report(&span, problem);
            None
        }
    }
}

/// What enforces `[access]`.
pub(in crate::manifest) fn enforce(
    to: &mut TableReader<'_>,
    key: &str,
    value: &ReadValue<'_>,
) -> Option<MarkedValue<EnforcedBy>> {
    const HINT: &str = "write \"auto\", \"plesk-firewall\", \"nftables\" or \"iptables\"";
    let span = value.span();
    let problem = match value.get_ref() {
        DeValue::String(text) => {
            if let Some(enforce) = EnforcedBy::ALL.iter().find(|one| one.name() == text.as_ref()) {
                return Some(to.marked(&span, *enforce));
            }
            let lower = text.to_ascii_lowercase();
            let known = EnforcedBy::ALL.map(EnforcedBy::name);
            let meant = match lower.as_str() {
                "plesk" | "psa-firewall" | "firewall" => Some("plesk-firewall"),
                "nft" => Some("nftables"),
                "iptables-legacy" | "iptables-nft" | "ip6tables" => Some("iptables"),
                other => nearest(other, &known),
            };
            ManifestProblem::Word {
                key: key.to_owned(),
                found: short(text),
                hint: meant.map_or_else(|| HINT.to_owned(), |meant| format!("did you mean \"{meant}\"?")),
            }
        }
        other => ManifestProblem::WrongType {
            key: format!("`{key}`"),
            expected: "a word",
            found: found(other),
            hint: HINT.to_owned(),
        },
    };
    to.report(&span, problem);
    None
}

fn word(text: &str) -> Option<(&'static str, WrittenAllow)> {
    match text {
        "anyone" => Some(("anyone", WrittenAllow::Anyone)),
        "nobody" => Some(("nobody", WrittenAllow::Nobody)),
        _ => None,
    }
}

/// What to write instead of a text that is no list.
fn instead_of_word(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if EVERYBODY.contains(&lower.as_str()) {
        return "did you mean \"anyone\"?".to_owned();
    }
    if lower == "none" {
        return "did you mean \"nobody\"?".to_owned();
    }
    match nearest(&lower, &["anyone", "nobody", UNMANAGED]) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if SetName::new(text).is_ok() || Network::parse(text).is_ok() => {
            format!("write a list: [\"{}\"]", short(text))
        }
        None => "write a list of sets and networks, or \"anyone\", or \"nobody\"".to_owned(),
    }
}

fn item(to: &mut TableReader<'_>, text: &str, span: &Span<usize>) -> Option<MarkedValue<ListedSource>> {
    let numeric = text.contains(['.', ':', '/', '%']) || text.starts_with(|c: char| c.is_ascii_digit());
    let source = if numeric {
        network(text, NetworkContext::Allow).map(ListedSource::Network)
    } else {
        SetName::new(text).map(ListedSource::Set).map_err(|_| ManifestProblem::Network {
            found: short(text),
            wrong: WrongNetwork::Neither,
            hint: match text {
                "*" => "did you mean \"anyone\", alone and without a list?".to_owned(),
                _ => match nearest(&text.to_ascii_lowercase(), &["anyone", "nobody"]) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "names of sets have small letters, digits, `_` and `-`".to_owned(),
                },
            },
        })
    };
    match source {
        Ok(source) => Some(to.marked(span, source)),
        Err(problem) => {
            to.report(span, problem);
            None
        }
    }
}

fn network(text: &str, within: NetworkContext) -> Result<Network, ManifestProblem> {
    let everybody = match within {
        NetworkContext::Set => "no set can hold everybody; in `[access.allow]` the word for it is \"anyone\"",
        NetworkContext::Allow => "the word for everybody is \"anyone\", alone and without a list",
    };
    let (wrong, hint) = match Network::parse(text) {
        Ok(network) if network.is_everything() => {
            (WrongNetwork::Everything(network.family()), everybody.to_owned())
        }
        Ok(network) if network.first().is_unspecified() && network.first() == network.last() => {
            (WrongNetwork::Unspecified, everybody.to_owned())
        }
        Ok(network) => return Ok(network),
        Err(
            NotANetwork::HostBits { corrected }
            | NotANetwork::Mask { corrected }
            | NotANetwork::Mapped { corrected },
        ) if corrected.is_everything() => {
            (WrongNetwork::Everything(corrected.family()), everybody.to_owned())
        }
        Err(NotANetwork::HostBits { corrected }) => {
            let alone = text.split('/').next().unwrap_or_default();
            (
                WrongNetwork::HostBits,
                format!("write \"{corrected}\" for the network, or \"{alone}\" for the address alone"),
            )
        }
        Err(NotANetwork::Mask { corrected }) => (WrongNetwork::Mask, format!("write \"{corrected}\"")),
        Err(NotANetwork::Mapped { corrected }) => (WrongNetwork::Mapped, format!("write \"{corrected}\"")),
        Err(NotANetwork::Zone) => (
            WrongNetwork::Zone,
            "write the address without `%` and what follows, if all links are meant".to_owned(),
        ),
        Err(NotANetwork::Syntax) => (WrongNetwork::Syntax, instead_of_network(text)),
    };
    Err(ManifestProblem::Network { found: short(text), wrong, hint })
}

fn instead_of_network(text: &str) -> String {
    let ends_in_letters =
        text.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()));
    if ends_in_letters && !text.contains([':', '/']) {
        return if SetName::new(text).is_ok() {
            "sets hold addresses and networks, no other sets".to_owned()
        } else {
            "names are not looked up, since what they mean can change; write its addresses".to_owned()
        };
    }
    if let Some((first, last)) = text.split_once('-')
        && Network::parse(first.trim()).is_ok()
        && Network::parse(last.trim()).is_ok()
    {
        return "a range is written as the networks that it is made of".to_owned();
    }
    if text.trim() != text {
        return "take the spaces out".to_owned();
    }
    "write an address, as \"203.0.113.9\", or a network, as \"203.0.113.0/24\" or \"2001:db8:51::/48\""
        .to_owned()
}
