//! There is one way out for text.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The program's part of a file, without its own tests.
fn program(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..end].to_owned()
}

#[test]
fn text_leaves_the_program_by_one_writer_alone() {
    let mut found = Vec::new();
    sources(Path::new("src"), &mut found);
    assert!(found.len() > 100);
    let ways = [
        "println!",
        "print!(",
        "eprint",
        "dbg!",
        "::stdout()",
        "::stderr()",
        "Stdio::inherit",
        "/dev/tty",
        "/dev/stderr",
        "/dev/stdout",
        ".print()",
        "print_help",
        "print_long_help",
        "Cli::parse(",
        "::stdio::",
    ];
    let mut seen = Vec::new();
    for path in &found {
        for line in program(path).lines().filter(|line| !line.trim_start().starts_with("//")) {
            if ways.iter().any(|way| line.contains(way)) {
                seen.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    seen.retain(|line| !line.starts_with("src/cli/terminal.rs: "));
    // The terminal's settings are read and given back; nothing is written to it.
    let settings = r#"src/host/ssh/session.rs: File::open("/dev/tty").ok().and_then(|file| tcgetattr(&file)"#;
    seen.retain(|line| !line.starts_with(settings));
    // Names that the operator may give to files, which hold JSON.
    seen.retain(|line| !line.starts_with("src/cli/files.rs: ") || line.contains("()"));
    assert!(seen.is_empty(), "{seen:#?}");
}

#[test]
fn text_that_is_taken_as_it_is_comes_from_the_program_alone() {
    let mut found = Vec::new();
    sources(Path::new("src"), &mut found);
    let mut seen: Vec<String> = (found.iter())
        .flat_map(|path| {
            let text = program(path);
            let ways = ["SafeText::generated(", "SafeText::rendered("];
            let counts = ways.map(|way| text.matches(way).count());
            let name = path.display().to_string();
            (counts.iter().sum::<usize>() > 0).then(|| format!("{name} {counts:?}"))
        })
        .collect();
    seen.sort();
    // A page, a script and a usage error; and what a renderer made of parts that were escaped before it.
    assert_eq!(
        seen,
        ["src/cli/generate.rs [2, 0]", "src/cli/terminal.rs [1, 0]", "src/report/diagnostic.rs [0, 1]",]
    );
}
