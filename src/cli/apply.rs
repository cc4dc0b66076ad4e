//! `mailward apply`.

use std::borrow::Cow;

use super::allow::Allowance;
use super::files::Private;
use super::progress::Progress;
use super::terminal::{Signals, Terminal, ask, can_ask};
use super::{ApplyArgs, Ended, Format, allowed, confirm, files, planned};
use crate::apply::outcome::{Outcome, StepOutcome, StepState, Verdict};
use crate::apply::{self, Request, Restarts, Watch};
use crate::failure::{Diagnostic, Exit};
use crate::host::deadline::Deadline;
use crate::host::ssh::{self, Metadata};
use crate::manifest::{self, Checked};
use crate::plan::{Fingerprint, Plan, Step, saved};
use crate::report::diagnostic::Severity;
use crate::report::redact::{self, Names};
use crate::report::safe::SafeText;
use crate::report::{Colour, text};

pub(super) fn run(args: &ApplyArgs, terminal: &mut Terminal) -> Result<Exit, Ended> {
    let file = args.outcome.as_deref().map(Private::open).transpose()?;
    let outcome = outcome(args, terminal).unwrap_or_else(|Ended { exit, diagnostics }| {
        let verdict = match exit {
            Exit::Usage => Verdict::Usage,
            Exit::Locked => Verdict::Locked,
            Exit::Stale => Verdict::Stale,
            Exit::Refused => Verdict::Refused,
            Exit::Unknown => Verdict::Unknown,
            Exit::AsDesired
            | Exit::Pending
            | Exit::Owed
            | Exit::RolledBack
            | Exit::PartlyApplied
            | Exit::Internal => Verdict::Internal,
        };
        Outcome::without_run(verdict, diagnostics)
    });
    let waits = |step: &StepOutcome| step.state == StepState::Provisional;
    let outcome = if outcome.steps.iter().any(waits) {
        confirm::after(args, outcome, terminal)
    } else {
        outcome
    };
    let shown = match terminal.names {
        Names::Shown => Cow::Borrowed(&outcome),
        Names::Withheld => Cow::Owned(redact::outcome(&outcome)),
    };
    let said = |colour| text::outcome(&shown, args.accounts.detail(), colour);
    let printed = match args.format {
        Format::Text => said(terminal.colour),
        Format::Json => SafeText::json(&*shown)?,
    };
    terminal.print_outcome(&printed, || said(Colour::Off));
    let exit = outcome.result.exit();
    if let Some(file) = file
        && let Err(lost) = file.write(SafeText::json(&outcome)?.as_bytes())
    {
        terminal.tell(&lost.diagnostics, Severity::Error);
        // What the run came to counts for more than that it could not be written down.
        return Ok(match exit {
            Exit::AsDesired => lost.exit,
            exit => exit,
        });
    }
    Ok(exit)
}

fn outcome(args: &ApplyArgs, terminal: &mut Terminal) -> Result<Outcome, Ended> {
    let expect = args.expect.as_deref().map(fingerprint).transpose()?;
    let (checked, agreed) = input(args)?;
    let metadata = if args.allow.allow.contains(&Allowance::UnseenMetadata) {
        Metadata::Unseen
    } else {
        Metadata::Shown
    };
    let limit = args.host.limit();
    let mut host = args.host.open(metadata, ssh::Signals::RunOnly, &limit)?;
    let signals = Signals::catch();
    let allowed = allowed(&args.allow.allow);
    let detail = args.accounts.detail();
    let mut agreed = agreed;
    let mut show = Show::Plan;
    if !args.yes {
        let plan = planned(
            &*host,
            &checked.desired,
            &checked.notes,
            args.host.deadline(),
            &allowed,
        )?;
        if !plan.is_empty() {
            if !can_ask() {
                let diagnostic = Diagnostic::new("there is no terminal to ask on")
                    .because(text::summary(&plan))
                    .hint("see what `mailward plan` says, then give --yes");
                return Err(Ended {
                    exit: Exit::Usage,
                    diagnostics: vec![diagnostic],
                });
            }
            terminal.say(&text::plan(
                &shown(terminal, &plan),
                detail,
                terminal.colour,
            ));
            let agreed = limit.without(|| ask(terminal, "Apply this plan? [y/N] ", &signals));
            if !agreed {
                terminal.say(&SafeText::own("\n"));
                return Ok(Outcome::without_run(Verdict::Declined, Vec::new()));
            }
            show = Show::Nothing;
        }
        agreed = agreed.or(Some(plan));
    }
    let request = Request {
        desired: &checked.desired,
        advice: &checked.notes,
        agreed: agreed.as_ref(),
        expect: expect.as_ref(),
        restarts: if args.defer_restarts {
            Restarts::Deferred
        } else {
            Restarts::Now
        },
        deadline: args.host.deadline(),
        allowed: &allowed,
        run: std::process::id(),
        window: window_id()?,
    };
    let mut watch = Watching {
        terminal,
        signals: &signals,
        limit: &limit,
        show,
        detail,
        progress: Progress::default(),
    };
    Ok(apply::apply(&mut *host, &request, &mut watch))
}

/// A plan as it may be shown.
fn shown<'p>(terminal: &Terminal, plan: &'p Plan) -> Cow<'p, Plan> {
    match terminal.names {
        Names::Shown => Cow::Borrowed(plan),
        Names::Withheld => Cow::Owned(redact::plan(plan)),
    }
}

/// 128 random bits: nobody can guess the name of a window's folder, and no two windows have one.
fn window_id() -> Result<String, Ended> {
    let mut bytes = [0; 16];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = bytes.get_mut(filled..).unwrap_or_default();
        let read = rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty());
        filled += read.map_err(|error| Ended {
            exit: Exit::Internal,
            diagnostics: vec![
                Diagnostic::new("the system has no random numbers").because(error.to_string()),
            ],
        })?;
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn fingerprint(text: &str) -> Result<Fingerprint, Ended> {
    Fingerprint::parse(text).ok_or_else(|| Ended {
        exit: Exit::Usage,
        diagnostics: vec![
            Diagnostic::new(format!("{text:?} is not a fingerprint"))
                .hint("one looks like mw1-0123456789ab; `mailward plan` prints it"),
        ],
    })
}

/// A manifest, or one saved plan.
fn input(args: &ApplyArgs) -> Result<(Checked, Option<Plan>), Ended> {
    let layers = files::layers(&args.manifest)?;
    if let [layer] = layers.as_slice()
        && saved::looks_saved(&layer.bytes)
    {
        let plan = saved::read(&layer.bytes).map_err(|error| {
            let mut ended = Ended::new(error.exit(), &error);
            for diagnostic in &mut ended.diagnostics {
                diagnostic.what = format!("{}: {}", layer.name, diagnostic.what);
            }
            ended
        })?;
        return Ok((
            Checked {
                desired: plan.desired.clone(),
                notes: saved::advice(&plan),
            },
            Some(plan),
        ));
    }
    let checked = manifest::check(&layers).map_err(|diagnostics| Ended {
        exit: Exit::Usage,
        diagnostics,
    })?;
    Ok((checked, None))
}

/// Whether the plan is still to be shown.
#[derive(Clone, Copy)]
enum Show {
    Plan,
    Nothing,
}

/// Tells the operator what goes on.
struct Watching<'a> {
    terminal: &'a Terminal,
    signals: &'a Signals,
    limit: &'a Deadline,
    show: Show,
    detail: text::Detail,
    progress: Progress,
}

impl Watch for Watching<'_> {
    fn planned(&mut self, plan: &Plan) {
        match self.show {
            Show::Plan => self.terminal.say(&text::plan(
                &shown(self.terminal, plan),
                self.detail,
                self.terminal.colour,
            )),
            Show::Nothing => {}
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
