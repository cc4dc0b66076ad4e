//! Every value of a plan, an outcome and a view of a host that can hold text holds a stranger's: each text
//! made of it is clean.

use mailward::failure::{Diagnostic, FilePlace};
use mailward::firewall::show::ShownFirewall as Access;
use mailward::limits::show::{DeclaredAs, LimitEntry, RunningValue};
use mailward::model::{ConnectionLimit, HostPath};
use mailward::panel_access::show::ShownAccounts as Accounts;
use mailward::plan::outcome::Outcome;
use mailward::plan::{Daemon, LimitSetting, LimitValue, Note, Plan, saved};
use mailward::report::diagnostic::{WorstSeverity, render};
use mailward::report::safe::SafeText;
use mailward::report::{Colour, redact, text};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{HOSTILE, judge};
use crate::plan_notes;
use crate::saved_plan::{Desk, MANIFEST};

const DETAILS: [text::AccountDetail; 3] =
    [text::AccountDetail::Brief, text::AccountDetail::Full, text::AccountDetail::Counts];

/// The document with each of its strings made hostile, one at a time, as far as it is still a document.
fn each<T: DeserializeOwned>(document: &Json, mut look: impl FnMut(&str, &T)) -> usize {
    let mut pointers = Vec::new();
    strings(document, String::new(), &mut pointers);
    let mut looked = 0;
    for pointer in pointers {
        let was = document.pointer(&pointer).and_then(Json::as_str).unwrap();
        let hostile = match was {
            path if path.starts_with('/') => format!("/etc/{HOSTILE}"),
            account if account.contains('@') => format!("a@{HOSTILE}"),
            _ => HOSTILE.to_owned(),
        };
        let mut changed = document.clone();
        *changed.pointer_mut(&pointer).unwrap() = Json::String(hostile);
        if let Ok(value) = serde_json::from_value::<T>(changed) {
            look(&pointer, &value);
            looked += 1;
        }
    }
    looked
}

fn strings(json: &Json, at: String, found: &mut Vec<String>) {
    match json {
        Json::String(_) => found.push(at),
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                strings(item, format!("{at}/{index}"), found);
            }
        }
        Json::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                strings(value, format!("{at}/{name}"), found);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn json_is_clean_and_whole<T: Serialize>(what: &str, value: &T) {
    let shown = SafeText::json(value).unwrap();
    judge(what, shown.as_bytes());
    let back: Json = serde_json::from_str(&shown).unwrap();
    assert_eq!(back, serde_json::to_value(value).unwrap(), "{what}");
}

#[test]
fn every_text_of_a_plan_and_its_outcome() {
    let desk = Desk::new(MANIFEST);
    let mut document = desk.saved();
    document.as_object_mut().unwrap().remove("digest");
    let all: Vec<Note> = plan_notes::each().into_iter().map(|(note, _)| note).collect();
    document["notes"]
        .as_array_mut()
        .unwrap()
        .extend(all.iter().map(|note| serde_json::to_value(note).unwrap()));
    let looked = each::<Plan>(&document, |at, plan| {
        json_is_clean_and_whole(at, plan);
        for plan in [plan, &redact::plan(plan)] {
            for detail in DETAILS {
                judge(at, text::plan(plan, detail, Colour::On).as_bytes());
                judge(at, text::check(plan, detail, Colour::On).as_bytes());
            }
            for step in &plan.steps {
                let mut line = SafeText::new(Colour::Off);
                line.line(text::step_name(step));
                assert_eq!(judge(at, line.as_bytes()).lines().count(), 1);
            }
            let drift = SafeText::new(Colour::Off).line(text::drift(plan)).clone();
            assert_eq!(judge(at, drift.as_bytes()).lines().count(), 1);
            let _ = saved::document(plan).unwrap();
        }
    });
    assert!(looked > 100, "{looked}");

    let applied = desk.mailward("apply", &["--yes", "--format", "json", "m.toml"]);
    let mut outcome: Json = serde_json::from_slice(&applied.stdout).unwrap();
    let place = serde_json::json!({"file": "f", "line": 1, "column": 1, "width": 1, "text": "a = 1"});
    outcome["messages"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({"what": "a", "place": place, "why": "b", "hint": "c"}));
    let look = |at: &str, outcome: &Outcome| {
        json_is_clean_and_whole(at, outcome);
        for outcome in [outcome, &redact::outcome(outcome)] {
            for colour in [Colour::Off, Colour::On] {
                for detail in DETAILS {
                    judge(at, text::outcome(outcome, detail, colour).as_bytes());
                }
            }
        }
    };
    let mut looked = each::<Outcome>(&outcome, look);
    let notes: Vec<Json> = all.iter().map(|note| serde_json::to_value(note).unwrap()).collect();
    outcome["notes"] = Json::Array(notes);
    outcome["steps"] = Json::Array(Vec::new());
    looked += each::<Outcome>(&outcome, look);
    assert!(looked > 100, "{looked}");
}

#[test]
fn every_text_of_a_host_that_is_shown() {
    let desk = Desk::new(MANIFEST);
    let shown = desk.mailward("show", &["--format", "json", "m.toml"]);
    let shown: Json = serde_json::from_slice(&shown.stdout).unwrap();
    let mut looked = 0;
    for (setting, value, running) in [
        (LimitSetting::PerIp, LimitValue::Nothing, RunningValue::Unknown),
        (LimitSetting::Total, LimitValue::Count(ConnectionLimit::Unlimited), RunningValue::Not),
    ] {
        let entry = LimitEntry {
            service: HOSTILE.to_owned(),
            setting,
            daemon: Daemon::Xinetd,
            key: HOSTILE.to_owned(),
            value,
            path: Some(HostPath::new(format!("/etc/{HOSTILE}")).unwrap()),
            line: Some(1),
            running,
            problems: vec![HOSTILE.to_owned()],
            declared: Some(DeclaredAs { value, layer: HOSTILE.to_owned(), line: 2 }),
        };
        let shown = text::show(&[entry.clone(), entry.clone()], Colour::On);
        assert_eq!(judge("show", shown.as_bytes()).lines().count(), 5);
        json_is_clean_and_whole("show", &entry);
    }
    looked += each::<Access>(&shown["access"], |at, access| {
        for colour in [Colour::Off, Colour::On] {
            judge(at, text::reach(access, colour).as_bytes());
        }
        json_is_clean_and_whole(at, access);
    });
    looked += each::<Accounts>(&shown["panel_access"], |at, accounts| {
        for colour in [Colour::Off, Colour::On] {
            judge(at, text::accounts(accounts, colour).as_bytes());
        }
        json_is_clean_and_whole(at, accounts);
    });
    assert!(looked > 40, "{looked}");
    for (note, _) in plan_notes::each() {
        let note = serde_json::to_value(note).unwrap();
        each::<Note>(&note, |at, note| {
            assert_eq!(judge(at, text::waiting(note, Colour::On).as_bytes()).lines().count(), 1);
        });
    }
}

#[test]
fn every_part_of_a_message() {
    let place =
        FilePlace { file: HOSTILE.to_owned(), line: 3, column: 2, width: 4, text: format!("a = {HOSTILE}") };
    for colour in [Colour::Off, Colour::On] {
        for severity in [WorstSeverity::Error, WorstSeverity::Note] {
            let all = Diagnostic::new(HOSTILE).because(HOSTILE).hint(HOSTILE);
            let placed = all.clone().at(place.clone());
            let cut = all.clone().at(FilePlace { column: 4000, ..place.clone() });
            judge("a message", render(&[all, placed, cut], severity, colour).as_bytes());
        }
    }
}
