//! Source networks at size: a plan that changes nothing and an apply of all of them, beside the bare tools on
//! the same rules in the same run, and beside one command for each network.
//!
//! `cargo bench --bench firewall [-- RUNS LARGEST]`, as root on Debian with the packages of
//! `tests/packages.txt`. The host is a private one of this machine, with a network and a packet filter of its
//! own. Prints medians, the median of the ratios pair by pair, and what ten times as many networks take, the
//! fixed cost taken off.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a program for developers"
)]

#[path = "../tests/suite"]
#[allow(unused_imports, reason = "the cases use more of it")]
mod suite {
    pub mod support;
}

use suite::support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use support::host::{Host, Kind, Layout};

const MANIFEST: &str = "/root/access.toml";

/// As many networks, of IPv4 and IPv6 in turn, none of which touches another.
fn networks(number: usize) -> impl Iterator<Item = String> {
    (0..number).map(|index| {
        let n = index / 2;
        if index % 2 == 0 {
            format!("{}.{}.{}.0/25", 20 + (n >> 16), (n >> 8) & 0xff, n & 0xff)
        } else {
            format!("2001:db8:{:x}:{:x}::/64", n >> 8, (n & 0xff) << 1)
        }
    })
}

fn manifest(enforce: &str, number: usize) -> String {
    let mut text = format!(
        "version = 1\n[access]\nenforce = \"{enforce}\"\n[safety]\nconfirm_within = \"30m\"\n[networks]\nmany = [\n"
    );
    for network in networks(number) {
        writeln!(text, "  \"{network}\",").unwrap();
    }
    text.push_str("]\n[access.allow]\nimap = [\"many\"]\n");
    text
}

/// Seconds that a command of the host's takes, which must end with this code.
fn seconds(host: &Host, script: &str, code: i32) -> f64 {
    let run = host.command(&["sh", "-c", script]).within(Duration::from_secs(900));
    let begin = Instant::now();
    let output = run.run();
    let wall = begin.elapsed().as_secs_f64();
    let said: String = output.stderr.chars().take(2000).collect();
    assert_eq!(output.code(), code, "{script}: {said}");
    wall
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One of mailward's commands beside the bare tool: medians of both, and the median of the ratios.
struct Pair {
    ours: f64,
    bare: f64,
    ratio: f64,
}

impl Pair {
    fn measure(runs: usize, mut ours: impl FnMut() -> f64, mut bare: impl FnMut() -> f64) -> Self {
        let pairs: Vec<(f64, f64)> = (0..runs).map(|_| (ours(), bare())).collect();
        Self {
            ours: median(pairs.iter().map(|pair| pair.0).collect()),
            bare: median(pairs.iter().map(|pair| pair.1).collect()),
            ratio: median(pairs.iter().map(|pair| pair.0 / pair.1).collect()),
        }
    }
}

/// A way to enforce, and what one would type.
struct Way {
    enforce: &'static str,
    list: &'static str,
    /// Writes the live rules down for [`Way::load`].
    keep: &'static str,
    load: &'static str,
    /// What comes before one command for each network, in files of `xargs`: IPv4, then IPv6.
    begin: &'static str,
    each: [&'static str; 2],
}

const WAYS: [Way; 2] = [
    Way {
        enforce: "nftables",
        list: "nft -j list ruleset >/dev/null",
        keep: "cp /var/lib/mailward/access/load.nft /root/same.nft",
        load: "nft -f /root/same.nft",
        begin: "nft 'table inet by_hand { chain input { type filter hook input priority 0; }; }'",
        each: [
            "nft add rule inet by_hand input tcp dport { 143, 993 } ip saddr {} accept",
            "nft add rule inet by_hand input tcp dport { 143, 993 } ip6 saddr {} accept",
        ],
    },
    Way {
        enforce: "iptables",
        // Tables of nftables that are not of iptables are rules too.
        list: "iptables-save >/dev/null; ip6tables-save >/dev/null; nft -j list ruleset >/dev/null",
        keep: "iptables-save -t raw >/root/same.v4; ip6tables-save -t raw >/root/same.v6",
        load: "iptables-restore --noflush </root/same.v4; ip6tables-restore --noflush </root/same.v6",
        begin: "iptables -N by_hand; ip6tables -N by_hand",
        each: [
            "iptables -A by_hand -p tcp -m multiport --dports 143,993 -s {} -j ACCEPT",
            "ip6tables -A by_hand -p tcp -m multiport --dports 143,993 -s {} -j ACCEPT",
        ],
    },
];

/// The most networks for which one command each is waited for.
const BY_HAND: usize = 1_000;

/// Measures a plan that changes nothing and an apply from nothing, and leaves the host without any rules.
fn measure(host: &Host, way: &Way, number: usize, runs: usize) -> [Pair; 2] {
    let text = manifest(way.enforce, number);
    // Without any network nobody is let in.
    let text = match number {
        0 => text.replace("many = [\n]", "").replace("[\"many\"]", "\"nobody\""),
        _ => text,
    };
    let mailward = |words: &str, code| seconds(host, &format!("mailward {words}"), code);
    let clear = || seconds(host, "nft flush ruleset", 0);
    host.write(MANIFEST, &text);
    let apply = || {
        let wall = mailward(&format!("apply --yes {MANIFEST}"), 3);
        seconds(host, way.keep, 0);
        mailward("revert", 0);
        clear();
        wall
    };
    let load = || {
        let wall = seconds(host, way.load, 0);
        clear();
        wall
    };
    let applies = Pair::measure(runs, apply, load);
    let last = || {
        mailward(&format!("apply --yes {MANIFEST}"), 3);
        mailward("confirm --allow unproven-confirm", 0);
    };
    last();
    let plan = || mailward(&format!("plan {MANIFEST}"), 0);
    let plans = Pair::measure(runs, plan, || seconds(host, way.list, 0));
    let (before, _) = text.split_once("imap =").expect("the one service");
    host.write(MANIFEST, format!("{before}imap = \"anyone\"\n"));
    last();
    clear();
    [plans, applies]
}

fn table(host: &Host, way: &Way, runs: usize, largest: usize) {
    println!(
        "\n| {}: networks | no-op plan, ms | the tools' lists, ms | ratio | full apply, ms | the tools' loads, ms | ratio | one command each, ms |",
        way.enforce
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut times = Vec::new();
    for number in [0, 100, 1_000, 10_000, 100_000] {
        if number > largest {
            continue;
        }
        let runs = if number > 10_000 { runs.min(5) } else { runs };
        let pairs = measure(host, way, number, runs);
        let [plans, applies] = pairs.each_ref().map(|pair| {
            let (ours, bare) = (pair.ours * 1e3, pair.bare * 1e3);
            format!("{ours:.1} | {bare:.1} | {:.2}", pair.ratio)
        });
        let by_hand = by_hand(host, way, number);
        println!("| {number} | {plans} | {applies} | {by_hand} |");
        times.push((number, pairs.map(|pair| pair.ours)));
    }
    let [(_, fixed), sizes @ ..] = times.as_slice() else {
        return;
    };
    println!("\nTen times as many networks take so many times as long, the fixed cost taken off:");
    for pair in sizes.windows(2) {
        let ratio = |which: usize| {
            let [few, many] = [&pair[0], &pair[1]].map(|(_, times)| times[which]);
            // What is hardly more than the fixed cost tells nothing.
            if few < fixed[which] * 1.25 {
                return "-".to_owned();
            }
            format!("{:.1}", (many - fixed[which]) / (few - fixed[which]))
        };
        println!("- {}: plan {}, apply {}", pair[1].0, ratio(0), ratio(1));
    }
}

/// Milliseconds for one command a network, as an administrator's script has it.
fn by_hand(host: &Host, way: &Way, number: usize) -> String {
    if number == 0 || number > BY_HAND {
        return "-".to_owned();
    }
    for (family, name) in [(0, "v4"), (1, "v6")] {
        let list: Vec<String> = networks(number).skip(family).step_by(2).collect();
        host.write(&format!("/root/{name}"), list.join("\n") + "\n");
    }
    seconds(host, way.begin, 0);
    let [v4, v6] = way.each;
    let script = format!("set -e; xargs -I{{}} {v4} </root/v4; xargs -I{{}} {v6} </root/v6");
    let wall = seconds(host, &script.replace("{ 143, 993 }", "'{ 143, 993 }'"), 0);
    let undo = match way.enforce {
        "nftables" => "nft delete table inet by_hand",
        _ => "iptables -F by_hand; iptables -X by_hand; ip6tables -F by_hand; ip6tables -X by_hand",
    };
    seconds(host, undo, 0);
    format!("{:.0}", wall * 1e3)
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let runs = numbers.first().copied().unwrap_or(11);
    let largest = numbers.get(1).copied().unwrap_or(100_000);
    let mut host = Host::prepare(Kind::SysV, Layout::Debian).expect("root on Debian");
    host.boot();
    println!(
        "Starting a program in the host: {:.1} ms, in all that follows.",
        median((0..runs).map(|_| seconds(&host, "true", 0)).collect()) * 1e3
    );
    for way in &WAYS {
        table(&host, way, runs, largest);
    }
}
