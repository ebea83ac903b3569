//! `cairn reregister`: a scheduler that the master has removed begins anew, with its data.

use reqwest::Method;
use serde_json::Value;

use crate::args::Globals;
use crate::client::names::{ServiceName, StackPath};
use crate::client::rest::Client;
use crate::client::scheduler::Scheduler;
use crate::client::target::TargetArgs;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose scheduler [default: the controller itself]
    #[arg(value_name = "STACK/SERVICE")]
    service: Option<StackPath>,
    #[command(flatten)]
    target: TargetArgs,
}

/// Asks the scheduler, which refuses it unless the master has removed its framework.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    let runtime = runtime::small()?;
    let Some(StackPath { stack, path }) = args.service.clone() else {
        let answer: Value = runtime.block_on(client.send(Method::POST, "/v1/reregister", &[], None))?;
        globals.output.emit(&answer, |_| String::new())?;
        console::note("the controller registers anew; watch it with `cairn status`");
        return Ok(Exit::Done);
    };
    let service = path.ok_or_else(|| {
        Failure::hint(format!("{stack} is a stack"), "name one of its services: STACK/SERVICE")
    })?;
    let scheduler = Scheduler { client, service: ServiceName { stack, service }, format: globals.output };
    runtime.block_on(scheduler.change(Method::POST, "reregister", &[], None))
}
