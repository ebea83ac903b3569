//! The task of one broker: its files, its command line, its probes.

mod properties;

use cairn_framework::kit::java::{self, Java, SIMPLE_LOGGER};
use cairn_framework::kit::probes;
use cairn_framework::{Config, Placement, View, Wait};
use cairn_task::{ConfigFile, ProbeKind, TaskSpec};

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
        Mode::ZooKeeper => properties::zookeeper(config, options, id, place, view)?,
        Mode::KRaft => properties::kraft(options, id, place, &quorum::voters(options, view)?)?,
    };
    let mut prepare = vec!["/bin/sh".to_owned(), "prepare.sh".to_owned()];
    if options.mode == Mode::KRaft {
        prepare.push(quorum::cluster_id(&view.framework));
    }
    let (link, jars) = java::jars("Kafka");
    let mut files = vec![
        ConfigFile::raw("server.properties", properties::text(&properties, &broker.options)),
        ConfigFile::raw("prepare.sh", include_str!("../prepare.sh")),
        link,
    ];
    let own = config.distribution.is_some();
    if own {
        files.push(ConfigFile::raw("log4j.properties", include_str!("log4j.properties")));
        files.push(ConfigFile::raw("log4j2.yaml", include_str!("log4j2.yaml")));
    }
    let target = format!("{{{{ address }}}}:{{{{ ports.{CLIENT_PORT} }}}}");
    let (ready, health) = probes(ProbeKind::Tcp { target });
    Ok(TaskSpec {
        command: command(&broker, own),
        prepare: vec![jars, prepare],
        files,
        requires: java::required("Kafka needs Java 17 (3.9 also runs on 11)"),
        ready,
        health,
        // Moving leaderships away and closing logs properly saves a long recovery. A controller that has lost its
        // quorum never ends by itself, so KRaft is not given as long.
        grace_ms: if options.mode == Mode::KRaft { 20_000 } else { 30_000 },
        ..TaskSpec::default()
    })
}

/// The command line. `own`: the archive is the user's, with a logging back end that is not known.
fn command(broker: &Broker, own: bool) -> Vec<String> {
    let mut flags = SIMPLE_LOGGER.to_vec();
    if own {
        flags.extend([
            "-Dlog4j.configuration=file:log4j.properties",
            "-Dlog4j2.configurationFile=log4j2.yaml",
        ]);
    }
    let main = ["kafka.Kafka", "server.properties"];
    Java { heap: broker.heap, large: &LARGE_HEAP, flags: &flags, own: &broker.jvm_options, main: &main }
        .command()
}

#[cfg(test)]
mod tests;
