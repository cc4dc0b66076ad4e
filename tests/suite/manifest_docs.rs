//! The examples of `docs/manifest.md` are manifests without errors or notes, and it names every key there is.

use std::fs;
use std::path::Path;

use mailward::manifest::{ManifestLayer, check, schema};
use serde_json::Value;

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manifest.md"))
        .expect("docs/manifest.md is there")
}

#[test]
fn every_example_is_a_manifest_without_errors() {
    let document = document();
    let examples: Vec<&str> = document
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("a closed block"))
        .collect();
    assert!(examples.len() >= 5, "only {} examples", examples.len());
    for example in examples {
        // The layered example drops what a layer below it sets.
        let base = "version = 1\n[limits.ftp]\nper_ip = 5\n";
        let layers = ["base.toml", "docs/manifest.md"].map(|name| ManifestLayer {
            name: name.to_owned(),
            bytes: if name == "base.toml" { base } else { example }.as_bytes().to_vec(),
        });
        let checked = check(&layers).unwrap_or_else(|problems| panic!("{example}\n{problems:#?}"));
        assert_eq!(checked.notes, [], "{example}");
    }
}

/// Every property name of a schema.
fn keys(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
                found.extend(properties.keys().cloned());
            }
            fields.values().for_each(|inner| keys(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| keys(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_key_is_described() {
    let document = document();
    let mut found = Vec::new();
    keys(&schema(), &mut found);
    assert!(found.len() > 20);
    for key in found {
        assert!(document.contains(&key), "docs/manifest.md does not name {key}");
    }
}
