//! Edits of xinetd files: what differs, byte for byte, and what is refused.

use mailward::edit::xinetd::{
    Attribute, BlockRef, FileTree, ServiceState, TreeEntry, XinetdConfig, XinetdFile, XinetdProblemKind,
    XinetdRefusal, ensure, ensure_defaults_block,
};
use mailward::edit::{EditKind, EditedBytes, LineEdit};
use mailward::model::HostPath;
use proptest::prelude::*;

const SERVICE: BlockRef = BlockRef::Service { line: 1 };

/// One service with these lines behind its brace.
fn service(lines: &str) -> String {
    format!("service smtp\n{{\n{lines}}}\n")
}

fn per_source(text: &str, value: &str) -> EditedBytes {
    ensure(text.as_bytes(), SERVICE, Attribute::PerSource, value).unwrap()
}

/// The lines of the service's block after `per_source = 20` was ensured.
#[track_caller]
fn becomes(before: &str, after: &str) -> Vec<LineEdit> {
    let edited = per_source(&service(before), "20");
    assert_eq!(String::from_utf8_lossy(&edited.bytes), service(after));
    let again = per_source(&service(after), "20");
    assert_eq!(again.lines, []);
    edited.lines
}

fn kinds(lines: &[LineEdit]) -> Vec<(EditKind, u32)> {
    lines.iter().map(|l| (l.kind, l.line)).collect()
}

#[test]
fn a_set_value_changes_in_place_and_nothing_else_does() {
    let lines = becomes("\tper_source\t=  4  \n", "\tper_source\t=  20  \n");
    assert_eq!(kinds(&lines), [(EditKind::Change, 3)]);
    assert_eq!(lines[0].block.as_deref(), Some("service smtp"));
    assert_eq!(lines[0].before.as_deref(), Some(b"\tper_source\t=  4  ".as_slice()));
    assert_eq!(lines[0].after, b"\tper_source\t=  20  ");
}

#[test]
fn a_value_that_means_the_same_stays_as_it_is_written() {
    for value in ["20", "020", "+20", "20\r"] {
        let text = service(&format!(" PER_SOURCE = {value}\n"));
        assert_eq!(per_source(&text, "20").bytes, text.as_bytes());
    }
    let text = service(" per_source = unlimited\n");
    assert_eq!(per_source(&text, "UNLIMITED").lines, []);
}

#[test]
fn the_first_of_two_lines_is_the_one_that_changes() {
    becomes(" per_source = 4\n per_source = 7\n", " per_source = 20\n per_source = 7\n");
}

#[test]
fn a_carriage_return_behind_a_number_stays() {
    becomes(" per_source = 4\r\n", " per_source = 20\r\n");
    let edited = per_source(&service(" per_source = 4\r\n"), "UNLIMITED");
    assert_eq!(edited.bytes, service(" per_source = UNLIMITED\n").as_bytes());
}

#[test]
fn a_comment_behind_a_value_moves_to_a_line_of_its_own() {
    let lines =
        becomes("    per_source  = 10 # per ticket 7\n", "    # per ticket 7\n    per_source  = 20\n");
    assert_eq!(kinds(&lines), [(EditKind::Insert, 3), (EditKind::Repair, 4)]);
    becomes(" per_source = 10#x\n", " #x\n per_source = 20\n");
    becomes(" per_source = # none\n", " # none\n per_source = 20\n");
    becomes(" per_source=10 # x\n", " # x\n per_source = 20\n");
    becomes(" per_source = 10 at most\n", " # at most\n per_source = 20\n");
}

#[test]
fn a_line_that_drops_the_service_is_repaired() {
    becomes(" per_source=4\n", " per_source = 20\n");
    becomes(" per_source 4\n", " per_source = 20\n");
    becomes(" per_source: 4\n", " per_source = 20\n");
    becomes(" per_source\n", " per_source = 20\n");
    becomes(" per_source = 10abc\n", " per_source = 20\n");
    becomes(" per_source = -1\n", " per_source = 20\n");
    becomes(" per_source = \"10\"\n", " per_source = 20\n");
}

#[test]
fn a_line_that_is_ignored_is_repaired() {
    becomes(" per_source += 4\n", " per_source = 20\n");
    becomes(" per_source =\n", " per_source = 20\n");
    becomes(" per_source = 4 5\n", " per_source = 20\n");
    becomes(" per_source == 4\n", " per_source = 20\n");
}

#[test]
fn an_ignored_line_is_left_alone_where_a_later_one_is_in_force() {
    becomes(" per_source = 10 # old\n per_source = 4\n", " per_source = 10 # old\n per_source = 20\n");
}

#[test]
fn a_dropping_line_is_repaired_even_where_a_good_one_follows() {
    becomes(" per_source=10\n per_source = 4\n", " per_source = 20\n per_source = 4\n");
    becomes(" per_source = 4\n per_source=10\n", " per_source = 20\n per_source = 20\n");
}

#[test]
fn a_missing_setting_goes_where_the_daemon_reads_it_and_looks_like_its_neighbours() {
    let lines = becomes(
        "\tsocket_type     = stream\n\twait            = no\n\n\t# end\n",
        "\tsocket_type     = stream\n\twait            = no\n\tper_source      = 20\n\n\t# end\n",
    );
    assert_eq!(kinds(&lines), [(EditKind::Insert, 5)]);
    becomes(" wait = no\n disable = yes\n", " wait = no\n per_source = 20\n disable = yes\n");
    becomes("\tflags\t\t= IPv6\n\twait\t\t= no\n", "\tflags\t\t= IPv6\n\twait\t\t= no\n\tper_source\t= 20\n");
    becomes(" nice = 5\r\n", " nice = 5\r\n per_source = 20\r\n");
    becomes("", "\tper_source = 20\n");
}

#[test]
fn a_rate_keeps_its_spacing_and_the_number_that_stays() {
    let text = service(" cps = 050  10\n");
    let edited = ensure(text.as_bytes(), SERVICE, Attribute::Cps, "50 30").unwrap();
    assert_eq!(edited.bytes, service(" cps = 050  30\n").as_bytes());
}

#[test]
fn defaults_have_one_winner_in_a_file() {
    let text = "defaults\n{\n instances = 5\n instances = 6\n}\n";
    let edited = ensure(text.as_bytes(), BlockRef::Defaults, Attribute::Instances, "9").unwrap();
    assert_eq!(edited.bytes, text.replace('5', "9").as_bytes());
}

#[test]
fn a_defaults_block_goes_before_all_that_is_read_and_behind_the_heading_comment() {
    let text = "# Our xinetd\n\n# services\nincludedir /etc/xinetd.d\n";
    let edited = ensure_defaults_block(text.as_bytes(), Attribute::PerSource, "20").unwrap();
    assert_eq!(
        String::from_utf8_lossy(&edited.bytes),
        "# Our xinetd\n\ndefaults\n{\n\tper_source = 20\n}\n\n# services\nincludedir /etc/xinetd.d\n"
    );
    let lines: Vec<&[u8]> = edited.bytes.split(|&b| b == b'\n').collect();
    for line in &edited.lines {
        assert_eq!(lines[line.line as usize - 1], line.after);
    }
    let empty = ensure_defaults_block(b"", Attribute::PerSource, "20").unwrap();
    assert_eq!(empty.bytes, b"defaults\n{\n\tper_source = 20\n}\n\n");
    let only_comment = ensure_defaults_block(b"# no end", Attribute::PerSource, "20").unwrap();
    assert!(only_comment.bytes.starts_with(b"# no end\ndefaults\n"));
    let has = ensure_defaults_block(b"defaults\n{\n}\n", Attribute::PerSource, "20");
    assert!(matches!(has, Err(XinetdRefusal::HasDefaults { .. })));
}

#[test]
fn what_cannot_be_proved_is_refused_with_its_place() {
    let refuse = |text: &str| ensure(text.as_bytes(), SERVICE, Attribute::PerSource, "20").unwrap_err();
    let at = |refusal: XinetdRefusal| match refusal {
        XinetdRefusal::BlockLost { spot, why } => (spot.line, why),
        other => panic!("{other:?}"),
    };
    let junk = refuse(&service(" wait = no\n junk\n per_source = 4\n"));
    assert_eq!(at(junk), (4, XinetdProblemKind::BadOperator));
    let open = refuse("service smtp\n{\n wait = no\n");
    assert_eq!(at(open), (1, XinetdProblemKind::NotClosed));
    let returns = refuse(&service(" wait = no\n socket_type = stream\n").replace('\n', "\r\n"));
    assert!(matches!(returns, XinetdRefusal::CarriageReturns { spot } if spot.line == 3));
    let none = refuse("# service smtp\n");
    assert!(matches!(none, XinetdRefusal::NoBlock { why: None, .. }));
    let braceless = refuse("service smtp {\n wait = no\n}\n");
    let why = XinetdProblemKind::MissingBrace;
    assert!(matches!(braceless, XinetdRefusal::NoBlock { why: Some(found), .. } if found == why));
    let swallowed =
        ensure(b"junk\nservice smtp\n{\n}\n", BlockRef::Service { line: 2 }, Attribute::PerSource, "20");
    assert!(matches!(swallowed, Err(XinetdRefusal::NoBlock { why: Some(XinetdProblemKind::Swallowed), .. })));
}

#[test]
fn a_value_that_xinetd_would_not_keep_is_refused() {
    let text = service("");
    for value in ["2147483648", "-1", "", "abc", "1 2", "5\n}\n", "0x10", " 5", "20 "] {
        let refused = ensure(text.as_bytes(), SERVICE, Attribute::PerSource, value);
        assert!(matches!(refused, Err(XinetdRefusal::Value { .. })), "{value:?}");
    }
    for value in ["50", "50 10 1", "50  10", "UNLIMITED 1"] {
        let refused = ensure(text.as_bytes(), SERVICE, Attribute::Cps, value);
        assert!(matches!(refused, Err(XinetdRefusal::Value { .. })), "{value:?}");
    }
}

fn read(text: &[u8]) -> XinetdConfig {
    let main = HostPath::new("/etc/xinetd.conf").unwrap();
    let mut tree = FileTree::default();
    tree.files.insert(main.clone(), TreeEntry::File(text.to_vec()));
    XinetdConfig::read(&main, &tree)
}

#[test]
fn a_repair_gives_a_swallowed_service_back() {
    let body =
        "type = UNLISTED\nsocket_type = stream\nprotocol = tcp\nwait = no\nuser = root\nserver = /bin/cat\n";
    let text =
        format!("service a\n{{\n{body}port = 1\nper_source\n}}\nservice b\n{{\n{body}port = 2\n}}\n# end\n");
    let states = |text: &[u8]| -> Vec<(String, bool)> {
        read(text).services.into_iter().map(|s| (s.name, s.state == ServiceState::Offered)).collect()
    };
    assert!(states(text.as_bytes()).iter().all(|(_, offered)| !offered));
    let edited = per_source(&text, "20");
    let both = [("a".to_owned(), true), ("b".to_owned(), true)];
    assert_eq!(states(&edited.bytes), both);
}

#[test]
fn a_thousand_blocks_and_ten_megabytes_take_linear_time() {
    let block = service(&"\tbogus = some words that xinetd ignores\n".repeat(40));
    let text = block.repeat(10_000_000 / block.len());
    let start = std::time::Instant::now();
    let config = read(text.as_bytes());
    assert!(config.services.len() > 5000);
    let edited = per_source(&text, "20");
    assert_eq!(edited.lines.len(), 1);
    // A debug build takes a few seconds; anything quadratic takes minutes.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    for hostile in ["service a\n{\n", "x", "service a\n{\nx\n}\n", "a=", "include /etc/xinetd.conf\n"] {
        let _ = read(hostile.repeat(200_000 / hostile.len()).as_bytes());
    }
}

/// Text of the kind that xinetd reads, and worse.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "service a\n",
        "service",
        " b\n",
        "defaults\n",
        "{\n",
        "}\n",
        "}",
        "per_source",
        "cps",
        "instances",
        " ",
        "=",
        "+=",
        "\t= ",
        "5",
        "50 10",
        "UNLIMITED",
        "\n",
        "\r\n",
        "#",
        " # x\n",
        "\0",
        "\x0b",
        "disable = yes\n",
        "per_source = 4\n",
        "per_source=4\n",
        "include /x\n",
        "includedir /y\n",
        "\u{feff}",
        "wait = no\n",
        "enabled = a\n",
    ]);
    let pieces = prop::collection::vec(piece, 0..60).prop_map(|p| p.concat().into_bytes());
    prop_oneof![
        3 => pieces,
        1 => prop::collection::vec(any::<u8>(), 0..400),
    ]
}

fn blocks() -> impl Strategy<Value = BlockRef> {
    prop_oneof![Just(BlockRef::Defaults), (1u32..20).prop_map(|line| BlockRef::Service { line }),]
}

proptest! {
    #[test]
    fn any_bytes_come_back(bytes in texts()) {
        prop_assert_eq!(XinetdFile::parse(&bytes).to_bytes(), bytes);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in texts()) {
        let config = read(&bytes);
        let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
        for problem in &config.problems {
            let line = lines[problem.spot.line as usize - 1];
            prop_assert!(problem.text.is_empty() || line.ends_with(&problem.text) || line.starts_with(&problem.text)
                || problem.text.starts_with(b"service "), "{problem:?}");
            prop_assert!(problem.spot.width > 0 && problem.spot.column > 0);
        }
    }

    #[test]
    fn an_edit_differs_only_where_it_says(bytes in texts(), block in blocks(), n in 0u32..100) {
        let value = n.to_string();
        let Ok(edited) = ensure(&bytes, block, Attribute::PerSource, &value) else { return Ok(()) };
        let again = ensure(&edited.bytes, block, Attribute::PerSource, &value).unwrap();
        prop_assert_eq!(&again.bytes, &edited.bytes);
        prop_assert!(again.lines.is_empty());
        // Undo each reported line, from the last to the first: what is left is the input.
        let mut lines: Vec<Vec<u8>> = edited.bytes.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
        for edit in edited.lines.iter().rev() {
            let at = edit.line as usize - 1;
            prop_assert_eq!(&lines[at], &edit.after);
            match &edit.before {
                Some(before) => lines[at].clone_from(before),
                None => drop(lines.remove(at)),
            }
        }
        prop_assert_eq!(lines.join(&b'\n'), bytes);
        if let [edit] = edited.lines.as_slice()
            && edit.kind == EditKind::Change
        {
            let before = edit.before.as_ref().unwrap();
            let same = before.iter().zip(&edit.after).take_while(|(a, b)| a == b).count();
            let tail = before[same..].iter().rev().zip(edit.after[same..].iter().rev())
                .take_while(|(a, b)| a == b).count();
            let new = &edit.after[same..edit.after.len() - tail];
            prop_assert!(new.iter().all(u8::is_ascii_digit));
        }
    }

    #[test]
    fn a_new_defaults_block_leaves_the_rest_alone(bytes in texts()) {
        if let Ok(edited) = ensure_defaults_block(&bytes, Attribute::Instances, "9") {
            let config = read(&edited.bytes);
            prop_assert_eq!(config.defaults.instances().unwrap().value.to_string(), "9");
        }
    }
}

#[test]
fn the_block_behind_a_disabled_service_can_be_edited() {
    let off = "service off\n{\n disable = yes\n port = 1\n}\n";
    let text = format!("{off}{}", service(" per_source = 4\n"));
    let block = BlockRef::Service { line: 6 };
    let edited = ensure(text.as_bytes(), block, Attribute::PerSource, "20").unwrap();
    let wanted = format!("{off}{}", service(" per_source = 20\n"));
    assert_eq!(String::from_utf8_lossy(&edited.bytes), wanted);
    let text = format!("{off}defaults\n{{\n}}\n");
    let edited = ensure(text.as_bytes(), BlockRef::Defaults, Attribute::Cps, "5 6").unwrap();
    assert!(edited.bytes.ends_with(b"cps = 5 6\n}\n"), "{edited:?}");
}
