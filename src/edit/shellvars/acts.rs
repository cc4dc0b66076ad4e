//! What a file does to the shell that sources it, one after the other.

use std::ops::Range;

use super::{LineBreakage, ValueDoubt};

/// Whether a command is certain to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandCertainty {
    Always,
    Maybe,
}

/// One thing that a file does. Ranges are bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShellAct {
    /// A variable gets a value: the written one, unless there is a doubt.
    Assign { name: Range<usize>, value: Range<usize>, doubt: Option<ValueDoubt> },
    /// A line names a variable and does not set it. `repair` is what stands for the value, where that is
    /// clear.
    Broken { name: Range<usize>, line: Range<usize>, why: LineBreakage, repair: Option<Range<usize>> },
    /// A variable cannot be assigned from here on.
    ReadOnly { name: Range<usize>, sure: CommandCertainty },
    /// A function of this name exists from here on.
    Define { name: Range<usize> },
    /// A command runs that does nothing to variables, unless a function has its name.
    Run { name: Range<usize> },
    /// The rest of the file is not read.
    Return { at: Range<usize> },
    /// Anything may have happened to any variable.
    Doubt { at: Range<usize>, why: ValueDoubt },
}

impl ShellAct {
    /// What is left of an act that is not certain to happen.
    pub(super) fn make_maybe(&mut self) {
        match self {
            Self::Assign { doubt, .. } => {
                doubt.get_or_insert(ValueDoubt::UnderCondition);
            }
            Self::Broken { repair, .. } => *repair = None,
            Self::Return { at } => {
                *self = Self::Doubt { at: at.clone(), why: ValueDoubt::MayEnd };
            }
            Self::Doubt { why, .. } => {
                if why.ends() {
                    *why = ValueDoubt::MayEnd;
                }
            }
            Self::ReadOnly { sure, .. } => *sure = CommandCertainty::Maybe,
            Self::Define { .. } | Self::Run { .. } => {}
        }
    }
}
