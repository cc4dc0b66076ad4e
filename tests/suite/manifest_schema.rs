//! The JSON Schema of the manifest: current on disk, and of one mind with the reader.

use std::fs;
use std::path::{Path, PathBuf};

use mailward::manifest::{ManifestLayer, check, schema};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn errors(text: &str) -> Vec<String> {
    match check(&[ManifestLayer { name: "m.toml".into(), bytes: text.as_bytes().to_vec() }]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| problem.what).collect(),
    }
}

/// A TOML text as the JSON that an editor's validator sees; `None` where it is no TOML or no UTF-8.
fn as_json(text: &[u8]) -> Option<Value> {
    fn value(toml: &toml::de::DeValue<'_>) -> Value {
        use toml::de::DeValue;
        match toml {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Integer(number) => {
                let whole = i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX);
                i64::try_from(whole).map_or_else(|_| Value::from(whole as f64), Value::from)
            }
            DeValue::Float(number) => Value::from(number.as_str().parse::<f64>().unwrap_or(0.5)),
            DeValue::Boolean(truth) => Value::from(*truth),
            DeValue::Datetime(time) => Value::from(time.to_string()),
            DeValue::Array(items) => items.iter().map(|item| value(item.get_ref())).collect(),
            DeValue::Table(table) => object(table),
        }
    }
    fn object(table: &toml::de::DeTable<'_>) -> Value {
        table.iter().map(|(key, inner)| (key.get_ref().to_string(), value(inner.get_ref()))).collect()
    }
    let text = std::str::from_utf8(text).ok()?;
    let table = toml::de::DeTable::parse(text).ok()?;
    Some(object(table.get_ref()))
}

#[test]
fn the_schema_on_disk_is_current() {
    let path = root().join("schema/manifest.schema.json");
    let now = format!("{}\n", serde_json::to_string_pretty(&schema()).expect("JSON"));
    if std::env::var_os("MAILWARD_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, &now).expect("a writable schema folder");
    }
    let disk = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(disk, now, "MAILWARD_BLESS=1 writes {} anew", path.display());
}

/// All settings that a schema lists, as a dotted key with an example value; tables that hold names get one.
fn settings(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    let alternatives = schema["anyOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
    for one in &alternatives {
        if let Some(properties) = one["properties"].as_object() {
            assert_eq!(one["additionalProperties"], Value::Bool(false), "{path} is not closed");
            for (key, inner) in properties {
                assert!(inner["description"].is_string(), "{path}.{key} has no description");
                settings(inner, &dotted(path, key), found);
            }
            return;
        }
        if one["additionalProperties"].is_object() {
            let name = match path {
                "panel_access.accounts" => "\"some.name@example.jp\"",
                _ => "some_name",
            };
            settings(&one["additionalProperties"], &dotted(path, name), found);
            return;
        }
    }
    let example = match schema["examples"].get(0) {
        Some(example) => example.clone(),
        None => schema["enum"][0].clone(),
    };
    found.push((path.to_owned(), example));
}

fn dotted(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn all_settings() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    settings(&schema(), "", &mut found);
    found.retain(|(path, _)| path != "version");
    found
}

#[test]
fn the_reader_takes_every_setting_of_the_schema() {
    let all = all_settings();
    assert!(all.len() > 20, "{all:?}");
    for (path, example) in all {
        // A rate alone is no whole setting; its other half comes along.
        let other = match path.rsplit_once('.') {
            Some((cps, "rate")) => format!("{cps}.pause = \"10s\"\n"),
            Some((cps, "pause")) => format!("{cps}.rate = 50\n"),
            _ => String::new(),
        };
        assert_eq!(
            errors(&format!("version = 1\n{path} = {example}\n{other}")),
            [""; 0],
            "{path} = {example}"
        );
        assert_eq!(errors(&format!("version = 1\n{path} = \"unmanaged\"\n")), [""; 0], "{path} unmanaged");
        assert_ne!(errors(&format!("version = 1\n{path} = 1979-05-27\n")), [""; 0], "{path} takes a date");
        // Where the key is a name, another one is as good.
        if path == "networks.some_name" || path.contains("name") && path.starts_with("panel_access") {
            continue;
        }
        let misspelt = errors(&format!("version = 1\n{path}x = {example}\n"));
        assert_eq!(misspelt.len(), 1, "{path}x: {misspelt:?}");
    }
}

/// The keys that the reader's own messages list where nothing near is known.
fn listed_by_reader(table: &str) -> Vec<String> {
    let text = format!("version = 1\n{table}qqqqqqqq = 1\n");
    let problems =
        check(&[ManifestLayer { name: "m".into(), bytes: text.into_bytes() }]).expect_err("an unknown key");
    let hint = problems[0].hint.clone().expect("a hint");
    hint.split("; ").next().unwrap_or_default().split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_schema_has_every_key_that_the_reader_knows() {
    let schema = schema();
    for table in [
        "",
        "host.",
        "limits.",
        "limits.pop3.",
        "limits.smtp.",
        "xinetd.defaults.",
        "xinetd.services.a.",
        "xinetd.defaults.cps.",
        "xinetd.services.a.cps.",
        "access.",
        "access.allow.",
        "panel_access.",
        "safety.",
    ] {
        let mut at = &schema;
        for part in table.split_terminator('.') {
            let object = at["anyOf"].as_array().map_or(at, |alternatives| &alternatives[0]);
            at = match object["properties"].get(part) {
                Some(inner) => inner,
                None => &object["additionalProperties"],
            };
        }
        let object = at["anyOf"].as_array().map_or(at, |alternatives| &alternatives[0]);
        let mut in_schema: Vec<String> =
            object["properties"].as_object().expect("a table").keys().cloned().collect();
        let mut in_reader = listed_by_reader(table);
        in_schema.sort();
        in_reader.sort();
        assert_eq!(in_reader, in_schema, "{table:?}");
    }
}

/// Problems that a schema cannot see: they lie between values, or in how the text is written (1.0 is an
/// integer to it).
fn only_the_reader_sees(what: &str) -> bool {
    [
        "which is less than",
        "are the same ",
        "needs `",
        "not UTF-8",
        "there is no set",
        "bits set behind",
        "in IPv6 form",
        "is every IPv",
        "no address that anybody has",
        "cannot set `smtps` apart",
        "a number with a decimal point",
    ]
    .iter()
    .any(|words| what.contains(words))
}

#[test]
fn schema_and_reader_agree_on_every_case() {
    let validator = jsonschema::validator_for(&schema()).expect("a valid schema");
    let mut compared = 0;
    for entry in fs::read_dir(root().join("tests/manifest")).expect("tests/manifest is there") {
        let case: PathBuf = entry.expect("a readable entry").path();
        for file in fs::read_dir(&case).expect("a case is a folder") {
            let file = file.expect("a readable entry").path();
            if file.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let bytes = fs::read(&file).expect("a readable layer");
            let Some(json) = as_json(&bytes) else {
                continue;
            };
            let problems = errors(&String::from_utf8_lossy(&bytes));
            let problems: Vec<&String> = problems.iter().filter(|what| !only_the_reader_sees(what)).collect();
            compared += 1;
            assert_eq!(validator.is_valid(&json), problems.is_empty(), "{}: {problems:?}", file.display());
        }
    }
    assert!(compared >= 40, "only {compared} layers were compared");
}
