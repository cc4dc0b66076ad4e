//! A desired state that comes back from a file: it is written as a manifest again and read by the one reader,
//! so that nothing gets in that a manifest could not say. No check of its own stands here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer};

use crate::failure::Diagnostic;
use crate::model::{
    AccessTable, AccountCap, AllowedSources, ConnectionLimit, ConnectionRate, Declared, Desired, MailService,
    Network, PanelAccess, SafetyRules, Service, ServiceAllow, ServiceLimits, SetName, XinetdLimits,
};

use super::{ManifestLayer, check_all};

/// A desired state as a file has it, before anything of it is believed.
#[derive(Deserialize)]
#[serde(remote = "Desired", deny_unknown_fields)]
struct UncheckedDesired {
    #[serde(default)]
    host: Vec<Declared<String>>,
    #[serde(default)]
    limits: BTreeMap<Service, ServiceLimits>,
    #[serde(default)]
    xinetd_defaults: XinetdLimits,
    #[serde(default)]
    xinetd_services: BTreeMap<String, XinetdLimits>,
    #[serde(default)]
    access: AccessTable,
    #[serde(default)]
    panel_access: PanelAccess,
    #[serde(default)]
    safety: SafetyRules,
}

impl<'de> Deserialize<'de> for Desired {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let desired = UncheckedDesired::deserialize(deserializer)?;
        match judge(&desired) {
            Ok(()) => Ok(desired),
            Err(unsaid) => Err(serde::de::Error::custom(unsaid)),
        }
    }
}

/// Why no manifest declares a desired state.
#[derive(Debug, thiserror::Error)]
enum UndeclaredState {
    /// A manifest that says so is wrong.
    #[error("no manifest may declare it: {}", told(.0))]
    Wrong(Vec<Diagnostic>),
    /// A manifest that says so has another form of it.
    #[error("a manifest that declares it is read as something else")]
    Otherwise,
}

/// What is wrong, the first of it in words.
fn told(problems: &[Diagnostic]) -> String {
    let first = problems.first().map_or("", |problem| &problem.what);
    match problems.len() {
        0 | 1 => first.to_owned(),
        several => format!("{first} (and {} more)", several - 1),
    }
}

/// Reads what is desired as a manifest says it, and compares.
fn judge(desired: &Desired) -> Result<(), UndeclaredState> {
    let layer = ManifestLayer { name: "desired".to_owned(), bytes: manifest(desired).into_bytes() };
    // The sets of its networks are put into each service, so that it may be larger than the manifest was.
    let checked = check_all(&[layer], usize::MAX).map_err(UndeclaredState::Wrong)?;
    if checked.desired.without_places() == desired.clone().without_places() {
        Ok(())
    } else {
        Err(UndeclaredState::Otherwise)
    }
}

/// What is desired, as a manifest of one layer.
fn manifest(desired: &Desired) -> String {
    let Desired { host, limits, xinetd_defaults, xinetd_services, access, panel_access, safety } = desired;
    let mut text = "version = 1\n".to_owned();
    if !host.is_empty() {
        let names = host.iter().map(|name| quoted(&name.value));
        line(&mut text, "[host]\nname", list(names));
    }
    for (service, ServiceLimits { per_ip, total }) in limits {
        let _ = writeln!(text, "[limits.{service}]");
        count(&mut text, "per_ip", per_ip.as_ref());
        count(&mut text, "total", total.as_ref());
    }
    if *xinetd_defaults != XinetdLimits::default() {
        text.push_str("[xinetd.defaults]\n");
        xinetd(&mut text, xinetd_defaults);
    }
    for (name, limit) in xinetd_services {
        let _ = writeln!(text, "[xinetd.services.{}]", quoted(name));
        xinetd(&mut text, limit);
    }
    access_table(&mut text, access);
    accounts(&mut text, panel_access);
    let SafetyRules { max_account_changes, confirm_within, must_reach } = safety;
    text.push_str("[safety]\n");
    if let Some(cap) = max_account_changes {
        let cap = match cap.value {
            AccountCap::Percent(share) => quoted(&format!("{share}%")),
            AccountCap::Accounts(number) => number.to_string(),
        };
        line(&mut text, "max_account_changes", cap);
    }
    if let Some(within) = confirm_within {
        line(&mut text, "confirm_within", seconds(within.value));
    }
    if !must_reach.is_empty() {
        let addresses = must_reach.iter();
        let addresses = addresses.map(|address| quoted(&address.value.to_string()));
        line(&mut text, "must_reach", list(addresses));
    }
    text
}

fn line(text: &mut String, key: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{key} = {value}");
}

/// A text as TOML has it in quotes: JSON's escapes are among TOML's, and what JSON leaves bare TOML takes or
/// refuses.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One item a line, since a message about one carries its line.
fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    format!("[\n{}\n]", items.join(",\n"))
}

fn seconds(number: u32) -> String {
    quoted(&format!("{number}s"))
}

fn count(text: &mut String, key: &str, declared: Option<&Declared<ConnectionLimit>>) {
    match declared.map(|declared| declared.value) {
        None => {}
        Some(ConnectionLimit::Number(number)) => line(text, key, number),
        Some(ConnectionLimit::Unlimited) => line(text, key, quoted("unlimited")),
    }
}

fn xinetd(text: &mut String, limit: &XinetdLimits) {
    let XinetdLimits { per_source, instances, cps } = limit;
    count(text, "per_source", per_source.as_ref());
    count(text, "instances", instances.as_ref());
    if let Some(cps) = cps {
        let ConnectionRate { rate, pause } = cps.value;
        let pause = seconds(pause);
        line(text, "cps", format!("{{ rate = {rate}, pause = {pause} }}"));
    }
}

fn access_table(text: &mut String, access: &AccessTable) {
    let AccessTable { enforce, allow } = access;
    let sets = sets(allow);
    if !sets.is_empty() {
        text.push_str("[networks]\n");
        for (name, network) in &sets {
            let some = network.map(|network| quoted(&network.to_string()));
            line(text, name.as_str(), list(some.into_iter()));
        }
    }
    if let Some(enforce) = enforce {
        line(text, "[access]\nenforce", quoted(enforce.value.name()));
    }
    if !allow.is_empty() {
        text.push_str("[access.allow]\n");
    }
    for (service, declared) in allow {
        let ServiceAllow { allowed, sets } = &declared.value;
        let names = sets.iter().map(|set| quoted(set.as_str()));
        let value = match allowed {
            AllowedSources::Anyone if sets.is_empty() => quoted("anyone"),
            AllowedSources::Nobody if sets.is_empty() => quoted("nobody"),
            // Beside sets the word is wrong, and the reader says so.
            AllowedSources::Anyone => list(names.chain([quoted("anyone")])),
            AllowedSources::Nobody => list(names.chain([quoted("nobody")])),
            AllowedSources::Only(networks) => {
                let networks = networks.iter().map(|network| quoted(&network.to_string()));
                list(names.chain(networks))
            }
        };
        line(text, service.name(), value);
    }
}

/// Each set with one network of it: one that all services have that name it. What else is in it stands in
/// these anyway.
fn sets(allow: &BTreeMap<MailService, Declared<ServiceAllow>>) -> BTreeMap<&SetName, Option<Network>> {
    let mut named: BTreeMap<&SetName, BTreeSet<MailService>> = BTreeMap::new();
    for (service, declared) in allow {
        for set in &declared.value.sets {
            named.entry(set).or_default().insert(*service);
        }
    }
    let mut common: BTreeMap<BTreeSet<MailService>, Option<Network>> = BTreeMap::new();
    let mut sets = BTreeMap::new();
    for (set, services) in named {
        let network = *common.entry(services).or_insert_with_key(|services| {
            let all = services.iter().filter_map(|service| allow.get(service));
            let all = all.map(|declared| declared.value.allowed.networks());
            let shared = all.reduce(|one, other| one.difference(&one.difference(&other)));
            shared.as_ref().and_then(|shared| shared.iter().next())
        });
        sets.insert(set, network);
    }
    sets
}

fn accounts(text: &mut String, access: &PanelAccess) {
    let PanelAccess { default, missing, domains, accounts } = access;
    text.push_str("[panel_access]\n");
    if let Some(default) = default {
        line(text, "default", default.value.word());
    }
    if let Some(missing) = missing {
        line(text, "missing", quoted(missing.value.word()));
    }
    for (table, names) in [("domains", domains), ("accounts", accounts)] {
        let _ = writeln!(text, "[panel_access.{table}]");
        for (name, access) in names {
            line(text, &quoted(name), access.value.word());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::check;
    use crate::model::Networks;

    fn desired(text: &str) -> Desired {
        let layer =
            ManifestLayer { name: "m.toml".to_owned(), bytes: format!("version = 1\n{text}").into_bytes() };
        check(&[layer]).unwrap().desired
    }

    #[test]
    fn sets_keep_one_network_that_all_their_services_have() {
        let desired = desired(
            "[networks]\na = [\"10.0.0.0/8\"]\nb = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n\
             [access.allow]\nimap = [\"a\", \"b\"]\npop3 = [\"b\"]\n",
        );
        let sets = sets(&desired.access.allow);
        let shown = |network: &Option<Network>| network.map(|network| network.to_string());
        let shown: Vec<_> = sets.values().map(shown).collect();
        assert_eq!(shown, [Some("10.0.0.0/8".to_owned()), Some("192.0.2.0/24".to_owned())]);
        assert_eq!(judge(&desired).map_err(|error| error.to_string()), Ok(()));
        // Both services name the set, and have no network of it in common.
        let mut apart = desired;
        let pop3 = apart.access.allow.get_mut(&MailService::Pop3).unwrap();
        pop3.value.allowed = AllowedSources::Only(Networks::from(Network::parse("198.51.100.7").unwrap()));
        let wrong = judge(&apart).unwrap_err().to_string();
        assert!(wrong.contains("`networks.b` is an empty list"), "{wrong}");
    }
}
