//! `cairn endpoints`: where services are to be had.

use std::collections::BTreeMap;

use cairn_controller::view::{StackSummary, StackView};

use crate::args::Globals;
use crate::client::endpoints::{StackEndpoints, keep_below, of_service, of_stack};
use crate::client::names::{Found, StackPath, find};
use crate::client::rest::{Client, escape};
use crate::client::target::TargetArgs;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Format;
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which stack, which nested stack, or which service of it [default: all stacks]
    #[arg(value_name = "STACK[/PATH]")]
    name: Option<StackPath>,
    #[command(flatten)]
    target: TargetArgs,
}

/// As data, a service's outputs are fields by their names.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    runtime::small()?.block_on(async {
        match &args.name {
            None => all(&client, globals.output).await,
            Some(StackPath { stack, path: None }) => {
                let view = stack_view(&client, stack).await?;
                globals.output.emit(&StackEndpoints::from(&view), |_| of_stack(&view))
            }
            Some(StackPath { stack, path: Some(path) }) => {
                within(stack_view(&client, stack).await?, path, globals.output)
            }
        }
    })
}

/// A nested stack has the form of a stack; of an instance the whole service is shown.
fn within(mut stack: StackView, path: &str, format: Format) -> Outcome {
    match find(&stack, path)? {
        Found::Group => {
            keep_below(&mut stack, path);
            format.emit(&StackEndpoints::from(&stack), |_| of_stack(&stack))
        }
        Found::Service(name) | Found::Instance(name, _) => {
            let service = stack.services.iter().find(|service| service.name == name);
            let service = service.cloned().unwrap_or_default();
            if service.outputs.is_empty() {
                console::note(&format!("{}/{name} has no outputs yet: {}", stack.name, service.message));
            }
            format.emit(&service.outputs, |_| of_service(&service))
        }
    }
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
