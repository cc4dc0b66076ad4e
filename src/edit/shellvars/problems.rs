//! What is wrong with a file, line by line: what the shell would complain about, and what stops the daemon.

use std::fmt;
use std::ops::Range;

use super::acts::ShellAct;
use super::number::{daemon_number, is_inert};
use super::words::unquote;
use super::{FileLine, LineBreakage, ShellFile, SourcedValue, Sourcing, ValueDoubt};

/// The variables that couriertcpd must get as a number above zero.
const LIMITS: [&str; 2] = ["MAXDAEMONS", "MAXPERIP"];

/// The variables that a start script pastes into a command line for a second shell, where each is one word.
const PASTED_WORDS: [&str; 6] = ["ADDRESS", "MAILDIRPATH", "PIDFILE", "PORT", "SSLADDRESS", "SSLPORT"];

/// The variables that a start script pastes so, where they may be several words.
const PASTED_LISTS: [&str; 3] = ["LOGGEROPTS", "SSLLOGGEROPTS", "TCPDOPTS"];

/// One thing that is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShellProblem {
    /// Where.
    pub spot: FileLine,
    /// What.
    pub kind: ShellProblemKind,
    /// What comes of it.
    pub consequence: ProblemConsequence,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShellProblemKind {
    /// No variable's value can be proved because of this.
    Doubt(ValueDoubt),
    /// A line looks like an assignment and is none.
    Broken(LineBreakage),
    /// Every line ends in CR LF, and the CR becomes part of every value.
    CarriageReturns,
    /// A carriage return is read as a command, or becomes part of an option that couriertcpd then refuses.
    CarriageReturn,
    /// The file begins with a byte order mark, which makes a command of its first line.
    ByteOrderMark,
    /// couriertcpd refuses to start with this limit.
    RefusedLimit,
    /// A start script pastes this value into a second shell, which reads it as more than a word.
    ReadTwice,
    /// The options set a limit, which wins over `MAXDAEMONS` or `MAXPERIP`.
    LimitInOptions,
}

impl ShellProblemKind {
    /// Whether it is that of a variable's value, so that another value mends it.
    #[must_use]
    pub const fn is_of_a_value(self) -> bool {
        match self {
            Self::RefusedLimit | Self::ReadTwice | Self::LimitInOptions | Self::CarriageReturn => true,
            Self::Doubt(_) | Self::Broken(_) | Self::CarriageReturns | Self::ByteOrderMark => false,
        }
    }
}

impl fmt::Display for ShellProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Doubt(doubt) => doubt.fmt(f),
            Self::Broken(breakage) => breakage.fmt(f),
            Self::CarriageReturns => {
                f.write_str("every line ends in CR LF, and the CR becomes part of every value")
            }
            Self::CarriageReturn => {
                f.write_str("a carriage return is read as a command or becomes part of an option")
            }
            Self::ByteOrderMark => f.write_str("a byte order mark makes a command of the first line"),
            Self::RefusedLimit => f.write_str("couriertcpd refuses to start with this limit"),
            Self::ReadTwice => f.write_str(
                "the start script hands this value to a second shell, which reads it as more than one word",
            ),
            Self::LimitInOptions => f.write_str("a limit in the options wins over MAXDAEMONS and MAXPERIP"),
        }
    }
}

/// What comes of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemConsequence {
    /// Something may differ from what the file says.
    Warning,
    /// The line does nothing but an error message.
    LineFails,
    /// A daemon that is started with this file does not run, at least where `sh` is dash.
    DaemonDoesNotRun,
}

/// Everything wrong with a file, in the order of its lines.
pub(super) fn of(file: &ShellFile) -> Vec<ShellProblem> {
    let mut problems = Vec::new();
    let mut note = |at: &Range<usize>, kind, consequence| {
        problems.push(ShellProblem { spot: file.spot(at), kind, consequence });
    };
    if carriage_returns_throughout(file) {
        let at = 0..file.line_text(0).len();
        note(&at, ShellProblemKind::CarriageReturns, ProblemConsequence::DaemonDoesNotRun);
    }
    let marked = file.bytes.starts_with("\u{feff}".as_bytes());
    if marked {
        note(&(0..3), ShellProblemKind::ByteOrderMark, ProblemConsequence::LineFails);
    }
    for act in &file.acts {
        match act {
            ShellAct::Doubt { at, why } => {
                let consequence = match why.ends() {
                    true => ProblemConsequence::DaemonDoesNotRun,
                    false => ProblemConsequence::Warning,
                };
                note(at, ShellProblemKind::Doubt(*why), consequence);
            }
            ShellAct::Broken { line, why, .. } => {
                note(line, ShellProblemKind::Broken(*why), ProblemConsequence::LineFails);
            }
            ShellAct::Run { name } if file.text(name).ends_with(b"\r") => {
                note(name, ShellProblemKind::CarriageReturn, ProblemConsequence::LineFails);
            }
            ShellAct::Assign { .. }
            | ShellAct::ReadOnly { .. }
            | ShellAct::Define { .. }
            | ShellAct::Run { .. }
            | ShellAct::Return { .. } => {}
        }
    }
    let shell = Sourcing::of([file]);
    if let Some((_, SourcedValue::Uncertain { spot, why })) = shell.doubt()
        && matches!(why, ValueDoubt::ReadOnly | ValueDoubt::FunctionRuns)
    {
        problems.push(ShellProblem {
            spot,
            kind: ShellProblemKind::Doubt(why),
            consequence: match why.ends() {
                true => ProblemConsequence::DaemonDoesNotRun,
                false => ProblemConsequence::Warning,
            },
        });
    }
    values(file, &shell, &mut problems);
    problems.sort();
    problems.dedup();
    problems
}

/// Whether each of at least two lines ends in CR LF.
pub(super) fn carriage_returns_throughout(file: &ShellFile) -> bool {
    file.lines.len() > 2 && file.lines[1..].iter().all(|next| file.bytes[..next - 1].ends_with(b"\r"))
}

/// Problems of the values that win within the file.
fn values(file: &ShellFile, shell: &Sourcing<'_>, problems: &mut Vec<ShellProblem>) {
    let mut check = |name: &str, judge: fn(&[u8]) -> Option<(ShellProblemKind, ProblemConsequence)>| {
        let Some(held) = shell.held(name).filter(|held| held.doubt.is_none()) else {
            return;
        };
        if let Some((kind, consequence)) = judge(&unquote(file.text(&held.value))) {
            problems.push(ShellProblem {
                spot: file.spot(&(held.name.start..held.value.end)),
                kind,
                consequence,
            });
        }
    };
    for name in LIMITS {
        check(name, |value| match daemon_number(value) {
            Some(_) => None,
            None if value.iter().all(|byte| is_inert(*byte) || *byte == b'\r') => {
                Some((ShellProblemKind::RefusedLimit, ProblemConsequence::DaemonDoesNotRun))
            }
            None => Some((ShellProblemKind::ReadTwice, ProblemConsequence::Warning)),
        });
    }
    for name in PASTED_WORDS {
        check(name, |value| {
            let word = value.iter().all(|byte| is_inert(*byte) || *byte == b'\r');
            (!word || value.starts_with(b"#"))
                .then_some((ShellProblemKind::ReadTwice, ProblemConsequence::Warning))
        });
    }
    for name in PASTED_LISTS {
        check(name, |value| {
            let words = value.split(|byte| matches!(byte, b' ' | b'\t'));
            let inert = |word: &[u8]| {
                !word.starts_with(b"#") && word.iter().all(|byte| is_inert(*byte) || *byte == b'\r')
            };
            (!words.into_iter().all(inert))
                .then_some((ShellProblemKind::ReadTwice, ProblemConsequence::Warning))
        });
    }
    // couriertcpd compares whole option names and addresses; its port goes through `atoi`.
    for name in ["ADDRESS", "SSLADDRESS", "TCPDOPTS"] {
        check(name, |value| {
            value
                .contains(&b'\r')
                .then_some((ShellProblemKind::CarriageReturn, ProblemConsequence::DaemonDoesNotRun))
        });
    }
    check("TCPDOPTS", |value| {
        let mut words = value.split(|byte| matches!(byte, b' ' | b'\t'));
        words
            .any(|word| word.starts_with(b"-maxprocs=") || word.starts_with(b"-maxperip="))
            .then_some((ShellProblemKind::LimitInOptions, ProblemConsequence::Warning))
    });
}
