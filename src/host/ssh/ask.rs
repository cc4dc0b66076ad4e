//! Turns requests into calls. Pure.

use std::time::Duration;

use super::words::{Call, Script, Word};
use crate::host::{Command, Request, rules};

/// Asks for each request's answer.
pub(super) fn ask(script: &mut Script, requests: &[Request]) {
    for request in requests {
        match request {
            Request::FirstOf(choices) => script.first_of(&flat(choices)),
            request => script.call(&call(request)),
        }
    }
}

/// How long the host may be silent while it answers: each command's output comes when it has ended.
pub(super) fn busy(requests: &[Request]) -> Duration {
    requests
        .iter()
        .map(|request| match request {
            Request::Output(command) => command.deadline.min(rules::LONGEST_WAIT),
            Request::FirstOf(choices) => busy(choices),
            Request::File(_)
            | Request::Folder(_)
            | Request::Exists(_)
            | Request::Processes(_)
            | Request::Now
            | Request::Connection => Duration::ZERO,
            Request::Pause(time) => (*time).min(rules::LONGEST_WAIT),
        })
        .max()
        .unwrap_or_default()
}

/// The calls of alternatives; alternatives of one are alternatives of the whole.
fn flat(choices: &[Request]) -> Vec<Call> {
    choices
        .iter()
        .flat_map(|choice| match choice {
            Request::FirstOf(choices) => flat(choices),
            choice => vec![call(choice)],
        })
        .collect()
}

fn call(request: &Request) -> Call {
    match request {
        Request::File(path) => Call::new("file").word(path),
        Request::Folder(path) => Call::new("folder").word(path),
        Request::Exists(path) => Call::new("exists").word(path),
        Request::Processes(programs) => {
            let start = Call::new("processes");
            programs
                .iter()
                .fold(start, |call, program| call.word(*program))
        }
        Request::Output(command) => run(command),
        Request::Now => Call::new("now"),
        Request::Pause(time) => Call::new("pause").word(&format!(
            "{:.1}",
            time.min(&rules::LONGEST_WAIT).as_secs_f64()
        )),
        Request::Connection => Call::new("connection"),
        // Its choices are asked for one after another, by `flat`.
        Request::FirstOf(_) => Call::new("true"),
    }
}

/// Runs a command. The shell's clock counts whole seconds.
pub(super) fn run(command: &Command) -> Call {
    let Command {
        program,
        arguments,
        environment,
        secret,
        input,
        deadline,
        cap,
    } = command;
    if let Err(why) = rules::may_run(command) {
        return Call::new("unstarted").word(why);
    }
    let (variable, file) = match secret {
        Some(secret) => (secret.variable, secret.file.as_str()),
        None => ("", ""),
    };
    let mut call = Call::new("run")
        .word(seconds((*deadline).min(rules::LONGEST_WAIT)))
        .word(u64::try_from(*cap).unwrap_or(u64::MAX))
        .word(variable)
        .word(file)
        .word(Word::Content(input))
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
            Request::Output(Command::new(program, Vec::new(), seconds(time)))
        };
        let all = [run(30), run(20), Request::FirstOf(vec![run(40), run(10)])];
        assert_eq!(busy(&all), seconds(40));
        assert_eq!(busy(&[Request::Now]), Duration::ZERO);
    }
}
