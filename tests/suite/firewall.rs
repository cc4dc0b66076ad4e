//! Allowed source networks: what the manifest declares, at size too, and hosts that cannot enforce it.

mod effect;
mod evaluate;
mod foreign;
mod iptables;
mod kernel;
mod netns;
mod nft;
mod plesk;
mod plesk_evaluate;

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use mailward::manifest::{ManifestLayer, check};
use mailward::model::{AllowedSources, MailService};

use crate::support::in_time::CommandInTime as _;
use crate::support::office_copy;

#[test]
fn a_host_that_nothing_can_enforce_access_on_is_told_and_left_as_it_is() {
    let copy = office_copy();
    for program in ["iptables-save", "ip6tables-restore"] {
        std::fs::remove_file(copy.path().join("sbin").join(program)).unwrap();
    }
    let manifest = copy.path().join("access.toml");
    for (enforce, told) in [
        ("auto", "nothing on this host can enforce `access`"),
        ("nftables", "nft is not installed"),
        ("iptables", "iptables-save and iptables-restore is not installed"),
        ("plesk-firewall", "there is no Plesk firewall with a command"),
    ] {
        let text = format!(
            "version = 1\n[access]\nenforce = \"{enforce}\"\n[access.allow]\nimap = [\"203.0.113.0/24\"]\n"
        );
        std::fs::write(&manifest, text).unwrap();
        for command in [&["plan"][..], &["check"], &["apply", "--yes"]] {
            let output = Command::new(env!("CARGO_BIN_EXE_mailward"))
                .args(command)
                .arg("--root")
                .arg(copy.path())
                .arg(&manifest)
                .output_in_time()
                .unwrap();
            let printed = [output.stderr, output.stdout].concat();
            let printed = String::from_utf8(printed).unwrap();
            assert_eq!(output.status.code(), Some(4), "{command:?}: {printed}");
            assert_eq!(printed.matches("error: ").count(), 1, "{printed}");
            assert!(printed.contains(told), "{printed}");
        }
    }
    assert!(!copy.path().join("var/lib/mailward/history").exists());
    let output =
        Command::new(env!("CARGO_BIN_EXE_mailward")).arg("validate").arg(&manifest).output_in_time().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

/// The shortest of three times, since the machine has other work.
fn fastest(time: impl Fn() -> Duration) -> Duration {
    (0..3).map(|_| time()).min().unwrap()
}

/// A manifest with so many networks, none of which touches another, in one line.
fn many(number: u32) -> String {
    let mut text = "version = 1\n[networks]\nmany = [".to_owned();
    for n in 0..number {
        let (a, b, c) = (n >> 15, (n >> 7) & 0xff, (n & 0x7f) << 1);
        write!(text, "\"{}.{b}.{c}.0/24\", ", 20 + a).unwrap();
    }
    text.push_str("]\n[access.allow]\nimap = [\"many\"]\n");
    text
}

#[test]
fn ten_thousand_networks_in_one_service_are_read_in_time_linear_in_their_number() {
    let time = |number: u32| {
        let layer = ManifestLayer { name: "many.toml".to_owned(), bytes: many(number).into_bytes() };
        let begun = Instant::now();
        let checked = check(&[layer]).unwrap();
        let taken = begun.elapsed();
        let AllowedSources::Only(networks) = &checked.desired.access.allow[&MailService::Imap].value.allowed
        else {
            panic!("no list");
        };
        assert_eq!(networks.iter().count(), number as usize);
        assert_eq!(checked.notes, []);
        taken
    };
    let (few, many) = (fastest(|| time(10_000)), fastest(|| time(40_000)));
    crate::support::covered(&format!("10,000 networks are read in {few:?}, 40,000 in {many:?}"));
    assert!(many < few * 10 + Duration::from_millis(200), "10,000: {few:?}, 40,000: {many:?}");
}
