//! Undoes what a run did, in reverse, and says truthfully whether the host is as it was before.

use super::journal::{self};
use super::outcome::{StepState, Verdict};
use super::{Running, act, settle};
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::batch::Batch;
use crate::host::{Act, Digest, Found, Replace, WriteHost};
use crate::limits::courier::{self, Listener};
use crate::plan::{Action, Daemon, Edit, Expectation, How, Step};

/// Whether something was brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    /// It is as it was, seen by reading it.
    Yes,
    /// It is not, or that cannot be told.
    No,
}

impl Running<'_> {
    /// Undoes this run, writes its history entry, and concludes the outcome.
    pub(super) fn undo<H: WriteHost + ?Sized>(&mut self, host: &mut H) {
        let mut back = Back::Yes;
        let steps = self.plan.steps.clone();
        for (index, step) in steps.iter().enumerate().rev() {
            let state = self.outcome.steps[index].state;
            if !matches!(state, StepState::Done | StepState::Failed) {
                continue;
            }
            let undone = match step {
                // Files come back before daemons, which read them: actions are undone below.
                Step::Action(_) => continue,
                Step::Edit(edit) => self.undo_edit(host, edit),
                Step::Panel(panel) => {
                    match panel.undo.as_deref().map(|argv| self.panel(host, argv)) {
                        Some(Ok(())) => Back::Yes,
                        Some(Err(failed)) => {
                            self.outcome.messages.extend(failed.0);
                            Back::No
                        }
                        None => {
                            let what = "the panel's setting is not undone: what it was before is not known";
                            self.outcome.messages.push(Diagnostic::new(what));
                            Back::No
                        }
                    }
                }
            };
            self.note_undone(index, undone, &mut back);
        }
        for (index, step) in steps.iter().enumerate().rev() {
            let Step::Action(action) = step else { continue };
            if !matches!(
                self.outcome.steps[index].state,
                StepState::Done | StepState::Failed
            ) {
                continue;
            }
            let undone = match action.daemon {
                Daemon::Courier => self.undo_restart(host, action),
                Daemon::Xinetd => self.undo_reload(host, action),
            };
            if undone == Back::No && !self.owed_before.iter().any(|owed| owed.unit == action.unit) {
                self.owed_before
                    .push(journal::Owed::of(action, journal::Begun::Perhaps));
            }
            self.note_undone(index, undone, &mut back);
        }
        self.outcome.owed = self.owed_before.clone();
        self.outcome.conclude(match back {
            Back::Yes => Verdict::RolledBack,
            Back::No => Verdict::PartlyApplied,
        });
        self.close(host);
    }

    fn note_undone(&mut self, index: usize, undone: Back, back: &mut Back) {
        let state = &mut self.outcome.steps[index].state;
        match undone {
            // A step that failed stays one in the outcome; it is the reason for all this.
            Back::Yes if *state == StepState::Failed => {}
            Back::Yes => *state = StepState::Undone,
            Back::No => {
                *state = StepState::Unknown;
                *back = Back::No;
            }
        }
    }

    fn undo_edit<H: WriteHost + ?Sized>(&mut self, host: &mut H, edit: &Edit) -> Back {
        let read = |host: &mut H| {
            let mut batch = Batch::default();
            let ticket = batch.file(edit.path.clone());
            match batch
                .read(host)
                .and_then(|mut answers| answers.file(ticket))
            {
                Ok(Found::File(state)) => Some(Digest::of(&state.bytes)),
                Ok(Found::Missing | Found::NotRegular | Found::Unreadable(_)) | Err(_) => None,
            }
        };
        let after = Digest::of(&edit.bytes);
        match read(host) {
            Some(now) if now == edit.before => return Back::Yes,
            Some(now) if now == after => {}
            Some(_) => {
                let what = format!(
                    "{} is not restored: somebody else has changed it since",
                    edit.path
                );
                self.outcome.messages.push(
                    Diagnostic::new(what).hint("see the backup that the history entry names"),
                );
                return Back::No;
            }
            None => {
                self.outcome.messages.push(Diagnostic::new(format!(
                    "{} cannot be read any more",
                    edit.path
                )));
                return Back::No;
            }
        }
        let restore = Replace {
            path: edit.path.clone(),
            before: after,
            bytes: edit.old.clone(),
        };
        if let Err(error) = host.write(&[Act::Replace(restore)], &[]) {
            self.outcome.messages.push(Diagnostic::of(&error));
        }
        if read(host) == Some(edit.before.clone()) {
            Back::Yes
        } else {
            Back::No
        }
    }

    /// Brings Courier back with the old values: stop and start once more, now with the old files.
    fn undo_restart<H: WriteHost + ?Sized>(&mut self, host: &mut H, action: &Action) -> Back {
        let How::Commands {
            stop,
            start,
            processes: _,
            arguments,
        } = &action.how
        else {
            return Back::No;
        };
        let facts = match Facts::read(host) {
            Ok(facts) => facts,
            Err(error) => {
                self.outcome.messages.push(Diagnostic::of(&error));
                return Back::No;
            }
        };
        let expects: Vec<Expectation> = self
            .baseline
            .courier
            .iter()
            .filter(|e| action.services.contains(&e.service))
            .cloned()
            .collect();
        let ran = expects
            .iter()
            .any(|expectation| action.services.contains(&expectation.service));
        if ran && courier::unmet(&expects, &facts.processes).is_empty() {
            return Back::Yes;
        }
        let processes: Vec<_> = Listener::ALL
            .into_iter()
            .filter(|listener| {
                action
                    .services
                    .iter()
                    .any(|name| name == listener.service().name())
            })
            .flat_map(|listener| courier::Running::of(listener, &facts.processes))
            .map(|running| running.process.id)
            .collect();
        // The old limits instead of the new ones; what tells the listeners apart stays.
        let arguments: Vec<Vec<String>> = arguments
            .iter()
            .map(|list| {
                list.iter()
                    .filter(|argument| !argument.starts_with("-max"))
                    .cloned()
                    .collect()
            })
            .collect();
        match act::courier::restart(
            host,
            stop,
            start,
            &processes,
            &arguments,
            &expects,
            self.request.deadline,
        ) {
            // A daemon that did not run before the run was to be started by it; that it runs now is no way back.
            Ok(()) if ran => Back::Yes,
            Ok(()) => Back::No,
            Err(failed) => {
                let what = format!(
                    "{} could not be brought back with its old values",
                    action.unit
                );
                self.outcome.messages.push(Diagnostic::new(what));
                self.outcome.messages.extend(failed.0);
                Back::No
            }
        }
    }

    fn undo_reload<H: WriteHost + ?Sized>(&mut self, host: &mut H, action: &Action) -> Back {
        let (&How::Signal { process }, Some(dump)) = (&action.how, &self.baseline.dump) else {
            return Back::No;
        };
        let expects = act::xinetd::dumped_values(&action.expects, dump);
        match act::xinetd::reload(host, process, &expects, self.request.deadline) {
            Ok(_) => Back::Yes,
            Err(failed) => {
                let what = "xinetd could not be brought back to its old values";
                self.outcome.messages.push(Diagnostic::new(what));
                self.outcome.messages.extend(failed.0);
                Back::No
            }
        }
    }

    /// Writes the history entry and the journal that this run leaves.
    pub(super) fn close<H: WriteHost + ?Sized>(&mut self, host: &mut H) {
        let journal = journal::Journal {
            format: self.journal.format,
            owed: self.outcome.owed.clone(),
            run: None,
        };
        let entry = serde_json::to_vec_pretty(&self.outcome);
        let mut acts = Vec::new();
        match (entry, settle::keep(&journal)) {
            (Ok(bytes), Ok(keep)) => {
                acts.push(Act::Save {
                    path: self.history(),
                    bytes,
                });
                acts.push(keep);
            }
            (Err(error), _) => self.outcome.messages.push(Diagnostic::of(&error)),
            (_, Err(outcome)) => self.outcome.messages.extend(outcome.messages),
        }
        if let Err(error) = host.write(&acts, &[]) {
            self.outcome.messages.push(
                Diagnostic::of(&error)
                    .hint("the journal stays as it is; the next apply looks at the host again"),
            );
            // What was done stands; that it is written down does not.
            if self.outcome.result == Verdict::Applied {
                self.outcome.conclude(Verdict::Owed);
            }
        }
    }
}
