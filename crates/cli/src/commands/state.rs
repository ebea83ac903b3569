//! `cairn state`: backups of what Cairn has stored, and moves from one place to another.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cairn_controller::layout::{self, CONTROLLER, SCHEDULERS};
use cairn_controller::view::{StackSummary, StackView};
use cairn_framework::core::Core;
use cairn_framework::store::{Backup, Entries, Place, StoreError};
use reqwest::Method;
use serde_json::Value;

use crate::args::Globals;
use crate::client::names::ServiceName;
use crate::client::rest::{Client, escape};
use crate::client::target::TargetArgs;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write the state of the controller and of all schedulers as one document, while they run; secrets stay sealed or out
    Export(Export),
    /// Bring back what was exported: running schedulers take it up and start anew; what they run goes on
    Import(Import),
}

#[derive(Debug, clap::Args)]
struct Export {
    /// Where to [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Be content with the states of schedulers that answer; which are missing is said, and stands in the document
    #[arg(long, conflicts_with = "state")]
    partial: bool,
    /// Read it from a place instead of asking the controller: a work directory that is in nobody's use, or zk://…
    #[arg(long, value_name = "STATE")]
    state: Option<Place>,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, clap::Args)]
struct Import {
    /// What `cairn state export` wrote
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Write it to a place that is in nobody's use instead of asking the controller: a work directory, or zk://…
    #[arg(long, value_name = "STATE")]
    state: Option<Place>,
    /// Replace a state that is there
    #[arg(long, requires = "state")]
    overwrite: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Carries it out.
pub(crate) fn run(_: &Globals, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Export(args) => export(args),
        Verb::Import(args) => import(args),
    }
}

fn stored(error: &StoreError) -> Failure {
    let hint = match error {
        StoreError::Held { .. } => {
            Some("leave --state away to ask the running controller, or stop what uses it")
        }
        _ => None,
    };
    match hint {
        Some(hint) => Failure::hint(error.to_string(), hint),
        None => Failure::new(error.to_string()),
    }
}

fn export(args: &Export) -> Outcome {
    let backup = runtime::small()?.block_on(async {
        match &args.state {
            Some(place) => from_place(place).await,
            None => from_controller(&Client::new(args.target.find()?)?).await,
        }
    })?;
    let text = serde_json::to_string_pretty(&backup).map_err(|e| Failure::new(e.to_string()))? + "\n";
    let whole = backup.missing.is_empty();
    match &args.file {
        None => console::print(&text)?,
        Some(path) => {
            // It does not take the place of a whole one that was written before.
            let path = if whole || args.partial { path.clone() } else { beside(path) };
            write_private(&path, &text)
                .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
            console::note(&format!("wrote {} states to {}", backup.states.len(), path.display()));
        }
    }
    for (path, why) in &backup.missing {
        console::note(&format!("{path} is missing: {why}"));
    }
    if whole || args.partial {
        return Ok(Exit::Done);
    }
    Err(Failure::hint(
        format!("this is no whole backup: {} of {} states are missing", backup.missing.len(), all(&backup)),
        "export again when their schedulers run (`cairn doctor` says what is wrong with them), or say --partial",
    ))
}

fn all(backup: &Backup) -> usize {
    backup.states.len() + backup.missing.len()
}

/// Where a backup goes that is not whole: `backup.json.partial`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Nobody but its owner has a reason to read it.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

async fn from_place(place: &Place) -> Result<Backup, Failure> {
    let mut states = BTreeMap::new();
    for path in place.states().await.map_err(|e| stored(&e))? {
        let entries = at(place, &path).read().await.map_err(|e| stored(&e))?;
        states.insert(path, entries);
    }
    if states.is_empty() {
        return Err(Failure::hint(
            format!("there is no state in {place}"),
            "name the --work-dir of a controller",
        ));
    }
    Ok(Backup::new(states))
}

fn at(place: &Place, path: &str) -> Place {
    if path.is_empty() { place.clone() } else { place.below(path) }
}

async fn from_controller(client: &Client) -> Result<Backup, Failure> {
    let mut states =
        BTreeMap::from([(CONTROLLER.to_owned(), client.get::<Entries>("/v1/state", &[]).await?)]);
    let mut missing = BTreeMap::new();
    for (path, service) in services(client).await? {
        match client.get::<Entries>(&service.path("proxy/v1/state"), &[]).await {
            Ok(entries) => drop(states.insert(path, entries)),
            Err(error) => drop(missing.insert(path, Failure::from(error).to_string())),
        }
    }
    Ok(Backup { missing, ..Backup::new(states) })
}

fn without(service: &ServiceName, failure: Failure) -> Failure {
    match failure {
        Failure::Error { message, hint } => {
            Failure::Error { message: format!("the state of {service} cannot be had: {message}"), hint }
        }
        other => other,
    }
}

/// The schedulers of all services, by the path of their states.
async fn services(client: &Client) -> Result<BTreeMap<String, ServiceName>, Failure> {
    let mut all = BTreeMap::new();
    for summary in client.get::<Vec<StackSummary>>("/v1/stacks", &[]).await? {
        let stack: StackView = client.get(&format!("/v1/stacks/{}", escape(&summary.name)), &[]).await?;
        for service in stack.services.into_iter().filter(|service| !service.existing) {
            let path = path(&summary.name, &service.name, &service.framework);
            all.insert(path, ServiceName { stack: summary.name.clone(), service: service.name });
        }
    }
    Ok(all)
}

fn path(stack: &str, service: &str, framework: &str) -> String {
    format!("{SCHEDULERS}/{}", layout::scheduler(stack, service, framework))
}

fn import(args: &Import) -> Outcome {
    let failed = |why: String| Failure::new(format!("cannot read {}: {why}", args.file.display()));
    let text = std::fs::read(&args.file).map_err(|e| failed(e.to_string()))?;
    let backup: Backup =
        serde_json::from_slice(&text).map_err(|e| failed(format!("it is no backup: {e}")))?;
    check(&backup).map_err(failed)?;
    for path in backup.missing.keys() {
        console::note(&format!("{path} is not in this backup; what is there of it stays as it is"));
    }
    runtime::small()?.block_on(async {
        match &args.state {
            Some(place) => to_place(&backup, place, args.overwrite).await,
            None => to_controller(&backup, args).await,
        }
    })
}

/// All of it before any of it is brought back.
fn check(backup: &Backup) -> Result<(), String> {
    backup.check().map_err(|e| e.to_string())?;
    for (path, entries) in &backup.states {
        Core::readable(entries).map_err(|problem| format!("{path}: {problem}"))?;
    }
    Ok(())
}

async fn to_place(backup: &Backup, place: &Place, overwrite: bool) -> Outcome {
    for (path, entries) in &backup.states {
        at(place, path).write(entries, overwrite).await.map_err(|e| stored(&e))?;
    }
    console::note(&format!("wrote {} states to {place}", backup.states.len()));
    Ok(Exit::Done)
}

/// Schedulers first: the controller ends with its own.
async fn to_controller(backup: &Backup, args: &Import) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    let services = services(&client).await?;
    let mut ours = Vec::new();
    for path in backup.states.keys().filter(|path| *path != CONTROLLER) {
        let service = services.get(path).ok_or_else(|| {
            Failure::hint(
                format!("{path} has no scheduler that runs, so its state cannot be brought back in this way"),
                "stop the controller and its schedulers, and import with --state",
            )
        })?;
        ours.push((path, service));
    }
    if !args.yes {
        let details = format!(
            "{} states come back. What was changed since is undone: instances that were launched since are ended, and \
             launched again as they were then. Data is kept.",
            backup.states.len()
        );
        console::confirm("bringing back state", &details, "file", &args.file.display().to_string())?;
    }
    for (path, service) in ours {
        let body = serde_json::to_value(&backup.states[path]).unwrap_or_default();
        let put: Result<Value, _> =
            client.send(Method::PUT, &service.path("proxy/v1/state"), &[], Some(&body)).await;
        put.map_err(|error| without(service, Failure::from(error)))?;
    }
    if let Some(entries) = backup.states.get(CONTROLLER) {
        let body = serde_json::to_value(entries).unwrap_or_default();
        let _: Value = client.send(Method::PUT, "/v1/state", &[], Some(&body)).await?;
        console::note("the controller has taken its state up and ended; start it again");
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_controller() {
        assert_eq!(path("demo", "log/kafka", "kafka"), "schedulers/demo/log.kafka/kafka");
        let place: Place = "zk://h:1/cairn".parse().unwrap();
        assert_eq!(at(&place, "").to_string(), "zk://h:1/cairn");
        assert_eq!(beside(Path::new("/b/backup.json")), Path::new("/b/backup.json.partial"));
        assert_eq!(at(&place, "controller").to_string(), "zk://h:1/cairn/controller");
    }
}
