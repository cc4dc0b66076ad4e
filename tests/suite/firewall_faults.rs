//! A change of access that nobody confirmed, end to end: the built program, the real tools of each packet
//! filter, on hosts where something goes wrong meanwhile. Whatever it is, the kernel has the rules of before
//! once the time is up, every command says so, and the next run that may write settles it and leaves nothing
//! lying about.

mod clock;
mod full;
mod killed;
mod older;
mod on_disk;
mod slow;
mod targets;
mod unwatched;

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::firewall_apply::{MANIFEST, Scene};
use crate::support::host::{Kind, Output, PacketFilter, Run, needs};
use crate::support::ssh::Ssh;

/// What enforces access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Nftables,
    IptablesNft,
    IptablesLegacy,
}

/// Where the program runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum From {
    /// On the host.
    Here,
    /// On this machine, with `--host`.
    Afar,
}

/// A kind of host, and how it is asked.
#[derive(Clone, Copy, Debug)]
struct Case {
    kind: Kind,
    way: Way,
    from: From,
}

const fn case(kind: Kind, way: Way, from: From) -> Case {
    Case { kind, way, from }
}

/// Lets the first connection come about and no other: nobody can confirm.
const ONCE: &str = "#!/bin/sh\nmkdir \"${0%/*}/first\" 2>/dev/null && exec ssh \"$@\"\nexit 255\n";

/// A host under test.
struct Site {
    case: Case,
    scene: Scene,
    /// Of the window.
    seconds: u64,
    ssh: Ssh,
    folder: TempDir,
}

/// Makes each case's host and has it go through `check`, all at the same time: they mostly wait.
fn side_by_side(cases: &[Case], seconds: u64, check: impl Fn(&mut Site, usize) + Sync) {
    if !needs::met() {
        return;
    }
    std::thread::scope(|scope| {
        for (number, &case) in cases.iter().enumerate() {
            let check = &check;
            std::thread::Builder::new()
                .name(format!("{case:?}"))
                .spawn_scoped(scope, move || check(&mut Site::new(case, seconds), number))
                .expect("a thread");
        }
    });
}

impl Site {
    fn new(case: Case, seconds: u64) -> Self {
        let enforce = match case.way {
            Way::Nftables => "nftables",
            Way::IptablesNft | Way::IptablesLegacy => "iptables",
        };
        let scene = Scene::new(case.kind, enforce, &format!("{seconds}s")).expect("it was met");
        match case.way {
            Way::Nftables => {}
            Way::IptablesNft => scene.host.packet_filter_is(PacketFilter::Nft),
            Way::IptablesLegacy => scene.host.packet_filter_is(PacketFilter::Legacy),
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("mx1.toml"), scene.host.read(MANIFEST)).expect("a file");
        let once = folder.path().join("ssh");
        std::fs::write(&once, ONCE).expect("a file");
        std::fs::set_permissions(&once, std::fs::Permissions::from_mode(0o755)).expect("a file");
        Self { case, seconds, ssh: scene.ssh(), scene, folder }
    }

    /// Runs a script in the host, which must succeed.
    fn sh(&self, script: &str) -> String {
        self.scene.host.run(&["sh", "-c", script]).success()
    }

    /// A command of the program with the manifest, where the case has it run.
    fn command(&self, words: &str) -> Run {
        let mut argv: Vec<&str> = words.split(' ').collect();
        let takes_manifest = matches!(argv[0], "apply" | "plan" | "check");
        match self.case.from {
            From::Here => {
                argv.insert(0, "/usr/local/bin/mailward");
                argv.extend(takes_manifest.then_some(MANIFEST));
                self.scene.host.command(&argv)
            }
            From::Afar => {
                let path = self.folder.path().join("mx1.toml").display().to_string();
                argv.extend(takes_manifest.then_some(path.as_str()));
                self.ssh.mailward(&argv)
            }
        }
    }

    fn run(&self, words: &str) -> Output {
        self.command(words).within(Duration::from_secs(90)).run()
    }

    /// The same, which over ssh gets in once and never again.
    fn once(&self, words: &str) -> Run {
        let run = self.command(words);
        match self.case.from {
            From::Here => run,
            From::Afar => {
                let _ = std::fs::remove_dir(self.folder.path().join("first"));
                let program = self.folder.path().join("ssh").display().to_string();
                run.env("MAILWARD_SSH", &program)
            }
        }
    }

    /// Starts a run whose end nobody waits for here.
    fn start(&self, words: &str, said: Stdio) -> Child {
        let mut command = self.once(words).into_command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        command.spawn().expect("it starts")
    }

    /// Applies; the change is live when this returns, nobody has confirmed it, and nobody will.
    fn apply(&self) -> Instant {
        let begun = self.apply_unseen();
        self.scene.assert_restricted();
        begun
    }

    /// The same without asking clients, which takes seconds.
    fn apply_unseen(&self) -> Instant {
        let (code, said) = self.attempt();
        assert_eq!(code, 3, "{:?}: {said}", self.case);
        Instant::now()
    }

    /// Applies: the exit code, 3 where a change waits, and what was said.
    fn attempt(&self) -> (i32, String) {
        if self.case.from == From::Here {
            let applied = self.run("apply --yes");
            return (applied.code(), format!("{applied:#?}"));
        }
        let said = self.folder.path().join("said");
        let file = std::fs::File::create(&said).expect("a file");
        let text = || std::fs::read_to_string(&said).expect("a file");
        let mut child = self.start("apply --yes", file.into());
        let mut code = None;
        self.scene.host.wait_until("it ends, or a change waits", || {
            code = child.try_wait().expect("the child is ours").map(|status| status.code().expect("a code"));
            code.is_some() || text().contains("confirm over a new connection")
        });
        if let Some(code) = code {
            return (code, text());
        }
        // Its end takes the time of the window and more.
        child.kill().expect("the child is ours");
        child.wait().expect("the child is ours");
        (3, text())
    }

    /// What `plan`, `check` and `show` say: the first two with this exit code, the last two with this first
    /// word.
    fn tells(&self, code: i32, check: &str, show: Option<&str>) {
        let case = self.case;
        let plan = self.run("plan");
        assert_eq!(plan.code(), code, "{case:?}: {plan:#?}");
        let checked = self.run("check");
        assert_eq!(checked.code(), code, "{case:?}: {checked:#?}");
        assert!(checked.stdout.starts_with(check), "{case:?}: {checked:#?}");
        let shown = self.run("show");
        assert_eq!(shown.code(), 0, "{case:?}: {shown:#?}");
        match show {
            Some(word) => assert!(shown.stdout.starts_with(word), "{case:?}: {shown:#?}"),
            None => {
                for word in ["WAITS", "UNWATCHED"] {
                    assert!(!shown.stdout.contains(word), "{case:?}: {shown:#?}");
                }
            }
        }
        if code == 3 && check == "UNWATCHED" {
            assert!(plan.stdout.starts_with(check), "{case:?}: {plan:#?}");
            for said in [&plan, &checked, &shown] {
                assert!(said.stdout.contains("mailward revert"), "{said:#?}");
            }
        }
    }

    /// Waits until nothing is closed any more, which must not take longer than the window and a moment.
    fn goes_back(&self, begun: Instant, before: &str) {
        self.scene.wait_until_open();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(self.seconds + 8), "{:?}: {took:?}", self.case);
        // Of iptables, one family after the other.
        let end = Instant::now() + Duration::from_secs(5);
        while in_force(&self.scene.rules()) != in_force(before) && Instant::now() < end {}
        assert_eq!(in_force(&self.scene.rules()), in_force(before), "{:?}", self.case);
        self.scene.assert_open();
    }

    /// The next run settles what is left, and an apply and its revert work as on the first day.
    fn settles(&self, before: &str) {
        let entries = || {
            self.sh("cat /var/lib/mailward/history/* 2>/dev/null | grep -c '^  \"result\": \"waiting\"'; :")
        };
        let settled = self.run("revert");
        assert_eq!(settled.code(), 0, "{:?}: {settled:#?}", self.case);
        assert_eq!(self.scene.rules(), before, "{:?}", self.case);
        assert_eq!(entries(), "0\n", "{:?}", self.case);
        assert_eq!(self.scene.result(), "rolled-back", "{:?}", self.case);
        self.leaves_nothing();
        let again = self.apply();
        assert!(again.elapsed() < Duration::from_secs(self.seconds));
        let reverted = self.run("revert");
        assert_eq!(reverted.code(), 0, "{:?}: {reverted:#?}", self.case);
        assert_eq!(self.scene.rules(), before, "{:?}", self.case);
        self.leaves_nothing();
    }

    /// Has everybody let in again after a confirmation.
    fn opens(&self) {
        self.sh("nft delete table inet mailward 2>/dev/null; for p in iptables ip6tables; do \
             $p -t raw -D PREROUTING -j MAILWARD; $p -t mangle -D INPUT -j MAILWARD; done 2>/dev/null; :");
    }

    /// Nothing of a window is anywhere.
    fn leaves_nothing(&self) {
        let left = self.sh(
            "ls -d /run/mailward/* /dev/shm/* /run/systemd/system/mailward* \
             /run/systemd/system/sysinit.target.wants/mailward* /var/lib/mailward/journal.json 2>/dev/null; \
             ls -A /var/lib/mailward/access 2>/dev/null | grep -v '^boot'; pgrep -a -f '[r]evert.sh watch'; \
             command -v systemctl >/dev/null && systemctl list-units --state=active,activating,failed --plain --no-legend 'mailward-revert*'; :",
        );
        assert_eq!(left, "", "{:?}", self.case);
    }
}

/// The processes that watch over windows, oldest first.
impl Site {
    fn watchers(&self) -> Vec<u32> {
        let processes = self.scene.host.processes().into_iter();
        let is_one = |argv: &[String]| {
            argv.get(1).is_some_and(|script| script.ends_with("/revert.sh"))
                && argv.get(2).is_some_and(|verb| verb == "watch")
        };
        processes.filter(|process| is_one(&process.argv)).map(|process| process.pid).collect()
    }
}

/// All rules, without what a timer cannot take away in one transaction: a chain that is empty, and the jump
/// to it.
fn in_force(rules: &str) -> Vec<&str> {
    let is_empty = ["-A PREROUTING -j MAILWARD", "-A INPUT -j MAILWARD", "jump MAILWARD"];
    let is_left = |line: &&str| {
        !line.starts_with(":MAILWARD") && !line.starts_with("chain MAILWARD") && !is_empty.contains(line)
    };
    rules.lines().filter(is_left).collect()
}
