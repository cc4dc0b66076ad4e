//! Courier's shell-variable files: what each form of a line means, and what an edit changes.

use mailward::edit::shellvars::{
    LineBreakage, ProblemConsequence, ShellFile, ShellProblemKind, ShellRefusalReason, SourcedValue,
    ValueDoubt, daemon_number, ensure, sourced,
};
use mailward::edit::{EditKind, EditedBytes};
use proptest::prelude::*;

const NAME: &str = "MAXPERIP";

fn literal(file: &str, name: &str) -> Option<String> {
    match ShellFile::parse(file.as_bytes()).value(name) {
        SourcedValue::Literal { bytes, .. } => Some(String::from_utf8(bytes).unwrap()),
        SourcedValue::Untouched | SourcedValue::Broken { .. } | SourcedValue::Uncertain { .. } => None,
    }
}

fn doubt(file: &str, name: &str) -> Option<ValueDoubt> {
    match ShellFile::parse(file.as_bytes()).value(name) {
        SourcedValue::Uncertain { why, .. } => Some(why),
        SourcedValue::Untouched | SourcedValue::Broken { .. } | SourcedValue::Literal { .. } => None,
    }
}

fn edited(file: &str, number: u32) -> EditedBytes {
    ensure(file.as_bytes(), NAME, number).unwrap_or_else(|refusal| panic!("{file:?}: {refusal}"))
}

fn becomes(file: &str, number: u32) -> String {
    String::from_utf8(edited(file, number).bytes).unwrap()
}

fn refused(file: &str) -> ShellRefusalReason {
    ensure(file.as_bytes(), NAME, 20).expect_err(&format!("{file:?} is edited")).why
}

#[test]
fn a_literal_is_read_as_the_shell_reads_it() {
    for (file, value) in [
        ("MAXPERIP=40", "40"),
        ("MAXPERIP=\"40\"\n", "40"),
        ("MAXPERIP='40'\n", "40"),
        ("MAXPERIP=5\"7\"\n", "57"),
        ("MAXPERIP=40;\n", "40"),
        ("MAXPERIP=40 # c\n", "40"),
        ("MAXPERIP=40\t# a=b\n", "40"),
        ("MAXPERIP=40#c\n", "40#c"),
        ("MAXPERIP=40\r\n", "40\r"),
        ("export MAXPERIP=51\n", "51"),
        (" \t MAXPERIP=52\n", "52"),
        ("MAXPERIP=53; FOO=9\n", "53"),
        ("MAXPERIP=54 FOO=8\n", "54"),
        ("MAXPERIP=1\nMAXPERIP=2\n", "2"),
        ("MAXPERIP=5\\\n5\n", "55"),
        ("MAXPERIP=\"5\\\n6\"\n", "56"),
        ("# note \\\nMAXPERIP=7\n", "7"),
        ("MAXPERIP=\n", ""),
        ("MAXPERIP=1 && FOO=2\n", "1"),
        ("{ MAXPERIP=3; }\n", "3"),
        ("MAXPERIP=4\n(MAXPERIP=5)\n", "4"),
        ("MAXPERIP=4\nMAXPERIP=5 &\n", "4"),
        ("MAXPERIP=4\nMAXPERIP=5 | cat\n", "4"),
        ("MAXPERIP=4\nMAXPERIP=5 /bin/true\n", "4"),
        ("MAXPERIP=4\nf() { MAXPERIP=5; }\n", "4"),
        ("cat <<E\nMAXPERIP=3\nE\nMAXPERIP=4\n", "4"),
        ("cat <<-'E' # c\n\tMAXPERIP=$3\n\tE\nMAXPERIP=4\n", "4"),
        ("MAXPERIP=4\nMAXPERIP = 5\n", "4"),
        ("MAXPERIP=4\nFOO=$(echo \"a)b\")\n", "4"),
        ("if [ -f /x ]; then FOO=1; fi\nMAXPERIP=4\n", "4"),
        ("case $X in a|b) FOO=1;; *) FOO=2; esac\nMAXPERIP=4\n", "4"),
        ("umask 022\nulimit -n 4096\nMAXPERIP=4\n", "4"),
        ("MAXPERIP=4\nreturn\n", "4"),
        ("MAXPERIP=a\\ b\n", "a b"),
        ("MAXPERIP=\"a\\b\\$\"\n", "a\\b$"),
        ("readonly MAXPERIP=4\n", "4"),
    ] {
        assert_eq!(literal(file, NAME).as_deref(), Some(value), "{file:?}");
    }
}

#[test]
fn what_the_shell_decides_is_in_doubt_with_its_reason() {
    for (file, why) in [
        ("MAXPERIP=$MAXDAEMONS\n", ValueDoubt::Computed),
        ("MAXPERIP=${FOO:-59}\n", ValueDoubt::Computed),
        ("MAXPERIP=$((40+2))\n", ValueDoubt::Computed),
        ("MAXPERIP=`echo 7`\n", ValueDoubt::Computed),
        ("MAXPERIP=~\n", ValueDoubt::Computed),
        ("MAXPERIP=4\n: ${MAXPERIP:=5}\n", ValueDoubt::Computed),
        ("if true; then MAXPERIP=4; fi\n", ValueDoubt::UnderCondition),
        ("true && MAXPERIP=4\n", ValueDoubt::UnderCondition),
        ("for MAXPERIP in 1 2; do :; done\n", ValueDoubt::Loop),
        ("while false; do :; done\nMAXPERIP=4\n", ValueDoubt::Loop),
        ("MAXPERIP=4\nunset MAXPERIP\n", ValueDoubt::Unset),
        ("return\nMAXPERIP=4\n", ValueDoubt::AfterReturn),
        ("MAXPERIP=4 export FOO\n", ValueDoubt::BeforeBuiltin),
        ("MAXPERIP=4 >/tmp/x\n", ValueDoubt::Redirected),
        ("MAXPERIP=4\n. /etc/other\n", ValueDoubt::OtherFile),
        ("MAXPERIP=4\neval MAXPERIP=5\n", ValueDoubt::Evaluated),
        ("set -e\nMAXPERIP=4\n", ValueDoubt::ShellState),
        ("alias x=y\nMAXPERIP=4\n", ValueDoubt::ShellState),
        ("MAXPERIP=4\nread MAXPERIP\n", ValueDoubt::ShellState),
        ("f() { MAXPERIP=5; }\nMAXPERIP=4\nf\n", ValueDoubt::FunctionRuns),
        ("MAXPERIP=4\n$RUN\n", ValueDoubt::UnknownCommand),
        ("OPTIND=x\nMAXPERIP=4\n", ValueDoubt::ShellVariable),
        ("readonly MAXPERIP\nMAXPERIP=4\n", ValueDoubt::ReadOnly),
        ("MAXPERIP=4\nexport FOO = 4\n", ValueDoubt::BadName),
        ("MAXPERIP=4\nexit 0\n", ValueDoubt::Ends),
        ("MAXPERIP=4\n[ -f /x ] || exit 0\n", ValueDoubt::MayEnd),
        ("MAXPERIP=4\n: ${X:?}\n", ValueDoubt::MayEnd),
        ("MAXPERIP=4\nFOO=\"bar\n", ValueDoubt::Unterminated),
        ("MAXPERIP=4\nif true; then\n", ValueDoubt::Unterminated),
        ("MAXPERIP=4\nfi\n", ValueDoubt::Syntax),
        ("MAXPERIP=4\nFOO=(1)\n", ValueDoubt::Syntax),
        ("MAXPERIP=4\nFOO+=1\n", ValueDoubt::Unportable),
        ("MAXPERIP=4\n# \0\n", ValueDoubt::ControlByte),
    ] {
        assert_eq!(doubt(file, NAME), Some(why), "{file:?}");
    }
}

#[test]
fn a_doubt_about_one_variable_leaves_the_others_certain() {
    let file = "MAXDAEMONS=40\nMAXPERIP=$MAXDAEMONS\n";
    assert_eq!(doubt(file, NAME), Some(ValueDoubt::Computed));
    assert_eq!(literal(file, "MAXDAEMONS").as_deref(), Some("40"));
    assert_eq!(ShellFile::parse(file.as_bytes()).value("FOO"), SourcedValue::Untouched);
}

#[test]
fn a_line_that_runs_a_command_instead_is_broken() {
    for (line, breakage) in [
        ("MAXPERIP = 4", LineBreakage::SpacedEquals),
        ("MAXPERIP =4", LineBreakage::SpacedEquals),
        ("MAXPERIP 4", LineBreakage::NoEquals),
        ("MAXPERIP= 4", LineBreakage::GivenToCommand),
        ("MAXPERIP=4 per ticket", LineBreakage::GivenToCommand),
    ] {
        let file = ShellFile::parse(line.as_bytes());
        let SourcedValue::Broken { why, spot } = file.value(NAME) else {
            panic!("{line:?} is {:?}", file.value(NAME));
        };
        assert_eq!((why, spot.line, spot.column), (breakage, 1, 1), "{line:?}");
        let problems = file.problems();
        assert_eq!(problems.len(), 1, "{line:?}");
        assert_eq!(problems[0].kind, ShellProblemKind::Broken(breakage), "{line:?}");
    }
}

#[test]
fn the_last_file_that_assigns_decides() {
    let plain = ShellFile::parse(b"MAXPERIP=1\nMAXDAEMONS=11\n");
    let tls = ShellFile::parse(b"MAXPERIP=2\n");
    let none = ShellFile::parse(b"MAXPERIP = 3\n");
    let (name, value) = (NAME, |file: &ShellFile| file.value(NAME));
    let last = sourced([&plain, &tls], name);
    assert_eq!((last.file, last.value), (Some(1), value(&tls)));
    let last = sourced([&tls, &plain], name);
    assert_eq!((last.file, last.value), (Some(1), value(&plain)));
    let last = sourced([&plain, &none], name);
    assert_eq!((last.file, last.value), (Some(0), value(&plain)));
    assert_eq!(sourced([&none, &none], "MAXDAEMONS").file, None);
}

#[test]
fn one_file_can_put_the_next_in_doubt() {
    let later = ShellFile::parse(b"echo\nMAXPERIP=2\n");
    for (first, why) in [
        ("readonly MAXPERIP=1", ValueDoubt::ReadOnly),
        ("echo() { exit; }", ValueDoubt::FunctionRuns),
        ("set -eu", ValueDoubt::ShellState),
        ("FOO='", ValueDoubt::Unterminated),
    ] {
        let first_file = ShellFile::parse(first.as_bytes());
        match sourced([&first_file, &later], NAME).value {
            SourcedValue::Uncertain { why: found, .. } => assert_eq!(found, why, "{first}"),
            value => panic!("{first}: {value:?}"),
        }
    }
}

#[test]
fn problems_say_what_stops_the_daemon() {
    for (file, kind, consequence) in [
        ("MAXPERIP=0\n", ShellProblemKind::RefusedLimit, ProblemConsequence::DaemonDoesNotRun),
        ("MAXPERIP=\"4 0\"\n", ShellProblemKind::ReadTwice, ProblemConsequence::Warning),
        ("TCPDOPTS=\"-x\"\r\n# c\n", ShellProblemKind::CarriageReturn, ProblemConsequence::DaemonDoesNotRun),
        ("A=1\r\nB=2\r\n", ShellProblemKind::CarriageReturns, ProblemConsequence::DaemonDoesNotRun),
        ("A=1\n\r\n", ShellProblemKind::CarriageReturn, ProblemConsequence::LineFails),
        ("\u{feff}##VERSION: x\nA=1\n", ShellProblemKind::ByteOrderMark, ProblemConsequence::LineFails),
        ("exit 0\n", ShellProblemKind::Doubt(ValueDoubt::Ends), ProblemConsequence::DaemonDoesNotRun),
        (
            "TCPDOPTS=\"-noidentlookup -maxprocs=5\"\n",
            ShellProblemKind::LimitInOptions,
            ProblemConsequence::Warning,
        ),
    ] {
        let problems = ShellFile::parse(file.as_bytes()).problems();
        let found: Vec<_> = problems.iter().map(|p| (p.kind, p.consequence)).collect();
        assert_eq!(found, [(kind, consequence)], "{file:?}");
    }
}

#[test]
fn a_value_changes_in_place_and_keeps_its_quotes_comment_and_neighbours() {
    for (before, after) in [
        ("MAXPERIP=4\n", "MAXPERIP=20\n"),
        ("MAXPERIP=4", "MAXPERIP=20"),
        ("MAXPERIP=\"4\"\n", "MAXPERIP=\"20\"\n"),
        ("MAXPERIP='4' # note\n", "MAXPERIP='20' # note\n"),
        ("\texport MAXPERIP=4;\n", "\texport MAXPERIP=20;\n"),
        ("A=1; MAXPERIP=4; B=2\n", "A=1; MAXPERIP=20; B=2\n"),
        ("A=1 MAXPERIP=4 B=2\n", "A=1 MAXPERIP=20 B=2\n"),
        ("MAXPERIP=1\nMAXPERIP=4\n", "MAXPERIP=1\nMAXPERIP=20\n"),
        ("MAXPERIP=4\r\nA=1\n", "MAXPERIP=20\r\nA=1\n"),
        ("MAXPERIP=5\"7\"\n", "MAXPERIP=20\n"),
        ("MAXPERIP=4\nMAXPERIP = 5\n", "MAXPERIP=20\nMAXPERIP = 5\n"),
    ] {
        let done = edited(before, 20);
        assert_eq!(String::from_utf8_lossy(&done.bytes), after, "{before:?}");
        assert_eq!(done.lines.len(), 1, "{before:?}");
        assert_eq!(done.lines[0].kind, EditKind::Change, "{before:?}");
    }
}

#[test]
fn a_joined_value_stays_on_its_lines() {
    let done = edited("MAXPERIP=5\\\n5 # c\n", 20);
    assert_eq!(done.bytes, b"MAXPERIP=20\\\n # c\n");
    let lines: Vec<_> = done.lines.iter().map(|line| line.line).collect();
    assert_eq!(lines, [1, 2]);
}

#[test]
fn what_the_daemon_reads_as_the_number_already_stays() {
    for file in ["MAXPERIP=20", "MAXPERIP=\"20\"", "MAXPERIP=20#c", "MAXPERIP=020", "MAXPERIP=20\r\nA=1"] {
        let done = edited(file, 20);
        assert_eq!((done.bytes.as_slice(), done.lines.len()), (file.as_bytes(), 0));
    }
}

#[test]
fn a_line_that_was_not_in_force_is_repaired() {
    for (before, after) in [
        ("MAXPERIP = 4 # c\n", "MAXPERIP=20 # c\n"),
        ("MAXPERIP =4\n", "MAXPERIP=20\n"),
        ("MAXPERIP = \"4\"\n", "MAXPERIP=\"20\"\n"),
        ("MAXPERIP= 4\n", "MAXPERIP=20\n"),
        ("MAXPERIP 4\n", "MAXPERIP=20\n"),
        ("MAXPERIP=\n", "MAXPERIP=20\n"),
        ("MAXPERIP=abc\n", "MAXPERIP=20\n"),
        ("MAXPERIP=\"4 0\"\n", "MAXPERIP=\"20\"\n"),
    ] {
        let done = edited(before, 20);
        assert_eq!(String::from_utf8_lossy(&done.bytes), after, "{before:?}");
        assert_eq!(done.lines[0].kind, EditKind::Repair, "{before:?}");
    }
}

#[test]
fn a_missing_setting_goes_into_its_own_section() {
    let file = "##NAME: MAXPERIP:0\n# How many\n#\n# MAXPERIP=4\n\n##NAME: B:0\n# b\n\nB=1\n";
    let done = edited(file, 20);
    let want = "##NAME: MAXPERIP:0\n# How many\n#\n# MAXPERIP=4\nMAXPERIP=20\n\n##NAME: B:0\n# b\n\nB=1\n";
    assert_eq!(String::from_utf8_lossy(&done.bytes), want);
    assert_eq!((done.lines[0].kind, done.lines[0].line), (EditKind::Insert, 5));
}

#[test]
fn a_missing_setting_without_a_section_goes_where_an_upgrade_keeps_it() {
    for (before, after) in [
        ("", "MAXPERIP=20\n"),
        ("A=1", "A=1\nMAXPERIP=20\n"),
        ("A=1\n", "A=1\nMAXPERIP=20\n"),
        ("##NAME: A:0\n# a\n\nA=1\n", "##NAME: A:0\n# a\n\nA=1\nMAXPERIP=20\n"),
        // Behind the comment sysconftool would drop it.
        ("##NAME: A:0\n# a\n\nA=1\n# end\n", "##NAME: A:0\n# a\n\nA=1\nMAXPERIP=20\n# end\n"),
    ] {
        assert_eq!(becomes(before, 20), after, "{before:?}");
    }
}

#[test]
fn what_cannot_be_proved_is_refused_with_its_line() {
    for (file, why) in [
        ("MAXPERIP=$X\n", ShellRefusalReason::Doubt(ValueDoubt::Computed)),
        ("A=1\r\nB=2\r\n", ShellRefusalReason::CarriageReturns),
        ("TCPDOPTS=-x\r\n", ShellRefusalReason::CarriageReturn),
        ("A=\"1\n", ShellRefusalReason::Doubt(ValueDoubt::Unterminated)),
        ("A=1\nreturn\n", ShellRefusalReason::Doubt(ValueDoubt::AfterReturn)),
        ("MAXPERIP=4 per ticket\n", ShellRefusalReason::Broken(LineBreakage::GivenToCommand)),
        ("MAXPERIP='4\n0'\n", ShellRefusalReason::SeveralLines),
        ("A=1 \\", ShellRefusalReason::Doubt(ValueDoubt::NotUnderstood)),
    ] {
        assert_eq!(refused(file), why, "{file:?}");
    }
    let refusal = ensure(b"A=1\n MAXPERIP=$X # c\n", NAME, 20).unwrap_err();
    assert_eq!((refusal.spot.line, refusal.spot.column), (2, 2));
    assert_eq!(refusal.line, b" MAXPERIP=$X # c");
    assert_eq!(refusal.to_string(), "line 2: the shell computes this value");
}

#[test]
fn deep_and_endless_constructs_end_soon() {
    // At a mebibyte each, anything quadratic would take hours.
    for unit in [
        "(",
        "{ ",
        "if ",
        "$(",
        "`",
        "\"$(",
        "${",
        "case x in x) ",
        "<<E ",
        "a() ",
        "! ",
        "\\\n",
        "'",
        "\\",
        "$((",
        "MAXPERIP=4\n",
        "# c\n",
        "A=1 ",
        "a|",
        "a&&",
        "\"`",
        "<<E\n",
        "\r\n",
    ] {
        let file = unit.repeat((1 << 20) / unit.len());
        let parsed = ShellFile::parse(file.as_bytes());
        let _ = (parsed.value(NAME), parsed.problems().len());
    }
}

/// Bytes that often form shell.
fn shell_text() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"MAXPERIP=".to_vec()),
        Just(b"MAXPERIP = 4".to_vec()),
        Just(b"MAXDAEMONS=40\n".to_vec()),
        Just(b"##NAME: MAXPERIP:4\n".to_vec()),
        Just(b"export ".to_vec()),
        Just(b"# c\n".to_vec()),
        "[\"'`$(){}|&;<>\\\\#=\n\r\t 0-9a-c]{1,4}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_kept(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let file = ShellFile::parse(&bytes);
        prop_assert_eq!(file.to_bytes(), &bytes[..]);
        let _ = (file.value(NAME), file.problems(), file.assignments());
    }

    #[test]
    fn an_edit_is_idempotent_and_touches_nothing_but_the_value(
        bytes in shell_text(),
        number in 1_u32..3_000,
    ) {
        let file = ShellFile::parse(&bytes);
        prop_assert_eq!(file.to_bytes(), &bytes[..]);
        let _ = file.problems();
        if let Ok(done) = ensure(&bytes, NAME, number) {
            let again = ensure(&done.bytes, NAME, number).expect("the edited file is edited again");
            prop_assert_eq!(&again.bytes, &done.bytes);
            prop_assert!(again.lines.is_empty());
            let after = ShellFile::parse(&done.bytes);
            match after.value(NAME) {
                SourcedValue::Literal { bytes, .. } => prop_assert_eq!(daemon_number(&bytes), Some(number)),
                value => prop_assert!(false, "{:?}", value),
            }
            prop_assert_eq!(done.lines.is_empty(), done.bytes == bytes);
            let others = |file: &ShellFile| -> Vec<_> {
                let all = file.assignments().into_iter();
                all.filter(|one| one.name != NAME).map(|one| (one.name, one.bytes)).collect()
            };
            prop_assert_eq!(others(&file), others(&after));
            // Every line is an old one, or one that the edit tells of.
            let (old, new) = (lines(&bytes), lines(&done.bytes));
            let inserted = done.lines.iter().filter(|line| line.kind == EditKind::Insert).count();
            prop_assert_eq!(old.len() + inserted, new.len());
            let told: Vec<_> = done.lines.iter().map(|line| line.line as usize - 1).collect();
            for line in &done.lines {
                prop_assert_eq!(&line.after[..], new[line.line as usize - 1]);
            }
            let kept = |line: &usize| !told.contains(line);
            if inserted == 0 {
                for line in (0..old.len()).filter(kept) {
                    prop_assert_eq!(old[line], new[line]);
                }
            } else {
                let rest: Vec<_> = (0..new.len()).filter(kept).map(|line| new[line]).collect();
                prop_assert_eq!(old, rest);
            }
        }
    }
}

/// Lines without their ends; what follows the last line end counts only where there is something.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}
