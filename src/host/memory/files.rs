//! The files of a host in memory: where paths lead, and what is there.

use std::io::{Error, ErrorKind};

use super::{FileFound, FileState, LinkState, MemoryWorld, PathExistence};
use crate::host::rules::{FILE_CAP, TOO_LARGE};
use crate::host::{ExecutePermission, FolderListing, OperationError, rules};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemoryEntry {
    /// A regular file.
    File(MemoryFile),
    /// A symbolic link to this path, absolute or not.
    Link(Vec<u8>),
    /// A folder; needed only for one that is empty.
    Folder,
    /// A device, a socket, a pipe.
    Other,
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryFile {
    /// The whole content.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// The owner's number.
    pub owner: u32,
    /// The group's number.
    pub group: u32,
    /// Number of hard links.
    pub links: u64,
    /// When it last changed, in seconds since 1970.
    pub changed: i64,
    /// Why it cannot be read, if so.
    pub unreadable: Option<String>,
}

impl MemoryFile {
    /// A file of root's, mode 0644.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), mode: 0o644, owner: 0, group: 0, links: 1, changed: 0, unreadable: None }
    }
}

impl From<MemoryFile> for MemoryEntry {
    fn from(file: MemoryFile) -> Self {
        Self::File(file)
    }
}

/// What to do with a link in the last component.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LastLink {
    Follow,
    Stay,
}

/// Where a path leads, with whether its last component is a link.
pub(super) enum MemoryPlace<'a> {
    Entry(LinkState, &'a mut MemoryEntry),
    Folder(Vec<u8>),
    Nothing(Vec<u8>),
}

impl MemoryWorld {
    /// Whether there is something below this path (without a `/` at its end).
    fn is_folder(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        path.is_empty()
            || self.files.get(path) == Some(&MemoryEntry::Folder)
            || self.files.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
    }

    /// Follows a path as the kernel does: component by component, at most 40 links.
    pub(super) fn place(&mut self, path: &[u8], last: LastLink) -> Result<MemoryPlace<'_>, Error> {
        let split = |path: &[u8]| -> Vec<Vec<u8>> {
            path.split(|&byte| byte == b'/')
                .filter(|name| !name.is_empty())
                .rev()
                .map(<[u8]>::to_vec)
                .collect()
        };
        let mut rest = split(path);
        let mut here = Vec::new();
        let mut links = 0;
        let mut link = LinkState::Plain;
        while let Some(name) = rest.pop() {
            match &name[..] {
                b"." => continue,
                b".." => {
                    here.truncate(here.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = [&here[..], b"/", &name].concat();
            match self.files.get(&next) {
                Some(MemoryEntry::Link(target)) if !rest.is_empty() || last == LastLink::Follow => {
                    links += 1;
                    if links > 40 {
                        return Err(Error::other("too many levels of symbolic links"));
                    }
                    if rest.is_empty() {
                        link = LinkState::Symbolic;
                    }
                    if target.first() == Some(&b'/') {
                        here.clear();
                    }
                    rest.extend(split(target));
                }
                Some(MemoryEntry::File(_) | MemoryEntry::Other) if !rest.is_empty() => {
                    return Err(ErrorKind::NotADirectory.into());
                }
                Some(_) | None => here = next,
            }
        }
        if self.is_folder(&here) {
            return Ok(MemoryPlace::Folder(here));
        }
        // Asked twice, since a borrow that is returned on one way only would last on the other as well.
        if self.files.contains_key(&here)
            && let Some(entry) = self.files.get_mut(&here)
        {
            return Ok(MemoryPlace::Entry(link, entry));
        }
        Ok(MemoryPlace::Nothing(here))
    }

    pub(super) fn found(&mut self, path: &[u8]) -> FileFound {
        match self.place(path, LastLink::Follow) {
            Ok(MemoryPlace::Entry(link, MemoryEntry::File(file))) => match &file.unreadable {
                Some(reason) => FileFound::Unreadable(reason.clone()),
                None if file.bytes.len() as u64 > FILE_CAP => FileFound::Unreadable(TOO_LARGE.to_owned()),
                None => FileFound::File(FileState {
                    bytes: file.bytes.clone(),
                    link,
                    links: file.links,
                    changed: file.changed,
                }),
            },
            Ok(
                MemoryPlace::Entry(_, MemoryEntry::Link(_) | MemoryEntry::Folder | MemoryEntry::Other)
                | MemoryPlace::Folder(_),
            ) => FileFound::NotRegular,
            Ok(MemoryPlace::Nothing(_)) => FileFound::Missing,
            Err(error) if error.kind() == ErrorKind::NotADirectory => FileFound::Missing,
            Err(error) => FileFound::Unreadable(error.to_string()),
        }
    }

    pub(super) fn existence(&mut self, path: &[u8]) -> PathExistence {
        match self.place(path, LastLink::Follow) {
            Ok(MemoryPlace::Entry(_, MemoryEntry::File(file))) if file.mode & 0o111 != 0 => {
                PathExistence::File(ExecutePermission::Yes)
            }
            Ok(MemoryPlace::Entry(_, MemoryEntry::File(_))) => PathExistence::File(ExecutePermission::No),
            Ok(MemoryPlace::Entry(_, MemoryEntry::Folder) | MemoryPlace::Folder(_)) => PathExistence::Folder,
            Ok(MemoryPlace::Entry(_, MemoryEntry::Link(_) | MemoryEntry::Other)) => PathExistence::Other,
            Ok(MemoryPlace::Nothing(_)) => PathExistence::Missing,
            Err(error) if error.kind() == ErrorKind::NotADirectory => PathExistence::Missing,
            Err(error) => PathExistence::Unknown(error.to_string()),
        }
    }

    pub(super) fn folder(&mut self, path: &[u8]) -> Result<Option<FolderListing>, String> {
        let here = match self.place(path, LastLink::Follow) {
            Ok(MemoryPlace::Folder(here)) => here,
            Ok(MemoryPlace::Nothing(_)) => return Ok(None),
            Ok(MemoryPlace::Entry(..)) => return Err("not a directory".to_owned()),
            Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let below = [&here[..], b"/"].concat();
        let mut names: Vec<Vec<u8>> = self
            .files
            .range(below.clone()..)
            .map_while(|(path, _)| path.strip_prefix(&below[..]))
            .filter_map(|rest| rest.split(|&byte| byte == b'/').next())
            .map(<[u8]>::to_vec)
            .collect();
        names.sort_unstable();
        names.dedup();
        let files = names.into_iter().map(|name| {
            let found = self.found(&[&below[..], &name].concat());
            (name, found)
        });
        Ok(Some(files.collect()))
    }

    pub(super) fn save(&mut self, path: &[u8], bytes: &[u8]) -> Result<(), OperationError> {
        self.write(path, bytes, 0o600)
    }

    fn write(&mut self, path: &[u8], bytes: &[u8], mode: u32) -> Result<(), OperationError> {
        let changed = self.now;
        let file = MemoryFile { mode, changed, ..MemoryFile::new(bytes) };
        match self.place(path, LastLink::Stay)? {
            MemoryPlace::Entry(_, entry) => *entry = file.into(),
            MemoryPlace::Nothing(here) => {
                self.files.insert(here, file.into());
            }
            MemoryPlace::Folder(_) => return Err(Error::from(ErrorKind::IsADirectory).into()),
        }
        Ok(())
    }

    pub(super) fn put(&mut self, path: &[u8], bytes: &[u8], mode: u32) -> Result<(), OperationError> {
        let cut = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        if !matches!(self.place(&path[..cut], LastLink::Follow)?, MemoryPlace::Folder(_)) {
            return Err(Error::from(ErrorKind::NotFound).into());
        }
        self.one_file(path)?;
        self.write(path, bytes, mode)
    }

    pub(super) fn decide(&mut self, from: &[u8], to: &[u8]) -> Result<(), OperationError> {
        let here = self.one_file(from)?.ok_or(OperationError::Gone)?;
        self.one_file(to)?;
        if let Some(entry) = self.files.remove(&here) {
            self.files.insert(to.to_vec(), entry);
        }
        Ok(())
    }

    /// Where the one file of one name is that stands at a path, if there is anything.
    fn one_file(&mut self, path: &[u8]) -> Result<Option<Vec<u8>>, OperationError> {
        match self.place(path, LastLink::Stay)? {
            MemoryPlace::Entry(_, MemoryEntry::File(file)) if file.links == 1 => Ok(Some(path.to_vec())),
            MemoryPlace::Entry(_, MemoryEntry::File(_)) => {
                Err(OperationError::NotReplaced("a file with several hard links"))
            }
            MemoryPlace::Entry(_, MemoryEntry::Link(_)) => {
                Err(OperationError::NotReplaced("a symbolic link"))
            }
            MemoryPlace::Entry(_, MemoryEntry::Other) => {
                Err(OperationError::NotReplaced("not a regular file"))
            }
            MemoryPlace::Entry(_, MemoryEntry::Folder) | MemoryPlace::Folder(_) => {
                Err(OperationError::NotReplaced("a folder"))
            }
            MemoryPlace::Nothing(_) => Ok(None),
        }
    }

    pub(super) fn remove(&mut self, path: &[u8]) -> Result<(), OperationError> {
        match self.place(path, LastLink::Stay)? {
            MemoryPlace::Folder(_) | MemoryPlace::Entry(_, MemoryEntry::Folder) => {
                let is_checkpoint = std::str::from_utf8(path).is_ok_and(rules::is_checkpoint);
                let inside = [path, b"/"].concat();
                if !is_checkpoint {
                    return Err(OperationError::NotReplaced("a folder"));
                } else if self.files.keys().any(|other| other.starts_with(&inside)) {
                    return Err(Error::from(ErrorKind::DirectoryNotEmpty).into());
                }
            }
            MemoryPlace::Entry(..) | MemoryPlace::Nothing(_) => {}
        }
        // A link in the way itself would be a state folder elsewhere, which no test needs.
        self.files.remove(path);
        Ok(())
    }
}
