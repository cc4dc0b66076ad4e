//! The command line: what is asked for, and the exit code that answers.
//!
//! One module a command. Only here, in `files` and in `terminal`, are the operator's own files, terminal and
//! signals touched; the host is reached through its trait alone.

mod allow;
mod apply;
mod args;
mod check;
mod confirm;
mod files;
mod generate;
mod host;
mod plan;
mod progress;
mod show;
mod terminal;
mod validate;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use self::allow::allowed;
use self::args::{ApplyArgs, CheckArgs, ConfirmArgs, DecideArgs, PlanArgs, ShowArgs, ValidateArgs};
use self::terminal::OperatorTerminal;
use crate::engine::observe::{ObserveScope, Observed};
use crate::engine::recall::HostSurvey;
use crate::facts::{self, FactsError};
use crate::failure::{Diagnostic, Exit, PlanBlocker};
use crate::host::WriteHost;
use crate::manifest::{self, CheckedManifest};
use crate::model::Desired;
use crate::model::printable;
use crate::plan::{FirewallNote, Plan, SafetyOverrides};
use crate::report::diagnostic::WorstSeverity;
use crate::report::redact::NameVisibility;

/// Keep a Plesk mail server in the state that a TOML manifest declares.
#[derive(Debug, Parser)]
#[command(name = "mailward", version, about, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Exit codes, the largest of many being the worst:
   0  as desired: nothing to do, or applied and verified
   2  changes pending
   3  something is still owed, or a change of access waits for its confirmation
   4  usage or manifest error
   5  locked by another run
   6  stale plan, or another fingerprint than expected
   7  refused by a safety rule
   8  failed and rolled back
   9  failed and partly applied
  10  internal error
  11  the host cannot be reached, or its state is unknown")]
pub struct Cli {
    #[command(subcommand)]
    command: CliCommand,

    /// When to colour the text
    #[arg(long, global = true, value_enum, default_value_t = ColourChoice::Auto, value_name = "WHEN")]
    color: ColourChoice,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Show what would change, why, and which restarts it needs; changes nothing
    Plan(PlanArgs),
    /// Plan, ask, apply, verify; undo everything where a step fails
    ///
    /// A change of who may reach mail services is live at once and goes back by itself unless it is
    /// confirmed: exit 3 until then. With `--host` the run confirms it itself, over a new connection.
    Apply(ApplyArgs),
    /// Keep a change of who may reach mail services that an apply has made; only a new connection can
    ///
    /// Such a change goes back by itself unless it is confirmed in time. What comes by the connection that
    /// made it, or by one that was open before, shows nothing: open connections live on whatever the rules
    /// are. A terminal without ssh, such as the console, may confirm; cron may not. After the confirmation
    /// the rules also come back at boot.
    Confirm(ConfirmArgs),
    /// Take back at once a change of who may reach mail services that waits for its confirmation
    ///
    /// The rules are those of before again. Anybody may, by any connection. What is confirmed already is not
    /// taken back: declare what shall be instead, and apply that.
    Revert(DecideArgs),
    /// Check for drift: one summary line for cron and monitoring, the notes below it; changes nothing
    Check(CheckArgs),
    /// Show the effective limits of a host, who reaches its mail services, and panel access, and where each
    /// comes from
    Show(ShowArgs),
    /// Check manifests without any host
    Validate(ValidateArgs),
    /// Print the JSON Schema of a document
    Schema(generate::SchemaArgs),
    /// Print a completion script for a shell
    Completions(generate::CompletionsArgs),
    /// Print a manual page
    Man(generate::ManArgs),
}

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// When text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Runs one command line and gives its exit code; a bug is an exit code like any other, never 126 and above.
#[must_use]
pub fn run_to_the_end(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    std::panic::set_hook(Box::new(terminal::internal_error));
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    std::panic::catch_unwind(|| run(arguments)).unwrap_or(Exit::Internal)
}

/// Runs one command line and gives its exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &arguments),
    };
    terminal::hear_of_children();
    let mut terminal = OperatorTerminal::new(cli.color, cli.names());
    let exit = match &cli.command {
        CliCommand::Plan(args) => plan::run(args, &mut terminal),
        CliCommand::Apply(args) => apply::run(args, &mut terminal),
        CliCommand::Confirm(args) => confirm::run(args, &mut terminal),
        CliCommand::Revert(args) => confirm::revert(args, &mut terminal),
        CliCommand::Check(args) => check::run(args, &mut terminal),
        CliCommand::Show(args) => show::run(args, &mut terminal),
        CliCommand::Validate(args) => validate::run(args, &mut terminal),
        CliCommand::Schema(args) => generate::schema(args, &mut terminal),
        CliCommand::Completions(args) => generate::completions(args, &mut terminal),
        CliCommand::Man(args) => generate::man(args, &mut terminal),
    };
    let exit = exit.unwrap_or_else(|CommandEnd { exit, diagnostics }| {
        terminal.tell(&diagnostics, WorstSeverity::Error);
        exit
    });
    match &cli.command {
        CliCommand::Apply(_) | CliCommand::Confirm(_) | CliCommand::Revert(_) => terminal.end_run(exit),
        CliCommand::Plan(_)
        | CliCommand::Check(_)
        | CliCommand::Show(_)
        | CliCommand::Validate(_)
        | CliCommand::Schema(_)
        | CliCommand::Completions(_)
        | CliCommand::Man(_) => terminal.end(exit),
    }
}

/// Tells why the command line is not understood, or the help that it asks for.
fn usage(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::AsDesired };
    // Names of files may have become arguments: the message is made again of what may be shown of them.
    let shown = |argument: &OsString| {
        let text = printable::text(argument.as_encoded_bytes());
        OsString::from(printable::printable(&text).into_owned())
    };
    let arguments: Vec<OsString> = arguments.iter().map(shown).collect();
    let mut terminal = OperatorTerminal::new(ColourChoice::Auto, NameVisibility::Shown);
    match Cli::try_parse_from(arguments) {
        Err(again) => terminal.usage(&again),
        // What was wrong was that an argument is no text.
        Ok(_) => {
            let why = format!("the command line is not understood: {}", error.kind());
            terminal.tell(&[Diagnostic::new(why)], WorstSeverity::Error);
        }
    }
    terminal.end(exit)
}

impl Cli {
    /// Whether accounts are named on the screen.
    const fn names(&self) -> NameVisibility {
        let withheld = match &self.command {
            CliCommand::Plan(args) => args.accounts.redact_accounts,
            CliCommand::Apply(args) => args.accounts.redact_accounts,
            CliCommand::Check(args) => args.redact_accounts,
            CliCommand::Show(args) => args.redact_accounts,
            CliCommand::Confirm(_)
            | CliCommand::Revert(_)
            | CliCommand::Validate(_)
            | CliCommand::Schema(_)
            | CliCommand::Completions(_)
            | CliCommand::Man(_) => false,
        };
        if withheld { NameVisibility::Withheld } else { NameVisibility::Shown }
    }
}

/// Why a command ends early, and what to tell.
#[derive(Debug)]
struct CommandEnd {
    exit: Exit,
    diagnostics: Vec<Diagnostic>,
}

impl CommandEnd {
    fn new(exit: Exit, error: &dyn std::error::Error) -> Self {
        Self { exit, diagnostics: vec![Diagnostic::of(error)] }
    }
}

impl From<Vec<PlanBlocker>> for CommandEnd {
    fn from(blockers: Vec<PlanBlocker>) -> Self {
        let exit = blockers.iter().map(|blocker| blocker.kind.exit()).max().unwrap_or(Exit::Internal);
        Self { exit, diagnostics: blockers.into_iter().map(|blocker| blocker.diagnostic).collect() }
    }
}

impl From<FactsError> for CommandEnd {
    fn from(error: FactsError) -> Self {
        match error {
            FactsError::Host(error) => error.into(),
            FactsError::Unreadable { .. } => Self::new(Exit::Unknown, &error),
        }
    }
}

impl From<crate::host::HostError> for CommandEnd {
    fn from(error: crate::host::HostError) -> Self {
        let mut ended = Self::new(Exit::Unknown, &error);
        let hint = match &error {
            crate::host::HostError::Lost { .. } => {
                Some("see whether `ssh` with the same destination and options gets there")
            }
            crate::host::HostError::Late { .. } => {
                Some("see what is slow, or give it more time with `--deadline SECONDS`")
            }
            crate::host::HostError::Locked { .. }
            | crate::host::HostError::NoLock { .. }
            | crate::host::HostError::Unreachable { .. }
            | crate::host::HostError::Unexpected(_) => None,
        };
        if let Some(hint) = hint {
            for diagnostic in &mut ended.diagnostics {
                diagnostic.hint = Some(hint.to_owned());
            }
        }
        ended
    }
}

impl From<serde_json::Error> for CommandEnd {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Exit::Internal, &error)
    }
}

/// Reads and checks a manifest.
fn checked(paths: &[PathBuf]) -> Result<CheckedManifest, CommandEnd> {
    let layers = files::layers(paths)?;
    manifest::check(&layers).map_err(|diagnostics| CommandEnd { exit: Exit::Usage, diagnostics })
}

/// What kind of host it is, where the manifest is for it: on another one nothing else is looked at.
fn survey_for(host: &dyn WriteHost, desired: &Desired) -> Result<HostSurvey, CommandEnd> {
    let read = HostSurvey::read(host);
    let names = match &read {
        Ok(survey) => survey.facts.names.clone(),
        Err(FactsError::Host(_)) => return Ok(read?),
        // What cannot be read of a wrong host does not matter.
        Err(FactsError::Unreadable { .. }) => facts::names_of(host)?,
    };
    crate::engine::make::guard(desired, &names).map_err(CommandEnd::from)?;
    Ok(read?)
}

/// Plans, reading only.
fn planned(
    host: &dyn WriteHost,
    desired: &Desired,
    advice: &[Diagnostic],
    deadline: Duration,
    allowed: &SafetyOverrides,
) -> Result<Plan, CommandEnd> {
    let survey = survey_for(host, desired)?;
    let observed = Observed::read(host, &survey, ObserveScope::Of(desired))?;
    Ok(crate::engine::make::make(desired, advice, &survey, &observed, deadline, allowed)?)
}

/// The exit code of a plan that is not applied.
fn pending(plan: &Plan) -> Exit {
    let owed = (plan.steps.iter())
        .filter_map(crate::plan::Step::as_action)
        .any(|action| action.causes.contains(&crate::plan::StepCause::Owed));
    let waits = |note: &crate::plan::Note| {
        use crate::plan::Note;
        matches!(
            note,
            Note::Firewall(FirewallNote::Waits { .. }) | Note::Firewall(FirewallNote::Unwatched { .. })
        )
    };
    if plan.notes.iter().any(waits) {
        return Exit::Owed;
    }
    match (plan.is_empty(), owed) {
        (true, _) => Exit::AsDesired,
        (false, true) => Exit::Owed,
        (false, false) => Exit::Pending,
    }
}

/// The command line's definition, for completions and manual pages.
fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
