//! The layers' content after reading, before any of it is judged together: leaves that are set, dropped or
//! wrong.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{
    AccountCap, ConnectionLimit, Declared, EnforcedBy, MailService, MissingAccounts, Network, PanelLogin,
    Service, SetName,
};

use super::source::LayerMark;

/// A checked value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct MarkedValue<T> {
    pub(super) value: T,
    pub(super) mark: LayerMark,
}

impl<T> MarkedValue<T> {
    /// The value as the desired state carries it.
    pub(super) fn declared(self) -> Declared<T> {
        Declared { value: self.value, origin: self.mark.origin() }
    }
}

/// What a layer says about one setting.
#[derive(Debug, Clone, Default)]
pub(super) enum WrittenLeaf<T> {
    /// Nothing.
    #[default]
    Absent,
    /// An inherited value does not count; named as it was dropped, which may be by its whole table.
    Dropped(String, LayerMark),
    /// Something that was reported as wrong; it is judged no further.
    Wrong,
    /// A value.
    Set(T),
}

/// What became of each `"unmanaged"`: whether it dropped anything.
pub(super) type DroppedLeaves = BTreeMap<(LayerMark, String), LeafDropped>;

/// Whether there was something to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LeafDropped {
    /// No earlier layer says anything.
    Nothing,
    /// An earlier layer has a value, or something wrong in its place.
    Something,
}

impl<T> WrittenLeaf<T> {
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
    fn cover(&mut self, above: Self, drops: &mut DroppedLeaves) {
        match above {
            Self::Absent => {}
            Self::Dropped(name, mark) => {
                let found = match self {
                    Self::Absent | Self::Dropped(..) => LeafDropped::Nothing,
                    Self::Wrong | Self::Set(_) => LeafDropped::Something,
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
    pub(super) per_ip: WrittenLeaf<MarkedValue<ConnectionLimit>>,
    pub(super) total: WrittenLeaf<MarkedValue<ConnectionLimit>>,
}

/// `[xinetd.defaults]` or `[xinetd.services.NAME]`.
#[derive(Debug, Default)]
pub(super) struct WrittenXinetd {
    pub(super) per_source: WrittenLeaf<MarkedValue<ConnectionLimit>>,
    pub(super) instances: WrittenLeaf<MarkedValue<ConnectionLimit>>,
    pub(super) rate: WrittenLeaf<MarkedValue<u32>>,
    pub(super) pause: WrittenLeaf<MarkedValue<u32>>,
}

/// An item of a list of `[access.allow]`.
#[derive(Debug, Clone)]
pub(super) enum ListedSource {
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
    Only(Vec<MarkedValue<ListedSource>>),
    /// What is good of a list of which something was reported as wrong: whether its sets exist is still
    /// judged.
    Broken(Vec<MarkedValue<ListedSource>>),
}

/// `[networks]` and `[access]`.
#[derive(Debug, Default)]
pub(super) struct WrittenAccess {
    pub(super) networks: BTreeMap<SetName, WrittenLeaf<Vec<MarkedValue<Network>>>>,
    pub(super) enforce: WrittenLeaf<MarkedValue<EnforcedBy>>,
    pub(super) allow: BTreeMap<MailService, WrittenLeaf<MarkedValue<WrittenAllow>>>,
}

/// `[panel_access]`.
#[derive(Debug, Default)]
pub(super) struct WrittenPanelAccess {
    pub(super) default: WrittenLeaf<MarkedValue<PanelLogin>>,
    pub(super) missing: WrittenLeaf<MarkedValue<MissingAccounts>>,
    /// By the domain's ASCII form.
    pub(super) domains: BTreeMap<String, WrittenLeaf<MarkedValue<PanelLogin>>>,
    /// By the address with the domain's ASCII form.
    pub(super) accounts: BTreeMap<String, WrittenLeaf<MarkedValue<PanelLogin>>>,
}

/// `[safety]`.
#[derive(Debug, Default)]
pub(super) struct WrittenSafety {
    pub(super) max_account_changes: WrittenLeaf<MarkedValue<AccountCap>>,
    pub(super) confirm_within: WrittenLeaf<MarkedValue<u32>>,
    pub(super) must_reach: WrittenLeaf<Vec<MarkedValue<IpAddr>>>,
}

/// A manifest as written, one layer or several merged.
#[derive(Debug, Default)]
pub(super) struct WrittenManifest {
    pub(super) host: WrittenLeaf<Vec<MarkedValue<String>>>,
    pub(super) limits: BTreeMap<Service, WrittenLimit>,
    pub(super) xinetd_defaults: WrittenXinetd,
    pub(super) xinetd_services: BTreeMap<String, WrittenXinetd>,
    pub(super) access: WrittenAccess,
    pub(super) panel_access: WrittenPanelAccess,
    pub(super) safety: WrittenSafety,
}

impl WrittenPanelAccess {
    fn cover(&mut self, above: Self, drops: &mut DroppedLeaves) {
        let Self { default, missing, domains, accounts } = above;
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
    fn cover(&mut self, above: Self, drops: &mut DroppedLeaves) {
        let Self { per_ip, total } = above;
        self.per_ip.cover(per_ip, drops);
        self.total.cover(total, drops);
    }
}

impl WrittenAccess {
    fn cover(&mut self, above: Self, drops: &mut DroppedLeaves) {
        let Self { networks, enforce, allow } = above;
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
    fn cover(&mut self, above: Self, drops: &mut DroppedLeaves) {
        let Self { per_source, instances, rate, pause } = above;
        self.per_source.cover(per_source, drops);
        self.instances.cover(instances, drops);
        self.rate.cover(rate, drops);
        self.pause.cover(pause, drops);
    }
}

impl WrittenManifest {
    /// Puts a later layer over this one: tables merge, values and lists replace, a drop drops.
    pub(super) fn cover(&mut self, above: Self, drops: &mut DroppedLeaves) {
        let Self { host, limits, xinetd_defaults, xinetd_services, access: sources, panel_access, safety } =
            above;
        self.host.cover(host, drops);
        for (service, limit) in limits {
            self.limits.entry(service).or_default().cover(limit, drops);
        }
        self.xinetd_defaults.cover(xinetd_defaults, drops);
        for (name, limit) in xinetd_services {
            self.xinetd_services.entry(name).or_default().cover(limit, drops);
        }
        self.access.cover(sources, drops);
        self.panel_access.cover(panel_access, drops);
        let WrittenSafety { max_account_changes, confirm_within, must_reach } = safety;
        self.safety.max_account_changes.cover(max_account_changes, drops);
        self.safety.confirm_within.cover(confirm_within, drops);
        self.safety.must_reach.cover(must_reach, drops);
    }
}
