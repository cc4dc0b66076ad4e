//! The manifest as written, described in types, from which the JSON Schema for editors is generated.
//!
//! The reader does not use these types, since it has to find all problems and their places; a test walks the
//! schema and holds the two together.
#![expect(dead_code, reason = "these types are described, never made")]

mod values;

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};

use self::values::{
    AccessOrUnmanaged, AccountCap, Addresses, Duration, Enforce, HostNames, Missing, NetworksOrUnmanaged,
    Number, OrUnlimited, OrUnmanaged, Sources, Version,
};

/// The JSON Schema (draft 7) of a manifest.
#[must_use]
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(RecursiveTransform(forbid_null))
        .into_generator()
        .into_root_schema_for::<Manifest>()
        .to_value()
}

/// TOML has no null: a key that may be left out still has a value where it stands.
fn forbid_null(schema: &mut Schema) {
    if let Some(serde_json::Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    let alternatives = match schema.get_mut("anyOf") {
        Some(serde_json::Value::Array(alternatives)) => alternatives,
        _ => return,
    };
    alternatives.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
    if let [serde_json::Value::Object(one)] = alternatives.as_slice() {
        let one = one.clone();
        schema.remove("anyOf");
        for (key, value) in one {
            if schema.get(&key).is_none() {
                schema.insert(key, value);
            }
        }
    }
}

/// The desired state of a Plesk mail server, for mailward. What is not named is not touched. Of several
/// layered files the later one wins; "unmanaged" drops an inherited value.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "mailward manifest")]
struct Manifest {
    /// The version of the manifest's format; every layer has it.
    version: Version,
    /// A guard: the manifest is refused on any other host.
    host: Option<Host>,
    /// Connection limits of mail services in the services' own terms, whatever daemon serves them.
    limits: Option<Limits>,
    /// Connection limits of xinetd services in xinetd's own terms.
    xinetd: Option<Xinetd>,
    /// Sets of addresses and networks that `access.allow` names.
    #[schemars(extend("propertyNames" = {
        "pattern": "^[a-z][a-z0-9_-]{0,63}$",
        "not": { "enum": ["anyone", "nobody", "unmanaged"] },
    }))]
    networks: Option<BTreeMap<String, NetworksOrUnmanaged>>,
    /// Which addresses may reach which mail service.
    access: Option<SourceAccess>,
    /// Which mail users may log in to the panel: an account beats its domain, which beats the default.
    panel_access: Option<PanelAccess>,
    /// What no plan may do.
    safety: Option<Safety>,
}

/// A guard: the manifest is refused on any other host.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Host {
    /// The host's node name or FQDN, in any case; one name or a list of names.
    #[schemars(example = "mx1.example.jp")]
    name: Option<OrUnmanaged<HostNames>>,
}

/// Connection limits by service.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Limits {
    /// POP3, and POP3 over TLS unless `pop3s` sets it apart.
    pop3: Option<OrUnmanaged<CourierLimit>>,
    /// POP3 over TLS (port 995) alone.
    pop3s: Option<OrUnmanaged<CourierLimit>>,
    /// IMAP, and IMAP over TLS unless `imaps` sets it apart.
    imap: Option<OrUnmanaged<CourierLimit>>,
    /// IMAP over TLS (port 993) alone.
    imaps: Option<OrUnmanaged<CourierLimit>>,
    /// SMTP (port 25), and SMTP over TLS unless `smtps` sets it apart; never submission.
    smtp: Option<OrUnmanaged<ServiceLimit>>,
    /// SMTP over TLS (port 465) alone.
    smtps: Option<OrUnmanaged<ServiceLimit>>,
    /// Message submission (port 587).
    submission: Option<OrUnmanaged<ServiceLimit>>,
    /// FTP.
    ftp: Option<OrUnmanaged<ServiceLimit>>,
}

/// Connection limits of a service.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CourierLimit {
    /// Connections at once from one address.
    #[schemars(example = 20)]
    per_ip: Option<OrUnmanaged<Number>>,
    /// Connections at once in all; best at least twice `per_ip`.
    #[schemars(example = 80)]
    total: Option<OrUnmanaged<Number>>,
}

/// Connection limits of a service.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ServiceLimit {
    /// Connections at once from one address, or "unlimited".
    #[schemars(example = 40)]
    per_ip: Option<OrUnmanaged<OrUnlimited>>,
    /// Connections at once in all, or "unlimited"; best at least twice `per_ip`.
    #[schemars(example = 160)]
    total: Option<OrUnmanaged<OrUnlimited>>,
}

/// Connection limits of xinetd services.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Xinetd {
    /// xinetd's `defaults` block: for services with no value of their own.
    defaults: Option<OrUnmanaged<XinetdLimit>>,
    /// Any xinetd service, by the name after `service` in xinetd's file.
    #[schemars(extend("propertyNames" = {
        "pattern": "^[A-Za-z0-9_.+/-]{1,64}$",
        "not": { "pattern": "^[Dd][Ee][Ff][Aa][Uu][Ll][Tt][Ss]$" },
    }))]
    services: Option<BTreeMap<String, OrUnmanaged<XinetdLimit>>>,
}

/// Connection limits in xinetd's own terms.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct XinetdLimit {
    /// Connections at once from one address, or "unlimited".
    #[schemars(example = 20)]
    per_source: Option<OrUnmanaged<OrUnlimited>>,
    /// Connections at once in all, or "unlimited"; best at least twice `per_source`.
    #[schemars(example = 80)]
    instances: Option<OrUnmanaged<OrUnlimited>>,
    /// Above `rate` connections a second the service refuses everybody for the time of `pause`.
    cps: Option<OrUnmanaged<Cps>>,
}

/// Above `rate` connections a second the service refuses everybody for the time of `pause`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Cps {
    /// Connections a second.
    #[schemars(example = 50)]
    rate: Option<OrUnmanaged<Number>>,
    /// How long the service then refuses: seconds, minutes or hours.
    #[schemars(example = "10s")]
    pause: Option<OrUnmanaged<Duration>>,
}

/// Which addresses may reach which mail service.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SourceAccess {
    /// What enforces it; "auto", as without this key, is what fits the host.
    #[schemars(example = &"auto")]
    enforce: Option<OrUnmanaged<Enforce>>,
    /// By service; one that is not named is left alone.
    allow: Option<SourceAllow>,
}

/// Who may reach a service: sets of `networks`, addresses and networks; or "anyone", or "nobody".
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SourceAllow {
    /// IMAP, with and without TLS (ports 143 and 993).
    #[schemars(example = ["203.0.113.0/24"])]
    imap: Option<OrUnmanaged<Sources>>,
    /// POP3, with and without TLS (ports 110 and 995).
    #[schemars(example = ["203.0.113.0/24"])]
    pop3: Option<OrUnmanaged<Sources>>,
    /// SMTP (port 25), on which other servers deliver mail, and SMTP over TLS (port 465) unless `smtps` sets
    /// it apart.
    #[schemars(example = &"anyone")]
    smtp: Option<OrUnmanaged<Sources>>,
    /// SMTP over TLS (port 465) alone; not with Plesk's firewall.
    #[schemars(example = ["203.0.113.0/24"])]
    smtps: Option<OrUnmanaged<Sources>>,
    /// Message submission (port 587).
    #[schemars(example = ["203.0.113.0/24"])]
    submission: Option<OrUnmanaged<Sources>>,
}

/// Which mail users may log in to the panel.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PanelAccess {
    /// For every account that is not named below, and whose domain is not; without it those are left alone.
    #[schemars(example = false)]
    default: Option<OrUnmanaged<bool>>,
    /// What an account or a domain named below is that the host lacks: "error" (so it is without this key) or
    /// "note".
    #[schemars(example = &"error")]
    missing: Option<OrUnmanaged<Missing>>,
    /// By domain, in quotes; an international one in either of its forms.
    #[schemars(extend("propertyNames" = { "pattern": "^[^@\\s]+$" }))]
    domains: Option<BTreeMap<String, AccessOrUnmanaged>>,
    /// By address, in quotes.
    #[schemars(extend("propertyNames" = { "pattern": "^[!#-'*+./0-9=?A-Z^-~][!#-'*+./0-9=?A-Z^-~-]*@[^@\\s]+$" }))]
    accounts: Option<BTreeMap<String, AccessOrUnmanaged>>,
}

/// What no plan may do.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Safety {
    /// Most accounts that one run may change: a share of all accounts, or a number.
    #[schemars(example = "30%")]
    max_account_changes: Option<OrUnmanaged<AccountCap>>,
    /// How long a change of access waits for its confirmation before it is taken back, from "10s" to "1h".
    #[schemars(example = "60s")]
    confirm_within: Option<OrUnmanaged<Duration>>,
    /// IP addresses that no planned rule may shut out of SSH or the panel.
    #[schemars(example = ["203.0.113.9"])]
    must_reach: Option<OrUnmanaged<Addresses>>,
}
