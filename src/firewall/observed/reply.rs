//! What a command answered about packet filters, and what it says where it answers nothing.

use super::RulesUnread;
use crate::host::{CommandEnding, CommandOutput, HostCommand};
use crate::model::printable;

/// A command as somebody would type it.
pub(super) fn line(command: &HostCommand) -> String {
    let arguments = command.arguments.iter().map(String::as_str);
    printable::command(std::iter::once(command.program.as_str()).chain(arguments))
}

/// An error and its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Why a command's output is none.
pub(super) fn failure(command: &HostCommand, output: &CommandOutput) -> RulesUnread {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().find(|line| !line.trim().is_empty());
    let ended = match output.end {
        CommandEnding::NotStarted => "it cannot be started".to_owned(),
        CommandEnding::TimedOut => "it did not end in time".to_owned(),
        CommandEnding::Signal(signal) => format!("signal {signal} ended it"),
        CommandEnding::Code(code) => format!("it ended with {code}"),
    };
    RulesUnread::Command {
        command: line(command),
        reason: match said {
            Some(said) => format!("{ended}: {}", said.trim()),
            None => ended,
        },
    }
}

/// The whole of what a command printed that has ended well.
pub(super) fn printed<'o>(command: &HostCommand, output: &'o CommandOutput) -> Result<&'o [u8], RulesUnread> {
    if output.end != CommandEnding::Code(0) {
        return Err(failure(command, output));
    }
    if output.stdout.len() >= command.cap {
        return Err(RulesUnread::Command {
            command: line(command),
            reason: format!("it prints more than {} bytes", command.cap),
        });
    }
    Ok(&output.stdout)
}
