//! What xinetd asks the host about words in its files: users, groups, protocols, ports, programs; and its own
//! version.
//!
//! Nothing here reads a file; the caller brings what it has read, and what was not read is *not known*, never
//! "no".

mod names;
mod version;

use std::collections::BTreeMap;

use crate::model::HostPath;

pub use names::{NameDatabases, NameFiles};
pub(super) use version::HasChange;
pub use version::{VersionChange, XinetdVersion};

/// What is known of the host around xinetd's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XinetdHost {
    /// Its databases of names, where they were read.
    pub names: Option<NameDatabases>,
    /// What stands at the paths that xinetd looks at.
    pub paths: BTreeMap<HostPath, PathStanding>,
    /// The version that runs, where it is known.
    pub version: Option<XinetdVersion>,
}

/// What stands at a path, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathStanding {
    /// Nothing, or a link to nothing.
    Missing,
    /// A regular file that can be executed.
    Program,
    /// A regular file that cannot.
    File,
    /// A folder.
    Folder,
    /// A device, a socket, a pipe.
    Other,
    /// It cannot be told.
    Unknown,
}

/// The answer to a question about the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum HostAnswer<T> {
    Yes(T),
    No,
    Unknown,
}

impl XinetdHost {
    pub(super) fn user(&self, name: &[u8]) -> HostAnswer<()> {
        self.ask(|names| names.user(name))
    }

    pub(super) fn group(&self, name: &[u8]) -> HostAnswer<()> {
        self.ask(|names| names.group(name))
    }

    /// A protocol's number.
    pub(super) fn protocol(&self, name: &[u8]) -> HostAnswer<i32> {
        self.ask(|names| names.protocol(name))
    }

    /// The port of a service with a protocol.
    pub(super) fn port(&self, service: &[u8], protocol: &[u8]) -> HostAnswer<u16> {
        self.ask(|names| names.port(service, protocol))
    }

    /// A program's number.
    pub(super) fn rpc(&self, name: &[u8]) -> HostAnswer<i64> {
        self.ask(|names| names.rpc(name))
    }

    pub(super) fn standing(&self, path: &HostPath) -> PathStanding {
        self.paths.get(path).copied().unwrap_or(PathStanding::Unknown)
    }

    fn ask<T>(&self, question: impl FnOnce(&NameDatabases) -> HostAnswer<T>) -> HostAnswer<T> {
        self.names.as_ref().map_or(HostAnswer::Unknown, question)
    }
}

/// A path as a host path: repeated and final slashes and `.` do not matter. None where it is relative or has
/// `..`.
pub(super) fn host_path(text: &[u8]) -> Option<HostPath> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.starts_with('/') {
        return None;
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    HostPath::new(format!("/{}", parts.join("/"))).ok()
}
