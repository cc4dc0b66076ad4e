//! The second layer of the example, who may reach its mail services: planned, applied, confirmed and taken
//! back in a copy of its host.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use mailward::engine::checkpoint::confirm::{self, ConfirmProof, ConfirmRequest, ConfirmSite};
use mailward::host::local::LocalHost;
use mailward::plan::outcome::OutcomeVerdict;

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

const HOST: &str = "examples/office/host";
const MANIFEST: &str = "examples/office/mailward.toml";
const ACCESS: &str = "examples/office/access.toml";
const README: &str = include_str!("../../examples/office/README.md");

/// `-A MAILWARD-imap -s …`: who may reach IMAP, as the stand-in's kernel has it.
const IMAP: [&str; 3] = [
    "-A MAILWARD-imap -s 198.51.100.7/32 -j RETURN",
    "-A MAILWARD-imap -s 203.0.113.0/24 -j RETURN",
    "-A MAILWARD-imap -j DROP",
];

fn on(command: &str, root: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args([command, "--root"])
        .arg(root)
        .args(more)
        .output_in_time()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn rules(root: &Path, program: &str) -> String {
    std::fs::read_to_string(root.join("var/lib/stand-in").join(program)).unwrap()
}

fn own_lines(root: &Path) -> usize {
    let all = rules(root, "iptables") + &rules(root, "ip6tables");
    all.lines().filter(|line| line.contains("MAILWARD")).count()
}

fn is_file(root: &Path, path: &str) -> bool {
    root.join(path).is_file()
}

#[test]
fn the_readme_of_the_example_shows_the_plan_of_its_second_layer() {
    let output = on("plan", Path::new(HOST), &[ACCESS]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let shown = README.split("```text\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    assert_eq!(text(&output), shown);
}

#[test]
fn the_commands_of_the_examples_readme_do_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("{}/", folder.path().display());
    let blocks = README.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    let mut ended = Vec::new();
    for line in lines.filter(|line| line.starts_with("cp ") || line.starts_with("cargo ")) {
        let line = line
            .replace("/tmp/", &place)
            .replace("cargo run --release --quiet --", env!("CARGO_BIN_EXE_mailward"));
        let run = Command::new("sh").args(["-c", &line]).output_in_time();
        ended.push(run.unwrap().status.code().unwrap());
    }
    // Planned; copied and applied; planned by one layer and by two; copied, applied, confirmed and checked.
    assert_eq!(ended, [2, 0, 0, 2, 2, 0, 3, 0, 0]);
    assert!(!README.contains("\nmailward "), "it is not installed");
}

#[test]
fn both_layers_are_one_plan_and_the_first_alone_is_as_before() {
    let both = text(&on("plan", Path::new(HOST), &[MANIFEST, ACCESS]));
    let limits = text(&on("plan", Path::new(HOST), &[MANIFEST]));
    let access = text(&on("plan", Path::new(HOST), &[ACCESS]));
    let steps = |text: &str| -> Vec<String> {
        let blocks = text.split("\n\n").map(str::to_owned);
        blocks.filter(|block| !block.contains("note: ")).collect()
    };
    for part in [&limits, &access] {
        let parts = steps(part);
        for step in &parts[..parts.len() - 1] {
            assert!(both.contains(step.as_str()), "{step}\n is not in\n{both}");
        }
    }
    assert!(!limits.contains("iptables"), "{limits}");
}

#[test]
fn a_kernel_that_cannot_tell_its_own_addresses_is_refused_where_others_translate_a_restricted_port() {
    const NAT: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A PREROUTING -p tcp -m tcp --dport 993 -j REDIRECT --to-ports 10993\nCOMMIT\n";
    for (program, names, code) in
        [("iptables", "proc/net/ip_tables_names", 2), ("ip6tables", "proc/net/ip6_tables_names", 7)]
    {
        let copy = office_copy();
        let root = copy.path();
        std::fs::write(root.join("var/lib/stand-in").join(program), NAT).unwrap();
        std::fs::write(root.join(names), "nat\n").unwrap();
        let plan = on("plan", root, &[ACCESS]);
        assert_eq!(plan.status.code(), Some(code), "{plan:?}");
        let said = text(&plan) + &String::from_utf8(plan.stderr).unwrap();
        let named =
            said.contains("ip6tables table nat, chain PREROUTING, rule 1, may take packets to 993 (imap)");
        assert_eq!(named, code == 7, "{said}");
    }
}

#[test]
fn a_port_that_the_kernels_load_balancer_serves_is_unclear() {
    const SERVICES: &str = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n\
        \x20 -> RemoteAddress:Port Forward Weight ActiveConn InActConn\nTCP  CB007101:03E1 wlc \n\
        \x20 -> 0A000002:03E1      Masq    1      0          0         \n";
    let copy = office_copy();
    let root = copy.path();
    let reached = |port: u16, family: &str| {
        let shown = text(&on("show", root, &["--format", "json"]));
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let services = shown["access"]["services"].as_array().unwrap();
        let entry =
            (services.iter()).find(|entry| entry["port"] == port && entry["family"] == family).unwrap();
        entry["reached_by"].as_str().unwrap().to_owned()
    };
    // The tree shows that its kernel filters, so that it is asked.
    assert_eq!(reached(993, "ipv4"), "everybody");
    std::fs::write(root.join("proc/net/ip_vs"), SERVICES).unwrap();
    assert_eq!(reached(993, "ipv4"), "unknown");
    assert_eq!(reached(993, "ipv6"), "everybody");
    assert_eq!(reached(143, "ipv4"), "everybody");
}

#[test]
fn both_layers_are_applied_confirmed_and_then_as_desired() {
    let copy = office_copy();
    let root = copy.path();
    let applied = on("apply", root, &["--yes", MANIFEST, ACCESS]);
    assert_eq!(applied.status.code(), Some(3), "{applied:?}");
    let four = rules(root, "iptables");
    let six = rules(root, "ip6tables");
    for line in IMAP {
        assert!(four.contains(line), "{four}");
    }
    // Its kernel knows addresses of its own by their kind for IPv4 alone.
    assert!(four.contains("-m addrtype --dst-type LOCAL"), "{four}");
    assert!(!six.contains("addrtype"), "{six}");
    assert!(!six.contains("-A PREROUTING") && six.contains("-A INPUT -j MAILWARD"), "{six}");
    assert!(six.contains("-A MAILWARD-pop3 -s 2001:db8:51::/48 -j RETURN"));
    // Nothing of it would come back at a boot, not even where others had saved it.
    let state = root.join("var/lib/mailward/access");
    assert!(state.join("boot.sh").is_file());
    assert!(!state.join("boot.v4").exists() && !state.join("boot.v6").exists());
    for path in ["etc/init.d/mailward-access", "etc/rc3.d/S09mailward-access"] {
        assert!(root.join(path).symlink_metadata().is_ok(), "{path}");
    }
    let other = on("apply", root, &["--yes", MANIFEST]);
    assert_eq!(other.status.code(), Some(5), "{other:?}");

    let refused = on("confirm", root, &[]);
    assert_eq!(refused.status.code(), Some(7), "{refused:?}");
    let confirmed = on("confirm", root, &["--allow", "unproven-confirm"]);
    assert_eq!(confirmed.status.code(), Some(0), "{confirmed:?}");
    for path in ["boot.sh", "boot.v4", "boot.v6"] {
        assert!(is_file(root, &format!("var/lib/mailward/access/{path}")));
    }
    assert!(is_file(root, "etc/init.d/mailward-access"));
    for level in 2..6 {
        let link = root.join(format!("etc/rc{level}.d/S09mailward-access"));
        let to = std::fs::read_link(link).unwrap();
        assert_eq!(to, Path::new("../init.d/mailward-access"));
    }
    let check = on("check", root, &[MANIFEST, ACCESS]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check));
    let again = on("confirm", root, &[]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
}

#[test]
fn a_change_that_is_taken_back_leaves_nothing_but_the_hook() {
    let copy = office_copy();
    let root = copy.path();
    let applied = on("apply", root, &["--yes", ACCESS]);
    assert_eq!(applied.status.code(), Some(3), "{applied:?}");
    assert!(own_lines(root) > 0);
    let reverted = on("revert", root, &[]);
    assert_eq!(reverted.status.code(), Some(0), "{reverted:?}");
    assert_eq!(own_lines(root), 0);
    let left: Vec<_> = std::fs::read_dir(root.join("var/lib/mailward/access"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    // What takes it away where others bring it back.
    assert_eq!(left, ["boot.sh"]);
    let check = on("check", root, &[ACCESS]);
    assert_eq!(check.status.code(), Some(2));
    let nothing = on("revert", root, &[]);
    assert_eq!(nothing.status.code(), Some(0), "{nothing:?}");
}

#[test]
fn a_change_that_nobody_confirms_goes_back_in_the_copy_and_nowhere_else() {
    let copy = office_copy();
    let root = copy.path();
    let soon = root.join("soon.toml");
    let text = std::fs::read_to_string(ACCESS).unwrap();
    std::fs::write(&soon, text.replace("\"60s\"", "\"10s\"")).unwrap();
    let applied = on("apply", root, &["--yes", "--wait", soon.to_str().unwrap()]);
    assert_eq!(applied.status.code(), Some(8), "{applied:?}");
    let four = rules(root, "iptables");
    assert!(!four.contains("DROP"), "{four}");
    let log = root.join("var/lib/mailward/access/revert.log");
    assert!(!log.exists(), "it was settled");
    let late = on("confirm", root, &[]);
    assert_eq!(late.status.code(), Some(0), "{late:?}");
}

#[test]
fn a_load_that_does_nothing_is_found_out_and_one_that_fails_is_undone() {
    for wish in ["lie", "fail"] {
        let copy = office_copy();
        let root = copy.path();
        std::fs::write(root.join("var/lib/stand-in/iptables.restore"), format!("{wish}\n")).unwrap();
        let applied = on("apply", root, &["--yes", ACCESS]);
        assert!(matches!(applied.status.code(), Some(8 | 9)), "{wish}: {applied:?}");
        assert_eq!(own_lines(root), 0, "{wish}");
        std::fs::remove_file(root.join("var/lib/stand-in/iptables.restore")).unwrap();
        let again = on("apply", root, &["--yes", ACCESS]);
        assert_eq!(again.status.code(), Some(3), "{wish}: {again:?}");
    }
}

#[test]
fn a_lock_that_others_hold_for_a_moment_is_waited_for_and_no_wider_rules_are_taken_instead() {
    let copy = office_copy();
    let root = copy.path();
    let program = root.join("sbin/iptables-restore");
    std::fs::rename(&program, root.join("sbin/real-restore")).unwrap();
    // iptables(8): exit code 4 where somebody else holds its lock.
    let busy = "#!/bin/sh\nread -r left <\"$MAILWARD_ROOT/left\"\n\
        [ \"$left\" -gt 0 ] || exec \"$MAILWARD_ROOT/sbin/real-restore\" \"$@\"\n\
        echo $((left - 1)) >\"$MAILWARD_ROOT/left\"\nexit 4\n";
    std::fs::write(&program, busy).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::write(root.join("bin/sleep"), "#!/bin/sh\nexit 0\n").unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(root.join("bin/sleep"), mode).unwrap();
    std::fs::write(root.join("left"), "2\n").unwrap();
    let applied = on("apply", root, &["--yes", ACCESS]);
    assert_eq!(applied.status.code(), Some(3), "{applied:?}");
    assert_eq!(std::fs::read_to_string(root.join("left")).unwrap(), "0\n");
    let four = rules(root, "iptables");
    assert!(four.contains("-m addrtype --dst-type LOCAL"), "{four}");
    assert_eq!(on("revert", root, &[]).status.code(), Some(0));
    // One that is held all the time is no reason to take the script for old kernels.
    std::fs::write(root.join("left"), "6\n").unwrap();
    let applied = on("apply", root, &["--yes", ACCESS]);
    assert_eq!(applied.status.code(), Some(8), "{applied:?}");
    assert_eq!(own_lines(root), 0);
}

#[test]
fn a_confirmation_that_means_one_run_confirms_no_other() {
    let copy = office_copy();
    let applied = on("apply", copy.path(), &["--yes", ACCESS]);
    assert_eq!(applied.status.code(), Some(3), "{applied:?}");
    let mut host = LocalHost::tree(copy.path().to_owned()).unwrap();
    let mut confirm = |run: Option<&str>| {
        let request = ConfirmRequest {
            deadline: Duration::from_secs(20),
            proof: ConfirmProof::Waived,
            site: ConfirmSite::Here,
            run: run.map(str::to_owned),
        };
        confirm::confirm(&mut host, &request).result
    };
    assert_eq!(confirm(Some("another")), OutcomeVerdict::Refused);
    assert!(is_file(copy.path(), "var/lib/mailward/access/window.json"));
    assert_eq!(confirm(None), OutcomeVerdict::Confirmed);
}

#[test]
fn nobody_watches_over_a_stand_in_that_was_thrown_away() {
    let copy = office_copy();
    let applied = on("apply", copy.path(), &["--yes", ACCESS]);
    assert_eq!(applied.status.code(), Some(3), "{applied:?}");
    // Its name has characters that are none of a pattern's, but for the last word.
    let path = copy.path().display().to_string();
    let folder = path.rsplit(' ').next().unwrap().to_owned();
    let watch = || {
        let mut pgrep = Command::new("pgrep");
        let found = (pgrep.args(["-f", &format!("{folder}/.* watch ")]).output_in_time()).unwrap();
        text(&found).lines().count()
    };
    assert_eq!(watch(), 2);
    drop(copy);
    let begun = Instant::now();
    while watch() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{folder}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
