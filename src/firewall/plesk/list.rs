//! What `--list-json` prints → the list. Versions differ in keys and in whether ports and sources are texts
//! or lists.

use serde_json::{Map, Value};

use super::{OtherProtocols, PacketDirection, PleskRule, PleskRuleAction, PleskRuleId, PleskRuleSource};
use crate::firewall::rules::PortSet;
use crate::model::{Network, Networks, NotANetwork};

/// Why what was printed is no list of rules.
#[derive(Debug, thiserror::Error)]
pub enum PleskListError {
    /// It is no JSON.
    #[error("what Plesk's firewall printed is no JSON")]
    Json(#[source] serde_json::Error),
    /// There is no list in it.
    #[error("what Plesk's firewall printed has no list of rules")]
    Shape,
    /// A rule lacks something without which its meaning is not certain.
    #[error("rule {number} of Plesk's firewall has no readable `{key}`")]
    Rule {
        /// Its position, counted from 1.
        number: usize,
        /// What it lacks.
        key: &'static str,
    },
    /// Two rules have one id.
    #[error("two rules of Plesk's firewall have the id {0}")]
    Twice(String),
}

/// Reads the list, in the order in which it is decided.
///
/// # Errors
/// [`PleskListError`]: nothing is guessed.
pub fn parse(json: &[u8]) -> Result<Vec<PleskRule>, PleskListError> {
    let json: Value = serde_json::from_slice(json).map_err(PleskListError::Json)?;
    let rules = [&json, &json["rules"], &json["data"], &json["data"]["rules"]]
        .into_iter()
        .find_map(Value::as_array)
        .ok_or(PleskListError::Shape)?;
    let mut list: Vec<PleskRule> = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let fields = rule.as_object().ok_or(PleskListError::Shape)?;
        let number = index + 1;
        let rule = read(fields).map_err(|key| PleskListError::Rule { number, key })?;
        if list.iter().any(|other| other.id == rule.id) {
            return Err(PleskListError::Twice(rule.id.as_str().to_owned()));
        }
        list.push(rule);
    }
    Ok(list)
}

/// The value of the first of several spellings that is there; letters of any case, `-` and `_` as nothing.
fn field<'f>(fields: &'f Map<String, Value>, spellings: &[&str]) -> Option<&'f Value> {
    let plain = |key: &str| {
        key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect::<String>()
    };
    spellings.iter().find_map(|spelling| {
        fields.iter().find(|(key, value)| plain(key) == *spelling && !value.is_null()).map(|(_, value)| value)
    })
}

fn text(fields: &Map<String, Value>, spellings: &[&str]) -> Option<String> {
    let text = field(fields, spellings)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A text with commas or a list of texts; `None` if it is something else.
fn items(value: Option<&Value>) -> Option<Vec<String>> {
    let split = |text: &str| {
        text.split(|c: char| c == ',' || c == ';' || c.is_whitespace())
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    match value {
        None => Some(Vec::new()),
        Some(Value::String(text)) => Some(split(text)),
        Some(Value::Array(list)) => {
            list.iter().map(|item| item.as_str().map(|item| item.trim().to_owned())).collect()
        }
        Some(Value::Number(_) | Value::Bool(_) | Value::Object(_) | Value::Null) => None,
    }
}

fn read(fields: &Map<String, Value>) -> Result<PleskRule, &'static str> {
    let id = match field(fields, &["id", "ruleid"]) {
        Some(Value::Number(number)) => PleskRuleId::new(&number.to_string()),
        Some(Value::String(text)) => PleskRuleId::new(text.trim()),
        Some(Value::Array(_) | Value::Object(_) | Value::Bool(_) | Value::Null) | None => None,
    }
    .ok_or("id")?;
    let direction =
        match text(fields, &["direction"]).map(|direction| direction.to_ascii_lowercase()).as_deref() {
            Some("input" | "in" | "incoming") => PacketDirection::Input,
            Some("output" | "out" | "outgoing") => PacketDirection::Output,
            Some("forward" | "forwarding") => PacketDirection::Forward,
            Some(_) | None => return Err("direction"),
        };
    let action = match text(fields, &["action"]).map(|action| action.to_ascii_lowercase()).as_deref() {
        Some("allow" | "accept") => PleskRuleAction::Allow,
        Some("deny" | "drop" | "reject") => PleskRuleAction::Deny,
        Some(_) | None => return Err("action"),
    };
    let mut unknown = Vec::new();
    let ports = items(field(fields, &["ports", "port"])).ok_or("ports")?;
    let (tcp, others) = read_ports(&ports, &mut unknown);
    let from = items(field(fields, &["from", "remoteaddresses", "remote", "sources"])).ok_or("from")?;
    let from = read_sources(&from);
    if let Some(to) = field(fields, &["to", "localaddresses"])
        && *to != Value::Array(Vec::new())
        && to.as_str() != Some("")
    {
        unknown.push(format!("to {to}"));
    }
    let class = text(fields, &["class"]).map(|class| class.to_ascii_lowercase());
    let kind = text(fields, &["type"]).map(|kind| kind.to_ascii_lowercase());
    let class = match kind.as_deref() {
        Some("custom") => Some("custom".to_owned()),
        Some(_) | None => class,
    };
    Ok(PleskRule {
        id,
        class,
        name: text(fields, &["name", "displayname"]),
        direction,
        action,
        tcp,
        others,
        from,
        unknown,
    })
}

/// `8443/tcp`, `50000-50500/udp`, `icmp/8`, …; without any, all ports are meant.
fn read_ports(items: &[String], unknown: &mut Vec<String>) -> (Option<PortSet>, OtherProtocols) {
    if items.is_empty() {
        return (None, OtherProtocols::None);
    }
    let mut tcp = Vec::new();
    let mut others = OtherProtocols::None;
    for item in items {
        let lower = item.to_ascii_lowercase();
        let Some((port, protocol)) = lower.split_once('/') else {
            unknown.push(format!("port {item}"));
            continue;
        };
        match protocol {
            "tcp" => {
                let (first, last) = port.split_once(['-', ':']).map_or((port, port), |range| range);
                match (first.trim().parse(), last.trim().parse()) {
                    (Ok(first), Ok(last)) => tcp.push((first, last)),
                    _ => unknown.push(format!("port {item}")),
                }
            }
            _ => others = OtherProtocols::Some,
        }
    }
    // A port that is not understood may be any.
    let tcp = unknown.is_empty().then(|| PortSet::of(tcp));
    (tcp, others)
}

fn read_sources(items: &[String]) -> Vec<PleskRuleSource> {
    let mut networks = Vec::new();
    let mut others = Vec::new();
    for item in items {
        match Network::parse(item) {
            Ok(network)
            | Err(NotANetwork::HostBits { corrected: network } | NotANetwork::Mask { corrected: network }) => {
                networks.push(network)
            }
            Err(NotANetwork::Syntax | NotANetwork::Zone | NotANetwork::Mapped { .. }) => {
                others.push(PleskRuleSource::Other(item.clone()));
            }
        }
    }
    let networks =
        (!networks.is_empty()).then(|| PleskRuleSource::Networks(networks.into_iter().collect::<Networks>()));
    networks.into_iter().chain(others).collect()
}
