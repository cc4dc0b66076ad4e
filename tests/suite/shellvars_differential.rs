//! The shell is the judge: generated files are sourced by dash and bash as Courier's start scripts source
//! them, and every value must be what the reader says. `MAILWARD_DIFFERENTIAL=N` judges N files instead of
//! the default.

mod corpus;
mod generate;
mod judge;

use std::collections::BTreeMap;

use generate::{Dice, Grammar};
use judge::{Job, Shell, Variables};
use mailward::edit::shellvars::{ShellFile, SourcedValue, Sourcing, ValueDoubt, daemon_number, ensure};

/// The variables that are compared.
const NAMES: [&str; 6] = ["MAXDAEMONS", "MAXPERIP", "PORT", "TCPDOPTS", "FOO", "BAR"];

/// Files that one shell process judges.
const BATCH: u64 = 250;

/// The variable that edits set.
const EDITED: &str = "MAXPERIP";

/// One generated case: the files of a daemon and of its TLS twin.
struct Case {
    seed: u64,
    plain: Vec<u8>,
    tls: Vec<u8>,
    number: u32,
    /// `plain` after an edit, where the edit was not refused.
    edited: Option<Vec<u8>>,
}

/// What was compared, for bounds that keep a test from passing by saying nothing.
#[derive(Debug, Default)]
struct Tally {
    values: u64,
    uncertain: u64,
    edits: u64,
    refusals: u64,
}

impl Case {
    fn new(seed: u64, grammar: Grammar) -> Self {
        let mut dice = Dice::new(seed);
        let plain = generate::file(&mut dice, grammar);
        let tls = generate::file(&mut dice, grammar);
        let number = u32::try_from(dice.below(5_000)).unwrap() + 1;
        let edited = ensure(&plain, EDITED, number).ok().map(|done| done.bytes);
        Self { seed, plain, tls, number, edited }
    }

    /// In the order of the start scripts, and the file alone before and after the edit.
    fn jobs(&self) -> Vec<Job<'_>> {
        let mut jobs = vec![
            Job(vec![&self.tls, &self.plain]),
            Job(vec![&self.plain, &self.tls]),
            Job(vec![&self.plain]),
        ];
        jobs.extend(self.edited.iter().map(|edited| Job(vec![edited])));
        jobs
    }

    fn judged(&self, shell: Shell, verdicts: &[Option<Variables>], tally: &mut Tally) {
        for (job, verdict) in self.jobs().iter().zip(verdicts) {
            self.compare(shell, job, verdict.as_ref(), tally);
        }
        let Some(edited) = &self.edited else {
            tally.refusals += 1;
            return;
        };
        tally.edits += 1;
        let (before, after) = (verdicts[2].as_ref(), verdicts[3].as_ref());
        let after = after.unwrap_or_else(|| self.fail(shell, edited, "the edited file ends the shell"));
        let number = after.get(EDITED).and_then(|value| daemon_number(value));
        if number != Some(self.number) {
            self.fail(shell, edited, &format!("the edit sets {number:?}"));
        }
        let file = ShellFile::parse(&self.plain);
        for name in NAMES.into_iter().filter(|name| *name != EDITED) {
            let certain = !matches!(file.value(name), SourcedValue::Uncertain { .. });
            if certain && before.and_then(|all| all.get(name)) != after.get(name) {
                self.fail(shell, edited, &format!("the edit changes {name}"));
            }
        }
    }

    fn compare(&self, shell: Shell, job: &Job<'_>, verdict: Option<&Variables>, tally: &mut Tally) {
        let files: Vec<_> = job.0.iter().map(|bytes| ShellFile::parse(bytes)).collect();
        let sourcing = Sourcing::of(&files);
        for name in NAMES {
            tally.values += 1;
            let ours = sourcing.value(name).value;
            let theirs = verdict.map(|all| all.get(name).map(Vec::as_slice));
            let agree = match &ours {
                SourcedValue::Literal { bytes, .. } => theirs == Some(Some(bytes.as_slice())),
                SourcedValue::Untouched | SourcedValue::Broken { .. } => theirs == Some(None),
                SourcedValue::Uncertain { why, .. } => {
                    tally.uncertain += 1;
                    !why.ends() || theirs.is_none() || goes_on(shell, *why)
                }
            };
            if !agree {
                let text = format!("{name} is {ours:?}, the shell has {theirs:?}");
                self.fail(shell, &job.0.join(&b"----\n"[..]), &text);
            }
        }
    }

    fn fail(&self, shell: Shell, bytes: &[u8], what: &str) -> ! {
        panic!(
            "seed {}, {shell:?}: {what}\n{}\n{}",
            self.seed,
            bytes.escape_ascii(),
            String::from_utf8_lossy(bytes)
        )
    }
}

/// Whether the shell leaves out what it does not understand and goes on, where dash ends.
fn goes_on(shell: Shell, why: ValueDoubt) -> bool {
    shell == Shell::Bash && matches!(why, ValueDoubt::BadName | ValueDoubt::Syntax | ValueDoubt::Unterminated)
}

/// How many files to judge in all.
fn wanted() -> u64 {
    let asked = std::env::var("MAILWARD_DIFFERENTIAL").ok();
    asked.map_or(3_600, |text| text.parse().expect("MAILWARD_DIFFERENTIAL is a number of files"))
}

fn run(grammar: Grammar, seeds: std::ops::Range<u64>) -> Tally {
    let mut tally = Tally::default();
    let mut first = seeds.start;
    while first < seeds.end {
        let end = (first + BATCH).min(seeds.end);
        let cases: Vec<_> = (first..end).map(|seed| Case::new(seed, grammar)).collect();
        let jobs: Vec<_> = cases.iter().flat_map(Case::jobs).collect();
        for shell in [Shell::Dash, Shell::Bash] {
            let mut verdicts = judge::verdicts(shell, &jobs).into_iter();
            for case in &cases {
                let count = case.jobs().len();
                let own: Vec<_> = verdicts.by_ref().take(count).collect();
                case.judged(shell, &own, &mut tally);
            }
        }
        first = end;
    }
    println!("{grammar:?}: {tally:?}");
    tally
}

#[test]
fn plain_files_mean_what_the_shell_makes_of_them() {
    let tally = run(Grammar::Plain, 0..wanted() / 3);
    assert!(tally.uncertain * 100 < tally.values * 5, "{tally:?}");
    assert!(tally.refusals * 100 < (tally.edits + tally.refusals) * 8, "{tally:?}");
}

#[test]
fn rich_files_mean_what_the_shell_makes_of_them() {
    run(Grammar::Rich, 1_000_000..1_000_000 + wanted() / 3);
}

#[test]
fn token_soup_means_what_the_shell_makes_of_it() {
    run(Grammar::Soup, 2_000_000..2_000_000 + wanted() / 3);
}

/// Guards the guard: a judge that never answers would agree with everything.
#[test]
fn the_judge_tells_values_from_ends() {
    let (set, broken): (&[u8], &[u8]) = (b"FOO=1\nMAXPERIP=\n", b"exit 0");
    for shell in [Shell::Dash, Shell::Bash] {
        let verdicts = judge::verdicts(shell, &[Job(vec![set]), Job(vec![set, broken])]);
        let values =
            BTreeMap::from([(String::from("FOO"), b"1".to_vec()), (String::from("MAXPERIP"), Vec::new())]);
        assert_eq!(verdicts, [Some(values), None], "{shell:?}");
    }
}
