//! The task of one broker: its files, its command line, its probes.

use cairn_framework::kit::java::{self, SIMPLE_LOGGER, SMALL_HEAP};
use cairn_framework::kit::{Entries, listens, sh};
use cairn_framework::{Config, View, Wait, files};
use cairn_kafka_admin::{Identity, Metadata, Mode, cluster_id};
use cairn_task::{ConfigFile, TaskSpec};

use crate::options::Options;
use crate::service::{BROKERS, CLIENT, CONTROLLER};

/// As Kafka's own start script has them.
const LARGE_HEAP: [&str; 4] = [
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
];
/// For archives of the user's own, whose logging back end is not known.
const LOGGERS: [&str; 2] =
    ["-Dlog4j.configuration=file:log4j.properties", "-Dlog4j2.configurationFile=log4j2.yaml"];

/// The task of a broker, whose options these are.
///
/// # Errors
/// What it waits for.
pub(crate) fn task(config: &Config, broker: &Options, instance: &str, view: &View) -> Result<TaskSpec, Wait> {
    let properties = properties(config, broker, instance, view)?;
    // Moving leaderships away and closing logs properly saves a long recovery. A controller that has lost its quorum never
    // ends by itself, so KRaft is not given as long.
    let (format, grace_ms) = match broker.mode {
        Mode::ZooKeeper => (None, 30_000),
        Mode::KRaft => (Some(cluster_id(&view.framework)), 20_000),
    };
    let loggers: &[&str] = if config.distribution.is_some() { &LOGGERS } else { &[] };
    let flags = [&SIMPLE_LOGGER, loggers].concat();
    let java = broker.jvm.java(&LARGE_HEAP, &flags, &["kafka.Kafka", "server.properties"]);
    let mut task = java::task("Kafka", "Java 17 (3.9 also runs on 11)", &java);
    task.prepare.push(sh(&["prepare.sh"]).into_iter().chain(format).collect());
    task.files.extend(files!(".": "prepare.sh"));
    task.files.push(ConfigFile::raw("server.properties", properties.to_string()));
    if !loggers.is_empty() {
        task.files.extend(files!("task": "log4j.properties", "log4j2.yaml"));
    }
    let (ready, health) = listens(CLIENT);
    Ok(TaskSpec { ready, health, grace_ms, ..task })
}

/// The path below which a cluster keeps its metadata in ZooKeeper: `H:P,H:P/demo-kafka`. What the connect string brings
/// of a path comes before.
pub(crate) fn chroot(zookeeper: &str, framework: &str) -> String {
    format!("{}/{framework}", zookeeper.trim_end_matches('/'))
}

/// server.properties: what is usual, what the operator sets, and what is fixed.
fn properties(config: &Config, broker: &Options, instance: &str, view: &View) -> Result<Entries, Wait> {
    let (place, voters) = (view.place(instance)?, broker.voters());
    let metadata = match broker.mode {
        Mode::ZooKeeper => {
            Metadata::ZooKeeper(chroot(config.input("zookeeper").unwrap_or_default(), &view.framework))
        }
        Mode::KRaft => {
            let places = view.all_of("the controllers", &voters, CONTROLLER)?.into_iter();
            Metadata::KRaft(places.filter_map(|(name, place)| Some((BROKERS.id(&name)?, place))).collect())
        }
    };
    let client = place.endpoint(CLIENT);
    let client = client.ok_or_else(|| Wait::Peers(format!("port {CLIENT} is not assigned yet")))?;
    let controller = place.endpoint(CONTROLLER).filter(|_| voters.iter().any(|voter| voter == instance));
    let id = BROKERS.id(instance).unwrap_or_default();
    let identity = Identity { id, client: &client, controller: controller.as_deref() };
    let rack = place.attributes.get("rack").map(|rack| ("broker.rack", java::property(rack)));
    Ok(Entries::new("=")
        .with(broker.wanted().usual(broker.jvm.heap() <= SMALL_HEAP))
        .with(broker.options.iter().map(|(name, value)| (name, java::property(&value.to_string()))))
        // Below the volume's root, where file systems keep things of their own.
        .with([("log.dirs", "data/kafka")])
        .with(rack)
        .with(identity.fixed(&metadata)))
}

#[cfg(test)]
mod tests;
