//! Signals go to exactly one process, or to what stands in for it.

use std::time::{Duration, Instant};

use mailward::host::memory::MemoryHost;
use mailward::host::{HostOperation, ProcessId, ProcessSignal, ReadReply, ReadRequest};

use super::act;
use super::processes::start;
use super::test_hosts::{Bench, Local, Standing, bash, busybox, machine, ssh, tree};

contract!(nobody_gets_a_signal_meant_for_another: memory, tree, machine, ssh, bash, busybox);
fn nobody_gets_a_signal_meant_for_another(bench: &dyn Bench) {
    let mut host = bench.host();
    // The first has been there since the machine started; there are no others.
    for pid in [1, 0, 4_194_305, u32::MAX, u32::MAX - 1] {
        let id = ProcessId { pid, start: 987_654_321_000 };
        let failure = act(&mut *host, HostOperation::Signal(id, ProcessSignal::Hangup)).unwrap_err();
        assert_eq!(failure, format!("cannot send HUP to process {pid}: the process is gone"));
    }
}

#[test]
fn a_real_process_gets_the_signal_unless_it_is_another_by_now() {
    for bench in [machine(), ssh(), bash(), busybox()] {
        gets_the_signal(&bench);
    }
}

fn gets_the_signal(bench: &Local) {
    let script = "trap 'echo HUP >> \"$0.got\"' HUP; trap 'echo USR1 >> \"$0.got\"' USR1; echo; while kill -0 $PPID; do sleep 0.02; done";
    let name = bench.real("/mw-signalled");
    let script = script.replace("$0", name.to_str().unwrap());
    let child = start(bench, "mw-signalled", &script, &[]);
    let mut host = bench.host();
    let ReadReply::Processes(found) = super::ask(&*host, ReadRequest::Processes(vec!["mw-signalled"])) else {
        panic!();
    };
    // Another run of this suite may have one of that name.
    let own = found.iter().find(|process| process.id.pid == child.0.id());
    let id = own.unwrap().id;
    let earlier = ProcessId { start: id.start - 1, ..id };
    let failure = act(&mut *host, HostOperation::Signal(earlier, ProcessSignal::Hangup)).unwrap_err();
    assert!(failure.ends_with("the process is gone"), "{failure}");
    for (signal, expected) in [(ProcessSignal::User1, "USR1\n"), (ProcessSignal::Hangup, "USR1\nHUP\n")] {
        act(&mut *host, HostOperation::Signal(id, signal)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while bench.bytes("/mw-signalled.got").unwrap_or_default() != expected.as_bytes() {
            assert!(Instant::now() < deadline, "{:?}", bench.bytes("/mw-signalled.got"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_stand_in_answers_signals_itself() {
    let bench = tree();
    let xinetd = Standing::new(9, "xinetd", &["xinetd"], &[]);
    bench.process(&xinetd);
    let mut host = bench.host();
    let signal = HostOperation::Signal(xinetd.id(), ProcessSignal::User1);
    let failure = act(&mut *host, signal.clone()).unwrap_err();
    assert_eq!(failure, "cannot send USR1 to process 9: /proc/9/on-signal is missing in the stand-in tree");
    bench.script("/proc/9/on-signal", "echo \"$1 $MAILWARD_ROOT\" >> dump");
    act(&mut *host, signal).unwrap();
    act(&mut *host, HostOperation::Signal(xinetd.id(), ProcessSignal::Hangup)).unwrap();
    let root = bench.dir.path().canonicalize().unwrap().display().to_string();
    assert_eq!(bench.bytes("/dump").unwrap(), format!("USR1 {root}\nHUP {root}\n").into_bytes());
    bench.script("/proc/9/on-signal", "exit 4");
    let failure = act(&mut *host, HostOperation::Signal(xinetd.id(), ProcessSignal::Hangup)).unwrap_err();
    assert!(failure.ends_with("its on-signal ended with exit code 4"), "{failure}");
}

#[test]
fn under_a_root_no_real_process_is_signalled() {
    let machine = machine();
    let script = "trap 'echo ended; exit' HUP; echo; read x";
    let mut child = start(&machine, "mw-real", script, &[]);
    let ReadReply::Processes(found) = super::ask(&*machine.host(), ReadRequest::Processes(vec!["mw-real"]))
    else {
        panic!();
    };
    let bench = tree();
    let same = Standing { start: found[0].id.start, ..Standing::new(found[0].id.pid, "mw-real", &[], &[]) };
    bench.process(&same);
    bench.script(&format!("/proc/{}/on-signal", same.pid), "exit 0");
    act(&mut *bench.host(), HostOperation::Signal(same.id(), ProcessSignal::Hangup)).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(child.0.try_wait().unwrap(), None, "it runs on");
}

#[test]
fn in_memory_signals_do_what_a_test_says() {
    let bench = MemoryHost::new();
    let xinetd = Standing::new(9, "xinetd", &["xinetd"], &[]);
    bench.process(&xinetd);
    let mut host = bench.another();
    assert!(act(&mut host, HostOperation::Signal(xinetd.id(), ProcessSignal::Hangup)).is_err());
    bench.world().on_signal = Some(Box::new(|world, id, signal| {
        let text = format!("{} {}", id.pid, signal.name());
        world
            .files
            .insert(b"/var/run/xinetd.dump".to_vec(), mailward::host::memory::MemoryFile::new(text).into());
    }));
    act(&mut host, HostOperation::Signal(xinetd.id(), ProcessSignal::User1)).unwrap();
    assert_eq!(bench.bytes("/var/run/xinetd.dump"), Some(b"9 USR1".to_vec()));
}
