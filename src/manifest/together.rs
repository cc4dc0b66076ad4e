//! What can only be judged when all layers are merged. Nothing here makes the desired state.

use crate::model::{ConnectionLimit, Service};

use super::access;
use super::keys::ManifestTable;
use super::problem::{ManifestProblem, SameFix};
use super::reader::LayerText;
use super::source::LayerMark;
use super::written::{MarkedValue, WrittenLimit, WrittenManifest, WrittenXinetd};

/// Problems and notes, each with its place.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) problems: Vec<(LayerMark, ManifestProblem)>,
    pub(super) notes: Vec<(LayerMark, ManifestProblem)>,
}

/// A declared limit under the name by which the manifest has it.
struct NamedLimit<'w> {
    name: String,
    limit: &'w MarkedValue<ConnectionLimit>,
}

/// Compares what belongs together. With a layer that is no TOML, only within each layer: a line that belongs
/// there may be missing.
pub(super) fn judge(written: &WrittenManifest, text: LayerText) -> Judgement {
    let mut judgement = Judgement::default();
    same_settings(written, &mut judgement);
    for (each, total) in pairs(written) {
        let comparable = match text {
            LayerText::Whole => true,
            LayerText::Broken => each.limit.mark.layer() == total.limit.mark.layer(),
        };
        if comparable {
            compare(&each, &total, &mut judgement);
        }
    }
    incomplete_rates(written, text, &mut judgement);
    access::judge(&written.access, text, &mut judgement);
    judgement
}

/// The service whose limits hold for this one too where it has none of its own.
const fn plain(service: Service) -> Option<Service> {
    match service {
        Service::Pop3s => Some(Service::Pop3),
        Service::Imaps => Some(Service::Imap),
        Service::Smtps => Some(Service::Smtp),
        Service::Pop3 | Service::Imap | Service::Smtp | Service::Submission | Service::Ftp => None,
    }
}

/// Services that an xinetd service of the same name is.
const IN_XINETD: [Service; 4] = [Service::Smtp, Service::Smtps, Service::Submission, Service::Ftp];

/// A limit by its service, with the plain service's where it has none of its own.
fn in_limits(written: &WrittenManifest, service: Service, setting: LimitPair) -> Option<NamedLimit<'_>> {
    let own = |service: Service| {
        let limit = written.limits.get(&service)?;
        let leaf = setting.of_limit(limit);
        leaf.get()
            .map(|limit| NamedLimit { name: ManifestTable::Limit(service).key(setting.in_limits()), limit })
    };
    own(service).or_else(|| {
        let untouched = written.limits.get(&service).is_none_or(|limit| setting.of_limit(limit).is_silent());
        own(plain(service)?).filter(|_| untouched)
    })
}

fn in_xinetd<'w>(written: &'w WrittenManifest, name: &str, setting: LimitPair) -> Option<NamedLimit<'w>> {
    let limit = setting.of_xinetd(written.xinetd_services.get(name)?).get()?;
    Some(NamedLimit { name: ManifestTable::XinetdService(name.to_owned()).key(setting.in_xinetd()), limit })
}

/// The two limits on connections at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LimitPair {
    /// From one address.
    Each,
    /// In all.
    Total,
}

impl LimitPair {
    const ALL: [Self; 2] = [Self::Each, Self::Total];

    const fn in_limits(self) -> &'static str {
        match self {
            Self::Each => "per_ip",
            Self::Total => "total",
        }
    }

    const fn in_xinetd(self) -> &'static str {
        match self {
            Self::Each => "per_source",
            Self::Total => "instances",
        }
    }

    const fn of_limit(
        self,
        limit: &WrittenLimit,
    ) -> &super::written::WrittenLeaf<MarkedValue<ConnectionLimit>> {
        match self {
            Self::Each => &limit.per_ip,
            Self::Total => &limit.total,
        }
    }

    const fn of_xinetd(
        self,
        limit: &WrittenXinetd,
    ) -> &super::written::WrittenLeaf<MarkedValue<ConnectionLimit>> {
        match self {
            Self::Each => &limit.per_source,
            Self::Total => &limit.instances,
        }
    }
}

/// A setting that has one name under `limits` and another under `xinetd.services` must be declared by one of
/// them.
fn same_settings(written: &WrittenManifest, judgement: &mut Judgement) {
    for service in IN_XINETD {
        for setting in LimitPair::ALL {
            let (Some(one), Some(other)) =
                (in_limits(written, service, setting), in_xinetd(written, service.name(), setting))
            else {
                continue;
            };
            let (first, later) = if one.limit.mark <= other.limit.mark { (one, other) } else { (other, one) };
            let apart = ManifestTable::Limit(service).key(setting.in_limits());
            let fix = if first.name != apart && later.name != apart {
                SameFix::SetApart { key: apart }
            } else if first.limit.mark.layer() == later.limit.mark.layer() {
                SameFix::KeepOne
            } else {
                SameFix::DropInherited
            };
            let problem = ManifestProblem::SameSetting {
                one: later.name,
                other: first.name,
                other_place: first.limit.mark.short(),
                fix,
            };
            judgement.problems.push((later.limit.mark.clone(), problem));
        }
    }
}

/// The limits that hold together, for each service and for xinetd's defaults; each pair once.
fn pairs(written: &WrittenManifest) -> Vec<(NamedLimit<'_>, NamedLimit<'_>)> {
    let mut pairs = Vec::new();
    for service in Service::ALL {
        let effective = |setting| {
            let xinetd =
                IN_XINETD.contains(&service).then(|| in_xinetd(written, service.name(), setting)).flatten();
            in_limits(written, service, setting).or(xinetd)
        };
        pairs.extend(effective(LimitPair::Each).zip(effective(LimitPair::Total)));
    }
    let xinetd = std::iter::once((ManifestTable::XinetdDefaults, &written.xinetd_defaults)).chain(
        written
            .xinetd_services
            .iter()
            .map(|(name, limit)| (ManifestTable::XinetdService(name.clone()), limit)),
    );
    for (table, limit) in xinetd {
        let named = |setting: LimitPair| {
            let name = table.key(setting.in_xinetd());
            setting.of_xinetd(limit).get().map(|limit| NamedLimit { name, limit })
        };
        pairs.extend(named(LimitPair::Each).zip(named(LimitPair::Total)));
    }
    let mut seen = std::collections::BTreeSet::new();
    pairs.retain(|(each, total)| seen.insert((each.limit.mark.clone(), total.limit.mark.clone())));
    pairs
}

fn compare(each: &NamedLimit<'_>, total: &NamedLimit<'_>, judgement: &mut Judgement) {
    let mark = total.limit.mark.clone();
    let (total_name, each_name) = (total.name.clone(), each.name.clone());
    let all = match total.limit.value {
        ConnectionLimit::Unlimited => return,
        ConnectionLimit::Number(all) => all,
    };
    let one = match each.limit.value {
        ConnectionLimit::Unlimited => {
            let note = ManifestProblem::TotalOfUnlimited {
                total: total_name,
                each: each_name,
                total_value: total.limit.value,
            };
            judgement.notes.push((mark, note));
            return;
        }
        ConnectionLimit::Number(one) => one,
    };
    let each_place = each.limit.mark.short();
    if all < one {
        let problem = ManifestProblem::TotalBelow {
            total: total_name,
            total_value: all,
            each: each_name,
            each_value: one,
            each_place,
        };
        judgement.problems.push((mark, problem));
    } else if all / 2 < one {
        let note = ManifestProblem::TotalBelowTwice {
            total: total_name,
            total_value: all,
            each: each_name,
            each_value: one,
            each_place,
        };
        judgement.notes.push((mark, note));
    }
}

fn incomplete_rates(written: &WrittenManifest, text: LayerText, judgement: &mut Judgement) {
    if text == LayerText::Broken {
        return;
    }
    let all = std::iter::once((ManifestTable::XinetdDefaults, &written.xinetd_defaults)).chain(
        written
            .xinetd_services
            .iter()
            .map(|(name, limit)| (ManifestTable::XinetdService(name.clone()), limit)),
    );
    for (table, limit) in all {
        let (lone, missing, hint) = match (&limit.rate, &limit.pause) {
            (rate, pause) if rate.get().is_some() && pause.is_silent() => {
                (rate.get(), "pause", "say how long the service then refuses, as `pause = \"10s\"`")
            }
            (rate, pause) if pause.get().is_some() && rate.is_silent() => {
                (pause.get(), "rate", "say above how many connections a second, as `rate = 50`")
            }
            _ => continue,
        };
        if let Some(lone) = lone {
            judgement.problems.push((
                lone.mark.clone(),
                ManifestProblem::Incomplete { key: table.key("cps"), missing, hint },
            ));
        }
    }
}
