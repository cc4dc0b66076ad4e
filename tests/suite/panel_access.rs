//! Panel access of mail accounts, planned and applied on a panel in memory: both schemas, accounts that are
//! not simply mail users, and a vendor's command that lies, fails, or does something else.

mod applied;
mod panel;
mod planned;
mod size;

use std::sync::atomic::{AtomicU32, Ordering};

use mailward::engine::make::{ACTION_DEADLINE, make};
use mailward::engine::observe::{ObserveScope, Observed};
use mailward::engine::recall::HostSurvey;
use mailward::engine::{self, ApplyRequest, RestartPolicy, RunWatcher};
use mailward::failure::{PlanBlocked, PlanBlocker};
use mailward::host::ReadHost;
use mailward::manifest::{ManifestLayer, check};
use mailward::model::Desired;
use mailward::plan::outcome::Outcome;
use mailward::plan::{Plan, SafetyOverrides, Step};

use self::panel::Host;

fn desired(manifest: &str) -> Desired {
    let layer =
        ManifestLayer { name: "m.toml".to_owned(), bytes: format!("version = 1\n{manifest}").into_bytes() };
    check(&[layer]).unwrap().desired
}

fn try_plan(host: &dyn ReadHost, desired: &Desired) -> Result<Plan, Vec<PlanBlocker>> {
    let survey = HostSurvey::read(host).unwrap();
    let observed = Observed::read(host, &survey, ObserveScope::Of(desired)).unwrap();
    make(desired, &[], &survey, &observed, ACTION_DEADLINE, &SafetyOverrides::default())
}

fn plan(host: &Host, manifest: &str) -> Plan {
    try_plan(&host.host, &desired(manifest)).unwrap()
}

/// The first blocker's kind, and all that is told.
fn blocked(host: &Host, manifest: &str) -> (PlanBlocked, String) {
    let blockers = try_plan(&host.host, &desired(manifest)).unwrap_err();
    let kind = blockers.iter().map(|blocker| blocker.kind).max().unwrap();
    (kind, format!("{blockers:#?}"))
}

/// Every change as `address=access`, in order.
fn changes(plan: &Plan) -> Vec<String> {
    let mut changes = Vec::new();
    for step in &plan.steps {
        if let Step::PanelAccess(step) = step {
            assert_eq!(step.count, step.accounts.len());
            for change in &step.accounts {
                changes.push(format!("{}={}", change.account, step.access.word()));
            }
        }
    }
    changes
}

struct Quiet;

impl RunWatcher for Quiet {
    fn planned(&mut self, _: &Plan) {}

    fn begins(&mut self, _: &Step) {}

    fn interrupted(&self) -> Option<&'static str> {
        None
    }
}

fn apply(host: &mut Host, manifest: &str) -> Outcome {
    /// Each run has a name of its own, as processes have.
    static RUNS: AtomicU32 = AtomicU32::new(1);
    let desired = desired(manifest);
    let request = ApplyRequest {
        checkpoint: "0".repeat(32),
        desired: &desired,
        advice: &[],
        agreed: None,
        expect: None,
        restarts: RestartPolicy::Now,
        deadline: ACTION_DEADLINE,
        allowed: &SafetyOverrides::default(),
        run: RUNS.fetch_add(1, Ordering::Relaxed),
    };
    engine::apply(&mut host.host, &request, &mut Quiet)
}
