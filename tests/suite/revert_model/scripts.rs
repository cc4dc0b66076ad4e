//! The real script, under dash, bash and BusyBox, does what the model says: random histories of decisions,
//! kills and file operations that fail, a clock that only the test moves, and two watchers for each.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

use super::world::{Act, World};
use crate::support::in_time::CommandInTime as _;

/// Histories for each shell; `MAILWARD_TEST_TIMES` times as many for once.
const HISTORIES: usize = 40;

/// Acts of a history.
const LENGTH: usize = 3;

/// What happens to a window's folder or its watchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Nothing,
    Confirm,
    ConfirmOther,
    ConfirmEmpty,
    Close,
    LoseFile,
    LoseFolder,
    FoldersForFiles,
    Pipes,
    ReadOnly,
    Full,
    KillFirst,
    KillSecond,
    StopFirst,
    Signals,
}

impl Event {
    const ALL: [Self; 15] = [
        Self::Nothing,
        Self::Confirm,
        Self::ConfirmOther,
        Self::ConfirmEmpty,
        Self::Close,
        Self::LoseFile,
        Self::LoseFolder,
        Self::FoldersForFiles,
        Self::Pipes,
        Self::ReadOnly,
        Self::Full,
        Self::KillFirst,
        Self::KillSecond,
        Self::StopFirst,
        Self::Signals,
    ];

    /// In a shell, for a window `$i` with the folder `$d`.
    const fn script(self) -> &'static str {
        match self {
            Self::Nothing => ":",
            Self::Confirm => "mv -f $d/open $d/confirmed",
            Self::ConfirmOther => {
                "for n in confirmed closed reverted; do echo 0123456789abcdef0123456789abcdef >$d/$n; done"
            }
            Self::ConfirmEmpty => "for n in confirmed closed reverted; do : >$d/$n; done",
            Self::Close => "[ -d $d ] && echo $id >$d/closed",
            Self::LoseFile => "rm -f $d/open",
            Self::LoseFolder => "rm -rf $d",
            Self::FoldersForFiles => "rm -f $d/open $d/revert.nft; mkdir $d/open $d/revert.nft $d/reverting",
            Self::Pipes => "for n in closed reverted; do rm -f $d/$n; mkfifo $d/$n; done",
            Self::ReadOnly => "mount --bind $d $d && mount -o remount,bind,ro $d",
            Self::Full => "mount -t tmpfs -o nr_inodes=1 tmpfs $d",
            Self::KillFirst => "kill -9 $(pgrep -o -f \"$id/revert.sh watch first\")",
            Self::KillSecond => "kill -9 $(pgrep -o -f \"$id/revert.sh watch second\")",
            Self::StopFirst => "kill -STOP $(pgrep -o -f \"$id/revert.sh watch first\")",
            Self::Signals => "for s in HUP INT TERM PIPE; do pkill -$s -f $id/revert.sh; done",
        }
    }

    /// The same in the model.
    fn happens(self, world: World) -> World {
        let world = match self {
            Self::Nothing | Self::ConfirmOther | Self::ConfirmEmpty | Self::Pipes | Self::Signals => world,
            Self::Confirm => world.somebody_confirms(),
            Self::Close => world.somebody_closes(),
            Self::LoseFile | Self::FoldersForFiles => world.loses_files(),
            Self::LoseFolder => world.loses_folder(),
            Self::ReadOnly => world.memory_fails(),
            Self::Full => world.loses_folder().memory_fails(),
            Self::KillFirst | Self::StopFirst => world.replaces(0),
            Self::KillSecond => world.replaces(1),
        };
        world.watched()
    }
}

/// Histories whose outcome is certain: what would be decided in a folder that is gone or read-only is left
/// out.
fn histories(number: usize) -> Vec<Vec<Event>> {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        Event::ALL[usize::try_from(random >> 33).unwrap() % Event::ALL.len()]
    };
    let spoils = |event: &Event| {
        use Event::{Close, ConfirmEmpty, ConfirmOther, FoldersForFiles, Full, LoseFile, LoseFolder};
        matches!(event, Close | LoseFile | LoseFolder | FoldersForFiles | Full | ConfirmOther | ConfirmEmpty)
            || matches!(event, Event::ReadOnly | Event::Pipes)
    };
    let mut all: Vec<Vec<Event>> = Event::ALL.iter().map(|&event| vec![event]).collect();
    while all.len() < number {
        let history: Vec<Event> = (0..LENGTH).map(|_| next()).collect();
        // Two that spoil the same names in turn undo each other.
        if history.iter().filter(|event| spoils(event)).count() < 2 {
            all.push(history);
        }
    }
    all
}

const SETUP: &str = r#"
set -u
mount --make-rprivate /
# Whatever lies below /run is out of sight in a moment.
script=$(cat "$SCRIPT")
mount -t tmpfs tmpfs /run
mkdir -p /run/mailward /run/test
case $1 in
bash) mount --bind /bin/bash "$(readlink -f /bin/sh)" ;;
busybox) mount --bind /bin/busybox "$(readlink -f /bin/sh)" ;;
esac
echo '100.00 1.00' >/run/test/uptime
mount --bind /run/test/uptime /proc/uptime
window() {
    i=$1 id=$(printf '%032x' "$1")
    d=/run/mailward/$id
    mkdir $d
    printf '%s\n' "$script" >$d/revert.sh
    echo flush >$d/revert.nft
    echo $id >$d/open
    printf '#!/bin/bash\ncat "$2" >/run/test/loaded.%s\n' $i >/run/test/nft.$i
    chmod 755 /run/test/nft.$i
    /bin/sh $d/revert.sh start 100000 200 nftables /run/test/nft.$i '' '' || echo "window $i does not start"
}
happen() {
    i=$1 id=$(printf '%032x' "$1")
    d=/run/mailward/$id
}
"#;

fn driver(histories: &[Vec<Event>]) -> String {
    let mut script = SETUP.to_owned();
    for number in 0..histories.len() {
        let _ = writeln!(script, "window {number} &");
    }
    script.push_str("wait\n");
    for step in 0..LENGTH {
        for (number, history) in histories.iter().enumerate() {
            if let Some(event) = history.get(step) {
                let _ = writeln!(script, "happen {number}; {{ {}; }} 2>/dev/null", event.script());
            }
        }
        script.push_str("sleep 3\n");
    }
    script.push_str("echo '200.00 1.00' >/run/test/uptime\n");
    // One that hangs is given up after five seconds; the first ones that are stopped do not end by
    // themselves.
    script.push_str(
        "left=100; while [ $left -gt 0 ] && pgrep -f 'revert.sh watch' >/dev/null; do \
         pkill -CONT -f 'revert.sh watch'; sleep 0.2; left=$((left - 1)); done\n",
    );
    for number in 0..histories.len() {
        let _ = writeln!(
            script,
            "if [ -e /run/test/loaded.{number} ]; then echo {number} back; else echo {number} stays; fi"
        );
    }
    script.push_str("pgrep -f -a 'revert.sh watch' && echo some are left; :\n");
    script
}

fn compare(shell: &str) {
    if !crate::support::host::needs::met() {
        return;
    }
    let times = std::env::var("MAILWARD_TEST_TIMES").map_or(1, |text| text.parse().unwrap());
    let all = histories(HISTORIES * times);
    for some in all.chunks(HISTORIES) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(driver(some).as_bytes()).unwrap();
        let output = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash"])
            .arg(file.path())
            .arg(shell)
            .env("SCRIPT", concat!(env!("CARGO_MANIFEST_DIR"), "/src/host/timer.sh"))
            .output_in_time()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        let mut expected = String::new();
        for (number, history) in some.iter().enumerate() {
            let mut world = World::armed();
            for event in history {
                world = event.happens(world);
            }
            let end = world.after(Act::TimeIsUp);
            let what = if end.goes_back() { "back" } else { "stays" };
            let _ = writeln!(expected, "{number} {what}");
        }
        for ((said, expected), history) in said.lines().zip(expected.lines()).zip(some) {
            assert_eq!(said, expected, "{shell}: {history:?}");
        }
        assert_eq!(said, expected, "{shell}");
    }
    crate::support::covered(&format!("{} histories under {shell}", all.len()));
}

#[test]
fn the_script_does_what_the_model_says_under_dash() {
    compare("dash");
}

#[test]
fn the_script_does_what_the_model_says_under_bash() {
    compare("bash");
}

#[test]
fn the_script_does_what_the_model_says_under_busybox() {
    compare("busybox");
}
