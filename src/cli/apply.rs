//! `mailward apply`.

use std::borrow::Cow;

use super::allow::Allowance;
use super::files::PrivateFile;
use super::progress::RunProgress;
use super::terminal::{EndSignals, OperatorTerminal, ask, can_ask};
use super::{ApplyArgs, CommandEnd, OutputFormat, allowed, confirm, files, planned};
use crate::engine::{self, ApplyRequest, RestartPolicy, RunWatcher};
use crate::failure::{Diagnostic, Exit};
use crate::host::deadline::Deadline;
use crate::host::ssh::{self, MetadataPolicy};
use crate::manifest::{self, CheckedManifest};
use crate::plan::outcome::{Outcome, OutcomeVerdict, StepOutcome, StepState};
use crate::plan::{Fingerprint, Plan, Step, saved};
use crate::report::diagnostic::WorstSeverity;
use crate::report::redact::{self, NameVisibility};
use crate::report::safe::SafeText;
use crate::report::{Colour, text};

pub(super) fn run(args: &ApplyArgs, terminal: &mut OperatorTerminal) -> Result<Exit, CommandEnd> {
    let file = args.outcome.as_deref().map(PrivateFile::open).transpose()?;
    let outcome = outcome(args, terminal).unwrap_or_else(|CommandEnd { exit, diagnostics }| {
        let verdict = match exit {
            Exit::Usage => OutcomeVerdict::Usage,
            Exit::Locked => OutcomeVerdict::Locked,
            Exit::Stale => OutcomeVerdict::Stale,
            Exit::Refused => OutcomeVerdict::Refused,
            Exit::Unknown => OutcomeVerdict::Unknown,
            Exit::AsDesired
            | Exit::Pending
            | Exit::Owed
            | Exit::RolledBack
            | Exit::PartlyApplied
            | Exit::Internal => OutcomeVerdict::Internal,
        };
        Outcome::without_run(verdict, diagnostics)
    });
    let waits = |step: &StepOutcome| step.state == StepState::Provisional;
    let outcome =
        if outcome.steps.iter().any(waits) { confirm::after(args, outcome, terminal) } else { outcome };
    let shown = match terminal.names {
        NameVisibility::Shown => Cow::Borrowed(&outcome),
        NameVisibility::Withheld => Cow::Owned(redact::outcome(&outcome)),
    };
    let said = |colour| text::outcome(&shown, args.accounts.detail(), colour);
    let printed = match args.format {
        OutputFormat::Text => said(terminal.colour),
        OutputFormat::Json => SafeText::json(&*shown)?,
    };
    terminal.print_outcome(&printed, || said(Colour::Off));
    let exit = outcome.result.exit();
    if let Some(file) = file
        && let Err(lost) = file.write(SafeText::json(&outcome)?.as_bytes())
    {
        terminal.tell(&lost.diagnostics, WorstSeverity::Error);
        // What the run came to counts for more than that it could not be written down.
        return Ok(match exit {
            Exit::AsDesired => lost.exit,
            exit => exit,
        });
    }
    Ok(exit)
}

fn outcome(args: &ApplyArgs, terminal: &mut OperatorTerminal) -> Result<Outcome, CommandEnd> {
    let expect = args.expect.as_deref().map(fingerprint).transpose()?;
    let (checked, agreed) = input(args)?;
    let metadata = if args.allow.allow.contains(&Allowance::UnseenMetadata) {
        MetadataPolicy::Unseen
    } else {
        MetadataPolicy::Shown
    };
    let limit = args.host.limit();
    let mut host = args.host.open(metadata, ssh::SignalReceiver::RunOnly, &limit)?;
    let signals = EndSignals::catch();
    let allowed = allowed(&args.allow.allow);
    let detail = args.accounts.detail();
    let mut agreed = agreed;
    let mut show = PlanShown::Plan;
    if !args.yes {
        let plan = planned(&*host, &checked.desired, &checked.notes, args.host.deadline(), &allowed)?;
        if !plan.is_empty() {
            if !can_ask() {
                let diagnostic = Diagnostic::new("there is no terminal to ask on")
                    .because(text::summary(&plan))
                    .hint("see what `mailward plan` says, then give --yes");
                return Err(CommandEnd { exit: Exit::Usage, diagnostics: vec![diagnostic] });
            }
            terminal.say(&text::plan(&shown(terminal, &plan), detail, terminal.colour));
            let agreed = limit.without(|| ask(terminal, "Apply this plan? [y/N] ", &signals));
            if !agreed {
                terminal.say(&SafeText::own("\n"));
                return Ok(Outcome::without_run(OutcomeVerdict::Declined, Vec::new()));
            }
            show = PlanShown::Nothing;
        }
        agreed = agreed.or(Some(plan));
    }
    let request = ApplyRequest {
        desired: &checked.desired,
        advice: &checked.notes,
        agreed: agreed.as_ref(),
        expect: expect.as_ref(),
        restarts: if args.defer_restarts { RestartPolicy::Deferred } else { RestartPolicy::Now },
        deadline: args.host.deadline(),
        allowed: &allowed,
        run: std::process::id(),
        checkpoint: checkpoint_id()?,
    };
    let mut watch = OperatorWatcher {
        terminal,
        signals: &signals,
        limit: &limit,
        show,
        detail,
        progress: RunProgress::default(),
    };
    Ok(engine::apply(&mut *host, &request, &mut watch))
}

/// A plan as it may be shown.
fn shown<'p>(terminal: &OperatorTerminal, plan: &'p Plan) -> Cow<'p, Plan> {
    match terminal.names {
        NameVisibility::Shown => Cow::Borrowed(plan),
        NameVisibility::Withheld => Cow::Owned(redact::plan(plan)),
    }
}

/// 128 random bits: nobody can guess the name of a window's folder, and no two windows have one.
fn checkpoint_id() -> Result<String, CommandEnd> {
    let mut bytes = [0; 16];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = bytes.get_mut(filled..).unwrap_or_default();
        let read = rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty());
        filled += read.map_err(|error| CommandEnd {
            exit: Exit::Internal,
            diagnostics: vec![Diagnostic::new("the system has no random numbers").because(error.to_string())],
        })?;
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn fingerprint(text: &str) -> Result<Fingerprint, CommandEnd> {
    Fingerprint::parse(text).ok_or_else(|| CommandEnd {
        exit: Exit::Usage,
        diagnostics: vec![
            Diagnostic::new(format!("{text:?} is not a fingerprint"))
                .hint("one looks like mw1-0123456789ab; `mailward plan` prints it"),
        ],
    })
}

/// A manifest, or one saved plan.
fn input(args: &ApplyArgs) -> Result<(CheckedManifest, Option<Plan>), CommandEnd> {
    let layers = files::layers(&args.manifest)?;
    if let [layer] = layers.as_slice()
        && saved::looks_saved(&layer.bytes)
    {
        let plan = saved::read(&layer.bytes).map_err(|error| {
            let mut ended = CommandEnd::new(error.exit(), &error);
            for diagnostic in &mut ended.diagnostics {
                diagnostic.what = format!("{}: {}", layer.name, diagnostic.what);
            }
            ended
        })?;
        return Ok((
            CheckedManifest { desired: plan.desired.clone(), notes: saved::advice(&plan) },
            Some(plan),
        ));
    }
    let checked =
        manifest::check(&layers).map_err(|diagnostics| CommandEnd { exit: Exit::Usage, diagnostics })?;
    Ok((checked, None))
}

/// Whether the plan is still to be shown.
#[derive(Clone, Copy)]
enum PlanShown {
    Plan,
    Nothing,
}

/// Tells the operator what goes on.
struct OperatorWatcher<'a> {
    terminal: &'a OperatorTerminal,
    signals: &'a EndSignals,
    limit: &'a Deadline,
    show: PlanShown,
    detail: text::AccountDetail,
    progress: RunProgress,
}

impl RunWatcher for OperatorWatcher<'_> {
    fn planned(&mut self, plan: &Plan) {
        match self.show {
            PlanShown::Plan => {
                self.terminal.say(&text::plan(&shown(self.terminal, plan), self.detail, self.terminal.colour))
            }
            PlanShown::Nothing => {}
        }
    }

    fn begins(&mut self, step: &Step) {
        if !self.progress.is_shown() {
            let mut said = SafeText::new(Colour::Off);
            said.line(format_args!("{} …", text::step_name(step)));
            self.terminal.say(&said);
        }
    }

    fn progress(&mut self, done: usize, of: usize) {
        self.progress.at(self.terminal, done, of);
    }

    fn interrupted(&self) -> Option<&'static str> {
        self.signals.came()
    }

    fn late(&self) -> Option<u64> {
        self.limit.is_over().then(|| self.limit.seconds())
    }
}
