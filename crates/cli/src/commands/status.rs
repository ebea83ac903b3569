//! `cairn status`: how stacks are.

use cairn_controller::view::{StackSummary, StackView};
use serde::Deserialize;
use serde_json::Value;

use crate::args::Globals;
use crate::client::changes::Changes;
use crate::client::names::{Found, StackPath, find, is_below};
use crate::client::rest::{Client, escape};
use crate::client::target::TargetArgs;
use crate::client::tree::tree;
use crate::console::{self, Paint};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Format;
use crate::runtime;

/// Clears the screen and goes to its top.
const CLEAR: &str = "\x1b[2J\x1b[3J\x1b[H";

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which stack, or what of it: a nested stack, a service, an instance [default: all stacks]
    #[arg(value_name = "STACK[/PATH]")]
    stack: Option<StackPath>,
    /// Show it again whenever something changes, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// The state of stacks is an answer: the status is 0 however they are.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    runtime::small()?.block_on(async {
        if args.watch {
            return tokio::select! {
                ended = watch(&client, args.stack.as_ref(), globals.output) => ended,
                _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
            };
        }
        let text = look(&client, args.stack.as_ref(), globals.output).await?;
        if text.is_empty() {
            console::note("no stack has been applied yet; apply one with `cairn apply -f FILE`");
        }
        console::print(&text)?;
        Ok(Exit::Done)
    })
}

async fn watch(client: &Client, stack: Option<&StackPath>, format: Format) -> Outcome {
    let live = console::stdout_is_live() && !format.is_data();
    let mut changes = Changes::new(client);
    let mut shown = None;
    changes.listen().await;
    loop {
        let text = look(client, stack, format).await?;
        if shown.as_ref() != Some(&text) {
            let gap = if shown.is_some() && !format.is_data() { "\n" } else { "" };
            console::print(&if live { format!("{CLEAR}{text}") } else { format!("{gap}{text}") })?;
            shown = Some(text);
        }
        changes.wait().await;
    }
}

async fn look(client: &Client, stack: Option<&StackPath>, format: Format) -> Result<String, Failure> {
    let Some(stack) = stack else {
        let mut stacks = Vec::new();
        for summary in client.get::<Vec<StackSummary>>("/v1/stacks", &[]).await? {
            stacks.push(one(client, &summary.name).await?);
        }
        return format.render(&stacks, |all| all.iter().map(text).collect::<Vec<_>>().join("\n"));
    };
    let mut view = one(client, &stack.stack).await?;
    if let Some(path) = &stack.path {
        narrow(&mut view, path)?;
    }
    format.render(&view, text)
}

/// Leaves of a stack only what the path leads to.
fn narrow(stack: &mut Value, path: &str) -> Result<(), Failure> {
    let found = find(&StackView::deserialize(&*stack).unwrap_or_default(), path)?;
    let services = stack["services"].as_array_mut();
    let Some(services) = services else { return Ok(()) };
    services.retain(|service| {
        let name = service["name"].as_str().unwrap_or_default();
        match &found {
            Found::Group => is_below(name, path),
            Found::Service(wanted) | Found::Instance(wanted, _) => name == wanted,
        }
    });
    if let Found::Instance(_, wanted) = found {
        for service in services {
            if let Some(instances) = service["instances"].as_array_mut() {
                instances.retain(|instance| instance["name"] == wanted.as_str());
            }
        }
    }
    Ok(())
}

/// As data it is passed on whole, also what this program does not know.
async fn one(client: &Client, stack: &str) -> Result<Value, Failure> {
    Ok(client.get(&format!("/v1/stacks/{}", escape(stack)), &[]).await?)
}

fn text(stack: &Value) -> String {
    StackView::deserialize(stack).map(|view| tree(&view, Paint::stdout())).unwrap_or_else(|error| {
        format!("{}: cannot be shown: {error}\n", stack["name"].as_str().unwrap_or("?"))
    })
}
