//! `cairn endpoints`: where services are to be had.

use std::collections::BTreeMap;

use cairn_controller::view::{ServiceView, StackSummary, StackView};

use crate::args::Globals;
use crate::client::endpoints::{StackEndpoints, of_service, of_stack};
use crate::client::names::StackOrService;
use crate::client::rest::{Client, escape};
use crate::client::target::TargetArgs;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Format;
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which stack, or which service of it [default: all stacks]
    #[arg(value_name = "STACK[/SERVICE]")]
    name: Option<StackOrService>,
    #[command(flatten)]
    target: TargetArgs,
}

/// As data, a service's outputs are fields by their names.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    runtime::small()?.block_on(async {
        match &args.name {
            None => all(&client, globals.output).await,
            Some(StackOrService { stack, service: None }) => {
                let view = stack_view(&client, stack).await?;
                globals.output.emit(&StackEndpoints::from(&view), |_| of_stack(&view))
            }
            Some(StackOrService { stack, service: Some(service) }) => {
                let path = format!("/v1/stacks/{}/services/{}", escape(stack), escape(service));
                let view: ServiceView = client.get(&path, &[]).await?;
                if view.outputs.is_empty() {
                    console::note(&format!("{stack}/{service} has no outputs yet: {}", view.message));
                }
                globals.output.emit(&view.outputs, |_| of_service(&view))
            }
        }
    })
}

async fn stack_view(client: &Client, stack: &str) -> Result<StackView, Failure> {
    Ok(client.get(&format!("/v1/stacks/{}", escape(stack)), &[]).await?)
}

async fn all(client: &Client, format: Format) -> Outcome {
    let mut stacks = Vec::new();
    for summary in client.get::<Vec<StackSummary>>("/v1/stacks", &[]).await? {
        stacks.push(stack_view(client, &summary.name).await?);
    }
    let data: BTreeMap<&str, StackEndpoints> =
        stacks.iter().map(|stack| (stack.name.as_str(), StackEndpoints::from(stack))).collect();
    format.emit(&data, |_| stacks.iter().map(of_stack).collect())?;
    Ok(Exit::Done)
}
