//! Walks the files in xinetd's order: follows includes, and turns blocks into services, defaults and problems.

mod includes;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::edit::Spot;
use crate::model::HostPath;

use super::attribute::{self, Attribute, Known, Verdict};
use super::config::{
    Assignment, At, BUILT_IN_RATE, Config, ServiceEntry, ServiceState, Source, UNLIMITED, count,
    rate,
};
use super::file::{Block, BlockEnd, Fate, File, Heading, Item, Line, Setting, Specified};
use super::host::{Change, Has, Version};
use super::problem::{Doubt, Problem, ProblemKind};
use super::services::{self, Meaning};
use super::tree::{Entry, Tree, Wanted};

/// How reading a service's block ended, before the whole is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pending {
    /// In xinetd's list, enabled or not.
    Listed {
        disabled: Option<DisabledBy>,
        /// Whether the `defaults` read before it log TRAFFIC.
        traffic: bool,
    },
    /// Off by its own `disable = yes`: newer versions have it in no list.
    Off,
    /// Lost.
    Lost(ProblemKind),
}

/// What disables a service that is in xinetd's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DisabledBy {
    /// A bad value.
    BadValue,
    /// `disable = yes`, in versions that read on behind it.
    Itself,
}

/// Reads `main` and all that it includes.
pub(super) fn read(main: &HostPath, tree: &Tree) -> Config {
    let mut reading = Reading {
        tree,
        config: Config::default(),
        specified: Specified::default(),
        open: Vec::new(),
        wanted: BTreeSet::new(),
        pending: Vec::new(),
        traffic: false,
    };
    match tree.files.get(main) {
        Some(Entry::File(bytes)) => reading.file(main, bytes),
        Some(Entry::NotRegular) => reading.main_problem(main, ProblemKind::NotRegular),
        Some(Entry::Missing) => reading.main_problem(main, ProblemKind::IncludeMissing),
        Some(Entry::Unreadable(why)) => {
            let (path, why) = (main.clone(), why.clone());
            reading.main_problem(main, ProblemKind::IncludeUnreadable { path, why });
        }
        None => {
            reading.wanted.insert(Wanted::File(main.clone()));
        }
    }
    let Reading {
        mut config,
        wanted,
        pending,
        ..
    } = reading;
    config.wanted = wanted.into_iter().collect();
    services::settle(&mut config, pending, &tree.host);
    config
}

struct Reading<'a> {
    tree: &'a Tree,
    config: Config,
    specified: Specified,
    open: Vec<HostPath>,
    wanted: BTreeSet<Wanted>,
    pending: Vec<Pending>,
    traffic: bool,
}

impl Reading<'_> {
    fn file(&mut self, path: &HostPath, bytes: &[u8]) {
        self.config.files.push(path.clone());
        self.open.push(path.clone());
        let file = File::parse_on(bytes, &self.tree.host);
        for item in &file.items {
            match item {
                Item::Block(block) => self.block(path, &file, block),
                Item::Include {
                    folder,
                    path: at,
                    line,
                } => self.include(path, &file, *folder, at, *line),
                Item::Stumble {
                    line,
                    at,
                    kind,
                    service,
                } => {
                    self.problem(path, &file, *line, at, kind.clone());
                    if let Some(name) = service {
                        self.lost(path, &file, *line, name, kind.clone());
                    }
                }
                Item::Swallowed { line, name } => {
                    self.problem(path, &file, *line, name, ProblemKind::Swallowed);
                    self.lost(path, &file, *line, name, ProblemKind::Swallowed);
                }
            }
        }
        self.open.pop();
    }

    fn block(&mut self, path: &HostPath, file: &File, block: &Block) {
        let mut assignments = Vec::new();
        let mut doubts = Vec::new();
        let mut has_bad = false;
        for setting in &block.settings {
            if setting.line.cut {
                self.problem_line(path, file, setting.line, ProblemKind::LineCut);
            }
            let fate = match block.heading {
                Heading::Defaults => {
                    let known = attribute::in_defaults(file.text(&setting.parts.name));
                    self.specified
                        .judge(known, &setting.parts, file.bytes(), &self.tree.host)
                }
                Heading::Service { .. } => setting.fate,
            };
            self.setting_problems(path, file, &block.heading, setting, fate);
            let doubt = match fate {
                Fate::Set(known) => {
                    assignments.push(assignment(path, file, setting, known));
                    let verdict = setting.parts.verdict(known, file.bytes(), &self.tree.host);
                    match verdict {
                        Verdict::Unclear(doubt) => Some(doubt),
                        Verdict::Fine | Verdict::Bad => None,
                    }
                }
                Fate::Bad(_) => {
                    has_bad = true;
                    None
                }
                Fate::Unknown
                | Fate::AlreadySet(_)
                | Fate::OperatorNotAllowed(_)
                | Fate::WrongValueCount(..) => None,
            };
            doubts.extend(doubt.map(|doubt| doubtful(path, file, setting, doubt)));
        }
        let reads_on = Version::has(self.tree.host.version, Change::StopsAtDisable) == Has::No;
        let (disabled, lost) = match &block.end {
            BlockEnd::Closed(_) => {
                // A `disable = no` behind a bad value takes its verdict back, and what it left may count.
                if has_bad && matches!(block.heading, Heading::Service { .. }) {
                    let spot = file.spot_of_line(block.line);
                    let kind = ProblemKind::Unclear(Doubt::Enabled);
                    doubts.push(problem(path, file, block.line, spot, kind));
                }
                (None, None)
            }
            BlockEnd::Disabled(_) => (Some(DisabledBy::Itself), None),
            BlockEnd::ClosedBad(_) => (Some(DisabledBy::BadValue), None),
            BlockEnd::DisabledBad(_) => (Some(DisabledBy::BadValue), Some(ProblemKind::BadValue)),
            BlockEnd::Broken { line, kind } => {
                self.problem_line(path, file, *line, kind.clone());
                (None, Some(kind.clone()))
            }
            BlockEnd::Unclosed => {
                self.problem_line(path, file, block.line, ProblemKind::NotClosed);
                (None, Some(ProblemKind::NotClosed))
            }
        };
        match &block.heading {
            Heading::Defaults => {
                self.config.defaults.blocks.push(At {
                    path: path.clone(),
                    line: block.line.number,
                });
                let before = self.traffic;
                self.traffic = services::logs_traffic(&assignments, before, Meaning::Adds);
                self.config.defaults.assignments.append(&mut assignments);
                self.config.doubts.append(&mut doubts);
            }
            Heading::Service { name } => {
                let pending = match (lost, &block.end) {
                    (Some(kind), _) => Pending::Lost(kind),
                    (None, BlockEnd::Disabled(_)) if !reads_on => Pending::Off,
                    (None, _) => Pending::Listed {
                        disabled,
                        traffic: self.traffic,
                    },
                };
                let read = Read {
                    assignments,
                    doubts,
                };
                self.service(path, file, block.line, name, read, pending);
            }
        }
    }

    fn lost(
        &mut self,
        path: &HostPath,
        file: &File,
        line: Line,
        name: &Range<usize>,
        kind: ProblemKind,
    ) {
        self.service(path, file, line, name, Read::default(), Pending::Lost(kind));
    }

    fn service(
        &mut self,
        path: &HostPath,
        file: &File,
        line: Line,
        name: &Range<usize>,
        read: Read,
        pending: Pending,
    ) {
        let Read {
            assignments,
            doubts,
        } = read;
        let text = crate::report::printable::text;
        let name = text(file.text(name));
        let id = assignments
            .iter()
            .find(|a| a.name == "id")
            .and_then(|a| a.values.first())
            .map_or_else(|| name.clone(), |id| text(id));
        let own = |attribute: Attribute| assignments.iter().find(|a| a.name == attribute.name());
        let entry = ServiceEntry {
            name,
            id,
            path: path.clone(),
            line: line.number,
            state: ServiceState::Offered,
            per_source: count(own(Attribute::PerSource), Source::Own).unwrap_or(UNLIMITED),
            instances: count(own(Attribute::Instances), Source::Own).unwrap_or(UNLIMITED),
            cps: rate(own(Attribute::Cps), Source::Own).unwrap_or(BUILT_IN_RATE),
            identity: BTreeMap::new(),
            socket: None,
            assignments,
            doubts,
        };
        self.config.services.push(entry);
        self.pending.push(pending);
    }

    fn main_problem(&mut self, path: &HostPath, kind: ProblemKind) {
        self.config.problems.push(Problem {
            path: path.clone(),
            spot: Spot {
                line: 1,
                column: 1,
                width: 1,
            },
            text: Vec::new(),
            kind,
        });
    }

    fn problem_line(&mut self, path: &HostPath, file: &File, line: Line, kind: ProblemKind) {
        let spot = file.spot_of_line(line);
        self.push(path, file, line, spot, kind);
    }

    fn problem(
        &mut self,
        path: &HostPath,
        file: &File,
        line: Line,
        at: &Range<usize>,
        kind: ProblemKind,
    ) {
        self.push(path, file, line, File::spot(line, at), kind);
    }

    fn push(&mut self, path: &HostPath, file: &File, line: Line, spot: Spot, kind: ProblemKind) {
        let problem = problem(path, file, line, spot, kind);
        self.config.problems.push(problem);
    }
}

/// What stands in a block.
#[derive(Default)]
struct Read {
    assignments: Vec<Assignment>,
    doubts: Vec<Problem>,
}

fn problem(path: &HostPath, file: &File, line: Line, spot: Spot, kind: ProblemKind) -> Problem {
    Problem {
        path: path.clone(),
        spot,
        text: file.line_text(line).to_vec(),
        kind,
    }
}

fn doubtful(path: &HostPath, file: &File, setting: &Setting, doubt: Doubt) -> Problem {
    let spot = file.spot_of_line(setting.line);
    let kind = ProblemKind::Unclear(doubt);
    problem(path, file, setting.line, spot, kind)
}

fn assignment(path: &HostPath, file: &File, setting: &Setting, known: Known) -> Assignment {
    Assignment {
        name: known.name,
        operator: setting.parts.operator,
        values: setting
            .parts
            .values
            .iter()
            .map(|at| file.text(at).to_vec())
            .collect(),
        at: At {
            path: path.clone(),
            line: setting.line.number,
        },
    }
}
