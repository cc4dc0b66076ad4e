//! Turns requests into calls. Pure.

use std::time::Duration;

use super::words::{CallWord, ShellCall, ShellMessage};
use crate::host::{HostCommand, ReadRequest, rules};

/// Asks for each request's answer.
pub(super) fn ask(script: &mut ShellMessage, requests: &[ReadRequest]) {
    for request in requests {
        match request {
            ReadRequest::FirstOf(choices) => script.first_of(&flat(choices)),
            request => script.call(&call(request)),
        }
    }
}

/// How long the host may be silent while it answers: each command's output comes when it has ended.
pub(super) fn busy(requests: &[ReadRequest]) -> Duration {
    requests
        .iter()
        .map(|request| match request {
            ReadRequest::Output(command) => command.deadline.min(rules::LONGEST_WAIT),
            ReadRequest::FirstOf(choices) => busy(choices),
            ReadRequest::File(_)
            | ReadRequest::Folder(_)
            | ReadRequest::Exists(_)
            | ReadRequest::Processes(_)
            | ReadRequest::Now
            | ReadRequest::Connection => Duration::ZERO,
            ReadRequest::Pause(time) => (*time).min(rules::LONGEST_WAIT),
        })
        .max()
        .unwrap_or_default()
}

/// The calls of alternatives; alternatives of one are alternatives of the whole.
fn flat(choices: &[ReadRequest]) -> Vec<ShellCall> {
    choices
        .iter()
        .flat_map(|choice| match choice {
            ReadRequest::FirstOf(choices) => flat(choices),
            choice => vec![call(choice)],
        })
        .collect()
}

fn call(request: &ReadRequest) -> ShellCall {
    match request {
        ReadRequest::File(path) => ShellCall::new("file").word(path),
        ReadRequest::Folder(path) => ShellCall::new("folder").word(path),
        ReadRequest::Exists(path) => ShellCall::new("exists").word(path),
        ReadRequest::Processes(programs) => {
            let start = ShellCall::new("processes");
            programs.iter().fold(start, |call, program| call.word(*program))
        }
        ReadRequest::Output(command) => run(command),
        ReadRequest::Now => ShellCall::new("now"),
        ReadRequest::Pause(time) => {
            ShellCall::new("pause").word(&format!("{:.1}", time.min(&rules::LONGEST_WAIT).as_secs_f64()))
        }
        ReadRequest::Connection => ShellCall::new("connection"),
        // Its choices are asked for one after another, by `flat`.
        ReadRequest::FirstOf(_) => ShellCall::new("true"),
    }
}

/// Runs a command. The shell's clock counts whole seconds.
pub(super) fn run(command: &HostCommand) -> ShellCall {
    let HostCommand { program, arguments, environment, secret, input, deadline, cap } = command;
    if let Err(why) = rules::may_run(command) {
        return ShellCall::new("unstarted").word(why);
    }
    let (variable, file) = match secret {
        Some(secret) => (secret.variable, secret.file.as_str()),
        None => ("", ""),
    };
    let mut call = ShellCall::new("run")
        .word(seconds((*deadline).min(rules::LONGEST_WAIT)))
        .word(u64::try_from(*cap).unwrap_or(u64::MAX))
        .word(variable)
        .word(file)
        .word(CallWord::Content(input))
        .word(program);
    // `env` sets them, not the shell: to a shell a name may mean something, and some cannot be set at all.
    if !environment.is_empty() {
        call = call.word("env");
    }
    for (name, value) in environment {
        call = call.word(&format!("{name}={value}"));
    }
    call.word("setsid").word(program).words(arguments)
}

/// A time in seconds, rounded up.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostPath;

    #[test]
    fn a_host_may_be_silent_for_one_command_at_a_time() {
        let seconds = Duration::from_secs;
        let run = |time| {
            let program = HostPath::new("/bin/true").unwrap();
            ReadRequest::Output(HostCommand::new(program, Vec::new(), seconds(time)))
        };
        let all = [run(30), run(20), ReadRequest::FirstOf(vec![run(40), run(10)])];
        assert_eq!(busy(&all), seconds(40));
        assert_eq!(busy(&[ReadRequest::Now]), Duration::ZERO);
    }
}
