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
    if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        diagnostics.push(Diagnostic::new(
            "standard input can be only one of the layers",
        ));
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
    let failed = |error: io::Error| Ended {
        exit: Exit::Usage,
        diagnostics: vec![
            Diagnostic::new(format!("cannot write {}", path.display())).because(error.to_string()),
        ],
    };
    // A device or a pipe, such as /dev/stderr, is written to and never replaced.
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        let mut file = OpenOptions::new().write(true).open(path).map_err(failed)?;
        return file.write_all(bytes).map_err(failed);
    }
    let Some(file_name) = path.file_name() else {
        return Err(failed(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it has no file name",
        )));
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(file_name);
    hidden.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(hidden);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}
