//! `mailward plan`.

use super::terminal::Terminal;
use super::{Ended, Format, PlanArgs, allowed, checked, files, pending, planned};
use crate::failure::Exit;
use crate::host::ssh::{Metadata, Signals};
use crate::plan::saved;
use crate::report::redact::{self, Names};
use crate::report::safe::SafeText;
use crate::report::text;

pub(super) fn run(args: &PlanArgs, terminal: &mut Terminal) -> Result<Exit, Ended> {
    let checked = checked(&args.manifest.manifest)?;
    let host = args
        .host
        .open(Metadata::Shown, Signals::All, &args.host.limit())?;
    let plan = planned(
        &*host,
        &checked.desired,
        &checked.notes,
        args.host.deadline(),
        &allowed(&args.allow.allow),
    )?;
    if let Some(path) = &args.output {
        files::write_private(path, &saved::write(&plan)?)?;
    }
    let exit = pending(&plan);
    let plan = match terminal.names {
        Names::Shown => plan,
        Names::Withheld => redact::plan(&plan),
    };
    match args.format {
        Format::Text => {
            let text = text::plan(&plan, args.accounts.detail(), terminal.colour);
            terminal.print(&text);
        }
        Format::Json => {
            let document = match terminal.names {
                Names::Shown => saved::document(&plan)?,
                Names::Withheld => saved::withheld(&plan),
            };
            terminal.print(&SafeText::json(&document)?);
        }
    }
    Ok(exit)
}
