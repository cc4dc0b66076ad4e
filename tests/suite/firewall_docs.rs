//! The commands of `docs/access.md`, run as they stand there against real hosts, also the way back in; and
//! its manifest.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailward::manifest::{ManifestLayer, check};

use crate::support::host::{Family, Host, Kind, Layout, Net, Output, PacketFilter, Reach};
use crate::support::ssh::Ssh;

const DOCS: &str = include_str!("../../docs/access.md");

/// IMAP is for the office alone.
const MANIFEST: &str = r#"version = 1
[networks]
office = ["198.18.1.0/24", "2001:db8:1::/64"]
[access]
enforce = "auto"
[access.allow]
imap = ["office"]
"#;

/// The fenced blocks of one language, in order.
fn blocks(language: &str) -> Vec<String> {
    let start = format!("\n```{language}\n");
    let all = DOCS.split(&start).skip(1);
    let cut = all.map(|rest| rest.split("\n```").next().expect("a block ends"));
    cut.map(|block| format!("{block}\n")).collect()
}

/// The commands of the page.
struct Page {
    from_here: String,
    on_the_host: String,
    drift: String,
    fleet: String,
    revert: String,
    no_table: String,
    no_chains: String,
    no_unit: String,
    no_script: String,
    look: String,
}

impl Page {
    fn read() -> Self {
        let blocks: [String; 10] = blocks("sh").try_into().expect("ten blocks");
        let [from_here, on_the_host, drift, fleet, revert, no_table, no_chains, no_unit, no_script, look] =
            blocks;
        Self { from_here, on_the_host, drift, fleet, revert, no_table, no_chains, no_unit, no_script, look }
    }
}

/// Hosts by these names, and a folder to stand in where `ssh` knows them and no others.
struct Desk {
    folder: tempfile::TempDir,
    hosts: Vec<(Host, Net)>,
    ways: Vec<Ssh>,
}

impl Desk {
    fn new(hosts: &[(&str, Kind)], manifest: &str) -> Option<Self> {
        let mut desk = Self { folder: tempfile::tempdir().unwrap(), hosts: Vec::new(), ways: Vec::new() };
        for (name, kind) in hosts {
            let mut host = Host::start_with(*kind, Layout::Debian)?;
            let net = host.network();
            let way = host.ssh().at_client(&net.client("office"), Family::V4);
            desk.ways.push(way.alias_is(name));
            desk.hosts.push((host, net));
        }
        desk.put("mail.toml", manifest);
        desk.put("config", &Ssh::configs(&desk.ways));
        let names: Vec<&str> = hosts.iter().map(|(name, _)| *name).collect();
        desk.put("hosts", &format!("{}\n", names.join("\n")));
        std::fs::create_dir(desk.at("bin")).unwrap();
        let config = desk.at("config").display().to_string();
        desk.put("bin/ssh", &format!("#!/bin/sh\nexec /usr/bin/ssh -F {config} \"$@\"\n"));
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(desk.at("bin/ssh"), all).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mailward"), desk.at("bin/mailward")).unwrap();
        Some(desk)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).unwrap();
    }

    /// Runs a script in the folder.
    fn run(&self, script: &str) -> Output {
        let folder = self.folder.path().display();
        let script =
            format!("cd {folder}; export HOME={folder} LC_ALL=C.UTF-8 PATH={folder}/bin:$PATH; {script}");
        let run = self.ways[0].command(&["sh", "-c", &script]);
        run.within(Duration::from_secs(150)).run()
    }

    /// Runs a script on a host as from its console.
    fn on(&self, host: usize, script: &str) -> Output {
        self.hosts[host].0.run(&["sh", "-ec", script])
    }

    fn assert_stranger(&self, host: usize, expected: Reach) {
        let (_, net) = &self.hosts[host];
        for family in Family::ALL {
            for port in [143, 993] {
                let office = net.client("office").reaches(port, family);
                assert_eq!(office, Reach::Connects, "{port} {family:?}");
                let stranger = net.client("stranger").reaches(port, family);
                assert_eq!(stranger, expected, "{port} {family:?}");
            }
        }
    }
}

fn first_line(block: &str) -> &str {
    block.lines().next().expect("a line")
}

#[test]
fn the_manifest_of_the_page_on_access_has_no_errors() {
    let examples = blocks("toml");
    assert_eq!(examples.len(), 1);
    for text in examples {
        let layer = ManifestLayer { name: "docs/access.md".to_owned(), bytes: text.into_bytes() };
        assert_eq!(check(&[layer]).expect("no errors").notes, []);
    }
}

#[test]
fn the_commands_of_the_page_on_access_do_what_it_says() {
    let hosts = [("mx1", Kind::Systemd), ("mx2", Kind::SysV)];
    let Some(mut desk) = Desk::new(&hosts, MANIFEST) else {
        return;
    };
    let page = Page::read();
    let output = desk.run(&page.from_here);
    assert_eq!(output.code(), 0, "{output:#?}");
    desk.assert_stranger(0, Reach::Silent);
    desk.assert_stranger(1, Reach::Connects);
    let output = desk.run(&page.on_the_host);
    assert_eq!(output.code(), 0, "{output:#?}");
    desk.assert_stranger(1, Reach::Silent);

    let output = desk.run(&page.drift);
    assert_eq!(output.code(), 0, "{output:#?}");
    assert!(output.stdout.starts_with("OK"), "{output:#?}");
    desk.on(0, "nft flush ruleset").success();
    let output = desk.run(first_line(&page.drift));
    assert_eq!(output.code(), 2, "{output:#?}");
    desk.assert_stranger(0, Reach::Connects);
    let output = desk.run(&page.fleet);
    for name in ["mx1", "mx2"] {
        let told = format!("{name}: exit 0\n");
        assert!(output.stdout.contains(&told), "{output:#?}");
    }
    desk.assert_stranger(0, Reach::Silent);

    desk.hosts[0].0.reboot();
    desk.assert_stranger(0, Reach::Silent);
    for script in [&page.no_table, &page.no_unit, &page.look] {
        desk.on(0, script).success();
    }
    desk.assert_stranger(0, Reach::Connects);
    desk.hosts[0].0.reboot();
    desk.assert_stranger(0, Reach::Connects);
}

#[test]
fn the_way_back_in_with_own_chains_is_as_the_page_on_access_says() {
    let manifest = MANIFEST.replace("auto", "iptables");
    let Some(mut desk) = Desk::new(&[("mx2", Kind::SysV)], &manifest) else {
        return;
    };
    let page = Page::read();
    let output = desk.run(first_line(&page.on_the_host));
    assert_eq!(output.code(), 3, "{output:#?}");
    desk.assert_stranger(0, Reach::Silent);
    desk.on(0, &page.revert).success();
    desk.assert_stranger(0, Reach::Connects);

    let output = desk.run(&page.on_the_host);
    assert_eq!(output.code(), 0, "{output:#?}");
    desk.hosts[0].0.reboot();
    desk.assert_stranger(0, Reach::Silent);
    for script in [&page.no_chains, &page.no_script, &page.look] {
        desk.on(0, script).success();
    }
    desk.assert_stranger(0, Reach::Connects);
    desk.hosts[0].0.reboot();
    desk.assert_stranger(0, Reach::Connects);
}

/// Ways by which own chains come to stand in more than one place, or more than once.
const STATES: [(&str, &str); 6] = [
    ("as applied", ":"),
    ("loaded by the hook twice", "/etc/init.d/mailward-access restart; /etc/init.d/mailward-access restart"),
    ("restored by others", "netfilter-persistent save; netfilter-persistent start"),
    (
        "added by others to what is there",
        "netfilter-persistent save; IPTABLES_RESTORE_NOFLUSH=yes netfilter-persistent start",
    ),
    (
        "jumped to in other words",
        "for i in iptables ip6tables; do $i -t raw -I PREROUTING -i eth0 -j MAILWARD; done",
    ),
    (
        "in the half of the kernel that the plain commands do not show",
        "for i in iptables ip6tables; do for e in '' -save -restore; do \
         ln -sf /usr/sbin/$i-$other$e /etc/alternatives/$i$e; done; done",
    ),
];

#[test]
fn the_way_back_in_with_own_chains_opens_the_ports_however_they_came_to_stand() {
    let manifest = MANIFEST.replace("auto", "iptables");
    let page = Page::read();
    for (filter, other) in [(PacketFilter::Legacy, "nft"), (PacketFilter::Nft, "legacy")] {
        let Some(mut desk) = Desk::new(&[("mx2", Kind::SysV)], &manifest) else {
            return;
        };
        desk.hosts[0].0.packet_filter_is(filter);
        let output = desk.run(&page.on_the_host);
        assert_eq!(output.code(), 0, "{output:#?}");
        for (state, script) in STATES {
            println!("{filter:?}: {state}");
            desk.on(0, &format!("other={other}; {script}")).success();
            desk.assert_stranger(0, Reach::Silent);
            desk.on(0, &page.no_chains).success();
            desk.assert_stranger(0, Reach::Connects);
            desk.hosts[0].0.packet_filter_is(filter);
            desk.on(0, "/etc/init.d/mailward-access restart").success();
            desk.assert_stranger(0, Reach::Silent);
        }
        // What others saved does not bring them back either, once it is saved anew.
        desk.on(0, "netfilter-persistent save").success();
        let restore = "#!/bin/sh\nexec /usr/sbin/netfilter-persistent start\n";
        let host = &desk.hosts[0].0;
        host.write_as("/etc/rcS.d/S10netfilter-persistent", 0o755, restore);
        let script = [&page.no_chains, &page.no_script].map(String::as_str).concat();
        desk.on(0, &script).success();
        desk.on(0, "netfilter-persistent save").success();
        desk.hosts[0].0.reboot();
        desk.assert_stranger(0, Reach::Connects);
    }
}

#[test]
fn ansible_confirms_over_a_connection_of_its_own_only() {
    let Some(desk) = Desk::new(&[("mx1", Kind::SysV)], MANIFEST) else {
        return;
    };
    assert!(Path::new("/usr/bin/ansible-playbook").exists(), "Debian package ansible-core is installed");
    let [play] = &blocks("yaml")[..] else { panic!() };
    desk.put("inventory", "[mail]\nmx1\n");
    let (before, after) = play.split_once("    - name: A new connection").unwrap();
    let (_, after) = after.split_once("    - name: Keep it").unwrap();
    desk.put("shared.yaml", &format!("{before}    - name: Keep it{after}"));
    desk.put("play.yaml", play);
    let run = |play: &str| desk.run(&format!("ansible-playbook -i inventory {play}"));
    let shared = run("shared.yaml");
    assert_ne!(shared.code(), 0, "{shared:#?}");
    assert!(shared.stdout.contains("refused"), "{shared:#?}");
    desk.on(0, "mailward revert").success();
    let first = run("play.yaml");
    assert_eq!(first.code(), 0, "{first:#?}");
    assert!(first.stdout.contains("changed=1"), "{first:#?}");
    desk.assert_stranger(0, Reach::Silent);
    let second = run("play.yaml");
    assert_eq!(second.code(), 0, "{second:#?}");
    assert!(second.stdout.contains("changed=0"), "{second:#?}");
}
