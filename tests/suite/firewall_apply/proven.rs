//! What shows that somebody gets in from outside, and what does not: real sshd, sudo, su, tmux, systemd-run
//! and consoles.

use std::time::Duration;

use super::{MANIFEST, Scene, over};
use crate::support::host::{Kind, OPERATOR, Output};
use crate::support::ssh::{Ssh, keys};

/// Confirms when it is told to, wherever it was started: NAME.
const LATER: &str = "#!/bin/sh\n\
    until [ -e /tmp/go.$1 ]; do sleep 0.05; done\n\
    /usr/local/bin/mailward confirm >/tmp/said.$1 2>&1\n\
    echo $? >/tmp/code.$1.new\n\
    mv /tmp/code.$1.new /tmp/code.$1\n";

/// The key by which the host gets into itself.
const KEY: &str = "/root/.ssh/key";

impl Scene {
    /// A host on which both of its logins may start things that confirm later.
    fn proving(kind: Kind) -> Option<Self> {
        let scene = Self::new(kind, "nftables", "300s")?;
        scene.host.write_as("/usr/local/bin/later", 0o755, LATER);
        scene.host.write_as(KEY, 0o600, &keys().client);
        Some(scene)
    }

    /// Has what waits confirm; its exit code and words.
    fn go(&self, name: &str) -> (String, String) {
        self.host.write(&format!("/tmp/go.{name}"), "");
        let code = format!("/tmp/code.{name}");
        self.host.wait_until(&format!("{name} has answered"), || self.host.exists(&code));
        let said = self.host.read_text(&format!("/tmp/said.{name}"));
        (self.host.read_text(&code), said)
    }

    fn changes(&self, round: usize) {
        let (from, to) = match round % 2 {
            0 => ("\"198.18.2.1\"]", "\"198.18.2.1\", \"198.18.2.3\"]"),
            _ => ("\"198.18.2.1\", \"198.18.2.3\"]", "\"198.18.2.1\"]"),
        };
        self.declare(from, to);
    }
}

/// Over a connection with a terminal.
fn on_terminal(ssh: &Ssh, script: &str) -> Output {
    let config = ssh.config().display().to_string();
    ssh.command(&["ssh", "-tt", "-F", &config, ssh.alias(), script]).within(Duration::from_secs(60)).run()
}

#[track_caller]
fn refused(who: &str, output: &Output, why: &str) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code(), 7, "{who}: {said}");
    assert!(said.contains(why), "{who}: {said}");
}

#[test]
fn nothing_that_began_over_an_old_connection_confirms() {
    for kind in [Kind::Systemd, Kind::SysV] {
        let Some(scene) = Scene::proving(kind) else {
            return;
        };
        let root = scene.ssh().warm();
        let operator = scene.ssh().user(OPERATOR).warm();
        let tmux = "tmux -L NAME new-session -d '/usr/local/bin/later NAME'";
        let start = [
            (&operator, "sudo -n -i TMUX", "sudo"),
            (&root, "su - root -c \"TMUX\"", "su"),
            (&operator, "sudo -n env -i TMUX", "nothing"),
            (&root, "TMUX", "plain"),
            (
                &operator,
                "sudo -n -i setsid script -qec 'later NAME' /dev/null </dev/null >/dev/null 2>&1 &",
                "script",
            ),
        ];
        for (ssh, words, name) in start {
            let script = words.replace("TMUX", tmux).replace("NAME", name);
            ssh.bare(&script).run().success();
        }
        let applied = over(&root, &format!("apply --yes {MANIFEST}"));
        assert_eq!(applied.code(), 3, "{applied:#?}");
        for (_, _, name) in start {
            let (code, said) = scene.go(name);
            assert_eq!(code, "7\n", "{kind:?} {name}: {said}");
            assert!(said.contains("ssh -o ControlPath=none"), "{name}: {said}");
        }
        for (who, script) in [
            ("env -i", "env -i /usr/local/bin/mailward confirm"),
            ("env", "SSH_CONNECTION='203.0.113.9 7 192.0.2.1 22' mailward confirm"),
            ("su", "su - root -c 'mailward confirm'"),
            ("setsid", "setsid -w mailward confirm"),
        ] {
            for output in [
                root.bare(script).run(),
                on_terminal(&root, script),
                on_terminal(&operator, &format!("sudo -n sh -c {script:?}")),
            ] {
                refused(who, &output, "open connections always live on");
            }
        }
        if kind == Kind::Systemd {
            // What `systemd-run --pty` does, which itself needs a bus that these hosts lack.
            let script = "systemd-run -q -p StandardInput=tty-force -p TTYPath=$(tty) /usr/local/bin/later run; \
                until [ -e /tmp/code.run ]; do sleep 0.1; done";
            scene.host.write("/tmp/go.run", "");
            on_terminal(&root, script).success();
            let (code, said) = scene.go("run");
            assert_eq!(code, "7\n", "{said}");
            assert!(said.contains("pseudo-terminal"), "{said}");
        }
        scene.assert_restricted();
        assert_eq!(scene.run("revert").code(), 0);
    }
}

#[test]
fn a_connection_from_the_host_to_itself_confirms_nothing() {
    for kind in [Kind::Systemd, Kind::SysV] {
        let Some(scene) = Scene::proving(kind) else {
            return;
        };
        let first = scene.ssh().warm();
        let applied = over(&first, &format!("apply --yes {MANIFEST}"));
        assert_eq!(applied.code(), 3, "{applied:#?}");
        let options =
            format!("-F none -i {KEY} -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR");
        for way in [
            "127.0.0.1",
            "localhost",
            "127.0.0.9",
            "::1",
            "192.0.2.1",
            "2001:db8:25::1",
            "-b 192.0.2.1 127.0.0.1",
            "-b 127.0.0.1 192.0.2.1",
            "-b ::1 2001:db8:25::1",
        ] {
            for command in ["mailward confirm", "sudo -n mailward confirm", "su - -c 'mailward confirm'"] {
                let script = format!("ssh {options} {way} \"{command}\"");
                refused(way, &first.bare(&script).run(), "from this host itself");
            }
        }
        for to in ["localhost", "192.0.2.1", "2001:db8:25::1"] {
            let script = format!(
                "mailward confirm --host {to} --ssh-option=-Fnone --ssh-option=-i{KEY} --ssh-option=-oStrictHostKeyChecking=no"
            );
            refused(to, &first.bare(&script).run(), "from this host itself");
        }
        // What gets in from outside may confirm, however it becomes root.
        for (round, (user, script)) in [
            ("root", "mailward confirm"),
            ("root", "su - -c 'mailward confirm'"),
            ("root", "SSH_CONNECTION='127.0.0.1 7 127.0.0.1 22' mailward confirm; exit"),
            (OPERATOR, "sudo -n mailward confirm"),
            (OPERATOR, "sudo -n -i mailward confirm"),
            (OPERATOR, "sudo -n su - -c 'mailward confirm'"),
            (OPERATOR, "sudo -n setsid -w mailward confirm"),
        ]
        .into_iter()
        .enumerate()
        {
            let ssh = scene.ssh().user(user);
            let confirmed = match round % 2 {
                0 => ssh.bare(script).run(),
                _ => on_terminal(&ssh, script),
            };
            assert_eq!(confirmed.code(), 0, "{kind:?} {user}: {script}: {confirmed:#?}");
            scene.changes(round);
            let applied = over(&first, &format!("apply --yes {MANIFEST}"));
            assert_eq!(applied.code(), 3, "{applied:#?}");
        }
        assert_eq!(scene.run("revert").code(), 0);
    }
}

/// Starts what confirms later as somebody's login on a virtual console, by a real getty.
fn at_console(scene: &Scene, number: u32, name: &str) {
    let tty = format!("tty{number}");
    let program = format!("#!/bin/sh\nexec later {name}\n");
    scene.host.write_as("/usr/local/bin/console", 0o755, program);
    let device = format!("/dev/{tty}");
    scene.host.run(&["mknod", "-m", "600", &device, "c", "4", &number.to_string()]).success();
    scene.host.exec_detached(&["agetty", "-n", "-l", "/usr/local/bin/console", &tty, "linux"]);
}

#[test]
fn the_console_confirms_and_what_only_looks_like_one_does_not() {
    for (kind, number) in [(Kind::Systemd, 41), (Kind::SysV, 42)] {
        let Some(scene) = Scene::proving(kind) else {
            return;
        };
        at_console(&scene, number, "console");
        let first = scene.ssh().warm();
        // A virtual console that is opened over ssh, as by openvt.
        let other = number + 2;
        let device = format!("/dev/tty{other}");
        scene.host.run(&["mknod", "-m", "600", &device, "c", "4", &other.to_string()]).success();
        for (name, words) in [("above", "setsid -w -c later above"), ("gone", "setsid -c later gone")] {
            let script = format!("{words} <{device} >/dev/null 2>&1 &");
            first.bare(&script).run().success();
            let applied = match name {
                "above" => over(&first, &format!("apply --yes {MANIFEST}")).code(),
                _ => 3,
            };
            assert_eq!(applied, 3);
            let (code, said) = scene.go(name);
            assert_eq!(code, "7\n", "{kind:?} {name}: {said}");
        }
        scene.host.exec_detached(&["later", "cron"]);
        let (code, said) = scene.go("cron");
        assert_eq!(code, "7\n", "{kind:?}: {said}");
        assert!(said.contains("neither by ssh nor from a console"), "{said}");
        // Entered from outside its pid namespace.
        refused("entered", &scene.run("confirm"), "not all processes above it");
        let (code, said) = scene.go("console");
        assert_eq!(code, "0\n", "{kind:?}: {said}");
        scene.assert_restricted();
    }
}

#[test]
fn a_plan_tells_who_will_be_able_to_confirm_it() {
    let beginning = "the change of access is to be confirmed";
    for (kind, number) in [(Kind::Systemd, 45), (Kind::SysV, 46)] {
        let Some(scene) = Scene::proving(kind) else {
            return;
        };
        let told = |words: &str| {
            let (code, plan) = scene.plan();
            assert_eq!(code, 2, "{plan}");
            assert!(plan.contains(&format!("note: {words}")), "no {words:?} in {plan}");
        };
        told(&format!("{beginning} over a new ssh connection from outside\n"));
        let tty = format!("tty{number}");
        let device = format!("/dev/{tty}");
        let node = ["mknod", "-m", "600", &device, "c", "4", &number.to_string()];
        scene.host.run(&node).success();
        // A getty of which nobody knows on what it waits is none.
        scene.host.exec_detached(&["sh", "-c", "exec -a getty sleep 1000"]);
        told(&format!("{beginning} over a new ssh connection from outside\n"));
        scene.host.exec_detached(&["agetty", &tty, "linux"]);
        let has_getty = || scene.plan().1.contains("or at the console\n");
        scene.host.wait_until("the getty waits", has_getty);
        told(&format!("{beginning} over a new ssh connection from outside, or at the console\n"));
        let applied = scene.run(&format!("apply --yes {MANIFEST}"));
        let shown = format!("{}{}", applied.stdout, applied.stderr);
        assert!(shown.contains("or at the console"), "{shown}");
        assert_eq!(scene.run("revert").code(), 0);
        scene.host.service("ssh", "stop").success();
        told(&format!("{beginning} at the console: sshd is not seen to listen here\n"));
        scene
            .host
            .run(&["sh", "-c", "kill -KILL $(cat /proc/[0-9]*/stat | grep '(agetty)' | cut -d' ' -f1)"])
            .success();
        told("nobody will be able to confirm the change of access, and it will go back");
    }
}

/// Each look at files takes so long that what was read first is seconds old when the connection is looked at.
const SLOW: &str = "#!/bin/sh\nsleep 3\nexec /usr/bin/stat.real \"$@\"\n";

#[test]
fn on_a_slow_host_a_new_connection_is_newer_than_the_change_all_the_same() {
    let Some(scene) = Scene::new(Kind::SysV, "nftables", "300s") else {
        return;
    };
    let older = scene.ssh().warm();
    scene.apply();
    let host = &scene.host;
    host.run(&["mv", "/usr/bin/stat", "/usr/bin/stat.real"]).success();
    host.write_as("/usr/bin/stat", 0o755, SLOW);
    let confirm = |ssh: &Ssh| (ssh.mailward(&["confirm"])).within(Duration::from_secs(200)).run();
    refused("an older connection", &over(&older, "confirm"), "there before the change");
    let confirmed = confirm(&scene.ssh());
    assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
    scene.assert_restricted();
}
