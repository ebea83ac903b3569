//! `cairn validate`: all mistakes of a stack spec, without a controller.

use cairn_stack::Report;

use crate::args::Globals;
use crate::client::spec::SpecArgs;
use crate::console::{self, Paint};
use crate::failure::{Exit, Outcome};

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    spec: SpecArgs,
}

/// Diagnostics go to stderr; as data, they are the answer.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let checked = args.spec.read()?.check()?;
    let (report, exit) = match checked {
        Ok(checked) => {
            if !globals.output.is_data() {
                console::say(&format!("stack {} is valid", checked.stack.name));
            }
            (checked.warnings, Exit::Done)
        }
        Err(report) => (report, Exit::Error),
    };
    if globals.output.is_data() {
        globals.output.emit(&report, Report::to_string)?;
    } else if !report.is_empty() {
        console::say(report.render(Paint::stderr().is_on()).trim_end());
    }
    Ok(exit)
}
