//! Why a value is not the one that a line seems to give.

use std::fmt;

/// What the shell makes of a line that looks like an assignment and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineBreakage {
    /// `NAME = 4`: the shell runs a command `NAME`.
    SpacedEquals,
    /// `NAME 4`: the shell runs a command `NAME`.
    NoEquals,
    /// `NAME= 4` or `NAME=4 word`: the shell runs the word as a command and gives the variable to it alone.
    GivenToCommand,
}

impl fmt::Display for LineBreakage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SpacedEquals => "blanks around `=` make the shell run the name as a command",
            Self::NoEquals => "without `=` the shell runs the name as a command",
            Self::GivenToCommand => {
                "the shell runs the word after the value as a command and sets the variable for that alone"
            }
        })
    }
}

/// Why a value cannot be proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueDoubt {
    /// The shell computes the value.
    Computed,
    /// The assignment is in an `if`, a `case`, a pipe or behind `&&` or `||`.
    UnderCondition,
    /// A loop sets it, or may run any number of times.
    Loop,
    /// The file unsets it.
    Unset,
    /// The assignment stands behind a `return`.
    AfterReturn,
    /// The assignment is before a builtin, where shells differ in whether it stays.
    BeforeBuiltin,
    /// The command has a redirection, which may fail.
    Redirected,
    /// The file sources another one.
    OtherFile,
    /// The file runs text as commands (`eval`).
    Evaluated,
    /// A builtin changes how the shell goes on (`set`, `alias`, `trap`, `read` …).
    ShellState,
    /// A function that the file defines runs.
    FunctionRuns,
    /// Which command runs is computed.
    UnknownCommand,
    /// The shell itself reads or sets this variable.
    ShellVariable,
    /// A read-only variable is assigned: the shell ends.
    ReadOnly,
    /// `export` of what is no name: dash ends.
    BadName,
    /// The shell ends here.
    Ends,
    /// The shell may end or leave the file here.
    MayEnd,
    /// A quote or a block has no end: dash ends, bash leaves out the rest.
    Unterminated,
    /// The shell refuses this: dash ends, bash leaves out the rest.
    Syntax,
    /// dash and bash read this differently.
    Unportable,
    /// A byte that shells drop or use for themselves.
    ControlByte,
    /// Nested deeper than is looked at.
    TooDeep,
    /// More of the shell's language than is looked at.
    NotUnderstood,
}

impl ValueDoubt {
    /// Whether it is certain that the script that sources the file ends without a daemon, where `sh` is dash.
    ///
    /// bash goes on after some of these with what it has read before; what then runs is not looked at.
    #[must_use]
    pub const fn ends(self) -> bool {
        match self {
            Self::ReadOnly | Self::BadName | Self::Ends | Self::Unterminated | Self::Syntax => true,
            Self::Computed
            | Self::UnderCondition
            | Self::Loop
            | Self::Unset
            | Self::AfterReturn
            | Self::BeforeBuiltin
            | Self::Redirected
            | Self::OtherFile
            | Self::Evaluated
            | Self::ShellState
            | Self::FunctionRuns
            | Self::UnknownCommand
            | Self::ShellVariable
            | Self::MayEnd
            | Self::Unportable
            | Self::ControlByte
            | Self::TooDeep
            | Self::NotUnderstood => false,
        }
    }
}

impl fmt::Display for ValueDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Computed => "the shell computes this value",
            Self::UnderCondition => "the assignment is under a condition",
            Self::Loop => "a loop may run any number of times",
            Self::Unset => "the variable is unset here",
            Self::AfterReturn => "the assignment stands behind a `return`",
            Self::BeforeBuiltin => "shells differ in whether an assignment before a builtin stays",
            Self::Redirected => "a command with a redirection may not run",
            Self::OtherFile => "another file is sourced here",
            Self::Evaluated => "text is run as commands here",
            Self::ShellState => "this changes how the shell reads what follows",
            Self::FunctionRuns => "a function of the file runs here",
            Self::UnknownCommand => "which command runs here is computed",
            Self::ShellVariable => "the shell itself uses this variable",
            Self::ReadOnly => "a read-only variable is assigned, which ends the shell",
            Self::BadName => "this is no variable name, which ends the shell",
            Self::Ends => "the shell ends here",
            Self::MayEnd => "the shell may end here",
            Self::Unterminated => "this has no end, so the shell refuses the file",
            Self::Syntax => "the shell refuses this",
            Self::Unportable => "shells read this differently",
            Self::ControlByte => "a control byte that shells treat differently",
            Self::TooDeep => "nested too deep to be looked at",
            Self::NotUnderstood => "more of the shell's language than is looked at",
        })
    }
}
