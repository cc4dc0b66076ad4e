//! `docs/trust.md` promises nothing without a test: every test that it names exists, and every promise names
//! one.

use std::collections::BTreeSet;
use std::path::Path;

const DOCS: &str = include_str!("../../docs/trust.md");

/// Adds `module::name` for each test below a folder of the suite.
fn gather(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let inside = match module {
            "" => name,
            module => format!("{module}::{name}"),
        };
        if path.is_dir() {
            gather(&path, &inside, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for after in text.split("#[test]\n").skip(1) {
                let line = after.lines().find(|line| !line.trim_start().starts_with('#'));
                if let Some(name) = line.and_then(|line| line.trim_start().strip_prefix("fn ")) {
                    let name = name.split('(').next().unwrap();
                    found.insert(format!("{inside}::{name}"));
                }
            }
        }
    }
}

#[test]
fn every_promise_names_tests_and_every_test_that_is_named_exists() {
    let mut tests = BTreeSet::new();
    gather(Path::new("tests/suite"), "", &mut tests);
    assert!(tests.len() > 500, "{}", tests.len());
    let mut named = 0;
    for row in DOCS.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [promise, shown] = cells.as_slice() else {
            panic!("{row}");
        };
        if promise.trim() == "promise" {
            continue;
        }
        let names: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test shows: {promise}");
        for name in names {
            assert!(tests.contains(name), "there is no test {name}, for: {promise}");
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}

#[test]
fn who_could_do_something_is_on_the_page() {
    let headings: Vec<&str> = DOCS.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    for who in ["root", "unprivileged user", "broken into", "saved plan from a stranger", "vendor's command"]
    {
        assert!(headings.iter().any(|heading| heading.contains(who)), "{who}: {headings:?}");
    }
    assert_eq!(DOCS.matches("Not promised:").count(), 5);
}
