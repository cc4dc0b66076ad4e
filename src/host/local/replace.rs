//! Replaces a file's bytes and nothing else about it: owner, group, mode, ACL, label and attributes stay.
//!
//! What cannot be kept is a refusal, and then the file is as it was.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid, XattrFlags, fchmod, fchown, fgetxattr, flistxattr,
    fremovexattr, fsetxattr, fstat, openat, statat,
};
use rustix::io::Errno;

use super::fresh::FreshFile;
use super::tree::{PathRoot, read_all};
use crate::host::{Digest, FileReplacement, OperationError};

/// The kernel's limit for a list of attributes, and for one value (xattr(7)), in bytes.
const ATTRIBUTE_CAP: usize = 64 * 1024;

pub(super) fn replace(tree: &PathRoot, replace: &FileReplacement) -> Result<(), OperationError> {
    let FileReplacement { path, before, bytes } = replace;
    let parent = path.parent();
    let parent = parent.as_ref().map_or("/", |parent| parent.as_str());
    let folder = tree.folder(parent.as_bytes()).map_err(std::io::Error::from)?;
    let name = path.name();

    let old = open(&folder.fd, name)?;
    let seen = fstat(&old).map_err(std::io::Error::from)?;
    check_digest(&old, before)?;

    let fresh = FreshFile::write(folder.fd.as_fd(), path, bytes)?;
    keep_metadata(&old, &seen, &fresh.file)?;
    fresh.sync()?;

    let now = open(&folder.fd, name)?;
    let stat = fstat(&now).map_err(std::io::Error::from)?;
    if identity(&stat) != identity(&seen) {
        return Err(OperationError::Changed);
    }
    check_digest(&now, before)?;
    Ok(fresh.place(name)?)
}

/// Opens the target, if it is one file of one name and no link.
fn open(folder: &OwnedFd, name: &str) -> Result<OwnedFd, OperationError> {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(std::io::Error::from)?;
    check_kind(&stat)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = openat(folder, name, flags, Mode::empty()).map_err(std::io::Error::from)?;
    check_kind(&fstat(&fd).map_err(std::io::Error::from)?)?;
    Ok(fd)
}

/// Whether a path stands for one file of one name.
pub(super) fn check_kind(stat: &Stat) -> Result<(), OperationError> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stat.st_nlink == 1 => Ok(()),
        // Removed or replaced between two looks.
        FileType::RegularFile if stat.st_nlink == 0 => Err(OperationError::Changed),
        FileType::RegularFile => Err(OperationError::NotReplaced("a file with several hard links")),
        FileType::Symlink => Err(OperationError::NotReplaced("a symbolic link")),
        FileType::Directory => Err(OperationError::NotReplaced("a folder")),
        _ => Err(OperationError::NotReplaced("not a regular file")),
    }
}

fn check_digest(fd: &OwnedFd, expected: &Digest) -> Result<(), OperationError> {
    let mut bytes = Vec::new();
    read_all(fd, &mut bytes).map_err(std::io::Error::from)?;
    if Digest::of(&bytes) == *expected { Ok(()) } else { Err(OperationError::Changed) }
}

/// What is equal as long as nobody changed a file or its metadata.
fn identity(stat: &Stat) -> impl PartialEq + use<> {
    let file = (stat.st_dev, stat.st_ino, stat.st_nlink, stat.st_size);
    let rights = (stat.st_mode, stat.st_uid, stat.st_gid);
    (file, rights, stat.st_ctime, stat.st_ctime_nsec)
}

/// Gives the new file the old one's metadata, and looks whether it took.
fn keep_metadata(old: &OwnedFd, seen: &Stat, new: &File) -> Result<(), OperationError> {
    let copy = || -> rustix::io::Result<()> {
        fchown(new, Some(Uid::from_raw(seen.st_uid)), Some(Gid::from_raw(seen.st_gid)))?;
        copy_attributes(old, new)?;
        // Last: changing the owner clears the setuid and setgid bits, an ACL changes the group's.
        fchmod(new, Mode::from_raw_mode(seen.st_mode))
    };
    copy().map_err(std::io::Error::from)?;
    let got = fstat(new).map_err(std::io::Error::from)?;
    let rights = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid);
    if rights(&got) == rights(seen) {
        Ok(())
    } else {
        Err(std::io::Error::other("owner, group and mode cannot be kept").into())
    }
}

/// Makes the attributes the same: what only the new file has, e.g. from its folder's default ACL, goes.
fn copy_attributes(old: &OwnedFd, new: &File) -> rustix::io::Result<()> {
    let wanted = attribute_names(old)?;
    let present = attribute_names(new)?;
    for name in &present {
        if !wanted.contains(name) {
            fremovexattr(new, &name[..])?;
        }
    }
    for name in &wanted {
        let value = attribute(old, name)?;
        if !present.contains(name) || attribute(new, name)? != value {
            fsetxattr(new, &name[..], &value, XattrFlags::empty())?;
        }
    }
    Ok(())
}

fn attribute_names(file: impl AsFd) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::with_capacity(256);
    loop {
        match flistxattr(&file, spare_capacity(&mut names)) {
            Ok(_) => break,
            Err(Errno::RANGE) if names.capacity() < ATTRIBUTE_CAP => {
                names = Vec::with_capacity(ATTRIBUTE_CAP);
            }
            // A file system without attributes.
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
    }
    Ok(names.split(|&byte| byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}

fn attribute(file: impl AsFd, name: &[u8]) -> rustix::io::Result<Vec<u8>> {
    let mut value = Vec::with_capacity(256);
    loop {
        match fgetxattr(&file, name, spare_capacity(&mut value)) {
            Ok(_) => return Ok(value),
            Err(Errno::RANGE) if value.capacity() < ATTRIBUTE_CAP => {
                value = Vec::with_capacity(ATTRIBUTE_CAP);
            }
            Err(error) => return Err(error),
        }
    }
}
