//! `cairn kafka STACK/SERVICE partitions`

use super::shape::{self, Partitions};
use crate::client::scheduler::Scheduler;
use crate::failure::Outcome;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those of this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only those of which this broker has a copy
    #[arg(long, value_name = "ID")]
    broker: Option<u32>,
    /// Only those of which a copy is not in sync
    #[arg(long)]
    under_replicated: bool,
}

pub(super) async fn run(kafka: &Scheduler, args: &Args) -> Outcome {
    let broker = args.broker.map(|id| id.to_string());
    let mut query: Vec<(&str, &str)> = Vec::new();
    query.extend(args.topic.as_deref().map(|topic| ("topic", topic)));
    query.extend(broker.as_deref().map(|id| ("broker", id)));
    query.extend(args.under_replicated.then_some(("underReplicated", "true")));
    let answer = kafka.get("partitions", &query).await?;
    kafka.show(&answer, |all: &Partitions| shape::partitions(all))
}
