//! Follows `include` and `includedir` as xinetd does: which files, in which order, and which names it skips.
//!
//! What stands in the files is not looked at here.

use std::ops::Range;

use crate::model::HostPath;

use super::super::file::{IncludedFolder, LineRange, XinetdFile};
use super::super::host::host_path;
use super::super::problem::XinetdProblemKind;
use super::super::tree::{TreeEntry, WantedPath};
use super::ConfigReading;

/// Includes inside of includes beyond this depth are a mistake, not a configuration.
const MAX_DEPTH: usize = 32;
/// The same for files read in all, repeated ones counted again.
const MAX_FILES: usize = 20_000;

/// How a file came to be included.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IncludeOrigin {
    Named,
    InFolder,
}

impl ConfigReading<'_> {
    pub(super) fn include(
        &mut self,
        path: &HostPath,
        file: &XinetdFile,
        folder: IncludedFolder,
        at: &Range<usize>,
        line: LineRange,
    ) {
        let Some(target) = host_path(file.text(at)) else {
            self.problem(path, file, line, at, XinetdProblemKind::IncludePath);
            return;
        };
        let problem = match folder {
            IncludedFolder::No => self.include_file(&target, IncludeOrigin::Named),
            IncludedFolder::Yes => {
                self.include_folder(path, file, at, line, &target);
                None
            }
        };
        if let Some(kind) = problem {
            self.problem(path, file, line, at, kind);
        }
    }

    fn include_file(&mut self, target: &HostPath, including: IncludeOrigin) -> Option<XinetdProblemKind> {
        let tree = self.tree;
        match tree.files.get(target) {
            Some(TreeEntry::File(bytes)) => {
                if self.open.contains(target)
                    || self.open.len() >= MAX_DEPTH
                    || self.config.files.len() >= MAX_FILES
                {
                    return Some(XinetdProblemKind::IncludeLoop);
                }
                self.file(target, bytes);
                None
            }
            Some(TreeEntry::NotRegular) => Some(XinetdProblemKind::NotRegular),
            Some(TreeEntry::Missing) => Some(XinetdProblemKind::IncludeMissing),
            Some(TreeEntry::Unreadable(why)) => {
                let (path, why) = (target.clone(), why.clone());
                Some(XinetdProblemKind::IncludeUnreadable { path, why })
            }
            None => {
                if including == IncludeOrigin::Named {
                    self.wanted.insert(WantedPath::File(target.clone()));
                }
                None
            }
        }
    }

    fn include_folder(
        &mut self,
        path: &HostPath,
        file: &XinetdFile,
        at: &Range<usize>,
        line: LineRange,
        target: &HostPath,
    ) {
        let tree = self.tree;
        if let Some(TreeEntry::Unreadable(why)) = tree.files.get(target) {
            let (folder, why) = (target.clone(), why.clone());
            let kind = XinetdProblemKind::IncludeUnreadable { path: folder, why };
            self.problem(path, file, line, at, kind);
            return;
        }
        let names = match tree.dirs.get(target) {
            Some(Some(names)) => names,
            Some(None) => {
                self.problem(path, file, line, at, XinetdProblemKind::IncludeMissing);
                return;
            }
            None => {
                self.wanted.insert(WantedPath::Dir(target.clone()));
                return;
            }
        };
        let mut sorted: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        sorted.sort_unstable();
        for name in sorted {
            if matches!(name, b"" | b"." | b"..") {
                continue;
            }
            let inside = std::str::from_utf8(name).ok().and_then(|name| target.join(name).ok());
            let skipped = name.contains(&b'.') || name.ends_with(b"~");
            let Some(inside) = inside else {
                if !skipped {
                    let name = crate::model::printable::text(name);
                    let kind = XinetdProblemKind::NameNotText { name };
                    self.problem(path, file, line, at, kind);
                }
                continue;
            };
            if skipped {
                self.main_problem(&inside, XinetdProblemKind::NameSkipped);
                continue;
            }
            if !tree.files.contains_key(&inside) {
                self.wanted.insert(WantedPath::Dir(target.clone()));
            }
            match self.include_file(&inside, IncludeOrigin::InFolder) {
                Some(XinetdProblemKind::IncludeLoop) => {
                    self.problem(path, file, line, at, XinetdProblemKind::IncludeLoop);
                }
                Some(kind) => self.main_problem(&inside, kind),
                None => {}
            }
        }
    }
}
