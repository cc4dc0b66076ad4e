//! Replies that arrive damaged, each part of them in turn: by a tool of the host that dies once in the middle
//! of a reply, and by another process of root that prints where a reply is printed.

use serde_json::Value;

use super::{edited, host, is_true, manifest, run};
use crate::support::host::{Host, Kind, Output};
use crate::support::ssh::Ssh;

const POP3D: &str = "/etc/courier/pop3d";

/// What happens instead, once, where a tool is started with some arguments.
struct Damage {
    tool: &'static str,
    /// A pattern of `sh` that the arguments match.
    arguments: &'static str,
    /// What happens; the tool itself is `$real`.
    what: &'static str,
}

const DEATH: &str = "kill -KILL $$";

const DAMAGES: [Damage; 9] = [
    Damage { tool: "cat", arguments: "/proc/self/environ *", what: DEATH },
    Damage { tool: "cat", arguments: "/proc/self/environ *", what: "$real \"$@\" | head -c 2000; exit" },
    Damage { tool: "cat", arguments: "/proc/self/environ *", what: "$real \"$@\"; echo noise; exit" },
    Damage { tool: "stat", arguments: "-L -c * %s %h %Z *", what: DEATH },
    Damage {
        tool: "stat",
        arguments: "-L -c * %s %h %Z *",
        what: "$real \"$@\" | sed '2s/ [0-9]* / noise /'; exit",
    },
    Damage { tool: "stat", arguments: "-L -c %f %i %n *", what: DEATH },
    Damage { tool: "stat", arguments: "-L -c %f %i %n *", what: "$real \"$@\" | head -c 100; exit" },
    Damage { tool: "grep", arguments: "-h  0A  *", what: DEATH },
    Damage {
        tool: "head",
        arguments: "-c *",
        what: "echo noise; (sleep 0.01; echo r 0) & exec $real \"$@\"",
    },
];

impl Damage {
    /// Has it happen in the host, once, when a condition is true there.
    fn install(&self, host: &Host, condition: &str) {
        let Self { tool, arguments, what } = self;
        let pattern = arguments.replace(' ', "\\ ");
        let wrapper = format!(
            "#!/bin/dash\nreal=/usr/lib/real/{tool}\ncase \"$*\" in {pattern})\n[ -e /run/damaged ] || ! {condition} || {{ : >/run/damaged; {what}; }}\nesac\nexec $real \"$@\"\n"
        );
        host.write("/run/wrapper", wrapper);
        let script = "rm -f /run/damaged; mkdir -p /usr/lib/real; [ -e /usr/lib/real/$1 ] || cp /usr/bin/$1 /usr/lib/real/$1; \
                      chmod 755 /run/wrapper; cp /run/wrapper /usr/bin/.new; mv -f /usr/bin/.new /usr/bin/$1";
        host.run(&["/bin/dash", "-c", script, "sh", tool]).success();
    }

    fn uninstall(&self, host: &Host) {
        let tool = self.tool;
        let script = "mv -f /usr/lib/real/$1 /usr/bin/$1";
        host.run(&["/bin/dash", "-c", script, "sh", tool]).success();
    }
}

/// Applies, and fails unless what is said of it is so and the next run ends what it began.
fn applies(host: &Host, ssh: &Ssh, per_ip: u32, options: &[&str], what: &str) -> Output {
    let edited = edited(host);
    let running = host.couriertcpd(110);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outcome.json");
    let file = file.to_str().unwrap();
    let arguments =
        [&["apply", "--yes", "--ssh-timeout=5", "--action-timeout=10", "--outcome", file], options].concat();
    let output = run(ssh, &arguments, &manifest(per_ip));
    let outcome: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(outcome["exit"], output.code(), "{what}");
    is_true(host, &outcome, &edited, what);
    let unchanged = edited.iter().all(|edited| host.read_text(&edited.path) == edited.before);
    match output.code() {
        0 | 3 => assert!(!unchanged, "{what}: {output:#?}"),
        8 => {
            assert!(unchanged, "{what}: {output:#?}");
            assert_eq!(running, host.couriertcpd(110), "{what}: {output:#?}");
        }
        9 | 11 => assert!(!output.stdout.contains("rolled back"), "{what}: {output:#?}"),
        other => panic!("{what}: exit {other}: {output:#?}"),
    }
    // What its files say and it does not run with is owed, unless the run cannot tell.
    let value = format!("-maxperip={per_ip}");
    let runs = host.couriertcpd(110).is_some_and(|argv| argv.contains(&value));
    if host.read_text(POP3D).contains(&format!("MAXPERIP={per_ip}\n")) && !runs && output.code() != 11 {
        let owed = outcome["owed"].as_array().expect("a list");
        assert!(owed.iter().any(|owed| owed["daemon"] == "courier"), "{what}: {outcome:#}");
    }
    output
}

/// Fails unless a run that nothing comes between brings the host to its end.
fn converges(host: &Host, per_ip: u32, what: &str) {
    let ssh = host.ssh();
    let next = run(&ssh, &["apply", "--yes"], &manifest(per_ip));
    assert_eq!(next.code(), 0, "{what}: {next:#?}");
    let check = run(&ssh, &["check"], &manifest(per_ip));
    assert_eq!(check.code(), 0, "{what}: {check:#?}");
    let argv = host.couriertcpd(110).expect("pop3d runs");
    assert!(argv.contains(&format!("-maxperip={per_ip}")), "{what}: {argv:?}");
}

#[test]
fn a_reply_that_is_damaged_after_the_change_leads_to_no_untrue_word() {
    let Some(host) = host(Kind::SysV) else { return };
    let mut per_ip = 20;
    for damage in DAMAGES {
        per_ip = 41 - per_ip;
        let what = format!("{} {}: {}", damage.tool, damage.arguments, damage.what);
        damage.install(&host, &format!("grep -q ^MAXPERIP={per_ip} {POP3D}"));
        applies(&host, &host.ssh(), per_ip, &[], &what);
        assert!(host.exists("/run/damaged"), "{what}: it never happened");
        damage.uninstall(&host);
        converges(&host, per_ip, &what);
    }
}

#[test]
fn a_reply_that_is_damaged_is_never_taken_for_the_state_of_the_host() {
    let Some(host) = host(Kind::SysV) else { return };
    let expected = run(&host.ssh(), &["plan"], &manifest(20)).stdout;
    for damage in &DAMAGES[..8] {
        let what = format!("{} {}: {}", damage.tool, damage.arguments, damage.what);
        // At the first reply, and at the second.
        for second in [false, true] {
            let condition = if second { "{ [ -e /run/first ] || ! : >/run/first; }" } else { "true" };
            let _ = host.run(&["rm", "-f", "/run/first"]);
            damage.install(&host, condition);
            let output = run(&host.ssh(), &["plan"], &manifest(20));
            let same = output.code() == 2 && output.stdout == expected;
            assert!(same || output.code() == 11, "{what}: {output:#?}");
            damage.uninstall(&host);
        }
    }
}

#[test]
fn what_another_process_prints_into_replies_leads_to_no_untrue_word() {
    let Some(host) = host(Kind::SysV) else { return };
    let mut per_ip = 20;
    // A word, and words that a reply could hold.
    for (noise, pause) in [("noise\\n", 0.02), ("a\\nl\\nm\\nw y\\n", 0.03), ("half a line", 0.01)] {
        per_ip = 41 - per_ip;
        let script = format!("(while :; do printf '{noise}' || exit; sleep {pause}; done) 2>/dev/null &\n");
        host.write("/root/.bashrc", script);
        for options in [&[][..], &["--defer-restarts"]] {
            applies(&host, &host.ssh(), per_ip, options, noise);
        }
        let plan = run(&host.ssh(), &["check"], &manifest(per_ip));
        assert!(matches!(plan.code(), 0 | 2 | 3 | 11), "{noise}: {plan:#?}");
        host.remove("/root/.bashrc");
        converges(&host, per_ip, noise);
    }
}
