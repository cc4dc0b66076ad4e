//! `mailward validate`.

use std::path::PathBuf;
use std::slice;

use super::terminal::OperatorTerminal;
use super::{CommandEnd, ValidateArgs, checked, files};
use crate::failure::Exit;
use crate::report::Colour;
use crate::report::diagnostic::WorstSeverity;
use crate::report::safe::SafeText;

pub(super) fn run(args: &ValidateArgs, terminal: &mut OperatorTerminal) -> Result<Exit, CommandEnd> {
    let paths = args.manifest.as_slice();
    let stacks: Vec<&[PathBuf]> = if args.layered {
        vec![paths]
    } else {
        files::once(paths)?;
        paths.iter().map(slice::from_ref).collect()
    };
    let of = stacks.len();
    let (mut valid, mut worst) = (0, Exit::AsDesired);
    for stack in stacks {
        match checked(stack) {
            Ok(checked) => {
                terminal.tell(&checked.notes, WorstSeverity::Note);
                valid += 1;
            }
            Err(CommandEnd { exit, diagnostics }) => {
                terminal.tell(&diagnostics, WorstSeverity::Error);
                worst = worst.max(exit);
            }
        }
    }
    terminal.print(&summary(valid, of));
    if valid < of && of > 1 {
        terminal.say(&SafeText::own(
            "Each file was judged by itself; --layered judges them as the layers of one manifest.\n",
        ));
    }
    Ok(worst)
}

fn summary(valid: usize, of: usize) -> SafeText {
    let mut text = SafeText::new(Colour::Off);
    match (valid, of) {
        (0, 1) => text.line("The manifest is not valid."),
        (1, 1) => text.line("The manifest is valid."),
        _ if valid == of => text.line(format_args!("All {of} manifests are valid.")),
        _ => text.line(format_args!("{} of {of} manifests are not valid.", of - valid)),
    };
    text
}
