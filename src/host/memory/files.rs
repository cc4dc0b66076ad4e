//! The files of a host in memory: where paths lead, and what is there.

use std::io::{Error, ErrorKind};

use super::{Existence, FileState, Found, Link, World};
use crate::host::rules::{FILE_CAP, TOO_LARGE};
use crate::host::{ActError, Executable, Listing, rules};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File(File),
    /// A symbolic link to this path, absolute or not.
    Link(Vec<u8>),
    /// A folder; needed only for one that is empty.
    Folder,
    /// A device, a socket, a pipe.
    Other,
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
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

impl File {
    /// A file of root's, mode 0644.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            mode: 0o644,
            owner: 0,
            group: 0,
            links: 1,
            changed: 0,
            unreadable: None,
        }
    }
}

impl From<File> for Entry {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

/// What to do with a link in the last component.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Follow,
    Stay,
}

/// Where a path leads, with whether its last component is a link.
pub(super) enum Place<'a> {
    Entry(Link, &'a mut Entry),
    Folder(Vec<u8>),
    Nothing(Vec<u8>),
}

impl World {
    /// Whether there is something below this path (without a `/` at its end).
    fn is_folder(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        path.is_empty()
            || self.files.get(path) == Some(&Entry::Folder)
            || self
                .files
                .range(below.clone()..)
                .next()
                .is_some_and(|(next, _)| next.starts_with(&below))
    }

    /// Follows a path as the kernel does: component by component, at most 40 links.
    pub(super) fn place(&mut self, path: &[u8], last: Last) -> Result<Place<'_>, Error> {
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
        let mut link = Link::Plain;
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
                Some(Entry::Link(target)) if !rest.is_empty() || last == Last::Follow => {
                    links += 1;
                    if links > 40 {
                        return Err(Error::other("too many levels of symbolic links"));
                    }
                    if rest.is_empty() {
                        link = Link::Symbolic;
                    }
                    if target.first() == Some(&b'/') {
                        here.clear();
                    }
                    rest.extend(split(target));
                }
                Some(Entry::File(_) | Entry::Other) if !rest.is_empty() => {
                    return Err(ErrorKind::NotADirectory.into());
                }
                Some(_) | None => here = next,
            }
        }
        if self.is_folder(&here) {
            return Ok(Place::Folder(here));
        }
        // Asked twice, since a borrow that is returned on one way only would last on the other as well.
        if self.files.contains_key(&here)
            && let Some(entry) = self.files.get_mut(&here)
        {
            return Ok(Place::Entry(link, entry));
        }
        Ok(Place::Nothing(here))
    }

    pub(super) fn found(&mut self, path: &[u8]) -> Found {
        match self.place(path, Last::Follow) {
            Ok(Place::Entry(link, Entry::File(file))) => match &file.unreadable {
                Some(reason) => Found::Unreadable(reason.clone()),
                None if file.bytes.len() as u64 > FILE_CAP => {
                    Found::Unreadable(TOO_LARGE.to_owned())
                }
                None => Found::File(FileState {
                    bytes: file.bytes.clone(),
                    link,
                    links: file.links,
                    changed: file.changed,
                }),
            },
            Ok(
                Place::Entry(_, Entry::Link(_) | Entry::Folder | Entry::Other) | Place::Folder(_),
            ) => Found::NotRegular,
            Ok(Place::Nothing(_)) => Found::Missing,
            Err(error) if error.kind() == ErrorKind::NotADirectory => Found::Missing,
            Err(error) => Found::Unreadable(error.to_string()),
        }
    }

    pub(super) fn existence(&mut self, path: &[u8]) -> Existence {
        match self.place(path, Last::Follow) {
            Ok(Place::Entry(_, Entry::File(file))) if file.mode & 0o111 != 0 => {
                Existence::File(Executable::Yes)
            }
            Ok(Place::Entry(_, Entry::File(_))) => Existence::File(Executable::No),
            Ok(Place::Entry(_, Entry::Folder) | Place::Folder(_)) => Existence::Folder,
            Ok(Place::Entry(_, Entry::Link(_) | Entry::Other)) => Existence::Other,
            Ok(Place::Nothing(_)) => Existence::Missing,
            Err(error) if error.kind() == ErrorKind::NotADirectory => Existence::Missing,
            Err(error) => Existence::Unknown(error.to_string()),
        }
    }

    pub(super) fn folder(&mut self, path: &[u8]) -> Result<Option<Listing>, String> {
        let here = match self.place(path, Last::Follow) {
            Ok(Place::Folder(here)) => here,
            Ok(Place::Nothing(_)) => return Ok(None),
            Ok(Place::Entry(..)) => return Err("not a directory".to_owned()),
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

    pub(super) fn save(&mut self, path: &[u8], bytes: &[u8]) -> Result<(), ActError> {
        self.write(path, bytes, 0o600)
    }

    fn write(&mut self, path: &[u8], bytes: &[u8], mode: u32) -> Result<(), ActError> {
        let changed = self.now;
        let file = File {
            mode,
            changed,
            ..File::new(bytes)
        };
        match self.place(path, Last::Stay)? {
            Place::Entry(_, entry) => *entry = file.into(),
            Place::Nothing(here) => {
                self.files.insert(here, file.into());
            }
            Place::Folder(_) => return Err(Error::from(ErrorKind::IsADirectory).into()),
        }
        Ok(())
    }

    pub(super) fn put(&mut self, path: &[u8], bytes: &[u8], mode: u32) -> Result<(), ActError> {
        let cut = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        if !matches!(self.place(&path[..cut], Last::Follow)?, Place::Folder(_)) {
            return Err(Error::from(ErrorKind::NotFound).into());
        }
        self.one_file(path)?;
        self.write(path, bytes, mode)
    }

    pub(super) fn decide(&mut self, from: &[u8], to: &[u8]) -> Result<(), ActError> {
        let here = self.one_file(from)?.ok_or(ActError::Gone)?;
        self.one_file(to)?;
        if let Some(entry) = self.files.remove(&here) {
            self.files.insert(to.to_vec(), entry);
        }
        Ok(())
    }

    /// Where the one file of one name is that stands at a path, if there is anything.
    fn one_file(&mut self, path: &[u8]) -> Result<Option<Vec<u8>>, ActError> {
        match self.place(path, Last::Stay)? {
            Place::Entry(_, Entry::File(file)) if file.links == 1 => Ok(Some(path.to_vec())),
            Place::Entry(_, Entry::File(_)) => {
                Err(ActError::NotReplaced("a file with several hard links"))
            }
            Place::Entry(_, Entry::Link(_)) => Err(ActError::NotReplaced("a symbolic link")),
            Place::Entry(_, Entry::Other) => Err(ActError::NotReplaced("not a regular file")),
            Place::Entry(_, Entry::Folder) | Place::Folder(_) => {
                Err(ActError::NotReplaced("a folder"))
            }
            Place::Nothing(_) => Ok(None),
        }
    }

    pub(super) fn remove(&mut self, path: &[u8]) -> Result<(), ActError> {
        match self.place(path, Last::Stay)? {
            Place::Folder(_) | Place::Entry(_, Entry::Folder) => {
                let is_window = std::str::from_utf8(path).is_ok_and(rules::is_window);
                let inside = [path, b"/"].concat();
                if !is_window {
                    return Err(ActError::NotReplaced("a folder"));
                } else if self.files.keys().any(|other| other.starts_with(&inside)) {
                    return Err(Error::from(ErrorKind::DirectoryNotEmpty).into());
                }
            }
            Place::Entry(..) | Place::Nothing(_) => {}
        }
        // A link in the way itself would be a state folder elsewhere, which no test needs.
        self.files.remove(path);
        Ok(())
    }
}
