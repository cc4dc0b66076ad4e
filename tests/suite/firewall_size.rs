//! Ten thousand networks in one service, on real kernels: right for the clients at their edges, one list in
//! the kernel, and one network more is a plan of one network.

use std::fmt::Write as _;
use std::time::Duration;

use mailward::firewall::iptables::{NatEnd, section};
use serde_json::Value;

use crate::support::host::{Family, Host, Kind, Layout, Net, Output, Reach};

/// Where the manifest lies in a host.
const MANIFEST: &str = "/root/mx1.toml";

/// Of each family.
const NETWORKS: u32 = 5_000;

/// Whose run it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum From {
    /// The host's own, from its console.
    Console,
    /// That of this machine, over ssh.
    Ssh,
}

/// A manifest with so many networks of each family, none of which touches another, among which are the
/// office's two, the first address of the vpn, and the first half of the network of `six`; further ones come
/// last.
fn manifest(enforce: &str, number: u32, further: &[&str]) -> String {
    let mut listed = vec![
        "198.18.1.0/24".to_owned(),
        "198.18.2.1".to_owned(),
        "2001:db8:1::/64".to_owned(),
        "2001:db8:4::/65".to_owned(),
    ];
    for n in 0..number - 2 {
        listed.push(format!("20.{}.{}.0/25", n >> 8, n & 0xff));
        listed.push(format!("2001:db8:ff:{:x}::/64", 2 * n));
    }
    listed.extend(further.iter().map(|&text| text.to_owned()));
    let mut text = format!(
        "version = 1\n[access]\nenforce = \"{enforce}\"\n[safety]\nconfirm_within = \"120s\"\n[networks]\nmany = [\n"
    );
    for network in listed {
        writeln!(text, "  \"{network}\",").unwrap();
    }
    text.push_str("]\n[access.allow]\nimap = [\"many\"]\n");
    text
}

struct Scene {
    host: Host,
    net: Net,
    from: From,
}

impl Scene {
    fn new(from: From) -> Option<Self> {
        let mut host = Host::start_with(Kind::SysV, Layout::Debian)?;
        let net = host.network();
        Some(Self { host, net, from })
    }

    fn run(&self, words: &[&str], text: &str) -> Output {
        let ssh = self.host.ssh();
        let run = match self.from {
            From::Console => {
                self.host.write(MANIFEST, text);
                let words = [&["mailward"], words, &[MANIFEST]].concat();
                self.host.command(&words)
            }
            From::Ssh => ssh.mailward(&[words, &["-"]].concat()).stdin(text),
        };
        run.within(Duration::from_secs(120)).run()
    }

    /// Applies what must change something, and has it last.
    fn apply(&self, text: &str) {
        let applied = self.run(&["apply", "--yes"], text);
        match self.from {
            From::Console => {
                assert_eq!(applied.code(), 3, "{applied:#?}");
                let confirmed = self.host.ssh().bare("mailward confirm").run();
                assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
            }
            // A new connection has confirmed it.
            From::Ssh => assert_eq!(applied.code(), 0, "{applied:#?}"),
        }
        let again = self.run(&["plan"], text);
        assert_eq!(again.code(), 0, "{again:#?}");
    }

    /// Asks from both sides of the edges of what the manifest lists.
    fn assert_reached(&self, further: Reach) {
        let client = |name: &str, address: &str| self.net.client(name).at(address);
        for (name, address, family, expected) in [
            ("office", "198.18.1.1", Family::V4, Reach::Connects),
            ("office", "198.18.1.254", Family::V4, Reach::Connects),
            ("vpn", "198.18.2.1", Family::V4, Reach::Connects),
            ("vpn", "198.18.2.2", Family::V4, Reach::Silent),
            ("stranger", "198.18.3.1", Family::V4, Reach::Silent),
            ("stranger", "198.18.3.9", Family::V4, further),
            ("office", "2001:db8:1::1", Family::V6, Reach::Connects),
            ("vpn", "2001:db8:2::1", Family::V6, Reach::Silent),
            ("six", "2001:db8:4::1", Family::V6, Reach::Connects),
            ("six", "2001:db8:4::7fff:ffff:ffff:ffff", Family::V6, Reach::Connects),
            ("six", "2001:db8:4:0:8000::", Family::V6, Reach::Silent),
            ("stranger", "2001:db8:3::1", Family::V6, Reach::Silent),
            ("stranger", "2001:db8:3::9", Family::V6, further),
        ] {
            for port in [143, 993] {
                let reached = client(name, address).reaches(port, family);
                assert_eq!(reached, expected, "{name} {address} {port}");
            }
            let other = client(name, address).reaches(110, family);
            assert_eq!(other, Reach::Connects, "{name} {address}");
        }
        for family in Family::ALL {
            assert_eq!(self.host.reaches_itself(143, family), Reach::Connects);
        }
    }

    /// The rules, the sets and the elements of each set that nft lists.
    fn listed(&self) -> (usize, Vec<usize>) {
        let text = self.host.run(&["nft", "-j", "list", "ruleset"]).success();
        let json: Value = serde_json::from_str(&text).unwrap();
        let objects = json["nftables"].as_array().unwrap();
        let rules = objects.iter().filter(|object| object["rule"].is_object());
        let sets =
            (objects.iter()).filter_map(|object| Some(object["set"].as_object()?["elem"].as_array()?.len()));
        (rules.count(), sets.collect())
    }

    /// The rules of each own chain of a family, which both ends have.
    fn chains(&self, save: &str) -> Vec<(String, usize)> {
        let text = self.host.run(&[save]).success();
        let [early, behind] = NatEnd::ALL.map(|end| lengths(&section(&text, end)));
        assert_eq!(early, behind);
        early
    }
}

fn lengths(text: &str) -> Vec<(String, usize)> {
    let chains = text.lines().filter_map(|line| {
        let name = line.strip_prefix(":MAILWARD")?.split(' ').next()?;
        let rules = format!("-A MAILWARD{name} ");
        let number = text.lines().filter(|line| line.starts_with(&rules)).count();
        Some((name.to_owned(), number))
    });
    chains.collect()
}

/// Another network of each family, in which the stranger has an address.
const FURTHER: [&str; 2] = ["198.18.3.8/29", "2001:db8:3::8/125"];

fn one_more(scene: &Scene, enforce: &str) {
    let planned = scene.run(&["plan"], &manifest(enforce, NETWORKS, &FURTHER));
    assert_eq!(planned.code(), 2, "{planned:#?}");
    let text = planned.stdout;
    assert!(text.contains("opened to 198.18.3.8/29, 2001:db8:3::8/125"), "{text}");
    assert!(text.contains("and 9997 more → "), "{text}");
    assert!(text.len() < 2_000, "{text}");
    scene.apply(&manifest(enforce, NETWORKS, &FURTHER));
    scene.assert_reached(Reach::Connects);
}

#[test]
fn ten_thousand_networks_are_two_sets_and_the_rules_of_two_in_nftables() {
    for from in [From::Console, From::Ssh] {
        let Some(scene) = Scene::new(from) else {
            return;
        };
        scene.apply(&manifest("nftables", 2, &[]));
        assert_eq!(scene.listed(), (9, vec![2, 2]));
        scene.assert_reached(Reach::Silent);
        scene.apply(&manifest("nftables", NETWORKS, &[]));
        assert_eq!(scene.listed(), (9, vec![5_000, 5_000]), "{from:?}");
        scene.assert_reached(Reach::Silent);
        one_more(&scene, "nftables");
        assert_eq!(scene.listed(), (9, vec![5_001, 5_001]), "{from:?}");
    }
}

#[test]
fn ten_thousand_networks_are_one_list_of_their_service_in_iptables() {
    for from in [From::Console, From::Ssh] {
        let Some(scene) = Scene::new(from) else {
            return;
        };
        // Loopback and two ports; the networks and what is dropped behind them; the mark.
        let expected = |networks: usize| {
            let chains = [("", 3), ("-imap", networks + 1), ("-own", 1)];
            chains.map(|(name, rules)| (name.to_owned(), rules)).to_vec()
        };
        scene.apply(&manifest("iptables", NETWORKS, &[]));
        for save in ["iptables-save", "ip6tables-save"] {
            assert_eq!(scene.chains(save), expected(5_000), "{from:?} {save}");
        }
        scene.assert_reached(Reach::Silent);
        one_more(&scene, "iptables");
        for save in ["iptables-save", "ip6tables-save"] {
            assert_eq!(scene.chains(save), expected(5_001), "{from:?} {save}");
        }
    }
}
