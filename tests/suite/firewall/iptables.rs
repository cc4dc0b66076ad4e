//! The own chain of iptables and ip6tables, loaded into a real kernel by both of Debian's variants, and read
//! back; and the spelling of older versions.

use std::collections::BTreeMap;

use mailward::firewall::NatEnds;
use mailward::firewall::iptables::{
    ChainOwnership, IptablesError, JumpPlace, NatEnd, OwnFamilyChains, PresentAtEnd, PresentChains,
    own_lines, parse, removal, replacement, revert, rules,
};
use mailward::firewall::rules::{ChainPolicy, ConnectionStage, IncomingInterface, RuleSet, TcpPacket};
use mailward::model::{AddressFamily, AllowedSources, MailService, Networks};

use super::netns;
use super::nft::{allowlist, allowlists, assert_connections, many, networks};

pub const VARIANTS: [&str; 2] = ["legacy", "nft"];

pub const fn program(family: AddressFamily) -> &'static str {
    match family {
        AddressFamily::Ipv4 => "iptables",
        AddressFamily::Ipv6 => "ip6tables",
    }
}

/// What is there after these scripts, one after the other, at each end where anything is.
fn loaded(variant: &str, family: AddressFamily, scripts: &[&str]) -> BTreeMap<NatEnd, OwnFamilyChains> {
    let program = program(family);
    let text = netns::printed(
        &format!(
            "for script; do {program}-{variant}-restore --noflush <\"$script\"; done\n\
             {program}-{variant}-save"
        ),
        scripts,
    );
    let saved = parse(family, &text).unwrap();
    let at = |end| Some((end, saved.own(end)?));
    NatEnd::ALL.into_iter().filter_map(at).collect()
}

/// What of it scripts have to know.
fn present(own: &BTreeMap<NatEnd, OwnFamilyChains>) -> PresentChains {
    (own.iter()).map(|(end, own)| (*end, own.present.clone())).collect()
}

/// The same where one end is looked at.
fn early(present: &PresentAtEnd) -> PresentChains {
    [(NatEnd::Early, present.clone())].into()
}

#[test]
fn the_chains_are_read_back_as_they_were_written() {
    if !netns::available("loading the chains of iptables") {
        return;
    }
    for variant in VARIANTS {
        for family in AddressFamily::ALL {
            for ends in NatEnds::ALL {
                let script = replacement(&allowlists(), family, ends, &PresentChains::default()).unwrap();
                let all = loaded(variant, family, &[&script]);
                for end in NatEnd::ALL {
                    assert_eq!(all.contains_key(&end), end.is_among(ends));
                }
                for own in all.values() {
                    assert_eq!(Some(&own.rules), rules(&allowlists(), family).as_ref(), "{variant}");
                    assert_eq!((own.present.jumps, own.foreign), (1, 0));
                    assert_eq!(own.before, []);
                }
            }
        }
    }
}

#[test]
fn whatever_is_there_is_replaced_and_removed() {
    if !netns::available("replacing the chains of iptables") {
        return;
    }
    let befores = [
        "*raw\n:MAILWARD - [0:0]\nCOMMIT\n",
        "*raw\n:MAILWARD - [0:0]\n-A PREROUTING -i eth0 -j ACCEPT\n-A PREROUTING -j MAILWARD\n\
         -A PREROUTING -j MAILWARD\n-A MAILWARD -j DROP\nCOMMIT\n",
        "*mangle\n:MAILWARD - [0:0]\n:MAILWARD-pop3 - [0:0]\n-A INPUT -j MAILWARD\n-A MAILWARD -j MAILWARD-pop3\nCOMMIT\n",
        "*raw\n:MAILWARD - [0:0]\n:MAILWARD-smtp - [0:0]\n-A MAILWARD -j MAILWARD-smtp\nCOMMIT\n",
    ];
    for variant in VARIANTS {
        for family in AddressFamily::ALL {
            let wanted = rules(&allowlists(), family);
            for before in befores {
                let there = present(&loaded(variant, family, &[before]));
                for ends in NatEnds::ALL {
                    let script = replacement(&allowlists(), family, ends, &there).unwrap();
                    let own = loaded(variant, family, &[before, &script]);
                    for end in NatEnd::ALL {
                        assert_eq!(own.contains_key(&end), end.is_among(ends));
                    }
                    for own in own.values() {
                        assert_eq!(Some(&own.rules), wanted.as_ref(), "{variant}\n{before}");
                        assert_eq!(own.present.jumps, 1);
                    }
                    // The second time it is the same.
                    let again = replacement(&allowlists(), family, ends, &present(&own)).unwrap();
                    let twice = loaded(variant, family, &[before, &script, &again]);
                    assert_eq!(twice, own);
                    let none = BTreeMap::new();
                    let gone = removal(&present(&own)).unwrap();
                    assert_eq!(loaded(variant, family, &[before, &script, &gone]), none);
                    // Allowlists that restrict nobody need no chain.
                    let open = [allowlist(MailService::Imap, AllowedSources::Anyone)];
                    let open = replacement(&open, family, ends, &present(&own)).unwrap();
                    assert_eq!(loaded(variant, family, &[before, &script, &open]), none);
                }
            }
            assert_eq!(removal(&PresentChains::default()), None);
        }
    }
}

#[test]
fn a_script_that_fails_changes_nothing() {
    if !netns::available("failing to load the chains of iptables") {
        return;
    }
    let none = PresentChains::default();
    let script = replacement(&allowlists(), AddressFamily::Ipv4, NatEnds::Both, &none).unwrap();
    let broken = script.replace("COMMIT", "-A MAILWARD -j NO-SUCH-TARGET\nCOMMIT");
    for variant in VARIANTS {
        let text = netns::printed(
            &format!("iptables-{variant}-restore --noflush <\"$1\" && exit 1\niptables-{variant}-save"),
            &[&broken],
        );
        for end in NatEnd::ALL {
            assert_eq!(parse(AddressFamily::Ipv4, &text).unwrap().own(end), None, "{text}");
        }
    }
}

#[test]
fn the_kernel_lets_in_whom_the_chains_let_in() {
    if !netns::available("connecting through the chains of iptables") {
        return;
    }
    let script = |family, ends| replacement(&allowlists(), family, ends, &PresentChains::default()).unwrap();
    // One set of rules for both families.
    let mut both = rules(&allowlists(), AddressFamily::Ipv4).unwrap();
    both.family = None;
    for (name, content) in rules(&allowlists(), AddressFamily::Ipv6).unwrap().chains {
        let list = both.chains.entry(name.clone()).or_default();
        if name == "MAILWARD-imap" {
            list.insert(0, content[0].clone());
        }
    }
    for (variant, ends) in VARIANTS.into_iter().flat_map(|variant| NatEnds::ALL.map(|ends| (variant, ends))) {
        assert_connections(
            &format!(
                "iptables-{variant}-restore --noflush <\"$1\"; ip6tables-{variant}-restore --noflush <\"$2\""
            ),
            &[&script(AddressFamily::Ipv4, ends), &script(AddressFamily::Ipv6, ends)],
            &both,
        );
    }
}

#[test]
fn ten_thousand_networks_go_in_and_come_back() {
    if !netns::available("loading ten thousand networks into iptables") {
        return;
    }
    let allowlists = [allowlist(MailService::Imap, AllowedSources::Only(many(10_000)))];
    let script =
        replacement(&allowlists, AddressFamily::Ipv4, NatEnds::Both, &PresentChains::default()).unwrap();
    for variant in VARIANTS {
        let begun = std::time::Instant::now();
        let own = loaded(variant, AddressFamily::Ipv4, &[&script]).remove(&NatEnd::Early).unwrap();
        let taken = begun.elapsed();
        assert_eq!(Some(&own.rules), rules(&allowlists, AddressFamily::Ipv4).as_ref());
        let begun = std::time::Instant::now();
        let reach = own.rules.reach(143, IncomingInterface::Other, ConnectionStage::Opening);
        assert_eq!(reach.accepted.of_family(AddressFamily::Ipv4), many(10_000));
        crate::support::covered(&format!(
            "10,000 networks in iptables-{variant}: loaded, listed and read {taken:?}, evaluated {:?}",
            begun.elapsed()
        ));
    }
}

/// As iptables 1.3.5 of CentOS 5 prints it.
const OLD: &str = "\
# Generated by iptables-save v1.3.5 on Tue Nov  3 10:00:00 2009
*raw
:PREROUTING ACCEPT [1234:567890]
:OUTPUT ACCEPT [1:2]
:MAILWARD - [0:0]
:MAILWARD-imap - [0:0]
:MAILWARD-own - [0:0]
-A PREROUTING -j MAILWARD 
-A MAILWARD -i lo -j RETURN 
-A MAILWARD -p tcp -m tcp --dport 143 --tcp-flags FIN,SYN,RST,ACK SYN -j MAILWARD-imap 
-A MAILWARD -p tcp -m tcp --dport 993 -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j MAILWARD-imap 
-A MAILWARD -p tcp -m tcp --dport 587 --tcp-flags FIN,SYN,RST,ACK SYN -j DROP 
-A MAILWARD-imap -s 203.0.113.0/255.255.255.0 -j RETURN 
-A MAILWARD-imap -s 198.51.100.7 -j RETURN 
-A MAILWARD-imap -j DROP 
-A MAILWARD-own -j RETURN 
COMMIT
# Completed on Tue Nov  3 10:00:00 2009
*filter
:INPUT DROP [5:300]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:fail2ban-SSH - [0:0]
[12:345] -A INPUT -p tcp -m tcp --dport 22 -j fail2ban-SSH 
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT 
-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m state --state NEW -j REJECT --reject-with tcp-reset 
-A INPUT -m state --state INVALID -j DROP 
-A INPUT -i lo -j ACCEPT 
-A INPUT -s ! 10.0.0.0/255.0.0.0 -p tcp -m tcp --dport 3306 -j DROP 
-A INPUT -p tcp -m tcp --dport ! 1:1024 -j ACCEPT 
-A INPUT -p tcp -m multiport --dports 25,110:143 -m comment --comment \"mail \\\"all\\\"\" -j ACCEPT 
-A INPUT -p udp -m udp --dport 53 -j ACCEPT 
-A INPUT -m recent --rcheck --seconds 60 --name x -j ACCEPT 
-A INPUT -p tcp -m tcp --dport 80 -j NFQUEUE --queue-num 1 
-A INPUT -d 192.0.2.1 -p tcp -j ACCEPT 
-A INPUT -j DROP 
-A fail2ban-SSH -s 198.51.100.66 -j DROP 
-A fail2ban-SSH -j RETURN 
COMMIT
";

#[test]
fn chains_are_known_by_their_mark_and_without_one_by_what_a_version_before_made() {
    let mark = |text: &str| {
        let saved = parse(AddressFamily::Ipv4, text).unwrap();
        saved.own(NatEnd::Early).map(|own| own.mark)
    };
    assert_eq!(mark(OLD), Some(ChainOwnership::Own));
    let unmarked: String =
        (OLD.lines()).filter(|line| !line.contains("MAILWARD-own")).map(|line| format!("{line}\n")).collect();
    assert_eq!(mark(&unmarked), Some(ChainOwnership::Former));
    // What that version left when it took a change back.
    let idle = "*raw\n:MAILWARD - [0:0]\n-A PREROUTING -j MAILWARD\nCOMMIT\n";
    assert_eq!(mark(idle), Some(ChainOwnership::Former));
    for (from, to) in [
        ("-A MAILWARD -i lo -j RETURN \n", ""),
        ("--dport 587 --tcp", "--dport 2525 --tcp"),
        ("SYN -j DROP", "SYN -j ACCEPT"),
        ("-A MAILWARD-imap -j DROP", "-A MAILWARD-imap -j ACCEPT"),
        ("MAILWARD-imap", "MAILWARD-theirs"),
    ] {
        assert!(unmarked.contains(from), "{from}");
        let theirs = unmarked.replace(from, to);
        assert_eq!(mark(&theirs), Some(ChainOwnership::NameAlone), "{from} -> {to}");
    }
    let alone = "*raw\n:MAILWARD - [0:0]\nCOMMIT\n";
    assert_eq!(mark(alone), Some(ChainOwnership::NameAlone));
    assert_eq!(mark("*raw\n:OTHER - [0:0]\nCOMMIT\n"), None);
}

#[test]
fn the_spelling_of_1_3_5_is_read() {
    let saved = parse(AddressFamily::Ipv4, OLD).unwrap();
    let own = saved.own(NatEnd::Early).unwrap();
    let expected = [
        allowlist(MailService::Imap, AllowedSources::Only(networks(&["203.0.113.0/24", "198.51.100.7"]))),
        allowlist(MailService::Submission, AllowedSources::Nobody),
    ];
    assert_eq!(Some(&own.rules), rules(&expected, AddressFamily::Ipv4).as_ref());
    let input = saved.hook("filter", "INPUT");
    let decide = |rules: &RuleSet, source: &str, port, interface, stage| {
        let source = source.parse().unwrap();
        let packet = TcpPacket { source, port, interface, stage };
        rules.decide(&packet).verdict
    };
    let new = |source, port| decide(&input, source, port, IncomingInterface::Other, ConnectionStage::Opening);
    assert_eq!(new("198.51.100.66", 22), ChainPolicy::Drop);
    assert_eq!(new("192.0.2.1", 3306), ChainPolicy::Drop);
    assert_eq!(new("10.1.2.3", 3306), ChainPolicy::Accept);
    assert_eq!(new("192.0.2.1", 25), ChainPolicy::Accept);
    assert_eq!(new("192.0.2.1", 143), ChainPolicy::Accept);
    // What `recent` and the queue do cannot be told.
    assert_eq!(new("192.0.2.1", 22), ChainPolicy::Unknown);
    assert_eq!(new("192.0.2.1", 80), ChainPolicy::Unknown);
    let established = decide(&input, "192.0.2.1", 80, IncomingInterface::Other, ConnectionStage::Established);
    assert_eq!(established, ChainPolicy::Accept);
    let local = decide(&input, "127.0.0.1", 80, IncomingInterface::Loopback, ConnectionStage::Opening);
    assert_eq!(local, ChainPolicy::Accept);
    // A table that is not loaded lets everything pass.
    let mangle = saved.hook("mangle", "INPUT");
    assert_eq!(
        decide(&mangle, "192.0.2.1", 80, IncomingInterface::Other, ConnectionStage::Opening),
        ChainPolicy::Accept
    );
    assert_eq!(
        saved
            .hook("raw", "PREROUTING")
            .reach(143, IncomingInterface::Other, ConnectionStage::Opening)
            .accepted,
        networks(&["203.0.113.0/24", "198.51.100.7"]).union(&Networks::all_of(AddressFamily::Ipv6))
    );
}

#[test]
fn output_that_is_cut_or_no_rules_is_an_error() {
    let cut = &OLD[..OLD.len() / 2];
    assert!(matches!(
        parse(AddressFamily::Ipv4, cut),
        Err(IptablesError::Cut { .. } | IptablesError::Line { .. })
    ));
    for bad in ["sh: iptables-save: not found\n", "-A INPUT -j DROP\n", "*raw\n-A X \"\nCOMMIT\n"] {
        let result = parse(AddressFamily::Ipv4, bad);
        assert!(matches!(result, Err(IptablesError::Line { .. })), "{bad}: {result:?}");
    }
    // Rules that only nft can show.
    let text = "# Table `filter' is incompatible, use 'nft' tool.\n";
    let input = parse(AddressFamily::Ipv4, text).unwrap().hook("filter", "INPUT");
    let packet = TcpPacket::opening("192.0.2.1".parse().unwrap(), 25);
    assert_eq!(input.decide(&packet).verdict, ChainPolicy::Unknown);
}

#[test]
fn a_jump_that_is_not_ours_is_counted_and_what_comes_before_ours_is_shown() {
    let text = "*raw\n:PREROUTING ACCEPT [0:0]\n:MAILWARD - [0:0]\n:mine - [0:0]\n\
        -A PREROUTING -s 203.0.113.0/24 -j ACCEPT\n-A PREROUTING -j MAILWARD\n-A mine -j MAILWARD\nCOMMIT\n";
    let own = parse(AddressFamily::Ipv4, text).unwrap().own(NatEnd::Early).unwrap();
    assert_eq!((own.present.jumps, own.foreign), (1, 1));
    assert_eq!(own.before.len(), 1);
}

#[test]
fn a_jump_behind_other_rules_is_put_in_front_of_them() {
    let allowlists = [allowlist(MailService::Imap, AllowedSources::Nobody)];
    let saved = "*raw\n:PREROUTING ACCEPT [0:0]\n:MAILWARD - [0:0]\n\
        -A PREROUTING -p tcp -m tcp --dport 143 -j ACCEPT\n-A PREROUTING -j MAILWARD\nCOMMIT\n";
    let own = parse(AddressFamily::Ipv4, saved).unwrap().own(NatEnd::Early).unwrap();
    let script = |present: PresentAtEnd| {
        replacement(&allowlists, AddressFamily::Ipv4, NatEnds::Both, &early(&present))
            .expect("something to do")
    };
    let moved = script(own.present.clone());
    let jumps: Vec<_> = (moved.lines().filter(|line| line.contains("PREROUTING"))).collect();
    assert_eq!(jumps, ["-D PREROUTING -j MAILWARD", "-I PREROUTING -j MAILWARD"]);
    // Brought back, the jump stays where it is: it does no harm there.
    let back = revert(saved, &early(&own.present), Some(&moved));
    assert!(!back.contains("PREROUTING"), "{back}");
    let alone = PresentAtEnd { place: JumpPlace::First, ..own.present };
    assert!(!script(alone).contains("PREROUTING"));
}

#[test]
fn chains_that_nothing_led_to_are_not_put_in_force_by_taking_a_change_back() {
    let allowlists = [allowlist(MailService::Imap, AllowedSources::Nobody)];
    let saved = "*raw\n:PREROUTING ACCEPT [0:0]\n:MAILWARD - [0:0]\n\
        -A MAILWARD -p tcp -m tcp --dport 110 -j DROP\nCOMMIT\n";
    let own = parse(AddressFamily::Ipv4, saved).unwrap().own(NatEnd::Early).unwrap();
    assert_eq!(own.present.jumps, 0);
    let change = replacement(&allowlists, AddressFamily::Ipv4, NatEnds::Both, &early(&own.present)).unwrap();
    assert!(change.contains("-I PREROUTING -j MAILWARD"), "{change}");
    let back = revert(saved, &early(&own.present), Some(&change));
    assert!(!back.contains("DROP"), "{back}");
    assert!(back.contains(":MAILWARD - [0:0]"), "{back}");
    let hooked = saved.replace("COMMIT", "-A PREROUTING -j MAILWARD\nCOMMIT");
    let own = parse(AddressFamily::Ipv4, &hooked).unwrap().own(NatEnd::Early).unwrap();
    let change = replacement(&allowlists, AddressFamily::Ipv4, NatEnds::Both, &early(&own.present)).unwrap();
    assert!(revert(&hooked, &early(&own.present), Some(&change)).contains("--dport 110 -j DROP"));
}

/// As a version before made them: at one end, in `raw`.
const FORMER: &str = "*raw\n:MAILWARD - [0:0]\n:MAILWARD-imap - [0:0]\n-I PREROUTING -j MAILWARD\n-A MAILWARD -i lo -j RETURN\n\
    -A MAILWARD -p tcp -m tcp --dport 143 --tcp-flags FIN,SYN,RST,ACK SYN -m addrtype --dst-type LOCAL -j MAILWARD-imap\n\
    -A MAILWARD-imap -s 198.51.100.7/32 -j RETURN\n-A MAILWARD-imap -j DROP\nCOMMIT\n";

#[test]
fn chains_of_a_version_before_are_replaced_by_those_of_both_ends_and_given_back() {
    if !netns::available("replacing the chains of a version before") {
        return;
    }
    let allowlists = [allowlist(MailService::Pop3, AllowedSources::Nobody)];
    for variant in VARIANTS {
        let program = format!("iptables-{variant}");
        let restore = format!("{program}-restore --noflush");
        let save = format!("{program}-save -t raw; {program}-save -t mangle");
        for ends in NatEnds::ALL {
            let saved = netns::printed(&format!("{restore} <\"$1\"; {save}"), &[FORMER]);
            let there = present(&loaded(variant, AddressFamily::Ipv4, &[FORMER]));
            let change = replacement(&allowlists, AddressFamily::Ipv4, ends, &there).unwrap();
            let back = revert(&saved, &there, Some(&change));
            let script = format!("{restore} <\"$1\"; {restore} <\"$2\"; {restore} <\"$3\"; {save}");
            let after = netns::printed(&script, &[FORMER, &change, &back]);
            let count = |text: &str| text.matches("-A PREROUTING -j MAILWARD\n").count();
            assert_eq!((count(&saved), count(&after)), (1, 1), "{after}");
            for end in NatEnd::ALL {
                assert_eq!(own_lines(&after, end), own_lines(&saved, end), "{after}");
            }
        }
    }
}
