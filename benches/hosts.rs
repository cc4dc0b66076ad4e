//! Whole processes over a real sshd, in turn, in one run: a plan beside the bare `ssh` that it cannot be
//! faster than.
//!
//! `cargo bench --bench hosts [-- PAIRS HOSTS]`, as root on Debian with the packages of `tests/packages.txt`.
//! The hosts are private ones of this machine, with init scripts, Courier and xinetd that run. Prints
//! medians, and the median of the ratios pair by pair.
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

use std::time::{Duration, Instant};

use support::host::{Host, Kind, Layout};
use support::ssh::Ssh;

/// Two settings of Courier and one of xinetd, which the hosts have already.
const MANIFEST: &str =
    "version = 1\n[limits.pop3]\nper_ip = 20\n[limits.imap]\nper_ip = 20\n[limits.smtp]\nper_ip = 20\n";

/// The same three settings for Ansible.
const PLAY: &str = "\
- hosts: all
  gather_facts: false
  tasks:
    - lineinfile: {path: /etc/courier/pop3d, regexp: '^MAXPERIP=', line: 'MAXPERIP=20'}
    - lineinfile: {path: /etc/courier/imapd, regexp: '^MAXPERIP=', line: 'MAXPERIP=20'}
    - lineinfile: {path: /etc/xinetd.d/smtp_psa, regexp: 'per_source', line: \"\\tper_source      = 20\"}
";

fn host() -> Host {
    let mut host = Host::prepare(Kind::SysV, Layout::Debian).expect("root on Debian");
    host.sshd();
    host.boot();
    let applied = plan(&host.ssh(), "apply").env("LC_ALL", "C").run();
    assert_eq!(applied.code(), 0, "{applied:#?}");
    host
}

fn plan(ssh: &Ssh, command: &str) -> support::run::Run {
    let arguments = match command {
        "apply" => vec!["apply", "--yes", "-"],
        command => vec![command, "-"],
    };
    ssh.mailward(&arguments).stdin(MANIFEST).within(Duration::from_secs(120))
}

fn seconds(run: support::run::Run, code: i32) -> f64 {
    let begin = Instant::now();
    let output = run.run();
    let wall = begin.elapsed().as_secs_f64();
    assert_eq!(output.code(), code, "{output:#?}");
    wall
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn one_host(pairs: usize) {
    let host = host();
    println!(
        "| one host, {pairs} pairs | `ssh HOST true`, ms | `mailward plan --host`, ms | ratio |\n|---|---|---|---|"
    );
    for (name, ssh) in [("cold", host.ssh()), ("warm ControlMaster", host.ssh().warm())] {
        let (mut bare, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..pairs {
            bare.push(seconds(ssh.bare("true"), 0));
            ours.push(seconds(plan(&ssh, "plan"), 0));
            ratios.push(ours[ours.len() - 1] / bare[bare.len() - 1]);
        }
        let ms = |values| median(values) * 1000.0;
        println!("| {name} | {:.1} | {:.1} | {:.2} |", ms(bare), ms(ours), median(ratios));
    }
}

fn many_hosts(number: usize, turns: usize) {
    let hosts: Vec<Host> = (0..number).map(|_| host()).collect();
    let ways: Vec<Ssh> =
        (hosts.iter().enumerate()).map(|(place, host)| host.ssh().alias_is(&format!("mx{place}"))).collect();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let names: Vec<_> = ways.iter().map(Ssh::alias).collect();
    put("hosts", &format!("{}\n", names.join("\n")));
    put("config", &Ssh::configs(&ways));
    put("mail.toml", MANIFEST);
    put("play.yaml", PLAY);
    put(
        "ansible.cfg",
        &format!(
            "[defaults]\nforks = 16\ninventory = {}\ninterpreter_python = /usr/bin/python3\n\
             [ssh_connection]\npipelining = true\nssh_args = -F {} -o ControlMaster=auto -o ControlPersist=60s\n",
            at("hosts"),
            at("config"),
        ),
    );
    let (hosts_file, config, program) = (at("hosts"), at("config"), env!("CARGO_BIN_EXE_mailward"));
    let loops = [
        format!("xargs -P 16 -I{{}} ssh -F {config} {{}} true <{hosts_file}"),
        format!(
            "xargs -P 16 -I{{}} {program} plan --host {{}} --ssh-option=-F{config} {} <{hosts_file}",
            at("mail.toml")
        ),
        format!(
            "cd {}; HOME={} LC_ALL=C.UTF-8 ansible-playbook --check play.yaml",
            folder.path().display(),
            folder.path().display()
        ),
    ];
    let mut walls = [const { Vec::new() }; 3];
    for _ in 0..turns {
        for (walls, script) in walls.iter_mut().zip(&loops) {
            let run = ways[0].command(&["sh", "-c", script]);
            walls.push(seconds(run.within(Duration::from_secs(600)), 0));
        }
    }
    let [bare, ours, ansible] = walls;
    let ratio = median(ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect());
    println!("\n| {number} hosts, 16 at a time, median of {turns} | s | ratio |\n|---|---|---|");
    println!("| `xargs -P 16` of `ssh HOST true` | {:.2} | |", median(bare));
    println!("| `xargs -P 16` of `mailward plan --host` | {:.2} | {ratio:.2} |", median(ours));
    println!("| ansible-core, 16 forks, pipelining, `--check` | {:.2} | |", median(ansible));
    // Ansible leaves its shared connections behind for a minute.
    let end = format!("pkill -f {} || :", folder.path().display());
    ways[0].command(&["sh", "-c", &end]).run();
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    one_host(numbers.first().copied().unwrap_or(31));
    many_hosts(numbers.get(1).copied().unwrap_or(50), 3);
}
