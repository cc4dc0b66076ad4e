//! What makes a run of the tests hold on other machines: nothing is there but what `tests/packages.txt`
//! brings, wherever the clone lies, and what the list names gets installed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::host::{Host, Kind, Layout, PATH, needs};
use crate::support::in_time::CommandInTime as _;
use crate::support::own;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
const FRESH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fresh");

/// Packages of the list on which no other of it depends, and something that each has.
const LISTED: [(&str, &str); 7] = [
    ("jq", "/usr/bin/jq"),
    ("man-db", "/usr/bin/man"),
    ("strace", "/usr/bin/strace"),
    ("sysconftool", "/usr/share/sysconftool/sysconftool"),
    // By a link of Debian's alternatives, which is there all the same.
    ("tcsh", "/bin/csh"),
    ("tini", "/usr/bin/tini"),
    ("xinetd", "/etc/init.d/xinetd"),
];

/// Runs a script of `sh` on this machine as it would be fresh, with the packages of another list if there is
/// one.
fn fresh(list: Option<&Path>, script: &str) -> Output {
    let mut command = Command::new(FRESH);
    if let Some(list) = list {
        command.env("MAILWARD_TEST_PACKAGES", list);
    }
    command.args(["sh", "-euc", script]).output_in_time().expect("tests/fresh runs")
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_the_list_lacks_is_not_there() {
    if !needs::met() {
        return;
    }
    let looked = LISTED.map(|(package, file)| format!("! test -e {file} || echo {package}\n"));
    let look = looked.concat();
    let all = LISTED.map(|(package, _)| package);
    assert_eq!(said(fresh(None, &look)).lines().collect::<Vec<_>>(), all, "with the whole list");
    let folder = tempfile::tempdir().unwrap();
    let list = fs::read_to_string(format!("{TESTS}/packages.txt")).unwrap();
    let shorter: String =
        list.lines().filter(|line| !all.contains(line)).map(|line| format!("{line}\n")).collect();
    assert_eq!(list.lines().count() - shorter.lines().count(), all.len());
    let path = folder.path().join("packages.txt");
    fs::write(&path, shorter).unwrap();
    assert_eq!(said(fresh(Some(&path), &look)), "", "without these");
    // Its tests fail as where it was never installed.
    let output = fresh(Some(&path), "exec xinetd -version");
    assert_eq!(output.status.code(), Some(127), "{output:?}");
}

#[test]
fn what_belongs_to_no_package_is_not_there() {
    if !needs::met() {
        return;
    }
    let script = r#"
        echo "$PATH"
        ls -A /usr/local/bin /usr/local/sbin
        test -e "$0/packages.txt""#;
    let said = said(fresh(None, &script.replace("$0", TESTS)));
    assert_eq!(said, format!("{PATH}\n/usr/local/bin:\n\n/usr/local/sbin:\n"));
}

#[test]
fn no_host_of_such_a_run_has_the_clone() {
    if !needs::met() {
        return;
    }
    let mut command = Command::new(FRESH);
    command.arg(own::suite());
    let output =
        command.args(own::hidden("fresh_machine::hidden_host")).output_in_time().expect("tests/fresh runs");
    assert!(said(output).contains("1 passed"));
}

#[test]
#[ignore = "run by another case, as on a fresh machine"]
fn hidden_host() {
    let mut host = Host::prepare(Kind::SysV, Layout::Debian).unwrap();
    host.boot_only();
    for place in [TESTS.into(), own::suite()] {
        assert!(!host.exists(place.to_str().unwrap()), "{}", place.display());
    }
    let words = [own::IN_HOST, "--list", "--exact", "fresh_machine::hidden_host"];
    assert!(host.run(&words).success().contains("1 test"));
}

#[test]
fn a_program_ends_as_it_does_by_itself() {
    let output = fresh(None, "echo out; echo err >&2; exit 7");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
}

/// Every file of the tests below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn this_test_program_is_started_by_the_one_helper_that_knows_where_it_can_be_seen() {
    let mut found = Vec::new();
    sources(&Path::new(TESTS).join("suite"), &mut found);
    let call = ["current", "exe"].join("_");
    found.retain(|path| fs::read_to_string(path).unwrap().contains(&call));
    assert_eq!(found, [Path::new(TESTS).join("suite/support/own.rs")]);
}

/// Runs the installation beside stand-ins for apt and dpkg, where apt succeeds the n-th time, and before it a
/// script; how it ended, and what was run.
fn install(succeeds: u32, before: &str) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let tool = |name: &str, script: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    // One was never there, and of one the setup was interrupted.
    tool(
        "dpkg-query",
        "for package; do :; done\n\
         case $package in\n\
         jq) test -e installed && printf installed || exit 1 ;;\n\
         xinetd) test -e configured && printf installed || printf half-configured ;;\n\
         *) printf installed ;;\n\
         esac",
    );
    tool("dpkg", "echo \"dpkg $*\" >>log; : >configured");
    tool(
        "apt-get",
        &format!(
            "test \"$(cat /usr/sbin/policy-rc.d)\" = \"$(printf '#!/bin/sh\\nexit 101')\" || exit 99\n\
             while [ \"${{1#-}}\" != \"$1\" ]; do [ \"$1\" != -o ] || shift; shift; done\n\
             echo \"apt-get $*\" >>log; echo >>tries.$1\n\
             test $(wc -l <tries.$1) -ge {succeeds} || exit 100\n\
             [ $1 = update ] || : >installed"
        ),
    );
    tool("sleep", "echo \"sleep $*\" >>log");
    let script = format!(
        "test \"$(stat -f -c %T /)\" = overlayfs; {before}; echo mine >/usr/sbin/policy-rc.d; PATH={}:$PATH; status=0; {TESTS}/install.sh || status=$?; \
         test \"$(cat /usr/sbin/policy-rc.d)\" = mine; exit $status",
        folder.path().display()
    );
    let output = fresh(None, &script);
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    (output, log)
}

#[test]
fn packages_are_installed_though_the_network_fails_for_a_while_and_dpkg_was_interrupted() {
    if !needs::met() {
        return;
    }
    let (output, log) = install(3, ":");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let again = "dpkg --configure -a\napt-get update\napt-get install --no-install-recommends jq";
    let expected = format!("{again} xinetd\nsleep 5\n{again}\nsleep 20\n{again}\n");
    assert_eq!(log, expected, "{output:?}");
}

#[test]
fn packages_that_are_only_unpacked_are_fetched_though_the_network_fails_for_a_while() {
    if !needs::met() {
        return;
    }
    let (output, log) = install(2, "rm -r /var/cache/mailward-tests/ufw");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let again = "dpkg --configure -a\napt-get update\napt-get install --no-install-recommends jq";
    let expected = format!(
        "{again} xinetd\napt-get download ufw\nsleep 5\n{again}\napt-get download ufw\ndpkg -x ufw_*.deb ufw\n"
    );
    assert_eq!(log, expected, "{output:?}");
}

#[test]
fn what_cannot_be_installed_is_named() {
    if !needs::met() {
        return;
    }
    let (output, log) = install(100, ":");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with("cannot be installed: jq\n"), "{said}");
    assert_eq!(log.matches("apt-get install").count(), 4, "{log}");
}
