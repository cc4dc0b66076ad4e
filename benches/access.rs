//! Source networks at size: a plan that changes nothing and an apply of all of them, beside the bare tools on the same rules
//! in the same run, and beside one command for each network.
//!
//! `cargo bench --bench access [-- RUNS LARGEST]`, as root on Debian with the packages of `tests/packages.txt`. The host is a
//! private one of this machine, with a network and a packet filter of its own. Prints medians, the median of the ratios pair
//! by pair, and what ten times as many networks take, the fixed cost taken off.
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
    let run = host
        .command(&["sh", "-c", script])
        .within(Duration::from_secs(900));
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
    /// Takes away everything that is in force.
    clear: &'static str,
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
        clear: "nft flush ruleset",
        begin: "nft 'table inet by_hand { chain input { type filter hook input priority 0; }; }'",
        each: [
            "nft add rule inet by_hand input tcp dport { 143, 993 } ip saddr {} accept",
            "nft add rule inet by_hand input tcp dport { 143, 993 } ip6 saddr {} accept",
        ],
    },
    Way {
        enforce: "iptables",
        list: "iptables-save >/dev/null; ip6tables-save >/dev/null",
        keep: "iptables-save -t raw >/root/same.v4; ip6tables-save -t raw >/root/same.v6",
        load: "iptables-restore --noflush </root/same.v4; ip6tables-restore --noflush </root/same.v6",
        clear: "nft flush ruleset",
        begin: "iptables -N by_hand; ip6tables -N by_hand",
        each: [
            "iptables -A by_hand -p tcp -m multiport --dports 143,993 -s {} -j ACCEPT",
            "ip6tables -A by_hand -p tcp -m multiport --dports 143,993 -s {} -j ACCEPT",
        ],
    },
];

/// The most networks for which one command each is waited for.
const BY_HAND: usize = 1_000;

fn measure(host: &Host, way: &Way, runs: usize, largest: usize) {
    println!(
        "\n| {}: networks | no-op plan, ms | its tool's list, ms | ratio | full apply, ms | its tool's load, ms | ratio | one command each, ms |",
        way.enforce
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut times: Vec<(f64, f64)> = Vec::new();
    for number in [0, 100, 1_000, 10_000, 100_000] {
        if number > largest {
            continue;
        }
        let runs = if number > 10_000 { runs.min(5) } else { runs };
        // What there is without any network: nobody is let in.
        let text = match number {
            0 => manifest(way.enforce, 0)
                .replace("[\"many\"]", "\"nobody\"")
                .replace("many = [\n]", ""),
            number => manifest(way.enforce, number),
        };
        host.write(MANIFEST, text);
        let apply = || {
            let wall = seconds(host, &format!("mailward apply --yes {MANIFEST}"), 3);
            seconds(host, way.keep, 0);
            seconds(host, "mailward revert", 8);
            seconds(host, way.clear, 0);
            wall
        };
        let load = || {
            let wall = seconds(host, way.load, 0);
            seconds(host, way.clear, 0);
            wall
        };
        let applies = Pair::measure(runs, apply, load);
        seconds(host, &format!("mailward apply --yes {MANIFEST}"), 3);
        seconds(host, "mailward confirm", 0);
        let plan = || seconds(host, &format!("mailward plan {MANIFEST}"), 0);
        let plans = Pair::measure(runs, plan, || seconds(host, way.list, 0));
        let by_hand = by_hand(host, way, number);
        println!(
            "| {number} | {:.1} | {:.1} | {:.2} | {:.1} | {:.1} | {:.2} | {by_hand} |",
            plans.ours * 1e3,
            plans.bare * 1e3,
            plans.ratio,
            applies.ours * 1e3,
            applies.bare * 1e3,
            applies.ratio
        );
        times.push((plans.ours, applies.ours));
        host.write(
            MANIFEST,
            "version = 1\n[access.allow]\nimap = \"anyone\"\n".replace(
                "[access.allow]",
                &format!("[access]\nenforce = \"{}\"\n[access.allow]", way.enforce),
            ),
        );
        seconds(host, &format!("mailward apply --yes {MANIFEST}"), 3);
        seconds(host, "mailward confirm", 0);
        seconds(host, way.clear, 0);
    }
    let fixed = times[0];
    println!(
        "\nFixed cost (no network): plan {:.1} ms, apply {:.1} ms. Ten times as many networks take, that taken off:",
        fixed.0 * 1e3,
        fixed.1 * 1e3
    );
    let mut number = 1_000;
    for pair in times[1..].windows(2) {
        let ratio = |few: f64, many: f64, fixed: f64| (many - fixed) / (few - fixed);
        println!(
            "- {number}: plan {:.1} times, apply {:.1} times",
            ratio(pair[0].0, pair[1].0, fixed.0),
            ratio(pair[0].1, pair[1].1, fixed.1)
        );
        number *= 10;
    }
}

/// Milliseconds for one command a network, as an administrator's script has it.
fn by_hand(host: &Host, way: &Way, number: usize) -> String {
    if number == 0 || number > BY_HAND {
        return "not waited for".to_owned();
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
    let numbers: Vec<usize> = std::env::args()
        .filter_map(|text| text.parse().ok())
        .collect();
    let runs = numbers.first().copied().unwrap_or(11);
    let largest = numbers.get(1).copied().unwrap_or(100_000);
    let mut host = Host::prepare(Kind::SysV, Layout::Debian).expect("root on Debian");
    host.boot();
    println!(
        "Starting a program in the host: {:.1} ms, in all that follows.",
        median((0..runs).map(|_| seconds(&host, "true", 0)).collect()) * 1e3
    );
    for way in &WAYS {
        measure(&host, way, runs, largest);
    }
}
