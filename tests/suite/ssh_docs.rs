//! The commands of `docs/hosts.md`, run as they stand there against real hosts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::support::host::{Host, Kind, Layout, Output};
use crate::support::ssh::Ssh;

const DOCS: &str = include_str!("../../docs/hosts.md");
const MANIFEST: &str = "version = 1\n[limits.pop3]\nper_ip = 20\ntotal = 80\n";

/// The fenced blocks of one language, in order.
fn blocks(language: &str) -> Vec<String> {
    let start = format!("\n```{language}\n");
    let all = DOCS.split(&start).skip(1);
    let cut = all.map(|rest| rest.split("\n```").next().expect("a block ends"));
    cut.map(|block| format!("{block}\n")).collect()
}

/// Hosts by these names, and a folder to stand in where `ssh` knows them and no others.
struct Desk {
    folder: tempfile::TempDir,
    hosts: Vec<Host>,
    ways: Vec<Ssh>,
}

impl Desk {
    fn new(names: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (mut hosts, mut ways) = (Vec::new(), Vec::new());
        for name in names {
            let mut host = Host::prepare(Kind::SysV, Layout::Debian)?;
            host.sshd();
            host.boot();
            // Whoever logs in is said on the command line.
            ways.push(host.ssh().alias_is(name));
            hosts.push(host);
        }
        let desk = Self { folder, hosts, ways };
        desk.put("mail.toml", MANIFEST);
        desk.put("config", &Ssh::configs(&desk.ways));
        desk.put("hosts", &format!("{}\n", names[1..].join("\n")));
        std::fs::create_dir(desk.at("out")).unwrap();
        std::fs::create_dir(desk.at("bin")).unwrap();
        let config = desk.at("config").display().to_string();
        desk.put("bin/ssh", &format!("#!/bin/sh\nexec /usr/bin/ssh -F {config} \"$@\"\n"));
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(desk.at("bin/ssh"), all).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mailward"), desk.at("bin/mailward")).unwrap();
        Some(desk)
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).unwrap();
    }

    /// Runs a script in the folder.
    fn run(&self, script: &str) -> Output {
        let folder = self.folder.path().display();
        let script = format!("cd {folder}; PATH={folder}/bin:$PATH; {script}");
        let run = self.ways[0].command(&["sh", "-c", &script]);
        run.within(Duration::from_secs(120)).run()
    }

    fn serves_twenty(&self, number: usize) -> bool {
        let argv = self.hosts[number].couriertcpd(110).expect("pop3d runs");
        argv.contains(&"-maxperip=20".to_owned())
    }
}

#[test]
fn the_commands_of_the_page_on_hosts_do_what_it_says() {
    let Some(desk) = Desk::new(&["mx1", "mx2", "mx3"]) else {
        return;
    };
    let blocks = blocks("sh");
    let [one, sudo, plans, applies, checks, installed] = blocks.as_slice() else {
        panic!("{} blocks", blocks.len());
    };
    // The last command of each block ends it.
    let output = desk.run(one);
    assert_eq!(output.code(), 0, "{output:#?}");
    assert!(output.stdout.contains("Applied and verified."), "{output:#?}");
    assert!(desk.serves_twenty(0));
    let output = desk.run(sudo);
    assert_eq!(output.code(), 0, "{output:#?}");

    let output = desk.run(plans);
    assert_eq!(output.code(), 2, "{output:#?}");
    let (first, second) = output.stdout.split_once("== mx3\n").expect("both hosts");
    assert_eq!(first.strip_prefix("== mx2\n"), Some(second), "equal hosts print equal text");
    let fingerprint = second.lines().find_map(|line| line.strip_prefix("fingerprint ")).unwrap();

    let wrong = desk.run(&format!("FINGERPRINT=mw1-0123456789ab; {applies}"));
    assert_eq!(wrong.stdout.matches(": exit 6\n").count(), 2, "{wrong:#?}");
    let output = desk.run(&format!("FINGERPRINT={fingerprint}; {applies}"));
    assert_eq!(output.code(), 0, "{output:#?}");
    assert!(!output.stdout.contains(": exit"), "{output:#?}");
    assert!(desk.serves_twenty(1) && desk.serves_twenty(2));
    for name in ["mx2", "mx3"] {
        let text = std::fs::read_to_string(desk.at(&format!("out/{name}.json"))).unwrap();
        let outcome: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(outcome["result"], "applied");
    }

    desk.hosts[1].replace_text("/etc/courier/pop3d", "MAXPERIP=20", "MAXPERIP=19");
    let output = desk.run(checks);
    assert_eq!(output.stdout, "0 mx3\n2 mx2\n", "{output:#?}");
    let text = std::fs::read_to_string(desk.at("out/mx2")).unwrap();
    let (summary, notes) = text.split_once('\n').unwrap();
    assert!(summary.starts_with("DRIFT"), "{text}");
    for line in notes.lines() {
        assert!(line.starts_with("note: "), "{text}");
    }
    let output = desk.run(installed);
    assert!(output.stdout.contains("mx2: exit 2\n"), "{output:#?}");
}

#[test]
fn ansible_runs_it_once_for_each_host() {
    let Some(desk) = Desk::new(&["mx0", "mx1", "mx2"]) else {
        return;
    };
    assert!(Path::new("/usr/bin/ansible-playbook").exists(), "Debian package ansible-core is installed");
    let [play] = &blocks("yaml")[..] else { panic!() };
    desk.put("play.yaml", play);
    desk.put("inventory", "[mail]\nmx1\nmx2\n");
    let home = desk.folder.path().display();
    let script = format!("HOME={home} LC_ALL=C.UTF-8 ansible-playbook -i inventory play.yaml");
    let changed = |output: &Output| output.stdout.matches("changed=1").count();
    let first = desk.run(&script);
    assert_eq!((first.code(), changed(&first)), (0, 2), "{first:#?}");
    assert!(desk.serves_twenty(1) && desk.serves_twenty(2));
    let second = desk.run(&script);
    assert_eq!((second.code(), changed(&second)), (0, 0), "{second:#?}");
}
