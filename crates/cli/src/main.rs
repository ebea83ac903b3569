//! The `cairn` binary: cluster, controller, schedulers, executor and client in one.

mod args;
mod client;
mod commands;
mod console;
mod failure;
mod frameworks;
mod logging;
mod output;
mod paths;
mod runtime;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use failure::Exit;

fn main() -> ExitCode {
    // The executor stays small because nothing else of this program is set up in its process.
    if commands::executor::is_asked_for() {
        return ExitCode::from(cairn_executor::run());
    }
    let exit = match Cli::try_parse() {
        Ok(cli) => commands::run(cli).unwrap_or_else(|failure| failure.report()),
        Err(error) => usage(&error),
    };
    ExitCode::from(exit.code())
}

/// Help and versions are answers; anything else is an error, and 2 is taken by "the plan has changes".
fn usage(error: &clap::Error) -> Exit {
    // Nothing can be done about a terminal that is gone.
    let _ = error.print();
    if error.use_stderr() { Exit::Error } else { Exit::Done }
}
