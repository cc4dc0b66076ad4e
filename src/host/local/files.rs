//! Reads files and folders; it only ever opens what it has seen to be a regular file or a folder.
//!
//! Opening a pipe wakes its writer and opening a device may do anything: reading must not.

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::tree::{FoundSpot, LastLink, PathRoot, read_all, reason, regular};
use crate::host::rules::{FILE_CAP, TOO_LARGE};
use crate::host::{ExecutePermission, FileFound, FileState, FolderListing, PathExistence};
use crate::model::HostPath;

pub(super) fn file(tree: &PathRoot, path: &HostPath) -> FileFound {
    found(tree.find(path.as_str().as_bytes(), LastLink::Follow))
}

pub(super) fn exists(tree: &PathRoot, path: &HostPath) -> PathExistence {
    match tree.find(path.as_str().as_bytes(), LastLink::Follow) {
        Ok(spot) => match spot.kind() {
            FileType::RegularFile if spot.stat.st_mode & 0o111 != 0 => {
                PathExistence::File(ExecutePermission::Yes)
            }
            FileType::RegularFile => PathExistence::File(ExecutePermission::No),
            FileType::Directory => PathExistence::Folder,
            _ => PathExistence::Other,
        },
        Err(Errno::NOENT | Errno::NOTDIR) => PathExistence::Missing,
        Err(error) => PathExistence::Unknown(reason(error)),
    }
}

/// The names in a folder, sorted by their bytes, with the file behind each.
pub(super) fn folder(tree: &PathRoot, path: &HostPath) -> Result<Option<FolderListing>, String> {
    let folder = match tree.folder(path.as_str().as_bytes()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTDIR) if exists(tree, path) == PathExistence::Missing => return Ok(None),
        Err(error) => return Err(reason(error)),
    };
    let mut names: Vec<Vec<u8>> = Vec::new();
    folder.names(|name| names.push(name.to_bytes().to_vec())).map_err(reason)?;
    names.sort_unstable();
    let files = names.into_iter().map(|name| {
        let found = found(tree.find_in(&folder, &name));
        (name, found)
    });
    Ok(Some(files.collect()))
}

fn found(spot: rustix::io::Result<FoundSpot<'_>>) -> FileFound {
    match spot.and_then(|spot| read(&spot)) {
        Ok(found) => found,
        Err(Errno::NOENT | Errno::NOTDIR) => FileFound::Missing,
        Err(Errno::FBIG) => FileFound::Unreadable(TOO_LARGE.to_owned()),
        Err(error) => FileFound::Unreadable(reason(error)),
    }
}

#[allow(clippy::unnecessary_cast, reason = "the types of `stat` differ by architecture")]
fn read(spot: &FoundSpot<'_>) -> rustix::io::Result<FileFound> {
    if spot.kind() != FileType::RegularFile {
        return Ok(FileFound::NotRegular);
    }
    let fd = spot.open(OFlags::RDONLY | OFlags::NONBLOCK)?;
    let Some(stat) = regular(&fd)? else {
        return Ok(FileFound::NotRegular);
    };
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size > FILE_CAP {
        return Err(Errno::FBIG);
    }
    let mut bytes = Vec::new();
    // One more, so that the read at the end of the file does not grow it.
    let room = usize::try_from(size).unwrap_or(0) + 1;
    bytes.try_reserve_exact(room).map_err(|_| Errno::NOMEM)?;
    read_all(&fd, &mut bytes)?;
    Ok(FileFound::File(FileState {
        bytes,
        link: spot.link,
        links: stat.st_nlink as u64,
        changed: stat.st_ctime as i64,
    }))
}
