//! `cairn kafka STACK/SERVICE topics …`

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::shape::{self, Topic, Topics};
use super::{setting, settings};
use crate::client::rest::escape;
use crate::client::scheduler::Scheduler;
use crate::console;
use crate::failure::{Failure, Outcome};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// All topics (this is what no verb means too)
    List,
    /// A topic with its partitions
    Describe(Name),
    /// Create a topic. Nothing keeps it as it is; topics that are to be kept belong into the stack's file
    Add {
        #[command(flatten)]
        name: Name,
        /// Number of partitions
        #[arg(long, default_value_t = 1)]
        partitions: u32,
        /// Brokers that hold a copy of each partition
        #[arg(long, default_value_t = 1)]
        replication: u32,
        #[command(flatten)]
        config: Config,
    },
    /// Change a topic
    Update {
        #[command(flatten)]
        name: Name,
        /// Number of partitions; they can only become more
        #[arg(long)]
        partitions: Option<u32>,
        /// Brokers that hold a copy of each partition
        #[arg(long)]
        replication: Option<u32>,
        #[command(flatten)]
        config: Config,
    },
    /// Spread a topic's partitions evenly over brokers
    Rebalance {
        #[command(flatten)]
        name: Name,
        /// Over which brokers: `0,2`, `0..4` [default: all]
        #[arg(long, value_name = "IDS")]
        brokers: Option<String>,
        /// With this many copies of each partition
        #[arg(long)]
        replication: Option<u32>,
    },
    /// Delete a topic and all that is in it
    Remove {
        #[command(flatten)]
        name: Name,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Name {
    /// Which topic
    #[arg(value_name = "TOPIC")]
    name: String,
}

#[derive(Debug, clap::Args)]
struct Config {
    /// A setting of the topic, or `NAME=` to go back to the default; may be repeated
    #[arg(long = "config", value_name = "NAME=VALUE", value_parser = setting)]
    config: Vec<(String, Value)>,
}

pub(super) async fn run(kafka: &Scheduler, args: &Args) -> Outcome {
    match args.verb.as_ref().unwrap_or(&Verb::List) {
        Verb::List => {
            let answer = kafka.get("topics", &[]).await?;
            kafka.show(&answer, |all: &Topics| shape::topics(all))
        }
        Verb::Describe(name) => {
            let answer = kafka.get(&path(name), &[]).await?;
            kafka.show(&answer, |topic: &Topic| shape::topic(topic))
        }
        Verb::Add { name, partitions, replication, config } => {
            let config: Vec<_> =
                config.config.iter().filter(|(_, value)| !value.is_null()).cloned().collect();
            let body = json!({
                "name": name.name, "partitions": partitions, "replication": replication, "config": settings(&config),
            });
            kafka.change(Method::POST, "topics", &[], Some(&body)).await
        }
        Verb::Update { name, partitions, replication, config } => {
            let config = (!config.config.is_empty()).then(|| settings(&config.config));
            let body = body([
                ("partitions", partitions.map(Value::from)),
                ("replication", replication.map(Value::from)),
                ("config", config),
            ]);
            if body.is_empty() {
                return Err(Failure::hint(
                    "nothing is to be changed",
                    "say what, for example --partitions 12",
                ));
            }
            kafka.change(Method::PATCH, &path(name), &[], Some(&body.into())).await
        }
        Verb::Rebalance { name, brokers, replication } => {
            let body = body([
                ("brokers", brokers.clone().map(Value::from)),
                ("replication", replication.map(Value::from)),
            ]);
            rebalance(kafka, &format!("{}/rebalance", path(name)), &body.into()).await
        }
        Verb::Remove { name, yes } => {
            if !yes {
                let what = format!("deleting topic {} and all that is in it", name.name);
                console::confirm(&what, "", "topic", &name.name)?;
            }
            kafka.change(Method::DELETE, &path(name), &[], None).await
        }
    }
}

async fn rebalance(kafka: &Scheduler, path: &str, body: &Value) -> Outcome {
    let answer = kafka.send(Method::POST, path, &[], Some(body)).await?;
    kafka.format.emit(&answer, |answer| {
        let moves = answer["moves"].as_array().map_or(0, Vec::len);
        match moves {
            0 => "nothing needs to move\n".into(),
            1 => "1 partition moves; `partitions` shows how far it is\n".into(),
            n => format!("{n} partitions move; `partitions` shows how far they are\n"),
        }
    })
}

fn path(name: &Name) -> String {
    format!("topics/{}", escape(&name.name))
}

fn body<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
