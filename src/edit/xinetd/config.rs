//! All files that one xinetd reads, in its order, as one configuration.

use std::collections::BTreeMap;

use crate::model::{Count, HostPath, Rate};

use super::attribute::{self, Attribute};
use super::problem::{Effect, Problem, ProblemKind};
use super::reader::Operator;
use super::reading;
use super::services::Socket;
use super::tree::{Tree, Wanted};

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

impl<T> Effective<T> {
    /// Where the value stands, if on a line at all.
    #[must_use]
    pub fn at(&self) -> Option<&At> {
        match &self.from {
            Source::Own(at) | Source::Defaults(at) => Some(at),
            Source::BuiltIn => None,
        }
    }
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
    /// Where it listens.
    pub socket: Option<Socket>,
    /// All lines that xinetd accepts, in order.
    pub assignments: Vec<Assignment>,
    /// What could make its state another one, and cannot be told.
    pub doubts: Vec<Problem>,
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
    /// What could make the daemon exit over `defaults`, and cannot be told.
    pub doubts: Vec<Problem>,
    /// What the tree lacks. Until this is empty, everything else is provisional.
    pub wanted: Vec<Wanted>,
    /// The paths of which it matters what stands there, and the tree's [`Host`](super::Host) does not say.
    pub paths: Vec<HostPath>,
}

impl Config {
    /// Reads `main` and all that it includes, as xinetd does.
    #[must_use]
    pub fn read(main: &HostPath, tree: &Tree) -> Self {
        reading::read(main, tree)
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

pub(super) fn count(line: Option<&Assignment>, from: fn(At) -> Source) -> Option<Effective<Count>> {
    let line = line?;
    Some(Effective {
        value: attribute::count(line.values.first()?)?,
        from: from(line.at.clone()),
    })
}

pub(super) fn rate(line: Option<&Assignment>, from: fn(At) -> Source) -> Option<Effective<Rate>> {
    let line = line?;
    let values: Vec<&[u8]> = line.values.iter().map(Vec::as_slice).collect();
    Some(Effective {
        value: attribute::rate(&values)?,
        from: from(line.at.clone()),
    })
}
