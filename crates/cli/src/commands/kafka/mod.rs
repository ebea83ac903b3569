//! `cairn kafka`: brokers, topics and partitions, over the REST of the service's own scheduler.

mod brokers;
mod partitions;
mod shape;
mod topics;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::args::Globals;
use crate::client::names::ServiceName;
use crate::client::rest::{Client, Query};
use crate::client::target::TargetArgs;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Format;
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
    let kafka = Kafka {
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

/// A Kafka to talk to.
struct Kafka {
    client: Client,
    service: ServiceName,
    format: Format,
}

impl Kafka {
    async fn get(&self, path: &str, query: Query<'_>) -> Result<Value, Failure> {
        Ok(self.client.get(&self.service.path(&format!("proxy/v1/{path}")), query).await?)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: Query<'_>,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        Ok(self.client.send(method, &self.service.path(&format!("proxy/v1/{path}")), query, body).await?)
    }

    /// Makes a change and says that it is on its way.
    async fn change(&self, method: Method, path: &str, query: Query<'_>, body: Option<&Value>) -> Outcome {
        let answer = self.send(method, path, query, body).await?;
        if self.format.is_data() {
            return self.format.emit(&answer, Value::to_string);
        }
        let stack = &self.service.stack;
        match answer["changed"].as_bool() {
            Some(false) => console::say("nothing changes"),
            Some(true) => console::say(&format!("accepted; watch it with `cairn status {stack} --watch`")),
            None => console::say("done"),
        }
        Ok(Exit::Done)
    }

    /// Shows an answer: as data the whole of it, for people what is known of it.
    fn show<T: DeserializeOwned>(&self, answer: &Value, text: impl FnOnce(&T) -> String) -> Outcome {
        let known = T::deserialize(answer)
            .map_err(|error| Failure::new(format!("the scheduler's answer cannot be read: {error}")))?;
        self.format.emit(answer, |_| text(&known))
    }
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
