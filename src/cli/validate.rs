//! `mailward validate`.

use std::path::PathBuf;
use std::slice;

use super::terminal::Terminal;
use super::{Ended, ValidateArgs, checked, files};
use crate::failure::Exit;
use crate::report::diagnostic::Severity;

pub(super) fn run(args: &ValidateArgs, terminal: &mut Terminal) -> Result<Exit, Ended> {
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
                terminal.tell(&checked.notes, Severity::Note);
                valid += 1;
            }
            Err(Ended { exit, diagnostics }) => {
                terminal.tell(&diagnostics, Severity::Error);
                worst = worst.max(exit);
            }
        }
    }
    terminal.print(&summary(valid, of));
    if valid < of && of > 1 {
        terminal.say("Each file was judged by itself; --layered judges them as the layers of one manifest.\n");
    }
    Ok(worst)
}

fn summary(valid: usize, of: usize) -> String {
    match (valid, of) {
        (0, 1) => "The manifest is not valid.\n".to_owned(),
        (1, 1) => "The manifest is valid.\n".to_owned(),
        _ if valid == of => format!("All {of} manifests are valid.\n"),
        _ => format!("{} of {of} manifests are not valid.\n", of - valid),
    }
}
