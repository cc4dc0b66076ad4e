//! The direction of the house: a module uses those below it, never one above or beside it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From the ground up; modules of one row know nothing of each other.
const FLOORS: &[&[&str]] = &[
    &["model"],
    &["failure"],
    &["edit", "host"],
    &["facts", "manifest", "capability"],
    &["limits", "firewall", "panel_access"],
    &["plan"],
    &["report"],
    &["engine"],
    &["cli"],
    &["main", "lib"],
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|row| row.contains(&module))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

fn word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The modules that a text names behind `crate::`, comments and inline tests left out.
fn named(text: &str) -> BTreeSet<String> {
    let program = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines: Vec<&str> = program.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut names = BTreeSet::new();
    for part in lines.join("\n").split("crate::").skip(1) {
        let Some(group) = part.strip_prefix('{') else {
            names.insert(word(part).to_owned());
            continue;
        };
        let mut depth = 0;
        let mut start = 0;
        for (at, byte) in group.bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b',' | b'}' if depth == 0 => {
                    names.insert(word(&group[start..at]).to_owned());
                    start = at + 1;
                    if byte == b'}' {
                        break;
                    }
                }
                b'}' => depth -= 1,
                _ => {}
            }
        }
    }
    names.remove("");
    names
}

#[test]
fn no_module_uses_one_above_or_beside_it() {
    let mut all = Vec::new();
    files(Path::new("src"), &mut all);
    assert!(all.len() > 200, "{}", all.len());
    let mut wrong = Vec::new();
    for path in all {
        let own = path.components().nth(1).unwrap().as_os_str().to_string_lossy();
        let own = own.trim_end_matches(".rs");
        let Some(here) = floor(own) else {
            panic!("{own} stands on no floor");
        };
        for other in named(&std::fs::read_to_string(&path).unwrap()) {
            if other != own && floor(&other).is_none_or(|there| there >= here) {
                wrong.push(format!("{} uses {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} uses run upward:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_use_is_found_however_it_is_written() {
    let text = "use crate::{engine::{self, act}, plan};\n// crate::report\nfn f() { crate::cli::g() }\n";
    assert_eq!(named(text), ["cli", "engine", "plan"].map(str::to_owned).into());
}
