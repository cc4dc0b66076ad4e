//! `mailward show`.

use super::terminal::OperatorTerminal;
use super::{CommandEnd, OutputFormat, ShowArgs, checked, survey_for};
use crate::engine::observe::{ObserveScope, Observed};
use crate::engine::recall::HostSurvey;
use crate::failure::{Diagnostic, Exit};
use crate::firewall;
use crate::firewall::plan::UnconfirmedRules;
use crate::host::ssh::{MetadataPolicy, SignalReceiver};
use crate::limits::show::{entries, unreadable};
use crate::panel_access::show;
use crate::plan::Note;
use crate::report::diagnostic::WorstSeverity;
use crate::report::redact::NameVisibility;
use crate::report::safe::SafeText;
use crate::report::{json, text};

pub(super) fn run(args: &ShowArgs, terminal: &mut OperatorTerminal) -> Result<Exit, CommandEnd> {
    let checked = if args.manifest.is_empty() { None } else { Some(checked(&args.manifest)?) };
    let host = args.host.open(MetadataPolicy::Shown, SignalReceiver::All, &args.host.limit())?;
    let survey = match &checked {
        Some(checked) => survey_for(&*host, &checked.desired)?,
        None => HostSurvey::read(&*host)?,
    };
    let HostSurvey { facts, recalled } = &survey;
    let observed = Observed::read(&*host, &survey, ObserveScope::All)?;
    let waiting = firewall::plan::waiting(facts, &recalled.firewall, UnconfirmedRules::Yes).map(Note::from);
    let notes = match (&observed.firewall, &observed.boot) {
        (Some(access), Some(boot)) => firewall::plan::provisional(facts, &recalled.firewall, access, boot)
            .into_iter()
            .map(Note::from)
            .collect(),
        (Some(_) | None, _) => Vec::new(),
    };
    let entries =
        entries(checked.as_ref().map(|checked| &checked.desired), facts, &recalled.limits, &observed.limits);
    let names = match (args.format, args.accounts, terminal.names) {
        (_, true, _) | (OutputFormat::Json, _, NameVisibility::Shown) => show::AccountNaming::Named,
        (OutputFormat::Text, false, _) | (OutputFormat::Json, _, NameVisibility::Withheld) => {
            show::AccountNaming::Counted
        }
    };
    let panel = observed.accounts.as_ref();
    let accounts = panel.and_then(|panel| panel.accounts.as_ref().ok());
    let accounts = accounts.map(|accounts| show::shown(accounts, names));
    let reach = observed.firewall.as_ref().map(firewall::show::shown);
    match args.format {
        OutputFormat::Text => {
            for waiting in waiting.iter().chain(&notes) {
                let mut said = text::waiting(waiting, terminal.colour);
                terminal.print(said.end().end());
            }
            terminal.print(&text::show(&entries, terminal.colour));
            if let Some(reach) = &reach {
                terminal.print(&SafeText::own("\n"));
                terminal.print(&text::reach(reach, terminal.colour));
            }
            if let Some(accounts) = &accounts {
                terminal.print(&SafeText::own("\n"));
                terminal.print(&text::accounts(accounts, terminal.colour));
            }
        }
        OutputFormat::Json => terminal.print(&SafeText::json(&json::ShowDocument {
            format: 1,
            host: facts.id(),
            limits: entries,
            waiting,
            notes,
            access: reach,
            panel_access: accounts,
        })?),
    }
    let mut unreadable = unreadable(&observed.limits);
    if let Some(Err(unread)) = panel.map(|panel| &panel.accounts) {
        let what = "the accounts' panel access cannot be read";
        let diagnostic = Diagnostic::new(what).because(unread.to_string());
        unreadable.push(diagnostic.hint(unread.hint()));
    }
    let filters = observed.firewall.iter().flat_map(|access| access.unread());
    unreadable.extend(filters.map(|unread| {
        let what = Diagnostic::new("who reaches the mail services cannot be read");
        what.because(unread.to_string()).hint(unread.hint())
    }));
    if unreadable.is_empty() {
        return Ok(Exit::AsDesired);
    }
    terminal.tell(&unreadable, WorstSeverity::Error);
    Ok(Exit::Unknown)
}
