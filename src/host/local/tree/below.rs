//! Resolves paths inside a stand-in's folder as if it were the root; no link and no `..` leads out of it.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::{Errno, Result};

use super::LastLink;
use crate::host::LinkState;

/// The most links that are followed for one path, as in the kernel.
const MAX_LINKS: u32 = 40;

/// A stand-in's folder.
#[derive(Debug)]
pub(in crate::host::local) struct StandInFolder {
    pub(super) fd: OwnedFd,
    /// Absolute, without links.
    pub(in crate::host::local) path: PathBuf,
}

/// Where a walk inside a stand-in's folder ended.
pub(super) struct WalkEnd {
    /// The folders gone through, with their names; none for the stand-in's own.
    pub(super) inside: Vec<(OwnedFd, Vec<u8>)>,
    pub(super) name: Vec<u8>,
    pub(super) stat: Stat,
    pub(super) link: LinkState,
}

impl StandInFolder {
    pub(in crate::host::local) fn open(path: &Path) -> std::io::Result<Self> {
        let path = path.canonicalize()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, &path, flags, Mode::empty())?;
        Ok(Self { fd, path })
    }

    /// Resolves a path as if this folder were the root: each component is opened without following, links are
    /// followed here, absolute ones from this folder again, and `..` stops at it.
    pub(super) fn walk(&self, path: &[u8], last: LastLink) -> Result<WalkEnd> {
        const STEP: OFlags =
            OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
        let mut inside: Vec<(OwnedFd, Vec<u8>)> = Vec::with_capacity(8);
        let mut rest = path.to_vec();
        let mut at = 0;
        let mut links = 0;
        let mut link = LinkState::Plain;
        loop {
            let here = inside.last().map_or(self.fd.as_fd(), |(fd, _)| fd.as_fd());
            let start = at + rest[at..].iter().take_while(|&&byte| byte == b'/').count();
            let end = start + rest[start..].iter().take_while(|&&byte| byte != b'/').count();
            let name = &rest[start..end];
            let is_last = rest[end..].iter().all(|&byte| byte == b'/');
            match name {
                b"" => {
                    let stat = statat(here, ".", AtFlags::empty())?;
                    let name = b".".to_vec();
                    return Ok(WalkEnd { inside, name, stat, link });
                }
                b"." => at = end,
                b".." => {
                    inside.pop();
                    at = end;
                }
                _ => {
                    if is_last {
                        let stat = statat(here, name, AtFlags::SYMLINK_NOFOLLOW)?;
                        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
                        if !is_link || last == LastLink::Stay {
                            let name = name.to_vec();
                            return Ok(WalkEnd { inside, name, stat, link });
                        }
                        link = LinkState::Symbolic;
                    } else {
                        match openat(here, name, STEP, Mode::empty()) {
                            Ok(fd) => {
                                let name = name.to_vec();
                                inside.push((fd, name));
                                at = end;
                                continue;
                            }
                            Err(Errno::NOTDIR | Errno::LOOP) => {}
                            Err(error) => return Err(error),
                        }
                    }
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let target = match readlinkat(here, name, Vec::new()) {
                        Ok(target) => target.into_bytes(),
                        Err(Errno::INVAL) => return Err(Errno::NOTDIR),
                        Err(error) => return Err(error),
                    };
                    if target.first() == Some(&b'/') {
                        inside.clear();
                    }
                    let mut spliced = target;
                    spliced.extend_from_slice(&rest[end..]);
                    rest = spliced;
                    at = 0;
                }
            }
        }
    }
}
