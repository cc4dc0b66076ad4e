//! The layers' content after reading, before any of it is judged together: leaves that are set, dropped or wrong.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{
    Access, AccountCap, Count, Declared, Enforce, MailService, Missing, Network, Service, SetName,
};

use super::source::Mark;

/// A checked value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Marked<T> {
    pub(super) value: T,
    pub(super) mark: Mark,
}

impl<T> Marked<T> {
    /// The value as the desired state carries it.
    pub(super) fn declared(self) -> Declared<T> {
        Declared {
            value: self.value,
            origin: self.mark.origin(),
        }
    }
}

/// What a layer says about one setting.
#[derive(Debug, Clone, Default)]
pub(super) enum Leaf<T> {
    /// Nothing.
    #[default]
    Absent,
    /// An inherited value does not count; named as it was dropped, which may be by its whole table.
    Dropped(String, Mark),
    /// Something that was reported as wrong; it is judged no further.
    Wrong,
    /// A value.
    Set(T),
}

/// What became of each `"unmanaged"`: whether it dropped anything.
pub(super) type Drops = BTreeMap<(Mark, String), Dropped>;

/// Whether there was something to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dropped {
    /// No earlier layer says anything.
    Nothing,
    /// An earlier layer has a value, or something wrong in its place.
    Something,
}

impl<T> Leaf<T> {
    /// The value, if there is one.
    pub(super) const fn get(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Absent | Self::Dropped(..) | Self::Wrong => None,
        }
    }

    /// Whether nothing is said, as opposed to something wrong or a value.
    pub(super) const fn is_silent(&self) -> bool {
        match self {
            Self::Absent | Self::Dropped(..) => true,
            Self::Wrong | Self::Set(_) => false,
        }
    }

    /// Takes the value out, if there is one.
    pub(super) fn take(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Absent | Self::Dropped(..) | Self::Wrong => None,
        }
    }

    /// Puts a later layer's leaf over this one.
    fn cover(&mut self, above: Self, drops: &mut Drops) {
        match above {
            Self::Absent => {}
            Self::Dropped(name, mark) => {
                let found = match self {
                    Self::Absent | Self::Dropped(..) => Dropped::Nothing,
                    Self::Wrong | Self::Set(_) => Dropped::Something,
                };
                let entry = drops.entry((mark.clone(), name.clone())).or_insert(found);
                *entry = (*entry).max(found);
                *self = Self::Dropped(name, mark);
            }
            Self::Wrong | Self::Set(_) => *self = above,
        }
    }
}

/// `[limits.SERVICE]`.
#[derive(Debug, Default)]
pub(super) struct WrittenLimit {
    pub(super) per_ip: Leaf<Marked<Count>>,
    pub(super) total: Leaf<Marked<Count>>,
}

/// `[xinetd.defaults]` or `[xinetd.services.NAME]`.
#[derive(Debug, Default)]
pub(super) struct WrittenXinetd {
    pub(super) per_source: Leaf<Marked<Count>>,
    pub(super) instances: Leaf<Marked<Count>>,
    pub(super) rate: Leaf<Marked<u32>>,
    pub(super) pause: Leaf<Marked<u32>>,
}

/// An item of a list of `[access.allow]`.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// An address or a network.
    Network(Network),
    /// A set of `[networks]`.
    Set(SetName),
}

/// What `[access.allow]` says of a service.
#[derive(Debug, Clone)]
pub(super) enum WrittenAllow {
    /// `"anyone"`.
    Anyone,
    /// `"nobody"`.
    Nobody,
    /// A list.
    Only(Vec<Marked<Source>>),
    /// What is good of a list of which something was reported as wrong: whether its sets exist is still judged.
    Broken(Vec<Marked<Source>>),
}

/// `[networks]` and `[access]`.
#[derive(Debug, Default)]
pub(super) struct WrittenSources {
    pub(super) networks: BTreeMap<SetName, Leaf<Vec<Marked<Network>>>>,
    pub(super) enforce: Leaf<Marked<Enforce>>,
    pub(super) allow: BTreeMap<MailService, Leaf<Marked<WrittenAllow>>>,
}

/// `[panel_access]`.
#[derive(Debug, Default)]
pub(super) struct WrittenAccess {
    pub(super) default: Leaf<Marked<Access>>,
    pub(super) missing: Leaf<Marked<Missing>>,
    /// By the domain's ASCII form.
    pub(super) domains: BTreeMap<String, Leaf<Marked<Access>>>,
    /// By the address with the domain's ASCII form.
    pub(super) accounts: BTreeMap<String, Leaf<Marked<Access>>>,
}

/// `[safety]`.
#[derive(Debug, Default)]
pub(super) struct WrittenSafety {
    pub(super) max_account_changes: Leaf<Marked<AccountCap>>,
    pub(super) confirm_within: Leaf<Marked<u32>>,
    pub(super) must_reach: Leaf<Vec<Marked<IpAddr>>>,
}

/// A manifest as written, one layer or several merged.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) host: Leaf<Vec<Marked<String>>>,
    pub(super) limits: BTreeMap<Service, WrittenLimit>,
    pub(super) xinetd_defaults: WrittenXinetd,
    pub(super) xinetd_services: BTreeMap<String, WrittenXinetd>,
    pub(super) sources: WrittenSources,
    pub(super) panel_access: WrittenAccess,
    pub(super) safety: WrittenSafety,
}

impl WrittenAccess {
    fn cover(&mut self, above: Self, drops: &mut Drops) {
        let Self {
            default,
            missing,
            domains,
            accounts,
        } = above;
        self.default.cover(default, drops);
        self.missing.cover(missing, drops);
        for (domain, access) in domains {
            let below = self.domains.entry(domain).or_default();
            below.cover(access, drops);
        }
        for (account, access) in accounts {
            let below = self.accounts.entry(account).or_default();
            below.cover(access, drops);
        }
    }
}

impl WrittenLimit {
    fn cover(&mut self, above: Self, drops: &mut Drops) {
        let Self { per_ip, total } = above;
        self.per_ip.cover(per_ip, drops);
        self.total.cover(total, drops);
    }
}

impl WrittenSources {
    fn cover(&mut self, above: Self, drops: &mut Drops) {
        let Self {
            networks,
            enforce,
            allow,
        } = above;
        for (name, set) in networks {
            self.networks.entry(name).or_default().cover(set, drops);
        }
        self.enforce.cover(enforce, drops);
        for (service, allowed) in allow {
            self.allow.entry(service).or_default().cover(allowed, drops);
        }
    }
}

impl WrittenXinetd {
    fn cover(&mut self, above: Self, drops: &mut Drops) {
        let Self {
            per_source,
            instances,
            rate,
            pause,
        } = above;
        self.per_source.cover(per_source, drops);
        self.instances.cover(instances, drops);
        self.rate.cover(rate, drops);
        self.pause.cover(pause, drops);
    }
}

impl Written {
    /// Puts a later layer over this one: tables merge, values and lists replace, a drop drops.
    pub(super) fn cover(&mut self, above: Self, drops: &mut Drops) {
        let Self {
            host,
            limits,
            xinetd_defaults,
            xinetd_services,
            sources,
            panel_access,
            safety,
        } = above;
        self.host.cover(host, drops);
        for (service, limit) in limits {
            self.limits.entry(service).or_default().cover(limit, drops);
        }
        self.xinetd_defaults.cover(xinetd_defaults, drops);
        for (name, limit) in xinetd_services {
            self.xinetd_services
                .entry(name)
                .or_default()
                .cover(limit, drops);
        }
        self.sources.cover(sources, drops);
        self.panel_access.cover(panel_access, drops);
        let WrittenSafety {
            max_account_changes,
            confirm_within,
            must_reach,
        } = safety;
        self.safety
            .max_account_changes
            .cover(max_account_changes, drops);
        self.safety.confirm_within.cover(confirm_within, drops);
        self.safety.must_reach.cover(must_reach, drops);
    }
}
