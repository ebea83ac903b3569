//! `cairn instance`: one instance of any service, over the REST that every scheduler of Cairn serves.

use cairn_controller::view::StackView;
use reqwest::Method;

use crate::args::Globals;
use crate::client::names::{self, Found, ServiceName, StackPath};
use crate::client::rest::{Client, escape};
use crate::client::scheduler::Scheduler;
use crate::client::target::TargetArgs;
use crate::failure::{Failure, Outcome};
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Restart it where it is, when that is safe
    Restart(Which),
    /// Stop it when that is safe; it keeps its place and its data
    Stop(Which),
    /// Start it again after it was stopped
    Start(Which),
    /// Give up its place and its data, and launch it anew elsewhere: for one whose agent or disk is gone for good
    Replace(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Which instance
    #[arg(value_name = "STACK/SERVICE/INSTANCE")]
    name: StackPath,
}

impl Verb {
    fn parts(&self) -> (&'static str, &StackPath) {
        match self {
            Self::Restart(which) => ("restart", &which.name),
            Self::Stop(which) => ("stop", &which.name),
            Self::Start(which) => ("start", &which.name),
            Self::Replace(which) => ("replace", &which.name),
        }
    }
}

/// Asks the service's scheduler, through the controller.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    let (verb, name) = args.verb.parts();
    runtime::small()?.block_on(async {
        let (service, instance) = find(&client, name).await?;
        let scheduler = Scheduler { client, service, format: globals.output };
        let path = format!("instances/{}/{verb}", escape(&instance));
        scheduler.change(Method::POST, &path, &[], None).await
    })
}

async fn find(client: &Client, name: &StackPath) -> Result<(ServiceName, String), Failure> {
    let stack: StackView = client.get(&format!("/v1/stacks/{}", escape(&name.stack)), &[]).await?;
    let path = name.path.as_deref().unwrap_or_default();
    match names::find(&stack, path)? {
        Found::Instance(service, instance) => {
            Ok((ServiceName { stack: name.stack.clone(), service }, instance))
        }
        Found::Service(service) => {
            let instances = stack.services.iter().filter(|s| s.name == service).flat_map(|s| &s.instances);
            let all: Vec<String> =
                instances.map(|i| format!("{}/{service}/{}", name.stack, i.name)).collect();
            Err(Failure::hint(
                format!("{}/{service} is a service; name one of its instances", name.stack),
                format!("there are: {}", all.join(", ")),
            ))
        }
        Found::Group => Err(Failure::hint(
            format!("{}/{path} is a stack of its own; name an instance", name.stack),
            format!("`cairn status {}` lists them", name.stack),
        )),
    }
}
