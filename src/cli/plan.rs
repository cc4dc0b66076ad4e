//! `mailward plan`.

use super::terminal::Terminal;
use super::{Ended, Format, PlanArgs, checked, files, pending, planned};
use crate::failure::Exit;
use crate::host::ssh::{Metadata, Signals};
use crate::plan::saved;
use crate::report::{json, text};

pub(super) fn run(args: &PlanArgs, terminal: &mut Terminal) -> Result<Exit, Ended> {
    let checked = checked(&args.manifest.manifest)?;
    let host = args.host.open(Metadata::Shown, Signals::All)?;
    let plan = planned(
        &*host,
        &checked.desired,
        &checked.notes,
        args.host.deadline(),
    )?;
    if let Some(path) = &args.output {
        files::write_private(path, &saved::write(&plan)?)?;
    }
    match args.format {
        Format::Text => terminal.print(&text::plan(&plan, terminal.colour)),
        Format::Json => terminal.print(&json::text(&plan)?),
    }
    Ok(pending(&plan))
}
