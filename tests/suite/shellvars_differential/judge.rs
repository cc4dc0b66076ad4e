//! Sources many files in one shell process, each case in a subshell of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use super::NAMES;

/// The files that one shell sources, one after another.
pub(super) struct Job<'a>(pub(super) Vec<&'a [u8]>);

/// The variables that are set in the end.
pub(super) type Variables = BTreeMap<String, Vec<u8>>;

/// A shell that is `/bin/sh` somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    /// Debian's and Ubuntu's.
    Dash,
    /// Red Hat's and SUSE's.
    Bash,
}

impl Shell {
    fn command(self) -> Vec<&'static str> {
        match self {
            Self::Dash => vec!["dash"],
            Self::Bash => vec!["bash", "--posix"],
        }
    }
}

/// What each job's shell has in the end; none where it ended before.
pub(super) fn verdicts(shell: Shell, jobs: &[Job<'_>]) -> Vec<Option<Variables>> {
    verdicts_of(shell, &NAMES, jobs)
}

/// The same for these variables.
pub(super) fn verdicts_of(shell: Shell, names: &[&str], jobs: &[Job<'_>]) -> Vec<Option<Variables>> {
    let dir = tempfile::tempdir().expect("a folder for the judge");
    // Whatever a generated file does, it cannot take the machine with it.
    let mut script = String::from("ulimit -v 1000000 && ulimit -t 100 && ulimit -f 10000 || exit\n");
    let mut print = String::from("printf '");
    for name in names {
        write!(print, "{name}\\037%s\\037%s\\036").unwrap();
    }
    print.push('\'');
    for name in names {
        write!(print, " \"${{{name}+set}}\" \"${name}\"").unwrap();
    }
    // In a subshell, bash 5.2 runs a sourced file's last command in place of the subshell, which start
    // scripts have not; not where a signal is trapped.
    for (index, job) in jobs.iter().enumerate() {
        writeln!(script, "printf '\\035{index}\\036'").unwrap();
        write!(script, "( trap : USR2; exec 3>&1 >/dev/null 2>&1 </dev/null; set -- start; ").unwrap();
        for (part, bytes) in job.0.iter().enumerate() {
            fs::write(dir.path().join(format!("{index}.{part}")), bytes).expect("a file to source");
            write!(script, ". ./{index}.{part}; ").unwrap();
        }
        writeln!(script, "{print} >&3 )").unwrap();
    }
    script.push_str("exit 0\n");
    let path = dir.path().join("judge.sh");
    fs::write(&path, script).expect("the judge's script");
    let output = Command::new("timeout")
        .args(["120"])
        .args(shell.command())
        .arg(&path)
        .current_dir(dir.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("`timeout` runs (apt package coreutils)");
    let code = output.status.code();
    assert!(
        code == Some(0),
        "{shell:?} judges (apt packages dash, bash): {code:?} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answers: BTreeMap<usize, Option<Variables>> =
        output.stdout.split(|byte| *byte == 0o35).filter_map(|text| answer(text, names.len())).collect();
    assert_eq!(answers.len(), jobs.len(), "{shell:?} answers every job");
    answers.into_values().collect()
}

fn answer(text: &[u8], wanted: usize) -> Option<(usize, Option<Variables>)> {
    let mut records = text.split(|byte| *byte == 0o36);
    let index = std::str::from_utf8(records.next()?).ok()?.parse().ok()?;
    let mut variables = Variables::new();
    let mut count = 0;
    for record in records {
        let fields: Vec<_> = record.split(|byte| *byte == 0o37).collect();
        let [name, set, value] = fields.as_slice() else {
            continue;
        };
        count += 1;
        if !set.is_empty() {
            variables.insert(String::from_utf8_lossy(name).into_owned(), value.to_vec());
        }
    }
    Some((index, (count == wanted).then_some(variables)))
}
