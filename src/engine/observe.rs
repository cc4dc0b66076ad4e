//! Reads the state that a manifest concerns, and no more; one trip, one more for each level of unknown
//! includes, and one for what stands at the paths that xinetd's files name.

mod accounts;
mod boot;
mod firewall;
mod sshd;

use std::collections::BTreeMap;

use self::accounts::CommandOptions;
pub use self::accounts::accounts;

use super::recall::{HostSurvey, Recalled};
use crate::edit::xinetd::{
    FileTree, NameDatabases, NameFiles, PathStanding, TreeEntry, WantedPath, XinetdConfig,
};
use crate::facts::Facts;
use crate::firewall::boot::BootObserved;
use crate::firewall::observed::ObservedFirewall;
use crate::host::batch::{Batch, ListingAnswer, Ticket};
use crate::host::{
    Digest, ExecutePermission, FileFound, FileState, HostError, LinkState, PathExistence, ReadHost,
    RunConnection,
};
use crate::limits::courier::{self, ContentAbsent, CourierFile, CourierFiles};
use crate::limits::observed::ObservedLimits;
use crate::limits::panel::{self, PanelCommand};
use crate::limits::xinetd::{self, FileDetails, InetdServices, XinetdFiles};
use crate::model::{Desired, HostPath, known};
use crate::panel_access::observed::ObservedPanelAccess;
use crate::panel_access::sql::ReadDepth;

/// The folder that every distribution's and Plesk's xinetd.conf includes; asked for ahead, to save a trip.
const USUAL_FOLDER: &str = "/etc/xinetd.d";

/// Levels of includes after which xinetd's configuration is taken to include itself.
const MOST_LEVELS: usize = 16;

/// The state of what is managed.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// What the limits are about.
    pub limits: ObservedLimits,
    /// The panel's mail accounts.
    pub accounts: Option<ObservedPanelAccess>,
    /// The packet filters.
    pub firewall: Option<ObservedFirewall>,
    /// What a boot does about mailward's own rules.
    pub boot: Option<BootObserved>,
    /// The ssh connection by which this run stands on the host.
    pub connection: Option<RunConnection>,
}

/// What is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObserveScope<'a> {
    /// What this manifest concerns, and what is owed.
    Of(&'a Desired),
    /// The same for an apply, which compares all accounts before and after.
    ToApply(&'a Desired),
    /// Everything that mailward knows.
    All,
}

impl ObserveScope<'_> {
    fn courier(self, recalled: &Recalled) -> bool {
        match self {
            Self::Of(desired) | Self::ToApply(desired) => courier::concerns(desired, &recalled.limits),
            Self::All => true,
        }
    }

    /// Whether the accounts are read, and whether they may have to be changed.
    fn accounts(self, facts: &Facts) -> Option<CommandOptions> {
        match self {
            Self::Of(desired) | Self::ToApply(desired) => {
                (!desired.panel_access.decides_nothing()).then_some(CommandOptions::Asked)
            }
            Self::All => (facts.plesk.as_ref())
                .filter(|plesk| plesk.secret != PathExistence::Missing)
                .map(|_| CommandOptions::NotAsked),
        }
    }

    /// How much of each account is read.
    const fn depth(self) -> ReadDepth {
        match self {
            Self::ToApply(_) => ReadDepth::Whole,
            Self::Of(_) | Self::All => ReadDepth::Access,
        }
    }

    /// Whether the packet filters are read.
    fn asks_firewall(self, recalled: &Recalled) -> bool {
        match self {
            // What earlier manifests have set may have to be told of.
            Self::Of(desired) | Self::ToApply(desired) => {
                !desired.access.allow.is_empty() || recalled.firewall.has_state
            }
            Self::All => true,
        }
    }

    fn xinetd(self, recalled: &Recalled) -> bool {
        match self {
            Self::Of(desired) | Self::ToApply(desired) => xinetd::concerns(desired, &recalled.limits),
            Self::All => true,
        }
    }
}

impl Observed {
    /// Reads the state.
    ///
    /// # Errors
    /// [`HostError`] when the host cannot be asked; what is missing or unreadable is part of the state.
    pub fn read(
        host: &dyn ReadHost,
        survey: &HostSurvey,
        scope: ObserveScope<'_>,
    ) -> Result<Self, HostError> {
        let HostSurvey { facts, recalled } = survey;
        let mut batch = Batch::default();
        let folder = facts.courier.as_ref().filter(|_| scope.courier(recalled));
        let names = courier::CourierListener::ALL.map(courier::CourierListener::file);
        let files: Vec<_> = folder
            .into_iter()
            .flat_map(|folder| names.iter().map(move |name| (*name, known(&format!("{folder}/{name}")))))
            .map(|(name, path)| (name, path.clone(), batch.file(path)))
            .collect();
        let probe = facts.plesk.as_ref().filter(|_| folder.is_some()).map(panel::probe);
        let output = probe.as_ref().map(|command| batch.output(command.clone()));
        let main = xinetd::main_file(facts);
        // Where it runs it may start sshd.
        let may_start = scope.asks_firewall(recalled) && !xinetd::running(&facts.processes).is_empty();
        let xinetd = (scope.xinetd(recalled) || may_start).then(|| {
            let start = batch.file(main.clone());
            let folder = batch.folder(known(USUAL_FOLDER));
            let names = NAMES.map(|path| batch.file(known(path)));
            (start, folder, names, batch.file(known("/etc/inetd.conf")))
        });
        let asked =
            (scope.accounts(facts)).map(|options| accounts::ask(&mut batch, facts, options, scope.depth()));
        let filters = scope.asks_firewall(recalled).then(|| {
            let connection = batch.connection();
            (firewall::ask(&mut batch, facts), boot::ask(&mut batch), connection)
        });
        let mut answers = batch.read(host)?;

        let mut observed = Self::default();
        if folder.is_some() {
            let mut read = BTreeMap::new();
            for (name, path, ticket) in files {
                read.insert(name, courier_file(path, answers.take(ticket)?));
            }
            observed.limits.courier = Some(CourierFiles(read));
        }
        if let (Some(command), Some(ticket)) = (probe, output) {
            observed.limits.panel = Some(PanelCommand::read(&command, &answers.take(ticket)?));
        }
        observed.accounts = asked.map(|asked| asked.accounts(&mut answers)).transpose()?;
        let mut starts = None;
        if let Some((start, folder, names, inetd)) = xinetd {
            let mut reading = XinetdFilesReading::default();
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
            observed.firewall = Some(filters.observed(host, facts, config, &mut answers)?);
            observed.boot = Some(boot.observed(&mut answers)?);
            observed.connection = Some(answers.take(connection)?);
        }
        observed.limits.xinetd = starts.filter(|_| scope.xinetd(recalled));
        Ok(observed)
    }
}

/// Reads Courier's files alone, where they were before.
///
/// # Errors
/// [`HostError`] when the host cannot be asked; what is missing or unreadable is part of the state.
pub fn courier_again(host: &dyn ReadHost, files: &CourierFiles) -> Result<CourierFiles, HostError> {
    let mut batch = Batch::default();
    let tickets: Vec<_> = (files.0.iter())
        .map(|(name, file)| (*name, file.path.clone(), batch.file(file.path.clone())))
        .collect();
    let mut answers = batch.read(host)?;
    let mut read = BTreeMap::new();
    for (name, path, ticket) in tickets {
        read.insert(name, courier_file(path, answers.take(ticket)?));
    }
    Ok(CourierFiles(read))
}

fn courier_file(path: HostPath, found: FileFound) -> CourierFile {
    let obstacle = obstacle(&found);
    let bytes = match found {
        FileFound::File(state) if state.bytes.len() > COURIER_CAP => Err(ContentAbsent::Unreadable(
            "it is larger than 1 MiB, which no configuration of Courier is".to_owned(),
        )),
        FileFound::File(state) => Ok(state.bytes),
        FileFound::Missing => Err(ContentAbsent::Missing),
        FileFound::NotRegular => Err(ContentAbsent::Unreadable("it is not a regular file".to_owned())),
        FileFound::Unreadable(reason) => Err(ContentAbsent::Unreadable(reason)),
    };
    CourierFile { path, bytes, obstacle }
}

/// Why a file would not be replaced: a new file in a link's place would no longer be the linked one.
fn obstacle(found: &FileFound) -> Option<String> {
    match found {
        FileFound::File(FileState { link: LinkState::Symbolic, .. }) => Some("is a symbolic link".to_owned()),
        FileFound::File(FileState { links, .. }) if *links > 1 => Some(format!("has {links} hard links")),
        FileFound::File(_) | FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_) => None,
    }
}

/// The largest of Courier's files that is read as the shell does, in bytes.
const COURIER_CAP: usize = 1 << 20;

/// The most that xinetd's files may hold in all, in bytes: thousands of services.
const XINETD_CAP: usize = 1 << 20;

/// What xinetd's files include and was asked for.
enum Include {
    File(HostPath, Ticket<FileFound>),
    Folder(HostPath, Ticket<ListingAnswer>),
}

/// What was read of xinetd's files so far.
#[derive(Default)]
struct XinetdFilesReading {
    /// How many bytes the files hold.
    size: usize,
    tree: FileTree,
    about: BTreeMap<HostPath, FileDetails>,
}

impl XinetdFilesReading {
    fn file(&mut self, path: HostPath, found: FileFound) {
        let obstacle = obstacle(&found);
        let entry = match found {
            FileFound::File(state) if self.size + state.bytes.len() > XINETD_CAP => TreeEntry::Unreadable(
                "xinetd's files are larger than 1 MiB together, which no configuration is".to_owned(),
            ),
            FileFound::File(state) => {
                self.size += state.bytes.len();
                let digest = Digest::of(&state.bytes);
                self.about.insert(path.clone(), FileDetails { digest, changed: state.changed, obstacle });
                TreeEntry::File(state.bytes)
            }
            FileFound::Missing => TreeEntry::Missing,
            FileFound::NotRegular => TreeEntry::NotRegular,
            FileFound::Unreadable(reason) => TreeEntry::Unreadable(reason),
        };
        self.tree.files.insert(path, entry);
    }

    fn folder(&mut self, path: HostPath, listing: ListingAnswer) {
        match listing {
            Ok(None) => {
                self.tree.dirs.insert(path, None);
            }
            Ok(Some(files)) => {
                let names = files.iter().map(|(name, _)| name.clone()).collect();
                for (name, found) in files {
                    // A name that is not UTF-8 has no path here; the editor reports it.
                    if let Some(path) = String::from_utf8(name).ok().and_then(|name| path.join(&name).ok()) {
                        self.file(path, found);
                    }
                }
                self.tree.dirs.insert(path, Some(names));
            }
            Err(reason) => {
                self.tree.files.insert(path.clone(), TreeEntry::Unreadable(reason));
                self.tree.dirs.insert(path, Some(Vec::new()));
            }
        }
    }

    /// Asks for includes outside the usual places until nothing is missing.
    fn complete(
        mut self,
        host: &dyn ReadHost,
        main: HostPath,
        inetd: InetdServices,
    ) -> Result<XinetdFiles, HostError> {
        let mut config = XinetdConfig::read(&main, &self.tree);
        for _ in 0..MOST_LEVELS {
            if config.wanted.is_empty() {
                break;
            }
            let mut batch = Batch::default();
            let wanted: Vec<_> = std::mem::take(&mut config.wanted)
                .into_iter()
                .map(|wanted| match wanted {
                    WantedPath::File(path) => Include::File(path.clone(), batch.file(path)),
                    WantedPath::Dir(path) => Include::Folder(path.clone(), batch.folder(path)),
                })
                .collect();
            let mut answers = batch.read(host)?;
            for include in wanted {
                match include {
                    Include::File(path, ticket) => self.file(path, answers.take(ticket)?),
                    Include::Folder(path, ticket) => self.folder(path, answers.take(ticket)?),
                }
            }
            config = XinetdConfig::read(&main, &self.tree);
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
            config = XinetdConfig::read(&main, &self.tree);
        }
        // Files that were read ahead and that xinetd does not read do not count.
        let read: std::collections::BTreeSet<&HostPath> = config.files.iter().collect();
        self.about.retain(|path, _| read.contains(path));
        self.tree.files.retain(|path, _| *path == main || read.contains(path));
        Ok(XinetdFiles { main, tree: self.tree, config, about: self.about, inetd })
    }
}

/// The host's files of names, in the order of [`NameFiles`].
const NAMES: [&str; 6] =
    ["/etc/passwd", "/etc/group", "/etc/protocols", "/etc/services", "/etc/rpc", "/etc/nsswitch.conf"];

/// The names that the host knows, from the files that [`NAMES`] lists.
fn databases(files: &[FileFound]) -> NameDatabases {
    let bytes = |index: usize| match files.get(index) {
        Some(FileFound::File(state)) => Some(state.bytes.as_slice()),
        Some(FileFound::Missing) => Some(&b""[..]),
        Some(FileFound::NotRegular | FileFound::Unreadable(_)) | None => None,
    };
    NameDatabases::read(&NameFiles {
        passwd: bytes(0),
        group: bytes(1),
        protocols: bytes(2),
        services: bytes(3),
        rpc: bytes(4),
        switch: bytes(5),
    })
}

const fn standing(existence: &PathExistence) -> PathStanding {
    match existence {
        PathExistence::Missing => PathStanding::Missing,
        PathExistence::File(ExecutePermission::Yes) => PathStanding::Program,
        PathExistence::File(ExecutePermission::No) => PathStanding::File,
        PathExistence::Folder => PathStanding::Folder,
        PathExistence::Other => PathStanding::Other,
        PathExistence::Unknown(_) => PathStanding::Unknown,
    }
}

fn inetd_conf(found: &FileFound) -> InetdServices {
    let FileFound::File(state) = found else {
        return InetdServices::Empty;
    };
    let counts =
        |line: &[u8]| line.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte != b'#');
    if state.bytes.split(|byte| *byte == b'\n').any(counts) {
        InetdServices::Services
    } else {
        InetdServices::Empty
    }
}
