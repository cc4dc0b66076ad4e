//! `mailward confirm` and `mailward revert`, and what an apply does itself once its change of access waits.

use std::time::{Duration, Instant};

use super::allow::Allowance;
use super::terminal::{EndSignals, OperatorTerminal};
use super::{ApplyArgs, CommandEnd, ConfirmArgs, DecideArgs, OutputFormat};
use crate::engine::checkpoint::confirm::{self, ConfirmProof, ConfirmRequest, ConfirmSite};
use crate::engine::checkpoint::{self, revert};
use crate::failure::{Diagnostic, Exit};
use crate::host::WriteHost;
use crate::host::deadline::Deadline;
use crate::host::ssh::{MetadataPolicy, SignalReceiver as SshSignals};
use crate::plan::outcome::{Outcome, OutcomeVerdict, StepState};
use crate::report::safe::SafeText;
use crate::report::{Colour, text};

/// How long between two looks whether a change still waits, and between two tries to get in.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn run(args: &ConfirmArgs, terminal: &mut OperatorTerminal) -> Result<Exit, CommandEnd> {
    let mut host = args.decide.host.open_anew(&args.decide.host.limit())?;
    let proof = if args.allow.contains(&Allowance::UnprovenConfirm) {
        ConfirmProof::Waived
    } else {
        ConfirmProof::Needed
    };
    let request = ConfirmRequest {
        deadline: args.decide.host.deadline(),
        proof,
        site: match args.decide.host.host {
            Some(_) => ConfirmSite::Elsewhere,
            None => ConfirmSite::Here,
        },
        run: None,
    };
    print(&args.decide, confirm::confirm(&mut *host, &request), terminal)
}

pub(super) fn revert(args: &DecideArgs, terminal: &mut OperatorTerminal) -> Result<Exit, CommandEnd> {
    let mut host = args.host.open(MetadataPolicy::Shown, SshSignals::RunOnly, &args.host.limit())?;
    let outcome = revert::revert(&mut *host, args.host.deadline());
    print(args, outcome, terminal)
}

fn print(args: &DecideArgs, outcome: Outcome, terminal: &mut OperatorTerminal) -> Result<Exit, CommandEnd> {
    let said = |colour| text::outcome(&outcome, text::AccountDetail::Brief, colour);
    let printed = match args.format {
        OutputFormat::Text => said(terminal.colour),
        OutputFormat::Json => SafeText::json(&outcome)?,
    };
    terminal.print_outcome(&printed, || said(Colour::Off));
    Ok(outcome.result.exit())
}

/// What becomes of an apply whose change of access waits: over ssh it is confirmed by a new connection, with
/// `--wait` it is waited for, and otherwise it is left to somebody else.
pub(super) fn after(args: &ApplyArgs, outcome: Outcome, terminal: &OperatorTerminal) -> Outcome {
    if args.host.host.is_some() {
        from_here(args, outcome, terminal)
    } else if args.wait {
        wait(args, outcome, terminal)
    } else {
        let mut outcome = outcome;
        outcome.messages.push(
            Diagnostic::new("who may reach the mail services waits for a confirmation")
                .because("it is live, and goes back by itself")
                .hint(
                    "see whether you still get in: `ssh -o ControlPath=none HOST mailward confirm` on another machine keeps it, \
                     and so does `mailward confirm` at the console; `mailward revert` takes it back at once",
                ),
        );
        outcome
    }
}

/// Gets in anew and confirms; as long as the change waits, it is tried again.
fn from_here(args: &ApplyArgs, mut outcome: Outcome, terminal: &OperatorTerminal) -> Outcome {
    terminal.say(&SafeText::own("confirm over a new connection …\n"));
    let signals = EndSignals::catch();
    let until = Instant::now() + longest(&outcome);
    loop {
        let request = ConfirmRequest {
            deadline: args.host.deadline(),
            proof: ConfirmProof::Needed,
            site: ConfirmSite::Elsewhere,
            run: outcome.run.clone(),
        };
        let said = match args.host.open_anew(&Deadline::none()) {
            Ok(mut host) => {
                let said = confirm::confirm(&mut *host, &request);
                match (said.result, host.lost()) {
                    // Whatever it said last: the next connection tells what became of it.
                    (_, Some(_)) => Outcome::without_run(OutcomeVerdict::Unknown, said.messages),
                    // Somebody else was faster.
                    (OutcomeVerdict::AsDesired, None) => return decided(outcome, &mut *host, args),
                    (_, None) => said,
                }
            }
            Err(CommandEnd { diagnostics, .. }) => Outcome::without_run(OutcomeVerdict::Unknown, diagnostics),
        };
        match said.result {
            OutcomeVerdict::Confirmed => {
                for step in &mut outcome.steps {
                    if matches!(step.state, StepState::Provisional | StepState::Waits) {
                        step.state = StepState::Done;
                    }
                }
                outcome.conclude(if outcome.owed.is_empty() {
                    OutcomeVerdict::Applied
                } else {
                    OutcomeVerdict::Owed
                });
                return outcome;
            }
            // Not yet, or not reached.
            OutcomeVerdict::Unknown | OutcomeVerdict::Locked | OutcomeVerdict::Waiting
                if Instant::now() < until && signals.came().is_none() =>
            {
                std::thread::sleep(PAUSE);
            }
            OutcomeVerdict::RolledBack => {
                outcome.messages.extend(said.messages);
                return gone_back(outcome);
            }
            // It is confirmed and stays, and what follows did not succeed.
            OutcomeVerdict::PartlyApplied => {
                for step in &mut outcome.steps {
                    match step.state {
                        StepState::Provisional => step.state = StepState::Done,
                        StepState::Waits => step.state = StepState::Unknown,
                        StepState::Done
                        | StepState::Deferred
                        | StepState::Failed
                        | StepState::NotTried
                        | StepState::Undone
                        | StepState::Unknown => {}
                    }
                }
                outcome.messages.extend(said.messages);
                outcome.conclude(OutcomeVerdict::PartlyApplied);
                return outcome;
            }
            verdict @ (OutcomeVerdict::Unknown
            | OutcomeVerdict::Locked
            | OutcomeVerdict::AsDesired
            | OutcomeVerdict::Applied
            | OutcomeVerdict::Waiting
            | OutcomeVerdict::Reverted
            | OutcomeVerdict::Owed
            | OutcomeVerdict::ChangedSince
            | OutcomeVerdict::Declined
            | OutcomeVerdict::Interrupted
            | OutcomeVerdict::Usage
            | OutcomeVerdict::Stale
            | OutcomeVerdict::Refused
            | OutcomeVerdict::Killed
            | OutcomeVerdict::Internal) => {
                outcome.messages.push(
                    Diagnostic::new("no new connection confirmed who may reach the mail services")
                        .because("the change goes back by itself")
                        .hint("see whether you still get in, and `mailward show` what the host has now"),
                );
                outcome.messages.extend(said.messages);
                outcome.conclude(match (verdict, signals.came()) {
                    (OutcomeVerdict::Refused, _) | (_, Some(_)) => OutcomeVerdict::Waiting,
                    (_, None) => OutcomeVerdict::Unknown,
                });
                return outcome;
            }
        }
    }
}

/// What became of a change on which somebody else has decided.
fn decided(mut outcome: Outcome, host: &mut dyn WriteHost, args: &ApplyArgs) -> Outcome {
    let run = outcome.run.clone().unwrap_or_default();
    if let Some(became) = checkpoint::became(host, &run, args.host.deadline()) {
        return became;
    }
    outcome.conclude(OutcomeVerdict::Unknown);
    outcome
}

/// Looks until somebody has decided, or time has.
fn wait(args: &ApplyArgs, mut outcome: Outcome, terminal: &OperatorTerminal) -> Outcome {
    let Some(run) = outcome.run.clone() else {
        return outcome;
    };
    terminal.say(&SafeText::own("waiting for `mailward confirm` over a new connection …\n"));
    let signals = EndSignals::catch();
    loop {
        let became = args
            .host
            .open(MetadataPolicy::Shown, SshSignals::RunOnly, &Deadline::none())
            .map(|mut host| checkpoint::became(&mut *host, &run, args.host.deadline()));
        match became {
            Ok(Some(became)) => return became,
            Ok(None) => {}
            Err(CommandEnd { diagnostics, .. }) => {
                outcome.messages.extend(diagnostics);
                return outcome;
            }
        }
        if let Some(signal) = signals.came() {
            outcome.messages.push(
                Diagnostic::new(format!("interrupted by {signal}: nobody waits any more"))
                    .because("the change goes back by itself unless it is confirmed"),
            );
            return outcome;
        }
        std::thread::sleep(PAUSE);
    }
}

/// How long a change may wait, with some time to spare.
fn longest(outcome: &Outcome) -> Duration {
    let seconds = outcome.steps.iter().find_map(|step| Some(step.step.as_firewall()?.confirm_within));
    Duration::from_secs(u64::from(seconds.unwrap_or(0)) + 20)
}

/// The change was taken back; what else the run did stands.
fn gone_back(mut outcome: Outcome) -> Outcome {
    for step in &mut outcome.steps {
        match step.state {
            StepState::Provisional => step.state = StepState::Undone,
            StepState::Waits => step.state = StepState::NotTried,
            StepState::Done
            | StepState::Deferred
            | StepState::Failed
            | StepState::NotTried
            | StepState::Undone
            | StepState::Unknown => {}
        }
    }
    let others = outcome.steps.iter().any(|step| step.state == StepState::Done);
    outcome.conclude(if others { OutcomeVerdict::PartlyApplied } else { OutcomeVerdict::RolledBack });
    outcome
}
