//! The line that counts and breaks, before anything is built on it: a small conversation in its place.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use super::host_with;
use crate::support::host::{Host, Kind, Layout};
use crate::support::in_time::{ChildInTime as _, CommandInTime as _, InTime, PATIENCE};
use crate::support::own;
use crate::support::ssh::{Fate, Line, Moment, Ssh, Trip};

/// A shell on a host, spoken to over a line.
struct Talk {
    child: Child,
    input: ChildStdin,
    output: BufReader<InTime<ChildStdout>>,
    _ssh: Ssh,
}

impl Talk {
    fn new(host: &Host, line: &Line) -> Self {
        let ssh = host.ssh();
        let program = line.program().display().to_string();
        let config = ssh.config().display().to_string();
        let argv = [&program, "-F", &config, ssh.alias(), "exec sh"];
        let mut child =
            ssh.command(&argv).into_command().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(InTime::new(child.stdout.take().unwrap(), PATIENCE)),
            child,
            _ssh: ssh,
        }
    }

    fn say(&mut self, script: &str) {
        write!(self.input, "{script}\n# mailward end\n").unwrap();
    }

    /// The next line of the host; `None` at the end.
    fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.output.read_line(&mut line).unwrap();
        (count > 0).then_some(line)
    }

    fn end(self) -> (Option<i32>, String) {
        let Self { mut child, input, mut output, .. } = self;
        drop(input);
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        (child.wait_within(PATIENCE).unwrap().code(), rest)
    }
}

/// A message that leaves a trace on the host, and answers with ten letters and a line feed.
fn message(number: usize) -> String {
    format!("echo {number} >>/root/said\n: half of it\necho answer-{number:02}{}", number % 10)
}

const SAID: &str = "/root/said";

#[test]
fn a_line_that_counts_passes_on_every_byte_and_the_exit_code() {
    let Some(host) = host_with(|_| {}) else {
        return;
    };
    let line = Line::counting();
    let mut talk = Talk::new(&host, &line);
    for number in 1..=3 {
        talk.say(&message(number));
        assert!(talk.hear().unwrap().starts_with("answer-0"));
    }
    let big = "x".repeat(300_000);
    talk.say(&format!("cat <<'EOF' | tr x y\n{big}\r\nEOF"));
    assert_eq!(talk.hear().unwrap(), big.replace('x', "y") + "\r\n");
    talk.say("exit 9");
    assert_eq!(talk.end(), (Some(9), String::new()));
    let size = message(1).len() + "\n# mailward end\n".len();
    let trips = line.trips();
    let small = Trip { message: size, answer: 11 };
    assert_eq!(trips[..3], [small; 3]);
    assert_eq!((trips.len(), trips[3].answer), (5, big.len() + 2));
    assert_eq!((line.connections(), line.failed()), (1, false));
}

#[test]
fn a_line_breaks_once_at_the_moment_of_the_message_that_it_was_told() {
    let Some(host) = host_with(|_| {}) else {
        return;
    };
    for fate in [Fate::Cut, Fate::Hang] {
        for moment in Moment::ALL {
            host.write(SAID, "");
            let line = Line::failing(fate, moment, 2);
            let mut talk = Talk::new(&host, &line);
            talk.say(&message(1));
            assert_eq!(talk.hear().as_deref(), Some("answer-011\n"));
            talk.say(&message(2));
            let end = Instant::now() + Duration::from_secs(60);
            while !line.failed() {
                assert!(Instant::now() < end, "{fate:?} {moment:?}: it does not fail");
                std::thread::sleep(Duration::from_millis(5));
            }
            match fate {
                Fate::Cut => {}
                Fate::Hang => {
                    std::thread::sleep(Duration::from_millis(100));
                    assert_eq!(talk.child.try_wait().unwrap(), None);
                    talk.child.kill().unwrap();
                }
            }
            let (code, heard) = talk.end();
            assert_eq!(code, (fate == Fate::Cut).then_some(255));
            let half = if moment == Moment::HalfAnswer { "answe" } else { "" };
            assert_eq!(heard, half, "{fate:?} {moment:?}");
            let reached = match moment {
                Moment::Before => "1\n",
                Moment::HalfMessage | Moment::Sent | Moment::AnswerLost | Moment::HalfAnswer => "1\n2\n",
            };
            host.wait_until(&format!("{fate:?} {moment:?}: the host has seen {reached:?}"), || {
                host.read_text(SAID) == reached
            });
            let whole = match moment {
                Moment::Before | Moment::HalfMessage => 1,
                Moment::Sent | Moment::AnswerLost | Moment::HalfAnswer => 2,
            };
            assert_eq!(line.trips().len(), whole, "{fate:?} {moment:?}");
            host.wait_until("the host has ended the session", || {
                let all = host.processes();
                !all.iter().any(|process| process.argv == ["sh"])
            });

            let mut again = Talk::new(&host, &line);
            again.say(&message(3));
            again.say(&message(4));
            assert_eq!(again.hear().as_deref(), Some("answer-033\n"));
            assert_eq!(again.hear().as_deref(), Some("answer-044\n"));
            assert_eq!(again.end(), (Some(0), String::new()));
            assert_eq!((line.connections(), line.trips().len()), (2, whole + 2));
        }
    }
}

#[test]
fn a_line_that_hangs_ends_with_the_program_that_used_it() {
    let Some(host) = host_with(|_| {}) else {
        return;
    };
    let line = Line::failing(Fate::Hang, Moment::Before, 2);
    let program = line.program().display().to_string();
    let ssh = host.ssh();
    let config = ssh.config().display().to_string();
    // A shell that starts the line, and is killed while it hangs.
    let script = r#"exec 3<&0; "$0" "$@" <&3 & wait"#;
    let argv = ["sh", "-c", script, &program, "-F", &config, "mx1", "exec sh"];
    let mut command = ssh.command(&argv).into_command();
    let mut shell = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    write!(input, ": >/run/met\n# mailward end\n").unwrap();
    host.wait_until("the session has begun", || host.exists("/run/met"));
    writeln!(input, "# mailward end").unwrap();
    host.wait_until("the line hangs", || line.failed());
    shell.kill().unwrap();
    shell.wait().unwrap();
    host.wait_until("the session has ended", || {
        let all = host.processes();
        !all.iter().any(|process| process.argv == ["sh"])
    });
}

#[test]
fn ways_and_lines_leave_no_file_and_no_process_behind() {
    if Host::prepare(Kind::SysV, Layout::Debian).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Other cases have temporary files of their own meanwhile: these are alone in a program of their own.
    let output = std::process::Command::new(own::suite())
        .args([
            "--exact",
            "ssh_hosts::ends::a_connection_is_shared_when_it_was_warmed_and_kept_when_it_is_to_stay",
            "ssh_hosts::ends::a_slow_link_is_slow_and_loses_nothing",
            "ssh_hosts::lines::a_line_that_hangs_ends_with_the_program_that_used_it",
        ])
        .env("TMPDIR", folder.path())
        .output_in_time()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("3 passed"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let name = folder.path().to_str().unwrap();
    let left: Vec<_> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok())
        .filter(|argv| argv.contains(name))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}
