//! `cairn kafka`: brokers, topics and partitions, over the REST of the service's own scheduler.

mod brokers;
mod partitions;
mod shape;
mod topics;

use serde_json::Value;

use crate::args::Globals;
use crate::client::names::ServiceName;
use crate::client::rest::Client;
use crate::client::scheduler::Scheduler;
use crate::client::target::TargetArgs;
use crate::failure::Outcome;
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which Kafka
    #[arg(value_name = "STACK/SERVICE")]
    service: ServiceName,
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List brokers, or change them
    Brokers(brokers::Args),
    /// List topics, or change them
    Topics(topics::Args),
    /// List partitions: who leads, who has copies, what is in sync
    Partitions(partitions::Args),
}

/// Asks the service's scheduler, through the controller.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let kafka = Scheduler {
        client: Client::new(args.target.find()?)?,
        service: args.service.clone(),
        format: globals.output,
    };
    runtime::small()?.block_on(async {
        match &args.what {
            What::Brokers(args) => brokers::run(&kafka, args).await,
            What::Topics(args) => topics::run(&kafka, args).await,
            What::Partitions(args) => partitions::run(&kafka, args).await,
        }
    })
}

/// `NAME=VALUE`, of which an empty value resets.
fn setting(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, "")) if !name.is_empty() => Ok((name.to_owned(), Value::Null)),
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Value::from(value))),
        _ => Err("write NAME=VALUE, or NAME= to go back to the default".into()),
    }
}

fn settings(pairs: &[(String, Value)]) -> Value {
    pairs.iter().cloned().collect::<serde_json::Map<_, _>>().into()
}
