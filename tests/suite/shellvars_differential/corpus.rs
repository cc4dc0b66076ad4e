//! The same judge over files from the wild.

use std::fs;
use std::path::PathBuf;

use mailward::edit::shellvars::{ShellFile, SourcedValue, Sourcing, daemon_number, ensure};

use super::judge::{self, Job, Shell};
use crate::support::not_run;

/// Every file with its name, in the order of names; none where there is no corpus.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let Some(root) = std::env::var_os("MAILWARD_CORPUS") else {
        not_run(
            "Courier files from the wild, read and edited",
            "MAILWARD_CORPUS names the folder of collected files",
        );
        return Vec::new();
    };
    let folder = PathBuf::from(root).join("courier");
    let entries = fs::read_dir(&folder).expect("the folder `courier` of the corpus");
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|end| end != "tsv"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

#[test]
fn files_from_the_wild_mean_what_the_shell_makes_of_them() {
    for (path, bytes) in corpus() {
        let file = ShellFile::parse(&bytes);
        assert_eq!(file.to_bytes(), bytes, "{path}");
        let sourcing = Sourcing::of([&file]);
        assert_eq!(sourcing.doubt(), None, "{path}");
        let assignments = file.assignments();
        assert!(assignments.len() > 1, "{path}: {assignments:?}");
        let mut names: Vec<_> = assignments.iter().map(|one| one.name.as_str()).collect();
        names.extend(["MAXDAEMONS", "MAXPERIP"]);
        for shell in [Shell::Dash, Shell::Bash] {
            let verdict = judge::verdicts_of(shell, &names, &[Job(vec![&bytes])]).remove(0);
            let verdict = verdict.unwrap_or_else(|| panic!("{path} ends {shell:?}"));
            for one in &assignments {
                assert_eq!(verdict.get(&one.name), Some(&one.bytes), "{path}: {}", one.name);
            }
            for name in ["MAXDAEMONS", "MAXPERIP"] {
                let unset = file.value(name) == SourcedValue::Untouched;
                assert_eq!(verdict.contains_key(name), !unset, "{path}: {name}");
            }
        }
    }
}

#[test]
fn files_from_the_wild_are_edited_in_one_line() {
    for (path, bytes) in corpus() {
        for name in ["MAXDAEMONS", "MAXPERIP"] {
            let done = ensure(&bytes, name, 137).unwrap_or_else(|why| panic!("{path}: {why}"));
            assert_eq!(done.lines.len(), 1, "{path}");
            let verdicts = judge::verdicts_of(Shell::Dash, &[name], &[Job(vec![&done.bytes])]);
            let value = verdicts[0].as_ref().and_then(|all| all.get(name));
            assert_eq!(value.and_then(|value| daemon_number(value)), Some(137), "{path}");
            let (old, new) = (line_set(&bytes), line_set(&done.bytes));
            let inserted = usize::from(done.lines[0].before.is_none());
            assert_eq!(old.len() + inserted, new.len(), "{path}");
            let kept = old.iter().filter(|line| new.contains(line)).count();
            assert!(kept + 1 >= old.len(), "{path}: {name}");
        }
    }
}

fn line_set(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}
