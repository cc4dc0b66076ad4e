//! The host's files as far as xinetd's reader knows them.

use std::collections::BTreeMap;

use crate::model::HostPath;

use super::host::XinetdHost;

/// What is known of one path on the host; links are followed already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeEntry {
    /// A regular file's bytes.
    File(Vec<u8>),
    /// A folder, a socket or the like.
    NotRegular,
    /// Nothing is there, or a link that leads nowhere.
    Missing,
    /// It cannot be read, and why.
    Unreadable(String),
}

/// What is known of the host's files. Observation fills it, and asks
/// [`XinetdConfig::wanted`](super::XinetdConfig::wanted) for what is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileTree {
    /// Single paths.
    pub files: BTreeMap<HostPath, TreeEntry>,
    /// The names in a folder, in any order; none where there is no such folder.
    pub dirs: BTreeMap<HostPath, Option<Vec<Vec<u8>>>>,
    /// What is known of the host around the files.
    pub host: XinetdHost,
}

/// Something that xinetd reads and the [`FileTree`] does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WantedPath {
    /// One file.
    File(HostPath),
    /// A folder's names, and the files in it.
    Dir(HostPath),
}
