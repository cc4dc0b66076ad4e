//! The process that keeps a host: a shell that runs `keep.sh` in a mount and a network namespace of its own,
//! and does one command after the other. The host ends with it, and it ends with its standard input.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{Kind, LIMIT, Layout, inside};
use crate::support::in_time::{ChildInTime as _, InTime, PATIENCE};
use crate::support::own;

const SUPPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/support/host");

/// The folder that the tmpfs of a keeper covers, in the keeper's own mount namespace: nothing that it needs
/// lies below.
pub(super) fn place() -> &'static str {
    let suite = own::suite();
    let layers = std::env::var("MAILWARD_TEST_LOWER").unwrap_or_default();
    let mut needed = vec![Path::new(SUPPORT), Path::new(own::MAILWARD), &suite];
    needed.extend(layers.split(':').map(Path::new));
    let places = ["/media", "/mnt", "/srv", "/opt"];
    let free = |place: &&str| Path::new(place).is_dir() && !needed.iter().any(|path| path.starts_with(place));
    places.into_iter().find(free).expect("a folder that nobody needs")
}

pub(super) struct Keeper {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<InTime<ChildStdout>>,
}

impl Keeper {
    /// Makes the root and the client's network of a host.
    pub(super) fn new(kind: Kind, layout: Layout) -> Self {
        let mut child = Command::new("unshare")
            .args(["--mount", "--net", "--propagation", "private"])
            .args(["sh", "-eu"])
            .arg(format!("{SUPPORT}/keep.sh"))
            .env("KIND", kind.name())
            .env("LAYOUT", layout.name())
            .env("PLACE", place())
            .env("SUPPORT", SUPPORT)
            .env("MAILWARD", own::MAILWARD)
            .env("SUITE", own::suite())
            .env("PATH", inside::PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // Its own group: an interrupt at the terminal ends the test, and then the keeper cleans up.
            .process_group(0)
            .spawn()
            .expect("unshare runs");
        let commands = child.stdin.take();
        let answers = BufReader::new(InTime::new(child.stdout.take().expect("piped"), PATIENCE));
        let mut keeper = Self { child, commands, answers };
        assert_eq!(keeper.answer(), "ready");
        keeper
    }

    /// The number by which the machine knows it.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has one command done and returns the answer.
    pub(super) fn ask(&mut self, command: &str) -> String {
        let commands = self.commands.as_mut().expect("open until dropped");
        writeln!(commands, "{command}").expect("the host's keeper takes commands");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the host's keeper answers, and in text");
        line.trim_end().to_owned()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The end of its input tells the keeper to end the host and leave.
        drop(self.commands.take());
        // Where it is killed, its death takes init along, and with init the host; only an empty cgroup may
        // stay.
        self.child.end_within(LIMIT);
    }
}
