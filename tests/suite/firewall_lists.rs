//! Lists in unusual forms that a manifest may have: what is planned for them is the networks that they mean.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::host::Host;

/// The golden cases whose lists are planned.
const CASES: [(&str, &str); 2] = [
    ("long", include_str!("../manifest/a-list-of-more-than-4096-characters-is-read/manifest.toml")),
    ("overlapping", include_str!("../manifest/networks-that-others-cover-are-a-note/manifest.toml")),
];

fn allowlists(host: &Host, enforce: &str, manifest: &str) -> Value {
    let manifest =
        manifest.replace("[access.allow]", &format!("[access]\nenforce = \"{enforce}\"\n[access.allow]"));
    let output = host
        .command(&["mailward", "plan", "--format", "json", "-"])
        .stdin(manifest)
        .within(Duration::from_secs(60))
        .run();
    assert_eq!(output.code(), 2, "{output:#?}");
    let plan: Value = serde_json::from_str(&output.stdout).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    let allowlists = steps.iter().find_map(|step| step.get("gates"));
    allowlists.unwrap_or_else(|| panic!("{plan:#}")).clone()
}

#[test]
fn long_and_overlapping_lists_are_planned_as_the_fewest_networks_that_they_are() {
    let Some(host) = Host::init() else {
        return;
    };
    for enforce in ["nftables", "iptables"] {
        for (name, manifest) in CASES {
            let expected = match name {
                "long" => json!([
                    { "service": "imap", "networks": ["10.0.0.0/24", "10.0.1.0/27", "2001:db8::/124"] },
                ]),
                _ => json!([
                    { "service": "imap", "networks": ["198.51.100.7", "203.0.113.0/24"] },
                    { "service": "pop3", "networks": ["203.0.113.0/24"] },
                ]),
            };
            let planned = allowlists(&host, enforce, manifest);
            let told: Vec<Value> = (planned.as_array().unwrap().iter())
                .map(|allowlist| json!({ "service": allowlist["service"], "networks": allowlist["to"]["only"] }))
                .collect();
            assert_eq!(Value::from(told), expected, "{enforce} {name}: {planned:#}");
        }
    }
}
