//! What a running xinetd was last seen to have loaded.
//!
//! Asking xinetd itself takes a signal, which a plan must not send. So a run that has seen xinetd's dump
//! writes down which process had loaded which bytes; and a file that has not changed since xinetd started is
//! loaded as it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::XinetdFiles;
use crate::host::{Digest, FileFound, Process, ProcessId, STATE};
use crate::model::{HostPath, known};

/// File times have the resolution of the kernel's tick and start times are rounded to it; two seconds are
/// beyond both.
const MARGIN: i64 = 2;

/// What one xinetd process had loaded when its dump was last compared with its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadedXinetdFiles {
    /// The process.
    pub process: ProcessId,
    /// Its files, as they were.
    pub files: BTreeMap<HostPath, Digest>,
}

impl LoadedXinetdFiles {
    /// Where it is kept.
    #[must_use]
    pub fn path() -> HostPath {
        known(&format!("{STATE}/xinetd.json"))
    }

    /// Reads it. One that cannot be used is none: xinetd's state is then not known, which is safe.
    #[must_use]
    pub fn read(found: FileFound) -> Option<Self> {
        match found {
            FileFound::File(state) => serde_json::from_slice(&state.bytes).ok(),
            FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => None,
        }
    }

    /// What the process has loaded now that it was seen to have what these files say.
    #[must_use]
    pub fn of(process: ProcessId, xinetd: &XinetdFiles) -> Self {
        let files = xinetd.about.iter().map(|(path, about)| (path.clone(), about.digest.clone())).collect();
        Self { process, files }
    }
}

/// The files that have changed, come or gone since xinetd read them, as far as that can be told.
#[must_use]
pub fn changed(process: &Process, loaded: Option<&LoadedXinetdFiles>, xinetd: &XinetdFiles) -> Vec<HostPath> {
    let loaded = loaded.filter(|loaded| loaded.process == process.id);
    let mut changed: Vec<HostPath> = xinetd
        .about
        .iter()
        .filter(|(path, about)| {
            let same = loaded.is_some_and(|loaded| loaded.files.get(*path) == Some(&about.digest));
            let before =
                loaded.is_none() && process.started.is_some_and(|started| about.changed + MARGIN <= started);
            !same && !before
        })
        .map(|(path, _)| path.clone())
        .collect();
    if let Some(loaded) = loaded {
        changed.extend(loaded.files.keys().filter(|path| !xinetd.about.contains_key(*path)).cloned());
    }
    changed
}
