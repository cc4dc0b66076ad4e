//! What one simple command does to variables, by its name.
//!
//! A name that is not known to be harmless and is a builtin of any shell leaves everything in doubt.

use std::ops::Range;

use super::acts::{CommandCertainty, ShellAct};
use super::words::{FieldSplitting, JoinedLines, ShellWord, is_name, name_length, unquote};
use super::{LineBreakage, ValueDoubt};

/// Builtins that neither set a variable nor end the shell, whatever their arguments.
const HARMLESS: [&[u8]; 7] = [b"[", b"echo", b"false", b"test", b"true", b"ulimit", b"umask"];

/// Builtins whose prefix assignments stay and whose failures end the shell (POSIX: special built-in
/// utilities).
const SPECIAL: [&[u8]; 16] = [
    b".",
    b":",
    b"break",
    b"continue",
    b"eval",
    b"exec",
    b"exit",
    b"export",
    b"readonly",
    b"return",
    b"set",
    b"shift",
    b"source",
    b"times",
    b"trap",
    b"unset",
];

/// The other builtins of dash, bash and busybox, and programs that may end the shell.
const OTHER_BUILTINS: [&[u8]; 48] = [
    b"alias",
    b"bg",
    b"bind",
    b"builtin",
    b"caller",
    b"cd",
    b"chdir",
    b"command",
    b"compgen",
    b"complete",
    b"compopt",
    b"declare",
    b"dirs",
    b"disown",
    b"enable",
    b"fc",
    b"fg",
    b"getopts",
    b"hash",
    b"help",
    b"history",
    b"jobs",
    b"kill",
    b"killall",
    b"let",
    b"local",
    b"logout",
    b"mapfile",
    b"popd",
    b"pkill",
    b"printf",
    b"pushd",
    b"pwd",
    b"read",
    b"readarray",
    b"reboot",
    b"setvar",
    b"shopt",
    b"shutdown",
    b"suspend",
    b"type",
    b"typeset",
    b"unalias",
    b"wait",
    b"halt",
    b"login",
    b"newgrp",
    b"poweroff",
];

/// Variables that the shell itself reads, sets or forbids to set.
const OF_THE_SHELL: [&[u8]; 26] = [
    b"_",
    b"COMP_WORDBREAKS",
    b"COPROC",
    b"DIRSTACK",
    b"ENV",
    b"EPOCHREALTIME",
    b"EPOCHSECONDS",
    b"EUID",
    b"FUNCNAME",
    b"GROUPS",
    b"HISTCMD",
    b"IFS",
    b"LINENO",
    b"MAPFILE",
    b"OPTARG",
    b"OPTERR",
    b"OPTIND",
    b"PIPESTATUS",
    b"POSIXLY_CORRECT",
    b"PPID",
    b"RANDOM",
    b"READLINE_LINE",
    b"SECONDS",
    b"SHELLOPTS",
    b"SRANDOM",
    b"UID",
];

/// Whether a name is a builtin that no function may have.
pub(super) fn is_special(name: &[u8]) -> bool {
    SPECIAL.contains(&name)
}

fn is_of_the_shell(name: &[u8]) -> bool {
    OF_THE_SHELL.contains(&name) || name.starts_with(b"BASH")
}

/// A simple command as it stands.
#[derive(Debug, Default)]
pub(super) struct SimpleCommand {
    /// The assignments before the command, each with its name's length.
    pub(super) assignments: Vec<(usize, ShellWord)>,
    /// The command and its arguments.
    pub(super) words: Vec<ShellWord>,
    /// Whether it has redirections.
    pub(super) redirected: bool,
}

impl SimpleCommand {
    pub(super) fn is_empty(&self) -> bool {
        self.assignments.is_empty() && self.words.is_empty() && !self.redirected
    }

    /// Adds what it does.
    pub(super) fn acts(&self, source: &[u8], acts: &mut Vec<ShellAct>) {
        let shell_variable = self.assignments.iter().find_map(|(name, word)| {
            let name = word.range.start..word.range.start + name;
            is_of_the_shell(&source[name.clone()]).then_some(name)
        });
        if let Some(at) = shell_variable {
            acts.push(ShellAct::Doubt { at, why: ValueDoubt::ShellVariable });
        }
        match self.words.split_first() {
            None => {
                let doubt = self.redirected.then_some(ValueDoubt::Redirected);
                self.assign(doubt, acts);
            }
            Some((command, arguments)) => self.run(source, command, arguments, acts),
        }
    }

    fn assign(&self, doubt: Option<ValueDoubt>, acts: &mut Vec<ShellAct>) {
        for (name, word) in &self.assignments {
            acts.push(ShellAct::Assign {
                name: word.range.start..word.range.start + name,
                value: word.value(*name),
                doubt: doubt.or(word.computed),
            });
        }
    }

    fn run(&self, source: &[u8], command: &ShellWord, arguments: &[ShellWord], acts: &mut Vec<ShellAct>) {
        let at = command.range.clone();
        let raw = &source[at.clone()];
        let name = unquote(raw);
        let known = command.computed.is_none()
            && (command.fields == FieldSplitting::One || raw == b"[")
            && !name.starts_with(b"%");
        if !known {
            let why = ValueDoubt::UnknownCommand;
            acts.push(ShellAct::Doubt { at, why });
            return;
        }
        let special = is_special(&name);
        if special {
            self.assign(Some(ValueDoubt::BeforeBuiltin), acts);
        } else {
            self.given(source, command, arguments, acts);
        }
        if special && self.redirected {
            let why = ValueDoubt::Redirected;
            acts.push(ShellAct::Doubt { at, why });
            return;
        }
        let doubt = match name.as_slice() {
            b":" => None,
            b"export" | b"readonly" => return declare(source, &name, arguments, acts),
            b"unset" => return unset(source, arguments, acts),
            b"return" => {
                let status = |word: &ShellWord| source[word.range.clone()].iter().all(u8::is_ascii_digit);
                match arguments {
                    [] => return acts.push(ShellAct::Return { at }),
                    [word] if status(word) => return acts.push(ShellAct::Return { at }),
                    _ => Some(ValueDoubt::MayEnd),
                }
            }
            b"exit" => Some(ValueDoubt::Ends),
            b"." | b"source" => Some(ValueDoubt::OtherFile),
            b"eval" => Some(ValueDoubt::Evaluated),
            b"set" => {
                let harmless = arguments.iter().all(|word| {
                    let text = &source[word.range.clone()];
                    matches!(text, b"-a" | b"+a" | b"+e" | b"+u" | b"-x" | b"+x")
                });
                (!harmless || arguments.is_empty()).then_some(ValueDoubt::ShellState)
            }
            b"printf" => {
                let plain = arguments.first().is_some_and(|word| {
                    word.computed.is_none() && !unquote(&source[word.range.clone()]).starts_with(b"-")
                });
                (!plain).then_some(ValueDoubt::ShellState)
            }
            name if HARMLESS.contains(&name) => None,
            name if special || OTHER_BUILTINS.contains(&name) => Some(ValueDoubt::ShellState),
            _ => None,
        };
        acts.push(match doubt {
            Some(why) => ShellAct::Doubt { at, why },
            None => ShellAct::Run { name: at },
        });
    }

    /// Notes the variables that the command only gets in its environment, or that it takes for its own name.
    fn given(&self, source: &[u8], command: &ShellWord, arguments: &[ShellWord], acts: &mut Vec<ShellAct>) {
        let end = arguments.last().unwrap_or(command).range.end;
        for (length, word) in &self.assignments {
            let start = word.range.start;
            let empty = word.range.end == start + length + 1;
            let alone = self.assignments.len() == 1 && arguments.is_empty() && !self.redirected;
            acts.push(ShellAct::Broken {
                name: start..start + length,
                line: start..end,
                why: LineBreakage::GivenToCommand,
                repair: (empty && alone).then(|| command.range.clone()),
            });
        }
        let name = &source[command.range.clone()];
        let Some(first) = arguments.first().filter(|_| is_name(name)) else {
            return;
        };
        let text = &source[first.range.clone()];
        let alone = self.assignments.is_empty() && !self.redirected;
        let numeric = |range: &Range<usize>| {
            let text = &source[range.clone()];
            text.iter().any(u8::is_ascii_digit)
                && text.iter().all(|byte| byte.is_ascii_digit() || b"\"'\r".contains(byte))
        };
        let (why, value) = match (text, arguments) {
            (b"=", [_]) => (LineBreakage::SpacedEquals, Some(first.range.end..first.range.end)),
            (b"=", [_, value]) => (LineBreakage::SpacedEquals, Some(value.range.clone())),
            ([b'=', ..], [_]) => (LineBreakage::SpacedEquals, Some(first.range.start + 1..first.range.end)),
            ([b'=', ..], _) => (LineBreakage::SpacedEquals, None),
            (_, [value]) if numeric(&value.range) => (LineBreakage::NoEquals, Some(value.range.clone())),
            _ => return,
        };
        let literal = arguments.iter().all(|word| word.computed.is_none() && word.joined == JoinedLines::No);
        acts.push(ShellAct::Broken {
            name: command.range.clone(),
            line: command.range.start..end,
            why,
            repair: value.filter(|_| alone && literal),
        });
    }
}

/// `export` and `readonly`.
fn declare(source: &[u8], command: &[u8], arguments: &[ShellWord], acts: &mut Vec<ShellAct>) {
    for word in arguments {
        let at = word.range.clone();
        let raw = &source[at.clone()];
        let length = name_length(raw);
        let assigns = word.name.is_some();
        // An unquoted expansion may become further words, and with them further variables.
        if word.fields == FieldSplitting::Any || (word.computed.is_some() && !assigns) {
            let why = ValueDoubt::ShellState;
            acts.push(ShellAct::Doubt { at, why });
            continue;
        }
        let text = unquote(raw);
        let name = text.split(|byte| *byte == b'=').next().unwrap_or_default();
        let doubt = if is_of_the_shell(name) {
            Some(ValueDoubt::ShellVariable)
        } else if is_name(name) {
            None
        } else if raw == b"-p" && arguments.len() == 1 {
            continue;
        } else if raw.starts_with(b"-") {
            Some(ValueDoubt::ShellState)
        } else {
            Some(ValueDoubt::BadName)
        };
        if let Some(why) = doubt {
            acts.push(ShellAct::Doubt { at, why });
            continue;
        }
        let plain = raw.starts_with(name);
        if !plain {
            // A quoted name: which variable it is, and nothing else, is looked at.
            acts.push(ShellAct::Doubt { at: at.clone(), why: ValueDoubt::NotUnderstood });
            continue;
        }
        let name = at.start..at.start + length;
        if text.contains(&b'=') {
            let doubt = if assigns { word.computed } else { Some(ValueDoubt::NotUnderstood) };
            acts.push(ShellAct::Assign {
                name: name.clone(),
                value: (at.start + length + 1).min(at.end)..at.end,
                doubt,
            });
        }
        if command == b"readonly" {
            acts.push(ShellAct::ReadOnly { name, sure: CommandCertainty::Always });
        }
    }
}

fn unset(source: &[u8], arguments: &[ShellWord], acts: &mut Vec<ShellAct>) {
    for word in arguments {
        let at = word.range.clone();
        let raw = &source[at.clone()];
        if raw == b"-v" {
            continue;
        }
        acts.push(if is_name(raw) && !is_of_the_shell(raw) {
            ShellAct::Assign { name: at.clone(), value: at, doubt: Some(ValueDoubt::Unset) }
        } else {
            ShellAct::Doubt { at, why: ValueDoubt::ShellState }
        });
    }
}
