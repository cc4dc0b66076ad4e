//! Verify: observe and plan again. What this run managed must need nothing more.

use super::{ApplyFailure, ApplyRun, RestartPolicy, edits};
use crate::engine::make;
use crate::engine::observe::{ObserveScope, Observed};
use crate::engine::recall::HostSurvey;
use crate::failure::Diagnostic;
use crate::host::{Digest, HostOperation, WriteHost};
use crate::limits::xinetd::{LoadedXinetdFiles, XinetdFiles};
use crate::plan::outcome::OutcomeVerdict;
use crate::plan::{PlanInput, Step};
use crate::report::text;

impl ApplyRun<'_> {
    /// Looks at the whole again, and concludes the run as far as it has come.
    pub(super) fn verify(&mut self, host: &mut dyn WriteHost) -> Result<(), ApplyFailure> {
        let mut survey = HostSurvey::read(host)?;
        let observed = Observed::read(host, &survey, ObserveScope::ToApply(self.request.desired))?;
        let meanwhile = self.accounts_meanwhile(&observed)?;
        let loaded = self.loaded(&observed);
        if let Some(loaded) = &loaded {
            survey.recalled.limits.loaded = Some(loaded.clone());
        }
        survey.recalled.limits.owed.clear();
        let planned = make::make(
            self.request.desired,
            &[],
            &survey,
            &observed,
            self.request.deadline,
            self.request.allowed,
        );
        let mut owed = match self.request.restarts {
            RestartPolicy::Now => Vec::new(),
            RestartPolicy::Deferred => self.journal.owed.clone(),
        };
        let mut verdict = if owed.is_empty() { OutcomeVerdict::Applied } else { OutcomeVerdict::Owed };
        match planned {
            Ok(plan) => {
                let left: Vec<Step> = plan
                    .steps
                    .into_iter()
                    .filter(|step| match (step, self.request.restarts) {
                        (Step::Action(_), RestartPolicy::Deferred) => false,
                        (Step::Action(_) | Step::Edit(_) | Step::Panel(_) | Step::PanelAccess(_), _) => true,
                        // Their turn comes when everything before is verified.
                        (Step::Firewall(_) | Step::Boot(_) | Step::Retire(_), _) => false,
                    })
                    .collect();
                if !left.is_empty() {
                    let what = text::steps_in_brief(&left);
                    if !self.changed_by_others(&observed) && !meanwhile.is_other() {
                        return Err(Diagnostic::new("the host is not as desired after all steps were done")
                            .because(what)
                            .into());
                    }
                    verdict = OutcomeVerdict::ChangedSince;
                    self.outcome.messages.push(
                        Diagnostic::new("somebody else changed something managed while this run went on")
                            .because(what)
                            .hint("plan again"),
                    );
                }
            }
            Err(blockers) if self.changed_by_others(&observed) || meanwhile.is_other() => {
                verdict = OutcomeVerdict::ChangedSince;
                self.outcome.messages.extend(blockers.into_iter().map(|blocker| blocker.diagnostic));
            }
            Err(blockers) => {
                return Err(blockers.into());
            }
        }
        if meanwhile.is_other() {
            verdict = OutcomeVerdict::ChangedSince;
        }
        self.outcome.messages.extend(meanwhile.messages());
        std::mem::swap(&mut self.outcome.owed, &mut owed);
        self.outcome.conclude(verdict);
        if let Some(bytes) = loaded.and_then(|loaded| serde_json::to_vec_pretty(&loaded).ok()) {
            // Without it xinetd's state is not known the next time, and it is asked to reload once more.
            let _ = host.write(&[HostOperation::Save { path: LoadedXinetdFiles::path(), bytes }], &[]);
        }
        Ok(())
    }

    /// Whether a file or an account is something else now than this run read or wrote.
    fn changed_by_others(&self, observed: &Observed) -> bool {
        self.differ(&make::inputs(observed), &make::inputs(&self.observed)) || self.accounts_differ(observed)
    }

    /// The same for some of the files.
    fn differ(&self, now: &[PlanInput], planned: &[PlanInput]) -> bool {
        now.len() != planned.len()
            || now.iter().any(|input| {
                let ours = edits(&self.plan).find(|edit| edit.path == input.path);
                let ours = ours.map(|edit| Digest::of(&edit.bytes));
                let before = planned.iter().find(|old| old.path == input.path);
                ours.as_ref().or(before.map(|old| &old.digest)) != Some(&input.digest)
            })
    }

    /// What xinetd has loaded, where this run saw it read its files and nobody has touched them since.
    fn loaded(&self, observed: &Observed) -> Option<LoadedXinetdFiles> {
        let process = self.xinetd?;
        let (now, before) = (observed.limits.xinetd.as_ref()?, self.observed.limits.xinetd.as_ref()?);
        let inputs = |files: &XinetdFiles| files.inputs().map(PlanInput::from).collect::<Vec<_>>();
        if self.differ(&inputs(now), &inputs(before)) {
            return None;
        }
        Some(LoadedXinetdFiles::of(process, now))
    }
}
