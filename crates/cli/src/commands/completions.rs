//! `cairn completions`: what shells read.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::console;
use crate::failure::{Exit, Outcome};

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the script.
pub(crate) fn run(args: &Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cairn", &mut script);
    console::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
