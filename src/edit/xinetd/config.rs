//! All files that one xinetd reads, in its order, as one configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::edit::Spot;
use crate::model::{Count, HostPath, Rate};

use super::attribute::{self, Attribute, Known};
use super::file::{Block, BlockEnd, Fate, File, Folder, Heading, Item, Line, Setting, Specified};
use super::problem::{Effect, Problem, ProblemKind};
use super::reader::Operator;
use super::services;

/// Includes inside of includes beyond this depth are a mistake, not a configuration.
const MAX_DEPTH: usize = 32;
/// The same for files read in all, repeated ones counted again.
const MAX_FILES: usize = 20_000;

/// What is known of one path on the host; links are followed already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file's bytes.
    File(Vec<u8>),
    /// A folder, a socket or the like.
    NotRegular,
    /// Nothing is there, or a link that leads nowhere.
    Missing,
    /// It cannot be read, and why.
    Unreadable(String),
}

/// What is known of the host's files. Observation fills it, and asks [`Config::wanted`] for what is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Single paths.
    pub files: BTreeMap<HostPath, Entry>,
    /// The names in a folder, in any order; none where there is no such folder.
    pub dirs: BTreeMap<HostPath, Option<Vec<Vec<u8>>>>,
}

/// Something that xinetd reads and the [`Tree`] does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wanted {
    /// One file.
    File(HostPath),
    /// A folder's names, and the files in it.
    Dir(HostPath),
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// The file.
    pub path: HostPath,
    /// Counted from 1.
    pub line: u32,
}

/// Where an effective value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The service's own line.
    Own(At),
    /// A line of `defaults`.
    Defaults(At),
    /// No line: the daemon has it built in.
    BuiltIn,
}

/// The value in force, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective<T> {
    /// The value as xinetd has it.
    pub value: T,
    /// Where it stands.
    pub from: Source,
}

/// An attribute line that xinetd accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The attribute's own name, in lower case; `interface` is `bind`.
    pub name: &'static str,
    /// How it assigns.
    pub operator: Operator,
    /// The words behind the operator.
    pub values: Vec<Vec<u8>>,
    /// Where it stands.
    pub at: At,
}

/// The `defaults` of all files together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    /// The headings of the `defaults` blocks that xinetd reads, in order; the first line to set an attribute wins.
    pub blocks: Vec<At>,
    /// The lines that it accepts, in order.
    pub assignments: Vec<Assignment>,
}

impl Defaults {
    /// The winning line of an attribute, by the attribute's lower-case name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Assignment> {
        self.assignments.iter().find(|a| a.name == name)
    }

    /// The default of `per_source`, where a line sets it.
    #[must_use]
    pub fn per_source(&self) -> Option<Effective<Count>> {
        count(
            self.attribute(Attribute::PerSource.name()),
            Source::Defaults,
        )
    }

    /// The default of `instances`, where a line sets it.
    #[must_use]
    pub fn instances(&self) -> Option<Effective<Count>> {
        count(
            self.attribute(Attribute::Instances.name()),
            Source::Defaults,
        )
    }

    /// The default of `cps`, where a line sets it.
    #[must_use]
    pub fn cps(&self) -> Option<Effective<Rate>> {
        rate(self.attribute(Attribute::Cps.name()), Source::Defaults)
    }
}

/// Whether xinetd offers a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceState {
    /// It does, as far as the files tell: a missing server, user or name in `/etc/services` can still prevent it.
    Offered,
    /// `disable = yes`, `disabled = …`, or not among `enabled = …`.
    Disabled,
    /// Something is wrong with it.
    Dropped(ProblemKind),
}

/// A service as the files have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEntry {
    /// The name behind `service`.
    pub name: String,
    /// Its `id`, or else its name.
    pub id: String,
    /// The file.
    pub path: HostPath,
    /// The line of `service NAME`.
    pub line: u32,
    /// Whether it is offered.
    pub state: ServiceState,
    /// Connections at once from one address.
    pub per_source: Effective<Count>,
    /// Connections at once in all.
    pub instances: Effective<Count>,
    /// Connections a second.
    pub cps: Effective<Rate>,
    /// The attributes whose change makes SIGHUP restart the service and end its sessions.
    pub identity: BTreeMap<String, Vec<Vec<u8>>>,
    /// All lines that xinetd accepts, in order.
    pub assignments: Vec<Assignment>,
}

impl ServiceEntry {
    /// The first accepted line of an attribute in the service's own block, by the attribute's lower-case name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Assignment> {
        self.assignments.iter().find(|a| a.name == name)
    }

    /// Whether a word, in any case, is among the values of an attribute's accepted lines.
    pub(super) fn has_word(&self, name: &str, word: &str) -> bool {
        self.assignments
            .iter()
            .filter(|a| a.name == name)
            .flat_map(|a| &a.values)
            .any(|value| attribute::is(value, word))
    }
}

/// Everything that one xinetd reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// What `defaults` sets.
    pub defaults: Defaults,
    /// In reading order; dropped, disabled and swallowed ones too.
    pub services: Vec<ServiceEntry>,
    /// What xinetd does not take as written, in reading order, then what only the whole shows.
    pub problems: Vec<Problem>,
    /// The files read, in order; one that is included twice is here twice.
    pub files: Vec<HostPath>,
    /// What the tree lacks. Until this is empty, everything else is provisional.
    pub wanted: Vec<Wanted>,
}

impl Config {
    /// Reads `main` and all that it includes, as xinetd does.
    #[must_use]
    pub fn read(main: &HostPath, tree: &Tree) -> Self {
        let mut reading = Reading {
            tree,
            config: Self::default(),
            specified: Specified::default(),
            open: Vec::new(),
            wanted: BTreeSet::new(),
            pending: Vec::new(),
        };
        match tree.files.get(main) {
            Some(Entry::File(bytes)) => reading.file(main, bytes),
            Some(Entry::NotRegular) => reading.main_problem(main, ProblemKind::NotRegular),
            Some(Entry::Missing) => reading.main_problem(main, ProblemKind::IncludeMissing),
            Some(Entry::Unreadable(why)) => {
                let why = why.clone();
                reading.main_problem(main, ProblemKind::IncludeUnreadable { why });
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
        services::settle(&mut config, pending);
        config
    }

    /// Whether xinetd would exit over a value in `defaults`.
    #[must_use]
    pub fn daemon_exits(&self) -> bool {
        self.has(Effect::DaemonExits)
    }

    /// Whether xinetd would read memory that holds anything: then nothing here is certain, not even that it runs.
    #[must_use]
    pub fn is_unforeseeable(&self) -> bool {
        self.has(Effect::Unforeseeable)
    }

    fn has(&self, effect: Effect) -> bool {
        self.problems.iter().any(|p| p.kind.effect() == effect)
    }
}

/// How reading a service's block ended, before the whole is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pending {
    /// In xinetd's list, enabled or (by a bad value) not.
    Listed { bad: bool },
    /// Off by its own `disable = yes`: Debian's builds have it in no list.
    Off,
    /// Lost.
    Lost(ProblemKind),
}

struct Reading<'a> {
    tree: &'a Tree,
    config: Config,
    specified: Specified,
    open: Vec<HostPath>,
    wanted: BTreeSet<Wanted>,
    pending: Vec<Pending>,
}

impl Reading<'_> {
    fn file(&mut self, path: &HostPath, bytes: &[u8]) {
        self.config.files.push(path.clone());
        self.open.push(path.clone());
        let file = File::parse(bytes);
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
        for setting in &block.settings {
            if setting.line.cut {
                self.problem_line(path, file, setting.line, ProblemKind::LineCut);
            }
            let fate = match block.heading {
                Heading::Defaults => {
                    let known = attribute::in_defaults(file.text(&setting.parts.name));
                    self.specified.judge(known, &setting.parts, file.bytes())
                }
                Heading::Service { .. } => setting.fate,
            };
            self.setting_problems(path, file, &block.heading, setting, fate);
            if let Fate::Set(known) = fate {
                assignments.push(assignment(path, file, setting, known));
            }
        }
        let (bad, lost) = match &block.end {
            BlockEnd::Closed(_) | BlockEnd::Disabled(_) => (false, None),
            BlockEnd::ClosedBad(_) => (true, None),
            BlockEnd::DisabledBad(_) => (true, Some(ProblemKind::BadValue)),
            BlockEnd::Broken { line, kind } => {
                self.problem_line(path, file, *line, kind.clone());
                (false, Some(kind.clone()))
            }
            BlockEnd::Unclosed => {
                self.problem_line(path, file, block.line, ProblemKind::NotClosed);
                (false, Some(ProblemKind::NotClosed))
            }
        };
        match &block.heading {
            Heading::Defaults => {
                self.config.defaults.blocks.push(At {
                    path: path.clone(),
                    line: block.line.number,
                });
                self.config.defaults.assignments.append(&mut assignments);
            }
            Heading::Service { name } => {
                let pending = match (lost, &block.end) {
                    (Some(kind), _) => Pending::Lost(kind),
                    (None, BlockEnd::Disabled(_)) => Pending::Off,
                    (None, _) => Pending::Listed { bad },
                };
                self.service(path, file, block.line, name, assignments, pending);
            }
        }
    }

    fn setting_problems(
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

    fn include(
        &mut self,
        path: &HostPath,
        file: &File,
        folder: Folder,
        at: &Range<usize>,
        line: Line,
    ) {
        let Some(target) = host_path(file.text(at)) else {
            self.problem(path, file, line, at, ProblemKind::IncludePath);
            return;
        };
        let problem = match folder {
            Folder::No => self.include_file(&target, Including::Named),
            Folder::Yes => {
                self.include_folder(path, file, at, line, &target);
                None
            }
        };
        if let Some(kind) = problem {
            self.problem(path, file, line, at, kind);
        }
    }

    fn include_file(&mut self, target: &HostPath, including: Including) -> Option<ProblemKind> {
        let tree = self.tree;
        match tree.files.get(target) {
            Some(Entry::File(bytes)) => {
                if self.open.contains(target)
                    || self.open.len() >= MAX_DEPTH
                    || self.config.files.len() >= MAX_FILES
                {
                    return Some(ProblemKind::IncludeLoop);
                }
                self.file(target, bytes);
                None
            }
            Some(Entry::NotRegular) => Some(ProblemKind::NotRegular),
            Some(Entry::Missing) => Some(ProblemKind::IncludeMissing),
            Some(Entry::Unreadable(why)) => {
                Some(ProblemKind::IncludeUnreadable { why: why.clone() })
            }
            None => {
                if including == Including::Named {
                    self.wanted.insert(Wanted::File(target.clone()));
                }
                None
            }
        }
    }

    fn include_folder(
        &mut self,
        path: &HostPath,
        file: &File,
        at: &Range<usize>,
        line: Line,
        target: &HostPath,
    ) {
        let tree = self.tree;
        let names = match tree.dirs.get(target) {
            Some(Some(names)) => names,
            Some(None) => {
                self.problem(path, file, line, at, ProblemKind::IncludeMissing);
                return;
            }
            None => {
                self.wanted.insert(Wanted::Dir(target.clone()));
                return;
            }
        };
        let mut sorted: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        sorted.sort_unstable();
        for name in sorted {
            if matches!(name, b"" | b"." | b"..") {
                continue;
            }
            let Some(inside) = std::str::from_utf8(name)
                .ok()
                .and_then(|name| target.join(name).ok())
            else {
                self.problem(path, file, line, at, ProblemKind::IncludePath);
                continue;
            };
            if name.contains(&b'.') || name.ends_with(b"~") {
                self.main_problem(&inside, ProblemKind::NameSkipped);
                continue;
            }
            if !tree.files.contains_key(&inside) {
                self.wanted.insert(Wanted::Dir(target.clone()));
            }
            match self.include_file(&inside, Including::InFolder) {
                Some(ProblemKind::IncludeLoop) => {
                    self.problem(path, file, line, at, ProblemKind::IncludeLoop);
                }
                Some(kind) => self.main_problem(&inside, kind),
                None => {}
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
        self.service(path, file, line, name, Vec::new(), Pending::Lost(kind));
    }

    fn service(
        &mut self,
        path: &HostPath,
        file: &File,
        line: Line,
        name: &Range<usize>,
        assignments: Vec<Assignment>,
        pending: Pending,
    ) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
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
            assignments,
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
        self.config.problems.push(Problem {
            path: path.clone(),
            spot,
            text: file.line_text(line).to_vec(),
            kind,
        });
    }
}

/// How a file came to be included.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Including {
    Named,
    InFolder,
}

pub(super) const UNLIMITED: Effective<Count> = Effective {
    value: Count::Unlimited,
    from: Source::BuiltIn,
};

pub(super) const BUILT_IN_RATE: Effective<Rate> = Effective {
    value: Rate {
        rate: 50,
        pause: 10,
    },
    from: Source::BuiltIn,
};

fn count(line: Option<&Assignment>, from: fn(At) -> Source) -> Option<Effective<Count>> {
    let line = line?;
    Some(Effective {
        value: attribute::count(line.values.first()?)?,
        from: from(line.at.clone()),
    })
}

fn rate(line: Option<&Assignment>, from: fn(At) -> Source) -> Option<Effective<Rate>> {
    let line = line?;
    let values: Vec<&[u8]> = line.values.iter().map(Vec::as_slice).collect();
    Some(Effective {
        value: attribute::rate(&values)?,
        from: from(line.at.clone()),
    })
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

/// A path as a host path: repeated and final slashes and `.` do not matter.
fn host_path(text: &[u8]) -> Option<HostPath> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.starts_with('/') {
        return None;
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    HostPath::new(format!("/{}", parts.join("/"))).ok()
}
