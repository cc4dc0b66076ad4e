//! Makes the changes that come before service actions: replaces files, runs the panel's commands, and looks
//! at both.

use super::{ApplyFailure, ApplyRun, RunWatcher, edits, interrupted, journal, lost};
use crate::engine::observe;
use crate::failure::Diagnostic;
use crate::host::batch::{Answers, Batch};
use crate::host::{FileFound, FileReplacement, HostOperation, OperationError, ReadHost, WriteHost};
use crate::limits::courier::{CourierFiles, CourierListener};
use crate::limits::text;
use crate::plan::outcome::StepState;
use crate::plan::{LimitEffect, LimitValue, PanelLimitStep, Step};

impl ApplyRun<'_> {
    /// The journal, backups, then all edits, in one batch; then each file is read back.
    pub(super) fn write_edits(
        &mut self,
        host: &mut dyn WriteHost,
        watch: &mut dyn RunWatcher,
    ) -> Result<(), ApplyFailure> {
        host.changes();
        // The journal first: it names the run, by which the next one finds what a killed one left lying
        // about.
        let mut acts = vec![HostOperation::Save { path: journal::path(), bytes: self.journal_bytes()? }];
        let run = self.outcome.run.as_deref().unwrap_or("run");
        for (number, edit) in edits(&self.plan).enumerate() {
            acts.push(HostOperation::Save {
                path: journal::backup(run, number, &edit.path),
                bytes: edit.old.clone(),
            });
        }
        let mut places = Vec::new();
        let mut batch = Batch::default();
        for (index, step) in self.plan.steps.iter().enumerate() {
            if let Step::Edit(edit) = step {
                watch.begins(step);
                places.push((index, acts.len(), batch.file(edit.path.clone())));
                acts.push(HostOperation::Replace(FileReplacement {
                    path: edit.path.clone(),
                    before: edit.before.clone(),
                    bytes: edit.bytes.clone(),
                }));
            }
        }
        match host.write(&acts, batch.requests()) {
            Ok(written) => {
                for (index, ..) in &places {
                    self.outcome.steps[*index].state = StepState::Done;
                }
                let mut answers = Answers::new(written.replies);
                for (index, _, ticket) in places {
                    let Step::Edit(edit) = &self.plan.steps[index] else {
                        continue;
                    };
                    let took = matches!(answers.take(ticket), Ok(FileFound::File(state))
                        if state.bytes == edit.bytes);
                    if !took {
                        self.outcome.steps[index].state = StepState::Failed;
                        let what = format!("{} does not hold what was written to it", edit.path);
                        return Err(Diagnostic::new(what).into());
                    }
                }
                Ok(())
            }
            Err(error) => {
                for (index, act, _) in places {
                    if act >= error.index && lost::may_be_done(&error) {
                        // Undoing it looks, where the host can still be asked.
                        self.outcome.steps[index].state = StepState::Failed;
                    } else if act <= error.index {
                        // The one that failed may have taken its place before something failed; undoing it
                        // looks.
                        self.outcome.steps[index].state =
                            if act == error.index { StepState::Failed } else { StepState::Done };
                    }
                }
                let diagnostic = Diagnostic::of(&error);
                Err(ApplyFailure::from(match error.source {
                    OperationError::UnseenMetadata => diagnostic.hint(
                        "install getfattr there (package attr), or take it on you for this run: --allow unseen-metadata",
                    ),
                    OperationError::System(_)
                    | OperationError::Changed
                    | OperationError::NotReplaced(_)
                    | OperationError::Gone
                    | OperationError::NoProcess
                    | OperationError::NoStandIn(_)
                    | OperationError::Lost(_)
                    | OperationError::After(_) => diagnostic,
                }))
            }
        }
    }

    pub(super) fn run_panel(
        &mut self,
        host: &mut dyn WriteHost,
        watch: &mut dyn RunWatcher,
    ) -> Result<(), ApplyFailure> {
        for index in 0..self.plan.steps.len() {
            let Step::Panel(panel) = self.plan.steps[index].clone() else {
                continue;
            };
            interrupted(watch)?;
            watch.begins(&self.plan.steps[index]);
            self.outcome.steps[index].state = StepState::Failed;
            self.panel(host, &panel.argv)?;
            self.observed.limits.courier = self.panel_took(host, &panel, |effect| effect.to)?;
            self.outcome.steps[index].state = StepState::Done;
        }
        Ok(())
    }

    /// Looks at Courier's files after a command of the panel: they must have the values, whatever it said.
    pub(super) fn panel_took(
        &self,
        host: &dyn ReadHost,
        panel: &PanelLimitStep,
        wanted: impl Fn(&LimitEffect) -> LimitValue,
    ) -> Result<Option<CourierFiles>, ApplyFailure> {
        let courier = match &self.observed.limits.courier {
            Some(files) => Some(observe::courier_again(host, files)?),
            None => None,
        };
        let parsed = courier.as_ref().map(CourierFiles::parse);
        for effect in &panel.effects {
            let mut listeners = CourierListener::ALL.into_iter();
            let listener = listeners.find(|l| l.service().name() == effect.service);
            let has = listener
                .zip(parsed.as_ref())
                .map(|(listener, parsed)| parsed.reading(listener, effect.setting).value);
            let wanted = wanted(effect);
            if has != Some(wanted) {
                let (setting, service) = (effect.setting.name(), &effect.service);
                let value = text::value(wanted);
                let what = format!("the panel's command did not change {setting} of {service} to {value}");
                return Err(Diagnostic::new(what).because("Courier's files say otherwise").into());
            }
        }
        Ok(courier)
    }
}
