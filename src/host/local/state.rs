//! mailward's own folder on the host: the lock and the files of its state.
//!
//! The lock file is never removed: whoever unlinks a lock lets two runs lock two files of one name.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, fchmod, flock, fstat, fsync, ftruncate, mkdirat, openat,
    renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::fresh::FreshFile;
use super::replace::check_kind;
use super::tree::{OpenFolder, PathRoot};
use super::{files, processes};
use crate::host::{FileFound, HostError, OperationError, ProcessId, STATE, rules};
use crate::model::{HostPath, known};

/// Takes the lock; it is given back when the file is closed.
pub(super) fn lock(tree: &PathRoot) -> Result<File, HostError> {
    let cannot = |error: std::io::Error| HostError::NoLock { path: format!("{STATE}/lock"), source: error };
    let folder = make_folder(tree, STATE).map_err(cannot)?;
    loop {
        let mut file = open_lock(&folder).map_err(cannot)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::AGAIN) => {
                return Err(HostError::Locked { holder: holder(&mut file) });
            }
            Err(error) => return Err(cannot(error.into())),
        }
        // Only the file that stands there now keeps others out.
        let stands = is_in_place(&folder, &file).map_err(cannot)?;
        if stands {
            if let Some(holder) = announced(tree)? {
                return Err(HostError::Locked { holder });
            }
            // The lock holds without it: a disk that takes nothing must not keep a change from being taken
            // back.
            let _ = sign(&mut file);
            return Ok(file);
        }
    }
}

/// What a run wrote of itself that holds the lock without the kernel's, on a host without flock(1): its file
/// is named by its process. Of two that begin at once at least one sees the other, for each announces itself
/// before it looks.
fn announced(tree: &PathRoot) -> Result<Option<String>, HostError> {
    let folder = known(&format!("{STATE}/holders"));
    let Ok(Some(files)) = files::folder(tree, &folder) else {
        return Ok(None);
    };
    for (name, found) in files {
        let process = std::str::from_utf8(&name)
            .ok()
            .and_then(|name| name.split_once('-'))
            .and_then(|(pid, start)| Some((pid.parse().ok()?, start.parse().ok()?)));
        if let (Some((pid, start)), FileFound::File(file)) = (process, found)
            && processes::is_alive(tree, ProcessId { pid, start })?
        {
            return Ok(Some(rules::holder(&String::from_utf8_lossy(&file.bytes))));
        }
    }
    Ok(None)
}

fn open_lock(folder: &OpenFolder) -> std::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = match openat(&folder.fd, "lock", flags, Mode::RUSR | Mode::WUSR) {
        // The kernel locks it all the same.
        Err(Errno::ROFS) => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            openat(&folder.fd, "lock", flags, Mode::empty()).map_err(|_| Errno::ROFS)?
        }
        other => other?,
    };
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::RegularFile {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    Ok(File::from(fd))
}

fn is_in_place(folder: &OpenFolder, file: &File) -> std::io::Result<bool> {
    let ours = fstat(file)?;
    match statat(&folder.fd, "lock", AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) => Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes who holds the lock, for the message of others.
fn sign(file: &mut File) -> std::io::Result<()> {
    let user = match rustix::process::getuid().as_raw() {
        0 => "root".to_owned(),
        uid => format!("with uid {uid}"),
    };
    let since = jiff::Timestamp::from_second(super::now()).map_err(std::io::Error::other)?;
    ftruncate(&*file, 0)?;
    file.rewind()?;
    writeln!(file, "pid {}, since {since}, user {user}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = Vec::new();
    // Four bytes are the longest character.
    let read = file.take(rules::HOLDER_CAP as u64 * 4).read_to_end(&mut text);
    match read {
        Ok(_) => rules::holder(&String::from_utf8_lossy(&text)),
        Err(_) => rules::holder(""),
    }
}

/// Writes a file of mailward's own.
pub(super) fn save(tree: &PathRoot, path: &HostPath, bytes: &[u8]) -> Result<(), OperationError> {
    rules::may_save(path)?;
    let parent = path.parent();
    let folder = make_folder(tree, parent.as_ref().map_or(STATE, |parent| parent.as_str()))?;
    let fresh = FreshFile::write(folder.fd.as_fd(), path, bytes)?;
    fresh.sync()?;
    Ok(fresh.place(path.name())?)
}

/// Writes a file of mailward's own outside its state.
pub(super) fn put(
    tree: &PathRoot,
    path: &HostPath,
    bytes: &[u8],
    mode: crate::host::FileMode,
) -> Result<(), OperationError> {
    rules::may_put(path)?;
    let parent = path.parent();
    let parent = parent.as_ref().map_or("/", |parent| parent.as_str());
    let folder = tree.folder(parent.as_bytes()).map_err(std::io::Error::from)?;
    match statat(&folder.fd, path.name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => check_kind(&stat)?,
        Err(Errno::NOENT) => {}
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    let fresh = FreshFile::write(folder.fd.as_fd(), path, bytes)?;
    fchmod(&fresh.file, Mode::from_raw_mode(mode.bits())).map_err(std::io::Error::from)?;
    fresh.sync()?;
    Ok(fresh.place(path.name())?)
}

/// Removes a file of mailward's own, durably.
pub(super) fn remove(tree: &PathRoot, path: &HostPath) -> Result<(), OperationError> {
    rules::may_remove(path)?;
    let parent = path.parent();
    let parent = parent.as_ref().map_or("/", |parent| parent.as_str());
    let folder = match tree.folder(parent.as_bytes()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(std::io::Error::from(error).into()),
    };
    match unlinkat(&folder.fd, path.name(), AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) if rules::is_checkpoint(path.as_str()) => {
            match unlinkat(&folder.fd, path.name(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
        Err(Errno::ISDIR) => return Err(OperationError::NotReplaced("a folder")),
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    fsync(&folder.fd).map_err(|error| std::io::Error::from(error).into())
}

/// Gives a file of mailward's own another name, durably: of several who do so one succeeds.
pub(super) fn decide(tree: &PathRoot, from: &HostPath, to: &HostPath) -> Result<(), OperationError> {
    rules::may_decide(from, to)?;
    let parent = from.parent();
    let parent = parent.as_ref().map_or(STATE, |parent| parent.as_str());
    let folder = match tree.folder(parent.as_bytes()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Err(OperationError::Gone),
        Err(error) => return Err(std::io::Error::from(error).into()),
    };
    // A file of two names could win twice: rename(2) does nothing where both are one file, and succeeds.
    match statat(&folder.fd, from.name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => check_kind(&stat)?,
        Err(Errno::NOENT) => return Err(OperationError::Gone),
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    match statat(&folder.fd, to.name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => check_kind(&stat)?,
        Err(Errno::NOENT) => {}
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    match renameat(&folder.fd, from.name(), &folder.fd, to.name()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Err(OperationError::Gone),
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    fsync(&folder.fd).map_err(|error| std::io::Error::from(error).into())
}

/// Opens a folder of mailward's own, made where it is missing: mode 0700, and those above it 0755.
fn make_folder(tree: &PathRoot, path: &str) -> std::io::Result<OpenFolder> {
    let folder = match tree.folder(path.as_bytes()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let parent = if parent.is_empty() { tree.folder(b"/")? } else { make_folder(tree, parent)? };
            let mode = if rules::is_private(path) { 0o700 } else { 0o755 };
            match mkdirat(&parent.fd, name, Mode::from_raw_mode(mode)) {
                Ok(()) => fsync(&parent.fd)?,
                // Another run was faster.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            tree.folder(path.as_bytes())?
        }
        Err(error) => return Err(error.into()),
    };
    if path == STATE || !path.starts_with(STATE) && rules::is_private(path) {
        let stat = fstat(&folder.fd)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(std::io::Error::other("its folder belongs to somebody else"));
        }
        let mode = Mode::from_raw_mode(stat.st_mode);
        if mode.intersects(Mode::RWXG | Mode::RWXO) {
            fchmod(&folder.fd, Mode::RWXU)?;
        }
    }
    Ok(folder)
}
