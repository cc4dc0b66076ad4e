//! The `mailward` program: everything it does is in the library.

use std::process::ExitCode;

use mailward::cli;
use mailward::failure::Exit;

fn main() -> ExitCode {
    // A bug is an exit code like any other: never 126 and above.
    let exit = std::panic::catch_unwind(|| cli::run(std::env::args_os())).unwrap_or(Exit::Internal);
    ExitCode::from(exit.code())
}
