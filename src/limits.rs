//! Connection limits: what they are on this host, and what it takes to make them what the manifest says.
//!
//! One module a daemon. Each is pure: it works on what was observed and returns the parts of a plan.

pub mod action;
pub mod courier;
pub mod note;
pub mod observed;
pub mod owed;
pub mod panel;
pub mod recall;
pub mod show;
pub mod step;
pub mod text;
pub mod xinetd;

use std::time::Duration;

use self::observed::ObservedLimits;
use self::recall::RecalledLimits;
use crate::capability::PartNote;
use crate::edit::{EditKind, LineEdit};
use crate::facts::{DaemonNamesakes, Facts};
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker};
use crate::limits::action::ServiceAction;
use crate::limits::note::LimitsNote;
use crate::limits::step::{EditedLine, FileEdit, PanelLimitStep};
use crate::model::Desired;
use crate::model::printable;

/// What one daemon adds to a plan.
#[derive(Debug, Default)]
pub struct LimitsPart {
    /// Edits, by path.
    pub edits: Vec<FileEdit>,
    /// Commands of the panel.
    pub panel: Vec<PanelLimitStep>,
    /// Service actions, by unit.
    pub actions: Vec<ServiceAction>,
    /// What is not done, or worth a look.
    pub notes: Vec<PartNote<LimitsNote>>,
    /// What keeps the plan from being made.
    pub blockers: Vec<PlanBlocker>,
}

impl LimitsPart {
    /// Adds a blocker, unless one has said the same of the same place already.
    fn block(&mut self, kind: PlanBlocked, diagnostic: Diagnostic) {
        let said = |other: &PlanBlocker| {
            let other = &other.diagnostic;
            other.place.is_some() && other.place == diagnostic.place && other.why == diagnostic.why
                || *other == diagnostic
        };
        if !self.blockers.iter().any(said) {
            self.blockers.push(PlanBlocker { kind, diagnostic });
        }
    }
}

/// Plans: edits by path, service actions by what they do and their unit.
#[must_use]
pub fn plan(
    desired: &Desired,
    facts: &Facts,
    recalled: &RecalledLimits,
    observed: &ObservedLimits,
    deadline: Duration,
) -> LimitsPart {
    let mut all = LimitsPart::default();
    let mut add = |LimitsPart { edits, panel, actions, notes, blockers }| {
        all.edits.extend(edits);
        all.panel.extend(panel);
        all.actions.extend(actions);
        all.notes.extend(notes);
        all.blockers.extend(blockers);
    };
    if courier::concerns(desired, recalled) {
        let none = courier::CourierFiles::default();
        let files = observed.courier.as_ref().unwrap_or(&none);
        add(courier::plan(desired, facts, recalled, files, observed.panel.as_ref(), deadline));
    }
    if let Some(xinetd) = &observed.xinetd
        && xinetd::concerns(desired, recalled)
    {
        add(xinetd::plan(desired, facts, recalled, xinetd, deadline));
    }
    all.edits.sort_by(|a, b| a.path.cmp(&b.path));
    all.actions.sort_by(|a, b| (a.verb, &a.unit).cmp(&(b.verb, &b.unit)));
    all
}

/// Names the processes that are called like these daemons and are none, and blocks where that cannot be told.
fn others(programs: &[&str], facts: &Facts, part: &mut LimitsPart) {
    let DaemonNamesakes { unclear, strangers } = &facts.others;
    let is_one = |name: &str| programs.contains(&name);
    for (process, what) in unclear.iter().filter(|(process, _)| is_one(&process.name)) {
        part.block(
            PlanBlocked::Unknown,
            Diagnostic::new(format!("it is not known whether {} runs", process.name))
                .because(what.clone())
                .hint("run mailward as root, who may read it"),
        );
    }
    let notes = strangers.iter().filter(|(name, _)| is_one(name));
    part.notes.extend(notes.map(|(name, foreign)| {
        PartNote::Own(LimitsNote::Stranger { program: name.clone(), foreign: foreign.clone() })
    }));
}

/// The lines of a plan from those of an editor.
#[must_use]
pub fn lines(edits: &[LineEdit]) -> Vec<EditedLine> {
    let mut lines: Vec<EditedLine> = edits
        .iter()
        .map(|edit| EditedLine {
            kind: edit.kind,
            line: edit.line,
            block: edit.block.clone(),
            before: edit.before.as_deref().map(printable::text),
            after: printable::text(&edit.after),
        })
        .collect();
    lines.sort_by_key(|line| line.line);
    lines
}

/// Joins the lines of several `ensure`s on one file, made one after the other, into what differs from the
/// first input.
pub(crate) fn join(lines: &mut Vec<LineEdit>, later: Vec<LineEdit>) {
    for edit in later {
        if edit.kind == EditKind::Insert || edit.before.is_none() {
            for earlier in lines.iter_mut().filter(|earlier| earlier.line >= edit.line) {
                earlier.line += 1;
            }
            lines.push(edit);
        } else if let Some(earlier) = lines.iter_mut().find(|earlier| earlier.line == edit.line) {
            earlier.after = edit.after;
            if edit.kind == EditKind::Repair && earlier.kind == EditKind::Change {
                earlier.kind = EditKind::Repair;
            }
        } else {
            lines.push(edit);
        }
    }
}
