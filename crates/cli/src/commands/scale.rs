//! `cairn scale`: how many instances a service has.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::args::Globals;
use crate::client::names::ServiceName;
use crate::client::rest::Client;
use crate::client::stack::{self, Applied, WatchArgs};
use crate::client::target::TargetArgs;
use crate::failure::{Failure, Outcome};
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which service
    #[arg(value_name = "STACK/SERVICE")]
    service: ServiceName,
    /// How many instances it should have
    #[arg(value_name = "N")]
    count: u64,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// Changes the count, then watches until everything serves.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    runtime::small()?.block_on(async {
        let body = json!({ "count": args.count });
        let answer = client.send(Method::POST, &args.service.path("scale"), &[], Some(&body)).await?;
        let applied = Applied::deserialize(&answer)
            .map_err(|error| Failure::new(format!("the controller's answer cannot be read: {error}")))?;
        stack::announce(&applied);
        stack::watch(&client, &args.service.stack, args.watch, globals.output).await
    })
}
