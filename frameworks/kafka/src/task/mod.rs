//! The task of one broker: its files, its command line, its probes.

mod properties;

use cairn_framework::kit::java::{self, Java, SIMPLE_LOGGER, SMALL};
use cairn_framework::kit::{listens, sh};
use cairn_framework::{Config, Placement, View, Wait, files};
use cairn_task::{ConfigFile, TaskSpec};

use crate::broker::Broker;
use crate::options::{Mode, Options};
use crate::quorum;

pub(crate) use properties::{chroot, session_timeout_ms};

/// Name of the port for clients.
pub(crate) const CLIENT_PORT: &str = "client";

/// As Kafka's own start script has them.
const LARGE_HEAP: [&str; 4] = [
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
];

/// The task of broker `id` at `place`.
///
/// # Errors
/// What it waits for.
pub(crate) fn task(
    config: &Config,
    options: &Options,
    id: u32,
    place: &Placement,
    view: &View,
) -> Result<TaskSpec, Wait> {
    let broker = Broker::of(options, id);
    let properties = match options.mode {
        Mode::ZooKeeper => properties::zookeeper(config, options, &broker, id, place, view)?,
        Mode::KRaft => properties::kraft(options, &broker, id, place, view)?,
    };
    let mut prepare = sh(&["prepare.sh"]);
    if options.mode == Mode::KRaft {
        prepare.push(quorum::cluster_id(&view.framework));
    }
    let own = config.distribution.is_some();
    let mut task = jvm(&broker, own);
    task.prepare.push(prepare);
    task.files.extend(files!("..": "prepare.sh"));
    task.files.push(ConfigFile::raw("server.properties", properties.to_string()));
    if own {
        task.files.extend(files!(".": "log4j.properties", "log4j2.yaml"));
    }
    let (ready, health) = listens(CLIENT_PORT);
    // Moving leaderships away and closing logs properly saves a long recovery. A controller that has lost its quorum never
    // ends by itself, so KRaft is not given as long.
    let grace_ms = if options.mode == Mode::KRaft { 20_000 } else { 30_000 };
    Ok(TaskSpec { ready, health, grace_ms, ..task })
}

/// The JVM. `own`: the archive is the user's, with a logging back end that is not known.
fn jvm(broker: &Broker, own: bool) -> TaskSpec {
    let mut flags = SIMPLE_LOGGER.to_vec();
    if own {
        flags.extend([
            "-Dlog4j.configuration=file:log4j.properties",
            "-Dlog4j2.configurationFile=log4j2.yaml",
        ]);
    }
    let main = ["kafka.Kafka", "server.properties"];
    let own = &broker.jvm_options;
    let java = Java { heap: broker.heap, small: &SMALL, large: &LARGE_HEAP, flags: &flags, own, main: &main };
    java::task("Kafka", "Java 17 (3.9 also runs on 11)", &java)
}

#[cfg(test)]
mod tests;
