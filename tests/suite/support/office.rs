//! Copies of the host tree in `examples/office`: one for each case, so that cases run side by side.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Copies `examples/office/host` as a user would (`cp -a`) and returns the copy: its path is the tree's root.
///
/// The folder's name holds what breaks careless quoting: a blank, a quote, a dollar sign.
pub fn office_copy() -> TempDir {
    let copy = tempfile::Builder::new()
        .prefix("an office's $HOME ")
        .tempdir()
        .expect("a temporary folder can be made");
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/office/host/.");
    let status = Command::new("cp").arg("-a").arg(tree).arg(copy.path()).status().expect("cp can be run");
    assert!(status.success(), "cp -a of the host tree: {status}");
    copy
}
