//! Makes the desired state of all that the layers say. Whether that is right is judged elsewhere.

use std::collections::BTreeMap;

use crate::model::{Access, Declared, Desired, Limit, PanelAccess, Rate, Safety, XinetdLimit};

use super::sources;
use super::written::{
    Leaf, Marked, Written, WrittenAccess, WrittenLimit, WrittenSafety, WrittenXinetd,
};

/// The desired state; what is wrong or dropped is not in it.
pub(super) fn desired(written: Written) -> Desired {
    let Written {
        host,
        limits,
        xinetd_defaults,
        xinetd_services,
        sources,
        panel_access,
        safety,
    } = written;
    let WrittenSafety {
        max_account_changes,
        confirm_within,
        must_reach,
    } = safety;
    Desired {
        host: host
            .take()
            .unwrap_or_default()
            .into_iter()
            .map(Marked::declared)
            .collect(),
        limits: kept(limits, limit, &Limit::default()),
        xinetd_defaults: xinetd(xinetd_defaults),
        xinetd_services: kept(xinetd_services, xinetd, &XinetdLimit::default()),
        access: sources::desired(&sources),
        panel_access: access(panel_access),
        safety: Safety {
            max_account_changes: max_account_changes.take().map(Marked::declared),
            confirm_within: confirm_within.take().map(Marked::declared),
            must_reach: must_reach
                .take()
                .unwrap_or_default()
                .into_iter()
                .map(Marked::declared)
                .collect(),
        },
    }
}

/// The entries that declare something.
fn kept<K: Ord, W, D: PartialEq>(
    written: BTreeMap<K, W>,
    make: fn(W) -> D,
    empty: &D,
) -> BTreeMap<K, D> {
    written
        .into_iter()
        .map(|(key, written)| (key, make(written)))
        .filter(|(_, made)| made != empty)
        .collect()
}

fn access(written: WrittenAccess) -> PanelAccess {
    let WrittenAccess {
        default,
        missing,
        domains,
        accounts,
    } = written;
    PanelAccess {
        default: default.take().map(Marked::declared),
        missing: missing.take().map(Marked::declared),
        domains: set(domains),
        accounts: set(accounts),
    }
}

/// The entries that have a value.
fn set(written: BTreeMap<String, Leaf<Marked<Access>>>) -> BTreeMap<String, Declared<Access>> {
    written
        .into_iter()
        .filter_map(|(name, leaf)| Some((name, leaf.take()?.declared())))
        .collect()
}

fn limit(written: WrittenLimit) -> Limit {
    let WrittenLimit { per_ip, total } = written;
    Limit {
        per_ip: per_ip.take().map(Marked::declared),
        total: total.take().map(Marked::declared),
    }
}

fn xinetd(written: WrittenXinetd) -> XinetdLimit {
    let WrittenXinetd {
        per_source,
        instances,
        rate,
        pause,
    } = written;
    let cps = rate.take().zip(pause.take()).map(|(rate, pause)| {
        let value = Rate {
            rate: rate.value,
            pause: pause.value,
        };
        let mark = if pause.mark.layer() > rate.mark.layer() {
            pause.mark
        } else {
            rate.mark
        };
        Marked { value, mark }.declared()
    });
    XinetdLimit {
        per_source: per_source.take().map(Marked::declared),
        instances: instances.take().map(Marked::declared),
        cps,
    }
}
