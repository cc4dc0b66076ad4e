//! Running commands: what is told of them, and what they get to see.

use std::time::{Duration, Instant};

use mailward::host::{
    CommandEnding, CommandOutput, HostCommand, HostOperation, OUTPUT_CAP, OperationResult, ReadReply,
    ReadRequest, SecretVariable, WriteHost,
};

use super::test_hosts::{Bench, Does, Local, bash, busybox, machine, ssh, tree};
use super::{ask, command};

fn output(host: &dyn WriteHost, command: HostCommand) -> CommandOutput {
    match ask(host, ReadRequest::Output(command)) {
        ReadReply::Output(output) => output,
        other => panic!("output was asked for: {other:?}"),
    }
}

contract!(it_is_told_how_a_command_ended: memory, tree, machine, ssh, bash, busybox);
fn it_is_told_how_a_command_ended(bench: &dyn Bench) {
    let mut host = bench.host();
    for (does, end) in [
        (Does::Exit(0), CommandEnding::Code(0)),
        (Does::Exit(3), CommandEnding::Code(3)),
        (Does::Exit(255), CommandEnding::Code(255)),
        (Does::KillItself(15), CommandEnding::Signal(15)),
    ] {
        bench.program("/bin/program", does);
        let command = command(bench.path("/bin/program"), &[]);
        let written = host.write(&[HostOperation::Run(command.clone())], &[]).unwrap();
        let silent = CommandOutput { end, stdout: Vec::new(), stderr: Vec::new() };
        assert_eq!(written.done, [OperationResult::Ran(silent.clone())]);
        assert_eq!(output(&*host, command), silent);
    }
}

contract!(a_command_that_cannot_start_says_why: memory, tree, machine, ssh, bash, busybox);
fn a_command_that_cannot_start_says_why(bench: &dyn Bench) {
    let output = output(&*bench.host(), command(bench.path("/bin/none"), &[]));
    assert_eq!(output.end, CommandEnding::NotStarted);
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(why.to_lowercase().contains("no such file"), "{why}");
}

contract!(arguments_arrive_as_they_are: memory, tree, machine, ssh, bash, busybox);
fn arguments_arrive_as_they_are(bench: &dyn Bench) {
    bench.program("/bin/program", Does::ShowArguments);
    let words = ["$(id)", "a b", "", "'", "\"", "\n", ";", "*", "-n", "\u{fc}"];
    let output = output(&*bench.host(), command(bench.path("/bin/program"), &words));
    let shown: String = words.iter().map(|word| format!("[{word}]")).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), shown);
}

contract!(both_streams_are_kept_up_to_the_cap: memory, tree, machine, ssh, bash, busybox);
fn both_streams_are_kept_up_to_the_cap(bench: &dyn Bench) {
    let host = bench.host();
    for (out, err) in [(OUTPUT_CAP, 5), (OUTPUT_CAP + 1, 0), (300_000, 200_000)] {
        bench.program("/bin/program", Does::Print(out, err));
        let output = output(&*host, command(bench.path("/bin/program"), &[]));
        assert_eq!(output.end, CommandEnding::Code(0));
        assert!(output.stdout == vec![b'o'; out.min(OUTPUT_CAP)]);
        assert!(output.stderr == vec![b'e'; err.min(OUTPUT_CAP)]);
    }
}

contract!(as_much_of_the_output_is_kept_as_the_command_asks_for: memory, tree, machine, ssh, bash, busybox);
fn as_much_of_the_output_is_kept_as_the_command_asks_for(bench: &dyn Bench) {
    bench.program("/bin/program", Does::Print(3_000_000, 3_000));
    for cap in [1_000, 2_000_000] {
        let command = HostCommand { cap, ..command(bench.path("/bin/program"), &[]) };
        let output = output(&*bench.host(), command);
        assert!(output.stdout == vec![b'o'; cap]);
        assert!(output.stderr == vec![b'e'; cap.min(3_000)]);
    }
}

contract!(a_command_reads_its_input_and_no_more: memory, tree, machine, ssh, bash, busybox);
fn a_command_reads_its_input_and_no_more(bench: &dyn Bench) {
    bench.program("/bin/program", Does::ShowInput);
    for input in ["", "select 1;\n", "%s\\n$(id)'\"`\n\n", &"line\n".repeat(30_000)] {
        let command = HostCommand {
            input: input.as_bytes().to_vec(),
            cap: 200_000,
            ..command(bench.path("/bin/program"), &[])
        };
        let output = output(&*bench.host(), command);
        assert_eq!(output.end, CommandEnding::Code(0));
        assert!(output.stdout == input.as_bytes(), "{} bytes", input.len());
    }
}

contract!(a_secret_is_the_content_of_a_file_on_the_host: memory, tree, machine, ssh, bash, busybox);
fn a_secret_is_the_content_of_a_file_on_the_host(bench: &dyn Bench) {
    bench.program("/bin/program", Does::ShowSecret);
    let asked = || HostCommand {
        secret: Some(SecretVariable { variable: "SECRET", file: bench.path("/etc/secret") }),
        ..command(bench.path("/bin/program"), &[])
    };
    let without = output(&*bench.host(), asked());
    assert_eq!(without.end, CommandEnding::NotStarted);
    let why = String::from_utf8(without.stderr).unwrap();
    assert!(why.contains("/etc/secret"), "{why}");

    for secret in ["$AES-128-CBC$x'\"$(id)\\n", " spaces kept "] {
        bench.put(b"/etc/secret", format!("{secret}\n").as_bytes());
        let output = output(&*bench.host(), asked());
        assert_eq!(output.end, CommandEnding::Code(0));
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), secret.trim_end());
    }
}

fn with(command: HostCommand, variables: &[(&str, &str)]) -> HostCommand {
    let pairs = variables.iter();
    let pairs = pairs.map(|&(name, value)| (name.to_owned(), value.to_owned()));
    HostCommand { environment: pairs.collect(), ..command }
}

contract!(variables_arrive_as_they_are: memory, tree, machine, ssh, bash, busybox);
fn variables_arrive_as_they_are(bench: &dyn Bench) {
    bench.program("/bin/program", Does::ShowVariable);
    let host = bench.host();
    let all: String = (1..=0x17f).filter_map(char::from_u32).collect();
    for value in [
        "",
        "192.0.2.7 50111 22",
        "a\nb\n\n",
        "$(id) `id` ${HOME} '\" \\ \\n %s !! * ~ ; & | #",
        "-x=y",
        &all,
    ] {
        let asked = with(
            command(bench.path("/bin/program"), &[]),
            &[("UID", "7"), ("_X", "-"), ("SHOWN", value), ("IFS", "x")],
        );
        let output = output(&*host, asked);
        assert_eq!(output.end, CommandEnding::Code(0));
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(shown, format!("[{value}]"));
    }
    let next = output(&*host, command(bench.path("/bin/program"), &[]));
    assert_eq!(next.stdout, b"[unset]", "they are those of one command");
}

contract!(a_variable_that_cannot_be_is_refused: memory, tree, machine, ssh, bash, busybox);
fn a_variable_that_cannot_be_is_refused(bench: &dyn Bench) {
    bench.program("/bin/program", Does::Exit(0));
    for (name, value, why) in [
        ("", "x", "a variable's name is not of capital letters"),
        ("a", "x", "a variable's name is not of capital letters"),
        ("A=B", "x", "a variable's name is not of capital letters"),
        ("A B", "x", "a variable's name is not of capital letters"),
        ("A;ID", "x", "a variable's name is not of capital letters"),
        ("PATH", "/x", "a variable is one that every command has"),
        ("HOME", "/x", "a variable is one that every command has"),
        ("A", "x\0y", "a variable holds a NUL byte"),
    ] {
        let asked = with(command(bench.path("/bin/program"), &[]), &[("FINE", "x"), (name, value)]);
        let output = output(&*bench.host(), asked);
        assert_eq!(output.end, CommandEnding::NotStarted);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), why);
    }
}

contract!(a_program_with_variables_that_is_missing_or_hangs_is_told_the_same: memory, tree, machine, ssh, bash, busybox);
fn a_program_with_variables_that_is_missing_or_hangs_is_told_the_same(bench: &dyn Bench) {
    let asked = |path: &str| with(command(bench.path(path), &[]), &[("A", "b")]);
    let missing = output(&*bench.host(), asked("/bin/none"));
    assert_eq!(missing.end, CommandEnding::NotStarted);
    bench.program("/bin/hangs", Does::Hang);
    let hanging = HostCommand { deadline: Duration::from_millis(150), ..asked("/bin/hangs") };
    assert_eq!(output(&*bench.host(), hanging).end, CommandEnding::TimedOut);
}

contract!(a_command_that_hangs_is_stopped_at_its_deadline: memory, tree, machine, ssh, bash, busybox);
fn a_command_that_hangs_is_stopped_at_its_deadline(bench: &dyn Bench) {
    bench.program("/bin/program", Does::Hang);
    let deadline = Duration::from_millis(150);
    let begin = Instant::now();
    let hanging = HostCommand { deadline, ..command(bench.path("/bin/program"), &[]) };
    assert_eq!(output(&*bench.host(), hanging).end, CommandEnding::TimedOut);
    assert!(begin.elapsed() < Duration::from_secs(15));
}

contract!(what_a_command_leaves_behind_is_not_waited_for: memory, tree, machine, ssh, bash, busybox);
fn what_a_command_leaves_behind_is_not_waited_for(bench: &dyn Bench) {
    bench.program("/bin/program", Does::LeaveChild);
    let begin = Instant::now();
    let output = output(&*bench.host(), command(bench.path("/bin/program"), &[]));
    assert_eq!((output.end, &output.stdout[..]), (CommandEnding::Code(0), &b"started\n"[..]));
    assert!(begin.elapsed() < Duration::from_secs(15));
}

fn all() -> [Local; 5] {
    [tree(), machine(), ssh(), bash(), busybox()]
}

#[test]
fn a_daemon_left_behind_may_still_print() {
    for bench in all() {
        bench.script("/bin/start", "(sleep 0.2; echo late && echo late >&2 && touch \"$1\") &");
        let sign = bench.real("/alive");
        let started = command(bench.path("/bin/start"), &[sign.to_str().unwrap()]);
        assert_eq!(output(&*bench.host(), started).end, CommandEnding::Code(0));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !sign.exists() {
            assert!(Instant::now() < deadline, "the daemon died when it printed");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn programs_run_side_by_side_and_no_program_beside_itself() {
    for bench in [tree(), machine()] {
        bench.script("/bin/waits", "touch \"$1\"; until [ -e \"$2\" ]; do sleep 0.01; done");
        bench.script("/bin/comes", "touch \"$1\"");
        bench.script("/bin/alone", "mkdir \"$1\" && sleep 0.2 && rmdir \"$1\"");
        let sign = |name| bench.real(name).to_str().unwrap().to_owned();
        let (here, there, alone) = (sign("/here"), sign("/there"), sign("/alone"));
        let ask = |program, arguments: &[&str]| ReadRequest::Output(command(bench.path(program), arguments));
        let requests = [
            ask("/bin/waits", &[&here, &there]),
            ask("/bin/alone", &[&alone]),
            ask("/bin/comes", &[&there]),
            ask("/bin/alone", &[&alone]),
        ];
        for (request, reply) in requests.iter().zip(bench.host().read(&requests).unwrap()) {
            let ReadReply::Output(output) = reply else {
                panic!("an output was asked for: {reply:?}");
            };
            assert_eq!(output.end, CommandEnding::Code(0), "{request:?}");
        }
    }
}

#[test]
fn a_command_sees_a_bare_environment() {
    for bench in all() {
        bench.script("/bin/program", "env | grep -v -e ^PWD= -e ^_= -e ^OLDPWD= -e ^SHLVL= | sort; pwd; cat");
        let output = output(&*bench.host(), command(bench.path("/bin/program"), &[]));
        let root = bench.dir.path().canonicalize().unwrap();
        let root = root.to_str().unwrap();
        let (variable, folder) = match bench.path("/x").as_str() {
            "/x" => (format!("MAILWARD_ROOT={root}\n"), root),
            _ => (String::new(), "/"),
        };
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let expected = format!("HOME=/root\nLC_ALL=C\n{variable}{path}\n{folder}\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        assert_eq!(output.stderr, b"");
    }
}

#[test]
fn a_command_gets_no_open_file_of_mailwards() {
    let bench = tree();
    bench.script("/bin/program", "ls /proc/self/fd");
    let mut host = bench.host();
    host.lock().unwrap();
    // Whoever started this may have left something open, which is theirs.
    let plain = std::process::Command::new(bench.real("/bin/program")).output().unwrap();
    let output = output(&*host, command(bench.path("/bin/program"), &[]));
    assert_eq!(output.stdout, plain.stdout);
}

#[test]
fn the_children_of_a_command_that_hangs_are_stopped_as_well() {
    for bench in all() {
        bench.script("/bin/program", "trap '' TERM HUP INT; sleep 987 & echo $!; wait");
        let deadline = Duration::from_secs(1);
        let hanging = HostCommand { deadline, ..command(bench.path("/bin/program"), &[]) };
        let output = output(&*bench.host(), hanging);
        let pid: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(status.is_empty() || status.contains(") Z "), "{status}");
    }
}

#[test]
fn a_command_that_stops_itself_is_stopped_for_good() {
    for bench in all() {
        bench.script("/bin/program", "kill -STOP $$");
        let deadline = Duration::from_millis(100);
        let hanging = HostCommand { deadline, ..command(bench.path("/bin/program"), &[]) };
        assert_eq!(output(&*bench.host(), hanging).end, CommandEnding::TimedOut);
    }
}

#[test]
fn endless_output_takes_no_endless_memory() {
    let bench = tree();
    // Not quite endless, so that a failure of this case does not take the machine down.
    bench.script("/bin/program", "yes oooooooooooooooo | head -c 1500000000");
    let shared = || {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Shmem:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let before = shared();
    let worst = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let deadline = Duration::from_millis(1500);
            let endless = HostCommand { deadline, ..command(bench.path("/bin/program"), &[]) };
            output(&*bench.host(), endless)
        });
        let mut worst = 0;
        while !run.is_finished() {
            worst = worst.max(shared());
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = run.join().unwrap();
        assert_eq!(output.stdout.len(), OUTPUT_CAP);
        worst
    });
    assert!(worst < before + 200_000, "{before} kB before, {worst} kB at worst");
}

#[test]
fn a_script_may_open_its_own_output_again() {
    for bench in all() {
        bench.script("/bin/program", "echo a; echo b > /dev/stderr; echo c >> /dev/stdout; echo d");
        let output = output(&*bench.host(), command(bench.path("/bin/program"), &[]));
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"a\nc\nd\n"[..], &b"b\n"[..]));
    }
}

#[test]
fn a_command_blocks_and_ignores_no_signal() {
    for bench in all() {
        bench.script("/bin/program", "grep -e SigIgn -e SigBlk /proc/self/status");
        let output = output(&*bench.host(), command(bench.path("/bin/program"), &[]));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut sets = text.lines().map(|line| {
            let digits = line.split_once('\t').unwrap().1;
            u64::from_str_radix(digits, 16).unwrap()
        });
        // The C library's own, above 31, are inherited from whoever started this.
        assert!(sets.all(|set| set & 0x7fff_ffff == 0), "{text}");
        assert_eq!(text.lines().count(), 2);
    }
}

#[test]
fn a_command_may_close_its_output_and_end_its_own_group() {
    for bench in all() {
        bench.script("/bin/program", "echo a; exec >&- 2>&-; echo b; exit 3");
        let closed = output(&*bench.host(), command(bench.path("/bin/program"), &[]));
        assert_eq!((closed.end, &closed.stdout[..]), (CommandEnding::Code(3), &b"a\n"[..]));
        bench.script("/bin/program", "echo a; kill -TERM 0; sleep 5");
        let ended = output(&*bench.host(), command(bench.path("/bin/program"), &[]));
        assert_eq!((ended.end, &ended.stdout[..]), (CommandEnding::Signal(15), &b"a\n"[..]));
    }
}
