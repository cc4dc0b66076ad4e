//! The list of Plesk's firewall: its spellings, its predefined rules, what is refused, and what it does.

use mailward::firewall::PortAllowlist;
use mailward::firewall::plesk::{
    PleskListError, PleskListRefusal, PleskRuleAction, RuleAmbiguity, find, parse, plan, rules,
};
use mailward::firewall::rules::{ChainPolicy, ConnectionStage, IncomingInterface, TcpPacket};
use mailward::model::{AllowedSources, MailService, Networks};
use serde_json::{Value, json};

use super::nft::{allowlist, networks};

/// A list as Plesk has it after its installation, in the order in which its script writes it.
fn installed() -> Vec<Value> {
    let rule = |id: u32, class: &str, ports: &str| json!({ "id": id, "class": class, "direction": "input", "action": "allow", "ports": ports, "from": "" });
    vec![
        rule(1030, "plesk", "8443/tcp,8880/tcp"),
        rule(1031, "plesk_http3", "8443/udp"),
        rule(1033, "ftp", "21/tcp"),
        rule(1034, "ssh", "22/tcp"),
        rule(1035, "submission", "587/tcp"),
        rule(1036, "smtp", "25/tcp,465/tcp"),
        rule(1037, "pop3", "110/tcp,995/tcp"),
        rule(1038, "imap", "143/tcp,993/tcp"),
        rule(1039, "poppassd", "106/tcp"),
        rule(1040, "mysql", "3306/tcp"),
        json!({ "id": 1050, "class": "policy_input", "direction": "input", "action": "deny", "ports": "", "from": "" }),
        json!({ "id": 1051, "class": "policy_output", "direction": "output", "action": "allow", "ports": "", "from": "" }),
    ]
}

fn read(list: &[Value]) -> Vec<mailward::firewall::plesk::PleskRule> {
    parse(Value::from(list.to_vec()).to_string().as_bytes()).unwrap()
}

fn only(service: MailService, texts: &[&str]) -> PortAllowlist {
    allowlist(service, AllowedSources::Only(networks(texts)))
}

fn change(list: &mut [Value], id: u32, key: &str, value: Value) {
    let rule = list.iter_mut().find(|rule| rule["id"] == id).unwrap();
    rule[key] = value;
}

#[test]
fn all_spellings_are_the_same_list() {
    let list = read(&installed());
    let as_lists: Vec<Value> = installed()
        .into_iter()
        .map(|rule| {
            let split = |text: &Value| -> Value {
                text.as_str().unwrap().split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
            };
            json!({
                "ID": rule["id"].to_string(),
                "Type": "service",
                "class": rule["class"],
                "direction": rule["direction"],
                "action": rule["action"],
                "ports": split(&rule["ports"]),
                "remote-addresses": split(&rule["from"]),
            })
        })
        .collect();
    assert_eq!(read(&as_lists), list);
    let wrapped = json!({ "status": "success", "data": { "rules": installed(), "isModified": false } });
    assert_eq!(parse(wrapped.to_string().as_bytes()).unwrap(), list);
}

#[test]
fn what_is_no_list_is_an_error_and_nothing_is_guessed() {
    assert!(matches!(parse(b"Firewall is disabled"), Err(PleskListError::Json(_))));
    assert!(matches!(parse(b"{}"), Err(PleskListError::Shape)));
    for (key, value) in [
        ("id", json!("7; reboot")),
        ("id", json!(null)),
        ("direction", json!("sideways")),
        ("action", json!("maybe")),
        ("ports", json!(587)),
        ("from", json!({ "a": 1 })),
    ] {
        let mut list = installed();
        change(&mut list, 1035, key, value);
        let result = parse(Value::from(list).to_string().as_bytes());
        assert!(
            matches!(result, Err(PleskListError::Rule { number: 5, key: told }) if told == key),
            "{key}: {result:?}"
        );
    }
    let mut list = installed();
    change(&mut list, 1035, "id", json!(1036));
    assert!(matches!(parse(Value::from(list).to_string().as_bytes()), Err(PleskListError::Twice(_))));
}

#[test]
fn the_predefined_rule_itself_is_changed_and_all_else_stays() {
    let list = read(&installed());
    let allowlists = [
        only(MailService::Imap, &["203.0.113.0/24", "2001:db8:51::/48"]),
        allowlist(MailService::Pop3, AllowedSources::Nobody),
        allowlist(MailService::Smtp, AllowedSources::Anyone),
    ];
    let planned = plan(&list, &allowlists).unwrap();
    let changes: Vec<(&str, PleskRuleAction, Option<Networks>)> = planned
        .changes
        .iter()
        .map(|change| (change.id.as_str(), change.action, change.from.clone()))
        .collect();
    assert_eq!(
        changes,
        [
            ("1038", PleskRuleAction::Allow, Some(networks(&["203.0.113.0/24", "2001:db8:51::/48"]))),
            ("1037", PleskRuleAction::Deny, None),
        ]
    );
    for (before, after) in list.iter().zip(&planned.list) {
        assert!(before == after || ["1037", "1038"].contains(&before.id.as_str()));
    }
    // The list as it will be is as wanted, and another plan has nothing to do.
    assert_eq!(plan(&planned.list, &allowlists).unwrap().changes, []);
    let rules = rules(&planned.list);
    let verdict =
        |source: &str, port| rules.decide(&TcpPacket::opening(source.parse().unwrap(), port)).verdict;
    assert_eq!(verdict("203.0.113.9", 993), ChainPolicy::Accept);
    assert_eq!(verdict("198.51.100.7", 993), ChainPolicy::Drop);
    assert_eq!(verdict("2001:db8:52::1", 143), ChainPolicy::Drop);
    assert_eq!(verdict("203.0.113.9", 110), ChainPolicy::Drop);
    assert_eq!(verdict("198.51.100.7", 25), ChainPolicy::Accept);
    assert_eq!(verdict("198.51.100.7", 22), ChainPolicy::Accept);
    assert_eq!(verdict("198.51.100.7", 4190), ChainPolicy::Drop);
    let local = rules.reach(143, IncomingInterface::Loopback, ConnectionStage::Opening);
    assert_eq!(local.accepted, Networks::everything());
    let open = rules.reach(110, IncomingInterface::Other, ConnectionStage::Established);
    assert_eq!(open.accepted, Networks::everything());
}

#[test]
fn an_empty_list_of_sources_is_never_sent() {
    let mut list = installed();
    change(&mut list, 1038, "from", json!("203.0.113.0/24"));
    let list = read(&list);
    for (allowed, action) in [
        (AllowedSources::Nobody, PleskRuleAction::Deny),
        (AllowedSources::Anyone, PleskRuleAction::Allow),
        (AllowedSources::Only(Networks::default()), PleskRuleAction::Deny),
    ] {
        let allowlists = [allowlist(MailService::Imap, allowed)];
        let planned = plan(&list, &allowlists).unwrap();
        let [change] = planned.changes.as_slice() else {
            panic!("{planned:?}");
        };
        assert_eq!(change.action, action);
        assert_eq!(change.from, Some(Networks::everything()));
        assert_eq!(plan(&planned.list, &allowlists).unwrap().changes, []);
    }
}

#[test]
fn sources_are_compared_as_sets() {
    let mut list = installed();
    change(&mut list, 1038, "from", json!("203.0.113.128/25,198.51.100.7/32, 203.0.113.0/25"));
    let allowlists = [only(MailService::Imap, &["198.51.100.7", "203.0.113.0/24"])];
    assert_eq!(plan(&read(&list), &allowlists).unwrap().changes, []);
}

fn ambiguity(list: &[Value]) -> RuleAmbiguity {
    find(&read(list), MailService::Imap).unwrap_err()
}

#[test]
fn a_rule_that_is_not_certain_is_refused_with_its_reason() {
    let mut list = installed();
    change(&mut list, 1038, "ports", json!("143/tcp,993/tcp,4190/tcp"));
    assert!(matches!(ambiguity(&list), RuleAmbiguity::OtherPorts { .. }));
    change(&mut list, 1038, "class", json!("mail_retrieval"));
    assert!(matches!(ambiguity(&list), RuleAmbiguity::None { .. }));
    let mut list = installed();
    change(&mut list, 1038, "class", json!("custom"));
    assert!(matches!(ambiguity(&list), RuleAmbiguity::None { .. }));
    let mut list = installed();
    change(&mut list, 1038, "class", json!("ssh"));
    assert!(matches!(ambiguity(&list), RuleAmbiguity::OtherClass { .. }));
    let mut list = installed();
    list.push(json!({ "id": 9, "class": "imap", "direction": "input", "action": "allow", "ports": "993/tcp,143/tcp" }));
    assert!(matches!(ambiguity(&list), RuleAmbiguity::Several { .. }));
    let mut list = installed();
    change(&mut list, 1038, "to", json!("192.0.2.1"));
    assert!(matches!(ambiguity(&list), RuleAmbiguity::Unknown { .. }));
    let mut list = installed();
    for rule in &mut list {
        rule.as_object_mut().unwrap().remove("class");
    }
    assert!(matches!(ambiguity(&list), RuleAmbiguity::NoClasses));
    // The vendor's words for classes are not documented: one that says nothing is taken by its ports.
    let mut list = installed();
    change(&mut list, 1038, "class", json!("mail_retrieval_2"));
    assert_eq!(find(&read(&list), MailService::Imap).unwrap(), 7);
}

#[test]
fn a_rule_above_that_opens_the_same_port_is_refused() {
    for (rule, overrides) in [
        (json!({ "action": "allow", "ports": "993/tcp", "from": "" }), true),
        (json!({ "action": "allow", "ports": "", "from": "198.51.100.0/24" }), true),
        (json!({ "action": "deny", "ports": "143/tcp", "from": "203.0.113.9" }), true),
        (json!({ "action": "allow", "ports": "100-200/tcp", "from": "JP" }), true),
        (json!({ "action": "allow", "ports": "993/udp", "from": "" }), false),
        (json!({ "action": "allow", "ports": "993/tcp", "from": "203.0.113.9" }), false),
        (json!({ "action": "deny", "ports": "80/tcp", "from": "" }), false),
    ] {
        let mut list = installed();
        let mut above = rule.clone();
        above["id"] = json!(5);
        above["class"] = json!("custom");
        above["direction"] = json!("input");
        list.insert(0, above);
        let allowlists = [only(MailService::Imap, &["203.0.113.0/24", "2001:db8::/32"])];
        let result = plan(&read(&list), &allowlists);
        match result {
            Ok(_) => assert!(!overrides, "{rule}"),
            Err(refusals) => {
                assert!(overrides, "{rule}: {refusals:?}");
                assert!(matches!(refusals.as_slice(), [PleskListRefusal::Overridden { .. }]));
            }
        }
    }
}

#[test]
fn a_predefined_rule_without_ports_is_not_taken_for_one_about_all_ports() {
    let mut list = installed();
    let ping =
        json!({ "id": 6, "class": "ping", "direction": "input", "action": "allow", "ports": "", "from": "" });
    list.insert(10, ping);
    let allowlists = [only(MailService::Imap, &["203.0.113.0/24", "2001:db8::/32"])];
    let rules = rules(&plan(&read(&list), &allowlists).unwrap().list);
    let verdict = |port| rules.decide(&TcpPacket::opening("198.51.100.7".parse().unwrap(), port)).verdict;
    assert_eq!(verdict(143), ChainPolicy::Drop);
    assert_eq!(verdict(22), ChainPolicy::Accept);
    assert_eq!(verdict(4190), ChainPolicy::Unknown);
    let port = json!("smtp");
    change(&mut list, 1033, "ports", port);
    let rules = mailward::firewall::plesk::rules(&read(&list));
    let packet = TcpPacket::opening("198.51.100.7".parse().unwrap(), 4190);
    assert_eq!(rules.decide(&packet).verdict, ChainPolicy::Unknown);
}

#[test]
fn smtps_apart_is_refused() {
    let allowlists = [only(MailService::Smtps, &["203.0.113.0/24"])];
    assert_eq!(plan(&read(&installed()), &allowlists), Err(vec![PleskListRefusal::SmtpsApart]));
}

#[test]
fn what_ipv6_does_beside_ipv4_sources_alone_is_not_claimed() {
    let allowlists = [only(MailService::Imap, &["203.0.113.0/24"])];
    let planned = plan(&read(&installed()), &allowlists).unwrap();
    let decide = |policy: Value| {
        let mut list = installed();
        change(&mut list, 1050, "action", policy);
        change(&mut list, 1038, "from", json!("203.0.113.0/24"));
        let packet = TcpPacket::opening("2001:db8::1".parse().unwrap(), 993);
        rules(&read(&list)).decide(&packet).verdict
    };
    // Either way closed, or not to be told.
    assert_eq!(decide(json!("deny")), ChainPolicy::Drop);
    assert_eq!(decide(json!("allow")), ChainPolicy::Unknown);
    assert_eq!(planned.changes.len(), 1);
}

#[test]
fn ten_thousand_sources_are_planned_at_once() {
    let many = super::nft::many(10_000);
    let begun = std::time::Instant::now();
    let allowlists = [allowlist(MailService::Imap, AllowedSources::Only(many.clone()))];
    let planned = plan(&read(&installed()), &allowlists).unwrap();
    assert_eq!(planned.changes[0].from.as_ref(), Some(&many));
    crate::support::covered(&format!("10,000 networks in Plesk's list: planned in {:?}", begun.elapsed()));
}
