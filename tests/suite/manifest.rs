//! Golden cases of the manifest: a folder of `tests/manifest` holds `manifest.toml`, or layers `1.toml`,
//! `2.toml`, …, and `expected.txt`. `MAILWARD_BLESS=1` writes the expected files anew; read what changed.

use std::fs;
use std::path::{Path, PathBuf};

use mailward::failure::Diagnostic;
use mailward::manifest::{CheckedManifest, ManifestLayer, check};
use mailward::model::Desired;
use mailward::report::Colour;
use mailward::report::diagnostic::{WorstSeverity, render};

/// Every folder below `tests/manifest`.
fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifest"))
        .expect("tests/manifest is there")
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    cases.sort();
    cases
}

fn layers(case: &Path) -> Vec<ManifestLayer> {
    let mut files: Vec<PathBuf> = fs::read_dir(case)
        .expect("a case is a folder")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| ManifestLayer {
            name: path.file_name().expect("a name").to_string_lossy().into_owned(),
            bytes: fs::read(&path).expect("a readable layer"),
        })
        .collect()
}

/// What a case shows: the errors, or the notes and the desired state.
fn shown(result: &Result<CheckedManifest, Vec<Diagnostic>>) -> String {
    match result {
        Ok(CheckedManifest { desired, notes }) => {
            let json = serde_json::to_string_pretty(desired).expect("the desired state is JSON");
            format!("{}{json}\n", render(notes, WorstSeverity::Note, Colour::Off))
        }
        Err(problems) => render(problems, WorstSeverity::Error, Colour::Off).to_string(),
    }
}

#[test]
fn every_case_shows_what_its_expected_file_says() {
    let bless = std::env::var_os("MAILWARD_BLESS").is_some_and(|value| value == "1");
    let cases = cases();
    assert!(cases.len() >= 40, "only {} cases were found", cases.len());
    let mut different = Vec::new();
    for case in cases {
        let layers = layers(&case);
        assert!(!layers.is_empty(), "{} has no layer", case.display());
        let shown = shown(&check(&layers));
        let expected = case.join("expected.txt");
        if bless {
            fs::write(&expected, &shown).expect("a writable case");
        } else if fs::read_to_string(&expected).ok().as_ref() != Some(&shown) {
            different.push(format!("--- {}\n{shown}", case.display()));
        }
    }
    assert!(
        different.is_empty(),
        "not as expected (MAILWARD_BLESS=1 writes anew):\n{}",
        different.join("\n")
    );
}

#[test]
fn what_every_case_declares_comes_back_from_a_file_and_so_does_its_access_alone() {
    let mut read = 0;
    for case in cases() {
        let Ok(CheckedManifest { desired, .. }) = check(&layers(&case)) else {
            continue;
        };
        for desired in [desired.only_access(), desired] {
            let json = serde_json::to_string(&desired).expect("the desired state is JSON");
            let back: Desired =
                serde_json::from_str(&json).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
            assert_eq!(back, desired, "{}", case.display());
            read += 1;
        }
    }
    assert!(read >= 30, "{read}");
}

#[test]
fn nothing_shown_of_any_case_can_control_a_terminal() {
    for case in cases() {
        let shown = shown(&check(&layers(&case)));
        let bad =
            shown.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
        assert_eq!(bad, None, "{}", case.display());
    }
}

#[test]
fn no_layer_at_all_is_an_error() {
    let problems = check(&[]).expect_err("nothing to check");
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].what, "no manifest was given");
}

#[test]
fn a_layer_larger_than_sixteen_mebibytes_is_an_error() {
    let layer = ManifestLayer { name: "big.toml".into(), bytes: vec![b'#'; (16 << 20) + 1] };
    let problems = check(&[layer]).expect_err("too large");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].what.contains("16 MiB"), "{}", problems[0].what);
}
