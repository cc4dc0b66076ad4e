//! Makes the desired state of all that the layers say. Whether that is right is judged elsewhere.

use std::collections::BTreeMap;

use crate::model::{
    ConnectionRate, Declared, Desired, PanelAccess, PanelLogin, SafetyRules, ServiceLimits, XinetdLimits,
};

use super::access;
use super::written::{
    MarkedValue, WrittenLeaf, WrittenLimit, WrittenManifest, WrittenPanelAccess, WrittenSafety, WrittenXinetd,
};

/// The desired state; what is wrong or dropped is not in it.
pub(super) fn desired(written: WrittenManifest) -> Desired {
    let WrittenManifest { host, limits, xinetd_defaults, xinetd_services, access, panel_access, safety } =
        written;
    let WrittenSafety { max_account_changes, confirm_within, must_reach } = safety;
    Desired {
        host: host.take().unwrap_or_default().into_iter().map(MarkedValue::declared).collect(),
        limits: kept(limits, limit, &ServiceLimits::default()),
        xinetd_defaults: xinetd(xinetd_defaults),
        xinetd_services: kept(xinetd_services, xinetd, &XinetdLimits::default()),
        access: access::desired(&access),
        panel_access: panel_login(panel_access),
        safety: SafetyRules {
            max_account_changes: max_account_changes.take().map(MarkedValue::declared),
            confirm_within: confirm_within.take().map(MarkedValue::declared),
            must_reach: must_reach
                .take()
                .unwrap_or_default()
                .into_iter()
                .map(MarkedValue::declared)
                .collect(),
        },
    }
}

/// The entries that declare something.
fn kept<K: Ord, W, D: PartialEq>(written: BTreeMap<K, W>, make: fn(W) -> D, empty: &D) -> BTreeMap<K, D> {
    written.into_iter().map(|(key, written)| (key, make(written))).filter(|(_, made)| made != empty).collect()
}

fn panel_login(written: WrittenPanelAccess) -> PanelAccess {
    let WrittenPanelAccess { default, missing, domains, accounts } = written;
    PanelAccess {
        default: default.take().map(MarkedValue::declared),
        missing: missing.take().map(MarkedValue::declared),
        domains: set(domains),
        accounts: set(accounts),
    }
}

/// The entries that have a value.
fn set(
    written: BTreeMap<String, WrittenLeaf<MarkedValue<PanelLogin>>>,
) -> BTreeMap<String, Declared<PanelLogin>> {
    written.into_iter().filter_map(|(name, leaf)| Some((name, leaf.take()?.declared()))).collect()
}

fn limit(written: WrittenLimit) -> ServiceLimits {
    let WrittenLimit { per_ip, total } = written;
    ServiceLimits {
        per_ip: per_ip.take().map(MarkedValue::declared),
        total: total.take().map(MarkedValue::declared),
    }
}

fn xinetd(written: WrittenXinetd) -> XinetdLimits {
    let WrittenXinetd { per_source, instances, rate, pause } = written;
    let cps = rate.take().zip(pause.take()).map(|(rate, pause)| {
        let value = ConnectionRate { rate: rate.value, pause: pause.value };
        let mark = if pause.mark.layer() > rate.mark.layer() { pause.mark } else { rate.mark };
        MarkedValue { value, mark }.declared()
    });
    XinetdLimits {
        per_source: per_source.take().map(MarkedValue::declared),
        instances: instances.take().map(MarkedValue::declared),
        cps,
    }
}
