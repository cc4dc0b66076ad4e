//! Properties of the manifest's reader: order means nothing, and no input breaks it.

use mailward::manifest::{ManifestLayer, check};
use mailward::model::Desired;
use mailward::report::Colour;
use mailward::report::diagnostic::{WorstSeverity, render};
use proptest::prelude::*;

use crate::printed_text::judge;

fn layer(bytes: impl Into<Vec<u8>>) -> ManifestLayer {
    ManifestLayer { name: "m.toml".into(), bytes: bytes.into() }
}

/// The desired state without the places that declare it.
fn bare(desired: &Desired) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.remove("origin");
                fields.values_mut().for_each(strip);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {}
        }
    }
    let mut json = serde_json::to_value(desired).expect("JSON");
    strip(&mut json);
    json
}

const SECTIONS: [&str; 14] = [
    "[host]\nname = [\"mx1\", \"MX2.example.jp\"]\n",
    "[limits.pop3]\nper_ip = 20\ntotal = 80\n",
    "[limits.pop3s]\ntotal = 60\n",
    "[limits.imap]\ntotal = 90\nper_ip = 30\n",
    "[limits.smtp]\nper_ip = \"unlimited\"\n",
    "[limits.submission]\nper_ip = 4\n",
    "[xinetd.defaults]\nper_source = 20\n",
    "[xinetd.defaults.cps]\nrate = 50\npause = \"10s\"\n",
    "[xinetd.services.smtp_alt]\nper_source = 40\ninstances = 99\n",
    "[xinetd.services.smtp]\ncps = { pause = \"1m\", rate = 9 }\n",
    "[safety]\nmust_reach = [\"192.0.2.1\"]\nmax_account_changes = 9\n",
    "[access.allow]\nimap = [\"192.0.2.0/25\", \"192.0.2.128/25\", \"::1\"]\nsmtp = \"anyone\"\n",
    "[access]\nenforce = \"nftables\"\n",
    "[panel_access]\ndefault = false\naccounts = { \"A.b@Exämple.jp\" = true }\n",
];

/// Lines that a careless or hostile hand writes.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("version = 1".to_owned()),
        prop::sample::select(SECTIONS.to_vec()).prop_map(str::to_owned),
        prop::sample::select(vec![
            "[limits.pop3]",
            "[xinetd.services.a]",
            "[xinetd]",
            "[safety]",
            "[host]",
            "[[limits.imap]]",
            "[limits",
            "]",
            "per_ip = 0",
            "total = -1",
            "per_ip = \"unmanaged\"",
            "cps = { rate = 1",
            "cps.rate = 7",
            "pause = \"0s\"",
            "must_reach = [\"::1\", 7,",
            "name = [",
            "'''",
            "\"\"\"",
            "a.b.c.d = 1979-05-27T07:32:00Z",
            "limits = 1.5e9",
            "\u{feff}",
            "= =",
            "\"\\u202e\" = 1",
        ])
        .prop_map(str::to_owned),
        "[a-z_.\"'=\\[\\]{}# ]{0,24}",
        "\\PC{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_sections_never_matters(order in Just((0..SECTIONS.len()).collect::<Vec<_>>()).prop_shuffle()) {
        let text = |order: &[usize]| {
            let sections: String = order.iter().map(|at| SECTIONS[*at]).collect();
            format!("version = 1\n{sections}")
        };
        let straight: Vec<usize> = (0..SECTIONS.len()).collect();
        let one = check(&[layer(text(&straight))]).expect("valid").desired;
        let other = check(&[layer(text(&order))]).expect("valid").desired;
        prop_assert_eq!(bare(&one), bare(&other));
    }

    #[test]
    fn any_choice_of_sections_comes_back_from_a_file(chosen in prop::collection::vec(any::<bool>(), SECTIONS.len())) {
        let sections = SECTIONS.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
        let text: String = sections.map(|(section, _)| *section).collect();
        let desired = check(&[layer(format!("version = 1\n{text}"))]).expect("valid").desired;
        let json = serde_json::to_string(&desired).expect("JSON");
        let back: Desired = serde_json::from_str(&json).expect("what a manifest declares");
        prop_assert_eq!(back, desired);
    }

    #[test]
    fn one_file_or_a_layer_for_each_section_is_the_same(order in Just((0..SECTIONS.len()).collect::<Vec<_>>()).prop_shuffle()) {
        let whole = format!("version = 1\n{}", SECTIONS.concat());
        let layers: Vec<ManifestLayer> = order.iter().map(|at| layer(format!("version = 1\n{}", SECTIONS[*at]))).collect();
        let one = check(&[layer(whole)]).expect("valid").desired;
        let many = check(&layers).expect("valid").desired;
        prop_assert_eq!(bare(&one), bare(&many));
    }

    #[test]
    fn arbitrary_bytes_and_names_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        name in any::<String>(),
    ) {
        for bytes in [[b"version = 1\n".as_slice(), &bytes].concat(), bytes] {
            judge_calmly(&[ManifestLayer { name: name.clone(), bytes }]);
        }
    }

    #[test]
    fn arbitrary_lines_and_names_never_panic(
        first in prop::collection::vec(line(), 0..14),
        second in prop::collection::vec(line(), 0..14),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        names in any::<[String; 2]>(),
    ) {
        for start in ["", "version = 1"] {
            let layers = [&first, &second].map(|lines| format!("{start}{line_end}{}", lines.join(line_end)));
            let [one, other] = [0, 1].map(|at| ManifestLayer {
                name: names[at].clone(),
                bytes: layers[at].clone().into_bytes(),
            });
            judge_calmly(&[one, other]);
        }
    }
}

/// Checks and shows; places lie inside their lines, are sorted, and nothing shown controls a terminal.
fn judge_calmly(layers: &[ManifestLayer]) {
    let (diagnostics, severity) = match check(layers) {
        Ok(checked) => (checked.notes, WorstSeverity::Note),
        Err(problems) => {
            assert!(!problems.is_empty(), "an error says what is wrong");
            (problems, WorstSeverity::Error)
        }
    };
    for diagnostic in &diagnostics {
        let place = diagnostic.place.as_ref().expect("a problem of a layer has a place");
        let length = place.text.chars().count();
        assert!(place.line > 0 && place.column > 0 && place.width > 0, "{place:?}");
        assert!(length >= 400 || place.column as usize <= length + 1, "{place:?}");
        assert!(!place.text.contains('\n'), "{place:?}");
    }
    let shown = render(&diagnostics, severity, Colour::Off);
    judge("a message", shown.as_bytes());
}

#[test]
fn ten_megabytes_of_anything_are_answered() {
    let size = 10_000_000;
    let endless = |text: &str| text.repeat(size / text.len());
    for text in [
        endless("\0"),
        endless("="),
        endless("[a.b]\n"),
        endless("a = 1\n"),
        endless("a = [\n"),
        endless("a = {"),
        endless("["),
        endless("a."),
        endless("\"\"\"\\"),
        endless("x"),
        endless("# ü\n"),
        endless("[[limits.pop3]]\n"),
        format!("version = 1\nhost.name = \"{}\"\n", endless("x")),
        format!("version = 1\n\"{}\" = 1\n", endless("x")),
        format!("version = 1\nsafety.must_reach = [{}]\n", endless("7,")),
        (0..size / 12).map(|number| format!("k{number} = 1\n")).collect(),
        format!(
            "version = 1\nxinetd.services = {{ {} }}\n",
            (0..size / 30).map(|number| format!("s{number}={{per_source=1}}")).collect::<Vec<_>>().join(",")
        ),
    ] {
        let start: String = text.chars().take(40).collect();
        let begun = std::time::Instant::now();
        let version = if text.starts_with("version") { "" } else { "version = 1\n" };
        judge_calmly(&[layer(format!("{version}{text}"))]);
        assert!(begun.elapsed().as_secs() < 60, "{start:?} took {:?}", begun.elapsed());
    }
}
