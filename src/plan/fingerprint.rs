//! The fingerprint: sha256 over canonical JSON of what a plan does.
//!
//! It holds no path, no digest, no host and no place in a manifest, so that equal changes on many hosts have
//! one fingerprint and one review approves them all.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{
    AccountAct, AccountChange, BootStep, FileEdit, FilterBackend, FirewallStep, LimitEffect, PanelAccessStep,
    PanelLimitStep, RetireStep, ServiceAction, Step,
};
use crate::host::Digest;

/// `mw1-` and twelve hex digits; the number is that of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of some steps.
    #[must_use]
    pub fn of(steps: &[Step]) -> Self {
        // An owed action may stand alone; edits and actions are sets, since their order is ours, not the
        // manifest's.
        let done: BTreeSet<String> = steps.iter().map(|step| what(step).to_string()).collect();
        let canonical = done.into_iter().collect::<Vec<_>>().join("\n");
        let digest = Digest::of(canonical.as_bytes()).to_string();
        Self(format!("mw1-{}", &digest[..12]))
    }

    /// A fingerprint as a person gives it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("mw1-")?;
        let valid = digits.len() == 12 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a step does; `serde_json`'s maps are sorted, so the text is canonical.
fn what(step: &Step) -> Json {
    match step {
        Step::Edit(FileEdit { path: _, before: _, lines, effects, causes: _, bytes: _, old: _ }) => json!({
            "edit": lines.iter().map(|line| json!(line.kind)).collect::<Vec<_>>(),
            "effects": effects.iter().map(effect).collect::<Vec<_>>(),
        }),
        Step::Panel(PanelLimitStep { argv: _, undo: _, effects, causes: _ }) => json!({
            "panel": effects.iter().map(effect).collect::<Vec<_>>(),
        }),
        Step::PanelAccess(step) => change(step),
        Step::Firewall(FirewallStep {
            way,
            allowlists,
            effects: _,
            confirm_within,
            causes: _,
            how: _,
            guard: _,
        }) => json!({ "sources": allowlists, "way": way, "within": within(*way, *confirm_within) }),
        Step::Boot(BootStep { boot, way, paths: _, how: _ }) => json!({ "boot": boot, "way": way }),
        Step::Retire(RetireStep { way, instead, how: _ }) => json!({ "retire": way, "instead": instead }),
        Step::Action(ServiceAction {
            verb,
            daemon,
            unit: _,
            services,
            cost,
            causes: _,
            also_live: _,
            expects: _,
            how: _,
        }) => {
            json!({
                "action": verb,
                "daemon": daemon,
                "services": services,
                "cost": cost,
            })
        }
    }
}

/// How long rules stay without a confirmation, as far as the manifest decides it.
const fn within(way: FilterBackend, seconds: u32) -> Option<u32> {
    match way {
        FilterBackend::Nftables | FilterBackend::Iptables => Some(seconds),
        // Each panel has a window of its own.
        FilterBackend::PleskFirewall => None,
    }
}

fn change(step: &PanelAccessStep) -> Json {
    let PanelAccessStep { domain, access, act, count: _, accounts, causes: _, how: _ } = step;
    let names = |change: &AccountChange| json!(change.account);
    let accounts = accounts.iter().map(names).collect::<Vec<_>>();
    let mut change = json!({ "panel_access": domain, "access": access, "accounts": accounts });
    match act {
        // What a user that is there may do is what a permission was before Plesk 10.
        AccountAct::Forbid | AccountAct::Lock | AccountAct::Permit | AccountAct::Unlock => {}
        AccountAct::CreateUser => change["act"] = json!(act),
    }
    change
}

fn effect(effect: &LimitEffect) -> Json {
    let LimitEffect { service, setting, from, to, named: _ } = effect;
    json!({ "service": service, "setting": setting, "from": from, "to": to })
}
