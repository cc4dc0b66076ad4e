//! `mailward plan`.

use super::terminal::OperatorTerminal;
use super::{CommandEnd, OutputFormat, PlanArgs, allowed, checked, files, pending, planned};
use crate::failure::Exit;
use crate::host::ssh::{MetadataPolicy, SignalReceiver};
use crate::plan::saved;
use crate::report::redact::{self, NameVisibility};
use crate::report::safe::SafeText;
use crate::report::text;

pub(super) fn run(args: &PlanArgs, terminal: &mut OperatorTerminal) -> Result<Exit, CommandEnd> {
    let checked = checked(&args.manifest.manifest)?;
    let host = args.host.open(MetadataPolicy::Shown, SignalReceiver::All, &args.host.limit())?;
    let plan =
        planned(&*host, &checked.desired, &checked.notes, args.host.deadline(), &allowed(&args.allow.allow))?;
    if let Some(path) = &args.output {
        files::write_private(path, SafeText::json(&saved::document(&plan)?)?.as_bytes())?;
    }
    let exit = pending(&plan);
    let plan = match terminal.names {
        NameVisibility::Shown => plan,
        NameVisibility::Withheld => redact::plan(&plan),
    };
    match args.format {
        OutputFormat::Text => {
            let text = text::plan(&plan, args.accounts.detail(), terminal.colour);
            terminal.print(&text);
        }
        OutputFormat::Json => {
            let document = match terminal.names {
                NameVisibility::Shown => saved::document(&plan)?,
                NameVisibility::Withheld => saved::withheld(&plan),
            };
            terminal.print(&SafeText::json(&document)?);
        }
    }
    Ok(exit)
}
