//! What xinetd makes of its files, shown by small ones: the rules, one by one. The real daemon judges them
//! elsewhere.

use mailward::edit::xinetd::{
    FilePosition, FileTree, ProblemEffect, ServiceEntry, ServiceState, TreeEntry, ValueSource, WantedPath,
    XinetdConfig, XinetdProblemKind,
};
use mailward::model::{ConnectionLimit, HostPath};

const NEEDED: &str = " type = UNLISTED\n socket_type = stream\n protocol = tcp\n wait = no\n user = root\n server = /bin/cat\n port = 25\n";

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

/// Reads files given by path, the first being the main one; folders are those that the files are in.
fn read(files: &[(&str, &str)]) -> XinetdConfig {
    let mut tree = FileTree::default();
    for (name, text) in files {
        let name = path(name);
        if let Some(folder) = name.parent() {
            let names = tree.dirs.entry(folder).or_insert_with(|| Some(Vec::new()));
            names.as_mut().unwrap().push(name.name().as_bytes().to_vec());
        }
        tree.files.insert(name, TreeEntry::File(text.as_bytes().to_vec()));
    }
    XinetdConfig::read(&path(files[0].0), &tree)
}

/// The one service `smtp` with these lines on line 3 and on.
fn smtp(lines: &str) -> (ServiceEntry, XinetdConfig) {
    let mut config = read(&[("/x", &format!("service smtp\n{{\n{lines}{NEEDED}}}\n"))]);
    (config.services.remove(0), config)
}

fn kinds(config: &XinetdConfig) -> Vec<(u32, XinetdProblemKind)> {
    config.problems.iter().map(|problem| (problem.spot.line, problem.kind.clone())).collect()
}

#[track_caller]
fn value_of(line: &str) -> ConnectionLimit {
    let (service, _) = smtp(&format!("{line}\n"));
    assert_eq!(service.state, ServiceState::Offered);
    service.per_source.value
}

#[test]
fn the_first_line_wins_and_the_second_is_reported() {
    let (service, config) = smtp(" per_source = 4\n per_source = 5\n");
    assert_eq!(service.per_source.value, ConnectionLimit::Number(4));
    let at = FilePosition { path: path("/x"), line: 3 };
    assert_eq!(service.per_source.from, ValueSource::Own(at));
    assert_eq!(kinds(&config), [(4, XinetdProblemKind::AlreadySet)]);
}

#[test]
fn a_comment_behind_a_value_puts_the_line_out_of_force() {
    let (service, config) = smtp(" per_source = 10 # per ticket\n");
    assert_eq!(service.per_source.from, ValueSource::BuiltIn);
    let kind = XinetdProblemKind::WrongValueCount { expected: 1, found: 4, comment: true };
    assert_eq!(kinds(&config), [(3, kind.clone())]);
    assert_eq!(
        kind.to_string(),
        "xinetd ignores this line: it takes 1 value, not 4; it has no comments behind values"
    );
    assert_eq!((config.problems[0].spot.column, config.problems[0].spot.width), (15, 15));
}

#[test]
fn numbers_are_read_as_c_reads_them() {
    assert_eq!(value_of(" per_source = 010"), ConnectionLimit::Number(10));
    assert_eq!(value_of(" per_source = +10"), ConnectionLimit::Number(10));
    assert_eq!(value_of(" PER_SOURCE = unlimited"), ConnectionLimit::Unlimited);
    assert_eq!(value_of(" per_source = 5\r"), ConnectionLimit::Number(5));
    assert_eq!(value_of(" per_source = 4294967297"), ConnectionLimit::Number(1));
    // Nothing converted, nothing left over: C's 0.
    assert_eq!(value_of(" per_source = \r"), ConnectionLimit::Number(0));
    for bad in ["-1", "0x10", "10abc", "\"2\"", "abc", "2147483648", "9223372036854775808"] {
        let (service, config) = smtp(&format!(" per_source = {bad}\n"));
        assert_eq!(service.state, ServiceState::Dropped(XinetdProblemKind::BadValue), "{bad}");
        assert_eq!(config.problems[0].kind.effect(), ProblemEffect::ServiceDropped);
    }
    let (service, config) = smtp(" instances = 99999999999\n");
    assert_eq!(service.instances.value, ConnectionLimit::Number(1_215_752_191));
    assert!(matches!(&kinds(&config)[..], [(3, XinetdProblemKind::Wraps { kept })] if kept == "1215752191"));
}

#[test]
fn disable_no_takes_a_bad_values_verdict_back() {
    let (service, _) = smtp(" per_source = abc\n disable = no\n");
    assert_eq!(service.state, ServiceState::Offered);
    let (service, _) = smtp(" disable = no\n per_source = abc\n");
    assert_eq!(service.state, ServiceState::Dropped(XinetdProblemKind::BadValue));
}

#[test]
fn a_missing_space_or_a_missing_brace_costs_the_block() {
    let (service, _) = smtp(" per_source=4\n");
    let why = XinetdProblemKind::NoSpaceBeforeOperator;
    assert_eq!(service.state, ServiceState::Dropped(why));
    let config = read(&[(
        "/x",
        &format!("service a\n{{\n{NEEDED}}} # end\nservice b\n{{\n{NEEDED}}}\nservice c {{\n}}\n"),
    )]);
    let states: Vec<_> = config.services.into_iter().map(|s| (s.name, s.state)).collect();
    assert_eq!(
        states,
        [
            ("a".to_owned(), ServiceState::Dropped(XinetdProblemKind::BadOperator)),
            ("b".to_owned(), ServiceState::Dropped(XinetdProblemKind::Swallowed)),
            ("c".to_owned(), ServiceState::Dropped(XinetdProblemKind::MissingBrace)),
        ]
    );
}

#[test]
fn a_bare_word_at_the_end_of_a_file_makes_nothing_certain() {
    let config = read(&[("/x", "service a\n{\n per_source\n}\n")]);
    assert!(config.is_unforeseeable());
}

#[test]
fn defaults_of_all_files_are_one_and_a_bad_number_in_them_ends_the_daemon() {
    let config = read(&[
        ("/x", "include /y\ndefaults\n{\n per_source = 4\n cps = 1 2\n}\ndefaults\n{\n}\n"),
        ("/y", "defaults\n{\n per_source = 3\n}\n"),
    ]);
    let per_source = config.defaults.per_source().unwrap();
    assert_eq!(per_source.value, ConnectionLimit::Number(3));
    assert_eq!(per_source.at().unwrap().path, path("/y"));
    assert_eq!(config.defaults.cps().unwrap().value.to_string(), "1 2");
    assert_eq!(kinds(&config), [(4, XinetdProblemKind::AlreadySet), (7, XinetdProblemKind::SecondDefaults)]);
    let bad = read(&[("/x", "defaults\n{\n per_source = abc\n}\n")]);
    assert!(bad.daemon_exits());
    // An ignored line does no harm, whatever its value.
    let set = read(&[("/x", "defaults\n{\n per_source = 4\n per_source = abc\n}\n")]);
    assert!(!set.daemon_exits());
}

#[test]
fn a_service_has_its_own_limits_then_those_of_defaults_wherever_they_stand() {
    let text = format!(
        "service smtp\n{{\n instances = 3\n{NEEDED}}}\ndefaults\n{{\n per_source = 7\n instances = 8\n}}\n"
    );
    let config = read(&[("/x", &text)]);
    let service = &config.services[0];
    assert_eq!(service.instances.value, ConnectionLimit::Number(3));
    assert_eq!(service.per_source.value, ConnectionLimit::Number(7));
    assert!(matches!(&service.per_source.from, ValueSource::Defaults(at) if at.line == 14));
    assert_eq!(service.cps.value.to_string(), "50 10");
    assert_eq!(service.attribute("user").unwrap().values, [b"root"]);
}

#[test]
fn a_folder_is_read_in_byte_order_without_names_with_a_dot_or_a_final_tilde() {
    let service = |name: &str, port: &str| format!("service {name}\n{{\n{}}}\n", NEEDED.replace("25", port));
    let config = read(&[
        ("/x", "includedir /d/\n"),
        ("/d/smtp", &service("smtp", "25")),
        ("/d/a.org", &service("a", "26")),
        ("/d/b~", &service("b", "27")),
        ("/d/Z", &service("z", "25")),
        ("/d/#c#", &service("c", "28")),
    ]);
    let read_files: Vec<&str> = config.files.iter().map(HostPath::as_str).collect();
    assert_eq!(read_files, ["/x", "/d/#c#", "/d/Z", "/d/smtp"]);
    let states: Vec<_> = config.services.iter().map(|s| (s.name.as_str(), &s.state)).collect();
    let duplicate = ServiceState::Dropped(XinetdProblemKind::Duplicate);
    assert_eq!(states, [("c", &ServiceState::Offered), ("z", &ServiceState::Offered), ("smtp", &duplicate)]);
    let skipped = config.problems.iter().filter(|p| p.kind == XinetdProblemKind::NameSkipped);
    assert_eq!(skipped.count(), 2);
}

#[test]
fn a_port_that_an_earlier_service_may_have_is_not_surely_the_later_ones() {
    // Builds without labelled networking offer the first one.
    let labelled = format!("service a\n{{\n flags = LABELED\n redirect = 127.0.0.1 26\n{NEEDED}}}\n");
    let doubted = |config: &XinetdConfig| {
        let doubt = |p: &mailward::edit::xinetd::XinetdProblem| {
            p.kind == XinetdProblemKind::Unclear(mailward::edit::xinetd::XinetdDoubt::Earlier)
        };
        config.services[1].doubts.iter().any(doubt)
    };
    let same = format!("{labelled}service b\n{{\n{NEEDED}}}\n");
    assert!(doubted(&read(&[("/x", &same)])));
    let other = format!("{labelled}service b\n{{\n{}}}\n", NEEDED.replace("25", "27"));
    assert!(!doubted(&read(&[("/x", &other)])));
}

#[test]
fn what_the_tree_lacks_is_asked_for() {
    let mut tree = FileTree::default();
    let main = path("/etc/xinetd.conf");
    assert_eq!(XinetdConfig::read(&main, &tree).wanted, [WantedPath::File(main.clone())]);
    let text = "includedir /etc//xinetd.d/\ninclude /etc/more\ninclude relative\ninclude /a/../b\n";
    tree.files.insert(main.clone(), TreeEntry::File(text.into()));
    let config = XinetdConfig::read(&main, &tree);
    let wanted = [WantedPath::File(path("/etc/more")), WantedPath::Dir(path("/etc/xinetd.d"))];
    assert_eq!(config.wanted, wanted);
    assert_eq!(kinds(&config), [(3, XinetdProblemKind::IncludePath), (4, XinetdProblemKind::IncludePath)]);
    tree.files.insert(path("/etc/more"), TreeEntry::Missing);
    tree.dirs.insert(path("/etc/xinetd.d"), Some(vec![b"smtp".to_vec()]));
    let config = XinetdConfig::read(&main, &tree);
    assert_eq!(config.wanted, [WantedPath::Dir(path("/etc/xinetd.d"))]);
    tree.files.insert(path("/etc/xinetd.d/smtp"), TreeEntry::NotRegular);
    assert_eq!(XinetdConfig::read(&main, &tree).wanted, []);
}

#[test]
fn a_file_that_includes_itself_ends() {
    let config = read(&[("/x", "include /y\n"), ("/y", "include /x\ninclude /y\n")]);
    let loops = config.problems.iter().filter(|p| p.kind == XinetdProblemKind::IncludeLoop);
    assert_eq!(loops.count(), 2);
    let many = "include /y\n".repeat(1000);
    let config = read(&[("/x", &many), ("/y", &many.replace('y', "z")), ("/z", "include /w\n")]);
    assert!(config.files.len() <= 20_000);
}

#[test]
fn disabled_and_enabled_go_by_id() {
    let text = |defaults: &str| {
        let service = |name: &str, lines: &str, port: &str| {
            format!("service {name}\n{{\n{lines}{}}}\n", NEEDED.replace("25", port))
        };
        format!("defaults\n{{\n{defaults}\n}}\n")
            + &service("a", " id = One\n", "1")
            + &service("b", "", "2")
            + &service("c", " disable = yes\n", "3")
    };
    let offered = |defaults: &str| -> Vec<String> {
        let config = read(&[("/x", &text(defaults))]);
        config
            .services
            .into_iter()
            .filter(|service| service.state == ServiceState::Offered)
            .map(|service| service.id)
            .collect()
    };
    assert_eq!(offered(""), ["One", "b"]);
    assert_eq!(offered("disabled = one"), ["b"]);
    assert_eq!(offered("disabled = a"), ["One", "b"]);
    assert_eq!(offered("enabled = B c"), ["b"]);
    assert_eq!(offered("enabled ="), [] as [&str; 0]);
    // Even this adds.
    assert_eq!(offered("disabled -= b"), ["One"]);
}

#[test]
fn every_problem_has_a_sentence_for_the_administrator() {
    for kind in [
        XinetdProblemKind::UnknownAttribute,
        XinetdProblemKind::BadDefault,
        XinetdProblemKind::Unpredictable,
        XinetdProblemKind::MissingAttribute { name: "server" },
    ] {
        let text = kind.to_string();
        assert!(text.starts_with("xinetd "), "{text}");
        assert!(!text.ends_with('.'), "{text}");
    }
}
