//! The tables of a manifest and the keys that each may have, by which unknown ones are told from known ones.

use std::fmt;

use crate::model::Service;

/// A table of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ManifestTable {
    /// The manifest itself.
    Root,
    /// `[host]`
    Host,
    /// `[limits]`
    Limits,
    /// `[limits.SERVICE]`
    Limit(Service),
    /// `[networks]`, whose keys are names.
    Networks,
    /// `[access]`
    Sources,
    /// `[access.allow]`
    SourcesAllow,
    /// `[xinetd]`
    Xinetd,
    /// `[xinetd.defaults]`
    XinetdDefaults,
    /// `[xinetd.services]`, whose keys are names.
    XinetdServices,
    /// `[xinetd.services.NAME]`
    XinetdService(String),
    /// `cps` of an xinetd table.
    Cps(Box<Self>),
    /// `[panel_access]`
    PanelAccess,
    /// `[panel_access.domains]`, whose keys are domains.
    AccessDomains,
    /// `[panel_access.accounts]`, whose keys are addresses.
    AccessAccounts,
    /// `[safety]`
    Safety,
}

const LIMITS: [&str; 8] = ["ftp", "imap", "imaps", "pop3", "pop3s", "smtp", "smtps", "submission"];

impl ManifestTable {
    /// The keys that this version reads; empty where any checked name may stand.
    pub(super) const fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::Root => {
                &["version", "host", "limits", "xinetd", "networks", "access", "panel_access", "safety"]
            }
            Self::Host => &["name"],
            Self::Limits => &LIMITS,
            Self::Limit(_) => &["per_ip", "total"],
            Self::Networks => &[],
            Self::Sources => &["enforce", "allow"],
            Self::SourcesAllow => &["imap", "pop3", "smtp", "smtps", "submission"],
            Self::Xinetd => &["defaults", "services"],
            Self::XinetdDefaults | Self::XinetdService(_) => &["per_source", "instances", "cps"],
            Self::XinetdServices | Self::AccessDomains | Self::AccessAccounts => &[],
            Self::PanelAccess => &["default", "missing", "domains", "accounts"],
            Self::Cps(_) => &["rate", "pause"],
            Self::Safety => &["max_account_changes", "confirm_within", "must_reach"],
        }
    }

    /// The whole name of a key of this table.
    pub(super) fn key(&self, key: &str) -> String {
        match self {
            Self::Root => key.to_owned(),
            Self::Host
            | Self::Limits
            | Self::Limit(_)
            | Self::Networks
            | Self::Sources
            | Self::SourcesAllow
            | Self::Xinetd
            | Self::XinetdDefaults
            | Self::XinetdServices
            | Self::XinetdService(_)
            | Self::Cps(_)
            | Self::PanelAccess
            | Self::AccessDomains
            | Self::AccessAccounts
            | Self::Safety => format!("{self}.{}", quoted(key)),
        }
    }

    /// What to write instead of an unknown key, as a whole sentence.
    pub(super) fn instead_of(&self, key: &str) -> String {
        let lower = key.to_ascii_lowercase();
        if let Some(hint) = self.elsewhere(&lower) {
            return hint;
        }
        let known = self.keys();
        match nearest(&lower, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", list(known)),
        }
    }

    /// Words that people bring along from a daemon's own files, or from another table of the manifest.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let hint = match self {
            Self::Root => match key {
                "name" => "the host's name belongs in `[host]`".to_owned(),
                "defaults" => "write `[xinetd.defaults]`".to_owned(),
                "services" => "write `[xinetd.services.NAME]`".to_owned(),
                "max_account_changes" | "confirm_within" | "must_reach" => {
                    format!("`{key}` belongs in `[safety]`")
                }
                "per_ip" | "total" => {
                    format!("`{key}` belongs in the table of a service, as `[limits.pop3]`")
                }
                "per_source" | "instances" | "cps" => {
                    format!("`{key}` belongs in `[xinetd.defaults]` or `[xinetd.services.NAME]`")
                }
                "enforce" => "`enforce` belongs in `[access]`".to_owned(),
                "allow" => "write `[access.allow]`".to_owned(),
                service if LIMITS.contains(&service) => format!("write `[limits.{service}]`"),
                _ => return None,
            },
            Self::Limits => match key {
                "per_ip" | "total" => {
                    format!("`{key}` belongs in the table of a service, as `[limits.pop3]`")
                }
                other if nearest(other, &LIMITS).is_none() => {
                    format!(
                        "known here: {}; any other xinetd service is `[xinetd.services.NAME]`",
                        list(&LIMITS)
                    )
                }
                _ => return None,
            },
            Self::Limit(service) => match key {
                "per_source" | "maxperip" => "here it is called `per_ip`".to_owned(),
                "instances" | "maxdaemons" => "here it is called `total`".to_owned(),
                "cps" => {
                    format!("only xinetd has `cps`: write it in `[xinetd.services.{service}]`")
                }
                _ => return None,
            },
            Self::Sources => match key {
                service if Self::SourcesAllow.keys().contains(&service) => {
                    format!("`{service}` belongs in `[access.allow]`")
                }
                _ => return None,
            },
            Self::SourcesAllow => match key {
                "pop3s" => "`pop3` is POP3 with and without TLS".to_owned(),
                "imaps" => "`imap` is IMAP with and without TLS".to_owned(),
                "enforce" => "`enforce` belongs in `[access]`".to_owned(),
                _ => return None,
            },
            Self::Xinetd => match key {
                "per_source" | "instances" | "cps" => {
                    format!("`{key}` belongs in `[xinetd.defaults]` or `[xinetd.services.NAME]`")
                }
                other if nearest(other, self.keys()).is_none() => {
                    format!("a service is written `[xinetd.services.{}]`", quoted(other))
                }
                _ => return None,
            },
            Self::XinetdDefaults | Self::XinetdService(_) => match key {
                "per_ip" | "maxperip" => "here it is called `per_source`, as xinetd has it".to_owned(),
                "total" | "maxdaemons" => "here it is called `instances`, as xinetd has it".to_owned(),
                "rate" | "pause" => "write `cps = { rate = 50, pause = \"10s\" }`".to_owned(),
                _ => return None,
            },
            Self::Cps(_) => match key {
                "wait" | "seconds" => "here it is called `pause`".to_owned(),
                _ => return None,
            },
            Self::PanelAccess => match key {
                address if address.contains('@') => {
                    format!(
                        "an account is written in `[panel_access.accounts]`, as \"{}\" = true",
                        short(address)
                    )
                }
                domain if domain.contains('.') => {
                    format!(
                        "a domain is written in `[panel_access.domains]`, as \"{}\" = false",
                        short(domain)
                    )
                }
                _ => return None,
            },
            Self::Host
            | Self::Networks
            | Self::XinetdServices
            | Self::AccessDomains
            | Self::AccessAccounts
            | Self::Safety => return None,
        };
        Some(hint)
    }
}

impl fmt::Display for ManifestTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the manifest"),
            Self::Host => f.write_str("host"),
            Self::Limits => f.write_str("limits"),
            Self::Limit(service) => write!(f, "limits.{service}"),
            Self::Networks => f.write_str("networks"),
            Self::Sources => f.write_str("access"),
            Self::SourcesAllow => f.write_str("access.allow"),
            Self::Xinetd => f.write_str("xinetd"),
            Self::XinetdDefaults => f.write_str("xinetd.defaults"),
            Self::XinetdServices => f.write_str("xinetd.services"),
            Self::XinetdService(name) => write!(f, "xinetd.services.{}", quoted(name)),
            Self::Cps(table) => write!(f, "{table}.cps"),
            Self::PanelAccess => f.write_str("panel_access"),
            Self::AccessDomains => f.write_str("panel_access.domains"),
            Self::AccessAccounts => f.write_str("panel_access.accounts"),
            Self::Safety => f.write_str("safety"),
        }
    }
}

/// The known name that was probably meant, if one is near enough.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let far = (word.chars().count() / 3).max(1);
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), *name))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, name)| name)
}

/// The key as TOML has to write it, cut to a length that fits a line.
fn quoted(key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if bare && key.len() <= 64 { key.to_owned() } else { format!("\"{}\"", short(key)) }
}

/// A text cut to a length that fits a line.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_of_the_known_services() {
        assert_eq!(Service::ALL.map(Service::name), LIMITS);
    }

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("per_ipp", ManifestTable::Limit(Service::Pop3).keys()), Some("per_ip"));
        assert_eq!(nearest("imsp", &LIMITS), Some("imap"));
        assert_eq!(nearest("dovecot", &LIMITS), None);
    }
}
