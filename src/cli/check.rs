//! `mailward check`.

use super::terminal::Terminal;
use super::{CheckArgs, Ended, Format, allowed, checked, pending, planned};
use crate::failure::Exit;
use crate::host::ssh::{Metadata, Signals};
use crate::report::redact::{self, Names};
use crate::report::safe::SafeText;
use crate::report::{json, text};

pub(super) fn run(args: &CheckArgs, terminal: &mut Terminal) -> Result<Exit, Ended> {
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
    let exit = pending(&plan);
    let (keep, lack) = text::left_alone(&plan);
    let summary = text::drift(&plan);
    let (plan, detail) = match terminal.names {
        Names::Shown => (plan, text::Detail::Brief),
        Names::Withheld => (redact::plan(&plan), text::Detail::Counts),
    };
    match args.format {
        Format::Text => terminal.print(&text::check(&plan, detail, terminal.colour)),
        Format::Json => {
            terminal.print(&SafeText::json(&json::Checked {
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
