//! `cairn kafka STACK/SERVICE brokers …`

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::shape::{self, Broker, Brokers};
use super::{setting, settings};
use crate::client::rest::escape;
use crate::client::scheduler::Scheduler;
use crate::failure::{Failure, Outcome};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// All brokers (this is what no verb means too)
    List,
    /// Everything about some brokers
    Describe(Ids),
    /// Have this many brokers: grows with the lowest free ids, shrinks from the highest
    Count {
        /// How many
        count: u32,
    },
    /// Add a broker
    Add {
        /// Its id [default: the lowest that is free]
        #[arg(long)]
        id: Option<u32>,
        #[command(flatten)]
        fields: Fields,
    },
    /// Change what brokers have; they restart one at a time
    Update {
        #[command(flatten)]
        ids: Ids,
        #[command(flatten)]
        fields: Fields,
    },
    /// Start brokers that were stopped
    Start(Ids),
    /// Stop brokers; they keep their place and their data
    Stop {
        #[command(flatten)]
        ids: Ids,
        /// Even if partitions fall under their minimum of copies
        #[arg(long)]
        force: bool,
    },
    /// Restart brokers, one at a time
    Restart(Ids),
    /// Move partitions away, then take brokers out
    Remove(Ids),
}

#[derive(Debug, clap::Args)]
struct Ids {
    /// Which: `0`, `0,2`, `0..4`, `*`
    ids: String,
}

/// What can be set.
#[derive(Debug, clap::Args)]
struct Fields {
    /// CPUs
    #[arg(long)]
    cpus: Option<f64>,
    /// Memory, for example `1GiB`
    #[arg(long)]
    mem: Option<String>,
    /// Heap, for example `512MiB`
    #[arg(long)]
    heap: Option<String>,
    /// Port for clients, or a range of ports
    #[arg(long)]
    port: Option<String>,
    /// An entry of server.properties, or `NAME=` to go back to the default; may be repeated
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = setting)]
    options: Vec<(String, Value)>,
    /// An option of the JVM; may be repeated
    #[arg(long = "jvm-option", value_name = "OPTION", allow_hyphen_values = true)]
    jvm_options: Vec<String>,
    /// Where it may run, for example `rack:groupBy:3`; may be repeated
    #[arg(long = "constraint", value_name = "CONSTRAINT")]
    constraints: Vec<String>,
}

impl Fields {
    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        set("cpus", self.cpus.map(Value::from));
        set("mem", self.mem.clone().map(Value::from));
        set("heap", self.heap.clone().map(Value::from));
        set("port", self.port.clone().map(|port| port.parse::<u16>().map_or(Value::from(port), Value::from)));
        set("options", (!self.options.is_empty()).then(|| settings(&self.options)));
        set("jvmOptions", (!self.jvm_options.is_empty()).then(|| self.jvm_options.clone().into()));
        set("constraints", (!self.constraints.is_empty()).then(|| self.constraints.clone().into()));
        body
    }
}

pub(super) async fn run(kafka: &Scheduler, args: &Args) -> Outcome {
    let path = |ids: &Ids| format!("brokers/{}", escape(&ids.ids));
    let act = |ids: &Ids, verb: &str| format!("brokers/{}/{verb}", escape(&ids.ids));
    match args.verb.as_ref().unwrap_or(&Verb::List) {
        Verb::List => {
            let answer = kafka.get("brokers", &[]).await?;
            kafka.show(&answer, |all: &Brokers| shape::brokers(&all.brokers))
        }
        Verb::Describe(ids) => describe(kafka, &kafka.get(&path(ids), &[]).await?),
        Verb::Count { count } => {
            kafka.change(Method::PUT, "brokers", &[], Some(&json!({ "count": count }))).await
        }
        Verb::Add { id, fields } => {
            let mut body = fields.body();
            body.extend(id.map(|id| ("id".to_owned(), Value::from(id))));
            kafka.change(Method::POST, "brokers", &[], Some(&body.into())).await
        }
        Verb::Update { ids, fields } => {
            let body = fields.body();
            if body.is_empty() {
                return Err(Failure::hint("nothing is to be changed", "say what, for example --heap 1GiB"));
            }
            kafka.change(Method::PATCH, &path(ids), &[], Some(&body.into())).await
        }
        Verb::Start(ids) => kafka.change(Method::POST, &act(ids, "start"), &[], None).await,
        Verb::Stop { ids, force } => {
            let force = if *force { "true" } else { "false" };
            kafka.change(Method::POST, &act(ids, "stop"), &[("force", force)], None).await
        }
        Verb::Restart(ids) => kafka.change(Method::POST, &act(ids, "restart"), &[], None).await,
        Verb::Remove(ids) => kafka.change(Method::DELETE, &path(ids), &[], None).await,
    }
}

/// One broker is itself, several are a list. For people the table, and below it all there is to know.
fn describe(kafka: &Scheduler, answer: &Value) -> Outcome {
    let several = if answer["brokers"].is_array() { answer.clone() } else { json!({ "brokers": [answer] }) };
    if kafka.format.is_data() {
        return kafka.format.emit(answer, Value::to_string);
    }
    kafka.show(&several, |all: &Brokers| {
        let details = several["brokers"].as_array().into_iter().flatten().zip(&all.brokers).map(details);
        std::iter::once(shape::brokers(&all.brokers)).chain(details).collect::<Vec<_>>().join("\n")
    })
}

fn details((fields, broker): (&Value, &Broker)) -> String {
    let fields = fields.as_object().into_iter().flatten().filter(|(_, value)| !is_empty(value));
    let lines = fields.map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("  {name:<14} {value}\n")
    });
    format!("broker {}\n{}", broker.id, lines.collect::<String>())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
