//! What a package upgrade makes of an edited file: the real sysconftool merges a new release's file into it.

use std::fs;
use std::process::Command;

use mailward::edit::shellvars::{ShellFile, SourcedValue, daemon_number, ensure};

use crate::support::in_time::CommandInTime as _;

const SYSCONFTOOL: &str = "/usr/share/sysconftool/sysconftool";

/// A file of the shape that Courier installs.
const SHIPPED: &str = "\
##VERSION: $Id: 1$
#
# pop3d created from pop3d.dist by sysconftool
#
##NAME: PIDFILE:0
#

PIDFILE=/run/courier/pop3d.pid

##NAME: MAXDAEMONS:0
#
#  Maximum number of POP3 servers started
#

MAXDAEMONS=40

##NAME: MAXPERIP:4
#
# Maximum number of connections to accept from the same IP address

MAXPERIP=4

##NAME: DEFDOMAIN:0
#
# Optional default domain.

#DEFDOMAIN=\"@example.com\"

##NAME: MAILDIRPATH:0
#
# MAILDIRPATH - directory name of the maildir directory.
#
MAILDIRPATH=Maildir
";

/// The file that an upgrade to another version leaves.
fn upgraded(file: &[u8], shipped: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a folder for sysconftool");
    let path = dir.path().join("pop3d");
    let release = String::from_utf8_lossy(shipped).replacen("##VERSION:", "##VERSION: next", 1);
    fs::write(&path, file).unwrap();
    fs::write(dir.path().join("pop3d.dist"), release).unwrap();
    let output = Command::new(SYSCONFTOOL)
        .arg(dir.path().join("pop3d.dist"))
        .output_in_time()
        .expect("sysconftool runs (apt package sysconftool)");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("MAILDIRPATH"), "it merged nothing: {said}");
    fs::read(&path).unwrap()
}

fn number(file: &[u8], name: &str) -> Option<u32> {
    match ShellFile::parse(file).value(name) {
        SourcedValue::Literal { bytes, .. } => daemon_number(&bytes),
        SourcedValue::Untouched | SourcedValue::Broken { .. } | SourcedValue::Uncertain { .. } => None,
    }
}

/// Edits both limits, upgrades, and looks at what is left.
fn survives(before: &str) {
    let edited = ensure(before.as_bytes(), "MAXPERIP", 23).unwrap();
    let edited = ensure(&edited.bytes, "MAXDAEMONS", 91).unwrap().bytes;
    let after = upgraded(&edited, SHIPPED.as_bytes());
    let text = String::from_utf8_lossy(&after);
    assert_eq!(number(&after, "MAXPERIP"), Some(23), "{before}\n=>\n{text}");
    assert_eq!(number(&after, "MAXDAEMONS"), Some(91), "{before}\n=>\n{text}");
}

#[test]
fn a_value_changed_in_place_survives_an_upgrade() {
    survives(SHIPPED);
    survives(&SHIPPED.replace("MAXPERIP=4\n", "MAXPERIP=\"4\" # per ticket\n"));
    survives(&SHIPPED.replace("MAXPERIP=4\n", "MAXPERIP=4\nMAXPERIP=5\n"));
    survives(&SHIPPED.replace("MAXPERIP=4\n", "export MAXPERIP=4\n"));
}

#[test]
fn a_repaired_line_survives_an_upgrade() {
    survives(&SHIPPED.replace("MAXPERIP=4\n", "MAXPERIP = 4\n"));
    survives(&SHIPPED.replace("MAXDAEMONS=40\n", "MAXDAEMONS= 40\n"));
}

#[test]
fn an_inserted_line_survives_an_upgrade() {
    survives(&SHIPPED.replace("MAXPERIP=4\n", ""));
    survives(&SHIPPED.replace("MAXPERIP=4\n", "#MAXPERIP=4\n"));
    survives(&SHIPPED.replace("\nMAXPERIP=4\n\n", ""));
    survives(SHIPPED.replace("MAXPERIP=4\n", "").trim_end());
}

#[test]
fn a_line_without_a_section_travels_with_the_last_one() {
    let own = "##NAME: MAXPERIP:4\n#\n# Maximum number of connections to accept from the same IP address\n\nMAXPERIP=4\n\n";
    let shipped = SHIPPED.replace(own, "");
    for tail in ["", "# the end\n", "\n\n# the end"] {
        let edited = ensure(format!("{shipped}{tail}").as_bytes(), "MAXPERIP", 23).unwrap();
        let after = upgraded(&edited.bytes, shipped.as_bytes());
        assert_eq!(number(&after, "MAXPERIP"), Some(23), "{tail:?}");
    }
}

/// What the places are chosen for: as a person would do it, the setting is lost.
#[test]
fn a_comment_above_the_setting_loses_it() {
    let file = SHIPPED.replace("MAXPERIP=4\n", "# was 4\nMAXPERIP=23\n");
    assert_eq!(number(file.as_bytes(), "MAXPERIP"), Some(23));
    let after = upgraded(file.as_bytes(), SHIPPED.as_bytes());
    assert_eq!(number(&after, "MAXPERIP"), None);
}
