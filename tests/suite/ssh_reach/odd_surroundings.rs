//! Odd surroundings: names and options that look like shell, files that are too large, folders of others,
//! missing tools.

use std::time::{Duration, Instant};

use super::{host, inside, run, told};
use crate::support::host::{Host, Kind, Layout, OPERATOR};

/// What a shell would make a file of.
fn traps(canary: &str) -> Vec<String> {
    vec![
        format!("-oProxyCommand=touch {canary}"),
        format!("x;touch {canary}"),
        format!("$(touch {canary})"),
        format!("`touch {canary}`"),
        format!("x\ntouch {canary}\n"),
        format!("'; touch {canary}; '"),
        format!("x|touch {canary}"),
        "a b".to_owned(),
        "-T".to_owned(),
        "\u{fffd}\u{1b}[2J".to_owned(),
        " ".to_owned(),
        String::new(),
    ]
}

#[test]
fn a_host_or_an_option_that_looks_like_shell_is_run_by_none() {
    let Some(host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    let ssh = host.ssh();
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary");
    for trap in traps(canary.to_str().unwrap()) {
        let config = format!("--ssh-option=-F{}", ssh.config().display());
        let name = format!("--host={trap}");
        let argv = [env!("CARGO_BIN_EXE_mailward"), "plan", &name, &config, "-"];
        let output = ssh.command(&argv).stdin(super::MANIFEST).run();
        assert!(matches!(output.code(), 4 | 11), "{trap:?}: {output:#?}");
        assert!(!told(&output).contains('\u{1b}'), "{trap:?}: {output:#?}");
        // An option that begins with a dash is one of ssh itself, which may well run a command: that is what
        // it is for.
        if !trap.starts_with('-') {
            let option = format!("--ssh-option={trap}");
            let output = run(&ssh, &["plan", &option]);
            // One of blanks is none to ssh.
            let fine = trap.trim().is_empty() && output.code() == 2;
            assert!(fine || matches!(output.code(), 4 | 11), "{trap:?}: {output:#?}");
        }
        assert!(!canary.exists(), "{trap:?}");
        let there = host.run(&["ls", folder.path().to_str().unwrap()]);
        assert_ne!(there.code(), 0, "{trap:?}");
    }
}

/// Runs a command by both transports; both must end with a code, and say something.
fn both_say(host: &Host, arguments: &[&str], code: i32, text: &str) {
    let ssh = host.ssh();
    for output in [run(&ssh, arguments), inside(host, arguments)] {
        assert_eq!(output.code(), code, "{output:#?}");
        assert!(told(&output).contains(text), "{text}: {output:#?}");
    }
}

#[test]
fn a_state_folder_of_somebody_else_is_refused() {
    let Some(host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    let before = host.read("/etc/courier/pop3d");
    let folder = "mkdir /var/lib/mailward; chown";
    let script = format!("{folder} {OPERATOR} /var/lib/mailward");
    host.run(&["sh", "-c", &script]).success();
    both_say(&host, &["apply", "--yes"], 11, "belongs to somebody else");
    assert_eq!(host.read("/etc/courier/pop3d"), before);
    let left = host.run(&["ls", "-A", "/var/lib/mailward"]).success();
    assert_eq!(left, "");
}

#[test]
fn a_file_of_a_gibibyte_is_told_of_and_not_read() {
    let Some(host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    host.run(&["truncate", "-s", "1G", "/etc/xinetd.d/big"]).success();
    let begun = Instant::now();
    both_say(&host, &["plan"], 11, "larger than 64 MiB");
    both_say(&host, &["check"], 11, "/etc/xinetd.d/big");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_tool_that_the_host_lacks_is_named() {
    let Some(host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    let ssh = host.ssh();
    let dash = |script: &str, word: &str| host.run(&["/bin/dash", "-c", script, "sh", word]).success();
    for tool in ["grep", "stat"] {
        dash("mv /usr/bin/$1 /root/", tool);
        for command in [&["plan"][..], &["check"], &["show"], &["apply", "--yes"]] {
            let output = run(&ssh, command);
            assert_eq!(output.code(), 11, "{output:#?}");
            let what = format!("mailward needs {tool}, which this host does not have");
            assert!(told(&output).contains(&what), "{output:#?}");
        }
        dash("mv /root/$1 /usr/bin/", tool);
    }
    // A shell whose printf is a program.
    host.write("/root/off", "enable -n printf\n");
    host.write("/root/sh", "#!/bin/bash\nexport BASH_ENV=/root/off\nexec /bin/bash \"$@\"\n");
    dash("chmod 755 /root/sh; mv /usr/bin/$1 /usr/bin/$1.real; mv /root/$1 /usr/bin/$1", "sh");
    let output = run(&ssh, &["plan"]);
    assert_eq!(output.code(), 11, "{output:#?}");
    let what = "mailward needs a shell with a printf of its own";
    assert!(told(&output).contains(what), "{output:#?}");
    dash("mv -f /usr/bin/$1.real /usr/bin/$1", "sh");
    assert_eq!(run(&ssh, &["plan"]).code(), 2);
}
