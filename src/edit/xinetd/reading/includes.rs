//! Follows `include` and `includedir` as xinetd does: which files, in which order, and which names it skips.
//!
//! What stands in the files is not looked at here.

use std::ops::Range;

use crate::model::HostPath;

use super::super::file::{File, Folder, Line};
use super::super::host::host_path;
use super::super::problem::ProblemKind;
use super::super::tree::{Entry, Wanted};
use super::Reading;

/// Includes inside of includes beyond this depth are a mistake, not a configuration.
const MAX_DEPTH: usize = 32;
/// The same for files read in all, repeated ones counted again.
const MAX_FILES: usize = 20_000;

/// How a file came to be included.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Including {
    Named,
    InFolder,
}

impl Reading<'_> {
    pub(super) fn include(
        &mut self,
        path: &HostPath,
        file: &File,
        folder: Folder,
        at: &Range<usize>,
        line: Line,
    ) {
        let Some(target) = host_path(file.text(at)) else {
            self.problem(path, file, line, at, ProblemKind::IncludePath);
            return;
        };
        let problem = match folder {
            Folder::No => self.include_file(&target, Including::Named),
            Folder::Yes => {
                self.include_folder(path, file, at, line, &target);
                None
            }
        };
        if let Some(kind) = problem {
            self.problem(path, file, line, at, kind);
        }
    }

    fn include_file(&mut self, target: &HostPath, including: Including) -> Option<ProblemKind> {
        let tree = self.tree;
        match tree.files.get(target) {
            Some(Entry::File(bytes)) => {
                if self.open.contains(target)
                    || self.open.len() >= MAX_DEPTH
                    || self.config.files.len() >= MAX_FILES
                {
                    return Some(ProblemKind::IncludeLoop);
                }
                self.file(target, bytes);
                None
            }
            Some(Entry::NotRegular) => Some(ProblemKind::NotRegular),
            Some(Entry::Missing) => Some(ProblemKind::IncludeMissing),
            Some(Entry::Unreadable(why)) => {
                let (path, why) = (target.clone(), why.clone());
                Some(ProblemKind::IncludeUnreadable { path, why })
            }
            None => {
                if including == Including::Named {
                    self.wanted.insert(Wanted::File(target.clone()));
                }
                None
            }
        }
    }

    fn include_folder(
        &mut self,
        path: &HostPath,
        file: &File,
        at: &Range<usize>,
        line: Line,
        target: &HostPath,
    ) {
        let tree = self.tree;
        if let Some(Entry::Unreadable(why)) = tree.files.get(target) {
            let (folder, why) = (target.clone(), why.clone());
            let kind = ProblemKind::IncludeUnreadable { path: folder, why };
            self.problem(path, file, line, at, kind);
            return;
        }
        let names = match tree.dirs.get(target) {
            Some(Some(names)) => names,
            Some(None) => {
                self.problem(path, file, line, at, ProblemKind::IncludeMissing);
                return;
            }
            None => {
                self.wanted.insert(Wanted::Dir(target.clone()));
                return;
            }
        };
        let mut sorted: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        sorted.sort_unstable();
        for name in sorted {
            if matches!(name, b"" | b"." | b"..") {
                continue;
            }
            let inside = std::str::from_utf8(name)
                .ok()
                .and_then(|name| target.join(name).ok());
            let skipped = name.contains(&b'.') || name.ends_with(b"~");
            let Some(inside) = inside else {
                if !skipped {
                    let name = crate::report::printable::text(name);
                    let kind = ProblemKind::NameNotText { name };
                    self.problem(path, file, line, at, kind);
                }
                continue;
            };
            if skipped {
                self.main_problem(&inside, ProblemKind::NameSkipped);
                continue;
            }
            if !tree.files.contains_key(&inside) {
                self.wanted.insert(Wanted::Dir(target.clone()));
            }
            match self.include_file(&inside, Including::InFolder) {
                Some(ProblemKind::IncludeLoop) => {
                    self.problem(path, file, line, at, ProblemKind::IncludeLoop);
                }
                Some(kind) => self.main_problem(&inside, kind),
                None => {}
            }
        }
    }
}
