//! What others may write on a host, be it a file's name, its content, an argument or a program's name, is
//! never taken for a part of the conversation.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use mailward::host::{FileFound, FolderListing, ReadReply, ReadRequest};

use super::processes::{Running, processes};
use super::test_hosts::{Bench, Local, bash, busybox, machine, ssh};
use super::{ask, file};

/// Texts as the conversation has them, with a key and a tag that somebody may guess.
fn marks() -> Vec<Vec<u8>> {
    let key = "0123456789abcdef0123456789abcdef";
    let mut marks: Vec<Vec<u8>> = ["begin", "end", "stat", "cat", "sockets", "tables", "out", "err", "ran"]
        .map(|word| format!("\n{key} {word}\n").into_bytes())
        .to_vec();
    marks.extend(
        [
            "# mailward end\n",
            "\nend\n}\n# mailward end\n",
            "MAILWARD_KEY=0123\0PATH=/bin\0",
            "e name/\nf p\n.\n",
            "m\nm\nf p\na\nl\n",
            "x s No space left on device\n",
            "\np 1 y y\n.\n",
            "\r\n\t \u{1b}[2J",
        ]
        .map(|text| text.as_bytes().to_vec()),
    );
    marks
}

fn listing(bench: &dyn Bench, folder: &str) -> FolderListing {
    let ReadReply::Folder(Ok(Some(listing))) = ask(&*bench.host(), ReadRequest::Folder(bench.path(folder)))
    else {
        panic!("no listing");
    };
    listing
}

contract!(files_of_any_content_are_told_apart: memory, tree, machine, ssh, bash, busybox);
fn files_of_any_content_are_told_apart(bench: &dyn Bench) {
    let marks = marks();
    for (number, mark) in marks.iter().enumerate() {
        bench.put(format!("/etc/d/{number:02}").as_bytes(), mark);
    }
    // Whatever the first file ends with, the second begins with it.
    let environ = fs::read("/proc/self/environ").unwrap();
    bench.put(b"/etc/d/98", &environ);
    bench.put(b"/etc/d/99", &environ);
    let found = listing(bench, "/etc/d");
    assert_eq!(found.len(), marks.len() + 2);
    for ((_, found), mark) in found.iter().zip(marks.iter().chain([&environ, &environ])) {
        assert!(matches!(found, FileFound::File(file) if file.bytes == *mark), "{mark:?}");
    }
}

contract!(names_of_any_bytes_are_told_as_they_are: memory, tree, machine, ssh, bash, busybox);
fn names_of_any_bytes_are_told_as_they_are(bench: &dyn Bench) {
    let mut names: Vec<Vec<u8>> = [
        "-n",
        "-rf",
        "--",
        "*",
        "?",
        "[a]",
        "a",
        " ",
        "\n",
        "\n\n",
        "a\n",
        "\nf p",
        ".\n",
        "...",
        ".hidden",
        "x'\"`$(id)${HOME}\\",
        "a\\nb",
        "%s%n",
        "e name",
        "~",
        "#",
        "0123456789abcdef0123456789abcdef stat\n",
        "\n0123456789abcdef0123456789abcdef 1 0 5 x",
    ]
    .map(|name| name.as_bytes().to_vec())
    .to_vec();
    names.push(vec![b'n'; 255]);
    // All bytes but NUL and the slash, also at the end and at the beginning.
    let all: Vec<u8> = (1..=255).filter(|&byte| byte != b'/').collect();
    names.extend(all.chunks(20).map(<[u8]>::to_vec));
    names.extend((0x80..=0x90).map(|byte| vec![byte]));
    for name in &names {
        bench.put(&[b"/etc/d/", &name[..]].concat(), name);
    }
    bench.link("/etc/d/dangling\n", "nowhere");
    names.push(b"dangling\n".to_vec());
    names.sort();
    let found = listing(bench, "/etc/d");
    let told: Vec<_> = found.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(told, names);
    for (name, found) in found {
        match found {
            FileFound::File(file) => assert_eq!(file.bytes, name),
            found => assert_eq!((&name[..], found), (&b"dangling\n"[..], FileFound::Missing)),
        }
    }
}

contract!(a_command_may_print_anything: tree, machine, ssh, bash, busybox);
fn a_command_may_print_anything(bench: &dyn Bench) {
    let marks = marks().concat();
    bench.put(b"/etc/marks", &marks);
    bench.program("/bin/program", super::test_hosts::Does::ShowInput);
    let command = mailward::host::HostCommand {
        input: marks.clone(),
        ..super::command(bench.path("/bin/program"), &[])
    };
    let replies =
        bench.host().read(&[ReadRequest::Output(command), ReadRequest::File(bench.path("/etc/marks"))]);
    let replies = replies.unwrap();
    assert!(matches!(&replies[0], ReadReply::Output(output) if output.stdout == marks));
    assert!(matches!(&replies[1], ReadReply::File(FileFound::File(file)) if file.bytes == marks));
}

#[test]
fn a_process_may_be_called_and_say_anything() {
    let bench = machine();
    let program = bench.real("/mw-hostile");
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    let environ = fs::read("/proc/self/environ").unwrap();
    let marks: Vec<Vec<u8>> = marks().concat().split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
    let words = marks.iter().map(|mark| std::ffi::OsStr::from_bytes(mark));
    let mut hostile = Command::new(&program);
    hostile.arg("1000").env_clear();
    for (number, word) in words.enumerate() {
        hostile.env(format!("MARK{number}"), word);
    }
    let own = environ.split(|&byte| byte == 0).next().unwrap_or_default();
    hostile.env("OWN", std::ffi::OsStr::from_bytes(own));
    let _child = Running(hostile.stdout(Stdio::null()).spawn().unwrap());

    let mut talker = Command::new("sh");
    let script = "printf 'mw-hostile' > /proc/$$/comm; echo; read x";
    talker.args(["-c", script]);
    talker.args(marks.iter().map(|mark| std::ffi::OsStr::from_bytes(mark)));
    talker.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut talker = Running(talker.spawn().unwrap());
    super::processes::said(&mut talker.0);

    let expected = processes(&*bench.host(), &["mw-hostile"]);
    assert_eq!(expected.len(), 2);
    for bench in [ssh(), bash(), busybox()] {
        assert_eq!(processes(&*bench.host(), &["mw-hostile"]), expected);
    }
}

/// A host on which somebody watches what runs, and makes use of what is seen there.
fn watched(setup: &str) -> Local {
    let metadata = mailward::host::ssh::MetadataPolicy::Shown;
    super::test_hosts::changed(super::remote::Shell::Bash, metadata, setup)
}

#[test]
fn who_saw_the_tag_gains_nothing() {
    // The tag is an argument of stat, which others may see. A name that uses it makes an answer impossible,
    // not wrong.
    let bench = watched("mount --bind $dir/stat /usr/bin/stat");
    fs::copy("/usr/bin/stat", bench.real("/real-stat")).unwrap();
    let folder = bench.real("/etc/d");
    bench.script(
        "/stat",
        &format!(
            "case $3 in *' %s %h %Z %n') tag=${{3%% *}}; echo \"$tag\" > {dir}/tag ;; esac\nexec {dir}/real-stat \"$@\"",
            dir = bench.dir.path().display()
        ),
    );
    bench.put(b"/etc/d/a", b"true");
    bench.put(b"/etc/d/z", b"true");
    let host = bench.host();
    assert_eq!(file(&*host, bench.path("/etc/d/a")).bytes, b"true");
    let tag = String::from_utf8(bench.bytes("/tag").unwrap()).unwrap();
    let name = format!("b\n{} 1 0 4 x", tag.trim_end());
    fs::write(folder.join(name), b"x").unwrap();
    let answer = host.read(&[ReadRequest::Folder(bench.path("/etc/d"))]);
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("does not fit the question"), "{error}");

    // Nor does a file that lies where the next command's output will be.
    bench.script("/bin/program", "echo secret");
    let wait = format!("/dev/shm/.mailward-{}", tag.trim_end());
    fs::create_dir(&wait).unwrap();
    let pipe = format!("{wait}/out");
    fs::write(&pipe, b"").unwrap();
    let run = ReadRequest::Output(super::command(bench.path("/bin/program"), &[]));
    let ReadReply::Output(output) = ask(&*host, run) else {
        panic!("no output");
    };
    let caught = fs::read(&pipe).unwrap();
    fs::remove_dir_all(&wait).unwrap();
    assert_eq!((&output.stdout[..], &caught[..]), (&b"secret\n"[..], &b""[..]));
}
