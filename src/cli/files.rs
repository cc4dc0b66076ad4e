//! The operator's own files: manifests and plans that are read, plans and outcomes that are written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Ended;
use crate::failure::{Diagnostic, Exit};
use crate::manifest::Layer;

/// The most that is read of a manifest or a plan, in bytes; the manifest's own limit is lower.
const LARGEST: u64 = 64 << 20;

/// Reads a manifest's layers.
pub(super) fn layers(paths: &[PathBuf]) -> Result<Vec<Layer>, Ended> {
    let mut layers = Vec::new();
    let mut diagnostics = Vec::new();
    for path in paths {
        match read(path) {
            Ok(bytes) => layers.push(Layer {
                name: name(path),
                bytes,
            }),
            Err(error) => diagnostics.push(
                Diagnostic::new(format!("cannot read {}", path.display()))
                    .because(error.to_string()),
            ),
        }
    }
    if let Err(twice) = once(paths) {
        diagnostics.extend(twice.diagnostics);
    }
    if diagnostics.is_empty() {
        Ok(layers)
    } else {
        Err(Ended {
            exit: Exit::Usage,
            diagnostics,
        })
    }
}

/// Sees that standard input, which can be read once, is named once.
pub(super) fn once(paths: &[PathBuf]) -> Result<(), Ended> {
    if paths.iter().filter(|path| is_stdin(path)).count() < 2 {
        return Ok(());
    }
    Err(Ended {
        exit: Exit::Usage,
        diagnostics: vec![Diagnostic::new(
            "standard input can be only one of the files",
        )],
    })
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(path: &Path) -> String {
    if is_stdin(path) {
        "<stdin>".to_owned()
    } else {
        path.display().to_string()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if is_stdin(path) {
        io::stdin().lock().take(LARGEST).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Writes a file that only its owner may read, whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Ended> {
    Private::open(path)?.write(bytes)
}

/// A file that will be written, opened before the work whose result it shall hold.
pub(super) struct Private {
    path: PathBuf,
    file: File,
    /// The name that it has until it is whole; none for a device or a pipe, which is never replaced.
    temporary: Option<PathBuf>,
}

impl Private {
    /// Opens it, so that a path that cannot be written is an error before anything is done.
    pub(super) fn open(path: &Path) -> Result<Self, Ended> {
        let open = || -> io::Result<(File, Option<PathBuf>)> {
            let mut options = OpenOptions::new();
            options.write(true);
            if fs::metadata(path).is_ok_and(|meta| meta.is_dir()) {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
                return Ok((options.open(path)?, None));
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
            Ok((file, temporary)) => Ok(Self {
                path: path.to_owned(),
                file,
                temporary,
            }),
            Err(error) => Err(unwritable(path, &error, Exit::Usage)),
        }
    }

    /// Writes it whole.
    pub(super) fn write(mut self, bytes: &[u8]) -> Result<(), Ended> {
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

impl Drop for Private {
    /// Leaves nothing lying about where it was not written.
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

fn unwritable(path: &Path, error: &io::Error, exit: Exit) -> Ended {
    let what = format!("cannot write {}", path.display());
    let diagnostics = vec![Diagnostic::new(what).because(error.to_string())];
    Ended { exit, diagnostics }
}
