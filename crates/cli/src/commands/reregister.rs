//! `cairn reregister`: a scheduler that the master has removed begins anew, with its data; one that has lost its state, without.

use reqwest::Method;
use serde_json::Value;

use crate::args::Globals;
use crate::client::names::{ServiceName, StackPath};
use crate::client::rest::{Client, Query};
use crate::client::scheduler::Scheduler;
use crate::client::target::TargetArgs;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::runtime;

/// What is asked before.
const TEARDOWN: &str = "What runs under its name on the cluster, and is on no record, is ended. Its data stays in volumes that \
                        nobody uses then.";

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose scheduler [default: the controller itself]
    #[arg(value_name = "STACK/SERVICE")]
    service: Option<StackPath>,
    /// Also when its state is lost: what runs under its name on the cluster, and is on no record, is ended first
    #[arg(long)]
    teardown: bool,
    /// Do not ask
    #[arg(short, long, requires = "teardown")]
    yes: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Asks the scheduler, which refuses it unless the master has removed its framework, or what runs is to be ended.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    let runtime = runtime::small()?;
    let query: Query<'_> = if args.teardown { &[("teardown", "true")] } else { &[] };
    if args.teardown && !args.yes {
        let (kind, name) = match &args.service {
            Some(service) => ("service", service.to_string()),
            None => ("program", "controller".to_owned()),
        };
        console::confirm(&format!("giving up what runs as {name}"), TEARDOWN, kind, &name)?;
    }
    let Some(StackPath { stack, path }) = args.service.clone() else {
        let answer: Value = runtime.block_on(client.send(Method::POST, "/v1/reregister", query, None))?;
        globals.output.emit(&answer, |_| String::new())?;
        console::note("the controller registers anew; watch it with `cairn status`");
        return Ok(Exit::Done);
    };
    let service = path.ok_or_else(|| {
        Failure::hint(format!("{stack} is a stack"), "name one of its services: STACK/SERVICE")
    })?;
    let scheduler = Scheduler { client, service: ServiceName { stack, service }, format: globals.output };
    runtime.block_on(scheduler.change(Method::POST, "reregister", query, None))
}
