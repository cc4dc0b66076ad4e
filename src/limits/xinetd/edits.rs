//! Which of xinetd's files are edited, and what every service then has.

use std::collections::BTreeMap;

use super::{Need, Target, Wanted, Xinetd, declared, default_of, in_force, setting};
use crate::edit::xinetd::{
    self as editor, Attribute, BlockRef, Config, Effect as ProblemEffect, Entry, Refusal,
    ServiceEntry, ServiceState, Source, Tree,
};
use crate::edit::{LineEdit, Spot};
use crate::failure::{Blocked, Diagnostic};
use crate::host::Digest;
use crate::limits::{Part, declared_at, join, lines, place};
use crate::model::{Count, HostPath};
use crate::plan::{Cause, Edit, Effect, Named, Note, Value};

/// Plans the edits; gives the configuration as it will be, or `None` where something blocks them.
pub(super) fn plan(wants: &[Wanted], xinetd: &Xinetd, part: &mut Part) -> Option<Config> {
    match xinetd.tree.files.get(&xinetd.main) {
        Some(Entry::File(_)) => {}
        Some(Entry::Unreadable(reason)) => {
            part.block(
                Blocked::Unknown,
                Diagnostic::new(format!("cannot read {}: {reason}", xinetd.main)),
            );
            return None;
        }
        Some(Entry::NotRegular | Entry::Missing) | None => {
            for want in wants {
                part.block(
                    Blocked::Manifest,
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
    // An edit can bring back a service that was dropped, whose other values then show; three looks settle that.
    for _ in 0..3 {
        if !ensure_all(wants, &config, &mut tree, &mut changed, part) || !part.blockers.is_empty() {
            break;
        }
        config = Config::read(&xinetd.main, &tree);
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
        let (Some(Entry::File(old)), Some(Entry::File(new))) =
            (xinetd.tree.files.get(path), tree.files.get(path))
        else {
            continue;
        };
        if let Some(obstacle) = xinetd
            .about
            .get(path)
            .and_then(|about| about.obstacle.as_ref())
        {
            part.block(
                Blocked::Refused,
                Diagnostic::new(format!("{path} is not edited: it {obstacle}")),
            );
            continue;
        }
        let mine = effects.iter().filter(|(decider, _)| decider == path);
        part.edits.push(Edit {
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
fn unreadable(xinetd: &Xinetd, part: &mut Part) {
    for problem in &xinetd.config.problems {
        if let editor::ProblemKind::IncludeUnreadable { why } = &problem.kind {
            part.block(
                Blocked::Unknown,
                Diagnostic::new(format!("cannot read {}: {why}", problem.path))
                    .hint("run it as root, or as a user who may read it"),
            );
        }
    }
}

/// The blocks that a want is about.
fn entries<'c>(want: &Wanted, config: &'c Config) -> Vec<&'c ServiceEntry> {
    match &want.target {
        Target::Defaults => Vec::new(),
        Target::Service(name) => config
            .services
            .iter()
            .filter(|entry| entry.name == *name)
            .collect(),
    }
}

fn missing(wants: &[Wanted], config: &Config, part: &mut Part) {
    for want in wants
        .iter()
        .filter(|want| want.target != Target::Defaults && entries(want, config).is_empty())
    {
        // `limits.smtp` is fine with one of smtp and smtps, not with none.
        let covered = want.need == Need::May
            && wants
                .iter()
                .any(|other| other.by == want.by && !entries(other, config).is_empty());
        if covered {
            continue;
        }
        let name = want.target.name();
        let names: std::collections::BTreeSet<&str> = config
            .services
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        let nearest = names
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
        let diagnostic = Diagnostic::new(format!("xinetd has no service `{name}` on this host"))
            .at(declared_at(&want.origin))
            .because(format!(
                "none of the files that xinetd reads defines it; [{}] needs it",
                want.by
            ));
        part.block(
            Blocked::Manifest,
            match nearest {
                Some(nearest) if strsim::jaro_winkler(nearest, name) > 0.7 => {
                    diagnostic.hint(format!("did you mean `{nearest}`?"))
                }
                Some(_) | None => {
                    diagnostic.hint(format!("take [{}] out of this host's manifest", want.by))
                }
            },
        );
    }
}

const fn text(value: Value) -> Option<Text> {
    match value {
        Value::Count(count) => Some(Text::Count(count)),
        Value::Rate(rate) => Some(Text::Rate(rate)),
        Value::Nothing => None,
    }
}

enum Text {
    Count(Count),
    Rate(crate::model::Rate),
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(Count::Unlimited) => f.write_str("UNLIMITED"),
            Self::Count(Count::Number(number)) => write!(f, "{number}"),
            Self::Rate(rate) => write!(f, "{rate}"),
        }
    }
}

/// One `ensure` that is needed.
struct Needed<'w> {
    path: HostPath,
    block: BlockRef,
    line: u32,
    want: &'w Wanted,
}

/// Ensures each wanted value once; says whether anything was edited. Blocks further down a file come first, so that the
/// lines of those above stay where they are.
fn ensure_all(
    wants: &[Wanted],
    config: &Config,
    tree: &mut Tree,
    changed: &mut BTreeMap<HostPath, Vec<LineEdit>>,
    part: &mut Part,
) -> bool {
    let mut needs = Vec::new();
    for want in wants {
        match &want.target {
            Target::Defaults => {
                let at = config
                    .defaults
                    .attribute(want.attribute.name())
                    .map(|assignment| &assignment.at.path);
                let first = config.defaults.blocks.first();
                let block = config
                    .defaults
                    .blocks
                    .iter()
                    .find(|block| Some(&block.path) == at)
                    .or(first)
                    .map(|at| (at.path.clone(), at.line));
                let (path, line, reference) = match block {
                    Some((path, line)) => (path, line, BlockRef::Defaults),
                    None => (
                        config
                            .files
                            .first()
                            .cloned()
                            .unwrap_or_else(|| known_main(config)),
                        0,
                        BlockRef::Defaults,
                    ),
                };
                let broken = broken(config, &path, line, want.attribute);
                if default_of(config, want.attribute) != want.value || broken {
                    needs.push(Needed {
                        path,
                        block: reference,
                        line,
                        want,
                    });
                }
            }
            Target::Service(_) => {
                for entry in entries(want, config) {
                    let duplicate = matches!(&entry.state, ServiceState::Dropped(kind) if *kind == editor::ProblemKind::Duplicate);
                    let broken = broken(config, &entry.path, entry.line, want.attribute);
                    if !duplicate && (in_force(entry, want.attribute) != want.value || broken) {
                        needs.push(Needed {
                            path: entry.path.clone(),
                            block: BlockRef::Service { line: entry.line },
                            line: entry.line,
                            want,
                        });
                    }
                }
            }
        }
    }
    needs.sort_by(|a, b| (&a.path, b.line).cmp(&(&b.path, a.line)));
    let mut any = false;
    for need in needs {
        let Some(Entry::File(bytes)) = tree.files.get(&need.path) else {
            continue;
        };
        let Some(value) = text(need.want.value) else {
            continue;
        };
        let result = if need.line == 0 {
            editor::ensure_defaults_block(bytes, need.want.attribute, &value.to_string())
        } else {
            editor::ensure(bytes, need.block, need.want.attribute, &value.to_string())
        };
        match result {
            Ok(edited) if edited.lines.is_empty() => {}
            Ok(edited) => {
                any = true;
                join(changed.entry(need.path.clone()).or_default(), edited.lines);
                tree.files.insert(need.path, Entry::File(edited.bytes));
            }
            Err(refusal) => {
                let diagnostic = Diagnostic::new(format!(
                    "{} of {} in {} cannot be set safely",
                    need.want.attribute.name(),
                    need.want.target.name(),
                    need.path
                ))
                .because(refusal.to_string())
                .hint("mend the file by hand, then plan again");
                part.block(
                    Blocked::Refused,
                    match spot(&refusal) {
                        Some(spot) => diagnostic.at(place(
                            &need.path,
                            bytes,
                            spot.line,
                            spot.column,
                            spot.width,
                        )),
                        None => diagnostic.at(declared_at(&need.want.origin)),
                    },
                );
            }
        }
    }
    any
}

fn known_main(config: &Config) -> HostPath {
    config
        .files
        .first()
        .cloned()
        .unwrap_or_else(|| crate::model::known("/etc/xinetd.conf"))
}

/// The place that a refusal is about.
const fn spot(refusal: &Refusal) -> Option<Spot> {
    match refusal {
        Refusal::NoBlock { spot, why: _ } => *spot,
        Refusal::BlockLost { spot, why: _ }
        | Refusal::CarriageReturns { spot }
        | Refusal::HasDefaults { spot }
        | Refusal::Unproved { spot } => Some(*spot),
        Refusal::Value { .. } => None,
    }
}

/// Whether a block has a line of the attribute that xinetd ignores or chokes on.
fn broken(config: &Config, path: &HostPath, heading: u32, attribute: Attribute) -> bool {
    problems_of(config, path, heading, attribute).any(counts)
}

/// The problems of an attribute's lines in one block, named by its heading.
pub fn problems_of<'c>(
    config: &'c Config,
    path: &'c HostPath,
    heading: u32,
    attribute: Attribute,
) -> impl Iterator<Item = &'c editor::Problem> {
    let services = config
        .services
        .iter()
        .filter(|entry| entry.path == *path)
        .map(|entry| entry.line);
    let defaults = config
        .defaults
        .blocks
        .iter()
        .filter(|at| at.path == *path)
        .map(|at| at.line);
    let next = services
        .chain(defaults)
        .filter(|line| *line > heading)
        .min()
        .unwrap_or(u32::MAX);
    config.problems.iter().filter(move |problem| {
        let inside =
            problem.path == *path && problem.spot.line > heading && problem.spot.line < next;
        inside && names(&problem.text, attribute)
    })
}

/// A second line of an attribute is without effect too, but nothing is wrong with it.
fn counts(problem: &editor::Problem) -> bool {
    let harmless = matches!(
        problem.kind,
        editor::ProblemKind::AlreadySet | editor::ProblemKind::RefusesEverybody
    );
    !harmless
        && match problem.kind.effect() {
            ProblemEffect::LineIgnored
            | ProblemEffect::ServiceDropped
            | ProblemEffect::DaemonExits
            | ProblemEffect::Unforeseeable => true,
            ProblemEffect::Warning | ProblemEffect::FileSkipped | ProblemEffect::BlockLost => false,
        }
}

fn names(line: &[u8], attribute: Attribute) -> bool {
    let start = line
        .iter()
        .position(|byte| !byte.is_ascii_whitespace())
        .unwrap_or(line.len());
    let line = &line[start..];
    let name = attribute.name().as_bytes();
    line.len() >= name.len()
        && line[..name.len()].eq_ignore_ascii_case(name)
        && !line
            .get(name.len())
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Blocks where a wanted value does not come out, or xinetd would not run with the files as they will be.
fn unreached(wants: &[Wanted], config: &Config, tree: &Tree, part: &mut Part) {
    let show = |problem: &editor::Problem| match tree.files.get(&problem.path) {
        Some(Entry::File(bytes)) => place(
            &problem.path,
            bytes,
            problem.spot.line,
            problem.spot.column,
            problem.spot.width,
        ),
        Some(Entry::NotRegular | Entry::Missing | Entry::Unreadable(_)) | None => {
            place(&problem.path, b"", problem.spot.line, 1, 1)
        }
    };
    for problem in config
        .problems
        .iter()
        .filter(|problem| problem.kind.effect() == ProblemEffect::Unforeseeable)
    {
        part.block(
            Blocked::Refused,
            Diagnostic::new("what xinetd makes of its files cannot be foreseen")
                .at(show(problem))
                .because(problem.kind.to_string())
                .hint("mend this line by hand, then plan again"),
        );
    }
    for problem in config
        .problems
        .iter()
        .filter(|problem| problem.kind.effect() == ProblemEffect::DaemonExits)
    {
        part.block(
            Blocked::Refused,
            Diagnostic::new("xinetd would exit when it reads its files")
                .at(show(problem))
                .because(problem.kind.to_string())
                .hint("mend this line by hand, then plan again"),
        );
    }
    for want in wants {
        if want.target == Target::Defaults && default_of(config, want.attribute) != want.value {
            part.block(
                Blocked::Refused,
                Diagnostic::new(format!(
                    "{} in xinetd's defaults would not take effect",
                    want.attribute.name()
                ))
                .at(declared_at(&want.origin)),
            );
        }
        for entry in entries(want, config) {
            if let ServiceState::Dropped(kind) = &entry.state
                && *kind != editor::ProblemKind::Duplicate
            {
                let mut problems = config.problems.iter();
                let diagnostic =
                    Diagnostic::new(format!("xinetd drops the service {} ({kind})", entry.name))
                        .hint("mend it by hand, then plan again");
                let at = problems.find(|problem| {
                    problem.path == entry.path
                        && problem.spot.line >= entry.line
                        && problem.kind == *kind
                });
                part.block(
                    Blocked::Refused,
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
fn disabled(wants: &[Wanted], config: &Config) -> Vec<Note> {
    let off = wants
        .iter()
        .flat_map(|want| entries(want, config))
        .filter(|entry| entry.state == ServiceState::Disabled);
    let mut notes: Vec<Note> = off
        .map(|entry| Note::Remark {
            text: format!(
                "xinetd's service {} is disabled ({}:{})",
                entry.name, entry.path, entry.line
            ),
        })
        .collect();
    notes.dedup();
    notes
}

/// Every effective value that changes, with the file whose edit changes it.
fn effects(wants: &[Wanted], before: &Config, after: &Config) -> Vec<(HostPath, Effect)> {
    let mut effects = Vec::new();
    let wanted = |target: &str, attribute: Attribute| {
        wants
            .iter()
            .any(|want| want.target.name() == target && want.attribute == attribute)
    };
    for attribute in Attribute::ALL {
        let (from, to) = (default_of(before, attribute), default_of(after, attribute));
        let assigned = after.defaults.attribute(attribute.name());
        if from != to
            && let Some(assigned) = assigned
        {
            let named = if wanted("defaults", attribute) {
                Named::ByManifest
            } else {
                Named::Inherits
            };
            let effect = Effect {
                service: "defaults".to_owned(),
                setting: setting(attribute),
                from,
                to,
                named,
            };
            effects.push((assigned.at.path.clone(), effect));
        }
    }
    // An edit adds and removes no block, so the entries stand in the same order.
    for (old, new) in before.services.iter().zip(&after.services) {
        for attribute in Attribute::ALL {
            let dropped = matches!(old.state, ServiceState::Dropped(_));
            let from = if dropped {
                Value::Nothing
            } else {
                in_force(old, attribute)
            };
            let to = in_force(new, attribute);
            let gone = matches!(new.state, ServiceState::Dropped(_));
            // A service that is switched off has no value in force; it is listed only where the manifest names it.
            let silent = new.state == ServiceState::Disabled && !wanted(&new.name, attribute);
            if from == to || gone || silent {
                continue;
            }
            let source = match attribute {
                Attribute::PerSource => &new.per_source.from,
                Attribute::Instances => &new.instances.from,
                Attribute::Cps => &new.cps.from,
            };
            let path = match source {
                Source::Own(at) | Source::Defaults(at) => at.path.clone(),
                Source::BuiltIn => new.path.clone(),
            };
            let path = if dropped { new.path.clone() } else { path };
            let named = if wanted(&new.name, attribute) {
                Named::ByManifest
            } else {
                Named::Inherits
            };
            effects.push((
                path,
                Effect {
                    service: new.name.clone(),
                    setting: setting(attribute),
                    from,
                    to,
                    named,
                },
            ));
        }
    }
    effects
}

/// Why a file is edited.
fn causes(wants: &[Wanted], before: &Config, after: &Config, path: &HostPath) -> Vec<Cause> {
    let mut causes = Vec::new();
    for want in wants {
        let here: Vec<u32> = match &want.target {
            Target::Defaults => {
                let blocks = before.defaults.blocks.iter().filter(|at| at.path == *path);
                let blocks: Vec<u32> = blocks.map(|at| at.line).collect();
                let decides = after
                    .defaults
                    .attribute(want.attribute.name())
                    .is_some_and(|a| a.at.path == *path);
                if blocks.is_empty() && decides {
                    vec![0]
                } else {
                    blocks
                }
            }
            Target::Service(_) => entries(want, before)
                .iter()
                .filter(|entry| entry.path == *path)
                .map(|entry| entry.line)
                .collect(),
        };
        if here.is_empty() {
            continue;
        }
        let differs = match &want.target {
            Target::Defaults => default_of(before, want.attribute) != want.value,
            Target::Service(_) => entries(want, before)
                .iter()
                .any(|entry| in_force(entry, want.attribute) != want.value),
        };
        if differs {
            causes.push(declared(want));
        }
        for heading in here {
            let problem =
                problems_of(before, path, heading, want.attribute).find(|problem| counts(problem));
            causes.extend(problem.map(|problem| Cause::NotInForce {
                service: want.target.name().to_owned(),
                key: want.attribute.name().to_owned(),
                effect: problem.kind.to_string(),
            }));
        }
    }
    causes
}
