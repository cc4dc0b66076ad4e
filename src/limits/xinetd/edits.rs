//! Which of xinetd's files are edited, and what every service then has.

mod effects;
mod ensure;
mod problems;

use std::collections::BTreeMap;

use self::effects::{causes, effects};
use self::ensure::ensure_all;
pub use self::problems::problems_of;
use super::{BlockTarget, ServiceNeed, XinetdFiles, XinetdWanted, default_of};
use crate::capability::PartNote;
use crate::edit::LineEdit;
use crate::edit::xinetd::{
    self as editor, FileTree, ProblemEffect, ServiceEntry, ServiceState, TreeEntry, XinetdConfig,
};
use crate::failure::{Diagnostic, PlanBlocked, declared_at, place};
use crate::host::Digest;
use crate::limits::note::LimitsNote;
use crate::limits::step::FileEdit;
use crate::limits::{LimitsPart, lines};
use crate::model::HostPath;

/// Plans the edits; gives the configuration as it will be, or `None` where something blocks them.
pub(super) fn plan(
    wants: &[XinetdWanted],
    xinetd: &XinetdFiles,
    part: &mut LimitsPart,
) -> Option<XinetdConfig> {
    match xinetd.tree.files.get(&xinetd.main) {
        Some(TreeEntry::File(_)) => {}
        Some(TreeEntry::Unreadable(reason)) => {
            part.block(
                PlanBlocked::Unknown,
                Diagnostic::new(format!("cannot read {}: {reason}", xinetd.main)),
            );
            return None;
        }
        Some(TreeEntry::NotRegular | TreeEntry::Missing) | None => {
            for want in wants {
                part.block(
                    PlanBlocked::Manifest,
                    Diagnostic::new("there is no xinetd on this host")
                        .at(declared_at(&want.origin))
                        .because(format!("{} is not a file", xinetd.main))
                        .hint(format!("take [{}] out of this host's manifest", want.by)),
                );
            }
            return None;
        }
    }
    unreadable(xinetd, part);
    missing(wants, &xinetd.config, part);
    if !part.blockers.is_empty() {
        return None;
    }
    let mut tree = xinetd.tree.clone();
    let mut config = xinetd.config.clone();
    let mut changed: BTreeMap<HostPath, Vec<LineEdit>> = BTreeMap::new();
    // An edit can bring back a service that was dropped, whose other values then show; three looks settle
    // that.
    for _ in 0..3 {
        if !ensure_all(wants, &config, &mut tree, &mut changed, part) || !part.blockers.is_empty() {
            break;
        }
        config = XinetdConfig::read(&xinetd.main, &tree);
    }
    if !part.blockers.is_empty() {
        return None;
    }
    unreached(wants, &config, &tree, part);
    let effects = effects(wants, &xinetd.config, &config);
    if !part.blockers.is_empty() {
        return None;
    }
    for (path, edits) in &changed {
        let (Some(TreeEntry::File(old)), Some(TreeEntry::File(new))) =
            (xinetd.tree.files.get(path), tree.files.get(path))
        else {
            continue;
        };
        if let Some(obstacle) = xinetd.about.get(path).and_then(|about| about.obstacle.as_ref()) {
            part.block(PlanBlocked::Refused, Diagnostic::new(format!("{path} is not edited: it {obstacle}")));
            continue;
        }
        let mine = effects.iter().filter(|(decider, _)| decider == path);
        part.edits.push(FileEdit {
            path: path.clone(),
            before: Digest::of(old),
            lines: lines(edits),
            effects: mine.map(|(_, effect)| effect.clone()).collect(),
            causes: causes(wants, &xinetd.config, &config, path),
            bytes: new.clone(),
            old: old.clone(),
        });
    }
    part.notes.extend(disabled(wants, &config));
    part.blockers.is_empty().then_some(config)
}

/// A file that xinetd reads and mailward cannot.
fn unreadable(xinetd: &XinetdFiles, part: &mut LimitsPart) {
    for problem in &xinetd.config.problems {
        if let editor::XinetdProblemKind::IncludeUnreadable { path, why } = &problem.kind {
            part.block(
                PlanBlocked::Unknown,
                Diagnostic::new(format!("cannot read {path}: {why}"))
                    .hint("run it as root, or as a user who may read it"),
            );
        }
    }
}

/// The blocks that a want is about.
fn entries<'c>(want: &XinetdWanted, config: &'c XinetdConfig) -> Vec<&'c ServiceEntry> {
    match &want.target {
        BlockTarget::Defaults => Vec::new(),
        BlockTarget::Service(name) => config.services.iter().filter(|entry| entry.name == *name).collect(),
    }
}

fn missing(wants: &[XinetdWanted], config: &XinetdConfig, part: &mut LimitsPart) {
    for want in
        wants.iter().filter(|want| want.target != BlockTarget::Defaults && entries(want, config).is_empty())
    {
        // `limits.smtp` is fine with one of smtp and smtps, not with none.
        let covered = want.need == ServiceNeed::May
            && wants.iter().any(|other| other.by == want.by && !entries(other, config).is_empty());
        if covered {
            continue;
        }
        let name = want.target.name();
        let names: std::collections::BTreeSet<&str> =
            config.services.iter().map(|entry| entry.name.as_str()).collect();
        let nearest = names
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
        let diagnostic = Diagnostic::new(format!("xinetd has no service `{name}` on this host"))
            .at(declared_at(&want.origin))
            .because(format!("none of the files that xinetd reads defines it; [{}] needs it", want.by));
        part.block(
            PlanBlocked::Manifest,
            match nearest {
                Some(nearest) if strsim::jaro_winkler(nearest, name) > 0.7 => {
                    diagnostic.hint(format!("did you mean `{nearest}`?"))
                }
                Some(_) | None => diagnostic.hint(format!("take [{}] out of this host's manifest", want.by)),
            },
        );
    }
}

/// Blocks where a wanted value does not come out, or xinetd would not run with the files as they will be.
fn unreached(wants: &[XinetdWanted], config: &XinetdConfig, tree: &FileTree, part: &mut LimitsPart) {
    let show = |problem: &editor::XinetdProblem| match tree.files.get(&problem.path) {
        Some(TreeEntry::File(bytes)) => {
            place(&problem.path, bytes, problem.spot.line, problem.spot.column, problem.spot.width)
        }
        Some(TreeEntry::NotRegular | TreeEntry::Missing | TreeEntry::Unreadable(_)) | None => {
            place(&problem.path, b"", problem.spot.line, 1, 1)
        }
    };
    for problem in
        config.problems.iter().filter(|problem| problem.kind.effect() == ProblemEffect::Unforeseeable)
    {
        part.block(
            PlanBlocked::Refused,
            Diagnostic::new("what xinetd makes of its files cannot be foreseen")
                .at(show(problem))
                .because(problem.kind.to_string())
                .hint("mend this line by hand, then plan again"),
        );
    }
    for problem in
        config.problems.iter().filter(|problem| problem.kind.effect() == ProblemEffect::NotFollowed)
    {
        part.block(
            PlanBlocked::Refused,
            Diagnostic::new("xinetd reads a file that mailward does not read")
                .at(show(problem))
                .because(problem.kind.to_string())
                .hint("give the file a plain name and its whole path, then plan again"),
        );
    }
    for problem in
        config.problems.iter().filter(|problem| problem.kind.effect() == ProblemEffect::DaemonExits)
    {
        part.block(
            PlanBlocked::Refused,
            Diagnostic::new("xinetd would exit when it reads its files")
                .at(show(problem))
                .because(problem.kind.to_string())
                .hint("mend this line by hand, then plan again"),
        );
    }
    for want in wants {
        if want.target == BlockTarget::Defaults && default_of(config, want.attribute) != want.value {
            part.block(
                PlanBlocked::Refused,
                Diagnostic::new(format!(
                    "{} in xinetd's defaults would not take effect",
                    want.attribute.name()
                ))
                .at(declared_at(&want.origin)),
            );
        }
        for entry in entries(want, config) {
            if let ServiceState::Dropped(kind) = &entry.state
                && *kind != editor::XinetdProblemKind::Duplicate
            {
                let mut problems = config.problems.iter();
                let diagnostic = Diagnostic::new(format!("xinetd drops the service {} ({kind})", entry.name))
                    .hint("mend it by hand, then plan again");
                let at = problems.find(|problem| {
                    problem.path == entry.path && problem.spot.line >= entry.line && problem.kind == *kind
                });
                part.block(
                    PlanBlocked::Refused,
                    match at {
                        Some(problem) => diagnostic.at(show(problem)),
                        None => diagnostic.because(format!("{}:{}", entry.path, entry.line)),
                    },
                );
            }
        }
    }
}

/// Notes for services that are switched off.
fn disabled(wants: &[XinetdWanted], config: &XinetdConfig) -> Vec<PartNote<LimitsNote>> {
    let off = wants
        .iter()
        .flat_map(|want| entries(want, config))
        .filter(|entry| entry.state == ServiceState::Disabled);
    let mut notes: Vec<PartNote<LimitsNote>> = off
        .map(|entry| {
            PartNote::remark(format!(
                "xinetd's service {} is disabled ({}:{})",
                entry.name, entry.path, entry.line
            ))
        })
        .collect();
    notes.dedup();
    notes
}
