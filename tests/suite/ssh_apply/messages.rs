//! How many messages there are.

use std::time::Duration;

use super::{host, run};
use crate::support::host::Kind;
use crate::support::ssh::Line;

#[test]
fn a_plan_takes_three_messages_with_xinetd_and_an_apply_few_more() {
    let Some(host) = host(Kind::SysV) else { return };
    let messages = |arguments: &[&str], manifest: &str, code: i32| {
        let line = Line::counting();
        let output = run(&host.ssh().over(&line), arguments, manifest);
        assert_eq!(output.code(), code, "{output:#?}");
        assert_eq!(line.connections(), 1);
        line.trips().len()
    };
    let all = "version = 1\n[limits.pop3]\nper_ip = 20\ntotal = 80\n[limits.imap]\nper_ip = 20\ntotal = 80\n\
               [limits.smtp]\nper_ip = 20\n";
    assert_eq!(messages(&["plan"], all, 2), 3);
    assert_eq!(messages(&["check"], all, 2), 3);
    assert_eq!(messages(&["show"], all, 0), 3);
    // The lock, the plan's three, the edits, one for each of four restarts, three to look, two to write down
    // what was seen; and for xinetd two before it is reloaded, to see what it offers, and two to reload. A
    // listener that is slow to come up is looked at twice.
    let whole = messages(&["apply", "--yes"], all, 0);
    assert!((17..=22).contains(&whole), "{whole}");
    assert_eq!(messages(&["plan"], all, 0), 3);
    assert_eq!(messages(&["apply", "--yes"], all, 0), 4);
    // The lock, the plan's two, the edits, two restarts, two to look, one to write it down.
    let pop3 = "version = 1\n[limits.pop3]\nper_ip = 21\n";
    let two = messages(&["apply", "--yes"], pop3, 0);
    assert!((9..=11).contains(&two), "{two}");
    // An include that is known only when its file is read is one more.
    host.replace_text(
        "/etc/xinetd.conf",
        "includedir /etc/xinetd.d",
        "include /etc/more\nincludedir /etc/xinetd.d",
    );
    host.write("/etc/more", "includedir /etc/more.d\n");
    assert_eq!(messages(&["plan"], all, 2), 5);
}

#[test]
fn a_change_of_access_takes_two_connections_and_a_known_number_of_messages() {
    let Some(host) = host(Kind::SysV) else { return };
    let count = |arguments: &[&str], manifest: &str, code: i32| {
        let line = Line::counting();
        let output = run(&host.ssh().over(&line), arguments, manifest);
        assert_eq!(output.code(), code, "{output:#?}");
        (line.connections(), line.trips().len())
    };
    let decide = |command: &str| {
        let line = Line::counting();
        let decided = (host.ssh().over(&line)).mailward(&[command]).within(Duration::from_secs(120)).run();
        assert_eq!(decided.code(), 0, "{decided:#?}");
        assert_eq!(line.connections(), 1);
        line.trips().len()
    };
    // A timer that is slow to notice its end is looked for again.
    let is_about = |messages: usize, pinned: usize, what: &str| {
        let may_be = pinned..=pinned + 3;
        assert!(may_be.contains(&messages), "{what}: {messages}");
    };
    for (enforce, apply, revert, confirm) in [("nftables", 36, 10, 16), ("iptables", 39, 14, 16)] {
        let manifest = format!(
            "version = 1\n[access]\nenforce = \"{enforce}\"\n[access.allow]\nimap = [\"203.0.113.0/24\"]\n"
        );
        // One of them for the paths of xinetd's services, one of which may be sshd.
        assert_eq!(count(&["plan"], &manifest, 2), (1, 3));
        // With what goes before: the way back is written and the timer started, the rules are loaded and
        // looked at; then the confirmation, which looks at them before and after, and writes what the boot
        // loads.
        let (connections, whole) = count(&["apply", "--yes"], &manifest, 0);
        assert_eq!(connections, 2);
        is_about(whole, apply, enforce);
        assert_eq!(count(&["apply", "--yes"], &manifest, 0), (1, 4));
        // The same change made on the host: its end alone. Both look at the kernel before they say anything
        // of it.
        host.write("/root/mx1.toml", manifest.replace("203.0", "198.51"));
        for (command, pinned) in [("revert", revert), ("confirm", confirm)] {
            let applied = host.run(&["/usr/local/bin/mailward", "apply", "--yes", "/root/mx1.toml"]);
            assert_eq!(applied.code(), 3, "{applied:#?}");
            is_about(decide(command), pinned, command);
        }
    }
}
