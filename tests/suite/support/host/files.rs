//! Files of a host, read and written from the machine's side, also while the host is off.
//!
//! Every path is resolved in the host's root, links included: `/var/run` of the host never leads to that of
//! the machine.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Host, keeper};

impl Host {
    /// Writes a file of the host in place, making missing folders; an existing file keeps its owner and mode.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        self.make_folders(parent(path));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let file = self.open(path, flags, Mode::from_raw_mode(0o644));
        File::from(file.unwrap_or_else(|error| panic!("{path} in the host: {error}")))
            .write_all(bytes.as_ref())
            .unwrap_or_else(|error| panic!("{path} in the host: {error}"));
    }

    /// Returns the content of a file of the host.
    pub fn read(&self, path: &str) -> Vec<u8> {
        self.try_read(path).unwrap_or_else(|error| panic!("{path} in the host: {error}"))
    }

    /// Returns the content of a file of the host, or why it cannot be read.
    pub fn try_read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::from(self.open(path, OFlags::RDONLY, Mode::empty())?).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns the content of a text file of the host.
    pub fn read_text(&self, path: &str) -> String {
        String::from_utf8(self.read(path)).unwrap_or_else(|error| panic!("{path} in the host: {error}"))
    }

    /// Rewrites a text file of the host, replacing each `from` with `to`; fails if there is none.
    pub fn replace_text(&self, path: &str, from: &str, to: &str) {
        let text = self.read_text(path);
        assert!(text.contains(from), "{path} in the host has no {from:?}");
        self.write(path, text.replace(from, to));
    }

    /// Removes a file of the host.
    pub fn remove(&self, path: &str) {
        let folder = self.folder(parent(path)).expect("the folder exists in the host");
        rustix::fs::unlinkat(&folder, name(path), AtFlags::empty())
            .unwrap_or_else(|error| panic!("{path} in the host: {error}"));
    }

    /// Returns whether a path exists in the host.
    pub fn exists(&self, path: &str) -> bool {
        self.open(path, OFlags::PATH, Mode::empty()).is_ok()
    }

    /// Returns where the machine sees a path of the host, whose folder must exist there.
    ///
    /// Links on the way are resolved, the last component is not. Valid until the host is halted.
    pub fn path_on_machine(&self, path: &str) -> PathBuf {
        use std::os::fd::AsRawFd;
        let folder = self.folder(parent(path)).expect("the folder exists in the host");
        let seen = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))
            .expect("an open folder has a path");
        let root = self.root();
        // While the host is off, the link names the overlay's mount point as well.
        let below = seen
            .strip_prefix(Path::new(keeper::place()).join("root"))
            .or_else(|_| seen.strip_prefix("/"))
            .expect("a path of the host is absolute");
        root.join(below).join(name(path))
    }

    fn open(&self, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let root = rustix::fs::openat(
            CWD,
            self.root(),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let flags = flags | OFlags::CLOEXEC;
        rustix::fs::openat2(&root, path, flags, mode, ResolveFlags::IN_ROOT)
    }

    fn folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let path = path.to_str().expect("paths of tests are text");
        self.open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
    }

    fn make_folders(&self, path: &Path) {
        if self.folder(path).is_ok() {
            return;
        }
        let above = path.parent().expect("the root exists");
        self.make_folders(above);
        let above = self.folder(above).expect("was just made");
        let last = path.file_name().expect("the root exists");
        rustix::fs::mkdirat(&above, last, Mode::from_raw_mode(0o755))
            .unwrap_or_else(|error| panic!("{} in the host: {error}", path.display()));
    }
}

fn parent(path: &str) -> &Path {
    let path = Path::new(path);
    assert!(path.is_absolute(), "paths in a host are absolute: {}", path.display());
    path.parent().expect("a file is below the root")
}

fn name(path: &str) -> &Path {
    Path::new(Path::new(path).file_name().expect("a file has a name"))
}
