//! Another host's processes are told as mailward tells those of its own: this machine, asked both ways.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mailward::host::{
    ForeignProcess, HostOperation, OperationResult, Process, ProcessId, ProcessOwner, RootProgram,
    WaitCondition, WaitResult, WriteHost,
};

use super::processes::{Running, WAIT, in_another_network, is_root, processes, said, start, waits};
use super::test_hosts::{Bench, Local, bash, busybox, machine, ssh};

fn others() -> [Local; 3] {
    [ssh(), bash(), busybox()]
}

/// What all tell of the processes of one name.
fn agreed(name: &'static str) -> Vec<Process> {
    let expected = processes(&*machine().host(), &[name]);
    for bench in others() {
        assert_eq!(processes(&*bench.host(), &[name]), expected);
    }
    expected
}

#[test]
fn arguments_and_environment_of_any_bytes_are_the_same() {
    let bench = machine();
    let program = bench.real("/mw-odd");
    std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
    let word = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    let words: [&[u8]; 8] = [b"", b"a\nb\n", b"\xff\xfe", b"$(id) '\"`", b"-e", b"\x81\x82\x88", b"*", b""];
    let child = Command::new(&program)
        .args(["-c", WAIT])
        .args(words.map(OsStr::from_bytes))
        .env_clear()
        .env("A", word(b"x\ny=z\n\n"))
        .env("B", word(b"\xff\x80'"))
        .env("EMPTY", "")
        .env(word(b"ODD NAME\n\xfe"), "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Running(child);
    said(&mut child.0);
    let found = agreed("mw-odd");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].argv[3..], words.map(<[u8]>::to_vec));
    assert_eq!(found[0].parent, std::process::id());
    assert!(found[0].started.is_some());
    let environment = found[0].environment.as_ref().unwrap();
    assert!(environment.contains(&(b"A".to_vec(), b"x\ny=z\n\n".to_vec())));
    assert!(environment.contains(&(b"ODD NAME\n\xfe".to_vec(), b"1".to_vec())));
}

#[test]
fn a_name_may_hold_what_stands_around_it() {
    let bench = machine();
    let rename = |name: &str| format!("printf '%s' '{name}' > /proc/$$/comm; {WAIT}");
    let _odd = start(&bench, "mw-name-1", &rename("mw) Z 1 (odd x"), &[]);
    let _plain = start(&bench, "mw-name-2", &rename("mw-name"), &[]);
    let _line = start(&bench, "mw-name-3", &rename("mw-name\nx"), &[]);
    let _two = start(&bench, "mw-name-4", &rename("a (mw-name) S "), &[]);
    assert_eq!(agreed("mw) Z 1 (odd x").len(), 1);
    assert_eq!(agreed("mw-name").len(), 1);
    assert_eq!(agreed("mw"), []);
}

/// A listener of this name on two ports of both families, with these arguments.
fn listener(name: &str, arguments: &[&str]) -> (Running, [u16; 2]) {
    listener_of(&["python3"], name, arguments)
}

/// The same as a program that stands where root puts programs, run by this user.
fn daemon(user: u32, name: &str, arguments: &[&str]) -> (Running, [u16; 2]) {
    let make = "mount -t tmpfs none /opt && cp /usr/bin/python3 \"/opt/$1\" && user=$0 && name=$1 && shift \
         && exec setpriv --reuid $user --regid $user --clear-groups \"/opt/$name\" \"$@\"";
    let user = user.to_string();
    let words = ["unshare", "--mount", "sh", "-c", make, &user, name];
    listener_of(&words, name, arguments)
}

fn listener_of(words: &[&str], name: &str, arguments: &[&str]) -> (Running, [u16; 2]) {
    let code = "import socket, sys\n\
        open('/proc/self/comm', 'w').write(sys.argv[1])\n\
        four = socket.create_server(('127.0.0.1', 0))\n\
        six = socket.create_server(('::1', 0), family=socket.AF_INET6)\n\
        other = socket.create_connection(four.getsockname())\n\
        print(four.getsockname()[1], six.getsockname()[1], end='.', flush=True)\n\
        sys.stdin.read()";
    let child = Command::new(words[0])
        .args(&words[1..])
        .args(["-c", code, name])
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 (apt package python3)");
    let mut child = Running(child);
    let mut numbers = Vec::new();
    while numbers.last() != Some(&b'.') {
        numbers.push(said(&mut child.0));
    }
    let numbers = String::from_utf8(numbers).unwrap();
    let mut ports = numbers.trim_end_matches('.').split(' ');
    let mut port = || ports.next().unwrap().parse().unwrap();
    let mut ports = [port(), port()];
    ports.sort_unstable();
    (child, ports)
}

#[test]
fn ports_of_both_families_are_the_same() {
    let (_child, ports) = listener("mw-ports", &[]);
    assert_eq!(agreed("mw-ports")[0].ports, Some(ports.to_vec()));
}

#[test]
fn whose_a_process_is_and_what_it_executes_is_the_same() {
    if !is_root("whose_a_process_is_and_what_it_executes_is_the_same") {
        return;
    }
    let bench = machine();
    let (_user, _) = daemon(65534, "mw-of-user", &[]);
    let (_root, _) = daemon(0, "mw-of-root-too", &[]);
    let of = |name: &'static str| agreed(name).remove(0);
    assert_eq!(of("mw-of-user").owner, ProcessOwner::User(65534));
    assert_eq!(of("mw-of-user").roots(), RootProgram::Not(ForeignProcess::User { uid: 65534 }));
    assert_eq!(of("mw-of-root-too").roots(), RootProgram::Own);
    // A program that takes the powers of its file's owner is nobody's for sure.
    let words = ["setpriv", "--ruid", "65534", "--", "python3"];
    let (_mixed, _) = listener_of(&words, "mw-mixed", &[]);
    assert_eq!(of("mw-mixed").owner, ProcessOwner::Several);
    // A file that is gone, with a line end and a blank in its name.
    let odd = bench.real("/odd\n name (deleted)");
    std::fs::copy("/bin/dash", &odd).unwrap();
    let set = format!("printf mw-odd-file > /proc/$$/comm; {WAIT}");
    let mut child = Command::new(&odd);
    let child = child.args(["-c", &set]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = Running(child.spawn().unwrap());
    said(&mut child.0);
    std::fs::remove_file(&odd).unwrap();
    let found = of("mw-odd-file");
    let (path, _) = found.file.path().unwrap();
    assert!(path.ends_with(b"/odd? name (deleted)"), "{found:?}");
    assert!(found.is_replaced());
}

#[test]
fn a_zombie_and_what_belongs_to_other_containers_do_not_count() {
    if !is_root("a_zombie_and_what_belongs_to_other_containers_do_not_count") {
        return;
    }
    let bench = machine();
    let mut zombie = start(&bench, "mw-ended", WAIT, &[]);
    drop(zombie.0.stdin.take());
    let _mounts = start(&bench, "mw-mounts", WAIT, &["unshare", "--mount"]);
    let inner = ["unshare", "--pid", "--fork", "--kill-child"];
    let _inner = start(&bench, "mw-inside", WAIT, &inner);
    bench.folder("/root");
    let make = format!(
        "cd {root} && mount -t tmpfs none . && mkdir usr work && mount --rbind /usr usr \
         && for x in bin lib lib64; do if test -L /$x; then cp -P /$x .; else mkdir $x && mount --rbind /$x $x; fi; done \
         && ln -s /bin/sh mw-rooted && exec chroot . /mw-rooted -c '{WAIT}'",
        root = bench.real("/root").to_str().unwrap()
    );
    let _rooted = start(&bench, "mw-rooting", &make, &["unshare", "--mount"]);
    let _net = start(&bench, "mw-net", WAIT, &["unshare", "--net"]);
    assert_eq!(agreed("mw-mounts").len(), 1);
    assert_eq!(agreed("mw-ended"), []);
    assert_eq!(agreed("mw-inside"), []);
    assert_eq!(agreed("mw-rooted"), []);
    assert_eq!(agreed("mw-net").len(), 1);
}

#[test]
fn a_listener_in_another_network_has_unknown_ports_everywhere() {
    if !is_root("a_listener_in_another_network_has_unknown_ports_everywhere") {
        return;
    }
    let bench = machine();
    let _running = in_another_network(&bench, "mw-far");
    assert_eq!(agreed("mw-far")[0].ports, None);
}

fn serving(host: &mut dyn WriteHost, program: &'static str, arguments: &[&[&str]]) -> WaitResult {
    let words = |list: &&[&str]| list.iter().map(|&word| word.to_owned()).collect();
    let arguments = arguments.iter().map(words).collect();
    waits(host, WaitCondition::Serving { program, arguments })
}

#[test]
fn serving_is_the_same_on_real_sockets() {
    if !is_root("serving_is_the_same_on_real_sockets") {
        return;
    }
    let (_one, _) = daemon(0, "mw-serving", &["-maxperip=4", "", "110"]);
    let (_two, _) = daemon(0, "mw-serving", &["-maxperip=4", "x\n-odd", "143"]);
    // It listens under a name that only begins like the others' line.
    let (_false, _) = daemon(0, "mw-serving) S (", &["-false"]);
    // A user's, and one that is another program of root's.
    let (_user, _) = daemon(65534, "mw-serving", &["-user"]);
    let (_other, _) = listener("mw-serving", &["-other"]);
    let bench = machine();
    let script = format!("printf mw-serving > /proc/$$/comm; {WAIT}");
    let _deaf = start(&bench, "mw-deaf", &script, &[]);
    for bench in [machine()].into_iter().chain(others()) {
        let mut host = bench.host();
        let mut asked = |arguments: &[&[&str]]| serving(&mut *host, "mw-serving", arguments);
        let both: [&[&str]; 2] = [&["-maxperip=4", "110"], &["143", "-maxperip=4"]];
        assert_eq!(asked(&both), WaitResult::InTime);
        assert_eq!(asked(&[&["", "110"]]), WaitResult::InTime);
        for absent in ["-maxperip", "-odd", "-false", "-user", "-other", "one two", "*", "[1]43"] {
            assert_eq!(asked(&[&[absent]]), WaitResult::TooLate, "{absent}");
        }
    }
}

#[test]
fn gone_is_seen_as_soon_as_a_real_process_ends() {
    for bench in [machine()].into_iter().chain(others()) {
        let mut host = bench.host();
        let mut child = start(&bench, "mw-leaving", WAIT, &[]);
        let pid = child.0.id();
        let found = processes(&*host, &["mw-leaving"]);
        let id = found.iter().find(|found| found.id.pid == pid).unwrap().id;
        assert_eq!(waits(&mut *host, WaitCondition::Gone(vec![id])), WaitResult::TooLate);
        let before = ProcessId { start: id.start - 1, ..id };
        let gone = WaitCondition::Gone(vec![before]);
        assert_eq!(waits(&mut *host, gone), WaitResult::InTime);
        let begin = Instant::now();
        let gone = HostOperation::Await(WaitCondition::Gone(vec![id]), Duration::from_secs(20));
        // It stays as a zombie until this test takes note of its end.
        drop(child.0.stdin.take());
        let written = host.write(&[gone], &[]).unwrap();
        assert_eq!(written.done, [OperationResult::Awaited(WaitResult::InTime)]);
        assert!(begin.elapsed() < Duration::from_secs(15));
    }
}
