//! `mailward validate`.

use super::terminal::Terminal;
use super::{Ended, ValidateArgs, checked};
use crate::failure::Exit;
use crate::report::diagnostic::Severity;
use crate::report::safe::SafeText;

pub(super) fn run(args: &ValidateArgs, terminal: &mut Terminal) -> Result<Exit, Ended> {
    let checked = checked(&args.manifest.manifest)?;
    terminal.tell(&checked.notes, Severity::Note);
    terminal.print(&SafeText::own("The manifest is valid.\n"));
    Ok(Exit::AsDesired)
}
