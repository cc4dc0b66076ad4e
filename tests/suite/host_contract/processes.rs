//! Finding processes, and waiting for them.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mailward::host::{
    HostError, HostOperation, OperationResult, Process, ProcessId, ProcessOwner, ReadReply, ReadRequest,
    RootProgram, WaitCondition, WaitResult, WriteHost,
};

use super::ask;
use super::test_hosts::{Bench, Standing, machine, tree};
use crate::support::in_time::{InTime, PATIENCE};

pub fn processes(host: &dyn WriteHost, names: &[&'static str]) -> Vec<Process> {
    match ask(host, ReadRequest::Processes(names.to_vec())) {
        ReadReply::Processes(processes) => processes,
        other => panic!("processes were asked for: {other:?}"),
    }
}

fn courier() -> [Standing; 4] {
    [
        Standing::new(40, "couriertcpd", &["couriertcpd", "-maxperip=4", "110"], &[110]),
        Standing::new(7, "couriertcpd", &["couriertcpd", "-maxperip=4", "", "143"], &[143, 993]),
        Standing::new(9, "xinetd", &["/usr/sbin/xinetd"], &[]),
        Standing::new(11, "a) Z 1 (x", &["odd"], &[]),
    ]
}

contract!(processes_are_found_by_name_and_told_in_order: memory, tree);
fn processes_are_found_by_name_and_told_in_order(bench: &dyn Bench) {
    let standing = courier();
    for process in &standing {
        bench.process(process);
    }
    let zombie = Standing { state: 'Z', ..Standing::new(12, "xinetd", &[], &[]) };
    bench.process(&zombie);
    let host = bench.host();
    let expected = |which: &[usize]| which.iter().map(|&at| standing[at].expected()).collect::<Vec<_>>();
    assert_eq!(processes(&*host, &["couriertcpd"]), expected(&[1, 0]));
    assert_eq!(processes(&*host, &["xinetd", "couriertcpd"]), expected(&[1, 2, 0]));
    assert_eq!(processes(&*host, &["a) Z 1 (x"]), expected(&[3]));
    assert_eq!(processes(&*host, &["courier", "couriertcpd2"]), []);
    assert_eq!(processes(&*host, &[]), []);
}

contract!(whose_a_process_is_and_what_it_executes_is_told: memory, tree);
fn whose_a_process_is_and_what_it_executes_is_told(bench: &dyn Bench) {
    let of = |pid, owner, file: &str, group| Standing {
        owner,
        file: file.to_owned(),
        group,
        ..Standing::new(pid, "xinetd", &["xinetd"], &[25])
    };
    let standing = [
        of(4, ProcessOwner::User(0), "/usr/sbin/xinetd", Some("/system.slice/xinetd.service")),
        of(5, ProcessOwner::User(0), "/usr/sbin/xinetd (deleted)", None),
        of(6, ProcessOwner::User(1000), "/usr/sbin/xinetd", Some("/user.slice")),
        of(7, ProcessOwner::Several, "/usr/bin/sudo", None),
        of(8, ProcessOwner::Unknown, "/usr/sbin/xinetd", None),
    ];
    for process in &standing {
        bench.process(process);
    }
    let found = processes(&*bench.host(), &["xinetd"]);
    assert_eq!(found, standing.clone().map(|one| one.expected()));
    let replaced: Vec<bool> = found.iter().map(Process::is_replaced).collect();
    assert_eq!(replaced, [false, true, false, false, false]);
    let is_roots = found.iter().map(|process| match process.roots() {
        RootProgram::Own => "own",
        RootProgram::Not(_) => "not",
        RootProgram::Unknown(_) => "unknown",
    });
    assert_eq!(is_roots.collect::<Vec<_>>(), ["own", "own", "not", "not", "unknown"]);
}

contract!(who_is_not_roots_own_daemon_serves_nothing: memory, tree);
fn who_is_not_roots_own_daemon_serves_nothing(bench: &dyn Bench) {
    let of = |pid, owner, file: &str| Standing {
        owner,
        file: file.to_owned(),
        ..Standing::new(pid, "couriertcpd", &["couriertcpd", "-maxperip=9"], &[143])
    };
    let serves = |bench: &dyn Bench| {
        let arguments = vec![vec!["-maxperip=9".to_owned()]];
        let program = "couriertcpd";
        waits(&mut *bench.host(), WaitCondition::Serving { program, arguments })
    };
    bench.process(&of(4, ProcessOwner::User(1000), "/usr/sbin/couriertcpd"));
    bench.process(&of(5, ProcessOwner::User(0), "/tmp/couriertcpd"));
    bench.process(&of(6, ProcessOwner::Several, "/usr/bin/su"));
    assert_eq!(serves(bench), WaitResult::TooLate);
    bench.process(&of(7, ProcessOwner::User(0), "/usr/sbin/couriertcpd"));
    assert_eq!(serves(bench), WaitResult::InTime);
}

contract!(a_pause_is_answered: memory, tree, machine, ssh, bash, busybox);
fn a_pause_is_answered(bench: &dyn Bench) {
    let pause = || ReadRequest::Pause(Duration::from_millis(100));
    let replies = bench.host().read(&[pause(), ReadRequest::Now, pause()]).unwrap();
    assert!(matches!(replies[..], [ReadReply::Paused, ReadReply::Now(_), ReadReply::Paused]), "{replies:?}");
}

/// Looks once.
pub fn waits(host: &mut dyn WriteHost, condition: WaitCondition) -> WaitResult {
    let written = host.write(&[HostOperation::Await(condition, Duration::ZERO)], &[]).unwrap();
    match written.done[..] {
        [OperationResult::Awaited(came)] => came,
        _ => panic!("{written:?}"),
    }
}

contract!(gone_is_who_has_ended_or_become_another: memory, tree);
fn gone_is_who_has_ended_or_become_another(bench: &dyn Bench) {
    let [first, second, ..] = courier();
    bench.process(&first);
    bench.process(&Standing { state: 'Z', ..second.clone() });
    let mut host = bench.host();
    let later = ProcessId { start: first.start + 1, ..first.id() };
    let never = ProcessId { pid: 99, start: 1 };
    assert_eq!(waits(&mut *host, WaitCondition::Gone(vec![])), WaitResult::InTime);
    assert_eq!(waits(&mut *host, WaitCondition::Gone(vec![never, later, second.id()])), WaitResult::InTime);
    assert_eq!(waits(&mut *host, WaitCondition::Gone(vec![never, first.id()])), WaitResult::TooLate);
}

contract!(serving_is_who_listens_with_all_arguments: memory, tree);
fn serving_is_who_listens_with_all_arguments(bench: &dyn Bench) {
    let [first, second, ..] = courier();
    bench.process(&first);
    bench.process(&second);
    bench.process(&Standing::new(50, "couriertcpd", &["couriertcpd", "-maxperip=9"], &[]));
    let mut host = bench.host();
    let mut serving = |arguments: &[&[&str]]| {
        let arguments =
            arguments.iter().map(|list| list.iter().map(|&word| word.to_owned()).collect()).collect();
        waits(&mut *host, WaitCondition::Serving { program: "couriertcpd", arguments })
    };
    assert_eq!(serving(&[&["-maxperip=4", "110"], &["143", "-maxperip=4"]]), WaitResult::InTime);
    assert_eq!(serving(&[&["-maxperip=4", "110"], &["-maxperip=20", "143"]]), WaitResult::TooLate);
    assert_eq!(serving(&[&["-maxperip=9"]]), WaitResult::TooLate, "it listens nowhere");
    assert_eq!(serving(&[&["-maxperip"]]), WaitResult::TooLate, "an argument is equal or not");
}

contract!(grown_is_what_has_a_new_end: memory, tree, machine, ssh, bash, busybox);
fn grown_is_what_has_a_new_end(bench: &dyn Bench) {
    let mut host = bench.host();
    let path = bench.path("/var/run/xinetd.dump");
    let mut grown =
        |beyond| waits(&mut *host, WaitCondition::Grown { path: path.clone(), beyond, end: "END" });
    assert_eq!(grown(0), WaitResult::TooLate);
    bench.put(b"/var/run/xinetd.dump", b"old END\n");
    assert_eq!(grown(8), WaitResult::TooLate);
    assert_eq!(grown(0), WaitResult::InTime);
    bench.put(b"/var/run/xinetd.dump", b"old END\nnew");
    assert_eq!(grown(8), WaitResult::TooLate);
    bench.put(b"/var/run/xinetd.dump", b"old END\nnew END\n\n");
    assert_eq!(grown(8), WaitResult::InTime);
    assert_eq!(grown(1000), WaitResult::TooLate);
}

#[test]
fn a_stand_in_without_a_proc_folder_has_no_processes() {
    let bench = tree();
    std::fs::remove_dir_all(bench.real("/proc")).unwrap();
    assert_eq!(processes(&*bench.host(), &["xinetd"]), []);
}

#[test]
fn a_stand_in_whose_process_makes_no_sense_is_an_error() {
    let bench = tree();
    bench.put(b"/proc/12/stat", b"12 (xinetd) S\n");
    let error = bench.host().read(&[ReadRequest::Processes(vec!["xinetd"])]).unwrap_err();
    assert!(matches!(error, HostError::Unexpected(_)), "{error}");
}

#[test]
fn what_a_stand_in_lacks_is_not_taken_for_empty() {
    let bench = tree();
    bench.process(&Standing::new(9, "xinetd", &["xinetd"], &[25]));
    std::fs::remove_file(bench.real("/proc/9/environ")).unwrap();
    std::fs::remove_file(bench.real("/proc/net/tcp")).unwrap();
    std::fs::remove_file(bench.real("/proc/stat")).unwrap();
    let found = processes(&*bench.host(), &["xinetd"]);
    assert_eq!(found[0].environment, Err("no such file or directory".to_owned()));
    assert_eq!((&found[0].ports, found[0].started), (&None, None));
    std::fs::remove_dir_all(bench.real("/proc/9/fd")).unwrap();
    assert_eq!(processes(&*bench.host(), &["xinetd"])[0].ports, None);
}

/// A child that is ended with its test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a shell under a name of its own, and waits until it prints.
pub fn start(bench: &super::test_hosts::Local, name: &str, script: &str, wrapper: &[&str]) -> Running {
    let program = bench.real(format!("/{name}"));
    std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
    let mut words: Vec<&str> = wrapper.to_vec();
    words.push(program.to_str().unwrap());
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .args(["-c", script, "zero", "one two"])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("ODD", "a=b\nc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{words:?} (apt package util-linux): {error}"));
    said(&mut child);
    Running(child)
}

/// Waits for the first byte that a child prints, which it returns.
pub fn said(child: &mut Child) -> u8 {
    let mut byte = [0];
    InTime::new(child.stdout.as_mut().unwrap(), PATIENCE).read_exact(&mut byte).unwrap();
    byte[0]
}

/// Prints, and then waits for its standard input to end without any child of its own.
pub const WAIT: &str = "echo; read x";

#[test]
fn a_real_process_is_told_as_it_is() {
    let bench = machine();
    let child = start(&bench, "mw-told", WAIT, &[]);
    let found = processes(&*bench.host(), &["mw-told"]);
    let [process] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((process.id.pid, process.parent), (child.0.id(), std::process::id()));
    let program = bench.real("/mw-told").to_str().unwrap().to_owned();
    let argv = [&program, "-c", WAIT, "zero", "one two"].map(|word| word.as_bytes().to_vec());
    assert_eq!(process.argv, argv);
    let environment = process.environment.as_ref().unwrap();
    assert!(environment.contains(&(b"ODD".to_vec(), b"a=b\nc".to_vec())), "{environment:?}");
    assert_eq!(process.ports, Some(vec![]));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let age = i64::try_from(now).unwrap() - process.started.unwrap();
    assert!((-2..=30).contains(&age), "started {age} s ago");
}

#[test]
fn a_real_listener_is_told_with_its_ports() {
    let own: &'static str = std::fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned().leak();
    let v4 = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let v6 = std::net::TcpListener::bind("[::1]:0").unwrap();
    let found = processes(&*machine().host(), &[own]);
    let this = found.iter().find(|process| process.id.pid == std::process::id()).unwrap();
    let ports = this.ports.as_ref().unwrap();
    for listener in [v4, v6] {
        let port = listener.local_addr().unwrap().port();
        assert!(ports.contains(&port), "{port} in {ports:?}");
    }
}

#[test]
fn a_real_zombie_is_gone() {
    let bench = machine();
    let mut child = start(&bench, "mw-zombie", WAIT, &[]);
    let mut host = bench.host();
    let id = processes(&*host, &["mw-zombie"])[0].id;
    assert_eq!(waits(&mut *host, WaitCondition::Gone(vec![id])), WaitResult::TooLate);
    drop(child.0.stdin.take());
    let begin = Instant::now();
    let patient = HostOperation::Await(WaitCondition::Gone(vec![id]), Duration::from_secs(20));
    let written = host.write(&[patient], &[]).unwrap();
    assert_eq!(written.done, [OperationResult::Awaited(WaitResult::InTime)]);
    assert!(begin.elapsed() < Duration::from_secs(15));
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.pid)).unwrap();
    assert!(stat.contains(") Z "), "{stat}");
    assert_eq!(processes(&*host, &["mw-zombie"]), []);
}

pub fn is_root(what: &str) -> bool {
    let root = rustix::process::getuid().is_root();
    if !root {
        crate::support::not_run(what, "root");
    }
    root
}

#[test]
fn processes_of_other_containers_do_not_count() {
    if !is_root("processes_of_other_containers_do_not_count") {
        return;
    }
    let bench = machine();
    let host = bench.host();
    // Mounts of its own on the same root folder: a unit with PrivateTmp.
    let _same = start(&bench, "mw-private", WAIT, &["unshare", "--mount"]);
    assert_eq!(processes(&*host, &["mw-private"]).len(), 1);
    let _inner = start(&bench, "mw-inner-pid", WAIT, &["unshare", "--pid", "--fork", "--kill-child"]);
    assert_eq!(processes(&*host, &["mw-inner-pid"]), []);
    // Another root folder, as in a container that shares the host's pid namespace.
    bench.folder("/root");
    let root = bench.real("/root");
    let make = format!(
        "cd {root} && mount -t tmpfs none . && mkdir usr work && mount --rbind /usr usr \
         && for x in bin lib lib64; do if test -L /$x; then cp -P /$x .; else mkdir $x && mount --rbind /$x $x; fi; done \
         && ln -s /bin/sh mw-other-root && exec chroot . /mw-other-root -c '{WAIT}'",
        root = root.to_str().unwrap()
    );
    let _other = start(&bench, "mw-other-sh", &make, &["unshare", "--mount"]);
    let found = |name| {
        std::fs::read_dir("/proc").unwrap().any(|entry| {
            std::fs::read_to_string(entry.unwrap().path().join("comm"))
                .is_ok_and(|comm| comm.trim_end() == name)
        })
    };
    assert!(found("mw-other-root") && found("mw-inner-pid"), "both run");
    assert_eq!(processes(&*host, &["mw-other-root"]), []);
}

/// Starts a process in a network of its own, and gives the socket that is its standard input, so that there
/// is something to look up.
pub fn in_another_network(bench: &super::test_hosts::Local, name: &str) -> (Running, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let program = bench.real(format!("/{name}"));
    std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
    let child = Command::new("unshare")
        .args(["--net", program.to_str().unwrap(), "-c", WAIT])
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare (apt package util-linux)");
    let mut child = Running(child);
    said(&mut child.0);
    (child, ours)
}

#[test]
fn a_listener_of_another_network_has_unknown_ports() {
    if !is_root("a_listener_of_another_network_has_unknown_ports") {
        return;
    }
    let bench = machine();
    let _running = in_another_network(&bench, "mw-other-net");
    assert_eq!(processes(&*bench.host(), &["mw-other-net"])[0].ports, None);
}
