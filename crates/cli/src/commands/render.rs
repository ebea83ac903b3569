//! `cairn render`: a stack as it is after overlays, parameters and nested stacks, in one file.

use crate::args::Globals;
use crate::client::spec::SpecArgs;
use crate::console::{self, Paint};
use crate::failure::Outcome;
use crate::output::Format;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    spec: SpecArgs,
}

/// Secrets stay references, with where their values come from. Warnings go to stderr.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let checked = args.spec.read()?.checked()?;
    if !checked.warnings.is_empty() {
        console::say(checked.warnings.render(Paint::stderr().is_on()).trim_end());
    }
    let mut spec = checked.stack.to_spec();
    let secrets = checked.secrets.to_spec();
    if secrets.as_object().is_some_and(|secrets| !secrets.is_empty()) {
        spec["secrets"] = secrets;
    }
    let format = if globals.output == Format::Json { Format::Json } else { Format::Yaml };
    format.emit(&spec, ToString::to_string)
}
