//! `cairn operate`: work inside a service's instances, whatever its framework offers.

use std::time::Duration;

use cairn_framework::{Operation, OperationStatus};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::args::Globals;
use crate::client::names::ServiceName;
use crate::client::rest::{Client, escape};
use crate::client::scheduler::{Scheduler, known};
use crate::client::stack::WatchArgs;
use crate::client::table::table;
use crate::client::target::TargetArgs;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::runtime;

/// Between two looks at an operation.
const LOOK: Duration = Duration::from_millis(500);

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which service
    #[arg(value_name = "STACK/SERVICE")]
    service: ServiceName,
    /// What to do; without it, what there is to do, and what is under way
    #[arg(value_name = "OPERATION")]
    operation: Option<String>,
    /// What the operation wants to know, for example `keyspace=shop`
    #[arg(value_name = "NAME=VALUE", value_parser = argument, requires = "operation")]
    arguments: Vec<(String, Value)>,
    /// On these nodes only: `0`, `0,2`, `0..4` [default: all instances]
    #[arg(long, value_name = "IDS", requires = "operation")]
    nodes: Option<String>,
    /// End the operation with this id
    #[arg(long, value_name = "ID", conflicts_with = "operation")]
    abort: Option<String>,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// What a scheduler offers and does.
#[derive(Debug, Deserialize)]
struct Listed {
    offered: Vec<Offered>,
    operations: Vec<Operation>,
}

#[derive(Debug, Deserialize)]
struct Offered {
    name: String,
    summary: String,
    arguments: Map<String, Value>,
}

/// The service whose instances work.
struct Service(Scheduler);

/// Lists operations, or begins one and watches it, or ends one.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    let service = Service(Scheduler { client, service: args.service.clone(), format: globals.output });
    runtime::small()?.block_on(async {
        let Some(operation) = &args.operation else {
            return match &args.abort {
                Some(id) => service.abort(id).await,
                None => service.list().await,
            };
        };
        let mut body: Map<String, Value> = args.arguments.iter().cloned().collect();
        body.insert("operation".into(), operation.as_str().into());
        body.extend(args.nodes.clone().map(|nodes| ("nodes".to_owned(), nodes.into())));
        let begun = service.0.send(Method::POST, "operations", &[], Some(&body.into())).await?;
        let id = begun["id"].as_str().unwrap_or_default().to_owned();
        if args.watch.detach {
            let name = &service.0.service;
            console::say(&format!("{id} has begun; `cairn operate {name}` shows how far it is"));
            return globals.output.emit(&begun, |_| format!("{id}\n"));
        }
        service.follow(&id, args.watch.timeout).await
    })
}

impl Service {
    async fn abort(&self, id: &str) -> Outcome {
        self.0.send(Method::POST, &format!("operations/{}/abort", escape(id)), &[], None).await?;
        console::say(&format!("{id} is being ended"));
        Ok(Exit::Done)
    }

    async fn list(&self) -> Outcome {
        self.0.show(&self.0.get("operations", &[]).await?, text)
    }

    /// Watches until it is over. It goes on by itself when the watching ends.
    async fn follow(&self, id: &str, patience: Duration) -> Outcome {
        let Ok(operation) = tokio::time::timeout(patience, self.over(id)).await else {
            let name = &self.0.service;
            console::say(&format!("{id} goes on; `cairn operate {name}` shows how far it is"));
            return Ok(Exit::TimedOut);
        };
        let operation = operation?;
        self.0
            .format
            .emit(&operation, |operation| format!("{}: {}\n", operation.id, word(operation.status)))?;
        Ok(if operation.status == OperationStatus::Complete { Exit::Done } else { Exit::Error })
    }

    /// The operation when it is over; says on the way how its steps stand.
    async fn over(&self, id: &str) -> Result<Operation, Failure> {
        let mut told = Vec::new();
        loop {
            let operations = known::<Listed>(&self.0.get("operations", &[]).await?)?.operations;
            let Some(operation) = operations.into_iter().find(|o| o.id == id) else {
                return Err(Failure::new(format!(
                    "{id} is not known any more: old operations are forgotten"
                )));
            };
            for line in lines(&operation) {
                if !told.contains(&line) {
                    console::say(&line);
                    told.push(line);
                }
            }
            if operation.status.is_over() {
                return Ok(operation);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A number or a truth value where it is one, a text otherwise.
fn argument(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let plain = serde_json::from_str(value).ok().filter(|v: &Value| v.is_boolean() || v.is_number());
            Ok((name.to_owned(), plain.unwrap_or_else(|| value.into())))
        }
        _ => Err("write NAME=VALUE".into()),
    }
}

fn word(status: OperationStatus) -> &'static str {
    match status {
        OperationStatus::Pending => "pending",
        OperationStatus::Started => "under way",
        OperationStatus::Complete => "complete",
        OperationStatus::Error => "failed",
        OperationStatus::Aborted => "aborted",
    }
}

/// How its steps stand, those that wait their turn left out.
fn lines(operation: &Operation) -> Vec<String> {
    let begun = operation.steps.iter().filter(|step| step.status != OperationStatus::Pending);
    begun
        .map(|step| {
            let said = said(&step.message);
            format!("{}: {}{said}", step.instance, word(step.status))
        })
        .collect()
}

/// What a step says. Several lines, which may be a table, stand by themselves.
fn said(message: &str) -> String {
    match message.trim_end() {
        "" => String::new(),
        text if text.contains('\n') => {
            let indented = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("\n  {line}") };
            text.lines().map(indented).collect()
        }
        text => format!(": {text}"),
    }
}

fn text(listed: &Listed) -> String {
    let mut text = if listed.offered.is_empty() {
        "this framework offers no operations\n".to_owned()
    } else {
        let row = |o: &Offered| {
            let arguments: Vec<&str> = o.arguments.keys().map(String::as_str).collect();
            [o.name.clone(), arguments.join(", "), o.summary.clone()]
        };
        table(["OPERATION", "ARGUMENTS", "WHAT IT DOES"], listed.offered.iter().map(row))
    };
    if !listed.operations.is_empty() {
        let row = |o: &Operation| {
            let over = o.steps.iter().filter(|s| s.status.is_over()).count();
            [o.id.clone(), word(o.status).to_owned(), format!("{over} of {}", o.steps.len())]
        };
        text += "\n";
        text += &table(["ID", "STATUS", "STEPS"], listed.operations.iter().map(row));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_numbers_truths_and_texts() {
        assert_eq!(argument("full=true"), Ok(("full".into(), json!(true))));
        assert_eq!(argument("times=3"), Ok(("times".into(), json!(3))));
        assert_eq!(argument("keyspace=shop"), Ok(("keyspace".into(), json!("shop"))));
        assert_eq!(argument("tag="), Ok(("tag".into(), json!(""))));
        assert!(argument("shop").is_err() && argument("=x").is_err());
    }

    #[test]
    fn a_list_shows_what_there_is_and_what_goes_on() {
        let listed: Listed = serde_json::from_value(json!({
            "offered": [{"name": "repair", "summary": "Bring rows in line", "arguments": {"keyspace": "", "full": ""}}],
            "operations": [{
                "id": "repair-1f", "operation": "repair", "status": "STARTED",
                "steps": [{"instance": "node-0", "status": "COMPLETE"}, {"instance": "node-1", "status": "STARTED", "message": "12%"}],
            }],
        }))
        .unwrap();
        let expected = "\
OPERATION  ARGUMENTS       WHAT IT DOES
repair     keyspace, full  Bring rows in line

ID         STATUS     STEPS
repair-1f  under way  1 of 2
";
        assert_eq!(text(&listed), expected);
        assert_eq!(lines(&listed.operations[0]), ["node-0: complete", "node-1: under way: 12%"]);
    }

    #[test]
    fn a_table_stands_by_itself() {
        assert_eq!(said("12%\n"), ": 12%");
        let table = "Snapshots:\n\nNAME  SIZE\na     1 KiB\n";
        assert_eq!(said(table), "\n  Snapshots:\n\n  NAME  SIZE\n  a     1 KiB");
    }
}
