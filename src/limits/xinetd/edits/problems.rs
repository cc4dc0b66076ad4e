//! The lines of one attribute in one block that xinetd ignores or chokes on.

use crate::edit::xinetd::{self as editor, Attribute, ProblemEffect, XinetdConfig};
use crate::model::HostPath;

/// Whether a block has a line of the attribute that xinetd ignores or chokes on.
pub(super) fn broken(config: &XinetdConfig, path: &HostPath, heading: u32, attribute: Attribute) -> bool {
    problems_of(config, path, heading, attribute).any(counts)
}

/// The problems of an attribute's lines in one block, named by its heading.
pub fn problems_of<'c>(
    config: &'c XinetdConfig,
    path: &'c HostPath,
    heading: u32,
    attribute: Attribute,
) -> impl Iterator<Item = &'c editor::XinetdProblem> {
    let services = config.services.iter().filter(|entry| entry.path == *path).map(|entry| entry.line);
    let defaults = config.defaults.blocks.iter().filter(|at| at.path == *path).map(|at| at.line);
    let next = services.chain(defaults).filter(|line| *line > heading).min().unwrap_or(u32::MAX);
    config.problems.iter().filter(move |problem| {
        let inside = problem.path == *path && problem.spot.line > heading && problem.spot.line < next;
        inside && names(&problem.text, attribute)
    })
}

/// A second line of an attribute is without effect too, but nothing is wrong with it.
pub(super) fn counts(problem: &editor::XinetdProblem) -> bool {
    let harmless = matches!(
        problem.kind,
        editor::XinetdProblemKind::AlreadySet | editor::XinetdProblemKind::RefusesEverybody
    );
    !harmless
        && match problem.kind.effect() {
            ProblemEffect::LineIgnored
            | ProblemEffect::ServiceDropped
            | ProblemEffect::DaemonExits
            | ProblemEffect::Unforeseeable => true,
            ProblemEffect::Warning
            | ProblemEffect::FileSkipped
            | ProblemEffect::NotFollowed
            | ProblemEffect::Unclear
            | ProblemEffect::BlockLost => false,
        }
}

fn names(line: &[u8], attribute: Attribute) -> bool {
    let start = line.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(line.len());
    let line = &line[start..];
    let name = attribute.name().as_bytes();
    line.len() >= name.len()
        && line[..name.len()].eq_ignore_ascii_case(name)
        && !line.get(name.len()).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
