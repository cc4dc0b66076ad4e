//! Walks the files in xinetd's order: follows includes, and turns blocks into services, defaults and
//! problems.

mod includes;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::edit::FileLine;
use crate::model::HostPath;

use super::attribute::{self, Attribute, KnownAttribute, ValueVerdict};
use super::config::{
    AttributeAssignment, BUILT_IN_RATE, FilePosition, ServiceEntry, ServiceState, UNLIMITED, ValueSource,
    XinetdConfig, count, rate,
};
use super::file::{
    AttributeFate, AttributeLine, BlockEnd, BlockHeading, FileItem, LineRange, SpecifiedAttributes,
    XinetdBlock, XinetdFile,
};
use super::host::{HasChange, VersionChange, XinetdVersion};
use super::problem::{XinetdDoubt, XinetdProblem, XinetdProblemKind};
use super::services::{self, AssignMeaning};
use super::tree::{FileTree, TreeEntry, WantedPath};

/// How reading a service's block ended, before the whole is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PendingService {
    /// In xinetd's list, enabled or not.
    Listed {
        disabled: Option<DisabledBy>,
        /// Whether the `defaults` read before it log TRAFFIC.
        traffic: bool,
    },
    /// Off by its own `disable = yes`: newer versions have it in no list.
    Off,
    /// Lost.
    Lost(XinetdProblemKind),
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
pub(super) fn read(main: &HostPath, tree: &FileTree) -> XinetdConfig {
    let mut reading = ConfigReading {
        tree,
        config: XinetdConfig::default(),
        specified: SpecifiedAttributes::default(),
        open: Vec::new(),
        wanted: BTreeSet::new(),
        pending: Vec::new(),
        traffic: false,
    };
    match tree.files.get(main) {
        Some(TreeEntry::File(bytes)) => reading.file(main, bytes),
        Some(TreeEntry::NotRegular) => reading.main_problem(main, XinetdProblemKind::NotRegular),
        Some(TreeEntry::Missing) => reading.main_problem(main, XinetdProblemKind::IncludeMissing),
        Some(TreeEntry::Unreadable(why)) => {
            let (path, why) = (main.clone(), why.clone());
            reading.main_problem(main, XinetdProblemKind::IncludeUnreadable { path, why });
        }
        None => {
            reading.wanted.insert(WantedPath::File(main.clone()));
        }
    }
    let ConfigReading { mut config, wanted, pending, .. } = reading;
    config.wanted = wanted.into_iter().collect();
    services::settle(&mut config, pending, &tree.host);
    config
}

struct ConfigReading<'a> {
    tree: &'a FileTree,
    config: XinetdConfig,
    specified: SpecifiedAttributes,
    open: Vec<HostPath>,
    wanted: BTreeSet<WantedPath>,
    pending: Vec<PendingService>,
    traffic: bool,
}

impl ConfigReading<'_> {
    fn file(&mut self, path: &HostPath, bytes: &[u8]) {
        self.config.files.push(path.clone());
        self.open.push(path.clone());
        let file = XinetdFile::parse_on(bytes, &self.tree.host);
        for item in &file.items {
            match item {
                FileItem::Block(block) => self.block(path, &file, block),
                FileItem::Include { folder, path: at, line } => self.include(path, &file, *folder, at, *line),
                FileItem::Stumble { line, at, kind, service } => {
                    self.problem(path, &file, *line, at, kind.clone());
                    if let Some(name) = service {
                        self.lost(path, &file, *line, name, kind.clone());
                    }
                }
                FileItem::Swallowed { line, name } => {
                    self.problem(path, &file, *line, name, XinetdProblemKind::Swallowed);
                    self.lost(path, &file, *line, name, XinetdProblemKind::Swallowed);
                }
            }
        }
        self.open.pop();
    }

    fn block(&mut self, path: &HostPath, file: &XinetdFile, block: &XinetdBlock) {
        let mut assignments = Vec::new();
        let mut doubts = Vec::new();
        let mut has_bad = false;
        for setting in &block.settings {
            if setting.line.cut {
                self.problem_line(path, file, setting.line, XinetdProblemKind::LineCut);
            }
            let fate = match block.heading {
                BlockHeading::Defaults => {
                    let known = attribute::in_defaults(file.text(&setting.parts.name));
                    self.specified.judge(known, &setting.parts, file.bytes(), &self.tree.host)
                }
                BlockHeading::Service { .. } => setting.fate,
            };
            self.setting_problems(path, file, &block.heading, setting, fate);
            let doubt = match fate {
                AttributeFate::Set(known) => {
                    assignments.push(assignment(path, file, setting, known));
                    let verdict = setting.parts.verdict(known, file.bytes(), &self.tree.host);
                    match verdict {
                        ValueVerdict::Unclear(doubt) => Some(doubt),
                        ValueVerdict::Fine | ValueVerdict::Bad => None,
                    }
                }
                AttributeFate::Bad(_) => {
                    has_bad = true;
                    None
                }
                AttributeFate::Unknown
                | AttributeFate::AlreadySet(_)
                | AttributeFate::OperatorNotAllowed(_)
                | AttributeFate::WrongValueCount(..) => None,
            };
            doubts.extend(doubt.map(|doubt| doubtful(path, file, setting, doubt)));
        }
        let reads_on =
            XinetdVersion::has(self.tree.host.version, VersionChange::StopsAtDisable) == HasChange::No;
        let (disabled, lost) = match &block.end {
            BlockEnd::Closed(_) => {
                // A `disable = no` behind a bad value takes its verdict back, and what it left may count.
                if has_bad && matches!(block.heading, BlockHeading::Service { .. }) {
                    let spot = file.spot_of_line(block.line);
                    let kind = XinetdProblemKind::Unclear(XinetdDoubt::Enabled);
                    doubts.push(problem(path, file, block.line, spot, kind));
                }
                (None, None)
            }
            BlockEnd::Disabled(_) => (Some(DisabledBy::Itself), None),
            BlockEnd::ClosedBad(_) => (Some(DisabledBy::BadValue), None),
            BlockEnd::DisabledBad(_) => (Some(DisabledBy::BadValue), Some(XinetdProblemKind::BadValue)),
            BlockEnd::Broken { line, kind } => {
                self.problem_line(path, file, *line, kind.clone());
                (None, Some(kind.clone()))
            }
            BlockEnd::Unclosed => {
                self.problem_line(path, file, block.line, XinetdProblemKind::NotClosed);
                (None, Some(XinetdProblemKind::NotClosed))
            }
        };
        match &block.heading {
            BlockHeading::Defaults => {
                self.config
                    .defaults
                    .blocks
                    .push(FilePosition { path: path.clone(), line: block.line.number });
                let before = self.traffic;
                self.traffic = services::logs_traffic(&assignments, before, AssignMeaning::Adds);
                self.config.defaults.assignments.append(&mut assignments);
                self.config.doubts.append(&mut doubts);
            }
            BlockHeading::Service { name } => {
                let pending = match (lost, &block.end) {
                    (Some(kind), _) => PendingService::Lost(kind),
                    (None, BlockEnd::Disabled(_)) if !reads_on => PendingService::Off,
                    (None, _) => PendingService::Listed { disabled, traffic: self.traffic },
                };
                let read = BlockRead { assignments, doubts };
                self.service(path, file, block.line, name, read, pending);
            }
        }
    }

    fn lost(
        &mut self,
        path: &HostPath,
        file: &XinetdFile,
        line: LineRange,
        name: &Range<usize>,
        kind: XinetdProblemKind,
    ) {
        self.service(path, file, line, name, BlockRead::default(), PendingService::Lost(kind));
    }

    fn service(
        &mut self,
        path: &HostPath,
        file: &XinetdFile,
        line: LineRange,
        name: &Range<usize>,
        read: BlockRead,
        pending: PendingService,
    ) {
        let BlockRead { assignments, doubts } = read;
        let text = crate::model::printable::text;
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
            per_source: count(own(Attribute::PerSource), ValueSource::Own).unwrap_or(UNLIMITED),
            instances: count(own(Attribute::Instances), ValueSource::Own).unwrap_or(UNLIMITED),
            cps: rate(own(Attribute::Cps), ValueSource::Own).unwrap_or(BUILT_IN_RATE),
            identity: BTreeMap::new(),
            socket: None,
            assignments,
            doubts,
        };
        self.config.services.push(entry);
        self.pending.push(pending);
    }

    fn main_problem(&mut self, path: &HostPath, kind: XinetdProblemKind) {
        self.config.problems.push(XinetdProblem {
            path: path.clone(),
            spot: FileLine { line: 1, column: 1, width: 1 },
            text: Vec::new(),
            kind,
        });
    }

    fn problem_line(&mut self, path: &HostPath, file: &XinetdFile, line: LineRange, kind: XinetdProblemKind) {
        let spot = file.spot_of_line(line);
        self.push(path, file, line, spot, kind);
    }

    fn problem(
        &mut self,
        path: &HostPath,
        file: &XinetdFile,
        line: LineRange,
        at: &Range<usize>,
        kind: XinetdProblemKind,
    ) {
        self.push(path, file, line, XinetdFile::spot(line, at), kind);
    }

    fn push(
        &mut self,
        path: &HostPath,
        file: &XinetdFile,
        line: LineRange,
        spot: FileLine,
        kind: XinetdProblemKind,
    ) {
        let problem = problem(path, file, line, spot, kind);
        self.config.problems.push(problem);
    }
}

/// What stands in a block.
#[derive(Default)]
struct BlockRead {
    assignments: Vec<AttributeAssignment>,
    doubts: Vec<XinetdProblem>,
}

fn problem(
    path: &HostPath,
    file: &XinetdFile,
    line: LineRange,
    spot: FileLine,
    kind: XinetdProblemKind,
) -> XinetdProblem {
    XinetdProblem { path: path.clone(), spot, text: file.line_text(line).to_vec(), kind }
}

fn doubtful(
    path: &HostPath,
    file: &XinetdFile,
    setting: &AttributeLine,
    doubt: XinetdDoubt,
) -> XinetdProblem {
    let spot = file.spot_of_line(setting.line);
    let kind = XinetdProblemKind::Unclear(doubt);
    problem(path, file, setting.line, spot, kind)
}

fn assignment(
    path: &HostPath,
    file: &XinetdFile,
    setting: &AttributeLine,
    known: KnownAttribute,
) -> AttributeAssignment {
    AttributeAssignment {
        name: known.name,
        operator: setting.parts.operator,
        values: setting.parts.values.iter().map(|at| file.text(at).to_vec()).collect(),
        at: FilePosition { path: path.clone(), line: setting.line.number },
    }
}
