//! `cairn apply`: bring a stack to what its file says.

use crate::args::Globals;
use crate::client::rest::Client;
use crate::client::spec::{Spec, SpecArgs};
use crate::client::stack::{self, WatchArgs};
use crate::client::start;
use crate::client::target::TargetArgs;
use crate::failure::{Failure, Outcome};
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    spec: SpecArgs,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// Sends the file, then watches until everything serves.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let spec = args.spec.read()?;
    runtime::small()?.block_on(async {
        let client = controller(&args.target, &spec).await?;
        let applied = stack::send(&client, &spec, false).await?;
        stack::announce(&applied);
        stack::watch(&client, &applied.plan.stack, args.watch, globals.output).await
    })
}

/// The controller that is named, or one of our own. That one is not started for a file it would refuse.
async fn controller(target: &TargetArgs, spec: &Spec) -> Result<Client, Failure> {
    match target.find_any()? {
        Some(target) => Client::new(target),
        None => {
            spec.checked()?;
            start::dev(target, &spec.secret_variables()).await
        }
    }
}
