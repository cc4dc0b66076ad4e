//! xinetd's limits: which block decides, what xinetd runs with as far as that is known, and what changes.
//!
//! xinetd takes up new limits at SIGHUP, and open sessions live on (seen with 2.3.14, 2.3.15 and Debian's
//! 2.3.15.3). But it reads *all* its files then, so that everything that others changed goes live too.

mod act;
mod edits;
mod loaded;
mod losses;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::act::{dumped, unmet};
pub use self::edits::problems_of;
pub use self::loaded::{LoadedXinetdFiles, changed};
pub use self::losses::XinetdReload;
use super::LimitsPart;
use super::recall::RecalledLimits;
use crate::edit::xinetd::{Attribute, FileTree, ServiceEntry, TreeEntry, XinetdConfig, XinetdVersion};
use crate::facts::{Facts, POSTFIX, XINETD};
use crate::failure::{Diagnostic, PlanBlocked};
use crate::host::{Digest, Process};
use crate::limits::action::Daemon;
use crate::limits::step::{FileEdit, LimitSetting, LimitValue, StepCause};
use crate::model::{
    ConnectionLimit, ConnectionRate, Desired, HostPath, ManifestOrigin, Service, ServiceLimits, XinetdLimits,
    known,
};

/// Where xinetd's state goes at SIGUSR1; the path is built in.
pub const DUMP: &str = "/var/run/xinetd.dump";

/// xinetd's own `cps` where nothing sets it (xinetd.conf(5)).
const BUILT_IN_RATE: ConnectionRate = ConnectionRate { rate: 50, pause: 10 };

/// xinetd's files as they were read.
#[derive(Debug, Clone)]
pub struct XinetdFiles {
    /// The file it starts with.
    pub main: HostPath,
    /// All files.
    pub tree: FileTree,
    /// What xinetd makes of them.
    pub config: XinetdConfig,
    /// More about each file that was read.
    pub about: BTreeMap<HostPath, FileDetails>,
    /// Whether `/etc/inetd.conf` has services, which a xinetd with `-inetd_compat` reads too.
    pub inetd: InetdServices,
}

/// Whether `/etc/inetd.conf` offers something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InetdServices {
    /// It is missing or empty.
    Empty,
    /// It has lines that count.
    Services,
}

/// More about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDetails {
    /// Its sha256.
    pub digest: Digest,
    /// When it last changed, in seconds since 1970 (`st_ctime`).
    pub changed: i64,
    /// Why it would not be replaced, if so.
    pub obstacle: Option<String>,
}

impl XinetdFiles {
    /// The files that were read, with their digests, by path.
    pub fn inputs(&self) -> impl Iterator<Item = (HostPath, Digest)> {
        self.about.iter().map(|(path, about)| (path.clone(), about.digest.clone()))
    }

    /// What xinetd would make of its files after some edits.
    #[must_use]
    pub fn after<'e>(&self, edits: impl Iterator<Item = &'e FileEdit>) -> XinetdConfig {
        let mut tree = self.tree.clone();
        for edit in edits {
            if let Some(TreeEntry::File(bytes)) = tree.files.get_mut(&edit.path) {
                bytes.clone_from(&edit.bytes);
            }
        }
        XinetdConfig::read(&self.main, &tree)
    }

    /// The same, as the version reads them that runs.
    #[must_use]
    pub fn after_on<'e>(
        &self,
        edits: impl Iterator<Item = &'e FileEdit>,
        version: Option<XinetdVersion>,
    ) -> XinetdConfig {
        let mut known = self.clone();
        known.tree.host.version = version;
        known.after(edits)
    }
}

/// The file that xinetd starts with: what the running one was given by `-f`, else the built-in path.
#[must_use]
pub fn main_file(facts: &Facts) -> HostPath {
    // Of root's xinetd everybody sees the arguments, though not which file it executes.
    let unclear = (facts.others.unclear.iter()).map(|(process, _)| process);
    let mut unclear = unclear.filter(|process| process.name == XINETD && process.is_roots());
    let first = running(&facts.processes).first().copied();
    let given = first.or_else(|| unclear.next()).and_then(|process| {
        let mut arguments = process.argv.iter();
        arguments.find(|argument| argument.as_slice() == b"-f")?;
        String::from_utf8(arguments.next()?.clone()).ok()
    });
    given.and_then(|path| HostPath::new(path).ok()).unwrap_or_else(|| known("/etc/xinetd.conf"))
}

/// The running xinetds; a forked child that has not yet become a server looks like its parent and is left
/// out.
#[must_use]
pub fn running(processes: &[Process]) -> Vec<&Process> {
    let all: Vec<&Process> = processes.iter().filter(|process| process.name == XINETD).collect();
    let mut first: Vec<&Process> = all
        .iter()
        .filter(|process| !all.iter().any(|other| other.id.pid == process.parent))
        .copied()
        .collect();
    // Of several the one that serves holds the sockets.
    let holds = |process: &&Process| process.ports.as_ref().is_none_or(|ports| !ports.is_empty());
    if first.iter().any(holds) {
        first.retain(holds);
    }
    first
}

/// The block that a value belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockTarget {
    /// `defaults`.
    Defaults,
    /// Every block of the service with this name.
    Service(String),
}

impl BlockTarget {
    /// The name in plans and in `show`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Defaults => "defaults",
            Self::Service(name) => name,
        }
    }
}

/// One value that the manifest wants.
#[derive(Debug, Clone)]
pub struct XinetdWanted {
    /// Which block.
    pub target: BlockTarget,
    /// Which attribute.
    pub attribute: Attribute,
    /// The value.
    pub value: LimitValue,
    /// Where it is declared.
    pub origin: ManifestOrigin,
    /// The table that declares it, e.g. `limits.smtp`.
    pub by: String,
    /// Whether it is fine for the host not to have the service.
    pub need: ServiceNeed,
}

/// Whether a host must have a service that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceNeed {
    /// It must.
    Must,
    /// `limits.smtp` covers `smtps` where there is one, and the reverse.
    May,
}

/// The setting in the words of `[limits]`.
#[must_use]
pub const fn setting(attribute: Attribute) -> LimitSetting {
    match attribute {
        Attribute::PerSource => LimitSetting::PerIp,
        Attribute::Instances => LimitSetting::Total,
        Attribute::Cps => LimitSetting::Cps,
    }
}

/// What a service has in force.
#[must_use]
pub const fn in_force(entry: &ServiceEntry, attribute: Attribute) -> LimitValue {
    match attribute {
        Attribute::PerSource => LimitValue::Count(entry.per_source.value),
        Attribute::Instances => LimitValue::Count(entry.instances.value),
        Attribute::Cps => LimitValue::Rate(entry.cps.value),
    }
}

/// What `defaults` has, or what is built in (xinetd.conf(5)).
#[must_use]
pub fn default_of(config: &XinetdConfig, attribute: Attribute) -> LimitValue {
    match attribute {
        Attribute::PerSource => LimitValue::Count(
            config.defaults.per_source().map_or(ConnectionLimit::Unlimited, |effective| effective.value),
        ),
        Attribute::Instances => LimitValue::Count(
            config.defaults.instances().map_or(ConnectionLimit::Unlimited, |effective| effective.value),
        ),
        Attribute::Cps => {
            LimitValue::Rate(config.defaults.cps().map_or(BUILT_IN_RATE, |effective| effective.value))
        }
    }
}

/// What the manifest wants of xinetd.
#[must_use]
pub fn wants(desired: &Desired) -> Vec<XinetdWanted> {
    let mut wants = Vec::new();
    for service in [Service::Ftp, Service::Smtp, Service::Smtps, Service::Submission] {
        let Some(ServiceLimits { per_ip, total }) = desired.limits.get(&service) else {
            continue;
        };
        let by = format!("limits.{service}");
        // `limits.smtp` covers SMTPS where that is not set apart; it is fine with a host that has one of the
        // two.
        let apart = desired.limits.get(&Service::Smtps);
        let (need, covered) = match service {
            Service::Smtp => (ServiceNeed::May, Some(Service::Smtps)),
            Service::Ftp
            | Service::Imap
            | Service::Imaps
            | Service::Pop3
            | Service::Pop3s
            | Service::Smtps
            | Service::Submission => (ServiceNeed::Must, None),
        };
        let per_ip_apart = apart.is_some_and(|apart| apart.per_ip.is_some());
        let total_apart = apart.is_some_and(|apart| apart.total.is_some());
        for (attribute, declared, apart) in
            [(Attribute::PerSource, per_ip, per_ip_apart), (Attribute::Instances, total, total_apart)]
        {
            let covered = covered.filter(|_| !apart);
            for name in std::iter::once(service).chain(covered) {
                let target = BlockTarget::Service(name.name().to_owned());
                wants.extend(declared.as_ref().map(|declared| XinetdWanted {
                    target,
                    attribute,
                    value: LimitValue::Count(declared.value),
                    origin: declared.origin.clone(),
                    by: by.clone(),
                    need,
                }));
            }
        }
    }
    let blocks =
        desired.xinetd_services.iter().map(|(name, limit)| (BlockTarget::Service(name.clone()), limit));
    for (target, limit) in std::iter::once((BlockTarget::Defaults, &desired.xinetd_defaults)).chain(blocks) {
        let XinetdLimits { per_source, instances, cps } = limit;
        let by = match &target {
            BlockTarget::Defaults => "xinetd.defaults".to_owned(),
            BlockTarget::Service(name) => format!("xinetd.services.{name}"),
        };
        let counts = [(Attribute::PerSource, per_source), (Attribute::Instances, instances)];
        let counts = counts.into_iter().filter_map(|(attribute, declared)| {
            let declared = declared.as_ref()?;
            Some((attribute, LimitValue::Count(declared.value), &declared.origin))
        });
        let rates = cps.iter().map(|cps| (Attribute::Cps, LimitValue::Rate(cps.value), &cps.origin));
        wants.extend(counts.chain(rates).map(|(attribute, value, origin)| XinetdWanted {
            target: target.clone(),
            attribute,
            value,
            origin: origin.clone(),
            by: by.clone(),
            need: ServiceNeed::Must,
        }));
    }
    wants.sort_by(|a, b| (&a.target, a.attribute.name()).cmp(&(&b.target, b.attribute.name())));
    wants
}

/// Whether the manifest or an owed action concerns xinetd.
#[must_use]
pub fn concerns(desired: &Desired, recalled: &RecalledLimits) -> bool {
    !wants(desired).is_empty() || recalled.owed.iter().any(|owed| owed.daemon == Daemon::Xinetd)
}

/// Plans xinetd's limits.
#[must_use]
pub fn plan(
    desired: &Desired,
    facts: &Facts,
    recalled: &RecalledLimits,
    xinetd: &XinetdFiles,
    deadline: Duration,
) -> LimitsPart {
    let mut part = LimitsPart::default();
    let wants = wants(desired);
    super::others(&[XINETD, POSTFIX], facts, &mut part);
    if !part.blockers.is_empty() {
        return part;
    }
    in_charge(&wants, facts, &mut part);
    if !part.blockers.is_empty() {
        return part;
    }
    let Some(after) = edits::plan(&wants, xinetd, &mut part) else {
        return part;
    };
    act::plan(&wants, facts, recalled, xinetd, &after, deadline, &mut part);
    part
}

/// Blocks where another daemon serves what `[limits]` declares.
fn in_charge(wants: &[XinetdWanted], facts: &Facts, part: &mut LimitsPart) {
    let postfix = facts.processes.iter().find(|process| {
        let file = process.file.path();
        process.name == POSTFIX && file.is_some_and(|(path, _)| contains(path, b"postfix"))
    });
    let Some(postfix) = postfix else { return };
    for want in wants.iter().filter(|want| want.by.starts_with("limits.")) {
        let port = match want.target.name() {
            "smtp" => 25,
            "smtps" => 465,
            "submission" => 587,
            _ => continue,
        };
        // Of one whose sockets are not known it may be so.
        let serves = (postfix.ports.as_ref()).is_none_or(|ports| ports.contains(&port));
        if serves {
            part.block(
                PlanBlocked::Manifest,
                Diagnostic::new(format!(
                    "Postfix serves {} here, and mailward cannot set its limits yet",
                    want.target.name()
                ))
                .at(crate::failure::declared_at(&want.origin))
                .hint(format!("take [{}] out of this host's manifest", want.by)),
            );
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|checkpoint| checkpoint == part)
}

fn declared(want: &XinetdWanted) -> StepCause {
    StepCause::Declared {
        service: want.target.name().to_owned(),
        setting: setting(want.attribute),
        value: want.value,
        origin: want.origin.clone(),
    }
}
