//! `mailward check`.

use super::terminal::OperatorTerminal;
use super::{CheckArgs, CommandEnd, OutputFormat, allowed, checked, pending, planned};
use crate::failure::Exit;
use crate::host::ssh::{MetadataPolicy, SignalReceiver};
use crate::report::redact::{self, NameVisibility};
use crate::report::safe::SafeText;
use crate::report::{json, text};

pub(super) fn run(args: &CheckArgs, terminal: &mut OperatorTerminal) -> Result<Exit, CommandEnd> {
    let checked = checked(&args.manifest.manifest)?;
    let host = args.host.open(MetadataPolicy::Shown, SignalReceiver::All, &args.host.limit())?;
    let plan =
        planned(&*host, &checked.desired, &checked.notes, args.host.deadline(), &allowed(&args.allow.allow))?;
    let exit = pending(&plan);
    let (keep, lack) = text::left_alone(&plan);
    let summary = text::drift(&plan);
    let (plan, detail) = match terminal.names {
        NameVisibility::Shown => (plan, text::AccountDetail::Brief),
        NameVisibility::Withheld => (redact::plan(&plan), text::AccountDetail::Counts),
    };
    match args.format {
        OutputFormat::Text => terminal.print(&text::check(&plan, detail, terminal.colour)),
        OutputFormat::Json => {
            terminal.print(&SafeText::json(&json::CheckDocument {
                format: 1,
                summary,
                exit: exit.code(),
                left_alone: json::LeftAlone { keep, lack },
                plan: &plan,
            })?);
        }
    }
    Ok(exit)
}
