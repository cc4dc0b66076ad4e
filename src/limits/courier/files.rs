//! Courier's files as they were read, and the value that each listener would get from them at its next start.

use std::collections::BTreeMap;

use super::{CourierListener, key};
use crate::edit::FileLine;
use crate::edit::shellvars::{self, ProblemConsequence, ShellFile, Sourcing};
use crate::host::Digest;
use crate::limits::step::{LimitSetting, LimitValue};
use crate::model::printable;
use crate::model::{ConnectionLimit, HostPath};

/// One of Courier's files.
#[derive(Debug, Clone)]
pub struct CourierFile {
    /// Where it is.
    pub path: HostPath,
    /// What it holds, or why that is not known.
    pub bytes: Result<Vec<u8>, ContentAbsent>,
    /// Why it would not be replaced, if so.
    pub obstacle: Option<String>,
}

/// Why a file's content is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentAbsent {
    /// There is no such file.
    Missing,
    /// It cannot be read; the reason.
    Unreadable(String),
}

/// Courier's four files, by name.
#[derive(Debug, Clone, Default)]
pub struct CourierFiles(pub BTreeMap<&'static str, CourierFile>);

/// What a listener gets for a setting.
#[derive(Debug, Clone)]
pub struct ListenerReading {
    /// The value at the next start.
    pub value: LimitValue,
    /// The file and line that decide.
    pub at: Option<(HostPath, u32)>,
    /// Why there is no usable value, or what is odd about it.
    pub problems: Vec<String>,
}

impl CourierFiles {
    /// The digests of the files that are there.
    pub fn inputs(&self) -> impl Iterator<Item = (HostPath, Digest)> {
        let read = self.0.values().filter_map(|file| Some((&file.path, file.bytes.as_ref().ok()?)));
        read.map(|(path, bytes)| (path.clone(), Digest::of(bytes)))
    }

    /// The file's bytes, where it could be read.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name)?.bytes.as_deref().ok()
    }

    /// The files with some bytes replaced.
    #[must_use]
    pub fn with(&self, edited: &BTreeMap<&'static str, Vec<u8>>) -> Self {
        let mut files = self.clone();
        for (name, bytes) in edited {
            if let Some(file) = files.0.get_mut(name) {
                file.bytes = Ok(bytes.clone());
            }
        }
        files
    }

    /// Parses all four once, for many questions.
    #[must_use]
    pub fn parse(&self) -> ParsedCourierFiles {
        let mut parsed = ParsedCourierFiles { files: BTreeMap::new(), unreadable: BTreeMap::new() };
        for (name, file) in &self.0 {
            match &file.bytes {
                Ok(bytes) => {
                    let read = (file.path.clone(), ShellFile::parse(bytes));
                    parsed.files.insert(name, read);
                }
                Err(ContentAbsent::Unreadable(reason)) => {
                    let unread = (file.path.clone(), reason.clone());
                    parsed.unreadable.insert(name, unread);
                }
                Err(ContentAbsent::Missing) => {}
            }
        }
        parsed
    }
}

/// Courier's files, parsed.
pub struct ParsedCourierFiles {
    files: BTreeMap<&'static str, (HostPath, ShellFile)>,
    /// Those that are there and cannot be read, with the reason.
    unreadable: BTreeMap<&'static str, (HostPath, String)>,
}

/// What a listener's two files leave a variable at.
pub(super) enum SourcedSetting<'a> {
    /// Neither assigns it.
    Unset,
    /// A literal text.
    Literal { path: &'a HostPath, spot: FileLine, bytes: Vec<u8> },
    /// A file that decides, or may, cannot be read.
    Unreadable { path: &'a HostPath, why: &'a str },
    /// It cannot be proved.
    Uncertain { path: &'a HostPath, spot: FileLine, why: String },
}

/// A limit that `TCPDOPTS` overrides, or may.
pub(super) struct TcpdoptsOverride {
    pub path: HostPath,
    pub spot: FileLine,
    pub value: LimitValue,
    pub why: String,
}

impl ParsedCourierFiles {
    /// A listener's two files, in the order in which its start script sources them.
    pub(super) fn sources(&self, listener: CourierListener) -> impl Iterator<Item = (&HostPath, &ShellFile)> {
        listener
            .sources()
            .into_iter()
            .filter_map(|name| self.files.get(name))
            .map(|(path, file)| (path, file))
    }

    /// What the listener's start script has in a variable after both files.
    pub(super) fn sourced(&self, listener: CourierListener, name: &str) -> SourcedSetting<'_> {
        let sources: Vec<(&HostPath, &ShellFile)> = self.sources(listener).collect();
        let shell = Sourcing::of(sources.iter().map(|(_, file)| *file));
        let sourced = shell.value(name);
        // The listener's own file comes last: what it sets is so, whatever stands in the other one.
        let own = self.files.get(listener.file());
        let unread = listener.sources().into_iter().rev();
        let unread = unread.filter_map(|name| self.unreadable.get(name)).next();
        let by_own =
            own.is_some_and(|(_, own)| matches!(own.value(name), shellvars::SourcedValue::Literal { .. }));
        if let Some((path, why)) = unread
            && !by_own
        {
            return SourcedSetting::Unreadable { path, why };
        }
        let path = sourced.file.and_then(|index| sources.get(index)).map(|(path, _)| *path);
        match (path, sourced.value) {
            (None, _)
            | (Some(_), shellvars::SourcedValue::Untouched | shellvars::SourcedValue::Broken { .. }) => {
                SourcedSetting::Unset
            }
            (Some(path), shellvars::SourcedValue::Literal { bytes, spot }) => {
                SourcedSetting::Literal { path, spot, bytes }
            }
            (Some(path), shellvars::SourcedValue::Uncertain { spot, why }) => {
                SourcedSetting::Uncertain { path, spot, why: why.to_string() }
            }
        }
    }

    /// What keeps a listener from starting with these files: where, and why.
    pub(super) fn fatal(&self, listener: CourierListener) -> Vec<(&HostPath, FileLine, String)> {
        let sources: Vec<(&HostPath, &ShellFile)> = self.sources(listener).collect();
        let shell = Sourcing::of(sources.iter().map(|(_, file)| *file));
        let last: Vec<(&HostPath, FileLine)> =
            shell.assignments().filter_map(|(file, last)| Some((sources.get(file)?.0, last.spot))).collect();
        // A bad value that the later file replaces is never seen by the daemon.
        let holds = |path: &HostPath, spot: FileLine| shell.doubt().is_some() || last.contains(&(path, spot));
        self.sources(listener)
            .flat_map(|(path, file)| file.problems().into_iter().map(move |problem| (path, problem)))
            .filter(|(_, problem)| problem.consequence == ProblemConsequence::DaemonDoesNotRun)
            .filter(|(path, problem)| !problem.kind.is_of_a_value() || holds(path, problem.spot))
            .map(|(path, problem)| (path, problem.spot, problem.kind.to_string()))
            .collect()
    }

    /// The value of a setting at the listener's next start.
    #[must_use]
    pub fn reading(&self, listener: CourierListener, setting: LimitSetting) -> ListenerReading {
        let mut reading = ListenerReading { value: LimitValue::Nothing, at: None, problems: Vec::new() };
        let Some(key) = key(setting) else {
            return reading;
        };
        match self.sourced(listener, key) {
            SourcedSetting::Unset => {
                reading.problems.push(format!("{key} is set nowhere: couriertcpd does not start"))
            }
            SourcedSetting::Literal { path, spot, bytes } => {
                reading.at = Some((path.clone(), spot.line));
                match shellvars::daemon_number(&bytes) {
                    Some(number) => reading.value = LimitValue::Count(ConnectionLimit::Number(number)),
                    None => {
                        let text = printable::text(&bytes);
                        reading.problems.push(format!("couriertcpd does not start with {key}={text}"));
                    }
                }
            }
            SourcedSetting::Unreadable { path, why } => {
                reading.problems.push(format!("cannot read {path}: {why}"));
            }
            SourcedSetting::Uncertain { path, spot, why } => {
                reading.at = Some((path.clone(), spot.line));
                reading.problems.push(why);
            }
        }
        if let Some(over) = self.overridden(listener, setting) {
            reading.value = over.value;
            reading.problems.push(over.why);
        }
        for (path, spot, why) in self.fatal(listener) {
            reading.value = LimitValue::Nothing;
            reading.problems.push(format!("{path}:{}: {why}", spot.line));
        }
        for (path, file) in self.sources(listener) {
            if let shellvars::SourcedValue::Broken { spot, why } = file.value(key) {
                reading.problems.push(format!("{path}:{}: {why}", spot.line));
            }
        }
        reading
    }

    /// `TCPDOPTS` comes after the limits on couriertcpd's command line, and the last option counts.
    pub(super) fn overridden(
        &self,
        listener: CourierListener,
        setting: LimitSetting,
    ) -> Option<TcpdoptsOverride> {
        let option = match setting {
            LimitSetting::PerIp => "-maxperip=",
            LimitSetting::Total => "-maxprocs=",
            LimitSetting::Cps => return None,
        };
        match self.sourced(listener, "TCPDOPTS") {
            // Said where the limit itself is read.
            SourcedSetting::Unset | SourcedSetting::Unreadable { .. } => None,
            SourcedSetting::Literal { path, spot, bytes } => {
                let mut words = bytes.split(u8::is_ascii_whitespace).rev();
                let last = words.find_map(|word| word.strip_prefix(option.as_bytes()))?;
                let value = shellvars::daemon_number(last)
                    .map_or(LimitValue::Nothing, |number| LimitValue::Count(ConnectionLimit::Number(number)));
                let why = format!("{path}:{}: {option} in TCPDOPTS comes later and overrides it", spot.line);
                Some(TcpdoptsOverride { path: path.clone(), spot, value, why })
            }
            SourcedSetting::Uncertain { path, spot, why } => {
                let why = format!("{path}:{}: TCPDOPTS may override it: {why}", spot.line);
                Some(TcpdoptsOverride { path: path.clone(), spot, value: LimitValue::Nothing, why })
            }
        }
    }

    /// The variables that the listener's files leave at one certain literal, whatever the order of the two
    /// files.
    ///
    /// The shell whose environment couriertcpd inherits sources them in another order than the one that
    /// decides the limits (seen in the start scripts), so a variable that both files set differently is left
    /// out.
    pub(super) fn exported(&self, listener: CourierListener) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut seen: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for (_, file) in self.sources(listener) {
            for shellvars::ShellAssignment { name, bytes, spot: _ } in file.assignments() {
                let value = Some(bytes);
                seen.entry(name.into_bytes())
                    .and_modify(|earlier| {
                        if *earlier != value {
                            *earlier = None;
                        }
                    })
                    .or_insert_with(|| value.clone());
            }
        }
        seen.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
