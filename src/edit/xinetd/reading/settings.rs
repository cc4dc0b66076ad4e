//! Finds what is wrong with single settings of a block, and what xinetd takes but hardly as meant.
//!
//! Whether xinetd takes a setting has been decided before.

use super::super::attribute::{self, Known};
use super::super::file::{Fate, File, Heading, Setting};
use super::super::problem::ProblemKind;
use super::Reading;
use crate::model::{Count, HostPath};

impl Reading<'_> {
    pub(super) fn setting_problems(
        &mut self,
        path: &HostPath,
        file: &File,
        heading: &Heading,
        setting: &Setting,
        fate: Fate,
    ) {
        let parts = &setting.parts;
        let values = match (parts.values.first(), parts.values.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => parts.operator_at.clone(),
        };
        let (at, kind) = match fate {
            Fate::Set(known) => {
                self.value_warnings(path, file, setting, known);
                return;
            }
            Fate::Unknown => match heading {
                Heading::Defaults => (parts.name.clone(), ProblemKind::NotInDefaults),
                Heading::Service { .. } => (parts.name.clone(), ProblemKind::UnknownAttribute),
            },
            Fate::AlreadySet(_) => (parts.name.clone(), ProblemKind::AlreadySet),
            Fate::OperatorNotAllowed(_) => {
                (parts.operator_at.clone(), ProblemKind::OperatorNotAllowed)
            }
            Fate::WrongValueCount(_, expected) => (
                values,
                ProblemKind::WrongValueCount {
                    expected,
                    found: parts.values.len(),
                    comment: parts.values.iter().any(|v| file.text(v).starts_with(b"#")),
                },
            ),
            Fate::Bad(_) => match heading {
                Heading::Defaults => (values, ProblemKind::BadDefault),
                Heading::Service { .. } => (values, ProblemKind::BadValue),
            },
        };
        self.problem(path, file, setting.line, &at, kind);
    }

    /// Values that xinetd takes, but hardly as meant.
    fn value_warnings(&mut self, path: &HostPath, file: &File, setting: &Setting, known: Known) {
        let values = &setting.parts.values;
        let texts: Vec<&[u8]> = values.iter().map(|at| file.text(at)).collect();
        let kept = match known.check {
            attribute::Check::Count => match attribute::count(texts[0]) {
                Some(Count::Number(0)) => {
                    let kind = ProblemKind::RefusesEverybody;
                    self.problem(path, file, setting.line, &values[0], kind);
                    return;
                }
                Some(count) => count.to_string(),
                None => return,
            },
            attribute::Check::Rate => match attribute::rate(&texts) {
                Some(rate) => rate.to_string(),
                None => return,
            },
            _ => return,
        };
        if let Some(at) = values.iter().find(|at| attribute::wraps(file.text(at))) {
            self.problem(path, file, setting.line, at, ProblemKind::Wraps { kept });
        }
    }
}
