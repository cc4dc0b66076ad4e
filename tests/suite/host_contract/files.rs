//! Reading files and folders.

use mailward::host::{ExecutePermission, FileFound, LinkState, PathExistence, ReadReply, ReadRequest};

use super::test_hosts::Bench;
use super::{ask, file, found};

contract!(all_bytes_come_back_as_they_are: memory, tree, machine, ssh, bash, busybox);
fn all_bytes_come_back_as_they_are(bench: &dyn Bench) {
    let all: Vec<u8> = (0..=255).rev().cycle().take(70_000).collect();
    bench.put(b"/etc/any", &all);
    bench.put(b"/etc/empty", b"");
    let host = bench.host();
    let state = file(&*host, bench.path("/etc/any"));
    assert!(state.bytes == all);
    assert_eq!((state.link, state.links), (LinkState::Plain, 1));
    assert_eq!(file(&*host, bench.path("/etc/empty")).bytes, b"");
}

contract!(what_is_not_there_is_missing: memory, tree, machine, ssh, bash, busybox);
fn what_is_not_there_is_missing(bench: &dyn Bench) {
    bench.put(b"/etc/file", b"");
    bench.link("/etc/dangling", "nowhere");
    let host = bench.host();
    for name in ["/etc/none", "/none/none", "/etc/file/below", "/etc/dangling"] {
        assert_eq!(found(&*host, bench.path(name)), FileFound::Missing, "{name}");
        let exists = ask(&*host, ReadRequest::Exists(bench.path(name)));
        assert_eq!(exists, ReadReply::Exists(PathExistence::Missing), "{name}");
        let folder = ask(&*host, ReadRequest::Folder(bench.path(name)));
        assert_eq!(folder, ReadReply::Folder(Ok(None)), "{name}");
    }
}

contract!(links_are_followed_and_told: memory, tree, machine, ssh, bash, busybox);
fn links_are_followed_and_told(bench: &dyn Bench) {
    bench.put(b"/data/real", b"x");
    bench.link("/etc/absolute", "/data/real");
    bench.link("/etc/relative", "../data/real");
    bench.link("/etc/twice", "absolute");
    bench.link("/linked", "data");
    let host = bench.host();
    for name in ["/etc/absolute", "/etc/relative", "/etc/twice"] {
        let state = file(&*host, bench.path(name));
        assert_eq!((state.bytes, state.link), (b"x".to_vec(), LinkState::Symbolic), "{name}");
    }
    // Only the last component counts as the path itself.
    assert_eq!(file(&*host, bench.path("/linked/real")).link, LinkState::Plain);
}

contract!(links_in_a_circle_cannot_be_read: memory, tree, machine, ssh, bash, busybox);
fn links_in_a_circle_cannot_be_read(bench: &dyn Bench) {
    bench.link("/etc/a", "b");
    bench.link("/etc/b", "/etc/a");
    let host = bench.host();
    let FileFound::Unreadable(reason) = found(&*host, bench.path("/etc/a")) else {
        panic!("a circle of links was read");
    };
    assert!(reason.contains("symbolic links"), "{reason}");
    let exists = ask(&*host, ReadRequest::Exists(bench.path("/etc/a")));
    assert!(matches!(exists, ReadReply::Exists(PathExistence::Unknown(_))), "{exists:?}");
}

contract!(what_is_no_regular_file_is_not_read: memory, tree, machine, ssh, bash, busybox);
fn what_is_no_regular_file_is_not_read(bench: &dyn Bench) {
    bench.pipe("/etc/pipe");
    bench.folder("/etc/folder");
    bench.link("/etc/to-pipe", "pipe");
    let host = bench.host();
    for name in ["/etc/pipe", "/etc/folder", "/etc/to-pipe"] {
        assert_eq!(found(&*host, bench.path(name)), FileFound::NotRegular, "{name}");
    }
}

contract!(existence_tells_what_is_there: memory, tree, machine, ssh, bash, busybox);
fn existence_tells_what_is_there(bench: &dyn Bench) {
    bench.put(b"/etc/file", b"");
    bench.pipe("/etc/pipe");
    bench.program("/usr/bin/program", super::test_hosts::Does::Exit(0));
    bench.link("/etc/to-folder", "/usr/bin");
    let host = bench.host();
    for (name, expected) in [
        ("/etc/file", PathExistence::File(ExecutePermission::No)),
        ("/usr/bin/program", PathExistence::File(ExecutePermission::Yes)),
        ("/etc", PathExistence::Folder),
        ("/etc/to-folder", PathExistence::Folder),
        ("/etc/pipe", PathExistence::Other),
    ] {
        // In memory a program is no file, and so needs no folder.
        bench.put(b"/usr/bin/other", b"");
        assert_eq!(ask(&*host, ReadRequest::Exists(bench.path(name))), ReadReply::Exists(expected), "{name}");
    }
}

contract!(a_folder_is_listed_by_the_bytes_of_its_names: memory, tree, machine, ssh, bash, busybox);
fn a_folder_is_listed_by_the_bytes_of_its_names(bench: &dyn Bench) {
    let names: [&[u8]; 9] = [b" ", b".hidden", b"B", b"a", b"a\nb", b"sub", b"to-a", b"to-none", b"\xff\xfe"];
    for name in [&b" "[..], b".hidden", b"B", b"a", b"a\nb", b"sub/inner", b"\xff\xfe"] {
        bench.put(&[b"/etc/xinetd.d/", name].concat(), name);
    }
    bench.link("/etc/xinetd.d/to-a", "a");
    bench.link("/etc/xinetd.d/to-none", "none");
    let host = bench.host();
    let ReadReply::Folder(Ok(Some(listing))) = ask(&*host, ReadRequest::Folder(bench.path("/etc/xinetd.d")))
    else {
        panic!("the folder was not listed");
    };
    assert_eq!(listing.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>(), names);
    for (name, found) in &listing {
        match (&name[..], found) {
            (b"sub", found) => assert_eq!(*found, FileFound::NotRegular),
            (b"to-none", found) => assert_eq!(*found, FileFound::Missing),
            (b"to-a", FileFound::File(file)) => {
                assert_eq!((&file.bytes[..], file.link), (&b"a"[..], LinkState::Symbolic))
            }
            (_, FileFound::File(file)) => {
                assert_eq!((&file.bytes[..], file.link), (&name[..], LinkState::Plain))
            }
            (_, other) => panic!("{name:?}: {other:?}"),
        }
    }
}

contract!(a_folder_that_is_none_is_an_error: memory, tree, machine, ssh, bash, busybox);
fn a_folder_that_is_none_is_an_error(bench: &dyn Bench) {
    bench.put(b"/etc/file", b"");
    bench.folder("/etc/empty");
    let host = bench.host();
    let reply = ask(&*host, ReadRequest::Folder(bench.path("/etc/file")));
    assert_eq!(reply, ReadReply::Folder(Err("not a directory".to_owned())));
    let reply = ask(&*host, ReadRequest::Folder(bench.path("/etc/empty")));
    assert_eq!(reply, ReadReply::Folder(Ok(Some(Vec::new()))));
}

contract!(the_first_that_is_there_is_answered: memory, tree, machine, ssh, bash, busybox);
fn the_first_that_is_there_is_answered(bench: &dyn Bench) {
    bench.put(b"/etc/b", b"b");
    bench.put(b"/etc/c", b"c");
    let host = bench.host();
    let choice = |names: &[&str]| {
        ReadRequest::FirstOf(names.iter().map(|name| ReadRequest::File(bench.path(name))).collect())
    };
    let ReadReply::FirstOf(Some((1, reply))) = ask(&*host, choice(&["/etc/a", "/etc/b", "/etc/c"])) else {
        panic!("the second is the first that is there");
    };
    assert!(matches!(*reply, ReadReply::File(FileFound::File(file)) if file.bytes == b"b"));
    assert_eq!(ask(&*host, choice(&["/etc/a", "/etc/d"])), ReadReply::FirstOf(None));
    let folders = ReadRequest::FirstOf(vec![ReadRequest::Folder(bench.path("/none")), ReadRequest::Now]);
    assert!(matches!(ask(&*host, folders), ReadReply::FirstOf(Some((1, _)))));
}

contract!(a_file_of_64_mebibytes_is_read_and_one_byte_more_is_not: memory, tree);
fn a_file_of_64_mebibytes_is_read_and_one_byte_more_is_not(bench: &dyn Bench) {
    let mut bytes = vec![0; 64 * 1024 * 1024];
    bench.put(b"/etc/large", &bytes);
    let host = bench.host();
    assert_eq!(file(&*host, bench.path("/etc/large")).bytes.len(), bytes.len());
    bytes.push(0);
    bench.put(b"/etc/large", &bytes);
    let too_large = FileFound::Unreadable("larger than 64 MiB".to_owned());
    assert_eq!(found(&*host, bench.path("/etc/large")), too_large);
}

contract!(the_first_that_exists_may_be_one_that_cannot_be_read: memory, tree, machine, ssh, bash, busybox);
fn the_first_that_exists_may_be_one_that_cannot_be_read(bench: &dyn Bench) {
    bench.link("/etc/a", "a");
    bench.put(b"/etc/b", b"x");
    let choices = ["/etc/none", "/etc/a", "/etc/b"].map(|name| ReadRequest::File(bench.path(name)));
    let after = ReadRequest::File(bench.path("/etc/b"));
    let replies = bench.host().read(&[ReadRequest::FirstOf(choices.to_vec()), after]).unwrap();
    let ReadReply::FirstOf(Some((1, first))) = &replies[0] else {
        panic!("{replies:?}");
    };
    assert!(matches!(&**first, ReadReply::File(FileFound::Unreadable(_))));
    assert!(matches!(&replies[1], ReadReply::File(FileFound::File(file)) if file.bytes == b"x"));
}
