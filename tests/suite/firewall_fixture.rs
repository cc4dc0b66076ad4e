//! The tests' own Plesk Firewall: real rules come from its command, they are taken back unless another
//! session of ssh confirms them, and it goes wrong when asked.

use std::time::Duration;

use crate::support::firewall::{Era, Firewall, Knob, SETTINGS, Trouble, Verb};
use crate::support::host::{Family, Host, Kind, Net, PacketFilter, Reach};

/// The office's networks.
const OFFICE: &str = "198.18.1.0/24,2001:db8:1::/64";

/// Long enough for the test to act within it on a busy machine.
const WINDOW: Duration = Duration::from_secs(15);

fn world(kind: Kind, era: Era) -> Option<(Host, Net, Firewall)> {
    let mut host = Host::start(kind)?;
    if kind == Kind::SysV {
        host.packet_filter_is(PacketFilter::Legacy);
    }
    let net = host.network();
    let firewall = Firewall::install(&host, era);
    firewall.confirm_within(&host, WINDOW);
    Some((host, net, firewall))
}

fn restrict(firewall: Firewall, host: &Host, class: &str, sources: &str) {
    let id = firewall.id(host, class);
    let arguments = ["--set-rule", "-id", &id, "-from", sources];
    firewall.command(host, &arguments).run().success();
}

/// Whether strangers are shut out of POP3 over both families; the office never is, and IMAP is open to all.
fn pop3_is_shut(net: &Net) -> bool {
    let shut = |client: &str, family| match net.client(client).reaches(110, family) {
        Reach::Connects => false,
        Reach::Silent => true,
        Reach::Refused => panic!("{client} is refused over {family:?}"),
    };
    for family in Family::ALL {
        assert!(!shut("office", family));
        assert_eq!(net.client("vpn").reaches(143, family), Reach::Connects);
    }
    let strangers = [shut("stranger", Family::V4), shut("stranger", Family::V6), shut("six", Family::V6)];
    assert!(strangers.iter().all(|&it| it == strangers[0]), "{strangers:?}");
    strangers[0]
}

#[test]
fn what_nobody_confirms_leaves_the_kernel_after_the_window_and_stays_pending() {
    let Some((host, net, firewall)) = world(Kind::Systemd, Era::Extension) else {
        return;
    };
    let closed = net.client("office").reaches(21, Family::V4);
    assert_eq!(closed, Reach::Connects, "ftp has a rule");
    restrict(firewall, &host, "pop3", OFFICE);
    assert!(!pop3_is_shut(&net), "pending is not in the kernel");
    firewall.command(&host, &["--apply"]).run().success();
    assert!(firewall.waits(&host));
    assert!(pop3_is_shut(&net));
    assert_eq!(host.reaches_itself(110, Family::V4), Reach::Connects);
    firewall.settle(&host);
    assert!(!pop3_is_shut(&net));
    assert_eq!(firewall.pending_sources(&host, "pop3").join(","), OFFICE);
    assert!(firewall.active_sources(&host, "pop3").is_empty());
    assert_ne!(firewall.command(&host, &["--confirm"]).run().code(), 0);
    host.run(&["plesk", "ext", "firewall", "--reset"]).success();
    assert!(firewall.pending_sources(&host, "pop3").is_empty());
}

#[test]
fn only_another_connection_of_ssh_confirms_and_then_the_boot_brings_the_rules_back() {
    for (kind, era) in [(Kind::Systemd, Era::Extension), (Kind::SysV, Era::Module)] {
        let Some((mut host, net, firewall)) = world(kind, era) else {
            return;
        };
        firewall.confirm_within(&host, Duration::from_secs(60));
        let mut before = net.client("stranger").open(110, Family::V6);
        assert!(before.greeting().expect("greeted").starts_with("+OK"));
        let id = firewall.id(&host, "pop3");
        let office = net.client("office");
        let first = host.ssh().at_client(&office, Family::V4).warm();
        let line = format!("{SETTINGS} -s -id={id} -remote-addresses {OFFICE} && {SETTINGS} -a");
        first.bare(&line).run().success();
        let confirm = format!("{SETTINGS} --confirm");
        assert_ne!(first.bare(&confirm).run().code(), 0, "the same connection");
        assert!(firewall.active_sources(&host, "pop3").is_empty());
        let second = host.ssh().at_client(&office, Family::V6);
        second.bare(&confirm).run().success();
        firewall.settle(&host);
        assert_eq!(firewall.active_sources(&host, "pop3").join(","), OFFICE);
        assert_ne!(firewall.id(&host, "pop3"), id, "ids are given anew");
        assert!(pop3_is_shut(&net));
        assert!(before.exchange("QUIT").starts_with("+OK"), "open sessions stay");
        host.reboot();
        host.wait_until("the firewall's service is through", || pop3_is_shut(&net));
    }
}

#[test]
fn a_reboot_within_the_window_leaves_what_was_active() {
    let Some((mut host, net, firewall)) = world(Kind::SysV, Era::Module) else {
        return;
    };
    firewall.confirm_within(&host, Duration::from_secs(60));
    restrict(firewall, &host, "pop3", OFFICE);
    firewall.command(&host, &["--apply"]).run().success();
    assert!(pop3_is_shut(&net));
    host.reboot();
    assert!(!pop3_is_shut(&net));
    assert!(!firewall.waits(&host));
}

#[test]
fn a_second_apply_within_the_window_cannot_be_confirmed() {
    let Some((host, net, firewall)) = world(Kind::SysV, Era::Extension) else {
        return;
    };
    let run = |verb| firewall.command(&host, &[verb]).run();
    run("--apply").success();
    restrict(firewall, &host, "pop3", OFFICE);
    run("--apply").success();
    assert!(pop3_is_shut(&net));
    assert_ne!(run("--confirm").code(), 0);
    firewall.settle(&host);
    assert!(!pop3_is_shut(&net));

    firewall.set(&host, Knob::SecondApplyRefused);
    run("--apply").success();
    assert_ne!(run("--apply").code(), 0);
    run("--confirm").success();
    assert!(pop3_is_shut(&net));
}

#[test]
fn an_apply_removes_the_rules_of_docker_and_imunify_and_spares_those_of_fail2ban() {
    for kind in Kind::ALL {
        let Some((host, _, firewall)) = world(kind, Era::Extension) else {
            return;
        };
        firewall.neighbours(&host);
        let nft = "table inet other { chain c { type filter hook input priority 5; tcp dport 106 drop; }; }";
        host.run(&["nft", nft]).success();
        let auto = "-auto-confirm-this-may-lock-me-out-of-the-server";
        firewall.command(&host, &["--apply", auto]).run().success();
        assert!(!firewall.waits(&host));
        let rules = host.run(&["iptables-save"]).success();
        for gone in ["172.17.0", "-A FORWARD -j DOCKER-USER", "-j imunify"] {
            assert!(!rules.contains(gone), "{gone} in {rules}");
        }
        assert!(rules.contains("-j f2b-postfix"), "{rules}");
        host.run(&["nft", "list", "table", "inet", "other"]).success();
    }
}

#[test]
fn calls_go_wrong_as_asked() {
    let Some((host, net, firewall)) = world(Kind::SysV, Era::Extension) else {
        return;
    };
    let run = |words: &[&str]| firewall.command(&host, words).run();
    firewall.misbehave_once(&host, Verb::List, &Trouble::NewIds);
    let stale = firewall.id(&host, "pop3");
    let set = ["--set-rule", "-id", &stale, "-from", OFFICE];
    assert_ne!(run(&set).code(), 0);
    firewall.misbehave_once(&host, Verb::Set, &Trouble::OthersEdit("imap", "192.0.2.77"));
    restrict(firewall, &host, "pop3", OFFICE);
    assert_eq!(firewall.pending_sources(&host, "imap"), ["192.0.2.77"]);
    run(&["--reset"]).success();
    restrict(firewall, &host, "pop3", OFFICE);

    firewall.misbehave_once(&host, Verb::Apply, &Trouble::Lie);
    run(&["--apply"]).success();
    assert!(!pop3_is_shut(&net) && !firewall.waits(&host));

    firewall.misbehave(&host, Verb::Apply, &Trouble::HangAfter);
    let hung = ["timeout", "-s", "KILL", "1.5", SETTINGS, "--apply"];
    assert_ne!(host.run(&hung).status.code(), Some(0));
    // On a busy machine the script that loads the rules is not at its end when the command is killed.
    host.wait_until("the window outlives the command", || {
        let reaches = |client: &str, port| net.client(client).reaches(port, Family::V6);
        (reaches("vpn", 143), reaches("stranger", 110)) == (Reach::Connects, Reach::Silent)
    });
    firewall.settle(&host);
    assert!(!pop3_is_shut(&net));

    firewall.behave(&host);
    firewall.misbehave(&host, Verb::Confirm, &Trouble::Lie);
    run(&["--apply"]).success();
    run(&["--confirm"]).success();
    firewall.settle(&host);
    assert!(!pop3_is_shut(&net), "the confirmation was lost");

    firewall.misbehave(&host, Verb::Apply, &Trouble::HalfLoaded);
    assert_ne!(run(&["--apply"]).code(), 0);
    let office = net.client("office");
    assert_eq!(office.reaches(25, Family::V4), Reach::Connects);
    assert_eq!(office.reaches(143, Family::V4), Reach::Silent);
    firewall.settle(&host);
    assert!(!pop3_is_shut(&net));
    assert!(firewall.calls(&host).contains(&"--apply".to_owned()));
}

#[test]
fn each_answer_to_what_is_not_documented_can_be_had() {
    let Some((host, net, firewall)) = world(Kind::SysV, Era::Module) else {
        return;
    };
    let run = |words: &[&str]| firewall.command(&host, words).run();
    assert_ne!(host.run(&["plesk", "ext", "firewall", "--help"]).code(), 0);
    run(&["--help"]).success();
    run(&["--is-enabled"]).success();
    assert_eq!(firewall.listed(&host).len(), 24);
    assert!(firewall.listed(&host)[0]["id"].is_number());
    firewall.set(&host, Knob::PoliciesHidden);
    firewall.set(&host, Knob::StringIds);
    assert_eq!(firewall.listed(&host).len(), 21);
    assert!(firewall.listed(&host)[0]["id"].is_string());

    restrict(firewall, &host, "imap", "198.18.1.1/32,10.0.0.0/8");
    let from = |firewall: Firewall| {
        let rules = firewall.listed(&host);
        let rule = rules.into_iter().find(|rule| rule["class"] == "imap");
        rule.unwrap()["from"].clone()
    };
    assert_eq!(from(firewall), "198.18.1.1/32,10.0.0.0/8");
    firewall.set(&host, Knob::ListsActive);
    assert_eq!(from(firewall), "");
    firewall.set(&host, Knob::ListsPending);
    firewall.set(&host, Knob::SourcesShort);
    restrict(firewall, &host, "imap", "198.18.1.1/32,10.0.0.0/8");
    assert_eq!(from(firewall), "10.0.0.0/8,198.18.1.1");

    // A list of IPv4 only: what becomes of IPv6.
    firewall.set_policy(&host, "allow");
    let six = net.client("six");
    for (knob, expected) in [
        (Knob::OtherFamilyClosed, Reach::Silent),
        (Knob::OtherFamilyPolicy, Reach::Connects),
        (Knob::OtherFamilyOpen, Reach::Connects),
    ] {
        firewall.set(&host, knob);
        let auto = "-auto-confirm-this-may-lock-me-out-of-the-server";
        run(&["--apply", auto]).success();
        assert_eq!(six.reaches(143, Family::V6), expected, "{knob:?}");
    }
    firewall.rename_class(&host, "imap", "imap4");
    assert_eq!(firewall.active_sources(&host, "imap4").len(), 2);

    firewall.set(&host, Knob::WithoutSshRefused);
    run(&["--apply"]).success();
    assert_ne!(run(&["--confirm"]).code(), 0);
    let fake = "SSH_CLIENT='127.0.0.1 65535 22' ";
    firewall.settle(&host);
    let line = format!("SSH_CLIENT='192.0.2.9 1 22' {SETTINGS} --apply && {fake} {SETTINGS} --confirm");
    host.run(&["sh", "-c", &line]).success();

    run(&["--disable"]).success();
    assert_ne!(run(&["--is-enabled"]).code(), 0);
    assert_eq!(six.reaches(143, Family::V6), Reach::Connects);
    assert_ne!(run(&["--apply"]).code(), 0);
}
