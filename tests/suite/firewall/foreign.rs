//! Rules of others of every kind there is, beside connections through them: what `show` says is what happens,
//! or "unclear".
//!
//! The judge makes the networks, loads the rules and connects; it knows nothing of mailward but what `show`
//! prints.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::netns;

const JUDGE: &str = include_str!("foreign/judge.py");

/// How many random rulesets of each kind; `MAILWARD_GATES` gives another number.
const RULESETS: u32 = 40;

#[derive(Debug, Deserialize)]
struct Judged {
    figures: BTreeMap<String, u32>,
    wrong: Vec<serde_json::Value>,
    told: BTreeMap<String, Told>,
    /// What no ruleset had, by chance or since this kernel does not take it.
    lacking: Vec<String>,
}

/// Of how many connections `show` says what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Told {
    unclear: u32,
    open: u32,
    closed: u32,
}

fn judge(arguments: &str, files: &[&str]) -> Judged {
    let mut all = vec![JUDGE];
    all.extend(files);
    let binary = env!("CARGO_BIN_EXE_mailward");
    let printed = netns::printed(&format!("python3 \"$1\" {binary} {arguments}"), &all);
    serde_json::from_str(&printed).unwrap()
}

fn random(kind: &str) {
    if !netns::available("connecting through random rules of others") {
        return;
    }
    let number = std::env::var("MAILWARD_GATES").ok();
    let number = number.map_or(RULESETS, |text| text.parse().unwrap());
    let seed = std::env::var("MAILWARD_SEED").ok().map_or_else(
        || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos(),
        |text| text.parse().unwrap(),
    );
    let judged = judge(&format!("{kind} {seed} {number}"), &[]);
    assert_eq!(judged.wrong, [] as [serde_json::Value; 0], "seed {seed}");
    let of = |what: &str| judged.figures[what];
    assert_eq!(of("rulesets"), number);
    assert_eq!(of("connections"), number * 25);
    // Whoever says "unclear" of everything is never wrong.
    assert!(of("unclear") * 2 < of("connections"), "seed {seed}: {judged:#?}");
    assert!(of("open") > 0 && of("closed") > 0, "seed {seed}: {judged:#?}");
    crate::support::covered(&format!(
        "{kind}, seed {seed}: {} rulesets of {} rules, {} connections as `show` says, {} of them unclear; not among them: {}",
        number,
        of("rules"),
        of("connections"),
        of("unclear"),
        judged.lacking.join(" | ")
    ));
}

#[test]
fn random_rules_of_nft_do_what_show_says_or_are_unclear() {
    random("nft");
}

#[test]
fn random_rules_of_iptables_nft_do_what_show_says_or_are_unclear() {
    random("iptables-nft");
}

#[test]
fn random_rules_of_iptables_legacy_do_what_show_says_or_are_unclear() {
    random("iptables-legacy");
}

/// The 25 connections are five sources, three of IPv4, to five ports.
const ALL_OPEN: Told = told(25, 0, 0);
const ALL_CLOSED: Told = told(0, 25, 0);
const ALL_UNCLEAR: Told = told(0, 0, 25);

const fn told(open: u32, closed: u32, unclear: u32) -> Told {
    Told { unclear, open, closed }
}

/// A chain of its own table at a hook.
fn chain(hook: &str, rules: &str) -> String {
    format!(
        "table inet t {{\nchain x {{ drop\n}}\nchain c {{ type filter hook {hook}; policy accept;\n{rules}\n}}\n}}\n"
    )
}

/// What is said of rules, each of which once was read as something else than it does.
fn given() -> Vec<(&'static str, String, Told)> {
    let bridge = |rules: &str| chain("input priority 0", rules).replace("inet", "bridge");
    let nat = |hook: &str, rules: &str| chain(hook, rules).replace("type filter", "type nat");
    let two = |one: String, other: String| one + &other.replace("table inet t", "table inet u");
    let input = |rules: &str| chain("input priority 0", rules);
    let raw = |rules: &str| chain("prerouting priority -300", rules);
    let tracked = "ct state established accept\nct state new tcp dport 143 accept\ndrop";
    vec![
        (
            "untracked packets have no state",
            two(raw("tcp dport 143 notrack"), input(tracked)),
            told(0, 20, 5),
        ),
        (
            "what drops new ones lets untracked ones in",
            two(raw("tcp dport 143 notrack"), input("ct state new tcp dport 143 drop")),
            told(20, 0, 5),
        ),
        (
            "answers dropped on their way out",
            chain("output priority 0", "tcp sport 143 ip daddr 203.0.113.0/24 drop"),
            told(24, 1, 0),
        ),
        (
            "answers dropped behind the routing",
            chain("postrouting priority 0", "oifname != \"lo\" tcp sport { 25, 143 } drop"),
            told(15, 10, 0),
        ),
        (
            "a policy that drops answers",
            chain("output priority 0", "oif lo accept").replace("policy accept", "policy drop"),
            ALL_CLOSED,
        ),
        (
            "answers of open connections go out",
            chain("output priority 0", "ct state established,related accept\ntcp dport 25 reject\ndrop"),
            ALL_OPEN,
        ),
        (
            "what this host itself may not connect to",
            chain("output priority 0", "tcp dport 25 meta skuid != 0 reject"),
            ALL_OPEN,
        ),
        (
            "only first packets are let in",
            input("tcp dport 143 ct state new accept\ndrop"),
            ALL_CLOSED,
        ),
        ("a bridge that drops", bridge("meta l4proto tcp drop"), ALL_UNCLEAR),
        ("a bridge that drops other things", bridge("udp dport 53 drop"), ALL_OPEN),
        (
            "nat at input drops first packets, if any are tracked",
            nat("input priority 100", "tcp dport 143 drop"),
            told(20, 0, 5),
        ),
        (
            "nat at input drops first packets that are tracked",
            two(
                nat("input priority 100", "tcp dport 143 drop"),
                input("ct state established accept"),
            ),
            told(20, 0, 5),
        ),
        (
            "nat of answers is decided by the first packet",
            nat("postrouting priority 100", "masquerade"),
            ALL_OPEN,
        ),
        (
            "a port rewritten before the filter",
            two(raw("tcp dport 110 tcp dport set 143"), input("tcp dport 110 drop\ntcp dport 143 accept")),
            told(20, 0, 5),
        ),
        (
            "a source rewritten before the filter",
            two(
                raw("ip saddr 192.0.2.5 ip saddr set 203.0.113.9"),
                input("ip saddr 192.0.2.5 drop\nip saddr 203.0.113.9 drop"),
            ),
            told(15, 5, 5),
        ),
        (
            "a change that is not there for all before a drop",
            input("ip ttl set 1 drop"),
            ALL_UNCLEAR,
        ),
        (
            "a port redirected before the filter",
            two(
                nat("prerouting priority -100", "tcp dport 993 redirect to :10993"),
                input("tcp dport 993 drop"),
            ),
            told(20, 0, 5),
        ),
        (
            "before tracking everything is invalid",
            raw("ct state invalid tcp dport 25 drop"),
            told(20, 5, 0),
        ),
        (
            "before tracking nothing is new",
            raw("ct state new tcp dport 25 drop\nct state established tcp dport 110 drop"),
            ALL_OPEN,
        ),
        (
            "answers are invalid before tracking, too",
            chain("output priority -300", "ct state invalid tcp sport 25 drop"),
            told(20, 5, 0),
        ),
        (
            "the usual first rule",
            input("ct state vmap { established : accept, related : accept, invalid : drop }\ntcp dport 143 accept\ndrop"),
            told(5, 20, 0),
        ),
        (
            "a map of ports",
            input("tcp dport vmap { 25 : drop, 100-150 : goto x }\n"),
            told(10, 15, 0),
        ),
        (
            "a map of devices",
            input("iifname vmap { \"lo\" : accept, \"host\" : jump x }"),
            ALL_UNCLEAR,
        ),
        (
            "a map of sources and ports",
            input("ip saddr . tcp dport vmap { 203.0.113.9 . 143 : drop, 192.0.2.5 . 25 : jump x }"),
            told(23, 2, 0),
        ),
        (
            "a map by name",
            "table inet t {\nmap m { type ipv4_addr : verdict; flags interval; elements = { 203.0.113.0/24 : drop, 192.0.2.0/24 : accept } }\n\
             chain c { type filter hook input priority 0; policy accept;\nip saddr vmap @m\nmeta nfproto ipv4 drop\n}\n}\n"
                .to_owned(),
            told(15, 10, 0),
        ),
        (
            "a set that packets change",
            "table inet t {\nset s { type ipv4_addr; flags dynamic; timeout 1m; }\n\
             chain c { type filter hook input priority 0; policy accept;\nip saddr @s drop\ntcp dport 143 add @s { ip saddr }\n}\n}\n"
                .to_owned(),
            told(10, 0, 15),
        ),
        (
            "a protocol by the name of a set",
            "table inet t {\nset s { type inet_proto; elements = { tcp, udp } }\n\
             chain c { type filter hook input priority 0; policy accept;\nmeta l4proto @s drop\n}\n}\n"
                .to_owned(),
            ALL_CLOSED,
        ),
    ]
}

#[test]
fn rules_that_once_were_misread_are_told_as_they_are() {
    if !netns::available("connecting through rules that once were misread") {
        return;
    }
    let scripts: Vec<(&str, String)> =
        (given().into_iter()).map(|(name, script, _)| (name, script)).collect();
    let judged = judge("given \"$2\"", &[&serde_json::to_string(&scripts).unwrap()]);
    let expected: BTreeMap<String, Told> =
        (given().into_iter()).map(|(name, _, told)| (name.to_owned(), told)).collect();
    assert_eq!(judged.told, expected);
    assert_eq!(judged.wrong, [] as [serde_json::Value; 0]);
}
