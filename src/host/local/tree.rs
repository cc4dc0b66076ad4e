//! Where a path leads: on the machine as the kernel resolves it, in a stand-in tree never out of that tree.
//!
//! This is the only file that turns a host path into something the kernel gets to see.

mod below;

use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat, fstat, openat, statat};
use rustix::io::{Errno, Result, read};

pub(super) use self::below::StandInFolder;
use self::below::WalkEnd;
use crate::host::LinkState;
use crate::host::rules::FILE_CAP;

/// What paths start from.
#[derive(Debug)]
pub(super) enum PathRoot {
    /// This machine.
    Machine,
    /// A folder that looks like a host.
    Below(StandInFolder),
}

/// What to do with a link in the last component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastLink {
    Follow,
    Stay,
}

/// Something that is there: the folder to start from, the rest of the way, and what it was when looked at.
#[derive(Debug)]
pub(super) struct FoundSpot<'a> {
    start: WalkStart<'a>,
    way: Vec<u8>,
    follow: OFlags,
    pub(super) stat: Stat,
    pub(super) link: LinkState,
}

#[derive(Debug)]
enum WalkStart<'a> {
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl AsFd for WalkStart<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Borrowed(fd) => *fd,
            Self::Owned(fd) => fd.as_fd(),
        }
    }
}

impl FoundSpot<'_> {
    /// Opens it close-on-exec, and never as a controlling terminal.
    pub(super) fn open(&self, flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | self.follow | OFlags::CLOEXEC | OFlags::NOCTTY;
        openat(&self.start, &self.way[..], flags, Mode::empty())
    }

    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// An open folder and the host's path of it.
#[derive(Debug)]
pub(super) struct OpenFolder {
    pub(super) fd: OwnedFd,
    path: Vec<u8>,
}

impl PathRoot {
    /// Finds what stands at an absolute path.
    pub(super) fn find(&self, path: &[u8], last: LastLink) -> Result<FoundSpot<'_>> {
        match self {
            Self::Machine => at_machine(CWD, path, last),
            Self::Below(below) => {
                let WalkEnd { mut inside, name, stat, link } = below.walk(path, last)?;
                let start = match inside.pop() {
                    Some((fd, _)) => WalkStart::Owned(fd),
                    None => WalkStart::Borrowed(below.fd.as_fd()),
                };
                Ok(FoundSpot { start, way: name, follow: OFlags::NOFOLLOW, stat, link })
            }
        }
    }

    /// Finds an entry of an open folder; links are followed.
    pub(super) fn find_in<'a>(&self, folder: &'a OpenFolder, name: &[u8]) -> Result<FoundSpot<'a>>
    where
        Self: 'a,
    {
        match self {
            Self::Machine => at_machine(folder.fd.as_fd(), name, LastLink::Follow),
            Self::Below(below) => {
                let stat = statat(&folder.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                    return Ok(FoundSpot {
                        start: WalkStart::Borrowed(folder.fd.as_fd()),
                        way: name.to_vec(),
                        follow: OFlags::NOFOLLOW,
                        stat,
                        link: LinkState::Plain,
                    });
                }
                let WalkEnd { mut inside, name, stat, link } =
                    below.walk(&folder.path_of(name), LastLink::Follow)?;
                let start = match inside.pop() {
                    Some((fd, _)) => fd,
                    None => below.fd.try_clone().map_err(|_| Errno::MFILE)?,
                };
                Ok(FoundSpot {
                    start: WalkStart::Owned(start),
                    way: name,
                    follow: OFlags::NOFOLLOW,
                    stat,
                    link,
                })
            }
        }
    }

    /// Opens a folder to list it and to reach what is in it.
    pub(super) fn folder(&self, path: &[u8]) -> Result<OpenFolder> {
        let fd = self.find(path, LastLink::Follow)?.open(OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(OpenFolder { fd, path: path.to_vec() })
    }

    /// Opens a folder inside an open one.
    pub(super) fn folder_in(&self, folder: &OpenFolder, name: &[u8]) -> Result<OpenFolder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let fd = match self.open_in(folder, name, flags) {
            // The kernel says one or the other of a link that it may not follow.
            Err(Errno::NOTDIR | Errno::LOOP) => self.find_in(folder, name)?.open(flags)?,
            other => other?,
        };
        Ok(OpenFolder { fd, path: folder.path_of(name) })
    }

    /// Reads a small file inside an open folder into `bytes`, whose old content goes.
    ///
    /// On the machine `name` may be a way of several components.
    pub(super) fn read_in(&self, folder: &OpenFolder, name: &[u8], bytes: &mut Vec<u8>) -> Result<()> {
        bytes.clear();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let fd = match self.open_in(folder, name, flags) {
            Err(Errno::LOOP) => self.find_in(folder, name)?.open(flags)?,
            other => other?,
        };
        read_all(&fd, bytes)
    }

    fn open_in(&self, folder: &OpenFolder, name: &[u8], flags: OFlags) -> Result<OwnedFd> {
        let follow = match self {
            Self::Machine => OFlags::empty(),
            Self::Below(_) => OFlags::NOFOLLOW,
        };
        let flags = flags | follow | OFlags::CLOEXEC | OFlags::NOCTTY;
        openat(&folder.fd, name, flags, Mode::empty())
    }

    /// The path that the kernel executes a program by: links resolved if it is in a stand-in.
    pub(super) fn program(&self, path: &[u8]) -> Result<PathBuf> {
        match self {
            Self::Machine => Ok(PathBuf::from(OsStr::from_bytes(path))),
            Self::Below(below) => {
                let walked = below.walk(path, LastLink::Follow)?;
                let mut path = below.path.clone();
                path.extend(walked.inside.iter().map(|(_, name)| OsStr::from_bytes(name)));
                path.push(OsStr::from_bytes(&walked.name));
                Ok(path)
            }
        }
    }
}

impl OpenFolder {
    fn path_of(&self, name: &[u8]) -> Vec<u8> {
        let mut path = Vec::with_capacity(self.path.len() + 1 + name.len());
        path.extend_from_slice(&self.path);
        path.push(b'/');
        path.extend_from_slice(name);
        path
    }

    /// Calls `each` with every name, in the folder's own order, without `.` and `..`.
    pub(super) fn names(&self, mut each: impl FnMut(&CStr)) -> Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut entries = RawDir::new(&self.fd, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                each(entry.file_name());
            }
        }
        Ok(())
    }
}

fn at_machine<'a>(start: BorrowedFd<'a>, way: &[u8], last: LastLink) -> Result<FoundSpot<'a>> {
    let mut stat = statat(start, way, AtFlags::SYMLINK_NOFOLLOW)?;
    let mut link = LinkState::Plain;
    let mut follow = OFlags::NOFOLLOW;
    if last == LastLink::Follow && FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        stat = statat(start, way, AtFlags::empty())?;
        link = LinkState::Symbolic;
        follow = OFlags::empty();
    }
    Ok(FoundSpot { start: WalkStart::Borrowed(start), way: way.to_vec(), follow, stat, link })
}

/// Reads to the end, but not much beyond [`FILE_CAP`]: that is `FBIG`.
pub(super) fn read_all(fd: &OwnedFd, bytes: &mut Vec<u8>) -> Result<()> {
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.try_reserve(4096).map_err(|_| Errno::NOMEM)?;
        }
        match read(fd, spare_capacity(bytes)) {
            Ok(0) => return Ok(()),
            Ok(_) if bytes.len() as u64 > FILE_CAP => return Err(Errno::FBIG),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The state of an open file, if it is a regular one.
pub(super) fn regular(fd: &OwnedFd) -> Result<Option<Stat>> {
    let stat = fstat(fd)?;
    Ok((FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then_some(stat))
}

/// An error as a person reads it, without number.
pub(super) fn reason(error: Errno) -> String {
    let error = std::io::Error::from(error);
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return "permission denied".to_owned();
    }
    let mut text = error.to_string();
    if let Some(number) = text.find(" (os error") {
        text.truncate(number);
    }
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}
