//! `mailward schema`, `completions` and `man`: generated from the same types that the program uses.

use clap::{Args, ValueEnum};
use serde_json::Value as Json;

use super::terminal::OperatorTerminal;
use super::{CommandEnd, definition};
use crate::failure::{Diagnostic, Exit};
use crate::report::json;
use crate::report::safe::SafeText;

/// Which schema.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Which document
    #[arg(value_enum, default_value_t = SchemaDocument::Manifest)]
    document: SchemaDocument,
}

/// A document that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaDocument {
    /// The manifest, for completion in editors
    Manifest,
    /// A saved plan, and what `plan --format json` prints
    Plan,
    /// An outcome and a history entry
    Outcome,
    /// What `show --format json` prints
    Show,
    /// What `check --format json` prints
    Check,
}

/// For which shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Which page.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The command; without one the page of mailward itself
    command: Option<String>,
}

fn document(document: SchemaDocument) -> Json {
    match document {
        SchemaDocument::Manifest => crate::manifest::schema(),
        SchemaDocument::Plan => schemars::schema_for!(crate::plan::saved::PlanDocument<'_>).to_value(),
        SchemaDocument::Outcome => schemars::schema_for!(crate::plan::outcome::Outcome).to_value(),
        SchemaDocument::Show => schemars::schema_for!(json::ShowDocument).to_value(),
        SchemaDocument::Check => schemars::schema_for!(json::CheckDocument<'_>).to_value(),
    }
}

pub(super) fn schema(args: &SchemaArgs, terminal: &mut OperatorTerminal) -> Result<Exit, CommandEnd> {
    terminal.print(&SafeText::json(&document(args.document))?);
    Ok(Exit::AsDesired)
}

pub(super) fn completions(
    args: &CompletionsArgs,
    terminal: &mut OperatorTerminal,
) -> Result<Exit, CommandEnd> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definition(), "mailward", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    terminal.print(&SafeText::generated(script));
    Ok(Exit::AsDesired)
}

pub(super) fn man(args: &ManArgs, terminal: &mut OperatorTerminal) -> Result<Exit, CommandEnd> {
    let mut definition = definition();
    definition.build();
    let page = match &args.command {
        None => definition,
        Some(name) => match definition.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                let names: Vec<&str> = definition.get_subcommands().map(clap::Command::get_name).collect();
                let diagnostic = Diagnostic::new(format!("there is no command `{name}`"))
                    .hint(format!("the commands are {}", names.join(", ")));
                return Err(CommandEnd { exit: Exit::Usage, diagnostics: vec![diagnostic] });
            }
        },
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page.flatten_help(false))
        .render(&mut text)
        .map_err(|error| CommandEnd::new(Exit::Internal, &error))?;
    let page = String::from_utf8_lossy(&text).into_owned();
    terminal.print(&SafeText::generated(page));
    Ok(Exit::AsDesired)
}
