//! Undoes what a run did, in reverse, and says truthfully whether the host is as it was before.

use super::act::courier::CourierRestart;
use super::journal::{self};
use super::{ApplyRun, act, edits, settle};
use crate::facts::{COURIERTCPD, XINETD};
use crate::failure::Diagnostic;
use crate::host::batch;
use crate::host::{
    Digest, FileFound, FileReplacement, HostOperation, OperationFailed, Process, ReadHost, WriteHost,
};
use crate::limits;
use crate::limits::courier::{self, CourierListener};
use crate::limits::owed::{OwedAction, OwedActionBegun};
use crate::model::HostPath;
use crate::plan::outcome::{OutcomeVerdict, StepState};
use crate::plan::{ActionMethod, Daemon, FileEdit, PanelLimitStep, RunningExpectation, ServiceAction, Step};

/// Whether something was brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BroughtBack {
    /// It is as it was, seen by reading it.
    Yes,
    /// It is not, or that cannot be told.
    No,
}

/// What became of a service action that was to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UndoneAction {
    /// The daemon has the values from before the run.
    Back,
    /// The daemon has what its files say, as it should; that is not what it had before.
    Stands,
    /// The daemon has not what its files say: the action is owed.
    Owed,
}

impl ApplyRun<'_> {
    /// Undoes this run, writes its history entry, and concludes the outcome.
    pub(super) fn undo(&mut self, host: &mut dyn WriteHost) {
        let mut back = BroughtBack::Yes;
        if let Some((index, undone)) = self.undo_firewall(host) {
            self.note_undone(index, undone, &mut back);
        }
        let (accounts, others) = self.undo_accounts(host);
        if others == BroughtBack::No {
            back = BroughtBack::No;
        }
        for (index, undone) in accounts {
            self.note_undone(index, undone, &mut back);
        }
        let steps = self.plan.steps.clone();
        for (index, step) in steps.iter().enumerate().rev() {
            let state = self.outcome.steps[index].state;
            if !matches!(state, StepState::Done | StepState::Failed) {
                continue;
            }
            let undone = match step {
                // Files come back before daemons, which read them: actions are undone below.
                Step::Action(_) | Step::PanelAccess(_) | Step::Firewall(_) => continue,
                // They come last and only where nothing waits; the next run does what is missing.
                Step::Boot(_) | Step::Retire(_) => BroughtBack::No,
                Step::Edit(edit) => self.undo_edit(host, edit),
                Step::Panel(panel) => self.undo_panel(host, panel),
            };
            self.note_undone(index, undone, &mut back);
        }
        let changed = back;
        for (index, step) in steps.iter().enumerate().rev() {
            let Step::Action(action) = step else { continue };
            if !matches!(self.outcome.steps[index].state, StepState::Done | StepState::Failed) {
                self.still_owed(action, changed);
                continue;
            }
            let undone = match action.daemon {
                Daemon::Courier => self.undo_restart(host, action),
                Daemon::Xinetd => self.undo_reload(host, action),
            };
            self.owed_before.retain(|owed| owed.unit != action.unit || owed.daemon != action.daemon);
            match undone {
                UndoneAction::Back => self.note_undone(index, BroughtBack::Yes, &mut back),
                // It stands, and rightly so; but the host is not as it was.
                UndoneAction::Stands => back = BroughtBack::No,
                UndoneAction::Owed => {
                    self.owed_before.push(OwedAction::of(action, OwedActionBegun::Perhaps));
                    self.note_undone(index, BroughtBack::No, &mut back);
                }
            }
        }
        self.outcome.owed = self.owed_before.clone();
        self.outcome.conclude(match back {
            BroughtBack::Yes => OutcomeVerdict::RolledBack,
            BroughtBack::No => OutcomeVerdict::PartlyApplied,
        });
        self.close(host);
    }

    /// Keeps an action owed that was not begun, where what it was to make live could not be taken back.
    fn still_owed(&mut self, action: &ServiceAction, files: BroughtBack) {
        let same = |owed: &OwedAction| owed.unit == action.unit && owed.daemon == action.daemon;
        match files {
            BroughtBack::No if !self.owed_before.iter().any(same) => {
                self.owed_before.push(OwedAction::of(action, OwedActionBegun::No));
            }
            BroughtBack::No | BroughtBack::Yes => {}
        }
    }

    fn note_undone(&mut self, index: usize, undone: BroughtBack, back: &mut BroughtBack) {
        let state = &mut self.outcome.steps[index].state;
        match undone {
            // A step that failed stays one in the outcome; it is the reason for all this.
            BroughtBack::Yes if *state == StepState::Failed => {}
            BroughtBack::Yes => *state = StepState::Undone,
            BroughtBack::No => {
                *state = StepState::Unknown;
                *back = BroughtBack::No;
            }
        }
    }

    fn undo_panel(&mut self, host: &mut dyn WriteHost, panel: &PanelLimitStep) -> BroughtBack {
        let Some(argv) = &panel.undo else {
            let what = "the panel's setting is not undone: what it was before is not known";
            self.outcome.messages.push(Diagnostic::new(what));
            return BroughtBack::No;
        };
        let undone = self.panel(host, argv).and_then(|()| self.panel_took(host, panel, |effect| effect.from));
        match undone {
            Ok(_) => BroughtBack::Yes,
            Err(failed) => {
                self.outcome.messages.extend(failed.messages);
                BroughtBack::No
            }
        }
    }

    fn undo_edit(&mut self, host: &mut dyn WriteHost, edit: &FileEdit) -> BroughtBack {
        let read = |host: &mut dyn WriteHost| match batch::ask(host, |batch| batch.file(edit.path.clone())) {
            Ok(FileFound::File(state)) => Some(Digest::of(&state.bytes)),
            Ok(FileFound::Missing | FileFound::NotRegular | FileFound::Unreadable(_)) | Err(_) => None,
        };
        let after = Digest::of(&edit.bytes);
        match read(host) {
            Some(now) if now == edit.before => return BroughtBack::Yes,
            Some(now) if now == after => {}
            Some(_) => {
                let what = format!("{} is not restored: somebody else has changed it since", edit.path);
                let hint = match self.backup(edit) {
                    Some(path) => format!("what it held before the run is in {path}"),
                    None => "compare it with what the plan shows".to_owned(),
                };
                self.outcome.messages.push(Diagnostic::new(what).hint(hint));
                return BroughtBack::No;
            }
            None => {
                self.outcome.messages.push(Diagnostic::new(format!("{} cannot be read any more", edit.path)));
                return BroughtBack::No;
            }
        }
        let restore = FileReplacement { path: edit.path.clone(), before: after, bytes: edit.old.clone() };
        if let Err(error) = host.write(&[HostOperation::Replace(restore)], &[]) {
            self.outcome.messages.push(Diagnostic::of(&error));
        }
        if read(host) == Some(edit.before.clone()) { BroughtBack::Yes } else { BroughtBack::No }
    }

    /// Where the bytes of an edited file from before the run are.
    fn backup(&self, edit: &FileEdit) -> Option<HostPath> {
        let number = edits(&self.plan).position(|other| other.path == edit.path)?;
        Some(journal::backup(self.outcome.run.as_deref()?, number, &edit.path))
    }

    /// Brings Courier back to what its restored files say, and tells whether that is what it had before.
    fn undo_restart(&mut self, host: &mut dyn WriteHost, action: &ServiceAction) -> UndoneAction {
        let ActionMethod::Commands { control, processes: _, arguments } = &action.how else {
            return UndoneAction::Owed;
        };
        let judge = &self.judge;
        let now = |host: &dyn ReadHost| judge.daemons(host, &[COURIERTCPD]);
        let before: Vec<RunningExpectation> = (self.baseline.courier.iter())
            .filter(|expectation| action.services.contains(&expectation.service))
            .cloned()
            .collect();
        let is_back =
            |processes: &[Process]| !before.is_empty() && courier::unmet(&before, processes).is_empty();
        let processes = match now(host) {
            Ok(processes) => processes,
            Err(error) => {
                self.outcome.messages.push(Diagnostic::of(&error));
                return UndoneAction::Owed;
            }
        };
        if is_back(&processes) {
            return UndoneAction::Back;
        }
        let restored = courier::values(&self.courier_before.parse());
        let listeners = || {
            let named = |listener: &CourierListener| {
                let name = listener.service().name();
                action.services.iter().any(|service| service == name)
            };
            CourierListener::ALL.into_iter().filter(named)
        };
        let expects: Vec<RunningExpectation> = restored
            .iter()
            .filter(|((listener, _), _)| listeners().any(|named| named == *listener))
            .map(|((listener, setting), value)| RunningExpectation {
                service: listener.service().name().to_owned(),
                setting: *setting,
                value: *value,
            })
            .collect();
        if !courier::unmet(&expects, &processes).is_empty() {
            let running = listeners().flat_map(|listener| courier::CourierProcess::of(listener, &processes));
            let running: Vec<_> = running.map(|running| running.process.id).collect();
            // The old limits instead of the new ones; what tells the listeners apart stays.
            let others = |list: &Vec<String>| {
                let others = list.iter().filter(|argument| !argument.starts_with("-max"));
                others.cloned().collect()
            };
            let arguments: Vec<Vec<String>> = arguments.iter().map(others).collect();
            let restart = CourierRestart {
                judge: &self.judge,
                control,
                processes: &running,
                arguments: &arguments,
                expects: &expects,
                deadline: self.request.deadline,
            };
            if let Err(failed) = restart.carry_out(host) {
                let what = format!("{} could not be brought back with its old values", action.unit);
                self.outcome.messages.push(Diagnostic::new(what));
                self.outcome.messages.extend(failed.messages);
                return UndoneAction::Owed;
            }
        }
        match now(host) {
            Ok(processes) if is_back(&processes) => UndoneAction::Back,
            Ok(_) => UndoneAction::Stands,
            Err(_) => UndoneAction::Owed,
        }
    }

    /// Makes xinetd read its restored files; one that ended over the new ones is started again.
    fn undo_reload(&mut self, host: &mut dyn WriteHost, action: &ServiceAction) -> UndoneAction {
        let (ActionMethod::Signal { process, control }, Some(dump)) = (&action.how, &self.baseline.dump)
        else {
            return UndoneAction::Owed;
        };
        let expects = act::xinetd::dumped_values(&action.expects, dump);
        let deadline = self.request.deadline;
        let gone = (self.judge.daemons(host, &[XINETD]))
            .is_ok_and(|daemons| limits::xinetd::running(&daemons).is_empty());
        let back = match control {
            Some(control) if gone => {
                act::xinetd::start(host, &self.judge, control, &expects, deadline).map(|_| ())
            }
            Some(_) | None => act::xinetd::reload(host, *process, &expects, deadline).map(|_| ()),
        };
        match back {
            Ok(()) => UndoneAction::Back,
            Err(failed) => {
                let what = "xinetd could not be brought back to its old values";
                self.outcome.messages.push(Diagnostic::new(what));
                self.outcome.messages.extend(failed.messages);
                UndoneAction::Owed
            }
        }
    }

    /// Writes the history entry and the journal that this run leaves.
    pub(super) fn close(&mut self, host: &mut dyn WriteHost) {
        let journal =
            journal::Journal { format: self.journal.format, owed: self.outcome.owed.clone(), run: None };
        let entry = serde_json::to_vec_pretty(&self.outcome);
        let mut acts = Vec::new();
        match (entry, settle::keep(&journal)) {
            (Ok(bytes), Ok(keep)) => {
                acts.push(HostOperation::Save { path: self.history(), bytes });
                acts.push(keep);
            }
            (Err(error), _) => self.outcome.messages.push(Diagnostic::of(&error)),
            (_, Err(failure)) => self.outcome.messages.extend(failure.messages),
        }
        let Err(error) = host.write(&acts, &[]) else {
            return;
        };
        // What was done and seen stands, and so does the verdict; that it is written down does not. Where the
        // host is lost it is not known either whether its journal still has what was owed.
        if host.lost().is_some() && self.outcome.result == OutcomeVerdict::Applied {
            self.outcome.conclude(OutcomeVerdict::Owed);
        }
        let what = "what became of this run is not written down on the host";
        let mut message = Diagnostic::new(what).because(told(&error));
        // Without the entry the journal can still be left as it should be: mostly that is its removal, which
        // needs no room.
        let rest = acts.split_off(1.min(acts.len()));
        if error.index > 0 || rest.is_empty() || host.write(&rest, &[]).is_err() {
            message =
                message.hint("the journal still has this run as if it went on: the next apply settles it");
        }
        self.outcome.messages.push(message);
    }
}

/// An error with all its causes, in one line.
fn told(error: &OperationFailed) -> String {
    let Diagnostic { what, why, .. } = Diagnostic::of(error);
    match why {
        Some(why) => format!("{what}: {why}"),
        None => what,
    }
}
