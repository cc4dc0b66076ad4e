//! Reads the state that a manifest concerns, and no more; one trip, one more for each level of unknown includes, and one
//! for what stands at the paths that xinetd's files name.

mod access;
mod accounts;
mod boot;
mod sshd;

use std::collections::BTreeMap;

use self::accounts::Options;
pub use self::accounts::accounts;

use crate::access::boot::BootObserved;
use crate::access::observed::AccessObserved;
use crate::edit::xinetd::{Config, Databases, Entry, Sources, Standing, Tree, Wanted};
use crate::facts::Facts;
use crate::host::batch::{Batch, Listing, Ticket};
use crate::host::{
    Connection, Digest, Executable, Existence, FileState, Found, HostError, Link, ReadHost,
};
use crate::limits::courier::{self, Absent, CourierFile, Files};
use crate::limits::panel::{self, Panel};
use crate::limits::xinetd::{self, About, Inetd, Xinetd};
use crate::model::{Desired, HostPath, known};
use crate::panel_access::sql::Depth;
use crate::panel_access::{self, observed::PanelAccounts};

/// The folder that every distribution's and Plesk's xinetd.conf includes; asked for ahead, to save a trip.
const USUAL_FOLDER: &str = "/etc/xinetd.d";

/// Levels of includes after which xinetd's configuration is taken to include itself.
const MOST_LEVELS: usize = 16;

/// The state of what is managed.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Courier's files.
    pub courier: Option<Files>,
    /// The panel's command.
    pub panel: Option<Panel>,
    /// xinetd's files.
    pub xinetd: Option<Xinetd>,
    /// The panel's mail accounts.
    pub accounts: Option<PanelAccounts>,
    /// The packet filters.
    pub access: Option<AccessObserved>,
    /// What a boot does about mailward's own rules.
    pub boot: Option<BootObserved>,
    /// The ssh connection by which this run stands on the host.
    pub connection: Option<Connection>,
}

/// What is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// What this manifest concerns, and what is owed.
    Of(&'a Desired),
    /// The same for an apply, which compares all accounts before and after.
    ToApply(&'a Desired),
    /// Everything that mailward knows.
    All,
}

impl Scope<'_> {
    fn courier(self, facts: &Facts) -> bool {
        match self {
            Self::Of(desired) | Self::ToApply(desired) => courier::concerns(desired, facts),
            Self::All => true,
        }
    }

    /// Whether the accounts are read, and whether they may have to be changed.
    fn accounts(self, facts: &Facts) -> Option<Options> {
        match self {
            Self::Of(desired) | Self::ToApply(desired) => {
                panel_access::concerns(&desired.panel_access).then_some(Options::Asked)
            }
            Self::All => (facts.plesk.as_ref())
                .filter(|plesk| plesk.secret != Existence::Missing)
                .map(|_| Options::NotAsked),
        }
    }

    /// How much of each account is read.
    const fn depth(self) -> Depth {
        match self {
            Self::ToApply(_) => Depth::Whole,
            Self::Of(_) | Self::All => Depth::Access,
        }
    }

    /// Whether the packet filters are read.
    fn access(self, facts: &Facts) -> bool {
        match self {
            // What earlier manifests have set may have to be told of.
            Self::Of(desired) | Self::ToApply(desired) => {
                !desired.access.allow.is_empty() || facts.has_access
            }
            Self::All => true,
        }
    }

    fn xinetd(self, facts: &Facts) -> bool {
        match self {
            Self::Of(desired) | Self::ToApply(desired) => xinetd::concerns(desired, facts),
            Self::All => true,
        }
    }
}

impl Observed {
    /// Reads the state.
    ///
    /// # Errors
    /// [`HostError`] when the host cannot be asked; what is missing or unreadable is part of the state.
    pub fn read(host: &dyn ReadHost, facts: &Facts, scope: Scope<'_>) -> Result<Self, HostError> {
        let mut batch = Batch::default();
        let folder = facts.courier.as_ref().filter(|_| scope.courier(facts));
        let names = courier::Listener::ALL.map(courier::Listener::file);
        let files: Vec<_> = folder
            .into_iter()
            .flat_map(|folder| {
                names
                    .iter()
                    .map(move |name| (*name, known(&format!("{folder}/{name}"))))
            })
            .map(|(name, path)| (name, path.clone(), batch.file(path)))
            .collect();
        let probe = facts
            .plesk
            .as_ref()
            .filter(|_| folder.is_some())
            .map(panel::probe);
        let output = probe.as_ref().map(|command| batch.output(command.clone()));
        let main = xinetd::main_file(facts);
        // Where it runs it may start sshd.
        let may_start = scope.access(facts) && !xinetd::running(&facts.processes).is_empty();
        let xinetd = (scope.xinetd(facts) || may_start).then(|| {
            let start = batch.file(main.clone());
            let folder = batch.folder(known(USUAL_FOLDER));
            let names = NAMES.map(|path| batch.file(known(path)));
            (start, folder, names, batch.file(known("/etc/inetd.conf")))
        });
        let asked = (scope.accounts(facts))
            .map(|options| accounts::ask(&mut batch, facts, options, scope.depth()));
        let filters = scope.access(facts).then(|| {
            let connection = batch.connection();
            (
                access::ask(&mut batch, facts),
                boot::ask(&mut batch),
                connection,
            )
        });
        let mut answers = batch.read(host)?;

        let mut observed = Self::default();
        if folder.is_some() {
            let mut read = BTreeMap::new();
            for (name, path, ticket) in files {
                read.insert(name, courier_file(path, answers.take(ticket)?));
            }
            observed.courier = Some(Files(read));
        }
        if let (Some(command), Some(ticket)) = (probe, output) {
            observed.panel = Some(Panel::read(&command, &answers.take(ticket)?));
        }
        observed.accounts = asked
            .map(|asked| asked.accounts(&mut answers))
            .transpose()?;
        let mut starts = None;
        if let Some((start, folder, names, inetd)) = xinetd {
            let mut reading = Reading::default();
            reading.file(main.clone(), answers.take(start)?);
            reading.folder(known(USUAL_FOLDER), answers.take(folder)?);
            let mut files = Vec::new();
            for name in names {
                files.push(answers.take(name)?);
            }
            reading.tree.host.names = Some(databases(&files));
            let inetd = inetd_conf(&answers.take(inetd)?);
            starts = Some(reading.complete(host, main, inetd)?);
        }
        if let Some((filters, boot, connection)) = filters {
            let config = starts.as_ref().map(|xinetd| &xinetd.config);
            observed.access = Some(filters.observed(host, facts, config, &mut answers)?);
            observed.boot = Some(boot.observed(&mut answers)?);
            observed.connection = Some(answers.take(connection)?);
        }
        observed.xinetd = starts.filter(|_| scope.xinetd(facts));
        Ok(observed)
    }
}

/// Reads Courier's files alone, where they were before.
///
/// # Errors
/// [`HostError`] when the host cannot be asked; what is missing or unreadable is part of the state.
pub fn courier_again(host: &dyn ReadHost, files: &Files) -> Result<Files, HostError> {
    let mut batch = Batch::default();
    let tickets: Vec<_> = (files.0.iter())
        .map(|(name, file)| (*name, file.path.clone(), batch.file(file.path.clone())))
        .collect();
    let mut answers = batch.read(host)?;
    let mut read = BTreeMap::new();
    for (name, path, ticket) in tickets {
        read.insert(name, courier_file(path, answers.take(ticket)?));
    }
    Ok(Files(read))
}

fn courier_file(path: HostPath, found: Found) -> CourierFile {
    let obstacle = obstacle(&found);
    let bytes = match found {
        Found::File(state) if state.bytes.len() > COURIER_CAP => Err(Absent::Unreadable(
            "it is larger than 1 MiB, which no configuration of Courier is".to_owned(),
        )),
        Found::File(state) => Ok(state.bytes),
        Found::Missing => Err(Absent::Missing),
        Found::NotRegular => Err(Absent::Unreadable("it is not a regular file".to_owned())),
        Found::Unreadable(reason) => Err(Absent::Unreadable(reason)),
    };
    CourierFile {
        path,
        bytes,
        obstacle,
    }
}

/// Why a file would not be replaced: a new file in a link's place would no longer be the linked one.
fn obstacle(found: &Found) -> Option<String> {
    match found {
        Found::File(FileState {
            link: Link::Symbolic,
            ..
        }) => Some("is a symbolic link".to_owned()),
        Found::File(FileState { links, .. }) if *links > 1 => {
            Some(format!("has {links} hard links"))
        }
        Found::File(_) | Found::Missing | Found::NotRegular | Found::Unreadable(_) => None,
    }
}

/// The largest of Courier's files that is read as the shell does, in bytes.
const COURIER_CAP: usize = 1 << 20;

/// The most that xinetd's files may hold in all, in bytes: thousands of services.
const XINETD_CAP: usize = 1 << 20;

/// What xinetd's files include and was asked for.
enum Include {
    File(HostPath, Ticket<Found>),
    Folder(HostPath, Ticket<Listing>),
}

/// What was read of xinetd's files so far.
#[derive(Default)]
struct Reading {
    /// How many bytes the files hold.
    size: usize,
    tree: Tree,
    about: BTreeMap<HostPath, About>,
}

impl Reading {
    fn file(&mut self, path: HostPath, found: Found) {
        let obstacle = obstacle(&found);
        let entry = match found {
            Found::File(state) if self.size + state.bytes.len() > XINETD_CAP => Entry::Unreadable(
                "xinetd's files are larger than 1 MiB together, which no configuration is"
                    .to_owned(),
            ),
            Found::File(state) => {
                self.size += state.bytes.len();
                let digest = Digest::of(&state.bytes);
                self.about.insert(
                    path.clone(),
                    About {
                        digest,
                        changed: state.changed,
                        obstacle,
                    },
                );
                Entry::File(state.bytes)
            }
            Found::Missing => Entry::Missing,
            Found::NotRegular => Entry::NotRegular,
            Found::Unreadable(reason) => Entry::Unreadable(reason),
        };
        self.tree.files.insert(path, entry);
    }

    fn folder(&mut self, path: HostPath, listing: Listing) {
        match listing {
            Ok(None) => {
                self.tree.dirs.insert(path, None);
            }
            Ok(Some(files)) => {
                let names = files.iter().map(|(name, _)| name.clone()).collect();
                for (name, found) in files {
                    // A name that is not UTF-8 has no path here; the editor reports it.
                    if let Some(path) = String::from_utf8(name)
                        .ok()
                        .and_then(|name| path.join(&name).ok())
                    {
                        self.file(path, found);
                    }
                }
                self.tree.dirs.insert(path, Some(names));
            }
            Err(reason) => {
                self.tree
                    .files
                    .insert(path.clone(), Entry::Unreadable(reason));
                self.tree.dirs.insert(path, Some(Vec::new()));
            }
        }
    }

    /// Asks for includes outside the usual places until nothing is missing.
    fn complete(
        mut self,
        host: &dyn ReadHost,
        main: HostPath,
        inetd: Inetd,
    ) -> Result<Xinetd, HostError> {
        let mut config = Config::read(&main, &self.tree);
        for _ in 0..MOST_LEVELS {
            if config.wanted.is_empty() {
                break;
            }
            let mut batch = Batch::default();
            let wanted: Vec<_> = std::mem::take(&mut config.wanted)
                .into_iter()
                .map(|wanted| match wanted {
                    Wanted::File(path) => Include::File(path.clone(), batch.file(path)),
                    Wanted::Dir(path) => Include::Folder(path.clone(), batch.folder(path)),
                })
                .collect();
            let mut answers = batch.read(host)?;
            for include in wanted {
                match include {
                    Include::File(path, ticket) => self.file(path, answers.take(ticket)?),
                    Include::Folder(path, ticket) => self.folder(path, answers.take(ticket)?),
                }
            }
            config = Config::read(&main, &self.tree);
        }
        if !config.wanted.is_empty() {
            return Err(HostError::Unexpected(format!(
                "{main} includes files through more than {MOST_LEVELS} levels"
            )));
        }
        if !config.paths.is_empty() {
            let mut batch = Batch::default();
            let asked: Vec<_> = std::mem::take(&mut config.paths)
                .into_iter()
                .map(|path| (path.clone(), batch.exists(path)))
                .collect();
            let mut answers = batch.read(host)?;
            for (path, ticket) in asked {
                let standing = standing(&answers.take(ticket)?);
                self.tree.host.paths.insert(path, standing);
            }
            config = Config::read(&main, &self.tree);
        }
        // Files that were read ahead and that xinetd does not read do not count.
        let read: std::collections::BTreeSet<&HostPath> = config.files.iter().collect();
        self.about.retain(|path, _| read.contains(path));
        self.tree
            .files
            .retain(|path, _| *path == main || read.contains(path));
        Ok(Xinetd {
            main,
            tree: self.tree,
            config,
            about: self.about,
            inetd,
        })
    }
}

/// The host's files of names, in the order of [`Sources`].
const NAMES: [&str; 6] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/protocols",
    "/etc/services",
    "/etc/rpc",
    "/etc/nsswitch.conf",
];

/// The names that the host knows, from the files that [`NAMES`] lists.
fn databases(files: &[Found]) -> Databases {
    let bytes = |index: usize| match files.get(index) {
        Some(Found::File(state)) => Some(state.bytes.as_slice()),
        Some(Found::Missing) => Some(&b""[..]),
        Some(Found::NotRegular | Found::Unreadable(_)) | None => None,
    };
    Databases::read(&Sources {
        passwd: bytes(0),
        group: bytes(1),
        protocols: bytes(2),
        services: bytes(3),
        rpc: bytes(4),
        switch: bytes(5),
    })
}

const fn standing(existence: &Existence) -> Standing {
    match existence {
        Existence::Missing => Standing::Missing,
        Existence::File(Executable::Yes) => Standing::Program,
        Existence::File(Executable::No) => Standing::File,
        Existence::Folder => Standing::Folder,
        Existence::Other => Standing::Other,
        Existence::Unknown(_) => Standing::Unknown,
    }
}

fn inetd_conf(found: &Found) -> Inetd {
    let Found::File(state) = found else {
        return Inetd::Empty;
    };
    let counts = |line: &[u8]| {
        line.iter()
            .find(|byte| !byte.is_ascii_whitespace())
            .is_some_and(|byte| *byte != b'#')
    };
    if state.bytes.split(|byte| *byte == b'\n').any(counts) {
        Inetd::Services
    } else {
        Inetd::Empty
    }
}
