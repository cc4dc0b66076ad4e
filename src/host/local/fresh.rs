//! A new file that takes another's place in one step: nobody ever sees half of it, and on any error it is
//! gone.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fsync, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::host::FileReplacement;
use crate::model::HostPath;

/// A file under its temporary name; removed when dropped before it took its place.
pub(super) struct FreshFile<'a> {
    folder: BorrowedFd<'a>,
    temporary: String,
    pub(super) file: File,
    placed: bool,
}

impl<'a> FreshFile<'a> {
    /// Writes `bytes` under the temporary name of `path`, readable for its owner alone.
    ///
    /// What a killed run left under that name is removed; the lock keeps two runs apart.
    pub(super) fn write(folder: BorrowedFd<'a>, path: &HostPath, bytes: &[u8]) -> std::io::Result<Self> {
        let temporary = FileReplacement::temporary(path);
        match statat(folder, temporary.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                unlinkat(folder, temporary.as_str(), AtFlags::empty())?;
            }
            // Anything else under that name is not ours: creating fails.
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(folder, temporary.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
        let mut fresh = Self { folder, temporary, file: File::from(fd), placed: false };
        fresh.file.write_all(bytes)?;
        Ok(fresh)
    }

    /// Makes what has been written, metadata included, survive a crash.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        Ok(fsync(self.file.as_fd())?)
    }

    /// Takes the place of `name`, durably.
    ///
    /// # Errors
    /// If only the last `fsync` fails the new bytes are in place already.
    pub(super) fn place(mut self, name: &str) -> std::io::Result<()> {
        renameat(self.folder, self.temporary.as_str(), self.folder, name)?;
        self.placed = true;
        Ok(fsync(self.folder)?)
    }
}

impl Drop for FreshFile<'_> {
    fn drop(&mut self) {
        if !self.placed {
            // The first error is the one to report; the next run removes what stays.
            let _ = unlinkat(self.folder, self.temporary.as_str(), AtFlags::empty());
        }
    }
}
