//! `mailward show`.

use super::terminal::Terminal;
use super::{Ended, Format, ShowArgs, checked};
use crate::facts::Facts;
use crate::failure::Exit;
use crate::host::ssh::{Metadata, Signals};
use crate::limits::show::{entries, unreadable};
use crate::observe::{Observed, Scope};
use crate::plan::HostId;
use crate::report::diagnostic::Severity;
use crate::report::{json, text};

pub(super) fn run(args: &ShowArgs, terminal: &mut Terminal) -> Result<Exit, Ended> {
    let checked = if args.manifest.is_empty() {
        None
    } else {
        Some(checked(&args.manifest)?)
    };
    let host = args.host.open(Metadata::Shown, Signals::All)?;
    let facts = Facts::read(&*host)?;
    let observed = Observed::read(&*host, &facts, Scope::All)?;
    let entries = entries(
        checked.as_ref().map(|checked| &checked.desired),
        &facts,
        &observed,
    );
    match args.format {
        Format::Text => terminal.print(&text::show(&entries, terminal.colour)),
        Format::Json => terminal.print(&json::text(&json::Shown {
            format: 1,
            host: HostId {
                name: facts.node,
                machine_id: facts.machine_id,
            },
            limits: entries,
        })?),
    }
    let unreadable = unreadable(&observed);
    if unreadable.is_empty() {
        return Ok(Exit::AsDesired);
    }
    terminal.tell(&unreadable, Severity::Error);
    Ok(Exit::Unknown)
}
