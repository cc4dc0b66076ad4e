//! All files that one xinetd reads, in its order, as one configuration.

use std::collections::BTreeMap;

use crate::model::{ConnectionLimit, ConnectionRate, HostPath};

use super::attribute::{self, Attribute};
use super::problem::{ProblemEffect, XinetdProblem, XinetdProblemKind};
use super::reader::AssignOperator;
use super::reading;
use super::services::ServiceSocket;
use super::tree::{FileTree, WantedPath};

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePosition {
    /// The file.
    pub path: HostPath,
    /// Counted from 1.
    pub line: u32,
}

/// Where an effective value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// The service's own line.
    Own(FilePosition),
    /// A line of `defaults`.
    Defaults(FilePosition),
    /// No line: the daemon has it built in.
    BuiltIn,
}

/// The value in force, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveValue<T> {
    /// The value as xinetd has it.
    pub value: T,
    /// Where it stands.
    pub from: ValueSource,
}

impl<T> EffectiveValue<T> {
    /// Where the value stands, if on a line at all.
    #[must_use]
    pub fn at(&self) -> Option<&FilePosition> {
        match &self.from {
            ValueSource::Own(at) | ValueSource::Defaults(at) => Some(at),
            ValueSource::BuiltIn => None,
        }
    }
}

/// An attribute line that xinetd accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeAssignment {
    /// The attribute's own name, in lower case; `interface` is `bind`.
    pub name: &'static str,
    /// How it assigns.
    pub operator: AssignOperator,
    /// The words behind the operator.
    pub values: Vec<Vec<u8>>,
    /// Where it stands.
    pub at: FilePosition,
}

/// The `defaults` of all files together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XinetdDefaults {
    /// The headings of the `defaults` blocks that xinetd reads, in order; the first line to set an attribute
    /// wins.
    pub blocks: Vec<FilePosition>,
    /// The lines that it accepts, in order.
    pub assignments: Vec<AttributeAssignment>,
}

impl XinetdDefaults {
    /// The winning line of an attribute, by the attribute's lower-case name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&AttributeAssignment> {
        self.assignments.iter().find(|a| a.name == name)
    }

    /// The default of `per_source`, where a line sets it.
    #[must_use]
    pub fn per_source(&self) -> Option<EffectiveValue<ConnectionLimit>> {
        count(self.attribute(Attribute::PerSource.name()), ValueSource::Defaults)
    }

    /// The default of `instances`, where a line sets it.
    #[must_use]
    pub fn instances(&self) -> Option<EffectiveValue<ConnectionLimit>> {
        count(self.attribute(Attribute::Instances.name()), ValueSource::Defaults)
    }

    /// The default of `cps`, where a line sets it.
    #[must_use]
    pub fn cps(&self) -> Option<EffectiveValue<ConnectionRate>> {
        rate(self.attribute(Attribute::Cps.name()), ValueSource::Defaults)
    }
}

/// Whether xinetd offers a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceState {
    /// It does, as far as the files tell: a missing server, user or name in `/etc/services` can still prevent
    /// it.
    Offered,
    /// `disable = yes`, `disabled = …`, or not among `enabled = …`.
    Disabled,
    /// Something is wrong with it.
    Dropped(XinetdProblemKind),
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
    pub per_source: EffectiveValue<ConnectionLimit>,
    /// Connections at once in all.
    pub instances: EffectiveValue<ConnectionLimit>,
    /// Connections a second.
    pub cps: EffectiveValue<ConnectionRate>,
    /// The attributes whose change makes SIGHUP restart the service and end its sessions.
    pub identity: BTreeMap<String, Vec<Vec<u8>>>,
    /// Where it listens.
    pub socket: Option<ServiceSocket>,
    /// All lines that xinetd accepts, in order.
    pub assignments: Vec<AttributeAssignment>,
    /// What could make its state another one, and cannot be told.
    pub doubts: Vec<XinetdProblem>,
}

impl ServiceEntry {
    /// The first accepted line of an attribute in the service's own block, by the attribute's lower-case
    /// name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&AttributeAssignment> {
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
pub struct XinetdConfig {
    /// What `defaults` sets.
    pub defaults: XinetdDefaults,
    /// In reading order; dropped, disabled and swallowed ones too.
    pub services: Vec<ServiceEntry>,
    /// What xinetd does not take as written, in reading order, then what only the whole shows.
    pub problems: Vec<XinetdProblem>,
    /// The files read, in order; one that is included twice is here twice.
    pub files: Vec<HostPath>,
    /// What could make the daemon exit over `defaults`, and cannot be told.
    pub doubts: Vec<XinetdProblem>,
    /// What the tree lacks. Until this is empty, everything else is provisional.
    pub wanted: Vec<WantedPath>,
    /// The paths of which it matters what stands there, and the tree's [`Host`](super::XinetdHost) does not say.
    pub paths: Vec<HostPath>,
}

impl XinetdConfig {
    /// Reads `main` and all that it includes, as xinetd does.
    #[must_use]
    pub fn read(main: &HostPath, tree: &FileTree) -> Self {
        reading::read(main, tree)
    }

    /// Whether xinetd would exit over a value in `defaults`.
    #[must_use]
    pub fn daemon_exits(&self) -> bool {
        self.has(ProblemEffect::DaemonExits)
    }

    /// Whether xinetd would read memory that holds anything: then nothing here is certain, not even that it
    /// runs.
    #[must_use]
    pub fn is_unforeseeable(&self) -> bool {
        self.has(ProblemEffect::Unforeseeable)
    }

    fn has(&self, effect: ProblemEffect) -> bool {
        self.problems.iter().any(|p| p.kind.effect() == effect)
    }
}

pub(super) const UNLIMITED: EffectiveValue<ConnectionLimit> =
    EffectiveValue { value: ConnectionLimit::Unlimited, from: ValueSource::BuiltIn };

pub(super) const BUILT_IN_RATE: EffectiveValue<ConnectionRate> =
    EffectiveValue { value: ConnectionRate { rate: 50, pause: 10 }, from: ValueSource::BuiltIn };

pub(super) fn count(
    line: Option<&AttributeAssignment>,
    from: fn(FilePosition) -> ValueSource,
) -> Option<EffectiveValue<ConnectionLimit>> {
    let line = line?;
    Some(EffectiveValue { value: attribute::count(line.values.first()?)?, from: from(line.at.clone()) })
}

pub(super) fn rate(
    line: Option<&AttributeAssignment>,
    from: fn(FilePosition) -> ValueSource,
) -> Option<EffectiveValue<ConnectionRate>> {
    let line = line?;
    let values: Vec<&[u8]> = line.values.iter().map(Vec::as_slice).collect();
    Some(EffectiveValue { value: attribute::rate(&values)?, from: from(line.at.clone()) })
}
