//! Every value of a saved plan replaced, taken out, doubled and swapped. As it is, each such file is refused.
//! With the digest and the fingerprint made anew, as somebody could who may write the file, it is refused or
//! does no more than what it showed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use mailward::engine::make::{ACTION_DEADLINE, make};
use mailward::engine::observe::{ObserveScope, Observed};
use mailward::engine::recall::HostSurvey;
use mailward::failure::Exit;
use mailward::host::local::LocalHost;
use mailward::plan::{Fingerprint, Plan, SafetyOverrides, Step, saved, stale};
use serde_json::{Value as Json, json};

use super::{Desk, MANIFEST};
use crate::support::covered;

/// One of several values that are alike: where it stands, and which other one stands beside it.
struct Spot {
    parent: String,
    key: Key,
    next: Option<Key>,
}

#[derive(Clone)]
enum Key {
    Field(String),
    Item(usize),
}

impl Key {
    fn of<'j>(&self, json: &'j mut Json) -> &'j mut Json {
        match self {
            Self::Field(name) => &mut json[name.as_str()],
            Self::Item(index) => &mut json[*index],
        }
    }

    fn pointer(&self, parent: &str) -> String {
        match self {
            Self::Field(name) => format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Item(index) => format!("{parent}/{index}"),
        }
    }
}

/// How many of the values that stand in the same place of like things are changed.
#[derive(Clone, Copy)]
enum Alike {
    /// The first.
    One,
    /// The first and the last.
    Two,
}

/// Finds the values of a document.
fn spots(json: &Json, alike: Alike) -> Vec<Spot> {
    let mut found: BTreeMap<String, (Spot, Option<Spot>)> = BTreeMap::new();
    walk(json, "", "", &mut found);
    (found.into_values())
        .flat_map(|(first, last)| match alike {
            Alike::One => [Some(first), None],
            Alike::Two => [Some(first), last],
        })
        .flatten()
        .collect()
}

fn walk(json: &Json, at: &str, shape: &str, found: &mut BTreeMap<String, (Spot, Option<Spot>)>) {
    let inner: Vec<(Key, &Json)> = match json {
        Json::Object(fields) => {
            (fields.iter()).map(|(name, value)| (Key::Field(name.clone()), value)).collect()
        }
        Json::Array(items) => {
            (items.iter().enumerate()).map(|(index, value)| (Key::Item(index), value)).collect()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Vec::new(),
    };
    for (place, (key, value)) in inner.iter().enumerate() {
        let pointer = key.pointer(at);
        let shape = match key {
            // A place in a manifest is one wherever it is named.
            Key::Field(name) if name == "origin" => "origin".to_owned(),
            Key::Field(name) => format!("{shape}/{name}"),
            Key::Item(_) => format!("{shape}/*{}", value["step"].as_str().unwrap_or_default()),
        };
        let spot = Spot {
            parent: at.to_owned(),
            key: key.clone(),
            next: inner.get(place + 1).map(|(key, _)| key.clone()),
        };
        match found.entry(shape.clone()) {
            Entry::Vacant(entry) => {
                entry.insert((spot, None));
            }
            Entry::Occupied(mut entry) => entry.get_mut().1 = Some(spot),
        }
        walk(value, &pointer, &shape, found);
    }
}

/// What a value is replaced by.
fn others(value: &Json) -> Vec<Json> {
    let mut others = vec![
        Json::Null,
        json!(true),
        json!(0),
        json!(u32::MAX),
        json!(""),
        json!("nobody"),
        json!([]),
        json!({}),
    ];
    match value {
        Json::Number(number) => {
            let number = number.as_i64().unwrap();
            others.extend([json!(number + 1), json!(-number), json!(number.to_string())]);
        }
        Json::String(text) => {
            let longer = format!("{text} ");
            others.extend([json!(longer), json!(text.to_uppercase()), json!([text])]);
        }
        Json::Bool(is) => others.push(json!(!is)),
        Json::Array(items) => {
            let rest = items.get(1..).unwrap_or_default();
            let back: Vec<&Json> = items.iter().rev().collect();
            let twice: Vec<&Json> = items.iter().chain(items.first()).collect();
            others.extend([json!(rest), json!(back), json!(twice)]);
        }
        Json::Object(fields) => {
            let mut more = fields.clone();
            more.insert("more".to_owned(), json!(1));
            others.push(Json::Object(more));
        }
        Json::Null => others.push(json!(1)),
    }
    others
}

/// Every changed document, with what was changed.
fn each_mutant(plan: &Json, alike: Alike, mut judge: impl FnMut(&str, Json)) -> usize {
    let mut number = 0;
    for Spot { parent, key, next } in spots(plan, alike) {
        let pointer = key.pointer(&parent);
        let value = plan.pointer(&pointer).unwrap();
        let mut tell = |change: &dyn Fn(&mut Json)| {
            let mut mutant = plan.clone();
            change(mutant.pointer_mut(&parent).unwrap());
            if mutant != *plan {
                number += 1;
                judge(&pointer, mutant);
            }
        };
        for other in others(value) {
            tell(&|within| *key.of(within) = other.clone());
        }
        tell(&|within| match &key {
            Key::Field(name) => drop(within.as_object_mut().unwrap().remove(name)),
            Key::Item(index) => drop(within.as_array_mut().unwrap().remove(*index)),
        });
        if let Some(next) = &next {
            tell(&|within| {
                let theirs = std::mem::replace(next.of(within), value.clone());
                *key.of(within) = theirs;
            });
        }
    }
    number
}

fn bytes(json: &Json) -> Vec<u8> {
    serde_json::to_vec(json).unwrap()
}

/// Makes fingerprint and digest of a changed plan fit it again.
pub fn forge(plan: &mut Json) {
    let fields = plan.as_object_mut().unwrap();
    fields.remove("digest");
    let steps = fields.get("steps").cloned().unwrap_or_default();
    if let Ok(steps) = serde_json::from_value::<Vec<Step>>(steps) {
        let fingerprint = serde_json::to_value(Fingerprint::of(&steps)).unwrap();
        fields.insert("fingerprint".to_owned(), fingerprint);
    }
    let digest = saved::digest(plan).to_string();
    plan["digest"] = digest.into();
}

/// What a step does on this host, wherever it was declared.
fn deed(step: &Step) -> Step {
    let mut step = step.clone();
    match &mut step {
        Step::Edit(step) => step.causes.clear(),
        Step::Panel(step) => step.causes.clear(),
        Step::Action(step) => step.causes.clear(),
        Step::PanelAccess(step) => step.causes.clear(),
        Step::Firewall(step) => step.causes.clear(),
        Step::Boot(_) | Step::Retire(_) => {}
    }
    step
}

#[test]
fn every_change_of_a_saved_plan_is_noticed() {
    let plan = Desk::new(MANIFEST).saved();
    assert!(saved::read(&bytes(&plan)).is_ok());
    let mut ends: BTreeMap<u8, usize> = BTreeMap::new();
    let number = each_mutant(&plan, Alike::Two, |what, mutant| {
        let error = saved::of_json(mutant).err();
        let error = error.unwrap_or_else(|| panic!("{what} can be changed"));
        *ends.entry(error.exit().code()).or_default() += 1;
    });
    assert!(number > 3000, "{number}");
    let stale = ends.get(&Exit::Stale.code()).copied().unwrap_or_default();
    assert_eq!(stale, number, "{ends:?}");
    covered(&format!("{number} changed saved plans are all refused with 6"));
}

#[test]
fn a_forged_plan_is_refused_or_does_no_more_than_it_shows() {
    let desk = Desk::new(MANIFEST);
    let plan = desk.saved();
    let original = saved::read(&bytes(&plan)).unwrap();
    let host = LocalHost::tree(desk.copy.path().to_owned()).unwrap();
    let survey = HostSurvey::read(&host).unwrap();
    let observed = Observed::read(&host, &survey, ObserveScope::Of(&original.desired)).unwrap();
    let now = |plan: &Plan| {
        let (deadline, allowed) = (ACTION_DEADLINE, SafetyOverrides::default());
        make(&plan.desired, &[], &survey, &observed, deadline, &allowed)
    };
    let deeds: Vec<Step> = now(&original).unwrap().steps.iter().map(deed).collect();
    let (mut tried, mut refused, mut equal, mut less) = (0, 0, 0, BTreeMap::new());
    each_mutant(&plan, Alike::One, |what, mut mutant| {
        // What is of another kind is no plan at all.
        let kind = |plan: &Json| plan.pointer(what).map(std::mem::discriminant);
        if kind(&mutant).is_some_and(|is| Some(is) != kind(&plan)) {
            return;
        }
        tried += 1;
        forge(&mut mutant);
        let Ok(forged) = saved::of_json(mutant.clone()) else {
            refused += 1;
            return;
        };
        let Ok(now) = now(&forged) else {
            refused += 1;
            return;
        };
        if stale::compare(&forged, &now).is_err() {
            refused += 1;
            return;
        }
        let does: Vec<Step> = now.steps.iter().map(deed).collect();
        if does == deeds {
            equal += 1;
            return;
        }
        for step in &does {
            assert!(deeds.contains(step), "{what}: {step:#?}\n{mutant:#}");
        }
        *less.entry(what.to_owned()).or_insert(0) += 1;
    });
    for what in less.keys() {
        assert!(what.starts_with("/desired"), "{what} decides what is done");
    }
    covered(&format!(
        "{tried} forged saved plans: {refused} refused, {equal} do what was shown, {} do less",
        less.values().sum::<usize>()
    ));
}
