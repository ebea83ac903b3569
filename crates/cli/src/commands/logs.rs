//! stub
use crate::args::Globals;
use crate::failure::{Exit, Outcome};
/// Args.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}
/// Run.
pub(crate) fn run(_: &Globals, _: &Args) -> Outcome {
    Ok(Exit::Done)
}
