//! Finds what is wrong with single settings of a block, and what xinetd takes but hardly as meant.
//!
//! Whether xinetd takes a setting has been decided before.

use super::super::attribute::{self, KnownAttribute};
use super::super::file::{AttributeFate, AttributeLine, BlockHeading, XinetdFile};
use super::super::problem::XinetdProblemKind;
use super::ConfigReading;
use crate::model::{ConnectionLimit, HostPath};

impl ConfigReading<'_> {
    pub(super) fn setting_problems(
        &mut self,
        path: &HostPath,
        file: &XinetdFile,
        heading: &BlockHeading,
        setting: &AttributeLine,
        fate: AttributeFate,
    ) {
        let parts = &setting.parts;
        let values = match (parts.values.first(), parts.values.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => parts.operator_at.clone(),
        };
        let (at, kind) = match fate {
            AttributeFate::Set(known) => {
                self.value_warnings(path, file, setting, known);
                return;
            }
            AttributeFate::Unknown => match heading {
                BlockHeading::Defaults => (parts.name.clone(), XinetdProblemKind::NotInDefaults),
                BlockHeading::Service { .. } => (parts.name.clone(), XinetdProblemKind::UnknownAttribute),
            },
            AttributeFate::AlreadySet(_) => (parts.name.clone(), XinetdProblemKind::AlreadySet),
            AttributeFate::OperatorNotAllowed(_) => {
                (parts.operator_at.clone(), XinetdProblemKind::OperatorNotAllowed)
            }
            AttributeFate::WrongValueCount(_, expected) => (
                values,
                XinetdProblemKind::WrongValueCount {
                    expected,
                    found: parts.values.len(),
                    comment: parts.values.iter().any(|v| file.text(v).starts_with(b"#")),
                },
            ),
            AttributeFate::Bad(_) => match heading {
                BlockHeading::Defaults => (values, XinetdProblemKind::BadDefault),
                BlockHeading::Service { .. } => (values, XinetdProblemKind::BadValue),
            },
        };
        self.problem(path, file, setting.line, &at, kind);
    }

    /// Values that xinetd takes, but hardly as meant.
    fn value_warnings(
        &mut self,
        path: &HostPath,
        file: &XinetdFile,
        setting: &AttributeLine,
        known: KnownAttribute,
    ) {
        let values = &setting.parts.values;
        let texts: Vec<&[u8]> = values.iter().map(|at| file.text(at)).collect();
        let kept = match known.check {
            attribute::ValueCheck::Count => match attribute::count(texts[0]) {
                Some(ConnectionLimit::Number(0)) => {
                    let kind = XinetdProblemKind::RefusesEverybody;
                    self.problem(path, file, setting.line, &values[0], kind);
                    return;
                }
                Some(count) => count.to_string(),
                None => return,
            },
            attribute::ValueCheck::Rate => match attribute::rate(&texts) {
                Some(rate) => rate.to_string(),
                None => return,
            },
            _ => return,
        };
        if let Some(at) = values.iter().find(|at| attribute::wraps(file.text(at))) {
            self.problem(path, file, setting.line, at, XinetdProblemKind::Wraps { kept });
        }
    }
}
