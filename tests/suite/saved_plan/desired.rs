//! What is desired passes the manifest's checks wherever it comes from.

use mailward::manifest::{ManifestLayer, check};
use mailward::model::Desired;
use serde_json::{Value as Json, json};

use super::{MANIFEST, set};

fn desired() -> Json {
    let layer = ManifestLayer { name: "m.toml".to_owned(), bytes: MANIFEST.as_bytes().to_vec() };
    serde_json::to_value(check(&[layer]).unwrap().desired).unwrap()
}

fn read(json: Json) -> Result<Desired, String> {
    serde_json::from_value(json).map_err(|error| error.to_string())
}

#[test]
fn what_no_manifest_may_declare_is_refused_from_a_file_too() {
    read(desired()).unwrap();
    let at = |value: Json| json!({ "value": value, "origin": desired()["host"][0]["origin"] });
    let per_ip = || json!({ "per_source": at(json!(5)) });
    let none = "read as something else";
    for (pointer, value, why) in [
        ("/safety/confirm_within/value", json!(u32::MAX), "between 10s and 1h"),
        ("/safety/confirm_within/value", json!(3601), "between 10s and 1h"),
        ("/safety/confirm_within/value", json!(9), "between 10s and 1h"),
        ("/safety/confirm_within/value", json!(0), "between 10s and 1h"),
        ("/safety/max_account_changes/value", json!({ "percent": 101 }), "max_account_changes"),
        ("/safety/max_account_changes/value", json!({ "percent": 0 }), "max_account_changes"),
        ("/safety/max_account_changes/value", json!({ "accounts": 0 }), "max_account_changes"),
        ("/safety/must_reach/0/value", json!("0.0.0.0"), "is not an IP address"),
        ("/safety/more", json!(1), "unknown field"),
        ("/host/0/value", json!(""), "cannot be the name of a host"),
        ("/host/0/value", json!("*"), "cannot be the name of a host"),
        ("/host/0/value", json!("MX1"), none),
        ("/host/0/value", json!("a\"]\n[safety]\nmust_reach = [\"::1"), "name of a host"),
        ("/limits/pop3/per_ip/value", json!(0), "`limits.pop3.per_ip` cannot be 0"),
        ("/limits/pop3/per_ip/value", json!("unlimited"), "cannot be \"unlimited\""),
        ("/limits/pop3/per_ip/value", json!(81), "less than `limits.pop3.per_ip`"),
        ("/limits/smtp/per_ip/value", json!(1_u32 << 31), "cannot be 2147483648"),
        ("/limits/imap", json!({}), none),
        ("/xinetd_defaults/per_source/value", json!(0), "cannot be 0"),
        ("/xinetd_defaults/cps/value/rate", json!(0), "cannot be 0"),
        ("/xinetd_defaults/cps/value/pause", json!(0), "between 1s and"),
        ("/xinetd_services/smtp", per_ip(), "are the same setting"),
        ("/xinetd_services/defaults", per_ip(), "cannot be the name of an xinetd service"),
        ("/xinetd_services/a b", per_ip(), "cannot be the name of an xinetd service"),
        ("/xinetd_services/a\"]\n[x", per_ip(), "cannot be the name of an xinetd service"),
        ("/access/allow/pop3/value/allowed", json!({ "only": [] }), "is an empty list"),
        ("/access/allow/pop3/value/allowed", json!({ "only": ["0.0.0.0/0"] }), "is every IPv4 address"),
        (
            "/access/allow/pop3/value/allowed",
            json!({ "only": ["::/1", "8000::/1"] }),
            "is every IPv6 address",
        ),
        ("/access/allow/pop3/value/allowed", json!("nobody"), "`networks.office` is an empty list"),
        ("/access/allow/pop3/value/allowed", json!("anyone"), "has \"anyone\" beside others"),
        (
            "/access/allow/pop3/value/allowed",
            json!({ "only": ["198.18.0.1"] }),
            "`networks.office` is an empty list",
        ),
        ("/access/allow/pop3/value/sets", json!(["vpn", "office"]), none),
        ("/access/allow/pop3/value/sets", json!(["nobody"]), "meaning of its own"),
        ("/access/allow/imap/value/sets", json!(["office"]), "`networks.office` is an empty list"),
        ("/panel_access/domains/Example.ORG", at(json!(true)), none),
        ("/panel_access/domains/a@b", at(json!(true)), "cannot be a domain"),
        ("/panel_access/accounts/anna", at(json!(true)), "cannot be a mail address"),
        ("/panel_access/accounts/a\u{7f}@b.jp", at(json!(true)), "no manifest"),
    ] {
        let mut changed = desired();
        if changed.pointer(pointer).is_some() {
            set(&mut changed, pointer, value.clone());
        } else {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        let said = read(changed).err();
        let said = said.unwrap_or_else(|| panic!("{pointer} may be {value}"));
        assert!(said.contains(why), "{pointer} = {value}: {said}");
    }
    // Two rules together.
    let mut changed = desired();
    set(&mut changed, "/access/enforce/value", json!("plesk-firewall"));
    changed["access"]["allow"]["smtps"] = at(json!({ "allowed": "nobody" }));
    let said = read(changed).unwrap_err();
    assert!(said.contains("cannot set `smtps` apart"), "{said}");
}
