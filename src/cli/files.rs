//! The operator's own files: manifests and plans that are read, plans and outcomes that are written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::CommandEnd;
use crate::failure::{Diagnostic, Exit};
use crate::manifest::ManifestLayer;
use crate::model::printable;

/// The most that is read of a manifest or a plan, in bytes.
const LARGEST: u64 = 32 << 20;

/// Reads a manifest's layers.
pub(super) fn layers(paths: &[PathBuf]) -> Result<Vec<ManifestLayer>, CommandEnd> {
    let mut layers = Vec::new();
    let mut diagnostics = Vec::new();
    for path in paths {
        match read(path) {
            Ok(bytes) => layers.push(ManifestLayer { name: name(path), bytes }),
            Err(error) => diagnostics
                .push(Diagnostic::new(format!("cannot read {}", shown(path))).because(error.to_string())),
        }
    }
    if let Err(twice) = once(paths) {
        diagnostics.extend(twice.diagnostics);
    }
    if diagnostics.is_empty() { Ok(layers) } else { Err(CommandEnd { exit: Exit::Usage, diagnostics }) }
}

/// Sees that standard input, which can be read once, is named once.
pub(super) fn once(paths: &[PathBuf]) -> Result<(), CommandEnd> {
    if paths.iter().filter(|path| is_stdin(path)).count() < 2 {
        return Ok(());
    }
    Err(CommandEnd {
        exit: Exit::Usage,
        diagnostics: vec![Diagnostic::new("standard input can be only one of the files")],
    })
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(path: &Path) -> String {
    if is_stdin(path) { "<stdin>".to_owned() } else { shown(path) }
}

/// A path as text, without loss.
fn shown(path: &Path) -> String {
    printable::text(path.as_os_str().as_bytes())
}

/// Reads a manifest or a plan, of which there is not too much.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if is_stdin(path) {
        io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)?;
    } else {
        // Without waiting for somebody at the other end of a pipe.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(NEVER_WAIT);
        let file = options.open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        match OutputPlace::of(&metadata, path) {
            OutputPlace::File | OutputPlace::Own => {}
            OutputPlace::Device if path == Path::new("/dev/null") => {}
            OutputPlace::Pipe | OutputPlace::Device => return Err(io::Error::other(STRANGE)),
        }
        let waits = fcntl_getfl(&file)?.difference(OFlags::NONBLOCK);
        fcntl_setfl(&file, waits)?;
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 32 MiB"));
    }
    Ok(bytes)
}

/// Opens without a wait for another end, and makes no terminal the run's own.
const NEVER_WAIT: i32 = (OFlags::NONBLOCK.union(OFlags::NOCTTY)).bits().cast_signed();

/// Why something that was named as a file is not used.
const STRANGE: &str = "a pipe, a socket or a device stands there, which somebody else may hold; use `-` and standard input, or \
                       /dev/stdout";

/// What stands at a path that the operator named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutputPlace {
    /// A regular file.
    File,
    /// One of this program's own open files, such as `/dev/stdout` or the `/dev/fd/63` of a shell: nobody
    /// else put it there.
    Own,
    /// A pipe or a socket with a name: anybody may be at its other end.
    Pipe,
    /// A device, which only root can make.
    Device,
}

impl OutputPlace {
    fn of(metadata: &fs::Metadata, path: &Path) -> Self {
        let kind = metadata.file_type();
        let own = ["/dev/stdin", "/dev/stdout", "/dev/stderr"].map(Path::new);
        let folders = ["/dev/fd", "/proc/self/fd"].map(Path::new);
        if own.contains(&path) || path.parent().is_some_and(|folder| folders.contains(&folder)) {
            Self::Own
        } else if kind.is_file() {
            Self::File
        } else if kind.is_char_device() || kind.is_block_device() {
            Self::Device
        } else {
            Self::Pipe
        }
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), CommandEnd> {
    PrivateFile::open(path)?.write(bytes)
}

/// A file that will be written, opened before the work whose result it shall hold.
pub(super) struct PrivateFile {
    path: PathBuf,
    file: File,
    /// The name that it has until it is whole; none for a device or a pipe, which is never replaced.
    temporary: Option<PathBuf>,
}

impl PrivateFile {
    /// Opens it, so that a path that cannot be written is an error before anything is done.
    pub(super) fn open(path: &Path) -> Result<Self, CommandEnd> {
        let open = || -> io::Result<(File, Option<PathBuf>)> {
            let mut options = OpenOptions::new();
            options.write(true);
            match fs::metadata(path) {
                Ok(meta) if meta.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
                // What a link leads to is left alone: the file takes the link's place.
                Ok(meta) => match OutputPlace::of(&meta, path) {
                    OutputPlace::File => {}
                    OutputPlace::Own => return Ok((options.open(path)?, None)),
                    OutputPlace::Device if path == Path::new("/dev/null") => {
                        return Ok((options.open(path)?, None));
                    }
                    OutputPlace::Pipe | OutputPlace::Device => {
                        return Err(io::Error::other(STRANGE));
                    }
                },
                Err(_) => {}
            }
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}", std::process::id()));
            let temporary = path.with_file_name(hidden);
            let file = options.create_new(true).mode(0o600).open(&temporary)?;
            Ok((file, Some(temporary)))
        };
        match open() {
            Ok((file, temporary)) => Ok(Self { path: path.to_owned(), file, temporary }),
            Err(error) => Err(unwritable(path, &error, Exit::Usage)),
        }
    }

    /// Writes it whole.
    pub(super) fn write(mut self, bytes: &[u8]) -> Result<(), CommandEnd> {
        let mut write = || -> io::Result<()> {
            self.file.write_all(bytes)?;
            if let Some(temporary) = &self.temporary {
                self.file.sync_all()?;
                fs::rename(temporary, &self.path)?;
            }
            Ok(())
        };
        let written = write();
        if written.is_ok() {
            self.temporary = None;
        }
        written.map_err(|error| unwritable(&self.path, &error, Exit::Internal))
    }
}

impl Drop for PrivateFile {
    /// Leaves nothing lying about where it was not written.
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

fn unwritable(path: &Path, error: &io::Error, exit: Exit) -> CommandEnd {
    let what = format!("cannot write {}", shown(path));
    let diagnostics = vec![Diagnostic::new(what).because(error.to_string())];
    CommandEnd { exit, diagnostics }
}
