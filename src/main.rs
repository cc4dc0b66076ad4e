//! The `mailward` program: everything it does is in the library.

use std::process::ExitCode;

use mailward::cli;

fn main() -> ExitCode {
    ExitCode::from(cli::run_to_the_end(std::env::args_os()).code())
}
